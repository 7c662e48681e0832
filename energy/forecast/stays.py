"""Connected cars: when they leave and how much they still take, learnt from stays that ended.

What drivers state is one regressor among others, and only for those who stated something. Rows
that teach are moments of past stays; a stay counts once it has ended.
"""

from dataclasses import dataclass, replace

import numpy as np

from energy.forecast.inputs import BoolArray, FloatArray, IntArray
from energy.forecast.quantile_regression import fit_quantiles

HOUR_S = 3600
PAST_DAYS = 120
STAYS_MIN = 50
MOMENTS = (0.05, 0.25, 0.45, 0.65, 0.9)
"""Moments of a past stay that teach, as shares of its time of charging."""
STEPS = 30
STAY_H_MAX = 48.0
RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Stays:
    """Stays at charging points, all (n,): instants in seconds, energies in kWh.

    stated_departure_s and stated_kwh are NaN where the driver stated nothing. departure_s and
    e_kwh (delivered in all) of a stay that has not ended are the future: no feature reads them.
    """

    arrival_s: IntArray
    departure_s: IntArray
    e_kwh: FloatArray
    stated_departure_s: FloatArray
    stated_kwh: FloatArray

    def __len__(self) -> int:
        """Number of stays."""
        return len(self.arrival_s)

    def take(self, which: IntArray | BoolArray) -> "Stays":
        """The chosen rows."""
        return Stays(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class StayModel:
    """Coefficients (F, Q) of hours left and of kWh left; p_kw at which a car charges."""

    hours: FloatArray
    energy: FloatArray
    p_kw: float
    utc_offset_s: int


def fit_stays(stays: Stays, now_s: int, p_kw: float, utc_offset_s: int) -> StayModel | None:
    """The model from the stays that ended in the 120 days before `now_s`; None under 50 of them."""
    ended = (stays.departure_s <= now_s) & (stays.departure_s > now_s - PAST_DAYS * 24 * HOUR_S)
    past = stays.take(ended)
    if len(past) < STAYS_MIN:
        return None
    # Moments while the car charges, each counting as long as charging lasted: so are cars met.
    charge_s = np.minimum(past.e_kwh / p_kw * HOUR_S, past.departure_s - past.arrival_s)
    moment = np.concatenate([past.arrival_s + share * charge_s for share in MOMENTS])
    moment = moment.astype(np.int64)
    rows = past.take(np.tile(np.arange(len(past)), len(MOMENTS)))
    weight = np.tile(charge_s, len(MOMENTS))
    bare = StayModel(np.zeros((0, 0)), np.zeros((0, 0)), p_kw, utc_offset_s)
    left_h = np.minimum((rows.departure_s - moment) / HOUR_S, STAY_H_MAX)
    left_kwh = rows.e_kwh - energy_so_far(rows, moment, p_kw)
    hours = fit_quantiles(_of_hours(rows, moment, bare), left_h, weight, RIDGE, steps=STEPS)
    energy = fit_quantiles(_of_energy(rows, moment, bare), left_kwh, weight, RIDGE, steps=STEPS)
    return replace(bare, hours=hours, energy=energy)


def forecast_stays(model: StayModel, connected: Stays, now_s: int) -> tuple[FloatArray, FloatArray]:
    """Quantiles (Q, n) of the hours until departure and of the kWh still to come, >= 0, rising.

    connected: cars plugged in at `now_s` that still charge. Their departure_s is not read, and of
    e_kwh only what has been delivered by now.
    """
    moment = np.full(len(connected), now_s, dtype=np.int64)
    hours = _of_hours(connected, moment, model) @ model.hours
    energy = _of_energy(connected, moment, model) @ model.energy
    return np.maximum(np.sort(hours.T, axis=0), 0.0), np.maximum(np.sort(energy.T, axis=0), 0.0)


def energy_so_far(stays: Stays, moment_s: IntArray, p_kw: float) -> FloatArray:
    """Delivered by a moment, kWh, if a car charges at once at `p_kw` until it has its energy."""
    elapsed_h = np.maximum(moment_s - stays.arrival_s, 0) / HOUR_S
    return np.asarray(np.minimum(p_kw * elapsed_h, stays.e_kwh))


def _of_hours(stays: Stays, moment_s: IntArray, model: StayModel) -> FloatArray:
    elapsed_h = (moment_s - stays.arrival_s) / HOUR_S
    stated_h = (stays.stated_departure_s - moment_s) / HOUR_S
    stated = np.isfinite(stated_h)
    stated_h = np.where(stated, stated_h, 0.0)
    return np.stack(
        [
            *_clock(stays, moment_s, model),
            np.minimum(elapsed_h, STAY_H_MAX) / 5,
            stated.astype(np.float64),
            np.clip(stated_h, 0.0, STAY_H_MAX) / 5,
            np.clip(stated_h, 0.0, 4.0) / 4,
            (stated & (stated_h < 0)).astype(np.float64),
            np.clip(-stated_h, 0.0, 5.0) / 5,
        ],
        axis=1,
    )


def _of_energy(stays: Stays, moment_s: IntArray, model: StayModel) -> FloatArray:
    taken = model.p_kw * (moment_s - stays.arrival_s) / HOUR_S
    stated = np.isfinite(stays.stated_kwh)
    left = np.where(stated, stays.stated_kwh - taken, 0.0)
    stated_h = (stays.stated_departure_s - moment_s) / HOUR_S
    reach = np.where(np.isfinite(stated_h), np.clip(stated_h, 0.0, 8.0) * model.p_kw, 0.0)
    return np.stack(
        [
            *_clock(stays, moment_s, model),
            np.minimum(taken, 60.0) / 10,
            stated.astype(np.float64),
            np.clip(left, 0.0, 60.0) / 10,
            np.clip(left, 0.0, 10.0) / 10,
            (stated & (left < 0)).astype(np.float64),
            np.minimum(reach, np.maximum(left, 0.0)) / 10,
        ],
        axis=1,
    )


def _clock(stays: Stays, moment_s: IntArray, model: StayModel) -> list[FloatArray]:
    """The constant, and the local time of arrival and of the moment as waves; weekends."""
    found = [np.ones(len(stays))]
    for instant in (stays.arrival_s, moment_s):
        wave = 2 * np.pi * ((instant + model.utc_offset_s) % (24 * HOUR_S)) / (24 * HOUR_S)
        found += [turn(k * wave) for k in (1, 2, 3) for turn in (np.sin, np.cos)]
    # The first of January 1970 was a Thursday.
    weekday = ((moment_s + model.utc_offset_s) // (24 * HOUR_S) + 3) % 7
    return [*found, (weekday >= 5).astype(np.float64)]
