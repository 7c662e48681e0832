"""The plan proved again: balances, limits, minimum times and cost, without the model."""

from optimizer.plan import Plan
from optimizer.problem import Finding, PlanProblem


def check_plan(problem: PlanProblem, plan: Plan) -> list[Finding]:
    """Everything in which a plan breaks its problem; empty for a good plan."""
    raise NotImplementedError
