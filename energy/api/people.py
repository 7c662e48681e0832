"""People who may sign in or are invited, and the audit log, for those who run the district."""

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import AUDIT, OPERATE, caller_of, may
from energy.api.context import context_of
from energy.api.doorman import note_access, record_of
from energy.api.problems import ProblemError, answers
from energy.api.shapes.office import AuditPage, Disabled, Invitations, People
from energy.api.words import BeforeRow
from energy.store.audit import append_record, list_records
from energy.store.invitations import list_invitations
from energy.store.people import disable_person, find_person, list_people
from energy.timegrid import iso_of

PAGE_MAX = 500

router = APIRouter(tags=["people"])


@router.get(
    "/v1/people", summary="Who may sign in", response_model=People, responses=answers(401, 403)
)
@may(AUDIT)
def get_people(request: Request) -> Response:
    """Names, roles and when they were disabled; nothing secret."""
    found = context_of(request).store.read(list_people)
    items = [
        {
            "name": one.name,
            "role": one.role,
            "account": None if one.account is None else f"0x{one.account.hex()}",
            "created_utc": iso_of(one.created_s),
            "disabled_utc": None if one.disabled_s is None else iso_of(one.disabled_s),
        }
        for one in found
    ]
    return _answer({"items": items})


@router.post(
    "/v1/people/{name}/disable",
    summary="Let a person sign in no more",
    response_model=Disabled,
    responses=answers(401, 403, 404, 413, 422),
)
@may(OPERATE)
def disable(request: Request, name: str) -> Response:
    """All sessions of the person end at once; nothing happens where that was so before."""
    context, caller = context_of(request), caller_of(request)
    record = record_of(request, caller, f"person {name}", "disable person")

    def unit(connection: Connection) -> bool:
        if find_person(connection, name) is None:
            return False
        disable_person(connection, name, int(context.wall_s()))
        append_record(connection, record)
        return True

    if not context.store.write(unit):
        detail = f"name: found nobody called {name[:60]}"
        raise ProblemError(404, "NOT_FOUND", detail, "name", name[:60])
    return _answer({"name": name, "disabled": True})


@router.get(
    "/v1/people/invitations",
    summary="Who is invited",
    response_model=Invitations,
    responses=answers(401, 403),
)
@may(AUDIT)
def get_invitations(request: Request) -> Response:
    """Every invitation, the newest first, and what became of it; nothing secret."""
    found = context_of(request).store.read(list_invitations)
    items = [
        {
            "name": one.name,
            "account": f"0x{one.account.hex()}",
            "made_by": one.made_by,
            "made_utc": iso_of(one.made_s),
            "ends_utc": iso_of(one.ends_s),
            "taken_utc": None if one.taken_s is None else iso_of(one.taken_s),
        }
        for one in found
    ]
    return _answer({"now_utc": iso_of(int(context_of(request).wall_s())), "items": items})


@router.get(
    "/v1/audit",
    summary="The audit log, newest first",
    response_model=AuditPage,
    responses=answers(401, 403, 422),
)
@may(AUDIT)
def get_audit(
    request: Request,
    before: BeforeRow = None,
    limit: int = Query(100, ge=1, le=PAGE_MAX),
) -> Response:
    """Who did what with whose data, when and from where; reading it is a record as well."""
    note_access(request, caller_of(request), "audit log", "read audit log")
    found = context_of(request).store.read(
        lambda connection: list_records(connection, before=before, limit=limit)
    )
    items = [
        {
            "no": entry.no,
            "at_utc": iso_of(entry.record.at_us // 1_000_000),
            "account": entry.record.account,
            "origin": entry.record.origin,
            "whose": entry.record.whose,
            "task": entry.record.task,
            "hash": entry.hash.hex(),
        }
        for entry in found
    ]
    more = f"/v1/audit?before={found[-1].no}&limit={limit}" if len(found) == limit else None
    return _answer({"items": items, "next": more})


def _answer(document: object) -> Response:
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")
