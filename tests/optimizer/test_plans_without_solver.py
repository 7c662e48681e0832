"""Rules and shifted plans: cars' promises and device limits hold, whatever else is lost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import Planner, PlanProblem, check_plan, rules_plan, shift_plan
from optimizer.check import PROMISES
from optimizer.plan import SLOT_S

few = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@few
@given(st.integers(0, 10_000))
def test_rules_keep_every_limit(toys: Any, seed: int) -> None:
    problem = toys.random(seed, slots=24)
    assert check_plan(problem, rules_plan(problem)) == []


@few
@given(st.integers(0, 10_000))
def test_rules_break_nothing_but_promises_in_an_island(toys: Any, seed: int) -> None:
    problem = island(toys.random(seed, slots=24))
    findings = check_plan(problem, rules_plan(problem))
    assert {finding.law for finding in findings} <= PROMISES


def island(problem: PlanProblem) -> PlanProblem:
    none = np.zeros(problem.slots)
    connection = replace(problem.connection, p_import_kw_max=none, p_export_kw_max=none)
    return replace(problem, connection=connection)


def test_rules_use_the_sun_at_home_first(toys: Any) -> None:
    problem = toys.problem(
        2,
        load_kw=[10.0, 30.0],
        pv_kw=[30.0, 0.0],
        batteries=toys.batteries(),
        connection=toys.connection(2, price_buy_krw_per_kwh=[100.0, 200.0]),
    )
    plan = rules_plan(problem)
    assert plan.p_export_kw == pytest.approx([0.0, 0.0])
    assert plan.p_import_kw == pytest.approx([0.0, 10.0])


def test_rules_shed_only_what_the_connection_cannot_bring(toys: Any) -> None:
    connection = toys.connection(2, p_import_kw_max=25.0)
    problem = toys.problem(2, load_kw=[20.0, 40.0], connection=connection)
    assert rules_plan(problem).shed_kw == pytest.approx([0.0, 15.0])


def test_shifted_plan_does_what_was_planned_for_its_slots(toys: Any, planner: Planner) -> None:
    problem = toys.random(21, slots=12)
    plan = planner.plan(problem)
    later = replace(
        problem,
        first_slot=problem.first_slot + 2 * SLOT_S,
        batteries=replace(problem.batteries, e_start_kwh=plan.e_battery_kwh[1]),
        fleets=replace(
            problem.fleets,
            e_min_kwh=moved_on(problem.fleets.e_min_kwh, 2) - plan.e_fleet_kwh[1][:, None],
            e_max_kwh=moved_on(problem.fleets.e_max_kwh, 2) - plan.e_fleet_kwh[1][:, None],
        ),
        units=tuple(
            replace(
                unit,
                on_now=int(plan.unit_on[1, row]),
                p_now_kw=float(plan.unit_p_kw[1, row]),
                recent_starts=(),
            )
            for row, unit in enumerate(problem.units)
        ),
    )
    shifted = shift_plan(later, plan)
    assert check_plan(later, shifted) == []
    for name in ("e_battery_kwh", "fleet_charge_kw", "unit_on", "heat_pump_kw"):
        ours, planned = getattr(shifted, name)[:10], getattr(plan, name)[2:]
        np.testing.assert_allclose(ours, planned, atol=1e-6, err_msg=name)


def moved_on(rows: np.ndarray, slots: int) -> np.ndarray:
    return np.concatenate([rows[:, slots:], np.repeat(rows[:, -1:], slots, axis=1)], axis=1)


@few
@given(st.integers(0, 10_000))
def test_shifted_plan_is_trimmed_to_what_has_changed(
    toys: Any, planner: Planner, seed: int
) -> None:
    problem = toys.random(seed, slots=8)
    plan = planner.plan(problem)
    rng = np.random.default_rng(seed)
    changed = replace(
        problem,
        first_slot=problem.first_slot + SLOT_S,
        load_kw=problem.load_kw * rng.uniform(0.5, 2, problem.load_kw.shape),
        pv_kw=problem.pv_kw * rng.uniform(0, 2, problem.pv_kw.shape),
        batteries=replace(
            problem.batteries, e_start_kwh=problem.batteries.e_kwh_max * rng.uniform(0, 1)
        ),
        units=tuple(
            replace(unit, available=np.minimum(unit.available, 1)) for unit in problem.units
        ),
    )
    assert check_plan(changed, shift_plan(changed, plan)) == []
