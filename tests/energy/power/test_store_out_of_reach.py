"""The store is cut off or may only be read: the slot stays undecided, and is decided afterwards."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import energy.cycle
import energy.daemon.loop
from energy.config import build_settings
from energy.daemon import Daemon, DemoClock
from energy.steps.context import Installation, demo_beginning, open_installation
from energy.steps.proving import verify_store
from energy.store.engine import Store
from energy.store.errors import StoreBusyError
from energy.store.slots import find_slot, slots_between
from energy.units import SLOT_S
from optimizer import Planner, PlannerSettings

LEASE_S, SLOT_REAL_S, TRIES = 1.0, 0.05, 3_000
STEPS = ("clear_market", "settle_tick")
"""Before a unit of work that publishes, and before the one that settles."""


@pytest.fixture(autouse=True)
def one_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every start after a failure would begin a solving process anew, which is not asked here."""
    planner = Planner(PlannerSettings(in_process=True))
    start = partial(energy.daemon.loop.start_microgrid, planner=planner)
    monkeypatch.setattr(energy.daemon.loop, "start_microgrid", start)


@contextmanager
def at_work(url: str) -> Iterator[tuple[Installation, Daemon]]:
    """A daemon over a store, which is waked by hand."""
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=url, bots=False, horizon_slots=4
    )
    with open_installation(settings, demo_beginning(settings)) as opened:
        lead_s = settings.gate_lead_s
        clock = DemoClock(opened.store, opened.next_slot(), lead_s, SLOT_REAL_S)
        daemon = Daemon(opened, clock, LEASE_S)
        try:
            yield opened, daemon
        finally:
            daemon.stop()


def wake_until(daemon: Daemon, condition: Callable[[], bool]) -> None:
    """Wake it until something holds: a gate has to come, or its own lease has to end."""
    for _ in range(TRIES):
        daemon._wake()
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"never came: {daemon.trouble()}")


def run(installation: Installation, daemon: Daemon) -> None:
    """A slot more is final, and nothing is wrong any more."""
    slot = installation.next_slot()
    wake_until(daemon, lambda: installation.next_slot() > slot and daemon.trouble() is None)


def require_whole(installation: Installation) -> None:
    """Every slot has its row once and in order, each is sealed, and the books prove themselves."""
    store = installation.store
    rows = store.read(lambda connection: slots_between(connection, 0, 2**40))
    first = installation.first_slot
    assert [row.start for row in rows] == [first + n * SLOT_S for n in range(len(rows))]
    assert all(row.tier and row.sealed_utc == row.start for row in rows)
    assert verify_store(store, 0).ok


def let_write(store: Store, *, may: bool) -> None:
    """Let the one connection that writes do so, or refuse it as of a file for reading only."""
    connection = store._writer.raw_connection()
    connection.cursor().execute(f"PRAGMA query_only = {'OFF' if may else 'ON'}").close()
    connection.close()


@pytest.mark.check(3)
def test_a_store_that_may_only_be_read_stops_the_loop_and_is_read_on(tmp_path: Path) -> None:
    with at_work(f"sqlite:///{tmp_path}/up.db") as (installation, daemon):
        run(installation, daemon)
        slot, store = installation.next_slot(), installation.store

        let_write(store, may=False)
        with pytest.raises(StoreBusyError, match="readonly"):
            store.write(lambda c: c.exec_driver_sql("DELETE FROM slot"))
        wake_until(daemon, lambda: "readonly" in str(daemon.trouble()))
        assert store.read(lambda connection: find_slot(connection, slot)) is None
        let_write(store, may=True)
        run(installation, daemon)
        require_whole(installation)


@pytest.mark.check(3)
def test_a_database_that_stops_within_a_cycle_leaves_no_half_slot_and_is_waited_for(
    stoppable: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_work(stoppable.new_url()) as (installation, daemon):
        for name in STEPS:
            step, calls = getattr(energy.cycle, name), iter([True])

            def stopping(*arguments: Any, _step: Any = step, _calls: Any = calls, **n: Any) -> Any:
                if next(_calls, False):
                    stoppable.stop()
                return _step(*arguments, **n)

            with monkeypatch.context() as patch:
                patch.setattr(energy.cycle, name, stopping)
                wake_until(daemon, lambda: "StoreBusyError" in str(daemon._failure))
                with pytest.raises(StoreBusyError):
                    installation.next_slot()
                stoppable.start()
                run(installation, daemon)
        require_whole(installation)
