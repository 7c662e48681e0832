"""Any CSV of readings becomes contiguous quarter hours in kW; every finding is named.

Columns are found by their names, and the names that were chosen are said. A stamp without an
offset is wall time of the zone. Values stand for the interval that begins with their stamp.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from energy.forecast.inputs import FloatArray, IntArray
from energy.units import SLOT_S

TIME_WORDS = ("time", "index", "date", "timestamp", "datetime", "start")
VALUE_WORDS = {
    "load": ("load", "consumption", "demand", "gc", "power_load", "total"),
    "pv": ("pv", "solar", "photovolt", "gg", "generation"),
    "price": ("price", "smp", "apx", "lmp", "spot"),
}
UNIT_KW = {"kw": 1.0, "mw": 1000.0, "w": 0.001}
KWH_UNITS = {"kwh": 1.0, "mwh": 1000.0, "wh": 0.001}
WEATHER_WORDS = {
    "temperature_c": ("temperature_c", "temperature", "temp", "tmp"),
    "radiation_w_per_m2": ("radiation_w_per_m2", "radiation", "ghi", "irradiance"),
    "cloud_frac": ("cloud_frac", "clouds", "cloud", "sky"),
    "wind_m_per_s": ("wind_m_per_s", "windspeed_100m", "windspeed", "wind_speed", "wsd"),
    "humidity_frac": ("humidity_frac", "humidity", "reh"),
}
STEPS_S = (900, 1800, 3600)
NEAR_S = 60
"""How far from its quarter hour a logger may stamp a reading."""


class SeriesError(Exception):
    """A file that cannot be read as a series: says what, which, found, allowed."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A series on contiguous slots: p_kw (T,) with NaN gaps, step in slots, and what was found.

    `findings` are sentences: the columns, unit and clock that were taken, and every fault. A price
    stands in the file's own `unit`.
    """

    slot: IntArray
    p_kw: FloatArray
    step_slots: int
    findings: tuple[str, ...]
    unit: str = "kW"

    @property
    def phase_slots(self) -> int:
        """By how many quarter hours readings begin after a whole step of UTC."""
        return int(self.slot[0] // SLOT_S % self.step_slots)


def read_series(
    path: Path, kind: str, time_zone: str, column: str | None = None, unit: str | None = None
) -> Reading:
    """The readings of a CSV file (gzip allowed); raises SeriesError in one sentence."""
    table = read_table(path)
    time = _time_column(table)
    name = column or _value_column(table, time, kind)
    if name not in table.columns:
        raise SeriesError(f"{path.name}: no column {name!r}, allowed: {', '.join(table.columns)}")
    values = pd.to_numeric(table[name], errors="coerce")
    stamps, findings = read_stamps(table[time], time_zone)
    if kind == "price":
        factor, is_energy, said = 1.0, False, unit or "in the file's unit"
    else:
        factor, is_energy, said = _unit(name, unit)
    stamps, moved = _to_quarters(stamps)
    series, more = _ordered(pd.Series(values.to_numpy(dtype=float), index=stamps))
    step_s = _step_s(pd.DatetimeIndex(series.index), path.name)
    if is_energy:
        factor *= 3600 / step_s
    slot, p_kw, gaps = _on_quarters(series * factor, step_s, path.name)
    what = "price" if kind == "price" else "power"
    named = f"time from column {time!r}, {what} from {name!r} ({said}), step {step_s // 60} min"
    shown = (unit or "of its unit") if kind == "price" else "kW"
    return Reading(slot, p_kw, step_s // SLOT_S, (named, *findings, *moved, *more, *gaps), shown)


def read_weather(
    path: Path, time_zone: str, slot: IntArray
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Weather columns by name on the slots (T,), hours drawn linearly; and what was found.

    Radiation in J/m2 per hour becomes W/m2, percent become fractions. No column of the file tells
    when its values were known, so a back-test with it is an upper bound; it is said.
    """
    table = read_table(path)
    time = _time_column(table)
    stamps, findings = read_stamps(table[time], time_zone)
    found, said = {}, [*findings]
    for name, words in WEATHER_WORDS.items():
        column = _first_match(table.columns, words)
        if column is None or column == time:
            continue
        series, _ = _ordered(
            pd.Series(pd.to_numeric(table[column], errors="coerce").to_numpy(float), index=stamps)
        )
        known = series.dropna()
        if len(known) < 2:
            continue
        values, how = _weather_unit(name, known.to_numpy())
        found[name] = _at_slots(_seconds(pd.DatetimeIndex(known.index)), values, slot)
        said.append(f"{name} from {column!r}{how}")
    if not found:
        raise SeriesError(f"{path.name}: no weather column, allowed: {', '.join(WEATHER_WORDS)}")
    said.append("the weather's issue times are not recorded: skill with it is an upper bound")
    return found, tuple(said)


def read_table(path: Path) -> pd.DataFrame:
    """The file as text columns; raises SeriesError where it is none."""
    try:
        table = pd.read_csv(path, dtype=str, skipinitialspace=True)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SeriesError(f"{path}: not readable as CSV: {error}") from error
    if not len(table):
        raise SeriesError(f"{path.name}: no rows, allowed: a header line and readings")
    return table.rename(columns=lambda name: str(name).strip())


def read_stamps(texts: pd.Series, time_zone: str) -> tuple[pd.DatetimeIndex, list[str]]:
    """UTC instants of the stamps, NaT where unreadable or skipped by the clock; and what was found.

    Where clocks go back a wall time stands twice; the first in the file is the first passed.
    """
    findings = []
    sample = texts.dropna().iloc[0] if texts.notna().any() else ""
    has_offset = bool(re.search(r"(Z|[+-]\d\d:?\d\d)$", sample.strip()))
    if has_offset:
        stamps = pd.DatetimeIndex(
            pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")
        )
        findings.append("stamps carry their offset")
    else:
        walls = pd.DatetimeIndex(pd.to_datetime(texts, errors="coerce", format="ISO8601"))
        second = pd.Series(walls).duplicated(keep="first").to_numpy()
        stamps = walls.tz_localize(time_zone, ambiguous=~second, nonexistent="NaT")
        skipped = int((np.asarray(stamps.isna()) & ~np.asarray(walls.isna())).sum())
        stamps = stamps.tz_convert("UTC")
        findings.append(f"stamps are wall time of {time_zone}")
        if skipped:
            findings.append(f"{skipped} stamps that the clock skips in spring were set aside")
    unreadable = int(texts.notna().sum() - np.asarray(stamps.notna()).sum())
    if unreadable == len(texts):
        raise SeriesError(f"time {sample!r}: not readable, allowed: 2026-07-15T06:15+09:00")
    return stamps, findings


def _time_column(table: pd.DataFrame) -> str:
    found = _first_match(table.columns, TIME_WORDS)
    return found if found is not None else str(table.columns[0])


def _value_column(table: pd.DataFrame, time: str, kind: str) -> str:
    others = [name for name in table.columns if name != time]
    found = _first_match(others, VALUE_WORDS[kind])
    if found is not None:
        return found
    numeric = [name for name in others if pd.to_numeric(table[name], errors="coerce").notna().any()]
    if len(numeric) == 1:
        return str(numeric[0])
    raise SeriesError(
        f"column of the {kind}: none of {', '.join(others[:8])} is called so, allowed: --column"
    )


def _first_match(names: "pd.Index[str] | list[str]", words: tuple[str, ...]) -> str | None:
    """The first name that is a word, else the first that contains one, in the words' order."""
    for same in (True, False):
        for word in words:
            for name in names:
                low = str(name).lower()
                if low == word or (not same and word in low and "forecast" not in low):
                    return str(name)
    return None


def _unit(name: str, unit: str | None) -> tuple[float, bool, str]:
    """Factor to kW (or kWh), whether it is energy per step, and how that was known."""
    words = [unit.lower()] if unit else re.split(r"[^a-z]+", name.lower())
    for word in reversed(words):
        if word in UNIT_KW:
            return UNIT_KW[word], False, word
        if word in KWH_UNITS:
            return KWH_UNITS[word], True, f"{word} per step"
    if unit:
        allowed = ", ".join([*UNIT_KW, *KWH_UNITS])
        raise SeriesError(f"unit {unit!r}: allowed: {allowed}")
    return 1.0, False, "taken for kW"


def _ordered(series: pd.Series) -> tuple[pd.Series, list[str]]:
    """Rising stamps, each once (the last known value stays), without unreadable ones."""
    findings = []
    lost = int(np.asarray(series.index.isna()).sum())
    series = series[series.index.notna()]
    if lost:
        findings.append(f"{lost} rows without a readable instant")
    if not series.index.is_monotonic_increasing:
        findings.append("rows were out of order and have been sorted")
    series = series.sort_index(kind="stable")
    double = int(series.index.duplicated().sum())
    if double:
        findings.append(f"{double} doubled stamps, the last known value was taken")
        series = series.groupby(level=0).last()
    return series, findings


def _to_quarters(stamps: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, list[str]]:
    """Stamps within a minute of a quarter hour on it; the others, and NaT, as they are."""
    quarters = stamps.round(f"{SLOT_S}s")
    off_s = np.abs((stamps - quarters).total_seconds().to_numpy())
    moved = (off_s > 0) & (off_s <= NEAR_S)
    if not moved.any():
        return stamps, []
    found = f"{int(moved.sum())} stamps within a minute of a quarter hour were taken for it"
    return stamps.where(~moved, quarters), [found]


def _step_s(stamps: pd.DatetimeIndex, name: str) -> int:
    if len(stamps) < 2:
        raise SeriesError(f"{name}: {len(stamps)} readable rows, allowed: two and more")
    steps = np.diff(_seconds(stamps))
    usual = int(np.median(steps))
    if usual not in STEPS_S:
        raise SeriesError(f"{name}: step {usual} s, allowed: {', '.join(map(str, STEPS_S))}")
    return usual


def _seconds(stamps: pd.DatetimeIndex) -> IntArray:
    return np.asarray(stamps.as_unit("s").asi8, dtype=np.int64)


def _on_quarters(
    series: pd.Series, step_s: int, name: str
) -> tuple[IntArray, FloatArray, list[str]]:
    """Contiguous quarter hours; a longer interval's mean power fills all its quarters.

    Intervals begin where most stamps of the file do, which need not be a whole hour of UTC.
    """
    seconds = _seconds(pd.DatetimeIndex(series.index))
    phases, counts = np.unique(seconds % step_s, return_counts=True)
    phase = int(phases[counts.argmax()])
    if phase % SLOT_S:
        raise SeriesError(
            f"{name}: stamps {phase % SLOT_S} s after the quarter hours, "
            f"allowed: at most {NEAR_S} s off them"
        )
    stray = seconds % step_s != phase
    findings = []
    if stray.any():
        findings.append(
            f"{int(stray.sum())} stamps that are not on the steps of {step_s // 60} min "
            "were set aside"
        )
    at = (seconds[~stray] - phase) // step_s
    values = series.to_numpy(dtype=np.float64)[~stray]
    grid = np.full(int(at[-1] - at[0]) + 1, np.nan)
    grid[at - at[0]] = values
    known = np.isfinite(grid)
    if not known.all():
        change = np.diff(np.concatenate([[0], ~known, [0]]).astype(np.int64))
        length = np.flatnonzero(change == -1) - np.flatnonzero(change == 1)
        findings.append(
            f"{int((~known).sum())} readings missing in {len(length)} gaps, "
            f"the longest {length.max() * step_s / 3600:.4g} h"
        )
    per = step_s // SLOT_S
    first = int(at[0]) * step_s + phase
    slot = first + SLOT_S * np.arange(len(grid) * per, dtype=np.int64)
    return slot, np.repeat(grid, per), findings


def _weather_unit(name: str, values: FloatArray) -> tuple[FloatArray, str]:
    """Values in the unit of their name, and the words for a conversion."""
    high = float(np.quantile(values, 0.99))
    if name == "radiation_w_per_m2":
        clipped = np.maximum(values, 0.0)
        return (clipped / 3600, " (J/m2 per hour)") if high > 2000 else (clipped, "")
    if name in ("cloud_frac", "humidity_frac"):
        return (np.clip(values / 100, 0, 1), " (%)") if high > 1.5 else (np.clip(values, 0, 1), "")
    return values, ""


def _at_slots(at: IntArray, values: FloatArray, slot: IntArray) -> FloatArray:
    """Linear between stamps; NaN outside them and in gaps of more than three hours."""
    found = np.interp(slot, at, values, left=np.nan, right=np.nan)
    after = np.minimum(np.searchsorted(at, slot), len(at) - 1)
    gap = at[after] - at[np.maximum(after - 1, 0)]
    exact = at[after] == slot
    return np.where(exact | (gap <= 3 * 3600), found, np.nan)
