"""Orders over HTTP: one signed message a request, and what became of it."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from energy.api.callers import BY_SIGNATURE, HOUSEHOLD, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.desk import OrderDesk
from energy.api.doorman import note_access
from energy.api.examples import ORDER_ANSWER, signed_body
from energy.api.problems import ProblemError, answers
from energy.api.shapes.books import AcceptedOrder, OrderState
from energy.api.words import IdText
from energy.store.admission import Answer, Receipt, order_answer
from energy.store.kept_keys import kept_addresses, signed_by
from energy.store.orders import fill_of, find_order
from energy.store.own_orders import OwnOrder
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw
from market.labels import Label
from market.orders import OrderRefusal, RefusalCode

STATUS_OF = {
    RefusalCode.BAD_SIGNATURE: 401,
    RefusalCode.UNKNOWN_KEY: 401,
    RefusalCode.NONCE_CONFLICT: 409,
    RefusalCode.GATE_CLOSED: 409,
    RefusalCode.STALE_RULES: 409,
    RefusalCode.SELF_CROSS: 409,
    RefusalCode.TOO_MANY: 409,
    RefusalCode.KEY_IN_USE: 409,
    RefusalCode.KEY_CHANGE_WAITS: 409,
    RefusalCode.EVENT_OVERLAP: 409,
    RefusalCode.ANSWERS_CLOSED: 409,
    RefusalCode.ALREADY_ANSWERED: 409,
    RefusalCode.NO_BASELINE: 409,
    RefusalCode.INSTRUCTION_OVERLAP: 409,
}
ID_DIGITS = 64

router = APIRouter(tags=["orders"])


ORDERS_PATH = "/v1/orders"


@router.post(
    ORDERS_PATH,
    summary="Post a signed order",
    response_model=AcceptedOrder,
    status_code=201,
    responses={
        200: {
            "description": "the same order again: its first answer and its present status",
            "model": AcceptedOrder,
        },
        201: {
            "description": "accepted, durably, with the operator's receipt",
            "content": {"application/json": {"example": ORDER_ANSWER}},
        },
        **answers(400, 401, 409, 413, 422, 503),
    },
    openapi_extra=signed_body("Order"),
)
@may(BY_SIGNATURE)
async def post_order(request: Request) -> Response:
    """An order signed over EIP-712 typed data; integers are decimal strings, bytes 0x and hex."""
    return await take_order(request, await request.body())


async def take_order(request: Request, text: bytes) -> Response:
    """The answer to an order's envelope; raises ProblemError where it is refused."""
    context = context_of(request)
    desk: OrderDesk = request.app.state.desk
    received_us = int(context.clock.now_s() * 1_000_000)
    answer = await desk.submit(text, received_us)
    request.app.state.counts[answer_kind(answer)] += 1
    if answer.refusal is not None:
        raise problem_of(answer.refusal)
    assert answer.id is not None
    headers = {"Location": f"/v1/orders/0x{answer.id.hex()}", "Cache-Control": "no-store"}
    body = orjson.dumps(accepted_json(context, answer))
    return Response(body, 201 if answer.is_new else 200, headers, "application/json")


@router.get(
    "/v1/orders/{order_id}",
    summary="An order and what became of it",
    response_model=OrderState,
    responses={
        **answers(404, 422),
    },
)
@may(HOUSEHOLD)
def get_order(request: Request, order_id: IdText) -> Response:
    """The order's terms, its status, its receipt, and what it got where the slot is cleared."""
    context = context_of(request)
    id_, caller = parse_order_id(order_id), caller_of(request)

    def find(connection: Connection) -> OwnOrder | None:
        row = find_order(connection, id_, caller.owner)
        if row is None:
            return None
        by = signed_by(row.signer, kept_addresses(connection, row.account))
        return OwnOrder(row, fill_of(connection, id_), by)

    found = context.store.read(find)
    if found is None:
        raise ProblemError(
            404, "NOT_FOUND", f"order: found none with id {order_id}", "order_id", order_id
        )
    note_access(request, caller, found.order.account, f"read order {order_id}")
    document = {**accepted_json(context, order_answer(found.order)), **terms_json(found)}
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")


def answer_kind(answer: Answer) -> str:
    """ACCEPTED, KNOWN for one that had come before, or the code of the refusal."""
    if answer.refusal is not None:
        return answer.refusal.code.value
    return "ACCEPTED" if answer.is_new else "KNOWN"


def problem_of(refusal: OrderRefusal) -> ProblemError:
    """A refusal of the market in the words of HTTP."""
    status = STATUS_OF.get(refusal.code, 422)
    if refusal.code == RefusalCode.MALFORMED and refusal.field == "json":
        status = 400
    detail = f"{refusal.field}: found {refusal.found}, allowed {refusal.allowed}"
    return ProblemError(
        status, refusal.code.value, detail, refusal.field, refusal.found, refusal.allowed
    )


def accepted_json(context: ApiContext, answer: Answer) -> dict[str, Any]:
    """An accepted order's id, status and receipt."""
    assert answer.id is not None and answer.receipt is not None
    return {
        "order_id": f"0x{answer.id.hex()}",
        "status": answer.status,
        "receipt": receipt_json(answer.receipt, context.operator),
    }


def receipt_json(receipt: Receipt, operator: bytes) -> dict[str, Any]:
    """The receipt as the signed entry that proves it, and its times for people."""
    return {
        "type": "Receipt",
        "message": {
            "entry": f"0x{receipt.entry.hex()}",
            "received": str(receipt.received),
            "sealed_by": str(receipt.sealed_by),
        },
        "signatures": [
            {"signer": f"0x{operator.hex()}", "signature": f"0x{receipt.signature.hex()}"}
        ],
        "received_utc": iso_of(receipt.received),
        "sealed_by_utc": iso_of(receipt.sealed_by),
    }


def terms_json(one: OwnOrder) -> dict[str, Any]:
    """What the order said, and what it got; before its slot is cleared that is null.

    Of `filled_wh` so many are labelled, at the label's price on top.
    """
    row, filled = one.order, one.fill
    waits = row.status in WAITING
    return {
        "slot_utc": iso_of(row.slot),
        "instruction": None if row.instruction is None else f"0x{row.instruction.hex()}",
        "signed_by": one.signed_by,
        "side": "bid" if row.side == 1 else "offer",
        "energy_wh": row.e_wh,
        "price_krw_per_kwh": krw_text_from_mkrw(row.price_mkrw_per_kwh),
        "filled_wh": filled.e_wh if filled else (None if waits else 0),
        "clearing_price_krw_per_kwh": (
            krw_text_from_mkrw(filled.price_mkrw_per_kwh) if filled else None
        ),
        "label": Label(row.label).name.lower() if row.label else None,
        "premium_krw_per_kwh": krw_text_from_mkrw(row.premium_mkrw_per_kwh) if row.label else None,
        "labelled_wh": None if waits or not row.label else (filled.label_wh if filled else 0),
        "label_price_krw_per_kwh": (
            krw_text_from_mkrw(filled.label_mkrw_per_kwh) if filled and filled.label_wh else None
        ),
    }


WAITING = ("ACCEPTED", "LOCKED")


def parse_order_id(text: str, field: str = "order_id") -> bytes:
    """The id that stands in an address, 0x and 64 hex digits; raises ProblemError."""
    digits = text.removeprefix("0x")
    is_hex = all(mark in "0123456789abcdef" for mark in digits)
    if len(digits) != ID_DIGITS or not text.startswith("0x") or not is_hex:
        allowed = "0x and 64 lower-case hex digits"
        raise ProblemError(
            422,
            "MALFORMED",
            f"{field}: found {text[:80]!r}, allowed {allowed}",
            field,
            text[:80],
            allowed,
        )
    return bytes.fromhex(digits)
