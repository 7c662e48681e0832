"""The tables of what operators order: limits on the wires, islands, held assets, new plans.

Every row is written once. Whether an order holds in a slot follows from its rows alone.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
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

# From `slot` on the limit holds no more. One that is ended later can still be ended sooner, by
# another row: the smallest slot counts. So do releases of held assets.
steering_cancel = Table(
    "steering_cancel",
    METADATA,
    Column("id", ForeignKey("steering_limit.id"), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cancelled_utc", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="steering_cancel_on_the_quarter_hour"),
)

# In the half open slots the connection to the utility passes nothing. A planned island has an end;
# where the connection has opened by itself, it stays open until somebody orders to reconnect.
island_order = Table(
    "island_order",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("is_planned", Boolean, nullable=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("until_slot", BigInteger),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_utc", BigInteger, nullable=False),
    CheckConstraint("from_slot < until_slot", name="island_order_has_an_end"),
    CheckConstraint(
        "from_slot % 900 = 0 AND until_slot % 900 = 0", name="island_order_on_the_quarter_hour"
    ),
    sqlite_autoincrement=True,
)

# From `slot` on the connection is closed again.
island_end = Table(
    "island_end",
    METADATA,
    Column("id", ForeignKey("island_order.id"), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ended_utc", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="island_end_on_the_quarter_hour"),
)

# A battery, a group of units or the heat pump rests in the half open slots; p_kw is 0 in every row.
asset_hold = Table(
    "asset_hold",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("asset", Text, nullable=False),
    Column("p_kw", Float, nullable=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("until_slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_utc", BigInteger, nullable=False),
    CheckConstraint("from_slot < until_slot", name="asset_hold_has_an_end"),
    CheckConstraint(
        "from_slot % 900 = 0 AND until_slot % 900 = 0", name="asset_hold_on_the_quarter_hour"
    ),
    Index("asset_hold_until_slot", "until_slot"),
    sqlite_autoincrement=True,
)

# From `slot` on the asset follows the plan again.
asset_release = Table(
    "asset_release",
    METADATA,
    Column("id", ForeignKey("asset_hold.id"), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_utc", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="asset_release_on_the_quarter_hour"),
)

# The slots that have set-points already are planned once more, from `slot` on. `host` and
# `counted_s` say when the order came by the count of the machine that took it.
replan_order = Table(
    "replan_order",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_utc", BigInteger, nullable=False),
    Column("host", Text, nullable=False),
    Column("counted_s", Float, nullable=False),
    CheckConstraint("slot % 900 = 0", name="replan_order_on_the_quarter_hour"),
    sqlite_autoincrement=True,
)

# What the loop told the devices of a slot anew because of such an order. `after_s` is by the count
# of the machine that took the order, null where another one answered.
replan_answer = Table(
    "replan_answer",
    METADATA,
    Column("replan", ForeignKey("replan_order.id"), primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("fence", BigInteger, nullable=False),
    Column("tier", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("answered_utc", BigInteger, nullable=False),
    Column("after_s", Float),
)

for _table in (
    steering_limit, steering_cancel, island_order, island_end, asset_hold, asset_release,
    replan_order, replan_answer,
):  # fmt: skip
    append_only(_table)
