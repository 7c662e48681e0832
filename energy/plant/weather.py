"""The district's weather as it truly is: temperature, clouds, wind of every slot.

Monthly climate, spread from day to day, passing fronts and broken clouds. Every number is a finite
moving average of draws that belong to days, so any run of days can be made alone and two runs join
without a seam. Clock times are solar, from the longitude.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from energy.district import District
from energy.plant.draws import FloatArray, Stream, draw
from energy.plant.tables import numbers, read_rows
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY

DAY_S = SLOT_S * SLOTS_PER_DAY
CLIMATE_DEFAULT = "Asia/Seoul"
BACK_DAYS = 13
"""Days before a run whose draws still count in it."""
FELT_BACK_DAYS = 2
KNOT_H, FAST_KNOT_H = 3.0, 0.5
SYNOPTIC_H, CLOUD_H, CLOUD_FAST_H, WIND_H = 60.0, 9.0, 1.5, 6.0
"""Decay of what is remembered, in hours."""
CLOUD_SLOW, CLOUD_FAST, FRONT_CLOUD = 1.25, 0.35, 2.0
"""Spread of the clouds' hidden normal variable; what a front adds to it."""
FRONT_CLOUD_H, FRONT_COOL_H = 5.0, 36.0
BUILDING_MEMORY_H = 10.0
WARMEST_SOLAR_H = 14.5


@dataclass(frozen=True, eq=False)
class Weather:
    """Means of T slots, all (T,): air, clouds 0..1, the part of the clouds that can be foreseen,
    the temperature that a building's mass still feels, wind.
    """

    temperature_c: FloatArray
    cloud_frac: FloatArray
    cloud_slow_frac: FloatArray
    felt_c: FloatArray
    wind_m_per_s: FloatArray


@dataclass(frozen=True, eq=False)
class _Shocks:
    """Standard normal draws of one day, and its front: when, how strong, how likely."""

    synoptic: FloatArray
    cloud: FloatArray
    wind: FloatArray
    fast: FloatArray
    front_h: float
    front_strength: float
    front_luck: float


@dataclass(frozen=True)
class _Front:
    """One front: when it passes, in hours; strength of mean one; what it cools in K."""

    hour: float
    strength: float
    drop_k: float


@dataclass(frozen=True, eq=False)
class Climate:
    """Monthly numbers of one climate, (12,) each; see data/weather/climate.csv."""

    temperature_c: FloatArray
    swing_k: FloatArray
    synoptic_k: FloatArray
    cloud_frac: FloatArray
    wind_m_per_s: FloatArray
    fronts_per_day: FloatArray
    front_k: FloatArray


def read_climate(time_zone: str) -> Climate:
    """The climate of a time zone, of Korea where there is none for it."""
    rows = read_rows("weather", "climate.csv")
    found = [row for row in rows if row["time_zone"] == time_zone]
    found = found or [row for row in rows if row["time_zone"] == CLIMATE_DEFAULT]
    names = list(Climate.__dataclass_fields__)
    table = np.array([numbers(row, names) for row in found])
    return Climate(**dict(zip(names, table.T, strict=True)))


@dataclass(frozen=True)
class Site:
    """Where a district lies: all of it that weather and lamps depend on."""

    time_zone: str
    latitude_deg: float
    longitude_deg: float


def site_of(district: District) -> Site:
    """A district's place on earth."""
    return Site(district.time_zone, district.latitude_deg, district.longitude_deg)


class WeatherSource:
    """All weather of one site and seed."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.seed = seed
        self._climate = read_climate(site.time_zone)
        self._solar_h = site.longitude_deg / 15.0
        self._shocks = lru_cache(maxsize=4096)(self._shocks_of_day)
        self._day = lru_cache(maxsize=64)(lambda day: self.days(day, 1))

    def at(self, slot: int) -> Weather:
        """The weather of one slot, arrays of length 1."""
        day, inside = divmod(slot, DAY_S)
        whole = self._day(day)
        row = slice(inside // SLOT_S, inside // SLOT_S + 1)
        return Weather(*(getattr(whole, name)[row] for name in Weather.__dataclass_fields__))

    def run(self, first_slot: int, count: int) -> Weather:
        """The weather of `count` slots from `first_slot` on."""
        first, inside = divmod(first_slot, DAY_S)
        last = (first_slot + (count - 1) * SLOT_S) // DAY_S
        whole = self.days(first, last - first + 1)
        rows = slice(inside // SLOT_S, inside // SLOT_S + count)
        return Weather(*(getattr(whole, name)[rows] for name in Weather.__dataclass_fields__))

    def days(self, first_day: int, count: int) -> Weather:
        """The weather of whole UTC days, counted from 1970."""
        begin, total = first_day - FELT_BACK_DAYS, count + FELT_BACK_DAYS
        hour = np.arange(total * SLOTS_PER_DAY, dtype=np.float64) * DT_H + DT_H / 2
        month = self._monthly(begin, hour)
        shocks = [self._shocks(day) for day in range(begin - BACK_DAYS, begin + total + 1)]
        synoptic = _process([s.synoptic for s in shocks], KNOT_H, SYNOPTIC_H, hour)
        slow = _process([s.cloud for s in shocks], KNOT_H, CLOUD_H, hour)
        fast = _process([s.fast for s in shocks], FAST_KNOT_H, CLOUD_FAST_H, hour)
        wind = _process([s.wind for s in shocks], KNOT_H, WIND_H, hour)
        fronts = self._fronts(shocks, begin - BACK_DAYS)
        hidden = _hidden_mean(month) + CLOUD_SLOW * slow + _front_cloud(fronts, hour)
        cloud_slow = ndtr(hidden)
        # What fronts cool in the mean is given back, so that the months keep their temperature.
        given_back = month.fronts_per_day * month.front_k * FRONT_COOL_H / 24.0
        temperature = (
            month.temperature_c
            + month.synoptic_k * synoptic
            + given_back
            - _front_cool(fronts, hour)
            + month.swing_k * (1.4 - 0.8 * cloud_slow) * self._daily(hour)
        )
        rows = slice(FELT_BACK_DAYS * SLOTS_PER_DAY, None)
        return Weather(
            temperature_c=temperature[rows],
            cloud_frac=ndtr(hidden + CLOUD_FAST * fast)[rows],
            cloud_slow_frac=cloud_slow[rows],
            felt_c=_felt(temperature)[rows],
            wind_m_per_s=(month.wind_m_per_s * np.exp(0.5 * wind - 0.125))[rows],
        )

    def _monthly(self, first_day: int, hour: FloatArray) -> Climate:
        """The climate at each slot, the months' numbers joined at their middles."""
        year = (first_day + hour / 24.0) / 365.2425 * 12.0 % 12.0
        middle = np.arange(-1, 13) + 0.5
        fields = (getattr(self._climate, name) for name in Climate.__dataclass_fields__)
        return Climate(*(np.interp(year, middle, np.r_[f[-1], f, f[0]]) for f in fields))

    def _daily(self, hour: FloatArray) -> FloatArray:
        """The day's swing of temperature about its mean, from -0.36 to 0.55."""
        turn = 2 * np.pi * (hour + self._solar_h - WARMEST_SOLAR_H) / 24.0
        return np.asarray(0.45 * np.cos(turn) + 0.1 * np.cos(2 * turn))

    def _fronts(self, shocks: list[_Shocks], first_day: int) -> list[_Front]:
        """The fronts that pass in a run of days; hours count from BACK_DAYS after its beginning."""
        noon = np.arange(len(shocks), dtype=np.float64) * 24.0 + 12.0
        month = self._monthly(first_day, noon)
        return [
            _Front(
                hour=(number - BACK_DAYS) * 24.0 + shock.front_h,
                strength=shock.front_strength,
                drop_k=float(month.front_k[number]),
            )
            for number, shock in enumerate(shocks)
            if shock.front_luck < month.fronts_per_day[number]
        ]

    def _shocks_of_day(self, day: int) -> _Shocks:
        rng = draw(self.seed, Stream.WEATHER, day)
        per_day, fast_per_day = int(24 / KNOT_H), int(24 / FAST_KNOT_H)
        return _Shocks(
            synoptic=rng.standard_normal(per_day),
            cloud=rng.standard_normal(per_day),
            wind=rng.standard_normal(per_day),
            fast=rng.standard_normal(fast_per_day),
            front_h=24.0 * rng.random(),
            front_strength=rng.gamma(4.0) / 4.0,
            front_luck=rng.random(),
        )


def _process(
    draws: list[FloatArray], knot_h: float, decay_h: float, hour: FloatArray
) -> FloatArray:
    """A process of unit variance that forgets with `decay_h`, at `hour` after BACK_DAYS."""
    shocks = np.concatenate(draws)
    back = int(BACK_DAYS * 24 / knot_h)
    reach = min(int(6 * decay_h / knot_h), back)
    kernel = np.exp(-np.arange(reach) * knot_h / decay_h)
    kernel /= np.sqrt(np.sum(kernel**2))
    # The first value of the convolution belongs to the knot number reach - 1.
    values = np.convolve(shocks, kernel, mode="valid")[back - reach + 1 :]
    return np.interp(hour, np.arange(len(values)) * knot_h, values)


def _hidden_mean(month: Climate) -> FloatArray:
    """Mean of the hidden normal variable with which the cover has the month's mean."""
    # Sums over fronts that pass at random (Campbell): mean and variance of their clouds.
    mean = month.fronts_per_day / 24.0 * FRONT_CLOUD * FRONT_CLOUD_H * np.sqrt(np.pi)
    square = FRONT_CLOUD**2 * 1.25 * FRONT_CLOUD_H * np.sqrt(np.pi / 2)
    spread = np.sqrt(1 + CLOUD_SLOW**2 + CLOUD_FAST**2 + month.fronts_per_day / 24.0 * square)
    return np.asarray(ndtri(month.cloud_frac) * spread - mean)


def _front_cloud(fronts: list[_Front], hour: FloatArray) -> FloatArray:
    """What the fronts add to the clouds' hidden variable: a bank of clouds each."""
    cloud = np.zeros(len(hour))
    for front in fronts:
        cloud += front.strength * np.exp(-(((hour - front.hour) / FRONT_CLOUD_H) ** 2))
    return FRONT_CLOUD * cloud


def _front_cool(fronts: list[_Front], hour: FloatArray) -> FloatArray:
    """How much colder it is for the fronts that have passed, in K."""
    cool = np.zeros(len(hour))
    for front in fronts:
        after = hour - front.hour
        fading = np.exp(-np.maximum(after, 0.0) / FRONT_COOL_H)
        cool += front.drop_k * front.strength * np.where(after > 0, fading, 0.0)
    return cool


def _felt(temperature_c: FloatArray) -> FloatArray:
    """Temperature as a building's mass remembers it; the first two days fade in."""
    kernel = np.exp(-np.arange(FELT_BACK_DAYS * SLOTS_PER_DAY) * DT_H / BUILDING_MEMORY_H)
    kernel /= kernel.sum()
    padded = np.r_[np.full(len(kernel) - 1, temperature_c[0]), temperature_c]
    return np.convolve(padded, kernel, mode="valid")
