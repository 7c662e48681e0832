"""What each local day has told of the customers' meters; only the newest days are kept.

The days are worked out from the readings, which stay the evidence. They hold a mean of each meter's
day, so they go after five weeks by themselves.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, select

from energy.store.packing import Arrays, pack_arrays, unpack_arrays
from energy.store.schema import METADATA

KEEP_DAYS = 35
OF_METERS = ("mean_kw", "off_p80")
"""The columns of a day that have a value for each meter; all others are of classes and areas."""

# One row a local day, named by its first slot and the slot that was its last.
home_day = Table(
    "home_day",
    METADATA,
    Column("first_slot", BigInteger, primary_key=True, autoincrement=False),
    Column("last_slot", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)


def save_home_day(connection: Connection, first_slot: int, last_slot: int, arrays: Arrays) -> None:
    """Keep a day in place of an earlier try at it, and forget what is older than KEEP_DAYS."""
    connection.execute(home_day.delete().where(home_day.c.first_slot == first_slot))
    row = {"first_slot": first_slot, "last_slot": last_slot, "body": pack_arrays(arrays)}
    connection.execute(home_day.insert().values(row))
    newest = select(home_day.c.first_slot).order_by(home_day.c.first_slot.desc()).limit(KEEP_DAYS)
    oldest = min(connection.scalars(newest))
    connection.execute(home_day.delete().where(home_day.c.first_slot < oldest))


def load_home_days(connection: Connection, before: int) -> list[dict[str, Any]]:
    """The days whose last slot lies before a slot, oldest first."""
    query = select(home_day.c.body).where(home_day.c.last_slot < before)
    rows = connection.scalars(query.order_by(home_day.c.first_slot))
    return [unpack_arrays(body) for body in rows]
