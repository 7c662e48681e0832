"""The client is what the API's document says now, and does its work against a real server."""

import asyncio
import contextlib
import importlib.util
import itertools
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from energy.api.app import api_document
from energy.cli import run
from energy.client import Client, ProblemError, UnreachableError, base, domain_of, sign_message
from energy.crowd.client import open_door
from energy.crowd.demand_response import Promises
from energy.crowd.program import answer_offers

ROOT = Path(__file__).parents[3]
NONCES = itertools.count(10_000)


@pytest.fixture
def client(town: Any) -> Iterator[Client]:
    with Client(town.url, town.token("operator")) as found:
        yield found


def test_the_client_is_what_the_document_generates_now() -> None:
    spec = importlib.util.spec_from_file_location("make_client", ROOT / "tools" / "client.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    document = api_document()
    made = tool.source_of(document)
    assert made == tool.source_of(document)
    committed = (ROOT / "energy" / "client" / "routes.py").read_text()
    assert committed == made, "the API has changed: run `make client` and commit what it wrote"


def test_the_client_knows_nothing_of_the_server() -> None:
    for path in (ROOT / "energy" / "client").glob("*.py"):
        named = set(re.findall(r"^(?:from|import) (energy[\w.]*)", path.read_text(), re.MULTILINE))
        assert all(name.startswith("energy.client") for name in named), (path, named)


def test_a_token_reads_and_a_problem_is_told(town: Any, client: Client) -> None:
    assert client.get_session()["role"] == "operator"
    assert client.get_overview()["district"]["id"] == "sejong-5-1@0.005"
    assert client.metrics().startswith("# HELP")
    with pytest.raises(ProblemError) as refused:
        client.get_order("0x" + "00" * 32)
    problem = refused.value
    assert (problem.status, problem.type) == (404, "urn:microgrid:problem:not-found")
    assert problem.title and problem.detail.startswith("order: found none")
    with Client(town.url) as nobody, pytest.raises(ProblemError, match="SIGN_IN"):
        nobody.get_overview()
    # What stands in a path is a value and never more of an address.
    with pytest.raises(ProblemError, match="MALFORMED: order_id: found '0x\\?x=1'"):
        client.get_order("0x?x=1")


def test_a_person_and_a_wallet_sign_in(town: Any) -> None:
    with Client(town.url) as person:
        assert person.sign_in_as_person("kim", PASSWORD, town.code())["role"] == "operator"
        assert person.get_session()["name"] == "person kim"
        assert person.sign_out() == {}
        assert person.get_session()["role"] == "anonymous"
    with Client(town.url) as wallet:
        assert wallet.sign_in_by_wallet(town.crowd.private_key[0])["role"] == "prosumer"
        assert wallet.get_home()["account"] == f"0x{town.crowd.account[0].hex()}"
    with Client(town.url) as stranger, pytest.raises(ProblemError, match="SIGN_IN_REFUSED"):
        stranger.sign_in_by_wallet(secrets.token_bytes(32))


PASSWORD = "correct horse battery staple"


def test_an_order_is_signed_posted_and_read_again(town: Any, client: Client) -> None:
    message = town.message(1, nonce=next(NONCES))
    envelope = sign_message(
        domain_of(client.get_prices()), "Order", message, town.crowd.private_key[1]
    )
    accepted = client.post_order(envelope)
    assert client.post_order(envelope) == accepted
    found = client.get_order(accepted["order_id"])
    assert (found["energy_wh"], found["side"], found["status"]) == (100, "bid", "ACCEPTED")


def test_pages_come_one_after_the_other(client: Client) -> None:
    slots = [one["slot_utc"] for one in client.each_of_slots(limit=5)]
    assert len(slots) == len(set(slots)) == 13
    assert slots == sorted(slots, reverse=True)
    numbers = [one["no"] for one in itertools.islice(client.each_of_audit(limit=2), 7)]
    assert numbers == sorted(set(numbers), reverse=True)


def test_looks_at_a_household_come_page_by_page_too(client: Client, town: Any) -> None:
    account = f"0x{town.crowd.account[0].hex()}"
    for _ in range(3):
        client.get_home(account=account)
    looks = client.each_of_reads(account=account, limit=1)
    numbers = [one["no"] for one in itertools.islice(looks, 3)]
    assert numbers == sorted(set(numbers), reverse=True)


def test_a_stream_that_breaks_is_taken_up_after_the_last_event(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from energy.store.events import add_event

    def add(n: int) -> None:
        town.store.write(lambda c: add_event(c, "test", None, {"n": n}))

    monkeypatch.setattr(base, "WAIT_S", 0.01)
    with Wire(town.port) as wire, Client(wire.url, town.token("operator")) as client:
        events = (one for one in client.events() if one.kind == "test")
        first = client.events()
        assert next(first).kind == "beat"
        seen = []
        threading.Timer(0.3, add, [0]).start()
        for n in range(3):
            event = next(events)
            seen.append(event.data["n"])
            wire.cut()
            add(n + 1)
        assert seen == [0, 1, 2]


def test_a_lost_answer_to_a_keyed_request_has_one_effect(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wire loses the first answers; what comes again by its key is not done again."""
    monkeypatch.setattr(base, "WAIT_S", 0.01)
    with Wire(town.port) as wire, Client(wire.url, town.token("operator")) as client:
        for n in range(4):
            wire.lose = 1 + n % 3
            accepted = client.post_order(
                town.order(2, nonce=next(NONCES), e_wh=10 + n, replaces=bytes(32))
            )
            assert accepted["status"] == "ACCEPTED"
            assert wire.lose == 0
        wire.lose = 99
        with pytest.raises(UnreachableError, match="does not answer"):
            client.get_prices()


def test_commands_ask_with_the_token(
    town: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [["contract", "list", "--json"], ["dr", "list", "--json"]]
    for one in words:
        assert run([*one, "--url", town.url]) == 2
        assert "refused: SIGN_IN" in capsys.readouterr().err
    monkeypatch.setenv("MICROGRID_TOKEN", town.token("operator"))
    for one in words:
        assert run([*one, "--url", town.url]) == 0
        assert capsys.readouterr().out.startswith("[")


def test_the_crowd_asks_for_events_with_the_token_and_says_once_where_it_may_not(
    town: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def look(token: str) -> Promises:
        promises = Promises()
        async with open_door(town.url, token) as door:
            market = await door.fetch_market()
            for _ in range(2):
                await answer_offers(door, town.crowd, market, promises)
        return promises

    assert asyncio.run(look("")).is_refused
    told = [one.getMessage() for one in caplog.records if "MICROGRID_TOKEN" in one.getMessage()]
    assert told == [
        f"{town.url}/v1/dr/events answers 401; no event is answered, set MICROGRID_TOKEN"
    ]
    assert not asyncio.run(look(town.token("operator"))).is_refused


class Wire:
    """A wire to a server: it may lose so many answers after they were given, or be cut."""

    def __init__(self, port: int) -> None:
        self._port, self.lose = port, 0
        self._open: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._let_in, daemon=True)]

    def __enter__(self) -> "Wire":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def cut(self) -> None:
        """End every connection now."""
        for one in self._open:
            self._shut(one)
        self._open.clear()

    def _let_in(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            self._open += [near, far]
            for carry, ends in ((self._carry, (near, far)), (self._answer, (far, near))):
                self._threads.append(threading.Thread(target=carry, args=ends, daemon=True))
                self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        self._pump(source, target, lambda: False)

    def _answer(self, source: socket.socket, target: socket.socket) -> None:
        self._pump(source, target, self._loses)

    def _loses(self) -> bool:
        self.lose, loses = max(self.lose - 1, 0), self.lose > 0
        return loses

    def _pump(
        self, source: socket.socket, target: socket.socket, loses: Callable[[], bool]
    ) -> None:
        with contextlib.suppress(OSError):
            while (found := source.recv(65_536)) and not loses():
                target.sendall(found)
        self._shut(source)
        self._shut(target)

    @staticmethod
    def _shut(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
