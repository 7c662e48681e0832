"""What residents want of their cars, and the connected cars as the loop last saw them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from energy.store.schema import METADATA, append_only
from energy.store.types import fixed_bytes

# A wish counts from `from_slot` on, for the stay `car` alone; a later one takes its place.
car_wish = Table(
    "car_wish",
    METADATA,
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("account", fixed_bytes(32), nullable=False),
    Column("car", BigInteger, nullable=False),
    Column("from_slot", BigInteger, nullable=False),
    Column("departure_slot", BigInteger, nullable=False),
    Column("target_pct", Integer, nullable=False),
    Column("floor_pct", Integer),  # NULL: never discharged
    Column("at_once", Boolean, nullable=False),
    Column("asked_us", BigInteger, nullable=False),  # wall time
    Column("asked_by", Text, nullable=False),
    CheckConstraint("from_slot % 900 = 0 AND departure_slot % 900 = 0", name="car_wish_slots"),
    CheckConstraint("departure_slot > from_slot", name="car_wish_leaves_later"),
    CheckConstraint("target_pct BETWEEN 0 AND 100", name="car_wish_target"),
    CheckConstraint("floor_pct BETWEEN 0 AND 100", name="car_wish_floor"),
    Index("car_wish_from", "from_slot"),
    Index("car_wish_account", "account"),
)
append_only(car_wish)

# One row: the cars at their points at the start of the newest planned slot.
cars_seen = Table(
    "cars_seen",
    METADATA,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)
