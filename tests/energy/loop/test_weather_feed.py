"""Weather from files: the newest issue that could be had, and one sentence for a wrong file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest

from energy import service
from energy.config import Settings
from energy.cycle import run_quarter_hour
from energy.steps.context import open_installation, start_microgrid
from energy.steps.weather_feed import (
    WeatherFileError,
    feed_of,
    read_weather_feed,
    require_weather,
)
from energy.store.forecasts import load_issues
from energy.timegrid import iso_of, parse_instant
from energy.units import SLOT_S

START = parse_instant("2026-05-10T09:00", "Asia/Seoul")
HOUR_S = 3600


def table(first: int = START - 6 * HOUR_S, issues: int = 3, hours: int = 48) -> pd.DataFrame:
    """Issues every three hours, each warmer by a degree than the one before."""
    rows = [
        {
            "issued": iso_of(first + 3 * HOUR_S * number),
            "valid": iso_of(first + 3 * HOUR_S * number + HOUR_S * (hour + 1)),
            "temperature_c": 10.0 + number + 0.1 * hour,
            "cloud_frac": 0.25 if hour % 2 else 0.75,
            "wind_m_per_s": 2.0,
        }
        for number in range(issues)
        for hour in range(hours)
    ]
    return pd.DataFrame(rows)


def as_csv(found: pd.DataFrame, path: Path) -> Path:
    found.to_csv(path.with_suffix(".csv"), index=False)
    return path.with_suffix(".csv")


def as_parquet(found: pd.DataFrame, path: Path) -> Path:
    found.to_parquet(path.with_suffix(".parquet"), index=False)
    return path.with_suffix(".parquet")


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_the_newest_issue_that_was_out_is_taken(
    tmp_path: Path, write: Callable[[pd.DataFrame, Path], Path]
) -> None:
    feed = read_weather_feed(write(table(), tmp_path / "weather"))
    first = START - 6 * HOUR_S
    assert feed.newest(first) is None, "ten minutes pass before an issue can be had"
    assert feed.newest(first + 600) is not None
    before, after = feed.newest(first + 3 * HOUR_S), feed.newest(first + 3 * HOUR_S + SLOT_S)
    assert before is not None and after is not None
    assert (before.temperature_c[0], after.temperature_c[0]) == (10.0125, 11.0125)
    assert before.issue_slot <= first + 3 * HOUR_S < after.issue_slot


def test_a_column_of_availability_wins_over_ten_minutes(tmp_path: Path) -> None:
    late = table().assign(available=lambda rows: iso_of(START + HOUR_S))
    feed = read_weather_feed(as_csv(late, tmp_path / "late"))
    assert feed.newest(START) is None and feed.newest(START + HOUR_S) is not None


def test_temperature_is_linear_between_hours_and_clouds_are_steps(tmp_path: Path) -> None:
    feed = read_weather_feed(as_csv(table(issues=1), tmp_path / "one"))
    issue = feed.newest(START)
    assert issue is not None
    np.testing.assert_allclose(np.diff(issue.temperature_c[:-1]), 0.025)
    assert issue.cloud_frac[:8].tolist() == [0.75] * 4 + [0.25] * 4


def kma(day: str, time: str, values: dict[str, list[str]]) -> dict[str, object]:
    """An answer of KMA's short-term forecast from the next hour on."""
    begin = pd.Timestamp(f"{day} {time}") + pd.Timedelta("1h")
    items = [
        {
            "baseDate": day, "baseTime": time, "category": category, "fcstValue": value,
            "fcstDate": (begin + pd.Timedelta(hour, "h")).strftime("%Y%m%d"),
            "fcstTime": (begin + pd.Timedelta(hour, "h")).strftime("%H%M"),
            "nx": 66, "ny": 103,
        }
        for category, found in values.items()
        for hour, value in enumerate(found)
    ]  # fmt: skip
    return {"response": {"body": {"items": {"item": items}}}}


def test_kma_items_are_read_with_their_sky_codes_and_clock(tmp_path: Path) -> None:
    hours = 24
    values = {
        "TMP": [str(15 + hour % 3) for hour in range(hours)],
        "SKY": ["1", "3", "4"] * (hours // 3),
        "WSD": ["2.5"] * hours,
        "PCP": ["no rain"] * hours,
    }
    path = tmp_path / "kma.json"
    path.write_bytes(orjson.dumps([kma("20260510", "0500", values)]))
    feed = read_weather_feed(path)
    out = parse_instant("2026-05-10T05:10", "Asia/Seoul")
    assert feed.newest(out - SLOT_S) is None
    issue = feed.newest(out + SLOT_S)
    assert issue is not None
    assert issue.slot[0] == parse_instant("2026-05-10T06:00", "Asia/Seoul")
    assert issue.cloud_frac[[0, 4, 8]].tolist() == [0.25, 0.7, 0.95]
    assert issue.wind_m_per_s[0] == 2.5


WRONG = {
    "no such file": (lambda _: None, "cannot be read"),
    "not a table": (lambda path: path.write_bytes(b"\x00\xff\x00"), "cannot be read"),
    "column missing": (
        lambda path: table().drop(columns="cloud_frac").to_csv(path, index=False),
        "no column cloud_frac, found: issued",
    ),
    "instant without offset": (
        lambda path: (
            table().assign(valid=lambda rows: rows["valid"].str[:16]).to_csv(path, index=False)
        ),
        "valid: an instant without offset",
    ),
    "percent for a share": (
        lambda path: table().assign(cloud_frac=75).to_csv(path, index=False),
        "row 1: cloud_frac 75, allowed: 0 to 1",
    ),
    "issue of four hours": (lambda path: table(hours=4).to_csv(path, index=False), "no issue of 6"),
    "available before issued": (
        lambda path: table().assign(available=iso_of(START - 9 * HOUR_S)).to_csv(path, index=False),
        "before it was issued",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_gets_one_sentence(tmp_path: Path, wrong: str) -> None:
    make, why = WRONG[wrong]
    path = tmp_path / "wrong.csv"
    make(path)
    with pytest.raises(WeatherFileError) as refused:
        read_weather_feed(path)
    assert why in str(refused.value) and "\n" not in str(refused.value)


def test_the_loop_takes_the_weather_of_its_file_and_degrades_by_name_where_it_ends(
    tmp_path: Path,
) -> None:
    path = as_csv(table(hours=26, issues=1, first=START - 2 * HOUR_S), tmp_path / "weather")
    settings = Settings(  # type: ignore[call-arg]
        district="sejong-5-1@0.005",
        database_url=f"sqlite:///{tmp_path}/loop.db",
        weather_file=str(path),
        bots=False,
    )
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            for slot in (START, START + SLOT_S):
                run_quarter_hour(microgrid, slot, lambda slot=slot: slot - 300.0)  # type: ignore[misc]
            issues = installation.store.read(lambda c: load_issues(c, 0, 2**40))
        finally:
            microgrid.close()
    assert [one.weather_issue for one in issues] == [START - 2 * HOUR_S + SLOT_S] * 2
    assert issues[0].tiers["weather"] == ["F0", ""]
    assert issues[0].tiers["load"][0] == "F0"


def test_without_any_issue_the_tiers_say_so(tmp_path: Path) -> None:
    path = as_csv(table(first=START + 24 * HOUR_S), tmp_path / "later")
    settings = Settings(  # type: ignore[call-arg]
        district="sejong-5-1@0.005",
        database_url=f"sqlite:///{tmp_path}/loop.db",
        weather_file=str(path),
        bots=False,
    )
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            result = run_quarter_hour(microgrid, START, lambda: START - 300.0)
            (issue,) = installation.store.read(lambda c: load_issues(c, 0, 2**40))
        finally:
            microgrid.close()
    assert result.plan is not None and result.plan.tier in ("T0", "T1")
    assert issue.tiers["weather"] == ["F4", "no weather forecast"]
    assert issue.tiers["load"][0] == issue.tiers["pv"][0] == "F3"


def test_a_file_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    path = as_csv(table(issues=1), tmp_path / "weather")
    weather_at = feed_of(str(path), lambda _: None)
    first = weather_at(START)
    as_csv(table(issues=3), tmp_path / "newer").replace(path)
    second = weather_at(START)
    assert first is not None and second is not None
    assert second.issue_slot - first.issue_slot == 3 * HOUR_S


@pytest.mark.parametrize("damage", ["half written", "gone"])
def test_a_file_that_breaks_later_leaves_what_was_read_and_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = as_csv(table(), tmp_path / "weather")
    whole = path.read_text()
    weather_at = feed_of(str(path), lambda _: None)
    before = weather_at(START)
    if damage == "gone":
        path.unlink()
    else:
        path.write_text(whole[: len(whole) // 2])
        path.write_text(path.read_text() + "2026-05-1")
    assert [weather_at(START), weather_at(START)] == [before, before]
    (line,) = caplog.messages
    assert str(path) in line and "were read before stay" in line
    path.write_text(whole)
    assert weather_at(START) is not before


def test_the_loop_starts_without_its_file_and_a_person_who_starts_it_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "none.csv"
    assert feed_of(str(path), lambda _: None)(START) is None
    assert "no forecast has weather" in caplog.text
    with pytest.raises(WeatherFileError, match=r"none\.csv: cannot be read"):
        require_weather(str(path))


def test_a_service_refuses_a_weather_file_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "require_free_port", lambda *_: None)
    monkeypatch.setattr(service, "open_installation", lambda *_: pytest.fail("it has begun"))
    settings = Settings(weather_file=str(tmp_path / "none.csv"))  # type: ignore[call-arg]
    with pytest.raises(WeatherFileError, match=r"none\.csv: cannot be read"):
        service.run_service(settings)
