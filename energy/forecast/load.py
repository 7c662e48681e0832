"""Load of the buildings, per area and for the district, without cars, batteries and own units."""

import numpy as np

from energy.forecast.features import NORMAL_Z, Weather, cells_of, sum_of_known
from energy.forecast.inputs import BoolArray, FloatArray, History, IntArray
from energy.forecast.profile import Drivers, degree_columns, profile_quantiles
from energy.forecast.results import Quantiles, Tier
from energy.units import SLOT_S, SLOTS_PER_DAY

DAYS_FITTED_MIN = 7
AREA_ROWS_MIN = 2 * SLOTS_PER_DAY
COMPLETE_FRAC_MIN = 0.5
SILENT_SLOTS_MAX = 2 * SLOTS_PER_DAY
"""A meter that has said nothing for longer tells of its past alone."""
DEFAULT_SPREAD = 0.45
DEFAULT_SPREAD_DISTRICT = 0.25
DEFAULT_HOURS: FloatArray = np.array(
    [
        *(0.85, 0.76, 0.70, 0.67, 0.66, 0.69, 0.78, 0.90, 0.99, 1.04, 1.07, 1.08),
        *(1.08, 1.08, 1.08, 1.09, 1.11, 1.16, 1.25, 1.31, 1.30, 1.24, 1.12, 0.99),
    ]
)
"""Class default: load by local hour over its daily mean; homes with some shops, made by hand."""


def forecast_load(
    known: History,
    weather: Weather,
    slots: IntArray,
    time_zone: str,
    mean_kw: FloatArray | None = None,
) -> Quantiles:
    """Load of each area and, modelled on the sum, of the district; kW, (Q, H, A), (Q, H), >= 0.

    mean_kw (A,): mean load by registry, for areas without a record of two days; without it they
    are taken as the mean of the others. Tier F0 from seven days and a temperature forecast on, F3
    without the temperature, F4 by class default.
    """
    drivers, reason = drivers_of(known, weather, slots, time_zone)
    area = profile_quantiles(known.load_kw, drivers)
    total = profile_quantiles(sum_of_known(known.load_kw)[:, None], drivers)
    known_rows = np.isfinite(known.load_kw).sum(axis=0)
    thin = known_rows < AREA_ROWS_MIN
    if thin.any():
        level = _level(known.load_kw, thin, mean_kw)
        area[:, :, thin] = _default(drivers.coming_cell, level[thin], DEFAULT_SPREAD)
        if np.isfinite(sum_of_known(known.load_kw)).sum() < AREA_ROWS_MIN:
            total = _default(drivers.coming_cell, level.sum(keepdims=True), DEFAULT_SPREAD_DISTRICT)
    tier, why = tier_of(known.load_kw, reason, int(thin.sum()), int(drivers.lead[0]))
    return Quantiles(area, total[:, :, 0], tier, why)


def drivers_of(
    known: History, weather: Weather, slots: IntArray, time_zone: str
) -> tuple[Drivers, str]:
    """Calendar, degrees and leads for the profile engine; the reason if without degrees."""
    past, coming, why = degree_columns(weather.past_temperature_c, weather.temperature_c)
    if not past.shape[1]:
        coming = np.zeros((len(slots), 0))
        why = why or weather.reason or "no temperature"
    end = int(known.slot[-1]) if len(known.slot) else int(slots[0]) - SLOT_S
    lead = np.maximum((slots - end) // SLOT_S, 1)
    cell, ahead = cells_of(known.slot, time_zone), cells_of(slots, time_zone)
    return Drivers(cell, ahead, past, coming, lead), why


def tier_of(values: FloatArray, weather_reason: str, thin: int, lead: int) -> tuple[Tier, str]:
    """Tier of a profile forecast from (T, A), with its reason; `thin` series stand by default.

    The forecast begins `lead` slots after the record's last row.
    """
    rows = len(values)
    complete = float(np.isfinite(values).mean()) if values.size else 0.0
    if thin == values.shape[1]:
        return "F4", "record under two days, class default"
    if rows < DAYS_FITTED_MIN * SLOTS_PER_DAY:
        return "F4", f"record of {rows / SLOTS_PER_DAY:.1f} days, wanted: {DAYS_FITTED_MIN}"
    if complete < COMPLETE_FRAC_MIN:
        return "F4", f"record {complete:.0%} complete, wanted: {COMPLETE_FRAC_MIN:.0%}"
    seen = np.flatnonzero(np.isfinite(values).any(axis=1))
    silent = rows - 1 - int(seen[-1]) + lead - 1
    if silent > SILENT_SLOTS_MAX:
        return "F3", f"no reading for {silent / SLOTS_PER_DAY:.1f} days"
    if weather_reason:
        return "F3", weather_reason
    return "F0", f"{thin} series by class default" if thin else ""


def _level(load_kw: FloatArray, thin: BoolArray, mean_kw: FloatArray | None) -> FloatArray:
    """Mean load (A,) of every area, from the record where it is thick enough."""
    known = np.isfinite(load_kw)
    own = np.where(known, load_kw, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    if mean_kw is None:
        others = own[~thin].mean() if (~thin).any() else own.mean()
        return np.asarray(np.where(thin, others, own))
    return np.asarray(np.where(thin, mean_kw, own))


def _default(cell: IntArray, level_kw: FloatArray, spread: float) -> FloatArray:
    """Class default (Q, H, A) about a mean load (A,): the usual day, log-normal and wide."""
    shape = DEFAULT_HOURS[cell % SLOTS_PER_DAY // 4]
    factor: FloatArray = np.exp(spread * NORMAL_Z)
    return np.asarray(factor[:, None, None] * shape[None, :, None] * level_kw)
