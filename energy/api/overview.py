"""The overview: one document that answers whether all is well, composed from the cycle's views.

Read from the store: view `plan` of the last published slot, `market` of the last 96 slots,
`measured` of the slots before, `ledger` of the newest tick, the slot's row and the open alarms.
Series that look back and ahead begin 16 slots before the published one; what is not known is null,
but the slot that still runs, and nobody has measured yet, is shown as its own plan had it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from energy.api.context import ApiContext
from energy.store.alarms import RaisedAlarm, open_alarms
from energy.store.slots import SlotRow, find_slot, last_published
from energy.store.views import Document, find_view, last_view_slot, views_between
from energy.timegrid import iso_of
from energy.units import SLOT_S, SLOTS_PER_DAY

SLOTS_BACK = 16
SOURCES = ("fuel_cell", "biogas", "solar", "battery", "cars", "kepco")
USES = ("homes_buildings", "cars", "battery", "heat_pump", "losses", "kepco")
BANDS = ("plan_kw", "q10_kw", "q50_kw", "q90_kw")

Series = list[Any]


@dataclass(frozen=True)
class OverviewRows:
    """What the store holds for the overview; all empty before the first slot is published.

    `row` is the newest final one; `slot` that of the newest `plan`, which is an earlier one where
    the newest slot was missed.
    """

    row: SlotRow | None = None
    slot: int | None = None
    plan: Document = field(default_factory=dict)
    running: Document | None = None
    measured: Mapping[int, Document] = field(default_factory=dict)
    markets: Mapping[int, Document] = field(default_factory=dict)
    ledger: Document | None = None
    alarms: Sequence[RaisedAlarm] = ()


def load_overview(connection: Connection) -> OverviewRows:
    """The rows of the overview, read in one unit."""
    alarms, last = open_alarms(connection), last_published(connection)
    row = None if last is None else find_slot(connection, last)
    slot, tick = last_view_slot(connection, "plan"), last_view_slot(connection, "ledger")
    if slot is None:
        return OverviewRows(row=row, alarms=alarms)
    return OverviewRows(
        row=row,
        slot=slot,
        plan=find_view(connection, "plan", slot) or {},
        running=find_view(connection, "plan", slot - SLOT_S),
        measured=views_between(connection, "measured", slot - SLOTS_BACK * SLOT_S, slot),
        markets=views_between(
            connection, "market", slot - (SLOTS_PER_DAY - 1) * SLOT_S, slot + SLOT_S
        ),
        ledger=None if tick is None else find_view(connection, "ledger", tick),
        alarms=alarms,
    )


def overview_state(connection: Connection) -> str:
    """A text that changes whenever the overview does, but for the clock."""
    slot, tick = last_published(connection), last_view_slot(connection, "ledger")
    measured = last_view_slot(connection, "measured")
    row = None if slot is None else find_slot(connection, slot)
    alarms = [(one.id, one.count, one.seen) for one in open_alarms(connection)]
    return repr((row, tick, measured, alarms))


def build_overview(context: ApiContext, rows: OverviewRows) -> Document:
    """The whole document; every block is null before the first published slot."""
    now_s = context.clock.now_s()
    slot, row = rows.slot, rows.row
    return {
        "district": district_block(context),
        "clock": clock_block(context, now_s),
        # A plan is in force from its slot on; before that it is as new as the reader.
        "as_of_utc": None if slot is None else iso_of(min(int(now_s), slot)),
        **(_empty() if slot is None else _blocks(rows, slot)),
        "cycle": None if row is None else cycle_block(row, rows.plan if row.start == slot else {}),
        "alarms": [alarm_block(one) for one in rows.alarms],
    }


def district_block(context: ApiContext) -> Document:
    """What is run: id, names, zone and size."""
    district = context.district
    return {
        "id": district.id,
        "name": district.name,
        "time_zone": district.time_zone,
        "households": district.households,
        "areas": district.areas,
    }


def clock_block(context: ApiContext, now_s: float) -> Document:
    """The district's time: the running slot, and the next gate."""
    lead_s = context.settings.gate_lead_s
    next_gate = context.admission.first_open(int(now_s * 1_000_000), None) - lead_s
    return {
        "mode": context.clock.mode,
        "now_utc": iso_of(int(now_s)),
        "slot_utc": iso_of(int(now_s) // SLOT_S * SLOT_S),
        "gate_utc": iso_of(next_gate),
        "slot_seconds_real": context.clock.slot_seconds_real,
    }


def alarm_block(one: RaisedAlarm) -> Document:
    """An alarm as the pages and `GET /v1/alarms` show it."""
    until, seen = one.alarm.until_utc, one.seen
    return {
        "id": str(one.id),
        "severity": one.alarm.severity,
        "what": one.alarm.what,
        "where": one.alarm.where,
        "since_utc": iso_of(one.since_utc),
        "until_utc": None if until is None else iso_of(until),
        "todo": one.alarm.todo,
        "count": one.count,
        "acknowledged": seen is not None,
        "seen": None
        if seen is None
        else {"by": seen.by, "at_utc": iso_of(seen.at_s), "note": seen.note},
    }


def cycle_block(row: SlotRow, plan: Document) -> Document:
    """How a slot came about, from its row; the words of the plan where the row has none."""
    told = plan.get("cycle") or {}
    return {
        **told,
        "slot_utc": iso_of(row.start),
        "state": row.state,
        "outcome": row.outcome,
        "tier": row.tier,
        "reason": row.reason,
        "gap_frac": row.gap_frac,
        "seconds": row.seconds or told.get("seconds") or {},
        "rounds": row.rounds,
    }


def _empty() -> Document:
    names = ("balance", "import", "forecast", "stores", "heat", "market", "grid")
    return dict.fromkeys((*names, "ledger", "kpi"))


def _blocks(rows: OverviewRows, slot: int) -> Document:
    plan = rows.plan
    past = [rows.measured.get(slot + n * SLOT_S) for n in range(-SLOTS_BACK, 0)]
    kpis = [seen["kpi"] for seen in past if seen and seen.get("kpi")]
    if past[-1] is None and rows.running is not None:
        past[-1] = _first_of_plan(rows.running)
    return {
        "balance": _balance(slot, plan, past),
        "import": _import(slot, plan.get("import"), past),
        "forecast": _from_now(slot, plan.get("forecast")),
        "stores": _from_now(slot, plan.get("stores")),
        "heat": _from_now(slot, plan.get("heat")),
        "market": _market(slot, plan.get("market"), rows.markets),
        "grid": plan.get("grid"),
        "ledger": rows.ledger,
        "kpi": kpis[-1] if kpis else None,
    }


def _axis(start: int) -> Document:
    return {"start_utc": iso_of(start), "step_s": SLOT_S}


def _from_now(slot: int, block: Document | None) -> Document | None:
    return None if block is None else {**_axis(slot), **block}


def _balance(slot: int, plan: Document, past: Sequence[Document | None]) -> Document | None:
    """Sources and uses: measured in the past, planned from the published slot on."""
    sources, uses = plan.get("sources"), plan.get("uses")
    if sources is None or uses is None:
        return None
    return {
        **_axis(slot - SLOTS_BACK * SLOT_S),
        "now_index": SLOTS_BACK,
        "sources": {name: _joined(past, "sources", name, sources) for name in SOURCES},
        "uses": {name: _joined(past, "uses", name, uses) for name in USES},
        "quality": ["missing" if seen is None else seen["quality"] for seen in past]
        + ["plan"] * _length(sources),
    }


def _first_of_plan(plan: Document) -> Document | None:
    """A plan's first slot in the form of a measured one; its import is not measured."""
    if "sources" not in plan or "uses" not in plan:
        return None
    sides = {
        side: {name: values[0] for name, values in plan[side].items()}
        for side in ("sources", "uses")
    }
    return {**sides, "quality": "plan", "import_kw": None}


def _joined(
    past: Sequence[Document | None], side: str, name: str, planned: Mapping[str, Series]
) -> Series:
    before = [None if seen is None else seen[side].get(name, 0.0) for seen in past]
    return before + planned.get(name, [0.0] * _length(planned))


def _import(
    slot: int, planned: Document | None, past: Sequence[Document | None]
) -> Document | None:
    if planned is None:
        return None
    gap: Series = [None] * SLOTS_BACK
    horizon = len(planned["plan_kw"])
    counts = planned.get("peak_counts")
    return {
        **_axis(slot - SLOTS_BACK * SLOT_S),
        "measured_kw": [_known(seen, "import_kw") for seen in past] + [None] * horizon,
        **{name: gap + planned[name] for name in BANDS},
        "peak_so_far_kw": planned["peak_so_far_kw"],
        "limit_kw": planned["limit_kw"],
        **({"peak_counts": [False] * SLOTS_BACK + counts} if counts else {}),
    }


def _market(slot: int, result: Document | None, markets: Mapping[int, Document]) -> Document | None:
    """The last auction, and price and volume of the 96 slots up to it; no trade is no price."""
    last = markets.get(slot, result)
    if last is None:
        return None
    first = slot - (SLOTS_PER_DAY - 1) * SLOT_S
    day = [markets.get(first + n * SLOT_S) for n in range(SLOTS_PER_DAY)]
    prices = [_known(one, "price_krw_per_kwh") for one in day]
    return {
        **last,
        "history": {
            **_axis(first),
            "price_krw_per_kwh": [None if text is None else float(text) for text in prices],
            "volume_kwh": [_known(one, "volume_kwh") for one in day],
        },
    }


def _known(document: Document | None, key: str) -> Any:  # noqa: ANN401 - any JSON value
    return None if document is None else document.get(key)


def _length(series: Mapping[str, Series]) -> int:
    return max((len(values) for values in series.values()), default=0)
