"""Fractional counts of running units made whole, with every minimum time kept.

The fraction of a group is cut into levels: unit k is wanted as far as the count exceeds k. Each
level becomes runs that keep the minimum times and are nearest to what is wanted.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.curves import commitment
from optimizer.problem import BoolArray, FloatArray, IntArray, UnitGroup

START = 0.3  # distance from what is wanted, in slots, that a start must be worth
FORBIDDEN = 1e6


@dataclass(frozen=True)
class Leaning:
    """How much a slot counts in which a unit is off although wanted, and on although not."""

    missing: float = 1.0
    idle: float = 1.0


def whole_counts(unit: UnitGroup, wanted: FloatArray, leaning: Leaning | None = None) -> IntArray:
    """Counts of running units (H,) near the wanted ones, within minimum times as far as able."""
    lean = leaning or Leaning()
    decided = commitment(unit)
    level = np.arange(unit.size)
    share = np.clip(wanted[:, None] - level, 0.0, 1.0)
    must = level < decided.least[:, None]
    may = level < decided.most[:, None]
    off_cost = np.where(must, FORBIDDEN, lean.missing * share)
    on_cost = np.where(may, lean.idle * (1 - share), FORBIDDEN)
    on = _cheapest_runs(unit, on_cost, off_cost, able=may)
    return np.asarray(on.sum(axis=1), dtype=np.int64)


def _cheapest_runs(
    unit: UnitGroup, on_cost: FloatArray, off_cost: FloatArray, *, able: BoolArray
) -> BoolArray:
    """On or off (H, N) of each level at the least cost, by dynamic programming over ages.

    State s < up: on for s + 1 slots (the last: or longer); then likewise off. An age reached
    before its least time can only go on; where a unit is not able to run, it stops at any age.
    """
    up, down = max(unit.min_up_slots, 1), max(unit.min_down_slots, 1)
    slots, count = on_cost.shape
    rows = np.arange(count)
    best = np.full((count, up + down), FORBIDDEN)
    best[rows, np.where(rows < unit.on_now, up - 1, up + down - 1)] = 0.0
    came = np.zeros((slots, count, up + down), dtype=np.int64)
    for at in range(slots):
        best, came[at] = _step(best, up, able=able[at])
        best[:, :up] += on_cost[at][:, None]
        best[:, up:] += off_cost[at][:, None]
    state = best.argmin(axis=1)
    on = np.zeros((slots, count), dtype=np.bool_)
    for at in range(slots - 1, -1, -1):
        on[at] = state < up
        state = came[at, rows, state]
    return on


def _step(best: FloatArray, up: int, *, able: BoolArray) -> tuple[FloatArray, IntArray]:
    """Cheapest way into each state and where it came from, (N, S)."""
    count, states = best.shape
    cost, came = np.full((count, states), np.inf), np.zeros((count, states), dtype=np.int64)
    for first, last in ((0, up), (up, states)):
        # Grow older; the oldest age stays.
        cost[:, first + 1 : last] = best[:, first : last - 1]
        came[:, first + 1 : last] = np.arange(first, last - 1)
        stay = best[:, last - 1] <= cost[:, last - 1]
        cost[:, last - 1] = np.where(stay, best[:, last - 1], cost[:, last - 1])
        came[:, last - 1] = np.where(stay, last - 1, came[:, last - 1])
    start = best[:, states - 1] + START
    _enter(cost, came, 0, start, np.full(count, states - 1))
    young = np.where(able, np.inf, 1.0)[:, None] + best[:, : up - 1]
    stops = np.concatenate([young, best[:, up - 1 : up]], axis=1)
    _enter(cost, came, up, stops.min(axis=1), stops.argmin(axis=1))
    return cost, came


def _enter(cost: FloatArray, came: IntArray, state: int, new: FloatArray, source: IntArray) -> None:
    """Take the way into `state` where it is cheaper."""
    better = new < cost[:, state]
    cost[better, state] = new[better]
    came[better, state] = source[better]
