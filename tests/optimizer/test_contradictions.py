"""Limits that contradict: the best plan there is, and in words which one broke, where, how far."""

from typing import Any

import numpy as np
import pytest

from optimizer import Planner


def test_cars_in_a_dead_island_are_named(toys: Any, planner: Planner) -> None:
    # Nothing comes in, the battery holds 4 kWh, 10 are promised: 6 are missing.
    plan = planner.plan(
        toys.problem(
            2,
            batteries=toys.batteries(e_start_kwh=4.0),
            fleets=toys.fleets(
                1, 2, e_min_kwh=[[0.0, 10.0]], e_max_kwh=10.0, p_charge_kw_max=100.0
            ),
            connection=toys.connection(2, p_import_kw_max=0.0, p_export_kw_max=0.0),
        )
    )
    assert (plan.tier, plan.certificate.status) == ("T1", "infeasible")
    assert plan.e_fleet_kwh[-1, 0] == pytest.approx(4.0, abs=1e-3)
    assert plan.certificate.reason.startswith("limits contradict: fleet 0 energy promised")
    assert "slot 1: 6.000 beyond its limit" in plan.certificate.reason


def test_promise_beyond_the_chargers_power_is_named(toys: Any, planner: Planner) -> None:
    plan = planner.plan(
        toys.problem(
            2,
            fleets=toys.fleets(1, 2, e_min_kwh=[[0.0, 30.0]], e_max_kwh=30.0, p_charge_kw_max=40.0),
        )
    )
    assert plan.tier == "T1"
    assert plan.e_fleet_kwh[-1, 0] == pytest.approx(20.0, abs=1e-3)
    assert "fleet 0 energy promised (kWh), slot 1: 10.000" in plan.certificate.broken[0]


def test_heat_beyond_the_boiler_is_named(toys: Any, planner: Planner) -> None:
    plan = planner.plan(toys.problem(2, heat=toys.heat(2, demand_kw=[500.0, 1200.0])))
    assert plan.tier == "T1"
    assert plan.boiler_kw == pytest.approx([500.0, 1000.0], abs=1e-3)
    assert "heat missing (kW), slot 1: 200.000" in plan.certificate.broken[0]


def test_unit_that_must_run_without_fuel_is_named(toys: Any, planner: Planner) -> None:
    # Started just now, it owes three slots at 20 kWh of fuel; 25 kWh are there.
    unit = toys.unit(
        3,
        min_up_slots=4,
        on_now=1,
        p_now_kw=40.0,
        recent_starts=(1,),
        fuel_kwh_start=25.0,
        fuel_kwh_max=50.0,
    )
    plan = planner.plan(toys.problem(3, load_kw=100.0, units=(unit,)))
    assert (plan.tier, plan.certificate.status) == ("T1", "infeasible")
    assert plan.unit_on.ravel().tolist() == [1, 1, 1]
    assert "unit fuel missing (kWh), slot 2: 35.000" in plan.certificate.reason


def test_must_run_power_that_cannot_leave_is_named(toys: Any, planner: Planner) -> None:
    unit = toys.unit(2, min_up_slots=9, on_now=1, p_now_kw=40.0, recent_starts=(1,))
    connection = toys.connection(2, p_import_kw_max=0.0, p_export_kw_max=0.0)
    plan = planner.plan(toys.problem(2, load_kw=15.0, units=(unit,), connection=connection))
    assert plan.tier == "T1"
    assert "export (kW), slot 0: 25.000 beyond its limit, in 2 slots" in plan.certificate.reason


def test_battery_target_out_of_reach_is_named(toys: Any, planner: Planner) -> None:
    batteries = toys.batteries(p_charge_kw_max=4.0, e_end_kwh_min=np.array([5.0]))
    plan = planner.plan(toys.problem(2, batteries=batteries))
    assert plan.tier == "T1"
    assert plan.e_battery_kwh[-1, 0] == pytest.approx(2.0, abs=1e-3)
    assert "battery 0 energy at the end" in plan.certificate.broken[0]
