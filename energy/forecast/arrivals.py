"""Cars still to come: how many, how long they stay, how much they take; learnt from past stays.

Rates are cars per hour and charger group by day type and local hour. A group's own stays weigh
against its class default as so many days of record against PRIOR_DAYS.
"""

from dataclasses import dataclass

import numpy as np

from energy.forecast.features import DAY_TYPES, cells_of
from energy.forecast.inputs import CarSessions, ChargerGroups, FloatArray, ForecastError, IntArray
from energy.forecast.results import Tier
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY

PRIOR_DAYS = 10.0
DAYS_FITTED_MIN = 7.0
# Class defaults, by judgement: arrivals by local hour (any scale), hours of stay, kWh taken.
_HOME_HOURS = (2, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 6, 9, 12, 13, 11, 8, 6, 4)
_PUBLIC_HOURS = (1, 0, 0, 0, 0, 1, 2, 4, 7, 8, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 4, 3, 2, 1)
DEFAULTS = {
    "standard": (_HOME_HOURS, 10.0, 15.0),
    "quick": (_PUBLIC_HOURS, 0.75, 22.0),
    "super_fast": (_PUBLIC_HOURS, 0.4, 30.0),
}


@dataclass(frozen=True, eq=False)
class ArrivalModel:
    """rate_per_h (G, 3, 24) by day type and local hour; stay_h, e_kwh (G,) means of one stay."""

    rate_per_h: FloatArray
    stay_h: FloatArray
    e_kwh: FloatArray
    tier: Tier
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Coming:
    """What the expected cars add, (G, H): bounds of energy, power at the meter, cars per slot."""

    lower_kwh: FloatArray
    upper_kwh: FloatArray
    p_kw: FloatArray
    cars: FloatArray


def default_arrivals(groups: ChargerGroups) -> ArrivalModel:
    """The class default spread over each group's `cars_per_day`; tier F4."""
    found = [_default(kind) for kind in groups.kind]
    shape = np.array([each[0] for each in found]).reshape(len(found), 1, 24)
    stays, energies = np.array([each[1:] for each in found]).reshape(len(found), 2).T
    rate = groups.cars_per_day[:, None, None] * np.repeat(shape, len(DAY_TYPES), axis=1)
    reason = "no record of stays, class default"
    return ArrivalModel(rate, stays, energies, "F4", reason)


def fit_arrivals(
    stays: CarSessions, groups: ChargerGroups, first_slot: int, end_slot: int, time_zone: str
) -> ArrivalModel:
    """Rates, stay and energy of each group from the stays that BEGAN in [first_slot, end_slot).

    In `stays` e_now_kwh is the energy on arrival and e_due_kwh the energy on leaving. Stays with
    other beginnings are ignored. Tier F0 from seven days on, else F3.
    """
    usual = default_arrivals(groups)
    slots = np.arange(first_slot, end_slot, SLOT_S, dtype=np.int64)
    inside = (stays.arrival_slot >= first_slot) & (stays.arrival_slot < end_slot)
    past = stays.take(inside)
    size = (len(groups.kind), len(DAY_TYPES) * 24)
    counts = np.zeros(size)
    np.add.at(counts, (past.group, _hour_cell(past.arrival_slot, time_zone)), 1.0)
    hours = np.zeros(size[1])
    np.add.at(hours, _hour_cell(slots, time_zone), DT_H)
    prior = usual.rate_per_h.reshape(size)
    rate = (counts + PRIOR_DAYS * prior) / (hours + PRIOR_DAYS)
    own = np.zeros((len(groups.kind), 3))
    stay_h = (past.departure_slot - past.arrival_slot) / 3600
    taken = np.maximum(past.e_due_kwh - past.e_now_kwh, 0.0)
    np.add.at(own, past.group, np.stack([np.ones(len(past)), stay_h, taken], axis=1))
    weight = own[:, 0] + PRIOR_DAYS
    days = len(slots) / SLOTS_PER_DAY
    reason = "" if days >= DAYS_FITTED_MIN else f"stays of {days:.1f} days, wanted: 7"
    return ArrivalModel(
        rate_per_h=rate.reshape(usual.rate_per_h.shape),
        stay_h=(own[:, 1] + PRIOR_DAYS * usual.stay_h) / weight,
        e_kwh=(own[:, 2] + PRIOR_DAYS * usual.e_kwh) / weight,
        tier="F3" if reason else "F0",
        reason=reason,
    )


def expected_arrivals(
    model: ArrivalModel,
    groups: ChargerGroups,
    slots: IntArray,
    time_zone: str,
    free_points: FloatArray,
) -> Coming:
    """Expected cars of each slot and their envelope, (G, H); at most `free_points` (G, H) at once.

    A car that comes during a slot can charge from the next one on; each takes its group's mean
    energy, or what its mean stay allows.
    """
    hourly = model.rate_per_h.reshape(len(groups.kind), len(DAY_TYPES) * 24)
    cars = hourly[:, _hour_cell(slots, time_zone)] * DT_H
    stay = np.maximum(np.rint(model.stay_h / DT_H), 1.0)
    cars = _with_a_point(cars, stay, free_points)
    lag = np.arange(len(slots))
    used = np.minimum(lag[None, :], stay[:, None])
    step = (groups.p_kw * groups.eta * DT_H)[:, None]
    energy = np.minimum(model.e_kwh[:, None], step * stay[:, None])
    early = np.minimum(step * used, energy)
    late = np.maximum(energy - step * (stay[:, None] - used), 0.0)
    here = ((lag >= 1) & (lag[None, :] <= stay[:, None])) * groups.p_kw[:, None]
    return Coming(_folded(cars, late), _folded(cars, early), _folded(cars, here), cars)


def _with_a_point(cars: FloatArray, stay: FloatArray, free_points: FloatArray) -> FloatArray:
    """Expected cars that find a free point, (G, H); the others drive on.

    A car of slot s holds its point in the slots s + 1 .. s + stay.
    """
    groups, slots = cars.shape
    rows, stays = np.arange(groups), stay.astype(np.int64)
    total = np.zeros((groups, slots + 1))
    for at in range(slots):
        held = total[:, at] - total[rows, np.maximum(at + 1 - stays, 0)]
        room = np.maximum(free_points[:, min(at + 1, slots - 1)] - held, 0.0)
        total[:, at + 1] = total[:, at] + np.minimum(cars[:, at], room)
    return np.diff(total, axis=1)


def _folded(cars: FloatArray, kernel: FloatArray) -> FloatArray:
    """Sum over arrival slots s of cars[s] * kernel[t - s], each row on its own, (G, H)."""
    slots = cars.shape[1]
    size = 2 * slots
    spectrum = np.fft.rfft(cars, size, axis=1) * np.fft.rfft(kernel, size, axis=1)
    folded: FloatArray = np.maximum(np.fft.irfft(spectrum, size, axis=1)[:, :slots], 0.0)
    return folded


def _hour_cell(slots: IntArray, time_zone: str) -> IntArray:
    """Day type x 24 + local hour, 0..71."""
    return cells_of(slots, time_zone) // 4


def _default(kind: str) -> tuple[FloatArray, float, float]:
    if kind not in DEFAULTS:
        raise ForecastError(f"charger kind {kind!r}: allowed: {', '.join(DEFAULTS)}")
    hours, stay_h, e_kwh = DEFAULTS[kind]
    shape = np.array(hours, dtype=np.float64)
    return shape / shape.sum(), stay_h, e_kwh
