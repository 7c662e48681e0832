"""Orders over real HTTP: what is accepted is durable, what is bad is named by its field."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energy.store import slots
from energy.store.engine import Store, open_store
from energy.store.errors import StoreBusyError
from energy.store.orders import count_orders
from market.signing import address_of, derive_key, digest, recover

OPEN = 1_784_106_000
NUMBERS = iter(range(60))  # members as well as nonces


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """The members of a refusal that keeps to RFC 9457 and tells nothing of the inside."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json
    assert found["status"] == status
    assert found["type"].startswith("urn:microgrid:problem:")
    assert found["title"] and found["detail"] and found["request_id"]
    for word in (b"Traceback", b"sqlite", b"SELECT", b".py"):
        assert word not in answer.body
    return found


def test_an_order_is_accepted_with_a_signed_receipt_and_can_be_read(shared: Any, desk: Any) -> None:
    nonce = next(NUMBERS)
    answer = shared.post(desk.order(nonce, nonce=nonce))
    assert answer.status == 201, answer.body
    found = answer.json
    entry = digest(desk.admission.domain, "Order", desk.message(nonce, nonce=nonce))
    assert (found["status"], found["order_id"]) == ("ACCEPTED", f"0x{entry.hex()}")
    message = {name: int(found["receipt"]["message"][name]) for name in ("received", "sealed_by")}
    pair = found["receipt"]["signatures"][0]
    signed = digest(desk.admission.domain, "Receipt", {"entry": entry, **message})
    signer = recover(signed, bytes.fromhex(pair["signature"][2:]))
    assert signer == address_of(derive_key("market")) == bytes.fromhex(pair["signer"][2:])
    read = shared.ask(answer.headers["location"])
    assert read.status == 200
    terms = {"side": "bid", "energy_wh": 500, "price_krw_per_kwh": "142.5", "filled_wh": None}
    assert terms.items() <= read.json.items()
    assert read.json["receipt"] == found["receipt"]


def test_the_same_bytes_again_get_the_same_receipt(shared: Any, desk: Any) -> None:
    nonce = next(NUMBERS)
    text = desk.order(nonce, nonce=nonce)
    first, again = shared.post(text), shared.post(text)
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json


def change(text: bytes, path: str, value: object) -> bytes:
    """The envelope with one value changed after signing."""
    found = json.loads(text)
    place = found
    *way, last = path.split("/")
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return json.dumps(found).encode()


FORGED = "0x" + "11" * 64 + "1b"


@pytest.mark.parametrize(
    ("path", "value", "status", "field"),
    [
        ("signatures/0/signature", FORGED, 401, "signature"),
        ("signatures/0/signature", "0x" + "11" * 64 + "00", 422, "signatures[0].signature"),
        ("signatures/0/signer", "0x" + "22" * 20, 401, "signature"),
        ("message/e_wh", "900", 401, "signature"),
        ("message/price_mkrw_per_kwh", "142600", 401, "signature"),
        ("message/account", "0x" + "33" * 32, 401, "signature"),
        ("message/slot", str(OPEN - 900), 409, "slot"),
        ("message/slot", str(OPEN - 9_000_000), 409, "slot"),
        ("message/slot", str(OPEN + 9_000_000), 422, "slot"),
        ("message/slot", str(OPEN + 1), 422, "slot"),
        ("message/e_wh", "0", 422, "e_wh"),
        ("message/e_wh", "-500", 422, "e_wh"),
        ("message/e_wh", "100000000000", 422, "e_wh"),
        ("message/e_wh", 500, 422, "e_wh"),
        ("message/e_wh", "5e2", 422, "e_wh"),
        ("message/price_mkrw_per_kwh", "-100", 422, "price_mkrw_per_kwh"),
        ("message/price_mkrw_per_kwh", "100000000", 422, "price_mkrw_per_kwh"),
        ("message/price_mkrw_per_kwh", "142550", 422, "price_mkrw_per_kwh"),
        ("message/side", "3", 422, "side"),
        ("message/account", "0x33", 422, "account"),
        ("message/owner", "me", 422, "owner"),
        ("message/settled", True, 422, "settled"),
        ("type", "Transfer", 422, "type"),
        ("role", "operator", 422, "role"),
        ("signatures", [], 422, "signatures"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(
    shared: Any, desk: Any, path: str, value: object, status: int, field: str
) -> None:
    text = change(desk.order(nonce=7), path, value)
    problem = problem_of(shared.post(text), status)
    assert problem["field"] == field
    assert problem["found"] and problem["allowed"]
    assert problem["code"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null and void",
        b'{"type": "Order", "type": "Order"}',
        b"\xff\xfe",
        b"[" * 5000 + b"]" * 5000,
        b'{"e_wh": NaN}',
        b'{"a": 1' + b"0" * 5000 + b"}",
    ],
    ids=["empty", "open", "words", "twice", "bytes", "deep", "nan", "digits"],
)
def test_broken_json_is_refused(shared: Any, text: bytes) -> None:
    answer = shared.post(text)
    problem = problem_of(answer, answer.status)
    assert answer.status in (400, 422)
    assert problem["field"]


def test_ten_megabytes_are_refused_before_they_are_parsed(shared: Any) -> None:
    text = b'{"type": "' + b"x" * 10_000_000 + b'"}'
    problem = problem_of(shared.post(text), 413)
    assert problem["field"] == "body"
    assert problem["allowed"] == "at most 16384 bytes"


def test_a_body_of_unknown_length_is_counted_while_it_comes(shared: Any) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b"1000\r\n" + b"x" * 4096 + b"\r\n"
        yield b"0\r\n\r\n"

    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    problem = problem_of(shared.ask("/v1/orders", chunks(), headers), 413)
    assert problem["field"] == "body"


def test_a_sender_that_goes_away_leaves_half_an_order_and_no_trouble(
    shared: Any, desk: Any
) -> None:
    text = desk.order(59, nonce=1_000)
    head = f"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(text)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", shared.port)) as wire:
        wire.sendall(head.encode() + text[: len(text) // 2])
    assert shared.post(text).status == 201


def test_a_nonce_used_twice_conflicts(shared: Any, desk: Any) -> None:
    nonce = next(NUMBERS)
    assert shared.post(desk.order(nonce, nonce=nonce)).status == 201
    problem = problem_of(shared.post(desk.order(nonce, nonce=nonce, e_wh=501)), 409)
    assert (problem["code"], problem["field"]) == ("NONCE_CONFLICT", "nonce")


def test_a_replayed_order_of_a_closed_slot_gets_its_first_answer_and_no_second_effect(
    served: Any, desk: Any
) -> None:
    text = desk.order()
    first = served.post(text)
    served.clock.at_s = OPEN + 100_000
    again = served.post(text)
    assert (again.status, again.json) == (200, first.json)
    assert served.store.read(lambda c: count_orders(c, OPEN)) == 1


def test_of_many_with_one_nonce_at_once_one_wins(served: Any, desk: Any) -> None:
    texts = [desk.order(nonce=7, e_wh=100 + n) for n in range(12)] * 2
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda text=text: found.append(served.post(text))) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = Counter(answer.status for answer in found)
    assert counts[201] == 1
    assert counts[409] == 22 and counts[200] == 1
    assert served.store.read(lambda c: count_orders(c, OPEN)) == 1


def test_what_was_answered_201_is_there_after_the_server_has_gone(
    serve: Any, desk: Any, tmp_path: Path
) -> None:
    with serve(tmp_path) as served:
        answers = [served.post(desk.order(n % 60, nonce=1 + n // 60)) for n in range(80)]
    assert [answer.status for answer in answers] == [201] * 80
    with open_store(f"sqlite:///{tmp_path / 'api.db'}") as store:
        assert store.read(lambda c: count_orders(c, OPEN)) == 80


def test_orders_wait_for_a_long_transaction_and_the_other_doors_do_not(
    served: Any, desk: Any
) -> None:
    holding, answers = threading.Event(), []

    def hold(connection: Any) -> None:
        slots.claim_slot(connection, OPEN - 9000, "cycle", 1)
        holding.set()
        time.sleep(0.6)

    writer = threading.Thread(target=lambda: served.store.write(hold))
    writer.start()
    holding.wait()
    poster = threading.Thread(target=lambda: answers.append(served.post(desk.order())))
    poster.start()
    begun = time.monotonic()
    assert served.ask("/v1/overview").status == 200
    assert time.monotonic() - begun < 0.5
    poster.join()
    writer.join()
    assert answers[0].status == 201


def test_a_store_that_takes_nothing_is_503_and_comes_back(
    served: Any, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Store, unit: Any, **_: Any) -> None:
        raise StoreBusyError("store: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", full)
        answer = served.post(desk.order())
        problem = problem_of(answer, 503)
        assert problem["code"] == "STORE_BUSY"
        assert answer.headers["retry-after"]
        assert served.ask("/v1/overview").status == 200
    assert served.post(desk.order()).status == 201


def test_more_than_can_wait_is_refused_at_once(
    served: Any, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.desk.WAITING_MAX", 0)
    assert problem_of(served.post(desk.order()), 503)["code"] == "BUSY"


@pytest.mark.parametrize(
    ("id_", "status", "field"),
    [("0x" + "00" * 32, 404, "order_id"), ("0x00", 422, "order_id"), ("7", 422, "order_id")],
)
def test_an_order_that_is_not_there_is_named(
    shared: Any, id_: str, status: int, field: str
) -> None:
    assert problem_of(shared.ask(f"/v1/orders/{id_}"), status)["field"] == field
