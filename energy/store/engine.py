"""Opening a store, and the two ways to it: one writer, many readers.

A unit of work is a function of a connection; `Store.write` runs it in one transaction, durable
when it returns and without a trace when it raises. It may run more than once, so it must do
nothing but read and write rows.
"""

import contextlib
import copy
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, select
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)

import energy.store.anchor_tables
import energy.store.archive
import energy.store.asset_tables
import energy.store.bill_tables
import energy.store.book_tables
import energy.store.car_tables
import energy.store.contract_tables
import energy.store.dr_tables
import energy.store.erasure_tables
import energy.store.forecasts
import energy.store.homes
import energy.store.instruction_tables
import energy.store.meter_tables
import energy.store.office_tables
import energy.store.open_data
import energy.store.people_tables
import energy.store.steering_tables  # noqa: F401 - these tables stand on METADATA
from energy.config import shown_url
from energy.store.errors import (
    StoreBusyError,
    StoreError,
    StoreVersionError,
)
from energy.store.refusal import Refusal
from energy.store.schema import METADATA, SCHEMA_VERSION, meta
from energy.store.sqlite import FileLock, compact_file, create_sqlite_engine

log = logging.getLogger(__name__)

T = TypeVar("T")

# Who says nothing for so long within a unit is frozen or gone: PostgreSQL ends the unit, for its
# locks would keep the next leader from taking over.
SILENCE_MS, SILENT_SQLSTATE = 20_000, "25P03"
WIRE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Of a server that is gone without a word, as where its machine has died, a connection hears within
half a minute; the defaults are hours, in which the loop would wait for an answer."""
LOCK_MS = 30_000
"""A write that waits so long for a lock is refused and may be tried again: who holds one silently
loses it before. A statement has no such end: a backup may read a table for an hour."""
NAME_BYTES = 63
"""PostgreSQL cuts the name of a session here."""
RETRIES_MAX = 5
RETRY_FIRST_S = 0.02
IN_LINE_FROM = 2
"""Who has lost so many races waits for the other losers and no longer races with them."""
# Whole units are run again on these: serialisation failure, deadlock, the two constraint violations
# that a race can cause, and a table that is there already, for of two processes that start at once
# the one that waits for the lock of the tables sees the store as of before it. What repeats is no
# race and is raised.
RETRIED_SQLSTATES = frozenset({"40001", "40P01", "23505", "23P01", "42P07"})


def process_name() -> str:
    """The name under which this process claims slots, leads and is known to the database."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Turn:
    """Whose turn it is to write: one unit after the other, and none within another."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._thread: int | None = None

    def __enter__(self) -> None:
        if self._thread == threading.get_ident():
            raise StoreError(f"store {self._url}: a unit of work wrote through another unit")
        self._lock.acquire()
        self._thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._thread = None
        self._lock.release()


class Store:
    """One installation's database: `write` and `read` run units of work, `close` ends it."""

    def __init__(self, writer: Engine, reader: Engine, lock: "FileLock | None" = None) -> None:
        self._writer = writer
        self._reader = reader
        self._file_lock = lock
        self._guard: Callable[[Connection], None] | None = None
        self.url = shown_url_of(writer)
        self._turn = Turn(self.url)
        self.refusal = Refusal()  # the same for all that write to it

    def guarded(self, guard: Callable[[Connection], None]) -> "Store":
        """The same store, whose every write begins with `guard` and is void where that raises."""
        twin = copy.copy(self)
        twin._guard = guard
        return twin

    @property
    def is_sqlite(self) -> bool:
        """True where the store is one file with one writer."""
        return self._writer.dialect.name == "sqlite"

    def write(self, unit: Callable[[Connection], T], *, in_line: bool = False) -> T:
        """What the unit returns, after its transaction is committed durably.

        `in_line` is for units that come in numbers from several processes and would lose races to
        each other: they wait for each other from the beginning.

        Raises StoreBusyError where the database takes nothing at this moment; whatever the unit
        raises comes through, and nothing is written.
        """
        if not self.is_sqlite:
            with self.refusal.noted(), _words(self.url):
                return self._write_retried(unit, in_line=in_line)
        with self.refusal.noted(), self._turn, _words(self.url):
            return self._write_once(unit)

    def _write_once(self, unit: Callable[[Connection], T], *, in_line: bool = False) -> T:
        with self._writer.begin() as connection:
            if in_line:
                stand_in_line(connection)
            if self._guard is not None:
                self._guard(connection)
            return unit(connection)

    def _write_retried(self, unit: Callable[[Connection], T], *, in_line: bool) -> T:
        for attempt in range(RETRIES_MAX + 1):
            try:
                return self._write_once(unit, in_line=in_line or attempt >= IN_LINE_FROM)
            except DBAPIError as error:
                if attempt == RETRIES_MAX or _sqlstate(error) not in RETRIED_SQLSTATES:
                    raise
                # Jitter keeps two losers of one race from meeting again.
                time.sleep(RETRY_FIRST_S * 2**attempt * (0.5 + random.random()))
        raise AssertionError("unreachable")

    def read(self, unit: Callable[[Connection], T]) -> T:
        """What the unit returns; it sees one state of the store and cannot write."""
        with _words(self.url), self._reader.begin() as connection:
            return unit(connection)

    def compact(self) -> None:
        """Write the store anew, so that nothing deleted is left in its file, log or journal.

        PostgreSQL's tables are written anew as well; its write-ahead log goes by its own settings.
        """
        with _words(self.url), self._turn, self._writer.connect() as connection:
            driver: Any = connection.connection.driver_connection
            if self.is_sqlite:
                compact_file(driver, self.url)
                return
            driver.autocommit = True
            driver.execute("SET lock_timeout = 0")  # it waits for whoever reads, however long
            driver.execute("VACUUM FULL")
            driver.execute("RESET lock_timeout")
            driver.autocommit = False

    def close(self) -> None:
        """Give back connections and the file's lock."""
        self._reader.dispose()
        self._writer.dispose()
        if self._file_lock is not None:
            self._file_lock.release()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(url: str) -> Store:
    """The store at a database URL, its folder and tables made where they are missing.

    Raises StoreInUseError where another process holds the file, StoreVersionError where the tables
    are another version's, StoreError where the URL or the place cannot be used.
    """
    parsed = parse_url(url)
    lock = None
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        _make_folder(path)
        lock = FileLock(path)
    store = Store(_writer(parsed), _reader(parsed), lock)
    try:
        store.write(_create_tables)
    except BaseException:
        store.close()
        raise
    return store


def open_reader(url: str) -> Store:
    """The store for reading only, beside a process that writes; nothing is made or locked."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).is_file():
        raise StoreError(
            f"store {shown_url(url)}: found no file, allowed the store of an installation"
        )
    reader = _reader(parsed)
    store = Store(reader, reader)
    try:
        store.read(_require_version)
    except BaseException:
        store.close()
        raise
    return store


def shown_url_of(engine: Engine) -> str:
    """Where an engine leads, as it may be shown."""
    return shown_url(engine.url.render_as_string(hide_password=False))


def parse_url(url: str) -> URL:
    """The database URL with its driver; raises StoreError for what no store can stand on."""
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError) as error:
        # Without the error's own words, for they may hold a part of the password.
        raise StoreError(
            f"database URL: found {shown_url(url)!r}, allowed sqlite:///FILE or "
            f"postgresql://USER:PASSWORD@HOST:PORT/NAME"
        ) from error
    if "@" in (parsed.host or ""):
        raise StoreError("database URL: found an @ in the password, allowed one written as %40")
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreError(
            f"database URL: found {backend}, allowed sqlite:///FILE or postgresql://HOST/NAME"
        )
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError(f"database URL {shown_url(url)!r}: found no file, allowed sqlite:///FILE")
    return parsed


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"store {path}: its folder cannot be made ({error.strerror})") from error


def _writer(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return create_sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, max_overflow=0)
    return create_engine(
        url,
        isolation_level="SERIALIZABLE",
        pool_pre_ping=True,
        pool_size=4,
        connect_args=WIRE
        | {
            "options": f"-c idle_in_transaction_session_timeout={SILENCE_MS} "
            f"-c lock_timeout={LOCK_MS}",
            "application_name": process_name()[:NAME_BYTES],
        },
    )


def _reader(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return create_sqlite_engine(
            url, begin="BEGIN", read_only=True, pool_size=8, max_overflow=16
        )
    return create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        pool_size=8,
        connect_args=WIRE | {"options": "-c default_transaction_read_only=on"},
    )


def lock_tables(connection: Connection) -> None:
    """Until the transaction's end nothing else makes or changes the tables."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305001)")


def stand_in_line(connection: Connection) -> None:
    """Wait until no other unit that stands in line is at work; before anything else in a unit.

    On PostgreSQL a unit sees the store as of its first statement, and a lock of a table is the one
    that may be waited for before that: whoever has waited sees what those before have written.
    """
    connection.exec_driver_sql("LOCK TABLE meta IN SHARE ROW EXCLUSIVE MODE")


def _create_tables(connection: Connection) -> None:
    # Two processes that start at once would both find nothing and both create.
    lock_tables(connection)
    if not connection.dialect.has_table(connection, "meta"):
        METADATA.create_all(connection)
        row = {"key": "schema_version", "value": str(SCHEMA_VERSION)}
        connection.execute(meta.insert().values(row))
    _require_version(connection)


def _require_version(connection: Connection) -> None:
    query = select(meta.c.value).where(meta.c.key == "schema_version")
    found = connection.scalar(query) if connection.dialect.has_table(connection, "meta") else None
    if found != str(SCHEMA_VERSION):
        older = found is not None and found.isdecimal() and int(found) < SCHEMA_VERSION
        remedy = (
            "make a backup with the program that made it, then run `microgrid store migrate`"
            if older
            else "use the program that made it, or choose another database"
        )
        raise StoreVersionError(
            f"store {shown_url_of(connection.engine)}: schema version {found}, allowed "
            f"{SCHEMA_VERSION}; {remedy}"
        )


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


@contextlib.contextmanager
def _words(url: str) -> Iterator[None]:
    """The database's own trouble in the store's words; mistakes of the program pass unchanged."""
    try:
        yield
    except OperationalError as error:
        raise StoreBusyError(f"store {url}: {error.orig}") from error
    except InternalError as error:
        if _sqlstate(error) != SILENT_SQLSTATE:
            raise
        raise StoreBusyError(f"store {url}: {error.orig}") from error
    except DatabaseError as error:
        # Its subclasses (constraints, statements) are the program's affair, this one the file's.
        if type(error) is not DatabaseError:
            raise
        raise StoreError(f"store {url}: {error.orig}") from error
