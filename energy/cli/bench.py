"""`microgrid bench`: the design's figures on this machine, with their aims."""

import platform
from typing import Annotated

import orjson
import psutil
import typer
from rich.console import Console
from rich.table import Table

from energy.bench import PARTS, Figure
from energy.cli.settings import AsJson


def bench(
    part: Annotated[str, typer.Argument(help=f"one of {', '.join(PARTS)}, or all")] = "all",
    district: Annotated[str, typer.Option(help="district to measure")] = "sejong-5-1",
    json: AsJson = False,
) -> None:
    """Measure the figures of the design and print them beside their aims."""
    if part != "all" and part not in PARTS:
        raise typer.BadParameter(f"part {part!r}: allowed are all, {', '.join(PARTS)}")
    chosen = PARTS if part == "all" else {part: PARTS[part]}
    figures = [figure for measure in chosen.values() for figure in measure(district)]
    if json:
        typer.echo(orjson.dumps([figure.as_json() for figure in figures]).decode())
    else:
        _show(figures)


def _show(figures: list[Figure]) -> None:
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{platform.machine()}, {psutil.cpu_count()} cores, {memory:.0f} GiB"
    table = Table("figure", "value", "aim", "value / aim", "met", title=machine)
    for figure in figures:
        aim = "" if figure.aim is None else f"≤ {figure.aim:g} {figure.unit}"
        share = "" if figure.aim is None else f"{figure.value / figure.aim:.2f}"
        met = {None: "", True: "yes", False: "NO"}[figure.met]
        table.add_row(figure.name, f"{figure.value:,.4g} {figure.unit}", aim, share, met)
    Console().print(table)
