"""What holds for every plan: checks pass, bounds bound, more never costs more, days shift plans."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import Planner, PlannerSettings, PlanProblem, check_plan
from optimizer.engine import Engine
from optimizer.merge import Fineness, merge
from optimizer.messages import Effort

WON = 0.01  # costs are thousands of won, solved to about 1e-9 of that

seeds = st.integers(0, 10_000)
few = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def cost(planner: Planner, problem: PlanProblem) -> float:
    plan = planner.plan(problem)
    assert plan.tier == "T0", plan.certificate
    return plan.cost_krw.total


@few
@given(seeds)
def test_every_plan_passes_its_check_and_costs_no_less_than_its_bound(
    toys: Any, planner: Planner, seed: int
) -> None:
    problem = toys.random(seed)
    plan = planner.plan(problem)
    assert check_plan(problem, plan) == []
    assert plan.cost_krw.total >= plan.certificate.bound_krw - WON
    assert plan.certificate.gap_frac <= 1e-9
    assert plan.certificate.cost_krw == plan.cost_krw.total


@few
@given(seeds, st.integers(0, 4))
def test_more_capacity_never_costs_more(toys: Any, planner: Planner, seed: int, kind: int) -> None:
    problem = toys.random(seed)
    batteries, connection, heat = problem.batteries, problem.connection, problem.heat
    richer = [
        replace(problem, batteries=replace(batteries, e_kwh_max=batteries.e_kwh_max * 1.5)),
        replace(
            problem,
            batteries=replace(batteries, p_discharge_kw_max=batteries.p_discharge_kw_max * 2),
        ),
        replace(problem, heat=replace(heat, heat_pump_kw_max=2 * heat.heat_pump_kw_max)),
        replace(
            problem, connection=replace(connection, p_export_kw_max=2 * connection.p_export_kw_max)
        ),
        replace(problem, pv_kw=problem.pv_kw * 1.2),
    ][kind]
    assert cost(planner, richer) <= cost(planner, problem) + WON


@few
@given(seeds, st.floats(1.0, 60.0))
def test_dearer_import_is_never_more_import(
    toys: Any, planner: Planner, seed: int, extra: float
) -> None:
    problem = toys.random(seed)
    connection = problem.connection
    dearer = replace(
        problem,
        connection=replace(
            connection, price_buy_krw_per_kwh=connection.price_buy_krw_per_kwh + extra
        ),
    )
    before, after = (planner.plan(each).p_import_kw.sum() for each in (problem, dearer))
    # What two optima of equal cost may differ by is bounded by the gap over the price rise.
    assert after <= before + 1e-3


@few
@given(seeds)
def test_all_data_moved_by_a_day_move_the_plan(toys: Any, planner: Planner, seed: int) -> None:
    problem = toys.random(seed)
    plan = planner.plan(problem)
    later = planner.plan(replace(problem, first_slot=problem.first_slot + 86_400))
    assert later.first_slot == plan.first_slot + 86_400
    assert later.cost_krw.total == pytest.approx(plan.cost_krw.total, abs=WON)


@few
@given(seeds)
def test_the_same_input_gives_the_same_plan(toys: Any, seed: int) -> None:
    problem = toys.random(seed)
    first, second = (Planner(PlannerSettings(in_process=True)).plan(problem) for _ in range(2))
    for name in first.__dataclass_fields__:
        ours, theirs = getattr(first, name), getattr(second, name)
        if isinstance(ours, np.ndarray):
            assert ours.tobytes() == theirs.tobytes(), name
    assert first.reasons == second.reasons


@few
@given(seeds)
def test_merged_problem_is_a_bound_of_the_whole_one(toys: Any, planner: Planner, seed: int) -> None:
    problem = toys.random(seed)
    small = merge(problem, Fineness(1, 1)).small
    assert cost(planner, small) <= cost(planner, problem) + WON


@few
@given(seeds)
def test_coarse_search_finds_what_the_whole_problem_allows(
    toys: Any, planner: Planner, seed: int
) -> None:
    problem = toys.random(seed)
    found = Engine(Effort(gap_frac=0.01)).plan(problem, until_s=np.inf)
    assert found.plan is not None and found.gap_frac <= 0.01
    assert found.bound_krw <= cost(planner, problem) + WON
    assert found.plan.cost_krw.total >= cost(planner, problem) - WON
