"""The engine for whatever follows the calendar and the weather: buildings' load, heat demand.

    value = profile[day type, slot of day] + scale x (degrees . b + state(lead) + residual)

with the profile itself as scale (loads) or its mean (heat).

The profile is a recency-weighted mean of the last 28 days. `b` answers to how much colder or hotter
than usual for that cell it is. The state carries the errors of the last hour and of the last day
onwards, each as far as the record shows that it lasts. The band is that of the last two weeks'
residuals in the same part of the day, each two days foreseen from the days before them, narrowed
where the state knows something.
"""

from dataclasses import dataclass

import numpy as np

from energy.forecast.features import CELLS, column_quantiles, without_gaps
from energy.forecast.inputs import QUANTILES, BoolArray, FloatArray, IntArray
from energy.units import SLOTS_PER_DAY, SLOTS_PER_HOUR

HALF_LIFE_DAYS = 20.0
LEAN_DAYS = 0.3
COLD_C = 15.0
HOT_C = 22.0
TEMPERATURE_DEFAULT_C = 15.0
RIDGE = 3.0
"""Penalty on the degree coefficients, in days of an average spread of degrees."""
EFFECT_FRAC_MAX = 0.8
RATIO_MAX = 3.0
PARTS_OF_DAY = 8
LEAD_SLOTS = np.array([1, 2, 4, 8, 16, 32, 64, 96, 192])
WIDTH_FLOOR = 0.3
AHEAD_BLOCKS, AHEAD_BLOCK_DAYS, AHEAD_DAYS_MIN = 7, 2, 7


@dataclass(frozen=True, eq=False)
class Drivers:
    """What all series of one forecast share.

    cell (T,), coming_cell (H,) calendar cells 0..287; degrees (T, D), coming_degrees (H, D)
    heating and cooling degrees, D = 0 without weather; lead (H,) slots after the record's end.
    """

    cell: IntArray
    coming_cell: IntArray
    degrees: FloatArray
    coming_degrees: FloatArray
    lead: IntArray


def degree_columns(
    past_c: FloatArray, coming_c: FloatArray | None
) -> tuple[FloatArray, FloatArray, str]:
    """Degree columns of the record (T, 3) and of the horizon (H, 3), or of no width, with why.

    Cold and heat of the last 24 hours' mean, and present heat; kelvin beyond 15 and 22 degrees.
    """
    if coming_c is None or np.isfinite(past_c).sum() < len(past_c) / 2 or not len(past_c):
        why = "" if coming_c is None else "temperature of the record is under half complete"
        coming = 0 if coming_c is None else len(coming_c)
        return np.zeros((len(past_c), 0)), np.zeros((coming, 0)), why
    joined = np.concatenate([without_gaps(past_c, TEMPERATURE_DEFAULT_C), coming_c])
    padded = np.concatenate([np.full(SLOTS_PER_DAY - 1, joined[:SLOTS_PER_DAY].mean()), joined])
    total = np.cumsum(np.concatenate([[0.0], padded]))
    smooth = (total[SLOTS_PER_DAY:] - total[:-SLOTS_PER_DAY]) / SLOTS_PER_DAY
    columns = np.stack(
        [
            np.maximum(COLD_C - smooth, 0.0),
            np.maximum(smooth - HOT_C, 0.0),
            np.maximum(joined - HOT_C, 0.0),
        ],
        axis=1,
    )
    return columns[: len(past_c)], columns[len(past_c) :], ""


def profile_quantiles(values: FloatArray, drivers: Drivers, additive: bool = False) -> FloatArray:
    """Quantiles (Q, H, A) of series (T, A) >= 0 with NaN gaps; rising, >= 0, never NaN.

    Degrees, state and residuals are shares of the slot's profile, or of the profile's mean where
    `additive`: for what the weather moves by as much at night as by day.
    The residuals' memory is learnt over all series together, so pass series of one kind.
    Series without a single known value come out as 0; the caller knows better or worse.
    """
    profile, leverage = _profile(values, drivers.cell)
    ratio = _ratio(values, profile, drivers.cell, additive)
    effect, coming_effect = _degree_effect(ratio, drivers)
    left_out = (ratio - effect) / np.maximum(1.0 - leverage, 0.25)
    pull, width = _state(left_out, drivers.lead)
    seen = left_out if additive else _ahead(values, drivers, left_out)
    band = _band(seen, drivers)
    change = coming_effect + pull + band * width
    coming = profile[drivers.coming_cell]
    scale = profile.mean(axis=0) if additive else coming
    return np.sort(np.maximum(coming + change * scale, 0.0), axis=0)


def _ratio(values: FloatArray, profile: FloatArray, cell: IntArray, additive: bool) -> FloatArray:
    """Distance of values (T, A) from their profile, in shares of it or of its mean."""
    usual = profile[cell]
    scale = np.broadcast_to(profile.mean(axis=0), usual.shape) if additive else usual
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(scale > 1e-9, (values - usual) / scale, np.nan)
    return np.clip(ratio, -RATIO_MAX if additive else -1.0, RATIO_MAX)


def _ahead(values: FloatArray, drivers: Drivers, left_out: FloatArray) -> FloatArray:
    """Residuals (T, A) of the newest days, each block foreseen from the days before it alone.

    A profile made of days on both sides knows a season's drift, a forecast does not: the band must
    be that of looking ahead. NaN before the blocks; `left_out` where the record is too short.
    """
    rows, block = len(values), AHEAD_BLOCK_DAYS * SLOTS_PER_DAY
    if rows < (AHEAD_BLOCKS * AHEAD_BLOCK_DAYS + AHEAD_DAYS_MIN) * SLOTS_PER_DAY:
        return left_out
    found = np.full(values.shape, np.nan)
    for first in range(rows - AHEAD_BLOCKS * block, rows, block):
        old, new = slice(0, first), slice(first, first + block)
        then = Drivers(
            drivers.cell[old],
            drivers.cell[new],
            drivers.degrees[old],
            drivers.degrees[new],
            drivers.lead,
        )
        profile, _ = _profile(values[old], then.cell)
        _, effect = _degree_effect(_ratio(values[old], profile, then.cell, False), then)
        found[new] = _ratio(values[new], profile, then.coming_cell, False) - effect
    known = np.isfinite(found).sum(axis=0) >= block
    return np.where(known, found, left_out)


def _profile(values: FloatArray, cell: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean per calendar cell (288, A), and each row's own share in its mean (T, A).

    A cell with few days leans on the same slot of the other day types, with LEAN_DAYS' weight, and
    that on the series' mean.
    """
    age_days = np.arange(len(values))[::-1] / SLOTS_PER_DAY
    known = np.isfinite(values)
    weight = np.where(known, 0.5 ** (age_days / HALF_LIFE_DAYS)[:, None], 0.0)
    filled = np.where(known, values, 0.0)
    sums, weights = _by_cell(weight * filled, cell), _by_cell(weight, cell)
    kinds = CELLS // SLOTS_PER_DAY
    shape = (kinds, SLOTS_PER_DAY, values.shape[1])
    slot_sum, slot_weight = sums.reshape(shape).sum(0), weights.reshape(shape).sum(0)
    mean = slot_sum.sum(0) / np.maximum(slot_weight.sum(0), 1e-9)
    any_day = np.tile((slot_sum + LEAN_DAYS * mean) / (slot_weight + LEAN_DAYS), (kinds, 1))
    profile = (sums + LEAN_DAYS * any_day) / (weights + LEAN_DAYS)
    return profile, weight / (weights + LEAN_DAYS)[cell]


def _by_cell(rows: FloatArray, cell: IntArray) -> FloatArray:
    """Sums (288, A) of rows (T, A) by cell."""
    if not len(rows):
        return np.zeros((CELLS, rows.shape[1]))
    order = np.argsort(cell, kind="stable")
    there, first = np.unique(cell[order], return_index=True)
    sums = np.zeros((CELLS, rows.shape[1]))
    sums[there] = np.add.reduceat(rows[order], first, axis=0)
    return sums


def _degree_effect(ratio: FloatArray, drivers: Drivers) -> tuple[FloatArray, FloatArray]:
    """Relative change by unusual degrees, of the record (T, A) and of the horizon (H, A)."""
    columns = drivers.degrees.shape[1]
    if not columns or not len(ratio):
        return np.zeros(ratio.shape), np.zeros((len(drivers.coming_cell), ratio.shape[1]))
    counts = _by_cell(np.ones((len(ratio), 1)), drivers.cell)
    usual = _by_cell(drivers.degrees, drivers.cell) / np.maximum(counts, 1.0)
    overall = drivers.degrees.mean(axis=0)
    usual = np.where(counts > 0, usual, overall)
    x = drivers.degrees - usual[drivers.cell]
    spread = np.maximum(x.std(axis=0), 0.3)
    penalty = RIDGE * SLOTS_PER_DAY * np.eye(columns)
    scaled = x / spread
    answers = scaled.T @ np.nan_to_num(ratio)
    b = np.linalg.solve(scaled.T @ scaled + penalty, answers) / spread[:, None]
    coming = (drivers.coming_degrees - usual[drivers.coming_cell]) @ b
    return x @ b, np.clip(coming, -EFFECT_FRAC_MAX, EFFECT_FRAC_MAX)


def _state(residual: FloatArray, lead: IntArray) -> tuple[FloatArray, FloatArray]:
    """Pull of the newest errors on the coming slots (H, A), and the band's factor (H, 1)."""
    hour, day = _mean_of_last(residual, SLOTS_PER_HOUR), _mean_of_last(residual, SLOTS_PER_DAY)
    if not len(residual):
        return np.zeros((len(lead), residual.shape[1])), np.ones((len(lead), 1))
    learnt = np.array([_memory(residual, hour, day, int(steps)) for steps in LEAD_SLOTS])
    a, b, width = (np.interp(lead, LEAD_SLOTS, column) for column in learnt.T)
    today = np.nan_to_num(day[-1])
    now = np.where(np.isfinite(hour[-1]), hour[-1], today)
    return a[:, None] * (now - today) + b[:, None] * today, width[:, None]


def _mean_of_last(residual: FloatArray, slots: int) -> FloatArray:
    """Running mean (T, A) over the last `slots` rows, gaps left out, NaN under half of them."""
    known = np.isfinite(residual)
    zero = np.zeros((1, residual.shape[1]))
    total = np.concatenate([zero, np.cumsum(np.where(known, residual, 0.0), axis=0)])
    count = np.concatenate([zero, np.cumsum(known, axis=0)])
    first = np.maximum(np.arange(len(residual)) + 1 - slots, 0)
    found = count[1:] - count[first]
    return np.where(found >= slots / 2, (total[1:] - total[first]) / np.maximum(found, 1), np.nan)


def _memory(
    residual: FloatArray, hour: FloatArray, day: FloatArray, steps: int
) -> tuple[float, float, float]:
    """How much of (last hour - last day, last day) is left `steps` later, and the width after."""
    if len(residual) < steps + 3 * SLOTS_PER_DAY:
        return 0.0, 0.0, 1.0
    rows = slice(0, len(residual) - steps, SLOTS_PER_HOUR)
    target = residual[steps:][rows]
    fast, slow = hour[rows] - day[rows], day[rows]
    good: BoolArray = np.isfinite(target) & np.isfinite(fast) & np.isfinite(slow)
    y, x = target[good], np.stack([fast[good], slow[good]])
    if len(y) < 2 * SLOTS_PER_DAY // SLOTS_PER_HOUR:
        return 0.0, 0.0, 1.0
    ridge = 0.02 * float(np.sum(y * y)) + 1e-9
    a, b = np.clip(np.linalg.solve(x @ x.T + ridge * np.eye(2), x @ y), 0.0, 1.0)
    left = np.sqrt(np.mean((y - a * x[0] - b * x[1]) ** 2) / max(float(np.mean(y * y)), 1e-12))
    return float(a), float(b), float(np.clip(left, WIDTH_FLOOR, 1.0))


def _band(residual: FloatArray, drivers: Drivers) -> FloatArray:
    """Residual quantiles (Q, H, A) of the slot's part of the day."""
    part = _part_of_day(drivers.cell)
    tables = np.stack(
        [column_quantiles(residual[part == at]) for at in range(PARTS_OF_DAY)], axis=1
    )
    assert tables.shape[:2] == (len(QUANTILES), PARTS_OF_DAY)
    return tables[:, _part_of_day(drivers.coming_cell)]


def _part_of_day(cell: IntArray) -> IntArray:
    return cell % SLOTS_PER_DAY // (SLOTS_PER_DAY // PARTS_OF_DAY)
