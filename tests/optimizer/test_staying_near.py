"""Second stage: among plans of nearly equal cost, the one nearest to the last plan's set-points."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import Plan, Planner, PlannerSettings, PlanProblem, check_plan
from optimizer.certify import distance_kw
from optimizer.merge import EACH, Fineness, merge
from optimizer.nearness import FADES_SLOTS, nearness, set_points_of
from optimizer.plan import SLOT_S
from optimizer.refresh import numbers_of
from optimizer.standard_form import compile_form

FRAC = 5e-4


@pytest.fixture(scope="module")
def steady() -> Planner:
    return Planner(PlannerSettings(in_process=True, stability_frac=FRAC))


@pytest.fixture(scope="module")
def free() -> Planner:
    return Planner(PlannerSettings(in_process=True, stability_frac=0.0))


def two_equal_slots(toys: Any, slot: int, dearer: float) -> PlanProblem:
    """2.5 kWh are needed in the last slot; either of two slots before may store them."""
    return toys.problem(
        3,
        first_slot=slot,
        load_kw=[0.0, 0.0, 10.0],
        batteries=toys.batteries(),
        connection=toys.connection(3, price_buy_krw_per_kwh=[100.0, 100.0 + dearer, 200.0]),
    )


def faded_distance(plan: Plan, last: Plan) -> float:
    """Distance from the last plan of a slot before, later slots counting less."""
    ours, theirs = set_points_of(plan).power_kw[:-1], set_points_of(last).power_kw[1:]
    weight = 1 / (1 + np.arange(len(ours)) / FADES_SLOTS)
    return float(weight @ np.abs(ours - theirs).sum(axis=1))


def leaning(plan: Plan, first_kw: float) -> Plan:
    """The plan with its battery's charging in the first two slots shared out otherwise."""
    charge = plan.battery_charge_kw.copy()
    charge[:2, 0] = first_kw, 10.0 - first_kw
    return replace(plan, battery_charge_kw=charge)


@pytest.mark.parametrize("first_kw", [0.0, 4.0, 10.0])
def test_of_equal_choices_the_last_one_is_kept(toys: Any, steady: Planner, first_kw: float) -> None:
    problem = two_equal_slots(toys, 0, dearer=0.0)
    last = leaning(steady.plan(problem), first_kw)
    plan = steady.plan(problem, last)
    assert plan.battery_charge_kw[:2, 0] == pytest.approx([first_kw, 10.0 - first_kw], abs=1e-3)
    assert "nearest to the last plan" in plan.certificate.way


def test_money_beyond_the_allowance_comes_before_distance(toys: Any, steady: Planner) -> None:
    # Staying in the second slot would cost 2.5 kWh x 10 won of 250: far more than 0.05 %.
    problem = two_equal_slots(toys, 0, dearer=10.0)
    plan = steady.plan(problem, leaning(steady.plan(problem), 0.0))
    assert plan.cost_krw.total <= 250.0 * (1 + FRAC) + 1e-6
    assert plan.battery_charge_kw[0, 0] >= 9.9


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(0, 10_000))
def test_nearness_costs_no_more_than_allowed_and_never_moves_away(
    toys: Any, steady: Planner, free: Planner, seed: int
) -> None:
    problem = toys.random(seed)
    last = free.plan(problem)
    rng = np.random.default_rng(seed)
    later = replace(
        problem,
        first_slot=problem.first_slot + SLOT_S,
        load_kw=problem.load_kw * rng.normal(1, 0.03, problem.load_kw.shape),
    )
    loose, near = free.plan(later, last), steady.plan(later, last)
    assert check_plan(later, near) == []
    assert near.tier == loose.tier == "T0"
    stake = abs(loose.cost_krw.total - loose.cost_krw.end_values)
    assert near.cost_krw.total <= loose.cost_krw.total + 1e-3 * stake
    assert faded_distance(near, last) <= faded_distance(loose, last) + 1.0


def test_refreshed_equals_fresh_with_targets_too(toys: Any) -> None:
    problem = toys.random(1)
    merging = merge(problem, Fineness(EACH, EACH))
    plan = Planner(PlannerSettings(in_process=True)).plan(problem)
    last = set_points_of(plan)
    near = nearness(merging, replace(last, power_kw=last.power_kw + 3.0), last, 100.0)
    first = replace(merging.small, near=replace(near, target_kw=near.target_kw * 0 + 1.0))
    second = replace(merging.small, near=near)
    fresh, numbers = compile_form(second).numbers, numbers_of(second, compile_form(first))
    for name in numbers.__dataclass_fields__:
        ours, theirs = getattr(numbers, name), getattr(fresh, name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-9, err_msg=name)


def test_price_of_distance_spends_exactly_the_allowance_on_all_of_it(toys: Any) -> None:
    problem = toys.random(2)
    merging = merge(problem, Fineness(EACH, EACH))
    now = set_points_of(Planner(PlannerSettings(in_process=True)).plan(problem))
    near = nearness(merging, replace(now, power_kw=now.power_kw + 2.0), now, 500.0)
    count = now.power_kw.shape[1]
    assert near.price_krw_per_kw.sum() * 2.0 * count == pytest.approx(500.0)
    assert near.price_krw_per_kw[0] > near.price_krw_per_kw[-1] > 0


def test_a_last_plan_of_other_assets_is_left_alone(toys: Any, steady: Planner) -> None:
    plan = steady.plan(toys.random(3), steady.plan(toys.problem(8, load_kw=10.0)))
    assert "nearest" not in plan.certificate.way
    assert np.isnan(distance_kw(plan, steady.plan(toys.problem(8, load_kw=10.0))))
