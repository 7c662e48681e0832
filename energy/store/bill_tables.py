"""The tables of the month's end: what was moved, added up, and the months that are billed."""

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from energy.store.schema import METADATA, append_only
from energy.store.types import Json

# What the settlements of the ticks (after, through] have moved, by month of the slot and account;
# from after -1 on it is everything since the books began. It follows from the transfers.
tally = Table(
    "tally",
    METADATA,
    Column("through", BigInteger, primary_key=True, autoincrement=False),
    Column("after", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

# The tariffs, feed-in prices and certificates that the bills of a local month name by its
# first slot: `content` is the text whose hash the log has as Rules of kind 3. `accounts` has what
# bills were made from beside it: tariff, contract power, net metering.
billed_month = Table(
    "billed_month",
    METADATA,
    Column("first_slot", BigInteger, primary_key=True, autoincrement=False),
    Column("end_slot", BigInteger, nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("summary", Json, nullable=False),
    Column("accounts", LargeBinary, nullable=False),
)

for _table in (tally, billed_month):
    append_only(_table)
