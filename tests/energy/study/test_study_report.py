"""What a study writes: JSON with won as text, tables, and one page that stands alone."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run as run_command
from energy.district import load_district
from energy.study import Done, Made, Study, base_scenario, write_study
from energy.study.chargers import Sizing
from energy.study.chunk import Chunk
from energy.study.collected import Part
from energy.study.events import month_slots
from energy.study.figures import build_year
from energy.study.study import Run

SIZED = [Sizing("standard", 15, 11.25, 9.577, 17, 17, 0.028735)]
MADE = Made(12.5, 2, "2 processes")


@pytest.fixture(scope="module")
def done(july: Chunk, part: Part) -> list[Done]:
    """Two draws: what was run, and the same with another self-sufficiency."""
    slots = month_slots(july.first_slot, july.end_slot)
    year = build_year(load_district(july.district), slots, [part], SIZED)
    other = replace(year, figures=year.figures | {"self_sufficiency_frac": 0.9})
    runs = [Run(july.district, base_scenario(), seed, (july,)) for seed in (1, 2)]
    return [Done(runs[0], year), Done(runs[1], other)]


@pytest.fixture(scope="module")
def folder(done: list[Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("report")
    study = Study((done[0].run.district,), (base_scenario(),), 2026, (7, 7), draws=2)
    write_study(found, study, done, MADE)
    return found


def test_the_document_has_won_as_text_and_says_how_it_was_made(
    folder: Path, done: list[Done]
) -> None:
    document: dict[str, Any] = json.loads((folder / "study.json").read_text())
    first, second = document["runs"]
    assert first["figures"]["cost_krw"] == f"{done[0].year.figures['cost_krw']:.2f}"
    assert (first["reaches_goal"], second["reaches_goal"]) == (False, True)
    assert document["made"] == {"seconds": 12.5, "days_run": 2, "workers": "2 processes"}
    assert len(document["assumptions"]) > 5
    assert first["chargers"][0]["needed_by_area"] == 17
    money = [name for name in first["figures"] if "_krw" in name]
    assert all(first["figures"][name] is None or isinstance(first["figures"][name], str)
               for name in money)  # fmt: skip


def test_quantiles_lie_between_the_draws(folder: Path, done: list[Done]) -> None:
    (quantiles,) = json.loads((folder / "study.json").read_text())["quantiles"]
    low = done[0].year.figures["self_sufficiency_frac"]
    found = quantiles["figures"]["self_sufficiency_frac"]
    assert low is not None
    assert found["median"] == pytest.approx((low + 0.9) / 2)
    assert low < found["low"] < found["median"] < found["high"] < 0.9
    assert quantiles["draws"] == 2


def test_the_tables_have_a_row_for_each_run_and_day(folder: Path) -> None:
    runs, days = (
        list(csv.DictReader((folder / name).read_text().splitlines()))
        for name in ("study.csv", "days.csv")
    )
    assert [row["seed"] for row in runs] == ["1", "2"]
    assert float(runs[1]["self_sufficiency_frac"]) == 0.9
    assert [row["day"] for row in days] == ["2026-07-14", "2026-07-15"] * 2


def test_two_days_of_july_have_no_grades_and_are_not_called_a_year(
    folder: Path, done: list[Done]
) -> None:
    why = "Grades are of a whole year, and what was studied is month 7: none is given."
    document = json.loads((folder / "study.json").read_text())
    for run in document["runs"]:
        assert (run["zeb_grades"], run["buildings"]) == ({}, [])
        assert run["no_zeb_grades_reason"] == why
    page = (folder / "study.html").read_text()
    assert f"<h2>Zero-energy grades, buildings</h2><p>{why}</p>" in page.replace("\n", "")
    assert "Month 7 cost" in page and "The year cost" not in page


def test_a_year_of_twelve_months_has_a_grade_for_every_building(july: Chunk, part: Part) -> None:
    row = next(iter(part["days"].values()))
    days = {f"2026-{month:02}-01": row for month in range(1, 13)}
    district, slots = load_district(july.district), month_slots(july.first_slot, july.end_slot)
    year, eleven = (
        build_year(district, slots, [{**part, "days": some}], SIZED)
        for some in (days, dict(list(days.items())[1:]))
    )
    assert sum(year.grades.values()) == len(year.buildings) > 0
    assert (year.span, year.no_grades_reason) == ("the year", None)
    assert (eleven.span, eleven.grades, eleven.buildings) == ("months 2 to 12", {}, [])


def test_the_page_stands_alone_and_shows_every_figure(folder: Path, done: list[Done]) -> None:
    page = (folder / "study.html").read_text()
    assert page.count("<svg") == 4
    for name in done[0].year.figures:
        assert name.replace("_", " ") in page
    assert "goal of 30.0 % missed" in page
    for outside in ("http:", "https:", "<script", "src="):
        assert outside not in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--months", "jan"], "allowed such as 1-12 or 7"),
        (["--months", "0-3"], "first month: found 0, allowed 1..12"),
        (["--district", "nowhere"], "found no such district"),
        (["--scenario", "none.toml"], "none.toml: not readable"),
        (["--cluster", "tcp://127.0.0.1:9"], "nobody answers there"),
    ],
)
def test_wrong_use_ends_with_2_and_one_sentence(
    words: list[str],
    sentence: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("energy.study.run.JOIN_S", 1)
    given = {"--district": "sejong-5-1@0.01", "--out": str(tmp_path)} | {words[0]: words[1]}
    code = run_command(["study", *(word for pair in given.items() for word in pair)])
    assert code == 2
    told = " ".join(capfd.readouterr().err.replace("│", " ").split())
    assert sentence in told
