"""Signing in and out: a person's password and one-time code, a wallet's message, the demonstration.

Everything here wants the request to come from our own pages (the Origin that browsers send), so
that no other site can sign anybody in or out.
"""

import functools
import ipaddress
import math
import re
import secrets
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import PUBLIC, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.doorman import (
    COOKIE,
    DEMO_NAME,
    SECRET,
    cookie_name,
    is_encrypted,
    origin_of,
    own_url,
    require_own_page,
    slot_now,
)
from energy.api.fields import fields_schema, read_fields
from energy.api.guard import EVERY_HOST
from energy.api.problems import ProblemError, answers
from energy.api.siwe import Expected, SignInError, SignInMessage, make_message, read_message
from energy.steps.credentials import (
    hash_secret,
    is_password,
    new_secret,
    nobodys_password,
    step_of_code,
)
from energy.store.audit import Record, append_record
from energy.store.people import Person, find_person, use_code_step
from energy.store.sessions import (
    LASTS_S,
    NONCE_S,
    GuessLimit,
    NewSession,
    account_of_address,
    begin_session,
    end_session,
    forget_guesses,
    issue_nonce,
    take_guess,
    use_nonce,
)
from energy.timegrid import iso_of
from market.signing import SignatureError, personal_digest, recover

BROWSER_COOKIE = "microgrid-browser"
STATEMENT = "Sign in to the microgrid."
PASSWORD_FIELDS = {"name": 40, "password": 200, "code": 6}
NONCE_FIELDS = {"address": 42}
WALLET_FIELDS = {"message": 2_000, "signature": 132}
NAME_LIMIT = GuessLimit(most=10, refill_s=60.0)
ADDRESS_LIMIT = GuessLimit(most=15, refill_s=20.0)
WALLET_LIMIT = GuessLimit(most=60, refill_s=2.0)
NONCE_LIMIT = GuessLimit(most=300, refill_s=0.2)
# Stretching a password takes memory and time: no more than this many at once.
STRETCHERS = 2
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")
SIGNED_IN: dict[int | str, dict[str, Any]] = {
    200: {"description": "signed in; the cookie is the session"}
}

router = APIRouter(tags=["sign-in"])


@router.get("/v1/session", summary="Who you are here")
@may(PUBLIC)
def get_session(request: Request) -> Response:
    """Role, name and account; `anonymous` before sign-in, and whether sign-in is asked for."""
    caller = caller_of(request)
    document = {
        "role": caller.role,
        "name": caller.name,
        "account": None if caller.account is None else f"0x{caller.account.hex()}",
        "is_demo": caller.is_demo,
        "asks_sign_in": context_of(request).settings.asks_sign_in,
    }
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")


@router.post(
    "/v1/session/password",
    summary="Sign in with name, password and one-time code",
    responses={**SIGNED_IN, **answers(400, 401, 403, 413, 415, 422, 429, 503)},
    openapi_extra=fields_schema(PASSWORD_FIELDS),
)
@may(PUBLIC)
async def sign_in_with_password(request: Request) -> Response:
    """One answer for whatever was wrong; guesses are counted by name and by address."""
    context = context_of(request)
    require_own_page(context, request)
    fields = await read_fields(request, PASSWORD_FIELDS)
    name, origin = fields["name"], origin_of(request)
    limits = {f"address {network_of(origin)}": ADDRESS_LIMIT, f"name {name}": NAME_LIMIT}
    await run_in_threadpool(_take_guesses, context, limits)
    person = await run_in_threadpool(
        context.store.read, lambda connection: find_person(connection, name)
    )
    prove = functools.partial(_proved_step, person, fields, context.wall_s())
    step = await to_thread.run_sync(prove, limiter=_stretchers(request))
    return await run_in_threadpool(_begin_person, request, person, step)


def _stretchers(request: Request) -> CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "stretchers"):
        state.stretchers = CapacityLimiter(STRETCHERS)
    found: CapacityLimiter = state.stretchers
    return found


def _proved_step(person: Person | None, fields: dict[str, str], now_s: float) -> int | None:
    """The step of the one-time code where name, password and code are right; else None.

    The work is the same whatever is wrong, so that the time says nothing.
    """
    known = person is not None and person.disabled_s is None
    stretched = person.password if person is not None else nobodys_password()
    is_right = is_password(fields["password"], stretched)
    step = step_of_code(person.code_seed if person is not None else b"", fields["code"], now_s)
    return step if known and is_right else None


def _begin_person(request: Request, person: Person | None, step: int | None) -> Response:
    context, origin, secret = context_of(request), origin_of(request), new_secret()
    now_s = context.wall_s()
    named = "unknown" if person is None else f"person {person.name}"

    def unit(connection: Connection) -> bool:
        task = "sign in"
        if person is None or step is None or not use_code_step(connection, person.name, step):
            task = "sign-in refused"
        append_record(connection, Record(int(now_s * 1e6), named, origin, named, task))
        if person is None or task != "sign in":
            return False
        forget_guesses(connection, f"name {person.name}")
        _replace_session(
            connection, request, NewSession(hash_secret(secret), int(now_s), origin, person.name)
        )
        return True

    if not context.store.write(unit):
        detail = "name, password and code: allowed those of a person who may sign in"
        raise ProblemError(401, "SIGN_IN_REFUSED", detail)
    assert person is not None
    return _signed_in(request, secret, {"role": person.role, "name": named})


@router.post(
    "/v1/session/nonce",
    summary="A message for a wallet to sign",
    responses={
        200: {"description": "the nonce, and the message that has it"},
        **answers(400, 403, 413, 415, 422, 429, 503),
    },
    openapi_extra=fields_schema(NONCE_FIELDS),
)
@may(PUBLIC)
async def get_nonce(request: Request) -> Response:
    """Good once, for five minutes, and for the browser that asked alone."""
    context = context_of(request)
    require_own_page(context, request)
    expected = _expected(context, request)
    fields = await read_fields(request, NONCE_FIELDS)
    if not ADDRESS.fullmatch(fields["address"]):
        allowed = "0x and 40 hex digits"
        detail = f"address: allowed {allowed}"
        raise ProblemError(422, "MALFORMED", detail, "address", None, allowed)
    nonce, browser = secrets.token_hex(16), new_secret()
    now_s, hashed = int(context.wall_s()), hash_secret(browser)
    limits = {f"nonce {network_of(origin_of(request))}": NONCE_LIMIT}
    await run_in_threadpool(_take_guesses, context, limits)
    if not await run_in_threadpool(
        context.store.write, lambda connection: issue_nonce(connection, nonce, hashed, now_s)
    ):
        raise ProblemError(503, "BUSY", "nonces: too many wait to be used; try again in minutes")
    address = bytes.fromhex(fields["address"][2:])
    document = {
        "nonce": nonce,
        "message": make_message(expected, address, nonce, STATEMENT),
        "expires_utc": iso_of(now_s + NONCE_S),
    }
    answer = Response(
        orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json"
    )
    _set_cookie(answer, request, BROWSER_COOKIE, browser, NONCE_S)
    return answer


@router.post(
    "/v1/session/wallet",
    summary="Sign in with Ethereum",
    responses={**SIGNED_IN, **answers(400, 401, 403, 413, 415, 422, 429, 503)},
    openapi_extra=fields_schema(WALLET_FIELDS),
)
@may(PUBLIC)
async def sign_in_with_wallet(request: Request) -> Response:
    """An ERC-4361 message signed by a key that may trade for an account now (ERC-191)."""
    context = context_of(request)
    require_own_page(context, request)
    expected = _expected(context, request)
    fields = await read_fields(request, WALLET_FIELDS)
    limits = {f"wallet {network_of(origin_of(request))}": WALLET_LIMIT}
    await run_in_threadpool(_take_guesses, context, limits)
    message = _proved_message(fields, expected)
    return await run_in_threadpool(_begin_wallet, request, message)


def _expected(context: ApiContext, request: Request) -> Expected:
    if not context.settings.public_url and context.settings.host in EVERY_HOST:
        # Whoever stands between could name any host, and have messages signed for theirs.
        detail = "wallets sign in where the setting public_url names the address that people open"
        raise ProblemError(503, "NO_PUBLIC_URL", detail)
    url = own_url(context, request)
    scheme, _, domain = url.partition("://")
    chain_id = context.admission.domain.chain_id
    return Expected(scheme, domain, url, chain_id, context.wall_s())


def _proved_message(fields: dict[str, str], expected: Expected) -> SignInMessage:
    """The message, where it is as expected and signed by its address; raises ProblemError."""
    try:
        message = read_message(fields["message"], expected)
        if not SIGNATURE.fullmatch(fields["signature"]):
            raise SignInError("signature: allowed 65 bytes as 0x and 130 hex digits")
        signature = bytes.fromhex(fields["signature"][2:])
        digest = personal_digest(fields["message"].encode())
        if recover(digest, signature) != message.address:
            raise SignInError("signature: not made by the address of the message")
    except (SignInError, SignatureError) as error:
        raise ProblemError(401, "SIGN_IN_REFUSED", str(error)) from error
    return message


def _begin_wallet(request: Request, message: SignInMessage) -> Response:
    """Take the nonce and open the session in one transaction: of many that try, one succeeds."""
    context, origin, secret = context_of(request), origin_of(request), new_secret()
    now_s, slot = context.wall_s(), slot_now(context)
    browser = hash_secret(_cookie(request, BROWSER_COOKIE))

    def unit(connection: Connection) -> bytes | None:
        if not use_nonce(connection, message.nonce, browser, int(now_s)):
            raise _refused("nonce: allowed one that this browser asked for, once, within 5 minutes")
        account = account_of_address(connection, message.address, slot)
        named = "unknown" if account is None else f"account 0x{account.hex()}"
        task = "sign-in refused" if account is None else "sign in"
        append_record(connection, Record(int(now_s * 1e6), named, origin, named, task))
        if account is not None:
            id_, begun_s = hash_secret(secret), int(now_s)
            new = NewSession(id_, begun_s, origin, None, account, message.address)
            _replace_session(connection, request, new)
        return account

    account = context.store.write(unit)
    if account is None:
        raise _refused("address: allowed one whose key may trade for an account now")
    named = f"account 0x{account.hex()}"
    return _signed_in(request, secret, {"role": "prosumer", "name": named})


def _refused(detail: str) -> ProblemError:
    return ProblemError(401, "SIGN_IN_REFUSED", detail)


@router.post(
    "/v1/session/demo",
    summary="Act in the demonstration",
    responses={**SIGNED_IN, **answers(403, 413, 503)},
)
@may(PUBLIC)
def sign_in_to_demo(request: Request) -> Response:
    """An operator's session without sign-in: on the demo clock and this machine only."""
    context, origin, secret = context_of(request), origin_of(request), new_secret()
    require_own_page(context, request)
    if not context.settings.may_be_open or context.settings.asks_sign_in:
        detail = "demo: allowed on the demo clock, on this machine, where sign_in is not required"
        raise ProblemError(403, "FORBIDDEN", detail)
    now_s = context.wall_s()

    def unit(connection: Connection) -> None:
        record = Record(int(now_s * 1e6), DEMO_NAME, origin, DEMO_NAME, "sign in")
        append_record(connection, record)
        _replace_session(connection, request, NewSession(hash_secret(secret), int(now_s), origin))

    context.store.write(unit)
    return _signed_in(request, secret, {"role": "operator", "name": DEMO_NAME})


@router.post("/v1/session/end", summary="Sign out", responses=answers(403, 413, 503))
@may(PUBLIC)
def sign_out(request: Request) -> Response:
    """The session is over at once, on the server; without one nothing happens."""
    context = context_of(request)
    require_own_page(context, request)
    context.store.write(lambda connection: _end_present(connection, request))
    answer = Response(b"{}", 200, {"Cache-Control": "no-store"}, "application/json")
    _set_cookie(answer, request, COOKIE, "", 0)
    return answer


def network_of(origin: str) -> str:
    """The address by which guesses are counted: of IPv6 the half that one customer is given."""
    try:
        address = ipaddress.ip_address(origin)
    except ValueError:
        return origin
    if address.version == 4:
        return origin
    return str(ipaddress.ip_network((address, 64), strict=False))


def _take_guesses(context: ApiContext, limits: dict[str, GuessLimit]) -> None:
    """Count one guess for each subject; raises ProblemError where one has none left."""
    now_s = context.wall_s()

    def unit(connection: Connection) -> float:
        return max(take_guess(connection, one, limit, now_s) for one, limit in limits.items())

    wait_s = math.ceil(context.store.write(unit))
    if wait_s:
        detail = f"sign-in: too many tries, allowed again in {wait_s} s"
        raise ProblemError(429, "TOO_MANY_GUESSES", detail, headers={"Retry-After": str(wait_s)})


def _replace_session(connection: Connection, request: Request, new: NewSession) -> None:
    """A new id for who signs in; the one that the browser had is over."""
    _end_present(connection, request)
    begin_session(connection, new)


def _end_present(connection: Connection, request: Request) -> None:
    cookie = _cookie(request, COOKIE)
    if SECRET.fullmatch(cookie):
        end_session(connection, hash_secret(cookie))


def _cookie(request: Request, name: str) -> str:
    return request.cookies.get(cookie_name(request, name), "")


def _set_cookie(answer: Response, request: Request, name: str, value: str, lasts_s: int) -> None:
    answer.set_cookie(
        cookie_name(request, name), value, max_age=lasts_s, path="/",
        secure=is_encrypted(request), httponly=True, samesite="strict",
    )  # fmt: skip


def _signed_in(request: Request, secret: str, document: dict[str, str]) -> Response:
    answer = Response(
        orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json"
    )
    _set_cookie(answer, request, COOKIE, secret, LASTS_S)
    return answer
