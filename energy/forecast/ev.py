"""Energy that the cars need and allow: bounds per car, summed to an envelope per charger group.

A charging-only car lies between two curves of energy taken, cumulative: as early as its charger can
and as late as its departure allows. Their sums bound the group: any energy of the NEXT slot within
the group's bounds can be dealt out (`ev_split`) without breaking a promise, and the bounds are made
anew in each slot. Over many slots the envelope is what aggregates of cars can be at the widest.

A car that may discharge (V2G) is bounded from inside: down to its minimum, but back at its due
energy by the departure, or at what it brought if that is more; and never charged beyond.
"""

from dataclasses import dataclass

import numpy as np

from energy.forecast.arrivals import ArrivalModel, expected_arrivals
from energy.forecast.inputs import CarSessions, ChargerGroups, FloatArray, IntArray
from energy.forecast.results import EvForecast
from energy.units import DT_H, SLOT_S

ROUNDING_KWH = 1e-9


@dataclass(frozen=True, eq=False)
class CarBounds:
    """Cumulative energy into each car's battery at slot ends, (C, H) kWh, and presence (C, H).

    lower <= upper everywhere. p_discharge_kw (C,) at the meter, 0 for cars that only charge.
    short_kwh (C,): part of the promise that is out of reach, >= 0.
    """

    lower_kwh: FloatArray
    upper_kwh: FloatArray
    present: FloatArray
    p_discharge_kw: FloatArray
    short_kwh: FloatArray


def forecast_ev(
    cars: CarSessions,
    groups: ChargerGroups,
    arrivals: ArrivalModel,
    slots: IntArray,
    time_zone: str,
) -> EvForecast:
    """Envelope of the connected cars and of the expected ones, per charger group, (G, H).

    cars.e_now_kwh holds at the start of slots[0]. Expected arrivals count with their mean number,
    stay and energy, as far as the group has points left.
    """
    size = (len(groups.kind), len(slots))
    bounds = car_bounds(cars, groups, slots)
    lower, upper = (
        _by_group(rows, cars.group, size) for rows in (bounds.lower_kwh, bounds.upper_kwh)
    )
    present_kw = bounds.present * cars.p_kw_max[:, None]
    charge_kw = _by_group(present_kw, cars.group, size)
    discharge_kw = _by_group(bounds.present * bounds.p_discharge_kw[:, None], cars.group, size)
    free = groups.count[:, None] - _by_group(bounds.present, cars.group, size)
    coming = expected_arrivals(arrivals, groups, slots, time_zone, np.maximum(free, 0.0))
    lower, upper = lower + coming.lower_kwh, upper + coming.upper_kwh
    charge_kw = charge_kw + coming.p_kw
    upper = np.maximum.accumulate(upper, axis=1)
    lower = np.minimum(lower, _charged_at_once(upper, charge_kw * groups.eta * DT_H))
    early = np.diff(upper, axis=1, prepend=0.0) / (groups.eta * DT_H)
    short = bounds.short_kwh > ROUNDING_KWH
    return EvForecast(
        e_min_kwh=lower,
        e_max_kwh=upper,
        p_charge_kw_max=charge_kw,
        p_discharge_kw_max=discharge_kw,
        uncontrolled_kw=np.clip(early, 0.0, charge_kw),
        expected_arrivals=coming.cars,
        short_car=cars.car[short],
        short_kwh=bounds.short_kwh[short],
        tier=arrivals.tier,
        reason=arrivals.reason,
    )


def car_bounds(cars: CarSessions, groups: ChargerGroups, slots: IntArray) -> CarBounds:
    """Bounds of every car over the slots; those of the first slot alone are always exact.

    A car past its departure but still plugged in is taken to stay for this one slot.
    """
    eta = groups.eta
    begin = np.maximum((cars.arrival_slot - slots[0]) // SLOT_S, 0)
    end = (cars.departure_slot - slots[0]) // SLOT_S
    end = np.where(end < 0, 1, end)
    stay = np.maximum(end - begin, 0)[:, None]
    at = np.arange(1, len(slots) + 1)[None, :]
    used = np.clip(at - begin[:, None], 0, stay)
    left = stay - used
    step = (cars.p_kw_max * eta * DT_H)[:, None]
    p_down = np.where(cars.v2g, groups.p_v2g_kw[cars.group], 0.0)
    step_down = (p_down / eta * DT_H)[:, None]
    room = np.maximum(cars.e_capacity_kwh - cars.e_now_kwh, 0.0)[:, None]
    need = np.clip((cars.e_due_kwh - cars.e_now_kwh)[:, None], 0.0, room)
    reach = np.minimum(need, step * stay)
    upper = np.minimum(step * used, reach)
    floor = np.minimum(cars.e_v2g_min_kwh - cars.e_now_kwh, 0.0)[:, None]
    deepest = np.where(cars.v2g[:, None], np.maximum(-step_down * used, floor), 0.0)
    lower = np.minimum(np.maximum(reach - step * left, deepest), upper)
    promised = np.maximum(cars.e_due_kwh - cars.e_now_kwh, 0.0)
    present = ((at > begin[:, None]) & (at <= end[:, None])).astype(np.float64)
    return CarBounds(lower, upper, present, p_down, np.maximum(promised - reach[:, 0], 0.0))


def _by_group(rows: FloatArray, group: IntArray, size: tuple[int, int]) -> FloatArray:
    """Sums (G, H) of rows (C, H) by group."""
    sums = np.zeros(size)
    np.add.at(sums, group, rows)
    return sums


def _charged_at_once(upper_kwh: FloatArray, step_kwh: FloatArray) -> FloatArray:
    """Highest cumulative energy within the upper bound and the power limit, (G, H)."""
    taken = np.zeros(upper_kwh.shape)
    now = np.zeros(len(upper_kwh))
    for at in range(upper_kwh.shape[1]):
        now = np.minimum(upper_kwh[:, at], now + step_kwh[:, at])
        taken[:, at] = now
    return taken
