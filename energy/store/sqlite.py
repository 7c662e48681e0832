"""SQLite: its driver, the same one wherever the program opens a file of its own, and the settings,
the lock and the care of a file.

Long-term Linux releases still ship a SQLite that can corrupt a write-ahead log, so a package brings
a current one where it has been built for the machine; elsewhere Python's own is used, and the
journal is chosen by its version. Two libraries in one process would undo each other's locks on a
file: whatever opens one takes the driver from here.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from energy.store.errors import StoreBusyError, StoreError, StoreInUseError

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["FileLock", "compact_file", "create_sqlite_engine", "sqlite3", "wal_is_safe"]

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 10_000
CACHE_KIB = 65_536
WAL_FLOORS = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
WAL_WITHDRAWN = (3, 52, 0)


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """True where this SQLite cannot corrupt a write-ahead log that two connections touch."""
    if version == WAL_WITHDRAWN:
        return False
    fixed_in_line = any(version[:2] == floor[:2] and version[2] >= floor[2] for floor in WAL_FLOORS)
    return fixed_in_line or version >= WAL_FLOORS[-1]


class FileLock:
    """Held from construction to `release` or the end of the process, whatever the way."""

    def __init__(self, database: Path) -> None:
        import fcntl

        path = database.with_name(database.name + ".lock")
        try:
            self._file = open(path, "a")  # noqa: SIM115
        except OSError as error:
            raise StoreError(
                f"store {database}: its lock {path} cannot be made ({error.strerror}), allowed a "
                f"folder that this user may write to"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StoreInUseError(
                f"store {database}: another process is using it; stop that one, or choose another "
                f"file with --database-url sqlite:///FILE"
            ) from error

    def release(self) -> None:
        """Let others open the store."""
        self._file.close()


def create_sqlite_engine(url: URL, *, begin: str, read_only: bool = False, **pool: int) -> Engine:
    """The way to a file, with the safe settings; `begin` is sent at the start of each transaction,
    for the driver opens none for a SELECT.
    """
    engine = create_engine(url, module=sqlite3, **pool)
    wal = wal_is_safe(sqlite3.sqlite_version_info)
    if not wal and not read_only:
        log.info(
            "SQLite %s can corrupt a write-ahead log; a rollback journal is used instead",
            sqlite3.sqlite_version,
        )

    @event.listens_for(engine, "connect")
    def on_connect(dbapi: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        # The driver then opens no transactions of its own.
        dbapi.isolation_level = None
        settings = [f"busy_timeout = {BUSY_TIMEOUT_MS}", "foreign_keys = ON"]
        if read_only:
            settings.append("query_only = ON")
        else:
            settings += [
                f"journal_mode = {'WAL' if wal else 'PERSIST'}",
                "synchronous = FULL",
                # Spilling a large transaction would shut readers out long before its commit.
                f"cache_size = -{CACHE_KIB}",
                "cache_spill = OFF",
            ]
        for setting in settings:
            dbapi.execute(f"PRAGMA {setting}").close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def compact_file(driver: sqlite3.Connection, url: str) -> None:
    """Write the file anew and cut its journal off, for both kinds of journal keep old pages."""
    (journal,) = driver.execute("PRAGMA journal_mode").fetchone()
    driver.execute("PRAGMA secure_delete = ON").close()
    driver.execute("VACUUM").close()
    if journal != "wal":
        driver.execute("PRAGMA journal_mode = DELETE").close()
        driver.execute(f"PRAGMA journal_mode = {journal}").close()
        return
    is_busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise StoreBusyError(f"store {url}: somebody reads what is to be cut off; try again")
