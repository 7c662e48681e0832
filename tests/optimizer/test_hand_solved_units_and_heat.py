"""Units, stored fuel and heat on paper: slots of a quarter hour, a unit of 40..100 kW.

The toy unit burns two kWh of fuel at 50 won for one of power and one of heat.
"""

from typing import Any

import numpy as np
import pytest

from optimizer import Planner

# Series come from a linear program solved to about 1e-7; money is sums of them times prices.
KW, WON = 1e-4, 0.01


def test_slow_unit_comes_down_step_by_step_before_it_stops(toys: Any, solved: Any) -> None:
    # Power is free elsewhere; a stop takes the least load of 40 kW at once, no more.
    unit = toys.unit(5, ramp_kw_per_slot=20.0, on_now=1, p_now_kw=100.0)
    connection = toys.connection(5, price_buy_krw_per_kwh=0.0)
    plan = solved(toys.problem(5, load_kw=100.0, units=(unit,), connection=connection))
    assert plan.unit_p_kw.ravel() == pytest.approx([80.0, 60.0, 40.0, 0.0, 0.0], abs=KW)
    assert plan.unit_on.ravel().tolist() == [1, 1, 1, 0, 0]


def test_slow_unit_starts_at_its_least_load(toys: Any, solved: Any) -> None:
    unit = toys.unit(3, ramp_kw_per_slot=20.0, fuel_krw_per_kwh=10.0)
    plan = solved(toys.problem(3, load_kw=100.0, units=(unit,)))
    assert plan.unit_p_kw.ravel() == pytest.approx([40.0, 60.0, 80.0], abs=KW)


def test_unit_that_trips_stops_at_once_whatever_its_ramp_and_minimum(
    toys: Any, solved: Any
) -> None:
    unit = toys.unit(
        3,
        available=np.array([1, 0, 0]),
        ramp_kw_per_slot=20.0,
        min_up_slots=8,
        on_now=1,
        p_now_kw=90.0,
        recent_starts=(1,),
        fuel_krw_per_kwh=10.0,
    )
    plan = solved(toys.problem(3, load_kw=100.0, units=(unit,)))
    assert plan.unit_p_kw.ravel() == pytest.approx([100.0, 0.0, 0.0], abs=KW)


def test_wear_by_the_hour_decides_whether_a_unit_runs(toys: Any, solved: Any) -> None:
    # At 100 kW a quarter hour saves 25 x (110 - 100) = 250 won; wear of 1000 an hour is 250 too.
    def runs(wear_krw_per_h: float) -> int:
        unit = toys.unit(1, wear_krw_per_h=wear_krw_per_h)
        connection = toys.connection(1, price_buy_krw_per_kwh=110.0)
        plan = solved(toys.problem(1, load_kw=100.0, units=(unit,), connection=connection))
        return int(plan.unit_on[0, 0])

    assert (runs(990.0), runs(1010.0)) == (1, 0)


@pytest.mark.parametrize(("start_kwh", "power"), [(0.0, [0.0, 80.0]), (20.0, [40.0, 80.0])])
def test_gas_waits_for_the_dear_slot_and_what_does_not_fit_is_burnt_before(
    toys: Any, solved: Any, start_kwh: float, power: list[float]
) -> None:
    # 20 kWh come in each slot and 20 fit: the dear slot gets 40, which make 80 kW. A store that is
    # full already has no room for the first slot's, so that they run the unit at its least.
    unit = toys.unit(
        2,
        fuel_kwh_start=start_kwh,
        fuel_kwh_max=20.0,
        fuel_inflow_kw=np.full(2, 80.0),
        fuel_krw_per_kwh=0.0,
    )
    connection = toys.connection(2, price_buy_krw_per_kwh=[20.0, 200.0])
    plan = solved(toys.problem(2, load_kw=100.0, units=(unit,), connection=connection))
    assert plan.unit_p_kw.ravel() == pytest.approx(power, abs=KW)


def test_gas_that_nobody_can_burn_is_vented(toys: Any, solved: Any) -> None:
    # Too little for the least load, and the store is full: 10 of 30 kWh are lost, at no cost.
    unit = toys.unit(
        2, fuel_kwh_start=15.0, fuel_kwh_max=18.0, fuel_inflow_kw=np.array([40.0, 0.0]),
        fuel_krw_per_kwh=0.0,
    )  # fmt: skip
    plan = solved(toys.problem(2, load_kw=30.0, units=(unit,), heat=None))
    assert plan.unit_on.ravel().tolist() == [1, 0]
    assert plan.p_export_kw == pytest.approx([10.0, 0.0], abs=KW)


def test_part_load_follows_the_curve_between_its_points(toys: Any, solved: Any) -> None:
    # Fuel of 80 at 40 kW, 137 at 70, 206 at 100: above 70 kW a kWh costs 115 won, below it 95.
    unit = toys.unit(1, on_now=1, p_now_kw=40.0, fuel=((40.0, 80.0), (70.0, 137.0), (100.0, 206.0)))

    def power_at(price: float) -> tuple[float, float]:
        connection = toys.connection(1, price_buy_krw_per_kwh=price)
        plan = solved(toys.problem(1, load_kw=90.0, units=(unit,), connection=connection))
        return float(plan.unit_p_kw[0, 0]), float(plan.unit_fuel_kw[0, 0])

    assert power_at(110.0) == pytest.approx((70.0, 137.0), abs=KW)
    assert power_at(120.0) == pytest.approx((90.0, 137.0 + 20 * 2.3), abs=KW)


def test_curves_of_fuel_and_heat_may_break_at_different_loads(toys: Any, solved: Any) -> None:
    unit = toys.unit(
        1,
        on_now=1,
        p_now_kw=60.0,
        fuel=((40.0, 80.0), (80.0, 160.0), (100.0, 210.0)),
        heat=((40.0, 30.0), (60.0, 60.0), (100.0, 80.0)),
    )
    connection = toys.connection(1, price_buy_krw_per_kwh=300.0)
    heat = toys.heat(1, demand_kw=100.0)
    plan = solved(toys.problem(1, load_kw=90.0, units=(unit,), heat=heat, connection=connection))
    assert plan.unit_fuel_kw[0, 0] == pytest.approx(160 + 10 * 2.5, abs=KW)
    assert plan.unit_heat_kw[0, 0] == pytest.approx(60 + 30 * 0.5, abs=KW)
    assert plan.boiler_kw == pytest.approx([25.0], abs=KW)


def test_store_loses_a_part_of_what_stands_in_it(toys: Any, solved: Any) -> None:
    # 40 kWh lose a tenth in each slot: 36, 32.4, and what is left gives 116.64 kW in the third.
    heat = toys.heat(
        3,
        demand_kw=[0.0, 0.0, 150.0],
        e_start_kwh=40.0,
        e_kwh_max=50.0,
        p_store_kw_max=200.0,
        loss_frac_per_slot=0.1,
    )
    plan = solved(toys.problem(3, heat=heat))
    assert plan.e_heat_kwh == pytest.approx([36.0, 32.4, 0.0], abs=KW)
    assert plan.boiler_kw == pytest.approx([0.0, 0.0, 150 - 4 * 0.9 * 32.4], abs=KW)


def test_store_gives_no_faster_than_its_pipe(toys: Any, solved: Any) -> None:
    heat = toys.heat(1, demand_kw=100.0, e_start_kwh=50.0, e_kwh_max=50.0, p_store_kw_max=30.0)
    plan = solved(toys.problem(1, heat=heat))
    assert plan.boiler_kw == pytest.approx([70.0], abs=KW)
    assert plan.e_heat_kwh == pytest.approx([50 - 30 / 4], abs=KW)


def test_heat_in_store_is_kept_where_its_worth_later_is_higher(toys: Any, solved: Any) -> None:
    # The boiler's heat costs 100 won a kWh.
    def left(end_value: float) -> float:
        heat = toys.heat(
            1, demand_kw=40.0, e_start_kwh=10.0, e_kwh_max=10.0, p_store_kw_max=100.0,
            end_value_krw_per_kwh=end_value,
        )  # fmt: skip
        return float(solved(toys.problem(1, heat=heat)).e_heat_kwh[0])

    assert (left(90.0), left(110.0)) == pytest.approx((0.0, 10.0), abs=KW)


def test_heat_beyond_demand_and_store_is_dumped(toys: Any, solved: Any) -> None:
    # Power at 300 won pays for the unit's fuel without its heat: 100 kW, of which 40 are needed.
    heat = toys.heat(1, demand_kw=40.0, e_kwh_max=5.0, p_store_kw_max=100.0)
    connection = toys.connection(1, price_buy_krw_per_kwh=300.0)
    units = (toys.unit(1),)
    plan = solved(toys.problem(1, load_kw=100.0, units=units, heat=heat, connection=connection))
    assert plan.heat_dump_kw[0] + plan.e_heat_kwh[0] / 0.25 == pytest.approx(60.0, abs=KW)
    assert plan.boiler_kw == pytest.approx([0.0], abs=KW)


def test_heat_makes_a_unit_worth_running(toys: Any, solved: Any) -> None:
    # Its power costs 100 won to make and saves 80; its heat saves 100 of the boiler's. The load is
    # more than the unit gives: at its very edge a kWh would be worth anything from 0 to 80.
    heat = toys.heat(1, demand_kw=120.0)
    connection = toys.connection(1, price_buy_krw_per_kwh=80.0)
    problem = toys.problem(1, load_kw=150.0, units=(toys.unit(1),), connection=connection)
    assert solved(problem).unit_on.tolist() == [[0]]
    with_heat = toys.problem(
        1, load_kw=150.0, units=(toys.unit(1),), connection=connection, heat=heat
    )
    plan = solved(with_heat)
    assert plan.unit_p_kw == pytest.approx(np.array([[100.0]]), abs=KW)
    (unit,) = (reason for reason in plan.reasons if reason.asset == "unit")
    assert "worth 180 won against 100" in unit.text


def test_losses_of_the_wires_are_imported_too(toys: Any, solved: Any) -> None:
    plan = solved(toys.problem(1, load_kw=40.0, loss_kw=np.array([1.5])))
    assert plan.p_import_kw == pytest.approx([41.5], abs=KW)


@pytest.mark.parametrize(("curtail_krw", "exported"), [(20.0, 0.0), (40.0, 50.0)])
def test_sun_is_curtailed_where_exporting_it_costs_more(
    toys: Any, solved: Any, curtail_krw: float, exported: float
) -> None:
    problem = toys.problem(
        1,
        pv_kw=50.0,
        curtail_krw_per_kwh=curtail_krw,
        connection=toys.connection(1, price_sell_krw_per_kwh=-30.0),
    )
    assert solved(problem).p_export_kw == pytest.approx([exported], abs=KW)


def test_unit_whose_minimum_run_cannot_be_fed_takes_turns_with_rest(
    toys: Any, planner: Planner
) -> None:
    # Gas for two slots of least load in four: with a least run and a least rest of two, one run.
    unit = toys.unit(
        4,
        min_up_slots=2,
        min_down_slots=2,
        fuel_kwh_start=20.0,
        fuel_kwh_max=60.0,
        fuel_inflow_kw=np.full(4, 20.0),
        fuel_krw_per_kwh=0.0,
    )
    connection = toys.connection(4, price_buy_krw_per_kwh=[100.0, 100.0, 300.0, 300.0])
    plan = planner.plan(toys.problem(4, load_kw=100.0, units=(unit,), connection=connection))
    assert plan.tier == "T0"
    assert plan.unit_on.ravel().tolist() == [0, 0, 1, 1]
    # All 40 kWh are there by the end: 80 kW of power in all, at least 40 in each slot.
    assert plan.unit_p_kw.sum() == pytest.approx(80.0, abs=KW)
