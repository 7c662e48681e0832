"""The check step: can the wires carry the plan? If not, cuts, and the plan is made again.

Every slot of the plan is run through the AC power flow. What is violated becomes linear limits in
the optimiser's words; after the last round what is left is reported with the plan, and a first
slot without any valid flow makes the plan one of rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from energy.steps.context import Microgrid
from energy.steps.injections import Injections, planned_injections
from grid_models import CutMaker, FlowResult, Network, Violation, check_flow, near_limits
from optimizer import Cut, Plan, PlanProblem, Tier, rules_plan

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SlotViolation:
    """A limit that a plan breaks in slot number `row` of its horizon."""

    row: int
    violation: Violation


@dataclass(frozen=True, eq=False)
class WiresAhead:
    """The tightest of the wires in each slot of a plan, (H,); NaN where the flow has no solution.

    `loading_frac` is that of the most loaded line or transformer, whose name is in `element`.
    """

    loading_frac: FloatArray
    element: tuple[str, ...]
    v_min_pu: FloatArray
    v_max_pu: FloatArray

    @property
    def worst_row(self) -> int:
        """The slot with the highest loading; the first where none has a solution."""
        known = np.isfinite(self.loading_frac)
        return int(np.nanargmax(self.loading_frac)) if known.any() else 0


@dataclass(frozen=True, eq=False)
class CheckedPlan:
    """A plan with the proof that the wires carry it, or with what they do not.

    `drawn` is what each bus draws in the first slot, `flow` the flow of it, `worst` that of the
    tightest slot. `tier` is the plan's, or T4 where its own first slot has no valid power flow.
    """

    plan: Plan
    problem: PlanProblem
    drawn: Injections
    flow: FlowResult
    worst: FlowResult
    ahead: WiresAhead
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
    """AC power flows of all slots of the plan."""
    network = microgrid.district.network
    drawn = [
        planned_injections(microgrid.district, problem, plan, row) for row in range(plan.slots)
    ]
    flows = [microgrid.power_flow.run(each.p_kw, each.q_kvar) for each in drawn]
    found = [
        SlotViolation(row, each)
        for row, flow in enumerate(flows)
        for each in check_flow(network, flow)
    ]
    ahead = wires_ahead(network, flows)
    tier = plan.tier if flows[0].converged else Tier.HOLD
    worst = flows[ahead.worst_row]
    return CheckedPlan(plan, problem, drawn[0], flows[0], worst, ahead, tuple(found), rounds, tier)


def wires_ahead(network: Network, flows: Sequence[FlowResult]) -> WiresAhead:
    """What is tightest in each of these flows."""
    names = (*network.lines.id, *network.transformers.id)
    loading_frac, element, v_min_pu, v_max_pu = [], [], [], []
    for flow in flows:
        both = np.concatenate([flow.line_loading_frac, flow.transformer_loading_frac])
        at = int(np.argmax(both)) if flow.converged and len(both) else -1
        loading_frac.append(both[at] if at >= 0 else np.nan)
        element.append(names[at] if at >= 0 else "")
        v_min_pu.append(flow.v_pu.min())
        v_max_pu.append(flow.v_pu.max())
    return WiresAhead(
        np.array(loading_frac), tuple(element), np.array(v_min_pu), np.array(v_max_pu)
    )


def _cuts(microgrid: Microgrid, checked: CheckedPlan) -> list[Cut]:
    """Limits of every element that came near its own anywhere, in every slot of the plan.

    With the broken slots alone the next plan would move the load beside them.
    """
    maker = CutMaker(microgrid.power_flow, microgrid.district.shares["load"])
    rows = range(checked.plan.slots)
    flows = [_flow_of(microgrid, checked, row) for row in rows]
    near = near_limits(microgrid.district.network, flows)
    broken = {each.row for each in checked.violations}
    cuts: list[Cut] = []
    # Broken slots first: there the maker learns how each element is moved.
    for row in sorted(rows, key=lambda row: row not in broken):
        limits = maker.cuts(flows[row], near, _drawn_kw(checked, row))
        cuts += [
            Cut(f"{limit.id}@{row}/{checked.rounds + 1}", row, limit.coefficient, limit.limit_kw)
            for limit in limits
        ]
    return cuts


def _flow_of(microgrid: Microgrid, checked: CheckedPlan, row: int) -> FlowResult:
    drawn = planned_injections(microgrid.district, checked.problem, checked.plan, row)
    return microgrid.power_flow.run(drawn.p_kw, drawn.q_kvar)


def _drawn_kw(checked: CheckedPlan, row: int) -> FloatArray:
    """What the areas draw in the flow of a slot: the plan's sums before anything is shed.

    The injections that are checked know no shedding, as no set-point carries it out.
    """
    load_kw = checked.problem.load_kw[row]
    shed_kw = checked.plan.shed_kw[row] * load_kw / max(float(load_kw.sum()), 1e-9)
    drawn_kw: FloatArray = checked.plan.area_net_kw[row] + shed_kw
    return drawn_kw
