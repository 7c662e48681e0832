"""What goes between a planner and its solving process."""

from dataclasses import dataclass

from optimizer.found import Found
from optimizer.nearness import SetPoints
from optimizer.problem import PlanProblem


@dataclass(frozen=True)
class Effort:
    """Gap wanted, longest branch and cut once a plan is in hand, threads of the solver.

    stability_frac: share of the money at stake that staying near the last plan may cost.
    """

    gap_frac: float = 1e-3
    stability_frac: float = 5e-4
    branch_s_max: float = 20.0
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Request:
    """A problem, when its answer is due on the machine's monotonic clock, and how to solve it.

    `last` are the set-points to stay near to. `drill` plants a fault, for exercises.
    """

    number: int
    problem: PlanProblem
    until_s: float
    effort: Effort
    last: SetPoints | None = None
    drill: str = ""


@dataclass(frozen=True, eq=False)
class Message:
    """What was found for a request; `last` when nothing more follows; `error` if solving failed."""

    number: int
    found: Found | None
    last: bool
    error: str = ""
