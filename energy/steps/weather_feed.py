"""Weather forecasts as they were issued, from a file: what was known when, and nothing later.

Three forms are read. A table (CSV or Parquet) with `issued`, `valid`, `temperature_c`, `cloud_frac`
and, if there is one, `wind_m_per_s` and `available`, when the issue could be had; without it ten
minutes after its time. And the items of KMA's short-term forecast (getVilageFcst, as JSON, one
answer or a list of them), whose hours carry a sky code and no radiation.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from energy.forecast import WeatherForecast
from energy.logs import in_words
from energy.store.errors import StoreError
from energy.timegrid import slots_from
from energy.units import SLOT_S

log = logging.getLogger(__name__)

AVAILABLE_AFTER_S = 600
"""KMA publishes its short-term forecast ten minutes after its time."""
HOUR_S = 3600
HOURS_MIN = 6
KMA_ZONE = "Asia/Seoul"
KMA_QUANTITIES = {"TMP": "temperature_c", "SKY": "cloud_frac", "WSD": "wind_m_per_s"}
KMA_CLOUD_FRAC = {1: 0.25, 3: 0.7, 4: 0.95}
"""Sky codes: 1 clear is 0 to 5 tenths of cloud, 3 mostly cloudy 6 to 8, 4 overcast 9 and 10."""
LIMITS = {
    "temperature_c": (-60.0, 60.0),
    "cloud_frac": (0.0, 1.0),
    "wind_m_per_s": (0.0, 100.0),
}
COLUMNS = ("issued", "valid", "temperature_c", "cloud_frac")


WeatherAt = Callable[[int], WeatherForecast | None]
"""The newest issue that could be had at the start of a slot."""


class WeatherFileError(StoreError):
    """A file of weather that cannot be used: says what, which, found, allowed."""


@dataclass(frozen=True, eq=False)
class WeatherFeed:
    """Issues by rising availability; `available` (N,) in seconds since 1970 UTC."""

    available: np.ndarray
    issues: Sequence[WeatherForecast]

    def newest(self, now_slot: int) -> WeatherForecast | None:
        """The newest issue that could be had at the start of `now_slot`; None before the first."""
        at = int(np.searchsorted(self.available, now_slot, side="right")) - 1
        return self.issues[at] if at >= 0 else None


def read_weather_feed(path: Path) -> WeatherFeed:
    """The feed of a file; raises WeatherFileError in one sentence."""
    try:
        table = _read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeatherFileError(f"weather {path}: cannot be read: {error}") from error
    _require_columns(path, table)
    rows = sorted(_issues(path, table), key=lambda pair: (pair[0], pair[1].issue_slot))
    if not rows:
        raise WeatherFileError(
            f"weather {path}: no issue of {HOURS_MIN} hours or more, allowed: at least one"
        )
    return WeatherFeed(np.array([when for when, _ in rows]), [issue for _, issue in rows])


class WatchedFeed:
    """The issues of a file that is replaced while the loop runs, read again when it has changed.

    Where it cannot be read the issues of the last good reading stay, at first none: the forecast
    then degrades, and the age of the feed is told. Whoever starts the loop asks `require_weather`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._feed: WeatherFeed | None = None
        self._mark: tuple[int, ...] | None = ()

    def newest(self, now_slot: int) -> WeatherForecast | None:
        """The newest issue that could be had at the start of `now_slot`; None before the first."""
        # Marked before it is read: what is written meanwhile is read at the next call.
        mark = _mark_of(self._path)
        if mark != self._mark:
            self._mark = mark
            self._read_again()
        return None if self._feed is None else self._feed.newest(now_slot)

    def _read_again(self) -> None:
        try:
            self._feed = read_weather_feed(self._path)
        except WeatherFileError as error:
            log.warning("%s; %s", error, self._what_stays())
        except Exception as error:
            # A file may be broken in ways that nobody has thought of; the loop goes on without it.
            log.warning("weather %s: %s; %s", self._path, in_words(error), self._what_stays())

    def _what_stays(self) -> str:
        if self._feed is None:
            return "no forecast has weather until it is replaced"
        return "the issues that were read before stay until it is replaced"


def feed_of(path: str, otherwise: WeatherAt) -> WeatherAt:
    """The issues of the file, as it is replaced, or `otherwise` where none is named."""
    return WatchedFeed(Path(path)).newest if path else otherwise


def require_weather(path: str) -> None:
    """Raise WeatherFileError where a file is named and cannot be used."""
    if path:
        read_weather_feed(Path(path))


def _mark_of(path: Path) -> tuple[int, ...] | None:
    """What is another when the file is; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    # The change of the inode tells of a new owner or mode, by which a file becomes readable.
    return found.st_mtime_ns, found.st_size, found.st_ctime_ns


def _read(path: Path) -> pd.DataFrame:
    """The rows of a file with instants as seconds since 1970 UTC."""
    if path.suffix == ".json":
        return _of_kma(orjson.loads(path.read_bytes()))
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    for name in ("issued", "valid", "available"):
        if name in table:
            table[name] = _seconds(table[name])
    return table


def _seconds(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Instants that carry their offset, as whole seconds."""
    stamps = pd.to_datetime(column, utc=True, format="ISO8601")
    if not isinstance(column.dtype, pd.DatetimeTZDtype) and not bool(
        column.astype(str).str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True).all()
    ):
        raise ValueError(f"{column.name}: an instant without offset, allowed: 2026-07-15T05:00Z")
    return pd.Series(pd.DatetimeIndex(stamps).as_unit("s").asi8, index=column.index)


def _of_kma(found: "list[dict[str, Any]] | dict[str, Any]") -> pd.DataFrame:
    """KMA's items, one row an issue and hour."""
    answers = found if isinstance(found, list) else [found]
    items = [item for one in answers for item in one["response"]["body"]["items"]["item"]]
    table = pd.DataFrame(items)
    table = table[table["category"].isin(list(KMA_QUANTITIES))]
    times = {
        name: _kma_seconds(table[f"{word}Date"], table[f"{word}Time"])
        for name, word in (("issued", "base"), ("valid", "fcst"))
    }
    table = table.assign(**times, quantity=table["category"].map(KMA_QUANTITIES))
    wide = table.pivot_table(
        index=["issued", "valid"],
        columns="quantity",
        values="fcstValue",
        aggfunc=lambda values: float(values.iloc[-1]),
    ).reset_index()
    if "cloud_frac" in wide:
        wide["cloud_frac"] = wide["cloud_frac"].map(KMA_CLOUD_FRAC)
    return wide


def _kma_seconds(day: "pd.Series[Any]", time: "pd.Series[Any]") -> "pd.Series[Any]":
    wall = pd.to_datetime(day.astype(str) + time.astype(str).str.zfill(4), format="%Y%m%d%H%M")
    stamps = pd.DatetimeIndex(wall).tz_localize(KMA_ZONE).tz_convert("UTC")
    return pd.Series(stamps.as_unit("s").asi8, index=day.index)


def _require_columns(path: Path, table: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        found = ", ".join(map(str, table.columns))
        raise WeatherFileError(
            f"weather {path}: no column {', '.join(missing)}, found: {found}, "
            f"allowed: {', '.join((*COLUMNS, 'wind_m_per_s', 'available'))}"
        )
    for name, (low, high) in LIMITS.items():
        if name not in table:
            continue
        values = pd.to_numeric(table[name], errors="coerce")
        bad = table[name].notna() & ~((values >= low) & (values <= high))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise WeatherFileError(
                f"weather {path}: row {row + 1}: {name} {table[name].iloc[row]}, "
                f"allowed: {low:g} to {high:g}"
            )


def _issues(path: Path, table: pd.DataFrame) -> Iterator[tuple[int, WeatherForecast]]:
    """Each issue with the instant from which it could be had; one of a few hours is left out."""
    for issued in sorted(set(table["issued"].to_numpy(dtype=np.int64).tolist())):
        rows = table[table["issued"] == issued]
        rows = rows.drop_duplicates("valid", keep="last").sort_values("valid")
        valid = rows["valid"].to_numpy(dtype=np.int64)
        if len(rows) < 2 or valid[-1] - valid[0] < HOURS_MIN * HOUR_S:
            continue
        when = issued + AVAILABLE_AFTER_S
        if "available" in rows:
            when = int(rows["available"].max())
        if when < issued:
            raise WeatherFileError(
                f"weather {path}: an issue was available {issued - when} s before it was issued, "
                "allowed: 0 and later"
            )
        yield when, _issue(rows, valid, when)


def _issue(rows: pd.DataFrame, valid: np.ndarray, when: int) -> WeatherForecast:
    """An issue on quarter hours: temperature and wind linear between hours, clouds in steps."""
    first = valid[0] // SLOT_S * SLOT_S
    slots = slots_from(int(first), int((valid[-1] - first) // SLOT_S) + 1)
    middle = slots + SLOT_S / 2

    def linear(name: str, otherwise: float) -> np.ndarray:
        if name not in rows:
            return np.full(len(slots), otherwise)
        values = pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        if not known.any():
            return np.full(len(slots), np.nan)
        return np.asarray(np.interp(middle, valid[known], values[known]))

    cloud = pd.to_numeric(rows["cloud_frac"], errors="coerce").to_numpy(dtype=np.float64)
    step = np.clip(np.searchsorted(valid, slots, side="right") - 1, 0, len(valid) - 1)
    return WeatherForecast(
        issue_slot=-(-when // SLOT_S) * SLOT_S,
        slot=slots,
        temperature_c=linear("temperature_c", np.nan),
        cloud_frac=cloud[step],
        wind_m_per_s=linear("wind_m_per_s", 0.0),
    )
