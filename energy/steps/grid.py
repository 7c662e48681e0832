"""The check step: can the wires carry the plan? If not, cuts, and the plan is made again.

Every slot of the plan is run through the AC power flow. What is violated becomes linear limits in
the optimiser's words. Where after the last round the plan's own slot still breaks one, plans
without solver are tried, and the least bad is taken: it is no optimum then, nor the slot's outcome
ok. What only later slots break is reported with the plan, for they are planned again. What the
market may still move beyond the plan is found last.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from energy.steps.context import Microgrid
from energy.steps.injections import (
    Carried,
    Injections,
    carry,
    open_rows,
    planned_injections,
)
from energy.steps.islanding import blocked_alone, plan_alone
from energy.steps.market_room import MarketRoom, market_room
from energy.steps.places import Places, build_places
from energy.steps.steering import Steering
from grid_models import CutMaker, FlowResult, Network, Violation, check_flow, near_limits
from grid_models.contingencies import feeder_heads
from optimizer import Cut, Plan, PlanProblem, Tier
from optimizer.nearness import set_points_of

FloatArray = npt.NDArray[np.float64]

UNSERVED = "unserved"
SHED_KW_MIN = 0.01  # what a meter would not resolve is not shed
WORTH_FRAC = 0.9  # of what it breaks: a plan without solver must break less than that to be taken
SAME_KW = 1e-3  # below it two set-points are the same
FAILED_MAX = 8  # slots without a flow before the rest counts as such: each costs a whole Newton run


@dataclass(frozen=True)
class Unserved(Violation):
    """Load that a plan leaves out on paper: `found` kW where 0 are allowed.

    No set-point carries it out, so people draw it all the same and the plan's sums do not hold.
    """

    def __str__(self) -> str:
        """The violation as one sentence."""
        return f"{self.found:.1f} kW of load are shed on paper; no set-point carries that out"


@dataclass(frozen=True)
class CutOff(Unserved):
    """Load that relays cut off without the utility: `found` kW where 0 are allowed."""

    def __str__(self) -> str:
        """The violation as one sentence."""
        return f"{self.found:.1f} kW of load are cut off while the district stands alone"


@dataclass(frozen=True)
class SlotViolation:
    """A limit that a plan breaks in slot number `row` of its horizon."""

    row: int
    violation: Violation


@dataclass(frozen=True, eq=False)
class WiresAhead:
    """The tightest of the wires in each slot of a plan, (H,); NaN where the flow has no solution.

    `loading_frac` is that of the most loaded line or transformer, whose name is in `element`;
    `feeder_loading_frac` (H, F) that of each feeder's first line, whose names are in `feeder`.
    """

    loading_frac: FloatArray
    element: tuple[str, ...]
    v_min_pu: FloatArray
    v_max_pu: FloatArray
    feeder: tuple[str, ...]
    feeder_loading_frac: FloatArray

    @property
    def worst_row(self) -> int:
        """The slot with the highest loading; the first where none has a solution."""
        known = np.isfinite(self.loading_frac)
        return int(np.nanargmax(self.loading_frac)) if known.any() else 0


@dataclass(frozen=True, eq=False)
class CheckedPlan:
    """A plan with the proof that the wires carry it, or with what they do not.

    `problem` is what was asked for without limits of the wires; cuts are on places. `carried` has
    the draws and the flow of every slot. `violations` are of the wires, slot after
    slot, then what the plan sheds. `tier` is the plan's, at most T1 where its own first slot breaks
    a limit, T4 where that has no valid power flow. `room` is what the market may still move in the
    first slot, None without flow.
    `blocked` says why the district cannot stand alone in an island to come, in one sentence each.
    """

    plan: Plan
    problem: PlanProblem
    carried: tuple[Carried, ...]
    ahead: WiresAhead
    violations: tuple[SlotViolation, ...]
    rounds: int
    tier: Tier
    room: MarketRoom | None = None
    steering: Steering = field(default_factory=Steering)
    blocked: tuple[str, ...] = ()

    @property
    def drawn(self) -> Injections:
        """What each bus draws in the first slot."""
        return self.carried[0].drawn

    @property
    def flow(self) -> FlowResult:
        """The flow of the first slot."""
        return self.carried[0].flow

    @property
    def worst(self) -> FlowResult:
        """The flow of the tightest slot."""
        return self.carried[self.ahead.worst_row].flow

    @property
    def on_wires(self) -> tuple[SlotViolation, ...]:
        """The limits of the wires that the plan breaks."""
        return tuple(each for each in self.violations if each.violation.kind != UNSERVED)

    @property
    def own_slot(self) -> tuple[SlotViolation, ...]:
        """The limits of the wires that the plan breaks in its own, first slot."""
        return tuple(each for each in self.on_wires if each.row == 0)

    @property
    def unserved(self) -> tuple[SlotViolation, ...]:
        """The slots in which the plan sheds load on paper."""
        return tuple(each for each in self.violations if each.violation.kind == UNSERVED)

    @property
    def reason(self) -> str:
        """The certificate's reason, what the wires do not carry, what is shed on paper, and what
        operators have ordered that cannot be kept.
        """
        told = [self.plan.certificate.reason]
        if self.on_wires:
            first = self.on_wires[0]
            told.append(f"{len(self.on_wires)} grid limits exceeded, first {first.violation}")
        if self.unserved:
            first = self.unserved[0]
            told.append(f"in {len(self.unserved)} slots load is left out, first {first.violation}")
        if self.blocked:
            told.append(f"the district cannot stand alone: {'; '.join(self.blocked)}")
        if self.steering.unknown:
            told.append(f"operators' limits are not kept: {'; '.join(self.steering.unknown)}")
        return "; ".join(part for part in told if part)


def plan_within_grid(
    microgrid: Microgrid,
    problem: PlanProblem,
    lap: Callable[[str], None],
    steering: Steering | None = None,
) -> CheckedPlan:
    """The plan, its AC check, and re-plans with cuts until it passes or the rounds are used up.

    `steering` is what operators have ordered; a limit of theirs counts like one of the wires.
    """
    steering = steering or Steering()
    alone = plan_alone(microgrid.planner, problem, microgrid.memory.previous)
    problem, plan = alone.problem, alone.plan
    lap("plan")
    checked = check_on_grid(microgrid, problem, plan, 0, steering)
    lap("check")
    if checked.on_wires:
        checked = _replanned(microgrid, checked, lap)
    checked = with_room(microgrid, checked)
    blocked = blocked_alone(microgrid.district, problem, checked.plan)
    lap("check")
    return replace(checked, blocked=blocked)


def _replanned(
    microgrid: Microgrid, checked: CheckedPlan, lap: Callable[[str], None]
) -> CheckedPlan:
    """Plans within cuts, round by round; where the last breaks its own slot the least bad one."""
    planner, previous = microgrid.planner, microgrid.memory.previous
    problem, steering = checked.problem, checked.steering
    places = build_places(microgrid.district)
    cuts: tuple[Cut, ...] = ()
    is_last = microgrid.settings.grid_rounds_max == 0
    while checked.on_wires and (checked.own_slot or not is_last):
        new, ordered = _cuts(microgrid, checked, places), _ordered_cuts(checked, places)
        cuts = (*cuts, *new)
        asked = places.problem(problem, (*cuts, *ordered))
        # No flow has a solution, or nothing that can be planned moves the elements.
        if is_last or not (new or ordered):
            return _least_bad(microgrid, checked, places, asked) if checked.own_slot else checked
        plan = places.on_areas(problem, planner.plan(asked, previous))
        lap("plan")
        # The same plan has the same flows: the next round would ask for the same again.
        is_same = _is_same(plan, checked.plan)
        checked = check_on_grid(microgrid, problem, plan, checked.rounds + 1, steering)
        lap("check")
        is_last = (
            is_same
            or checked.rounds >= microgrid.settings.grid_rounds_max
            or planner.is_out_of_time
        )
    return checked


def _is_same(plan: Plan, other: Plan) -> bool:
    """Whether two plans of the same slots tell the devices the same."""
    powers = (
        [set_points_of(each).power_kw for each in (plan, other)],
        [plan.pv_used_kw, other.pv_used_kw],
    )
    return all(np.allclose(ours, theirs, rtol=0.0, atol=SAME_KW) for ours, theirs in powers)


def _least_bad(
    microgrid: Microgrid, checked: CheckedPlan, places: Places, asked: PlanProblem
) -> CheckedPlan:
    """A checked plan that breaks limits in its own slot, or one without solver that breaks less.

    `asked` is the problem with its places and cuts.
    """
    problem, steering = checked.problem, checked.steering
    first = checked.own_slot[0].violation
    why = f"the wires do not carry the own slot of the plan of tier {checked.plan.tier}: {first}"
    best, least = checked.plan, _own_excess(microgrid, problem, checked.plan, steering)
    for previous in (microgrid.memory.previous, None):
        plan = microgrid.planner.without_solver(asked, previous, why)
        plan = places.on_areas(problem, plan)
        excess = _own_excess(microgrid, problem, plan, steering)
        if excess < WORTH_FRAC * least:
            best, least = plan, excess
    if best is checked.plan:
        return checked
    return check_on_grid(microgrid, problem, best, checked.rounds, steering)


def _own_excess(
    microgrid: Microgrid, problem: PlanProblem, plan: Plan, steering: Steering
) -> float:
    """By how much a plan breaks limits in its first slot, each as a part of what is allowed, and
    the part of the load that it leaves out; infinite without a flow.
    """
    drawn = planned_injections(microgrid.district, problem, plan, 0)
    flow = carry(microgrid.power_flow, drawn).flow
    broken = (*check_flow(microgrid.district.network, flow), *steering.broken(0, flow))
    left_out = float(plan.shed_kw[0]) / max(float(problem.load_kw[0].sum()), 1.0)
    return left_out + sum(each.excess / max(each.allowed, 1.0) for each in broken)


def check_on_grid(
    microgrid: Microgrid,
    problem: PlanProblem,
    plan: Plan,
    rounds: int,
    steering: Steering | None = None,
) -> CheckedPlan:
    """AC power flows of all slots of the plan, against the wires' limits and the operators'."""
    steering = steering or Steering()
    network = microgrid.district.network
    carried = _carried(microgrid, problem, plan)
    broken = [
        SlotViolation(row, each)
        for row, slot in enumerate(carried)
        for each in (*check_flow(network, slot.flow), *steering.broken(row, slot.flow))
    ]
    is_open = open_rows(problem)
    shed = [
        SlotViolation(row, kind(UNSERVED, network.name, -1, float(plan.shed_kw[row]), 0.0))
        for row in np.flatnonzero(plan.shed_kw > SHED_KW_MIN).tolist()
        for kind in [CutOff if is_open[row] else Unserved]
    ]
    return CheckedPlan(
        plan=plan,
        problem=problem,
        carried=carried,
        ahead=wires_ahead(network, [slot.flow for slot in carried]),
        violations=(*broken, *shed),
        rounds=rounds,
        tier=_tier(plan, carried[0].flow, [each for each in broken if each.row == 0]),
        steering=steering,
    )


def _tier(plan: Plan, flow: FlowResult, broken: Sequence[SlotViolation]) -> Tier:
    """The tier of a plan with the flow of its own slot and what it breaks there."""
    if not flow.converged:
        return Tier.HOLD
    return Tier.FOUND if broken and plan.tier is Tier.OPTIMUM else plan.tier


def _carried(microgrid: Microgrid, problem: PlanProblem, plan: Plan) -> tuple[Carried, ...]:
    """The draws and flows of all slots; after many without a solution the rest is not tried."""
    carried: list[Carried] = []
    failed: list[FlowResult] = []
    for row in range(plan.slots):
        drawn = planned_injections(microgrid.district, problem, plan, row)
        if len(failed) < FAILED_MAX:
            slot = carry(microgrid.power_flow, drawn)
        else:
            reason = f"not tried after {FAILED_MAX} slots without a flow, the last: "
            slot = Carried(drawn, replace(failed[-1], reason=reason + failed[-1].reason))
        if not slot.flow.converged and len(failed) < FAILED_MAX:
            failed.append(slot.flow)
        carried.append(slot)
    return tuple(carried)


def with_room(microgrid: Microgrid, checked: CheckedPlan) -> CheckedPlan:
    """The same with what the market may still move in the first slot."""
    if not checked.flow.converged:
        return checked
    connection = checked.problem.connection
    limits = float(connection.p_import_kw_max[0]), float(connection.p_export_kw_max[0])
    share = microgrid.district.shares["load"]
    narrowed = partial(checked.steering.narrowed, microgrid.district, checked.flow)
    room = market_room(microgrid.power_flow, checked.carried[0], share, limits, narrowed)
    return replace(checked, room=room)


def wires_ahead(network: Network, flows: Sequence[FlowResult]) -> WiresAhead:
    """What is tightest in each of these flows."""
    names = (*network.lines.id, *network.transformers.id)
    feeders = feeder_heads(network)
    heads = [network.lines.id.index(name) for name in feeders]
    loading_frac, element, v_min_pu, v_max_pu = [], [], [], []
    for flow in flows:
        both = np.concatenate([flow.line_loading_frac, flow.transformer_loading_frac])
        at = int(np.argmax(both)) if flow.converged and len(both) else -1
        loading_frac.append(both[at] if at >= 0 else np.nan)
        element.append(names[at] if at >= 0 else "")
        v_min_pu.append(flow.v_pu.min())
        v_max_pu.append(flow.v_pu.max())
    return WiresAhead(
        np.array(loading_frac), tuple(element), np.array(v_min_pu), np.array(v_max_pu),
        feeders, np.array([flow.line_loading_frac[heads] for flow in flows]),
    )  # fmt: skip


def _cuts(microgrid: Microgrid, checked: CheckedPlan, places: Places) -> list[Cut]:
    """Limits of every element that came near its own anywhere, in every slot of the plan.

    With the broken slots alone the next plan would move the load beside them.
    """
    # The same wires and the same last solution: only what the flow calls an area is another.
    wires = copy.copy(microgrid.power_flow)
    wires.network = places.network
    maker = CutMaker(wires, places.share)
    flows = [slot.flow for slot in checked.carried]
    near = near_limits(microgrid.district.network, flows)
    broken = {each.row for each in checked.on_wires}
    cuts: list[Cut] = []
    # Broken slots first: there the maker learns how each element is moved.
    for row in sorted(range(len(flows)), key=lambda row: row not in broken):
        drawn_kw = places.drawn_kw(checked.problem, checked.plan, row)
        cuts += [
            Cut(f"{limit.id}@{row}/{checked.rounds + 1}", row, limit.coefficient, limit.limit_kw)
            for limit in maker.cuts(flows[row], near, drawn_kw)
        ]
    return cuts


def _ordered_cuts(checked: CheckedPlan, places: Places) -> list[Cut]:
    """The operators' limits in every slot where they hold, by the losses of the last flows.

    They take the place of those of the round before, whose losses were others.
    """
    steering = checked.steering
    if not steering.held:
        return []
    return [
        cut
        for row, slot in enumerate(checked.carried)
        for cut in steering.cuts(
            row, slot.flow, places, places.drawn_kw(checked.problem, checked.plan, row)
        )
    ]
