"""Rules and shifted plans: cars' promises and device limits hold, whatever else is lost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import Cut, Plan, Planner, PlanProblem, check_plan, rules_plan, shift_plan
from optimizer.check import PROMISES
from optimizer.plan import SLOT_S

few = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@few
@given(st.integers(0, 10_000))
def test_rules_keep_every_limit(toys: Any, seed: int) -> None:
    problem = toys.random(seed, slots=24)
    assert check_plan(problem, rules_plan(problem)) == []


@few
@given(st.integers(0, 10_000))
def test_rules_break_nothing_but_promises_in_an_island(toys: Any, seed: int) -> None:
    problem = island(toys.random(seed, slots=24))
    findings = check_plan(problem, rules_plan(problem))
    assert {finding.law for finding in findings} <= PROMISES


def island(problem: PlanProblem) -> PlanProblem:
    none = np.zeros(problem.slots)
    connection = replace(problem.connection, p_import_kw_max=none, p_export_kw_max=none)
    return replace(problem, connection=connection)


def test_rules_use_the_sun_at_home_first(toys: Any) -> None:
    problem = toys.problem(
        2,
        load_kw=[10.0, 30.0],
        pv_kw=[30.0, 0.0],
        batteries=toys.batteries(),
        connection=toys.connection(2, price_buy_krw_per_kwh=[100.0, 200.0]),
    )
    plan = rules_plan(problem)
    assert plan.p_export_kw == pytest.approx([0.0, 0.0])
    assert plan.p_import_kw == pytest.approx([0.0, 10.0])


def test_rules_shed_only_what_the_connection_cannot_bring(toys: Any) -> None:
    connection = toys.connection(2, p_import_kw_max=25.0)
    problem = toys.problem(2, load_kw=[20.0, 40.0], connection=connection)
    assert rules_plan(problem).shed_kw == pytest.approx([0.0, 15.0])


def test_shifted_plan_does_what_was_planned_for_its_slots(toys: Any, planner: Planner) -> None:
    problem = toys.random(21, slots=12)
    plan = planner.plan(problem)
    later = replace(
        problem,
        first_slot=problem.first_slot + 2 * SLOT_S,
        batteries=replace(problem.batteries, e_start_kwh=plan.e_battery_kwh[1]),
        fleets=replace(
            problem.fleets,
            e_min_kwh=moved_on(problem.fleets.e_min_kwh, 2) - plan.e_fleet_kwh[1][:, None],
            e_max_kwh=moved_on(problem.fleets.e_max_kwh, 2) - plan.e_fleet_kwh[1][:, None],
        ),
        units=tuple(
            replace(
                unit,
                on_now=int(plan.unit_on[1, row]),
                p_now_kw=float(plan.unit_p_kw[1, row]),
                recent_starts=(),
            )
            for row, unit in enumerate(problem.units)
        ),
    )
    shifted = shift_plan(later, plan)
    assert check_plan(later, shifted) == []
    for name in ("e_battery_kwh", "fleet_charge_kw", "unit_on", "heat_pump_kw"):
        ours, planned = getattr(shifted, name)[:10], getattr(plan, name)[2:]
        np.testing.assert_allclose(ours, planned, atol=1e-6, err_msg=name)


def moved_on(rows: np.ndarray, slots: int) -> np.ndarray:
    return np.concatenate([rows[:, slots:], np.repeat(rows[:, -1:], slots, axis=1)], axis=1)


@few
@given(st.integers(0, 10_000))
def test_shifted_plan_is_trimmed_to_what_has_changed(
    toys: Any, planner: Planner, seed: int
) -> None:
    problem = toys.random(seed, slots=8)
    plan = planner.plan(problem)
    rng = np.random.default_rng(seed)
    changed = replace(
        problem,
        first_slot=problem.first_slot + SLOT_S,
        load_kw=problem.load_kw * rng.uniform(0.5, 2, problem.load_kw.shape),
        pv_kw=problem.pv_kw * rng.uniform(0, 2, problem.pv_kw.shape),
        batteries=replace(
            problem.batteries, e_start_kwh=problem.batteries.e_kwh_max * rng.uniform(0, 1)
        ),
        units=tuple(
            replace(unit, available=np.minimum(unit.available, 1)) for unit in problem.units
        ),
    )
    assert check_plan(changed, shift_plan(changed, plan)) == []


def with_cuts(problem: PlanProblem, cuts: list[Cut]) -> PlanProblem:
    return replace(problem, cuts=tuple(cuts))


def test_a_plan_without_solver_yields_to_a_cable_before_it_yields_to_a_wish(toys: Any) -> None:
    """Of 200 kW wished behind a cable for 150 kW: the battery there gives way, the far one not."""
    problem = toys.problem(
        1,
        areas=2,
        load_kw=[[100.0, 0.0]],
        batteries=toys.batteries(2, area=[0, 1], e_kwh_max=100.0),
        connection=toys.connection(1, p_peak_incurred_kw=1000.0),
    )
    charging = replace(rules_plan(problem), e_battery_kwh=np.array([[25.0, 25.0]]))
    assert shift_plan(problem, charging).area_net_kw.tolist() == [[200.0, 100.0]]
    held = with_cuts(problem, [toys.cut(0, [1.0, 0.0], 150.0)])
    plan = shift_plan(held, charging)
    assert plan.area_net_kw.tolist() == [[150.0, 100.0]]
    assert check_plan(held, plan) == []


def test_to_a_cable_yields_what_moves_it_most_first(toys: Any) -> None:
    problem = toys.problem(
        1,
        areas=2,
        batteries=toys.batteries(2, area=[0, 1], e_kwh_max=100.0),
        connection=toys.connection(1, p_peak_incurred_kw=1000.0),
    )
    charging = replace(rules_plan(problem), e_battery_kwh=np.array([[25.0, 25.0]]))
    plan = shift_plan(with_cuts(problem, [toys.cut(0, [1.0, 0.2], 60.0)]), charging)
    assert plan.area_net_kw == pytest.approx(np.array([[40.0, 100.0]]))


def test_where_sun_overloads_a_cable_the_sun_there_is_held_back_and_then_units(toys: Any) -> None:
    unit = toys.unit(1, available=np.array([1]), on_now=1, p_now_kw=100.0)
    problem = toys.problem(1, areas=2, pv_kw=[[30.0, 50.0]], units=(unit,))
    plan = rules_plan(with_cuts(problem, [toys.cut(0, [-1.0, 0.0], 80.0)]))
    assert plan.pv_used_kw == pytest.approx(np.array([[0.0, 50.0]]))
    assert plan.unit_p_kw == pytest.approx(np.array([[80.0]]))


def test_cars_keep_their_promise_behind_a_narrow_cable_and_the_cable_is_named(toys: Any) -> None:
    fleet = {"e_min_kwh": 20.0, "e_max_kwh": 20.0, "p_charge_kw_max": 100.0}
    problem = toys.problem(1, load_kw=[10.0], fleets=toys.fleets(1, 1, **fleet))
    held = with_cuts(problem, [toys.cut(0, [1.0], 50.0)])
    plan = rules_plan(held)
    assert plan.e_fleet_kwh == pytest.approx(np.array([[20.0]]))
    assert [finding.law for finding in check_plan(held, plan)] == ["wires"]


@few
@given(st.integers(0, 10_000))
def test_no_cut_is_broken_more_than_without_heeding_it(toys: Any, seed: int) -> None:
    """Random cables at nine tenths of what the rules would draw: most hold, all laws do."""
    problem = toys.random(seed, slots=12)
    free = rules_plan(problem)
    rng = np.random.default_rng(seed)
    way = rng.uniform(-1, 1, (12, 3))
    cuts = [
        replace(
            toys.cut(slot, way[slot], 0.9 * float(way[slot] @ free.area_net_kw[slot])),
            id=f"c{slot}",
        )
        for slot in range(12)
    ]
    held = with_cuts(problem, [cut for cut in cuts if cut.limit_kw > 0])
    plan = rules_plan(held)
    assert {finding.law for finding in check_plan(held, plan)} <= {"wires"}
    assert broken_kw(held, plan) < broken_kw(held, free)


def broken_kw(problem: PlanProblem, plan: Plan) -> float:
    over = [
        float(cut.coefficient @ plan.area_net_kw[cut.slot_index]) - cut.limit_kw
        for cut in problem.cuts
    ]
    return sum(max(each, 0.0) for each in over)


def cell(toys: Any, slots: int, **changes: Any) -> Any:
    """A fuel cell of 132 to 440 kW at full power."""
    curve = ((132.0, 300.0), (440.0, 1000.0))
    numbers = {"p_kw_min": 132.0, "p_kw_max": 440.0, "ramp_kw_per_slot": 440.0}
    now = {"on_now": 1, "p_now_kw": 440.0}
    return toys.unit(slots, fuel=curve, heat=curve, **{**numbers, **now, **changes})


def test_in_an_island_a_unit_gives_no_more_than_is_drawn(toys: Any) -> None:
    problem = island(toys.problem(4, load_kw=[200.0] * 4, units=(cell(toys, 4),)))
    plan = rules_plan(problem)
    assert plan.unit_p_kw[:, 0] == pytest.approx([200.0] * 4)
    assert plan.p_export_kw == pytest.approx([0.0] * 4)
    assert check_plan(problem, plan) == []


def test_in_an_island_a_unit_gives_more_before_load_is_shed(toys: Any) -> None:
    low = cell(toys, 2, p_now_kw=150.0)
    plan = rules_plan(island(toys.problem(2, load_kw=[400.0, 500.0], units=(low,))))
    assert plan.unit_p_kw[:, 0] == pytest.approx([400.0, 440.0])
    assert plan.shed_kw == pytest.approx([0.0, 60.0])


def test_a_unit_whose_least_is_too_much_stops_as_soon_as_it_may(toys: Any) -> None:
    """It started in the slot before and must run for three; then it rests, for two at least."""
    young = cell(toys, 6, recent_starts=(1,), min_up_slots=3, min_down_slots=2)
    load_kw = [200.0, 200.0, 200.0, 100.0, 200.0, 200.0]
    problem = island(toys.problem(6, load_kw=load_kw, units=(young,)))
    plan = rules_plan(problem)
    assert plan.unit_on[:, 0].tolist() == [1, 1, 1, 0, 0, 1]
    assert plan.p_export_kw == pytest.approx([0.0] * 6)
    assert check_plan(problem, plan) == []
    at_once = island(toys.problem(6, load_kw=[100.0] * 6, units=(young,)))
    assert rules_plan(at_once).unit_on[:, 0].tolist() == [1, 1, 0, 0, 0, 0]


def test_no_more_units_stop_than_must(toys: Any) -> None:
    three = cell(toys, 2, available=np.array([3, 3]), on_now=3, p_now_kw=900.0)
    plan = rules_plan(island(toys.problem(2, load_kw=[300.0, 300.0], units=(three,))))
    assert plan.unit_on[:, 0].tolist() == [2, 2]
    assert plan.unit_p_kw[:, 0] == pytest.approx([300.0, 300.0])


def test_units_that_ramp_slowly_are_lowered_before_they_stop(toys: Any) -> None:
    slow = cell(toys, 5, ramp_kw_per_slot=200.0)
    problem = island(toys.problem(5, load_kw=[100.0] * 5, units=(slow,)))
    plan = rules_plan(problem)
    assert plan.unit_p_kw[:, 0] == pytest.approx([240.0, 132.0, 0.0, 0.0, 0.0])
    assert {finding.law for finding in check_plan(problem, plan)} == {"connection"}


def test_a_shifted_plan_counts_the_peak_that_has_been_drawn_since(toys: Any) -> None:
    """The plan before knew of 40 kW; meanwhile 60 kW are owed, so 60 kW cost nothing more."""
    early = toys.problem(
        2,
        load_kw=[40.0, 60.0],
        batteries=toys.batteries(e_start_kwh=10.0),
        connection=toys.connection(2, demand_charge_krw_per_kw=1000.0, p_peak_incurred_kw=40.0),
    )
    before = replace(rules_plan(early), p_peak_kw=40.0, e_battery_kwh=np.full((2, 1), 10.0))
    late = replace(early, connection=replace(early.connection, p_peak_incurred_kw=60.0))
    assert shift_plan(late, before).p_import_kw == pytest.approx([40.0, 60.0])
    assert shift_plan(early, before).p_import_kw == pytest.approx([40.0, 40.0])
