"""Charging sessions: the site's power as a series, and what is left of the cars plugged in."""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from energy.backtest.read_series import SeriesError, read_stamps, read_table
from energy.backtest.replay import Progress, Replay, ReplayPlan, replay_node
from energy.forecast.inputs import MEDIAN, FloatArray, IntArray, Site
from energy.forecast.node import NodeRecord, NodeSpec
from energy.forecast.stays import Stays, energy_so_far, fit_stays, forecast_stays
from energy.timegrid import utc_of
from energy.units import SLOT_S, SLOTS_PER_DAY

ASSUMED_KW = 6.6
SILENT_DAYS = 7
DAY_S = SLOT_S * SLOTS_PER_DAY
EVERY_H = 2
REFIT_DAYS = 7
COLUMNS = {
    "arrival": ("arrival", "connectiontime", "start"),
    "departure": ("departure", "disconnecttime", "end"),
    "energy": ("delivered_energy", "kwhdelivered", "energy"),
    "stated_departure": ("estimated_departure", "requesteddeparture"),
    "stated_energy": ("requested_energy", "kwhrequested"),
}


@dataclass(frozen=True)
class SessionReport:
    """Mean absolute errors of the cars plugged in and still charging whose drivers stated both.

    cars: number of (issue, car) pairs; cover_80 of hours and energy left.
    """

    cars: int
    hours_mae: float
    hours_mae_stated: float
    hours_median_error: float
    hours_median_error_stated: float
    hours_cover_80: float
    energy_mae_kwh: float
    energy_mae_stated_kwh: float
    energy_cover_80: float


def read_sessions(path: Path, time_zone: str) -> tuple[dict[str, Stays], tuple[str, ...]]:
    """Stays by site (one site where the file names none), in order of arrival, and what was found.

    What a driver did not claim is no statement: where the file marks such sessions, their stated
    values (which some files fill with the outcome) are dropped.
    """
    table = read_table(path)
    names = {key: _column(table, words, path.name) for key, words in COLUMNS.items()}
    stamps = {
        key: _seconds(read_stamps(table[names[key]], time_zone)[0])
        for key in ("arrival", "departure", "stated_departure")
    }
    energy, stated_kwh = (
        pd.to_numeric(table[names[key]], errors="coerce").to_numpy(float)
        for key in ("energy", "stated_energy")
    )
    stated = stamps["stated_departure"]
    findings = [f"{key.replace('_', ' ')} from {name!r}" for key, name in names.items()]
    if "claimed" in table.columns:
        claimed = table["claimed"].str.lower().eq("true").to_numpy()
        stated, stated_kwh = (
            np.where(claimed, stated, np.nan),
            np.where(claimed, stated_kwh, np.nan),
        )
        findings.append(f"{int((~claimed).sum())} sessions without a statement")
    good = np.isfinite(stamps["arrival"]) & np.isfinite(energy) & (energy > 0)
    good &= stamps["departure"] > stamps["arrival"]
    if not good.all():
        findings.append(f"{int((~good).sum())} sessions without times or energy were set aside")
    site = table["site"].to_numpy(str) if "site" in table.columns else np.full(len(table), "site")
    found = {}
    for name in np.unique(site[good]):
        rows = np.flatnonzero(good & (site == name))
        rows = rows[np.argsort(stamps["arrival"][rows], kind="stable")]
        arrival, departure = (
            stamps[key][rows].astype(np.int64) for key in ("arrival", "departure")
        )
        found[str(name)] = Stays(arrival, departure, energy[rows], stated[rows], stated_kwh[rows])
    return found, tuple(findings)


def replay_sessions(
    name: str, stays: Stays, site: Site, p_kw: float, plan: ReplayPlan, progress: Progress
) -> tuple[Replay, SessionReport]:
    """The site's power as a rebuilt series of constant `p_kw`, and the cars plugged in."""
    record = power_of(stays, p_kw)
    replay = replay_node(name, NodeSpec("load", site), record, plan, progress)
    return replay, _cars(stays, replay.issue, site.time_zone, p_kw)


def power_of(stays: Stays, p_kw: float) -> NodeRecord:
    """Mean power per slot if every car charges at once at `p_kw` until it has its energy.

    Slots more than a week from any arrival are not known, so that closed months stay gaps.
    """
    first = int(stays.arrival_s.min()) // SLOT_S * SLOT_S
    count = int(stays.departure_s.max() - first) // SLOT_S + 1
    slot = first + SLOT_S * np.arange(count, dtype=np.int64)
    hours = np.minimum(stays.e_kwh / p_kw, (stays.departure_s - stays.arrival_s) / 3600)
    begin, end = stays.arrival_s, stays.arrival_s + hours * 3600
    # Energy up to each slot's start: the cars' ramps summed by their first two differences.
    edges = np.append(slot, slot[-1] + SLOT_S).astype(np.float64)
    started = np.searchsorted(np.sort(begin), edges)
    ended = np.searchsorted(np.sort(end), edges)
    sum_begin = np.concatenate([[0.0], np.cumsum(np.sort(begin - first))])
    sum_end = np.concatenate([[0.0], np.cumsum(np.sort(end - first))])
    at = edges - first
    seconds = (started * at - sum_begin[started]) - (ended * at - sum_end[ended])
    power = p_kw * np.diff(seconds) / SLOT_S
    arrivals = np.sort(stays.arrival_s)
    after = np.searchsorted(arrivals, slot)
    since = slot - arrivals[np.maximum(after - 1, 0)]
    until = arrivals[np.minimum(after, len(arrivals) - 1)] - slot
    silent = (since > SILENT_DAYS * DAY_S) | ((until > SILENT_DAYS * DAY_S) & (since > DAY_S))
    return NodeRecord(slot, np.where(silent, np.nan, np.maximum(power, 0.0)), {})


def _cars(stays: Stays, issue: IntArray, time_zone: str, p_kw: float) -> SessionReport:
    """Every two hours between the first and the last issue, the model of the last week's fit."""
    rows, model, fitted = [], None, 0
    for now in range(int(issue[0]), int(issue[-1]), EVERY_H * 3600):
        here = (stays.arrival_s < now) & (stays.departure_s > now)
        cars = stays.take(
            here & np.isfinite(stays.stated_departure_s) & np.isfinite(stays.stated_kwh)
        )
        cars = cars.take(energy_so_far(cars, np.full(len(cars), now), p_kw) < cars.e_kwh)
        if not len(cars):
            continue
        if model is None or now - fitted >= REFIT_DAYS * DAY_S:
            offset = utc_of(now).astimezone(ZoneInfo(time_zone)).utcoffset()
            model = fit_stays(stays, now, p_kw, int(offset.total_seconds()) if offset else 0)
            fitted = now
        if model is None:
            continue
        rows.append(_errors(*forecast_stays(model, cars, now), cars, now, p_kw))
    if not rows:
        raise SeriesError(
            "sessions: no car plugged in at any issue, allowed: 50 ended stays before"
        )
    return _report(np.concatenate(rows, axis=1))


def _errors(
    hours: FloatArray, energy: FloatArray, cars: Stays, now: int, p_kw: float
) -> FloatArray:
    """Errors of hours and energy, ours and stated, and whether the 80 % band held, (6, n)."""
    left_h = (cars.departure_s - now) / 3600
    taken = energy_so_far(cars, np.full(len(cars), now), p_kw)
    left_kwh = cars.e_kwh - taken
    stated_h = np.maximum((cars.stated_departure_s - now) / 3600, 0.0)
    stated_kwh = np.maximum(cars.stated_kwh - taken, 0.0)
    return np.stack(
        [
            hours[MEDIAN] - left_h,
            stated_h - left_h,
            (left_h >= hours[1]) & (left_h <= hours[5]),
            energy[MEDIAN] - left_kwh,
            stated_kwh - left_kwh,
            (left_kwh >= energy[1]) & (left_kwh <= energy[5]),
        ]
    ).astype(np.float64)


def _report(rows: FloatArray) -> SessionReport:
    size = np.abs(rows)
    return SessionReport(
        cars=rows.shape[1],
        hours_mae=float(size[0].mean()),
        hours_mae_stated=float(size[1].mean()),
        hours_median_error=float(np.median(size[0])),
        hours_median_error_stated=float(np.median(size[1])),
        hours_cover_80=float(rows[2].mean()),
        energy_mae_kwh=float(size[3].mean()),
        energy_mae_stated_kwh=float(size[4].mean()),
        energy_cover_80=float(rows[5].mean()),
    )


def _column(table: pd.DataFrame, words: tuple[str, ...], name: str) -> str:
    for word in words:
        for column in table.columns:
            if str(column).lower().replace(" ", "").startswith(word):
                return str(column)
    raise SeriesError(f"{name}: no column like {words[0]!r}, allowed: {', '.join(table.columns)}")


def _seconds(stamps: pd.DatetimeIndex) -> FloatArray:
    seconds = stamps.as_unit("s").asi8.astype(np.float64)
    seconds[stamps.isna()] = np.nan
    return np.asarray(seconds)
