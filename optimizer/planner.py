"""The planner: one problem in, one checked plan out, before the deadline, whatever the solver does.

with Planner(PlannerSettings(deadline_s=60.0)) as planner:
    plan = planner.plan(problem)
    next_plan = planner.plan(next_problem, previous=plan)
"""

import copy
import logging
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from optimizer.certify import Making, certified, standing, with_distance
from optimizer.check import PROMISES, check_plan
from optimizer.child import Child, End, Reply, Terms
from optimizer.errors import OptimizerError
from optimizer.fallback import can_shift, rules_plan, shift_plan
from optimizer.found import Outcome
from optimizer.messages import Effort
from optimizer.nearness import set_points_of
from optimizer.plan import Plan, Status, Tier
from optimizer.problem import Finding, PlanProblem
from optimizer.validate import check_problem

if TYPE_CHECKING:
    from optimizer.engine import Engine

SHIFT_SLOTS_MAX = 2
LEAST_S = 1.0
"""A solver that has less time than this is not asked: it would be killed with nothing in hand."""
RESERVE_FRAC, RESERVE_S_MAX = 0.1, 1.0
"""Part of the time kept for what follows the solve; the solver is asked for twice that."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlannerSettings:
    """How long, how well, and where a planner works.

    `gap_frac` of the money at stake at which a plan counts as proven; stability_frac of it may be
    spent on staying near the previous plan, within that gap; branch_s_max: longest branch
    and cut once a plan is in hand, so that a hard proof does not use up the deadline. in_process:
    solve in the caller's own process; the deadline then rests on the solver's word. `drill` plants
    a fault in the solving process, for exercises: "hang", "hang with a plan", "die", "fail", "nan",
    "huge", "infeasible", "unbounded".
    """

    deadline_s: float = 60.0
    gap_frac: float = 1e-3
    stability_frac: float = 5e-4
    branch_s_max: float = 20.0
    threads: int = 1
    in_process: bool = False
    drill: str = ""


class Planner:
    """Plans slot after slot with one warm solver.

    The solver lives in a process of its own that is started with the planner, killed at a deadline
    and replaced, and that ends when its parent ends. Use from one thread at a time.
    """

    def __init__(self, settings: PlannerSettings | None = None) -> None:
        self.settings = settings or PlannerSettings()
        self._engines: list[Engine] = []  # one at most; the same for all that share it
        self._end_s = inf
        self._child = Child()
        if not self.settings.in_process:
            self._child.start()

    def plan(self, problem: PlanProblem, previous: Plan | None = None) -> Plan:
        """The best plan that could be had in time; its certificate says which tier and why.

        Raises OptimizerError only for a problem that cannot be read, naming every finding. Solver
        trouble of any kind ends in a lower tier: the best found, the previous plan shifted (if at
        most two slots old), or rules.
        """
        if self.is_out_of_time:
            return self._out_of_time(problem, previous)
        if (left_s := self.left_s) < self.settings.deadline_s:
            hurried = self.within(left_s)
            hurried._end_s = inf  # it is in its deadline now
            return hurried.plan(problem, previous)
        begun = monotonic()
        require_readable(problem)
        reply = self._solve(problem, previous, begun)
        plan = self._accepted(problem, reply, begun)
        if plan is None:
            plan = self._without_solver(problem, previous, (_trouble(problem, reply), begun))
        certificate = plan.certificate
        if certificate.tier is not Tier.OPTIMUM:
            log.warning(
                "plan of slot %s: %s, %s", problem.first_slot, certificate.tier, certificate.reason
            )
        return with_distance(plan, previous)

    def without_solver(self, problem: PlanProblem, previous: Plan | None, why: str) -> Plan:
        """The previous plan shifted if it still fits, else a plan by rules: a solved plan is of no
        use, for the reason `why`.

        Raises OptimizerError for a problem that cannot be read, as `plan` does.
        """
        begun = monotonic()
        require_readable(problem)
        plan = self._without_solver(problem, previous, ((Status.INFEASIBLE, why), begun))
        return with_distance(plan, previous)

    def within(self, deadline_s: float) -> "Planner":
        """The same planner, with the same solving process, for plans in a shorter time.

        Only one of the two may be used at a time, and the first one closes the process.
        """
        quick = copy.copy(self)
        quick.settings = replace(
            self.settings, deadline_s=min(deadline_s, self.settings.deadline_s)
        )
        return quick

    @property
    def left_s(self) -> float:
        """Seconds until the plans of `until` must be there, infinite without such an end."""
        return self._end_s - monotonic()

    @property
    def is_out_of_time(self) -> bool:
        """Whether too little is left for the solver: then plans are made without it."""
        return self.left_s <= LEAST_S

    def until(self, end_s: float) -> "Planner":
        """The same planner, whose plans must all be there at `end_s` (monotonic), however many.

        As of `within`, only one of the two may be used at a time.
        """
        timed = copy.copy(self)
        timed._end_s = end_s
        return timed

    def close(self) -> None:
        """End the solving process; a later plan starts a new one."""
        self._child.stop()

    def __enter__(self) -> "Planner":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _solve(self, problem: PlanProblem, previous: Plan | None, begun: float) -> Reply:
        settings = self.settings
        effort = Effort(
            gap_frac=settings.gap_frac,
            stability_frac=settings.stability_frac,
            branch_s_max=settings.branch_s_max,
            threads=settings.threads,
        )
        last = set_points_of(previous) if previous is not None else None
        reserve = min(RESERVE_FRAC * settings.deadline_s, RESERVE_S_MAX)
        until, kill = (begun + settings.deadline_s - times * reserve for times in (2, 1))
        if not settings.in_process:
            return self._child.ask(problem, Terms(until, kill, effort, last, settings.drill))
        if not self._engines:
            # Pyomo and HiGHS are loaded only where they are used.
            from optimizer.engine import Engine

            self._engines.append(Engine(effort))
        return Reply(self._engines[0].plan(problem, until, last=last), End.ANSWERED)

    def _out_of_time(self, problem: PlanProblem, previous: Plan | None) -> Plan:
        """A plan without the solver, for others have used up the time."""
        require_readable(problem)
        trouble = Status.DEADLINE, "no time was left for the solver"
        plan = self._without_solver(problem, previous, (trouble, monotonic()))
        log.warning(
            "plan of slot %s: %s, %s", problem.first_slot, plan.certificate.tier, trouble[1]
        )
        return with_distance(plan, previous)

    def _accepted(self, problem: PlanProblem, reply: Reply, begun: float) -> Plan | None:
        """The solver's plan with its certificate, if it passes the check."""
        found = reply.found
        if found is None or found.plan is None:
            return None
        findings = check_plan(problem, found.plan)
        if _refused(findings):
            return None
        tier, status, reason = standing(found, findings, self.settings.gap_frac)
        if reply.end is not End.ANSWERED and tier is not Tier.OPTIMUM:
            status, reason = _STATUS_OF_END[reply.end], f"{_ENDS[reply.end]}; {reason}"
        making = Making(tier, status, reason, monotonic() - begun, self.settings.deadline_s)
        return certified(problem, found.plan, making, found=found, broken=findings)

    def _without_solver(
        self, problem: PlanProblem, previous: Plan | None, trouble: tuple[tuple[Status, str], float]
    ) -> Plan:
        """The previous plan shifted if it still fits, else a plan by rules."""
        (status, reason), begun = trouble
        if previous is not None and can_shift(problem, previous, SHIFT_SLOTS_MAX):
            plan = shift_plan(problem, previous)
            findings = check_plan(problem, plan)
            if not _refused(findings):
                making = self._making(Tier.SHIFTED, status, reason, begun)
                return certified(problem, plan, making, found=None, broken=findings)
            reason += f"; the last plan no longer fits ({findings[0]})"
        plan = rules_plan(problem)
        making = self._making(Tier.RULES, status, reason, begun)
        return certified(problem, plan, making, found=None, broken=check_plan(problem, plan))

    def _making(self, tier: Tier, status: Status, reason: str, begun: float) -> Making:
        return Making(tier, status, reason, monotonic() - begun, self.settings.deadline_s)


def require_readable(problem: PlanProblem) -> None:
    """Raise OptimizerError with every finding of a problem that cannot be read."""
    findings = check_problem(problem)
    if findings:
        raise OptimizerError("; ".join(str(finding) for finding in findings))


_ENDS = {
    End.DIED: "the solving process died",
    End.LATE: "the solving process was killed at the deadline",
    End.FAILED: "solving failed",
}
_STATUS_OF_END = {
    End.DIED: Status.KILLED,
    End.LATE: Status.DEADLINE,
    End.FAILED: Status.FAILED,
}
_STATUS_OF_OUTCOME = {
    Outcome.TIME: Status.DEADLINE,
    Outcome.INFEASIBLE: Status.INFEASIBLE,
    Outcome.UNBOUNDED: Status.UNBOUNDED,
}


def _refused(findings: list[Finding]) -> bool:
    """Whether a finding is of a law that nothing excuses."""
    return any(finding.law not in PROMISES for finding in findings)


def _trouble(problem: PlanProblem, reply: Reply) -> tuple[Status, str]:
    """Why there is no plan from the solver, in our words."""
    if reply.end is not End.ANSWERED:
        return _STATUS_OF_END[reply.end], f"{_ENDS[reply.end]} {reply.error}".strip()
    found = reply.found
    if found is not None and found.plan is not None:
        findings = [f for f in check_plan(problem, found.plan) if f.law not in PROMISES]
        return Status.FAILED, f"the solver's plan failed its check: {findings[0]}"
    outcome = found.outcome if found else Outcome.FAILED
    return _STATUS_OF_OUTCOME.get(outcome, Status.FAILED), f"no plan: {outcome}"
