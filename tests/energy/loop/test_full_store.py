"""The store takes nothing more: the slot stays undecided, and is decided once there is room."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from energy.config import build_settings
from energy.daemon import Daemon, DemoClock
from energy.steps.context import Installation, demo_beginning, open_installation
from energy.steps.proving import verify_store
from energy.store.engine import Store
from energy.store.errors import StoreBusyError
from energy.store.slots import find_slot, last_published


@pytest.fixture
def installation(tmp_path: Any) -> Iterator[Installation]:
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{tmp_path}/full.db", bots=False
    )
    with open_installation(settings, demo_beginning(settings)) as opened:
        yield opened


@pytest.fixture
def daemon(installation: Installation) -> Iterator[Daemon]:
    lead_s = installation.settings.gate_lead_s
    clock = DemoClock(installation.store, installation.next_slot(), lead_s, 3600.0)
    made = Daemon(installation, clock)
    yield made
    made.stop()


def let_grow(store: Store, pages: int | None) -> None:
    """Let the file have so many pages more and not one beyond; None: as many as it wants."""

    def unit(connection: Connection) -> None:
        now = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        most = 2**30 if pages is None else now + pages
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")

    store.write(unit)


def require_whole_or_undone(installation: Installation, slot: int) -> None:
    """Not a row of the slot's units is there unless the unit is whole."""
    row = installation.store.read(lambda connection: find_slot(connection, slot))
    assert row is None or row.state == "running" or row.sealed_utc == slot


@pytest.mark.check(3)
def test_a_full_store_stops_the_loop_and_room_lets_it_go_on(
    installation: Installation, daemon: Daemon
) -> None:
    slot, store = installation.next_slot(), installation.store
    let_grow(store, 3)
    daemon._wake()
    assert "database or disk is full" in str(daemon.trouble())
    require_whole_or_undone(installation, slot)
    assert store.read(last_published) is None  # reading goes on
    let_grow(store, None)
    daemon._wake()
    assert daemon.trouble() is None
    assert store.read(last_published) == slot
    assert verify_store(store).ok


@pytest.mark.check(3, canary=True)
def test_canary_where_the_error_is_swallowed_a_half_slot_is_left(
    installation: Installation, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of the loop that fails is taken for done: the slot is published and not sealed."""
    slot, whole = installation.next_slot(), Store.write

    def write(store: Store, unit: Callable[[Connection], Any], **how: Any) -> Any:
        if getattr(unit, "__qualname__", "").startswith("_settle_new"):
            let_grow(installation.store, 0)
            try:
                return whole(store, unit, **how)
            except StoreBusyError:
                return None
            finally:
                monkeypatch.setattr(Store, "write", whole)
        return whole(store, unit, **how)

    monkeypatch.setattr(Store, "write", write)
    daemon._wake()
    with pytest.raises(AssertionError):
        require_whole_or_undone(installation, slot)
