"""`microgrid study`: a year of a district under several scenarios; report as JSON, CSV and HTML."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from energy.cli.settings import AsJson, Seed, start_logging
from energy.config import build_settings
from energy.study import (
    Done,
    Made,
    Study,
    open_client,
    read_scenarios,
    run_study,
    runs_of,
    write_study,
)
from energy.study.chunk import Told

SHOWN = (
    "self_sufficiency_frac", "self_consumption_frac", "operator_supply_frac",
    "capacity_share_frac", "net_zero_balance_kwh", "peak_import_kw", "cost_krw",
    "baseline_cost_krw", "saved_frac", "connection_bill_krw", "co2_t", "customers_bill_krw",
    "customers_kepco_alone_krw", "prosumers_sold_krw", "prosumers_smp_rec_krw", "curtailed_kwh",
    "battery_cycles", "fuel_cell_running_h", "fuel_cell_heat_kwh", "hours_violated",
    "broken_departures", "departures", "plans_optimal", "plans",
)  # fmt: skip
Districts = Annotated[
    list[str] | None, typer.Option("--district", help="name or name@fraction; may be repeated")
]
Scenarios = Annotated[
    list[Path] | None, typer.Option("--scenario", help="TOML file; may be repeated")
]
Out = Annotated[Path, typer.Option(help="folder of the report and of what is kept for resuming")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=256, help="processes on this machine; default: all cores")
]
Cluster = Annotated[str, typer.Option(help="address of a Dask scheduler, such as tcp://HOST:8786")]


def study(
    district: Districts = None,
    year: Annotated[int, typer.Option(help="local calendar year")] = 2026,
    scenario: Scenarios = None,
    out: Out = Path("var/study"),
    months: Annotated[str, typer.Option(help="first and last month")] = "1-12",
    draws: Annotated[int, typer.Option(help="seeds to draw, for quantiles")] = 1,
    seed: Seed = None,
    workers: Workers = None,
    cluster: Cluster = "",
    chunk_months: Annotated[int, typer.Option(help="months of an unbroken chain")] = 1,
    warm_up_days: Annotated[int, typer.Option(help="days before a chain, not counted")] = 3,
    horizon_slots: Annotated[int, typer.Option(help="slots that a day's plan looks ahead")] = 144,
    as_json: AsJson = False,
) -> None:
    """Plan a year day by day, settle its quarter hours, and compare scenarios; goes on if killed.

    Parts that are finished stand in OUT/parts: the same command again runs what is missing.
    """
    settings = build_settings(seed=seed)
    start_logging(settings, quiet=True)
    asked = Study(
        districts=tuple(district or [settings.district]),
        scenarios=read_scenarios(scenario or []),
        year=year,
        months=parse_months(months),
        seed=settings.seed,
        draws=draws,
        chunk_months=chunk_months,
        warm_up_days=warm_up_days,
        horizon_slots=horizon_slots,
    )
    count, begun, days = workers or os.cpu_count() or 1, monotonic(), 0
    total = sum(run.days for run in runs_of(asked))
    with open_client(count, cluster) as client, _progress(total) as advance:

        def day_done() -> None:
            nonlocal days
            days += 1
            advance()

        done = run_study(asked, out / "parts", client, day_done)
    made = Made(round(monotonic() - begun, 1), days, cluster or f"{count} processes")
    document = write_study(out, asked, done, made)
    typer.echo(f"report: {out / 'study.json'}, study.csv, days.csv, study.html", err=True)
    if as_json:
        typer.echo(orjson.dumps(document).decode())
    else:
        _show(done)


def parse_months(text: str) -> tuple[int, int]:
    """`1-12` or `7` as first and last month; anything else is wrong use."""
    found = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", text)
    if not found:
        raise typer.BadParameter(f"months {text!r}: allowed such as 1-12 or 7")
    first = int(found[1])
    return first, int(found[2] or first)


@contextmanager
def _progress(total: int) -> Iterator[Told]:
    """A bar of days on the error stream; what it gives moves it on by one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("days to run, kept ones left out", total=total)
        yield lambda: bar.advance(task)


def _show(done: list[Done]) -> None:
    """The main figures, a column for each run."""
    table = Table.grid(padding=(0, 2))
    several = len({one.run.district for one in done}) > 1
    heads = []
    for one in done:
        place = f"{one.run.district} " if several else ""
        heads.append(f"{place}{one.run.scenario.name} (seed {one.run.seed})")
    table.add_row("", *heads)
    for name in SHOWN:
        cells = [_cell(one.year.figures[name]) for one in done]
        table.add_row(name.replace("_", " "), *cells)
    Console(soft_wrap=True).print(table, markup=False, highlight=False)


def _cell(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.3f}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"
