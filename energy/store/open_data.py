"""What everybody may know of the district's use: sums of groups, kept as they were first published.

A row is never changed. A sum that was made anew after a corrected reading would, beside the old
one, tell that one meter's correction.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, func, insert, select

from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import METADATA, append_only

open_sums = Table(
    "open_sums",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)
append_only(open_sums)


def save_open_sums(connection: Connection, slot: int, columns: Arrays) -> None:
    """Publish the sums of a slot, once and for all; the same slot again is an error."""
    connection.execute(insert(open_sums).values(slot=slot, body=pack_arrays(columns)))


def load_open_sums(connection: Connection, start: int, end: int) -> dict[int, dict[str, Any]]:
    """The sums of the slots from `start` up to, not including, `end`, by slot."""
    inside = (open_sums.c.slot >= start) & (open_sums.c.slot < end)
    query = select(open_sums.c.slot, open_sums.c.body).where(inside).order_by(open_sums.c.slot)
    return {slot: unpack_arrays(body) for slot, body in connection.execute(query)}


def count_open_sums(connection: Connection, start: int, end: int) -> int:
    """Of how many slots from `start` up to, not including, `end` there are sums by now."""
    inside = (open_sums.c.slot >= start) & (open_sums.c.slot < end)
    return connection.scalar(select(func.count()).select_from(open_sums).where(inside)) or 0


def open_range(connection: Connection) -> tuple[int, int] | None:
    """The first and the last slot that has sums, None where none has."""
    slots = select(open_sums.c.slot)
    first = connection.scalar(slots.order_by(open_sums.c.slot).limit(1))
    last = connection.scalar(slots.order_by(open_sums.c.slot.desc()).limit(1))
    return None if first is None or last is None else (first, last)
