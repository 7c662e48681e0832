"""How far a plan is from the one before, and the price at which it stays near to it.

First the money, then the distance: with the cheapest plan at cost C and distance D, any plan that
minimises cost + p * distance costs at most C + p * D. So p = allowance / D keeps the second stage
within its allowance, whatever it moves.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.merge import Merging, sums_by
from optimizer.plan import SLOT_S, Plan
from optimizer.problem import FloatArray, Nearness

FADES_SLOTS = 8.0  # after so many slots a kW of distance counts half: it will be planned again


@dataclass(frozen=True, eq=False)
class SetPoints:
    """What a plan tells assets, (H, N): batteries, fleets, units, heat pump; drawn is positive."""

    first_slot: int
    power_kw: FloatArray


def set_points_of(plan: Plan) -> SetPoints:
    """The set-points of a plan; the heat pump's stands there whether or not there is one."""
    power = (
        plan.battery_charge_kw - plan.battery_discharge_kw,
        plan.fleet_charge_kw - plan.fleet_discharge_kw,
        -plan.unit_p_kw,
        plan.heat_pump_kw[:, None],
    )
    return SetPoints(plan.first_slot, np.concatenate(power, axis=1))


def fits(merging: Merging, last: SetPoints) -> bool:
    """Whether set-points are of the same assets and reach into the problem's slots."""
    whole = merging.whole
    count = len(whole.batteries.id) + len(whole.fleets.id) + len(whole.units) + 1
    ago = (whole.first_slot - last.first_slot) // SLOT_S
    return last.power_kw.shape[1] == count and 0 <= ago < len(last.power_kw)


def nearness(merging: Merging, last: SetPoints, now: SetPoints, allowed_krw: float) -> Nearness:
    """Targets by group from the last set-points, and the price of distance for an allowance.

    Slots that the last set-points do not reach are free.
    """
    slots = merging.whole.slots
    ago = (merging.whole.first_slot - last.first_slot) // SLOT_S
    theirs = last.power_kw[ago : ago + slots]
    target = np.zeros((slots, last.power_kw.shape[1]))
    target[: len(theirs)] = theirs
    weight = 1 / (1 + np.arange(slots) / FADES_SLOTS)
    weight[len(theirs) :] = 0.0
    wanted, have = (_by_group(merging, power) for power in (target, now.power_kw))
    distance = float(weight @ np.abs(wanted - have).sum(axis=1))
    price = allowed_krw / distance if distance > 0 else 0.0
    return Nearness(target_kw=wanted, price_krw_per_kw=price * weight)


def _by_group(merging: Merging, power_kw: FloatArray) -> FloatArray:
    """Set-points of the small problem, (H, N'): sums over each group's members."""
    small = merging.small
    ends = np.cumsum(
        [len(merging.battery_class), len(merging.fleet_class), len(merging.unit_class)]
    )
    battery, fleet, unit, pump = np.split(power_kw, ends, axis=1)
    groups = (
        sums_by(battery.T, merging.battery_class, len(small.batteries.id)).T,
        sums_by(fleet.T, merging.fleet_class, len(small.fleets.id)).T,
        sums_by(unit.T, merging.unit_class, len(small.units)).T,
        pump if small.heat else pump[:, :0],
    )
    return np.concatenate(groups, axis=1)
