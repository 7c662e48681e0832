"""The loop was away: every slot is settled in order, and devices are told of the current one alone.

The doors answer meanwhile, and not one set-point is sent for a time that is over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, select

from energy.config import build_settings
from energy.cycle import next_slot, run_quarter_hour
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.proving import verify_store
from energy.store.book_tables import settlement
from energy.store.engine import Store
from energy.store.schema import setpoint
from energy.store.slots import SlotRow, last_published, slots_between
from energy.timegrid import parse_instant
from energy.units import SLOT_S

START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
GATE_S = 300


@dataclass(frozen=True)
class Away:
    """What a loop left that was away for so many slots, and what readers saw meanwhile."""

    rows: list[SlotRow]
    told: list[int]
    settled: list[int]
    proven: bool
    answers: int


def come_back(folder: Path, slots: int) -> Away:
    """One slot in time, so many missed, one in time again; a reader asks all the while."""
    url = f"sqlite:///{folder}/away.db"
    settings = build_settings(district="sejong-5-1@0.005", database_url=url, bots=False)
    now_s = START + (slots + 1) * SLOT_S
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            run_quarter_hour(microgrid, START, lambda: float(START - GATE_S))
            answers = _with_reader(installation.store, lambda: _catch_up(microgrid, float(now_s)))
        finally:
            microgrid.close()
        return installation.store.read(
            lambda connection: _found(connection, answers, verify_store(installation.store).ok)
        )


def _catch_up(microgrid: Microgrid, now_s: float) -> None:
    """As the daemon does: every slot whose gate has come, oldest first."""
    while (slot := next_slot(microgrid)) - GATE_S <= now_s:
        run_quarter_hour(microgrid, slot, lambda: now_s)


def _with_reader(store: Store, work: Callable[[], None]) -> int:
    """Read the newest slot until the work is done; how often that was answered."""
    answers, failures = 0, list[Exception]()

    def run() -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)

    thread = Thread(target=run)
    thread.start()
    while thread.is_alive():
        assert store.read(last_published) is not None
        answers += 1
        thread.join(0.02)
    if failures:
        raise failures[0]
    return answers


def _found(connection: Connection, answers: int, proven: bool) -> Away:
    first = (settlement.c.scope == 1) & (settlement.c.version == 1)
    return Away(
        rows=slots_between(connection, START, 2**62),
        told=list(connection.scalars(select(setpoint.c.slot).order_by(setpoint.c.slot))),
        settled=list(
            connection.scalars(select(settlement.c.slot).where(first).order_by(settlement.c.no))
        ),
        proven=proven,
        answers=answers,
    )


def require_whole(away: Away, slots: int) -> None:
    """What must hold whatever the length."""
    starts = [START + number * SLOT_S for number in range(slots + 2)]
    assert [row.start for row in away.rows] == starts
    assert [row.outcome for row in away.rows[1:-1]] == ["missed"] * slots
    # In time before and after; a missed slot's set-points would be stale. Those before go in time.
    assert away.told[-1] == starts[-1] and set(away.told) <= {starts[0], starts[-1]}
    due = [slot for slot in away.settled if slot >= START]
    assert due == starts[: len(due)] and len(due) == slots
    assert all(row.sealed_utc == row.start for row in away.rows)
    assert away.proven and away.answers > 0


@pytest.mark.check(8)
@pytest.mark.parametrize("slots", [4])
def test_slots_that_were_missed_are_settled_in_order(tmp_path: Path, slots: int) -> None:
    require_whole(come_back(tmp_path, slots), slots)


@pytest.mark.soak
@pytest.mark.check(8)
@pytest.mark.parametrize("slots", [1, 96, 672])
def test_a_slot_a_day_and_a_week_that_were_missed(tmp_path: Path, slots: int, check: Any) -> None:
    away = come_back(tmp_path, slots)
    require_whole(away, slots)
    check.state(f"{slots} slots missed, all settled once and in order; {away.answers} reads")


@pytest.mark.check(8, canary=True)
def test_canary_without_the_rule_of_the_current_slot_stale_set_points_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule compares the clock with the slot's end: here no slot ends."""
    for module in ("energy.cycle", "energy.steps.publish"):
        monkeypatch.setattr(f"{module}.is_over", lambda *_: False)
    away = come_back(tmp_path, 2)
    assert len(away.told) > 2
    with pytest.raises(AssertionError):
        require_whole(away, 2)
