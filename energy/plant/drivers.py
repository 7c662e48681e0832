"""What drives demand: hours of use by kind of day and season, temperature answered, lamps at night.

A driver is a series of no unit; scaled to mean one over a calendar year with the district's own
weather, it says how a yearly energy spreads over the slots.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.plant.draws import BoolArray, FloatArray, IntArray
from energy.plant.tables import numbers, read_rows
from energy.plant.weather import DAY_S, Site, Weather, WeatherSource
from energy.timegrid import DayType, LocalCalendar, local_calendar, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

DAY_TYPES = tuple(DayType)
SUMMER_DAYS = (140.0, 171.0, 237.0, 268.0)
"""Days of the year between which the summer's habits come, stay and go."""
VACATIONS = ((720, 816), (1228, 1231), (101, 228))
"""School vacations, month and day as one number, first and last; assumed for Korea."""
LAMP_DEG = (-4.0, 0.0)
"""Elevation of the sun between which street lamps come on one after the other."""
YEAR_OF_SCALE = 2026
SEEN_EVERY = 3


@dataclass(frozen=True)
class Driver:
    """One driver: a profile of load_shapes.csv, times the degrees of one side of `base_c`.

    side +1 above it (cooling), -1 below (heating), 0 none; profile "lamps" follows the sun.
    """

    profile: str
    side: int = 0
    base_c: float = 0.0


@dataclass(frozen=True, eq=False)
class _Days:
    """What the habits of T slots depend on, all (T,): kind of day, summer 0..1, quarter, holidays
    of the schools.
    """

    kind: IntArray
    summer: FloatArray
    slot_of_day: IntArray
    is_vacation: BoolArray


class DriverSet:
    """The drivers of a place, scaled to a yearly mean of one; D of them, in their order."""

    def __init__(self, weather: WeatherSource, drivers: list[Driver]) -> None:
        self._weather = weather
        self._drivers = tuple(drivers)
        self._scale = _yearly_scale(weather.site, weather.seed, self._drivers)
        self._day = lru_cache(maxsize=64)(self._rows_of_day)

    def at(self, slot: int) -> FloatArray:
        """The drivers in one slot, (D,)."""
        day, inside = divmod(slot, DAY_S)
        row: FloatArray = self._day(day)[inside // SLOT_S]
        return row

    def _rows_of_day(self, day: int) -> FloatArray:
        """The drivers through one UTC day, (96, D)."""
        slots = slots_from(day * DAY_S, SLOTS_PER_DAY)
        run = self._weather.run(day * DAY_S, SLOTS_PER_DAY)
        return _unscaled(self._weather.site, self._drivers, slots, run) * self._scale


@lru_cache(maxsize=16)
def _yearly_scale(site: Site, seed: int, drivers: tuple[Driver, ...]) -> FloatArray:
    """One over each driver's mean in a year, seen in every third slot; (D,), read-only.

    It is kept because scenarios, restarts and fleets ask for the same year again and again.
    """
    first = int(np.datetime64(f"{YEAR_OF_SCALE}-01-01", "D").astype(np.int64))
    run = WeatherSource(site, seed).days(first, 365)
    slots = slots_from(first * DAY_S, 365 * SLOTS_PER_DAY)
    every = slice(1, None, SEEN_EVERY)
    seen = Weather(*(getattr(run, name)[every] for name in Weather.__dataclass_fields__))
    mean = _unscaled(site, drivers, slots[every], seen).mean(axis=0)
    # A driver that never stirs (no heating in the tropics) drives nothing.
    scale = np.asarray(np.divide(1.0, mean, out=np.zeros(len(mean)), where=mean > 0))
    scale.flags.writeable = False
    return scale


def _unscaled(
    site: Site, drivers: tuple[Driver, ...], slots: IntArray, weather: Weather
) -> FloatArray:
    """The drivers in some slots as their profiles have them, (T, D)."""
    days = _days_of(local_calendar(slots, site.time_zone))
    return np.stack([_column(site, driver, slots, days, weather) for driver in drivers], axis=1)


def _column(
    site: Site, driver: Driver, slots: IntArray, days: _Days, weather: Weather
) -> FloatArray:
    if driver.profile == "lamps":
        return _lamps(site, slots)
    used = _used(_shape(driver.profile), days)
    if driver.side == 0:
        return used
    return used * np.maximum(driver.side * (weather.felt_c - driver.base_c), 0.0)


def _lamps(site: Site, slots: IntArray) -> FloatArray:
    """Share of the street lamps that burn."""
    sun_deg = sun_elevation_deg(slots, site.latitude_deg, site.longitude_deg)
    dark, bright = LAMP_DEG
    return np.clip((bright - sun_deg) / (bright - dark), 0.0, 1.0)


def sun_elevation_deg(slots: IntArray, latitude_deg: float, longitude_deg: float) -> FloatArray:
    """Elevation of the sun at mid-slot, (T,), to some tenths of a degree; enough for lamps.

    Source: Spencer (1971), Fourier series of declination and of the equation of time.
    """
    middle_h = (slots + SLOT_S / 2) / 3600.0
    turn = 2 * np.pi * (middle_h / 24.0 % 365.2425) / 365.2425
    one, two = (np.cos(turn), np.sin(turn)), (np.cos(2 * turn), np.sin(2 * turn))
    tilt = 0.006918 - 0.399912 * one[0] + 0.070257 * one[1] - 0.006758 * two[0] + 0.000907 * two[1]
    late = 0.000075 + 0.001868 * one[0] - 0.032077 * one[1] - 0.014615 * two[0] - 0.040849 * two[1]
    hour = 2 * np.pi * (middle_h % 24.0 - 12.0) / 24.0 + np.radians(longitude_deg) + late
    latitude = np.radians(latitude_deg)
    height = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(hour)
    return np.asarray(np.degrees(np.arcsin(height)))


@lru_cache(maxsize=64)
def _shape(profile: str) -> FloatArray:
    """A profile as (season, day type, 96): summer and otherwise; schools also in vacations (3)."""
    seasons = [_hours(profile, "summer"), _hours(profile, "other")]
    if profile == "school":
        seasons.append(_hours("school-vacation", "other"))
    shape = np.stack(seasons)
    shape.flags.writeable = False
    return shape


def _hours(profile: str, season: str) -> FloatArray:
    """One season of a profile by day type and quarter hour, joined at the middles of the hours."""
    rows = {
        (row["season"], row["day_type"]): numbers(row, [f"h{hour:02d}" for hour in range(24)])
        for row in read_rows("profiles", "load_shapes.csv")
        if row["profile"] == profile
    }
    quarter = (np.arange(SLOTS_PER_DAY) + 0.5) / SLOTS_PER_HOUR
    found = [rows.get((season, kind.value)) or rows[("year", kind.value)] for kind in DAY_TYPES]
    hours = np.arange(24) + 0.5
    return np.stack([np.interp(quarter, hours, row, period=24.0) for row in found])


def _days_of(calendar: LocalCalendar) -> _Days:
    """What the habits of some slots depend on."""
    day = np.array([date.month * 100 + date.day for date in calendar.local_date])
    return _Days(
        kind=np.array([DAY_TYPES.index(found) for found in calendar.day_type], dtype=np.int64),
        summer=np.interp(calendar.day_of_year, SUMMER_DAYS, (0.0, 1.0, 1.0, 0.0)),
        slot_of_day=calendar.slot_of_day,
        is_vacation=np.any([(day >= first) & (day <= last) for first, last in VACATIONS], axis=0),
    )


def _used(shape: FloatArray, days: _Days) -> FloatArray:
    """The profile in each slot, seasons blended."""
    rows = shape[:, days.kind, days.slot_of_day]
    used = days.summer * rows[0] + (1 - days.summer) * rows[1]
    if len(rows) < 3:
        return np.asarray(used)
    return np.asarray(np.where(days.is_vacation, rows[2], used))
