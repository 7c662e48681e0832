"""What a month's bills are made from: its tariffs as one document, each customer's terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.slot_settlement import tariff_names_of
from energy.steps.tally import Tally, smp_of_hours
from energy.tariffs import changed_by, load_customer_rules, load_feed_in, load_tariff
from energy.timegrid import local_month_start, utc_of
from market.errors import MarketError
from market.guarantee import NO_GUARANTEE
from market.month_bill import AccountSums, BillTerms
from market.month_sums import NOTHING, Sums
from market.month_tariffs import BilledMonth, month_content, require_billable
from market.rules import RuleBook

IntArray = npt.NDArray[np.int64]

HOURS_PER_YEAR = 8760
PPM = 1_000_000
PLANT = "pv_building"


@dataclass(frozen=True, eq=False)
class CustomerTerms:
    """The customers who get bills, in the district's order: account number, place of the tariff
    among the month's names, contract power in kW (0: none), and whether PV would be netted; (B,).
    """

    no: IntArray
    tariff: IntArray
    power_kw: IntArray
    net_metering: IntArray

    def columns(self) -> dict[str, IntArray]:
        """The terms as columns of a row."""
        return dict(vars(self))

    def of(self, row: int, month: BilledMonth) -> BillTerms:
        """The terms of one customer."""
        return BillTerms(
            tariff=sorted(month.tariffs)[int(self.tariff[row])],
            power_kw=int(self.power_kw[row]) or None,
            net_metering=bool(self.net_metering[row]),
        )


def billable_tariffs(district: District, on: date) -> tuple[str, ...]:
    """Those of the district's tariffs that a month's sums can bill, in order of their names."""
    found = []
    for name in tariff_names_of(district):
        try:
            require_billable(load_tariff(name, on, or_first=True))
        except MarketError:
            continue
        found.append(name)
    return tuple(found)


def content_of_month(
    district: District, slot: int, rules: RuleBook, *, is_guaranteed: bool = True
) -> str:
    """The document of the local month that a slot lies in; its tariffs are those of its first day,
    its guarantee is that of the rules of its first slot.

    A tariff that asks for bands or a metered demand is not in it: its customers get no bill.
    """
    first = local_month_start(slot, district.time_zone)
    end = local_month_start(slot, district.time_zone, months_on=1)
    middle = utc_of((first + end) // 2).date()
    on = date(middle.year, middle.month, 1)
    promised = changed_by(load_customer_rules(on), rules.at(first)).guarantee
    month = BilledMonth(
        first_slot=first,
        end_slot=end,
        year=on.year,
        month=on.month,
        tariffs={
            name: load_tariff(name, on, or_first=True) for name in billable_tariffs(district, on)
        },
        plant=load_feed_in(PLANT, 1, on),
        guarantee=promised if is_guaranteed else NO_GUARANTEE,
    )
    return month_content(month, smp_of_hours(district, first, end))


def customer_terms(district: District, month: BilledMonth, numbers: Sequence[int]) -> CustomerTerms:
    """The terms of all customers whose tariff can be billed; `numbers` are their accounts'."""
    rules = load_customer_rules(date(month.year, month.month, 1))
    meters, names = district.meters, sorted(month.tariffs)
    rows = np.array([n for n, name in enumerate(meters.tariff) if name in names], dtype=np.int64)
    tariff = np.array([names.index(meters.tariff[n]) for n in rows.tolist()], dtype=np.int64)
    on_power = np.array(
        [not hasattr(month.tariffs[name].table, "tiers") for name in names], dtype=bool
    )
    hours = HOURS_PER_YEAR * rules.load_factor_ppm / PPM
    power_kw = np.ceil(np.asarray(meters.annual_kwh)[rows] / hours).astype(np.int64)
    pv_kwp = np.asarray(meters.pv_kwp)[rows]
    return CustomerTerms(
        no=np.array(numbers, dtype=np.int64)[rows],
        tariff=tariff,
        power_kw=np.where(on_power[tariff], np.maximum(power_kw, 1), 0),
        net_metering=((pv_kwp > 0) & (pv_kwp <= rules.net_metering_kw_max)).astype(np.int64),
    )


def sums_of(
    no: int, months: Sequence[BilledMonth], now: Tally, before: Tally | None
) -> AccountSums:
    """An account's sums of these months; the last of them was not billed yet."""

    def rows(tally: Tally, known: Sequence[BilledMonth]) -> list[Sums]:
        found = []
        for month in known:
            sums = tally.by_month.get(month.first_slot)
            found.append(NOTHING if sums is None else Sums(tuple(sums[no].tolist())))
        return found

    return AccountSums(rows(now, months), rows(before, months[:-1]) if before else ())
