"""The tables of anchors: what was sent to a chain, what stands there for good, its log entry."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table

from energy.store.schema import METADATA, append_only
from energy.store.types import Json, UInt64, fixed_bytes

# A signed transaction, kept before it is sent. Another one for the same checkpoint has the same
# nonce, so that one of them at the most is ever mined.
anchor_try = Table(
    "anchor_try",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("transaction", fixed_bytes(32), nullable=False, unique=True),
    Column("checkpoint", ForeignKey("checkpoint.digest"), nullable=False),
    Column("chain_id", UInt64, nullable=False),
    Column("nonce", UInt64, nullable=False),
    Column("most_wei", UInt64, nullable=False),  # per unit of gas
    Column("tip_wei", UInt64, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("sent_utc", BigInteger, nullable=False),
)

# A transaction in a final block, with all that proves it: header, place, nodes down to it.
anchored = Table(
    "anchored",
    METADATA,
    Column("checkpoint", ForeignKey("checkpoint.digest"), primary_key=True),
    Column("transaction", ForeignKey("anchor_try.transaction"), nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("place", Integer, nullable=False),
    Column("nodes", Json, nullable=False),
    Column("found_utc", BigInteger, nullable=False),
)

# The signed entry of the log that tells of it.
anchor_entry = Table(
    "anchor_entry",
    METADATA,
    Column("checkpoint", ForeignKey("anchored.checkpoint"), primary_key=True),
    Column("entry", fixed_bytes(32), nullable=False, unique=True),
    Column("tick", BigInteger, nullable=False),
)

for _table in (anchor_try, anchored, anchor_entry):
    append_only(_table)
