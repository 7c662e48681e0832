"""The planner: one problem in, one checked plan out, before the deadline, whatever the solver does.

with Planner(PlannerSettings(deadline_s=60.0)) as planner:
    plan = planner.plan(problem)
    next_plan = planner.plan(next_problem, previous=plan)
"""

from dataclasses import dataclass
from types import TracebackType

from optimizer.plan import Plan
from optimizer.problem import PlanProblem


@dataclass(frozen=True)
class PlannerSettings:
    """How long, how well, and where a planner works.

    `gap_frac` of the cost at which a plan counts as proven. in_process: solve in the caller's own
    process; the deadline then rests on the solver's word. `drill` plants a fault in the child.
    """

    deadline_s: float = 60.0
    gap_frac: float = 1e-3
    threads: int = 1
    in_process: bool = False
    drill: str = ""


class Planner:
    """Plans slot after slot with one warm solver.

    The solver lives in a child process that is started at the first plan, killed at a deadline and
    replaced, and that ends when its parent ends. Use from one thread at a time.
    """

    def __init__(self, settings: PlannerSettings | None = None) -> None:
        self.settings = settings or PlannerSettings()

    def plan(self, problem: PlanProblem, previous: Plan | None = None) -> Plan:
        """The best plan that could be had in time; its certificate says which tier and why.

        Raises OptimizerError only for a problem that cannot be read, naming every finding. Solver
        trouble of any kind ends in a lower tier: the best found, the previous plan shifted (if at
        most two slots old), or rules.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the child process; a later plan starts a new one."""

    def __enter__(self) -> "Planner":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
