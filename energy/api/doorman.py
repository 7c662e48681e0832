"""The doorman: who makes a request, by session cookie or bearer token, looked up each time.

Nothing is remembered between two requests, so that a right that is withdrawn is gone at once.
A cookie alone does nothing that changes the store unless the request comes from our own pages.
"""

import logging
import re
from dataclasses import replace
from urllib.parse import quote

from fastapi import Request
from sqlalchemy import Connection

from energy.api.callers import SAFE_METHODS, SCOPES, Caller, Role, Verdict, no_person
from energy.api.context import ApiContext, context_of
from energy.api.problems import ProblemError
from energy.config import is_loopback
from energy.steps.credentials import hash_secret
from energy.store.audit import Record, append_record
from energy.store.errors import StoreBusyError
from energy.store.people import ServiceToken, token_of
from energy.store.sessions import SEEN_EVERY_S, Session, mark_seen, open_session
from energy.units import SLOT_S

log = logging.getLogger(__name__)

COOKIE = "microgrid"
UNATTENDED = "Microgrid-Unattended"
"""The header of what a page asks for by itself, some minutes after its reader's last sign."""
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
DEMO_NAME = "demo"


class StoreDoorman:
    """Knows people, wallets, devices and services by the rows of the store."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    def caller(self, request: Request) -> Caller:
        """The caller by token, else by cookie, else nobody.

        Raises ProblemError for a token that is not good, and for a cookie on a request that
        changes something and does not come from our own pages.
        """
        return self._caller(request, is_use=is_by_person(request))

    def _caller(self, request: Request, *, is_use: bool) -> Caller:
        header = request.headers.get("authorization")
        if header is not None:
            return self._by_token(header, origin_of(request))
        found = self.session(request, is_use=is_use)
        if found is None:
            return self._nobody(request)
        if request.method not in SAFE_METHODS:
            require_own_page(self._context, request)
        return _caller_of_session(found, origin_of(request))

    def session(self, request: Request, *, is_use: bool = False) -> Session | None:
        """The open session of the request's cookie, marked as used where this is use."""
        cookie = request.cookies.get(cookie_name(request, COOKIE), "")
        if not SECRET.fullmatch(cookie):
            return None
        id_, now_s = hash_secret(cookie), int(self._context.wall_s())
        slot = slot_now(self._context)
        store = self._context.store
        found = store.read(lambda connection: open_session(connection, id_, now_s, slot))
        is_demo = found is not None and found.person is None and found.account is None
        if found is None or (is_demo and self.asks_sign_in(request)):
            return None
        if is_use and found.seen_s <= now_s - SEEN_EVERY_S:
            try:
                store.write(lambda connection: mark_seen(connection, id_, now_s))
            except StoreBusyError as error:
                log.warning("a session's use is not written down: %s", error)
        return found

    def turn_away(self, request: Request, caller: Caller, verdict: Verdict) -> ProblemError:
        """401 for those who have not signed in, 403 for the others; pages lead to the sign-in."""
        roles = ", ".join(sorted(verdict.roles))
        if verdict.is_page:
            to = quote(request.url.path, safe="/")
            return ProblemError(
                303, "SIGN_IN", "sign in first", headers={"Location": f"/sign-in?to={to}"}
            )
        if caller.role == Role.ANONYMOUS or caller.is_demo:
            allowed = f"a session or token of: {roles}"
            return ProblemError(
                401, "SIGN_IN", f"sign-in: found none, allowed {allowed}", "sign-in", "none",
                allowed, headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        is_token = caller.scopes is not None
        if is_token and verdict.scope not in SCOPES and caller.role in verdict.roles:
            return no_person(caller)
        if caller.scopes is not None and verdict.scope not in caller.scopes:
            found = ", ".join(sorted(caller.scopes))
            detail = f"scope: found {found}, allowed {verdict.scope}"
            return ProblemError(403, "FORBIDDEN", detail, "scope", found, verdict.scope)
        detail = f"role: found {caller.role}, allowed {roles}"
        return ProblemError(403, "FORBIDDEN", detail, "role", caller.role, roles)

    def is_still(self, request: Request, caller: Caller) -> bool:
        """Whether the request would come from the same caller if it came now."""
        if caller.is_demo:
            return True
        try:
            return self._caller(request, is_use=False) == caller
        except ProblemError:
            return False

    def asks_sign_in(self, request: Request) -> bool:
        """Whether who sends this must sign in: everybody but readers of a demonstration on this
        machine, to which a proxy may bring requests from elsewhere.
        """
        return self._context.settings.asks_sign_in or not is_loopback(origin_of(request))

    def _nobody(self, request: Request) -> Caller:
        origin = origin_of(request)
        if self.asks_sign_in(request):
            return Caller(Role.ANONYMOUS, "anonymous", origin)
        return Caller(Role.OPERATOR, DEMO_NAME, origin, is_demo=True)

    def _by_token(self, header: str, origin: str) -> Caller:
        scheme, _, secret = header.partition(" ")
        token: ServiceToken | None = None
        if scheme.lower() == "bearer" and SECRET.fullmatch(secret):
            hashed, now_s = hash_secret(secret), int(self._context.wall_s())
            token = self._context.store.read(lambda connection: token_of(connection, hashed, now_s))
        if token is None:
            allowed = "Bearer and a token that is neither over nor disabled"
            raise ProblemError(
                401, "BAD_TOKEN", f"authorization: allowed {allowed}", "authorization", None,
                allowed, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )  # fmt: skip
        return Caller(
            Role(token.role), f"token {token.name}", origin, token.account, frozenset(token.scopes)
        )


def _caller_of_session(found: Session, origin: str) -> Caller:
    if found.account is not None:
        name = f"account 0x{found.account.hex()}"
        who = Caller(Role.PROSUMER, name, origin, found.account, session=found.id)
        return replace(who, person=found.person)
    if found.role is None:
        return Caller(Role.OPERATOR, DEMO_NAME, origin, session=found.id)
    who = Caller(Role(found.role), f"person {found.person}", origin, session=found.id)
    return replace(who, person=found.person)


def is_by_person(request: Request) -> bool:
    """Whether a person has done something to send this: a page left open is no use of a session."""
    is_stream = "text/event-stream" in request.headers.get("accept", "")
    return UNATTENDED not in request.headers and not is_stream


def slot_now(context: ApiContext) -> int:
    """The quarter hour that is running, by the district's clock."""
    return int(context.clock.now_s()) // SLOT_S * SLOT_S


def origin_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client is not None else "unknown"


def is_encrypted(request: Request) -> bool:
    """Whether the request came over TLS, here or at a proxy on this machine."""
    return request.url.scheme == "https"


def cookie_name(request: Request, plain: str) -> str:
    """The name of a cookie of ours: over TLS no other host and no plain page can set it."""
    return f"__Host-{plain}" if is_encrypted(request) else plain


def own_url(context: ApiContext, request: Request) -> str:
    """Scheme and host of our own pages: as set, else as asked for, which the guard has checked."""
    url = context.settings.public_url
    return url or f"{request.url.scheme}://{request.headers.get('host', '')}"


def require_own_page(context: ApiContext, request: Request) -> None:
    """Raise ProblemError unless the browser says that our own page sends this."""
    own, found = own_url(context, request), request.headers.get("origin", "none")
    if found != own:
        raise ProblemError(
            403, "OTHER_ORIGIN", f"origin: found {found[:100]}, allowed {own}", "origin",
            found[:100], own,
        )  # fmt: skip


def record_of(request: Request, caller: Caller, whose: bytes | str, task: str) -> Record:
    """The record of the audit log for what a caller does now.

    `whose` is an account, or the name of what else is touched.
    """
    at_us = int(context_of(request).wall_s() * 1_000_000)
    named = f"account 0x{whose.hex()}" if isinstance(whose, bytes) else whose
    return Record(at_us, caller.name, caller.origin, named, task)


def note_access(request: Request, caller: Caller, whose: bytes | str, task: str) -> None:
    """Write into the audit log who does what with whose data; durable when it returns."""
    record = record_of(request, caller, whose, task)

    def unit(connection: Connection) -> None:
        append_record(connection, record)

    context_of(request).store.write(unit)
