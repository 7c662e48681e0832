"""What needs a person: open while its condition holds, one row per cause however often it comes."""

import logging
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select

from energy.store.errors import StoreError
from energy.store.office_tables import alarm_seen
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
class Seen:
    """Who has seen an alarm, when, and what they said of it: maybe nothing."""

    by: str
    at_s: int
    note: str = ""


@dataclass(frozen=True)
class RaisedAlarm:
    """An alarm, open until `ended_utc`; `count` how often it was raised since `since_utc`."""

    id: int
    alarm: Alarm
    since_utc: int
    ended_utc: int | None
    seen: Seen | None
    count: int


def raise_alarm(connection: Connection, found: Alarm, now_s: int) -> int:
    """Open the alarm, or renew the open one of the same cause; its number.

    One that has become graver, or is about another place, is another alarm: whoever has seen the
    first has not seen this one, and webhooks are told of it.
    """
    values = {
        "severity": found.severity,
        "what": found.what,
        "place": found.where,
        "todo": found.todo,
        "until_utc": found.until_utc,
    }
    same = (alarm.c.cause == found.cause) & alarm.c.ended_utc.is_(None)
    known = connection.execute(select(alarm.c.id, alarm.c.severity, alarm.c.place).where(same))
    if (last := known.first()) is not None:
        again = alarm.update().where(alarm.c.id == last.id)
        is_graver = (last.severity, found.severity) == ("warning", "alarm")
        if not is_graver and last.place == found.where:
            connection.execute(again.values(**values, count=alarm.c.count + 1))
            return int(last.id)
        connection.execute(again.values(ended_utc=now_s))
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


def end_seen(connection: Connection, cause: str, now_s: int) -> None:
    """The condition has ended and somebody has seen the alarm; one that nobody has seen stays."""
    same = (alarm.c.cause == cause) & alarm.c.ended_utc.is_(None)
    seen = alarm.c.acknowledged_utc.is_not(None)
    connection.execute(alarm.update().where(same & seen).values(ended_utc=now_s))


def acknowledge_alarm(connection: Connection, number: int, seen: Seen) -> None:
    """Somebody has seen it; it stays until its condition ends.

    Raises StoreError where there is no such alarm. It is seen once: the first who says so stays.
    """
    told = alarm.update().where(alarm.c.id == number).values(acknowledged_utc=seen.at_s)
    if connection.execute(told).rowcount == 0:
        raise StoreError(f"alarm {number}: not found")
    row = {"alarm": number, "actor": seen.by, "note": seen.note, "seen_utc": seen.at_s}
    connection.execute(insert(alarm_seen).values(row))


def open_alarms(connection: Connection) -> list[RaisedAlarm]:
    """Alarms whose condition holds, the gravest first, then the oldest."""
    query = _RAISED.where(alarm.c.ended_utc.is_(None)).order_by(alarm.c.severity, alarm.c.id)
    return [_raised(row) for row in connection.execute(query)]


def ended_alarms(connection: Connection, *, before: int | None, limit: int) -> list[RaisedAlarm]:
    """Alarms whose condition is over, with numbers below `before`, the newest first."""
    query = _RAISED.where(alarm.c.ended_utc.is_not(None)).order_by(alarm.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(alarm.c.id < before)
    return [_raised(row) for row in connection.execute(query)]


def raised_between(connection: Connection, first_s: int, end_s: int) -> list[tuple[int, str]]:
    """When each alarm of a time began, and its severity, in order."""
    here = (alarm.c.since_utc >= first_s) & (alarm.c.since_utc < end_s)
    query = select(alarm.c.since_utc, alarm.c.severity).where(here).order_by(alarm.c.since_utc)
    return [(row.since_utc, row.severity) for row in connection.execute(query)]


_RAISED = select(alarm, alarm_seen.c.actor, alarm_seen.c.note).outerjoin(
    alarm_seen, alarm_seen.c.alarm == alarm.c.id
)


def _raised(row: Row[tuple[object, ...]]) -> RaisedAlarm:
    # Of one seen before names were kept only the time is known.
    at_s = row.acknowledged_utc
    return RaisedAlarm(
        id=row.id,
        alarm=Alarm(row.cause, row.severity, row.what, row.place, row.todo, row.until_utc),
        since_utc=row.since_utc,
        ended_utc=row.ended_utc,
        seen=None if at_s is None else Seen(row.actor or "", at_s, row.note or ""),
        count=row._mapping["count"],
    )
