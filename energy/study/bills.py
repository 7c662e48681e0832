"""The bills of a studied year: the connection's by its tariff, the customers' by the market's.

The year is taken to repeat itself: where a tariff looks back on the peaks of earlier months, those
before the year are the year's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from energy.district import District
from energy.forecast.inputs import FloatArray, IntArray
from energy.steps.accounting import CONSTANT_FRAC, Tally
from energy.steps.billing import content_of_month, customer_terms
from energy.steps.demand_peaks import Month, Peaks, billed_kw
from energy.steps.prices import connection_tariff
from energy.tariffs import slot_calendars
from energy.timegrid import utc_of
from energy.units import DT_H, UKRW_PER_KRW
from market.bill import Bill, MonthUse, PartUse, build_bill
from market.month_bill import AccountSums, BillTerms, MonthBill, build_month_bill
from market.month_sums import COLUMNS, Sums
from market.month_tariffs import BilledMonth, month_of_content
from market.rules import RuleBook
from market.tariff import (
    Band,
    ProgressiveTable,
    SeasonalTable,
    SlotCalendar,
    band_of,
    is_reduced,
)


@dataclass(frozen=True)
class CustomersYear:
    """Sums over all customers that get bills, won; `unbilled` have a tariff with bands.

    Prosumers are those who feed in: what their feed-in brought, and what SMP with certificates
    would have paid.
    """

    billed: int
    unbilled: int
    total_krw: int
    alone_krw: int
    worse_off: int
    prosumers: int
    sold_krw: float
    smp_rec_krw: float


def billed_demand_kw(district: District, slot: int, peak_kw: Peaks, month: Month) -> int:
    """The kW of the connection's basic charge in a month, the year's peaks before it its own."""
    before = {(year - 1, other): kw for (year, other), kw in peak_kw.items()}
    return billed_kw(district, slot, before | dict(peak_kw), month)


def demand_charge_krw(district: District, tallies: Mapping[str, Tally], way: int | None) -> float:
    """Basic charges of all months; as run, or of the way without a plan of this number."""
    peaks = {_key(m): peak_of(tally, way) for m, tally in tallies.items()}
    total = 0.0
    for month, tally in tallies.items():
        table = connection_tariff(district, tally.first_slot).table
        if isinstance(table, SeasonalTable):
            kw = billed_demand_kw(district, tally.first_slot, peaks, _key(month))
            total += kw * table.basic_krw_per_kw
    return total


def peak_of(tally: Tally, way: int | None) -> float:
    """Highest counted import of a month; `way` None is as run."""
    return tally.run.peak_kw if way is None else tally.without[way].peak_kw


WAYS = range(len(CONSTANT_FRAC))


def connection_bill(
    district: District, slots: IntArray, p_import_kw: FloatArray, peak_kw: Peaks
) -> Bill:
    """The utility's bill of one local month of the connection."""
    first = utc_of(int(slots[len(slots) // 2]))
    tariff, month = connection_tariff(district, int(slots[0])), (first.year, first.month)
    if isinstance(tariff.table, ProgressiveTable):
        return build_bill(MonthUse(month[1], round(float(p_import_kw.sum()) * DT_H)), tariff)
    calendars = slot_calendars(slots, district.time_zone)
    part = _part(month[1], _band_kwh(tariff.table, calendars, p_import_kw))
    use = MonthUse(
        month=month[1],
        kwh=part.off_kwh + part.mid_kwh + part.on_kwh,
        parts=(part,),
        power_kw=billed_demand_kw(district, int(slots[0]), peak_kw, month),
    )
    return build_bill(use, tariff)


def _band_kwh(
    table: SeasonalTable, calendars: Sequence[SlotCalendar], p_import_kw: FloatArray
) -> dict[tuple[Band, bool], float]:
    """Energy by band, and whether in hours of the weekend reduction."""
    found: dict[tuple[Band, bool], float] = {}
    for calendar, kw in zip(calendars, p_import_kw.tolist(), strict=True):
        key = band_of(table, calendar), is_reduced(table, calendar)
        found[key] = found.get(key, 0.0) + kw * DT_H
    return found


def _part(month: int, kwh: Mapping[tuple[Band, bool], float]) -> PartUse:
    """A month's energy by band in whole kWh."""

    def of(band: Band, *, reduced_only: bool = False) -> int:
        less = round(kwh.get((band, True), 0.0))
        return less if reduced_only else less + round(kwh.get((band, False), 0.0))

    return PartUse(
        month=month,
        off_kwh=of(Band.OFF),
        mid_kwh=of(Band.MID),
        on_kwh=of(Band.ON),
        reduced_off_kwh=of(Band.OFF, reduced_only=True),
        reduced_mid_kwh=of(Band.MID, reduced_only=True),
    )


def customers_year(district: District, sums: Mapping[int, IntArray]) -> CustomersYear:
    """All customers' bills of the months of `sums`, each (M, COLUMNS) by the month's first slot."""
    firsts = sorted(sums)
    months = [month_of_content(content_of_month(district, first, RuleBook())) for first in firsts]
    terms = customer_terms(district, months[-1], range(len(district.meters.account)))
    totals = np.zeros(2, dtype=np.int64)
    worse_off = prosumers = sold = smp_rec = 0
    for row, customer in enumerate(terms.no.tolist()):
        own = [Sums(tuple(sums[first][customer].tolist())) for first in firsts]
        bills = [_bill(months[: n + 1], terms.of(row, one), own) for n, one in enumerate(months)]
        total = sum(one.total_krw for one in bills)
        alone = sum(one.statement.alone_krw for one in bills)
        totals += (total, alone)
        worse_off += total > alone
        if any(one.wh("out_wh") for one in own):
            prosumers += 1
            sold += sum(one.statement.sold_ukrw for one in bills)
            smp_rec += sum(one.statement.smp_rec_ukrw for one in bills)
    count = len(terms.no)
    return CustomersYear(
        billed=count,
        unbilled=len(district.meters.account) - count,
        total_krw=int(totals[0]),
        alone_krw=int(totals[1]),
        worse_off=worse_off,
        prosumers=prosumers,
        sold_krw=sold / UKRW_PER_KRW,
        smp_rec_krw=smp_rec / UKRW_PER_KRW,
    )


def _bill(months: Sequence[BilledMonth], terms: BillTerms, own: Sequence[Sums]) -> MonthBill:
    return build_month_bill(months, terms, AccountSums(own[: len(months)]))


def month_sums(
    columns: Mapping[str, Sequence[int]], customers: Sequence[int]
) -> dict[int, IntArray]:
    """Sums (M, COLUMNS) of each month's customers, from a part's columns of what is not nought."""
    row = {no: n for n, no in enumerate(customers)}
    found: dict[int, IntArray] = {}
    rows = zip(*(columns[name] for name in ("month", "no", "column", "sum")), strict=True)
    for month, no, column, amount in rows:
        if no in row:
            mine = found.setdefault(month, np.zeros((len(customers), COLUMNS), dtype=np.int64))
            mine[row[no], column] = amount
    return found


def _key(month: str) -> tuple[int, int]:
    return int(month[:4]), int(month[5:7])
