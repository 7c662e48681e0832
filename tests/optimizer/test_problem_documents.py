"""Problems and plans as JSON: every number comes back, and whatever is wrong is named at once."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from optimizer import Planner, PlanProblem, rules_plan
from optimizer.document import (
    DocumentError,
    format_document,
    parse_plan,
    parse_problem,
    plan_document,
    problem_document,
)


def same(ours: Any, theirs: Any) -> bool:
    """Whether two values agree in type, shape and every bit."""
    if is_dataclass(ours):
        names = [field.name for field in fields(ours)]
        return type(ours) is type(theirs) and all(
            same(getattr(ours, name), getattr(theirs, name)) for name in names
        )
    if isinstance(ours, np.ndarray):
        alike = ours.dtype == theirs.dtype and ours.shape == theirs.shape
        return bool(alike and ours.tobytes() == theirs.tobytes())
    if isinstance(ours, tuple):
        pairs = zip(ours, theirs, strict=True)
        return type(theirs) is tuple and all(same(one, other) for one, other in pairs)
    return bool(ours == theirs) or (ours != ours and theirs != theirs)


def document(toys: Any, **changes: Any) -> dict[str, Any]:
    """A document with all parts, some of its keys changed."""
    return problem_document(toys.random(1)) | changes


def findings_of(found: dict[str, Any] | str) -> list[str]:
    text = found if isinstance(found, str) else json.dumps(found)
    with pytest.raises(DocumentError) as refused:
        parse_problem(text)
    return [str(finding) for finding in refused.value.findings]


@pytest.mark.parametrize("seed", range(5))
def test_a_problem_comes_back_number_for_number(toys: Any, seed: int) -> None:
    plain = toys.random(seed)
    problem = replace(
        plain,
        cuts=(toys.cut(2, [0.1, -0.2, 1 / 3], -4.5),),
        batteries=replace(plain.batteries, e_end_kwh_min=plain.batteries.e_kwh_min * 1.5),
    )
    assert same(problem, parse_problem(format_document(problem_document(problem))))


def test_a_problem_without_assets_needs_no_empty_tables(toys: Any) -> None:
    problem = toys.problem(3, load_kw=[1.0, 2.0, 3.0])
    found = problem_document(problem)
    assert not {"batteries", "fleets", "units", "heat"} & found.keys()
    assert same(problem, parse_problem(json.dumps(found)))


def test_fields_with_a_default_may_be_left_out(toys: Any) -> None:
    found = document(toys)
    for name in ("cuts", "near", "last_resort_krw_per_kwh"):
        del found[name]
    del found["batteries"]["e_end_kwh_min"]
    assert same(toys.random(1), parse_problem(json.dumps(found)))


def test_a_plan_comes_back_with_certificate_and_reasons(toys: Any, planner: Planner) -> None:
    problem = toys.random(2)
    for plan in (planner.plan(problem), rules_plan(problem)):
        text = format_document(plan_document(plan))
        assert "NaN" not in text
        assert same(plan, parse_plan(text))


def test_a_plan_with_a_missing_slot_is_refused(toys: Any) -> None:
    found = plan_document(rules_plan(toys.random(2)))
    found["p_export_kw"].pop()
    with pytest.raises(DocumentError, match="p_export_kw: 7 slots, allowed: 8 as in p_import_kw"):
        parse_plan(json.dumps(found))


def test_wrong_keys_and_kinds_are_all_named_at_once(toys: Any) -> None:
    found = document(toys, first_slot=0.5, colour="red")
    found["connection"]["peak_counts"] = [1] * 8
    found["batteries"]["eta_chrge"] = found["batteries"].pop("eta_charge")
    found["load_kw"][3][1] = None
    found["units"][0]["fuel"] = [[40.0, 90.0, 1.0]]
    found["heat"] = []
    assert findings_of(found) == [
        f"colour: unknown, allowed: {', '.join(field.name for field in fields(PlanProblem))}",
        "first_slot: 0.5, allowed: a whole number",
        "load_kw[3, 1]: null, allowed: a number",
        "batteries.eta_chrge: unknown, did you mean eta_charge?",
        "batteries.eta_charge: missing",
        "units[0].fuel[0]: [40.0, 90.0, 1.0], allowed: a list of 2",
        "heat: [], allowed: an object",
        "connection.peak_counts[0]: 1, allowed: true or false (and 7 more)",
    ]


def test_shapes_and_ranges_are_told_once_the_kinds_are_right(toys: Any) -> None:
    short = document(toys)
    short["loss_kw"].pop()
    assert findings_of(short) == ["PlanProblem.loss_kw: shape (7,), allowed: (8,)"]
    found = document(toys, shed_krw_per_kwh=-1)
    found["batteries"]["area"][0] = 9
    assert findings_of(found) == [
        "shed_krw_per_kwh: -1, allowed: 0..1e+09",
        "batteries.area[0]: 9, allowed: -1..2",
    ]


def test_ragged_rows_are_refused(toys: Any) -> None:
    found = document(toys)
    found["pv_kw"][2].pop()
    assert findings_of(found) == ["pv_kw: rows of different lengths, allowed: one length"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 400])
def test_numbers_that_are_none_are_refused(toys: Any, word: str) -> None:
    text = json.dumps(document(toys, shed_krw_per_kwh=5.125)).replace("5.125", word)
    (finding,) = findings_of(text)
    assert finding.startswith("shed_krw_per_kwh: ")
    assert finding.endswith('allowed: a number, or "inf" for one without bound')


@pytest.mark.parametrize(
    ("array", "plain"),
    [
        (np.array([[1.5, -0.0], [2.0, 1e-9]]), [[1.5, -0.0], [2.0, 1e-9]]),
        (np.array([1.5, np.inf, -np.inf, np.nan]), [1.5, "inf", "-inf", None]),
        (np.array([True, False]), [True, False]),
        (np.array([3, 2**62]), [3, 2**62]),
        (np.array(["solar", "세종"]), ["solar", "세종"]),
        (np.array([[1.5, None]], dtype=object), [[1.5, None]]),
        (np.zeros((2, 0)), [[], []]),
        (np.array(2.5), 2.5),
    ],
)
def test_arrays_of_every_kind_are_lists_of_plain_values(toys: Any, array: Any, plain: Any) -> None:
    found = plan_document(replace(rules_plan(toys.random(1)), e_battery_kwh=array))["e_battery_kwh"]
    assert json.dumps(found) == json.dumps(plain)


def test_a_number_without_bound_is_a_word_and_only_where_it_may_be(toys: Any) -> None:
    found = document(toys)
    assert found["units"][0]["fuel_kwh_start"] == "inf"
    assert parse_problem(json.dumps(found)).units[0].fuel_kwh_start == np.inf
    found["batteries"]["e_kwh_max"][0] = "inf"
    assert "batteries.e_kwh_max[0]: inf, allowed: 0..1e+09" in findings_of(found)


def test_true_is_not_a_number_and_a_word_is_not_a_list(toys: Any) -> None:
    found = document(toys, curtail_krw_per_kwh=True, area_ids="street")
    found["fleets"]["area"][1] = 2**70
    assert findings_of(found) == [
        'area_ids: "street", allowed: a list',
        "fleets.area[1]: 1180591620717411303424, allowed: a whole number",
        "curtail_krw_per_kwh: true, allowed: a number",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "nested 100000 deep, allowed: 32"),
        ('{"format": "' + "[" * 99 + '"}', 'allowed: "microgrid-problem/1"'),
        ("[]", "allowed: an object"),
        ("{}", 'format: null, allowed: "microgrid-problem/1"'),
        ('{"format": "microgrid-plan/1"}', 'allowed: "microgrid-problem/1"'),
        ('{"format": 1, "a": 1, "a": 2}', "a: stands twice in one object"),
    ],
)
def test_a_text_that_is_no_problem_is_refused(text: str, told: str) -> None:
    (finding,) = findings_of(text)
    assert told in finding


def test_the_text_has_a_line_for_each_row_of_numbers(toys: Any) -> None:
    text = format_document(problem_document(toys.problem(2, 2, load_kw=[1.0, 2.0])))
    assert ' "load_kw": [\n  [1.0, 1.0],\n  [2.0, 2.0]\n ],\n' in text
    assert json.loads(text) == problem_document(toys.problem(2, 2, load_kw=[1.0, 2.0]))
