"""Connections break before, while and after a request has its effect; sent again, it has one.

A proxy between client and server resets connections: when it has the request and has told nobody,
when half of it is with the server, when all of it is, when the answer has come, when half of that
is told. The client sends the same again until it has an answer.
"""

import asyncio
import contextlib
import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import func, select

from energy.store.orders import count_orders
from energy.store.people_tables import audit_row
from energy.store.request_keys import find_answer
from energy.store.steering_tables import steering_limit
from energy.timegrid import iso_of
from energy.units import SLOT_S

POSTS = 5_000
CLIENTS = 8
SPECIAL = 20
"""Of so many requests one each is sent by two at once, with another payload, by another."""
TRIES_MAX = 100
FIRST_OPEN = 1_784_106_000
LIMITS = "/v1/steering/limits"
ENDS = ("told nobody", "half asked", "asked", "answered", "half told")
RESET = struct.pack("ii", 1, 0)
Doors = Any


@dataclass
class LossyProxy:
    """Carries one request a connection; `share` of them it breaks, each at a drawn place."""

    target: int
    rng: random.Random
    share: float = 0.6
    broken: Counter[str] = field(default_factory=Counter)
    port: int = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = self.rng.choice(ENDS) if self.rng.random() < self.share else ""
        self.broken[end or "whole"] += 1
        server: asyncio.StreamWriter | None = None
        try:
            request = await whole_message(reader)
            if end == "told nobody":
                return
            answers, server = await asyncio.open_connection("127.0.0.1", self.target)
            server.write(request[: len(request) // 2] if end == "half asked" else request)
            await server.drain()
            if end in ("half asked", "asked"):
                return
            answer = await answers.read()
            if end != "answered":
                writer.write(answer[: len(answer) // 2] if end == "half told" else answer)
                await writer.drain()
        finally:
            if end:
                for one in filter(None, (writer, server)):
                    raw: socket.socket = one.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            for one in filter(None, (writer, server)):
                one.close()


async def whole_message(reader: asyncio.StreamReader) -> bytes:
    """Head and body of a request of known length."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
    return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))


@contextlib.contextmanager
def lossy(target: int, rng: random.Random) -> Iterator[LossyProxy]:
    """The proxy at work in a thread of its own."""
    proxy, ready, loop = LossyProxy(target, rng), threading.Event(), asyncio.new_event_loop()
    ended = asyncio.Event()

    async def run() -> None:
        server = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        async with server:
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def post_until_answered(
    port: int, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, Any], int]:
    """Status and body of the first answer that comes, and how many tries it took."""
    for number in range(1, TRIES_MAX + 1):
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(wire), contextlib.suppress(OSError, http.client.HTTPException):
            wire.request("POST", path, body, {**headers, "Connection": "close"})
            answer = wire.getresponse()
            text = answer.read()
            if answer.status != 503:
                return answer.status, json.loads(text), number
            time.sleep(0.1)  # the store says: not now
    raise AssertionError(f"no answer in {TRIES_MAX} tries")


@dataclass
class Senders:
    """Two operators whose limits are sent through a proxy, and what they were answered."""

    doors: Doors
    proxy: LossyProxy
    run: str
    tries: int = 0
    made: list[int] = field(default_factory=list)
    foreign: int = 0

    def __post_init__(self) -> None:
        json_ = {"Content-Type": "application/json"}
        # Tokens and no cookies: the page's own address is not that of the proxy.
        self.own = {**self.doors.token("operator", "operate", name="first"), **json_}
        self.other = {**self.doors.token("operator", "operate", name="second"), **json_}

    def post(
        self, headers: dict[str, str], key: str, reason: str
    ) -> tuple[int, dict[str, Any], int]:
        until = iso_of(FIRST_OPEN + 20 * SLOT_S)
        order = {"element": "F1", "p_frac_max": 0.5, "until_utc": until, "reason": reason}
        keyed = {**headers, "Idempotency-Key": key}
        return post_until_answered(self.proxy.port, LIMITS, json.dumps(order).encode(), keyed)

    def send(self, number: int) -> None:
        """One request with effect, until it is answered; some in a special way besides."""
        key, reason, special = f"{self.run}-{number:06d}", f"work {number}", number % SPECIAL
        if special == 0:
            self._both_at_once(key, reason)
            return
        status, answer, tries = self.post(self.own, key, reason)
        assert status == 201, answer
        self.tries += tries
        self.made.append(answer["id"])
        if special == 1:
            status, refused, _ = self.post(self.own, key, reason + " more")
            assert (status, refused["code"]) == (422, "KEY_USED"), refused
        if special == 2:
            status, foreign, _ = self.post(self.other, key, reason)
            self.foreign += 1
            assert status == 201 and foreign["id"] != answer["id"], (
                f"another's key gave {status} {foreign}"
            )
            assert foreign["by"] == "token second"

    def _both_at_once(self, key: str, reason: str) -> None:
        with ThreadPoolExecutor(2) as pair:
            found = list(pair.map(lambda _: self.post(self.own, key, reason), range(2)))
        told = [(status, answer) for status, answer, _ in found]
        assert told[0] == told[1] and told[0][0] == 201, told
        self.tries += sum(tries for _, _, tries in found)
        self.made.append(told[0][1]["id"])


def effects(doors: Doors, actor: str) -> tuple[int, int, int]:
    """Limits that an actor has set, different reasons among them, and acts in the audit log."""
    acts = select(func.count()).where(audit_row.c.account == actor)
    rows = select(func.count(), func.count(func.distinct(steering_limit.c.reason)))
    rows = rows.where(steering_limit.c.actor == actor)
    limits, reasons = doors.served.store.read(lambda c: c.execute(rows).one())
    return int(limits), int(reasons), int(doors.served.store.read(lambda c: c.scalar(acts)) or 0)


@pytest.mark.check(21)
def test_what_is_sent_again_after_a_lost_answer_has_one_effect(
    own_doors: Doors, check: Any
) -> None:
    count = check.trials(POSTS, 60)
    with lossy(own_doors.served.port, check.rng) as proxy:
        senders = Senders(own_doors, proxy, "lost")
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(senders.send, range(count)))
    assert len(senders.made) == len(set(senders.made)) == count
    assert effects(own_doors, "token first") == (count, count, count)
    assert effects(own_doors, "token second") == (senders.foreign,) * 3
    assert set(proxy.broken) == {*ENDS, "whole"}
    kind = own_doors.served.store.url.partition(":")[0].partition("+")[0]
    check.state(
        f"{kind}: {count:,} POSTs in {senders.tries:,} tries, {count:,} effects; "
        f"{sum(proxy.broken.values()) - proxy.broken['whole']:,} connections broken"
    )


@pytest.mark.check(21)
def test_a_signed_order_that_is_sent_again_is_in_the_book_once(
    own_doors: Doors, check: Any
) -> None:
    count, desk = check.trials(POSTS, 60), own_doors.desk
    store, statuses = own_doors.served.store, Counter[int]()
    members = min(len(desk.crowd), 40)
    for member in range(members):
        own_doors.wallet(member)
    texts = [
        desk.order(n % members, nonce=1_000 + n, **slot_of(n // members)) for n in range(count)
    ]
    with lossy(own_doors.served.port, check.rng) as proxy:

        def send(text: bytes) -> None:
            headers = {"Content-Type": "application/json"}
            status, answer, _ = post_until_answered(proxy.port, "/v1/orders", text, headers)
            assert status in (200, 201) and answer["status"] == "ACCEPTED", answer
            statuses[status] += 1

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(send, texts))
    slots = range(FIRST_OPEN, FIRST_OPEN + 90 * SLOT_S, SLOT_S)
    assert store.read(lambda c: sum(count_orders(c, slot) for slot in slots)) == count
    kind = store.url.partition(":")[0].partition("+")[0]
    check.state(f"{kind}: {count:,} orders in the book once, {statuses[200]:,} told so later")


def slot_of(number: int) -> dict[str, int]:
    """One of the open slots, and the order's expiry there."""
    slot = FIRST_OPEN + number % 80 * SLOT_S
    return {"slot": slot, "expires": slot - 300}


def test_of_many_with_one_key_at_once_all_get_the_same_answer(own_doors: Doors) -> None:
    operator = own_doors.token("operator", "operate", name="first")
    until = iso_of(FIRST_OPEN + 20 * SLOT_S)
    order = {"element": "F1", "p_frac_max": 0.5, "until_utc": until, "reason": "cable work"}

    def post(_: int) -> tuple[int, str]:
        answer = own_doors.post(LIMITS, order, **operator, **{"Idempotency-Key": "all-at-once"})
        return answer.status, answer.body.decode() if answer.status == 201 else ""

    with ThreadPoolExecutor(12) as pool:
        found = set(pool.map(post, range(24)))
    # On PostgreSQL a loser of many races may be told to come back.
    assert len(found - {(503, "")}) == 1 and {status for status, _ in found} <= {201, 503}
    assert effects(own_doors, "token first") == (1, 1, 1)


@pytest.mark.check(21, canary=True)
def test_with_a_key_looked_up_alone_another_s_request_has_no_effect(
    own_doors: Doors, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.once.find_answer", looked_up_alone(find_answer))
    with lossy(own_doors.served.port, check.rng) as proxy:
        senders = Senders(own_doors, proxy, "lost")
        with pytest.raises(AssertionError, match="another's key gave 201"):
            senders.send(2)
    assert effects(own_doors, "token second") == (0, 0, 0)


def looked_up_alone(find: Callable[..., Any]) -> Callable[..., Any]:
    """Finds an answer by its key, whoever asks."""
    return lambda connection, _caller, route, key: find(connection, "token first", route, key)
