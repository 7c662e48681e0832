"""`microgrid backtest`: forecasts replayed on any measured series or on the district's record."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress

from energy.backtest import (
    Replay,
    ReplayPlan,
    SeriesError,
    SessionReport,
    issued_weather,
    read_series,
    read_sessions,
    read_weather,
    replay_district,
    replay_node,
    replay_sessions,
    score_table,
    write_page,
)
from energy.backtest.page import HEADS, cells_of, facts
from energy.backtest.place import site_of
from energy.backtest.sessions import ASSUMED_KW
from energy.cli.settings import AsJson, District, Seed, require_writable
from energy.config import build_settings
from energy.district import load_district
from energy.forecast.inputs import FloatArray, Site
from energy.forecast.node import Kind, NodeRecord, NodeSpec
from energy.timegrid import parse_instant, require_slot

Shown = Callable[[int, int], None]
NODE_KINDS: dict[str, Kind] = {"load": "load", "pv": "pv", "price": "price"}
KINDS = (*NODE_KINDS, "ev-sessions")
Column = Annotated[str | None, typer.Option(help="column of the readings, where names do not tell")]
Unit = Annotated[
    str | None, typer.Option(help="kW, MW, W, or kWh, MWh, Wh per step; of a price its name")
]


def backtest(
    series: Annotated[Path | None, typer.Option(help="CSV of readings or sessions")] = None,
    kind: Annotated[str, typer.Option(help=f"one of {', '.join(KINDS)}")] = "load",
    tz: Annotated[
        str | None, typer.Option(help="zone of the local calendar and bare stamps")
    ] = None,
    capacity: Annotated[
        float | None, typer.Option(help="physical limit, kW; EV: kW a car; price: its cap")
    ] = None,
    floor: Annotated[float | None, typer.Option(help="lowest possible price")] = None,
    weather: Annotated[
        Path | None, typer.Option(help="weather: columns, or forecasts as issued")
    ] = None,
    column: Column = None,
    unit: Unit = None,
    latitude: Annotated[
        float | None, typer.Option(min=-90, max=90, help="degrees; else the zone's city")
    ] = None,
    longitude: Annotated[
        float | None, typer.Option(min=-180, max=180, help="degrees; else the zone's city")
    ] = None,
    warm_up: Annotated[int, typer.Option(min=1, help="days of record before the first issue")] = 42,
    every: Annotated[int, typer.Option(min=1, max=24, help="hours between issues")] = 7,
    refit: Annotated[int, typer.Option(min=1, help="days between fits")] = 7,
    district: District = None,
    days: Annotated[int, typer.Option(min=1, help="days of the district to forecast")] = 28,
    end: Annotated[str, typer.Option(help="end of the district's record")] = "2026-07-15",
    seed: Seed = None,
    json: AsJson = False,
    page: Annotated[Path | None, typer.Option("--html", help="write the page here")] = None,
) -> None:
    """Replay forecasts as they would have been issued and score them against what was measured."""
    _require_usable(series, district, kind, page)
    reports: dict[str, SessionReport] = {}
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("replaying", total=None)

        def shown(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if series is None:
            replays = _of_district(district, seed, end, days, every, shown)
        else:
            if tz is None:
                raise typer.BadParameter("--series needs --tz, for example Europe/Amsterdam")
            site, plan = site_of(tz, latitude, longitude), ReplayPlan(warm_up, every, refit)
            if kind == "ev-sessions":
                replays, reports = _of_sessions(series, site, capacity or ASSUMED_KW, plan, shown)
            else:
                given = Given(series, kind, capacity, weather, column, unit, floor)
                replays = [_of_series(given, site, plan, shown)]
    if page is not None:
        write_page(page, replays)
    if json:
        found = [_document(replay, reports.get(replay.name)) for replay in replays]
        typer.echo(orjson.dumps(found).decode())
        return
    for replay in replays:
        _show(replay, reports.get(replay.name))


def _require_usable(
    series: Path | None, district: str | None, kind: str, page: Path | None
) -> None:
    """Wrong use before anything is replayed."""
    if (series is None) == (district is None):
        raise typer.BadParameter("give either --series FILE or --district NAME")
    if kind not in KINDS:
        raise typer.BadParameter(f"kind {kind!r}: allowed are {', '.join(KINDS)}")
    if page is not None:
        require_writable(page)


@dataclass(frozen=True)
class Given:
    """What the flags say of a series."""

    path: Path
    kind: str
    capacity_kw: float | None
    weather: Path | None
    column: str | None
    unit: str | None
    floor: float | None = None


def _of_series(given: Given, site: Site, plan: ReplayPlan, shown: Shown) -> Replay:
    zone = site.time_zone
    reading = read_series(given.path, given.kind, zone, given.column, given.unit)
    said = [*reading.findings, f"place {site.latitude_deg:.2f}, {site.longitude_deg:.2f} degrees"]
    columns: dict[str, FloatArray] = {}
    issued = issued_weather(given.weather, reading.slot) if given.weather is not None else None
    if issued is not None:
        said.append("weather: as issued, each forecast with what was known at its issue")
    elif given.weather is not None:
        columns, more = read_weather(given.weather, zone, reading.slot)
        said += [f"weather: {text}" for text in more]
    spec = NodeSpec(
        NODE_KINDS[given.kind],
        site,
        given.capacity_kw,
        reading.step_slots,
        given.floor,
        reading.phase_slots,
    )
    record = NodeRecord(reading.slot, reading.p_kw, columns)
    weather_at = issued.columns if issued is not None else None
    replay = replay_node(given.path.name, spec, record, plan, shown, weather_at)
    return replace(replay, findings=(*said, *replay.findings), unit=reading.unit)


def _of_sessions(
    path: Path, site: Site, p_kw: float, plan: ReplayPlan, shown: Shown
) -> tuple[list[Replay], dict[str, SessionReport]]:
    sites, said = read_sessions(path, site.time_zone)
    said = (*said, f"power rebuilt at a constant {p_kw:g} kW a car: an assumption")
    replays, reports = [], {}
    for name, stays in sites.items():
        title = f"{path.name}: {name}"
        try:
            replay, reports[title] = replay_sessions(title, stays, site, p_kw, plan, shown)
        except SeriesError as error:
            said = (*said, f"site {name!r} was set aside: {error}")
        else:
            replays.append(replay)
    if not replays:
        raise SeriesError("; ".join(said[-len(sites) :]))
    return [replace(one, findings=(*said, *one.findings)) for one in replays], reports


def _of_district(
    name: str | None, seed: int | None, end: str, days: int, every: int, shown: Shown
) -> list[Replay]:
    settings = build_settings(district=name, seed=seed)
    place = load_district(settings.district)
    end_slot = require_slot(parse_instant(end, place.time_zone))
    history = settings.history_days
    return replay_district(place, settings.seed, end_slot, days, every, history, shown)


def _document(replay: Replay, report: SessionReport | None) -> dict[str, object]:
    return {
        "name": replay.name,
        "findings": list(replay.findings),
        "issues": len(replay.issue),
        "tiers": replay.tiers,
        "norm_kw": replay.norm_kw,
        "fit_s": float(replay.fit_s.mean()) if len(replay.fit_s) else None,
        "predict_s": float(replay.predict_s.mean()),
        "scores": [score.as_json() for score in score_table(replay)],
        "cars": asdict(report) if report else None,
    }


def _show(replay: Replay, report: SessionReport | None) -> None:
    console = Console(soft_wrap=True)
    console.print(f"{replay.name}: {facts(replay)}", markup=False, highlight=False)
    for text in replay.findings:
        console.print(f"  {text}", markup=False, highlight=False)
    rows = [HEADS, *(cells_of(score) for score in score_table(replay))]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADS))]
    # A terminal's width is not known to a file, so the table is plain lines that never fold.
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  " + "  ".join(cells))
    if report is not None:
        for name, value in asdict(report).items():
            console.print(f"  {name.replace('_', ' ')} {value:,.3f}", highlight=False)
