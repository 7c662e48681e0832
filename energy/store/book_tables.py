"""The tables of the books: accounts, keys, entries, transfers, readings as signed, checkpoints.

What is written here is never changed: a correction is a new row. Accounts stand as small numbers;
ids and salts of transfers and readings follow from their rows and are not kept. `book_state` alone
is overwritten: all that the next tick needs, which a start compares with the last checkpoint.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from energy.store.schema import METADATA, append_only
from energy.store.types import Json, UInt64, fixed_bytes

account = Table(
    "account",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("account", fixed_bytes(32), nullable=False, unique=True),
    # The keys of its salts follow from the secret, from this month on; NULL: in every month.
    Column("secret", fixed_bytes(32), nullable=False),
    Column("month", Integer),
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
    Column(
        "caused", Integer, nullable=False
    ),  # 1: by the settlement's clearing; from 2 on contracts
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

# The rows of a slot's premium tier of one label, with what each got: Wh that were filled before.
label_book = Table(
    "label_book",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("label", Integer, primary_key=True, autoincrement=False),
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
    label_book,
    account_message,
    cosignature,
    checkpoint,
):
    append_only(_table)
