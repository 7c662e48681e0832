"""Assets out of use from a slot on, their return, and notes that are only ever added."""

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import OPERATE, STEERING, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found, parse_slot
from energy.api.doorman import record_of
from energy.api.fields import JsonBody
from energy.api.once import PARAMETER, REFUSED, answer_once
from energy.api.problems import ProblemError, answers
from energy.api.shapes.assets import (
    AssetHistory,
    AssetNote,
    AssetRetirement,
    AssetRetirements,
)
from energy.api.steering import first_unplanned
from energy.api.words import SlotText
from energy.steps.asset_views import asset_kinds
from energy.steps.retiring import RetiringError, require_retirable
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.holds import resting_between
from energy.store.retirements import (
    Note,
    Retirement,
    add_note,
    all_retirements,
    find_open,
    notes_of,
    retire_asset,
    retirements_of,
    return_asset,
)
from energy.store.steering import Act
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import SLOT_S, SLOTS_PER_DAY

SHOWN = 200
AHEAD_S_MAX = 366 * SLOTS_PER_DAY * SLOT_S
FOREVER = 2**53
"""Beyond every slot."""

router = APIRouter(tags=["assets"])
AssetId = Path(min_length=1, max_length=60, description="the id that `GET /v1/assets` gives")


class AssetOrder(JsonBody):
    """From when and why; without `from_utc` from the first slot on that is not planned yet."""

    from_utc: SlotText | None = None
    reason: str = Field(min_length=1, max_length=300, examples=["inverter is being replaced"])


class NoteText(JsonBody):
    """What is to be known of an asset."""

    text: str = Field(min_length=1, max_length=1000, examples=["serial number read, fan is loud"])


@router.get(
    "/v1/assets/retirements",
    summary="Which assets are, were or will be out of use",
    response_model=AssetRetirements,
    responses=answers(401, 403),
)
@may(STEERING)
def get_retirements(request: Request) -> Response:
    """The last ones, newest first, each with who ordered it and why."""
    context = context_of(request)

    def read(connection: Connection) -> Document:
        now_s = context.clock.now_s()
        rows = all_retirements(connection, SHOWN)
        return {
            "items": [retirement_document(one, now_s) for one in rows],
            "first_slot_utc": iso_of(first_unplanned(connection, context)),
        }

    return json_answer(request, context.store.read(read))


@router.get(
    "/v1/assets/{asset_id}",
    summary="An asset's history and notes",
    response_model=AssetHistory,
    responses=answers(401, 403, 404),
)
@may(STEERING)
def get_asset(request: Request, asset_id: str = AssetId) -> Response:
    """When it was out of use, who ordered it, what was written, and whether it may go out now."""
    context = context_of(request)
    kind, area = _known(context, asset_id)

    def read(connection: Connection) -> Document:
        now_s, first = context.clock.now_s(), first_unplanned(connection, context)
        why_not = _why_not(connection, context, asset_id, first)
        return {
            "id": asset_id,
            "kind": kind,
            "area": area,
            "may_retire": why_not is None,
            "why_not": why_not,
            "retirements": [
                retirement_document(one, now_s) for one in retirements_of(connection, asset_id)
            ],
            "notes": [note_document(one) for one in notes_of(connection, asset_id, SHOWN)],
        }

    return json_answer(request, context.store.read(read))


@router.post(
    "/v1/assets/{asset_id}/retire",
    summary="Take an asset out of use from a slot on",
    response_model=AssetRetirement,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def retire(request: Request, order: AssetOrder, asset_id: str = AssetId) -> Response:
    """Plan, forecast and set-points are without it from then on, until it returns; its meter goes
    on. Refused with `NEEDED` where nothing else does what it does.
    """
    context, caller = context_of(request), caller_of(request)
    _known(context, asset_id)

    def unit(connection: Connection) -> Document:
        slot = _slot_of(connection, context, order)
        known = find_open(connection, asset_id)
        if known is not None:
            told = _told(f"retired from {iso_of(known.from_slot)} on", "in use")
            raise ProblemError(409, "RETIRED", *told)
        _require_not_before_return(connection, asset_id, slot)
        try:
            require_retirable(context.district, asset_id, _out(connection, slot))
        except RetiringError as error:
            raise ProblemError(409, "NEEDED", str(error), "asset_id", asset_id) from error
        now_s = int(context.clock.now_s())
        made = retire_asset(connection, asset_id, slot, Act(caller.name, order.reason, now_s))
        task = f"retire {asset_id} from {iso_of(slot)}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", slot, {"retired": asset_id})
        return retirement_document(made, now_s)

    return answer_once(request, order.model_dump(), unit, 201)


@router.post(
    "/v1/assets/{asset_id}/return",
    summary="Let a retired asset be in use again from a slot on",
    response_model=AssetRetirement,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def let_return(request: Request, order: AssetOrder, asset_id: str = AssetId) -> Response:
    """The plan of that slot counts on it; before it was to go out of use, it never does."""
    context, caller = context_of(request), caller_of(request)
    _known(context, asset_id)

    def unit(connection: Connection) -> Document:
        slot = _slot_of(connection, context, order)
        if find_open(connection, asset_id) is None:
            told = _told("in use, or with its return ordered", "retired")
            raise ProblemError(409, "IN_USE", *told)
        now_s = int(context.clock.now_s())
        made = return_asset(connection, asset_id, slot, Act(caller.name, order.reason, now_s))
        task = f"return {asset_id} from {iso_of(slot)}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", slot, {"returned": asset_id})
        return retirement_document(made, now_s)

    return answer_once(request, order.model_dump(), unit)


@router.post(
    "/v1/assets/{asset_id}/notes",
    summary="Write a note about an asset",
    response_model=AssetNote,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def write_note(request: Request, note: NoteText, asset_id: str = AssetId) -> Response:
    """It is kept with name and time, and never changed or taken back; write another one."""
    context, caller = context_of(request), caller_of(request)
    _known(context, asset_id)

    def unit(connection: Connection) -> Document:
        by = (caller.name, int(context.clock.now_s()))
        made = add_note(connection, asset_id, note.text, by)
        task = f"note {made.id} about {asset_id}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", None, {"note": asset_id})
        return note_document(made)

    return answer_once(request, note.model_dump(), unit, 201)


def retirement_document(found: Retirement, now_s: float) -> Document:
    """A retirement for people and programs."""
    end = found.end_slot
    state = "running" if found.holds_in(int(now_s)) else "planned"
    if end is not None and (now_s >= end or end <= found.from_slot):
        state = "ended"
    return {
        "id": found.id,
        "asset": found.asset,
        "state": state,
        "from_utc": iso_of(found.from_slot),
        "until_utc": None if end is None else iso_of(end),
        "retired": _act_document(found.act),
        "returned": None if found.returned is None else _act_document(found.returned),
    }


def note_document(found: Note) -> Document:
    """A note for people and programs."""
    return {
        "id": found.id,
        "text": found.text,
        "by": found.actor,
        "at_utc": iso_of(found.written_utc),
    }


def _act_document(act: Act) -> Document:
    return {"by": act.actor, "reason": act.reason, "at_utc": iso_of(act.at_s)}


def _known(context: ApiContext, asset_id: str) -> tuple[str, str | None]:
    """Kind and area of an asset; ProblemError where the district has none of that name."""
    found = asset_kinds(context.district).get(asset_id)
    if found is None:
        raise not_found("asset_id", asset_id, "an id of GET /v1/assets")
    return found


def _out(connection: Connection, slot: int) -> set[str]:
    """The assets that are out of use or held in a slot or in some later one, as is ordered now."""
    return {one.asset for one in resting_between(connection, slot, FOREVER)}


def _why_not(connection: Connection, context: ApiContext, asset_id: str, slot: int) -> str | None:
    """Why an asset may not go out of use in a slot, None where it may or is out already."""
    try:
        require_retirable(context.district, asset_id, _out(connection, slot))
    except RetiringError as error:
        return str(error)
    return None


def _slot_of(connection: Connection, context: ApiContext, order: AssetOrder) -> int:
    """The slot that an order names; ProblemError for one that is planned already or too far."""
    first = first_unplanned(connection, context)
    if order.from_utc is None:
        return first
    slot = parse_slot(order.from_utc, "from_utc")
    allowed = f"{iso_of(first)} to {iso_of(first + AHEAD_S_MAX)}"
    detail = f"from_utc: found {iso_of(slot)}, allowed {allowed}"
    if slot < first:
        raise ProblemError(422, "TOO_EARLY", detail, "from_utc", iso_of(slot), allowed)
    if slot > first + AHEAD_S_MAX:
        raise ProblemError(422, "TOO_FAR", detail, "from_utc", iso_of(slot), allowed)
    return slot


def _require_not_before_return(connection: Connection, asset_id: str, slot: int) -> None:
    """An asset whose return is ordered for later goes out again from then on at the earliest."""
    ends = [one.end_slot or 0 for one in retirements_of(connection, asset_id)]
    if slot < max(ends, default=slot):
        allowed = f"{iso_of(max(ends))} or later, when it returns"
        detail = f"from_utc: found {iso_of(slot)}, allowed {allowed}"
        raise ProblemError(409, "RETIRED", detail, "from_utc", iso_of(slot), allowed)


def _told(found: str, allowed: str) -> tuple[str, str, str, str]:
    """Sentence, field, found and allowed of an asset that is something else than it must be."""
    detail = f"asset_id: found one that is {found}, allowed one that is {allowed}"
    return detail, "asset_id", found, f"one that is {allowed}"
