"""The limits that operators set on the wires: enter, cancel, and which of them hold in a slot."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Join, Select, Table, func, insert, select

from energy.store.errors import StoreError
from energy.store.steering_tables import steering_cancel, steering_limit


@dataclass(frozen=True)
class Act:
    """Who does it, why, and when by the district's clock."""

    actor: str
    reason: str
    at_s: int


@dataclass(frozen=True)
class WireLimit:
    """At most p_kw_max kW pass an element, either way, from a slot until another."""

    element: str
    p_kw_max: float
    from_slot: int
    until_slot: int


@dataclass(frozen=True)
class SteeringLimit:
    """A limit with its number and who set it; it holds until `end_slot`.

    `cancelled` says who ended it early, None where it runs to its own end.
    """

    id: int
    limit: WireLimit
    act: Act
    end_slot: int
    cancelled: Act | None = None

    def holds_after(self, slot: int) -> bool:
        """Whether it holds in some slot from `slot` on: an end there takes something from it."""
        return max(slot, self.limit.from_slot) < self.end_slot


def add_limit(connection: Connection, limit: WireLimit, act: Act) -> SteeringLimit:
    """Enter a limit; it gets its number."""
    row = {
        **vars(limit),
        "actor": act.actor,
        "reason": act.reason,
        "ordered_utc": act.at_s,
    }
    result = connection.execute(insert(steering_limit).values(row))
    assert result.inserted_primary_key is not None
    return SteeringLimit(int(result.inserted_primary_key[0]), limit, act, limit.until_slot)


def cancel_limit(connection: Connection, found: SteeringLimit, slot: int, act: Act) -> None:
    """Let a limit hold no more from `slot` on; StoreError where it has ended by then."""
    if not found.holds_after(slot):
        raise StoreError(f"limit {found.id}: it has ended already")
    row = {
        "id": found.id,
        "slot": slot,
        "actor": act.actor,
        "reason": act.reason,
        "cancelled_utc": act.at_s,
    }
    connection.execute(insert(steering_cancel).values(row))


def find_limit(connection: Connection, number: int) -> SteeringLimit | None:
    """The limit of a number, None where there is none."""
    found = _limits(connection, _all().where(steering_limit.c.id == number))
    return found[0] if found else None


def limits_between(connection: Connection, first: int, end: int) -> list[SteeringLimit]:
    """Limits that hold in some slot with `first` <= slot < `end`, in the order they came."""
    query = _all().where(steering_limit.c.until_slot > first, steering_limit.c.from_slot < end)
    return [
        one
        for one in _limits(connection, query.order_by(steering_limit.c.id))
        if max(first, one.limit.from_slot) < min(end, one.end_slot)
    ]


def recent_limits(connection: Connection, count: int) -> list[SteeringLimit]:
    """The last limits, whatever became of them, newest first."""
    return _limits(connection, _all().order_by(steering_limit.c.id.desc()).limit(count))


def with_first_end(order: Table, end: Table) -> Join:
    """Orders, each with the row that ends it first, where there is one."""
    same = end.alias()
    first = select(func.min(same.c.slot)).where(same.c.id == order.c.id).scalar_subquery()
    return order.outerjoin(end, (end.c.id == order.c.id) & (end.c.slot == first))


def _all() -> Select[Any]:
    ended = (
        steering_cancel.c.slot,
        steering_cancel.c.actor.label("cancelled_by"),
        steering_cancel.c.reason.label("cancelled_for"),
        steering_cancel.c.cancelled_utc,
    )
    joined = with_first_end(steering_limit, steering_cancel)
    return select(steering_limit, *ended).select_from(joined)


def _limits(connection: Connection, query: Select[Any]) -> list[SteeringLimit]:
    return [
        SteeringLimit(
            id=row.id,
            limit=WireLimit(row.element, row.p_kw_max, row.from_slot, row.until_slot),
            act=Act(row.actor, row.reason, row.ordered_utc),
            end_slot=row.until_slot if row.slot is None else max(row.slot, row.from_slot),
            cancelled=None
            if row.slot is None
            else Act(row.cancelled_by, row.cancelled_for, row.cancelled_utc),
        )
        for row in connection.execute(query)
    ]
