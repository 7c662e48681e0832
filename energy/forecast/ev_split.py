"""A group's planned charging dealt out to its cars, the most pressed first."""

from dataclasses import dataclass

import numpy as np

from energy.forecast.ev import CarBounds, car_bounds
from energy.forecast.inputs import CarSessions, ChargerGroups, FloatArray, IntArray
from energy.units import DT_H, SLOT_S, kw_from_kwh


@dataclass(frozen=True, eq=False)
class CarPowers:
    """Set-points of one slot, at the meter: charge_kw, discharge_kw (C,), one of them 0 per car.

    off_plan_kwh (G,): energy into the batteries that the group takes beyond (+) or short of (-)
    its plan, because promises ask for it or chargers and cars cannot do it.
    """

    car: IntArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    off_plan_kwh: FloatArray


def split(
    cars: CarSessions,
    groups: ChargerGroups,
    slot: int,
    group_charge_kw: FloatArray,
    group_discharge_kw: FloatArray,
) -> CarPowers:
    """Power of each connected car in `slot`, for the plan's group powers (G,) at the meter.

    cars.e_now_kwh holds at the start of `slot`. Every car stays within its own bounds, so a promise
    that could be kept before the slot can be kept after it. Cars with the least laxity (time left
    beyond the charging still needed) charge first and discharge last; ties go by car number.
    """
    bounds = car_bounds(cars, groups, np.array([slot], dtype=np.int64))
    eta = groups.eta
    wanted = (group_charge_kw * eta - group_discharge_kw / eta) * DT_H
    taken = _dealt(cars, groups, bounds, _laxity_slots(cars, groups, slot), wanted)
    done = np.bincount(cars.group, weights=taken, minlength=len(groups.kind))
    return CarPowers(
        car=cars.car,
        charge_kw=kw_from_kwh(np.maximum(taken, 0.0)) / eta,
        discharge_kw=kw_from_kwh(np.maximum(-taken, 0.0)) * eta,
        off_plan_kwh=done - wanted,
    )


def _laxity_slots(cars: CarSessions, groups: ChargerGroups, slot: int) -> FloatArray:
    """Slots to the departure beyond those that the energy still due takes at full power, (C,)."""
    left = np.maximum((cars.departure_slot - slot) / SLOT_S, 0.0)
    step = np.maximum(cars.p_kw_max * groups.eta * DT_H, 1e-9)
    return left - np.maximum(cars.e_due_kwh - cars.e_now_kwh, 0.0) / step


def _dealt(
    cars: CarSessions,
    groups: ChargerGroups,
    bounds: CarBounds,
    laxity: FloatArray,
    wanted_kwh: FloatArray,
) -> FloatArray:
    """Energy into each battery (C,): nearest to idle first, then up or down to the group's sum."""
    lower, upper = bounds.lower_kwh[:, 0], bounds.upper_kwh[:, 0]
    idle = np.clip(0.0, lower, upper)
    start = np.bincount(cars.group, weights=idle, minlength=len(groups.kind))
    missing = wanted_kwh - start
    up = _filled(cars, laxity, upper - idle, np.maximum(missing, 0.0))
    down = _filled(cars, -laxity, idle - lower, np.maximum(-missing, 0.0))
    return np.asarray(np.clip(idle + up - down, lower, upper))


def _filled(
    cars: CarSessions, rank: FloatArray, room_kwh: FloatArray, amount_kwh: FloatArray
) -> FloatArray:
    """Shares (C,) of each group's amount (G,), filled up in rising rank within the room."""
    order = np.lexsort((cars.car, rank, cars.group))
    group, room = cars.group[order], room_kwh[order]
    before = np.cumsum(room) - room
    first = np.searchsorted(group, group, side="left")
    ahead = before - before[first] if len(before) else before
    shares = np.zeros(len(room))
    shares[order] = np.clip(amount_kwh[group] - ahead, 0.0, room)
    return shares
