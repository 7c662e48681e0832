"""What a month cost as it was run and in the cheapest way without a plan: its days, and its peak.

The connection's basic charge is asked once a month by the highest import that counts, in this month
or one that the tariff looks back on. So no day has a part of it: a day has energy, fuel, heat and
wear, less what it leaves in stock, and the month the charge beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from energy.district import District
from energy.forecast.inputs import IntArray
from energy.steps.accounting import CONSTANT_FRAC, Tally, Terms, Variant
from energy.steps.demand_peaks import Month, Peaks, billed_kw
from energy.steps.prices import run_terms

CENTS = Decimal("0.01")


@dataclass(frozen=True)
class Costs:
    """Won of a day or a month, as run and without a plan, rounded to 0.01; emissions in tonnes."""

    cost_krw: Decimal
    baseline_cost_krw: Decimal
    co2_t: float
    baseline_co2_t: float

    @property
    def saved_krw(self) -> Decimal:
        """What the plan saved; below 0 where it cost more."""
        return self.baseline_cost_krw - self.cost_krw


@dataclass(frozen=True)
class MonthCosts:
    """How a month is charged: `way` is the number of the way without a plan that is cheapest."""

    terms: Terms
    way: int
    demand_charge_krw: Decimal
    baseline_demand_charge_krw: Decimal

    def of_day(self, tally: Tally) -> Costs:
        """A day without the charge for the month's peak."""
        without = tally.without[self.way]
        return Costs(
            cost_krw=won(tally.run.cost_krw - self.terms.stock_krw(tally)),
            baseline_cost_krw=won(without.cost_krw),
            co2_t=tally.run.co2_t,
            baseline_co2_t=without.co2_t,
        )

    def of_month(self, days: Sequence[Costs]) -> Costs:
        """The sum of the days, with that charge."""
        return Costs(
            cost_krw=sum((one.cost_krw for one in days), self.demand_charge_krw),
            baseline_cost_krw=sum(
                (one.baseline_cost_krw for one in days), self.baseline_demand_charge_krw
            ),
            co2_t=sum(one.co2_t for one in days),
            baseline_co2_t=sum(one.baseline_co2_t for one in days),
        )


def month_costs(
    district: District, slots: IntArray, whole: Tally, peaks: Peaks, month: Month
) -> MonthCosts:
    """How a local month of `slots` is charged, of which the run `whole` was measured.

    A month that is not measured to its end has the part of the charge that its measured slots are.
    `peaks` are those of the month's last day; the months before it count for every way alike.
    """
    terms = run_terms(district, slots, counted=whole.slots)

    def demand_krw(variant: Variant) -> float:
        kw = billed_kw(district, int(slots[0]), {**peaks, month: variant.peak_kw}, month)
        return kw * terms.charge_krw_per_kw * terms.month_share

    totals = [one.cost_krw + demand_krw(one) for one in whole.without]
    way = min(range(len(CONSTANT_FRAC)), key=totals.__getitem__)
    return MonthCosts(terms, way, won(demand_krw(whole.run)), won(demand_krw(whole.without[way])))


def won(amount: float) -> Decimal:
    """An amount in won, rounded to 0.01."""
    return Decimal(amount).quantize(CENTS)
