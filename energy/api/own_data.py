"""My data: who has looked at them, all of them as one file, and erasing what may go."""

from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy import Connection
from starlette.responses import StreamingResponse

from energy.api.callers import HOUSEHOLD, OWN_HOME, caller_of, may
from energy.api.cars import own_account
from energy.api.context import ApiContext, context_of
from energy.api.doorman import note_access, record_of
from energy.api.fields import JsonBody
from energy.api.me import own_order_json
from energy.api.once import PARAMETER, answer_once
from energy.api.problems import ProblemError, answers
from energy.api.rates import require_costly
from energy.api.shapes.home import Erasure, Looks, OwnData
from energy.api.words import NAMED, BeforeRow
from energy.steps.own_data import forget_account, look_document, remains, sections_of
from energy.store.audit import append_record
from energy.store.own_data import records_about
from energy.store.own_orders import pages_of_own_orders
from energy.store.views import Document
from energy.timegrid import iso_of

PAGE_MAX = 200
NAME_CHARS = 10
"""So much of the account is typed to confirm an erasure: 0x and eight digits."""

router = APIRouter(tags=["my home"])


class EraseBody(JsonBody):
    """The beginning of one's account, typed by hand."""

    model_config = ConfigDict(strict=True)

    confirm: str = Field(min_length=NAME_CHARS, max_length=NAME_CHARS)


@router.get(
    "/v1/me/reads",
    summary="Who has looked at my data",
    response_model=Looks,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_reads(
    request: Request,
    account: str | None = NAMED,
    before: BeforeRow = None,
    limit: int = Query(20, ge=1, le=PAGE_MAX),
) -> Response:
    """Everybody but oneself who has read or done something with them, newest first; and what an
    erasure would leave.
    """
    context, who = context_of(request), own_account(request, account)
    note_access(request, caller_of(request), who, "read who has looked")

    def build(connection: Connection) -> Document:
        found = records_about(connection, who, by_others=True, before=before, limit=limit)
        return {
            "items": [look_document(one) for one in found],
            "next": str(found[-1].no) if len(found) == limit else None,
            "confirm": f"0x{who.hex()}"[:NAME_CHARS],
            "remains": remains(context.district, context.clock.now_s()),
        }

    body = orjson.dumps(context.store.read(build))
    return Response(body, 200, {"Cache-Control": "no-store"}, "application/json")


@router.get(
    "/v1/me/export",
    summary="Everything that is kept about me",
    response_model=OwnData,
    responses={200: {"description": "one JSON file"}, **answers(404, 422)},
)
@may(HOUSEHOLD)
def export(request: Request, account: str | None = NAMED) -> Response:
    """What every table of the store has of this account; streamed, a section after the other, the
    last of which says of each table where it is told and when it goes.
    """
    context, who = context_of(request), own_account(request, account)
    require_costly(request)
    note_access(request, caller_of(request), who, "export all data")
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="my-data-{who.hex()[:8]}.json"',
    }
    return StreamingResponse(_exported(context, who), 200, headers, "application/json")


def _exported(context: ApiContext, who: bytes) -> Iterator[bytes]:
    now_s = context.clock.now_s()
    yield orjson.dumps({"account": f"0x{who.hex()}", "at_utc": iso_of(now_s)})[:-1]
    sections = sections_of(context.store, context.district, who, now_s)
    sections["orders"] = lambda: _orders(context, who)
    for name, read in sections.items():
        yield b",\n" + orjson.dumps(name) + b":["
        for number, row in enumerate(read()):
            yield (b",\n" if number else b"\n") + orjson.dumps(row, default=_as_text)
        yield b"]"
    yield b"}\n"


def _as_text(value: Any) -> str:  # noqa: ANN401 - what JSON has not
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    raise TypeError(f"export: {type(value).__name__} cannot be told")


def _orders(context: ApiContext, who: bytes) -> Iterator[Document]:
    for found in pages_of_own_orders(context.store, who, only_filled=False):
        for one in found:
            yield own_order_json(context, one)


@router.post(
    "/v1/me/erase",
    summary="Erase what may go",
    response_model=Erasure,
    responses=answers(400, 401, 403, 404, 422),
    openapi_extra=PARAMETER,
)
@may(OWN_HOME)
def erase(
    request: Request, body: EraseBody, who: Annotated[bytes, Depends(own_account)]
) -> Response:
    """Identity, means of days, wishes, sessions and tokens; it cannot be undone. The answer says
    what remains, why, and until when. All sessions of the account end, and no orders are made of
    its instructions any more.
    """
    context, caller = context_of(request), caller_of(request)
    if body.confirm != f"0x{who.hex()}"[:NAME_CHARS]:
        allowed = "the first ten characters of your account"
        detail = f"confirm: found {body.confirm}, allowed {allowed}"
        raise ProblemError(422, "NOT_CONFIRMED", detail, "confirm", body.confirm, allowed)

    def unit(connection: Connection) -> Document:
        found = forget_account(connection, context.district, who, int(context.wall_s()))
        append_record(connection, record_of(request, caller, who, "erase my data"))
        left = remains(context.district, context.clock.now_s())
        return {"erased": vars(found), "remains": left}

    return answer_once(request, body.model_dump(), unit)
