"""Destroying bodies, and reading what stands in for them.

`erasing` lifts the triggers that keep the tables append-only for one transaction; what is deleted
is overwritten in the pages of a SQLite file by `compact`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Column, Connection, Table, bindparam, delete, func, insert, select, update

from energy.store.bill_tables import billed_month, tally
from energy.store.book_tables import (
    account,
    account_message,
    entry,
    signed_readings,
    slot_trades,
    transfer,
)
from energy.store.car_tables import car_wish
from energy.store.dr_tables import dr_baseline, dr_event
from energy.store.erasure_tables import (
    erased_account,
    erased_leaf,
    erased_state,
    erased_sum,
    erased_transfer,
    kept_salt,
)
from energy.store.homes import OF_METERS, home_day
from energy.store.instruction_tables import (
    instruction_end,
    instruction_halt,
    standing_instruction,
)
from energy.store.instructions import forget_automatic
from energy.store.packing import pack_arrays, unpack_arrays
from energy.store.schema import (
    fill,
    late_reading,
    market_order,
    meter_month,
    order_conflict,
    reading,
    suspended,
)
from market.month_sums import COLUMNS, Sums, opening_of

Arrays = dict[str, npt.NDArray[Any]]
_GUARDED = (
    market_order, order_conflict, fill, reading, late_reading, entry, transfer, signed_readings,
    slot_trades, account_message, standing_instruction, instruction_end, instruction_halt, tally,
    billed_month, dr_baseline, car_wish,
)  # fmt: skip


class ErasedState(NamedTuple):
    """How the history of an account stood after a tick; `seq` None: its leaf and blinded name."""

    tick: int
    account: int
    seq: int | None
    head: bytes
    keys_head: bytes


class ErasedAccount(NamedTuple):
    """An erased account, and how it goes on after `tick`: history, balances, what was erased."""

    account: int
    month: int
    tick: int
    seq: int
    head: bytes
    keys_head: bytes
    balance_1: int
    balance_2: int
    balance_3: int
    moved_1: int
    moved_2: int
    moved_3: int

    @property
    def balances(self) -> tuple[int, int, int]:
        """Balances by ledger after the tick."""
        return self.balance_1, self.balance_2, self.balance_3

    @property
    def moved(self) -> tuple[int, int, int]:
        """What the erased rows have moved, by ledger."""
        return self.moved_1, self.moved_2, self.moved_3


@dataclass(frozen=True)
class Leftovers:
    """What is left of the erased rows of a settlement."""

    leaves: dict[int, bytes] = field(default_factory=dict)  # by position
    sums: list[tuple[int, int, int]] = field(default_factory=list)  # ledger, account, amount
    salts: dict[int, bytes] = field(default_factory=dict)  # of kept rows by position


def leftovers_of(connection: Connection, settlement: int) -> Leftovers:
    """What is left of the erased rows of a settlement, and the salts of those that were kept."""

    def rows(table: Table, *names: str) -> Iterator[Any]:
        columns = [table.c[name] for name in names]
        query = select(*columns).where(table.c.settlement == settlement)
        yield from connection.execute(query.order_by(*columns))

    return Leftovers(
        leaves={position: leaf for position, leaf in rows(erased_transfer, "position", "leaf")},
        sums=[tuple(row) for row in rows(erased_sum, "ledger", "account", "amount")],
        salts={position: salt for position, salt in rows(kept_salt, "position", "salt")},
    )


def erased_leaves(connection: Connection, tick: int) -> dict[int, list[tuple[bytes, int]]]:
    """Leaves without a body, and the slots of readings, by the kind of the set of a tick."""
    columns = erased_leaf.c
    query = select(columns.kind, columns.leaf, columns.slot).where(columns.tick == tick)
    found: dict[int, list[tuple[bytes, int]]] = {}
    for kind, leaf, slot in connection.execute(query.order_by(columns.kind, columns.leaf)):
        found.setdefault(kind, []).append((leaf, slot))
    return found


def erased_states(connection: Connection, tick: int) -> list[ErasedState]:
    """The histories that erased entries of a tick have named."""
    query = select(erased_state).where(erased_state.c.tick == tick)
    rows = connection.execute(query.order_by(erased_state.c.account))
    return [ErasedState(**row._mapping) for row in rows]


def erased_accounts(connection: Connection) -> list[ErasedAccount]:
    """All accounts that were ever erased."""
    rows = connection.execute(select(erased_account).order_by(erased_account.c.account))
    return [ErasedAccount(**row._mapping) for row in rows]


def count_erased_transfers(connection: Connection) -> int:
    """How many transfers are a leaf alone."""
    return len(connection.execute(select(erased_transfer.c.position)).all())


def erased_moves(connection: Connection) -> dict[tuple[int, int], int]:
    """What erased rows have moved, by ledger and number of the account."""
    found: dict[tuple[int, int], int] = {}
    columns = (erased_sum.c.ledger, erased_sum.c.account, erased_sum.c.amount)
    for ledger, no, amount in connection.execute(select(*columns)):
        found[ledger, no] = found.get((ledger, no), 0) + amount
    for one in erased_accounts(connection):
        for ledger, amount in enumerate(one.moved, start=1):
            found[ledger, one.account] = found.get((ledger, one.account), 0) + amount
    return found


@contextmanager
def erasing(connection: Connection, tables: Iterable[Table] = _GUARDED) -> Iterator["Eraser"]:
    """Lets rows of tables be destroyed until the block ends; then their triggers stand again.

    Nobody else gets at the tables meanwhile, so only those that are changed should be named.
    """
    with suspended(connection, tables):
        yield Eraser(connection)


class Eraser:
    """Takes bodies away and leaves what stands in for them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _delete(self, table: Table, column: Column[Any], keys: Collection[object]) -> None:
        if keys:
            rows = [{"key": key} for key in keys]
            self._connection.execute(delete(table).where(column == bindparam("key")), rows)

    def _add(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._connection.execute(insert(table), list(rows))

    def leaves(self, rows: Collection[tuple[int, int, bytes, int]]) -> None:
        """Keep leaves: tick, kind, leaf, slot."""
        names = ("tick", "kind", "leaf", "slot")
        self._add(erased_leaf, [dict(zip(names, row, strict=True)) for row in sorted(rows)])

    def orders(self, ids: Collection[bytes]) -> None:
        """Destroy orders with their fills."""
        self._delete(fill, fill.c.order_id, ids)
        self._delete(market_order, market_order.c.id, ids)

    def messages(self, digests: Collection[bytes]) -> None:
        """Destroy messages beside orders."""
        mine = select(standing_instruction.c.no).where(standing_instruction.c.id.in_(digests))
        numbers = list(self._connection.scalars(mine))
        for table in (instruction_end, instruction_halt):
            self._delete(table, table.c.instruction, numbers)
        self._delete(standing_instruction, standing_instruction.c.no, numbers)
        self._delete(account_message, account_message.c.digest, digests)

    def entries(self, digests: Collection[bytes]) -> None:
        """Destroy entries of a set."""
        self._delete(entry, entry.c.digest, digests)

    def conflicts(self, of: bytes, before: int) -> None:
        """Destroy an account's messages that were refused for their nonces before a moment."""
        columns = order_conflict.c
        old = (columns.account == of) & (columns.received_utc < before)
        self._connection.execute(delete(order_conflict).where(old))

    def transfers(self, settlement: int, leaves: Mapping[int, bytes]) -> None:
        """Destroy transfers of a settlement by their positions; their leaves stay."""
        rows = [{"no": settlement, "at": position} for position in leaves]
        here = (transfer.c.settlement == bindparam("no")) & (transfer.c.position == bindparam("at"))
        self._connection.execute(delete(transfer).where(here), rows)
        self._add(
            erased_transfer,
            [
                {"settlement": settlement, "position": position, "leaf": leaf}
                for position, leaf in leaves.items()
            ],
        )

    def sums(self, settlement: int, sums: Mapping[tuple[int, int], int]) -> None:
        """Add to what the erased rows of a settlement have moved, by ledger and account."""
        before = {row[:2]: row[2] for row in leftovers_of(self._connection, settlement).sums}
        of = erased_sum.c.settlement == settlement
        self._connection.execute(delete(erased_sum).where(of))
        now = {key: before.get(key, 0) + sums.get(key, 0) for key in {*before, *sums}}
        self._add(
            erased_sum,
            [
                {"settlement": settlement, "ledger": ledger, "account": no, "amount": amount}
                for (ledger, no), amount in sorted(now.items())
                if amount
            ],
        )

    def salts(self, settlement: int, salts: Mapping[int, bytes]) -> None:
        """Keep the salts of transfers that stay."""
        self._add(
            kept_salt,
            [
                {"settlement": settlement, "position": position, "salt": salt}
                for position, salt in salts.items()
            ],
        )

    def states(self, rows: Collection[ErasedState]) -> None:
        """Keep where histories stood, where that is not kept already."""
        for tick in {row.tick for row in rows}:
            known = {one.account for one in erased_states(self._connection, tick)}
            fresh = [one._asdict() for one in rows if one.tick == tick and one.account not in known]
            self._add(erased_state, fresh)

    def account(self, row: ErasedAccount, secret: bytes) -> None:
        """Let an account be erased before its month, and its salts begin with this secret."""
        self._delete(erased_account, erased_account.c.account, [row.account])
        self._add(erased_account, [row._asdict()])
        changed = {"secret": secret, "month": row.month}
        self._connection.execute(update(account).where(account.c.no == row.account).values(changed))

    def signed_readings(self, tick: int, keep: npt.NDArray[np.bool_]) -> None:
        """Destroy the readings of a tick that are not to be kept, with their signatures."""
        here = signed_readings.c.tick == tick
        row = self._connection.execute(select(signed_readings).where(here)).one()
        columns = unpack_arrays(row.body)
        kept = {
            name: values if name == "signers" else values[keep] for name, values in columns.items()
        }
        signatures = np.frombuffer(row.signatures, dtype=np.uint8).reshape(-1, 65)[keep]
        changed = {"body": pack_arrays(kept), "signatures": signatures.tobytes()}
        self._connection.execute(update(signed_readings).where(here).values(changed))

    def trades(self, number: int, before: int) -> None:
        """Destroy what an account traded in slots before a moment."""

        def without(columns: Arrays) -> Arrays | None:
            keep = columns["account"] != number
            return None if keep.all() else {name: all_[keep] for name, all_ in columns.items()}

        self._rewrite(slot_trades, before, without)

    def meter(self, place: int, before: int) -> None:
        """Destroy what a meter has said of slots before a moment, as it came and as month sums."""

        def blank(columns: Arrays) -> Arrays | None:
            found: Arrays = {}
            for name, values in columns.items():
                of_meters = not name.startswith(("asset_", "boundary_")) and place < len(values)
                found[name] = values.copy()
                if of_meters:
                    found[name][place] = 0
            return found

        self._rewrite(reading, before, blank)
        self._rewrite(meter_month, before, blank)
        columns = late_reading.c
        old = (columns.meter == place) & (columns.slot < before)
        self._connection.execute(delete(late_reading).where(old))

    def home_days(self, place: int, before: int) -> None:
        """Destroy what the days that began before a moment have told of a meter alone.

        Shares of its class stay: they are of the class.
        """
        days = select(home_day.c.first_slot, home_day.c.body).where(home_day.c.first_slot < before)
        for first_slot, body in self._connection.execute(days).all():
            columns = unpack_arrays(body)
            for name in OF_METERS:
                columns[name] = columns[name].copy()
                columns[name][place : place + 1] = np.nan
            here = home_day.c.first_slot == first_slot
            self._connection.execute(update(home_day).where(here).values(body=pack_arrays(columns)))

    def car_wishes(self, of: bytes, before: int) -> None:
        """Destroy what an account wanted of its car before a moment."""
        columns = car_wish.c
        old = (columns.account == of) & (columns.from_slot < before)
        self._connection.execute(delete(car_wish).where(old))

    def automatic(self, of: bytes, before: int) -> None:
        """Destroy what slots before a moment say of an account's automatic trading."""
        forget_automatic(self._connection, of, before)

    def bills(self, number: int, before: int) -> None:
        """Destroy what months before a moment came to for an account, and what its bills were made
        from beside that. What they leave to the registers of later bills stays as one sum.
        """
        rows = self._connection.execute(select(tally.c.through, tally.c.after, tally.c.body))
        last = select(func.max(billed_month.c.tick)).where(billed_month.c.end_slot <= before)
        closed: int = self._connection.scalar(last) or 0
        for through, after, body in rows.all():
            columns = unpack_arrays(body)
            keep = (columns["no"] != number) | (columns["month"] >= before)
            if not keep.all():
                here = (tally.c.through == through) & (tally.c.after == after)
                kept = {name: values[keep] for name, values in columns.items()}
                # Sums of earlier closes would tell the erased months one by one.
                if through >= closed:
                    gone = {name: values[~keep] for name, values in columns.items()}
                    kept = _with_opening(kept, gone, number, before)
                self._connection.execute(update(tally).where(here).values(body=pack_arrays(kept)))
        months = select(billed_month.c.first_slot, billed_month.c.accounts)
        old = self._connection.execute(months.where(billed_month.c.end_slot <= before)).all()
        for first_slot, body in old:
            columns = {name: values.copy() for name, values in unpack_arrays(body).items()}
            mine = columns["no"] == number
            for name in columns.keys() - {"no"}:
                columns[name][mine] = 0
            here = billed_month.c.first_slot == first_slot
            self._connection.execute(
                update(billed_month).where(here).values(accounts=pack_arrays(columns))
            )

    def baselines(self, of: bytes, before: int) -> None:
        """Destroy what an account was expected to use in events that began before a moment."""
        events = select(dr_event.c.id).where(dr_event.c.first_slot < before)
        name = np.frombuffer(of, dtype=np.uint8)
        for event in self._connection.scalars(events).all():
            here = dr_baseline.c.event == event
            body = self._connection.scalar(select(dr_baseline.c.body).where(here))
            if body is not None:
                columns = unpack_arrays(body)
                keep = (columns["account"] != name).any(axis=1)
                kept = pack_arrays({key: values[keep] for key, values in columns.items()})
                self._connection.execute(update(dr_baseline).where(here).values(body=kept))

    def _rewrite(
        self, table: Table, before: int, change: Callable[[Arrays], Arrays | None]
    ) -> None:
        slots = self._connection.scalars(select(table.c.slot).where(table.c.slot < before)).all()
        for slot in slots:
            here = table.c.slot == slot
            body: bytes = self._connection.execute(select(table.c.body).where(here)).scalar_one()
            changed = change(unpack_arrays(body))
            if changed is not None:
                values = {"body": pack_arrays(changed)}
                self._connection.execute(update(table).where(here).values(values))


def _with_opening(kept: Arrays, gone: Arrays, number: int, month: int) -> Arrays:
    """The columns of a tally with what an account's erased rows leave to a month."""
    sums: dict[int, list[int]] = {}
    names = ("month", "column", "sum")
    for at, column, amount in zip(*(gone[name].tolist() for name in names), strict=True):
        sums.setdefault(at, [0] * COLUMNS)[column] += amount
    opening = opening_of([Sums(tuple(sums[at])) for at in sorted(sums)])
    rows = [(month, number, column, amount) for column, amount in opening.items() if amount]
    more = np.array(rows, dtype=np.int64).reshape(-1, 4)
    found = dict(kept)
    for place, name in enumerate(("month", "no", "column", "sum")):
        found[name] = np.concatenate([kept[name], more[:, place]])
    for name in kept.keys() - {"month", "no", "column", "sum"}:
        found[name] = np.concatenate([kept[name], np.full(len(more), COLUMNS, dtype=np.int64)])
    return found
