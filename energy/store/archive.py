"""Somebody else's books, kept line by line as they were exported: an auditor's copy."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, insert, select

from energy.store.schema import METADATA, append_only

archived_line = Table(
    "archived_line",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("tick", BigInteger, nullable=False),  # -1 before the first
    Column("line", Text, nullable=False),
    Column("body", Text, nullable=False),
)
append_only(archived_line)


class ArchivedLine(NamedTuple):
    """A line of an export: its number, the tick and kind that it is of, its text."""

    no: int
    tick: int
    line: str
    body: str


def save_lines(connection: Connection, rows: Sequence[ArchivedLine]) -> None:
    """Keep lines of somebody else's books."""
    if rows:
        connection.execute(insert(archived_line), [row._asdict() for row in rows])


def load_lines(connection: Connection, first: int, count: int) -> list[ArchivedLine]:
    """So many lines from a number on, in their order."""
    numbers = archived_line.c.no.between(first, first + count - 1)
    rows = connection.execute(select(archived_line).where(numbers).order_by(archived_line.c.no))
    return [ArchivedLine(*row) for row in rows]


def has_archive(connection: Connection) -> bool:
    """Whether somebody else's books are kept here."""
    return connection.scalar(select(archived_line.c.no).limit(1)) is not None


def each_line(connection: Connection, at_once: int = 500) -> Iterator[ArchivedLine]:
    """All lines in their order."""
    first = 1
    while rows := load_lines(connection, first, at_once):
        yield from rows
        first += len(rows)
