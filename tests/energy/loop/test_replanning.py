"""Slots that have set-points are planned once more: whole, or again from the start."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import ValidationError

import energy.cycle
import energy.steps.replanning
from energy.config import Settings, build_settings
from energy.cycle import run_quarter_hour
from energy.steps.context import (
    Microgrid,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.steps.freshness import Standstill
from energy.steps.grid import plan_within_grid
from energy.steps.measure import Measured, measure
from energy.steps.planning import build_problem
from energy.steps.replanning import answer_replans, replan_slot
from energy.steps.steering import Steering
from energy.store.alarms import open_alarms
from energy.store.errors import StoreBusyError
from energy.store.replans import Replan, add_replan, answers_to, taken_now, unanswered_replans
from energy.store.setpoints import StoredSetPoints, load_setpoints
from energy.store.steering import Act, WireLimit, add_limit, cancel_limit
from energy.units import SLOT_S, SLOTS_PER_DAY
from grid_models import find_passage
from optimizer import PlanProblem

ACT = Act("person kim", "a unit has tripped", 0)


class CutOff(BaseException):
    """The process ends here, as if its power were cut."""


@dataclass(frozen=True)
class Planned:
    """A loop, and the problem that its cycle had asked for each slot."""

    microgrid: Microgrid
    asked: dict[int, PlanProblem]


def keeping(asked: dict[int, PlanProblem]) -> Any:
    def build(*given: Any) -> PlanProblem:
        found = build_problem(*given)
        asked[found.first_slot] = found
        return found

    return build


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planned]:
    """A loop in whose first slot the next one is planned already."""
    settings = build_settings(
        district="sejong-5-1@0.005",
        database_url=f"sqlite:///{tmp_path_factory.mktemp('replanning')}/loop.db",
        demo_start="2026-07-15T05:00+09:00", bots=False, horizon_slots=8, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as opened:
        microgrid = start_microgrid(opened)
        asked = dict[int, PlanProblem]()
        try:
            for slot in (opened.first_slot, opened.first_slot + SLOT_S):
                with pytest.MonkeyPatch.context() as patched:
                    patched.setattr(energy.cycle, "build_problem", keeping(asked))
                    run_quarter_hour(microgrid, slot, lambda slot=slot: float(slot - 300))
            yield Planned(microgrid, asked)
        finally:
            microgrid.close()


@pytest.fixture
def planned(stage: Planned) -> Microgrid:
    return stage.microgrid


def slots_of(microgrid: Microgrid) -> tuple[int, int]:
    first = microgrid.installation.first_slot
    return first, first + SLOT_S


def order(microgrid: Microgrid) -> Replan:
    first, _ = slots_of(microgrid)
    return microgrid.store.write(lambda connection: add_replan(connection, first, ACT, taken_now()))


def told_in(microgrid: Microgrid, slot: int) -> StoredSetPoints | None:
    return microgrid.store.read(lambda connection: load_setpoints(connection, slot))


def running(microgrid: Microgrid) -> Any:
    return lambda: float(microgrid.installation.first_slot + 60)


def test_a_replan_cut_off_half_way_is_done_again_from_its_start(
    planned: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, second), asked = slots_of(planned), order(planned)

    def cut_off(microgrid: Microgrid, slot: int) -> Any:
        if slot == second:
            raise CutOff
        return replan_slot(microgrid, slot)

    with monkeypatch.context() as patched, pytest.raises(CutOff):
        patched.setattr(energy.steps.replanning, "replan_slot", cut_off)
        answer_replans(planned, running(planned))
    assert [one.id for one in planned.store.read(unanswered_replans)] == [asked.id]
    assert answer_replans(planned, running(planned)) == 2
    assert planned.store.read(unanswered_replans) == []
    answers = planned.store.read(lambda connection: answers_to(connection, [asked.id]))
    assert [one.slot for one in answers] == [first, second]
    held = [told_in(planned, slot) for slot in (first, second)]
    assert [one.fence for one in held if one] == [one.fence for one in answers]
    assert answers[0].fence < answers[1].fence


def test_starts_and_stops_are_as_old_as_they_were_at_the_slots_own_gate(
    stage: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = dict[int, PlanProblem]()
    monkeypatch.setattr(energy.steps.replanning, "build_problem", keeping(again))
    for slot in slots_of(stage.microgrid):
        replan_slot(stage.microgrid, slot)
        for before, now in zip(stage.asked[slot].units, again[slot].units, strict=True):
            assert now.recent_starts == before.recent_starts
            assert now.recent_stops == before.recent_stops


def test_a_limit_from_the_running_slot_on_binds_its_new_plan(
    stage: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    microgrid, kept = stage.microgrid, list[Steering]()
    first, second = slots_of(microgrid)
    element = find_passage(microgrid.district.network, "F1").element
    limit = WireLimit(element, 12.5, first, second)
    made = microgrid.store.write(lambda connection: add_limit(connection, limit, ACT))

    def keeping_limits(*given: Any) -> Any:
        kept.append(given[3])
        return plan_within_grid(*given)

    monkeypatch.setattr(energy.steps.replanning, "plan_within_grid", keeping_limits)
    order(microgrid)
    answer_replans(microgrid, running(microgrid))
    microgrid.store.write(lambda connection: cancel_limit(connection, made, first, ACT))
    bound = [[one.p_kw_max[0] for one in steering.held] for steering in kept]
    assert bound == [[12.5], []]


def test_what_stands_still_is_not_believed_in_a_replan_either(
    planned: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, _), seen = slots_of(planned), list[Measured]()

    def seeing(*given: Any, **named: Any) -> Measured:
        seen.append(measure(*given, **named))
        return seen[-1]

    monkeypatch.setattr(energy.steps.replanning, "measure", seeing)
    replan_slot(planned, first)
    shown = seen[0].still.shown
    for_days = {name: np.full(len(value), 2.0 * SLOTS_PER_DAY) for name, value in shown.items()}
    due = {name: np.ones(len(value)) for name, value in shown.items()}
    monkeypatch.setattr(planned.memory, "still", Standstill(shown, for_days, due))
    replan_slot(planned, first)
    assert not any("have not moved for 24 h" in named for named in seen[0].named)
    assert any("have not moved for 24 h" in named for named in seen[1].named), seen[1].named


def failing(error: Exception) -> Any:
    def fail(*_: Any) -> Any:
        raise error

    return fail


def test_a_store_that_is_busy_leaves_the_order_open(
    planned: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = order(planned)
    with monkeypatch.context() as patched, pytest.raises(StoreBusyError):
        patched.setattr(energy.steps.replanning, "forecast_slot", failing(StoreBusyError("full")))
        answer_replans(planned, running(planned))
    assert [one.id for one in planned.store.read(unanswered_replans)] == [asked.id]
    assert answer_replans(planned, running(planned)) == 2


def test_a_slot_that_cannot_be_planned_anew_is_answered_so_that_the_loop_goes_on(
    planned: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, asked = slots_of(planned), order(planned)
    monkeypatch.setattr(energy.steps.replanning, "forecast_slot", failing(IndexError("no sun")))
    assert answer_replans(planned, running(planned)) == 2
    assert planned.store.read(unanswered_replans) == []
    answers = planned.store.read(lambda connection: answers_to(connection, [asked.id]))
    assert [(one.slot, one.tier) for one in answers] == [(slot, "T4") for slot in slots]
    assert {one.reason for one in answers} == {"it cannot be planned anew: no sun"}
    assert [told_in(planned, slot) for slot in slots] == [None, None]
    (alarm,) = [one.alarm for one in planned.store.read(open_alarms) if one.alarm.where == "plan"]
    assert alarm.cause == "slot/tier" and "no sun" in alarm.what


def test_no_gate_closes_before_the_slot_that_it_measures_is_complete() -> None:
    assert Settings(gate_lead_s=SLOT_S).gate_lead_s == SLOT_S
    with pytest.raises(ValidationError, match="less than or equal to 900"):
        Settings(gate_lead_s=SLOT_S + 1)


@pytest.mark.parametrize(("market_lead_s", "least_s"), [(30, 90), (0, 60), (60, 120)])
def test_on_the_real_clock_a_gate_leaves_a_minute_to_plan_and_clear(
    market_lead_s: int, least_s: int
) -> None:
    def lead_s(gate_lead_s: int, clock: Literal["demo", "real"]) -> int:
        given = Settings(clock=clock, market_lead_s=market_lead_s, gate_lead_s=gate_lead_s)
        return given.gate_lead_s

    assert lead_s(least_s, "real") == least_s
    with pytest.raises(ValidationError, match=f"{least_s} or more with the real clock"):
        lead_s(least_s - 1, "real")
    assert lead_s(0, "demo") == 0, "the demo clock waits for the plan"
