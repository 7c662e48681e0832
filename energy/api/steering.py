"""The operators' limits on the wires: set one until an hour, see them, cancel one."""

import math
from typing import Protocol

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, OPERATE, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found, parse_slot
from energy.api.doorman import record_of, slot_now
from energy.api.fields import JsonBody
from energy.api.once import ID_MAX, PARAMETER, REFUSED, answer_once
from energy.api.problems import ProblemError, answers
from energy.api.shapes.grid import Steering, WireLimitState
from energy.api.words import SlotText
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.replans import add_replan, taken_now
from energy.store.slots import last_claimed
from energy.store.steering import (
    Act,
    SteeringLimit,
    WireLimit,
    add_limit,
    cancel_limit,
    find_limit,
    recent_limits,
)
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import SLOT_S, SLOTS_PER_DAY
from grid_models import GridError, Passage, feeder_names, find_passage

SHOWN = 100
LASTS_S_MAX = 7 * SLOTS_PER_DAY * SLOT_S

router = APIRouter(tags=["steering"])


class LimitOrder(JsonBody):
    """At most so much active power through an element, either way: in kW or as part of its rating.

    Without `from_utc` it holds from the first slot on that is not planned yet; with `at_once` from
    the running one on, whose set-points are made anew within a minute.
    """

    element: str = Field(min_length=1, max_length=60, examples=["F3"])
    p_kw_max: float | None = Field(None, ge=0, le=1e9, examples=[2500.0])
    p_frac_max: float | None = Field(None, ge=0, le=1, examples=[0.5])
    from_utc: SlotText | None = None
    until_utc: SlotText
    at_once: bool = False
    reason: str = Field(min_length=1, max_length=300, examples=["cable work in street 12"])


class CancelOrder(JsonBody):
    """Why an order shall hold no more."""

    reason: str = Field(min_length=1, max_length=300)


class EndOrder(CancelOrder):
    """Why an order shall hold no more: from the first slot on that is not planned yet, or at once.

    With `at_once` the set-points of the running slot are made anew without it within a minute.
    """

    at_once: bool = False


@router.get(
    "/v1/steering",
    summary="What operators have ordered",
    response_model=Steering,
    responses=answers(401, 403),
)
@may(DISTRICT)
def get_steering(request: Request) -> Response:
    """The last limits, newest first, each with who set it, why, until when and how it ended."""
    context = context_of(request)
    found = context.store.read(lambda connection: recent_limits(connection, SHOWN))
    items = [limit_document(one, context.clock.now_s()) for one in found]
    feeders = list(feeder_names(context.district.network))
    return json_answer(request, {"items": items, "feeders": feeders})


@router.post(
    "/v1/steering/limits",
    summary="Limit what may pass a feeder, a line or a transformer",
    response_model=WireLimitState,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def set_limit(request: Request, order: LimitOrder) -> Response:
    """Every plan and auction from then on keeps it; it ends by itself at `until_utc`."""
    context, caller = context_of(request), caller_of(request)
    passage = passage_named(context, order.element)
    most_kw = _most_kw(order, passage)

    def unit(connection: Connection) -> Document:
        from_slot, until_slot = order_window(connection, context, order)
        limit = WireLimit(passage.element, most_kw, from_slot, until_slot)
        now_s = int(context.clock.now_s())
        act = Act(caller.name, order.reason, now_s)
        made = add_limit(connection, limit, act)
        if order.at_once:
            add_replan(connection, from_slot, act, taken_now())
        task = f"limit {passage.element} to {most_kw:.1f} kW until {iso_of(until_slot)}: "
        append_record(connection, record_of(request, caller, "district", task + order.reason))
        add_event(connection, "steering", from_slot, {"limit": made.id})
        return limit_document(made, now_s)

    return answer_once(request, order.model_dump(), unit, 201)


@router.post(
    "/v1/steering/limits/{limit_id}/cancel",
    summary="Cancel a limit",
    response_model=WireLimitState,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def cancel(request: Request, order: EndOrder, limit_id: int = Path(ge=1, le=ID_MAX)) -> Response:
    """The next plan keeps it no more; slots that are planned already only `at_once`."""
    context, caller = context_of(request), caller_of(request)

    def unit(connection: Connection) -> Document:
        found = find_limit(connection, limit_id)
        if found is None:
            raise not_found("limit_id", str(limit_id), "the number of a limit")
        now_s, slot = int(context.clock.now_s()), ending_slot(connection, context, order)
        if not found.holds_after(slot):
            told = f"one that ended at {iso_of(found.end_slot)}"
            detail = f"limit_id: found {told}, allowed one that still holds"
            raise ProblemError(409, "ENDED", detail, "limit_id", told, "one that still holds")
        act = Act(caller.name, order.reason, now_s)
        cancel_limit(connection, found, slot, act)
        if order.at_once:
            add_replan(connection, slot, act, taken_now())
        task = f"cancel limit {limit_id} of {found.limit.element}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", slot, {"cancelled": limit_id})
        after = find_limit(connection, limit_id)
        assert after is not None
        return limit_document(after, now_s)

    return answer_once(request, order.model_dump(), unit)


def passage_named(context: ApiContext, element: str) -> Passage:
    """The passage of an element; ProblemError where none can be limited under that name."""
    try:
        return find_passage(context.district.network, element)
    except GridError as error:
        allowed = "a feeder, a line or a transformer that alone feeds what stands behind it"
        raise ProblemError(422, "ELEMENT", str(error), "element", element, allowed) from error


def first_unplanned(connection: Connection, context: ApiContext) -> int:
    """The first slot that has not begun and that the loop has not planned."""
    ahead = math.ceil(context.clock.now_s() / SLOT_S) * SLOT_S
    claimed = last_claimed(connection)
    return ahead if claimed is None else max(ahead, claimed + SLOT_S)


def ending_slot(connection: Connection, context: ApiContext, order: EndOrder) -> int:
    """The first slot in which an order that is ended now holds no more."""
    return slot_now(context) if order.at_once else first_unplanned(connection, context)


def limit_document(found: SteeringLimit, now_s: float) -> Document:
    """A limit for people and programs; powers in kW."""
    limit, ended = found.limit, found.cancelled
    state = "running" if limit.from_slot <= now_s < found.end_slot else "planned"
    if now_s >= found.end_slot or found.end_slot <= limit.from_slot:
        state = "ended"
    return {
        "id": found.id,
        "element": limit.element,
        "p_kw_max": round(limit.p_kw_max, 3),
        "state": state,
        "from_utc": iso_of(limit.from_slot),
        "until_utc": iso_of(found.end_slot),
        "ordered_until_utc": iso_of(limit.until_slot),
        "by": found.act.actor,
        "reason": found.act.reason,
        "ordered_utc": iso_of(found.act.at_s),
        "cancelled": None
        if ended is None
        else {"by": ended.actor, "reason": ended.reason, "at_utc": iso_of(ended.at_s)},
    }


def _most_kw(order: LimitOrder, passage: Passage) -> float:
    given = [one for one in (order.p_kw_max, order.p_frac_max) if one is not None]
    if len(given) != 1:
        allowed = "one of p_kw_max and p_frac_max"
        detail = f"p_kw_max: found {len(given)} of two limits, allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "p_kw_max", str(len(given)), allowed)
    return given[0] if order.p_frac_max is None else given[0] * passage.p_kw_rated


class TimedOrder(Protocol):
    """An order with times: at once, or from an hour; until another one."""

    @property
    def from_utc(self) -> str | None:
        """From when, None for as soon as possible."""

    @property
    def until_utc(self) -> str:
        """Until when."""

    @property
    def at_once(self) -> bool:
        """Whether slots that are planned already are planned anew."""


def order_window(connection: Connection, context: ApiContext, order: TimedOrder) -> tuple[int, int]:
    """First slot and end of an order; ProblemError where it would hold in no slot to come."""
    if not order.at_once:
        return window_of(connection, context, order.from_utc, order.until_utc)
    if order.from_utc is not None:
        allowed = "none for what holds at once"
        detail = f"from_utc: found {order.from_utc}, allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "from_utc", order.from_utc, allowed)
    return _ending(slot_now(context), order.until_utc)


def window_of(
    connection: Connection, context: ApiContext, from_utc: str | None, until_utc: str
) -> tuple[int, int]:
    """First slot, not planned yet, and end; ProblemError where it would hold in no slot to come."""
    first = first_unplanned(connection, context)
    from_slot = first if from_utc is None else parse_slot(from_utc, "from_utc")
    if from_slot < first:
        allowed = f"{iso_of(first)} or later"
        found = iso_of(from_slot)
        detail = f"from_utc: found {found}, allowed {allowed}"
        raise ProblemError(422, "TOO_EARLY", detail, "from_utc", found, allowed)
    return _ending(from_slot, until_utc)


def _ending(from_slot: int, until_utc: str) -> tuple[int, int]:
    until_slot = parse_slot(until_utc, "until_utc")
    if not from_slot < until_slot <= from_slot + LASTS_S_MAX:
        allowed = f"after {iso_of(from_slot)}, seven days later at the latest"
        found = iso_of(until_slot)
        detail = f"until_utc: found {found}, allowed {allowed}"
        raise ProblemError(422, "END", detail, "until_utc", found, allowed)
    return from_slot, until_slot
