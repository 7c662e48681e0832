"""The tables of contracts: what was signed, who wants to end it, what each slot came to.

Every row is written once; the signed messages behind them are rows of `account_message`.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
)

from energy.store.schema import METADATA, append_only
from energy.store.types import fixed_bytes

# Transfers name their contract by its number.
contract = Table(
    "contract",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=False),
    Column("id", fixed_bytes(32), nullable=False, unique=True),  # digest of the signed Contract
    Column("seller", fixed_bytes(32), nullable=False),
    Column("buyer", fixed_bytes(32), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("first_slot", BigInteger, nullable=False),
    Column("end_slot", BigInteger, nullable=False),
    Column("cap_wh", BigInteger, nullable=False),
    Column("share_ppm", Integer, nullable=False),
    Column("price_mkrw_per_kwh", BigInteger, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("terms", fixed_bytes(32), nullable=False),
    Column("signed_utc", BigInteger, nullable=False),
    CheckConstraint("seller <> buyer", name="contract_two_accounts"),
    CheckConstraint("first_slot < end_slot", name="contract_lasts"),
    Index("contract_seller", "seller"),
)

# A party's Cancel of a contract; it ends with the second one, at the later of the two slots.
contract_end = Table(
    "contract_end",
    METADATA,
    Column("contract", ForeignKey("contract.no"), primary_key=True),
    Column("account", fixed_bytes(32), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("digest", fixed_bytes(32), nullable=False, unique=True),
)

# What a contract came to in a slot; the newest version counts.
contract_delivery = Table(
    "contract_delivery",
    METADATA,
    Column("contract", ForeignKey("contract.no"), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("e_wh", BigInteger, nullable=False),
    Column("taken_wh", BigInteger, nullable=False),
    Column("surplus_wh", BigInteger, nullable=False),
    Column("stranded_wh", BigInteger, nullable=False),
    Column("produced_wh", BigInteger, nullable=False),  # by the seller's meter
    Column("index_mkrw_per_kwh", BigInteger),  # of a CfD
    Index("contract_delivery_slot", "slot"),
)

for _table in (contract, contract_end, contract_delivery):
    append_only(_table)
