"""Limits that operators have set on the wires, as the plan and the market of a slot keep them.

A limit is on the active power through an element, either way, at the side of the supply. In a
radial network that is the sum of what stands behind plus what is lost there; the loss is that of
the last AC flow, so a limit becomes a linear cut that is exact but for the change of the loss.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.places import Places
from energy.store.engine import Store
from energy.store.steering import SteeringLimit, limits_between
from energy.timegrid import iso_of
from energy.units import SLOT_S
from grid_models import (
    FlowResult,
    GridError,
    Passage,
    PassageMeter,
    Room,
    Violation,
    find_passage,
    zone_ways,
)
from optimizer import Cut, PlanProblem

FloatArray = npt.NDArray[np.float64]

OPERATOR_LIMIT = "operator_limit"
MARGIN_FRAC = 2e-4  # of the rating: aimed at below the limit, for the loss moves with the plan
TOLERANCE_FRAC = 5e-4  # of the rating: below it a limit counts as kept


@dataclass(frozen=True)
class LimitBroken(Violation):
    """More passes an element than an operator allows: `found` and `allowed` are kW."""

    def __str__(self) -> str:
        """The violation as one sentence."""
        return (
            f"element {self.element}: {self.found:.1f} kW pass, the operator allows "
            f"{self.allowed:.1f} kW"
        )


@dataclass(frozen=True, eq=False)
class HeldPassage:
    """A passage and what may pass it in each slot of the horizon, (H,) kW; inf where all may."""

    passage: Passage
    p_kw_max: FloatArray

    @property
    def tolerance_kw(self) -> float:
        """By how much a limit may be exceeded and count as kept."""
        return TOLERANCE_FRAC * self.passage.p_kw_rated


@dataclass(frozen=True, eq=False)
class Steering:
    """What operators have ordered for the slots of a horizon.

    `unknown` are the limits that cannot be kept, one sentence each: their elements are there no
    more, or feed nothing alone since something was switched.
    """

    held: tuple[HeldPassage, ...] = ()
    unknown: tuple[str, ...] = ()
    meter: PassageMeter | None = field(default=None, repr=False)

    def broken(self, row: int, flow: FlowResult) -> list[Violation]:
        """The limits that a flow of slot number `row` breaks."""
        return [
            LimitBroken(
                OPERATOR_LIMIT, one.passage.element, one.passage.branch, abs(kw), one.p_kw_max[row]
            )
            for one, kw in self._through(flow)
            if abs(kw) > one.p_kw_max[row] + one.tolerance_kw
        ]

    def cuts(self, row: int, flow: FlowResult, places: Places, drawn_kw: FloatArray) -> list[Cut]:
        """The limits of slot number `row` as cuts on the places, which drew (P,) in the flow."""
        found = []
        for one, kw in self._through(flow):
            most_kw = one.p_kw_max[row]
            if not math.isfinite(most_kw):
                continue
            behind = one.passage.behind[places.share.bus] * places.share.share
            size = len(places.network.areas.id)
            coefficient = np.bincount(places.share.area, behind, size).astype(np.float64)
            other_kw = kw - float(coefficient @ drawn_kw)
            most_kw = max(most_kw - MARGIN_FRAC * one.passage.p_kw_rated, 0.0)
            name = f"{OPERATOR_LIMIT}:{one.passage.element}"
            found += [
                Cut(f"{name}:+@{row}", row, coefficient, most_kw - other_kw),
                Cut(f"{name}:-@{row}", row, -coefficient, most_kw + other_kw),
            ]
        return found

    def narrowed(
        self, district: District, flow: FlowResult, rooms: Sequence[Room], sign: float
    ) -> tuple[Room, ...]:
        """The zones' rooms in the first slot, no longer than the limits; `sign` 1 draws, -1 feeds.

        Of what a limit leaves, its tolerance stays free for what the trades themselves lose.
        """
        found = list(rooms)
        ways = zone_ways(district.network, district.shares["load"])
        for one, kw in self._through(flow):
            left_kw = max(one.p_kw_max[0] - sign * kw - one.tolerance_kw, 0.0)
            for zone, way in enumerate(ways):
                part = float(way[one.passage.behind].sum())
                if part > 0 and left_kw / part < found[zone].step_kw:
                    found[zone] = Room(left_kw / part, OPERATOR_LIMIT, one.passage.element)
        return tuple(found)

    def _through(self, flow: FlowResult) -> list[tuple[HeldPassage, float]]:
        """The held passages and what passes each; none without a flow."""
        if self.meter is None or not flow.converged:
            return []
        kw = self.meter.through_kw(flow, [one.passage for one in self.held])
        return list(zip(self.held, kw.tolist(), strict=True))


def steering_of(district: District, store: Store, problem: PlanProblem) -> Steering:
    """What operators have ordered for the slots of a problem, as the store has it now."""
    first, end = problem.first_slot, problem.first_slot + problem.slots * SLOT_S
    return steering_from(
        district, store.read(lambda connection: limits_between(connection, first, end)), problem
    )


def steering_from(
    district: District, limits: Sequence[SteeringLimit], problem: PlanProblem
) -> Steering:
    """The limits over the horizon of a problem; of several on one element the lowest holds.

    A limit that cannot be kept is skipped and told: the slots must have their plan all the same.
    """
    slots = problem.first_slot + SLOT_S * np.arange(problem.slots)
    held: dict[str, HeldPassage] = {}
    unknown: list[str] = []
    for one in limits:
        try:
            passage = find_passage(district.network, one.limit.element)
        except GridError as error:
            until = iso_of(one.end_slot)
            unknown.append(f"limit {one.id} of {one.limit.p_kw_max:g} kW until {until}: {error}")
            continue
        holds = (slots >= one.limit.from_slot) & (slots < one.end_slot)
        p_kw_max = np.where(holds, one.limit.p_kw_max, math.inf)
        before = held.get(passage.element)
        if before is not None:
            held[passage.element] = replace(before, p_kw_max=np.minimum(before.p_kw_max, p_kw_max))
        else:
            held[passage.element] = HeldPassage(passage, p_kw_max)
    meter = PassageMeter(district.network) if held else None
    return Steering(tuple(held.values()), tuple(unknown), meter)
