"""Residents are invited by an operator and choose their own password; a key is kept for them.

The operator never hears the password or the seed of the codes. With the invitation taken up, the
key of the household is made and registered, so that nobody can have used it before. Where somebody
acts for a household already nobody is invited: an invented resident would sign in its name.
"""

from typing import Annotated

import orjson
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import OPERATE, PUBLIC, caller_of, may
from energy.api.context import context_of
from energy.api.doorman import origin_of, record_of, require_own_page
from energy.api.fields import JsonBody, fields_schema, read_fields
from energy.api.kept import keys_closed, opened
from energy.api.orders import problem_of
from energy.api.problems import ProblemError, answering, answers
from energy.api.rates import network_of
from energy.api.session_steps import ADDRESS_LIMIT, stretchers, take_guesses
from energy.api.shapes.residents import Invited, TakenUp
from energy.steps.credentials import (
    hash_secret,
    new_secret,
    new_seed,
    otpauth_uri,
    require_password,
    stretch_password,
)
from energy.steps.kept_keys import Now, RefusedError, keep_key
from energy.steps.key_safe import SafeError
from energy.store.audit import Record, append_record
from energy.store.invitations import (
    Invitation,
    add_invitation,
    find_invitation,
    is_again,
    take_invitation,
    taken_by,
)
from energy.store.people import NAME, RESIDENT, Person, add_person, renew_person
from energy.timegrid import iso_of

ISSUER = "Sejong Microgrid"
DAY_S = 86_400
AGAIN = " again: another password, other codes, sessions ended"
INVITED_FIELDS = {"invitation": 43, "password": 200}

router = APIRouter(tags=["people"])


class InvitationBody(JsonBody):
    """Who is invited, by the name under which they will sign in, of which household."""

    name: str = Field(pattern=f"^{NAME.pattern}$", examples=["kim-101-1204"])
    account: Annotated[str, Field(pattern="^0x[0-9a-f]{64}$", examples=["0x" + "3f" * 32])]
    days: int = Field(7, ge=1, le=30, description="how long the invitation is good")


@router.post(
    "/v1/people/invitations",
    summary="Invite a resident without a wallet",
    response_model=Invited,
    status_code=201,
    responses=answers(401, 403, 404, 409, 413, 422),
)
@may(OPERATE)
def invite(request: Request, body: InvitationBody) -> Response:
    """The answer's secret goes to the resident alone, who chooses a password with it, once.

    Made again for the same name and household, the one before is good no more. A household of
    which somebody else may sign in, or with a live key of its own, is taken: disable or revoke
    first. Who may sign in already gets a new password and new codes when it is taken up.
    """
    context, caller, secret = context_of(request), caller_of(request), new_secret()
    account, now_s = bytes.fromhex(body.account[2:]), int(context.wall_s())
    if account not in context.admission.traders:
        detail = f"account: found {body.account}, allowed the account of a household"
        raise ProblemError(404, "NOT_FOUND", detail, "account", body.account)
    ends_s = now_s + body.days * DAY_S
    new = Invitation(hash_secret(secret), body.name, account, caller.name, now_s, ends_s)

    def unit(connection: Connection) -> None:
        add_invitation(connection, new)
        _require_free(connection, new)
        append_record(connection, record_of(request, caller, account, f"invite {body.name}"))

    with answering(409, "NAME_TAKEN", "name", body.name):
        context.store.write(unit)
    document = {
        "invitation": secret,
        "path": f"/sign-in#invitation={secret}",
        "name": body.name,
        "account": body.account,
        "ends_utc": iso_of(ends_s),
    }
    return Response(orjson.dumps(document), 201, {"Cache-Control": "no-store"}, "application/json")


@router.post(
    "/v1/session/invitation",
    summary="Take up an invitation",
    response_model=TakenUp,
    responses=answers(400, 401, 403, 409, 413, 415, 422, 429, 503),
    openapi_extra=fields_schema(INVITED_FIELDS),
)
@may(PUBLIC)
async def take_up(request: Request) -> Response:
    """Choose a password; the answer's line goes into a code program, and then one signs in.

    A key is made for the household, encrypted, and registered as one that the company keeps. Who
    was invited again has a new password and new codes from now on, and all their sessions end.
    """
    context = context_of(request)
    require_own_page(context, request)
    fields = await read_fields(request, INVITED_FIELDS)
    with answering(422, "PASSWORD", "password"):
        require_password(fields["password"])
    limits = {f"address {network_of(origin_of(request))}": ADDRESS_LIMIT}
    await run_in_threadpool(take_guesses, context, limits)
    hashed, now_s = hash_secret(fields["invitation"]), int(context.wall_s())
    found = await run_in_threadpool(
        context.store.read, lambda connection: find_invitation(connection, hashed, now_s)
    )
    if found is None:
        raise _refused()
    stretched = await to_thread.run_sync(
        stretch_password, fields["password"], limiter=stretchers(request)
    )
    who = Person(found.name, RESIDENT, stretched, new_seed(), 0, now_s, account=found.account)
    return await run_in_threadpool(_begin_resident, request, found, who)


def _begin_resident(request: Request, found: Invitation, who: Person) -> Response:
    """Take the invitation, and make or renew the person and the key, in one transaction."""
    context, keeper = context_of(request), opened(context_of(request))
    now = Now(int(context.clock.now_s() * 1_000_000), who.created_s)

    def unit(connection: Connection) -> None:
        if not take_invitation(connection, found.hash, now.wall_s):
            raise _refused()
        _require_free(connection, found)
        again = is_again(connection, found)
        with answering(409, "NAME_TAKEN", "name", found.name):
            (renew_person if again else add_person)(connection, who)
        row = keep_key(connection, keeper, context.admission, found.account, now)
        named = f"account 0x{found.account.hex()}"
        task = f"take up invitation as {who.name}{AGAIN if again else ''}"
        task += f"; key 0x{row.address.hex()} is kept"
        at_us = int(context.wall_s() * 1_000_000)
        append_record(connection, Record(at_us, named, origin_of(request), named, task))

    try:
        context.store.write(unit)
    except RefusedError as error:
        raise problem_of(error.refusal) from error
    except SafeError as error:
        raise keys_closed(error) from error
    document = {"name": who.name, "otpauth": otpauth_uri(who.name, who.code_seed, ISSUER)}
    return Response(orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json")


def _require_free(connection: Connection, invited: Invitation) -> None:
    """Raise ProblemError where somebody else acts for the household already."""
    found = taken_by(connection, invited.account, invited.name)
    if found is not None:
        allowed = "one for which nobody acts: disable its people, or revoke its key, first"
        detail = f"account: found {found}, allowed {allowed}"
        raise ProblemError(409, "HOUSEHOLD_TAKEN", detail, "account", found, allowed)


def _refused() -> ProblemError:
    detail = "invitation: allowed one that is neither over nor taken up"
    return ProblemError(401, "SIGN_IN_REFUSED", detail, "invitation")
