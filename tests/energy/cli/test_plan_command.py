"""`microgrid plan`: problems from files and districts, for people and programs, and exit codes."""

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from energy.cli import run
from optimizer import PlanProblem, check_plan
from optimizer.document import parse_plan, parse_problem

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
BATTERY = EXAMPLES / "battery-and-two-prices.json"
COSTS = {
    "battery-and-two-prices": 1025.0,
    "street-with-cars-and-sun": 650.0,
    "fuel-cell-with-heat": 9800.0,
}


def changed(tmp_path: Path, **changes: Any) -> str:
    """A file with the battery's problem, some of its keys changed."""
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(json.loads(BATTERY.read_text()) | changes))
    return str(path)


@pytest.mark.parametrize("name", COSTS)
def test_the_examples_cost_what_the_guide_works_out(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = EXAMPLES / f"{name}.json"
    assert run(["plan", str(path), "--gap-frac", "1e-6", "--json"]) == 0
    plan = parse_plan(capsys.readouterr().out)
    assert plan.cost_krw.total == pytest.approx(COSTS[name], abs=0.01)
    assert (plan.tier, plan.certificate.broken) == ("T0", ())
    assert check_plan(parse_problem(path.read_text()), plan) == []
    assert f"| {COSTS[name]:,.0f} won |" in (ROOT / "docs" / "plan.md").read_text()


def test_every_example_is_in_the_guide() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(COSTS)


def test_the_text_tells_plan_certificate_and_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(BATTERY)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("battery-and-two-prices.json: 2 slots of 15 min")
    assert re.search(r"tier +T0 optimum, optimal\n", told)
    assert re.search(r"cost +1,025\.00 won\n", told)
    assert re.search(r"battery wear +25\.00\n", told)
    assert re.search(r"slot 0 +20\.0 +20\.0 +0\.0 +100\.0\n", told)
    assert "slot 0    battery: charging: 100 won now against 195 stored, after losses" in told


def test_limits_that_contradict_are_said_in_words_with_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batteries = json.loads(BATTERY.read_text())["batteries"] | {"e_end_kwh_min": [20.0]}
    batteries["e_kwh_max"] = [20.0]
    assert run(["plan", changed(tmp_path, batteries=batteries, load_kw=[[0.0], [0.0]])]) == 1
    said = capsys.readouterr()
    # Two slots at 20 kW put 10 kWh into it.
    assert "no acceptable plan: T1 found, limits contradict: battery energy at the end" in said.err
    assert "limit not kept: battery energy at the end" in said.out


def test_no_time_to_solve_leaves_rules_with_exit_code_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["plan", str(BATTERY), "--deadline-s", "0.02", "--json"]) == 1
    said = capsys.readouterr()
    assert "no acceptable plan: T3 rules, the solving process was killed" in said.err
    plan = parse_plan(said.out)
    assert plan.tier == "T3"
    assert check_plan(parse_problem(BATTERY.read_text()), plan) == []


def test_every_finding_is_a_sentence_of_its_own_with_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", changed(tmp_path, loss_kw=0, colour="red")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert [line.split(",")[0] for line in said.err.splitlines()] == [
        "microgrid: colour: unknown",
        "microgrid: loss_kw: 0",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.json"], "nowhere.json: cannot be read"),
        ([str(BATTERY), "--district", "sejong-5-1"], "not with --district"),
        (["--district", "nowhere"], "nowhere"),
        (["--district", "sejong-5-1@0.01", "--at", "2026-07-15T18:07"], "quarter hour"),
    ],
)
def test_wrong_use_is_told(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *words]) == 2
    assert told in capsys.readouterr().err.replace("\n", " ")


def test_a_districts_plan_and_its_saved_problem_cost_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRID_HORIZON_SLOTS", "24")
    saved = tmp_path / "problem.json"
    words = ["--district", "sejong-5-1@0.01", "--at", "2026-07-15T18:00", "--save", str(saved)]
    assert run(["plan", *words, "--json"]) == 0
    ours = parse_plan(capsys.readouterr().out)
    assert (ours.first_slot, ours.slots) == (1_784_106_000, 24)
    assert {reason.slot_index for reason in ours.reasons} == set(range(8))
    assert run(["plan", str(saved), "--json"]) == 0
    theirs = parse_plan(capsys.readouterr().out)
    assert theirs.certificate.inputs == ours.certificate.inputs
    assert theirs.cost_krw.total == pytest.approx(ours.cost_krw.total, rel=1e-3)  # the gap


def test_the_text_of_a_district_names_local_times(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MICROGRID_HORIZON_SLOTS", "8")
    words = ["--district", "sejong-5-1@0.01", "--at", "2026-07-15T18:00"]
    assert run(["plan", *words]) == 0
    told = capsys.readouterr().out
    assert told.startswith("sejong-5-1@0.01, 2026-07-15 18:00 Asia/Seoul: 8 slots of 15 min")
    assert re.search(r"wires +limits added in 0 rounds, 0 exceeded\n", told)
    assert re.search(r"\n  19:45 +\d", told) and "  18:00     connection: importing at" in told


def parts_of(part: Any) -> set[Any]:
    """The dataclasses that a dataclass's fields hold, itself included."""
    found = {part}
    for hint in get_type_hints(part).values():
        for kind in (hint, *get_args(hint)):
            if isinstance(kind, type) and is_dataclass(kind):
                found |= parts_of(kind)
    return found


def test_every_field_of_a_problem_is_documented() -> None:
    named = set(re.findall(r"`([a-z0-9_]+)`", (ROOT / "docs" / "plan.md").read_text()))
    for part in parts_of(PlanProblem):
        assert {field.name for field in fields(part)} <= named, part.__name__
