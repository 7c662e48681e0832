"""Rows of the month's end: sums of what was moved, and the months that are billed."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from energy.store.bill_tables import billed_month, tally
from energy.store.book_tables import settlement
from energy.store.books import SettlementRow
from energy.store.packing import Arrays, pack_arrays, unpack_arrays

BEGINNING = -1


@dataclass(frozen=True)
class TallyRow:
    """Sums over the settlements of the ticks (after, through]."""

    after: int
    through: int
    columns: dict[str, Any]


@dataclass(frozen=True)
class BilledMonthRow:
    """A billed month: `content` is the hashed text of its tariffs, `accounts` are columns."""

    first_slot: int
    end_slot: int
    tick: int
    content: str
    summary: dict[str, Any]
    accounts: dict[str, Any]


def save_tally(connection: Connection, after: int, through: int, columns: Arrays) -> None:
    """Write the sums over the settlements of the ticks (after, through]."""
    row = {"after": after, "through": through, "body": pack_arrays(columns)}
    connection.execute(insert(tally).values(row))


def last_tallied(connection: Connection) -> int:
    """The tick up to which everything is added up, -1 before there is one."""
    query = select(tally.c.through).order_by(tally.c.through.desc()).limit(1)
    found: int | None = connection.scalar(query)
    return BEGINNING if found is None else found


def load_tallies(connection: Connection, through: int | None = None) -> list[TallyRow]:
    """Sums that together cover everything up to a tick at most, or all there is; oldest first."""
    whole = select(tally.c.through).where(tally.c.after == BEGINNING)
    parts = select(tally).order_by(tally.c.through)
    if through is not None:
        whole = whole.where(tally.c.through <= through)
        parts = parts.where(tally.c.through <= through)
    start: int | None = connection.scalar(whole.order_by(tally.c.through.desc()).limit(1))
    if start is not None:
        is_start = (tally.c.through == start) & (tally.c.after == BEGINNING)
        parts = parts.where((tally.c.through > start) | is_start)
    return [
        TallyRow(row.after, row.through, unpack_arrays(row.body))
        for row in connection.execute(parts)
    ]


def settlements_between(connection: Connection, after: int, tick: int) -> list[SettlementRow]:
    """The settlements of the ticks (after, tick) in the order of their numbers, with what their
    clearings have reserved (version 0).
    """
    mine = (settlement.c.tick > after) & (settlement.c.tick < tick)
    query = select(settlement).where(mine).order_by(settlement.c.no)
    return [SettlementRow(**row._mapping) for row in connection.execute(query)]


def save_billed_month(connection: Connection, row: BilledMonthRow) -> None:
    """Write a month that is billed."""
    values = dict(vars(row)) | {"accounts": pack_arrays(row.accounts)}
    connection.execute(insert(billed_month).values(values))


def load_billed_months(connection: Connection) -> list[BilledMonthRow]:
    """The months that are billed, oldest first."""
    found = connection.execute(select(billed_month).order_by(billed_month.c.first_slot))
    return [
        BilledMonthRow(**{**row._mapping, "accounts": unpack_arrays(row.accounts)}) for row in found
    ]


def last_billed(connection: Connection) -> tuple[int, int] | None:
    """The end of the last billed month and the tick of its bills, None before there is one."""
    query = select(billed_month.c.end_slot, billed_month.c.tick)
    row = connection.execute(query.order_by(billed_month.c.first_slot.desc()).limit(1)).first()
    return None if row is None else (row.end_slot, row.tick)
