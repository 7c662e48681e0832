"""Demand response over HTTP: call an event, answer it, cancel it, see what became of it."""

from collections.abc import Callable
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import BY_SIGNATURE, MEMBERS, OPERATE, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found, parse_slot
from energy.api.doorman import record_of
from energy.api.examples import signed_body
from energy.api.fields import JsonBody
from energy.api.messages import SIGNED, admit_signed
from energy.api.once import PARAMETER, REFUSED, answer_once
from energy.api.orders import parse_order_id, problem_of
from energy.api.problems import ProblemError, answers
from energy.api.rules import mkrw_of
from energy.api.shapes.books import AcceptedAnswer, AcceptedMessage
from energy.api.shapes.desk import DrEventDocument, DrEvents, DrOutlook
from energy.api.steering import CancelOrder
from energy.api.words import IdText, SlotText
from energy.steps.dr_calls import (
    DrCall,
    cancel_message,
    event_message,
    outlook_document,
    sign_as_operator,
)
from energy.steps.dr_programmes import programme_named, programmes_by_account
from energy.steps.dr_views import (
    DrScene,
    answer_document,
    event_document,
    events_document,
)
from energy.steps.kept_keys import new_nonce
from energy.steps.previews import newest_problem
from energy.store.admission import Answer
from energy.store.audit import append_record
from energy.store.demand_response import find_event
from energy.store.dr_desk import DrDesk, admit_dr, refusal_of
from energy.store.events import add_event
from energy.store.mailbox import PreparedMessage
from energy.store.views import Document
from market.entries import Message
from market.errors import MarketError

router = APIRouter(tags=["demand response"])


class DrWish(JsonBody):
    """Which programme asks from which full hour on, for how many hours; prices in won per kWh.

    Prices that are left out are the programme's usual ones; answers are due an hour before.
    """

    programme: str = Field(min_length=1, max_length=60, examples=["district"])
    first_slot_utc: SlotText
    hours: int = Field(ge=1, le=24, examples=[2])
    reward_krw_per_kwh: str | None = Field(None, max_length=20, examples=["1300"])
    penalty_krw_per_kwh: str | None = Field(None, max_length=20, examples=["130"])
    answer_by_utc: SlotText | None = None


class DrOrder(DrWish):
    """An event that the company calls, and why."""

    reason: str = Field(min_length=1, max_length=300, examples=["transformer T014 is warm"])


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
    scene = replace(scene_of(context), sees_each=caller_of(request).sees_each)
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
    scene = replace(scene_of(context), sees_each=caller_of(request).sees_each)

    def find(connection: Connection) -> Document | None:
        event = find_event(connection, id_)
        return None if event is None else event_document(connection, scene, event)

    found = context.store.read(find)
    if found is None:
        raise not_found("event_id", event_id, "an event that was called")
    return json_answer(request, found)


@router.post(
    "/v1/steering/dr/events",
    summary="Call a DR event in the company's name",
    response_model=DrEventDocument,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def call_for_company(request: Request, order: DrOrder) -> Response:
    """A `DrEvent` that the operator's market key signs here, judged like one that was sent."""
    context, caller = context_of(request), caller_of(request)
    message = _message_of(context, order)

    def unit(connection: Connection) -> Document:
        called = _take_signed(connection, context, "DrEvent", message)
        task = f"call DR event 0x{called.hex()} of {order.programme} from {order.first_slot_utc}: "
        append_record(connection, record_of(request, caller, "district", task + order.reason))
        return _event_shown(connection, context, called)

    return answer_once(request, order.model_dump(), unit, 201)


@router.post(
    "/v1/steering/dr/events/preview",
    summary="What a DR event would ask and cost",
    response_model=DrOutlook,
    responses=answers(400, 401, 403, 409, 413, 422, 503),
)
@may(OPERATE)
def preview_event(request: Request, wish: DrWish) -> Response:
    """Its terms, whom it asks and the most it may cost; refused as its call would be now."""
    context = context_of(request)
    message = _message_of(context, wish)
    programme = programme_named(wish.programme)

    def look(connection: Connection) -> Document:
        one = _signed(context, "DrEvent", message)
        refusal = refusal_of(connection, desk_of(context), one)
        if refusal is not None:
            raise problem_of(refusal)
        problem = newest_problem(connection)
        return outlook_document(connection, context.district, programme, message, problem)

    return json_answer(request, context.store.read(look))


@router.post(
    "/v1/steering/dr/events/{event_id}/cancel",
    summary="Cancel a DR event in the company's name",
    response_model=DrEventDocument,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def cancel_for_company(request: Request, order: CancelOrder, event_id: IdText) -> Response:
    """A `Cancel` that the operator's market key signs here; before its first gate or not at all."""
    context, caller = context_of(request), caller_of(request)
    id_ = parse_order_id(event_id, "event_id")

    def unit(connection: Connection) -> Document:
        if find_event(connection, id_) is None:
            raise not_found("event_id", event_id, "an event that was called")
        event = _event_shown(connection, context, id_)
        message = cancel_message(context.admission.domain, event, nonce=new_nonce())
        _take_signed(connection, context, "Cancel", message)
        task = f"cancel DR event 0x{id_.hex()}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        return _event_shown(connection, context, id_)

    return answer_once(request, order.model_dump(), unit)


def scene_of(context: ApiContext) -> DrScene:
    """What the event documents are made for."""
    return DrScene(context.admission.domain, context.district, context.clock.now_s())


def desk_of(context: ApiContext) -> DrDesk:
    """Who may call and answer events."""
    programmes = programmes_by_account(context.admission.domain)
    return DrDesk(context.admission, programmes, context.district.time_zone)


def _message_of(context: ApiContext, wish: DrWish) -> Message:
    """The `DrEvent` of a wish; raises ProblemError."""

    def mkrw(field: str, text: str | None) -> int | None:
        return None if text is None else mkrw_of(field, text)

    answer_by = wish.answer_by_utc
    try:
        call = DrCall(
            programme_named(wish.programme).terms.name,
            parse_slot(wish.first_slot_utc, "first_slot_utc"),
            wish.hours,
            mkrw("reward_krw_per_kwh", wish.reward_krw_per_kwh),
            mkrw("penalty_krw_per_kwh", wish.penalty_krw_per_kwh),
            None if answer_by is None else parse_slot(answer_by, "answer_by_utc"),
        )
        domain, nonce = context.admission.domain, new_nonce()
        return event_message(domain, context.district, call, nonce=nonce)
    except MarketError as error:
        raise _malformed(error) from error


def _signed(context: ApiContext, type_name: str, message: Message) -> PreparedMessage:
    """The message under the operator's key; raises ProblemError where a value cannot be."""
    received_us = int(context.clock.now_s() * 1_000_000)
    try:
        return sign_as_operator(context.admission, type_name, message, received_us)
    except MarketError as error:
        raise _malformed(error) from error


def _malformed(error: MarketError) -> ProblemError:
    return ProblemError(422, "MALFORMED", str(error), "event")


def _take_signed(
    connection: Connection, context: ApiContext, type_name: str, message: Message
) -> bytes:
    """The id of a message that the operator's key has signed and that has taken effect."""
    one = _signed(context, type_name, message)
    answer = admit_dr(connection, desk_of(context), one)
    if answer.refusal is not None:
        raise problem_of(answer.refusal)
    add_event(connection, "dr", None, {"type": type_name})
    return one.id


def _event_shown(connection: Connection, context: ApiContext, id_: bytes) -> Document:
    event = find_event(connection, id_)
    assert event is not None, "one that was found or called just now"
    return event_document(connection, scene_of(context), event)


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
