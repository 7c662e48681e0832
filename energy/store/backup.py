"""A store as one file and back: every table of one instant, the same for SQLite and PostgreSQL.

The file is a zip of Arrow streams, one a table, and of `about.json`. A backup of one kind of store
can be restored into the other, which is how an installation moves to PostgreSQL. While a store is
being restored its schema version is `restoring`, so that nothing else opens what is half there.
"""

import json
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    func,
    select,
    text,
)

from energy.config import shown_url
from energy.logs import in_words
from energy.store.engine import Store, open_reader, open_store, parse_url, shown_url_of
from energy.store.errors import StoreError
from energy.store.schema import METADATA, SCHEMA_VERSION, meta
from energy.store.signed_head import sync_folder
from energy.store.sqlite import sqlite3

ABOUT = "about.json"
BATCH_ROWS = 20_000
STEP_PAGES, STEP_PAUSE_S = 2_000, 0.01
"""Pages of a SQLite file that are copied at once, some 8 MB, and the pause for others' writes."""
STEPS_S_MAX = 60.0
"""A file that is written to faster than it can be copied is copied at once after so long."""
ARROW: dict[type, pa.DataType] = {
    BigInteger: pa.int64(),
    Integer: pa.int64(),
    Float: pa.float64(),
    Boolean: pa.bool_(),
    Text: pa.string(),
    LargeBinary: pa.binary(),
}


@dataclass(frozen=True)
class BackupSummary:
    """What a backup holds: rows by table, and the bytes of its file."""

    rows: dict[str, int]
    size_bytes: int


def write_backup(url: str, path: Path) -> BackupSummary:
    """Write the store at `url`, as it stands at one instant, into a new file.

    The process that writes to the store goes on meanwhile. Of a SQLite file a copy stands beside
    the new file until it is written. Raises StoreError where the file exists or cannot be written;
    an unfinished file is not left behind under its name, and a finished one is durable.
    """
    if path.exists():
        raise StoreError(f"backup {path}: exists already, allowed a new file")
    unfinished = path.with_name(path.name + ".part")
    try:
        with (
            _still_store(url, path.parent) as store,
            unfinished.open("wb") as file,
            zipfile.ZipFile(file, "w") as archive,
        ):
            rows = store.read(lambda connection: _write_tables(connection, archive))
            about = {"schema_version": SCHEMA_VERSION, "rows": rows}
            archive.writestr(ABOUT, json.dumps(about, indent=1))
            archive.close()
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"backup {path}: cannot be written ({error.strerror})") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return BackupSummary(rows, path.stat().st_size)


def restore_backup(path: Path, url: str) -> BackupSummary:
    """Fill the new or empty store at `url` from a backup.

    Raises StoreError where the file is no backup of this version, or the store has rows already.
    """
    with _archive(path) as archive:
        expected = _about(path, archive)
        with open_store(url) as store:
            store.write(_require_empty)
            for table in METADATA.sorted_tables:
                if table is not meta:
                    _restore_table(store, archive, path, table, expected[table.name])
            store.write(lambda connection: _finish(connection, archive, path))
    return BackupSummary(expected, path.stat().st_size)


@contextmanager
def _still_store(url: str, folder: Path) -> Iterator[Store]:
    """A reader of the store that hinders no writer, however long it reads; a copy in `folder`."""
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        with open_reader(url) as store:
            yield store
        return
    with open_reader(url):
        pass  # refuses what is no store of this version
    # With a rollback journal a long reader would keep the writer from committing. The copy is as
    # large as the store, and the folder of temporary files is often in memory.
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as scratch:
        still = Path(scratch) / "still.db"
        try:
            _copy_file(str(parsed.database), still)
        except sqlite3.Error as error:
            raise StoreError(
                f"backup of {shown_url(url)}: the store cannot be copied ({error})"
            ) from error
        with open_reader(f"sqlite:///{still}") as store:
            yield store


def _copy_file(database: str, still: Path) -> None:
    """Copy a database file as it stands at one instant, in steps between which others may write.

    A write in between begins the copy anew, so that one who never pauses is made to wait at last.
    """
    source, target = sqlite3.connect(database), sqlite3.connect(still)
    end_s = time.monotonic() + STEPS_S_MAX

    def look(*_: int) -> None:
        if time.monotonic() > end_s:
            raise TimeoutError

    try:
        (journal,) = source.execute("PRAGMA journal_mode").fetchone()
        if journal == "wal":
            source.backup(target)  # readers of a write-ahead log hinder nobody
            return
        try:
            source.backup(target, pages=STEP_PAGES, progress=look, sleep=STEP_PAUSE_S)
        except TimeoutError:
            source.backup(target)
    finally:
        source.close()
        target.close()


def _plain(table: Table) -> Table:
    """The table as the database holds it, without the program's own types."""
    columns = []
    for column in table.columns:
        kind = column.type
        stored = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
        columns.append(Column(column.name, stored, primary_key=column.primary_key))
    return Table(table.name, MetaData(), *columns)


def _schema(table: Table) -> pa.Schema:
    fields = []
    for column in table.columns:
        found = next(arrow for kind, arrow in ARROW.items() if isinstance(column.type, kind))
        fields.append(pa.field(column.name, found))
    return pa.schema(fields)


def _write_tables(connection: Connection, archive: zipfile.ZipFile) -> dict[str, int]:
    return {
        table.name: _write_table(connection, archive, _plain(table))
        for table in METADATA.sorted_tables
    }


def _write_table(connection: Connection, archive: zipfile.ZipFile, table: Table) -> int:
    schema, written = _schema(table), 0
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    query = select(table).order_by(*table.primary_key.columns)
    rows = connection.execution_options(yield_per=BATCH_ROWS).execute(query)
    with (
        archive.open(f"{table.name}.arrow", "w", force_zip64=True) as stream,
        pa.ipc.new_stream(stream, schema, options=options) as writer,
    ):
        for batch in rows.partitions():
            columns = zip(*batch, strict=True)
            arrays = [
                pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            written += len(batch)
    return written


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise StoreError(f"backup {path}: cannot be read ({error.strerror})") from error
    except zipfile.BadZipFile as error:
        raise StoreError(f"backup {path}: found no backup of a store ({error})") from error
    with archive:
        yield archive


def _about(path: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Rows by table; refuses what this version cannot restore."""
    names = set(archive.namelist())
    needed = {ABOUT, *(f"{table.name}.arrow" for table in METADATA.sorted_tables)}
    if ABOUT not in names:
        raise StoreError(f"backup {path}: found no {ABOUT}, allowed a backup of a store")
    version, rows = _read_about(path, archive)
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"backup {path}: schema version {version}, allowed {SCHEMA_VERSION}; "
            f"restore it with the program that made it"
        )
    if names != needed:
        odd = ", ".join(sorted(names ^ needed))
        raise StoreError(f"backup {path}: parts missing or unknown: {odd}")
    missing = [table.name for table in METADATA.sorted_tables if table.name not in rows]
    if missing:
        raise StoreError(f"backup {path}: {ABOUT} has no number of rows for {', '.join(missing)}")
    return rows


def _read_about(path: Path, archive: zipfile.ZipFile) -> tuple[int, dict[str, int]]:
    """The version of the tables, and rows by table."""
    try:
        about = json.loads(archive.read(ABOUT))
        return about["schema_version"], dict(about["rows"])
    except (ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(
            f"backup {path}: {ABOUT} cannot be read ({in_words(error)}), allowed what "
            f"`microgrid store backup` has written"
        ) from error


def _require_empty(connection: Connection) -> None:
    for table in METADATA.sorted_tables:
        found = connection.scalar(select(func.count()).select_from(table)) or 0
        if found > (1 if table is meta else 0):
            raise StoreError(
                f"store {shown_url_of(connection.engine)}: table {table.name} has "
                f"{found} rows, allowed an empty store"
            )
    connection.execute(meta.update().values(value="restoring"))


def _restore_table(
    store: Store, archive: zipfile.ZipFile, path: Path, table: Table, expected: int
) -> None:
    plain, restored = _plain(table), 0
    for rows in _batches(archive, path, table.name):
        store.write(lambda connection, rows=rows: connection.execute(plain.insert(), rows))  # type: ignore[misc]
        restored += len(rows)
    if restored != expected:
        raise StoreError(
            f"backup {path}: table {table.name} has {restored} rows, {ABOUT} says {expected}"
        )


def _batches(archive: zipfile.ZipFile, path: Path, name: str) -> Iterator[list[dict[str, Any]]]:
    try:
        stream: IO[bytes] = archive.open(f"{name}.arrow")
        with stream, pa.ipc.open_stream(stream) as reader:
            for batch in reader:
                yield batch.to_pylist()
    except (pa.ArrowInvalid, zipfile.BadZipFile, OSError) as error:
        raise StoreError(f"backup {path}: table {name} is damaged ({error})") from error


def _finish(connection: Connection, archive: zipfile.ZipFile, path: Path) -> None:
    """Facts last: with them the store is one that may be opened."""
    connection.execute(meta.delete())
    for rows in _batches(archive, path, meta.name):
        connection.execute(_plain(meta).insert(), rows)
    if connection.dialect.name == "postgresql":
        for table in METADATA.sorted_tables:
            for column in table.primary_key.columns:
                if column.autoincrement is True:
                    _continue_numbers(connection, table.name, column.name)


def _continue_numbers(connection: Connection, table: str, column: str) -> None:
    """Numbers that the database gives go on after the restored ones."""
    connection.execute(
        text(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), "
            f"(SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
        )
    )
