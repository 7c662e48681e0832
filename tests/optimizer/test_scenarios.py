"""Decided before it is known what comes: on paper, and between foresight and what is expected."""

from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
import pytest

from optimizer import Planner, PlanProblem, Scenarios, check_plan, check_problem
from optimizer.engine import Engine
from optimizer.hedge import Hedging
from optimizer.messages import Effort
from optimizer.refresh import numbers_of
from optimizer.stacking import futures, stack_form, stack_numbers
from optimizer.standard_form import compile_form

KW, WON = 1e-4, 0.01


def maybe(load_kw: list[float], probability: float) -> Scenarios:
    """No load, or this one with a probability, in one area."""
    rows = np.array([np.zeros(len(load_kw)), load_kw])[:, :, None]
    return Scenarios(np.array([1 - probability, probability]), rows)


@pytest.mark.parametrize(
    ("probability", "stored_kwh", "expected"), [(0.5, 10, 1000), (0.3, 0, 900)]
)
def test_energy_is_stored_for_a_load_that_may_come(
    toys: Any, solved: Any, probability: float, stored_kwh: float, expected: float
) -> None:
    # 10 kWh cost 100 won each now and save 300 each later, if the load comes: worth it from 1/3 on.
    problem = toys.problem(
        2,
        batteries=toys.batteries(),
        connection=toys.connection(2, price_buy_krw_per_kwh=[100.0, 300.0]),
        scenarios=maybe([0.0, 40.0], probability),
    )
    plan = solved(problem)
    assert plan.e_battery_kwh[0, 0] == pytest.approx(stored_kwh, abs=KW)
    assert plan.certificate.expected_krw == pytest.approx(expected, abs=WON)
    assert plan.certificate.bound_krw == pytest.approx(expected, abs=WON)
    # The series are those of the expected course, in which no load comes.
    assert plan.cost_krw.total == pytest.approx(100.0 * stored_kwh, abs=WON)


@pytest.mark.parametrize(("probability", "running", "expected"), [(0.5, 1, 2250), (0.2, 0, 1500)])
def test_a_unit_is_started_for_all_scenarios_or_none(
    toys: Any, solved: Any, probability: float, running: int, expected: float
) -> None:
    # With the load it saves 25 x (300 - 100) won, without it burns 10 x 100 at its least load, and
    # the start costs 500. Its power is free in each scenario.
    problem = toys.problem(
        2,
        units=(toys.unit(2, start_cost_krw=500.0),),
        connection=toys.connection(2, price_buy_krw_per_kwh=300.0),
        scenarios=maybe([0.0, 100.0], probability),
    )
    plan = solved(problem)
    assert plan.unit_on.ravel().tolist() == [0, running]
    assert plan.certificate.expected_krw == pytest.approx(expected, abs=WON)
    assert "2 scenarios" in plan.certificate.way


def test_more_sun_than_expected_is_a_scenario_too(toys: Any, solved: Any) -> None:
    # A full battery could take nothing of the sun. Emptied now it saves 1000 won; the 10 kWh are
    # worth 1200 at the end, and come back for nothing with the sun, for 1000 won without.
    problem = toys.problem(
        2,
        load_kw=[40.0, 0.0],
        batteries=toys.batteries(e_start_kwh=10.0, end_value_krw_per_kwh=120.0),
        scenarios=maybe([0.0, -40.0], 0.5),
    )
    plan = solved(problem)
    assert plan.battery_discharge_kw[0, 0] == pytest.approx(40.0, abs=KW)
    assert plan.certificate.expected_krw == pytest.approx(
        0.5 * -1200 + 0.5 * (1000 - 1200), abs=WON
    )


def random_scenarios(problem: PlanProblem, seed: int, count: int = 3) -> PlanProblem:
    rng = np.random.default_rng(seed)
    size = (count, problem.slots, problem.areas)
    weight = rng.uniform(0.2, 1, count)
    scenarios = Scenarios(weight / weight.sum(), rng.normal(0, 12, size))
    return replace(problem, scenarios=scenarios)


@pytest.mark.parametrize("seed", range(3))
def test_mean_cost_is_no_less_than_with_foresight(toys: Any, planner: Planner, seed: int) -> None:
    problem = random_scenarios(toys.random(seed), seed)
    assert problem.scenarios is not None and check_problem(problem) == []
    plan = planner.plan(problem)
    assert check_plan(problem, plan) == []
    foresight = [planner.plan(each).cost_krw.total for each in futures(problem)]
    mean = float(problem.scenarios.probability @ foresight)
    certificate = plan.certificate
    assert certificate.bound_krw <= certificate.expected_krw + WON
    assert mean <= certificate.expected_krw + WON
    assert certificate.gap_frac <= 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_a_future_without_doubt_costs_what_the_plain_plan_does(
    toys: Any, planner: Planner, seed: int
) -> None:
    plain = toys.random(seed)
    nothing = np.zeros((4, plain.slots, plain.areas))
    certain = replace(plain, scenarios=Scenarios(np.full(4, 0.25), nothing))
    ours, theirs = planner.plan(certain), planner.plan(plain)
    assert ours.cost_krw.total == pytest.approx(theirs.cost_krw.total, abs=WON)
    assert ours.certificate.expected_krw == pytest.approx(theirs.cost_krw.total, abs=WON)


def test_a_stack_holds_each_scenarios_program(toys: Any) -> None:
    problem = random_scenarios(toys.random(5), 5)
    form = compile_form(problem)
    stack = stack_form(form, 3)
    numbers = [numbers_of(each, form) for each in futures(problem)]
    together = stack_numbers(stack, numbers, np.array([0.5, 0.3, 0.2]))
    matrix = stack.form.matrix.tocsr()
    for each, column, row in zip(numbers, stack.column, stack.row, strict=True):
        assert abs(matrix[row][:, column] - form.matrix).max() == 0
        np.testing.assert_array_equal(together.lower[column], each.lower)
        np.testing.assert_array_equal(together.upper[column], each.upper)
        np.testing.assert_array_equal(together.row_lower[row], each.row_lower)
        np.testing.assert_array_equal(together.row_upper[row], each.row_upper)
    # A point that is the same in all scenarios costs the mean.
    point = np.random.default_rng(1).random(form.matrix.shape[1])
    stacked = np.zeros(len(together.cost))
    stacked[stack.column] = point
    mean = sum(w * (each.cost @ point) for w, each in zip((0.5, 0.3, 0.2), numbers, strict=True))
    assert together.cost @ stacked == pytest.approx(mean)
    on = stack.form.layout.columns["unit_on"]
    assert (on[0] == on[1]).all() and (on[0] == on[2]).all()


def test_contradicting_limits_are_named_with_scenarios_too(toys: Any, planner: Planner) -> None:
    problem = toys.problem(
        2,
        batteries=toys.batteries(e_start_kwh=4.0),
        fleets=toys.fleets(1, 2, e_min_kwh=[[0.0, 10.0]], e_max_kwh=10.0, p_charge_kw_max=100.0),
        connection=toys.connection(2, p_import_kw_max=0.0, p_export_kw_max=0.0),
        scenarios=maybe([0.0, 10.0], 0.5),
    )
    plan = planner.plan(problem)
    assert (plan.tier, plan.certificate.status) == ("T1", "infeasible")
    assert "fleet 0 energy promised (kWh), slot 1: 6.000" in plan.certificate.broken[0]
    assert np.isnan(plan.certificate.expected_krw)


def test_without_time_for_scenarios_the_expected_course_is_planned_without_proof(
    toys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hedging, "best", lambda *terms: None)
    problem = random_scenarios(toys.random(2), 2)
    told: list[float] = []
    found = Engine(Effort()).plan(
        problem, monotonic() + 60, tell=lambda so_far: told.append(so_far.gap_frac)
    )
    assert found.plan is not None and check_plan(problem, found.plan) == []
    assert (found.outcome, found.gap_frac) == ("time", np.inf)
    assert told and set(told) == {np.inf}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (Scenarios(np.array([0.5, 0.6]), np.zeros((2, 8, 3))), "sum of scenarios.probability: 1.1"),
        (Scenarios(np.full(11, 1 / 11), np.zeros((11, 8, 3))), "number of scenarios: 11, allowed"),
        (Scenarios(np.ones(1), np.zeros((1, 7, 3))), "Scenarios.net_load_kw: shape (1, 7, 3)"),
        (Scenarios(np.ones(1), np.full((1, 8, 3), np.nan)), "scenarios.net_load_kw[0, 0, 0]: nan"),
    ],
)
def test_odd_scenarios_are_named(toys: Any, wrong: Scenarios, text: str) -> None:
    found = [str(each) for each in check_problem(replace(toys.random(1), scenarios=wrong))]
    assert any(each.startswith(text) for each in found), found
