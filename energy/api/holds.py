"""Hold an asset at rest until an hour, see what is held, and let one go."""

from dataclasses import replace

import numpy as np
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, OPERATE, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found
from energy.api.doorman import record_of
from energy.api.fields import JsonBody
from energy.api.islands import SHOWN, previewed, problem_of
from energy.api.once import ID_MAX, PARAMETER, REFUSED, answer_once
from energy.api.problems import ProblemError, answers
from energy.api.shapes.steering import Holds, HoldState, Preview
from energy.api.steering import EndOrder, ending_slot, order_window
from energy.api.words import SlotText
from energy.steps.retiring import (
    HEAT_PUMP,
    RetiringError,
    out_of_plan,
    require_retirable,
    retired_from,
)
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.holds import (
    Hold,
    add_hold,
    find_hold,
    recent_holds,
    release_hold,
    resting_between,
)
from energy.store.replans import add_replan, taken_now
from energy.store.retirements import Retirement
from energy.store.steering import Act
from energy.store.views import Document
from energy.timegrid import iso_of
from optimizer import PlanProblem

router = APIRouter(tags=["steering"])


class HoldWish(JsonBody):
    """Which asset rests from when until when: a battery, a group of units, or the heat pump.

    Without `from_utc` from the first slot on that is not planned yet; with `at_once` from the
    running one on, whose set-points are made anew within a minute.
    """

    asset: str = Field(min_length=1, max_length=60, examples=["battery-A001"])
    from_utc: SlotText | None = None
    until_utc: SlotText
    at_once: bool = False


class HoldOrder(HoldWish):
    """An asset that shall rest, and why."""

    reason: str = Field(min_length=1, max_length=300, examples=["smell of smoke"])


@router.get(
    "/v1/steering/holds",
    summary="Which assets are held at rest",
    response_model=Holds,
    responses=answers(401, 403),
)
@may(DISTRICT)
def get_holds(request: Request) -> Response:
    """The last holds, newest first, each with who ordered it, why, until when, how it ended."""
    context = context_of(request)
    found = context.store.read(lambda connection: recent_holds(connection, SHOWN))
    now_s = context.clock.now_s()
    return json_answer(request, {"items": [hold_document(one, now_s) for one in found]})


@router.post(
    "/v1/steering/holds",
    summary="Hold an asset at rest until an hour",
    response_model=HoldState,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def order_hold(request: Request, order: HoldOrder) -> Response:
    """Plan and set-points leave it at rest; it ends by itself at `until_utc`."""
    context, caller = context_of(request), caller_of(request)
    _require_asset(context, order.asset)

    def unit(connection: Connection) -> Document:
        window = order_window(connection, context, order)
        _require_spare(connection, context, order.asset, window)
        now_s = int(context.clock.now_s())
        act = Act(caller.name, order.reason, now_s)
        made = add_hold(connection, order.asset, window, act)
        if order.at_once:
            add_replan(connection, made.from_slot, act, taken_now())
        task = f"hold {order.asset} at rest until {iso_of(made.until_slot)}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", made.from_slot, {"hold": made.id})
        return hold_document(made, now_s)

    return answer_once(request, order.model_dump(), unit, 201)


@router.post(
    "/v1/steering/holds/preview",
    summary="What holding an asset at rest would cost",
    response_model=Preview,
    responses=answers(401, 403, 404, 409, 413, 422, 503),
)
@may(OPERATE)
def preview_hold(request: Request, order: HoldWish) -> Response:
    """The newest plan's problem solved with the asset at rest and without; nothing is changed."""
    context = context_of(request)
    _require_asset(context, order.asset)
    first, end = context.store.read(lambda connection: order_window(connection, context, order))
    problem = problem_of(context)
    wish = Retirement(0, order.asset, first, Act("", "", int(context.clock.now_s())), end)
    return json_answer(request, previewed(context, problem, at_rest(context, problem, wish)))


@router.post(
    "/v1/steering/holds/{hold_id}/release",
    summary="Let a held asset go",
    response_model=HoldState,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def release(request: Request, order: EndOrder, hold_id: int = Path(ge=1, le=ID_MAX)) -> Response:
    """From the first slot on that is not planned yet, or at once, it follows the plan again."""
    context, caller = context_of(request), caller_of(request)

    def unit(connection: Connection) -> Document:
        found = find_hold(connection, hold_id)
        if found is None:
            raise not_found("hold_id", str(hold_id), "the number of a hold")
        now_s, slot = int(context.clock.now_s()), ending_slot(connection, context, order)
        if not found.holds_after(slot):
            told = f"one that ended at {iso_of(found.end_slot)}"
            detail = f"hold_id: found {told}, allowed one that still holds"
            raise ProblemError(409, "ENDED", detail, "hold_id", told, "one that still holds")
        act = Act(caller.name, order.reason, now_s)
        release_hold(connection, found, slot, act)
        if order.at_once:
            add_replan(connection, slot, act, taken_now())
        task = f"release {found.asset} from hold {hold_id}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", slot, {"released": hold_id})
        after = find_hold(connection, hold_id)
        assert after is not None
        return hold_document(after, now_s)

    return answer_once(request, order.model_dump(), unit)


def at_rest(context: ApiContext, problem: PlanProblem, wish: Retirement) -> PlanProblem:
    """The problem with an asset at rest in some of its slots."""
    resting = retired_from(context.district, [wish], problem.first_slot, problem.slots)
    units = tuple(
        replace(unit, available=np.where(resting.units[:, row], 0, unit.available))
        for row, unit in enumerate(problem.units)
    )
    return replace(out_of_plan(problem, resting), units=units)


def hold_document(found: Hold, now_s: float) -> Document:
    """A hold for people and programs."""
    released = found.released
    state = "running" if found.from_slot <= now_s < found.end_slot else "planned"
    if now_s >= found.end_slot or found.end_slot <= found.from_slot:
        state = "ended"
    return {
        "id": found.id,
        "asset": found.asset,
        "state": state,
        "from_utc": iso_of(found.from_slot),
        "until_utc": iso_of(found.end_slot),
        "ordered_until_utc": iso_of(found.until_slot),
        "by": found.act.actor,
        "reason": found.act.reason,
        "ordered_utc": iso_of(found.act.at_s),
        "released": None
        if released is None
        else {"by": released.actor, "reason": released.reason, "at_utc": iso_of(released.at_s)},
    }


def _require_asset(context: ApiContext, asset: str) -> None:
    district = context.district
    known = {*district.batteries.id, *(unit.id for unit in district.units)}
    if district.heat is not None:
        known.add(HEAT_PUMP)
    if asset not in known:
        raise not_found("asset", asset, "a battery, a group of units or the heat pump")


def _require_spare(
    connection: Connection, context: ApiContext, asset: str, window: tuple[int, int]
) -> None:
    """ProblemError where nothing else does what the asset does while others rest."""
    out = {one.asset for one in resting_between(connection, *window)}
    try:
        require_retirable(context.district, asset, out)
    except RetiringError as error:
        allowed = "an asset that others can stand in for"
        raise ProblemError(409, "NEEDED", str(error), "asset", asset, allowed) from error
