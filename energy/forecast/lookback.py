"""What a series' own past says of a slot: bases by local quarter, errors that last, as-of features.

Positions are places on an `Axis` of past and coming slots. A row of regression is a pair (issue,
target): readings at positions below the issue are known, all others are not, in the rows that
teach as in the rows that are forecast.
"""

from dataclasses import dataclass

import numpy as np

from energy.forecast.axis import Axis, taken
from energy.forecast.features import column_quantiles
from energy.forecast.inputs import QUANTILES, FloatArray, IntArray
from energy.units import DT_H, SLOTS_PER_DAY, SLOTS_PER_HOUR

LOOK_BACK_DAYS = 28
HALF_LIFE_DAYS, SLOW_HALF_LIFE_DAYS = 7.0, 25.0
OTHER_KIND = 0.05
"""Weight of a day of another type; so a type without a day of its own still has a base."""
LEAN = 1e-3
STATE_SLOTS = (2, SLOTS_PER_HOUR, 4 * SLOTS_PER_HOUR, SLOTS_PER_DAY, 7 * SLOTS_PER_DAY)
STATE_SHARE_MIN = 0.25
SURE_LEAD = 23 * SLOTS_PER_HOUR
"""Yesterday's quarter is surely known for leads below this, also when a day has 23 hours."""
FEATURE_MAX = 8.0


@dataclass(frozen=True, eq=False)
class Bases:
    """Weighted means (N, A) of the same local quarter on the 28 days before.

    `near` with and `far` without the day before, newer days weighing more; `slow` forgets slowly.
    """

    near: FloatArray
    far: FloatArray
    slow: FloatArray


@dataclass(frozen=True, eq=False)
class Frame:
    """What features are made of, on the joined axis of N = T + H slots, in scales of each series.

    unusual (N, D): weather against its own base; effect (N, A): what that does; error (T, A): the
    record against base and effect; states (T + 1, S, A): running means of the error at issues.
    """

    axis: Axis
    bases: Bases
    level: FloatArray
    scale: FloatArray
    unusual: FloatArray
    effect: FloatArray
    error: FloatArray
    states: FloatArray


def build_bases(values: FloatArray, axis: Axis, begin: int = 0) -> Bases:
    """The bases of every slot from `begin` on; before that they are the series' mean.

    `values` (T, A) may be shorter than the axis: what lies beyond their end is unknown.
    """
    rows = np.arange(begin, len(axis.slot))
    mean = mean_of_known(values)
    quick, quick_weight = _lean(mean, len(rows)), np.full((len(rows), len(mean)), LEAN)
    slow, slow_weight = quick.copy(), quick_weight.copy()
    far = quick
    for days in range(LOOK_BACK_DAYS, 0, -1):
        position = axis.before(days)[rows]
        found = taken(values, position)
        same = axis.kind[np.maximum(position, 0)] == axis.kind[rows]
        like = np.where(same, 1.0, OTHER_KIND)[:, None]
        known = np.isfinite(found)
        filled = np.where(known, found, 0.0)
        if days == 1:
            far = quick / quick_weight
        else:
            slow += 0.5 ** (days / SLOW_HALF_LIFE_DAYS) * like * filled
            slow_weight += 0.5 ** (days / SLOW_HALF_LIFE_DAYS) * like * known
        quick += 0.5 ** (days / HALF_LIFE_DAYS) * like * filled
        quick_weight += 0.5 ** (days / HALF_LIFE_DAYS) * like * known
    parts = (quick / quick_weight, far, slow / slow_weight)
    return Bases(*(np.concatenate([np.tile(mean, (begin, 1)), part]) for part in parts))


def build_frame(
    axis: Axis,
    values: FloatArray,
    weather: FloatArray,
    level: FloatArray,
    scale: FloatArray,
    effect: FloatArray | None,
    weight: FloatArray,
    begin: int = 0,
) -> tuple[Frame, FloatArray]:
    """The frame of values (T, A) and weather (N, D), and the weather's effect (D, A) in it.

    `effect` None: fitted to the record, with `weight` (T,) per row.
    """
    bases = build_bases(values, axis, begin)
    unusual = np.nan_to_num(weather - build_bases(weather, axis, begin).near)
    error = (values - bases.near[: len(values)]) / scale
    error[:begin] = np.nan
    if effect is None:
        effect = _weather_effect(unusual[: len(values)], error, weight)
    moved = unusual @ effect
    left = error - moved[: len(error)]
    states = np.stack([_running(left, slots) for slots in STATE_SLOTS], axis=1)
    return Frame(axis, bases, level, scale, unusual, moved, left, states), effect


def features_of(frame: Frame, issue: IntArray, target: IntArray) -> tuple[FloatArray, FloatArray]:
    """Features (n, A, F) and base (n, A) of the pairs (issue, target)."""
    sure = (target - issue < SURE_LEAD)[:, None]
    base = np.where(sure, frame.bases.near[target], frame.bases.far[target])
    lead_h = ((target - issue + 0.5) * DT_H)[:, None]
    last, hour, four, day, week = frame.states[issue].transpose(1, 0, 2)
    shape = (base - frame.level) / (3 * frame.scale)
    effect = frame.effect[target]
    wave = 2 * np.pi * frame.axis.quarter[target] / SLOTS_PER_DAY
    columns = [
        np.ones(base.shape),
        *_same_quarter(frame, issue, target),
        (last - hour) * np.exp(-lead_h / 0.5),
        *(hour * np.exp(-lead_h / fade_h) for fade_h in (1.0, 4.0)),
        four * np.exp(-lead_h / 4.0),
        *(four, day, week),
        (frame.bases.slow[target] - base) / frame.scale,
        *(shape, day * shape, four * shape * np.exp(-lead_h / 8.0)),
        *(effect, effect * shape),
        *(effect * wobble[:, None] for wobble in (np.sin(wave), np.cos(wave))),
    ]
    shared = [*_calendar(frame.axis, target, wave), lead_h[:, 0] / 24, *frame.unusual[target].T]
    columns += [np.broadcast_to(column[:, None], base.shape) for column in shared]
    return np.clip(np.stack(columns, axis=2), -FEATURE_MAX, FEATURE_MAX), base


def slot_quantiles(
    values: FloatArray, axis: Axis, issue: int, target: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Quantiles (Q, H, A) of the same quarter on the last 28 known days, and persistence (H, A).

    Days of the same type count; where fewer than four are known, all days. Persistence is the
    newest known day's value. NaN where no day is known at all.
    """
    stack, same = [], []
    for days in range(1, LOOK_BACK_DAYS + 3):
        position = axis.before(days)[target]
        stack.append(taken(values, np.where(position < issue, position, -1)))
        same.append(axis.kind[np.maximum(position, 0)] == axis.kind[target])
    found, alike = np.stack(stack), np.stack(same)[:, :, None]
    newest = np.full(found.shape[1:], np.nan)
    for rows in found[::-1]:
        newest = np.where(np.isfinite(rows), rows, newest)
    own = np.where(alike, found, np.nan)
    few = np.isfinite(own).sum(axis=0) < 4
    used = np.where(few, found, own).reshape(len(found), -1)
    table = column_quantiles(used, np.nan)
    return table.reshape(len(QUANTILES), *found.shape[1:]), newest


def mean_of_known(values: FloatArray) -> FloatArray:
    """Mean (A,) of each column of (T, A), gaps left out; 0 where nothing is known."""
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _lean(mean: FloatArray, rows: int) -> FloatArray:
    return np.full((rows, len(mean)), LEAN) * mean


def _weather_effect(unusual: FloatArray, error: FloatArray, weight: FloatArray) -> FloatArray:
    """Ridge regression of the errors on unusual weather, (D, A), leaning on two days of zeros."""
    spread = np.maximum(unusual.std(axis=0), 1e-9)
    x = unusual / spread
    w = (weight / max(float(weight.mean()), 1e-9))[:, None]
    gram = (x * w).T @ x + 2.0 * SLOTS_PER_DAY * np.eye(x.shape[1])
    answer = (x * w).T @ np.nan_to_num(np.clip(error, -5, 5))
    return np.asarray(np.linalg.solve(gram, answer) / spread[:, None])


def _running(error: FloatArray, slots: int) -> FloatArray:
    """Mean (T + 1, A) of the `slots` rows before each issue, gaps left out; small where few."""
    known = np.isfinite(error)
    zero = np.zeros((1, error.shape[1]))
    total = np.concatenate([zero, np.cumsum(np.where(known, error, 0.0), axis=0)])
    count = np.concatenate([zero, np.cumsum(known, axis=0)])
    first = np.maximum(np.arange(len(error) + 1) - slots, 0)
    found = np.maximum(count - count[first], STATE_SHARE_MIN * slots)
    return np.asarray((total - total[first]) / found)


def _same_quarter(frame: Frame, issue: IntArray, target: IntArray) -> list[FloatArray]:
    """Errors of the same quarter one, two and seven days before, 0 where not known at the issue."""
    found = []
    for days in (1, 2, 7):
        position = frame.axis.before(days)[target]
        found.append(np.nan_to_num(taken(frame.error, np.where(position < issue, position, -1))))
    return found


def _calendar(axis: Axis, target: IntArray, wave: FloatArray) -> list[FloatArray]:
    saturday = (axis.kind[target] == 1).astype(np.float64)
    holiday = (axis.kind[target] == 2).astype(np.float64)
    once = [np.sin(wave), np.cos(wave)]
    more = [turn(k * wave) for k in (2, 3) for turn in (np.sin, np.cos)]
    crossed = [kind * turn for kind in (saturday, holiday) for turn in once]
    return [*once, *more, saturday, holiday, *crossed]
