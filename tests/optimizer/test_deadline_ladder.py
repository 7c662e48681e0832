"""Whatever the solver does there is a plan in time, and its certificate says which and why."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optimizer import Plan, Planner, PlannerSettings, PlanProblem, check_plan
from optimizer.plan import SLOT_S

ROOT = Path(__file__).parents[2]
DEADLINE_S = 4.0


@pytest.fixture(scope="module")
def child_planner() -> Iterator[Planner]:
    """A planner whose solving process has loaded its libraries."""
    with Planner() as planner:
        yield planner


@pytest.fixture(scope="module")
def problem(toys: Any) -> PlanProblem:
    return toys.random(1)


@pytest.fixture(scope="module")
def last_plan(child_planner: Planner, problem: PlanProblem) -> Plan:
    plan = child_planner.plan(problem)
    assert plan.tier == "T0"
    return plan


def drilled(planner: Planner, drill: str, deadline_s: float = DEADLINE_S) -> None:
    """The same planner, its process loaded, with a fault planted in what comes next."""
    planner.settings = PlannerSettings()
    planner._child.start()
    planner.settings = PlannerSettings(deadline_s=deadline_s, drill=drill)


FAULTS = {
    "hang": ("deadline", "killed at the deadline"),
    "die": ("killed", "died"),
    "fail": ("failed", "RuntimeError: planted by a drill"),
    "nan": ("failed", "p_import_kw: not finite"),
    "huge": ("failed", "district balance, slot 0"),
    "infeasible": ("infeasible", "no plan: infeasible"),
    "unbounded": ("unbounded", "no plan: unbounded"),
}


@pytest.mark.parametrize("drill", FAULTS)
def test_fault_ends_in_the_shifted_plan_in_time(
    child_planner: Planner, problem: PlanProblem, last_plan: Plan, drill: str
) -> None:
    status, reason = FAULTS[drill]
    drilled(child_planner, drill, deadline_s=20.0 if drill not in ("hang",) else DEADLINE_S)
    later = replace(problem, first_slot=problem.first_slot + SLOT_S)
    begun = time.monotonic()
    plan = child_planner.plan(later, last_plan)
    assert time.monotonic() - begun <= child_planner.settings.deadline_s
    assert (plan.tier, plan.certificate.status) == ("T2", status)
    assert reason in plan.certificate.reason
    assert check_plan(later, plan) == []


def test_plans_that_share_their_time_are_all_there_by_its_end_though_the_solver_hangs(
    child_planner: Planner, problem: PlanProblem, last_plan: Plan
) -> None:
    drilled(child_planner, "hang", deadline_s=20.0)
    end_s = time.monotonic() + DEADLINE_S
    timed = child_planner.until(end_s)
    later = replace(problem, first_slot=problem.first_slot + SLOT_S)
    plans = [timed.plan(later, last_plan) for _ in range(5)]
    assert time.monotonic() <= end_s
    assert {plan.tier for plan in plans} == {"T2"}
    assert "no time was left for the solver" in plans[-1].certificate.reason
    assert child_planner.left_s > DEADLINE_S and timed.left_s < 1.0


def test_planners_that_share_their_time_share_the_warm_solver_too(problem: PlanProblem) -> None:
    planner = Planner(PlannerSettings(in_process=True))
    planner.until(time.monotonic() + 60.0).plan(problem)
    planner.within(30.0).plan(problem)
    planner.plan(problem)
    assert len(planner._engines) == 1


def test_fault_without_a_young_plan_ends_in_rules(
    child_planner: Planner, problem: PlanProblem, last_plan: Plan
) -> None:
    drilled(child_planner, "infeasible", deadline_s=20.0)
    old = replace(problem, first_slot=problem.first_slot + 3 * SLOT_S)
    for plan in (child_planner.plan(old, last_plan), child_planner.plan(problem)):
        assert plan.tier == "T3"
        assert plan.certificate.broken == ()


def test_plan_in_hand_counts_when_the_solver_hangs_afterwards(
    child_planner: Planner, problem: PlanProblem
) -> None:
    drilled(child_planner, "hang with a plan", deadline_s=5.0)
    plan = child_planner.plan(problem)
    assert plan.tier in ("T0", "T1")
    assert check_plan(problem, plan) == []


def test_the_slot_after_a_fault_is_planned_as_ever(
    child_planner: Planner, problem: PlanProblem, last_plan: Plan
) -> None:
    drilled(child_planner, "die", deadline_s=20.0)
    child_planner.plan(problem)
    child_planner.settings = PlannerSettings()
    plan = child_planner.plan(problem)
    assert plan.tier == "T0"
    assert plan.cost_krw.total == pytest.approx(last_plan.cost_krw.total, rel=1e-3)


def test_solver_process_killed_while_idle_is_replaced(
    child_planner: Planner, problem: PlanProblem
) -> None:
    drilled(child_planner, "")
    child_planner.settings = PlannerSettings()
    pid = child_planner._child.process_id
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert child_planner.plan(problem).tier == "T0"


def test_child_and_own_process_find_the_same_plan(
    toys: Any, child_planner: Planner, problem: PlanProblem
) -> None:
    with Planner() as other:
        first = other.plan(problem)
    second = Planner(PlannerSettings(in_process=True)).plan(problem)
    assert first.p_import_kw.tobytes() == second.p_import_kw.tobytes()
    assert first.certificate.inputs == second.certificate.inputs


PARENT = """
import sys, time
from optimizer import Planner
planner = Planner()
print(planner._child.process_id, flush=True)
time.sleep(600)
"""


def test_solver_process_dies_with_its_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(300):
        if not runs(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the solving process outlived its parent by half a minute")


def runs(process_id: int) -> bool:
    """Whether the process is alive; one that has ended may still wait to be reaped."""
    try:
        return ") Z" not in Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False


def test_distance_from_the_last_plan_is_told(
    child_planner: Planner, problem: PlanProblem, last_plan: Plan
) -> None:
    child_planner.settings = PlannerSettings()
    again = child_planner.plan(problem, last_plan)
    assert again.certificate.distance_from_last_kw == pytest.approx(0.0, abs=5.0)
    assert np.isnan(last_plan.certificate.distance_from_last_kw)
