"""The entries of books as JSON lines, CSV or Parquet, and back into a store that keeps them.

The three hold the same lines; the tables add their number, tick and kind, so that they can be
filtered. What is read is proven by the offline verifier before any of it is kept.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection

from energy.store.archive import ArchivedLine, has_archive, load_lines, save_lines
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.meta import find_fact
from market.verifier import Report, verify_export

AT_ONCE = 500
COLUMNS = ArchivedLine._fields
LINE_MAX = 2**31 - 1  # longest text of a value: a tick of a whole district in one line


def import_lines(store: Store, lines: Iterable[str]) -> Report:
    """Keep the lines of an export in a store without books; what the verifier says of them.

    Raises StoreError, and keeps nothing, where they do not prove, are not as an export writes
    them, or the store has books already.
    """

    def write(connection: Connection) -> Report:
        if find_fact(connection, "market") is not None or has_archive(connection):
            raise StoreError("import: found books in the store, allowed a new one")
        report = verify_export(_kept(connection, lines))
        if report.first_failure is not None:
            failure = report.first_failure
            raise StoreError(
                f"import: line {failure.line}: {failure.check}: {failure.message}; nothing was kept"
            )
        return report

    return store.write(write)


def archived_lines(store: Store) -> Iterator[str]:
    """The lines that were imported, as they were exported."""
    first = 1
    while rows := store.read(partial(load_lines, first=first, count=AT_ONCE)):
        yield from (row.body for row in rows)
        first += len(rows)


def rows_of(lines: Iterable[str]) -> Iterator[ArchivedLine]:
    """The lines of an export with number, tick and kind; raises StoreError for other text."""
    tick = -1
    for no, line in enumerate(lines, start=1):
        found = _read(no, line)
        kind = found["line"]
        if kind == "tick":
            tick = int(found["tick"])
        yield ArchivedLine(no, tick, kind, line)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of an export in a file: `.csv`, `.parquet` or else JSON lines; `.gz` is unpacked.

    Raises StoreError where the file cannot be read or its columns are others.
    """
    try:
        if path.suffix == ".parquet":
            yield from _in_order(path, _parquet_rows(path))
            return
        with _open(path) as source:
            if ".csv" in path.suffixes:
                yield from _in_order(path, _csv_rows(path, source))
            else:
                for line in source:
                    yield line.removesuffix("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise StoreError(f"import {path}: cannot be read: {error}") from error


def csv_of(lines: Iterable[str]) -> Iterator[str]:
    """The lines as comma-separated values with a header."""
    yield ",".join(COLUMNS)
    for row in rows_of(lines):
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row)
        yield text.getvalue()


def write_parquet_of(lines: Iterable[str], path: Path) -> None:
    """The lines as Parquet with number, tick and kind."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = (pa.int64(), pa.int64(), pa.string(), pa.large_string())
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[ArchivedLine] = []
        for row in rows_of(lines):
            held.append(row)
            if len(held) == AT_ONCE:
                writer.write_table(pa.Table.from_pylist([r._asdict() for r in held], schema))
                held = []
        writer.write_table(pa.Table.from_pylist([r._asdict() for r in held], schema))


def _kept(connection: Connection, lines: Iterable[str]) -> Iterator[str]:
    """The lines, which are kept as they pass."""
    held: list[ArchivedLine] = []
    for row in rows_of(lines):
        held.append(row)
        if len(held) == AT_ONCE:
            save_lines(connection, held)
            held = []
        yield row.body
    save_lines(connection, held)


def _read(no: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
        again = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"import: line {no}: not JSON: {error}") from error
    tick = found.get("tick", "0") if isinstance(found, dict) else None
    named = isinstance(tick, str) and tick.isdecimal() and isinstance(found.get("line"), str)
    if again != line or not named:
        raise StoreError(f"import: line {no}: found other text than an export writes")
    named_found: dict[str, Any] = found
    return named_found


def _open(path: Path) -> IO[str]:
    # Text as it stands: no other line end is taken for one.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="\n")
    return path.open(encoding="utf-8", newline="\n")


def _csv_rows(path: Path, source: Iterable[str]) -> Iterator[tuple[str, ...]]:
    csv.field_size_limit(LINE_MAX)
    try:
        rows = csv.reader(source, strict=True)
        if tuple(next(rows, ())) != COLUMNS:
            raise StoreError(f"import {path}: allowed the columns {', '.join(COLUMNS)}")
        yield from map(tuple, rows)
    except csv.Error as error:
        raise StoreError(f"import {path}: {error}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as source:
            if tuple(source.schema_arrow.names) != COLUMNS:
                raise StoreError(f"import {path}: allowed the columns {', '.join(COLUMNS)}")
            for batch in source.iter_batches(AT_ONCE):
                for row in batch.to_pylist():
                    yield tuple(str(row[name]) for name in COLUMNS)
    except pa.ArrowInvalid as error:
        raise StoreError(f"import {path}: {error}") from error


def _in_order(path: Path, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of table rows, whose other columns must agree with them."""
    held: list[tuple[str, ...]] = []

    def bodies() -> Iterator[str]:
        for row in rows:
            if len(row) != len(COLUMNS):
                raise StoreError(f"import {path}: a row of {len(row)} values, not {len(COLUMNS)}")
            held.append(row)
            yield row[-1]

    for found in rows_of(bodies()):
        if tuple(map(str, found)) != held.pop():
            raise StoreError(f"import {path}: row {found.no} does not agree with its line")
        yield found.body
