"""Who asks, and who may: every route states its verdict by `@may(...)` right below its path.

A route without one is refused when the application is made. Roles and objects that a verdict
names stand in the API's document as `x-verdict`, from which the authorisation matrix is tested.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from energy.api.problems import ProblemError

SAFE_METHODS = frozenset({"GET", "HEAD"})


class Role(StrEnum):
    """What somebody is to the district."""

    ANONYMOUS = "anonymous"
    PROSUMER = "prosumer"
    DEVICE = "device"
    NETWORK_OWNER = "network_owner"
    AUDITOR = "auditor"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Verdict:
    """Who may use a route: `scope` is its name, which tokens list; `own` is said of its objects.

    `own` True: prosumers reach the objects of their own account alone.
    """

    scope: str
    roles: frozenset[Role]
    own: bool = False
    is_page: bool = False

    def as_json(self) -> dict[str, Any]:
        """The verdict in the API's document."""
        return {"scope": self.scope, "roles": sorted(self.roles), "own": self.own}


EVERYBODY = frozenset(Role)
MEMBER_ROLES = EVERYBODY - {Role.ANONYMOUS}

PUBLIC = Verdict("public", EVERYBODY)
BY_SIGNATURE = Verdict("signature", EVERYBODY)
"""The signature in the message decides, whoever brings it; no session is looked at."""
MEMBERS = Verdict("market:read", MEMBER_ROLES)
DISTRICT = Verdict("district:read", frozenset({Role.NETWORK_OWNER, Role.AUDITOR, Role.OPERATOR}))
STEERING = Verdict("steering:read", frozenset({Role.AUDITOR, Role.OPERATOR}))
HOUSEHOLD = Verdict(
    "household:read",
    frozenset({Role.PROSUMER, Role.AUDITOR, Role.OPERATOR}),
    own=True,
)
READINGS = Verdict("readings:write", frozenset({Role.DEVICE}))
"""A device brings what its meters have counted; which are its own the store says. It reads nothing
of a household, for what hangs in a cupboard may be stolen.
"""
OWN_HOME = Verdict("household:act", frozenset({Role.PROSUMER}), own=True)
"""Acts of a household on what is its own; nobody does them in its stead."""
OWN_SESSION = Verdict("session", MEMBER_ROLES - {Role.DEVICE})
"""What somebody does with their own sign-in, in a session of it; no token has this scope."""
DISTRICT_PAGE = replace(DISTRICT, is_page=True)
STEERING_PAGE = replace(STEERING, is_page=True)
AUDIT = Verdict("audit:read", frozenset({Role.AUDITOR, Role.OPERATOR}))
OPERATE = Verdict("operate", frozenset({Role.OPERATOR}))
TOKEN_VERDICTS = (MEMBERS, DISTRICT, STEERING, HOUSEHOLD, AUDIT, OPERATE, READINGS)
SCOPES = tuple(one.scope for one in TOKEN_VERDICTS)


@dataclass(frozen=True)
class Caller:
    """Who makes a request.

    `name` and `origin` go into the audit log. `account` is that of a prosumer or a device, None
    of all others. `scopes` are those of a token; None means all that the role may. `is_demo`: no
    sign-in is asked for and this reader stands in for an operator, but may change nothing.
    `session` is the id of the session behind the request, `person` the name of who has begun it
    with a password, None of wallets and of the demonstration.
    """

    role: Role
    name: str
    origin: str
    account: bytes | None = None
    scopes: frozenset[str] | None = None
    is_demo: bool = False
    session: bytes | None = None
    person: str | None = None

    @property
    def owner(self) -> bytes | None:
        """The account whose objects alone are reached, for the query of the store; None: all."""
        return self.account if self.role in (Role.PROSUMER, Role.DEVICE) else None

    @property
    def sees_each(self) -> bool:
        """Whether figures of so few households are shown that they tell of one of them."""
        return self.role in STEERING.roles

    def subject(self, named: bytes | None) -> bytes:
        """The account that a request is about: one's own, or the one that is named.

        Raises ProblemError where another's is named, as if there were none, or none is.
        """
        if self.owner is not None and named in (None, self.owner):
            return self.owner
        if self.owner is not None:
            raise ProblemError(404, "NOT_FOUND", "account: found none that is yours", "account")
        if named is None:
            allowed = "the account of a household"
            detail = f"account: found none, allowed {allowed}"
            raise ProblemError(422, "MALFORMED", detail, "account", "none", allowed)
        return named


class Doorman(Protocol):
    """Finds out who makes a request."""

    def caller(self, request: Request) -> Caller:
        """The caller by cookie or token; raises ProblemError for those that are not good."""

    def turn_away(self, request: Request, caller: Caller, verdict: Verdict) -> ProblemError:
        """What is said to a caller who may not: sign in, or that this is not theirs to do."""

    def asks_sign_in(self, request: Request) -> bool:
        """Whether who sends this must sign in to be anybody."""

    def is_still(self, request: Request, caller: Caller) -> bool:
        """Whether the request would come from the same caller if it came now."""


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def may(verdict: Verdict) -> Callable[[Endpoint], Endpoint]:
    """Let those of the verdict use a route, and nobody else.

    What everybody may use is left as it is and costs nothing.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        guarded: Any = endpoint
        if verdict.roles != EVERYBODY:
            guarded = _guarded(endpoint, verdict)
        guarded.verdict = verdict
        return guarded  # type: ignore[no-any-return]

    return mark


def _guarded(endpoint: Callable[..., Any], verdict: Verdict) -> Callable[..., Any]:
    """The endpoint with one more dependency, which is asked before anything is validated."""

    def admit(request: Request) -> None:
        _admit(request, verdict)

    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def guarded(*args: Any, admitted: None, **given: Any) -> Any:  # noqa: ANN401
            return await endpoint(*args, **given)
    else:

        @functools.wraps(endpoint)
        def guarded(*args: Any, admitted: None, **given: Any) -> Any:  # noqa: ANN401
            return endpoint(*args, **given)

    signature = inspect.signature(endpoint)
    keyword = inspect.Parameter.KEYWORD_ONLY
    asked = inspect.Parameter("admitted", keyword, default=Depends(admit))
    # First of all, so that no other dependency answers those who may not.
    rest = (each.replace(kind=keyword) for each in signature.parameters.values())
    parameters = [asked, *rest]
    guarded.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return guarded


def _admit(request: Request, verdict: Verdict) -> None:
    caller = caller_of(request)
    is_allowed = caller.role in verdict.roles
    if caller.scopes is not None:
        is_allowed = is_allowed and verdict.scope in caller.scopes
    if caller.is_demo and request.method not in SAFE_METHODS:
        is_allowed = False
    if not is_allowed:
        doorman: Doorman = request.app.state.doorman
        raise doorman.turn_away(request, caller, verdict)


def caller_of(request: Request) -> Caller:
    """Who makes the request; also as `caller: Caller = Depends(caller_of)`. Reads the store."""
    found: Caller | None = getattr(request.state, "caller", None)
    if found is None:
        doorman: Doorman = request.app.state.doorman
        found = request.state.caller = doorman.caller(request)
    return found


def no_person(caller: Caller) -> ProblemError:
    """A token came where a person must do it."""
    detail = f"caller: found {caller.name}, allowed a person who has signed in"
    return ProblemError(403, "NO_PERSON", detail, "caller", caller.name, "a person")


def verdict_of(route: BaseRoute) -> Verdict | None:
    """The verdict of a route, None where it has none."""
    return getattr(getattr(route, "endpoint", None), "verdict", None)


def require_verdicts(routes: Iterable[BaseRoute]) -> None:
    """Raise TypeError where a route does not say who may use it."""
    for route in routes:
        if isinstance(route, APIRoute) and verdict_of(route) is None:
            raise TypeError(f"route {route.methods} {route.path} has no verdict: @may(...)")
