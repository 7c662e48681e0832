"""What the wires mean to a zone: its room, the room it shares with others, what its kWh loses.

The areas of a zone move together in proportion to their transformers, each spread over its buses
by a BusShare (else at its busbar).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from grid_models.cuts import LOADING_MARGIN, LOADINGS, V_MARGIN_PU, rows_of, worst_of
from grid_models.district import BusShare, FloatArray, Network
from grid_models.limits import NOT_CONVERGED, V_MIN, Violation
from grid_models.power_flow import FlowResult, PowerFlow
from grid_models.room import Room, keeps_limits, room_along
from grid_models.sensitivities import Tangent, complete_share

# Two zones that together may use 99 % of what each may use alone share nothing that counts.
SHARED_FRAC = 0.99
PUSH_MARGIN = 0.1  # of the margin that a plan keeps: a trade is checked again, and cut in Wh
NO_ROOM_KW = 0.1  # a zone with less than this has nothing to share


@dataclass(frozen=True)
class Headroom:
    """How much more each zone may draw, and how much more it may feed in, others unchanged."""

    draw: tuple[Room, ...]
    feed: tuple[Room, ...]


@dataclass(frozen=True)
class SharedRoom:
    """Two zones that cannot both use their own room, for some element carries both.

    `one` and `other` are positions in Network.zones. `room` is what they may use together, the
    same `frac` of each one's own room, and the limit that ends it. Every mixture of "all room to
    one", "all to the other" and this keeps the limits, as these bend little.
    """

    one: int
    other: int
    frac: float
    room: Room


@dataclass(frozen=True)
class SharedHeadroom:
    """The pairs of zones that share an element when both draw more, and when both feed in more."""

    draw: tuple[SharedRoom, ...]
    feed: tuple[SharedRoom, ...]


def zone_headroom(
    power_flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, share: BusShare | None = None
) -> Headroom:
    """The room of every zone above what every bus draws now, (N,) kW and kvar."""
    ways = zone_ways(power_flow.network, share)
    return Headroom(
        draw=tuple(room_along(power_flow, p_kw, q_kvar, way) for way in ways),
        feed=tuple(room_along(power_flow, p_kw, q_kvar, -way) for way in ways),
    )


def shared_headroom(
    power_flow: PowerFlow,
    drawn: tuple[FloatArray, FloatArray],
    headroom: Headroom,
    share: BusShare | None = None,
) -> SharedHeadroom:
    """Which pairs of zones share the room that `headroom` gives each of them alone.

    `drawn` is what every bus draws now, (N,) kW and kvar: the case that `headroom` was found for.
    """
    ways = zone_ways(power_flow.network, share)
    return SharedHeadroom(
        draw=_shared(power_flow, drawn, headroom.draw, ways),
        feed=_shared(power_flow, drawn, headroom.feed, [-way for way in ways]),
    )


def zone_loss_factors(
    network: Network, flow: FlowResult, share: BusShare | None = None
) -> FloatArray:
    """How many kW more all wires lose when a zone draws one kW more, (Z,); negative where less.

    These are marginal: summed over all that is drawn they come to about twice the losses, as
    losses grow with the square. Raises GridError for a flow that has no solution.
    """
    return Tangent(network, flow, share).losses_per_kw() @ zone_weights(network)


def zone_ways(network: Network, share: BusShare | None) -> list[FloatArray]:
    """One kW of each zone over the buses, (N,) each."""
    spread, buses = complete_share(network, share), len(network.buses.id)
    return [spread.at_buses(weights, buses) for weights in zone_weights(network).T]


@dataclass(frozen=True, eq=False)
class ZonePush:
    """A broken limit, and how far it is pushed by a kW more that each zone draws.

    `per_kw` (Z,) is above 0 where drawing makes it worse, below where feeding in does; `excess` is
    what must come off, a small margin included. Both in the unit of the violation.
    """

    violation: Violation
    per_kw: FloatArray
    excess: float


def zone_pushes(
    network: Network,
    flow: FlowResult,
    violations: Sequence[Violation],
    share: BusShare | None = None,
) -> list[ZonePush]:
    """The pushes of a flow's violations, the worst of each area and kind.

    Raises GridError for a flow that has no solution.
    """
    usable = worst_of(network, [one for one in violations if one.kind != NOT_CONVERGED])
    if not usable:
        return []
    rows = rows_of(network, Tangent(network, flow, share), usable) @ zone_weights(network)
    found = []
    for violation, row in zip(usable, rows, strict=True):
        rising = -1.0 if violation.kind == V_MIN else 1.0
        margin = LOADING_MARGIN if violation.kind in LOADINGS else V_MARGIN_PU
        found.append(ZonePush(violation, rising * row, violation.excess + PUSH_MARGIN * margin))
    return found


def zone_weights(network: Network) -> FloatArray:
    """Share of each area in one kW more of a zone, (A, Z): by transformer rating, else equal."""
    areas = network.areas
    rating = np.ones(len(areas.id))
    if (areas.transformer >= 0).all():
        rating = network.transformers.s_kva[areas.transformer]
    weight = np.zeros((len(areas.id), len(network.zones)))
    weight[np.arange(len(areas.id)), areas.zone] = rating
    total = weight.sum(axis=0)
    return weight / np.where(total > 0, total, 1.0)


def _shared(
    power_flow: PowerFlow,
    drawn: tuple[FloatArray, FloatArray],
    rooms: tuple[Room, ...],
    ways: list[FloatArray],
) -> tuple[SharedRoom, ...]:
    """The pairs whose own rooms do not fit together, with the room that they share."""
    p_kw, q_kvar = drawn
    base = power_flow.run(p_kw, q_kvar)
    able = [zone for zone, room in enumerate(rooms) if NO_ROOM_KW < room.step_kw < math.inf]
    found = []
    for one, other in combinations(able, 2):
        both_kw = rooms[one].step_kw + rooms[other].step_kw
        both = (rooms[one].step_kw * ways[one] + rooms[other].step_kw * ways[other]) / both_kw
        full = power_flow.run(p_kw + SHARED_FRAC * both_kw * both, q_kvar)
        if keeps_limits(power_flow.network, base, full):
            continue
        room = room_along(power_flow, p_kw, q_kvar, both)
        found.append(SharedRoom(one, other, room.step_kw / both_kw, room))
    return tuple(found)
