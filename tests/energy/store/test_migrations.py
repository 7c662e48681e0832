"""A store of an older program becomes one of this program, and back, with all its rows.

`tests/cases/stores` holds the tables of version 3 as statements for each database, and the backup
that its program wrote of a tiny district's four quarter hours.
"""

import contextlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, create_engine, inspect, text

from energy.cli import run
from energy.store.engine import Store, open_reader, open_store, parse_url
from energy.store.errors import StoreError, StoreInUseError, StoreVersionError
from energy.store.holds import recent_holds
from energy.store.leader import require_term, resign_lead, take_lead
from energy.store.migrations import FOLDER, OLDEST, migrate_store
from energy.store.schema import METADATA, SCHEMA_VERSION
from energy.store.sqlite import sqlite3
from energy.store.steering import recent_limits

CASES = Path(__file__).parents[2] / "cases" / "stores"


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of the oldest version, with rows."""
    statements = (CASES / f"v3.{request.param}.sql").read_text()
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.db'}"
        with contextlib.closing(sqlite3.connect(tmp_path / "old.db")) as connection:
            connection.executescript(statements)
    else:
        url = request.getfixturevalue("new_postgresql")()
        with psycopg.connect(url) as server:
            server.execute(statements.encode())
    fill(url)
    return url


def engine_of(url: str) -> Engine:
    """A way in that knows nothing of the program's tables, by the program's own driver."""
    parsed = parse_url(url)
    driver = {"module": sqlite3} if parsed.get_backend_name() == "sqlite" else {}
    return create_engine(parsed, **driver)


def fill(url: str) -> None:
    """The rows that the old program has written, numbers going on after them."""
    engine = engine_of(url)
    with zipfile.ZipFile(CASES / "v3.backup") as archive, engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            with archive.open(f"{table.name}.arrow") as stream:
                rows = pa.ipc.open_stream(stream).read_all().to_pylist()
            if rows:
                connection.execute(table.insert(), rows)
        if engine.dialect.name == "postgresql":
            newest = "SELECT setval('event_id_seq', (SELECT max(id) FROM event))"
            connection.execute(text(newest))
    engine.dispose()


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows by table, but for the version."""
    engine = engine_of(url)
    with engine.connect() as connection:
        found = {}
        for table in sorted(inspect(connection).get_table_names()):
            rows = connection.execute(text(f"SELECT * FROM {table}")).all()
            found[table] = sorted(
                (tuple(row) for row in rows if row[0] != "schema_version"), key=repr
            )
    engine.dispose()
    return found


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, METADATA))


def guards_of(store: Store) -> set[tuple[str, ...]]:
    """Triggers and checks by name, which the comparison of tables does not see."""

    def unit(connection: Connection) -> set[tuple[str, ...]]:
        found: set[tuple[str, ...]] = set()
        for table in inspect(connection).get_table_names():
            for check in inspect(connection).get_check_constraints(table):
                found.add((table, str(check["name"]), "".join(str(check["sqltext"]).split())))
        triggers = (
            "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
            if store.is_sqlite
            else "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE NOT tgisinternal"
        )
        found |= {tuple(row) for row in connection.execute(text(triggers))}
        return found

    return store.read(unit)


def test_an_old_store_gets_the_tables_of_a_new_one_and_keeps_every_row(
    old_url: str, tmp_path: Path, new_postgresql: Callable[[], str]
) -> None:
    before = rows_of(old_url)
    assert len(before["transfer"]) > 0 and len(before["market_order"]) > 0
    with pytest.raises(StoreVersionError, match="run `microgrid store migrate`"):
        open_store(old_url)
    assert migrate_store(old_url) == (OLDEST, SCHEMA_VERSION)
    after = rows_of(old_url)
    for table, rows in before.items():
        width = len(rows[0]) if rows else 0
        assert sorted((row[:width] for row in after[table]), key=repr) == rows, table
    new_url = new_postgresql() if "postgresql" in old_url else f"sqlite:///{tmp_path}/new.db"
    with open_store(old_url) as changed, open_store(new_url) as new:
        assert changed.read(differences) == []
        assert guards_of(changed) == guards_of(new)


def test_back_and_forth_again_keeps_what_both_versions_hold(old_url: str) -> None:
    before = rows_of(old_url)
    assert migrate_store(old_url) == (OLDEST, SCHEMA_VERSION)
    assert migrate_store(old_url, OLDEST) == (SCHEMA_VERSION, OLDEST)
    assert rows_of(old_url) == before
    assert migrate_store(old_url) == (OLDEST, SCHEMA_VERSION)
    assert migrate_store(old_url) == (SCHEMA_VERSION, SCHEMA_VERSION)


def test_orders_keep_the_end_that_counts_there_and_back(old_url: str) -> None:
    """Version 6 holds one end of an order, version 7 a sooner one as well."""
    migrate_store(old_url, 6)
    until, sooner, later = 36_000, 9_000, 18_000

    def enter(statement: str, *rows: tuple[int, ...]) -> None:
        engine = engine_of(old_url)
        with engine.begin() as connection:
            for row in rows:
                connection.execute(text(statement.format(*row)))
        engine.dispose()

    limit = "INSERT INTO steering_limit VALUES ({}, 'F1', 1.0, 0, {}, 'kim', 'works', 0)"
    hold = "INSERT INTO asset_hold VALUES ({}, 'battery-1', 0.0, 0, {}, 'kim', 'smoke', 0)"
    cancel = "INSERT INTO steering_cancel VALUES ({}, {}, 'kim', 'done', 0)"
    release = "INSERT INTO asset_release VALUES ({}, {}, 'kim', 'done', 0)"
    enter(limit, (1, until))
    enter(hold, (1, until))
    for end in (cancel, release):
        enter(end, (1, later))
    before = rows_of(old_url)
    assert migrate_store(old_url) == (6, SCHEMA_VERSION)
    after = rows_of(old_url)
    assert {name: after[name] for name in before} == before
    for end in (cancel, release):
        enter(end, (1, sooner))
    with open_store(old_url) as store:
        (limited,) = store.read(lambda connection: recent_limits(connection, 9))
        (held,) = store.read(lambda connection: recent_holds(connection, 9))
    assert (limited.end_slot, held.end_slot) == (sooner, sooner)
    assert migrate_store(old_url, 6) == (SCHEMA_VERSION, 6)
    back = rows_of(old_url)
    for name in ("steering_cancel", "asset_release"):
        assert back[name] == [(1, sooner, "kim", "done", 0)]


def test_the_command_changes_the_store_and_proves_its_ledger(
    old_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["store", "migrate", "--database-url", old_url]) == 0
    told = capsys.readouterr().out
    assert f"schema version {OLDEST} -> {SCHEMA_VERSION}" in told
    assert "the ledger is proven" in told


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    old_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(old_url)

    def refuse(*_: object) -> None:
        raise StoreError("after all steps")

    monkeypatch.setattr("energy.store.migrations._require_references", refuse)
    with pytest.raises(StoreError, match="after all steps"):
        migrate_store(old_url)
    assert rows_of(old_url) == before
    monkeypatch.undo()
    assert migrate_store(old_url) == (OLDEST, SCHEMA_VERSION)


def test_a_file_in_use_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/used.db"
    with open_store(url), pytest.raises(StoreError, match="another process is using it"):
        migrate_store(url, OLDEST)
    with open_reader(url):
        pass


def test_versions_that_no_revision_knows_are_refused(store_url: str) -> None:
    with open_store(store_url):
        pass
    for version in (OLDEST - 1, SCHEMA_VERSION + 1):
        with pytest.raises(StoreVersionError, match=f"schema version {version}, allowed {OLDEST}"):
            migrate_store(store_url, version)
    with open_reader(store_url):
        pass


def test_there_is_a_revision_for_every_version() -> None:
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    assert names == [f"v{version:04}" for version in range(OLDEST, SCHEMA_VERSION + 1)]


def test_no_store_is_made_by_a_migration(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="found no file"):
        migrate_store(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_led_is_not_migrated(new_postgresql: Callable[[], str]) -> None:
    url = new_postgresql()
    with open_store(url) as store:
        term = store.write(lambda connection: take_lead(connection, "somebody"))
        assert term is not None
        with pytest.raises(StoreInUseError, match="a service leads on it"):
            migrate_store(url, SCHEMA_VERSION - 1)
        store.write(lambda connection: resign_lead(connection, term))
    assert migrate_store(url, SCHEMA_VERSION - 1) == (SCHEMA_VERSION, SCHEMA_VERSION - 1)


def test_who_led_before_a_migration_writes_nothing_after_it(store: Store) -> None:
    """A service that stood by, or slept through its lease, knows other tables."""
    term = store.write(lambda connection: take_lead(connection, "somebody"))
    changed = text("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    store.write(lambda connection: connection.execute(changed))
    for unit in (
        lambda connection: require_term(connection, term),
        lambda connection: take_lead(connection, "another"),
    ):
        with pytest.raises(StoreVersionError, match="changed to version 99 meanwhile"):
            store.write(unit)
