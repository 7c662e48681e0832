"""Old rows go, and the books, the loop and the doors go on; a full disk is told before it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from energy.api import ApiContext
from energy.api.health import not_ready_because
from energy.config import Settings, build_settings
from energy.crowd import build_crowd
from energy.cycle import next_slot, run_quarter_hour
from energy.daemon import Daemon, DemoClock
from energy.simulate import place_orders
from energy.steps import floors, upkeep
from energy.steps.context import (
    build_admission,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.steps.proving import verify_store
from energy.store.alarms import open_alarms
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.retention import KINDS, kept_from, thin_out
from energy.store.schema import slot as slot_table
from energy.store.schema import view
from energy.units import SLOT_S


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("upkeep")
    return build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/years.db", bots=False
    )


@contextmanager
def run_slots(settings: Settings, count: int) -> Iterator[Store]:
    with open_installation(settings, demo_beginning(settings)) as installation:
        microgrid = start_microgrid(installation)
        crowd = build_crowd(microgrid.district, settings.seed)
        for _ in range(count):
            slot = next_slot(microgrid)
            place_orders(installation, crowd, slot)
            gate_s = float(slot - settings.gate_lead_s)
            run_quarter_hour(microgrid, slot, lambda gate_s=gate_s: gate_s)
        microgrid.close()
        yield installation.store


def test_books_prove_and_the_loop_goes_on_where_all_old_rows_are_gone(settings: Settings) -> None:
    with run_slots(settings, 3) as store:
        # All but the two newest measured slots, which a start needs.
        last = max(store.read(lambda c: list(c.scalars(slot_table.select()))))
        ends = dict.fromkeys(KINDS, last - 2 * SLOT_S)
        gone = store.write(lambda c: thin_out(c, ends))
        assert gone > 0 and store.read(lambda c: kept_from(c, "readings")) is not None
        assert verify_store(store).ok
    with run_slots(settings, 1) as store:
        assert verify_store(store).ok
        assert store.read(upkeep.books_trouble) is None


def test_times_are_those_of_the_settings_but_never_shorter_than_the_loop_looks_back() -> None:
    found = upkeep.kept_days(build_settings(keep_readings_days=40, history_days=90))
    assert found == {"readings": 40, "columns": 98, "documents": 366, "forecasts": 92}


def test_unexplained_energy_is_told(settings: Settings) -> None:
    with run_slots(settings, 1) as store:
        newest = {"unexplained_wh": "3", "unexplained_krw": "0", "debits_equal_credits": True}

        def spoil(connection: object, body: dict[str, object] = newest) -> None:
            connection.execute(  # type: ignore[attr-defined]
                view.update().where(view.c.kind == "ledger").values(body=body)
            )

        store.write(spoil)
        assert store.read(upkeep.books_trouble) == (
            "the last tick left 3 Wh and 0 won unexplained, allowed 0"
        )


def test_a_disk_that_is_nearly_full_is_told_before_it_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/not/yet/there.db"
    assert upkeep.disk_trouble(build_settings(database_url=url, disk_free_gib_min=0)) is None
    told = upkeep.disk_trouble(build_settings(database_url=url, disk_free_gib_min=1e9))
    assert told is not None and told.endswith("are free for the store, allowed 1e+09")


def test_packages_are_of_versions_that_keep_the_promises() -> None:
    assert floors.below_floors() == []


def test_a_disk_that_is_nearly_full_is_an_alarm_and_the_service_stays_ready(
    settings: Settings,
) -> None:
    scarce = settings.model_copy(update={"disk_free_gib_min": 1e9})
    with open_installation(scarce, demo_beginning(scarce)) as installation:
        clock = DemoClock(installation.store, installation.next_slot(), 300, 3600.0)
        daemon = Daemon(installation, clock)
        daemon.work_due_slots()
        daemon.watch()
        causes = [one.alarm.cause for one in installation.store.read(open_alarms)]
        assert "daemon/disk" in causes
        context = ApiContext(
            store=installation.store,
            district=installation.district,
            settings=scarce,
            clock=clock,
            admission=build_admission(installation),
            trouble=daemon.trouble,
        )
        assert not_ready_because(context) is None
        daemon.stop()


@pytest.mark.parametrize("name", sorted(floors.FLOORS))
def test_canary_a_floor_above_what_is_installed_stops_the_start(
    name: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floors, "FLOORS", {**floors.FLOORS, name: ("999", "of a test")})
    with (
        pytest.raises(StoreError, match=rf"package {name}: found .*, allowed 999 or newer"),
        open_installation(settings, demo_beginning(settings)),
    ):
        pass
