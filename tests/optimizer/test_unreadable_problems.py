"""A problem that cannot be read is refused with every finding at once, in words."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer import OptimizerError, Planner, PlannerSettings, check_problem


def test_a_good_problem_has_no_findings(toys: Any) -> None:
    for seed in range(5):
        assert check_problem(toys.random(seed)) == []


def test_all_findings_come_at_once_and_name_the_place(toys: Any) -> None:
    problem = toys.random(1)
    load = problem.load_kw.copy()
    load[3, 1] = np.nan
    bad = replace(
        problem,
        load_kw=load,
        batteries=replace(problem.batteries, eta_charge=problem.batteries.eta_charge * 2),
        connection=replace(problem.connection, p_peak_incurred_kw=-1.0),
        units=(replace(problem.units[0], p_kw_min=200.0),),
        cuts=(replace(toys.cut(99, [0.0, 0.0, 0.0], 1.0)),),
    )
    found = [str(finding) for finding in check_problem(bad)]
    assert "load_kw[3, 1]: nan, allowed: 0..1e+09" in found
    assert any(text.startswith("batteries.eta_charge[0]: 1.9") for text in found)
    assert "connection.p_peak_incurred_kw: -1, allowed: 0..1e+09" in found
    assert any(text.startswith("unit unit.p_kw_min: 200") for text in found)
    assert "cut cable 1.slot_index: 99, allowed: 0..7" in found
    with pytest.raises(OptimizerError, match=r"load_kw\[3, 1\].*slot_index: 99"):
        Planner(PlannerSettings(in_process=True)).plan(bad)


@pytest.mark.parametrize(
    ("field", "wrong", "text"),
    [
        ("fuel", ((40.0, 80.0), (70.0, 170.0), (100.0, 200.0)), "convex"),
        ("fuel", ((40.0, 80.0), (90.0, 200.0)), "from 40 to 100"),
        ("heat", ((40.0, 80.0), (100.0, 20.0)), "rising"),
        ("available", np.full(8, -1), "allowed: 0"),
        ("fuel_krw_per_kwh", np.inf, "allowed"),
        ("min_up_slots", -1, "allowed"),
    ],
)
def test_odd_units_are_named(toys: Any, field: str, wrong: Any, text: str) -> None:
    problem = toys.random(2)
    bad = replace(problem, units=(replace(problem.units[0], **{field: wrong}),))
    findings = check_problem(bad)
    assert any(field in finding.where and text in finding.text for finding in findings), findings


def test_wrong_shapes_are_told_before_anything_else(toys: Any) -> None:
    problem = toys.random(3)
    bad = replace(problem, loss_kw=np.zeros(3), shed_krw_per_kwh=np.nan)
    assert [str(f) for f in check_problem(bad)] == [
        "PlanProblem.loss_kw: shape (3,), allowed: (8,)"
    ]


def test_crossed_bounds_of_cars_and_batteries_are_named(toys: Any) -> None:
    problem = toys.random(4)
    bad = replace(
        problem,
        fleets=replace(problem.fleets, e_max_kwh=problem.fleets.e_min_kwh - 1.0),
        batteries=replace(problem.batteries, e_kwh_min=problem.batteries.e_kwh_max + 1.0),
    )
    laws = [finding.law for finding in check_problem(bad)]
    assert laws == ["order"] * (len(problem.batteries.id) + 1)
