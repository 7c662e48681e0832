"""`microgrid simulate`: a district through days with its own clock; report as JSON and HTML."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from energy.cli.dr import event_line
from energy.cli.settings import DatabaseUrl, District, Seed, require_writable, start_logging
from energy.config import build_settings
from energy.district import load_district
from energy.outcome import Outcome, Run
from energy.report import write_report
from energy.simulate import simulate as run_simulation
from energy.steps.dr_calls import parse_call
from energy.timegrid import parse_instant, require_slot

SHOWN = (
    "slots_with_row", "slots_settled", "tiers", "ledger_verified", "debits_equal_credits",
    "sold_at_most_metered", "violations", "broken_departures", "departures",
    "self_sufficiency_frac", "import_kwh", "export_kwh", "peak_kw", "baseline_peak_kw", "cost_krw",
    "baseline_cost_krw", "saved_frac", "traded_kwh", "welfare_krw", "seconds_per_slot",
    "peak_memory_mib", "ledger_root",
)  # fmt: skip


def simulate(
    district: District = None,
    start: Annotated[str, typer.Option(help="first slot, local to the district")] = "2026-07-15",
    slots: Annotated[int, typer.Option(min=1, help="quarter hours to run")] = 96,
    seed: Seed = None,
    dr: Annotated[
        list[str] | None, typer.Option(help="event on the way: PROGRAMME@START/HOURS")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="write the report to this file")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Run the whole cycle for so many slots and report; exit code 1 where the run is not sound."""
    if json is not None:
        if json.suffix == ".html":
            allowed = f"one like {json.stem}.json"
            raise typer.BadParameter(f"{json}: its page has this name, allowed: {allowed}")
        require_writable(json)
    with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
        url = database_url or f"sqlite:///{folder}/simulation.db"
        settings = build_settings(
            district=district, seed=seed, database_url=url, bots=True, clock="demo"
        )
        start_logging(settings, quiet=True)
        zone = load_district(settings.district).time_zone
        calls = tuple(parse_call(text, zone) for text in dr or ())
        run = Run(settings, require_slot(parse_instant(start, zone)), slots, calls)
        outcome = _with_progress(run)
    if json is not None:
        page = write_report(json, outcome.summary, outcome.series, outcome.time_zone)
        typer.echo(f"report: {json} and {page}", err=True)
    _show(outcome)
    if not outcome.is_sound:
        raise typer.Exit(1)


def _with_progress(run: Run) -> Outcome:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("making ready", total=run.slots)
        return run_simulation(
            run, lambda done, word: bar.update(task, completed=done, description=word)
        )


def _show(outcome: Outcome) -> None:
    table = Table.grid(padding=(0, 2))
    for name in SHOWN:
        table.add_row(name.replace("_", " "), _words(outcome.summary[name]))
    Console(soft_wrap=True).print(table)
    for event in outcome.summary["dr_events"]:
        typer.echo(event_line(event, outcome.time_zone))


def _words(found: object) -> str:
    if isinstance(found, dict):
        return ", ".join(f"{key} {value}" for key, value in found.items())
    if isinstance(found, bool):
        return "yes" if found else "NO"
    return f"{found:,}" if isinstance(found, int | float) else str(found)
