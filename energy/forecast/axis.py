"""The slots of a record and of the horizon on one axis, with their place in the local calendar."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from energy.forecast.inputs import FloatArray, IntArray
from energy.timegrid import DayType, local_calendar
from energy.units import SLOT_S, SLOTS_PER_DAY

DAY_TYPES = tuple(DayType)


@dataclass(frozen=True, eq=False)
class Axis:
    """Contiguous slots (N,), with local day number, day type 0..2 and quarter of the day 0..95.

    `at` (days, 96) is the position of each local day's quarter on the axis, -1 where it has none:
    outside, or skipped when clocks go forward; the first one where they go back.
    """

    slot: IntArray
    day: IntArray
    kind: IntArray
    quarter: IntArray
    at: IntArray

    def before(self, days: int) -> IntArray:
        """Position (N,) of the same quarter of the local day `days` earlier, -1 where none."""
        row = self.day - self.day[0] - days
        found = self.at[np.maximum(row, 0), self.quarter]
        return np.where(row >= 0, found, -1)


def build_axis(slots: IntArray, time_zone: str) -> Axis:
    """The axis of contiguous slots, at least one."""
    utc_day, inside = np.divmod(slots, SLOT_S * SLOTS_PER_DAY)
    days, row = np.unique(utc_day, return_inverse=True)
    table = np.stack([_calendar_of_day(int(day), time_zone) for day in days])
    day, kind, quarter = table[row, :, inside // SLOT_S].T
    at = np.full((day[-1] - day[0] + 1, SLOTS_PER_DAY), -1, dtype=np.int64)
    # Backwards, so that the first of two equal quarters stays.
    at[day[::-1] - day[0], quarter[::-1]] = np.arange(len(slots))[::-1]
    return Axis(slots, day, kind, quarter, at)


def taken(values: FloatArray, position: IntArray) -> FloatArray:
    """Rows of values (T, A) at the positions, NaN where a position is outside 0..T-1."""
    inside = (position >= 0) & (position < len(values))
    found = values[np.where(inside, position, 0)] if len(values) else np.zeros((len(position), 0))
    found = np.array(found, dtype=np.float64)
    found[~inside] = np.nan
    return found


@lru_cache(maxsize=2048)
def _calendar_of_day(day: int, time_zone: str) -> IntArray:
    """Day number, day type and quarter of the slots of one UTC day since 1970, (3, 96)."""
    slots = SLOT_S * (day * SLOTS_PER_DAY + np.arange(SLOTS_PER_DAY, dtype=np.int64))
    calendar = local_calendar(slots, time_zone)
    number = np.array([date.toordinal() for date in calendar.local_date], dtype=np.int64)
    kind = np.array([DAY_TYPES.index(found) for found in calendar.day_type], dtype=np.int64)
    return np.stack([number, kind, calendar.slot_of_day])
