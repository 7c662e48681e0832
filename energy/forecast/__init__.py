"""What will happen: quantiles of load, solar, heat, cars and units. Pure: arrays in, arrays out."""

from energy.forecast.inputs import (
    MEDIAN,
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
from energy.forecast.results import DistrictForecast, EvForecast, Quantiles, Tier

__all__ = [
    "MEDIAN",
    "QUANTILES",
    "CarSessions",
    "ChargerGroups",
    "DistrictForecast",
    "EvForecast",
    "ForecastError",
    "History",
    "PvClasses",
    "Quantiles",
    "Site",
    "Tier",
    "UnitRecord",
    "WeatherForecast",
    "no_cars",
]
