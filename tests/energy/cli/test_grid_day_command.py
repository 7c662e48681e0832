"""`microgrid grid day` and the formats of `grid export`: figures, files, refusals."""

import csv
import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from energy.cli import run
from energy.cli.grid_day import DaySlot, _slot_cells, _usual_day
from energy.config import build_settings
from energy.district import MeasuredProfiles, load_district
from energy.plant import Plant
from energy.timegrid import parse_instant
from grid_models import BatchFlow

CASES = Path(__file__).parents[2] / "cases"
STREETS = str(CASES / "two_streets")
DAY = ["grid", "day", "--district", STREETS, "--date", "2026-07-16"]


def day_json(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> Any:
    assert run([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_day_is_what_the_plant_draws_without_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    report = day_json(DAY, capsys)
    assert report["date"] == "2026-07-16" and report["time_zone"] == "Asia/Seoul"
    slots = report["slots"]
    assert len(slots) == 96
    assert slots[0]["slot_utc"] == "2026-07-15T15:00:00Z"
    assert slots[0]["slot_local"] == "2026-07-16 00:00"
    tables = load_district(STREETS)
    drawn = list(Plant(tables, 1).without_plan(parse_instant("2026-07-16T00:00", "Asia/Seoul"), 96))
    p_kw, q_kvar = (np.array([getattr(row, name) for row in drawn]) for name in ("p_kw", "q_kvar"))
    batch = BatchFlow(tables.network).run(p_kw, q_kvar)
    for row, slot in enumerate(slots):
        assert slot["p_slack_kw"] == pytest.approx(batch.p_slack_kw[row], abs=1e-3)
        assert slot["p_loss_kw"] == pytest.approx(batch.p_loss_kw[row], abs=1e-3)
        assert slot["v_min_pu"] == pytest.approx(batch.v_pu[row].min(), abs=1e-7)
        worst = int(batch.transformer_loading_frac[row].argmax())
        assert slot["worst_transformer"] == tables.network.transformers.id[worst]


def test_each_element_has_its_worst_slot_and_its_hours_over_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "weak"
    shutil.copytree(STREETS, folder)
    rows = (folder / "transformers.csv").read_text().replace("bar1,200.0", "bar1,25.0")
    (folder / "transformers.csv").write_text(rows)
    words = ["grid", "day", "--district", str(folder), "--date", "2026-07-16"]
    report = day_json([*words, "--out", str(tmp_path / "day.csv")], capsys, code=1)
    over = [slot for slot in report["slots"] if slot["worst_transformer_loading_frac"] > 1.000025]
    first = next(each for each in report["elements"] if each["kind"] == "transformer_loading")
    assert first["element"] == "T1"
    assert first["hours_over"] == 0.25 * len(over) > 0
    worst = max(report["slots"], key=lambda slot: slot["worst_transformer_loading_frac"])
    assert first["worst_slot_local"] == worst["slot_local"]
    assert first["worst"] == worst["worst_transformer_loading_frac"]
    with (tmp_path / "day-elements.csv").open() as stream:
        elements = list(csv.DictReader(stream))
    # Nine buses count twice, for their lowest and for their highest voltage.
    assert len(elements) == 2 * 9 + 7 + 2


def test_the_file_holds_every_slot_in_csv_as_in_parquet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("csv", "parquet"):
        assert run([*DAY, "--out", str(tmp_path / "new" / f"day.{suffix}")]) == 0
    with (tmp_path / "new" / "day.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    columns = pyarrow.parquet.read_table(tmp_path / "new" / "day.parquet").to_pydict()
    assert len(rows) == 96 and list(columns) == list(rows[0])
    assert [float(row["p_loss_kw"]) for row in rows] == columns["p_loss_kw"]
    assert [row["v_min_bus"] for row in rows] == columns["v_min_bus"]
    printed = capsys.readouterr().out
    assert "two-streets, 2026-07-16 Asia/Seoul, 96 quarter hours without a plan" in printed
    assert printed.rstrip().endswith("all limits kept")


def test_a_quarter_hour_without_a_flow_is_named_and_has_no_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "collapsed"
    shutil.copytree(STREETS, folder)
    lines = (folder / "lines.csv").read_text().replace("near1,far1,0.25", "near1,far1,9")
    (folder / "lines.csv").write_text(lines)
    words = ["grid", "day", "--district", str(folder), "--date", "2026-07-16"]
    report = day_json(words, capsys, code=1)
    lost = [slot for slot in report["slots"] if not slot["converged"]]
    assert lost
    assert all(slot["reason"] == "no voltages balance these injections" for slot in lost)
    assert all(slot["p_slack_kw"] is None and slot["violations"] == 1 for slot in lost)
    cells = _slot_cells(DaySlot(**lost[0]))
    assert cells[1:4] == ("none", "none", "no voltages balance these injections")


def test_a_measured_day_that_changes_its_clocks_has_its_own_length(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("simbench", reason="the extra simbench is not installed")
    words = ["grid", "day", "--district", "simbench:1-LV-rural1--2-sw"]
    # The day is sunny: the measured solar of 2016 overloads the village's transformer at noon.
    spring = day_json([*words, "--date", "2016-03-27"], capsys, code=1)
    assert len(spring["slots"]) == 92 and spring["time_zone"] == "Europe/Berlin"


def test_the_usual_day_is_the_demo_s_and_a_measured_district_s_first_whole_one() -> None:
    tables, settings = load_district(STREETS), build_settings(demo_start="2026-03-01T18:00+09:00")
    assert _usual_day(tables, settings) == date(2026, 3, 1)
    none = np.zeros((0, 0), dtype=np.float32)
    for start, first in (("2016-01-01T00:00", 1), ("2016-01-01T00:15", 2)):
        begun = MeasuredProfiles(parse_instant(start, "Asia/Seoul"), none, none)
        assert _usual_day(replace(tables, measured=begun), settings) == date(2016, 1, first)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--date", "2026-02-30"], "date '2026-02-30': no day, allowed: one such as 2026-07-15"),
        (["--date", "0001-01-01"], "date '0001-01-01': allowed: years 1971 to 2099"),
        (["--out", "day.txt"], "day.txt: found suffix '.txt', allowed: .csv, .parquet"),
        (["--out", "day"], "day: found suffix '', allowed: .csv, .parquet"),
    ],
)
def test_wrong_use_is_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["grid", "day", "--district", STREETS, *words]) == 2
    caught = capsys.readouterr()
    assert caught.err == f"microgrid: {sentence}\n" and caught.out == ""


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    wanted = tmp_path / "file" / "day.csv"
    assert run([*DAY, "--out", str(wanted)]) == 2
    assert capsys.readouterr().err.startswith(f"microgrid: {wanted}: cannot be written (")
    assert run(["grid", "export", str(tmp_path / "file"), "--district", STREETS]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"microgrid: {tmp_path / 'file'}: cannot be written (")


def test_flows_are_exported_as_parquet_with_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("csv", "parquet"):
        words = ["grid", "export", str(tmp_path / name), "--district", STREETS, "--format", name]
        assert run(words) == 0
    for table in ("buses", "lines", "transformers"):
        with (tmp_path / "csv" / "sunny_noon" / f"{table}.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        path = tmp_path / "parquet" / "sunny_noon" / f"{table}.parquet"
        columns = pyarrow.parquet.read_table(path).to_pydict()
        assert columns["id"] == [row["id"] for row in rows]
        last = list(columns)[-1]
        assert columns[last] == [float(row[last]) for row in rows]
    assert (tmp_path / "parquet" / "buses.csv").exists()
    capsys.readouterr()
    assert run(["grid", "export", str(tmp_path), "--format", "xlsx"]) == 2
    assert capsys.readouterr().err == "microgrid: format 'xlsx': allowed are csv, parquet\n"
