"""Plans without a solver: the last plan shifted, or rules."""

from optimizer.plan import Plan
from optimizer.problem import PlanProblem


def shift_plan(problem: PlanProblem, previous: Plan) -> Plan:
    """The previous plan from today's first slot on, trimmed to today's limits."""
    raise NotImplementedError


def rules_plan(problem: PlanProblem) -> Plan:
    """A plan by rules: cars' promises first, then own use, within every limit."""
    raise NotImplementedError
