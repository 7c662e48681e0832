"""A step of the cycle that fails takes no other with it: each slot has its row, and people hear."""

import importlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

import energy.cycle
from energy.config import build_settings
from energy.crowd import build_crowd
from energy.cycle import CycleResult, finish_ticks, run_quarter_hour
from energy.simulate import place_orders
from energy.steps.context import (
    Microgrid,
    demo_beginning,
    open_books_of,
    open_installation,
    start_microgrid,
)
from energy.steps.halting import AUDIT_CAUSE
from energy.steps.proving import export_lines, verify_store
from energy.steps.upkeep import books_trouble
from energy.store.alarms import Alarm, end_alarm, open_alarms, raise_alarm
from energy.store.errors import StoreBusyError
from energy.store.orders import load_fills
from energy.store.setpoints import load_setpoints
from energy.store.slots import SlotRow, find_slot, unsealed_ticks
from energy.store.steering import Act, WireLimit, add_limit
from energy.units import SLOT_S
from market.verifier import verify_export
from optimizer import Planner, PlannerSettings
from optimizer.child import End, Reply


@pytest.fixture(scope="module")
def microgrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microgrid]:
    """A loop that has published a slot; each test goes on with the next."""
    settings = build_settings(
        district="sejong-5-1@0.005",
        database_url=f"sqlite:///{tmp_path_factory.mktemp('faults')}/loop.db",
        demo_start="2026-07-15T12:00+09:00", bots=False, horizon_slots=4, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as opened:
        found = start_microgrid(opened, Planner(PlannerSettings(in_process=True)))
        run(found)
        yield found


def run(microgrid: Microgrid) -> CycleResult:
    """The cycle of the next slot, with orders of the crowd in its book."""
    slot = microgrid.installation.next_slot()
    place_orders(microgrid.installation, build_crowd(microgrid.district, 1), slot)
    return run_quarter_hour(microgrid, slot, lambda: slot - 300.0)


def row_of(microgrid: Microgrid, slot: int) -> SlotRow:
    found = microgrid.store.read(lambda connection: find_slot(connection, slot))
    assert found is not None
    return found


def is_told(microgrid: Microgrid, slot: int) -> bool:
    return microgrid.store.read(lambda connection: load_setpoints(connection, slot)) is not None


def alarms(microgrid: Microgrid) -> dict[str, str]:
    return {one.alarm.cause: one.alarm.what for one in microgrid.store.read(open_alarms)}


def fail(*_: Any, **__: Any) -> Any:
    raise IndexError("planted")


@pytest.mark.parametrize("step", ["steering_of", "plan_within_grid"])
def test_where_planning_fails_the_slot_has_a_plan_without_solver(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, step, fail)
        found = run(microgrid)
    row = row_of(microgrid, found.slot)
    assert (row.outcome, row.tier) == ("fallback", "T2") and is_told(microgrid, found.slot)
    assert "it cannot be planned: IndexError: planted" in str(row.reason)
    assert found.cleared.clearing is not None and row.sealed_utc == found.slot


def test_a_weather_service_that_fails_is_one_that_has_nothing(microgrid: Microgrid) -> None:
    found = run(replace(microgrid, weather_at=fail))
    row = row_of(microgrid, found.slot)
    assert (row.outcome, row.tier) == ("ok", "T0") and is_told(microgrid, found.slot)
    assert found.measured.weather is None and found.cleared.clearing is not None
    assert "the weather service failed: IndexError: planted" in alarms(microgrid)["slot/meters"]
    run(microgrid)
    assert "the weather service failed" not in alarms(microgrid).get("slot/meters", "")


@pytest.mark.parametrize("step", ["work_out_baselines", "forecast_slot", "build_problem"])
def test_where_there_is_nothing_to_plan_from_devices_keep_to_their_defaults(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, step, fail)
        found = run(microgrid)
    row = row_of(microgrid, found.slot)
    assert (row.outcome, row.tier) == ("fallback", "T4") and not is_told(microgrid, found.slot)
    assert "nothing to plan from: IndexError: planted" in alarms(microgrid)["slot/tier"]
    assert found.cleared.clearing is None and row.sealed_utc == found.slot
    run(microgrid)
    assert "slot/tier" not in alarms(microgrid)


def test_where_no_plan_can_be_checked_the_slot_rests_and_says_both_reasons(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, "plan_within_grid", fail)
        patch.setattr("energy.steps.faults.check_on_grid", lambda *_: 1 / 0)
        found = run(microgrid)
    row = row_of(microgrid, found.slot)
    assert row.tier == "T4" and not is_told(microgrid, found.slot)
    assert "planted" in str(row.reason) and "ZeroDivisionError" in str(row.reason)


def test_an_auction_that_fails_leaves_the_plan_and_voids_the_orders(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, "clear_market", fail)
        found = run(microgrid)
    row = row_of(microgrid, found.slot)
    assert (row.outcome, row.tier) == ("ok", "T0") and is_told(microgrid, found.slot)
    assert found.cleared.clearing is None and found.cleared.orders
    assert "cannot be cleared: IndexError: planted" in alarms(microgrid)["slot/market"]
    run(microgrid)
    assert "slot/market" not in alarms(microgrid)


@pytest.mark.parametrize("found", ["before the auction", "between auction and publishing"])
def test_after_a_finding_of_any_process_slots_are_told_and_nothing_is_traded_or_signed(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    finding = Alarm(AUDIT_CAUSE, "alarm", "The books do not hold: planted", "ledger", "Stop.")
    sealed = microgrid.books.head.state.tick
    microgrid.store.write(lambda connection: raise_alarm(connection, finding, sealed))
    with monkeypatch.context() as patch:
        if found != "before the auction":
            patch.setattr(energy.cycle, "why_halted", lambda *_: None)
        halted = run(microgrid)
    row = row_of(microgrid, halted.slot)
    assert row.outcome == "ok" and is_told(microgrid, halted.slot)
    assert halted.cleared.clearing is None and halted.cleared.orders
    assert "do not hold: planted" in alarms(microgrid)["slot/market"]
    assert halted.settled is None and microgrid.books.head.state.tick == sealed
    microgrid.store.write(lambda connection: end_alarm(connection, AUDIT_CAUSE, sealed))
    after = run(microgrid)
    assert after.cleared.clearing is not None and after.settled is not None


def test_trouble_of_the_store_is_no_fault_and_the_same_slot_is_tried_again(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> Any:
        raise StoreBusyError("planted")

    slot = microgrid.installation.next_slot()
    for step in ("forecast_slot", "plan_within_grid", "clear_market"):
        with monkeypatch.context() as patch, pytest.raises(StoreBusyError):
            patch.setattr(energy.cycle, step, busy)
            run(microgrid)
    assert microgrid.installation.next_slot() == slot


@pytest.mark.parametrize("where", ["energy.cycle.forecast_slot", "energy.steps.publish.plan_view"])
def test_a_slot_that_ends_before_it_is_published_is_missed_and_trades_nothing(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """As where the machine is suspended in between: the plan would come after its slot."""
    slot = microgrid.installation.next_slot()
    now_s = [slot - 300.0]
    module, name = where.rsplit(".", 1)
    step = getattr(importlib.import_module(module), name)

    def suspended(*arguments: Any) -> Any:
        now_s[0] = float(slot + SLOT_S)
        return step(*arguments)

    monkeypatch.setattr(where, suspended)
    place_orders(microgrid.installation, build_crowd(microgrid.district, 1), slot)
    found = run_quarter_hour(microgrid, slot, lambda: now_s[0])
    row = row_of(microgrid, slot)
    assert (row.outcome, row.tier, row.sealed_utc) == ("missed", "T4", slot)
    assert "over before it could be published" in str(row.reason)
    assert not is_told(microgrid, slot) and found.plan is None and found.cleared.clearing is None
    assert found.cleared.orders and not microgrid.store.read(
        lambda connection: load_fills(connection, slot)
    )


@pytest.mark.parametrize(
    ("where", "before_s"),
    [("energy.cycle.forecast_slot", 29.0), ("energy.steps.publish.plan_view", -1.0)],
)
def test_a_slot_that_begins_before_its_trades_are_out_has_a_plan_and_no_market(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, where: str, before_s: float
) -> None:
    """Late before the auction, or between it and the transaction that would have told of it."""
    slot = microgrid.installation.next_slot()
    now_s = [slot - 300.0]
    module, name = where.rsplit(".", 1)
    step = getattr(importlib.import_module(module), name)

    def slow(*arguments: Any) -> Any:
        now_s[0] = slot - before_s
        return step(*arguments)

    monkeypatch.setattr(where, slow)
    place_orders(microgrid.installation, build_crowd(microgrid.district, 1), slot)
    found = run_quarter_hour(microgrid, slot, lambda: now_s[0])
    assert found.plan is not None and is_told(microgrid, slot)
    assert found.cleared.clearing is None and "too late to clear" in found.cleared.reason
    assert found.cleared.orders and not microgrid.store.read(
        lambda connection: load_fills(connection, slot)
    )
    assert verify_store(microgrid.store, 0).ok
    monkeypatch.undo()
    assert run(microgrid).cleared.clearing is not None


class Hanging(Planner):
    """A solver that is killed each time its time is over; `count_s` is the clock of all."""

    count_s = 0.0

    def _solve(self, problem: Any, previous: Any, begun: float) -> Reply:
        Hanging.count_s += self.settings.deadline_s
        return Reply(None, End.LATE)


@pytest.mark.parametrize(("lead_s", "allowed_s"), [(300.0, 270.0), (40.0, 10.0), (-60.0, 100.0)])
def test_all_plans_of_a_slot_share_one_deadline_though_the_solver_hangs_and_the_wires_are_full(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch, lead_s: float, allowed_s: float
) -> None:
    """Half a minute before the slot at the latest; where that is past, as long as one plan may."""
    monkeypatch.setattr(Hanging, "count_s", 0.0)
    for module in ("energy.cycle", "optimizer.planner"):
        monkeypatch.setattr(f"{module}.monotonic", lambda: Hanging.count_s)
    settings = microgrid.settings.model_copy(update={"plan_deadline_s": 100.0})
    hanging = replace(
        microgrid,
        planner=Hanging(PlannerSettings(deadline_s=100.0, in_process=True)),
        installation=replace(microgrid.installation, settings=settings),
    )
    slot = microgrid.installation.next_slot()
    limit = WireLimit("F1-01", 0.0, slot, slot + SLOT_S)
    act = Act("person kim", "cable work", slot)
    microgrid.store.write(lambda connection: add_limit(connection, limit, act))
    found = run_quarter_hour(hanging, slot, lambda: slot - lead_s)
    assert found.plan is not None and found.plan.on_wires and is_told(microgrid, slot)
    assert 0 < Hanging.count_s <= allowed_s


def test_rules_that_cannot_be_read_leave_the_slot_without_a_market(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, "renew_rules", fail)
        found = run(microgrid)
    assert found.cleared.clearing is None and is_told(microgrid, found.slot)
    assert "IndexError: planted" in alarms(microgrid)["cycle/rules"]
    run(microgrid)
    assert "cycle/rules" not in alarms(microgrid)


def test_instructions_that_cannot_be_followed_leave_no_trace_and_the_book_its_orders(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(connection: Connection, *_: Any) -> None:
        connection.exec_driver_sql("CREATE TABLE half_done (n INTEGER)")
        raise IndexError("planted")

    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, "make_automatic_orders", half)
        found = run(microgrid)
    assert found.cleared.clearing is not None and found.cleared.orders
    assert "IndexError: planted" in alarms(microgrid)["cycle/automatic"]
    names = microgrid.store.read(
        lambda c: c.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
    )
    assert "half_done" not in names
    run(microgrid)
    assert "cycle/automatic" not in alarms(microgrid)


def test_a_tick_that_cannot_be_settled_waits_under_an_alarm_while_later_slots_are_told(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, "settle_tick", fail)
        first, *others = [run(microgrid) for _ in range(3)]
    waiting = [one.slot for one in (first, *others)]
    assert microgrid.store.read(unsealed_ticks) == waiting
    assert all(is_told(microgrid, slot) for slot in waiting)
    assert first.settled is None and "IndexError: planted" in alarms(microgrid)["books/backlog"]
    assert "not settled" in str(microgrid.store.read(books_trouble))
    assert not verify_store(microgrid.store).first_failure
    # As a process that starts anew finds them.
    books = open_books_of(microgrid.installation)
    anew = replace(microgrid, installation=replace(microgrid.installation, books=books))
    done = finish_ticks(anew, lambda: 0.0, math.inf)
    assert done is not None and done.tick == waiting[-1]
    microgrid.books.head = books.head
    assert microgrid.store.read(books_trouble) is None and "books/backlog" not in alarms(microgrid)
    run(microgrid)
    assert verify_store(microgrid.store).ok
    assert verify_export(export_lines(microgrid.store)).ok


def test_a_long_backlog_is_settled_one_a_slot_while_the_gates_have_come_and_in_order(
    microgrid: Microgrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(energy.cycle, "settle_tick", fail)
        waiting = [run(microgrid).slot for _ in range(2)]
    assert finish_ticks(microgrid, lambda: 1.0, 0.0) is None
    assert microgrid.store.read(unsealed_ticks) == waiting[1:]
    last = run(microgrid)
    assert last.settled is not None and last.settled.tick == waiting[-1] + SLOT_S
