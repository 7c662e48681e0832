"""An island that is planned or reported holds in plan, wires and market; who gives way by rank."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.cycle import run_quarter_hour
from energy.district.islanding import load_ranks
from energy.plant import SetPoints
from energy.steps.context import Microgrid
from energy.steps.grid import plan_within_grid
from energy.steps.injections import open_rows
from energy.steps.islanding import is_formed, plan_alone, with_islands
from energy.store.holds import add_hold
from energy.store.islands import Island, add_island, end_island, find_island
from energy.store.readings import load_readings
from energy.store.setpoints import load_setpoints
from energy.store.steering import Act
from energy.units import DT_H, SLOT_S
from optimizer import PlanProblem, no_fleets

FROM, UNTIL = 8, 16  # rows of the horizon
ACT = Act("person kim", "works at the substation", 0)
NOTHING = 1e-6  # kW and won: what the solver's sums leave


def islanded(bench: Any, problem: PlanProblem, first: int = FROM, end: int = UNTIL) -> PlanProblem:
    start = problem.first_slot
    slots = (start + first * SLOT_S, start + end * SLOT_S)
    island = Island(1, True, *slots, ACT, slots[1])
    return with_islands(bench.microgrid.district, [island], problem)


def plan(bench: Any, problem: PlanProblem) -> Any:
    return plan_within_grid(bench.microgrid, problem, lambda _: None)


def test_a_planned_island_balances_without_the_utility_and_costs_more(bench: Any) -> None:
    free, alone = plan(bench, bench.problem), plan(bench, islanded(bench, bench.problem))
    rows = slice(FROM, UNTIL)
    assert free.plan.p_import_kw[rows].max() + free.plan.p_export_kw[rows].max() > 1
    through_kw = alone.plan.p_import_kw + alone.plan.p_export_kw
    assert through_kw[rows].max() < NOTHING
    assert alone.tier in ("T0", "T1") and alone.plan.cost_krw.total > free.plan.cost_krw.total
    assert alone.plan.cost_krw.last_resort < NOTHING
    for row in range(FROM, UNTIL):
        assert abs(alone.carried[row].flow.p_slack_kw) < 5.0
    assert np.flatnonzero(open_rows(alone.problem)).tolist() == list(range(FROM, UNTIL))


def test_too_little_sheds_by_rank_after_the_cars_and_says_so(bench: Any) -> None:
    district, problem = bench.microgrid.district, bench.problem
    empty = replace(
        problem,
        pv_kw=0 * problem.pv_kw,
        batteries=replace(problem.batteries, e_start_kwh=0.2 * problem.batteries.e_kwh_max),
    )
    asked = islanded(bench, empty, 0, 24)
    alone = plan(bench, asked)
    shed_kw, rows = alone.plan.shed_by_rank_kw, slice(0, 24)
    names = [one.name for one in load_ranks(district)]
    assert shed_kw[rows].sum() > 1 and not shed_kw[24:].any()
    whole = (asked.rank_load_kw[rows].sum(axis=(0, 1)), shed_kw[rows].sum(axis=0))
    part = np.divide(whole[1], whole[0], out=np.zeros(len(names)), where=whole[0] > 0)
    assert (np.diff(part) <= 1e-6).all(), dict(zip(names, part, strict=True))
    assert alone.plan.cost_krw.last_resort < NOTHING, "cars' promises are put off, not broken"
    assert "are cut off while the district stands alone" in alone.reason
    prices = [rank.price_krw_per_kwh for rank in asked.shed_ranks]
    assert prices[0] == problem.shed_krw_per_kwh and prices == sorted(prices)


DUE_KWH = 18.0  # of a car that leaves at the end of an island; it takes at most 2.75 a slot


def with_one_car(problem: PlanProblem, leaves: int) -> PlanProblem:
    """Low batteries, no sun and one car at 11 kW that is due 18 kWh at the end of row `leaves`."""
    fleets, rows = problem.fleets, np.arange(problem.slots)
    car = replace(
        fleets, id=("car",), area=fleets.area[:1], eta=1.0,
        e_min_kwh=np.where(rows < leaves, 0.0, DUE_KWH)[None],
        e_max_kwh=np.full((1, problem.slots), DUE_KWH),
        p_charge_kw_max=np.where(rows <= leaves, 11.0, 0.0)[None],
        p_discharge_kw_max=np.zeros((1, problem.slots)),
    )  # fmt: skip
    low = replace(problem.batteries, e_start_kwh=0.2 * problem.batteries.e_kwh_max)
    return replace(problem, fleets=car, batteries=low, pv_kw=0 * problem.pv_kw)


def test_no_building_is_shed_for_a_car_that_leaves_at_the_end_of_an_island(bench: Any) -> None:
    asked = islanded(bench, with_one_car(bench.problem, leaves=23), 0, 24)
    none = replace(asked, fleets=no_fleets(asked.slots))
    planner = bench.microgrid.planner
    found, without = (plan_alone(planner, one, None).plan for one in (asked, none))
    assert found.fleet_charge_kw.max() < NOTHING and found.cost_krw.last_resort < NOTHING
    assert without.shed_kw.sum() > 1
    # Each is solved to a gap of its own.
    assert found.shed_kw.sum() == pytest.approx(without.shed_kw.sum(), rel=1e-3)


def test_a_car_that_leaves_in_an_island_to_come_is_charged_before_it(bench: Any) -> None:
    asked = islanded(bench, with_one_car(bench.problem, leaves=39), 16, 40)
    found = plan_alone(bench.microgrid.planner, asked, None).plan
    assert found.shed_kw.sum() > 1 and found.cost_krw.last_resort < NOTHING
    into_kwh = found.fleet_charge_kw[:, 0] * DT_H
    assert into_kwh[:16].sum() == pytest.approx(DUE_KWH)
    assert into_kwh[16:].max() < NOTHING


def dark(problem: PlanProblem, running: Sequence[str] = ()) -> PlanProblem:
    """Empty batteries and three groups that may start, but for those that run already."""
    groups = (*problem.units, replace(problem.units[0], id="fuel-cell-2"))
    units = tuple(
        replace(
            unit, p_now_kw=unit.p_kw_min * (unit.id in running), on_now=int(unit.id in running),
            available=np.ones(problem.slots, dtype=np.int64),
            recent_starts=(), recent_stops=(), fuel_kwh_start=unit.fuel_kwh_max,
        )
        for unit in groups
    )  # fmt: skip
    empty = replace(problem.batteries, e_start_kwh=0 * problem.batteries.e_kwh_max)
    return replace(problem, units=units, batteries=empty)


def may_run_from(problem: PlanProblem) -> dict[str, int]:
    """From which row of the horizon on each group may run."""
    return {unit.id: int(np.argmax(unit.available > 0)) for unit in problem.units}


def test_units_out_of_the_dark_start_one_group_a_slot_over_several_cycles(bench: Any) -> None:
    first = islanded(bench, dark(bench.problem), 0, 8)
    assert may_run_from(first) == {"biogas-1": 0, "fuel-cell-1": 1, "fuel-cell-2": 2}
    second = islanded(bench, dark(bench.problem, ["biogas-1"]), 0, 8)
    assert may_run_from(second) == {"biogas-1": 0, "fuel-cell-1": 0, "fuel-cell-2": 1}
    third = islanded(bench, dark(bench.problem, ["biogas-1", "fuel-cell-1"]), 0, 8)
    assert set(may_run_from(third).values()) == {0}


@pytest.mark.parametrize(
    "why", [{"recent_stops": (1,)}, {"fuel_kwh_start": 0.0, "fuel_inflow_kw": np.zeros(96)}]
)
def test_a_group_that_cannot_start_yet_does_not_keep_the_others_waiting(
    bench: Any, why: dict[str, Any]
) -> None:
    ready = dark(bench.problem)
    units = [replace(unit, **why if unit.id == "biogas-1" else {}) for unit in ready.units]
    found = islanded(bench, replace(ready, units=tuple(units)), 0, 8)
    assert may_run_from(found) == {"fuel-cell-1": 0, "fuel-cell-2": 1, "biogas-1": 2}


def test_without_battery_energy_and_units_the_plan_is_labelled_and_made(bench: Any) -> None:
    problem = bench.problem
    night = replace(
        problem,
        batteries=replace(problem.batteries, e_start_kwh=0 * problem.batteries.e_kwh_max),
        units=tuple(replace(unit, on_now=0, p_now_kw=0.0) for unit in problem.units),
    )
    alone = plan(bench, islanded(bench, night, 0, 8))
    assert "the district cannot stand alone: nothing holds the voltage" in alone.reason
    assert alone.plan.p_import_kw[:8].max() < NOTHING


def test_batteries_that_rest_hold_no_voltage_however_full_they_are(bench: Any) -> None:
    problem, table = bench.problem, bench.problem.batteries
    none = np.zeros((problem.slots, len(table.id)))
    idle = tuple(replace(unit, on_now=0, p_now_kw=0.0) for unit in problem.units)
    full = replace(problem, units=idle, batteries=replace(table, e_start_kwh=table.e_kwh_max))
    assert is_formed(full)
    resting = replace(full, batteries=replace(full.batteries, p_discharge_kw_max=none))
    assert not is_formed(resting)
    assert is_formed(replace(resting, units=problem.units)) == any(
        unit.on_now > 0 for unit in problem.units
    )


def test_in_an_island_that_has_begun_batteries_may_use_their_reserve(bench: Any) -> None:
    assert bench.problem.batteries.e_kwh_min.any()
    assert not islanded(bench, bench.problem, 0, 8).batteries.e_kwh_min.any()
    assert islanded(bench, bench.problem).batteries.e_kwh_min.any()


def test_the_loop_trades_and_meters_nothing_across_the_open_point(
    fresh_microgrid: Microgrid,
) -> None:
    slot, store = fresh_microgrid.installation.first_slot, fresh_microgrid.store
    made = store.write(lambda connection: add_island(connection, slot, slot + 3 * SLOT_S, ACT))
    for number in range(2):
        at = slot + number * SLOT_S
        found = run_quarter_hour(fresh_microgrid, at, lambda at=at: float(at - 300))
        assert found.plan is not None and found.plan.plan.p_import_kw[0] < NOTHING
        assert found.cleared.quote is not None
        assert (found.cleared.quote.import_wh, found.cleared.quote.export_wh) == (0, 0)
        assert [one.capacity_wh for one in found.cleared.network.links[:2]] == [0, 0]
    store.write(lambda connection: end_island(connection, made, slot + 2 * SLOT_S, ACT))
    ended = store.read(lambda connection: find_island(connection, made.id))
    assert ended is not None and ended.end_slot == slot + 2 * SLOT_S
    for number in range(2, 5):
        at = slot + number * SLOT_S
        found = run_quarter_hour(fresh_microgrid, at, lambda at=at: float(at - 300))
        assert found.settled.unexplained_wh == 0 and found.settled.unexplained_ukrw == 0
    for at, is_open in ((slot, True), (slot + SLOT_S, True), (slot + 2 * SLOT_S, False)):
        readings = store.read(lambda connection, at=at: load_readings(connection, at))
        assert readings is not None and (readings["boundary_wh"].sum() == 0) == is_open
        assert store.read(lambda connection, at=at: load_setpoints(connection, at)) is not None


@pytest.mark.parametrize("first", [0, 3])
def test_islands_do_not_change_a_problem_outside_of_them(bench: Any, first: int) -> None:
    end = bench.problem.slots + 4
    same = islanded(bench, bench.problem, end, end + first + 1)
    assert same is bench.problem


def test_a_held_battery_rests_in_plan_and_set_points_even_where_it_is_wanted(
    bench: Any, fresh_microgrid: Microgrid
) -> None:
    free = plan(bench, islanded(bench, bench.problem, 0, 8)).plan
    moved_kw = (free.battery_charge_kw + free.battery_discharge_kw)[:8].sum(axis=0)
    place = int(moved_kw.argmax())
    assert moved_kw[place] > 0.1
    slot, store = fresh_microgrid.installation.first_slot, fresh_microgrid.store
    battery = fresh_microgrid.district.batteries.id[place]
    store.write(lambda connection: add_island(connection, slot, slot + 8 * SLOT_S, ACT))
    window = (slot, slot + 8 * SLOT_S)
    store.write(lambda connection: add_hold(connection, battery, window, ACT))
    found = run_quarter_hour(fresh_microgrid, slot, lambda: float(slot - 300))
    assert found.plan is not None
    held = found.plan.plan
    held_kw = (held.battery_charge_kw + held.battery_discharge_kw)[:8, place]
    assert held_kw.max() < NOTHING
    told = store.read(lambda connection: load_setpoints(connection, slot))
    assert told is not None
    said = SetPoints.from_bytes(told.body)
    assert said.battery_charge_kw[place] == said.battery_discharge_kw[place] == 0
    assert said.batteries_off is not None
    assert np.flatnonzero(said.batteries_off).tolist() == [place]
