"""What a plan is told of units' starts and stops is what was measured, each in its own slot."""

from pathlib import Path

import numpy as np
import pytest

import energy.cycle
from energy.config import build_settings
from energy.cycle import run_quarter_hour
from energy.steps.context import demo_beginning, open_installation, start_microgrid
from energy.steps.planning import build_problem
from energy.store.measured import load_measured
from energy.units import SLOT_S
from optimizer import PlanProblem

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
