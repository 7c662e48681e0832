"""What people have confirmed of the clock: that it was so late, so that slots may be caught up."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select

from energy.store.errors import StoreError
from energy.store.office_tables import clock_check


@dataclass(frozen=True)
class ClockCheck:
    """Somebody who has compared the clock: what time it was, seconds since 1970 UTC, and why."""

    at_s: int
    actor: str
    reason: str


def save_check(connection: Connection, check: ClockCheck) -> None:
    """Keep it; raises StoreError where a later time is confirmed already."""
    last = last_checked(connection)
    if last is not None and check.at_s <= last:
        raise StoreError(f"clock: found {check.at_s} s, allowed later than the last check's {last}")
    connection.execute(insert(clock_check).values(vars(check)))


def last_checked(connection: Connection) -> int | None:
    """The latest time that somebody has confirmed, None where nobody had to."""
    found: int | None = connection.scalar(select(func.max(clock_check.c.at_s)))
    return found
