"""What an account has traded as a table: a line for each order that got something, newest first."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.responses import StreamingResponse

from energy.api.callers import HOUSEHOLD, caller_of, may
from energy.api.cars import own_account
from energy.api.context import ApiContext, context_of
from energy.api.doorman import note_access
from energy.api.problems import answers
from energy.api.words import NAMED
from energy.store.own_orders import OwnOrder, pages_of_own_orders
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw
from market.labels import Label

COLUMNS = (
    "slot_utc", "side", "ordered_wh", "filled_wh", "limit_krw_per_kwh", "price_krw_per_kwh",
    "label", "labelled_wh", "label_price_krw_per_kwh", "amount_krw", "order_id",
)  # fmt: skip

router = APIRouter(tags=["my home"])


class CsvResponse(PlainTextResponse):
    """A table as text."""

    media_type = "text/csv"


@router.get(
    "/v1/me/trades/table",
    summary="What I traded as a table",
    response_class=CsvResponse,
    responses=answers(404, 422),
)
@may(HOUSEHOLD)
def get_trades_table(request: Request, account: str | None = NAMED) -> Response:
    """All orders that got something as CSV, newest slot first, with the amount, the label's price
    in it.
    """
    context, who = context_of(request), own_account(request, account)
    note_access(request, caller_of(request), who, "read trades")
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="my-trades-{who.hex()[:8]}.csv"',
    }
    table = trades_csv(context, who)
    return StreamingResponse(table, 200, headers, "text/csv; charset=utf-8")


def amount_ukrw(one: OwnOrder) -> int | None:
    """What an order came to, the label's price in it; None where it got nothing."""
    filled = one.fill
    if filled is None:
        return None
    return filled.e_wh * filled.price_mkrw_per_kwh + filled.label_wh * filled.label_mkrw_per_kwh


def trades_csv(context: ApiContext, who: bytes) -> Iterator[str]:
    """The table with its head, a page of the store after the other."""
    yield _text([COLUMNS])
    for found in pages_of_own_orders(context.store, who, only_filled=True):
        yield _text([_row(one) for one in found])


def _row(one: OwnOrder) -> tuple[Any, ...]:
    order, filled, amount = one.order, one.fill, amount_ukrw(one)
    assert filled is not None and amount is not None, "orders that got something are asked for"
    labelled = filled.label_wh if order.label else None
    return (
        iso_of(order.slot),
        "bid" if order.side == 1 else "offer",
        order.e_wh,
        filled.e_wh,
        krw_text_from_mkrw(order.price_mkrw_per_kwh),
        krw_text_from_mkrw(filled.price_mkrw_per_kwh),
        Label(order.label).name.lower() if order.label else None,
        labelled,
        krw_text_from_mkrw(filled.label_mkrw_per_kwh) if labelled else None,
        krw_text_from_ukrw(amount),
        f"0x{order.id.hex()}",
    )


def _text(rows: list[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
