"""The tables of the limits that operators set on the wires, and of their cancellations.

Every row is written once. Whether a limit holds in a slot follows from its rows alone.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from energy.store.schema import METADATA, append_only

# At most p_kw_max kW of active power pass the element, either way, in the half open slots.
steering_limit = Table(
    "steering_limit",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("element", Text, nullable=False),
    Column("p_kw_max", Float, nullable=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("until_slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_utc", BigInteger, nullable=False),
    CheckConstraint("p_kw_max >= 0", name="steering_limit_p_kw"),
    CheckConstraint("from_slot < until_slot", name="steering_limit_has_an_end"),
    CheckConstraint(
        "from_slot % 900 = 0 AND until_slot % 900 = 0", name="steering_limit_on_the_quarter_hour"
    ),
    Index("steering_limit_until_slot", "until_slot"),
    sqlite_autoincrement=True,
)

# From `slot` on the limit holds no more.
steering_cancel = Table(
    "steering_cancel",
    METADATA,
    Column("id", ForeignKey("steering_limit.id"), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cancelled_utc", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="steering_cancel_on_the_quarter_hour"),
)

for _table in (steering_limit, steering_cancel):
    append_only(_table)
