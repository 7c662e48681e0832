"""The company signs for a resident who has no wallet: in the resident's own session alone.

What is signed is what the page sends and what a wallet would have shown; it goes through the same
doors. Before each signature a record stands in the audit log. No route gives a key.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import OWN_HOME, caller_of, may
from energy.api.cars import own_account
from energy.api.context import ApiContext, context_of
from energy.api.doorman import StoreDoorman, note_access, record_of
from energy.api.dr import take_answer
from energy.api.examples import message_body
from energy.api.fields import JsonBody, fields_schema, read_fields
from energy.api.instructions import take_instruction
from energy.api.messages import SIGNED, take_cancel
from energy.api.orders import problem_of, take_order
from energy.api.problems import ProblemError, answers
from energy.api.session_steps import CODE_LIMIT, take_guesses
from energy.api.shapes.residents import (
    AnswerSignedForMe,
    CodeShown,
    HandedOver,
    MessageSignedForMe,
    OrderSignedForMe,
)
from energy.steps.credentials import step_of_code
from energy.steps.kept_keys import OWN_ROLES, KeyKeeper, Now, OwnKey, RefusedError, hand_over
from energy.steps.kept_keys import renew_key as renew_kept_key
from energy.steps.key_safe import SafeError
from energy.store.audit import append_record
from energy.store.kept_keys import KeptKey, live_key_of
from energy.store.people import find_person, use_code_step
from energy.store.sessions import Session, forget_guesses, mark_proven
from energy.store.slots import last_claimed
from energy.store.views import Document
from energy.timegrid import iso_of
from market.entries import Message
from market.messages import MessageError, parse_json, parse_message, sign_message
from market.orders import OrderRefusal, RefusalCode
from market.signing import digest

log = logging.getLogger(__name__)

CODE_FRESH_S = 300
"""What lasts beyond the moment wants a one-time code that was shown at most so long ago."""
CODE_FIELDS = {"code": 6}
SIGNED_FOR_ME: dict[int | str, dict[str, Any]] = {
    **{code: told for code, told in SIGNED.items() if code != 200},
    **answers(403, 404),
}
Who = Annotated[bytes, Depends(own_account)]
Take = Callable[[Request, bytes], Awaitable[Response]]

router = APIRouter(tags=["my home"])


class OwnWallet(JsonBody):
    """A `KeyRegister` of one's own wallet's key, roles 3, and the wallet's signature over it."""

    model_config = ConfigDict(strict=True)

    message: dict[str, str]
    signature: str = Field(pattern="^0x[0-9a-f]{130}$")


@router.post(
    "/v1/me/signed/orders",
    summary="Order, signed for me",
    response_model=OrderSignedForMe,
    status_code=201,
    responses={200: {"description": "the same again", "model": OrderSignedForMe}, **SIGNED_FOR_ME},
    openapi_extra=message_body("Order"),
)
@may(OWN_HOME)
async def order_for_me(request: Request, who: Who) -> Response:
    """The message of an `Order`; signed with the key that the company keeps for the household."""
    return await _sign_and_take(request, who, "Order", take_order)


@router.post(
    "/v1/me/signed/orders/cancel",
    summary="Cancel an order, signed for me",
    response_model=MessageSignedForMe,
    status_code=201,
    responses={
        200: {"description": "the same again", "model": MessageSignedForMe}, **SIGNED_FOR_ME
    },
    openapi_extra=message_body("Cancel"),
)  # fmt: skip
@may(OWN_HOME)
async def cancel_for_me(request: Request, who: Who) -> Response:
    """The message of a `Cancel` of a live order."""
    return await _sign_and_take(request, who, "Cancel", take_cancel)


@router.post(
    "/v1/me/signed/instructions",
    summary="Trade automatically, signed for me",
    response_model=MessageSignedForMe,
    status_code=201,
    responses={
        200: {"description": "the same again", "model": MessageSignedForMe}, **SIGNED_FOR_ME
    },
    openapi_extra=message_body("StandingInstruction"),
)  # fmt: skip
@may(OWN_HOME)
async def instruct_for_me(request: Request, who: Who) -> Response:
    """The message of a `StandingInstruction`; wants a code shown within five minutes."""
    take = partial(_take_instruction, "StandingInstruction")
    return await _sign_and_take(request, who, "StandingInstruction", take, wants_code=True)


@router.post(
    "/v1/me/signed/instructions/stop",
    summary="Stop automatic trading, signed for me",
    response_model=MessageSignedForMe,
    status_code=201,
    responses={
        200: {"description": "the same again", "model": MessageSignedForMe}, **SIGNED_FOR_ME
    },
    openapi_extra=message_body("Cancel"),
)  # fmt: skip
@may(OWN_HOME)
async def stop_for_me(request: Request, who: Who) -> Response:
    """The message of a `Cancel` whose `order_id` is the instruction."""
    return await _sign_and_take(request, who, "Cancel", partial(_take_instruction, "Cancel"))


@router.post(
    "/v1/me/signed/dr/commits",
    summary="Answer a DR event, signed for me",
    response_model=AnswerSignedForMe,
    status_code=201,
    responses={200: {"description": "the same again", "model": AnswerSignedForMe}, **SIGNED_FOR_ME},
    openapi_extra=message_body("DrCommit"),
)
@may(OWN_HOME)
async def answer_for_me(request: Request, who: Who) -> Response:
    """The message of a `DrCommit`."""
    return await _sign_and_take(request, who, "DrCommit", take_answer)


@router.post(
    "/v1/session/code",
    summary="Show a one-time code again",
    response_model=CodeShown,
    responses=answers(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
    openapi_extra=fields_schema(CODE_FIELDS),
)
@may(OWN_HOME)
async def show_code(request: Request, who: Who) -> Response:
    """A code that was not used yet: what lasts beyond the moment wants a fresh one."""
    context, session = context_of(request), await run_in_threadpool(resident_session, request)
    fields = await read_fields(request, CODE_FIELDS)
    limits = {f"code {session.person}": CODE_LIMIT}
    await run_in_threadpool(take_guesses, context, limits)
    return await run_in_threadpool(_prove, request, session, who, fields["code"])


@router.post(
    "/v1/me/key/renew",
    summary="Replace the key that is kept for me",
    response_model=HandedOver,
    responses=answers(400, 401, 403, 404, 409, 413, 503),
)
@may(OWN_HOME)
def renew_key(request: Request, who: Who) -> Response:
    """The company makes another key and destroys the one before; wants a fresh code.

    What the old key has signed for later slots ends: orders, and automatic trading.
    """

    def change(connection: Connection, keeper: KeyKeeper, old: KeptKey, now: Now) -> Document:
        context = context_of(request)
        slot = context.admission.first_open(now.received_us, last_claimed(connection))
        new = renew_kept_key(connection, keeper, context.admission, old, now)
        return {"address": f"0x{new.address.hex()}", "from_utc": iso_of(slot)}

    return _change_key(request, who, "renew", change)


@router.post(
    "/v1/me/key/hand-over",
    summary="Let my own wallet take the kept key's place",
    response_model=HandedOver,
    responses=answers(400, 401, 403, 404, 409, 413, 422, 503),
)
@may(OWN_HOME)
def hand_over_key(request: Request, body: OwnWallet, who: Who) -> Response:
    """From `from_slot` on the wallet acts for the household; the kept key is destroyed at once.

    Wants a fresh code. What the old key has signed for later slots ends.
    """
    message = _own_message("KeyRegister", orjson.dumps(body.message), who)
    if message["roles"] != OWN_ROLES:
        found, allowed = str(message["roles"]), str(OWN_ROLES)
        detail = f"roles: found {found}, allowed {allowed}, to trade and to sign contracts"
        raise ProblemError(422, "MALFORMED", detail, "roles", found, allowed)
    own = OwnKey(message, bytes.fromhex(body.signature[2:]))

    def change(connection: Connection, keeper: KeyKeeper, old: KeptKey, now: Now) -> Document:
        slot = hand_over(connection, keeper, context_of(request).admission, old, own, now)
        return {"address": f"0x{message['key'].hex()}", "from_utc": iso_of(slot)}

    return _change_key(request, who, "hand over", change)


def resident_session(request: Request) -> Session:
    """The session of a resident who has signed in with a password; raises ProblemError."""
    doorman: StoreDoorman = request.app.state.doorman
    found = doorman.session(request)
    if found is None or found.person is None or found.account is None:
        raise _no_key("a session that a wallet has begun", "one begun with password and code")
    return found


def opened(context: ApiContext) -> KeyKeeper:
    """Who keeps the keys; raises ProblemError where this process keeps none."""
    if context.keeper is None:
        raise ProblemError(503, "KEYS_CLOSED", "kept keys: this process keeps none")
    return context.keeper


def keys_closed(error: SafeError) -> ProblemError:
    """The safe cannot be opened; the log says why, and nobody else hears it."""
    log.error("%s", error)
    return ProblemError(503, "KEYS_CLOSED", "kept keys: cannot be opened now; the log says why")


async def _take_instruction(type_name: str, request: Request, text: bytes) -> Response:
    return await take_instruction(request, type_name, text)


async def _sign_and_take(
    request: Request, who: bytes, type_name: str, take: Take, *, wants_code: bool = False
) -> Response:
    """The answer of the market's door, told that the company has signed."""
    body = await request.body()
    text = await run_in_threadpool(_signed, request, who, type_name, body, wants_code)
    answer = await take(request, text)
    document = {**orjson.loads(answer.body), "signed_by": "kept_key"}
    headers = {"Cache-Control": "no-store"}
    if "location" in answer.headers:
        headers["Location"] = answer.headers["location"]
    return Response(orjson.dumps(document), answer.status_code, headers, "application/json")


def _signed(request: Request, who: bytes, type_name: str, body: bytes, wants_code: bool) -> bytes:
    """The envelope of the message, signed with the kept key after it stands in the audit log."""
    context, session = context_of(request), resident_session(request)
    message = _own_message(type_name, body, who)
    if wants_code:
        _require_fresh(context, session)
    row = _live_key(context.store.read(lambda connection: live_key_of(connection, who)))
    try:
        key = opened(context).safe.open(row)
    except SafeError as error:
        raise keys_closed(error) from error
    id_ = digest(context.admission.domain, type_name, message)
    task = f"sign {type_name} 0x{id_.hex()} on behalf of {session.person} with the kept key"
    note_access(request, caller_of(request), who, task)
    return sign_message(context.admission.domain, type_name, message, key)


def _own_message(type_name: str, body: bytes, who: bytes) -> Message:
    """The message of a body, in good form and of one's own account; raises ProblemError."""
    try:
        message = parse_message(type_name, parse_json(body))
    except MessageError as error:
        refusal = OrderRefusal(RefusalCode.MALFORMED, error.field, error.found, error.allowed)
        raise problem_of(refusal) from error
    if message["account"] != who:
        raise ProblemError(404, "NOT_FOUND", "account: found none that is yours", "account")
    return message


def _require_fresh(context: ApiContext, session: Session) -> None:
    age_s = context.wall_s() - (session.proven_s or 0)
    if age_s > CODE_FRESH_S:
        allowed = f"a code shown within {CODE_FRESH_S} s"
        found = f"one shown {age_s:.0f} s ago"
        detail = f"code: found {found}, allowed {allowed}: POST /v1/session/code"
        raise ProblemError(403, "CODE_NEEDED", detail, "code", found, allowed)


def _live_key(row: KeptKey | None) -> KeptKey:
    if row is None:
        raise _no_key("no key that is kept", "one's own wallet")
    return row


def _no_key(found: str, allowed: str) -> ProblemError:
    detail = f"kept key: found {found}, allowed {allowed}"
    return ProblemError(409, "NO_KEPT_KEY", detail, "kept key", found, allowed)


Change = Callable[[Connection, KeyKeeper, KeptKey, Now], Document]


def _change_key(request: Request, who: bytes, task: str, change: Change) -> Response:
    """What a change of the kept key comes to, written down in the audit log with it."""
    context, session = context_of(request), resident_session(request)
    _require_fresh(context, session)
    keeper = opened(context)
    now = Now(int(context.clock.now_s() * 1_000_000), int(context.wall_s()))

    def unit(connection: Connection) -> Document:
        old = _live_key(live_key_of(connection, who))
        made = change(connection, keeper, old, now)
        told = f"{task} kept key 0x{old.address.hex()} to {made['address']}; it is destroyed"
        append_record(connection, record_of(request, caller_of(request), who, told))
        return made

    try:
        made = context.store.write(unit)
    except RefusedError as error:
        raise problem_of(error.refusal) from error
    except SafeError as error:
        raise keys_closed(error) from error
    return Response(orjson.dumps(made), 200, {"Cache-Control": "no-store"}, "application/json")


def _prove(request: Request, session: Session, who: bytes, code: str) -> Response:
    """Take the code once; the session is proven from now on."""
    context, now_s = context_of(request), int(context_of(request).wall_s())
    name = session.person or ""

    def unit(connection: Connection) -> bool:
        person = find_person(connection, name)
        step = None if person is None else step_of_code(person.code_seed, code, context.wall_s())
        is_right = (
            person is not None and step is not None and use_code_step(connection, person, step)
        )
        if is_right:
            forget_guesses(connection, f"code {name}")
            mark_proven(connection, session.id, now_s)
        task = f"show code as {name}" if is_right else f"code of {name} refused"
        append_record(connection, record_of(request, caller_of(request), who, task))
        return is_right

    if not context.store.write(unit):
        detail = "code: allowed one that was not used yet, now or half a minute off"
        raise ProblemError(401, "SIGN_IN_REFUSED", detail, "code")
    body = orjson.dumps({"fresh_until_utc": iso_of(now_s + CODE_FRESH_S)})
    return Response(body, 200, {"Cache-Control": "no-store"}, "application/json")
