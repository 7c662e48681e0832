"""What changed, numbered, for those who listen; only the newest are kept."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from energy.store.schema import event_row

KEPT = 2_000


@dataclass(frozen=True)
class Event:
    """One thing that changed; `id` grows with every event and is never used twice."""

    id: int
    kind: str
    slot: int | None
    body: dict[str, Any]


def add_event(connection: Connection, kind: str, slot: int | None, body: dict[str, Any]) -> int:
    """Tell the listeners, once the transaction is committed; the event's number."""
    result = connection.execute(event_row.insert().values(kind=kind, slot=slot, body=body))
    assert result.inserted_primary_key is not None
    number = int(result.inserted_primary_key[0])
    connection.execute(event_row.delete().where(event_row.c.id <= number - KEPT))
    return number


def events_after(connection: Connection, after: int, limit: int = 500) -> list[Event]:
    """Up to `limit` events with a number above `after`, oldest first."""
    query = select(event_row).where(event_row.c.id > after).order_by(event_row.c.id).limit(limit)
    return [Event(**row._mapping) for row in connection.execute(query)]


def event_range(connection: Connection) -> tuple[int, int]:
    """The oldest and the newest number that are kept; (0, 0) before the first event."""
    row = connection.execute(select(func.min(event_row.c.id), func.max(event_row.c.id))).one()
    return int(row[0] or 0), int(row[1] or 0)
