"""What every way of signing in shares: guesses are counted, a session begins, its cookie is set."""

import functools
import math
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from fastapi import Request, Response
from sqlalchemy import Connection

from energy.api.context import ApiContext, context_of
from energy.api.doorman import COOKIE, SECRET, cookie_name, is_encrypted
from energy.api.problems import ProblemError
from energy.api.rates import network_of
from energy.steps.credentials import hash_secret, is_password, nobodys_password, step_of_code
from energy.store.people import Person
from energy.store.sessions import (
    LASTS_S,
    GuessLimit,
    NewSession,
    begin_session,
    end_session,
    take_guess,
)

NAME_LIMIT = GuessLimit(most=10, refill_s=60.0)
"""Of a name from one network: nobody elsewhere can use up what its owner has at home."""
CROWD_LIMIT = GuessLimit(most=100, refill_s=60.0)
"""Of a name from all networks together: of a million codes a crowd may try so few."""
CODE_LIMIT = GuessLimit(most=10, refill_s=60.0)
"""Of codes that somebody shows again who has signed in already."""
ADDRESS_LIMIT = GuessLimit(most=15, refill_s=20.0)
# Stretching a password takes memory and time: no more than this many at once.
STRETCHERS = 2
SIGNED_IN: dict[int | str, dict[str, Any]] = {
    200: {"description": "signed in; the cookie is the session"}
}


def stretchers(request: Request) -> CapacityLimiter:
    """The turn of those whose password is stretched."""
    state = request.app.state
    if not hasattr(state, "stretchers"):
        state.stretchers = CapacityLimiter(STRETCHERS)
    found: CapacityLimiter = state.stretchers
    return found


def name_at(name: str, origin: str) -> str:
    """The subject of guesses at a name from the network of an address."""
    return f"name {name} from {network_of(origin)}"


def guess_limits(name: str, origin: str) -> dict[str, GuessLimit]:
    """What a guess at a name is counted by, in this order."""
    return {
        f"address {network_of(origin)}": ADDRESS_LIMIT,
        name_at(name, origin): NAME_LIMIT,
        f"name {name}": CROWD_LIMIT,
    }


def take_guesses(context: ApiContext, limits: dict[str, GuessLimit]) -> None:
    """Count one guess for each subject; raises ProblemError where one has none left.

    What is refused by one subject takes nothing of those behind it: else whoever goes on guessing
    without being looked at would use up what all others have.
    """
    now_s = context.wall_s()

    def unit(connection: Connection) -> float:
        waits = (take_guess(connection, one, limit, now_s) for one, limit in limits.items())
        return next(filter(None, waits), 0.0)

    wait_s = math.ceil(context.store.write(unit))
    if wait_s:
        detail = f"sign-in: too many tries, allowed again in {wait_s} s"
        raise ProblemError(429, "TOO_MANY_GUESSES", detail, headers={"Retry-After": str(wait_s)})


async def proved_step(
    request: Request, person: Person | None, fields: dict[str, str]
) -> int | None:
    """The step of the one-time code where name, password and code are right; else None."""
    prove = functools.partial(_prove, person, fields, context_of(request).wall_s())
    return await to_thread.run_sync(prove, limiter=stretchers(request))


def _prove(person: Person | None, fields: dict[str, str], now_s: float) -> int | None:
    """The work is the same whatever is wrong, so that the time says nothing."""
    known = person is not None and person.disabled_s is None
    stretched = person.password if person is not None else nobodys_password()
    is_right = is_password(fields["password"], stretched)
    step = step_of_code(person.code_seed if person is not None else b"", fields["code"], now_s)
    return step if known and is_right else None


def replace_session(connection: Connection, request: Request, new: NewSession) -> None:
    """A new id for who signs in; the one that the browser had is over."""
    end_present(connection, request)
    begin_session(connection, new)


def end_present(connection: Connection, request: Request) -> None:
    """The session that the browser has is over; nothing happens without one."""
    cookie = cookie_of(request, COOKIE)
    if SECRET.fullmatch(cookie):
        end_session(connection, hash_secret(cookie))


def cookie_of(request: Request, name: str) -> str:
    """A cookie of ours, empty where there is none."""
    return request.cookies.get(cookie_name(request, name), "")


def set_cookie(answer: Response, request: Request, name: str, value: str, lasts_s: int) -> None:
    """Give the browser a cookie that no script and no other site can use."""
    answer.set_cookie(
        cookie_name(request, name), value, max_age=lasts_s, path="/",
        secure=is_encrypted(request), httponly=True, samesite="strict",
    )  # fmt: skip


def signed_in(request: Request, secret: str, document: dict[str, str]) -> Response:
    """The answer to whoever has signed in, with the session in its cookie."""
    answer = Response(
        orjson.dumps(document), 200, {"Cache-Control": "no-store"}, "application/json"
    )
    set_cookie(answer, request, COOKIE, secret, LASTS_S)
    return answer


def signed_out(request: Request) -> Response:
    """The answer to whoever has signed out; the browser forgets the cookie."""
    answer = Response(b"{}", 200, {"Cache-Control": "no-store"}, "application/json")
    set_cookie(answer, request, COOKIE, "", 0)
    return answer
