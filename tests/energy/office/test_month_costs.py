"""What a month cost, by hand: the days are added up, and its peak is charged once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce

import pytest

from energy.district import District, load_district
from energy.forecast.inputs import IntArray
from energy.steps.accounting import Stock, Tally, Variant
from energy.steps.month_costs import MonthCosts, month_costs, won
from energy.steps.prices import run_terms
from energy.timegrid import parse_instant, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY

APRIL = (2026, 4)
FIRST = parse_instant("2026-04-01T00:00", "Asia/Seoul")
MONTH = slots_from(FIRST, 30 * SLOTS_PER_DAY)


@pytest.fixture(scope="module")
def district() -> District:
    found = load_district("sejong-5-1@0.02")
    # So small that no part of it is owed without any import.
    return replace(found, connection=replace(found.connection, p_import_kw_max=2000.0))


def day(number: int, peak_kw: float, peaks_without_kw: tuple[float, float, float]) -> Tally:
    """A day of 96 slots that cost 100,000 won as run, and 110,000 or more without a plan."""
    costs = (110_000.0, 120_000.0, 130_000.0)
    return Tally(
        first_slot=FIRST + number * SLOTS_PER_DAY * SLOT_S,
        slots=SLOTS_PER_DAY,
        run=Variant(100_000.0, 1.0, peak_kw),
        without=tuple(
            Variant(cost, 2.0, kw) for cost, kw in zip(costs, peaks_without_kw, strict=True)
        ),
        begin=Stock(0.0, 0.0),
        end=Stock(0.0, 0.0),
    )


def charged(
    district: District,
    days: Sequence[Tally],
    peaks: Mapping[tuple[int, int], float],
    slots: IntArray = MONTH,
) -> MonthCosts:
    return month_costs(district, slots, reduce(Tally.then, days), peaks, APRIL)


def charge_krw_per_kw(district: District) -> float:
    return run_terms(district, MONTH).charge_krw_per_kw


def test_one_high_day_is_charged_for_the_whole_month(district: District) -> None:
    days = [day(n, 1000.0 if n == 9 else 700.0, (1200.0, 1200.0, 1200.0)) for n in range(30)]
    peaks = {APRIL: 1000.0}
    found = charged(district, days, peaks)
    price = charge_krw_per_kw(district)
    assert price > 0
    assert found.demand_charge_krw == won(1000 * price)
    assert found.baseline_demand_charge_krw == won(1200 * price)
    costs = [found.of_day(one) for one in days]
    assert {one.cost_krw for one in costs} == {Decimal(100_000)}
    whole = found.of_month(costs)
    assert whole.cost_krw == 30 * 100_000 + won(1000 * price)
    assert whole.saved_krw == 30 * 10_000 + won(200 * price)
    assert (whole.co2_t, whole.baseline_co2_t) == (30.0, 60.0)


def test_the_way_without_a_plan_is_the_cheapest_of_the_month_with_its_charge(
    district: District,
) -> None:
    """The third way costs 20,000 won a day more and draws 800 kW less at its peak."""
    days = [day(n, 700.0, (1700.0, 1700.0, 900.0)) for n in range(2)]
    found = charged(district, days, {APRIL: 700.0}, MONTH[: 2 * SLOTS_PER_DAY])
    price = charge_krw_per_kw(district)
    assert 800 * price * 2 / 30 > 40_000, "the case must turn on the peak"
    assert found.way == 2
    assert found.of_day(days[0]).baseline_cost_krw == 130_000


def test_a_month_that_is_not_over_has_the_part_of_the_charge_that_was_measured(
    district: District,
) -> None:
    days = [day(n, 1000.0, (1000.0, 1000.0, 1000.0)) for n in range(3)]
    found = charged(district, days, {APRIL: 1000.0})
    assert found.demand_charge_krw == won(1000 * charge_krw_per_kw(district) * 3 / 30)


def test_a_peak_of_the_winter_is_owed_in_spring_whatever_april_draws(district: District) -> None:
    days = [day(n, 700.0, (1100.0, 1100.0, 1100.0)) for n in range(30)]
    peaks = {(2026, 1): 1500.0, (2026, 3): 1900.0, APRIL: 700.0}
    found = charged(district, days, peaks)
    price = charge_krw_per_kw(district)
    assert found.demand_charge_krw == found.baseline_demand_charge_krw == won(1500 * price)


def test_what_a_day_leaves_in_stock_is_taken_off_it_and_comes_back_on_the_next(
    district: District,
) -> None:
    first = replace(day(0, 700.0, (700.0,) * 3), end=Stock(100.0, 0.0))
    second = replace(day(1, 700.0, (700.0,) * 3), begin=Stock(100.0, 0.0))
    found = charged(district, [first, second], {APRIL: 700.0})
    refill = run_terms(district, MONTH).stock.refill_krw_per_kwh
    one, other = found.of_day(first), found.of_day(second)
    assert one.cost_krw == won(100_000 - 100 * refill) < 100_000
    assert other.cost_krw == won(100_000 + 100 * refill)
    assert found.of_month([one, other]).cost_krw == 200_000 + found.demand_charge_krw
