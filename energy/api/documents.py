"""Documents to read: overview, prices, plan, forecasts, auctions, slots, alarms, books."""

import gzip
import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, MEMBERS, PUBLIC, STEERING, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.overview import (
    alarm_block,
    build_overview,
    clock_block,
    cycle_block,
    load_overview,
    overview_state,
)
from energy.api.problems import ProblemError, answers
from energy.api.shapes.books import Checkpoint
from energy.api.shapes.market import Auction, AuctionOfBooks, Prices
from energy.api.shapes.overview import Alarms, Overview, SlotLedger
from energy.api.shapes.plan import Measured, PlanDocument, SlotPage
from energy.api.words import SlotName
from energy.steps.market_views import told_to_members
from energy.steps.public import DistrictTime, prices_document
from energy.steps.upkeep import kept_days
from energy.store.alarms import open_alarms
from energy.store.checkpoints import find_checkpoint
from energy.store.orders import load_clearing
from energy.store.retention import kept_from
from energy.store.slots import SlotRow, last_claimed, list_slots
from energy.store.views import Document, find_view, last_view_slot
from energy.timegrid import TimeGridError, iso_of, parse_instant, require_slot
from energy.units import SLOT_S
from market.entries import SLOTS_END

COMPRESSED_FROM_BYTES = 2_000
PAGE_MAX = 500
_TIME = re.compile(r"\d{1,12}|\d{4}-\d\d-\d\d[T ][0-9:.+-]{4,20}Z?", re.ASCII)

KNOWN: dict[int | str, dict[str, Any]] = {
    304: {"description": "the reader has this version already"}
}
"""What a route that sends an ETag may answer besides."""

router = APIRouter(tags=["documents"])


@router.get(
    "/v1/overview",
    summary="How the district is, now and for the next 24 hours",
    response_model=Overview,
    responses={**KNOWN, **answers(503)},
)
@may(DISTRICT)
def get_overview(request: Request) -> Response:
    """One document with all blocks of the overview; a block that is not known yet is null."""
    context = context_of(request)
    state = context.store.read(overview_state)
    clock = clock_block(context, context.clock.now_s())
    etag = etag_of(state, clock["slot_utc"], clock["gate_utc"])
    if is_known(request, etag):
        return not_modified(etag)
    rows = request.app.state.cache.get("overview", state, lambda: context.store.read(load_overview))
    return json_answer(request, build_overview(context, rows), etag)


@router.get(
    "/v1/prices", summary="What a bidder may know: rules, open slots, prices", response_model=Prices
)
@may(PUBLIC)
def get_prices(request: Request) -> Response:
    """Domain and rules of the market, the slots that are open, tariffs and last prices."""
    context = context_of(request)
    now_s = context.clock.now_s()
    time = DistrictTime(now_s, context.clock.slot_seconds_real)

    def build(connection: Connection) -> Document:
        return prices_document(connection, context.district, context.admission, time)

    def state_of(connection: Connection) -> str:
        first = context.admission.first_open(int(now_s * 1_000_000), last_claimed(connection))
        newest = context.admission.rules(connection).last.version
        return f"{first} {newest} {overview_state(connection)}"

    state = context.store.read(state_of)
    document = request.app.state.cache.get("prices", state, lambda: context.store.read(build))
    clock = {**document["clock"], "now_utc": iso_of(int(now_s))}
    return json_answer(request, {**document, "clock": clock})


@router.get(
    "/v1/plan",
    summary="The published plan",
    response_model=PlanDocument,
    responses={**KNOWN, **answers(404, 422)},
)
@may(STEERING)
def get_plan(request: Request, slot: SlotName | None = None) -> Response:
    """Plan of the newest slot, or of `slot`: set-points, certificate, reasons, grid state."""
    return view_answer(request, "plan", slot)


@router.get(
    "/v1/measured",
    summary="What a slot's meters say",
    response_model=Measured,
    responses={**KNOWN, **answers(404, 422)},
)
@may(DISTRICT)
def get_measured(request: Request, slot: SlotName | None = None) -> Response:
    """Sources, uses and costs of the newest measured slot, or of `slot`."""
    return view_answer(request, "measured", slot)


@router.get(
    "/v1/market/{slot}",
    summary="The auction of a slot",
    response_model=Auction | AuctionOfBooks,
    responses=answers(404, 422),
)
@may(MEMBERS)
def get_market(request: Request, slot: SlotName) -> Response:
    """What was traded in the slot, and the clearing with its certificate.

    In a zone where few have ordered operators and auditors alone are told how much.
    """
    start, sees_each = parse_slot(slot, "slot"), caller_of(request).sees_each

    def find(connection: Connection) -> tuple[Document | None, Document | None]:
        return find_view(connection, "market", start), load_clearing(connection, start)

    market, clearing = context_of(request).store.read(find)
    if market is None and clearing is None:
        require_kept(context_of(request), "documents", start)
        raise not_found("slot", slot, "a slot that is cleared")
    if not sees_each:
        market, clearing = (one and told_to_members(one) for one in (market, clearing))
    return json_answer(request, {**(market or {}), "clearing": clearing})


@router.get(
    "/v1/ledger",
    summary="The head of the books",
    response_model=SlotLedger,
    responses={**KNOWN, **answers(404)},
)
@may(PUBLIC)
def get_ledger(request: Request) -> Response:
    """Size, root and signer of the newest checkpoint, and whether everything is explained."""
    return view_answer(request, "ledger", None)


@router.get(
    "/v1/checkpoints/{tick}",
    summary="The signed head of a tick",
    response_model=Checkpoint,
    responses={**KNOWN, **answers(404, 422)},
)
@may(PUBLIC)
def get_checkpoint(request: Request, tick: SlotName) -> Response:
    """Size and root of the log after the tick, signed; `note` is the text that is published."""
    start = parse_slot(tick, "tick")
    row = context_of(request).store.read(lambda connection: find_checkpoint(connection, start))
    if row is None:
        raise not_found("tick", tick, "a tick that is under a checkpoint")
    document = {
        "tick_utc": iso_of(row.tick),
        "size": row.size,
        "root": row.root.hex(),
        "accounts_root": row.accounts_root.hex(),
        "previous": row.previous.hex(),
        "signer": f"0x{row.signer.hex()}",
        "signature": f"0x{row.signature.hex()}",
        "note": row.note,
    }
    return json_answer(request, document, etag_of("checkpoint", row.digest.hex()))


@router.get(
    "/v1/slots",
    summary="Quarter hours, newest first",
    response_model=SlotPage,
    responses=answers(422),
)
@may(DISTRICT)
def get_slots(
    request: Request, before: SlotName | None = None, limit: int = Query(96, ge=1, le=PAGE_MAX)
) -> Response:
    """One row a slot with tier, reason and seconds; `next` asks for the ones before."""
    start = None if before is None else parse_slot(before, "before")
    rows = context_of(request).store.read(
        lambda connection: list_slots(connection, before=start, limit=limit)
    )
    more = (
        f"/v1/slots?before={iso_of(rows[-1].start)}&limit={limit}" if len(rows) == limit else None
    )
    return json_answer(request, {"items": [slot_json(row) for row in rows], "next": more})


@router.get("/v1/alarms", summary="What needs a person", response_model=Alarms)
@may(DISTRICT)
def get_alarms(request: Request) -> Response:
    """Open alarms, the gravest first."""
    found = context_of(request).store.read(open_alarms)
    return json_answer(request, {"items": [alarm_block(one) for one in found]})


def view_answer(
    request: Request,
    kind: str,
    slot: str | None,
    part: str | None = None,
    hidden: Collection[str] = (),
) -> Response:
    """A view's document, or a part of it, without `hidden`: of the newest slot if none is named."""
    named = None if slot is None else parse_slot(slot, "slot")
    context = context_of(request)

    def find(connection: Connection) -> tuple[int | None, Document | None]:
        start = last_view_slot(connection, kind) if named is None else named
        return start, None if start is None else find_view(connection, kind, start)

    start, document = context.store.read(find)
    if document is None or start is None:
        if named is not None:
            require_kept(context, "documents", named)
        raise not_found("slot", slot or "none", f"a slot with a {kind} document")
    shown = document if part is None else document.get(part)
    open_to_all = {name: each for name, each in (shown or {}).items() if name not in hidden}
    body = {"slot_utc": iso_of(start), **open_to_all}
    return json_answer(request, body, etag_of(kind, str(start), orjson.dumps(body).decode()))


def require_kept(context: ApiContext, kind: str, slot: int) -> None:
    """Refuse a slot whose rows of a kind are thinned out by now, and say since when they are kept.

    What it was settled with stands in the books for ever.
    """
    before = context.store.read(partial(kept_from, kind=kind))
    if before is not None and slot < before:
        first = iso_of(-(-before // SLOT_S) * SLOT_S)
        days, found = kept_days(context.settings)[kind], iso_of(slot)
        detail = f"slot: found {found}, allowed one from {first} on: {kind} are kept {days} days"
        raise ProblemError(404, "NOT_KEPT", detail, "slot", found, f"a slot from {first} on")


def slot_json(row: SlotRow) -> Document:
    """One slot's row for programs."""
    instants = ("claimed_utc", "published_utc", "sealed_utc", "settled_utc")
    found = {name: getattr(row, name) for name in instants}
    times = {name: None if at is None else iso_of(at) for name, at in found.items()}
    return {**cycle_block(row, {}), "fence": row.fence, **times}


def json_answer(request: Request, document: Any, etag: str | None = None) -> Response:  # noqa: ANN401
    """The document as JSON, compressed where the reader accepts it, or 304 for a known ETag."""
    if etag is not None and is_known(request, etag):
        return not_modified(etag)
    body = orjson.dumps(document)
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if etag is not None:
        headers["ETag"] = etag
    accepted = request.headers.get("accept-encoding", "")
    if len(body) >= COMPRESSED_FROM_BYTES and "gzip" in accepted:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return Response(body, 200, headers, "application/json")


def etag_of(*parts: str) -> str:
    """A weak ETag: equal where the parts are."""
    return f'W/"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}"'


def is_known(request: Request, etag: str) -> bool:
    """Whether the reader has this version already."""
    known = request.headers.get("if-none-match", "")
    return etag in (each.strip() for each in known.split(","))


def not_modified(etag: str) -> Response:
    """The answer to a reader that has this version already."""
    return Response(None, 304, {"ETag": etag, "Cache-Control": "no-cache"})


def parse_slot(text: str, field: str) -> int:
    """The slot of an ISO instant or of seconds since 1970; raises ProblemError."""
    allowed = "a quarter hour such as 2026-07-15T09:00:00Z, from 1970 to 2099"
    try:
        if not _TIME.fullmatch(text):
            raise TimeGridError(f"{field}: not readable")
        slot = require_slot(int(text) if text.isdigit() else parse_instant(text))
        if not 0 <= slot < SLOTS_END:
            raise TimeGridError(f"{field}: not in our time")
        return slot
    except TimeGridError as error:
        found = text[:60]
        raise ProblemError(
            422,
            "MALFORMED",
            f"{field}: found {found!r}, allowed {allowed}",
            field,
            found,
            allowed,
        ) from error


def not_found(field: str, found: str, allowed: str) -> ProblemError:
    """Nothing stands there."""
    detail = f"{field}: found {found}, allowed {allowed}"
    return ProblemError(404, "NOT_FOUND", detail, field, found, allowed)


class LastAnswer:
    """The last thing built under each name, given again while its state is the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Any]] = {}
        self._building: dict[str, threading.Lock] = {}

    def get(self, name: str, state: str, build: Callable[[], Any]) -> Any:  # noqa: ANN401
        """What was built for this state, built now where it is another."""
        kept = self._kept.get(name)
        if kept is not None and kept[0] == state:
            return kept[1]
        # Of many readers at once one builds, or a crowd of them would fill processor and memory.
        with self._building.setdefault(name, threading.Lock()):
            kept = self._kept.get(name)
            if kept is None or kept[0] != state:
                kept = (state, build())
                self._kept[name] = kept
            return kept[1]


class RecentAnswers:
    """What was asked for last of what never changes, the longest unused forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, build: Callable[[], bytes]) -> bytes:
        """What was built under this name, built now where it is not kept."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        built = build()
        with self._lock:
            self._kept[name] = built
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return built
