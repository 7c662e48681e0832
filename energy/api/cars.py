"""My car: how it stands, what a wish would do, and the wish itself, which the next plan follows."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy import Connection

from energy.api.callers import HOUSEHOLD, OWN_HOME, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.doorman import note_access, record_of
from energy.api.fields import JsonBody
from energy.api.once import PARAMETER, answer_once
from energy.api.orders import parse_order_id
from energy.api.problems import ProblemError, answers
from energy.api.shapes.home import CarSet, HomeCar, WishOutcome
from energy.api.words import NAMED
from energy.steps.own_car import (
    FLOOR_PCT_MIN,
    STAY_SLOTS_MAX,
    TARGET_PCT_MIN,
    Outcome,
    OwnCar,
    car_document,
    outcome_document,
    outcome_of,
    own_car,
)
from energy.store.audit import append_record
from energy.store.cars import CarWish, add_wish
from energy.store.slots import last_claimed
from energy.store.views import Document
from energy.timegrid import TimeGridError, iso_of, parse_instant
from energy.units import SLOT_S

Percent = Annotated[int, Field(ge=0, le=100)]

router = APIRouter(tags=["my home"])


class WishBody(JsonBody):
    """What is wanted of a car for the stay that it is in."""

    model_config = ConfigDict(strict=True)

    stay: str = Field(pattern=r"^\d{1,18}$", description="the stay, as `GET /v1/me/car` names it")
    departure_utc: str = Field(max_length=40, description="when the car leaves, a quarter hour")
    target_pct: Percent = Field(description="how full it must be then")
    floor_pct: Percent | None = Field(description="never below; null: never discharged")
    charge_now: bool = Field(description="at full power at once, whatever it costs")


def own_account(request: Request, account: str | None = NAMED) -> bytes:
    """Whose object it is; before a body is looked at, another's is not found."""
    return caller_of(request).subject(
        None if account is None else parse_order_id(account, "account")
    )


@router.get(
    "/v1/me/car",
    summary="My car at its charging point",
    response_model=HomeCar,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_car(request: Request, account: str | None = NAMED) -> Response:
    """How full it is, when it leaves, what is promised; `car` is null where none is connected and
    `point` where the home has none.
    """
    context, who = context_of(request), own_account(request, account)
    note_access(request, caller_of(request), who, "read car")

    def build(connection: Connection) -> Document:
        return car_document(connection, context.district, who, _first(context, connection))

    return _answer(context.store.read(build))


@router.post(
    "/v1/me/car/outcome",
    summary="What a wish for my car would do",
    response_model=WishOutcome,
    responses=answers(401, 403, 404, 409, 422),
)
@may(OWN_HOME)
def ask_outcome(
    request: Request, body: WishBody, who: Annotated[bytes, Depends(own_account)]
) -> Response:
    """Whether it can be kept, what can, and what charging now costs more; changes nothing."""
    context = context_of(request)
    note_access(request, caller_of(request), who, "read car")

    def build(connection: Connection) -> Document:
        found = _outcome(context, connection, who, body)
        return outcome_document(found, at_once=body.charge_now)

    return _answer(context.store.read(build))


@router.post(
    "/v1/me/car",
    summary="Say when my car leaves and how full it must be",
    response_model=CarSet,
    responses=answers(400, 401, 403, 404, 409, 422),
    openapi_extra=PARAMETER,
)
@may(OWN_HOME)
def set_car(
    request: Request, body: WishBody, who: Annotated[bytes, Depends(own_account)]
) -> Response:
    """The plan of the next quarter hour follows it, and the promise is counted like every other.

    Refused with 409 where it cannot be kept at the point's power; the answer says what can.
    """
    context, caller = context_of(request), caller_of(request)

    def unit(connection: Connection) -> Document:
        found, first = _outcome(context, connection, who, body), _first(context, connection)
        if not found.kept:
            raise _cannot_be_kept(body, found)
        asked_us = int(context.wall_s() * 1_000_000)
        add_wish(
            connection,
            CarWish(
                account=who,
                car=int(body.stay),
                from_slot=first,
                departure_slot=_instant(body.departure_utc),
                target_pct=body.target_pct,
                floor_pct=body.floor_pct,
                at_once=body.charge_now,
                asked_us=asked_us,
                asked_by=caller.name,
            ),
        )
        task = f"set car: leaves {body.departure_utc}, {body.target_pct} %"
        append_record(connection, record_of(request, caller, who, task))
        outcome = outcome_document(found, at_once=body.charge_now)
        return {**car_document(connection, context.district, who, first), "outcome": outcome}

    return answer_once(request, body.model_dump(), unit)


def _first(context: ApiContext, connection: Connection) -> int:
    """The first slot whose plan is still to be made."""
    now_us = int(context.clock.now_s() * 1e6)
    return context.admission.first_open(now_us, last_claimed(connection))


def _outcome(context: ApiContext, connection: Connection, who: bytes, body: WishBody) -> Outcome:
    """What the wish would come to; raises ProblemError where there is no such stay."""
    car, first = own_car(connection, context.district, who), _first(context, connection)
    if car is None or str(car.car) != body.stay or car.departure_slot <= first:
        allowed = "the stay of the car that is connected"
        raise ProblemError(
            409, "NO_CAR", f"stay: found {body.stay}, allowed {allowed}", "stay", body.stay, allowed
        )
    departure = _instant(body.departure_utc)
    last = first + STAY_SLOTS_MAX * SLOT_S
    if departure % SLOT_S or not first < departure <= last:
        allowed = f"a quarter hour after {iso_of(first)}, at most {iso_of(last)}"
        raise _unacceptable("departure_utc", body.departure_utc, allowed)
    _require_levels(car, body)
    return outcome_of(context.district, car, first, departure, body.target_pct)


def _require_levels(car: OwnCar, body: WishBody) -> None:
    if body.target_pct < TARGET_PCT_MIN:
        raise _unacceptable("target_pct", str(body.target_pct), f"{TARGET_PCT_MIN} to 100")
    if body.floor_pct is None:
        return
    if not car.can_v2g:
        raise _unacceptable("floor_pct", str(body.floor_pct), "null: it cannot be discharged")
    if not FLOOR_PCT_MIN <= body.floor_pct <= body.target_pct:
        allowed = f"{FLOOR_PCT_MIN} to the target of {body.target_pct}"
        raise _unacceptable("floor_pct", str(body.floor_pct), allowed)


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except TimeGridError as error:
        raise _unacceptable("departure_utc", text, "a time such as 2026-07-15T22:30:00Z") from error


def _unacceptable(field: str, found: str, allowed: str) -> ProblemError:
    detail = f"{field}: found {found}, allowed {allowed}"
    return ProblemError(422, "MALFORMED", detail, field, found, allowed)


def _cannot_be_kept(body: WishBody, found: Outcome) -> ProblemError:
    allowed = f"{found.reach_pct} % by then, or leaving from {iso_of(found.earliest_slot)} on"
    detail = f"target_pct: found {body.target_pct} % at {body.departure_utc}, allowed {allowed}"
    return ProblemError(409, "CANNOT_BE_KEPT", detail, "target_pct", str(body.target_pct), allowed)


def _answer(document: Document) -> Response:
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")
