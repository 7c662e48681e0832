"""What needs a person: open while its condition holds, one row per cause however often it comes."""

import logging
from dataclasses import dataclass

from sqlalchemy import Connection, select

from energy.store.errors import StoreError
from energy.store.schema import alarm

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alarm:
    """`severity` alarm (act now) or warning (act this shift); `cause` names the condition."""

    cause: str
    severity: str
    what: str
    where: str
    todo: str
    until_utc: int | None = None


@dataclass(frozen=True)
class OpenAlarm:
    """An alarm whose condition holds; `count` how often it was raised since `since_utc`."""

    id: int
    alarm: Alarm
    since_utc: int
    acknowledged_utc: int | None
    count: int


def raise_alarm(connection: Connection, found: Alarm, now_s: int) -> int:
    """Open the alarm, or renew the open one of the same cause; its number."""
    values = {
        "severity": found.severity,
        "what": found.what,
        "place": found.where,
        "todo": found.todo,
        "until_utc": found.until_utc,
    }
    same = (alarm.c.cause == found.cause) & alarm.c.ended_utc.is_(None)
    number = connection.scalar(select(alarm.c.id).where(same))
    if number is not None:
        again = alarm.update().where(alarm.c.id == number)
        connection.execute(again.values(**values, count=alarm.c.count + 1))
        return int(number)
    row = {"cause": found.cause, "since_utc": now_s, "count": 1, **values}
    result = connection.execute(alarm.insert().values(row))
    assert result.inserted_primary_key is not None
    log.warning("%s %s: %s (%s)", found.severity, found.cause, found.what, found.where)
    return int(result.inserted_primary_key[0])


def end_alarm(connection: Connection, cause: str, now_s: int) -> None:
    """The condition has ended; nothing happens where no such alarm is open."""
    same = (alarm.c.cause == cause) & alarm.c.ended_utc.is_(None)
    connection.execute(alarm.update().where(same).values(ended_utc=now_s))


def end_other_alarms(
    connection: Connection, prefix: str, causes: frozenset[str], now_s: int
) -> None:
    """End every open alarm whose cause begins with `prefix` and is not among `causes`."""
    for found in open_alarms(connection):
        if found.alarm.cause.startswith(prefix) and found.alarm.cause not in causes:
            end_alarm(connection, found.alarm.cause, now_s)


def acknowledge_alarm(connection: Connection, number: int, now_s: int) -> None:
    """Somebody has seen it; it stays until its condition ends."""
    seen = alarm.update().where(alarm.c.id == number).values(acknowledged_utc=now_s)
    if connection.execute(seen).rowcount == 0:
        raise StoreError(f"alarm {number}: not found")


def open_alarms(connection: Connection) -> list[OpenAlarm]:
    """Alarms whose condition holds, the gravest first, then the oldest."""
    query = select(alarm).where(alarm.c.ended_utc.is_(None)).order_by(alarm.c.severity, alarm.c.id)
    return [
        OpenAlarm(
            id=row.id,
            alarm=Alarm(row.cause, row.severity, row.what, row.place, row.todo, row.until_utc),
            since_utc=row.since_utc,
            acknowledged_utc=row.acknowledged_utc,
            count=row._mapping["count"],
        )
        for row in connection.execute(query)
    ]
