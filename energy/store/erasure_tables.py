"""What stands in for entries whose bodies were destroyed, and the identities that can be erased.

Leaves keep every root and every path as it was; what erased rows moved stands as sums over all
erased accounts together, by settlement and the market's own account on the other side.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    Text,
)

from energy.store.schema import METADATA
from energy.store.types import fixed_bytes

# Leaves of orders, messages, readings and bills by the tick that sealed them (kind as in the sets;
# 3: locked orders, whose tick is the slot of the book); `slot` is that of a reading, 0 of others.
erased_leaf = Table(
    "erased_leaf",
    METADATA,
    Column("tick", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("leaf", fixed_bytes(32), primary_key=True),
    Column("slot", BigInteger, nullable=False),
)

erased_transfer = Table(
    "erased_transfer",
    METADATA,
    Column("settlement", ForeignKey("settlement.no"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("leaf", fixed_bytes(32), nullable=False),
)

# Credits less debits of the account in the erased rows of a settlement.
erased_sum = Table(
    "erased_sum",
    METADATA,
    Column("settlement", ForeignKey("settlement.no"), primary_key=True),
    Column("ledger", Integer, primary_key=True, autoincrement=False),
    Column("account", ForeignKey("account.no"), primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

# The salt of a transfer that stays for its other party's sake, whose key is gone.
kept_salt = Table(
    "kept_salt",
    METADATA,
    Column("settlement", ForeignKey("settlement.no"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("salt", fixed_bytes(32), nullable=False),
)

# Where the history of an account stood after a tick in which an erased entry named it. Of an erased
# account itself, `seq` is NULL, `head` its leaf in the accounts tree, `keys_head` its blinded name.
erased_state = Table(
    "erased_state",
    METADATA,
    Column("tick", BigInteger, primary_key=True, autoincrement=False),
    Column("account", ForeignKey("account.no"), primary_key=True),
    Column("seq", BigInteger),
    Column("head", fixed_bytes(32), nullable=False),
    Column("keys_head", fixed_bytes(32), nullable=False),
)

# An erased account: from `tick` on its history is known again; `moved_*` is what its erased rows
# have moved in each ledger, all together.
erased_account = Table(
    "erased_account",
    METADATA,
    Column("account", ForeignKey("account.no"), primary_key=True),
    Column("month", Integer, nullable=False),  # the first that is not erased
    Column("tick", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("head", fixed_bytes(32), nullable=False),
    Column("keys_head", fixed_bytes(32), nullable=False),
    *(Column(f"balance_{ledger}", BigInteger, nullable=False) for ledger in (1, 2, 3)),
    *(Column(f"moved_{ledger}", BigInteger, nullable=False) for ledger in (1, 2, 3)),
)

# Who a participant is. Nothing else in the store names a person, an address or a meter's number.
identity = Table(
    "identity",
    METADATA,
    Column("account", fixed_bytes(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("meter_number", Text, nullable=False),
    CheckConstraint("length(name) <= 200", name="identity_name"),
    CheckConstraint("length(address) <= 400", name="identity_address"),
    CheckConstraint("length(contact) <= 200", name="identity_contact"),
    CheckConstraint("length(meter_number) <= 40", name="identity_meter_number"),
)
