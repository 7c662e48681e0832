"""What happens to every request before it is read: number, host, size; and headers afterwards."""

import asyncio
import itertools
import os
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from energy.api.problems import ProblemError, problem_response
from energy.api.rates import Rates, Refusals
from energy.logs import noted

BODY_BYTES_MAX = 16 * 1024
LONGER_BODIES = {"/v1/readings": 320 * 1024}
"""What brings many things at once may be longer, by path."""
# What is too large is read and thrown away so that the sender can read the answer, up to here.
DRAIN_BYTES_MAX = 64 * 1024 * 1024
DRAIN_S_MAX = 5.0
BODY_S_MAX = 10.0
REFUSED_PER_S, REFUSED_BURST = 50.0, 1_000
"""Signatures and tokens of an address that may be found to be none: lasting, and at once."""
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
EVERY_HOST = frozenset({"0.0.0.0", "::", ""})
YEAR_S = 31_536_000
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class GoneError(Exception):
    """The sender has gone before the body was complete; nobody waits for an answer."""


class Guard:
    """Numbers requests, refuses foreign hosts, too many at once, and large or slow bodies, all
    before anything is parsed.

    The body that the application sees is complete: it arrives as one message.
    """

    def __init__(
        self, app: ASGIApp, host: str, rates: Rates, hosts: Collection[str] = LOCAL_HOSTS
    ) -> None:
        self._app = app
        self._process, self._numbers = os.urandom(4).hex(), itertools.count(1)
        self._rates = rates
        self._refusals = Refusals(Rates(REFUSED_PER_S, REFUSED_BURST))
        self._hosts = None if host in EVERY_HOST else frozenset({*hosts, host.lower()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = f"{self._process}{next(self._numbers):08x}"
        send = _with_headers(send, scope["request_id"], scope.get("scheme") == "https")
        headers = Headers(scope=scope)
        try:
            self._require_host(headers)
            self._rates.require(scope, headers)
            if scope["method"] not in ("GET", "HEAD"):
                self._refusals.require(scope)
                most = LONGER_BODIES.get(scope["path"], BODY_BYTES_MAX)
                send = self._counting(scope, send)
                receive = _replay(await _read_body(headers, receive, most), receive)
        except ProblemError as problem:
            response = problem_response(problem, scope["request_id"])
            await response(scope, receive, send)
            return
        except GoneError:
            return
        with noted(request=scope["request_id"]):
            await self._app(scope, receive, send)

    def _counting(self, scope: Scope, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._refusals.count(scope)
            await send(message)

        return sent

    def _require_host(self, headers: Headers) -> None:
        if self._hosts is None:
            return
        host = headers.get("host", "").lower()
        name = host[: host.index("]") + 1] if host.startswith("[") else host.split(":")[0]
        if name not in self._hosts:
            allowed = ", ".join(sorted(self._hosts))
            found = host[:100]
            raise ProblemError(
                421, "UNKNOWN_HOST", f"host: found {found!r}, allowed {allowed}", "host", found
            )


async def _read_body(headers: Headers, receive: Receive, most: int) -> bytes:
    """The body, counted while it comes; raises ProblemError where it is too large or too slow."""
    chunks: list[bytes] = []
    size, more = 0, True
    declared = headers.get("content-length", "0")
    too_large = declared.isdigit() and int(declared) > most
    if too_large and int(declared) > DRAIN_BYTES_MAX:
        raise _too_large(declared, most)
    try:
        async with asyncio.timeout(DRAIN_S_MAX if too_large else BODY_S_MAX):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise GoneError
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                too_large = too_large or size > most
                if size > DRAIN_BYTES_MAX:
                    break
                if too_large:
                    chunks.clear()
                else:
                    chunks.append(chunk)
    except TimeoutError as error:
        if not too_large:
            raise ProblemError(
                400, "TOO_SLOW", f"body: found {size} bytes in {BODY_S_MAX:.0f} s", "body"
            ) from error
    if too_large:
        found = max(declared, str(size), key=int) if declared.isdigit() else str(size)
        raise _too_large(found, most)
    return b"".join(chunks)


def _too_large(found: str, most: int) -> ProblemError:
    allowed = f"at most {most} bytes"
    detail = f"body: found {found} bytes, allowed {allowed}"
    return ProblemError(413, "TOO_LARGE", detail, "body", f"{found} bytes", allowed)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body at once, then whatever the connection says."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _with_headers(send: Send, request_id: str, is_encrypted: bool) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.setdefault("headers", [])
            names = {name for name, _ in given}
            if b"x-request-id" not in names:
                given.append((b"x-request-id", request_id.encode()))
            if is_encrypted:
                given.append((b"strict-transport-security", b"max-age=%d" % YEAR_S))
            given += [pair for pair in RAW_HEADERS if pair[0] not in names]
        await send(message)

    return sent
