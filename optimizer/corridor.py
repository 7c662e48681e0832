"""What a store can reach: energy bounds narrowed to those that power limits allow to keep.

Used for batteries and car fleets alike. Energies are at slot ends; time runs first, (H, N).
"""

from dataclasses import dataclass

import numpy as np

from optimizer.problem import DT_H, Batteries, Fleets, FloatArray


@dataclass(frozen=True, eq=False)
class Corridor:
    """Bounds that a store starting at start_kwh (N,) can keep to the end whatever it did before.

    lower_kwh <= upper_kwh, (H, N); up_kwh, down_kwh (H, N): largest rise and fall in a slot.
    """

    start_kwh: FloatArray
    lower_kwh: FloatArray
    upper_kwh: FloatArray
    up_kwh: FloatArray
    down_kwh: FloatArray


def battery_corridor(batteries: Batteries, slots: int) -> Corridor:
    """Corridors of batteries; below its reserve a battery may stay, but not go lower."""
    size = (slots, len(batteries.id))
    start = batteries.e_start_kwh
    lower = np.tile(np.minimum(batteries.e_kwh_min, start), (slots, 1))
    if batteries.e_end_kwh_min is not None and slots:
        lower[-1] = np.maximum(lower[-1], batteries.e_end_kwh_min)
    return _narrowed(
        start,
        lower,
        np.broadcast_to(np.maximum(batteries.e_kwh_max, start), size),
        up_kwh=np.broadcast_to(DT_H * batteries.eta_charge * batteries.p_charge_kw_max, size),
        down_kwh=np.broadcast_to(
            DT_H / batteries.eta_discharge * batteries.p_discharge_kw_max, size
        ),
    )


def fleet_corridor(fleets: Fleets) -> Corridor:
    """Corridors of car fleets, whose energy counts from 0 at the start."""
    return _narrowed(
        np.zeros(len(fleets.id)),
        fleets.e_min_kwh.T,
        fleets.e_max_kwh.T,
        up_kwh=DT_H * fleets.eta * fleets.p_charge_kw_max.T,
        down_kwh=DT_H / fleets.eta * fleets.p_discharge_kw_max.T,
    )


def _narrowed(
    start: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    *,
    up_kwh: FloatArray,
    down_kwh: FloatArray,
) -> Corridor:
    """Bounds after three sweeps: what comes must be reachable, what is reachable must go on.

    The upper bound yields where a store cannot fall so fast, the lower where it cannot rise so
    fast; so some path always remains.
    """
    slots = len(lower)
    lower, upper = lower.copy(), upper.copy()
    floor = start - np.cumsum(down_kwh, axis=0)
    for at in range(slots - 2, -1, -1):
        upper[at] = np.minimum(upper[at], upper[at + 1] + down_kwh[at + 1])
    upper = np.maximum(upper, floor)
    highest = start
    for at in range(slots):
        highest = np.minimum(upper[at], highest + up_kwh[at])
        upper[at] = highest
        lower[at] = np.minimum(lower[at], highest)
    for at in range(slots - 2, -1, -1):
        lower[at] = np.maximum(lower[at], lower[at + 1] - up_kwh[at + 1])
    lowest = start
    for at in range(slots):
        lowest = np.maximum(lower[at], lowest - down_kwh[at])
        lower[at] = lowest
    return Corridor(start, lower, upper, up_kwh, down_kwh)
