"""Islands that operators order or report, and how they end.

The connection to the utility passes nothing in the slots of an island. A planned one has an end;
one that is reported, because the connection has opened by itself, lasts until somebody reconnects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Select, insert, select

from energy.store.errors import StoreError
from energy.store.steering import Act
from energy.store.steering_tables import island_end, island_order


@dataclass(frozen=True)
class Island:
    """An island with its number: from a slot until `end_slot`, None while nobody has ended it.

    `until_slot` is what was ordered, None where the connection has opened by itself; `ended` says
    who reconnected or called it off, None where it runs to its own end.
    """

    id: int
    is_planned: bool
    from_slot: int
    until_slot: int | None
    act: Act
    end_slot: int | None
    ended: Act | None = None

    def holds_in(self, slot: int) -> bool:
        """Whether the connection is open in a slot."""
        return self.from_slot <= slot and (self.end_slot is None or slot < self.end_slot)


def add_island(connection: Connection, from_slot: int, until_slot: int | None, act: Act) -> Island:
    """Enter an island; without an end it is one that has happened."""
    row = {
        "is_planned": until_slot is not None,
        "from_slot": from_slot,
        "until_slot": until_slot,
        "actor": act.actor,
        "reason": act.reason,
        "ordered_utc": act.at_s,
    }
    result = connection.execute(insert(island_order).values(row))
    assert result.inserted_primary_key is not None
    found = find_island(connection, int(result.inserted_primary_key[0]))
    assert found is not None
    return found


def end_island(connection: Connection, found: Island, slot: int, act: Act) -> None:
    """Let the connection be closed from `slot` on; StoreError where it is by then."""
    if found.ended is not None or (found.end_slot is not None and slot >= found.end_slot):
        raise StoreError(f"island {found.id}: it has ended already")
    row = {
        "id": found.id,
        "slot": slot,
        "actor": act.actor,
        "reason": act.reason,
        "ended_utc": act.at_s,
    }
    connection.execute(insert(island_end).values(row))


def find_island(connection: Connection, number: int) -> Island | None:
    """The island of a number, None where there is none."""
    found = _islands(connection, _all().where(island_order.c.id == number))
    return found[0] if found else None


def islands_between(connection: Connection, first: int, end: int) -> list[Island]:
    """Islands that hold in some slot with `first` <= slot < `end`, in the order they came."""
    until = island_order.c.until_slot
    query = _all().where(island_order.c.from_slot < end, until.is_(None) | (until > first))
    return [
        one
        for one in _islands(connection, query.order_by(island_order.c.id))
        if one.end_slot is None or max(first, one.from_slot) < min(end, one.end_slot)
    ]


def recent_islands(connection: Connection, count: int) -> list[Island]:
    """The last islands, whatever became of them, newest first."""
    return _islands(connection, _all().order_by(island_order.c.id.desc()).limit(count))


def islanded_slots(
    islands: Sequence[Island], slots: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """In which of the slots the connection is open, (H,)."""
    held = [any(one.holds_in(slot) for one in islands) for slot in slots.tolist()]
    return np.array(held, dtype=np.bool_)


def _all() -> Select[Any]:
    ended = (
        island_end.c.slot,
        island_end.c.actor.label("ended_by"),
        island_end.c.reason.label("ended_for"),
        island_end.c.ended_utc,
    )
    return select(island_order, *ended).select_from(island_order.outerjoin(island_end))


def _islands(connection: Connection, query: Select[Any]) -> list[Island]:
    return [
        Island(
            id=row.id,
            is_planned=row.is_planned,
            from_slot=row.from_slot,
            until_slot=row.until_slot,
            act=Act(row.actor, row.reason, row.ordered_utc),
            end_slot=row.until_slot if row.slot is None else max(row.slot, row.from_slot),
            ended=None if row.slot is None else Act(row.ended_by, row.ended_for, row.ended_utc),
        )
        for row in connection.execute(query)
    ]
