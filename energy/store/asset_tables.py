"""The tables of assets that operators have taken out of use, of their return, and of notes.

Every row is written once. Whether an asset is in use in a slot follows from its rows alone.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text

from energy.store.schema import METADATA, append_only

# From `from_slot` on the asset takes no part, until it returns.
asset_retirement = Table(
    "asset_retirement",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("asset", Text, nullable=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_utc", BigInteger, nullable=False),
    CheckConstraint("from_slot % 900 = 0", name="asset_retirement_on_the_quarter_hour"),
    Index("asset_retirement_asset", "asset"),
    sqlite_autoincrement=True,
)

# From `slot` on the asset is in use again.
asset_return = Table(
    "asset_return",
    METADATA,
    Column("id", ForeignKey("asset_retirement.id"), primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("returned_utc", BigInteger, nullable=False),
    CheckConstraint("slot % 900 = 0", name="asset_return_on_the_quarter_hour"),
)

# What people have written about an asset.
asset_note = Table(
    "asset_note",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("asset", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("written_utc", BigInteger, nullable=False),
    Index("asset_note_asset", "asset"),
    sqlite_autoincrement=True,
)

for _table in (asset_retirement, asset_return, asset_note):
    append_only(_table)
