"""Nothing impossible leaves the forecasters: what is no number or out of bounds is replaced.

The plan refuses a NaN as a whole. A single forecaster that fails must not cost the slot its plan,
so each quantity is looked at by itself, and one that cannot be gives way to the class default.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from energy.forecast.district import ForecastBasis, Observed, forecast_district
from energy.forecast.features import known_history
from energy.forecast.inputs import FloatArray, History
from energy.forecast.results import DistrictForecast, EvForecast

POWER_KW_MAX = 1e6
"""A gigawatt: no district draws or needs as much, and a number beyond it is a mistake."""
TEMPERATURE_C = (-60.0, 60.0)
UNITS_MAX = 1e4
PV_FACTOR_MAX = 1.5
"""Sun beyond this many times the installed peak power is a mistake, edges of clouds included."""


@dataclass(frozen=True)
class Bounds:
    """What the arrays of a quantity may hold; `highest` broadcasts over the last axis."""

    names: tuple[str, ...]
    lowest: float
    highest: FloatArray | float


def sane_forecast(
    basis: ForecastBasis, observed: Observed, first_slot: int, horizon: int = 96
) -> DistrictForecast:
    """The district's forecast, every quantity of it finite and within its physical bounds.

    A quantity that is not comes from a forecast without record and weather instead: tier F4, with
    what was found in its reason. Raises ForecastError as `forecast_district` does, and where the
    class default itself is out of bounds: then the district's registry is wrong.
    """
    found = forecast_district(basis, observed, first_slot, horizon)
    return mended(found, basis, lambda: _by_registry(basis, observed, first_slot, horizon))


def mended(
    found: DistrictForecast, basis: ForecastBasis, default: Callable[[], DistrictForecast]
) -> DistrictForecast:
    """The forecast with each impossible quantity taken from `default`, which is made if needed."""
    faults = {name: fault for name, fault in _faults(found, basis).items() if fault}
    if not faults:
        return found
    plain = default()
    taken = {
        array: getattr(plain, array)
        for quantity in faults
        for array in ARRAYS.get(quantity, (quantity,))
    }
    return replace(
        found,
        **taken,
        tier=found.tier | dict.fromkeys(faults, "F4"),
        reason=found.reason
        | {name: f"class default, for the forecast held {fault}" for name, fault in faults.items()},
    )


ARRAYS = {
    "load": ("load_kw", "load_district_kw"),
    "pv": ("pv_kw", "pv_district_kw"),
    "heat": ("heat_kw",),
    "units": ("units_available",),
}


def _faults(found: DistrictForecast, basis: ForecastBasis) -> dict[str, str]:
    """By quantity, what of it cannot be; empty text where all can."""
    area_kw = PV_FACTOR_MAX * basis.pv.kwp.sum(axis=1)
    bounds = {
        "load": [Bounds(ARRAYS["load"], 0.0, POWER_KW_MAX)],
        "pv": [
            Bounds(("pv_kw",), 0.0, area_kw),
            Bounds(("pv_district_kw",), 0.0, float(area_kw.sum())),
        ],
        "heat": [Bounds(ARRAYS["heat"], 0.0, POWER_KW_MAX)],
        "units": [Bounds(ARRAYS["units"], 0.0, UNITS_MAX)],
        "temperature_c": [Bounds(("temperature_c",), *TEMPERATURE_C)],
        "cloud_frac": [Bounds(("cloud_frac",), 0.0, 1.0)],
    }
    told = {
        quantity: next(filter(None, (_fault(found, each) for each in listed)), "")
        for quantity, listed in bounds.items()
    }
    return told | {"ev": _ev_fault(found.ev)}


def _fault(found: DistrictForecast, bounds: Bounds) -> str:
    """The first number that cannot be, in words."""
    for name in bounds.names:
        values = getattr(found, name)
        # A NaN compares with nothing, so it is never within.
        within = (values >= bounds.lowest) & (values <= bounds.highest)
        if not within.all():
            return f"{values[~within][0]:g} in {name}"
    return ""


def _ev_fault(ev: EvForecast) -> str:
    """What of the cars' envelope cannot be."""
    for field in fields(ev):
        values = getattr(ev, field.name)
        if isinstance(values, np.ndarray) and not np.isfinite(values).all():
            return f"{values[~np.isfinite(values)][0]:g} in {field.name}"
    for name in ("p_charge_kw_max", "p_discharge_kw_max"):
        if (getattr(ev, name) < 0).any():
            return f"a power below 0 in {name}"
    if (ev.e_min_kwh > ev.e_max_kwh + 1e-6).any():
        return "an e_min_kwh above its e_max_kwh"
    return ""


def _by_registry(
    basis: ForecastBasis, observed: Observed, first_slot: int, horizon: int
) -> DistrictForecast:
    """What can be said from the registry, the connected cars and the units alone."""
    blank = replace(
        observed, history=_blank(known_history(observed.history, observed.issue_slot)), weather=None
    )
    return forecast_district(basis, replace(blank, arrivals=None), first_slot, horizon)


def _blank(history: History) -> History:
    """A record of the same slots in which nothing is known."""
    return History(
        slot=history.slot,
        **{
            field.name: np.full_like(getattr(history, field.name), np.nan)
            for field in fields(history)
            if field.name != "slot"
        },
    )
