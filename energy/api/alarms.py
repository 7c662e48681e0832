"""Alarms for those who act on them: one is seen; which are over; how many begin a day."""

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, OPERATE, caller_of, may
from energy.api.context import context_of
from energy.api.documents import json_answer
from energy.api.doorman import record_of
from energy.api.fields import JsonBody
from energy.api.overview import alarm_block
from energy.api.problems import ProblemError, answers
from energy.api.shapes.overview import Alarm, AlarmDays, EndedAlarms
from energy.api.words import BeforeRow
from energy.store.alarms import (
    RaisedAlarm,
    Seen,
    acknowledge_alarm,
    ended_alarms,
    open_alarms,
    raised_between,
)
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.views import Document
from energy.timegrid import iso_of, local_day_start, local_label

ID_MAX = 2**31 - 1
PAGE_MAX = 200
SHOWN_DAYS = 14

router = APIRouter(tags=["documents"])


class SeenBody(JsonBody):
    """What somebody says of an alarm that they have seen."""

    note: str = Field("", max_length=300, examples=["the crew is on its way"])


NOTHING_SAID = SeenBody(note="")


@router.post(
    "/v1/alarms/{alarm_id}/acknowledge",
    summary="Say that an alarm is seen",
    response_model=Alarm,
    responses=answers(401, 403, 404, 413, 422, 503),
)
@may(OPERATE)
def acknowledge(
    request: Request,
    alarm_id: int = Path(ge=1, le=ID_MAX),
    body: SeenBody = NOTHING_SAID,
) -> Response:
    """The alarm stays until its condition ends; who has seen it, and their note, stand beside it.

    Said again it changes nothing: the first who said so, and what they said, stay.
    """
    context, caller = context_of(request), caller_of(request)
    note = body.note.strip()
    seen = Seen(caller.name, int(context.clock.now_s()), note)
    task = f"acknowledge alarm {alarm_id}" + (f": {note}" if note else "")
    record = record_of(request, caller, "district", task)

    def unit(connection: Connection) -> Document | None:
        found = _open_alarm(connection, alarm_id)
        if found is None or found.seen is not None:
            return None if found is None else alarm_block(found)
        acknowledge_alarm(connection, alarm_id, seen)
        append_record(connection, record)
        add_event(connection, "alarm", None, {"acknowledged": str(alarm_id)})
        again = _open_alarm(connection, alarm_id)
        assert again is not None, "it was open in this transaction"
        return alarm_block(again)

    document = context.store.write(unit)
    if document is None:
        allowed = "the number of an open alarm"
        detail = f"alarm: found {alarm_id}, allowed {allowed}"
        raise ProblemError(404, "NOT_FOUND", detail, "alarm_id", str(alarm_id), allowed)
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")


def _open_alarm(connection: Connection, number: int) -> RaisedAlarm | None:
    return next((one for one in open_alarms(connection) if one.id == number), None)


@router.get(
    "/v1/alarms/ended",
    summary="What needed a person, newest first",
    response_model=EndedAlarms,
    responses=answers(422),
)
@may(DISTRICT)
def get_ended_alarms(
    request: Request, before: BeforeRow = None, limit: int = Query(50, ge=1, le=PAGE_MAX)
) -> Response:
    """Alarms whose condition is over, with who has seen them; `next` asks for the ones before."""
    found = context_of(request).store.read(
        lambda connection: ended_alarms(connection, before=before, limit=limit)
    )
    items = [{**alarm_block(one), "ended_utc": iso_of(one.ended_utc or 0)} for one in found]
    more = f"/v1/alarms/ended?before={found[-1].id}&limit={limit}" if len(found) == limit else None
    return json_answer(request, {"items": items, "next": more})


@router.get(
    "/v1/alarms/days", summary="How many alarms and warnings a day", response_model=AlarmDays
)
@may(DISTRICT)
def get_alarm_days(request: Request) -> Response:
    """Counts by severity of those that began on each of the last local days, open or over."""
    context = context_of(request)
    zone, now_s = context.district.time_zone, int(context.clock.now_s())
    firsts = [local_day_start(now_s, zone)]
    while len(firsts) < SHOWN_DAYS:
        firsts.insert(0, local_day_start(firsts[0] - 1, zone))
    raised = context.store.read(lambda connection: raised_between(connection, firsts[0], now_s + 1))
    days = []
    for first, end in zip(firsts, [*firsts[1:], now_s + 1], strict=True):
        here = [severity for since, severity in raised if first <= since < end]
        counts = {severity: here.count(severity) for severity in ("alarm", "warning")}
        day = {"date": local_label(first, zone)[:10], "first_slot_utc": iso_of(first)}
        days.append({**day, **counts})
    return json_answer(request, {"days": days})
