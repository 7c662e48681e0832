"""The audit log: five fields a record, each chained to the one before by its hash.

A record that is changed, taken out or put in breaks the chain at its place. What was cut off at
the end shows against a head that is kept elsewhere.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, func, insert, select

from energy.store.people_tables import audit_row

GENESIS = bytes(32)
FIELD_CHARS_MAX = 300
BATCH_ROWS = 5_000


@dataclass(frozen=True)
class Record:
    """Who (account), when (microseconds since 1970 UTC), from where, whose data, and the task."""

    at_us: int
    account: str
    origin: str
    whose: str
    task: str


@dataclass(frozen=True)
class Entry:
    """A record with its number in the log and its hash."""

    no: int
    record: Record
    hash: bytes


def one_line(text: str) -> str:
    """The text with control characters and line breaks escaped, cut where it is very long."""
    escaped = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return escaped[:FIELD_CHARS_MAX]


def chain_hash(before: bytes, no: int, record: Record) -> bytes:
    """SHA-256 over the hash before and the record's number and fields."""
    fields = [no, record.at_us, record.account, record.origin, record.whose, record.task]
    return hashlib.sha256(before + orjson.dumps(fields)).digest()


def append_record(connection: Connection, record: Record) -> Entry:
    """Write a record at the end of the log; its fields become one line each."""
    last = connection.execute(
        select(audit_row.c.no, audit_row.c.hash).order_by(audit_row.c.no.desc()).limit(1)
    ).first()
    no, before = (0, GENESIS) if last is None else (last.no + 1, last.hash)
    record = Record(
        record.at_us,
        *(one_line(text) for text in (record.account, record.origin, record.whose, record.task)),
    )
    found = Entry(no, record, chain_hash(before, no, record))
    connection.execute(insert(audit_row).values(no=no, hash=found.hash, **vars(record)))
    return found


def list_records(
    connection: Connection, *, before: int | None = None, limit: int = 100
) -> list[Entry]:
    """Records with numbers below `before`, the newest first."""
    query = select(audit_row).order_by(audit_row.c.no.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_row.c.no < before)
    return [entry_of_row(row) for row in connection.execute(query)]


def count_records(connection: Connection) -> int:
    """How many records the log has."""
    return int(connection.scalar(select(func.count()).select_from(audit_row)) or 0)


def first_broken(connection: Connection) -> int | None:
    """The number of the first record whose hash or place is wrong; None where the chain holds."""
    before = GENESIS
    for expected, entry in enumerate(_all(connection)):
        if entry.no != expected or entry.hash != chain_hash(before, expected, entry.record):
            return expected
        before = entry.hash
    return None


def _all(connection: Connection) -> Iterator[Entry]:
    after = -1
    while rows := connection.execute(
        select(audit_row).where(audit_row.c.no > after).order_by(audit_row.c.no).limit(BATCH_ROWS)
    ).all():
        yield from map(entry_of_row, rows)
        after = rows[-1].no


def entry_of_row(row: object) -> Entry:
    """A record of the log from its row."""
    fields = row._mapping  # type: ignore[attr-defined]
    record = Record(*(fields[name] for name in ("at_us", "account", "origin", "whose", "task")))
    return Entry(fields["no"], record, fields["hash"])
