"""What somebody does with their own sign-in: end it everywhere, choose another password.

Both want a session, and with it a request from our own pages, which the doorman sees to.
"""

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from energy.api.callers import OWN_SESSION, caller_of, may
from energy.api.context import context_of
from energy.api.doorman import DEMO_NAME, origin_of, record_of, slot_now
from energy.api.fields import fields_schema, read_fields
from energy.api.problems import ProblemError, answering, answers
from energy.api.session_steps import (
    SIGNED_IN,
    end_present,
    guess_limits,
    name_at,
    proved_step,
    replace_session,
    signed_in,
    signed_out,
    stretchers,
    take_guesses,
)
from energy.api.shapes.office import SignedIn, SignedOut
from energy.steps.credentials import (
    hash_secret,
    new_secret,
    require_other_password,
    require_password,
    stretch_password,
)
from energy.store.audit import append_record
from energy.store.people import Person, change_password, find_person, use_code_step
from energy.store.sessions import NewSession, end_sessions, forget_guesses, open_session

NEW_PASSWORD_FIELDS = {"password": 200, "code": 6, "new_password": 200}

router = APIRouter(tags=["sign-in"])


@router.post(
    "/v1/session/end-all",
    summary="Sign out everywhere",
    response_model=SignedOut,
    responses=answers(401, 403, 413, 503),
)
@may(OWN_SESSION)
def sign_out_everywhere(request: Request) -> Response:
    """Every session of the person, or of the wallet's account, is over at once, on the server.

    Of the demonstration's it is this one alone.
    """
    caller, context = caller_of(request), context_of(request)
    owner = caller.person or caller.account
    named = f" as {caller.person}" if caller.person is not None else ""

    def unit(connection: Connection) -> None:
        count = 1 if owner is None else end_sessions(connection, owner)
        end_present(connection, request)
        task = f"sign out everywhere{named}, sessions: {count}"
        append_record(connection, record_of(request, caller, caller.account or caller.name, task))

    context.store.write(unit)
    return signed_out(request)


@router.post(
    "/v1/session/new-password",
    summary="Change my password",
    response_model=SignedIn,
    responses={**SIGNED_IN, **answers(400, 401, 403, 413, 415, 422, 429, 503)},
    openapi_extra=fields_schema(NEW_PASSWORD_FIELDS),
)
@may(OWN_SESSION)
async def choose_password(request: Request) -> Response:
    """Wants the present password and a code that was not used yet; guesses count as at sign-in.

    All other sessions of the person end at once, and this one goes on under a new cookie.
    """
    context, fields = context_of(request), await read_fields(request, NEW_PASSWORD_FIELDS)
    name = _person_of(request)
    with answering(422, "PASSWORD", "new_password"):
        require_password(fields["new_password"])
        require_other_password(fields["new_password"], fields["password"])
    await run_in_threadpool(take_guesses, context, guess_limits(name, origin_of(request)))
    person = await run_in_threadpool(
        context.store.read, lambda connection: find_person(connection, name)
    )
    step, stretched = await proved_step(request, person, fields), ""
    if step is not None:
        stretched = await to_thread.run_sync(
            stretch_password, fields["new_password"], limiter=stretchers(request)
        )
    return await run_in_threadpool(_take_password, request, person, step, stretched)


def _person_of(request: Request) -> str:
    """The name of who has begun the session with a password; raises ProblemError."""
    caller = caller_of(request)
    if caller.person is None:
        found = "the demonstration's" if caller.name == DEMO_NAME else "a wallet's"
        allowed = "one begun with password and code"
        detail = f"session: found {found}, allowed {allowed}"
        raise ProblemError(403, "FORBIDDEN", detail, "session", found, allowed)
    return caller.person


def _take_password(
    request: Request, person: Person | None, step: int | None, stretched: str
) -> Response:
    """Change the password and begin the session anew, in one transaction.

    What was proven must still hold in it: somebody may have ended the session meanwhile, or have
    given the person another password because this one is known to others.
    """
    context, caller, secret = context_of(request), caller_of(request), new_secret()
    now_s, origin, name = int(context.wall_s()), origin_of(request), caller.person or ""
    id_, slot = caller.session or b"", slot_now(context)

    def unit(connection: Connection) -> bool:
        is_right = (
            person is not None
            and step is not None
            and open_session(connection, id_, now_s, slot) is not None
            and use_code_step(connection, person, step)
        )
        task = f"change password of {name}; its other sessions ended"
        task = task if is_right else f"new password of {name} refused"
        append_record(connection, record_of(request, caller, caller.account or caller.name, task))
        if is_right:
            change_password(connection, name, stretched)
            forget_guesses(connection, name_at(name, origin))
            new = NewSession(hash_secret(secret), now_s, origin, name)
            replace_session(connection, request, new)
        return is_right

    if not context.store.write(unit):
        detail = "password and code: allowed the present password and a code not used yet"
        raise ProblemError(401, "SIGN_IN_REFUSED", detail)
    return signed_in(request, secret, {"role": caller.role, "name": f"person {name}"})
