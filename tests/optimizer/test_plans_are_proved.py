"""The check finds what was planted, law by law, and names asset and slot."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer import Plan, Planner, PlanProblem, check_plan


def changed(plan: Plan, name: str, place: Any, by: float) -> Plan:
    series = getattr(plan, name).copy()
    series[place] += by
    return replace(plan, **{name: series})


@pytest.fixture(scope="module")
def proven(toys: Any, planner: Planner) -> tuple[PlanProblem, Plan]:
    problem = toys.random(11)
    problem = replace(problem, cuts=(toys.cut(2, [1.0, 1.0, 1.0], 500.0),))
    plan = planner.plan(problem)
    assert check_plan(problem, plan) == []
    return problem, plan


PLANTED = {
    "battery energy out of balance": ("e_battery_kwh", (3, 0), 0.01, "battery"),
    "battery beyond its power": ("battery_charge_kw", (3, 0), 999.0, "battery"),
    "car energy out of balance": ("e_fleet_kwh", (3, 0), 0.01, "fleet"),
    "car promise broken": ("e_fleet_kwh", (7, 0), -50.0, "cars"),
    "unit above its limit": ("unit_p_kw", (2, 0), 500.0, "unit"),
    "unit fuel off its curve": ("unit_fuel_kw", (2, 0), 1.0, "unit"),
    "unit heat off its curve": ("unit_heat_kw", (2, 0), 1.0, "unit"),
    "more units than there are": ("unit_on", (2, 0), 3, "unit"),
    "heat missing": ("boiler_kw", 2, -20.0, "number"),
    "heat made up": ("heat_dump_kw", 2, 1.0, "heat"),
    "heat store out of nothing": ("e_heat_kwh", 2, 5.0, "heat"),
    "import not what is drawn": ("p_import_kw", 1, 1.0, "balance"),
    "area not what stands in it": ("area_net_kw", (1, 1), 1.0, "balance"),
    "more sun than shines": ("pv_used_kw", (1, 0), 100.0, "solar"),
    "shed more than there is": ("shed_kw", 1, 1e4, "shedding"),
    "a number that is none": ("marginal_krw_per_kwh", 1, np.nan, "number"),
}


@pytest.mark.parametrize("damage", PLANTED)
def test_planted_error_is_found(proven: Any, damage: str) -> None:
    problem, plan = proven
    name, place, by, law = PLANTED[damage]
    findings = check_plan(problem, changed(plan, name, place, by))
    assert law in {finding.law for finding in findings}, findings
    assert all(finding.where and finding.text for finding in findings)


def test_both_ways_at_once_is_found(proven: Any) -> None:
    problem, plan = proven
    both = changed(changed(plan, "p_import_kw", 4, 5.0), "p_export_kw", 4, 5.0)
    assert "direction" in {finding.law for finding in check_plan(problem, both)}


def test_false_cost_and_false_peak_are_found(proven: Any) -> None:
    problem, plan = proven
    cheaper = replace(plan.cost_krw, unit_fuel=plan.cost_krw.unit_fuel - 500.0)
    assert [f.law for f in check_plan(problem, replace(plan, cost_krw=cheaper))] == ["cost"]
    assert "peak" in {f.law for f in check_plan(problem, replace(plan, p_peak_kw=0.0))}


def test_broken_cut_is_found(proven: Any) -> None:
    problem, plan = proven
    tight = replace(problem, cuts=(replace(problem.cuts[0], limit_kw=-1e3),))
    assert [finding.law for finding in check_plan(tight, plan)] == ["wires"]


def test_stop_before_the_minimum_run_is_found(toys: Any, planner: Planner) -> None:
    problem = toys.problem(6, load_kw=100.0, units=(toys.unit(6, min_up_slots=4),))
    plan = planner.plan(problem)
    on = np.array([[0], [1], [1], [0], [0], [0]])
    findings = check_plan(problem, replace(plan, unit_on=on))
    assert any("stops after 2 slots, allowed: 4" in finding.text for finding in findings)


def test_ramp_too_steep_is_found(toys: Any, planner: Planner) -> None:
    unit = toys.unit(3, ramp_kw_per_slot=20.0, on_now=1, p_now_kw=40.0)
    problem = toys.problem(3, load_kw=100.0, units=(unit,))
    plan = planner.plan(problem)
    steep = replace(plan, unit_on=np.ones((3, 1), dtype=np.int64))
    steep = replace(steep, unit_p_kw=np.array([[100.0], [100.0], [100.0]]))
    assert any("ramp" in finding.where for finding in check_plan(problem, steep))


def test_series_of_another_horizon_is_found(proven: Any) -> None:
    problem, plan = proven
    findings = check_plan(problem, replace(plan, shed_kw=plan.shed_kw[:-1]))
    assert [str(finding) for finding in findings] == ["shed_kw: shape (7,), allowed: (8,)"]
