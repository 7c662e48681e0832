"""What accounts sign beside orders, over HTTP: cancel an order, change keys."""

from collections.abc import Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import BY_SIGNATURE, may
from energy.api.context import context_of
from energy.api.examples import signed_body
from energy.api.orders import accepted_json, problem_of
from energy.api.problems import answers
from energy.api.shapes.books import AcceptedMessage
from energy.store.admission import Answer
from energy.store.mailbox import PreparedMessage, admit_message, prepare_message
from energy.store.views import Document

KEY_TYPES = ("KeyRegister", "KeyRotate", "KeyRevoke")
SIGNED: dict[int | str, dict[str, Any]] = {
    200: {"description": "the same message again: its first answer", "model": AcceptedMessage},
    201: {"description": "accepted, durably, and in effect; with the operator's receipt"},
    **answers(400, 401, 409, 413, 422, 503),
}
"""What a route for a signed message may answer."""

Admit = Callable[[Connection, PreparedMessage], tuple[Answer, Document]]
"""What admits a message in one transaction: its answer, and what the reader is told besides."""

router = APIRouter(tags=["orders"])


@router.post(
    "/v1/orders/cancel",
    summary="Cancel a live order",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body("Cancel"),
)
@may(BY_SIGNATURE)
async def cancel_order(request: Request) -> Response:
    """A signed `Cancel` in an envelope like an order's; done before the gate or not at all."""
    return await take_cancel(request, await request.body())


@router.post(
    "/v1/keys",
    summary="Register, rotate or revoke a key",
    response_model=AcceptedMessage,
    status_code=201,
    responses=SIGNED,
    openapi_extra=signed_body(*KEY_TYPES),
)
@may(BY_SIGNATURE)
async def change_keys(request: Request) -> Response:
    """A signed key entry: new key and registrar; old and new key; or any key of the account."""
    return await admit_signed(request, KEY_TYPES, _admit_of(request))


async def take_cancel(request: Request, text: bytes) -> Response:
    """The answer to the envelope of a `Cancel` of an order."""
    return await admit_signed(request, ("Cancel",), _admit_of(request), text)


def _admit_of(request: Request) -> Admit:
    admission = context_of(request).admission
    return lambda connection, one: (admit_message(connection, admission, one), {})


async def admit_signed(
    request: Request, types: tuple[str, ...], admit: Admit, text: bytes | None = None
) -> Response:
    """The answer to a signed message of one of these types: `text`, else what the request brings.

    Raises ProblemError where it is refused.
    """
    context = context_of(request)
    received_us = int(context.clock.now_s() * 1_000_000)
    envelope = await request.body() if text is None else text
    one = prepare_message(context.admission, envelope, received_us, types)
    answer, more = await run_in_threadpool(
        context.store.write, lambda connection: admit(connection, one)
    )
    if answer.refusal is not None:
        raise problem_of(answer.refusal)
    document = accepted_json(context, answer)
    document["id"] = document.pop("order_id")
    body, headers = orjson.dumps(document | more), {"Cache-Control": "no-store"}
    return Response(body, 201 if answer.is_new else 200, headers, "application/json")
