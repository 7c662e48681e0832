"""Plans that can be worked out on paper: a law each, prices per kWh, slots of a quarter hour."""

from typing import Any

import numpy as np
import pytest

from optimizer import Planner

# Series come from a linear program solved to about 1e-7; money is sums of them times prices.
KW, WON = 1e-4, 0.01


def test_battery_buys_cheap_for_the_dear_slot(toys: Any, solved: Any) -> None:
    # 10 kW for a quarter hour are 2.5 kWh: bought at 100 instead of 200 won.
    plan = solved(
        toys.problem(
            2,
            load_kw=[0.0, 10.0],
            batteries=toys.batteries(),
            connection=toys.connection(2, price_buy_krw_per_kwh=[100.0, 200.0]),
        )
    )
    assert plan.p_import_kw == pytest.approx([10.0, 0.0], abs=KW)
    assert plan.cost_krw.total == pytest.approx(250.0, abs=WON)


def test_battery_rests_where_losses_and_wear_eat_the_difference(toys: Any, solved: Any) -> None:
    # 100 / 0.81 + 10 = 133.5 won for a kWh that costs 130 when it is needed.
    plan = solved(
        toys.problem(
            2,
            load_kw=[5.0, 10.0],
            batteries=toys.batteries(eta_charge=0.9, eta_discharge=0.9, wear_krw_per_kwh=10.0),
            connection=toys.connection(2, price_buy_krw_per_kwh=[100.0, 130.0]),
        )
    )
    assert plan.p_import_kw == pytest.approx([5.0, 10.0], abs=KW)
    assert plan.marginal_krw_per_kwh == pytest.approx([100.0, 130.0])


def test_battery_keeps_its_reserve_and_its_target(toys: Any, solved: Any) -> None:
    # 6 kWh are there, 2 are reserve, 3 must be there at the end: only 3 can serve the load.
    batteries = toys.batteries(e_start_kwh=6.0, e_kwh_min=2.0, e_end_kwh_min=np.array([3.0]))
    plan = solved(toys.problem(1, load_kw=40.0, batteries=batteries))
    assert plan.battery_discharge_kw == pytest.approx(np.array([[12.0]]), abs=KW)
    assert plan.p_import_kw == pytest.approx([28.0], abs=KW)


def test_demand_charge_pays_for_shaving(toys: Any, solved: Any) -> None:
    # 20 and 60 kW become 40 and 40; the 10 kW already incurred are not charged again.
    plan = solved(
        toys.problem(
            2,
            load_kw=[20.0, 60.0],
            batteries=toys.batteries(),
            connection=toys.connection(2, demand_charge_krw_per_kw=300.0, p_peak_incurred_kw=10.0),
        )
    )
    assert plan.p_import_kw == pytest.approx([40.0, 40.0], abs=KW)
    assert plan.cost_krw.demand_charge == pytest.approx(300.0 * (40 - 10), abs=WON)


def test_no_load_is_shed_for_a_lower_peak(toys: Any, solved: Any) -> None:
    # A kW shed for a quarter hour costs 1,250 won, one of the peak 30,000; but what is shed counts.
    plan = solved(
        toys.problem(
            2,
            load_kw=[20.0, 60.0],
            shed_krw_per_kwh=5_000.0,
            connection=toys.connection(2, demand_charge_krw_per_kw=30_000.0),
        )
    )
    assert plan.shed_kw == pytest.approx([0.0, 0.0], abs=KW)
    assert plan.p_peak_kw == pytest.approx(60.0, abs=KW)


def test_what_an_island_sheds_is_no_peak(toys: Any, solved: Any) -> None:
    connection = toys.connection(
        2, demand_charge_krw_per_kw=30_000.0, p_import_kw_max=np.array([100.0, 0.0])
    )
    plan = solved(toys.problem(2, load_kw=[20.0, 60.0], connection=connection))
    assert plan.shed_kw == pytest.approx([0.0, 60.0], abs=KW)
    assert plan.p_peak_kw == pytest.approx(20.0, abs=KW)


def test_demand_charge_spares_slots_that_do_not_count(toys: Any, solved: Any) -> None:
    connection = toys.connection(
        2, demand_charge_krw_per_kw=300.0, peak_counts=np.array([True, False])
    )
    plan = solved(
        toys.problem(2, load_kw=[20.0, 60.0], batteries=toys.batteries(), connection=connection)
    )
    # The battery serves both slots' 40 kWh as far as it holds: what it takes adds to the peak.
    assert plan.p_peak_kw == pytest.approx(20.0, abs=KW)
    assert plan.p_import_kw == pytest.approx([20.0, 60.0], abs=KW)


def test_margin_keeps_a_forecasts_error_out_of_the_peak(toys: Any, solved: Any) -> None:
    # 40 kW are paid for and 35 expected, give or take 10: the battery makes room for 5.
    connection = toys.connection(
        1,
        demand_charge_krw_per_kw=300.0,
        p_peak_incurred_kw=40.0,
        peak_margin_kw=np.array([10.0]),
    )
    batteries = toys.batteries(e_start_kwh=10.0, end_value_krw_per_kwh=150.0)
    plan = solved(toys.problem(1, load_kw=35.0, batteries=batteries, connection=connection))
    assert plan.p_import_kw == pytest.approx([30.0], abs=KW)
    assert (plan.p_peak_kw, plan.cost_krw.demand_charge) == pytest.approx((40.0, 0.0), abs=KW)


def test_unit_with_minimum_run_starts_only_where_the_whole_run_pays(toys: Any, solved: Any) -> None:
    # A kWh costs 100 won of fuel. At 100 kW: saves 25 x (300 - 100) = 5000 in the dear slot, and
    # loses 10 x (100 - 60) = 400 in each of two cheap ones at its least load, which it must run.
    def cost_with_start(start_cost_krw: float) -> float:
        plan = solved(
            toys.problem(
                3,
                load_kw=100.0,
                units=(toys.unit(3, min_up_slots=3, start_cost_krw=start_cost_krw),),
                connection=toys.connection(3, price_buy_krw_per_kwh=[300.0, 60.0, 60.0]),
            )
        )
        return plan.cost_krw.total

    without = 25 * (300 + 60 + 60)
    assert cost_with_start(4000.0) == pytest.approx(without - 5000 + 2 * 400 + 4000, abs=WON)
    assert cost_with_start(4300.0) == pytest.approx(without, abs=WON)


def test_running_unit_may_not_stop_before_its_minimum(toys: Any, solved: Any) -> None:
    unit = toys.unit(3, min_up_slots=4, on_now=1, p_now_kw=40.0, recent_starts=(0, 1))
    plan = solved(toys.problem(3, load_kw=100.0, units=(unit,), connection=toys.connection(3)))
    # Started two slots ago, it owes two more; then power from the grid at the same price will do.
    assert plan.unit_on[:2].tolist() == [[1], [1]]


def test_unit_rests_after_a_stop(toys: Any, solved: Any) -> None:
    unit = toys.unit(3, min_down_slots=3, recent_stops=(1,), fuel_krw_per_kwh=10.0)
    plan = solved(toys.problem(3, load_kw=100.0, units=(unit,)))
    assert plan.unit_on.ravel().tolist() == [0, 0, 1]


def test_ramp_limits_how_fast_a_unit_follows(toys: Any, solved: Any) -> None:
    unit = toys.unit(3, ramp_kw_per_slot=20.0, on_now=1, p_now_kw=40.0, fuel_krw_per_kwh=10.0)
    plan = solved(toys.problem(3, load_kw=100.0, units=(unit,)))
    assert plan.unit_p_kw.ravel() == pytest.approx([60.0, 80.0, 100.0], abs=KW)


def test_stored_fuel_bounds_a_units_energy(toys: Any, solved: Any) -> None:
    # 10 kWh in store and 40 kW coming: 20 kWh of fuel are exactly the least load of one slot, so
    # it runs in the dear one of two slots.
    unit = toys.unit(
        2,
        fuel_kwh_start=0.0,
        fuel_kwh_max=20.0,
        fuel_inflow_kw=np.array([40.0, 40.0]),
        fuel_krw_per_kwh=0.0,
    )
    connection = toys.connection(2, price_buy_krw_per_kwh=[100.0, 200.0])
    plan = solved(toys.problem(2, load_kw=100.0, units=(unit,), connection=connection))
    assert plan.unit_p_kw.ravel() == pytest.approx([0.0, 40.0], abs=KW)


def test_part_load_is_taken_from_the_cheap_segment_first(toys: Any, solved: Any) -> None:
    # Two units at 70 kW (1.9 fuel per power above the least load) beat one at full load (2.3).
    unit = toys.unit(
        1,
        available=np.array([2]),
        on_now=2,
        p_now_kw=140.0,
        fuel=((40.0, 80.0), (70.0, 137.0), (100.0, 206.0)),
    )
    plan = solved(
        toys.problem(
            1,
            load_kw=140.0,
            units=(unit,),
            connection=toys.connection(1, price_buy_krw_per_kwh=110.0),
        )
    )
    assert plan.unit_p_kw[0, 0] == pytest.approx(140.0, abs=KW)
    assert plan.unit_fuel_kw[0, 0] == pytest.approx(2 * 137.0, abs=KW)


def test_v2g_car_serves_the_dear_slot_and_still_leaves_full(toys: Any, solved: Any) -> None:
    # May give 5 kWh and must hold 5 kWh more than now at the end: it takes 10 kWh at 50 won.
    fleets = toys.fleets(
        1,
        3,
        e_min_kwh=[[-5.0, -5.0, 5.0]],
        e_max_kwh=5.0,
        p_charge_kw_max=40.0,
        p_discharge_kw_max=20.0,
        wear_krw_per_kwh=25.0,
    )
    connection = toys.connection(3, price_buy_krw_per_kwh=[300.0, 50.0, 50.0])
    plan = solved(toys.problem(3, load_kw=20.0, fleets=fleets, connection=connection))
    assert plan.e_fleet_kwh.ravel()[[0, 2]] == pytest.approx([-5.0, 5.0], abs=KW)
    assert plan.p_import_kw[0] == pytest.approx(0.0, abs=KW)
    assert plan.cost_krw.total == pytest.approx(20 * 50 + 5 * 25, abs=WON)


def test_car_charges_in_the_cheap_slot_before_it_leaves(toys: Any, solved: Any) -> None:
    fleets = toys.fleets(
        1,
        3,
        e_min_kwh=[[0.0, 6.0, 6.0]],
        e_max_kwh=6.0,
        p_charge_kw_max=[[40.0, 40.0, 0.0]],
        eta=0.9,
    )
    connection = toys.connection(3, price_buy_krw_per_kwh=[120.0, 80.0, 10.0])
    plan = solved(toys.problem(3, fleets=fleets, connection=connection))
    assert plan.fleet_charge_kw.ravel() == pytest.approx([0.0, 6 / 0.9 / 0.25, 0.0], abs=KW)


def test_heat_store_lets_the_unit_run_when_power_is_dear(toys: Any, solved: Any) -> None:
    # Heat is needed in the second slot, power is dear in the first: 25 kWh of heat wait.
    plan = solved(
        toys.problem(
            2,
            load_kw=100.0,
            units=(toys.unit(2),),
            heat=toys.heat(2, demand_kw=[0.0, 100.0], e_kwh_max=50.0, p_store_kw_max=100.0),
            connection=toys.connection(2, price_buy_krw_per_kwh=[300.0, 20.0]),
        )
    )
    assert plan.unit_on.ravel().tolist() == [1, 0]
    assert plan.e_heat_kwh == pytest.approx([25.0, 0.0], abs=KW)
    assert plan.boiler_kw == pytest.approx([0.0, 0.0], abs=KW)


def test_heat_pump_runs_where_its_heat_is_cheaper_than_the_boilers(toys: Any, solved: Any) -> None:
    # A kWh of heat costs 100 won from the boiler, 90 at a yield of 3, 120 at a yield of 2.25.
    heat = toys.heat(2, demand_kw=30.0, cop=[3.0, 2.25], heat_pump_kw_max=50.0)
    connection = toys.connection(2, price_buy_krw_per_kwh=270.0)
    plan = solved(toys.problem(2, heat=heat, connection=connection))
    assert plan.heat_pump_kw == pytest.approx([10.0, 0.0], abs=KW)
    assert plan.boiler_kw == pytest.approx([0.0, 30.0], abs=KW)


def test_surplus_sun_is_stored_then_sold_then_curtailed(toys: Any, solved: Any) -> None:
    plan = solved(
        toys.problem(
            1,
            pv_kw=100.0,
            batteries=toys.batteries(p_charge_kw_max=40.0, end_value_krw_per_kwh=90.0),
            connection=toys.connection(1, p_export_kw_max=50.0, price_sell_krw_per_kwh=60.0),
        )
    )
    assert plan.battery_charge_kw[0, 0] == pytest.approx(40.0, abs=KW)
    assert plan.p_export_kw == pytest.approx([50.0], abs=KW)
    assert plan.pv_used_kw == pytest.approx(np.array([[90.0]]), abs=KW)


def test_import_and_export_never_at_once_though_selling_is_dearer(toys: Any, solved: Any) -> None:
    # Buying at 100 and selling at 120 at once would earn; one meter knows one direction.
    plan = solved(
        toys.problem(
            2,
            load_kw=[10.0, 30.0],
            pv_kw=[30.0, 10.0],
            connection=toys.connection(2, price_sell_krw_per_kwh=120.0),
        )
    )
    assert plan.p_import_kw == pytest.approx([0.0, 20.0], abs=KW)
    assert plan.p_export_kw == pytest.approx([20.0, 0.0], abs=KW)


def test_battery_does_not_burn_power_though_drawing_it_is_paid(toys: Any, solved: Any) -> None:
    # 5 kWh of room take 5 / 0.9 kWh of the paid power; charging and discharging at once would take
    # more of it.
    plan = solved(
        toys.problem(
            1,
            load_kw=10.0,
            batteries=toys.batteries(eta_charge=0.9, eta_discharge=0.9, e_start_kwh=5.0),
            connection=toys.connection(
                1, price_buy_krw_per_kwh=-100.0, price_sell_krw_per_kwh=-120.0
            ),
        )
    )
    assert plan.cost_krw.total == pytest.approx(-100 * (2.5 + 5 / 0.9), abs=WON)
    assert "directions of stores" in plan.certificate.way


def test_island_sheds_what_its_battery_cannot_serve(toys: Any, solved: Any) -> None:
    plan = solved(
        toys.problem(
            2,
            load_kw=40.0,
            batteries=toys.batteries(e_start_kwh=10.0, e_kwh_min=2.0),
            connection=toys.connection(2, p_import_kw_max=0.0, p_export_kw_max=0.0),
        )
    )
    assert plan.shed_kw.sum() == pytest.approx((20 - 8) / 0.25, abs=KW)
    assert plan.cost_krw.shedding == pytest.approx(12 * 5000, abs=WON)


def test_cut_moves_the_battery_behind_the_cable(toys: Any, solved: Any) -> None:
    # Area 1 may draw 30 kW; its own battery gives what its 50 kW of load need beyond, although
    # nothing else speaks for discharging.
    problem = toys.problem(
        1,
        areas=2,
        load_kw=[[10.0, 50.0]],
        batteries=toys.batteries(2, area=[0, 1], e_start_kwh=10.0, end_value_krw_per_kwh=150.0),
        cuts=(toys.cut(0, [0.0, 1.0], 30.0),),
    )
    plan = solved(problem)
    assert plan.battery_discharge_kw == pytest.approx(np.array([[0.0, 20.0]]), abs=KW)
    assert plan.area_net_kw == pytest.approx(np.array([[10.0, 30.0]]), abs=KW)
    binding = {limit.limit: limit.shadow_krw_per_kwh for limit in plan.certificate.binding}
    assert binding["cable 1"] == pytest.approx(50.0)


def test_cut_that_feeds_back_curtails_its_own_area(toys: Any, solved: Any) -> None:
    problem = toys.problem(
        1,
        areas=2,
        pv_kw=[[50.0, 50.0]],
        connection=toys.connection(1, price_sell_krw_per_kwh=60.0),
        cuts=(toys.cut(0, [0.0, -1.0], 20.0),),
    )
    assert solved(problem).pv_used_kw == pytest.approx(np.array([[50.0, 20.0]]), abs=KW)


def test_cut_out_of_reach_is_reported_not_hidden(toys: Any, planner: Planner) -> None:
    # Shedding is dearer than nothing, but cheaper than the last resort: 5 % of each area's load.
    problem = toys.problem(
        1, areas=2, load_kw=[[0.0, 50.0]], cuts=(toys.cut(0, [0.0, 1.0], -10.0),)
    )
    plan = planner.plan(problem)
    assert plan.tier == "T0"
    assert plan.shed_kw == pytest.approx([50.0], abs=KW)
    assert plan.certificate.slack_kw == pytest.approx({"cable 1": 10.0}, abs=KW)
    assert "cable 1" in plan.certificate.broken[0]
