"""Limits hold without a solver too; a plan that breaks one in its own slot is never an optimum."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan, plan_within_grid
from energy.steps.steering import Steering
from energy.steps.views import outcome_of
from optimizer import Plan, Planner, PlanProblem

FROM, UNTIL = 4, 20  # rows of the horizon


def no_solver(planner: Planner, problem: PlanProblem, previous: Plan | None) -> Plan:
    return planner.without_solver(problem, previous, "the solver is out")


def deaf(planner: Planner, problem: PlanProblem, previous: Plan | None) -> Plan:
    return planner.plan(replace(problem, cuts=()), previous)


def planned_by(
    bench: Any,
    deaf_planner: Any,
    steering: Steering | None = None,
    previous: Plan | None = None,
) -> CheckedPlan:
    memory = replace(bench.microgrid.memory, previous=previous)
    microgrid: Microgrid = replace(bench.microgrid, planner=deaf_planner, memory=memory)
    return plan_within_grid(microgrid, bench.problem, lambda _: None, steering)


@pytest.fixture
def planner_that(bench: Any, deaf_planner: Any) -> Callable[[Any], Any]:
    return lambda answer: deaf_planner(bench.microgrid.planner, answer)


@pytest.mark.parametrize("element", ["F1", "T002"])
@pytest.mark.parametrize("tier", ["T2", "T3"])
def test_an_operators_limit_holds_without_a_solver(
    bench: Any, planner_that: Any, element: str, tier: str
) -> None:
    previous = bench.microgrid.planner.plan(bench.problem) if tier == "T2" else None
    free = planned_by(bench, planner_that(no_solver), None, previous)
    free_kw = np.abs(bench.through_kw(free, element)[FROM:UNTIL])
    most_kw = 0.5 * float(free_kw.max())
    steering = bench.limited(element, most_kw, FROM, UNTIL)
    held = planned_by(bench, planner_that(no_solver), steering, previous)
    assert (held.tier, held.violations) == (tier, ())
    kept_kw = np.abs(bench.through_kw(held, element)[FROM:UNTIL])
    assert kept_kw.max() <= most_kw + steering.held[0].tolerance_kw
    assert free_kw.max() > most_kw + 2.0


def test_the_same_plan_is_not_asked_for_again(bench: Any, planner_that: Any) -> None:
    """The first area's buildings alone draw more than is allowed: no round can mend that."""
    planner = planner_that(no_solver)
    held = planned_by(bench, planner, bench.limited("T001", 1.0, FROM, UNTIL))
    assert held.on_wires and held.rounds < 5 and planner.asked == held.rounds + 1
    assert held.own_slot == () and held.tier == "T3"


@pytest.mark.check(13)
def test_what_breaks_a_limit_in_its_own_slot_is_no_optimum(bench: Any) -> None:
    steering = bench.limited("T001", 1.0, 0, 2)
    held = plan_within_grid(bench.microgrid, bench.problem, lambda _: None, steering)
    assert held.own_slot and held.tier == "T1" and outcome_of(held) == "fallback"
    assert "element T001" in held.reason


def test_what_only_later_slots_break_is_told_and_stays_an_optimum(bench: Any) -> None:
    steering = bench.limited("T001", 1.0, FROM, UNTIL)
    held = plan_within_grid(bench.microgrid, bench.problem, lambda _: None, steering)
    assert held.on_wires and not held.own_slot
    assert (held.tier, outcome_of(held)) == ("T0", "ok")
    assert "grid limits exceeded" in held.reason


@pytest.mark.check(13)
def test_rules_that_the_wires_carry_go_before_an_optimum_that_they_do_not(
    bench: Any, planner_that: Any
) -> None:
    free = planned_by(bench, planner_that(deaf))
    most_kw = 0.5 * float(np.abs(bench.through_kw(free, "T002")[0]))
    held = planned_by(bench, planner_that(deaf), bench.limited("T002", most_kw, 0, 1))
    assert held.own_slot == () and held.tier == "T3" and outcome_of(held) == "fallback"
    assert "do not carry the own slot of the plan of tier T0: element T002" in held.reason
    certificate = held.plan.certificate
    assert np.isfinite(certificate.cost_krw) and certificate.status == "infeasible"
