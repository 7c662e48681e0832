"""What an account may read of itself: home, orders, trades, events, statements and their proofs.

Households reach their own account alone; auditors and operators name one. Every answer
is a reading of a household's data and stands in the audit log.
"""

import re
from typing import Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import HOUSEHOLD, MEMBERS, caller_of, may
from energy.api.cars import own_account
from energy.api.context import ApiContext, context_of
from energy.api.documents import not_found
from energy.api.doorman import note_access
from energy.api.dr import scene_of
from energy.api.orders import accepted_json, terms_json
from energy.api.own_trades import amount_ukrw
from energy.api.problems import ProblemError, answering, answers
from energy.api.proofs import PROOF_TYPE, LogCache
from energy.api.shapes.books import InclusionProof, OrderPage
from energy.api.shapes.forecasts import OwnForecast
from energy.api.shapes.home import BilledMonths, Counted, Home, Instructions, OwnEvents, Statement
from energy.api.words import NAMED, MonthText
from energy.steps.automatic_views import Moment, instructions_document
from energy.steps.homes import own_forecast
from energy.steps.market_so_far import MarketSoFar
from energy.steps.own_events import own_events
from energy.steps.own_views import (
    billed_months,
    day_block,
    home_block,
    marginal_block,
    sums_block,
)
from energy.steps.statements import statement_document
from energy.store.admission import order_answer
from energy.store.forecasts import has_issue
from energy.store.own_orders import OwnOrder, list_own_orders
from energy.store.slots import last_claimed
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import krw_text_from_ukrw

PAGE_MAX = 200
CURSOR = re.compile(r"(\d{1,12})-(0x[0-9a-f]{64})")
MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
BEFORE = Query(
    None,
    description="the `next` of the page before",
    json_schema_extra={"pattern": f"^{CURSOR.pattern}$"},
)

router = APIRouter(tags=["my home"])


@router.get(
    "/v1/me/home",
    summary="My home, today and this month",
    response_model=Home,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_home(request: Request, account: str | None = NAMED) -> Response:
    """What the meter counted, what was traded and what it brought over KEPCO, settled slots only.

    `sums` are null before the first slot is settled, and its parts while they are added up.
    """
    context, who = context_of(request), _subject(request, account, "read home")
    now_s = context.clock.now_s()
    sums = _market_so_far(request, context).of(who)

    def build(connection: Connection) -> Document:
        first = context.admission.first_open(int(now_s * 1e6), last_claimed(connection))
        home = home_block(
            connection, context.district, context.admission.traders.get(who), who, first
        )
        return {
            **home,
            "has_forecast": home["meter"] is not None and has_issue(connection),
            "now_utc": iso_of(now_s),
            "time_zone": context.district.time_zone,
            "marginal": marginal_block(connection, context.district, who, first),
            "day": day_block(connection, context.district, who),
            "sums": sums_block(sums),
        }

    return _private(context.store.read(build))


@router.get(
    "/v1/me/home/counted",
    summary="How far the sums are added up",
    response_model=Counted,
    responses=answers(401),
)
@may(MEMBERS)
def get_counted(request: Request) -> Response:
    """Settled quarter hours of the month that are added up, of how many: after a restart the sums
    of `/v1/me/home` are null until both are the same. Nobody's data, so nothing is written down.
    """
    found = _market_so_far(request, context_of(request)).progress()
    done, total = (0, 0) if found is None else found
    return _private({"done": done, "all": total})


@router.get(
    "/v1/me/orders",
    summary="My orders, newest slot first",
    response_model=OrderPage,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_orders(
    request: Request,
    account: str | None = NAMED,
    before: str | None = BEFORE,
    limit: int = Query(50, ge=1, le=PAGE_MAX),
) -> Response:
    """Each with its terms, status, receipt and what it got; `next` is null on the last page."""
    return _page_of_orders(request, account, before, limit, only_filled=False)


@router.get(
    "/v1/me/trades", summary="What I traded", response_model=OrderPage, responses=answers(404, 422)
)
@may(HOUSEHOLD)
def get_trades(
    request: Request,
    account: str | None = NAMED,
    before: str | None = BEFORE,
    limit: int = Query(50, ge=1, le=PAGE_MAX),
) -> Response:
    """Orders that got something, newest slot first, with the amount, the label's price in it."""
    return _page_of_orders(request, account, before, limit, only_filled=True)


def _page_of_orders(
    request: Request, account: str | None, before: str | None, limit: int, *, only_filled: bool
) -> Response:
    task = "read trades" if only_filled else "read orders"
    context, cursor = context_of(request), _cursor(before)
    who = _subject(request, account, task)
    rows = context.store.read(
        lambda connection: list_own_orders(
            connection, who, before=cursor, limit=limit + 1, only_filled=only_filled
        )
    )
    shown, more = rows[:limit], len(rows) > limit
    last = shown[-1].order if more else None
    return _private(
        {
            "items": [own_order_json(context, one) for one in shown],
            "next": None if last is None else f"{last.slot}-0x{last.id.hex()}",
        }
    )


def own_order_json(context: ApiContext, one: OwnOrder) -> Document:
    """An order of one's own with its terms, receipt, what it got and what that cost."""
    amount = amount_ukrw(one)
    return {
        **accepted_json(context, order_answer(one.order)),
        **terms_json(one),
        "amount_krw": None if amount is None else krw_text_from_ukrw(amount),
        "gate_utc": iso_of(one.order.slot - context.admission.gate_lead_s),
    }


@router.get(
    "/v1/me/instructions",
    summary="My automatic trading",
    response_model=Instructions,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_instructions(request: Request, account: str | None = NAMED) -> Response:
    """What was signed, newest first; what today has come to and what its caps leave; the last slot.

    `last.why` says what became of it there: `ORDERED`, or why no order was made.
    """
    context, who = context_of(request), _subject(request, account, "read instructions")
    now_us = int(context.clock.now_s() * 1e6)

    def build(connection: Connection) -> Document:
        first = context.admission.first_open(now_us, last_claimed(connection))
        at = Moment(first, context.district.time_zone)
        return instructions_document(connection, who, at)

    return _private(context.store.read(build))


@router.get(
    "/v1/me/dr",
    summary="DR events and my answers",
    response_model=OwnEvents,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_own_events(request: Request, account: str | None = NAMED) -> Response:
    """Newest first, with one's own baseline, answer and result; `is_open` may be answered now."""
    context, who = context_of(request), _subject(request, account, "read events")
    scene = scene_of(context)
    found = context.store.read(lambda connection: own_events(connection, scene, who))
    return _private({"items": found})


@router.get(
    "/v1/me/forecast",
    summary="My use and my roof to come",
    response_model=OwnForecast,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_own_forecast(request: Request, account: str | None = NAMED) -> Response:
    """Seven quantiles of the home's use and of its roof's sun, kW, by quarter hour; a tier each.

    From what its meter has told of itself by then, its class, and the district's newest forecast.
    """
    context, who = context_of(request), _subject(request, account, "read forecast")
    found = context.store.read(lambda connection: own_forecast(connection, context.district, who))
    if found is None:
        raise not_found("account", f"0x{who.hex()}", "a customer of a district with a forecast")
    return _private(found)


@router.get(
    "/v1/me/statements",
    summary="My billed months",
    response_model=BilledMonths,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_months(request: Request, account: str | None = NAMED) -> Response:
    """The months of which there is a signed bill, newest first."""
    context, who = context_of(request), _subject(request, account, "read billed months")
    found = context.store.read(lambda connection: billed_months(connection, who))
    return _private({"items": found})


@router.get(
    "/v1/me/statements/{month}",
    summary="My statement",
    response_model=Statement,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_statement(request: Request, month: MonthText, account: str | None = NAMED) -> Response:
    """The bill of a month with every line explained; above 0 is paid, below 0 received."""
    number = _month(month)
    context, who = context_of(request), _subject(request, account, f"read statement {month}")
    return _private(_statement(context, who, number, month))


@router.get(
    "/v1/me/statements/{month}/proof",
    summary="That my bill is in the books",
    response_model=InclusionProof,
    responses={200: {"description": "a proof bundle for /verify"}, **answers(404, 409, 422)},
)
@may(HOUSEHOLD)
def get_bill_proof(request: Request, month: MonthText, account: str | None = NAMED) -> Response:
    """The signed bill, its path to a signed checkpoint and the keys that signed."""
    number = _month(month)
    context, who = context_of(request), _subject(request, account, f"read proof of bill {month}")
    statement = _statement(context, who, number, month)
    bill = bytes.fromhex(statement["months"][-1]["proof"]["bill"][2:])
    cache: LogCache = request.app.state.log_cache
    with answering(409, "NOT_SEALED", "month", month):
        bundle = context.store.read(lambda connection: cache.bundle(connection, bill))
    return Response(bundle, 200, {"Cache-Control": "no-store"}, PROOF_TYPE)


def _statement(context: ApiContext, who: bytes, number: int, month: str) -> Document:
    with answering(404, "NOT_FOUND", "month", month):
        return context.store.read(
            lambda connection: statement_document(connection, who, last=number)
        )


def _subject(request: Request, account: str | None, task: str) -> bytes:
    """Whose data are asked for, written down; raises ProblemError for another's and for none."""
    who = own_account(request, account)
    note_access(request, caller_of(request), who, task)
    return who


def _market_so_far(request: Request, context: ApiContext) -> MarketSoFar:
    state = request.app.state
    if not hasattr(state, "market_so_far"):
        state.market_so_far = MarketSoFar(context.store, context.district)
    found: MarketSoFar = state.market_so_far
    return found


def _cursor(text: str | None) -> tuple[int, bytes] | None:
    if text is None:
        return None
    found = CURSOR.fullmatch(text)
    if found is None:
        allowed = "the `next` of a page"
        raise ProblemError(
            422, "MALFORMED", f"before: found {text[:90]!r}, allowed {allowed}", "before",
            text[:90], allowed,
        )  # fmt: skip
    return int(found[1]), bytes.fromhex(found[2][2:])


def _month(text: str) -> int:
    found = MONTH.fullmatch(text)
    if found is None:
        allowed = "a month such as 2026-07"
        raise ProblemError(
            422, "MALFORMED", f"month: found {text[:20]!r}, allowed {allowed}", "month",
            text[:20], allowed,
        )  # fmt: skip
    return int(found[1]) * 100 + int(found[2])


def _private(document: Any) -> Response:  # noqa: ANN401 - any document
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")
