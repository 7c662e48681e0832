"""The outbox of alarms: what webhooks are to be told, kept until they have taken it.

A message is made once for each webhook, alarm and kind, and posted until it is taken or given up;
so it comes at least once, and its id tells when it comes again. What is told of one alarm comes in
its order: the next message waits until the one before is taken or given up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement

from energy.store.alarms import Alarm
from energy.store.office_tables import alarm_message
from energy.store.schema import alarm
from energy.timegrid import iso_of

RECENT_S = 3600
"""An alarm that has ended meanwhile is told of as long as it is not older than this."""
WAIT_FIRST_S, WAIT_MOST_S = 15, 900
"""Seconds before a message is posted again, twice as many each time, and the most."""
END_S = 86_400
"""After so long without success a message is given up."""
KEPT_S = 30 * 86_400
"""A message is kept so long after it was made, taken or not, and while its alarm may be told of."""
GONE_AT_ONCE = 200
"""Old messages that one unit deletes at the most."""
OWN_CAUSES = "webhook/"
"""Alarms of the webhooks themselves, which are shown and not posted."""


@dataclass(frozen=True)
class Message:
    """A message on its way; `tries` counts this one."""

    no: int
    id: str
    body: str
    tries: int


@dataclass(frozen=True)
class Moment:
    """What time it is: district time, by which alarms are old, and wall time, by which to wait."""

    district_s: int
    wall_s: int


def missing_messages(
    connection: Connection, target: str, moment: Moment, escalate_s: int, *, at_once: bool = True
) -> list[tuple[int, str]]:
    """Alarm and kind of all that a webhook must be told and no message says yet.

    Without `at_once` it is told only of what nobody has seen in time, and of its end.
    """
    column = alarm_message.c
    told = select(column.alarm, column.kind).where(column.target == target)
    known = {(number, kind) for number, kind in connection.execute(told)}
    recent = alarm.c.ended_utc.is_(None) | (alarm.c.ended_utc >= moment.district_s - RECENT_S)
    rows = connection.execute(select(alarm).where(recent).order_by(alarm.c.id))
    found: list[tuple[int, str]] = []
    for row in rows:
        if not row.cause.startswith(OWN_CAUSES):
            said = {kind for number, kind in known if number == row.id}
            kinds = _kinds(row, said, moment, escalate_s, at_once=at_once)
            found += [(row.id, kind) for kind in kinds]
    return found


def _kinds(
    row: Row[Any], told: set[str], moment: Moment, escalate_s: int, *, at_once: bool
) -> Iterator[str]:
    """What is to be said of an alarm: a grave one at once, any that nobody has seen after a while,
    and the end of what has been said.
    """
    found = set(told)
    if at_once and row.severity == "alarm":
        found.add("raised")
    unseen = row.acknowledged_utc is None and row.ended_utc is None
    if unseen and moment.district_s - row.since_utc >= escalate_s:
        found.add("escalated")
    if row.ended_utc is not None and found:
        found.add("ended")
    return (kind for kind in ("raised", "escalated", "ended") if kind in found - told)


def add_messages(
    connection: Connection, target: str, due: list[tuple[int, str]], moment: Moment, district: str
) -> None:
    """Put messages into the outbox, and forget some of the old ones, whatever became of them."""
    _forget_old(connection, moment)
    for number, kind in due:
        row = connection.execute(select(alarm).where(alarm.c.id == number)).one()
        found = Alarm(row.cause, row.severity, row.what, row.place, row.todo)
        text = message_body(
            Letter(_message_id(row, kind, district), kind, district, moment.district_s),
            found,
            number=row.id,
            since_utc=row.since_utc,
            ended_utc=row.ended_utc,
            acknowledged=row.acknowledged_utc is not None,
        )
        values = {"made_s": moment.wall_s, "tries": 0, "next_s": moment.wall_s, "trouble": ""}
        connection.execute(
            insert(alarm_message).values(
                target=target, alarm=number, kind=kind, body=text, **values
            )
        )


@dataclass(frozen=True)
class Letter:
    """What stands on a message: its id, its kind, whose it is and when it was made."""

    id: str
    kind: str
    district: str
    made_s: int


def message_body(
    letter: Letter,
    found: Alarm,
    *,
    number: int,
    since_utc: int,
    ended_utc: int | None = None,
    acknowledged: bool = False,
) -> str:
    """The JSON of a message about an alarm; `number` is 0 for one that no store has."""
    body = {
        "id": letter.id,
        "kind": letter.kind,
        "district": letter.district,
        "made_utc": iso_of(letter.made_s),
        "alarm": {
            "id": number,
            "cause": found.cause,
            "severity": found.severity,
            "what": found.what,
            "where": found.where,
            "todo": found.todo,
            "since_utc": iso_of(since_utc),
            "ended_utc": None if ended_utc is None else iso_of(ended_utc),
            "acknowledged": acknowledged,
        },
    }
    return orjson.dumps(body).decode()


def _forget_old(connection: Connection, moment: Moment) -> None:
    """Without the message an alarm that is still told of would be told again: that one stays."""
    column = alarm_message.c
    over = select(alarm.c.id).where(alarm.c.ended_utc < moment.district_s - RECENT_S)
    old = (column.made_s < moment.wall_s - KEPT_S) & column.alarm.in_(over)
    first = select(column.no).where(old).order_by(column.no).limit(GONE_AT_ONCE)
    connection.execute(delete(alarm_message).where(column.no.in_(first)))


def name_of(district: str) -> str:
    """A district's name as it may stand in a header."""
    return quote(district, safe="@")


def _message_id(row: Row[Any], kind: str, district: str) -> str:
    """The id of a message, which no other one has.

    Numbers alone would do neither for two districts that post to one receiver nor for a store that
    was put back from an older copy, which gives them again.
    """
    return f"{name_of(district)}-alarm-{row.id}-{row.since_utc}-{kind}"


def _id_in(body: str) -> str:
    """The id that a message was kept under: the same however often it is posted."""
    return str(orjson.loads(body)["id"])


def has_due(connection: Connection, target: str, wall_s: int) -> bool:
    """Whether a message waits for the webhook whose time has come."""
    return (
        connection.scalar(select(alarm_message.c.no).where(_due(target, wall_s)).limit(1))
        is not None
    )


def give_up_old(connection: Connection, target: str, wall_s: int) -> list[str]:
    """Post no more what the webhook has not taken until its end; the ids of these messages."""
    over = _due(target, wall_s) & (alarm_message.c.made_s <= wall_s - END_S)
    return _give_up(connection, over, wall_s)


def give_up_others(connection: Connection, targets: frozenset[str], wall_s: int) -> list[str]:
    """Post no more what waits for a webhook that is not among these; the ids of the messages."""
    column = alarm_message.c
    return _give_up(connection, column.target.not_in(targets) & _waits(column), wall_s)


def _give_up(connection: Connection, over: ColumnElement[bool], wall_s: int) -> list[str]:
    column = alarm_message.c
    found = connection.execute(select(column.no, column.body).where(over)).all()
    numbers = [row.no for row in found]
    if numbers:
        done = update(alarm_message).where(column.no.in_(numbers))
        connection.execute(done.values(given_up_s=wall_s))
    return [_id_in(row.body) for row in found]


def count_messages(connection: Connection) -> dict[str, int]:
    """Messages by what became of them: waiting, delivered, given_up."""
    column = alarm_message.c
    row = connection.execute(
        select(func.count(), func.count(column.delivered_s), func.count(column.given_up_s))
    ).one()
    every, delivered, given_up = (int(one) for one in row)
    return {
        "waiting": every - delivered - given_up, "delivered": delivered, "given_up": given_up,
    }  # fmt: skip


def take_due(connection: Connection, target: str, wall_s: int) -> Message | None:
    """The next message to be posted now, its next time set so that nobody else takes it as well."""
    query = select(alarm_message).where(_due(target, wall_s)).order_by(alarm_message.c.no).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return None
    wait_s = min(WAIT_FIRST_S * 2**row.tries, WAIT_MOST_S)
    taken = {"tries": row.tries + 1, "next_s": wall_s + wait_s}
    connection.execute(update(alarm_message).where(alarm_message.c.no == row.no).values(taken))
    return Message(row.no, _id_in(row.body), row.body, row.tries + 1)


def mark_delivered(connection: Connection, no: int, wall_s: int) -> None:
    """The webhook has taken it: what it has overtaken is told no more."""
    column, taken = alarm_message.c, alarm_message.alias()
    done = update(alarm_message).where(column.no == no)
    connection.execute(done.values(delivered_s=wall_s, trouble=""))
    of_it = select(taken.c.no).where(taken.c.no == no, taken.c.alarm == column.alarm)
    older = (column.no < no) & of_it.where(taken.c.target == column.target).exists()
    late = update(alarm_message).where(older & _waits(column))
    connection.execute(late.values(given_up_s=wall_s))


def mark_trouble(connection: Connection, no: int, trouble: str) -> None:
    """The webhook has not taken it, and why."""
    failed = update(alarm_message).where(alarm_message.c.no == no)
    connection.execute(failed.values(trouble=trouble[:300]))


def _due(target: str, wall_s: int) -> ColumnElement[bool]:
    """Messages whose time has come, each the first that waits of its alarm."""
    column, before = alarm_message.c, alarm_message.alias()
    same = (before.c.target == column.target) & (before.c.alarm == column.alarm)
    first = ~select(before.c.no).where(same, before.c.no < column.no, _waits(before.c)).exists()
    return (column.target == target) & _waits(column) & (column.next_s <= wall_s) & first


def _waits(column: ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]) -> ColumnElement[bool]:
    """Neither taken nor given up."""
    return column.delivered_s.is_(None) & column.given_up_s.is_(None)
