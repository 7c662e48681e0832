"""What people, sun and weather do in a slot, whatever the loop decides: simulated or measured."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from energy.district import District
from energy.forecast import WeatherForecast
from energy.plant.draws import FloatArray
from energy.plant.heat import HeatDemand
from energy.plant.load import BuildingLoad
from energy.plant.solar import SolarPower, SolarSource
from energy.plant.weather import WeatherSource, site_of
from energy.plant.weather_issues import issue_weather, newest_issue_slot


@dataclass(frozen=True, eq=False)
class Air:
    """The weather of one slot as a station shows it."""

    temperature_c: float
    cloud_frac: float
    wind_m_per_s: float


@dataclass(frozen=True, eq=False)
class Outside:
    """One slot: load of every meter (M,), solar, heat demand in kW, and the weather."""

    load_kw: FloatArray
    solar: SolarPower
    heat_kw: float
    air: Air


@dataclass(frozen=True, eq=False)
class AreaOutside:
    """The same by area: load and solar (A,), heat demand in kW, and the weather."""

    load_kw: FloatArray
    pv_kw: FloatArray
    heat_kw: float
    air: Air


class Truth(Protocol):
    """Where a slot's load, sun, heat and weather come from."""

    def knows(self, slot: int) -> bool:
        """Whether there is a truth about a slot."""

    def at(self, slot: int) -> Outside:
        """What happens in a slot."""

    def areas_at(self, slot: int) -> AreaOutside:
        """What happens in a slot, by area only."""

    def weather_forecast(self, now_slot: int) -> WeatherForecast:
        """The newest issue that is out at the start of `now_slot`."""


class SimulatedTruth:
    """A district whose people and weather are drawn."""

    def __init__(self, district: District, seed: int) -> None:
        self._district = district
        self._seed = seed
        self._weather = WeatherSource(site_of(district), seed)
        self._load = BuildingLoad(district, self._weather, seed)
        self._solar = SolarSource(district, self._weather, seed)
        self._heat = HeatDemand(district, self._weather, seed)

    def knows(self, slot: int) -> bool:
        """Every slot can be drawn."""
        return True

    def at(self, slot: int) -> Outside:
        """What happens in a slot."""
        return Outside(
            load_kw=self._load.at(slot),
            solar=self._solar.at(slot),
            heat_kw=self._heat.at(slot),
            air=air_of(self._weather, slot),
        )

    def areas_at(self, slot: int) -> AreaOutside:
        """What happens in a slot, by area only."""
        return AreaOutside(
            load_kw=area_load_kw(self._district, self._load.at(slot)),
            pv_kw=self._solar.areas_at(slot),
            heat_kw=self._heat.at(slot),
            air=air_of(self._weather, slot),
        )

    def weather_forecast(self, now_slot: int) -> WeatherForecast:
        """The newest issue that is out at the start of `now_slot`."""
        return issue_weather(self._weather, self._seed, newest_issue_slot(now_slot))


def air_of(source: WeatherSource, slot: int) -> Air:
    """The weather of one slot."""
    now = source.at(slot)
    return Air(float(now.temperature_c[0]), float(now.cloud_frac[0]), float(now.wind_m_per_s[0]))


def area_load_kw(district: District, load_kw: FloatArray) -> FloatArray:
    """Load of each area (A,) from that of its meters (M,)."""
    return np.bincount(district.meters.area, load_kw, district.areas).astype(np.float64)
