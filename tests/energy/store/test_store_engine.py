"""Opening a store, transactions, locks, versions: the same on both databases."""

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

import energy.store.engine
from energy.store import events, slots
from energy.store.engine import Store, open_reader, open_store, parse_url
from energy.store.errors import (
    StoreBusyError,
    StoreError,
    StoreInUseError,
    StoreVersionError,
)
from energy.store.meta import require_fact, settle_fact
from energy.store.orders import save_clearing
from energy.store.schema import SCHEMA_VERSION, clearing, meta
from energy.store.sqlite import FileLock, sqlite3, wal_is_safe

SLOT = 1_784_106_000


def test_what_was_written_is_there_after_reopening(store_url: str) -> None:
    with open_store(store_url) as store:
        store.write(lambda connection: slots.claim_slot(connection, SLOT, "one", 5))
    with open_store(store_url) as store:
        assert store.read(slots.last_claimed) == SLOT


def test_a_unit_that_raises_leaves_nothing(store: Store) -> None:
    def unit(connection: Connection) -> None:
        slots.claim_slot(connection, SLOT, "one", 5)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        store.write(unit)
    assert store.read(slots.last_claimed) is None
    assert store.write(lambda c: slots.claim_slot(c, SLOT, "one", 5)).fence == 1


def test_a_unit_within_a_unit_is_an_error_and_no_standstill(sqlite_store: Store) -> None:
    def inner(connection: Connection) -> None:
        sqlite_store.write(lambda c: slots.claim_slot(c, SLOT, "inner", 5))

    with pytest.raises(StoreError, match="wrote through another unit"):
        sqlite_store.write(inner)
    assert sqlite_store.write(lambda c: slots.claim_slot(c, SLOT, "one", 5)).fence == 1


def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises((DBAPIError, StoreError), match=r"read-?only"):
        store.read(lambda connection: slots.claim_slot(connection, SLOT, "one", 5))
    assert store.read(slots.last_claimed) is None


def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    def unit(connection: Connection) -> tuple[int, int]:
        before = events.event_range(connection)[1]
        thread = threading.Thread(
            target=lambda: store.write(lambda c: events.add_event(c, "cycle", None, {}))
        )
        thread.start()
        # On SQLite the writer's commit waits for this reader, so it cannot be awaited in here.
        thread.join(0.3)
        after = events.event_range(connection)[1]
        finished.append(thread)
        return before, after

    finished: list[threading.Thread] = []
    assert store.read(unit) == (0, 0)
    finished[0].join()
    assert store.read(events.event_range)[1] == 1


def test_units_of_many_threads_are_all_written(store: Store) -> None:
    def count() -> None:
        for _ in range(10):
            store.write(lambda connection: events.add_event(connection, "cycle", None, {}))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.read(lambda connection: events.events_after(connection, 0))) == 40


def test_the_loser_of_a_race_is_run_again(new_postgresql: Callable[[], str]) -> None:
    """Both read the same counter before either writes, so one must fail and run again."""
    meeting, tries = threading.Barrier(2), []
    with open_store(new_postgresql()) as store:
        store.write(lambda connection: settle_fact(connection, "sum", "0"))

        def add(connection: Connection) -> None:
            tries.append(1)
            found = int(
                connection.scalar(
                    meta.select().with_only_columns(meta.c.value).where(meta.c.key == "sum")
                )
            )
            if len(tries) <= 2:
                meeting.wait()
            connection.execute(
                meta.update().where(meta.c.key == "sum").values(value=str(found + 1))
            )

        threads = [threading.Thread(target=store.write, args=(add,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.read(lambda c: settle_fact(c, "sum", "never")) == "2"
    assert len(tries) == 3


def test_a_database_that_is_gone_or_locked_for_ever_is_not_waited_for_for_ever(
    new_postgresql: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy.store.engine, "LOCK_MS", 200)
    with open_store(new_postgresql()) as store:
        for engine in (store._writer, store._reader):
            with engine.connect() as connection:
                wire = connection.connection.driver_connection.info.get_parameters()
            found = {name: wire[name] for name in energy.store.engine.WIRE}
            assert found == {name: str(most) for name, most in energy.store.engine.WIRE.items()}
        with store._writer.begin() as holder:
            holder.exec_driver_sql("LOCK TABLE meta IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreBusyError, match="lock timeout"):
                store.write(lambda c: c.exec_driver_sql("LOCK TABLE meta IN SHARE MODE"))
        assert store.refusal.now is not None
        store.write(lambda c: c.exec_driver_sql("SELECT 1"))
        assert store.refusal.now is None


def test_a_fault_that_is_no_race_is_raised_after_some_tries(
    new_postgresql: Callable[[], str],
) -> None:
    tries = []
    with open_store(new_postgresql()) as store:

        def twice(connection: Connection) -> None:
            tries.append(1)
            for _ in range(2):
                connection.execute(meta.insert().values(key="same", value="x"))

        with pytest.raises(IntegrityError):
            store.write(twice)
    assert len(tries) == 6


def test_two_that_start_at_once_on_an_empty_database_both_open_it(
    new_postgresql: Callable[[], str],
) -> None:
    for _ in range(4):
        url, meeting = new_postgresql(), threading.Barrier(2)

        def start(url: str = url, meeting: threading.Barrier = meeting) -> None:
            meeting.wait()
            with open_store(url) as store:
                assert store.read(slots.last_claimed) is None

        with ThreadPoolExecutor(2) as pool:
            for started in [pool.submit(start) for _ in range(2)]:
                started.result()


def test_two_processes_on_one_file_are_one_too_many(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    open_in_child = (
        "import sys; from energy.store.engine import open_store\n"
        "try:\n    open_store(sys.argv[1])\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    with open_store(url):
        found = subprocess.run(
            [sys.executable, "-c", open_in_child, url], capture_output=True, text=True, check=True
        ).stdout
    assert found.startswith("StoreInUseError")
    assert "another process is using it; stop that one, or choose another file" in found
    with open_store(url):
        pass


def test_the_same_process_does_not_open_a_file_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'one.db'}"
    with open_store(url), pytest.raises(StoreInUseError):
        open_store(url)


def test_a_reader_may_look_beside_the_writer(store_url: str) -> None:
    with open_store(store_url) as writer:
        writer.write(lambda connection: slots.claim_slot(connection, SLOT, "one", 5))
        with open_reader(store_url) as reader:
            assert reader.read(slots.last_claimed) == SLOT
            with pytest.raises((DBAPIError, StoreError)):
                reader.write(lambda connection: slots.claim_slot(connection, SLOT, "two", 6))


def test_a_reader_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="found no file"):
        open_reader(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


def test_tables_of_another_version_are_refused_and_left_alone(store_url: str) -> None:
    with open_store(store_url) as store:
        store.write(lambda c: c.execute(meta.update().values(value="0")))
    for opened in (open_store, open_reader):
        with pytest.raises(StoreVersionError, match=f"schema version 0, allowed {SCHEMA_VERSION}"):
            opened(store_url)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("milk, bread\n" * 200)
    with pytest.raises(StoreError, match=r"notes.db: file is not a database"):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://here/there", "found mysql, allowed sqlite:///FILE or postgresql"),
        ("sqlite://", "found no file"),
        ("sqlite:///:memory:", "found no file"),
        ("nonsense", "allowed sqlite:///FILE"),
    ],
)
def test_a_url_that_no_store_can_stand_on_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        parse_url(url)


def test_a_locked_database_is_a_sentence_and_not_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.store.sqlite.BUSY_TIMEOUT_MS", 50)
    path = tmp_path / "busy.db"
    with open_store(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusyError, match="database is locked"):
            store.write(lambda connection: slots.claim_slot(connection, SLOT, "one", 5))
        other.execute("ROLLBACK")
        other.close()
        assert store.write(lambda c: slots.claim_slot(c, SLOT, "one", 5)).fence == 1


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'safe.db'}") as store:

        def settings(connection: Connection) -> dict[str, object]:
            names = ("synchronous", "foreign_keys", "journal_mode", "cache_spill")
            return {n: connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in names}

        found = store.write(settings)
    safe = wal_is_safe(sqlite3.sqlite_version_info)
    assert found == {
        "synchronous": 2,
        "foreign_keys": 1,
        "journal_mode": "wal" if safe else "persist",
        "cache_spill": 0,
    }


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 46, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), False),
        ((3, 53, 0), True),
    ],
)
def test_the_write_ahead_log_is_used_where_it_is_mended(
    version: tuple[int, int, int], safe: bool
) -> None:
    assert wal_is_safe(version) is safe


def test_append_only_tables_refuse_changes(store: Store) -> None:
    store.write(lambda connection: save_clearing(connection, SLOT, 1, {"price": "142.5"}))
    for statement in (clearing.update().values(document={}), clearing.delete()):
        with pytest.raises((DBAPIError, StoreError), match="clearing is append-only"):
            store.write(lambda connection, what=statement: connection.execute(what))


def test_a_store_belongs_to_what_it_was_begun_with(store: Store) -> None:
    store.write(lambda connection: require_fact(connection, "district", "sejong-5-1"))
    store.write(lambda connection: require_fact(connection, "district", "sejong-5-1"))
    sentence = r"begun with district sejong-5-1, found district sejong-5-1@0.1 in the settings"
    with pytest.raises(StoreError, match=sentence):
        store.write(lambda connection: require_fact(connection, "district", "sejong-5-1@0.1"))


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "one.db.lock").mkdir()
    with pytest.raises(StoreError, match=r"one\.db: its lock .*\.lock cannot be made \(Is a"):
        open_store(f"sqlite:///{tmp_path}/one.db")
    with pytest.raises(StoreError, match=r"cannot be made \(No such file"):
        FileLock(tmp_path / "gone" / "two.db")
