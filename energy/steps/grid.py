"""The check step: can the wires carry the plan? If not, cuts, and the plan is made again.

The first slot and the tightest later ones are run through the AC power flow. What is violated
becomes linear limits in the optimiser's words; after the last round what is left is reported with
the plan, and a first slot without any valid flow makes the plan one of rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from energy.steps.context import Microgrid
from energy.steps.injections import planned_injections
from grid_models import FlowResult, Violation, check_flow, cuts_for
from optimizer import Cut, Plan, PlanProblem, Tier, rules_plan

SLOTS_CHECKED = 8


@dataclass(frozen=True)
class SlotViolation:
    """A limit that a plan breaks in slot number `row` of its horizon."""

    row: int
    violation: Violation


@dataclass(frozen=True)
class CheckedPlan:
    """A plan with the proof that the wires carry it, or with what they do not.

    `tier` is the plan's, or T4 where its own first slot has no valid power flow.
    """

    plan: Plan
    problem: PlanProblem
    flow: FlowResult
    violations: tuple[SlotViolation, ...]
    rounds: int
    tier: Tier

    @property
    def reason(self) -> str:
        """The certificate's reason, and what the wires do not carry."""
        told = [self.plan.certificate.reason]
        if self.violations:
            first = self.violations[0]
            told.append(f"{len(self.violations)} grid limits exceeded, first {first.violation}")
        return "; ".join(part for part in told if part)


def plan_within_grid(
    microgrid: Microgrid, problem: PlanProblem, lap: Callable[[str], None]
) -> CheckedPlan:
    """The plan, its AC check, and re-plans with cuts until it passes or the rounds are used up."""
    plan = microgrid.planner.plan(problem, microgrid.memory.previous)
    lap("plan")
    checked = check_on_grid(microgrid, problem, plan, 0)
    lap("check")
    for rounds in range(1, microgrid.settings.grid_rounds_max + 1):
        if not checked.violations:
            break
        problem = replace(problem, cuts=(*problem.cuts, *_cuts(microgrid, checked)))
        plan = microgrid.planner.plan(problem, microgrid.memory.previous)
        lap("plan")
        checked = check_on_grid(microgrid, problem, plan, rounds)
        lap("check")
    if not checked.flow.converged:
        plan = rules_plan(problem)
        checked = check_on_grid(microgrid, problem, plan, checked.rounds)
        lap("check")
    return checked


def check_on_grid(
    microgrid: Microgrid, problem: PlanProblem, plan: Plan, rounds: int
) -> CheckedPlan:
    """AC power flows of the plan's first slot and of its tightest later ones."""
    network = microgrid.district.network
    found: list[SlotViolation] = []
    first: FlowResult | None = None
    for row in tight_slots(microgrid, plan):
        drawn = planned_injections(microgrid.district, problem, plan, row)
        flow = microgrid.power_flow.run(drawn.p_kw, drawn.q_kvar)
        first = flow if first is None else first
        found += [SlotViolation(row, each) for each in check_flow(network, flow)]
    assert first is not None, "the first slot is always checked"
    tier = plan.tier if first.converged else Tier.HOLD
    return CheckedPlan(plan, problem, first, tuple(found), rounds, tier)


def tight_slots(microgrid: Microgrid, plan: Plan) -> Sequence[int]:
    """Slot 0, then those with the greatest exchange and the most loaded area, each once."""
    transformers = microgrid.district.network.transformers
    of_area = microgrid.district.network.areas.transformer
    known = of_area >= 0
    rating_kva = np.where(known, transformers.s_kva[np.maximum(of_area, 0)], np.inf)
    loading = np.abs(plan.area_net_kw) / rating_kva
    exchange_kw = plan.p_import_kw + plan.p_export_kw
    worst = [
        *np.argsort(-exchange_kw, kind="stable")[: SLOTS_CHECKED // 2].tolist(),
        *np.argsort(-loading.max(axis=1), kind="stable")[: SLOTS_CHECKED // 2].tolist(),
        int(np.argmin(plan.area_net_kw.sum(axis=1))),
    ]
    return list(dict.fromkeys([0, *worst]))


def _cuts(microgrid: Microgrid, checked: CheckedPlan) -> list[Cut]:
    """Linear limits that remove the violations, slot by slot."""
    cuts: list[Cut] = []
    for row in dict.fromkeys(each.row for each in checked.violations):
        drawn = planned_injections(microgrid.district, checked.problem, checked.plan, row)
        flow = microgrid.power_flow.run(drawn.p_kw, drawn.q_kvar)
        if not flow.converged:
            continue
        broken = [each.violation for each in checked.violations if each.row == row]
        limits = cuts_for(
            microgrid.district.network,
            flow,
            broken,
            area_net_kw=checked.plan.area_net_kw[row],
            share=microgrid.district.shares["load"],
        )
        cuts += [
            Cut(f"{limit.id}@{row}/{checked.rounds + 1}", row, limit.coefficient, limit.limit_kw)
            for limit in limits
        ]
    return cuts
