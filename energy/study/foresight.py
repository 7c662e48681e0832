"""What is foreseen of a day: our own forecasts, or the same with the truth for their medians."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from energy.forecast import MEDIAN, DistrictForecast, History
from energy.forecast.inputs import FloatArray, IntArray
from energy.plant import Plant
from energy.steps.context import Microgrid
from energy.steps.measure import Measured
from energy.steps.outlook import forecast_slot
from energy.units import SLOT_S

Foresee = Callable[[Microgrid, Measured], DistrictForecast]


def perfect_foresight(truth: History) -> Foresee:
    """Forecasts whose medians of load, sun and heat are what comes.

    Their bands stay as wide as ours; cars, units and losses are foreseen as ours are.
    """

    def foresee(microgrid: Microgrid, measured: Measured) -> DistrictForecast:
        forecast = forecast_slot(microgrid, measured)
        return told(forecast, truth, forecast.slots)

    return foresee


def true_history(plant: Plant, end_slot: int, days: int) -> History:
    """What the areas' meters will show in the `days` days before a slot, gaps drawn linearly."""
    raw = plant.archive(end_slot, days)
    return replace(
        raw,
        load_kw=without_gaps(raw.load_kw),
        pv_kw=without_gaps(raw.pv_kw),
        heat_kw=without_gaps(raw.heat_kw),
    )


def without_gaps(values: FloatArray) -> FloatArray:
    """Values (T, ...) with what a meter did not say drawn linearly."""
    flat = values.reshape(len(values), -1).copy()
    places = np.arange(len(flat))
    for column in flat.T:
        known = np.isfinite(column)
        column[~known] = np.interp(places[~known], places[known], column[known])
    return flat.reshape(values.shape)


def told(forecast: DistrictForecast, truth: History, slots: IntArray) -> DistrictForecast:
    """The forecast with the figures of these slots (H,) in place of its own."""
    rows = (slots - int(truth.slot[0])) // SLOT_S

    def about(quantiles: FloatArray, values: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(quantiles - quantiles[MEDIAN] + values, 0.0))

    load_kw, pv_kw = truth.load_kw[rows], truth.pv_kw[rows]
    return replace(
        forecast,
        load_kw=about(forecast.load_kw, load_kw),
        pv_kw=about(forecast.pv_kw, pv_kw),
        load_district_kw=about(forecast.load_district_kw, load_kw.sum(axis=1)),
        pv_district_kw=about(forecast.pv_district_kw, pv_kw.sum(axis=1)),
        heat_kw=about(forecast.heat_kw, truth.heat_kw[rows]),
    )
