"""Faults, each many times over: the named tier, in time, and the next slot knows nothing of it.

The ladder's single cases stand in test_deadline_ladder.py; here every fault comes three times in
the suite and fifty times with `make soak`, one after the other through one planner.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from optimizer import (
    OptimizerError,
    Plan,
    Planner,
    PlannerSettings,
    PlanProblem,
    check_plan,
)
from optimizer.plan import SLOT_S

pytestmark = pytest.mark.check(11)

SHORT_S, AMPLE_S = 5.0, 60.0
KILL_AFTER_S = 0.3
RUNS = [pytest.param(3, id="thrice"), pytest.param(50, id="fifty times", marks=pytest.mark.soak)]


@dataclass(frozen=True)
class Fault:
    """What is planted or set, and what the certificate must say of it."""

    tiers: tuple[str, ...]
    statuses: tuple[str, ...]
    reason: str
    drill: str = ""
    deadline_s: float = AMPLE_S
    gap_frac: float = 1e-3


@dataclass(frozen=True, eq=False)
class Bench:
    """A planner at work: its problem, the plan that it gave, and one that it gives ever after."""

    planner: Planner
    problem: PlanProblem
    last: Plan

    def plan(self, problem: PlanProblem, previous: Plan | None, fault: Fault) -> Plan:
        """The plan under a fault, on time."""
        self.planner.settings = PlannerSettings(
            deadline_s=fault.deadline_s, drill=fault.drill, gap_frac=fault.gap_frac
        )
        begun = time.monotonic()
        plan = self.planner.plan(problem, previous)
        assert time.monotonic() - begun <= fault.deadline_s
        certificate = plan.certificate
        assert plan.tier in fault.tiers and certificate.status in fault.statuses, certificate
        assert fault.reason in certificate.reason
        return plan

    def require_as_ever(self) -> None:
        """The slot after: proven, at the cost that it has always had."""
        self.planner.settings = PlannerSettings()
        plan = self.planner.plan(self.problem)
        assert plan.tier == "T0"
        assert plan.cost_krw.total == pytest.approx(self.last.cost_krw.total, rel=1e-3)


@pytest.fixture(scope="module")
def at_work(toys: Any) -> Iterator[Bench]:
    with Planner() as planner:
        problem = toys.random(1)
        last = planner.plan(problem)
        assert last.tier == "T0"
        yield Bench(planner, problem, last)


@pytest.fixture
def bench(at_work: Bench) -> Bench:
    """A planner whose process has loaded its libraries, whatever was done to it before."""
    at_work.require_as_ever()
    return at_work


SHIFTED = {
    "a solver that ignores its limit": Fault(
        ("T2",), ("deadline",), "killed at the deadline", "hang", SHORT_S
    ),
    "a solver that dies": Fault(("T2",), ("killed",), "died", "die"),
    "a solver that fails": Fault(("T2",), ("failed",), "RuntimeError: planted by a drill", "fail"),
    "a plan with a NaN": Fault(("T2",), ("failed",), "p_import_kw: not finite", "nan"),
    "a plan with a huge number": Fault(("T2",), ("failed",), "district balance, slot 0", "huge"),
    "a solver that finds nothing": Fault(
        ("T2",), ("infeasible",), "no plan: infeasible", "infeasible"
    ),
    "an unbounded program": Fault(("T2",), ("unbounded",), "no plan: unbounded", "unbounded"),
}


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("name", SHIFTED)
def test_without_a_plan_from_the_solver_the_last_one_is_shifted(
    bench: Bench, name: str, runs: int
) -> None:
    later = replace(bench.problem, first_slot=bench.problem.first_slot + SLOT_S)
    for _ in range(runs):
        plan = bench.plan(later, bench.last, SHIFTED[name])
        assert check_plan(later, plan) == []
        bench.require_as_ever()


@pytest.mark.parametrize("runs", RUNS)
def test_a_time_out_without_an_incumbent_shifts_the_last_plan(toys: Any, runs: int) -> None:
    """A solver that keeps a limit too short for anything; in its own process, so never killed."""
    problem = toys.random(1)
    planner = Planner(PlannerSettings(in_process=True))
    last = planner.plan(problem)
    later = replace(problem, first_slot=problem.first_slot + SLOT_S)
    for _ in range(runs):
        planner.settings = PlannerSettings(in_process=True, deadline_s=1e-6)
        plan = planner.plan(later, last)
        assert (plan.tier, plan.certificate.status) == ("T2", "deadline")
        assert plan.certificate.reason == "no plan: time"
        assert check_plan(later, plan) == []
        planner.settings = PlannerSettings(in_process=True)
        again = planner.plan(problem)
        assert again.tier == "T0"
        assert again.cost_krw.total == pytest.approx(last.cost_krw.total, rel=1e-3)


@pytest.mark.parametrize("runs", RUNS)
def test_a_time_out_with_an_incumbent_gives_it_with_its_gap(
    toys: Any, bench: Bench, runs: int
) -> None:
    """Problems too hard for the time; the rare one that is proven in time is no time-out."""
    timed_out = Fault(
        ("T0", "T1"),
        ("deadline", "gap open", "optimal"),
        "%",
        deadline_s=2 * SHORT_S,
        gap_frac=1e-9,
    )
    found = 0
    for seed in range(2 * runs):
        problem = toys.random(seed, slots=96)
        plan = bench.plan(problem, None, timed_out)
        certificate = plan.certificate
        assert check_plan(problem, plan) == []
        assert certificate.bound_krw <= plan.cost_krw.total
        assert (
            (plan.tier == "T0")
            == (certificate.gap_frac <= 1e-9)
            == (certificate.status == "optimal")
        )
        found += plan.tier == "T1" and "wanted 0.000%" in certificate.reason
        bench.require_as_ever()
        if found == runs:
            break
    assert found == runs


@pytest.mark.parametrize("runs", RUNS)
def test_a_plan_in_hand_counts_where_the_solver_hangs_afterwards(bench: Bench, runs: int) -> None:
    fault = Fault(("T0", "T1"), ("optimal", "deadline"), "", "hang with a plan", SHORT_S)
    for _ in range(runs):
        plan = bench.plan(bench.problem, bench.last, fault)
        assert check_plan(bench.problem, plan) == []
        bench.require_as_ever()


@contextmanager
def killed_from_outside(planner: Planner) -> Iterator[None]:
    """The solving process gets a SIGKILL while it works."""

    def kill() -> None:
        time.sleep(KILL_AFTER_S)
        pid = planner._child.process_id
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()


@pytest.mark.parametrize("runs", RUNS)
def test_a_solver_killed_at_work_is_replaced(bench: Bench, runs: int) -> None:
    later = replace(bench.problem, first_slot=bench.problem.first_slot + 2 * SLOT_S)
    fault = Fault(("T2",), ("killed",), "died", "hang")
    for _ in range(runs):
        with killed_from_outside(bench.planner):
            plan = bench.plan(later, bench.last, fault)
        assert check_plan(later, plan) == []
        bench.require_as_ever()


def full_battery(toys: Any, rng: np.random.Generator) -> tuple[PlanProblem, str, str]:
    """Two slots at p kW cannot store what is wanted."""
    power, wanted = rng.uniform(2, 8), rng.uniform(5, 10)
    battery = toys.batteries(p_charge_kw_max=power, e_end_kwh_min=np.array([wanted]))
    named = "battery 0 energy at the end"
    return toys.problem(2, batteries=battery), named, f"{wanted - power / 2:.3f}"


def late_cars(toys: Any, rng: np.random.Generator) -> tuple[PlanProblem, str, str]:
    """Two slots at p kW cannot charge what is promised."""
    power, due = rng.uniform(10, 40), rng.uniform(25, 40)
    cars = toys.fleets(1, 2, e_min_kwh=[[0.0, due]], e_max_kwh=due, p_charge_kw_max=power)
    named = "fleet 0 energy promised (kWh), slot 1"
    return toys.problem(2, fleets=cars), named, f"{due - power / 2:.3f}"


def cold_houses(toys: Any, rng: np.random.Generator) -> tuple[PlanProblem, str, str]:
    """The boiler gives less than is needed in the second slot."""
    boiler, demand = rng.uniform(100, 400), rng.uniform(500, 900)
    heat = toys.heat(2, demand_kw=[50.0, demand], boiler_kw_max=boiler)
    return toys.problem(2, heat=heat), "heat missing (kW), slot 1", f"{demand - boiler:.3f}"


KINDS = {"battery": full_battery, "cars": late_cars, "heat": cold_houses}
Kind = Callable[[Any, np.random.Generator], tuple[PlanProblem, str, str]]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_limits_that_contradict_are_named_with_what_is_missing(
    toys: Any, bench: Bench, kind: Kind, runs: int
) -> None:
    for run in range(runs):
        problem, named, missing = kind(toys, np.random.default_rng(run))
        plan = bench.plan(problem, None, Fault(("T1",), ("infeasible",), "limits contradict"))
        (broken,) = plan.certificate.broken
        assert named in broken and missing in broken, (broken, missing)
        assert broken in plan.certificate.reason
        bench.require_as_ever()


def spoilt(problem: PlanProblem, number: float, run: int) -> tuple[PlanProblem, str]:
    """The problem with one number of it replaced, and where that stands."""
    rng = np.random.default_rng(run)
    name = ("load_kw", "pv_kw")[run % 2]
    series = getattr(problem, name).copy()
    slot, area = rng.integers(0, series.shape[0]), rng.integers(0, series.shape[1])
    series[slot, area] = number
    return replace(problem, **{name: series}), f"{name}[{slot}, {area}]"


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_numbers_that_cannot_be_are_refused_by_name(bench: Bench, number: float, runs: int) -> None:
    bench.planner.settings = PlannerSettings()
    for run in range(runs):
        problem, where = spoilt(bench.problem, number, run)
        with pytest.raises(OptimizerError) as refused:
            bench.planner.plan(problem, bench.last)
        assert str(refused.value).startswith(f"{where}: {number:g}")
    bench.require_as_ever()


@pytest.mark.parametrize("runs", RUNS)
def test_a_problem_asked_at_once_after_a_kill_is_solved_by_the_next_process(
    bench: Bench, runs: int
) -> None:
    """A re-plan within the same slot does not wait: it must not meet the process that is killed."""
    fault = SHIFTED["a solver that ignores its limit"]
    for _ in range(runs):
        bench.plan(bench.problem, bench.last, fault)
        bench.planner.settings = PlannerSettings()
        assert bench.planner.plan(bench.problem, bench.last).tier == "T0"
        bench.plan(bench.problem, bench.last, SHIFTED["a solver that dies"])
        bench.planner.settings = PlannerSettings()
        assert bench.planner.plan(bench.problem, bench.last).tier == "T0"


def test_a_planner_closed_right_after_a_kill_leaves_no_process(toys: Any) -> None:
    problem = toys.random(1)
    for _ in range(5):
        with Planner(PlannerSettings(drill="die")) as planner:
            planner.plan(problem)
        time.sleep(0.3)  # a process that is to replace the dead one would have been started by now
        assert planner._child.process_id is None


@pytest.mark.check(11, canary=True)
def test_with_no_limit_but_the_solvers_own_one_that_ignores_it_is_late(
    toys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is the process that is killed at the deadline: here the solver works in ours."""
    planner = Planner(PlannerSettings(in_process=True))
    problem = toys.random(1)
    bench = Bench(planner, problem, planner.plan(problem))
    solve = planner._engines[0].plan

    def ignore_the_limit(*arguments: Any, **named: Any) -> Any:
        time.sleep(1.5 * SHORT_S)
        return solve(*arguments, **named)

    monkeypatch.setattr(planner._engines[0], "plan", ignore_the_limit)
    later = replace(problem, first_slot=problem.first_slot + SLOT_S)
    fault = replace(SHIFTED["a solver that ignores its limit"], drill="")
    planner.settings = PlannerSettings(in_process=True, deadline_s=SHORT_S)
    begun = time.monotonic()
    planner.plan(later, bench.last)
    assert time.monotonic() - begun > fault.deadline_s
