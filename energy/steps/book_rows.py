"""Entries, batches and readings as they were signed, rebuilt from their rows byte for byte."""

import struct
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.steps.account_book import AccountBook
from energy.steps.books import Registry
from energy.store.accounts import MessageRow, messages_to_seal
from energy.store.books import (
    EntryRow,
    SettlementRow,
    TransferRow,
    find_settlement,
    load_entries,
    load_signed_columns,
    load_signed_readings,
    load_transfers,
    load_transfers_at,
)
from energy.store.contracts import contract_numbers
from energy.store.erasures import (
    Leftovers,
    erased_accounts,
    erased_leaves,
    erased_states,
    leftovers_of,
)
from energy.store.errors import StoreError
from energy.store.orders import OrderRow, orders_to_seal
from market.book import Book
from market.books import SET_OF, Chain, Entry, ErasedTick, SetKind, SettledBatch
from market.clearing import Clearing
from market.entries import ENTRY_TYPES
from market.messages import parse_message
from market.orders import Order, order_message
from market.readings import NO_READINGS, Reading, ReadingBatch, meter_id, reading_digests
from market.result import Flag, NodeResult, Outcome
from market.transfers import ZERO32, Transfer, transfer_digests

CLEARING_ROW = struct.Struct(">32sIBqQQ")
FILL_ROW = struct.Struct(">32sQ")
SLOT_SCOPE = 1
FIRST_CONTRACT = 2
"""What a transfer is caused by: 0 nothing, 1 its settlement's clearing, from here on contracts."""

Place = tuple[int, int]  # number of the settlement, position in it
ORDER_FIELDS = tuple(Order.__dataclass_fields__)
AUTOMATIC_FIELDS = tuple(field.name for field in ENTRY_TYPES["AutoOrder"].fields)


def entry_of(row: EntryRow) -> Entry:
    """The entry of a row."""
    return Entry(
        type=row.type,
        message=parse_message(row.type, row.message),
        digest=row.digest,
        signers=_parts(row.signers, 20),
        signatures=_parts(row.signatures, 65),
        salt=row.salt,
    )


def order_entry(row: OrderRow) -> Entry:
    """The entry of an accepted order: signed by its account, or by the instruction it names."""
    if row.instruction is not None:
        automatic = {name: getattr(row, name) for name in AUTOMATIC_FIELDS}
        return Entry("AutoOrder", automatic, row.id, (), (), row.salt)
    order = Order(**{name: getattr(row, name) for name in ORDER_FIELDS})
    message = order_message(order)
    return Entry("Order", message, row.id, (row.signer,), (row.signature,), row.salt)


def message_entry(row: MessageRow) -> Entry:
    """The entry of a message that an account signed beside its orders."""
    return Entry(
        type=row.type,
        message=parse_message(row.type, row.message),
        digest=row.digest,
        signers=_parts(row.signers, 20),
        signatures=_parts(row.signatures, 65),
        salt=row.salt,
    )


def committed_entries(connection: Connection, *, after: int, tick: int) -> list[Entry]:
    """What the log and the sets of a tick are made from, transfers and readings aside, in the
    order of commitment: orders and messages promised since the tick `after`, then the tick's own.
    """
    return [
        *map(order_entry, orders_to_seal(connection, after=after, tick=tick)),
        *map(message_entry, messages_to_seal(connection, after=after, tick=tick)),
        *map(entry_of, load_entries(connection, tick)),
    ]


def clearing_columns(clearing: Clearing) -> dict[str, npt.NDArray[Any]]:
    """The rows of an auction with their fills, in order of their tags."""
    book = clearing.book
    return {
        "tag": book.tag,
        "zone": book.zone,
        "node": book.node,
        "side": book.side,
        "price_mkrw_per_kwh": book.price_mkrw_per_kwh,
        "e_wh": book.e_wh,
        "fill_wh": clearing.fill_wh,
    }


def clearing_of_columns(
    message: Mapping[str, Any], columns: Mapping[str, npt.NDArray[Any]], tie_prefix: bytes
) -> Clearing:
    """An auction of unjoined nodes from its signed message and the rows it was committed with."""
    names = ("tag", "zone", "node", "side", "price_mkrw_per_kwh", "e_wh")
    rows = {name: columns[name] for name in names}
    book = Book(slot=message["slot"], tie_prefix=tie_prefix, **rows)
    return Clearing(
        book=book,
        rules_version=message["rules_version"],
        fill_wh=columns["fill_wh"],
        volume_wh=message["volume_wh"],
        welfare_ukrw=message["welfare_ukrw"],
        nodes=tuple(
            NodeResult(
                **{**node, "outcome": Outcome(node["outcome"]), "flags": Flag(node["flags"])}
            )
            for node in message["nodes"]
        ),
        round=message["round"],
        network_version=message["network_version"],
    )


def pack_clearing(columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """The rows of an auction as the verifier reads them, fills included."""
    tags = columns["tag"].tobytes()
    names = ("node", "side", "price_mkrw_per_kwh", "e_wh", "fill_wh")
    numbers = [columns[name].tolist() for name in names]
    return b"".join(
        CLEARING_ROW.pack(tags[32 * n : 32 * n + 32], *row)
        for n, row in enumerate(zip(*numbers, strict=True))
    )


def pack_fills(columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Tag and fill of each row of an auction, as the verifier reads them."""
    tags = columns["tag"].tobytes()
    return b"".join(
        FILL_ROW.pack(tags[32 * n : 32 * n + 32], fill_wh)
        for n, fill_wh in enumerate(columns["fill_wh"].tolist())
    )


class BatchReader:
    """Transfers with their ids, which follow from the rows they are kept in.

    `known` are whole batches that were read before, by the numbers of their settlements.
    """

    def __init__(
        self,
        connection: Connection,
        books: Registry,
        known: MutableMapping[int, SettledBatch] | None = None,
    ) -> None:
        self._connection = connection
        self._books = books
        self._known = {} if known is None else known
        self._settlements: dict[int, SettlementRow] = {}
        self._contracts: dict[int, bytes] = {}

    def batch(self, settlement: SettlementRow) -> SettledBatch:
        """The batch of a settlement, in its order."""
        rows = load_transfers(self._connection, settlement.no)
        transfers = self.transfers(rows)
        ids = transfer_digests(self._books.domain, transfers)
        left = leftovers_of(self._connection, settlement.no)
        if not left.leaves and not left.salts:
            found = SettledBatch(transfers, ids, self._books.transfer_salts(transfers, ids))
            self._known[settlement.no] = found
            return found
        # Positions have gaps here, so that the batch is not kept at hand.
        salts = self._salts(rows, transfers, ids, left)
        accounts = self._books.book.accounts
        sums = [(ledger, accounts[no], amount) for ledger, no, amount in left.sums]
        return SettledBatch(transfers, ids, salts, list(left.leaves.values()), sums)

    def ids_and_salts(
        self, settlement: SettlementRow, rows: Sequence[TransferRow]
    ) -> tuple[list[bytes], list[bytes]]:
        """Ids and salts of some transfers of a settlement."""
        transfers = self.transfers(rows)
        ids = transfer_digests(self._books.domain, transfers)
        left = leftovers_of(self._connection, settlement.no)
        return ids, self._salts(rows, transfers, ids, left)

    def _salts(
        self,
        rows: Sequence[TransferRow],
        transfers: Sequence[Transfer],
        ids: Sequence[bytes],
        left: Leftovers,
    ) -> list[bytes]:
        return [
            left.salts.get(row.position) or self._books.transfer_salts([one], [id_])[0]
            for row, one, id_ in zip(rows, transfers, ids, strict=True)
        ]

    def transfers(self, rows: Sequence[TransferRow]) -> list[Transfer]:
        """The transfers of rows."""
        named = {
            (row.pending_settlement, row.pending_position)
            for row in rows
            if row.pending_settlement is not None and row.pending_position is not None
        }
        ids, accounts = self.ids(named), self._books.book.accounts
        of = {no: self.settlement(no) for no in {row.settlement for row in rows}}
        found = []
        for no, _, ledger, kind, code, debit, credit, amount, caused, *place in rows:
            mine = of[no]
            pending = ZERO32 if place[0] is None else ids[place[0], place[1] or 0]
            cause = self._cause(mine, caused)
            found.append(
                Transfer(
                    ledger, kind, code, accounts[debit], accounts[credit], amount, mine.slot,
                    mine.version, pending, cause,
                )
            )  # fmt: skip
        return found

    def _cause(self, settlement: SettlementRow, caused: int) -> bytes:
        """What a transfer is caused by: nothing, its settlement's clearing, or a contract."""
        if caused < FIRST_CONTRACT:
            return settlement.clearing if caused else ZERO32
        if not self._contracts:
            numbers = contract_numbers(self._connection)
            self._contracts = {no: id_ for id_, no in numbers.items()}
        return self._contracts[caused - FIRST_CONTRACT]

    def ids(self, places: Iterable[Place]) -> dict[Place, bytes]:
        """The ids of the transfers at these places."""
        return {place: id_ for place, (id_, _) in self.at(places).items()}

    def at(self, places: Iterable[Place]) -> dict[Place, tuple[bytes, Transfer]]:
        """Ids and transfers at these places."""
        wanted: dict[int, list[int]] = {}
        for no, position in places:
            wanted.setdefault(no, []).append(position)
        found: dict[Place, tuple[bytes, Transfer]] = {}
        for no, positions in wanted.items():
            known = self._known.get(no)
            if known is not None:
                found |= {(no, n): (known.ids[n], known.transfers[n]) for n in positions}
                continue
            rows = load_transfers_at(self._connection, no, positions)
            transfers = self.transfers(rows)
            ids = transfer_digests(self._books.domain, transfers)
            for row, id_, one in zip(rows, ids, transfers, strict=True):
                found[no, row.position] = (id_, one)
        return found

    def named_by(self, settlement: SettlementRow, kind: int) -> list[Transfer]:
        """The transfers that those of a kind in a settlement end or undo."""
        places = [
            (row.pending_settlement, row.pending_position or 0)
            for row in load_transfers(self._connection, settlement.no)
            if row.kind == kind and row.pending_settlement is not None
        ]
        return [one for _, one in self.at(places).values()]

    def settlement(self, no: int) -> SettlementRow:
        """The settlement with this number."""
        found = self._settlements.get(no) or find_settlement(self._connection, no)
        if found is None:
            raise StoreError(f"settlement {no}: found no row, allowed one for every transfer")
        self._settlements[no] = found
        return found


def transfer_rows(
    no: int, batch: Sequence[Transfer], places: Mapping[bytes, Place], books: Registry
) -> list[TransferRow]:
    """The rows of a batch; `places` tells where the transfers stand that it ends or undoes."""
    rows, number, contracts = [], books.book.number, books.causes
    for position, one in enumerate(batch):
        pending = (None, None) if one.pending == ZERO32 else places[one.pending]
        caused = int(one.cause != ZERO32)
        if one.cause in contracts:
            caused = FIRST_CONTRACT + contracts[one.cause]
        rows.append(
            TransferRow(
                no, position, one.ledger, one.kind, one.code, number[one.debit],
                number[one.credit], one.amount, caused, *pending,
            )
        )  # fmt: skip
    return rows


def reading_columns(
    batch: ReadingBatch, number: Mapping[bytes, int]
) -> tuple[dict[str, npt.NDArray[Any]], bytes]:
    """A batch of signed readings as columns, and its signatures in one piece."""
    account, _, *numbers = zip(*batch.readings, strict=True) if len(batch) else ((),) * 9
    names = Reading._fields[2:]
    columns = {
        name: np.array(values, dtype=np.int64) for name, values in zip(names, numbers, strict=True)
    }
    signers = sorted(set(batch.signers))
    place = {address: row for row, address in enumerate(signers)}
    columns["account"] = np.array([number[one] for one in account], dtype=np.int64)
    columns["signer"] = np.array([place[one] for one in batch.signers], dtype=np.int64)
    columns["signers"] = np.frombuffer(b"".join(signers), dtype=np.uint8)
    return columns, b"".join(batch.signatures)


def load_reading_batch(connection: Connection, books: Registry, tick: int) -> ReadingBatch:
    """The readings that were signed in a tick, in the order of their commitment."""
    found = load_signed_readings(connection, tick)
    if found is None:
        return NO_READINGS
    columns, signatures = found
    accounts = [books.book.accounts[no] for no in columns["account"].tolist()]
    numbers = [columns[name].tolist() for name in Reading._fields[2:]]
    meters = map(meter_id, accounts)
    readings = [Reading(*row) for row in zip(accounts, meters, *numbers, strict=True)]
    ids = reading_digests(books.domain, readings)
    signers = _parts(columns["signers"].tobytes(), 20)
    return ReadingBatch(
        readings=readings,
        ids=ids,
        signers=[signers[row] for row in columns["signer"].tolist()],
        signatures=_parts(signatures, 65),
        salts=books.book.salts(accounts, ids, numbers[0]),
    )


def own_readings(
    connection: Connection, books: Registry, tick: int, no: int
) -> list[tuple[Reading, bytes]]:
    """The readings of an account, by its number, that were signed in a tick, with their ids.

    Those of all others are not hashed, which would take hours over a year of a district.
    """
    columns, account = load_signed_columns(connection, tick), books.book.accounts[no]
    if columns is None:
        return []
    mine = np.flatnonzero(columns["account"] == no)
    numbers = [columns[name][mine].tolist() for name in Reading._fields[2:]]
    readings = [Reading(account, meter_id(account), *row) for row in zip(*numbers, strict=True)]
    return list(zip(readings, reading_digests(books.domain, readings), strict=True))


def leaves_of_readings(
    connection: Connection, books: Registry, tick: int, places: Sequence[int]
) -> list[bytes]:
    """The leaves of the readings at these places of a tick's batch."""
    leaves = load_reading_batch(connection, books, tick).leaves()
    return [leaves[n] for n in places]


def readings_of_settlement(batch: ReadingBatch, settlement: SettlementRow) -> ReadingBatch:
    """Of the readings of a tick those that a settlement in that tick was made from.

    That of a slot has used all of the slot's; any other none of its own.
    """
    if settlement.scope != SLOT_SCOPE:
        return NO_READINGS
    mine = [n for n, one in enumerate(batch.readings) if one.slot == settlement.slot]
    return ReadingBatch(
        *([getattr(batch, name)[n] for n in mine] for name in ReadingBatch.__dataclass_fields__)
    )


def erased_readings(connection: Connection, settlement: SettlementRow) -> list[bytes]:
    """The leaves of readings without a body that a settlement of a slot was made from."""
    if settlement.scope != SLOT_SCOPE or not settlement.version:
        return []
    gone = erased_leaves(connection, settlement.tick).get(SetKind.READINGS, ())
    return [leaf for leaf, slot in gone if slot == settlement.slot]


def erased_tick(connection: Connection, book: AccountBook, tick: int) -> ErasedTick | None:
    """What stands in a tick for entries whose bodies were destroyed, None where there are none."""
    states = erased_states(connection, tick)
    if not states:
        return None
    names, sets = book.accounts, frozenset(SET_OF.values()) - {SetKind.BOOK}
    leaves = erased_leaves(connection, tick)
    return ErasedTick(
        leaves={
            int(kind): [leaf for leaf, _ in rows] for kind, rows in leaves.items() if kind in sets
        },
        heads={
            names[one.account]: Chain(one.seq, one.head, one.keys_head)
            for one in states
            if one.seq is not None
        },
        covered={
            names[one.account]: (one.keys_head, one.head) for one in states if one.seq is None
        },
        again={
            names[one.account]: (Chain(one.seq, one.head, one.keys_head), one.balances)
            for one in erased_accounts(connection)
            if one.tick == tick
        },
    )


def _parts(raw: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(raw[n : n + size] for n in range(0, len(raw), size))
