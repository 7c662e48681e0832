"""What a plan is told of units' starts and stops is what was measured, each in its own slot."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import energy.cycle
from energy.config import build_settings
from energy.cycle import run_quarter_hour
from energy.district import UnitType, load_district
from energy.plant.generators import Generators, UnitOrder, UnitStates
from energy.steps.context import demo_beginning, open_installation, start_microgrid
from energy.steps.planning import build_problem
from energy.steps.record import unit_changes
from energy.store.measured import load_measured
from energy.units import SLOT_S
from optimizer import PlanProblem, UnitGroup
from optimizer.curves import commitment

SLOTS = 8
BEHIND = 2


def test_recent_starts_and_stops_stand_as_many_slots_ago_as_they_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[PlanProblem] = []

    def keeping(*args: object) -> PlanProblem:
        problem = build_problem(*args)  # type: ignore[arg-type]
        asked.append(problem)
        return problem

    monkeypatch.setattr(energy.cycle, "build_problem", keeping)
    settings = build_settings(
        district="sejong-5-1@0.01",
        database_url=f"sqlite:///{tmp_path}/units.db",
        demo_start="2026-07-15T05:00+09:00",
        bots=False,
    )
    with open_installation(settings, demo_beginning(settings)) as installation:
        microgrid = start_microgrid(installation)
        try:
            first = installation.next_slot()
            for step in range(SLOTS):
                slot = first + step * SLOT_S
                run_quarter_hour(microgrid, slot, lambda slot=slot: float(slot - 300))
        finally:
            microgrid.close()
        rows = installation.store.read(
            lambda connection: load_measured(connection, first - BEHIND * SLOT_S, slot)
        )
    moves = 0
    for step, problem in enumerate(asked):
        slot = first + step * SLOT_S
        for unit, group in enumerate(problem.units):
            for ago in range(BEHIND, step + BEHIND + 1):
                seen = rows[slot - ago * SLOT_S]
                assert group.recent_starts[ago - 1] == np.asarray(seen["unit_starts"])[unit]
                assert group.recent_stops[ago - 1] == np.asarray(seen["unit_stops"])[unit]
                moves += int(group.recent_starts[ago - 1] + group.recent_stops[ago - 1])
    assert moves, "no unit started or stopped: the test would have nothing to compare"


def test_after_a_trip_the_plan_starts_a_unit_in_the_slot_in_which_the_plant_does() -> None:
    """One cell trips and is able again a slot later; it must rest for 16 slots all the same."""
    cell = load_district("sejong-5-1@0.01").units[0]
    plant = Generators((replace(cell, count=1, mtbf_h=1e-9, mttr_h=1e-9),), 1)
    running = UnitStates(
        up=np.array([True]),
        on=np.array([True]),
        p_kw=np.array([cell.p_kw_max]),
        since=np.array([1_000]),
        e_fuel_kwh=np.array([np.inf]),
    )
    tripped = plant.run(running, 0, None)
    seen = SimpleNamespace(
        unit_starts=tripped.starts, unit_stops=tripped.stops, unit_trips=tripped.trips
    )
    starts, stops = unit_changes(seen)
    assert (starts.tolist(), stops.tolist()) == ([0], [1])
    # As after a repair that holds: able from now on.
    now = replace(tripped.states, up=np.array([True]))
    calm = Generators((replace(cell, count=1, mtbf_h=1e12),), 1)
    told = UnitOrder(np.array([1]), np.array([cell.p_kw_max]))
    ran = []
    for slot in range(20):
        found = calm.run(now, (slot + 1) * SLOT_S, told)
        now = found.states
        ran.append(int(found.on[0]))
    unit = replace(
        a_group(cell, 20), recent_starts=(int(starts[0]),), recent_stops=(int(stops[0]),)
    )
    assert commitment(unit).most.tolist() == ran
    assert 0 in ran and 1 in ran


def a_group(cell: UnitType, slots: int) -> UnitGroup:
    """The cell as a plan sees it, at rest and able to run."""
    return UnitGroup(
        id=cell.id,
        area=cell.area,
        available=np.ones(slots, dtype=np.int64),
        p_kw_min=cell.p_kw_min,
        p_kw_max=cell.p_kw_max,
        fuel=cell.fuel,
        heat=cell.heat,
        ramp_kw_per_slot=cell.ramp_kw_per_slot,
        min_up_slots=cell.min_up_slots,
        min_down_slots=cell.min_down_slots,
        start_cost_krw=cell.start_cost_krw,
        wear_krw_per_h=cell.wear_krw_per_h,
        fuel_krw_per_kwh=cell.fuel_price_krw_per_kwh,
        on_now=0,
        p_now_kw=0.0,
        recent_starts=(),
        recent_stops=(),
        fuel_kwh_start=np.inf,
        fuel_kwh_max=np.inf,
        fuel_inflow_kw=np.zeros(slots),
        count=1,
    )
