"""What will happen: quantiles of load, solar, heat, cars and units. Pure: arrays in, arrays out."""

from energy.forecast.arrivals import ArrivalModel, default_arrivals, fit_arrivals
from energy.forecast.bands import BANDS, Bands, warmed_bands
from energy.forecast.calibration import Calibration, Issue, Tracker
from energy.forecast.district import ForecastBasis, Observed, forecast_district
from energy.forecast.ev import CarBounds, car_bounds, forecast_ev
from energy.forecast.ev_split import CarPowers, split
from energy.forecast.heat import forecast_heat
from energy.forecast.inputs import (
    MEDIAN,
    P10,
    P90,
    QUANTILES,
    CarSessions,
    ChargerGroups,
    ForecastError,
    History,
    PvClasses,
    Site,
    UnitRecord,
    WeatherForecast,
    no_cars,
)
from energy.forecast.load import forecast_load
from energy.forecast.pv import clear_sky_kw, forecast_pv
from energy.forecast.results import DistrictForecast, EvForecast, Quantiles, Tier
from energy.forecast.sanity import sane_forecast
from energy.forecast.scenarios import joint_paths, scenarios
from energy.forecast.solar import clear_sky_kw_per_kwp, cloudless_frac, sky_at
from energy.forecast.units import forecast_unit_availability

__all__ = [
    "BANDS",
    "MEDIAN",
    "P10",
    "P90",
    "QUANTILES",
    "ArrivalModel",
    "Bands",
    "Calibration",
    "CarBounds",
    "CarPowers",
    "CarSessions",
    "ChargerGroups",
    "DistrictForecast",
    "EvForecast",
    "ForecastBasis",
    "ForecastError",
    "History",
    "Issue",
    "Observed",
    "PvClasses",
    "Quantiles",
    "Site",
    "Tier",
    "Tracker",
    "UnitRecord",
    "WeatherForecast",
    "car_bounds",
    "clear_sky_kw",
    "clear_sky_kw_per_kwp",
    "cloudless_frac",
    "default_arrivals",
    "fit_arrivals",
    "forecast_district",
    "forecast_ev",
    "forecast_heat",
    "forecast_load",
    "forecast_pv",
    "forecast_unit_availability",
    "joint_paths",
    "no_cars",
    "sane_forecast",
    "scenarios",
    "sky_at",
    "split",
    "warmed_bands",
]
