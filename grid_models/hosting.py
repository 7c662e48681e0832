"""Hosting capacity: how much solar or charging each area takes before the first limit binds."""

import numpy as np

from grid_models.district import BusShare, FloatArray
from grid_models.power_flow import PowerFlow
from grid_models.room import Room, room_along
from grid_models.sensitivities import complete_share


def feed_capacity(
    power_flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, share: BusShare | None = None
) -> list[Room]:
    """How much more each area may feed in, alone, above what every bus draws now.

    The case that counts for solar is a sunny noon with little load; `share` says how it spreads
    over an area's buses (else at its busbar).
    """
    return _capacity(power_flow, (p_kw, q_kvar), share, -1.0)


def draw_capacity(
    power_flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, share: BusShare | None = None
) -> list[Room]:
    """How much more each area may draw, alone; for charging the evening peak is what counts."""
    return _capacity(power_flow, (p_kw, q_kvar), share, 1.0)


def _capacity(
    power_flow: PowerFlow, drawn: tuple[FloatArray, FloatArray], share: BusShare | None, sign: float
) -> list[Room]:
    network = power_flow.network
    spread, buses = complete_share(network, share), len(network.buses.id)
    ways = (sign * spread.at_buses(area, buses) for area in np.eye(len(network.areas.id)))
    return [room_along(power_flow, *drawn, way) for way in ways]
