"""The fitted forecast of series that follow calendar, weather and their own last days.

A series enters as z = value / unit: for loads the unit is one number, for solar power it is the
clear sky's. For each lead bucket

    z(target) = base + scale x (features . coefficients(q) + shift(q))

where the base is the mean of the same local quarter on earlier days (`lookback`), the coefficients
come from a quantile regression over all series together, and the conformal shifts, of each series
on its own, from residuals of days that their regression had not seen.
"""

from dataclasses import dataclass, replace

import numpy as np

from energy.forecast.axis import Axis, build_axis
from energy.forecast.inputs import QUANTILES, BoolArray, FloatArray, IntArray
from energy.forecast.lookback import (
    LOOK_BACK_DAYS,
    Frame,
    build_bases,
    build_frame,
    features_of,
    mean_of_known,
)
from energy.forecast.quantile_regression import fit_quantiles
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

BUCKET_END = SLOTS_PER_HOUR * np.array([1, 4, 12, 24, 48])
"""Slots of lead at which the buckets end: 1, 4, 12, 24 and 48 hours."""
WARM_UP_SLOTS = 8 * SLOTS_PER_DAY
"""The first days of a record have too little before them to teach."""
FIT_HALF_LIFE_DAYS = 60.0
SHIFT_HALF_LIFE_DAYS = 30.0
ROWS_MAX = 6_000
PAIRS_MAX = 200_000
"""Rows times series for which features are made; of more, an even part of the rows is taken."""
RIDGE_DAYS = 0.2
"""The penalty falls with the days of record: 0.002 at a hundred days."""
FOLDS, FOLD_DAYS, FOLD_STEPS = 3, 3, 4
SHIFT_ROWS_MIN = 50
SCALE_MIN = 1e-6
MIX = 2654435761
"""Knuth's multiplier: spreads slot numbers evenly, the same at every fit."""


@dataclass(frozen=True, eq=False)
class Past:
    """What is known of the series at an issue.

    slot (T,) contiguous; z (T, A) with NaN where not known; weight (T,) of each row in the loss, 0
    where it teaches nothing; weather (T, D) columns. `plain`: days are all of one type, as the sun
    sees them. step_slots: quarter hours of one reading, which begins phase_slots after a whole step
    of UTC; issues that teach lie on its ends, for in its midst its value is not known yet.
    """

    slot: IntArray
    z: FloatArray
    weight: FloatArray
    weather: FloatArray
    time_zone: str
    plain: bool = False
    step_slots: int = 1
    phase_slots: int = 0

    def last(self, days: int) -> "Past":
        """The newest `days` days of it."""
        rows = slice(max(0, len(self.slot) - days * SLOTS_PER_DAY), None)
        names = ("slot", "z", "weight", "weather")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True, eq=False)
class SeriesModel:
    """What a fit leaves: level and scale (A,), weather effect (D, A), and per lead bucket B the
    coefficients (B, F, Q) and shifts (B, Q, A), both in scales.
    """

    level: FloatArray
    scale: FloatArray
    effect: FloatArray
    coefficients: FloatArray
    shift: FloatArray


def fit_series(past: Past) -> SeriesModel:
    """The model of all series of `past` together; the same bytes for the same record."""
    axis = axis_of(past.slot, past)
    level = mean_of_known(past.z)
    away = np.abs(past.z - build_bases(past.z, axis).near)
    # The mean absolute value of a normal variable is 0.8 of its deviation.
    scale = np.maximum(1.25 * mean_of_known(away), SCALE_MIN)
    frame, effect = build_frame(axis, past.z, past.weather, level, scale, None, past.weight)
    found = [_fit_bucket(past, frame, bucket) for bucket in range(len(BUCKET_END))]
    return SeriesModel(
        level=level,
        scale=scale,
        effect=effect,
        coefficients=np.stack([coefficients for coefficients, _ in found]),
        shift=np.stack([shift for _, shift in found]),
    )


def forecast_series(
    model: SeriesModel, past: Past, slots: IntArray, weather: FloatArray
) -> FloatArray:
    """Quantiles of z (Q, H, A), rising, for contiguous slots (H,) after the record's end.

    weather (H, D). Leads count from the newest reading that is known of any series, so that a
    silent meter's forecast widens with its silence.
    """
    recent = past.last(LOOK_BACK_DAYS + 9)
    end = len(recent.slot)
    gap = int(slots[0] - recent.slot[-1]) // SLOT_S - 1
    count = end + gap + len(slots)
    joined = recent.slot[0] + SLOT_S * np.arange(count, dtype=np.int64)
    filler = np.full((gap, weather.shape[1]), np.nan)
    columns = np.concatenate([recent.weather, filler, weather])
    begin = max(0, end - WARM_UP_SLOTS)
    axis = axis_of(joined, past)
    frame, _ = build_frame(
        axis, recent.z, columns, model.level, model.scale, model.effect, recent.weight, begin
    )
    target = np.arange(end + gap, count)
    known = np.flatnonzero(np.isfinite(recent.z).any(axis=1) | (recent.weight == 0))
    issue = int(known[-1]) + 1 if len(known) else 0
    x, base = features_of(frame, np.full(len(target), issue), target)
    bucket = np.searchsorted(BUCKET_END, target - issue + 1)
    bucket = np.minimum(bucket, len(BUCKET_END) - 1)
    moved = np.matmul(x, model.coefficients[bucket]).transpose(2, 0, 1)
    moved = moved + model.shift[bucket].transpose(1, 0, 2)
    return np.sort(base + moved * model.scale, axis=0)


def axis_of(slots: IntArray, past: Past) -> Axis:
    """The axis of slots in the calendar of `past`."""
    axis = build_axis(slots, past.time_zone)
    return replace(axis, kind=np.zeros_like(axis.kind)) if past.plain else axis


def _fit_bucket(past: Past, frame: Frame, bucket: int) -> tuple[FloatArray, FloatArray]:
    """Coefficients (F, Q) and shifts (Q, A) of one lead bucket."""
    issue, target = _pairs(past, bucket)
    x, base = features_of(frame, issue, target)
    y = (past.z[target] - base) / frame.scale
    age_days = (len(past.slot) - target) / SLOTS_PER_DAY
    weight = past.weight[target] * 0.5 ** (age_days / FIT_HALF_LIFE_DAYS)
    rows = _chosen(np.isfinite(y))
    at, series = np.divmod(rows, max(y.shape[1], 1))
    xs, ys, ws = x[at, series], y[at, series], weight[at]
    ridge = RIDGE_DAYS / max(len(past.slot) / SLOTS_PER_DAY - 8, 1)
    coefficients = fit_quantiles(xs, ys, ws, ridge)
    fold = frame.axis.day[target] // FOLD_DAYS % FOLDS
    miss = np.full((len(QUANTILES), *y.shape), np.nan)
    for k in range(FOLDS):
        other, own = fold[at] != k, fold == k
        if not other.any():
            continue
        blind = fit_quantiles(xs[other], ys[other], ws[other], ridge, coefficients, FOLD_STEPS)
        miss[:, own] = y[own] - np.matmul(x[own], blind).transpose(2, 0, 1)
    newer = 0.5 ** (age_days / SHIFT_HALF_LIFE_DAYS)
    return coefficients, _shifts(miss, newer)


def _pairs(past: Past, bucket: int) -> tuple[IntArray, IntArray]:
    """Positions (issue, target) that teach a bucket: slots once each, with a lead of the bucket."""
    low = int(BUCKET_END[bucket - 1]) if bucket else 0
    target = np.arange(min(WARM_UP_SLOTS, len(past.slot)), len(past.slot))
    target = target[past.weight[target] > 0]
    mixed = past.slot[target] // SLOT_S * MIX % 2**32 >> 12
    every = max(len(target) * past.z.shape[1] // PAIRS_MAX, 1)
    target, mixed = target[mixed % 7919 % every == 0], mixed[mixed % 7919 % every == 0]
    issue = target - low - mixed % (int(BUCKET_END[bucket]) - low)
    issue -= (past.slot[0] // SLOT_S + issue - past.phase_slots) % past.step_slots
    return issue[issue > 0], target[issue > 0]


def _chosen(known: BoolArray) -> IntArray:
    """Flat positions of at most ROWS_MAX known entries of (n, A), evenly spread, in order."""
    flat = np.flatnonzero(known)
    if len(flat) <= ROWS_MAX:
        return flat
    return np.sort(flat[np.argsort(flat * MIX % 2**32, kind="stable")[:ROWS_MAX]])


def _shifts(miss: FloatArray, weight: FloatArray) -> FloatArray:
    """Shift (Q, A) after which each quantile has its share of the weighted misses (Q, n, A).

    The outer quantiles take their conformal level: (n + 1) / n of it, n the number of misses; the
    median stays.
    """
    shift = np.zeros((len(QUANTILES), miss.shape[2]))
    for row, probability in enumerate(QUANTILES):
        for column in range(miss.shape[2]):
            known = np.isfinite(miss[row, :, column])
            if probability == 0.5 or known.sum() < SHIFT_ROWS_MIN:
                continue
            outer = max(probability, 1 - probability)
            level = min(outer * (1 + 1 / known.sum()), 1.0)
            level = level if probability > 0.5 else 1 - level
            shift[row, column] = _weighted_quantile(miss[row, known, column], weight[known], level)
    return shift


def _weighted_quantile(values: FloatArray, weight: FloatArray, probability: float) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    place = int(np.searchsorted(total, probability * total[-1]))
    return float(values[order[min(place, len(order) - 1)]])
