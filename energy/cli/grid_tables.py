"""Tables of figures: as files, CSV to the last digit or Parquet, and as text for people."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Columns = Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]
FORMATS = ("csv", "parquet")


class TableError(Exception):
    """A table cannot be written: says which file, what was found and what is allowed."""


def require_format(name: str) -> str:
    """The format of this name; TableError for any other."""
    if name not in FORMATS:
        raise TableError(f"format {name!r}: allowed are {', '.join(FORMATS)}")
    return name


def format_of(path: Path) -> str:
    """The format that a file's suffix stands for."""
    suffix = path.suffix.removeprefix(".")
    if suffix not in FORMATS:
        allowed = ", ".join(f".{one}" for one in FORMATS)
        raise TableError(f"{path}: found suffix {path.suffix!r}, allowed: {allowed}")
    return suffix


def write_table(path: Path, columns: Columns) -> None:
    """Write columns of one length in the format of the path's suffix; folders are made."""
    write = _write_parquet if format_of(path) == "parquet" else _write_csv
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, columns)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system refuses of a path into a TableError."""
    try:
        yield
    except OSError as error:
        raise TableError(f"{path}: cannot be written ({error.strerror or error})") from error


def text_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table for people, its columns wide enough for all their cells."""
    cells = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _write_csv(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        cells = [_plain(column) for column in columns.values()]
        writer.writerows(zip(*cells, strict=True))


def _write_parquet(path: Path, columns: Columns) -> None:
    # Reading it takes most of a second, and most commands write no Parquet.
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({name: _plain(column) for name, column in columns.items()})
    pyarrow.parquet.write_table(table, str(path))


def _plain(column: Sequence[Any] | np.ndarray[Any, Any]) -> list[Any]:
    """Python's own texts and numbers, whose shortest writing is read back to the last bit."""
    return column.tolist() if isinstance(column, np.ndarray) else list(column)
