"""The crowd's door over HTTP: thousands of orders at a gate, many at once.

What is done by hand goes through `energy.client`; it asks one thing after the other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from energy.crowd.demand_response import Offer, parse_offers
from energy.crowd.public import MarketNow, parse_market

TIMEOUT_S = 20.0
CONNECTIONS_MAX = 64
HEADERS = {"Content-Type": "application/json"}


class UnreachableError(Exception):
    """The server does not answer, or not now: the same request may be made again."""


class RefusedError(Exception):
    """The server does not tell this to whoever asks; the same request is refused again."""


@dataclass(frozen=True)
class PostAnswer:
    """What the server answered to an order: its status, and the body where that was wanted."""

    status: int
    document: dict[str, Any]

    @property
    def is_accepted(self) -> bool:
        """Whether the order stands in the book; also when it stood there before."""
        return self.status < 300

    @property
    def code(self) -> str:
        """The refusal's kind, `ACCEPTED` where there is none."""
        return "ACCEPTED" if self.is_accepted else str(self.document.get("code", self.status))


@dataclass(frozen=True)
class MarketDoor:
    """The door of one server; at most 64 connections."""

    session: aiohttp.ClientSession
    url: str

    async def fetch_market(self) -> MarketNow:
        """The market as it stands; raises UnreachableError, or CrowdError for an odd document."""
        status, document = await self._ask("GET", "/v1/prices", None)
        if status != 200:
            raise UnreachableError(f"{self.url}/v1/prices answers {status}")
        return parse_market(document)

    async def post_order(self, envelope: bytes) -> PostAnswer:
        """What the server says to a signed order; raises UnreachableError: it may be repeated."""
        return PostAnswer(*await self._ask("POST", "/v1/orders", envelope))

    async def fetch_offers(self) -> list[Offer]:
        """The DR events that can be answered; none where the market has no such thing.

        Raises RefusedError where it wants somebody to sign in who has not.
        """
        status, document = await self._ask("GET", "/v1/dr/events", None)
        if status in (401, 403):
            raise RefusedError(f"{self.url}/v1/dr/events answers {status}")
        return parse_offers(document) if status == 200 else []

    async def post_commit(self, envelope: bytes) -> PostAnswer:
        """What the server says to a signed DrCommit; raises UnreachableError, as for orders."""
        return PostAnswer(*await self._ask("POST", "/v1/dr/commits", envelope))

    async def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, dict[str, Any]]:
        address = self.url + path
        try:
            async with self.session.request(method, address, data=body, headers=HEADERS) as answer:
                status, found = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"{self.url} does not answer: {reason}") from error
        if status >= 500 or status == 429:
            raise UnreachableError(f"{address} answers {status}")
        return status, _object_of(found)


@asynccontextmanager
async def open_door(url: str, token: str = "") -> AsyncIterator[MarketDoor]:
    """The door of a server by its address, closed afterwards; `token` opens what wants sign-in."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Authorization": f"Bearer {token}"} if token else None,
    ) as session:
        yield MarketDoor(session, url.rstrip("/"))


def _object_of(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; empty where the server answered with something else."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
