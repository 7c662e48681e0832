"""A store as one file and back: every row, either database, and the loop goes on from it."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select

from energy.cli import run
from energy.config import build_settings
from energy.cycle import run_quarter_hour
from energy.steps.context import demo_beginning, open_installation, start_microgrid
from energy.store import backup
from energy.store.backup import restore_backup, write_backup
from energy.store.engine import open_reader, open_store
from energy.store.errors import StoreError, StoreVersionError
from energy.store.events import add_event
from energy.store.schema import METADATA, event_row
from energy.store.sqlite import sqlite3
from energy.units import SLOT_S

SLOTS = 4


def run_slots(url: str, count: int) -> list[int]:
    """Run the loop over the next slots of a store."""
    settings = build_settings(district="sejong-5-1@0.005", database_url=url, bots=False)
    with open_installation(settings, demo_beginning(settings)) as installation:
        microgrid = start_microgrid(installation)
        try:
            first = installation.next_slot()
            slots = [first + step * SLOT_S for step in range(count)]
            for slot in slots:
                run_quarter_hour(microgrid, slot, lambda slot=slot: float(slot - 300))
        finally:
            microgrid.close()
    return slots


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The URL of a store that has run a few slots, and its backup."""
    folder = tmp_path_factory.mktemp("backup")
    url = f"sqlite:///{folder}/made.db"
    run_slots(url, SLOTS)
    write_backup(url, folder / "made.backup")
    return url, folder / "made.backup"


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    with open_reader(url) as store:
        return store.read(
            lambda connection: {
                table.name: [
                    tuple(row)
                    for row in connection.execute(
                        select(table).order_by(*table.primary_key.columns)
                    )
                ]
                for table in METADATA.sorted_tables
            }
        )


def test_every_row_comes_back_in_either_database_and_the_loop_goes_on(
    made: tuple[str, Path], store_url: str
) -> None:
    url, file = made
    summary = restore_backup(file, store_url)
    before, after = contents(url), contents(store_url)
    assert after == before
    assert summary.rows == {name: len(rows) for name, rows in before.items()}
    assert sum(map(len, before["transfer"])) > 0
    with open_store(store_url) as store:
        store.write(lambda connection: add_event(connection, "beat", None, {}))
        newest = store.read(lambda connection: connection.scalar(select(func.max(event_row.c.id))))
    assert newest == before["event"][-1][0] + 1
    (slot,) = run_slots(store_url, 1)
    assert slot == before["slot"][-1][0] + SLOT_S
    assert run(["ledger", "verify", "--database-url", store_url]) == 0


def test_there_and_back_again_gives_the_same_bytes_of_every_table(
    made: tuple[str, Path], new_postgresql: Callable[[], str], tmp_path: Path
) -> None:
    _, file = made
    url = new_postgresql()
    restore_backup(file, url)
    write_backup(url, tmp_path / "again.backup")
    with zipfile.ZipFile(file) as one, zipfile.ZipFile(tmp_path / "again.backup") as other:
        assert one.namelist() == other.namelist()
        for name in one.namelist():
            assert one.read(name) == other.read(name), name


def test_the_commands_say_what_they_did_and_verify(
    made: tuple[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = made
    file, target = str(tmp_path / "one.backup"), f"sqlite:///{tmp_path}/restored.db"
    assert run(["store", "backup", file, "--database-url", url]) == 0
    assert run(["store", "restore", file, "--database-url", target]) == 0
    told = capsys.readouterr().out
    assert f"written to {file}: " in told and "the ledger is proven" in told
    assert run(["store", "backup", file, "--database-url", url]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_store_with_rows_is_left_alone(made: tuple[str, Path]) -> None:
    url, file = made
    before = contents(url)
    with pytest.raises(StoreError, match="allowed an empty store"):
        restore_backup(file, url)
    assert contents(url) == before


def test_a_restore_that_ends_half_way_leaves_a_store_that_nothing_opens(
    made: tuple[str, Path], tmp_path: Path
) -> None:
    _, file = made
    damaged = tmp_path / "damaged.backup"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(damaged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(
                name, content[: len(content) // 2] if name == "transfer.arrow" else content
            )
    url = f"sqlite:///{tmp_path}/half.db"
    with pytest.raises(StoreError, match=r"table transfer (is damaged|has)"):
        restore_backup(damaged, url)
    with pytest.raises(StoreVersionError, match="schema version restoring"):
        open_store(url)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda about: about | {"schema_version": 0}, "schema version 0, allowed"),
        (lambda about: {"rows": about["rows"]}, "about.json cannot be read .*schema_version"),
        (lambda about: about | {"rows": None}, "about.json cannot be read"),
        (lambda about: about | {"rows": {}}, "about.json has no number of rows for"),
        (None, "parts missing or unknown: notes.txt"),
    ],
)
def test_another_versions_backup_and_unknown_parts_are_refused(
    made: tuple[str, Path],
    tmp_path: Path,
    change: Callable[[dict[str, object]], dict[str, object]] | None,
    sentence: str,
) -> None:
    odd = tmp_path / "odd.backup"
    with zipfile.ZipFile(made[1]) as source, zipfile.ZipFile(odd, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "about.json" and change is not None:
                content = json.dumps(change(json.loads(content))).encode()
            target.writestr(name, content)
        if change is None:
            target.writestr("notes.txt", "hello")
    with pytest.raises(StoreError, match=sentence):
        restore_backup(odd, f"sqlite:///{tmp_path}/never.db")
    assert not (tmp_path / "never.db").exists()


@pytest.mark.parametrize("content", [b"", b"no zip at all"])
def test_a_file_that_is_no_backup_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "odd"
    file.write_bytes(content)
    with pytest.raises(StoreError, match="found no backup of a store"):
        restore_backup(file, f"sqlite:///{tmp_path}/never.db")


def test_a_store_that_is_not_there_is_not_backed_up(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="found no file"):
        write_backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "none.backup")
    assert not list(tmp_path.iterdir())


def test_a_writer_goes_on_while_a_file_with_a_rollback_journal_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/busy.db"
    monkeypatch.setattr("energy.store.sqlite.wal_is_safe", lambda _: False)
    monkeypatch.setattr("energy.store.backup.STEP_PAGES", 1)
    with open_store(url) as store:
        writes: list[int] = []

        def write_between() -> float:
            """Between two steps of the copy somebody writes, three times."""
            if len(writes) < 3 and (tmp_path / "still").exists():
                store.write(lambda connection: add_event(connection, "beat", None, {}))
                writes.append(1)
            return 0.0

        monkeypatch.setattr(backup, "time", SimpleNamespace(monotonic=write_between))
        (tmp_path / "still").touch()
        backup._copy_file(f"{tmp_path}/busy.db", tmp_path / "still")
    assert len(writes) == 3
    with open_reader(f"sqlite:///{tmp_path}/still") as copied:
        found = copied.read(lambda connection: connection.scalars(select(event_row.c.kind)).all())
    assert found == ["beat"] * 3, "what was written meanwhile is in the copy"


def test_one_who_never_pauses_is_made_to_wait_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/busy.db"
    monkeypatch.setattr("energy.store.sqlite.wal_is_safe", lambda _: False)
    monkeypatch.setattr(backup, "STEPS_S_MAX", -1.0)
    open_store(url).close()
    write_backup(url, tmp_path / "one.backup")
    assert (tmp_path / "one.backup").exists()


def test_the_copy_stands_beside_the_backup_and_a_full_disk_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/small.db"
    open_store(url).close()
    (tmp_path / "out").mkdir()
    places: list[Path] = []

    def full(_: str, still: Path) -> None:
        places.append(still)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(backup, "_copy_file", full)
    with pytest.raises(StoreError, match=r"cannot be copied \(database or disk is full"):
        write_backup(url, tmp_path / "out" / "one.backup")
    assert places[0].parents[1] == tmp_path / "out"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_backup_is_durable_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/small.db"
    open_store(url).close()
    file, synced = tmp_path / "one.backup", []
    plain = os.fsync

    def note(handle: int) -> None:
        synced.append(file.exists())
        plain(handle)

    monkeypatch.setattr(os, "fsync", note)
    write_backup(url, file)
    assert synced[-2:] == [False, True], "first the bytes, then the name"
