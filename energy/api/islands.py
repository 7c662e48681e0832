"""The district alone: plan an island, report one that has happened, reconnect; plan anew now."""

import threading
from typing import Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, OPERATE, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found
from energy.api.doorman import record_of, slot_now
from energy.api.fields import JsonBody
from energy.api.once import ID_MAX, PARAMETER, REFUSED, answer_once
from energy.api.problems import ProblemError, answers
from energy.api.shapes.steering import Islands, IslandState, Preview, Replans, ReplanState
from energy.api.steering import CancelOrder, first_unplanned, window_of
from energy.api.words import SlotText
from energy.steps.islanding import with_islands
from energy.steps.previews import DEADLINE_S, newest_problem, preview
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.islands import (
    Island,
    add_island,
    end_island,
    find_island,
    islands_between,
    recent_islands,
)
from energy.store.replans import (
    Answer,
    Replan,
    add_replan,
    answers_to,
    recent_replans,
    taken_now,
)
from energy.store.steering import Act
from energy.store.views import Document
from energy.timegrid import iso_of
from optimizer import Planner, PlannerSettings, PlanProblem

SHOWN = 100

router = APIRouter(tags=["steering"])
_previewing = threading.Lock()  # each takes a process of its own, and seconds


class IslandWish(JsonBody):
    """From when until when the district shall stand alone, or that it does.

    `planned` has an end, and begins with the first slot that is not planned yet where no `from_utc`
    is given. `unplanned` says that the connection is open now; it has no times of its own.
    """

    kind: Literal["planned", "unplanned"]
    from_utc: SlotText | None = None
    until_utc: SlotText | None = None


class IslandOrder(IslandWish):
    """An island that is ordered or reported, and why."""

    reason: str = Field(min_length=1, max_length=300, examples=["works at the substation"])


class ReplanOrder(JsonBody):
    """Why what has set-points already shall be planned once more."""

    reason: str = Field(min_length=1, max_length=300, examples=["a fuel cell has tripped"])


@router.get(
    "/v1/steering/islands",
    summary="When the district stands alone",
    response_model=Islands,
    responses=answers(401, 403),
)
@may(DISTRICT)
def get_islands(request: Request) -> Response:
    """The last islands, newest first, each with who ordered it, why, until when, how it ended."""
    context = context_of(request)
    found = context.store.read(lambda connection: recent_islands(connection, SHOWN))
    now_s = context.clock.now_s()
    return json_answer(request, {"items": [island_document(one, now_s) for one in found]})


@router.post(
    "/v1/steering/islands",
    summary="Let the district stand alone, or say that it does",
    response_model=IslandState,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def order_island(request: Request, order: IslandOrder) -> Response:
    """Plan and market pass nothing through the connection; of one that is open now the slots that
    have set-points already are planned anew within a minute.
    """
    context, caller = context_of(request), caller_of(request)

    def unit(connection: Connection) -> Document:
        window, now_s = _window(connection, context, order), int(context.clock.now_s())
        _require_apart(connection, *window)
        act = Act(caller.name, order.reason, now_s)
        made = add_island(connection, *window, act)
        if not made.is_planned:
            add_replan(connection, made.from_slot, act, taken_now())
        until = "reconnection" if made.until_slot is None else iso_of(made.until_slot)
        task = f"{order.kind} island from {iso_of(made.from_slot)} until {until}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", made.from_slot, {"island": made.id})
        return island_document(made, now_s)

    return answer_once(request, order.model_dump(), unit, 201)


@router.post(
    "/v1/steering/islands/preview",
    summary="What an island would cost and who would not be served",
    response_model=Preview,
    responses=answers(401, 403, 409, 413, 422, 503),
)
@may(OPERATE)
def preview_island(request: Request, order: IslandWish) -> Response:
    """The newest plan's problem solved with the island and without it; nothing is changed."""
    context = context_of(request)
    first, until = context.store.read(lambda connection: _window(connection, context, order))
    act = Act("", "", int(context.clock.now_s()))
    wanted = Island(0, until is not None, first, until, act, until)
    problem = problem_of(context)
    changed = with_islands(context.district, [wanted], problem)
    return json_answer(request, previewed(context, problem, changed))


@router.post(
    "/v1/steering/islands/{island_id}/reconnect",
    summary="Close the connection again, or call a planned island off",
    response_model=IslandState,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def reconnect(
    request: Request, order: CancelOrder, island_id: int = Path(ge=1, le=ID_MAX)
) -> Response:
    """From the first slot on that is not planned yet; what is planned already stays an island."""
    context, caller = context_of(request), caller_of(request)

    def unit(connection: Connection) -> Document:
        found = find_island(connection, island_id)
        if found is None:
            raise not_found("island_id", str(island_id), "the number of an island")
        now_s, slot = int(context.clock.now_s()), first_unplanned(connection, context)
        if found.ended is not None or (found.end_slot is not None and slot >= found.end_slot):
            told = f"one that ended at {iso_of(found.end_slot or slot)}"
            detail = f"island_id: found {told}, allowed one that still holds"
            raise ProblemError(409, "ENDED", detail, "island_id", told, "one that still holds")
        end_island(connection, found, slot, Act(caller.name, order.reason, now_s))
        task = f"reconnect island {island_id} from {iso_of(slot)}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", slot, {"reconnected": island_id})
        after = find_island(connection, island_id)
        assert after is not None
        return island_document(after, now_s)

    return answer_once(request, order.model_dump(), unit)


@router.post(
    "/v1/steering/replans",
    summary="Plan once more what has set-points already",
    response_model=ReplanState,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def order_replan(request: Request, order: ReplanOrder) -> Response:
    """The running slot and those after it that are planned get new set-points within a minute,
    under all that operators have ordered by then; trades stay as they were cleared.
    """
    context, caller = context_of(request), caller_of(request)

    def unit(connection: Connection) -> Document:
        act = Act(caller.name, order.reason, int(context.clock.now_s()))
        made = add_replan(connection, slot_now(context), act, taken_now())
        task = f"plan anew from {iso_of(made.slot)}: {order.reason}"
        append_record(connection, record_of(request, caller, "district", task))
        add_event(connection, "steering", made.slot, {"replan": made.id})
        return replan_document(made, [])

    return answer_once(request, order.model_dump(), unit, 201)


@router.get(
    "/v1/steering/replans",
    summary="What was planned once more, and how fast",
    response_model=Replans,
    responses=answers(401, 403),
)
@may(DISTRICT)
def get_replans(request: Request) -> Response:
    """The last orders to plan anew, newest first, each with what devices were told and when."""

    def unit(connection: Connection) -> list[Document]:
        found = recent_replans(connection, SHOWN)
        told = answers_to(connection, [one.id for one in found])
        return [
            replan_document(one, [each for each in told if each.replan == one.id]) for one in found
        ]

    return json_answer(request, {"items": context_of(request).store.read(unit)})


def problem_of(context: ApiContext) -> PlanProblem:
    """The newest plan's problem; ProblemError while nothing is planned."""
    found = context.store.read(newest_problem)
    if found is None:
        allowed = "a plan that the order can be compared with"
        raise ProblemError(409, "NO_PLAN", f"preview: found no plan, allowed {allowed}",
                           "preview", "no plan", allowed)  # fmt: skip
    return found


def previewed(context: ApiContext, problem: PlanProblem, changed: PlanProblem) -> Document:
    """Both plans side by side; ProblemError while another preview is at work."""
    if not _previewing.acquire(blocking=False):
        detail = "preview: another one is at work, allowed is one at a time"
        raise ProblemError(503, "BUSY", detail, "preview", headers={"Retry-After": "10"})
    try:
        terms = PlannerSettings(deadline_s=DEADLINE_S, gap_frac=context.settings.plan_gap_frac)
        with Planner(terms) as planner:
            return preview(planner, context.district, problem, changed)
    finally:
        _previewing.release()


def island_document(found: Island, now_s: float) -> Document:
    """An island for people and programs."""
    end, ended = found.end_slot, found.ended
    state = "running" if found.holds_in(int(now_s)) else "planned"
    if end is not None and (now_s >= end or end <= found.from_slot):
        state = "ended"
    return {
        "id": found.id,
        "kind": "planned" if found.is_planned else "unplanned",
        "state": state,
        "from_utc": iso_of(found.from_slot),
        "until_utc": None if end is None else iso_of(end),
        "ordered_until_utc": None if found.until_slot is None else iso_of(found.until_slot),
        "by": found.act.actor,
        "reason": found.act.reason,
        "ordered_utc": iso_of(found.act.at_s),
        "ended": None
        if ended is None
        else {"by": ended.actor, "reason": ended.reason, "at_utc": iso_of(ended.at_s)},
    }


def replan_document(found: Replan, told: list[Answer]) -> Document:
    """An order to plan anew, and what came of it slot by slot."""
    return {
        "id": found.id,
        "slot_utc": iso_of(found.slot),
        "by": found.act.actor,
        "reason": found.act.reason,
        "ordered_utc": iso_of(found.act.at_s),
        "answers": [
            {
                "slot_utc": iso_of(one.slot),
                "tier": one.tier,
                "reason": one.reason,
                "answered_utc": iso_of(one.answered_utc),
                "after_s": None if one.after_s is None else round(one.after_s, 3),
            }
            for one in told
        ],
    }


def _window(
    connection: Connection, context: ApiContext, order: IslandWish
) -> tuple[int, int | None]:
    """First slot and end of an island; ProblemError where they do not fit its kind."""
    if order.kind == "planned" and order.until_utc is not None:
        return window_of(connection, context, order.from_utc, order.until_utc)
    if order.kind == "unplanned" and order.from_utc is None and order.until_utc is None:
        return slot_now(context), None
    allowed = "an end where it is planned, no times where it has happened"
    found = f"{order.kind} from {order.from_utc} until {order.until_utc}"
    detail = f"until_utc: found {found}, allowed {allowed}"
    raise ProblemError(422, "MALFORMED", detail, "until_utc", found, allowed)


def _require_apart(connection: Connection, from_slot: int, until_slot: int | None) -> None:
    """ProblemError where an island holds already in some of the slots.

    Of one that has happened only its first slot counts: it goes before what was only planned.
    """
    end = from_slot + 1 if until_slot is None else until_slot
    held = islands_between(connection, from_slot, end)
    if held:
        found = f"island {held[0].id} from {iso_of(held[0].from_slot)}"
        allowed = "slots in which the connection is closed"
        detail = f"from_utc: found {found}, allowed {allowed}"
        raise ProblemError(409, "ISLAND", detail, "from_utc", found, allowed)
