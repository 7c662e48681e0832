"""The market for those who look at it: the curves of an auction, and what it came to over time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import MEMBERS, caller_of, may
from energy.api.context import context_of
from energy.api.documents import (
    KNOWN,
    etag_of,
    is_known,
    json_answer,
    not_found,
    not_modified,
    parse_slot,
)
from energy.api.problems import ProblemError, answers
from energy.api.shapes.curves import Curves, VoidCurves
from energy.api.shapes.market import MarketHistory
from energy.api.words import SlotName
from energy.steps.curves import clearing_digest, curves_document, load_auction
from energy.steps.curves import told_to_members as told_curves
from energy.steps.market_views import told_to_members as told_auction
from energy.steps.trading import MONEY, PRIVATE
from energy.store.orders import clearings_between, last_clearing, load_clearing
from energy.store.views import Document, views_between
from energy.timegrid import iso_of, local_day_start
from energy.units import SLOT_S, SLOTS_PER_DAY

SLOTS_MAX = 7 * SLOTS_PER_DAY
BOUGHT, SOLD = ("contracts", "p2p", "tariff"), ("contracts", "p2p", "feed_in")

router = APIRouter(tags=["market"])


@router.get(
    "/v1/market/history",
    summary="Prices, volumes by model and savings, slot by slot",
    response_model=MarketHistory,
    responses={**KNOWN, **answers(404, 422)},
)
@may(MEMBERS)
def get_history(
    request: Request,
    first: SlotName | None = Query(None, alias="from", description="first slot; a day before `to`"),
    end: SlotName | None = Query(None, alias="to", description="end; after the newest auction"),
) -> Response:
    """Columns over the slots from `from` up to `to`, at most a week; `next` asks for the rest.

    Operators and auditors see what was settled as it stands, others as it was settled first.
    Where fewer than 15 customers make up a slot's sums, or one has more than 15 % of them, it is
    null for others, and in no total. What few paid for deviations, and what ran at tariff or
    feed-in where it would tell what `/v1/open/energy` withholds, is null, and so is its total.
    """
    context, caller = context_of(request), caller_of(request)
    newest = context.store.read(last_clearing)
    if newest is None:
        raise not_found("slot", "none", "a district with an auction")
    period = parse_period(first, end, newest)
    day = local_day_start(newest, context.district.time_zone)
    rows = context.store.read(lambda connection: _load(connection, period, day, newest))
    if not caller.sees_each:
        rows = told_to_members(rows)
    body = build_history(period, rows, day)
    return json_answer(request, body, etag_of("history", orjson.dumps(body).decode()))


@router.get(
    "/v1/market/{slot}/curves",
    summary="Demand and supply of an auction, and where they met",
    response_model=Curves | VoidCurves,
    responses={**KNOWN, **answers(404, 422)},
)
@may(MEMBERS)
def get_curves(request: Request, slot: SlotName) -> Response:
    """Both curves by price, price interval, margin and budget of the slot's auction.

    A slot whose orders were void has no curves and says why. An auction never changes.
    """
    context, start, caller = context_of(request), parse_slot(slot, "slot"), caller_of(request)
    digest, told = context.store.read(
        lambda connection: (clearing_digest(connection, start), load_clearing(connection, start))
    )
    if digest is None and told is None:
        raise not_found("slot", slot[:60], "a slot that is cleared")
    state = f"{start} {digest.hex() if digest else told}"
    etag = etag_of("curves", f"{state} {caller.sees_each}")
    if is_known(request, etag):
        return not_modified(etag)

    def build() -> Document:
        auction = context.store.read(lambda connection: load_auction(connection, start))
        if auction is None:
            return _void(start, told or {})
        reason = (told or {}).get("reason") or None
        return {**curves_document(auction, context.district.network.zones), "reason": reason}

    document = request.app.state.cache.get("curves", state, build)
    is_whole = caller.sees_each or document["district"] is None
    return json_answer(request, document if is_whole else told_curves(document), etag)


def _void(slot: int, told: Mapping[str, Any]) -> Document:
    """A slot without a market: its orders are void, its energy ran at tariff."""
    return {
        "slot_utc": iso_of(slot),
        "orders": told.get("orders", 0),
        "reason": told.get("reason") or None,
        "district": None,
        "zones": [],
    }


@dataclass(frozen=True)
class Period:
    """The slots that are answered, and where those begin that had no room."""

    first: int
    end: int
    wanted_end: int


def parse_period(first: str | None, end: str | None, newest: int) -> Period:
    """The period of a request; raises ProblemError where it ends before it has begun."""
    until = newest + SLOT_S if end is None else parse_slot(end, "to")
    since = until - SLOTS_PER_DAY * SLOT_S if first is None else parse_slot(first, "from")
    if since >= until:
        found, allowed = iso_of(until), f"a quarter hour after `from`, {iso_of(since)}"
        detail = f"to: found {found}, allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "to", found, allowed)
    return Period(since, min(until, since + SLOTS_MAX * SLOT_S), until)


@dataclass(frozen=True)
class HistoryRows:
    """What each slot published of its market, and what it came to once settled; by slot.

    What may not be told of a slot is null.
    """

    cleared: Mapping[int, Document]
    trading: Mapping[int, Document]


def told_to_members(rows: HistoryRows) -> HistoryRows:
    """The rows as slots were first settled, without what would tell of single households.

    Of slots that were settled before such a form was kept there are the prices alone.
    """
    told = {
        slot: one.get("to_members") or {**one, **dict.fromkeys(PRIVATE)}
        for slot, one in rows.trading.items()
    }
    cleared = {slot: told_auction(one) for slot, one in rows.cleared.items()}
    return HistoryRows(cleared, told)


def _load(connection: Connection, period: Period, day: int, newest: int) -> HistoryRows:
    cleared: dict[int, Document] = {}
    trading: dict[int, Document] = {}
    for first, end in ((period.first, period.end), (day, newest + SLOT_S)):
        cleared |= clearings_between(connection, first, end)
        trading |= views_between(connection, "trading", first, end)
    return HistoryRows(cleared, trading)


def build_history(period: Period, rows: HistoryRows, day: int) -> Document:
    """The document of `GET /v1/market/history`; what is not known is null."""
    slots = range(period.first, period.end, SLOT_S)

    def column(source: Mapping[int, Document], pick: Callable[[Document], Any]) -> list[Any]:
        return [pick(source[slot]) if slot in source else None for slot in slots]

    def named(source: Mapping[int, Document], name: str) -> list[Any]:
        return column(source, lambda one: one.get(name))

    def model(side: str, name: str) -> list[Any]:
        return column(trading, lambda one: one[side] and one[side][name])

    cleared, trading = rows.cleared, rows.trading
    more = f"/v1/market/history?from={iso_of(period.end)}&to={iso_of(period.wanted_end)}"
    day_slots = range(day, max([day, *cleared]) + SLOT_S, SLOT_S)
    return {
        "start_utc": iso_of(period.first),
        "step_s": SLOT_S,
        "slots": len(slots),
        "state": [_state(cleared.get(slot), trading.get(slot)) for slot in slots],
        "price_krw_per_kwh": named(cleared, "price_krw_per_kwh"),
        "price_low_krw_per_kwh": column(cleared, lambda one: _edge(one, min)),
        "price_high_krw_per_kwh": column(cleared, lambda one: _edge(one, max)),
        "volume_kwh": named(cleared, "volume_kwh"),
        "orders": named(cleared, "orders"),
        "welfare_krw": named(cleared, "welfare_krw"),
        "tariff_krw_per_kwh": named(trading, "tariff_krw_per_kwh"),
        "feed_in_krw_per_kwh": named(trading, "feed_in_krw_per_kwh"),
        "bought_kwh": {name: model("bought_kwh", name) for name in BOUGHT},
        "sold_kwh": {name: model("sold_kwh", name) for name in SOLD},
        **{name: named(trading, name) for name in MONEY},
        "traders": named(trading, "traders"),
        "worse_off": named(trading, "worse_off"),
        "totals": totals_of(rows, slots),
        "today": totals_of(rows, day_slots),
        "next": more if period.end < period.wanted_end else None,
    }


def _state(cleared: Document | None, trading: Document | None) -> str | None:
    """`void` without a market, `no_trade`, `cleared`, or `settled`; None for no such slot."""
    if cleared is None:
        return None
    if cleared.get("volume_kwh"):
        return "settled" if trading else "cleared"
    return "void" if cleared.get("reason") else "no_trade"


def _prices(cleared: Document) -> list[Decimal]:
    """The prices of zones with trade; the one of the slot where no zone is named."""
    named = [zone.get("price_krw_per_kwh") for zone in cleared.get("zones") or ()]
    known = [one for one in named if one is not None] or [cleared.get("price_krw_per_kwh")]
    return [Decimal(one) for one in known if one is not None]


def _edge(cleared: Document, pick: Callable[[list[Decimal]], Decimal]) -> str | None:
    prices = _prices(cleared)
    return str(pick(prices)) if prices else None


def totals_of(rows: HistoryRows, slots: range) -> Document:
    """Sums over slots: what was cleared in all of them, what was settled in those that are."""
    cleared = [rows.cleared[slot] for slot in slots if slot in rows.cleared]
    known = [rows.trading[slot] for slot in slots if slot in rows.trading]
    settled = [one for one in known if one["bought_kwh"] is not None]
    prices = [price for one in cleared for price in _prices(one)]
    return {
        "from_utc": iso_of(slots.start),
        "to_utc": iso_of(slots.stop),
        "auctions": len(cleared),
        "traded": sum(bool(one.get("volume_kwh")) for one in cleared),
        "settled": len(settled),
        "volume_kwh": round(sum(one.get("volume_kwh") or 0.0 for one in cleared), 3),
        "price_low_krw_per_kwh": str(min(prices)) if prices else None,
        "price_high_krw_per_kwh": str(max(prices)) if prices else None,
        "welfare_krw": _sum(cleared, "welfare_krw"),
        "bought_kwh": {name: _sum_kwh(settled, "bought_kwh", name) for name in BOUGHT},
        "sold_kwh": {name: _sum_kwh(settled, "sold_kwh", name) for name in SOLD},
        **{name: _sum_known(settled, name) for name in MONEY},
    }


def _sum_kwh(documents: list[Document], side: str, name: str) -> float | None:
    """A model's energy in all slots, None where it is not told of one of them."""
    found = [one[side][name] for one in documents]
    return None if None in found else round(sum(found), 3)


def _sum_known(documents: list[Document], name: str) -> str | None:
    """An amount in all slots, None where it is not told of one of them."""
    return None if None in [one[name] for one in documents] else _sum(documents, name)


def _sum(documents: list[Document], name: str) -> str:
    total = sum((Decimal(one.get(name) or 0) for one in documents), Decimal(0))
    text = f"{total:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
