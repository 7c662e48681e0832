"""Which device reads which meter from when on, and the readings that it has brought."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, Table, Text

from energy.store.schema import METADATA, append_only
from energy.store.types import fixed_bytes

# From `from_slot` on the meter of `account` is read by the device of this token; a later row takes
# its place. NULL: by the district's own plant again, as are meters without a row.
meter_feed = Table(
    "meter_feed",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("account", fixed_bytes(32), nullable=False),
    Column("device", Text),
    Column("from_slot", BigInteger, nullable=False),
    CheckConstraint("from_slot % 900 = 0", name="meter_feed_on_the_quarter_hour"),
    Index("meter_feed_account", "account"),
    sqlite_autoincrement=True,
)
append_only(meter_feed)

# Readings that have come by the door and wait for the loop, which takes them at the next gate;
# `meter` is the place in the district's customers.
meter_inbox = Table(
    "meter_inbox",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=True),
    Column("slot", BigInteger, nullable=False),
    Column("meter", Integer, nullable=False),
    Column("import_wh", BigInteger, nullable=False),
    Column("export_wh", BigInteger, nullable=False),
    Column("import_register_wh", BigInteger, nullable=False),
    Column("export_register_wh", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="meter_inbox_on_the_quarter_hour"),
    Index("meter_inbox_slot", "slot", "meter"),
    sqlite_autoincrement=True,
)
