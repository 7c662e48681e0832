"""Weather of a back-test from forecasts as issued: at each issue what was known by then."""

from pathlib import Path

import numpy as np
import pandas as pd

from energy.forecast import WeatherForecast
from energy.forecast.inputs import FloatArray, IntArray
from energy.steps.weather_feed import WeatherFeed, read_weather_feed
from energy.units import SLOT_S

COLUMNS = ("temperature_c", "cloud_frac", "wind_m_per_s")


class IssuedWeather:
    """The weather of a feed as columns over the slots (T,) of a record.

    The past of a column is what the newest issue before each slot said of it; the horizon is the
    newest issue's at the time of the forecast.
    """

    def __init__(self, feed: WeatherFeed, slot: IntArray) -> None:
        self._feed, self._slot = feed, slot
        self._past = {name: np.full(len(slot), np.nan) for name in COLUMNS}
        bounds = np.searchsorted(slot, feed.available)
        ends = np.append(bounds[1:], len(slot))
        for issue, first, end in zip(feed.issues, bounds.tolist(), ends.tolist(), strict=True):
            for name, column in self._past.items():
                column[first:end] = _at(issue, name, slot[first:end])

    def columns(self, issue_slot: int) -> dict[str, FloatArray]:
        """The columns (T,) as they were known at `issue_slot`; NaN beyond what it says."""
        at = int(np.searchsorted(self._slot, issue_slot))
        newest = self._feed.newest(issue_slot)
        found = {}
        for name, past in self._past.items():
            ahead = np.full(len(past) - at, np.nan)
            if newest is not None:
                ahead = _at(newest, name, self._slot[at:])
            found[name] = np.concatenate([past[:at], ahead])
        return found


def _at(issue: WeatherForecast, name: str, slots: IntArray) -> FloatArray:
    """A column of an issue at slots, NaN outside it."""
    values = getattr(issue, name)
    row = (slots - int(issue.slot[0])) // SLOT_S
    inside = (row >= 0) & (row < len(values))
    found = np.full(len(slots), np.nan)
    found[inside] = values[row[inside]]
    return found


def issued_weather(path: Path, slot: IntArray) -> IssuedWeather | None:
    """The weather of a file of issues; None where the file holds no issue times."""
    if path.suffix == ".csv" and "issued" not in pd.read_csv(path, nrows=0).columns:
        return None
    if path.suffix not in (".csv", ".parquet", ".json"):
        return None
    return IssuedWeather(read_weather_feed(path), slot)
