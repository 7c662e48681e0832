"""The books: accounts, keys, entries, transfers, readings as they were signed, checkpoints.

What is written here is never changed: a correction is a new row. Accounts stand as small numbers;
ids and salts of transfers and readings follow from their rows and are not kept. `book_state` alone
is overwritten: all that the next tick needs, which a start compares with the last checkpoint.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
)

from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import METADATA, append_only
from energy.store.types import Json, UInt64, fixed_bytes

TRADE_ROLE = 1
MANY = 500
REVERSE_KIND = 5
MOVING_KINDS = (1, 3, REVERSE_KIND)

account = Table(
    "account",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("account", fixed_bytes(32), nullable=False, unique=True),
    Column("blind", fixed_bytes(32), nullable=False),  # its name in the accounts tree
    # Key of the account's salts; NULL once the account is erased.
    Column("secret", fixed_bytes(32)),
)

# Which key may do what for an account, as the log's key entries have it.
account_key = Table(
    "account_key",
    METADATA,
    Column("account", fixed_bytes(32), primary_key=True),
    Column("address", fixed_bytes(20), primary_key=True),
    Column("from_slot", BigInteger, primary_key=True, autoincrement=False),
    Column("end_slot", BigInteger),
    Column("roles", Integer, nullable=False),
    Column("entry", fixed_bytes(32), nullable=False),
)

entry = Table(
    "entry",
    METADATA,
    Column("digest", fixed_bytes(32), primary_key=True),
    Column("tick", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),  # order of commitment within the tick
    Column("type", Text, nullable=False),
    Column("message", Json, nullable=False),
    Column("signers", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
    Column("salt", fixed_bytes(32), nullable=False),
    UniqueConstraint("tick", "position", name="entry_tick_position"),
)

# A settlement uses the readings of its slot that were signed in its tick.
settlement = Table(
    "settlement",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("entry", ForeignKey("entry.digest"), nullable=False, unique=True),
    Column("scope", Integer, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("clearing", fixed_bytes(32), nullable=False),
    UniqueConstraint("scope", "slot", "version", name="settlement_scope_slot_version"),
    Index("settlement_tick", "tick"),
)

# `pending_*` names the transfer that a POST or VOID ends or a REVERSE undoes: each only once.
transfer = Table(
    "transfer",
    METADATA,
    Column("settlement", ForeignKey("settlement.no"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("ledger", Integer, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("code", Integer, nullable=False),
    Column("debit", ForeignKey("account.no"), nullable=False),
    Column("credit", ForeignKey("account.no"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("caused", Integer, nullable=False),  # 1: by the settlement's clearing
    Column("pending_settlement", Integer),
    Column("pending_position", Integer),
    CheckConstraint("ledger BETWEEN 1 AND 3", name="transfer_ledger"),
    CheckConstraint("kind BETWEEN 1 AND 5", name="transfer_kind"),
    CheckConstraint("amount >= 1", name="transfer_amount"),
    CheckConstraint("debit <> credit", name="transfer_two_accounts"),
    CheckConstraint(
        "(kind IN (3, 4, 5)) = (pending_settlement IS NOT NULL AND pending_position IS NOT NULL)",
        name="transfer_names_pending",
    ),
    Index(
        "transfer_ends_once",
        "pending_settlement",
        "pending_position",
        unique=True,
        sqlite_where=text("pending_settlement IS NOT NULL"),
        postgresql_where=text("pending_settlement IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

# The readings of a tick as they were signed: one batch of columns, the signatures beside it.
signed_readings = Table(
    "signed_readings",
    METADATA,
    Column("tick", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
)

# What each account bought and sold in the auction of a slot, as one batch of columns.
slot_trades = Table(
    "slot_trades",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# The rows of a slot's auction, participants' and operator's, with what each got: from them anybody
# can do the clearing again.
slot_book = Table(
    "slot_book",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# What one account signs beside orders: cancellations, and changes of its keys. Like an order's, its
# leaf is in the messages (or, of a key, in the log) of the tick that its receipt promises.
account_message = Table(
    "account_message",
    METADATA,
    Column("digest", fixed_bytes(32), primary_key=True),
    Column("no", Integer, nullable=False, unique=True),  # order of arrival
    Column("type", Text, nullable=False),
    Column("account", fixed_bytes(32), nullable=False),
    Column("nonce", UInt64, nullable=False),
    Column("message", Json, nullable=False),
    Column("signers", LargeBinary, nullable=False),
    Column("signatures", LargeBinary, nullable=False),
    Column("salt", fixed_bytes(32), nullable=False),
    Column("received_utc", BigInteger, nullable=False),
    Column("sealed_by", BigInteger, nullable=False),
    Column("receipt_signature", fixed_bytes(65), nullable=False),
    UniqueConstraint("account", "nonce", name="account_message_account_nonce"),
    Index("account_message_sealed_by", "sealed_by"),
)

# Witnesses' signatures under checkpoints.
cosignature = Table(
    "cosignature",
    METADATA,
    Column("checkpoint", ForeignKey("checkpoint.digest"), primary_key=True),
    Column("signer", fixed_bytes(20), primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("signature", fixed_bytes(65), nullable=False),
)

checkpoint = Table(
    "checkpoint",
    METADATA,
    Column("tick", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", fixed_bytes(32), nullable=False, unique=True),
    Column("size", BigInteger, nullable=False, unique=True),
    Column("root", fixed_bytes(32), nullable=False),
    Column("accounts_root", fixed_bytes(32), nullable=False),
    Column("previous", fixed_bytes(32), nullable=False, unique=True),
    Column("signer", fixed_bytes(20), nullable=False),
    Column("signature", fixed_bytes(65), nullable=False),
    Column("note", Text, nullable=False),
)

book_state = Table(
    "book_state",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tick", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="book_state_one_row"),
)

for _table in (
    entry,
    settlement,
    transfer,
    signed_readings,
    slot_trades,
    slot_book,
    account_message,
    cosignature,
    checkpoint,
):
    append_only(_table)


class Account(NamedTuple):
    """An account of the books: number in the rows, 32 bytes, blinded name, key of its salts."""

    no: int
    account: bytes
    blind: bytes
    secret: bytes | None


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
class MessageRow:
    """A message of an account beside its orders, with the receipt that it got."""

    digest: bytes
    no: int
    type: str
    account: bytes
    nonce: int
    message: dict[str, Any]
    signers: bytes
    signatures: bytes
    salt: bytes
    received_utc: int
    sealed_by: int
    receipt_signature: bytes


@dataclass(frozen=True)
class CosignRow:
    """A witness's signature under a checkpoint, and when it was given."""

    checkpoint: bytes
    signer: bytes
    time: int
    signature: bytes


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


@dataclass(frozen=True)
class CheckpointRow:
    """A signed head of the log."""

    tick: int
    digest: bytes
    size: int
    root: bytes
    accounts_root: bytes
    previous: bytes
    signer: bytes
    signature: bytes
    note: str


@dataclass(frozen=True)
class KeyRow:
    """A key of an account with its roles, valid in slots from `from_slot` on, before `end_slot`."""

    account: bytes
    address: bytes
    from_slot: int
    end_slot: int | None
    roles: int
    entry: bytes


class TradeKey(NamedTuple):
    """A key that may trade for an account in slots from `from_slot` on, before `end_slot`."""

    address: bytes
    from_slot: int
    end_slot: int | None

    def holds_at(self, slot: int) -> bool:
        """Whether the key is valid at a slot."""
        return self.from_slot <= slot and (self.end_slot is None or slot < self.end_slot)


def save_accounts(connection: Connection, rows: Sequence[Account]) -> None:
    """Add accounts to the books."""
    if rows:
        connection.execute(insert(account), [row._asdict() for row in rows])


def load_accounts(connection: Connection) -> list[Account]:
    """All accounts in order of their numbers, which are 0, 1, 2 and so on."""
    columns = [account.c[name] for name in Account._fields]
    return [Account(*row) for row in connection.execute(select(*columns).order_by(account.c.no))]


def save_keys(connection: Connection, rows: Sequence[KeyRow]) -> None:
    """Add keys as the log has registered them."""
    if rows:
        connection.execute(insert(account_key), [dict(vars(row)) for row in rows])


def load_keys(connection: Connection, of: bytes) -> list[KeyRow]:
    """The keys of an account, oldest first."""
    query = select(account_key).where(account_key.c.account == of)
    found = connection.execute(query.order_by(account_key.c.from_slot, account_key.c.address))
    return [KeyRow(**row._mapping) for row in found]


def trade_keys(connection: Connection, accounts: Collection[bytes]) -> dict[bytes, list[TradeKey]]:
    """The keys that may trade for these accounts; an account without one is left out."""
    columns = account_key.c
    query = select(columns.account, columns.address, columns.from_slot, columns.end_slot)
    trading = columns.roles.bitwise_and(TRADE_ROLE) == TRADE_ROLE
    found: dict[bytes, list[TradeKey]] = {}
    for row in connection.execute(query.where(columns.account.in_(accounts), trading)):
        found.setdefault(row.account, []).append(TradeKey(row.address, row.from_slot, row.end_slot))
    return found


def end_keys(connection: Connection, of: bytes, address: bytes, slot: int) -> list[KeyRow]:
    """Let the key of an account be valid no longer from a slot on; the keys that ended."""
    columns = account_key.c
    live = (columns.account == of) & (columns.address == address) & columns.end_slot.is_(None)
    found = [KeyRow(**row._mapping) for row in connection.execute(select(account_key).where(live))]
    connection.execute(account_key.update().where(live).values(end_slot=slot))
    return found


def save_message(connection: Connection, row: MessageRow) -> None:
    """Write a message of an account for ever."""
    connection.execute(insert(account_message).values(**vars(row)))


def next_message(connection: Connection) -> int:
    """The number of the next message."""
    last: int | None = connection.scalar(select(func.max(account_message.c.no)))
    return 0 if last is None else last + 1


def find_message(connection: Connection, digest: bytes) -> MessageRow | None:
    """The message with this id, or None."""
    row = connection.execute(
        select(account_message).where(account_message.c.digest == digest)
    ).first()
    return None if row is None else MessageRow(**row._mapping)


def messages_to_seal(connection: Connection, *, after: int, tick: int) -> list[MessageRow]:
    """Messages whose receipts promise a tick above `after` up to `tick`, as they came."""
    columns = account_message.c
    promised = (columns.sealed_by > after) & (columns.sealed_by <= tick)
    query = select(account_message).where(promised)
    return [MessageRow(**row._mapping) for row in connection.execute(query.order_by(columns.no))]


def messages_of(connection: Connection, of: bytes) -> list[MessageRow]:
    """The messages of an account, oldest first."""
    columns = account_message.c
    query = select(account_message).where(columns.account == of)
    rows = connection.execute(query.order_by(columns.no))
    return [MessageRow(**row._mapping) for row in rows]


def used_nonces(
    connection: Connection, accounts: Collection[bytes], nonces: Collection[int]
) -> set[tuple[bytes, int]]:
    """Of these accounts and nonces, the pairs that messages beside orders have used."""
    columns = account_message.c
    query = select(columns.account, columns.nonce)
    query = query.where(columns.account.in_(accounts), columns.nonce.in_(nonces))
    return {(one, nonce) for one, nonce in connection.execute(query)}


def save_cosignature(connection: Connection, row: CosignRow) -> None:
    """Keep a witness's signature; one that is known already is left as it is."""
    known = select(cosignature.c.signer).where(
        cosignature.c.checkpoint == row.checkpoint, cosignature.c.signer == row.signer
    )
    if connection.scalar(known) is None:
        connection.execute(insert(cosignature).values(**vars(row)))


def load_cosignatures(connection: Connection, of: bytes) -> list[CosignRow]:
    """Witnesses' signatures under a checkpoint, in order of their addresses."""
    query = select(cosignature).where(cosignature.c.checkpoint == of)
    rows = connection.execute(query.order_by(cosignature.c.signer))
    return [CosignRow(**row._mapping) for row in rows]


def last_cosigned(connection: Connection, witnesses: Collection[bytes], quorum: int) -> int | None:
    """The newest tick whose checkpoint has so many of these signatures, or None."""
    columns = cosignature.c
    query = select(checkpoint.c.tick).join(cosignature, columns.checkpoint == checkpoint.c.digest)
    query = query.where(columns.signer.in_(witnesses)).group_by(checkpoint.c.tick)
    query = query.having(func.count() >= quorum).order_by(checkpoint.c.tick.desc()).limit(1)
    found: int | None = connection.scalar(query)
    return found


def save_slot_book(connection: Connection, slot: int, columns: Arrays) -> None:
    """Write the rows of a slot's auction with their fills."""
    connection.execute(insert(slot_book).values(slot=slot, body=pack_arrays(columns)))


def load_slot_book(connection: Connection, slot: int) -> dict[str, Any] | None:
    """The rows of a slot's auction, or None where it had none."""
    body = connection.scalar(select(slot_book.c.body).where(slot_book.c.slot == slot))
    return None if body is None else unpack_arrays(body)


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


def count_entries(connection: Connection, tick: int) -> int:
    """How many entries a tick has so far: the place of the next one."""
    query = select(func.count()).select_from(entry).where(entry.c.tick == tick)
    return int(connection.scalar(query) or 0)


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


def load_settlements(connection: Connection, slot: int) -> list[SettlementRow]:
    """The versions of a slot's settlement, oldest first; 0 are the reservations."""
    mine = (settlement.c.scope == 1) & (settlement.c.slot == slot)
    query = select(settlement).where(mine).order_by(settlement.c.version)
    return [SettlementRow(**row._mapping) for row in connection.execute(query)]


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


def load_transfers_of(
    connection: Connection, settlements: Collection[int], accounts: Collection[int]
) -> list[TransferRow]:
    """The transfers of these settlements that touch one of these accounts."""
    columns = [transfer.c[name] for name in TransferRow._fields]
    touched = transfer.c.debit.in_(accounts) | transfer.c.credit.in_(accounts)
    query = select(*columns).where(transfer.c.settlement.in_(settlements), touched)
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


def moved_sums(connection: Connection) -> dict[tuple[int, int], int]:
    """What every account has got less what it has given, by ledger and number, added up anew."""
    found: dict[tuple[int, int], int] = {}
    moving = transfer.c.kind.in_(MOVING_KINDS)
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


def save_trades(connection: Connection, slot: int, columns: Arrays) -> None:
    """Write what the accounts traded in a slot."""
    connection.execute(insert(slot_trades).values(slot=slot, body=pack_arrays(columns)))


def load_trades(connection: Connection, slot: int) -> dict[str, Any] | None:
    """What the accounts traded in a slot, or None where it had no market."""
    body = connection.scalar(select(slot_trades.c.body).where(slot_trades.c.slot == slot))
    return None if body is None else unpack_arrays(body)


def save_checkpoint(connection: Connection, row: CheckpointRow) -> None:
    """Write the signed head of a tick."""
    connection.execute(insert(checkpoint).values(**vars(row)))


def find_checkpoint(connection: Connection, tick: int) -> CheckpointRow | None:
    """The signed head of a tick, or None."""
    row = connection.execute(select(checkpoint).where(checkpoint.c.tick == tick)).first()
    return None if row is None else CheckpointRow(**row._mapping)


def checkpoint_of_size(connection: Connection, size: int) -> CheckpointRow | None:
    """The signed head of this size, or None."""
    row = connection.execute(select(checkpoint).where(checkpoint.c.size == size)).first()
    return None if row is None else CheckpointRow(**row._mapping)


def load_checkpoints(connection: Connection) -> list[CheckpointRow]:
    """All signed heads, oldest first."""
    rows = connection.execute(select(checkpoint).order_by(checkpoint.c.tick))
    return [CheckpointRow(**row._mapping) for row in rows]


class LeafRow(NamedTuple):
    """What the leaf of an entry is made from."""

    tick: int
    type: str
    digest: bytes
    salt: bytes
    signatures: bytes


def load_leaves(connection: Connection, *, after: int) -> list[LeafRow]:
    """The leaves' parts of all entries in ticks above `after`, in order of their commitment."""
    columns = [entry.c[name] for name in LeafRow._fields]
    query = select(*columns).where(entry.c.tick > after).order_by(entry.c.tick, entry.c.position)
    return [LeafRow(*row) for row in connection.execute(query)]


def last_checkpoint(connection: Connection) -> CheckpointRow | None:
    """The newest signed head, or None before the first."""
    query = select(checkpoint).order_by(checkpoint.c.tick.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else CheckpointRow(**row._mapping)


def checkpoint_ticks(connection: Connection) -> list[int]:
    """The ticks that are under a checkpoint, oldest first."""
    return list(connection.scalars(select(checkpoint.c.tick).order_by(checkpoint.c.tick)))


def save_book_state(connection: Connection, tick: int, columns: Arrays) -> None:
    """Keep what the next tick needs; the tick before is forgotten."""
    connection.execute(book_state.delete())
    connection.execute(insert(book_state).values(id=1, tick=tick, body=pack_arrays(columns)))


def load_book_state(connection: Connection) -> tuple[int, dict[str, Any]] | None:
    """Tick and columns of the kept state, or None before the first tick."""
    row = connection.execute(select(book_state.c.tick, book_state.c.body)).first()
    return None if row is None else (row.tick, unpack_arrays(row.body))
