"""Forecasts as issued: kept with what they were made from, and their bands taught by what came.

A restart finds the calibrations and the issues that still wait for their readings in the store, so
that the forecast after it is the one that there would have been without it.
"""

import numpy as np
from sqlalchemy import Connection

from energy.forecast import (
    BANDS,
    Bands,
    Calibration,
    DistrictForecast,
    Issue,
    Tracker,
    WeatherForecast,
)
from energy.forecast.series import BUCKET_END
from energy.steps.measure import Measured
from energy.store.forecasts import (
    StoredIssue,
    last_issue,
    load_issues,
    load_weather_issue,
    save_issue,
    save_weather_issue,
)
from energy.units import SLOT_S, SLOTS_PER_DAY

EVERY_SLOTS = 1
"""The loop issues a forecast every slot."""

WEATHER_ARRAYS = ("slot", "temperature_c", "cloud_frac", "wind_m_per_s")


def keep_issue(
    connection: Connection,
    forecast: DistrictForecast,
    bands: Bands,
    measured: Measured,
    now_s: int,
) -> None:
    """Write a forecast that goes out now, with its weather; in the transaction that publishes."""
    weather = measured.weather
    if weather is not None:
        arrays = {name: getattr(weather, name) for name in WEATHER_ARRAYS}
        save_weather_issue(connection, weather.issue_slot, now_s, arrays)
    issue = StoredIssue(
        first_slot=forecast.first_slot,
        issue_slot=forecast.issue_slot,
        weather_issue=None if weather is None else weather.issue_slot,
        issued_utc=now_s,
        quantiles={name: getattr(forecast, attribute) for name, attribute in BANDS.items()},
        log_stretch={name: one.log_stretch for name, one in bands.calibrations.items()},
        tiers={name: [tier, forecast.reason[name]] for name, tier in forecast.tier.items()},
    )
    save_issue(connection, issue)


def load_bands(connection: Connection) -> Bands | None:
    """The bands as they stood after the newest forecast; None before there was any."""
    last = last_issue(connection)
    if last is None:
        return None
    horizon = int(BUCKET_END[-1]) * SLOT_S
    issues = load_issues(connection, last.issue_slot - horizon, last.first_slot + 1)
    days = EVERY_SLOTS / SLOTS_PER_DAY
    trackers = {}
    for name in BANDS:
        tracker = Tracker(Calibration(np.array(last.log_stretch[name])), days)
        for one in issues:
            tracker.resume(Issue(one.first_slot, one.quantiles[name]), last.issue_slot)
        trackers[name] = tracker
    return Bands(trackers)


def load_weather(connection: Connection, issue_slot: int | None) -> WeatherForecast | None:
    """The weather that a forecast was made from, None where it had none."""
    if issue_slot is None:
        return None
    arrays = load_weather_issue(connection, issue_slot)
    return None if arrays is None else WeatherForecast(issue_slot=issue_slot, **arrays)
