"""The peak that a plan counts as incurred is the bill's; a new one costs all its months."""

from dataclasses import replace

import numpy as np
import pytest

from energy.district import District, load_district
from energy.steps.demand_peaks import (
    incurred_kw,
    months_billed,
    new_peak_krw_per_kw,
    owed_kw,
    peaks_json,
    peaks_of,
    with_demand,
)
from energy.timegrid import parse_instant
from market.tariff import DemandRule
from optimizer import Batteries, Connection, Planner, PlannerSettings, PlanProblem, no_fleets

KEPCO = frozenset({7, 8, 9, 12, 1, 2})
RULE = DemandRule(basic_krw_per_kw=8_320, on_contract=False, months=KEPCO, floor_ppm=300_000)


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1@0.01")


@pytest.mark.parametrize(
    ("day", "kw"),
    [
        ("2026-05-20", 333.0),  # May's own counts in May
        ("2026-06-20", 260.0),  # and no more in June: last September's is the highest that does
        ("2026-08-20", 260.0),  # twelve months with the running one
        ("2026-09-20", 120.0),  # then nothing is left but the floor, 30 % of the contract
    ],
)
def test_a_peak_is_owed_as_long_as_the_tariff_looks_back_on_it(
    district: District, day: str, kw: float
) -> None:
    peaks = {(2025, 9): 259.1, (2025, 10): 390.0, (2026, 5): 332.5}
    slot = parse_instant(f"{day}T12:00", district.time_zone)
    assert incurred_kw(district, slot, peaks) == kw


def test_what_earlier_months_owe_leaves_the_running_month_out(district: District) -> None:
    peaks = {(2025, 9): 259.1, (2026, 5): 332.5}
    slot = parse_instant("2026-05-20T12:00", district.time_zone)
    assert (owed_kw(district, slot, peaks), incurred_kw(district, slot, peaks)) == (260.0, 333.0)


def test_peaks_are_kept_by_month_for_a_year() -> None:
    peaks = with_demand({(2025, 7): 9.0, (2025, 8): 5.0}, (2026, 7), 3.0)
    assert peaks == {(2025, 8): 5.0, (2026, 7): 3.0}
    assert with_demand(peaks, (2026, 7), 2.0) == peaks
    slot = parse_instant("2026-07-15", "Asia/Seoul")
    assert peaks_of({"peaks_kw": peaks_json(peaks)}, slot, "Asia/Seoul") == peaks
    # A row of before the months were kept apart has one peak, of its own month.
    assert peaks_of({"peak_kw": 7.5}, slot, "Asia/Seoul") == {(2026, 7): 7.5}


def test_a_new_peak_is_billed_until_a_later_one_is_expected_to_be_higher() -> None:
    """July, nothing known: one of two is July's in August, of three in September, and so on."""
    assert months_billed(RULE, 5, seen=4) == 1.0
    alone = [1, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 1 / 4, 1 / 5, *5 * [1 / 6]]
    assert months_billed(RULE, 7, seen=0) == pytest.approx(sum(alone))
    known = [1, 6 / 7, 6 / 8, 6 / 8, 6 / 8, 6 / 9, 6 / 10, *5 * [6 / 11]]
    assert months_billed(RULE, 7, seen=5) == pytest.approx(sum(known))


def test_no_kw_is_billed_more_than_twelve_times_nor_less_than_once() -> None:
    for month in range(1, 13):
        for seen in range(6):
            assert 1.0 <= months_billed(RULE, month, seen) <= 12.0
    assert months_billed(replace(RULE, months=frozenset(range(1, 13))), 1, 0) < 12.0


def test_a_kw_is_priced_by_the_months_that_are_known(district: District) -> None:
    may, july = (parse_instant(f"2026-{m}-20T12:00", district.time_zone) for m in ("05", "07"))
    assert new_peak_krw_per_kw(district, may, {}) == 8_320.0
    first = new_peak_krw_per_kw(district, july, {(2026, 5): 100.0, (2026, 7): 100.0})
    assert first == pytest.approx(8_320.0 * months_billed(RULE, 7, seen=0))
    later = new_peak_krw_per_kw(district, july, {(2025, 12): 1.0, (2026, 1): 1.0})
    assert later == pytest.approx(8_320.0 * months_billed(RULE, 7, seen=2))


@pytest.mark.parametrize(("month", "peak_kw"), [(5, 20.0), (7, 10.0)])
def test_a_peak_is_shaved_where_its_months_are_worth_the_losses(month: int, peak_kw: float) -> None:
    """10 kW, then 20 kW. A battery that gives half of what it takes needs 5 kWh for 2.5 kWh: 10 kW
    less in the second slot for 20 kW more in the first, which does not count. That loses 2.5 kWh,
    250 won at 100 won; a kW of peak costs 10 won a month: 100 won in May, 378 in July.
    """
    charge_krw_per_kw = 10.0 * months_billed(RULE, month, seen=0)
    problem = PlanProblem(
        first_slot=0,
        area_ids=("area",),
        load_kw=np.array([[10.0], [20.0]]),
        pv_kw=np.zeros((2, 1)),
        loss_kw=np.zeros(2),
        batteries=one_battery(),
        fleets=no_fleets(2),
        units=(),
        heat=None,
        connection=Connection(
            p_import_kw_max=np.full(2, 100.0),
            p_export_kw_max=np.zeros(2),
            price_buy_krw_per_kwh=np.full(2, 100.0),
            price_sell_krw_per_kwh=np.zeros(2),
            demand_charge_krw_per_kw=charge_krw_per_kw,
            p_peak_incurred_kw=10.0,
            peak_counts=np.array([False, True]),
        ),
        shed_krw_per_kwh=5000.0,
        curtail_krw_per_kwh=0.0,
    )
    plan = Planner(PlannerSettings(gap_frac=1e-9, in_process=True)).plan(problem)
    assert (plan.tier, plan.p_peak_kw) == ("T0", pytest.approx(peak_kw))


def one_battery() -> Batteries:
    """Of 100 kW and 5 kWh, empty; half of what is stored comes back."""
    numbers = (0.0, 5.0, 0.0, 100.0, 100.0, 1.0, 0.5, 0.0, 0.0)
    return Batteries(("battery",), np.zeros(1, dtype=np.int64), *(np.full(1, n) for n in numbers))
