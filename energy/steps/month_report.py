"""A month in figures, by day: what the district drew and gave, cost and saved, traded and paid.

Each day's sums are those that the loop committed with its last measured slot, so a report of the
past changes only where the books do: by settled trades, verified events and bills. A day's money
stands without the charge for the month's peak, which the month has once (`month_costs`). A figure
whose rows were thinned out is null and named under `not_kept`, as are the sums that would need it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from energy.district import District
from energy.steps.accounting import ENERGIES, Tally
from energy.steps.demand_peaks import Peaks, month_of, peaks_of
from energy.steps.month_costs import Costs, MonthCosts, month_costs
from energy.store.bills import load_billed_months
from energy.store.demand_response import committed_wh_per_slot, events_between, last_result
from energy.store.measured import last_summary, load_summaries
from energy.store.orders import clearings_between
from energy.store.retention import kept_from
from energy.store.slots import SlotRow, slots_between
from energy.store.views import Document, views_between
from energy.timegrid import iso_of, local_day_end, local_label, local_month_start, slots_from
from energy.units import SLOT_S, krw_text_from_ukrw

SHARES = ("self_sufficiency_frac", "self_consumption_frac")
COSTS = ("cost_krw", "baseline_cost_krw", "saved_krw")
EMISSIONS = ("co2_t", "baseline_co2_t")
DEMAND = ("demand_charge_krw", "baseline_demand_charge_krw")
MEASURED = ("measured_slots", *ENERGIES, *SHARES, "peak_kw", *COSTS, *EMISSIONS)
MARKET = (
    "auctions", "traded_slots", "volume_kwh", "price_krw_per_kwh", "welfare_krw",
    "market_saved_krw", "settled_slots",
)  # fmt: skip
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
            end = local_day_end(first, self.time_zone)
            yield first, end
            first = end


def report_month(text: str, time_zone: str) -> ReportMonth:
    """The month of a text such as 2026-07."""
    begins = datetime.strptime(f"{text}-01", "%Y-%m-%d").replace(tzinfo=ZoneInfo(time_zone))
    first = int(begins.timestamp())
    return ReportMonth(text, first, local_month_start(first, time_zone, 1), time_zone)


@dataclass(frozen=True)
class Keeping:
    """Which rows there may be: `began` is the first slot that the loop has measured, `days` how
    long rows of each kind are kept.
    """

    began: int
    days: Mapping[str, int]

    def lost_in(self, before: Mapping[str, int], first: int, end: int) -> list[str]:
        """The kinds of which rows of slots in [first, end) are gone, where those `before` are."""
        begun = max(first, self.began)
        return [kind for kind, kept in before.items() if begun < min(end, kept)]


@dataclass(frozen=True)
class MeasuredMonth:
    """What was measured of a month: the sums of each day by its first slot, all days as one run,
    and how they are charged; None where nothing was.
    """

    days: Mapping[int, Tally]
    whole: Tally | None = None
    costs: MonthCosts | None = None


def month_report(
    connection: Connection, district: District, month: ReportMonth, keeping: Keeping
) -> Document:
    """The document of a month; a day of which nothing was measured has null figures."""
    before = {kind: kept_from(connection, kind) or 0 for kind in ("columns", "documents")}
    measured = _measured(connection, district, month)
    days = [
        {
            "date": local_label(first, month.time_zone)[:10],
            **_day(connection, measured, first, end, keeping.lost_in(before, first, end)),
        }
        for first, end in month.days()
    ]
    return {
        "month": month.text,
        "from_utc": iso_of(month.first),
        "to_utc": iso_of(month.end),
        "time_zone": month.time_zone,
        "totals": _totals(days, measured, (month.end - month.first) // SLOT_S),
        "not_kept": _not_kept(days, before, keeping),
        "demand_response": _demand_response(connection, month),
        "bills": _bills(connection, month),
        "days": days,
    }


def _measured(connection: Connection, district: District, month: ReportMonth) -> MeasuredMonth:
    """Each day's sums by its last measured slot, and the month's charges by its last day."""
    days: dict[int, Tally] = {}
    peaks: Peaks = {}
    for first, end in month.days():
        last = last_summary(connection, first, end)
        if last is not None:
            summary = load_summaries(connection, last, last + SLOT_S)[last]
            days[first] = Tally.from_json(summary["day"])
            peaks = peaks_of(summary, last, month.time_zone)
    if not days:
        return MeasuredMonth({})
    slots = slots_from(month.first, (month.end - month.first) // SLOT_S)
    this = month_of(month.first, month.time_zone)
    whole = reduce(Tally.then, days.values())
    return MeasuredMonth(days, whole, month_costs(district, slots, whole, peaks, this))


def _not_kept(
    days: Sequence[Document], before: Mapping[str, int], keeping: Keeping
) -> list[Document]:
    """By kind of rows: which figures are null on some day, and since when the rows are kept."""
    found = []
    for kind, kept in before.items():
        figures = {name for one in days for name in one["not_kept"].get(kind, ())}
        since = {
            "kept_days": keeping.days[kind],
            "kept_from_utc": iso_of(-(-kept // SLOT_S) * SLOT_S),
        }
        if figures:
            found.append({"kind": kind, **since, "figures": sorted(figures)})
    return found


def _day(
    connection: Connection, measured: MeasuredMonth, first: int, end: int, lost: Sequence[str]
) -> Document:
    """Figures of a day; `not_kept` names by kind those that are null because rows are gone."""
    tally = measured.days.get(first)
    gone: dict[str, list[str]] = {}
    if tally is None and "columns" in lost:
        gone["columns"] = list(MEASURED)
    if "documents" in lost:
        gone["documents"] = list(MARKET)
    figures = {
        **_energies(tally),
        **_costs(tally, measured.costs),
        **_market(
            clearings_between(connection, first, end),
            views_between(connection, "trading", first, end),
        ),
    }
    unknown = {name: None for names in gone.values() for name in names}
    return {
        "first_slot_utc": iso_of(first),
        **figures,
        **unknown,
        **_slots(slots_between(connection, first, end)),
        "not_kept": gone,
    }


def _energies(tally: Tally | None) -> Document:
    """Energy and peak of a run of slots."""
    if tally is None:
        return {"measured_slots": 0, **dict.fromkeys((*ENERGIES, *SHARES, "peak_kw"))}
    return {
        "measured_slots": tally.slots,
        **{name: round(getattr(tally, name), 3) for name in ENERGIES},
        **{name: getattr(tally, name) for name in SHARES},
        "peak_kw": round(tally.run.peak_kw, 3),
    }


def _costs(tally: Tally | None, costs: MonthCosts | None) -> Document:
    """Money and emissions of a day."""
    if tally is None or costs is None:
        return dict.fromkeys((*COSTS, *EMISSIONS))
    return _money(costs.of_day(tally))


def _money(found: Costs) -> Document:
    return {
        **{name: _text(getattr(found, name)) for name in COSTS},
        **{name: round(getattr(found, name), 4) for name in EMISSIONS},
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


def _totals(days: Sequence[Document], measured: MeasuredMonth, slots_of_month: int) -> Document:
    """Sums over the days; null where a day's figure is not kept any more."""
    tiers = sum((Counter(one["tiers"]) for one in days), Counter[str]())
    sums = {**_energies(measured.whole), **_costs_of(measured), **_market_of(days)}
    unknown = {name for one in days for names in one["not_kept"].values() for name in names}
    if unknown.intersection(COSTS):
        unknown.update(DEMAND)
    found = {name: None if name in unknown else value for name, value in sums.items()}
    slots = found["measured_slots"]
    return {
        **found,
        "is_complete": None if slots is None else slots == slots_of_month,
        "tiers": dict(sorted(tiers.items())),
        "missed": sum(one["missed"] for one in days),
    }


def _costs_of(measured: MeasuredMonth) -> Document:
    costs = measured.costs
    if costs is None:
        return dict.fromkeys((*COSTS, *EMISSIONS, *DEMAND))
    return {
        **_money(costs.of_month([costs.of_day(one) for one in measured.days.values()])),
        **{name: _text(getattr(costs, name)) for name in DEMAND},
    }


def _market_of(days: Sequence[Document]) -> Document:
    traded = [one for one in days if one["volume_kwh"]]
    volume = sum(one["volume_kwh"] for one in traded)
    paid = sum(
        Decimal(one["price_krw_per_kwh"]) * Decimal(str(one["volume_kwh"])) for one in traded
    )
    counts = ("auctions", "traded_slots", "settled_slots")
    return {
        **{name: sum(one[name] or 0 for one in days) for name in counts},
        "volume_kwh": round(volume, 3),
        "price_krw_per_kwh": _text(round(paid / Decimal(str(volume)), 3)) if volume else None,
        "welfare_krw": _sum(one["welfare_krw"] for one in days),
        "market_saved_krw": _sum(one["market_saved_krw"] for one in days),
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
