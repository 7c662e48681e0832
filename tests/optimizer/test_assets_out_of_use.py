"""Stores and heat pumps that are out of use for a part of the horizon, in every kind of plan."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import PlanProblem, check_plan, check_problem, rules_plan, shift_plan
from optimizer.merge import EACH, Fineness, merge
from optimizer.refresh import numbers_of
from optimizer.standard_form import compile_form, structure_of

KW = 1e-4
few = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def with_a_gap(problem: PlanProblem, battery: int, out: slice) -> PlanProblem:
    """The problem with a battery and the heat pump out of use in some slots."""
    table, slots = problem.batteries, problem.slots
    powers = {}
    for name in ("p_charge_kw_max", "p_discharge_kw_max"):
        limit_kw = table.by_slot(getattr(table, name), slots).copy()
        limit_kw[out, battery] = 0.0
        powers[name] = limit_kw
    heat = problem.heat
    if heat is not None:
        gone = np.zeros(slots, dtype=np.bool_)
        gone[out] = True
        heat = replace(heat, heat_pump_out=gone)
    return replace(problem, batteries=replace(table, **powers), heat=heat)


def test_a_battery_serves_a_load_only_while_it_is_in_use(toys: Any, solved: Any) -> None:
    # 10 kWh are there for two loads of 5 kWh; in the second slot the battery is out.
    plain = toys.problem(3, load_kw=[20.0, 20.0, 20.0], batteries=toys.batteries(e_start_kwh=10.0))
    plan = solved(with_a_gap(plain, 0, slice(1, 2)))
    assert plan.battery_discharge_kw[:, 0] == pytest.approx([20.0, 0.0, 20.0], abs=KW)
    assert plan.e_battery_kwh[:, 0] == pytest.approx([5.0, 5.0, 0.0], abs=KW)
    told = [one.action for one in plan.reasons if one.asset == "battery 0"]
    assert told == ["discharge", "out", "discharge"]


def test_a_heat_pump_that_is_out_leaves_the_heat_to_the_boiler(toys: Any, solved: Any) -> None:
    heat = toys.heat(3, demand_kw=30.0, heat_pump_kw_max=10.0)
    plan = solved(
        with_a_gap(toys.problem(3, batteries=toys.batteries(), heat=heat), 0, slice(2, 3))
    )
    assert plan.heat_pump_kw == pytest.approx([10.0, 10.0, 0.0], abs=KW)
    assert plan.boiler_kw == pytest.approx([0.0, 0.0, 30.0], abs=KW)
    assert [one.action for one in plan.reasons if one.asset == "heat pump"] == ["run", "run", "out"]


@few
@given(st.integers(0, 10_000))
def test_no_tier_moves_what_is_out(toys: Any, solved: Any, seed: int) -> None:
    problem = toys.random(seed, slots=16)
    gone = with_a_gap(problem, seed % len(problem.batteries.id), slice(4, 16))
    assert check_problem(gone) == []
    before = solved(problem)
    for plan in (solved(gone), rules_plan(gone), shift_plan(gone, before)):
        assert check_plan(gone, plan) == []
        row = seed % len(problem.batteries.id)
        moved = plan.battery_charge_kw[4:, row] + plan.battery_discharge_kw[4:, row]
        assert moved == pytest.approx(np.zeros(12), abs=KW)
        assert plan.heat_pump_kw[4:] == pytest.approx(np.zeros(12), abs=KW)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("one_way", [False, True])
def test_a_refreshed_program_knows_what_is_out(toys: Any, seed: int, one_way: bool) -> None:
    gone = with_a_gap(replace(toys.random(seed), one_way=one_way), 0, slice(3, 8))
    small = merge(gone, Fineness(EACH, EACH)).small
    form = compile_form(small, elastic=True)
    numbers = numbers_of(small, form)
    for name in ("lower", "upper", "row_lower", "row_upper"):
        np.testing.assert_allclose(
            getattr(numbers, name), getattr(form.numbers, name), rtol=1e-12, atol=1e-9
        )
    assert structure_of(small) == structure_of(merge(gone, Fineness(EACH, EACH)).small)


def test_a_limit_of_another_shape_is_named(toys: Any) -> None:
    problem = toys.problem(3, batteries=toys.batteries(2))
    odd = replace(problem.batteries, p_charge_kw_max=np.zeros((4, 2)))
    (found,) = check_problem(replace(problem, batteries=odd))
    assert "p_charge_kw_max" in str(found) and "(3, 2)" in str(found)
