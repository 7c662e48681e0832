"""Standing instructions as they were signed, where they end, and what each slot made of them.

An instruction ends by its owner's signature alone. A halt is the operator's: no orders are made of
it any more, which the books allow at all times, for no instruction promises one.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Connection, func, insert, select

from energy.store.instruction_tables import (
    automatic_slot,
    instruction_end,
    instruction_halt,
    standing_instruction,
)
from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import fill, market_order
from energy.units import SLOT_S
from market.instructions import Terms

KEEP_SLOTS = 96
"""So many slots of automatic trading are kept: the day's sums go on from the newest."""
_SIGNED = tuple(standing_instruction.columns.keys())


@dataclass(frozen=True)
class InstructionRow:
    """An instruction as it was signed; `ended_slot` is where it was stopped or replaced,
    `halted_slot` from where on no orders are made of it.
    """

    no: int
    id: bytes
    account: bytes
    signer: bytes
    sides: int
    sell_from_mkrw_per_kwh: int
    buy_up_to_mkrw_per_kwh: int
    day_cap_wh: int
    day_cap_ukrw: int
    first_slot: int
    end_slot: int
    signed_utc: int
    ended_slot: int | None = None
    halted_slot: int | None = None

    @property
    def last_end(self) -> int:
        """The slot from which on it no longer holds."""
        return self.end_slot if self.ended_slot is None else min(self.end_slot, self.ended_slot)

    def acts_in(self, slot: int) -> bool:
        """Whether orders of a slot are made of it."""
        is_halted = self.halted_slot is not None and slot >= self.halted_slot
        return self.first_slot <= slot < self.last_end and not is_halted

    def meets(self, first: int, end: int) -> bool:
        """Whether it holds in some slot of [first, end)."""
        begun = max(first, self.first_slot)
        return begun < min(end, self.last_end)

    @property
    def terms(self) -> Terms:
        """What orders follow from."""
        return Terms(
            self.sides,
            self.sell_from_mkrw_per_kwh,
            self.buy_up_to_mkrw_per_kwh,
            self.day_cap_wh,
            self.day_cap_ukrw,
        )


class EndRow(NamedTuple):
    """From `slot` on the instruction `no` holds no longer; `digest` of the message that says so."""

    digest: bytes
    instruction: int
    slot: int


class AutomaticSlot(NamedTuple):
    """What automatic trading did in a slot of the local day that begins with `day`.

    Columns: `account` (N, 32), `why` (N,) as a number, `e_wh` (N,) ordered, below 0 to sell, and
    `spent_wh`, `spent_ukrw` (N,), what the day had come to before the slot.
    """

    slot: int
    day: int
    columns: dict[str, Any]


class AutomaticFill(NamedTuple):
    """An automatic order and what it got: `price_mkrw_per_kwh` is None before it is cleared."""

    account: bytes
    side: int
    e_wh: int
    limit_mkrw_per_kwh: int
    status: str
    filled_wh: int | None
    price_mkrw_per_kwh: int | None


def save_instruction(connection: Connection, row: InstructionRow) -> None:
    """Write an instruction that an account has signed."""
    values = {name: getattr(row, name) for name in _SIGNED}
    connection.execute(insert(standing_instruction).values(**values))


def save_instruction_end(connection: Connection, row: EndRow) -> None:
    """Write that an instruction ends early."""
    connection.execute(insert(instruction_end).values(**row._asdict()))


def halt_instructions(connection: Connection, account: bytes, slot: int) -> int:
    """Make no more orders of what an account has signed, from a slot on; how many that halts."""
    rows = [
        {"instruction": one.no, "slot": slot}
        for one in instructions_of(connection, account)
        if one.last_end > slot and one.halted_slot is None
    ]
    if rows:
        connection.execute(insert(instruction_halt), rows)
    return len(rows)


def next_instruction(connection: Connection) -> int:
    """The number of the next instruction."""
    last: int | None = connection.scalar(select(func.max(standing_instruction.c.no)))
    return 0 if last is None else last + 1


def find_instruction(
    connection: Connection, id_: bytes, owner: bytes | None = None
) -> InstructionRow | None:
    """The instruction with this id, or None; where an owner is named, of that account alone."""
    where = standing_instruction.c.id == id_
    if owner is not None:
        where &= standing_instruction.c.account == owner
    found = _rows(connection, where)
    return found[0] if found else None


def instructions_of(connection: Connection, account: bytes) -> list[InstructionRow]:
    """All instructions of an account in the order in which they were signed."""
    return _rows(connection, standing_instruction.c.account == account)


def running_in(connection: Connection, slot: int) -> list[InstructionRow]:
    """The instructions of which orders are made in a slot, by account."""
    columns = standing_instruction.c
    found = _rows(connection, (columns.end_slot > slot) & (columns.first_slot <= slot))
    return sorted((one for one in found if one.acts_in(slot)), key=lambda one: one.account)


def save_automatic_slot(connection: Connection, slot: int, day: int, columns: Arrays) -> None:
    """Keep what a slot's automatic trading did."""
    row = {"slot": slot, "day": day, "body": pack_arrays(columns)}
    connection.execute(insert(automatic_slot).values(row))


def prune_automatic_slots(connection: Connection, slot: int) -> None:
    """Forget what lies KEEP_SLOTS or more before a slot, also where no instruction runs by now."""
    oldest = slot - (KEEP_SLOTS - 1) * SLOT_S
    connection.execute(automatic_slot.delete().where(automatic_slot.c.slot < oldest))


def automatic_slots(connection: Connection) -> Iterator[AutomaticSlot]:
    """All slots of automatic trading that are kept, oldest first."""
    rows = connection.execute(select(automatic_slot).order_by(automatic_slot.c.slot))
    for row in rows.all():
        yield AutomaticSlot(row.slot, row.day, unpack_arrays(row.body))


def forget_automatic(connection: Connection, account: bytes, before: int) -> None:
    """Destroy what slots before one say of an account's automatic trading; its orders stay."""
    name = np.frombuffer(account, dtype=np.uint8)
    for one in automatic_slots(connection):
        others = (one.columns["account"] != name).any(axis=1)
        if one.slot < before and not others.all():
            kept = pack_arrays({key: values[others] for key, values in one.columns.items()})
            here = automatic_slot.c.slot == one.slot
            connection.execute(automatic_slot.update().where(here).values(body=kept))


def last_automatic_slot(connection: Connection, before: int | None = None) -> AutomaticSlot | None:
    """The newest slot of automatic trading, or the newest before one; None where there is none."""
    query = select(automatic_slot).order_by(automatic_slot.c.slot.desc()).limit(1)
    if before is not None:
        query = query.where(automatic_slot.c.slot < before)
    row = connection.execute(query).first()
    return None if row is None else AutomaticSlot(row.slot, row.day, unpack_arrays(row.body))


def has_automatic_slot(connection: Connection, slot: int) -> bool:
    """Whether the slot's automatic orders have been made."""
    query = select(automatic_slot.c.slot).where(automatic_slot.c.slot == slot)
    return connection.scalar(query) is not None


def automatic_fills(connection: Connection, slot: int) -> list[AutomaticFill]:
    """The automatic orders of a slot with what they got."""
    return _fills(connection, market_order.c.slot == slot)


def fills_since(
    connection: Connection, accounts: Collection[bytes], first: int, before: int
) -> list[AutomaticFill]:
    """The automatic orders of accounts in the slots [first, before) with what they got."""
    if not accounts:
        return []
    slot = market_order.c.slot
    return _fills(
        connection, market_order.c.account.in_(accounts) & (slot >= first) & (slot < before)
    )


def _fills(connection: Connection, where: ColumnElement[bool]) -> list[AutomaticFill]:
    order = market_order.c
    columns = (order.account, order.side, order.e_wh, order.price_mkrw_per_kwh, order.status)
    got = (fill.c.e_wh.label("filled_wh"), fill.c.price_mkrw_per_kwh.label("got_price"))
    joined = market_order.join(fill, fill.c.order_id == order.id, isouter=True)
    query = select(*columns, *got).select_from(joined)
    query = query.where(where, order.instruction.is_not(None))
    return [AutomaticFill(*row) for row in connection.execute(query)]


def _rows(connection: Connection, where: ColumnElement[bool]) -> list[InstructionRow]:
    ends = (
        select(instruction_end.c.instruction, func.min(instruction_end.c.slot).label("slot"))
        .group_by(instruction_end.c.instruction)
        .subquery()
    )
    number, halt = standing_instruction.c.no, instruction_halt
    joined = standing_instruction.outerjoin(ends, ends.c.instruction == number)
    joined = joined.outerjoin(halt, halt.c.instruction == number)
    columns = (
        standing_instruction,
        ends.c.slot.label("ended_slot"),
        halt.c.slot.label("halted_slot"),
    )
    query = select(*columns).select_from(joined).where(where).order_by(number)
    return [InstructionRow(**row._mapping) for row in connection.execute(query)]
