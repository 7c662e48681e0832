"""Orders to plan anew what has set-points already, and what devices were told because of them."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select

from energy.store.steering import Act
from energy.store.steering_tables import replan_answer, replan_order
from energy.timegrid import machine_s


@dataclass(frozen=True)
class Taken:
    """Which machine took an order, and at how many seconds of its own count."""

    host: str
    counted_s: float

    def seconds_since(self, now: "Taken") -> float | None:
        """Seconds from then to `now`; None where another machine counts or it has started anew."""
        passed_s = now.counted_s - self.counted_s
        return passed_s if now.host == self.host and passed_s >= 0 else None


def taken_now() -> Taken:
    """The machine that runs us, and what it counts now."""
    return Taken(socket.gethostname(), machine_s())


@dataclass(frozen=True)
class Replan:
    """An order to plan anew what has set-points already, from `slot` on."""

    id: int
    slot: int
    act: Act
    taken: Taken


@dataclass(frozen=True)
class Answer:
    """What the loop told the devices of a slot anew, how it was planned, and when.

    `after_s` is by the count of the machine that took the order; None where another one answered.
    """

    replan: int
    slot: int
    fence: int
    tier: str
    reason: str
    answered_utc: int
    after_s: float | None


def add_replan(connection: Connection, slot: int, act: Act, taken: Taken) -> Replan:
    """Enter an order to plan anew."""
    row = {
        "slot": slot,
        "actor": act.actor,
        "reason": act.reason,
        "ordered_utc": act.at_s,
        **vars(taken),
    }
    result = connection.execute(insert(replan_order).values(row))
    assert result.inserted_primary_key is not None
    return Replan(int(result.inserted_primary_key[0]), slot, act, taken)


def recent_replans(connection: Connection, count: int) -> list[Replan]:
    """The last orders to plan anew, newest first."""
    query = select(replan_order).order_by(replan_order.c.id.desc()).limit(count)
    return [_replan(row) for row in connection.execute(query)]


def unanswered_replans(connection: Connection) -> list[Replan]:
    """The orders for which not every slot was told anew yet, oldest first."""
    told = exists().where(replan_answer.c.replan == replan_order.c.id)
    query = select(replan_order).where(~told).order_by(replan_order.c.id)
    return [_replan(row) for row in connection.execute(query)]


def add_answer(connection: Connection, answer: Answer) -> None:
    """Keep what the devices of a slot were told anew."""
    connection.execute(insert(replan_answer).values(vars(answer)))


def answers_to(connection: Connection, numbers: Sequence[int]) -> list[Answer]:
    """What was told anew because of these orders, by order and slot."""
    columns = replan_answer.c
    query = select(replan_answer).where(columns.replan.in_(numbers))
    ordered = query.order_by(columns.replan, columns.slot)
    return [Answer(**row._mapping) for row in connection.execute(ordered)]


def _replan(row: Row[Any]) -> Replan:
    return Replan(
        row.id,
        row.slot,
        Act(row.actor, row.reason, row.ordered_utc),
        Taken(row.host, row.counted_s),
    )
