"""What the models share: the as-of rule, calendar cells, weather on the horizon, quantiles."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.forecast.inputs import (
    QUANTILES,
    BoolArray,
    FloatArray,
    ForecastError,
    History,
    IntArray,
    WeatherForecast,
)
from energy.timegrid import DayType, local_calendar
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

LOOK_BACK_SLOTS = 28 * SLOTS_PER_DAY
DAY_TYPES = tuple(DayType)
CELLS = len(DAY_TYPES) * SLOTS_PER_DAY
WEATHER_GAP_SLOTS_MAX = 3 * SLOTS_PER_HOUR
SPIKE_MULTIPLE = 8.0
"""Readings beyond this multiple of the series' P90 are not believed."""
HIGH = 5
NORMAL_Z: FloatArray = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])
"""Standard normal quantiles at QUANTILES."""


@dataclass(frozen=True, eq=False)
class Weather:
    """Weather of the record and of the horizon as known at the issue.

    past_temperature_c, past_cloud_frac (T,) may hold NaN; temperature_c, cloud_frac (H,) are None
    where the forecast cannot be used, and `reason` says why.
    """

    past_temperature_c: FloatArray
    past_cloud_frac: FloatArray
    temperature_c: FloatArray | None
    cloud_frac: FloatArray | None
    reason: str


def known_history(history: History, issue_slot: int) -> History:
    """The last 28 days of a record that end with the slot before `issue_slot`.

    What cannot be becomes NaN: infinite, negative power, cloud outside 0..1, air beyond -60..60
    degrees, power far beyond the series' own high days, a power that stood still for the last 24
    hours. Raises ForecastError where slots are not contiguous or shapes differ.
    """
    _require_shapes(history)
    end = int(np.searchsorted(history.slot, issue_slot))
    rows = slice(max(0, end - LOOK_BACK_SLOTS), end)
    return History(
        slot=history.slot[rows],
        load_kw=_believable(history.load_kw[rows]),
        pv_kw=_within(history.pv_kw[rows], 0.0, np.inf),
        heat_kw=_believable(history.heat_kw[rows][:, None])[:, 0],
        temperature_c=_within(history.temperature_c[rows], -60.0, 60.0),
        cloud_frac=_within(history.cloud_frac[rows], 0.0, 1.0),
    )


def weather_as_known(
    known: History, weather: WeatherForecast | None, slots: IntArray, issue_slot: int
) -> Weather:
    """Weather for the models; a forecast that is missing, future or too short is not used."""
    temperature_c = cloud_frac = None
    if weather is None:
        reason = "no weather forecast"
    elif weather.issue_slot > issue_slot:
        reason = f"weather issue {weather.issue_slot} lies after the forecast's {issue_slot}"
    else:
        temperature_c = _on_slots(weather.slot, weather.temperature_c, slots, -60.0, 60.0)
        cloud_frac = _on_slots(weather.slot, weather.cloud_frac, slots, 0.0, 1.0)
        named = (("temperature", temperature_c), ("cloud", cloud_frac))
        bad = [name for name, found in named if found is None]
        reason = f"weather forecast without {' and '.join(bad)} on the horizon" if bad else ""
    return Weather(known.temperature_c, known.cloud_frac, temperature_c, cloud_frac, reason)


def cells_of(slots: IntArray, time_zone: str) -> IntArray:
    """Calendar cell of each slot: day type x 96 + local slot of the day, in 0..287."""
    day, inside = np.divmod(np.asarray(slots, dtype=np.int64), SLOT_S * SLOTS_PER_DAY)
    days, at = np.unique(day, return_inverse=True)
    if not len(days):
        return np.zeros(0, dtype=np.int64)
    table = np.stack([_cells_of_day(int(d), time_zone) for d in days])
    cells: IntArray = table[at, inside // SLOT_S]
    return cells


def column_quantiles(values: FloatArray, fallback: float = 0.0) -> FloatArray:
    """Quantiles (Q, A) of each column of (T, A), NaN left out; `fallback` for an empty column."""
    ordered = np.sort(values, axis=0)
    count = np.sum(np.isfinite(values), axis=0)
    place = QUANTILES[:, None] * np.maximum(count - 1, 0)[None, :]
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    columns = np.arange(values.shape[1])[None, :]
    if not len(values):
        return np.full((len(QUANTILES), values.shape[1]), fallback)
    below, above = ordered[low, columns], ordered[high, columns]
    found = below + (place - low) * (above - below)
    return np.where(count[None, :] > 0, found, fallback)


def sum_of_known(values: FloatArray, share_min: float = 0.8) -> FloatArray:
    """Sum over the columns of (T, A), scaled up for missing ones by their usual share; (T,).

    NaN where the columns that are known carry less than `share_min` of the usual sum.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    usual = filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    total = float(usual.sum())
    if total <= 0:
        return np.where(known.all(axis=1), 0.0, np.nan)
    share = known @ usual / total
    return np.where(share >= share_min, filled.sum(axis=1) / np.maximum(share, share_min), np.nan)


def without_gaps(values: FloatArray, otherwise: float) -> FloatArray:
    """Values (T,) with NaN bridged linearly, the ends held; all `otherwise` if none is known."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(values), otherwise)
    places = np.arange(len(values))
    return np.interp(places, places[known], values[known])


@lru_cache(maxsize=1024)
def _cells_of_day(day: int, time_zone: str) -> IntArray:
    slots = SLOT_S * (day * SLOTS_PER_DAY + np.arange(SLOTS_PER_DAY, dtype=np.int64))
    calendar = local_calendar(slots, time_zone)
    kind = np.array([DAY_TYPES.index(found) for found in calendar.day_type], dtype=np.int64)
    return kind * SLOTS_PER_DAY + calendar.slot_of_day


def _on_slots(
    at: IntArray, values: FloatArray, slots: IntArray, low: float, high: float
) -> FloatArray | None:
    """Values at the slots, short gaps bridged; None where a gap or an end is over three hours."""
    known: BoolArray = np.isfinite(values) & (values >= low) & (values <= high)
    if not known.any():
        return None
    there = at[known]
    nearest = np.abs(slots - there[np.argmin(np.abs(slots[:, None] - there[None, :]), axis=1)])
    if nearest.max() > WEATHER_GAP_SLOTS_MAX * SLOT_S:
        return None
    return np.interp(slots, there, values[known])


def _believable(values: FloatArray) -> FloatArray:
    """Powers (T, A) without negatives, spikes and a stuck end; zeros may stand still."""
    sound = _within(values, 0.0, np.inf)
    usual_high = column_quantiles(sound[:: SLOTS_PER_HOUR - 1], np.inf)[HIGH]
    ceiling = np.where(usual_high > 0, SPIKE_MULTIPLE * usual_high, np.inf)
    with np.errstate(invalid="ignore"):
        sound = np.where(sound <= ceiling, sound, np.nan)
    end = sound[-SLOTS_PER_DAY:]
    if len(end) == SLOTS_PER_DAY:
        stuck = (end == end[0]).all(axis=0) & (end[0] > 0)
        sound[-SLOTS_PER_DAY:, stuck] = np.nan
    return sound


def _within(values: FloatArray, low: float, high: float) -> FloatArray:
    with np.errstate(invalid="ignore"):
        good = np.isfinite(values) & (values >= low) & (values <= high)
    return np.where(good, values, np.nan)


def _require_shapes(history: History) -> None:
    rows = len(history.slot)
    for name in ("load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac"):
        found = getattr(history, name).shape
        if found[:1] != (rows,):
            raise ForecastError(f"history {name}: shape {found}, allowed: {rows} rows as in slot")
    if rows > 1 and not np.all(np.diff(history.slot) == SLOT_S):
        raise ForecastError(f"history slot: not contiguous, allowed: steps of {SLOT_S} s")
