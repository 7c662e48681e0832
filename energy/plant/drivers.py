"""What drives demand: hours of use by kind of day and season, temperature answered, lamps at night.

A driver is a series of no unit; scaled to mean one over a calendar year with the district's own
weather, it says how a yearly energy spreads over the slots.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.district import District
from energy.plant.draws import FloatArray, IntArray
from energy.plant.tables import numbers, read_rows
from energy.plant.weather import DAY_S, Weather, WeatherSource
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


class DriverSet:
    """The drivers of a district, scaled to a yearly mean of one; D of them, in their order."""

    def __init__(self, district: District, weather: WeatherSource, drivers: list[Driver]) -> None:
        self._district = district
        self._weather = weather
        self._drivers = drivers
        self._shapes = {driver.profile: _shape(driver.profile) for driver in drivers}
        self._scale = np.ones(len(drivers))
        self._scale = self._yearly_scale()
        self._day = lru_cache(maxsize=64)(self._rows_of_day)

    def at(self, slot: int) -> FloatArray:
        """The drivers in one slot, (D,)."""
        day, inside = divmod(slot, DAY_S)
        row: FloatArray = self._day(day)[inside // SLOT_S]
        return row

    def _rows_of_day(self, day: int) -> FloatArray:
        """The drivers through one UTC day, (96, D)."""
        slots = slots_from(day * DAY_S, SLOTS_PER_DAY)
        return self._rows(slots, self._weather.run(day * DAY_S, SLOTS_PER_DAY))

    def _yearly_scale(self) -> FloatArray:
        """One over each driver's mean in a year, seen in every third slot."""
        first = int(np.datetime64(f"{YEAR_OF_SCALE}-01-01", "D").astype(np.int64))
        run = self._weather.days(first, 365)
        slots = slots_from(first * DAY_S, 365 * SLOTS_PER_DAY)
        every = slice(1, None, SEEN_EVERY)
        seen = Weather(*(getattr(run, name)[every] for name in Weather.__dataclass_fields__))
        mean = self._rows(slots[every], seen).mean(axis=0)
        # A driver that never stirs (no heating in the tropics) drives nothing.
        return np.asarray(np.divide(1.0, mean, out=np.zeros(len(mean)), where=mean > 0))

    def _rows(self, slots: IntArray, weather: Weather) -> FloatArray:
        calendar = local_calendar(slots, self._district.time_zone)
        columns = [self._column(driver, slots, calendar, weather) for driver in self._drivers]
        return np.asarray(np.stack(columns, axis=1) * self._scale)

    def _column(
        self, driver: Driver, slots: IntArray, calendar: LocalCalendar, weather: Weather
    ) -> FloatArray:
        if driver.profile == "lamps":
            return self._lamps(slots)
        used = _used(self._shapes[driver.profile], calendar)
        if driver.side == 0:
            return used
        return used * np.maximum(driver.side * (weather.felt_c - driver.base_c), 0.0)

    def _lamps(self, slots: IntArray) -> FloatArray:
        """Share of the street lamps that burn."""
        place = self._district
        sun_deg = sun_elevation_deg(slots, place.latitude_deg, place.longitude_deg)
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


def _shape(profile: str) -> FloatArray:
    """A profile as (season, day type, 96): summer and otherwise; schools also in vacations (3)."""
    if profile == "lamps":
        return np.zeros((2, len(DAY_TYPES), SLOTS_PER_DAY))
    seasons = [_hours(profile, "summer"), _hours(profile, "other")]
    if profile == "school":
        seasons.append(_hours("school-vacation", "other"))
    return np.stack(seasons)


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


def _used(shape: FloatArray, calendar: LocalCalendar) -> FloatArray:
    """The profile in each slot, seasons blended."""
    kind = np.array([DAY_TYPES.index(found) for found in calendar.day_type], dtype=np.int64)
    summer = np.interp(calendar.day_of_year, SUMMER_DAYS, (0.0, 1.0, 1.0, 0.0))
    rows = shape[:, kind, calendar.slot_of_day]
    used = summer * rows[0] + (1 - summer) * rows[1]
    if len(rows) < 3:
        return np.asarray(used)
    day = np.array([date.month * 100 + date.day for date in calendar.local_date])
    away = np.any([(day >= first) & (day <= last) for first, last in VACATIONS], axis=0)
    return np.asarray(np.where(away, rows[2], used))
