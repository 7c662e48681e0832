"""What accounts sign beside orders, over HTTP: cancel an order, change keys."""

from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from energy.api.context import context_of
from energy.api.orders import accepted_json, problem_of
from energy.api.problems import answers
from energy.store.mailbox import admit_message, prepare_message

KEY_TYPES = ("KeyRegister", "KeyRotate", "KeyRevoke")
REFUSALS = answers(400, 401, 409, 413, 422, 503)
DONE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the same message again: its first answer"},
    201: {"description": "accepted, durably, and in effect; with the operator's receipt"},
}

router = APIRouter(tags=["orders"])


@router.post(
    "/v1/orders/cancel",
    summary="Cancel a live order",
    status_code=201,
    responses={**DONE, **REFUSALS},
)
async def cancel_order(request: Request) -> Response:
    """A signed `Cancel` in an envelope like an order's; done before the gate or not at all."""
    return await _admit(request, ("Cancel",))


@router.post(
    "/v1/keys",
    summary="Register, rotate or revoke a key",
    status_code=201,
    responses={**DONE, **REFUSALS},
)
async def change_keys(request: Request) -> Response:
    """A signed key entry: new key and registrar; old and new key; or any key of the account."""
    return await _admit(request, KEY_TYPES)


async def _admit(request: Request, types: tuple[str, ...]) -> Response:
    context = context_of(request)
    received_us = int(context.clock.now_s() * 1_000_000)
    one = prepare_message(context.admission, await request.body(), received_us, types)
    answer = await run_in_threadpool(
        context.store.write, lambda connection: admit_message(connection, context.admission, one)
    )
    if answer.refusal is not None:
        raise problem_of(answer.refusal)
    document = accepted_json(context, answer)
    document["id"] = document.pop("order_id")
    body, headers = orjson.dumps(document), {"Cache-Control": "no-store"}
    return Response(body, 201 if answer.is_new else 200, headers, "application/json")
