"""The tables of automatic trading: what was signed, until when it holds, what each slot came to.

Instructions, their ends and halts are written once; the signed messages behind them are rows of
`account_message`. Orders that follow from them are rows of `market_order` that name them.
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
)

from energy.store.schema import METADATA, append_only
from energy.store.types import fixed_bytes

standing_instruction = Table(
    "standing_instruction",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("id", fixed_bytes(32), nullable=False, unique=True),  # digest of what was signed
    Column("account", fixed_bytes(32), nullable=False),
    Column("signer", fixed_bytes(20), nullable=False),
    Column("sides", Integer, nullable=False),
    Column("sell_from_mkrw_per_kwh", BigInteger, nullable=False),
    Column("buy_up_to_mkrw_per_kwh", BigInteger, nullable=False),
    Column("day_cap_wh", BigInteger, nullable=False),
    Column("day_cap_ukrw", BigInteger, nullable=False),
    Column("first_slot", BigInteger, nullable=False),
    Column("end_slot", BigInteger, nullable=False),
    Column("signed_utc", BigInteger, nullable=False),
    CheckConstraint("sides BETWEEN 1 AND 3", name="standing_instruction_sides"),
    CheckConstraint("first_slot < end_slot", name="standing_instruction_lasts"),
    Index("standing_instruction_account", "account"),
    Index("standing_instruction_end", "end_slot"),
)

# From `slot` on it holds no longer: by a signed Cancel, or by the instruction that took its place.
instruction_end = Table(
    "instruction_end",
    METADATA,
    Column("digest", fixed_bytes(32), primary_key=True),
    Column("instruction", ForeignKey("standing_instruction.no"), nullable=False),
    Column("slot", BigInteger, nullable=False),
    Index("instruction_end_instruction", "instruction"),
)

# From `slot` on no orders are made of it, though it is signed and only its owner can end it.
instruction_halt = Table(
    "instruction_halt",
    METADATA,
    Column("instruction", ForeignKey("standing_instruction.no"), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="instruction_halt_on_the_quarter_hour"),
)

# What automatic trading did in a slot, and what the local day had come to before it; the newest
# rows alone are kept.
automatic_slot = Table(
    "automatic_slot",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("day", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

for _table in (standing_instruction, instruction_end, instruction_halt):
    append_only(_table)
