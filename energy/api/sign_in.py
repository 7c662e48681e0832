"""Signing in and out: a person's password and one-time code, the demonstration; wallets
stand in `wallets.py`, what one does with one's own sign-in in `own_sign_in.py`.

Everything here wants the request to come from our own pages (the Origin that browsers send), so
that no other site can sign anybody in or out.
"""

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import PUBLIC, Doorman, caller_of, may
from energy.api.context import context_of
from energy.api.doorman import DEMO_NAME, origin_of, require_own_page
from energy.api.fields import fields_schema, read_fields
from energy.api.problems import ProblemError, answers
from energy.api.session_steps import (
    SIGNED_IN,
    end_present,
    guess_limits,
    name_at,
    proved_step,
    replace_session,
    signed_in,
    signed_out,
    take_guesses,
)
from energy.api.shapes.office import Session, SignedIn, SignedOut
from energy.steps.credentials import hash_secret, new_secret
from energy.store.audit import Record, append_record
from energy.store.kept_keys import live_key_of
from energy.store.people import Person, find_person, use_code_step
from energy.store.sessions import NewSession, forget_guesses
from energy.store.views import Document
from energy.timegrid import iso_of

PASSWORD_FIELDS = {"name": 40, "password": 200, "code": 6}

router = APIRouter(tags=["sign-in"])


@router.get(
    "/v1/session", summary="Who you are here", response_model=Session, responses=answers(401)
)
@may(PUBLIC)
def get_session(request: Request) -> Response:
    """Role, name and account; `anonymous` before sign-in, and whether sign-in is asked for.

    `person` is who has begun the session with a password, null where a wallet has. `kept_key` is
    the key with which the company signs in it.
    """
    caller = caller_of(request)
    doorman: Doorman = request.app.state.doorman
    document = {
        "role": caller.role,
        "name": caller.name,
        "account": None if caller.account is None else f"0x{caller.account.hex()}",
        "person": caller.person,
        "is_demo": caller.is_demo,
        "asks_sign_in": doorman.asks_sign_in(request),
        "kept_key": _kept_key(request),
    }
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")


def _kept_key(request: Request) -> Document | None:
    caller = caller_of(request)
    if caller.person is None or caller.account is None:
        return None
    account = caller.account
    found = context_of(request).store.read(lambda connection: live_key_of(connection, account))
    if found is None:
        return None
    return {"address": f"0x{found.address.hex()}", "since_utc": iso_of(found.made_s)}


@router.post(
    "/v1/session/password",
    summary="Sign in with name, password and one-time code",
    response_model=SignedIn,
    responses={**SIGNED_IN, **answers(400, 401, 403, 413, 415, 422, 429, 503)},
    openapi_extra=fields_schema(PASSWORD_FIELDS),
)
@may(PUBLIC)
async def sign_in_with_password(request: Request) -> Response:
    """One answer for whatever was wrong; guesses are counted by address and by name."""
    context = context_of(request)
    require_own_page(context, request)
    fields = await read_fields(request, PASSWORD_FIELDS)
    name, origin = fields["name"], origin_of(request)
    await run_in_threadpool(take_guesses, context, guess_limits(name, origin))
    person = await run_in_threadpool(
        context.store.read, lambda connection: find_person(connection, name)
    )
    step = await proved_step(request, person, fields)
    return await run_in_threadpool(_begin_person, request, person, step)


def _begin_person(request: Request, person: Person | None, step: int | None) -> Response:
    context, origin, secret = context_of(request), origin_of(request), new_secret()
    now_s = context.wall_s()

    def unit(connection: Connection) -> bool:
        is_right = False
        if person is not None and step is not None:
            is_right = use_code_step(connection, person, step)
        record = _record_of(person, int(now_s * 1e6), origin, is_right=is_right)
        append_record(connection, record)
        if person is None or not is_right:
            return False
        forget_guesses(connection, name_at(person.name, origin))
        replace_session(
            connection, request, NewSession(hash_secret(secret), int(now_s), origin, person.name)
        )
        return True

    if not context.store.write(unit):
        detail = "name, password and code: allowed those of a person who may sign in"
        raise ProblemError(401, "SIGN_IN_REFUSED", detail)
    assert person is not None
    return signed_in(request, secret, {"role": person.role, "name": f"person {person.name}"})


def _record_of(person: Person | None, at_us: int, origin: str, *, is_right: bool) -> Record:
    """Signing in is an act of the resident's household; a try that fails is told to it."""
    named = "unknown" if person is None else f"person {person.name}"
    if person is None or person.account is None:
        return Record(at_us, named, origin, named, "sign in" if is_right else "sign-in refused")
    home = f"account 0x{person.account.hex()}"
    if is_right:
        return Record(at_us, home, origin, home, f"sign in as {person.name}")
    return Record(at_us, named, origin, home, "sign-in refused")


@router.post(
    "/v1/session/demo",
    summary="Act in the demonstration",
    response_model=SignedIn,
    responses={**SIGNED_IN, **answers(403, 413, 503)},
)
@may(PUBLIC)
def sign_in_to_demo(request: Request) -> Response:
    """An operator's session without sign-in: on the demo clock, for who sits at this machine."""
    context, origin, secret = context_of(request), origin_of(request), new_secret()
    require_own_page(context, request)
    doorman: Doorman = request.app.state.doorman
    if doorman.asks_sign_in(request):
        detail = "demo: allowed on the demo clock, on this machine, where sign_in is not required"
        raise ProblemError(403, "FORBIDDEN", detail)
    now_s = context.wall_s()

    def unit(connection: Connection) -> None:
        record = Record(int(now_s * 1e6), DEMO_NAME, origin, DEMO_NAME, "sign in")
        append_record(connection, record)
        replace_session(connection, request, NewSession(hash_secret(secret), int(now_s), origin))

    context.store.write(unit)
    return signed_in(request, secret, {"role": "operator", "name": DEMO_NAME})


@router.post(
    "/v1/session/end",
    summary="Sign out",
    response_model=SignedOut,
    responses=answers(403, 413, 503),
)
@may(PUBLIC)
def sign_out(request: Request) -> Response:
    """The session is over at once, on the server; without one nothing happens."""
    context = context_of(request)
    require_own_page(context, request)
    context.store.write(lambda connection: end_present(connection, request))
    return signed_out(request)
