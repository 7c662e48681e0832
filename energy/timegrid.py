"""Slots and calendars: the quarter hours that everything is named by.

A slot is `[start, start + 15 min)` and is written as its start in whole seconds since 1970 UTC, a
multiple of 900. Local time exists only in calendars (tariffs, day types) and where people read it.
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import numpy.typing as npt

from energy.units import SLOT_S


def machine_s() -> float:
    """Seconds that the machine has counted, suspended ones included; no setting moves it."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class TimeGridError(ValueError):
    """An instant that is not what it should be: no slot start, no time zone, unreadable."""


class DayType(StrEnum):
    """Kind of a local day, as loads see it; tariffs know fewer holidays (`energy.tariffs`)."""

    WEEKDAY = "weekday"
    SATURDAY = "saturday"
    HOLIDAY = "holiday"


@dataclass(frozen=True)
class LocalCalendar:
    """Local wall time of a run of slots; all arrays have one entry per slot."""

    hour: npt.NDArray[np.float64]
    slot_of_day: npt.NDArray[np.int64]
    month: npt.NDArray[np.int64]
    day_of_year: npt.NDArray[np.int64]
    day_type: tuple[DayType, ...]
    local_date: tuple[date, ...]


def slot_of(instant: datetime) -> int:
    """Start of the slot that contains an aware instant."""
    if instant.tzinfo is None:
        raise TimeGridError(f"instant {instant.isoformat()}: no time zone, allowed: UTC offset")
    return int(instant.timestamp()) // SLOT_S * SLOT_S


def require_slot(slot: int) -> int:
    """The slot itself; raises where it is no multiple of 900 s."""
    if slot % SLOT_S:
        raise TimeGridError(f"slot {slot}: not on the quarter hour, allowed: multiples of {SLOT_S}")
    return slot


def utc_of(slot_s: float) -> datetime:
    """Aware UTC instant of seconds since 1970."""
    return datetime.fromtimestamp(slot_s, UTC)


@lru_cache(maxsize=4096)
def iso_of(slot_s: float) -> str:
    """ISO 8601 text of an instant in UTC, with `Z`."""
    return utc_of(slot_s).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_instant(text: str, time_zone: str = "UTC") -> int:
    """Seconds since 1970 of an ISO date or date-time; without an offset it is local to the zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise TimeGridError(
            f"time {text!r}: not readable, allowed: 2026-07-15 or 2026-07-15T06:15+09:00"
        ) from error
    aware = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(time_zone))
    return int(aware.timestamp())


def slots_from(first_slot: int, count: int) -> npt.NDArray[np.int64]:
    """`count` slot starts from `first_slot` on, shape (count,)."""
    return first_slot + SLOT_S * np.arange(count, dtype=np.int64)


@cache
def public_holidays(year: int, country: str = "KR") -> frozenset[date]:
    """Public holidays of a country in a year, substitute days included."""
    return frozenset(holidays.country_holidays(country, years=year))


@cache
def temporary_holidays(year: int, country: str = "KR") -> frozenset[date]:
    """Those public holidays that a country's calendar names as declared for one year alone."""
    named = holidays.country_holidays(country, years=year, language="en_US")
    return frozenset(
        day for day, names in named.items() if all("Temporary" in one for one in names.split("; "))
    )


@cache
def day_type(day: date, country: str = "KR", ordinary: frozenset[date] = frozenset()) -> DayType:
    """Kind of a local day: Sundays and public holidays are one kind.

    `ordinary` are public holidays that do not count as such.
    """
    is_free = day in public_holidays(day.year, country) and day not in ordinary
    if day.weekday() == 6 or is_free:
        return DayType.HOLIDAY
    return DayType.SATURDAY if day.weekday() == 5 else DayType.WEEKDAY


@cache
def zone_places() -> dict[str, tuple[str, str]]:
    """Country code and coordinates (ISO 6709 text) of every zone's city, from the zone data."""
    text = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {row[2]: (row[0], row[1]) for row in rows}


@cache
def country_of(time_zone: str) -> str:
    """Country whose holidays hold in a time zone; Korea where the zone belongs to none."""
    country = zone_places().get(time_zone, ("KR", ""))[0]
    return country if country in holidays.list_supported_countries() else "KR"


def local_calendar(slots: npt.NDArray[np.int64], time_zone: str) -> LocalCalendar:
    """Local hour, slot of the day, month, day of year and day type of each slot."""
    zone, country = ZoneInfo(time_zone), country_of(time_zone)
    walls = [utc_of(int(slot)).astimezone(zone) for slot in slots]
    quarter = np.array([wall.hour * 4 + wall.minute // 15 for wall in walls], dtype=np.int64)
    return LocalCalendar(
        hour=quarter / 4.0,
        slot_of_day=quarter,
        month=np.array([wall.month for wall in walls], dtype=np.int64),
        day_of_year=np.array([wall.timetuple().tm_yday for wall in walls], dtype=np.int64),
        day_type=tuple(day_type(wall.date(), country) for wall in walls),
        local_date=tuple(wall.date() for wall in walls),
    )


def local_day_start(slot: int, time_zone: str) -> int:
    """Start of the local day that contains a slot."""
    wall = utc_of(slot).astimezone(ZoneInfo(time_zone))
    return int(wall.replace(hour=0, minute=0, second=0).timestamp())


def local_day_end(slot: int, time_zone: str) -> int:
    """Start of the day after the local day that contains a slot: it may have 23 or 25 hours."""
    return local_day_start(local_day_start(slot, time_zone) + 26 * 3600, time_zone)


def local_month_start(slot: int, time_zone: str, months_on: int = 0) -> int:
    """Start of the local calendar month that contains a slot, or of one `months_on` later."""
    wall = utc_of(slot).astimezone(ZoneInfo(time_zone))
    month0 = wall.year * 12 + wall.month - 1 + months_on
    first = datetime(month0 // 12, month0 % 12 + 1, 1, tzinfo=ZoneInfo(time_zone))
    return int(first.timestamp())


def month_number(moment: int, time_zone: str) -> int:
    """The local calendar month of a moment as a number that grows by one a month."""
    wall = utc_of(moment).astimezone(ZoneInfo(time_zone))
    return wall.year * 12 + wall.month - 1


def local_label(slot: int, time_zone: str) -> str:
    """`2026-07-15 14:15` in the district's zone."""
    return utc_of(slot).astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M")


def local_midnight(day: date, time_zone: str) -> int:
    """Seconds since 1970 of a local day's first instant."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(time_zone)).timestamp())


def days_before(day: date, count: int) -> date:
    """The day `count` days earlier."""
    return day - timedelta(days=count)
