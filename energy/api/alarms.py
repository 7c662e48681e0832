"""Alarms for those who act on them: somebody says that they have seen one."""

import orjson
from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import Connection

from energy.api.callers import OPERATE, caller_of, may
from energy.api.context import context_of
from energy.api.doorman import record_of
from energy.api.overview import alarm_block
from energy.api.problems import ProblemError, answers
from energy.api.shapes.overview import Alarm
from energy.store.alarms import acknowledge_alarm, open_alarms
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.views import Document

ID_MAX = 2**31 - 1

router = APIRouter(tags=["documents"])


@router.post(
    "/v1/alarms/{alarm_id}/acknowledge",
    summary="Say that an alarm is seen",
    response_model=Alarm,
    responses=answers(401, 403, 404, 413, 422, 503),
)
@may(OPERATE)
def acknowledge(request: Request, alarm_id: int = Path(ge=1, le=ID_MAX)) -> Response:
    """The alarm stays until its condition ends; who has seen it stands in the audit log.

    Said again it changes nothing.
    """
    context = context_of(request)
    now_s = int(context.clock.now_s())
    record = record_of(request, caller_of(request), "district", f"acknowledge alarm {alarm_id}")

    def unit(connection: Connection) -> Document | None:
        found = {one.id: one for one in open_alarms(connection)}.get(alarm_id)
        if found is None:
            return None
        if found.acknowledged_utc is None:
            acknowledge_alarm(connection, alarm_id, now_s)
            append_record(connection, record)
            add_event(connection, "alarm", None, {"acknowledged": str(alarm_id)})
        return {**alarm_block(found), "acknowledged": True}

    document = context.store.write(unit)
    if document is None:
        allowed = "the number of an open alarm"
        detail = f"alarm: found {alarm_id}, allowed {allowed}"
        raise ProblemError(404, "NOT_FOUND", detail, "alarm_id", str(alarm_id), allowed)
    body = orjson.dumps(document)
    return Response(body, 200, {"Cache-Control": "no-store"}, "application/json")
