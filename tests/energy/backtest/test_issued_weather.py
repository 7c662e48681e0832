"""A back-test with weather as issued: at each issue what was known by then, and no more."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from energy.backtest import IssuedWeather, ReplayPlan, issued_weather, replay_node, score_table
from energy.forecast.node import NodeRecord, NodeSpec
from energy.timegrid import iso_of
from energy.units import SLOT_S

PLAN = ReplayPlan(warm_up_days=50, every_h=12, refit_days=5)


def quiet(done: int, total: int) -> None:
    """No progress is shown."""


def write(path: Path, feeder: NodeRecord, error_c: float, spoil_from: int = 2**40) -> Path:
    """Issues every six hours for 54 hours that err by so much; `spoil_from` on, by far more."""
    air_c = feeder.weather["temperature_c"]
    rng, rows = np.random.default_rng(5), []
    for at in range(0, len(air_c) - 54 * 4, 24):
        issued = int(feeder.slot[at])
        off = error_c * rng.standard_normal() + (40.0 if issued >= spoil_from else 0.0)
        for hour in range(54):
            value = float(np.clip(air_c[at + 4 * hour] + off, -50, 50))
            valid = iso_of(issued + hour * 3600)
            rows.append((iso_of(issued), valid, round(value, 3), 0.5))
    names = ["issued", "valid", "temperature_c", "cloud_frac"]
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    return path


def weather_of(path: Path, feeder: NodeRecord) -> IssuedWeather:
    found = issued_weather(path, feeder.slot)
    assert found is not None
    return found


def test_issues_that_come_later_change_no_column(tmp_path: Path, feeder: NodeRecord) -> None:
    issue = int(feeder.slot[40 * 96 + 10])
    right = weather_of(write(tmp_path / "right.csv", feeder, 1.0), feeder)
    wrong = weather_of(write(tmp_path / "wrong.csv", feeder, 1.0, spoil_from=issue), feeder)
    for name, column in right.columns(issue).items():
        np.testing.assert_array_equal(column, wrong.columns(issue)[name])
    later = issue + 96 * SLOT_S
    assert not np.array_equal(
        right.columns(later)["temperature_c"],
        wrong.columns(later)["temperature_c"],
        equal_nan=True,
    )


def test_the_horizon_is_that_of_the_newest_issue(tmp_path: Path, feeder: NodeRecord) -> None:
    found = weather_of(write(tmp_path / "weather.csv", feeder, 0.0), feeder)
    at = 40 * 96 + 25  # an issue came out ten minutes after slot 24
    column = found.columns(int(feeder.slot[at]))["temperature_c"]
    end = 40 * 96 + 24 + 53 * 4
    assert np.isfinite(column[at : end + 1]).all() and np.isnan(column[end + 1 :]).all()


def test_a_forecast_weather_that_errs_is_worth_less_than_the_weather_itself(
    tmp_path: Path, feeder: NodeRecord, load_spec: NodeSpec
) -> None:
    bare = replace(feeder, weather={})
    crps = {}
    for error_c in (0.3, 6.0):
        path = write(tmp_path / f"{error_c}.csv", feeder, error_c)
        columns = weather_of(path, feeder).columns
        found = replay_node("feeder", load_spec, bare, PLAN, quiet, columns)
        # The file ends two days before the record: the last issue has no horizon of weather.
        assert found.tiers == {"F0": len(found.issue) - 1, "F3": 1}
        crps[error_c] = score_table(found)[-1].crps
    assert crps[0.3] < 0.97 * crps[6.0]


def test_a_file_without_issue_times_is_no_feed(tmp_path: Path, feeder: NodeRecord) -> None:
    path = tmp_path / "observed.csv"
    pd.DataFrame({"time": [iso_of(0)], "temperature_c": [1.0]}).to_csv(path, index=False)
    assert issued_weather(path, feeder.slot) is None
    assert issued_weather(tmp_path / "weather.txt", feeder.slot) is None


def test_the_command_says_which_weather_it_took(
    tmp_path: Path, feeder: NodeRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    from energy.cli import run

    series = tmp_path / "load.csv"
    rows = zip(feeder.slot.tolist(), feeder.p_kw.tolist(), strict=True)
    lines = [f"{iso_of(at)},{value:.3f}" for at, value in rows]
    series.write_text("time,load_kw\n" + "\n".join(lines) + "\n")
    weather = write(tmp_path / "weather.csv", feeder, 1.0)
    words = ["backtest", "--series", str(series), "--tz", "Europe/Amsterdam", "--every", "24",
             "--warm-up", "50", "--weather", str(weather)]  # fmt: skip
    assert run(words) == 0
    assert "weather: as issued" in capsys.readouterr().out
