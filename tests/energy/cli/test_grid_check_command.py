"""`microgrid grid check`: the report for people and machines, and its exit codes."""

import json
import shutil
from pathlib import Path

import pytest

from energy.cli import run

CASES = Path(__file__).parents[2] / "cases"


def test_json_has_the_figures_of_the_district(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["grid", "check", "--district", "sejong-5-1@0.02", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["households"] == 180 and report["areas"] == 3
    assert report["self_sufficiency_frac"] > 0.3 and report["violations"] == 0
    evening, noon = report["cases"]
    assert evening["name"] == "evening peak" and evening["drawn_kw"] > 0 > noon["drawn_kw"]
    assert evening["transformer"]["found"] < 1
    assert evening["v_min"]["found"] <= evening["v_max"]["found"]
    assert report["findings"] == [] and report["seconds"] < 5


def test_the_text_names_elements_and_says_that_limits_are_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["grid", "check", "--district", str(CASES / "two_streets")]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("two-streets: 9 buses, 7 lines, 2 transformers, 2 areas in 2 zones\n")
    assert "highest transformer loading" in printed and "(T1)" in printed
    assert "all limits kept" in printed


def test_an_overload_is_named_and_gives_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "overloaded"
    shutil.copytree(CASES / "two_streets", folder)
    rows = (folder / "transformers.csv").read_text().replace("bar1,200.0", "bar1,40.0")
    (folder / "transformers.csv").write_text(rows)
    assert run(["grid", "check", "--district", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "broken: transformer T1: loading is" in printed
    assert "limits broken" in printed


def test_a_case_without_a_flow_is_named_and_has_no_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "collapsed"
    shutil.copytree(CASES / "two_streets", folder)
    rows = (folder / "connections.csv").read_text().replace("2,20.0", "2,4000.0")
    (folder / "connections.csv").write_text(rows)
    assert run(["grid", "check", "--district", str(folder), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["cases"][0]["converged"] is False and report["peak_kw"] is None
    assert report["cases"][0]["reason"] == "no voltages balance these injections"


def test_a_damaged_district_is_one_sentence_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(CASES / "two_streets", folder)
    shutil.copy(CASES / "damaged_districts" / "wrong_bus" / "lines.csv", folder)
    assert run(["grid", "check", "--district", str(folder)]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err == (
        f"microgrid: {folder}/lines.csv: row 2: to_bus is 'nowhere', "
        "allowed is an id of buses.csv\n"
    )
