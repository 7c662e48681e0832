"""Whoever dawdles over a head, sends one without end or never reads is cut off; others are not."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from energy.api.guard import BODY_BYTES_MAX, REFUSED_BURST
from energy.api.wire import HEAD_BYTES_MAX, LOOSE_BYTES_MAX, GuardedWire
from energy.config import Settings

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LAST = REQUEST[:-2] + b"Connection: close\r\n\r\n"
WAIT_S = 30


@contextmanager
def wire_to(port: int) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)) as wire:
        yield wire


def rest_of(wire: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    found = b""
    try:
        while more := wire.recv(65_536):
            found += more
    except ConnectionResetError:
        pass
    return found


def answer_on(wire: socket.socket) -> bytes:
    """One answer, head and body."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += wire.recv(65_536)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += wire.recv(65_536)
    return head + body


def problem_of(answer: bytes, status: int) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"content-type: application/problem+json" in head
    found: dict[str, Any] = json.loads(body)
    assert found["status"] == status and found["request_id"]
    return found


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the wire's times are short."""
    for name in ("HEAD_S_MAX", "READ_S_MAX", "LINGER_S"):
        monkeypatch.setattr(f"energy.api.wire.{name}", 0.3)


@pytest.mark.usefixtures("hurried")
def test_a_head_that_is_never_complete_is_not_waited_for(shared: Any) -> None:
    with wire_to(shared.port) as wire:
        wire.sendall(REQUEST[:-2] + b"X-More: 1\r\n")
        assert problem_of(rest_of(wire), 408)["code"] == "TOO_SLOW"


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "an empty line"])
def test_a_connection_on_which_nothing_is_asked_ends(shared: Any, sent: bytes) -> None:
    with wire_to(shared.port) as wire:
        wire.sendall(sent)
        assert rest_of(wire) == b""


@pytest.mark.usefixtures("hurried")
def test_the_second_head_of_a_connection_is_timed_like_the_first(shared: Any) -> None:
    with wire_to(shared.port) as wire:
        wire.sendall(REQUEST + REQUEST[:30])
        answers = rest_of(wire)
        assert answers.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 408 " in answers


def test_a_head_without_end_is_refused_where_it_gets_too_large(shared: Any) -> None:
    with wire_to(shared.port) as wire, pytest.raises(OSError, match=r"reset|pipe"):
        wire.sendall(REQUEST[:-2])
        for _ in range(100):
            wire.sendall(b"X-More: " + b"x" * 1_000_000 + b"\r\n")
    with wire_to(shared.port) as wire:
        wire.sendall(REQUEST[:-2] + b"X-More: " + b"x" * (HEAD_BYTES_MAX + 1) + b"\r\n")
        assert problem_of(rest_of(wire), 431)["code"] == "HEAD_TOO_LARGE"


def test_a_large_body_in_one_piece_with_its_head_is_no_large_head(shared: Any) -> None:
    body = b"[" * 3 * HEAD_BYTES_MAX
    head = b"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    with wire_to(shared.port) as wire:
        wire.sendall(head % len(body) + body)
        assert answer_on(wire).startswith(b"HTTP/1.1 413 ")


CHUNKED = REQUEST.replace(b"GET", b"POST")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def echo(on_port: Any) -> Iterator[int]:
    """The port of an application that tells how long a body is and how many fields came with it."""
    app = FastAPI()

    @app.post("/healthz")
    async def measure(request: Request) -> dict[str, int]:
        body = await request.body()
        return {"bytes": len(body), "fields": len(request.scope["headers"])}

    with on_port(app) as port:
        yield port


def test_trailers_without_end_are_cut_off(echo: int) -> None:
    with wire_to(echo) as wire:
        with suppress(ConnectionError):
            wire.sendall(CHUNKED + b"0\r\n")
            for _ in range(3 * LOOSE_BYTES_MAX // 1_000):
                wire.sendall(b"X-More: " + b"x" * 1_000 + b"\r\n")
        assert rest_of(wire) == b""


def test_trailers_are_no_fields_of_a_request(echo: int) -> None:
    with wire_to(echo) as wire:
        for trailers in (b"", b"Authorization: me\r\n" * 100):
            wire.sendall(CHUNKED + b"1\r\nx\r\n0\r\n" + trailers + b"\r\n")
            assert answer_on(wire).endswith(b'{"bytes":1,"fields":2}')


def test_a_body_in_chunks_of_one_byte_is_read_whole(echo: int) -> None:
    chunks = b"1\r\nx\r\n" * BODY_BYTES_MAX + b"0\r\n\r\n"
    with wire_to(echo) as wire:
        # Each is counted for itself.
        for _ in range(4):
            wire.sendall(CHUNKED)
            for at in range(0, len(chunks), 10_000):
                wire.sendall(chunks[at : at + 10_000])
            assert answer_on(wire).endswith(b'{"bytes":%d,"fields":2}' % BODY_BYTES_MAX)
        # So are those in one piece with the heads that follow.
        wire.sendall((CHUNKED + chunks) * 3 + LAST)
        assert rest_of(wire).count(b'{"bytes":%d,"fields":2}' % BODY_BYTES_MAX) == 3


def test_what_is_no_http_is_refused_like_everything_else(shared: Any) -> None:
    with wire_to(shared.port) as wire:
        wire.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert problem_of(rest_of(wire), 400)["code"] == "MALFORMED"


@pytest.mark.parametrize(("host", "status"), [(b"evil.example", 421), (b"127.0.0.1", 200)])
def test_who_asks_for_a_web_socket_does_not_get_round_the_guard(
    shared: Any, host: bytes, status: int
) -> None:
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with wire_to(shared.port) as wire:
        for _ in range(2):
            wire.sendall(REQUEST.replace(b"127.0.0.1", host)[:-2] + upgrade)
            assert answer_on(wire).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.check(22)
def test_a_hundred_megabytes_are_refused_and_not_read(shared: Any) -> None:
    with wire_to(shared.port) as wire:
        head = b"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n"
        wire.sendall(head + b"x" * 1_000)
        answer = wire.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.usefixtures("hurried")
def test_what_is_sent_after_the_answer_is_not_read_for_long(shared: Any) -> None:
    with wire_to(shared.port) as wire:
        wire.sendall(b"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n")
        wire.sendall(b"\r\n" + b"x" * 100)
        # The answer comes, and the end though the body never does.
        assert rest_of(wire).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_comes_after_its_refusal_does_not_end_the_connection(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.wire.LINGER_S", 1.5)
    with wire_to(shared.port) as wire:
        wire.sendall(
            b"POST /v1/orders HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 10\r\n\r\n"
        )
        assert answer_on(wire).startswith(b"HTTP/1.1 421 ")
        wire.sendall(b"0123456789")
        for pause_s in (0.0, 1.8):
            time.sleep(pause_s)
            wire.sendall(REQUEST)
            assert answer_on(wire).startswith(b"HTTP/1.1 200 ")


@pytest.mark.usefixtures("hurried")
def test_an_answer_that_nobody_reads_is_given_up(on_port: Any) -> None:
    app = FastAPI()

    @app.get("/much")
    async def much() -> Response:
        return Response(b"x" * 50_000_000)

    with on_port(app) as port, wire_to(port) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wire.sendall(REQUEST.replace(b"/healthz", b"/much"))
        peeked = wire.recv(1, socket.MSG_PEEK)
        assert peeked == b"H"
        wait_for_reset(wire)
        assert len(rest_of(wire)) < 50_000_000


class NarrowWire(GuardedWire):
    """A wire of whose answers the kernel takes little, and that tells when it is gone."""

    gone = threading.Event()
    idle_s = 60.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.timeout_keep_alive = self.idle_s  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("sent", "idle_s", "size", "read"),
    [
        (LAST, 60.0, 60_000, 0),
        (LAST, 60.0, 200_000, 182_000),
        (REQUEST, 0.1, 60_000, 0),
        (REQUEST + REQUEST[:30], 60.0, 60_000, 0),
    ],
    ids=["last", "most is read", "idle", "slow second head"],
)
def test_the_rest_of_an_answer_is_not_kept_for_who_does_not_read_it(
    on_port: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes, idle_s: float, size: int, read: int
) -> None:
    """The connection ends, and what is left pauses no writing."""
    monkeypatch.setattr("energy.api.wire.READ_S_MAX", 2.0 if read else 0.3)
    monkeypatch.setattr(NarrowWire, "gone", threading.Event())
    monkeypatch.setattr(NarrowWire, "idle_s", idle_s)
    app = FastAPI()

    @app.get("/healthz")
    async def some() -> Response:
        return Response(b"x" * size)

    with on_port(app, NarrowWire) as port, closing(socket.socket()) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wire.settimeout(WAIT_S)
        wire.connect(("127.0.0.1", port))
        wire.sendall(sent)
        while read > 0:
            found = wire.recv(min(read, 4_096))
            assert found, "cut while it was read"
            read -= len(found)
        assert NarrowWire.gone.wait(WAIT_S), "nobody cut the wire"


def wait_for_reset(wire: socket.socket) -> None:
    """Until the server has cut the wire: what is sent then is refused."""
    for _ in range(WAIT_S * 20):
        try:
            wire.send(b"x")
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail("nobody cut the wire")


def test_who_posts_what_nobody_signed_again_and_again_is_not_read_any_more(
    serve: Any, desk: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.guard.REFUSED_BURST", 5)
    monkeypatch.setattr("energy.api.guard.REFUSED_PER_S", 1e-6)
    assert REFUSED_BURST >= 100
    with serve(tmp_path, settings=Settings()) as served:
        own = {"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.7"}
        order = desk.order(0, nonce=1)
        forged = json.loads(order)
        forged["signatures"][0]["signature"] = "0x" + "11" * 64 + "1b"
        text = json.dumps(forged).encode()
        statuses = [served.ask("/v1/orders", text, own).status for _ in range(7)]
        assert statuses == [401] * 5 + [429] * 2
        refused = served.ask("/v1/orders", order, own)
        assert (refused.status, refused.json["code"]) == (429, "TOO_MANY_REFUSED")
        # Reading goes on, and so do others.
        assert served.ask("/v1/prices", headers=own).status == 200
        assert served.post(order).status == 201
