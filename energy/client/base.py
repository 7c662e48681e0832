"""What every route of the client shares: one request, retries, problems, pages, events, sign-in."""

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson

from market.signing import address_of, checksum_address, personal_digest, sign

TIMEOUT_S = 20.0
# The server sends a beat every 15 s: a stream that is silent for longer is dead.
SILENT_S = 45.0
TRIES = 4
WAIT_S = 0.2
WAIT_S_MAX = 5.0
NOT_NOW = (429, 503)

Document = dict[str, Any]
Value = str | int | bool | None


class UnreachableError(Exception):
    """The server does not answer, or not now: the same request may be made again."""


class ProblemError(Exception):
    """The server refuses (RFC 9457): `type` is stable, `detail` says what, found, allowed."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", f"status {status}"))
        self.detail = str(document.get("detail", self.title))
        self.code = str(document.get("code", status))
        self.document = dict(document)
        super().__init__(f"{self.code}: {self.detail}")


@dataclass(frozen=True)
class Event:
    """Something that changed: its number, its kind (`cycle`, `alarm`, `beat` …) and what it says.

    `reload`: what was missed is no longer kept; read everything anew.
    """

    id: int | None
    kind: str
    data: Document


class BaseClient:
    """A connection to one installation; also a context manager that closes it.

    `token` is a bearer token; without one, sign in or read what is public. A request that may be
    made again is tried four times where the server does not answer or says: not now.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        # Changes by cookie are taken from our own address alone, as from the pages.
        headers = {"Authorization": f"Bearer {token}"} if token else {"Origin": self.url}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._http.close()

    def sign_in_as_person(self, name: str, password: str, code: str) -> Document:
        """Begin a session by password and one-time code: role and name; raises ProblemError."""
        fields = {"name": name, "password": password, "code": code}
        return self._json("POST", "/v1/session/password", body=orjson.dumps(fields))

    def sign_in_by_wallet(self, private_key: bytes) -> Document:
        """Begin a session of the account for which a key may trade now; raises ProblemError."""
        wanted = {"address": checksum_address(address_of(private_key))}
        asked = self._json("POST", "/v1/session/nonce", body=orjson.dumps(wanted))
        message = str(asked["message"])
        signature = sign(private_key, personal_digest(message.encode()))
        proof = {"message": message, "signature": f"0x{signature.hex()}"}
        return self._json("POST", "/v1/session/wallet", body=orjson.dumps(proof))

    def _json(self, method: str, path: str, **of: Any) -> Document:  # noqa: ANN401 - see _ask
        found: Document = orjson.loads(self._ask(method, path, **of).content)
        return found

    def _text(self, method: str, path: str, **of: Any) -> str:  # noqa: ANN401 - see _ask
        return self._ask(method, path, **of).text

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Value] | None = None,
        body: bytes | None = None,
        key: str | None = None,
        again: bool = False,
    ) -> httpx.Response:
        """The answer, if it is below 300; raises ProblemError for a refusal, UnreachableError.

        `again`: the request may be made twice. `key` goes along as `Idempotency-Key`.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        request = self._http.build_request(
            method, path, params=asked or None, content=body, headers=headers
        )
        for left in reversed(range(TRIES if again else 1)):
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
                if not left:
                    raise UnreachableError(f"{self.url} does not answer: {reason}") from error
                time.sleep(WAIT_S * 2 ** (TRIES - 1 - left))
                continue
            if answer.status_code in NOT_NOW and left:
                time.sleep(_wait_s(answer))
                continue
            return _accepted(answer)
        raise AssertionError("a request is tried at least once")

    def _pages(self, path: str, query: Mapping[str, Value]) -> Iterator[Document]:
        """The items of all pages, asked for as they are needed."""
        at: dict[str, Value] = dict(query)
        while True:
            page = self._json("GET", path, query=at, again=True)
            yield from page["items"]
            more = page.get("next")
            if more is None:
                return
            # A page names the next by its cursor or by its whole address.
            at |= dict(parse_qsl(urlsplit(more).query)) if "?" in more else {"before": more}

    def _stream(self, path: str, query: Mapping[str, Value]) -> Iterator[Event]:
        """Events as they come; a stream that breaks is taken up after the last one that came."""
        last, fails = None if query.get("after") is None else str(query["after"]), 0
        while True:
            headers = {} if last is None else {"Last-Event-ID": last}
            timeout = httpx.Timeout(TIMEOUT_S, read=SILENT_S)
            try:
                with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
                    if answer.status_code in NOT_NOW:
                        raise UnreachableError(f"{path} answers {answer.status_code}")
                    if answer.status_code >= 300:
                        answer.read()
                        _accepted(answer)
                    for event in _events(answer.iter_lines()):
                        last, fails = last if event.id is None else str(event.id), 0
                        yield event
            except (httpx.TransportError, UnreachableError) as error:
                fails += 1
                if fails >= TRIES:
                    raise UnreachableError(f"{self.url} sends no events: {error}") from error
            time.sleep(min(WAIT_S * 2**fails, WAIT_S_MAX))


def new_key() -> str:
    """A name for a request that no other request has."""
    return secrets.token_urlsafe(24)


def _wait_s(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return min(float(told), WAIT_S_MAX) if told.isdigit() else WAIT_S


def _accepted(answer: httpx.Response) -> httpx.Response:
    """The answer where nothing is refused."""
    if answer.status_code < 300:
        return answer
    document = _object_of(answer.content)
    if answer.status_code >= 500 and "code" not in document:
        raise UnreachableError(f"{answer.url} answers {answer.status_code}")
    raise ProblemError(answer.status_code, document)


def _object_of(body: bytes) -> Document:
    """The JSON object of a body; empty where something between us answered otherwise."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream's lines (HTML, server-sent events); comments are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if line and name:
            value = value.removeprefix(" ")
            fields[name] = f"{fields['data']}\n{value}" if name == "data" in fields else value
        elif not line and "data" in fields:
            number = fields.get("id", "")
            yield Event(
                int(number) if number.isdigit() else None,
                fields.get("event", "message"),
                orjson.loads(fields["data"]),
            )
        if not line:
            fields = {}
