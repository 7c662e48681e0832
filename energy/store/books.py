"""What the books hold of each slot: entries, settlements, transfers, readings, trades."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, func, insert, select

from energy.store.book_tables import (
    entry,
    label_book,
    settlement,
    signed_readings,
    slot_book,
    slot_trades,
    transfer,
)
from energy.store.packing import Arrays, pack_arrays, unpack_arrays

MANY = 500
REVERSE_KIND = 5

MOVING_KINDS = (1, 3, REVERSE_KIND)


class TransferRow(NamedTuple):
    """A transfer as it is kept: accounts by number, ids by the place of their row."""

    settlement: int
    position: int
    ledger: int
    kind: int
    code: int
    debit: int
    credit: int
    amount: int
    caused: int
    pending_settlement: int | None = None
    pending_position: int | None = None


@dataclass(frozen=True)
class EntryRow:
    """A signed entry: `message` in its wire form, signers and signatures in one piece each."""

    digest: bytes
    tick: int
    position: int
    type: str
    message: dict[str, Any]
    signers: bytes
    signatures: bytes
    salt: bytes


@dataclass(frozen=True)
class SettlementRow:
    """A settlement and where its transfers stand."""

    no: int
    entry: bytes
    scope: int
    slot: int
    version: int
    tick: int
    clearing: bytes


def save_slot_book(connection: Connection, slot: int, columns: Arrays) -> None:
    """Write the rows of a slot's auction with their fills."""
    connection.execute(insert(slot_book).values(slot=slot, body=pack_arrays(columns)))


def load_slot_book(connection: Connection, slot: int) -> dict[str, Any] | None:
    """The rows of a slot's auction, or None where it had none."""
    body = connection.scalar(select(slot_book.c.body).where(slot_book.c.slot == slot))
    return None if body is None else unpack_arrays(body)


def save_label_book(connection: Connection, slot: int, label: int, columns: Arrays) -> None:
    """Write the rows of a slot's premium tier of a label with their fills."""
    row = {"slot": slot, "label": label, "body": pack_arrays(columns)}
    connection.execute(insert(label_book).values(row))


def load_label_books(connection: Connection, slot: int) -> dict[int, dict[str, Any]]:
    """The rows of a slot's premium tiers by label, none where nobody wished for one."""
    query = select(label_book.c.label, label_book.c.body).where(label_book.c.slot == slot)
    rows = connection.execute(query.order_by(label_book.c.label))
    return {label: unpack_arrays(body) for label, body in rows}


def save_entries(connection: Connection, rows: Sequence[EntryRow]) -> None:
    """Write entries for ever."""
    if rows:
        connection.execute(insert(entry), [dict(vars(row)) for row in rows])


def load_entries(connection: Connection, tick: int) -> list[EntryRow]:
    """The entries of a tick in the order of their commitment."""
    query = select(entry).where(entry.c.tick == tick).order_by(entry.c.position)
    return [EntryRow(**row._mapping) for row in connection.execute(query)]


def find_entry(connection: Connection, digest: bytes) -> EntryRow | None:
    """The entry with this id, or None."""
    row = connection.execute(select(entry).where(entry.c.digest == digest)).first()
    return None if row is None else EntryRow(**row._mapping)


def entries_of_type(connection: Connection, type_name: str) -> list[EntryRow]:
    """All entries of a type in the order of their commitment."""
    query = select(entry).where(entry.c.type == type_name)
    rows = connection.execute(query.order_by(entry.c.tick, entry.c.position))
    return [EntryRow(**row._mapping) for row in rows]


def count_entries(connection: Connection, tick: int) -> int:
    """How many entries a tick has so far: the place of the next one."""
    query = select(func.count()).select_from(entry).where(entry.c.tick == tick)
    return int(connection.scalar(query) or 0)


def slots_settled_anew(connection: Connection, account: int, after: int) -> list[int]:
    """The slots of which a correction, in ticks after one, has moved something of an account."""
    of, mine = settlement.c, (transfer.c.debit == account) | (transfer.c.credit == account)
    query = select(of.slot).join(transfer, transfer.c.settlement == of.no)
    query = query.where(of.version > 1, of.tick > after, mine).distinct()
    return list(connection.scalars(query.order_by(of.slot)))


def next_settlement(connection: Connection) -> int:
    """The number of the next settlement."""
    last: int | None = connection.scalar(select(func.max(settlement.c.no)))
    return 0 if last is None else last + 1


def save_settlement(
    connection: Connection, row: SettlementRow, transfers: Sequence[TransferRow]
) -> None:
    """Write a settlement, whose entry stands already, and its transfers."""
    connection.execute(insert(settlement).values(**vars(row)))
    if not transfers:
        return
    # Tens of thousands of rows: straight to the driver, in a fraction of the time.
    names = ", ".join(TransferRow._fields)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(TransferRow._fields))
        connection.exec_driver_sql(
            f"INSERT INTO transfer ({names}) VALUES ({marks})", [tuple(t) for t in transfers]
        )
        return
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY transfer ({names}) FROM STDIN") as copy:
        for one in transfers:
            copy.write_row(one)


def load_settlements(connection: Connection, slot: int, scope: int = 1) -> list[SettlementRow]:
    """The versions of a slot's settlement, oldest first; 0 are the reservations."""
    mine = (settlement.c.scope == scope) & (settlement.c.slot == slot)
    query = select(settlement).where(mine).order_by(settlement.c.version)
    return [SettlementRow(**row._mapping) for row in connection.execute(query)]


def settled_bounds(connection: Connection) -> tuple[int, int] | None:
    """The first and the last slot whose readings are settled, None before there is one."""
    mine = (settlement.c.scope == 1) & (settlement.c.version > 0)
    query = select(func.min(settlement.c.slot), func.max(settlement.c.slot)).where(mine)
    first, last = connection.execute(query).one()
    return None if first is None else (int(first), int(last))


def settlements_of_tick(connection: Connection, tick: int) -> list[SettlementRow]:
    """The settlements of a tick in the order of their numbers."""
    query = select(settlement).where(settlement.c.tick == tick).order_by(settlement.c.no)
    return [SettlementRow(**row._mapping) for row in connection.execute(query)]


def find_settlement(connection: Connection, no: int) -> SettlementRow | None:
    """The settlement with this number, or None."""
    row = connection.execute(select(settlement).where(settlement.c.no == no)).first()
    return None if row is None else SettlementRow(**row._mapping)


def load_transfers(connection: Connection, no: int) -> list[TransferRow]:
    """The transfers of a settlement in batch order."""
    columns = [transfer.c[name] for name in TransferRow._fields]
    query = select(*columns).where(transfer.c.settlement == no).order_by(transfer.c.position)
    result = connection.execute(query)
    # Whole numbers need no conversion, and twenty thousand rows are read in half the time.
    assert result.cursor is not None
    rows = list(map(TransferRow._make, result.cursor.fetchall()))
    result.close()
    return rows


def load_transfers_at(
    connection: Connection, no: int, positions: Collection[int]
) -> list[TransferRow]:
    """The transfers of a settlement at these places, in batch order."""
    if len(positions) > MANY:
        wanted = frozenset(positions)
        return [row for row in load_transfers(connection, no) if row.position in wanted]
    columns = [transfer.c[name] for name in TransferRow._fields]
    here = (transfer.c.settlement == no) & transfer.c.position.in_(positions)
    query = select(*columns).where(here).order_by(transfer.c.position)
    return [TransferRow(*row) for row in connection.execute(query)]


def load_movements(
    connection: Connection, settlements: Collection[int], kinds: Collection[int] = MOVING_KINDS
) -> npt.NDArray[np.int64]:
    """What these settlements have moved, reversals as rows of their own, (N, 6).

    Columns: ledger, kind, code, debit, credit, amount; accounts by number.
    """
    names = ("ledger", "kind", "code", "debit", "credit", "amount")
    columns = [transfer.c[name] for name in names]
    moving = transfer.c.settlement.in_(settlements) & transfer.c.kind.in_(kinds)
    result = connection.execute(select(*columns).where(moving))
    assert result.cursor is not None
    rows = result.cursor.fetchall()
    result.close()
    return np.array(rows, dtype=np.int64).reshape(-1, len(names))


def load_transfers_of(
    connection: Connection, settlements: Collection[int], accounts: Collection[int]
) -> list[TransferRow]:
    """The transfers of these settlements that touch one of these accounts."""
    columns = [transfer.c[name] for name in TransferRow._fields]
    touched = transfer.c.debit.in_(accounts) | transfer.c.credit.in_(accounts)
    query = select(*columns).where(transfer.c.settlement.in_(settlements), touched)
    query = query.order_by(transfer.c.settlement, transfer.c.position)
    return [TransferRow(*row) for row in connection.execute(query)]


def load_transfers_coded(
    connection: Connection, settlements: Collection[int], codes: Collection[int]
) -> list[TransferRow]:
    """The transfers of these settlements with one of these codes."""
    columns = [transfer.c[name] for name in TransferRow._fields]
    query = select(*columns).where(
        transfer.c.settlement.in_(settlements), transfer.c.code.in_(codes)
    )
    query = query.order_by(transfer.c.settlement, transfer.c.position)
    return [TransferRow(*row) for row in connection.execute(query)]


def load_transfers_between(
    connection: Connection, settlements: Collection[int], accounts: Collection[int]
) -> list[TransferRow]:
    """The transfers of these settlements with both sides among these accounts."""
    columns = [transfer.c[name] for name in TransferRow._fields]
    among = transfer.c.debit.in_(accounts) & transfer.c.credit.in_(accounts)
    query = select(*columns).where(transfer.c.settlement.in_(settlements), among)
    query = query.order_by(transfer.c.settlement, transfer.c.position)
    return [TransferRow(*row) for row in connection.execute(query)]


def ended_by(connection: Connection, settlements: Collection[int]) -> set[tuple[int, int]]:
    """Which transfers the rows of these settlements have ended or undone, by place."""
    columns = (transfer.c.pending_settlement, transfer.c.pending_position)
    named = transfer.c.settlement.in_(settlements) & columns[0].is_not(None)
    return {(no, position) for no, position in connection.execute(select(*columns).where(named))}


def moved_sums(
    connection: Connection, settlements: range | None = None
) -> dict[tuple[int, int], int]:
    """What every account has got less what it has given, by ledger and number, added up anew.

    Of all `settlements`, or of those with these numbers.
    """
    found: dict[tuple[int, int], int] = {}
    moving: ColumnElement[bool] = transfer.c.kind.in_(MOVING_KINDS)
    if settlements is not None:
        moving &= transfer.c.settlement.between(settlements.start, settlements.stop - 1)
    for sign, side in ((1, transfer.c.credit), (-1, transfer.c.debit)):
        query = select(transfer.c.ledger, side, func.sum(transfer.c.amount)).where(moving)
        for ledger, no, amount in connection.execute(query.group_by(transfer.c.ledger, side)):
            key = (ledger, no)
            found[key] = found.get(key, 0) + sign * int(amount)
    return found


def turnover(connection: Connection) -> dict[int, int]:
    """What each ledger has moved in all, reversals included."""
    moving = transfer.c.kind.in_(MOVING_KINDS)
    query = select(transfer.c.ledger, func.sum(transfer.c.amount)).where(moving)
    rows = connection.execute(query.group_by(transfer.c.ledger).order_by(transfer.c.ledger))
    return {ledger: int(amount) for ledger, amount in rows}


def given_sums(
    connection: Connection, settlements: Collection[int], line: tuple[int, int], credit: int
) -> dict[int, int]:
    """What accounts have given to `credit` in a line (ledger, code) of these settlements, by
    number, less what was reversed.
    """
    columns, found = transfer.c, dict[int, int]()
    here = columns.settlement.in_(settlements) & (columns.ledger == line[0])
    here &= (columns.code == line[1]) & columns.kind.in_(MOVING_KINDS)
    for sign, giver, taker in (
        (1, columns.debit, columns.credit),
        (-1, columns.credit, columns.debit),
    ):
        reverse = columns.kind == REVERSE_KIND if sign < 0 else columns.kind != REVERSE_KIND
        query = select(giver, func.sum(columns.amount)).where(here, taker == credit, reverse)
        for no, amount in connection.execute(query.group_by(giver)):
            found[no] = found.get(no, 0) + sign * int(amount)
    return found


def count_transfers(connection: Connection) -> int:
    """How many transfers the books have."""
    return int(connection.scalar(select(func.count()).select_from(transfer)) or 0)


def save_signed_readings(
    connection: Connection, tick: int, columns: Arrays, signatures: bytes
) -> None:
    """Write the readings that were signed in a tick."""
    row = {"tick": tick, "body": pack_arrays(columns), "signatures": signatures}
    connection.execute(insert(signed_readings).values(row))


def load_signed_readings(connection: Connection, tick: int) -> tuple[dict[str, Any], bytes] | None:
    """Columns and signatures of the readings that were signed in a tick, or None."""
    query = select(signed_readings.c.body, signed_readings.c.signatures)
    row = connection.execute(query.where(signed_readings.c.tick == tick)).first()
    return None if row is None else (unpack_arrays(row.body), row.signatures)


def load_signed_columns(connection: Connection, tick: int) -> dict[str, Any] | None:
    """Columns of the readings that were signed in a tick, or None."""
    query = select(signed_readings.c.body).where(signed_readings.c.tick == tick)
    body = connection.scalar(query)
    return None if body is None else unpack_arrays(body)


def save_trades(connection: Connection, slot: int, columns: Arrays) -> None:
    """Write what the accounts traded in a slot."""
    connection.execute(insert(slot_trades).values(slot=slot, body=pack_arrays(columns)))


def load_trades(connection: Connection, slot: int) -> dict[str, Any] | None:
    """What the accounts traded in a slot, or None where it had no market."""
    body = connection.scalar(select(slot_trades.c.body).where(slot_trades.c.slot == slot))
    return None if body is None else unpack_arrays(body)
