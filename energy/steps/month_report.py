"""A month in figures, by day: what the district drew and gave, cost and saved, traded and paid.

Each day's figures are those that the loop committed with its last measured slot, so a report of the
past changes only where the books do: by settled trades, verified events and bills.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from energy.steps.accounting import Tally
from energy.store.bills import load_billed_months
from energy.store.demand_response import committed_wh_per_slot, events_between, last_result
from energy.store.measured import last_summary, load_summaries
from energy.store.orders import clearings_between
from energy.store.slots import SlotRow, slots_between
from energy.store.views import Document, find_view, views_between
from energy.timegrid import iso_of, local_day_start, local_label, local_month_start
from energy.units import SLOT_S, krw_text_from_ukrw

ENERGIES = ("import_kwh", "export_kwh", "generation_kwh", "load_kwh", "cars_kwh")
COSTS = ("cost_krw", "baseline_cost_krw", "saved_krw")
EMISSIONS = ("co2_t", "baseline_co2_t")
BILLS = ("bills", "unbilled", "total_krw", "utility_krw", "market_krw", "alone_krw")


@dataclass(frozen=True)
class ReportMonth:
    """A local calendar month as slots [first, end)."""

    text: str
    first: int
    end: int
    time_zone: str

    def days(self) -> Iterator[tuple[int, int]]:
        """First slot and end of each local day."""
        first = self.first
        while first < self.end:
            # Days may have 23 or 25 hours where clocks change.
            end = local_day_start(first + 26 * 3600, self.time_zone)
            yield first, end
            first = end


def report_month(text: str, time_zone: str) -> ReportMonth:
    """The month of a text such as 2026-07."""
    begins = datetime.strptime(f"{text}-01", "%Y-%m-%d").replace(tzinfo=ZoneInfo(time_zone))
    first = int(begins.timestamp())
    return ReportMonth(text, first, local_month_start(first, time_zone, 1), time_zone)


def month_report(connection: Connection, month: ReportMonth) -> Document:
    """The document of a month; a day of which nothing was measured has null figures."""
    days = [
        {"date": local_label(first, month.time_zone)[:10], **_day(connection, first, end)}
        for first, end in month.days()
    ]
    return {
        "month": month.text,
        "from_utc": iso_of(month.first),
        "to_utc": iso_of(month.end),
        "time_zone": month.time_zone,
        "totals": _totals(days, (month.end - month.first) // SLOT_S),
        "demand_response": _demand_response(connection, month),
        "bills": _bills(connection, month),
        "days": days,
    }


def _day(connection: Connection, first: int, end: int) -> Document:
    last = last_summary(connection, first, end)
    return {
        "first_slot_utc": iso_of(first),
        **_measured(connection, last),
        **_slots(slots_between(connection, first, end)),
        **_market(
            clearings_between(connection, first, end),
            views_between(connection, "trading", first, end),
        ),
    }


def _measured(connection: Connection, last: int | None) -> Document:
    """Energy, money and emissions of a day by its last measured slot."""
    names = (*ENERGIES, "self_sufficiency_frac", "self_consumption_frac", *COSTS, *EMISSIONS)
    if last is None:
        return {"measured_slots": 0, **dict.fromkeys(names), "peak_kw": None}
    tally = Tally.from_json(load_summaries(connection, last, last + SLOT_S)[last]["day"])
    kpi = (find_view(connection, "measured", last) or {}).get("kpi") or {}
    return {
        "measured_slots": tally.slots,
        **{name: round(getattr(tally, name), 3) for name in ENERGIES},
        "self_sufficiency_frac": tally.self_sufficiency_frac,
        "self_consumption_frac": tally.self_consumption_frac,
        **{name: kpi.get(name) for name in (*COSTS, *EMISSIONS)},
        "peak_kw": round(tally.run.peak_kw, 3),
    }


def _slots(rows: Sequence[SlotRow]) -> Document:
    """How the plans of a day came about, and which slots had none."""
    tiers = Counter(row.tier for row in rows if row.tier is not None and row.outcome != "missed")
    return {
        "tiers": dict(sorted(tiers.items())),
        "missed": sum(row.outcome == "missed" for row in rows),
    }


def _market(cleared: Mapping[int, Document], trading: Mapping[int, Document]) -> Document:
    """Auctions of a day; the price is the mean that buyers paid, weighted by what was traded."""
    traded = [one for one in cleared.values() if one.get("volume_kwh")]
    volume = sum(Decimal(str(one["volume_kwh"])) for one in traded)
    paid = sum(
        Decimal(one["price_krw_per_kwh"]) * Decimal(str(one["volume_kwh"])) for one in traded
    )
    return {
        "auctions": len(cleared),
        "traded_slots": len(traded),
        "volume_kwh": float(volume),
        "price_krw_per_kwh": _text(round(paid / volume, 3)) if volume else None,
        "welfare_krw": _sum(one.get("welfare_krw") for one in cleared.values()),
        "market_saved_krw": _sum(one.get("saved_krw") for one in trading.values()),
        "settled_slots": len(trading),
    }


def _totals(days: Sequence[Document], slots_of_month: int) -> Document:
    known = [one for one in days if one["measured_slots"]]
    energy = {name: round(sum(one[name] for one in known), 3) for name in ENERGIES}
    own_kwh = max(energy["generation_kwh"] - energy["export_kwh"], 0.0)
    used_kwh = own_kwh + energy["import_kwh"]
    volume = sum(one["volume_kwh"] for one in days)
    paid = sum(
        Decimal(one["price_krw_per_kwh"]) * Decimal(str(one["volume_kwh"]))
        for one in days
        if one["price_krw_per_kwh"] is not None
    )
    tiers = sum((Counter(one["tiers"]) for one in days), Counter[str]())
    slots = sum(one["measured_slots"] for one in days)
    return {
        "measured_slots": slots,
        "is_complete": slots == slots_of_month,
        **energy,
        "self_sufficiency_frac": own_kwh / used_kwh if used_kwh else None,
        "self_consumption_frac": (
            own_kwh / energy["generation_kwh"] if energy["generation_kwh"] else None
        ),
        **{name: _sum(one[name] for one in known) for name in COSTS},
        **{name: round(sum(one[name] or 0.0 for one in known), 4) for name in EMISSIONS},
        "peak_kw": max((one["peak_kw"] for one in known), default=None),
        "auctions": sum(one["auctions"] for one in days),
        "traded_slots": sum(one["traded_slots"] for one in days),
        "settled_slots": sum(one["settled_slots"] for one in days),
        "volume_kwh": round(volume, 3),
        "price_krw_per_kwh": _text(round(paid / Decimal(str(volume)), 3)) if volume else None,
        "welfare_krw": _sum(one["welfare_krw"] for one in days),
        "market_saved_krw": _sum(one["market_saved_krw"] for one in days),
        "tiers": dict(sorted(tiers.items())),
        "missed": sum(one["missed"] for one in days),
    }


def _demand_response(connection: Connection, month: ReportMonth) -> Document:
    """Events that began in the month: committed, and once verified reduced, earned and owed."""
    events = [
        one
        for one in events_between(connection, month.first, month.end)
        if one.first_slot >= month.first
    ]
    results = [found[1] for one in events if (found := last_result(connection, one.id))]
    committed = sum(committed_wh_per_slot(connection, one.id) * one.slots for one in events)

    def total(name: str) -> int:
        return sum(int(found[name].sum()) for found in results)

    return {
        "events": len(events),
        "verified": len(results),
        "committed_kwh": committed / 1000,
        "reduced_kwh": total("reduced_wh") / 1000,
        "reward_krw": krw_text_from_ukrw(total("reward_ukrw")),
        "penalty_krw": krw_text_from_ukrw(total("penalty_ukrw")),
    }


def _bills(connection: Connection, month: ReportMonth) -> Document | None:
    """Sums over the bills of the month; None before it is closed."""
    rows = [one for one in load_billed_months(connection) if one.first_slot == month.first]
    return {name: rows[0].summary.get(name, "0") for name in BILLS} if rows else None


def _sum(texts: Iterable[Any]) -> str:
    return _text(sum((Decimal(one or 0) for one in texts), Decimal(0)))


def _text(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
