"""Whether the books may be signed: what one process has found against them holds for all.

A finding stands in memory, where it stops the process that made it at once, and in the store as an
open alarm, which stops every other process on it. Only an audit that holds ends the alarm.
"""

from sqlalchemy import Connection

from energy.steps.books import Books
from energy.store.alarms import open_alarms
from market.errors import MarketError

AUDIT_CAUSE = "books/audit"
HALTED = "nothing is signed any more"


class HaltedError(MarketError):
    """The books do not hold by an audit: nothing may be signed after them."""


def why_halted(connection: Connection, books: Books) -> str | None:
    """Why nothing may be signed, in one sentence; None where nothing is known against the books."""
    if books.halt.because is not None:
        return f"{HALTED}: {books.halt.because}"
    told = (one.alarm for one in open_alarms(connection))
    return next((one.what for one in told if one.cause == AUDIT_CAUSE), None)


def require_unhalted(connection: Connection, books: Books) -> None:
    """Raise HaltedError where an audit, here or in another process, has found the books broken."""
    if (told := why_halted(connection, books)) is not None:
        raise HaltedError(f"books: {told}")
