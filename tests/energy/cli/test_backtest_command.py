"""`microgrid backtest`: figures as JSON, the page, and the refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

from energy.cli import run
from energy.timegrid import iso_of, parse_instant, slots_from


def test_a_series_gives_figures_and_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = slots_from(parse_instant("2026-01-01", "UTC"), 50 * 96)[::4]
    hour = np.arange(len(slot)) % 24
    load = (
        50 + 20 * np.sin(hour / 24 * 2 * np.pi) + np.random.default_rng(1).normal(0, 3, len(slot))
    )
    path = tmp_path / "load.csv"
    rows = [f"{iso_of(at)},{value:.3f}" for at, value in zip(slot.tolist(), load, strict=True)]
    path.write_text("time,load_kw\n" + "\n".join(rows) + "\n")
    page = tmp_path / "page.html"
    words = ["backtest", "--series", str(path), "--kind", "load", "--tz", "Asia/Seoul",
             "--every", "24", "--json", "--html", str(page)]  # fmt: skip
    assert run(words) == 0
    (found,) = json.loads(capsys.readouterr().out)
    overall = found["scores"][-1]
    assert found["tiers"] == {"F0": found["issues"]} and overall["leads_h"] == "0-48"
    # White noise of 3 about a mean of 50: an absolute error of 2.4 at best.
    assert overall["nmae"] == pytest.approx(2.4 / 50, rel=0.25)
    assert overall["skill_persistence"] > 0.3
    assert page.read_text().count("<svg") == 3


def test_a_price_may_be_below_nought_and_keeps_its_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = slots_from(parse_instant("2026-01-01", "UTC"), 50 * 96)[::4]
    hour = np.arange(len(slot)) % 24
    noise = np.random.default_rng(1).normal(0, 3, len(slot))
    price = 20 + 40 * np.cos(hour / 24 * 2 * np.pi) + noise
    assert price.min() < -10
    path = tmp_path / "smp.csv"
    rows = [f"{iso_of(at)},{value:.3f}" for at, value in zip(slot.tolist(), price, strict=True)]
    path.write_text("time,smp_krw_per_kwh\n" + "\n".join(rows) + "\n")
    words = ["backtest", "--series", str(path), "--kind", "price", "--tz", "Asia/Seoul",
             "--unit", "won/kWh", "--every", "24"]  # fmt: skip
    assert run([*words, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    # No number of it is taken for energy, and nothing below nought is cut off.
    assert found["norm_kw"] == pytest.approx(np.abs(price).mean(), rel=0.1)
    assert found["scores"][-1]["nmae"] == pytest.approx(2.4 / found["norm_kw"], rel=0.25)
    assert run([*words, "--floor", "0", "--capacity", "30"]) == 0
    shown = capsys.readouterr().out
    assert "won/kWh" in shown and "smp_krw_per_kwh" in shown


def test_the_districts_own_record_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["backtest", "--district", "sejong-5-1@0.01", "--days", "2", "--every", "12", "--json"]
    assert run(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"].split()[0] for each in found] == ["load", "pv", "heat"]
    assert all(each["issues"] == 4 and each["scores"] for each in found)
    assert all("simulated" in each["name"] for each in found)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--series", "a.csv", "--district", "b"],
        ["--series", "a.csv", "--kind", "wind", "--tz", "UTC"],
        ["--series", "a.csv"],
        ["--series", "no-such-file.csv", "--tz", "Asia/Seoul"],
        ["--series", "pyproject.toml", "--tz", "Asia/Seoul", "--warm-up", "-30"],
        ["--series", "pyproject.toml", "--tz", "Asia/Seoul", "--latitude", "200"],
        ["--series", "pyproject.toml", "--tz", "Foo/Bar", "--latitude", "37", "--longitude", "127"],
        ["--district", "sejong-5-1@0.01", "--html", "pyproject.toml/page.html"],
        ["--district", "sejong-5-1@0.01", "--html", "docs"],
    ],
)
def test_wrong_use_has_exit_code_two(words: list[str]) -> None:
    assert run(["backtest", *words]) == 2


@pytest.mark.parametrize("path", ["day.html", "docs", "pyproject.toml/day.json"])
def test_a_report_that_cannot_be_written_is_refused_before_the_run(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "--district", "sejong-5-1@0.005", "--json", path]) == 2
    assert path in capsys.readouterr().err


def written_sessions(path: Path, days_of_site: dict[str, int]) -> Path:
    """Twelve cars a day that come about nine and leave about five, at each site."""
    rng = np.random.default_rng(2)
    lines = ["site,arrival,departure,estimated_departure,requested_energy,energy"]
    for site, days in days_of_site.items():
        for midnight in slots_from(parse_instant("2026-01-05", "UTC"), days * 96)[::96].tolist():
            for come, leave in zip(*rng.normal([[9], [17]], 0.7, (2, 12)) * 3600, strict=True):
                times = [iso_of(int(midnight + at) // 60 * 60) for at in (come, leave, leave)]
                lines.append(f"{site},{','.join(times)},12,{rng.uniform(4, 20):.2f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_site_of_few_sessions_is_set_aside_and_the_others_are_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backtest", "--kind", "ev-sessions", "--tz", "UTC", "--latitude", "37",
             "--longitude", "127", "--every", "24", "--json", "--series"]  # fmt: skip
    path = written_sessions(tmp_path / "some.csv", {"garage": 52, "kerb": 3})
    assert run([*words, str(path)]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["name"] == "some.csv: garage"
    (said,) = [text for text in found["findings"] if "set aside" in text]
    assert said.startswith("site 'kerb' was set aside: record of ")
    assert run([*words, str(written_sessions(tmp_path / "none.csv", {"kerb": 3}))]) == 2
    assert "site 'kerb' was set aside: record of " in capsys.readouterr().err.replace("\n", " ")
