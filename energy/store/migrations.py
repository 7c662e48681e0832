"""Bringing a store to this program's tables, or back: one revision a version of the schema.

A new store is made whole at the newest version; the revisions change one that has rows. The version
stands in the store's `meta` alone. All steps are one transaction: a store is the old one or the
new one, whatever happens.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.exc import DatabaseError

from energy.config import shown_url
from energy.store.engine import lock_tables, parse_url
from energy.store.errors import StoreError, StoreInUseError, StoreVersionError
from energy.store.leader import somebody_leads
from energy.store.schema import SCHEMA_VERSION, meta
from energy.store.sqlite import FileLock, create_sqlite_engine

FOLDER = Path(__file__).with_name("revisions")
OLDEST = 3


def migrate_store(url: str, to: int = SCHEMA_VERSION) -> tuple[int, int]:
    """Change the tables of the store at `url` to version `to`; the versions before and after.

    Nothing else may have the store open: raises StoreInUseError where it is led. Raises
    StoreVersionError where no revisions lead there, StoreError where the store is missing or a row
    stands against the new tables; it is then as it was. Going back loses what only the newer
    tables hold.
    """
    shown = shown_url(url)
    with _alone(url) as connection:
        before = _version(connection, shown)
        _require_at_rest(connection, shown)
        steps = _steps(before, to, shown)
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            for step in steps:
                step.module.upgrade() if to > before else step.module.downgrade()
        _require_references(connection, shown)
        newest = meta.update().where(meta.c.key == "schema_version").values(value=str(to))
        connection.execute(newest)
    return before, to


def _steps(before: int, to: int, url: str) -> list[Script]:
    """The revisions to run, in order; raises StoreVersionError where there are none."""
    for version in (before, to):
        if not OLDEST <= version <= SCHEMA_VERSION:
            raise StoreVersionError(
                f"store {url}: schema version {version}, allowed {OLDEST} to {SCHEMA_VERSION}"
            )
    scripts = ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER)])
    low, high = sorted((before, to))
    down = [scripts.get_revision(f"{version:04}") for version in range(high, low, -1)]
    return down[::-1] if to > before else down


@contextlib.contextmanager
def _alone(url: str) -> Iterator[Connection]:
    """A connection in one transaction that nothing else writes beside.

    References are not enforced meanwhile, for SQLite changes a table by making it anew.
    """
    parsed = parse_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    path = Path(str(parsed.database))
    if sqlite and not path.is_file():
        raise StoreError(
            f"store {shown_url(url)}: found no file, allowed the store of an installation"
        )
    with contextlib.ExitStack() as stack:
        if sqlite:
            stack.callback(FileLock(path).release)
            engine = create_sqlite_engine(parsed, begin="BEGIN IMMEDIATE")
            event.listen(engine, "connect", _leave_references)
        else:
            engine = create_engine(parsed)
        stack.callback(engine.dispose)
        try:
            connection = stack.enter_context(engine.begin())
            lock_tables(connection)
            yield connection
        except DatabaseError as error:
            raise StoreError(f"store {shown_url(url)}: {error.orig}") from error


def _require_at_rest(connection: Connection, url: str) -> None:
    """A SQLite file is locked by who has it open; of a server's store the lease tells."""
    if connection.dialect.name == "postgresql" and somebody_leads(connection):
        raise StoreInUseError(
            f"store {url}: a service leads on it, allowed one that is stopped; one that has died "
            f"is waited for as long as its lease lasts (MICROGRID_LEASE_S)"
        )


def _leave_references(dbapi: object, _: object) -> None:
    dbapi.execute("PRAGMA foreign_keys = OFF").close()  # type: ignore[attr-defined]


def _require_references(connection: Connection, url: str) -> None:
    if connection.dialect.name != "sqlite":
        return  # PostgreSQL has held them at every statement
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise StoreError(f"store {url}: {len(broken)} rows name rows that are not there")


def _version(connection: Connection, url: str) -> int:
    known = connection.dialect.has_table(connection, "meta")
    query = select(meta.c.value).where(meta.c.key == "schema_version")
    found = connection.scalar(query) if known else None
    if found is None or not found.isdecimal():
        raise StoreVersionError(
            f"store {url}: schema version {found}, allowed {OLDEST} to {SCHEMA_VERSION}"
        )
    return int(found)
