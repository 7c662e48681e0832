"""Market rules from a date, over HTTP: one person proposes, a second confirms, anybody may look."""

from collections.abc import Callable
from dataclasses import replace

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from energy.api.callers import MEMBERS, OPERATE, STEERING, Caller, caller_of, may, no_person
from energy.api.context import ApiContext, context_of
from energy.api.documents import json_answer, not_found, parse_slot
from energy.api.doorman import record_of
from energy.api.fields import JsonBody
from energy.api.once import ID_MAX, PARAMETER, REFUSED, answer_once
from energy.api.problems import ProblemError, answering, answers
from energy.api.shapes.office import Proposals, ProposalState, RulesBook
from energy.api.words import SlotText
from energy.district import District
from energy.steps.own_rules import month_wanted, whole_rules
from energy.steps.rules_views import (
    COUNTS,
    PRICES,
    proposal_document,
    proposals_document,
    rules_document,
)
from energy.store.audit import append_record
from energy.store.events import add_event
from energy.store.market_rules import (
    Proposal,
    Sayso,
    confirm_rules,
    earliest_change,
    find_proposal,
    load_rule_book,
    propose_rules,
    withdraw_rules,
)
from energy.store.slots import last_claimed
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import SLOT_S, mkrw_from_krw_text
from market.errors import MarketError
from market.rules import MONTHLY, MarketRules

router = APIRouter(tags=["market rules"])


class RulesChange(JsonBody):
    """What is to be different from a slot on; what is left out stays as it is. Prices in won."""

    from_slot_utc: SlotText
    price_floor_krw_per_kwh: str | None = Field(None, max_length=20, examples=["0"])
    price_cap_krw_per_kwh: str | None = Field(None, max_length=20, examples=["900"])
    price_tick_krw_per_kwh: str | None = Field(None, max_length=20, examples=["0.1"])
    maker_spread_krw_per_kwh: str | None = Field(None, max_length=20, examples=["1"])
    maker_steps: int | None = Field(None, examples=[4])
    orders_max: int | None = Field(None, examples=[20])
    network_fee_krw_per_kwh: str | None = Field(None, max_length=20, examples=["5"])
    local_fee_krw_per_kwh: str | None = Field(None, max_length=20, examples=["1.5"])
    premium_max_krw_per_kwh: str | None = Field(None, max_length=20, examples=["50"])
    guarantee_kept_ppm: int | None = Field(None, examples=[600_000])
    guarantee_most_krw: int | None = Field(None, examples=[5_000])
    points_issue_ppm: int | None = Field(None, examples=[20_000])
    points_pay_ppm: int | None = Field(None, examples=[300_000])
    rent_to_accounts: int | None = Field(None, examples=[1])
    note: str = Field(min_length=1, max_length=300, description="why, for the second person")


@router.get(
    "/v1/rules",
    summary="The market's rules by slot",
    response_model=RulesBook,
    responses=answers(401, 403),
)
@may(MEMBERS)
def get_rules(request: Request) -> Response:
    """Every version, the newest first, with the first slot that it holds in, and which holds now.

    An order names the version that holds in its slot; any other is refused with `STALE_RULES`.
    """
    context = context_of(request)
    now_s, district = context.clock.now_s(), context.district
    found = context.store.read(lambda connection: rules_document(connection, district, now_s))
    return json_answer(request, found)


@router.get(
    "/v1/rules/proposals",
    summary="Proposed changes of the rules",
    response_model=Proposals,
    responses=answers(401, 403),
)
@may(STEERING)
def get_proposals(request: Request) -> Response:
    """Old and new of each, from which slot, who proposed, confirmed or withdrew it and when.

    `earliest_slot_utc` is the first slot that a change may hold from.
    """
    context = context_of(request)
    found = context.store.read(
        lambda connection: proposals_document(
            connection, context.district, sayso(connection, context, "")
        )
    )
    return json_answer(request, found)


@router.post(
    "/v1/rules/proposals",
    summary="Propose rules from a slot on",
    response_model=ProposalState,
    status_code=201,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def propose(request: Request, change: RulesChange) -> Response:
    """Nothing changes until another person confirms; a slot at least a day ahead for which nobody
    can order yet.
    """
    context, caller = context_of(request), require_person(request)
    from_slot = parse_slot(change.from_slot_utc, "from_slot_utc")

    def unit(connection: Connection) -> Document:
        rules = changed_rules(load_rule_book(connection).last, change, context.district, from_slot)
        by = sayso(connection, context, caller.name)
        with answering(409, "RULES", "from_slot_utc", change.from_slot_utc):
            found = propose_rules(connection, rules, from_slot, change.note, by)
        return _told(connection, request, found, "propose")

    return answer_once(request, change.model_dump(), unit, 201)


@router.post(
    "/v1/rules/proposals/{proposal_id}/confirm",
    summary="Confirm another person's proposal",
    response_model=ProposalState,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def confirm(request: Request, proposal_id: int = Path(ge=1, le=ID_MAX)) -> Response:
    """The rules hold from their slot on; those of earlier slots stay. Never by who proposed it."""
    return _end(request, proposal_id, "confirm", confirm_rules)


@router.post(
    "/v1/rules/proposals/{proposal_id}/withdraw",
    summary="Withdraw a proposal that nobody has confirmed",
    response_model=ProposalState,
    responses=REFUSED,
    openapi_extra=PARAMETER,
)
@may(OPERATE)
def withdraw(request: Request, proposal_id: int = Path(ge=1, le=ID_MAX)) -> Response:
    """By whoever runs the district; it is kept with the name."""
    return _end(request, proposal_id, "withdraw", withdraw_rules)


End = Callable[[Connection, int, Sayso], Proposal]


def _end(request: Request, proposal_id: int, verb: str, end: End) -> Response:
    context = context_of(request)

    def unit(connection: Connection) -> Document:
        if find_proposal(connection, proposal_id) is None:
            raise not_found("proposal_id", str(proposal_id), "the number of a proposal")
        caller = require_person(request)
        with answering(409, "RULES", "proposal_id", str(proposal_id)):
            found = end(connection, proposal_id, sayso(connection, context, caller.name))
        return _told(connection, request, found, verb)

    return answer_once(request, {}, unit)


def _told(connection: Connection, request: Request, found: Proposal, verb: str) -> Document:
    """The proposal as it stands now, told to the audit log and to those who listen."""
    task = f"{verb} rules version {found.rules.version} of proposal {found.no}"
    append_record(connection, record_of(request, caller_of(request), "district", task))
    add_event(connection, "rules", None, {"proposal": str(found.no), "state": found.state})
    return proposal_document(connection, context_of(request).district, found)


def require_person(request: Request) -> Caller:
    """The caller, who must be a person that has signed in: two tokens may be one person's."""
    caller = caller_of(request)
    if caller.session is None:
        raise no_person(caller)
    return caller


def sayso(connection: Connection, context: ApiContext, who: str) -> Sayso:
    """Who speaks, when, and from which slot on rules may change."""
    now_s, admission = context.clock.now_s(), context.admission
    first = admission.first_open(int(now_s * 1_000_000), last_claimed(connection))
    end_slot = first + admission.horizon_slots * SLOT_S
    return Sayso(who, int(now_s), earliest_change(int(now_s), end_slot))


def changed_rules(
    last: MarketRules, change: RulesChange, district: District, from_slot: int
) -> MarketRules:
    """The next version of the rules; raises ProblemError for values that are none, and for what
    holds by the month alone where the slot is not the first of one.
    """
    values = {
        own: mkrw_of(field, text)
        for field, own in PRICES.items()
        if (text := getattr(change, field)) is not None
    }
    counts = {name: getattr(change, name) for name in COUNTS}
    values |= {name: count for name, count in counts.items() if count is not None}
    whole = whole_rules(last, district, from_slot)
    values = {name: value for name, value in values.items() if getattr(whole, name) != value}
    if not values:
        allowed = "at least one value that differs from the last version"
        raise ProblemError(422, "MALFORMED", f"rules: allowed {allowed}", "rules", None, allowed)
    try:
        rules = replace(last, version=last.version + 1, **values)
    except MarketError as error:
        raise ProblemError(422, "MALFORMED", str(error), "rules") from error
    _require_month(set(values), district, from_slot)
    for field in ("price_floor_krw_per_kwh", "price_cap_krw_per_kwh"):
        if getattr(rules, PRICES[field]) % rules.tick_mkrw_per_kwh:
            allowed = "a multiple of price_tick_krw_per_kwh"
            raise ProblemError(422, "MALFORMED", f"{field}: allowed {allowed}", field)
    return rules


def _require_month(changed: set[str], district: District, from_slot: int) -> None:
    wanted = month_wanted(changed, from_slot, district.time_zone)
    if wanted is not None:
        names = ", ".join(sorted(changed & set(MONTHLY)))
        allowed = f"the first slot of a local month, next {iso_of(wanted)}, for {names}"
        found = iso_of(from_slot)
        detail = f"from_slot_utc: found {found}, allowed {allowed}"
        raise ProblemError(409, "RULES", detail, "from_slot_utc", found, allowed)


def mkrw_of(field: str, text: str) -> int:
    """Whole milli-won of a decimal text of won; raises ProblemError."""
    try:
        return mkrw_from_krw_text(text)
    except ValueError as error:
        detail, allowed = f"{field}: found {text!r}, {error}", str(error).removeprefix("allowed ")
        raise ProblemError(422, "MALFORMED", detail, field, text, allowed) from error
