"""The certificate of a plan: how it came about, how good it is proven to be, what it rests on."""

import hashlib
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from optimizer.check import PROMISES
from optimizer.costs import cut_excess_kw
from optimizer.found import Found, Outcome, Shadow
from optimizer.nearness import set_points_of
from optimizer.plan import SLOT_S, BindingLimit, Certificate, Plan, Status, Tier
from optimizer.pledges import missed_kw
from optimizer.problem import Finding, PlanProblem
from optimizer.why import reasons_of

SHADOW_LEAST = 0.01  # won per kWh below which a limit does not count as binding


@dataclass(frozen=True)
class Making:
    """How a plan was made: its tier, what the solver said and why, and the time it took."""

    tier: Tier
    status: Status
    reason: str
    seconds: float
    seconds_allowed: float


def certified(
    problem: PlanProblem, plan: Plan, making: Making, *, found: Found | None, broken: list[Finding]
) -> Plan:
    """The plan with its certificate and reasons; `found` where a solver made it."""
    cost = plan.cost_krw.total
    shadow = found.shadow if found else None
    proven = found is not None and np.isfinite(found.bound_krw)
    certificate = Certificate(
        tier=making.tier,
        status=making.status,
        reason=making.reason,
        way=found.way if found else making.tier.name.lower(),
        bound_krw=found.bound_krw if found and proven else float("nan"),
        cost_krw=cost,
        gap_frac=found.gap_frac if found and proven else float("nan"),
        seconds=making.seconds,
        seconds_allowed=making.seconds_allowed,
        binding=_binding(shadow, problem) if shadow else (),
        slack_kw=cut_excess_kw(problem, plan) | missed_kw(problem, plan),
        distance_from_last_kw=float("nan"),
        structure=found.structure if found else "",
        inputs=digest(problem),
        broken=tuple(str(finding) for finding in broken),
        expected_krw=found.expected_krw if found else float("nan"),
    )
    return replace(plan, certificate=certificate, reasons=reasons_of(problem, plan, shadow))


def standing(found: Found, broken: list[Finding], gap_frac: float) -> tuple[Tier, Status, str]:
    """Tier, status and reason of a plan that a solver found and the check passed."""
    promises = [finding for finding in broken if finding.law in PROMISES - {"wires"}]
    if promises:
        named = "; ".join(str(finding) for finding in promises[:3])
        more = f"; and {len(promises) - 3} more" if len(promises) > 3 else ""
        return Tier.FOUND, Status.INFEASIBLE, f"limits contradict: {named}{more}"
    if found.gap_frac <= gap_frac:
        return Tier.OPTIMUM, Status.OPTIMAL, f"proven within {found.gap_frac:.4%}"
    reached = f"gap {found.gap_frac:.3%}, wanted {gap_frac:.3%}"
    if found.outcome is Outcome.TIME:
        return Tier.FOUND, Status.DEADLINE, f"deadline, {reached}"
    return Tier.FOUND, Status.GAP_OPEN, reached


def _binding(shadow: Shadow, problem: PlanProblem) -> tuple[BindingLimit, ...]:
    """Limits with a shadow price, by slot, and the cuts."""
    limits = [
        BindingLimit(name, slot, float(price))
        for name, prices in shadow.limits_krw_per_kwh.items()
        for slot, price in enumerate(prices)
        if price > SHADOW_LEAST
    ]
    slot_of = {cut.id: cut.slot_index for cut in problem.cuts}
    limits += [
        BindingLimit(name, slot_of[name], price)
        for name, price in shadow.cuts_krw_per_kwh.items()
        if price > SHADOW_LEAST
    ]
    return tuple(limits)


def distance_kw(plan: Plan, previous: Plan) -> float:
    """Mean change of a set-point over the slots that both plans cover; NaN if there are none."""
    ours, theirs = set_points_of(plan), set_points_of(previous)
    ago = (ours.first_slot - theirs.first_slot) // SLOT_S
    if not 0 <= ago < len(theirs.power_kw) or ours.power_kw.shape[1] != theirs.power_kw.shape[1]:
        return float("nan")
    shared = min(len(ours.power_kw), len(theirs.power_kw) - ago)
    change = np.abs(ours.power_kw[:shared] - theirs.power_kw[ago : ago + shared])
    return float(change.mean()) if change.size else 0.0


def with_distance(plan: Plan, previous: Plan | None) -> Plan:
    """The plan with its distance from the previous one in the certificate."""
    if previous is None:
        return plan
    certificate = replace(plan.certificate, distance_from_last_kw=distance_kw(plan, previous))
    return replace(plan, certificate=certificate)


def digest(problem: PlanProblem) -> str:
    """Digest of every number of a problem."""
    sha = hashlib.sha256()
    _feed(sha, problem)
    return sha.hexdigest()[:16]


def _feed(sha: Any, part: Any) -> None:  # noqa: ANN401 - any field of a problem
    if is_dataclass(part):
        for field in fields(part):
            sha.update(field.name.encode())
            _feed(sha, getattr(part, field.name))
    elif isinstance(part, np.ndarray):
        sha.update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, tuple):
        for each in part:
            _feed(sha, each)
    else:
        sha.update(repr(part).encode())
