"""Whether a problem can be read at all: shapes, numbers, order of bounds; all findings at once."""

from optimizer.problem import Finding, PlanProblem


def check_problem(problem: PlanProblem) -> list[Finding]:
    """Everything that makes a problem unreadable; empty for a good one."""
    raise NotImplementedError
