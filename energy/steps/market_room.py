"""What the wires still carry beyond a plan in its first slot: of each zone, and of all together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.steps.injections import Carried
from grid_models import (
    BusShare,
    Headroom,
    PowerFlow,
    Room,
    room_along,
    zone_headroom,
    zone_loss_factors,
    zone_ways,
)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MarketRoom:
    """Headroom and marginal loss factor (Z,) of each zone; what all zones may draw or feed more.

    `draw_kw` and `feed_kw` are the sums of the zones' rooms, less where an element that several
    zones share would not carry them at once: a last AC flow along all of them has the word. A zone
    without any limit counts for as much as the connection could ever pass.
    """

    headroom: Headroom
    loss_per_kw: FloatArray
    draw_kw: float
    feed_kw: float


Narrow = Callable[[tuple[Room, ...], float], tuple[Room, ...]]
"""Makes zones' rooms shorter than the wires alone would; 1 for drawing, -1 for feeding in."""


def market_room(
    power_flow: PowerFlow,
    carried: Carried,
    share: BusShare,
    connection_kw: tuple[float, float],
    narrow: Narrow | None = None,
) -> MarketRoom:
    """The room beyond a converged flow; `share` spreads the areas over buses.

    `connection_kw` is what the connection to the utility may import and export; `narrow` knows of
    limits that are not the wires' own.
    """
    drawn, network = carried.drawn, power_flow.network
    headroom = zone_headroom(power_flow, drawn.p_kw, drawn.q_kvar, share)
    if narrow is not None:
        headroom = Headroom(draw=narrow(headroom.draw, 1.0), feed=narrow(headroom.feed, -1.0))
    ways = np.array(zone_ways(network, share))

    def together_kw(rooms: tuple[Room, ...], sign: float, most_kw: float) -> float:
        each_kw = np.array([min(room.step_kw, most_kw) for room in rooms])
        total_kw = float(each_kw.sum())
        if total_kw <= 0:
            return 0.0
        direction = sign * (each_kw / total_kw) @ ways
        found = room_along(power_flow, drawn.p_kw, drawn.q_kvar, direction)
        return min(found.step_kw, total_kw)

    return MarketRoom(
        headroom=headroom,
        loss_per_kw=zone_loss_factors(network, carried.flow, share),
        draw_kw=together_kw(headroom.draw, 1.0, connection_kw[0]),
        feed_kw=together_kw(headroom.feed, -1.0, connection_kw[1]),
    )
