"""What a unit burns and gives off: its breakpoints as one table, and the share of a group.

Running units of a group share the load equally, which is cheapest for convex fuel.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.problem import FloatArray, IntArray, UnitGroup


@dataclass(frozen=True, eq=False)
class Curve:
    """A unit's segments above its least load: width_kw, slopes of fuel and heat per kW, (K,)."""

    fuel_kw_least: float
    heat_kw_least: float
    width_kw: FloatArray
    fuel_slope: FloatArray
    heat_slope: FloatArray


def unit_curve(unit: UnitGroup) -> Curve:
    """The unit's breakpoints of fuel and heat on one grid of loads."""
    fuel, heat = np.array(unit.fuel), np.array(unit.heat)
    load = np.unique(np.concatenate([fuel[:, 0], heat[:, 0]]))
    fuel_kw, heat_kw = (np.interp(load, points[:, 0], points[:, 1]) for points in (fuel, heat))
    width = np.diff(load)
    return Curve(
        fuel_kw_least=float(fuel_kw[0]),
        heat_kw_least=float(heat_kw[0]),
        width_kw=width,
        fuel_slope=np.diff(fuel_kw) / width,
        heat_slope=np.diff(heat_kw) / width,
    )


def group_draw(
    points: tuple[tuple[float, float], ...], on: IntArray, p_kw: FloatArray
) -> FloatArray:
    """Fuel or heat of `on` units that give p_kw together, in kW."""
    table = np.array(points)
    each = p_kw / np.maximum(on, 1)
    return np.asarray(np.where(on > 0, on * np.interp(each, table[:, 0], table[:, 1]), 0.0))


@dataclass(frozen=True, eq=False)
class Commitment:
    """What the past decides about a group's units in the horizon, all (H,) counts.

    At least `least` units are on, at most `most`: those able to run. At most `rested` are on or
    have stopped in the horizon less than the least time ago. `forced` stop because they cannot run.
    """

    least: IntArray
    most: IntArray
    rested: IntArray
    forced: IntArray


def commitment(unit: UnitGroup) -> Commitment:
    """Minimum times of recent starts and stops, as far as units are able to run at all."""
    slots = len(unit.available)
    ahead = np.arange(1, slots + 1)
    up = sum(
        (count * (ahead + ago < unit.min_up_slots) for ago, count in enumerate(unit.recent_starts)),
        start=np.zeros(slots, dtype=np.int64),
    )
    down = sum(
        (
            count * (ahead + ago < unit.min_down_slots)
            for ago, count in enumerate(unit.recent_stops)
        ),
        start=np.zeros(slots, dtype=np.int64),
    )
    able = np.minimum.accumulate(np.minimum(unit.available, unit.on_now))
    least = np.minimum(up, able)
    before = np.concatenate([[unit.on_now], unit.available[:-1]])
    rested = np.maximum(unit.size - down, least)
    return Commitment(
        least=least,
        most=np.minimum(unit.available, rested),
        rested=rested,
        forced=np.maximum(before - unit.available, 0),
    )


def ramp_binds(unit: UnitGroup) -> bool:
    """Whether a running unit needs more than a slot to pass from its least to its full load."""
    return unit.ramp_kw_per_slot < unit.p_kw_max
