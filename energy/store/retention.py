"""How long rows that no proof needs are kept, and their deletion in small units.

The books are kept for ever: entries, transfers, orders, readings as they were signed, bills,
checkpoints, keys. What is thinned out follows from them or from nothing that anybody has to prove:
the readings as they came, the loop's columns, ready documents, forecasts as issued. A deleted row's
page is used again by the next ones, so that a store stops growing by what is thinned out.
"""

from collections.abc import Mapping

from sqlalchemy import Column, Connection, delete, select

from energy.store.forecasts import forecast_issue, weather_issue
from energy.store.schema import clearing, measured, reading, suspended, thinned, view

SLOTS_AT_ONCE = 32
"""Slots of a table that one unit deletes at the most: it takes milliseconds, and of a store that
falls under a shorter time at once the rest follows unit by unit."""

GUARDED = (reading, clearing, forecast_issue, weather_issue)

# The columns that name the slot of a row, by the kind of what is kept.
KINDS: dict[str, tuple[Column[int], ...]] = {
    "readings": (reading.c.slot,),
    "columns": (measured.c.slot,),
    "documents": (view.c.slot, clearing.c.slot),
    "forecasts": (forecast_issue.c.first_slot, weather_issue.c.issue_slot),
}


def thin_out(connection: Connection, before: Mapping[str, int]) -> int:
    """Delete the oldest rows of each kind that lie before its instant; how many rows went.

    A unit deletes SLOTS_AT_ONCE slots of a table at the most: where the answer is not 0, there may
    be more. From when on each kind is kept is written in the same transaction.
    """
    found = _oldest(connection, before)
    if not found:
        return 0
    gone = 0
    with suspended(connection, GUARDED):
        for kind, column, last in found:
            gone += connection.execute(delete(column.table).where(column <= last)).rowcount
            _note(connection, kind, last + 1)
    return gone


def has_old(connection: Connection, before: Mapping[str, int]) -> bool:
    """Whether some kind has rows that lie before its instant."""
    return any(
        connection.scalar(select(column).where(column < end).limit(1)) is not None
        for kind, end in before.items()
        for column in KINDS[kind]
    )


def kept_from(connection: Connection, kind: str) -> int | None:
    """The instant before which rows of a kind may be gone, None where all are kept."""
    return connection.scalar(select(thinned.c.before).where(thinned.c.kind == kind))


def _oldest(
    connection: Connection, before: Mapping[str, int]
) -> list[tuple[str, Column[int], int]]:
    """Kinds and columns that have rows before their instant, with the last slot to go now."""
    found = []
    for kind, end in before.items():
        for column in KINDS[kind]:
            query = select(column).where(column < end).group_by(column).order_by(column)
            slots = list(connection.scalars(query.limit(SLOTS_AT_ONCE)))
            if slots:
                found.append((kind, column, slots[-1]))
    return found


def _note(connection: Connection, kind: str, before: int) -> None:
    known = kept_from(connection, kind)
    if known is None:
        connection.execute(thinned.insert().values(kind=kind, before=before))
    elif before > known:
        connection.execute(thinned.update().where(thinned.c.kind == kind).values(before=before))
