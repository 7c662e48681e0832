"""Demand response over HTTP: call an event, answer it, cancel it, see what became of it."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from energy.api.callers import BY_SIGNATURE, MEMBERS, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found
from energy.api.examples import signed_body
from energy.api.messages import SIGNED, admit_signed
from energy.api.orders import parse_order_id
from energy.api.problems import answers
from energy.api.shapes.books import AcceptedAnswer, AcceptedMessage
from energy.api.shapes.desk import DrEventDocument, DrEvents
from energy.api.words import IdText
from energy.steps.dr_programmes import programmes_by_account
from energy.steps.dr_views import (
    DrScene,
    answer_document,
    event_document,
    events_document,
)
from energy.store.admission import Answer
from energy.store.demand_response import find_event
from energy.store.dr_desk import DrDesk, admit_dr
from energy.store.events import add_event
from energy.store.mailbox import PreparedMessage
from energy.store.views import Document

router = APIRouter(tags=["demand response"])


@router.post(
    "/v1/dr/events",
    summary="Call a DR event",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("DrEvent"),
)
@may(BY_SIGNATURE)
async def call_event(request: Request) -> Response:
    """A `DrEvent` in an envelope like an order's, by the programme's or the operator's key."""
    return await _admit(request, "DrEvent", _no_more)


@router.post(
    "/v1/dr/events/cancel",
    summary="Cancel a DR event",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("Cancel"),
)
@may(BY_SIGNATURE)
async def cancel_event(request: Request) -> Response:
    """A `Cancel` of the programme's account whose `order_id` is the event, before it begins."""
    return await _admit(request, "Cancel", _no_more)


@router.post(
    "/v1/dr/commits",
    summary="Answer a DR event",
    response_model=AcceptedAnswer,
    status_code=201,
    responses={**SIGNED, 200: {**SIGNED[200], "model": AcceptedAnswer}},
    openapi_extra=signed_body("DrCommit"),
)
@may(BY_SIGNATURE)
async def answer_event(request: Request) -> Response:
    """A `DrCommit`: Wh to be given up in every slot, 0 declines; the answer has the baseline."""
    return await take_answer(request, await request.body())


@router.get(
    "/v1/dr/events", summary="DR events, the latest to begin first", response_model=DrEvents
)
@may(MEMBERS)
def get_events(request: Request) -> Response:
    """States, answers, sums by group, payments, and the programmes that may be called."""
    context = context_of(request)
    scene = scene_of(context)
    found = context.store.read(lambda connection: events_document(connection, scene))
    return json_answer(request, found)


@router.get(
    "/v1/dr/events/{event_id}",
    summary="A DR event",
    response_model=DrEventDocument,
    responses=answers(404, 422),
)
@may(MEMBERS)
def get_event(request: Request, event_id: IdText) -> Response:
    """Terms, state, answers, hours, payments, and baseline and metered power by slot."""
    context, id_ = context_of(request), parse_order_id(event_id, "event_id")
    scene = scene_of(context)

    def find(connection: Connection) -> Document | None:
        event = find_event(connection, id_)
        return None if event is None else event_document(connection, scene, event)

    found = context.store.read(find)
    if found is None:
        raise not_found("event_id", event_id, "an event that was called")
    return json_answer(request, found)


def scene_of(context: ApiContext) -> DrScene:
    """What the event documents are made for."""
    return DrScene(context.admission.domain, context.district, context.clock.now_s())


def desk_of(context: ApiContext) -> DrDesk:
    """Who may call and answer events."""
    programmes = programmes_by_account(context.admission.domain)
    return DrDesk(context.admission, programmes, context.district.time_zone)


More = Callable[[Connection, PreparedMessage], Document]


def _no_more(connection: Connection, one: PreparedMessage) -> Document:
    return {}


def _own_answer(connection: Connection, one: PreparedMessage) -> Document:
    return answer_document(connection, one=one)


async def take_answer(request: Request, text: bytes) -> Response:
    """The answer to the envelope of a `DrCommit`."""
    return await _admit(request, "DrCommit", _own_answer, text)


async def _admit(
    request: Request, type_name: str, more: More, text: bytes | None = None
) -> Response:
    context = context_of(request)

    def admit(connection: Connection, one: PreparedMessage) -> tuple[Answer, Document]:
        answer = admit_dr(connection, desk_of(context), one)
        if answer.refusal is not None:
            return answer, {}
        if answer.is_new:
            add_event(connection, "dr", None, {"type": type_name})
        return answer, more(connection, one)

    return await admit_signed(request, (type_name,), admit, text)
