"""Heat demand of the district network: the same engine as load, on temperature and hour."""

import numpy as np

from energy.forecast.features import NORMAL_Z, Weather
from energy.forecast.inputs import FloatArray, History, IntArray
from energy.forecast.load import AREA_ROWS_MIN, drivers_of, tier_of
from energy.forecast.profile import COLD_C, profile_quantiles
from energy.forecast.results import Quantiles

DEFAULT_SPREAD = 0.35
BASE_FRAC = 0.15
"""Class default: hot water's share of the mean demand; the rest follows the cold."""
TEMPERATURE_DEFAULT_C = 13.0
MEAN_COLD_K = 5.5
"""Mean kelvin under 15 degrees over a Korean year (about 2,000 degree days)."""


def forecast_heat(
    known: History,
    weather: Weather,
    slots: IntArray,
    time_zone: str,
    mean_kw: float = 0.0,
) -> Quantiles:
    """Heat demand in kW, district_kw (Q, H) >= 0; area_kw is empty, (Q, H, 0).

    mean_kw: yearly mean demand by registry, for a record under two days (tier F4).
    """
    drivers, reason = drivers_of(known, weather, slots, time_zone)
    thin = np.isfinite(known.heat_kw).sum() < AREA_ROWS_MIN
    if thin:
        total = _default(weather.temperature_c, mean_kw, len(slots))
    else:
        total = profile_quantiles(known.heat_kw[:, None], drivers, additive=True)[:, :, 0]
    tier, why = tier_of(known.heat_kw[:, None], reason, int(thin), int(drivers.lead[0]))
    return Quantiles(np.zeros((*total.shape, 0)), total, tier, why)


def _default(temperature_c: FloatArray | None, mean_kw: float, slots: int) -> FloatArray:
    """Class default (Q, H): hot water, and heating in proportion to the cold."""
    air_c = np.full(slots, TEMPERATURE_DEFAULT_C) if temperature_c is None else temperature_c
    cold = np.maximum(COLD_C - air_c, 0.0) / MEAN_COLD_K
    middle = mean_kw * (BASE_FRAC + (1 - BASE_FRAC) * cold)
    return np.exp(DEFAULT_SPREAD * NORMAL_Z)[:, None] * middle[None, :]
