"""Sign-In with Ethereum over HTTP: a nonce for this browser, then the message that was signed."""

import re
import secrets

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import PUBLIC, may
from energy.api.context import ApiContext, context_of
from energy.api.doorman import origin_of, own_url, require_own_page, slot_now
from energy.api.fields import fields_schema, read_fields
from energy.api.guard import EVERY_HOST
from energy.api.problems import ProblemError, answers
from energy.api.rates import network_of
from energy.api.session_steps import (
    SIGNED_IN,
    cookie_of,
    replace_session,
    set_cookie,
    signed_in,
    take_guesses,
)
from energy.api.shapes.office import SignedIn, SignInNonce
from energy.api.siwe import Expected, SignInError, SignInMessage, make_message, read_message
from energy.steps.credentials import hash_secret, new_secret
from energy.store.audit import Record, append_record
from energy.store.sessions import (
    NONCE_S,
    GuessLimit,
    NewSession,
    account_of_address,
    issue_nonce,
    use_nonce,
)
from energy.timegrid import iso_of
from market.signing import SignatureError, personal_digest, recover

BROWSER_COOKIE = "microgrid-browser"
STATEMENT = "Sign in to the microgrid."
NONCE_FIELDS = {"address": 42}
WALLET_FIELDS = {"message": 2_000, "signature": 132}
WALLET_LIMIT = GuessLimit(most=60, refill_s=2.0)
NONCE_LIMIT = GuessLimit(most=300, refill_s=0.2)
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")

router = APIRouter(tags=["sign-in"])


@router.post(
    "/v1/session/nonce",
    summary="A message for a wallet to sign",
    response_model=SignInNonce,
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
    await run_in_threadpool(take_guesses, context, limits)
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
    set_cookie(answer, request, BROWSER_COOKIE, browser, NONCE_S)
    return answer


@router.post(
    "/v1/session/wallet",
    summary="Sign in with Ethereum",
    response_model=SignedIn,
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
    await run_in_threadpool(take_guesses, context, limits)
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
    browser = hash_secret(cookie_of(request, BROWSER_COOKIE))

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
            replace_session(connection, request, new)
        return account

    account = context.store.write(unit)
    if account is None:
        raise _refused("address: allowed one whose key may trade for an account now")
    named = f"account 0x{account.hex()}"
    return signed_in(request, secret, {"role": "prosumer", "name": named})


def _refused(detail: str) -> ProblemError:
    return ProblemError(401, "SIGN_IN_REFUSED", detail)
