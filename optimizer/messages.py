"""What goes between a planner and its solving process."""

from dataclasses import dataclass

from optimizer.found import Found
from optimizer.problem import PlanProblem


@dataclass(frozen=True, eq=False)
class Request:
    """A problem, when its answer is due on the machine's monotonic clock, how near, how.

    `drill` plants a fault, for exercises.
    """

    number: int
    problem: PlanProblem
    until_s: float
    gap_frac: float
    threads: int
    drill: str = ""


@dataclass(frozen=True, eq=False)
class Message:
    """What was found for a request; `last` when nothing more follows; `error` if solving failed."""

    number: int
    found: Found | None
    last: bool
    error: str = ""
