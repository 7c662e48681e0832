"""`microgrid grid day`: a day of the district through its wires, without any plan.

People, sun and weather are the plant's (or the measured ones); batteries rest, cars charge at once,
units hold what they do. So it shows what the wires would carry if nobody planned.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

from energy.cli.grid_tables import format_of, text_table, write_table
from energy.cli.settings import AsJson, District, Seed
from energy.config import Settings, build_settings
from energy.district import District as DistrictTables
from energy.district import load_district
from energy.plant import Plant
from energy.timegrid import (
    TimeGridError,
    iso_of,
    local_label,
    local_midnight,
    parse_instant,
    slots_from,
    utc_of,
)
from energy.units import DT_H, SLOT_S
from grid_models import FlowResult, Network, PowerFlow, check_flow
from grid_models.limits import LINE_LOADING, TOLERANCE, TRANSFORMER_LOADING, V_MAX, V_MIN

YEARS = (1971, 2099)
SHOWN = 5
HEADER = ("slot", "utility", "losses", "line", "transformer", "lowest pu", "highest pu", "broken")
FloatArray = npt.NDArray[np.float64]
Day = Annotated[
    str | None, typer.Option("--date", help="local day, such as 2026-07-15; else the demo's day")
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="FILE.csv or FILE.parquet for the slots; elements go to FILE-elements beside it"
    ),
]


@dataclass(frozen=True)
class DaySlot:
    """The wires in one quarter hour; numbers are None and names empty without a power flow."""

    slot_utc: str
    slot_local: str
    converged: bool
    reason: str
    p_slack_kw: float | None
    q_slack_kvar: float | None
    p_loss_kw: float | None
    worst_line: str
    worst_line_loading_frac: float | None
    worst_transformer: str
    worst_transformer_loading_frac: float | None
    v_min_bus: str
    v_min_pu: float | None
    v_max_bus: str
    v_max_pu: float | None
    violations: int


@dataclass(frozen=True)
class DayElement:
    """An element through the day: its worst value with its slot, and how long it broke its limit.

    `kind` is that of a Violation; a bus has a row for its lowest and one for its highest voltage.
    """

    kind: str
    element: str
    worst: float
    allowed: float
    worst_slot_local: str
    hours_over: float


@dataclass(frozen=True)
class DayReport:
    """A day in the wires; `elements` are all, those nearest to their limits first in each kind."""

    district: str
    date: str
    time_zone: str
    slots: tuple[DaySlot, ...]
    elements: tuple[DayElement, ...]

    @property
    def within_limits(self) -> bool:
        """Whether every slot has a flow that keeps every limit."""
        return not any(slot.violations for slot in self.slots)


def day(
    district: District = None,
    date: Day = None,
    seed: Seed = None,
    out: Out = None,
    as_json: AsJson = False,
) -> int:
    """Run the quarter hours of a day, planned by nobody, through a district's wires.

    Exit code 1 when a limit is broken or a quarter hour has no power flow.
    """
    if out is not None:
        format_of(out)
    report = build_day(build_settings(district=district, seed=seed), date)
    if out is not None:
        write_table(out, _columns(report.slots))
        write_table(out.with_name(f"{out.stem}-elements{out.suffix}"), _columns(report.elements))
    if as_json:
        shown = [asdict(each) for each in _nearest(report.elements)]
        typer.echo(json.dumps({**asdict(report), "elements": shown}, indent=2, ensure_ascii=False))
    else:
        typer.echo(text(report))
    return 0 if report.within_limits else 1


def build_day(settings: Settings, day_text: str | None) -> DayReport:
    """The report on a local day, given as text, of the settings' district."""
    tables = load_district(settings.district)
    zone = tables.time_zone
    chosen = _usual_day(tables, settings) if day_text is None else _parse_day(day_text)
    first_slot = local_midnight(chosen, zone)
    # A day on which the clocks change has 92 or 100 quarter hours.
    count = (local_midnight(chosen + timedelta(days=1), zone) - first_slot) // SLOT_S
    slots = slots_from(first_slot, count).tolist()
    power_flow = PowerFlow(tables.network)
    drawn = Plant(tables, settings.seed).without_plan(first_slot, count)
    flows = [power_flow.run(each.p_kw, each.q_kvar) for each in drawn]
    labels = [local_label(slot, zone) for slot in slots]
    return DayReport(
        district=tables.id,
        date=chosen.isoformat(),
        time_zone=zone,
        slots=tuple(
            _slot(tables.network, slot, label, flow)
            for slot, label, flow in zip(slots, labels, flows, strict=True)
        ),
        elements=tuple(_elements(tables.network, labels, flows)),
    )


def text(report: DayReport) -> str:
    """The day for people."""
    lines = [
        f"{report.district}, {report.date} {report.time_zone}, {len(report.slots)} quarter hours "
        "without a plan",
    ]
    lines += text_table(HEADER, [_slot_cells(slot) for slot in report.slots])
    lines += ["", "nearest to their limits:"]
    lines += [_element_line(each) for each in _nearest(report.elements)]
    broken = sum(slot.violations > 0 for slot in report.slots)
    verdict = "all limits kept" if not broken else f"limits broken in {broken} quarter hours"
    return "\n".join([*lines, "", verdict])


def _parse_day(given: str) -> date:
    try:
        chosen = date.fromisoformat(given)
    except ValueError:
        raise TimeGridError(f"date {given!r}: no day, allowed: one such as 2026-07-15") from None
    if not YEARS[0] <= chosen.year <= YEARS[1]:
        raise TimeGridError(f"date {given!r}: allowed: years {YEARS[0]} to {YEARS[1]}")
    return chosen


def _usual_day(tables: DistrictTables, settings: Settings) -> date:
    """The demo's day; of a measured district the first day that is whole."""
    if tables.measured is None:
        demo = parse_instant(settings.demo_start, tables.time_zone)
        return date.fromisoformat(local_label(demo, tables.time_zone)[:10])
    first = utc_of(tables.measured.first_slot)
    begun = date.fromisoformat(local_label(tables.measured.first_slot, tables.time_zone)[:10])
    whole = local_midnight(begun, tables.time_zone) == int(first.timestamp())
    return begun if whole else begun + timedelta(days=1)


def _slot(network: Network, slot: int, label: str, flow: FlowResult) -> DaySlot:
    line, line_frac = _highest(network.lines.id, flow.line_loading_frac)
    unit, unit_frac = _highest(network.transformers.id, flow.transformer_loading_frac)
    low, minus_v_min = _highest(network.buses.id, -flow.v_pu)
    high, v_max_pu = _highest(network.buses.id, flow.v_pu)
    known = flow.converged
    return DaySlot(
        slot_utc=iso_of(slot),
        slot_local=label,
        converged=known,
        reason=flow.reason,
        p_slack_kw=flow.p_slack_kw if known else None,
        q_slack_kvar=flow.q_slack_kvar if known else None,
        p_loss_kw=flow.p_loss_kw if known else None,
        worst_line=line,
        worst_line_loading_frac=line_frac,
        worst_transformer=unit,
        worst_transformer_loading_frac=unit_frac,
        v_min_bus=low,
        v_min_pu=None if minus_v_min is None else -minus_v_min,
        v_max_bus=high,
        v_max_pu=v_max_pu,
        violations=len(check_flow(network, flow)),
    )


def _highest(ids: tuple[str, ...], values: FloatArray) -> tuple[str, float | None]:
    """Name and value of the element with the highest value; nothing without elements or flow."""
    if not len(ids) or not np.isfinite(values).all():
        return "", None
    row = int(np.argmax(values))
    return ids[row], float(values[row])


def _elements(
    network: Network, labels: Sequence[str], flows: Sequence[FlowResult]
) -> Iterator[DayElement]:
    """Every element over the slots that have a flow."""
    rows = [row for row, flow in enumerate(flows) if flow.converged]
    if not rows:
        return
    good, buses = [flows[row] for row in rows], network.buses
    v_pu = np.array([flow.v_pu for flow in good])
    line = np.array([flow.line_loading_frac for flow in good])
    unit = np.array([flow.transformer_loading_frac for flow in good])
    for kind, ids, values, allowed, sign in (
        (LINE_LOADING, network.lines.id, line, np.ones(line.shape[1]), 1.0),
        (TRANSFORMER_LOADING, network.transformers.id, unit, np.ones(unit.shape[1]), 1.0),
        (V_MIN, buses.id, v_pu, buses.v_min_pu, -1.0),
        (V_MAX, buses.id, v_pu, buses.v_max_pu, 1.0),
    ):
        if not len(ids):
            continue
        over = sign * (values - allowed)
        worst = over.argmax(axis=0)
        hours = DT_H * (over > TOLERANCE).sum(axis=0)
        for at in np.argsort(-over.max(axis=0), kind="stable").tolist():
            row = int(worst[at])
            yield DayElement(
                kind=kind,
                element=ids[at],
                worst=float(values[row, at]),
                allowed=float(allowed[at]),
                worst_slot_local=labels[rows[row]],
                hours_over=float(hours[at]),
            )


def _nearest(elements: Sequence[DayElement]) -> list[DayElement]:
    """The first few of each kind, and all that broke their limits."""
    shown: list[DayElement] = []
    counted: dict[str, int] = {}
    for each in elements:
        counted[each.kind] = counted.get(each.kind, 0) + 1
        if counted[each.kind] <= SHOWN or each.hours_over > 0:
            shown.append(each)
    return shown


def _columns(rows: Sequence[DaySlot] | Sequence[DayElement]) -> dict[str, list[Any]]:
    """Records as columns; numbers that are not there are None."""
    records = [asdict(row) for row in rows]
    return {name: [record[name] for record in records] for name in (records[0] if records else ())}


def _slot_cells(slot: DaySlot) -> tuple[str, ...]:
    if slot.p_slack_kw is None or slot.p_loss_kw is None:
        return (slot.slot_local[-5:], "none", "none", slot.reason, "", "", "", "")
    return (
        slot.slot_local[-5:],
        f"{slot.p_slack_kw:,.0f} kW",
        f"{slot.p_loss_kw:,.0f} kW",
        _cell(slot.worst_line_loading_frac, slot.worst_line, ".1%"),
        _cell(slot.worst_transformer_loading_frac, slot.worst_transformer, ".1%"),
        _cell(slot.v_min_pu, slot.v_min_bus, ".4f"),
        _cell(slot.v_max_pu, slot.v_max_bus, ".4f"),
        str(slot.violations or ""),
    )


def _cell(found: float | None, name: str, form: str) -> str:
    return "-" if found is None else f"{found:{form}} {name}"


def _element_line(each: DayElement) -> str:
    form = ".4f" if each.kind in (V_MIN, V_MAX) else ".1%"
    return (
        f"  {each.kind.replace('_', ' ')} {each.element}: {each.worst:{form}} at "
        f"{each.worst_slot_local[-5:]}, allowed {each.allowed:{form}}, over for "
        f"{each.hours_over:g} h"
    )
