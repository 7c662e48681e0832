"""Forecasts as issued: kept with what they were made from, and their bands taught by what came.

A restart finds the calibrations and the issues that still wait for their readings in the store, so
that the forecast after it is the one that there would have been without it.
"""

from collections.abc import Mapping

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.forecast import (
    BANDS,
    Bands,
    Calibration,
    DistrictForecast,
    Issue,
    Tracker,
    WeatherForecast,
)
from energy.forecast.calibration import uncalibrated
from energy.forecast.inputs import FloatArray
from energy.forecast.series import BUCKET_END
from energy.steps.auctions import PRICE, RECORD_SLOTS, Auctions, no_auctions
from energy.steps.books import Books
from energy.steps.measure import Measured
from energy.store.forecasts import (
    StoredIssue,
    last_issue,
    load_issues,
    load_weather_issue,
    save_issue,
    save_weather_issue,
)
from energy.store.orders import prices_between
from energy.units import SLOT_S, SLOTS_PER_DAY

EVERY_SLOTS = 1
"""The loop issues a forecast every slot."""

WEATHER_ARRAYS = ("slot", "temperature_c", "cloud_frac", "wind_m_per_s")


def keep_issue(
    connection: Connection,
    forecast: DistrictForecast,
    calibrations: Mapping[str, Calibration],
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
        quantiles=_issued_quantiles(forecast),
        log_stretch={name: one.log_stretch for name, one in calibrations.items()},
        tiers={name: [tier, forecast.reason[name]] for name, tier in forecast.tier.items()},
    )
    save_issue(connection, issue)


def _issued_quantiles(forecast: DistrictForecast) -> dict[str, FloatArray]:
    """What is kept of a forecast, by quantity."""
    found = {name: getattr(forecast, attribute) for name, attribute in BANDS.items()}
    if forecast.price_krw_per_kwh is not None:
        found[PRICE] = forecast.price_krw_per_kwh
    return found


def load_bands(connection: Connection) -> Bands | None:
    """The bands as they stood after the newest forecast; None before there was any."""
    last = last_issue(connection)
    if last is None:
        return None
    issues = _unripe_issues(connection, last)
    return Bands({name: _resumed(name, last, issues, last.issue_slot) for name in BANDS})


def load_auctions(
    connection: Connection, district: District, books: Books, next_slot: int
) -> Auctions:
    """The auctions before `next_slot`, and what the forecasts of their prices have taught."""
    last = last_issue(connection)
    tracker = Tracker(uncalibrated(), EVERY_SLOTS / SLOTS_PER_DAY)
    if last is not None and PRICE in last.quantiles:
        # Auctions are known up to the slot of the issue, readings only up to the one before.
        tracker = _resumed(PRICE, last, _unripe_issues(connection, last), last.first_slot)
    found = no_auctions(district, books, tracker)
    found.extend(prices_between(connection, next_slot - RECORD_SLOTS * SLOT_S, next_slot))
    return found


def _unripe_issues(connection: Connection, last: StoredIssue) -> list[StoredIssue]:
    """The issues that the newest may not have learnt from wholly."""
    horizon = int(BUCKET_END[-1]) * SLOT_S
    return load_issues(connection, last.issue_slot - horizon, last.first_slot + 1)


def _resumed(name: str, last: StoredIssue, issues: list[StoredIssue], learnt_slot: int) -> Tracker:
    """A quantity's tracker as it stood after `last`, which had learnt until `learnt_slot`."""
    tracker = Tracker(Calibration(np.array(last.log_stretch[name])), EVERY_SLOTS / SLOTS_PER_DAY)
    for one in issues:
        if name in one.quantiles:
            tracker.resume(Issue(one.first_slot, one.quantiles[name]), learnt_slot)
    return tracker


def load_weather(connection: Connection, issue_slot: int | None) -> WeatherForecast | None:
    """The weather that a forecast was made from, None where it had none."""
    if issue_slot is None:
        return None
    arrays = load_weather_issue(connection, issue_slot)
    return None if arrays is None else WeatherForecast(issue_slot=issue_slot, **arrays)
