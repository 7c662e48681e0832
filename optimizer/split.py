"""A group's planned energy dealt out to its members, each within what it can keep.

All members of a group are led to one height in their corridors, so that none fills up while others
could still take; a member moves against its group only where its own bounds ask for it. What the
members together cannot follow is caught up as soon as they can.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.corridor import Corridor
from optimizer.merge import sums_by
from optimizer.problem import DT_H, FloatArray, IntArray

HALVINGS = 40


@dataclass(frozen=True, eq=False)
class StorePaths:
    """Energy at slot ends and power at the meter of stores, (H, N); never both powers at once."""

    e_kwh: FloatArray
    charge_kw: FloatArray
    discharge_kw: FloatArray


def deal_out(corridor: Corridor, group: IntArray, target_kwh: FloatArray) -> FloatArray:
    """Energies of members (H, N) whose sums follow their groups' target_kwh (H, K)."""
    slots, count = target_kwh.shape
    alone = bool((np.bincount(group, minlength=count) <= 1).all())
    energy = np.zeros(corridor.lower_kwh.shape)
    now = corridor.start_kwh
    for at in range(slots):
        lower = np.maximum(corridor.lower_kwh[at], now - corridor.down_kwh[at])
        upper = np.minimum(corridor.upper_kwh[at], now + corridor.up_kwh[at])
        lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
        still = np.clip(now, lower, upper)
        rising = (target_kwh[at] >= sums_by(still, group, count))[group]
        lower, upper = np.where(rising, still, lower), np.where(rising, upper, still)
        base = corridor.lower_kwh[at]
        span = np.maximum(corridor.upper_kwh[at] - base, 0.0)
        if alone:
            now = np.clip(target_kwh[at][group], lower, upper)
        else:
            now = _levelled(base, span, (lower, upper), (group, target_kwh[at]))
        energy[at] = now
    return energy


def _levelled(
    base: FloatArray,
    span: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    goal: tuple[IntArray, FloatArray],
) -> FloatArray:
    """Members at one height of their spans per group, so that the groups' sums are met.

    Sums that are out of reach end at the bounds.
    """
    (lower, upper), (group, target) = bounds, goal
    count = len(target)
    low, high = np.zeros(count), np.ones(count)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        level = np.clip(base + middle[group] * span, lower, upper)
        short = np.bincount(group, weights=level, minlength=count) < target
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    level = np.clip(base + high[group] * span, lower, upper)
    return _mended(level, (lower, upper), (group, target))


def _mended(
    level: FloatArray, bounds: tuple[FloatArray, FloatArray], goal: tuple[IntArray, FloatArray]
) -> FloatArray:
    """The last difference to the sums, taken from every member's room in proportion."""
    (lower, upper), (group, target) = bounds, goal
    count = len(target)
    open_kwh = (target - np.bincount(group, weights=level, minlength=count))[group]
    room = np.where(open_kwh > 0, upper - level, level - lower)
    total = np.bincount(group, weights=room, minlength=count)[group]
    share = np.divide(room, total, out=np.zeros_like(room), where=total > 0)
    moved = level + share * np.clip(open_kwh, -total, total)
    return np.asarray(np.clip(moved, lower, upper))


def paths(
    e_kwh: FloatArray, start_kwh: FloatArray, eta: tuple[FloatArray, FloatArray]
) -> StorePaths:
    """Powers that lead stores along their energies; eta of charging and of discharging, (N,)."""
    change = np.diff(e_kwh, axis=0, prepend=start_kwh[None, :])
    return StorePaths(
        e_kwh=e_kwh,
        charge_kw=np.maximum(change, 0.0) / (DT_H * eta[0]),
        discharge_kw=np.maximum(-change, 0.0) * eta[1] / DT_H,
    )
