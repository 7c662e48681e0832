"""Orders that were accepted come again, in every form that a lenient reader would take: none of
them is a new one.
"""

import contextlib
import hashlib
import http.client
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import energy.api.desk
from energy.store.orders import count_orders
from energy.store.schema import market_order
from energy.units import SLOT_S
from market.entries import keccak256, struct_hash
from market.messages import envelope_text
from market.signing import (
    CURVE_ORDER,
    Domain,
    checksum_address,
    digest,
    high_s_twin,
    recover,
    sign,
)

REPLAYS = 10_000
FIRST_OPEN = 1_784_106_000
SLOTS = 80
Form = Callable[["Posted"], bytes]


@dataclass(frozen=True)
class Posted:
    """An order that is in the book, and whose it is."""

    desk: Any
    member: int
    message: dict[str, Any]
    text: bytes

    @property
    def signature(self) -> bytes:
        return bytes.fromhex(orjson.loads(self.text)["signatures"][0]["signature"][2:])

    def with_signature(self, form: bytes) -> bytes:
        return self.written(signature="0x" + form.hex())

    def written(self, **pair: str) -> bytes:
        """The envelope with another text in its signer's place or in that of the signature."""
        found = orjson.loads(self.text)
        found["signatures"][0] |= pair
        return orjson.dumps(found)

    def signed_for(self, domain: Domain) -> bytes:
        """The same message, signed well for another market."""
        key = self.desk.crowd.private_key[self.member]
        signature = sign(key, digest(domain, "Order", self.message))
        return envelope_text("Order", self.message, [(self.address, signature)])

    def signed_under(self, version: bytes) -> bytes:
        """The same message, signed under another version of the domain."""
        own, kind = self.desk.admission.domain, b"EIP712Domain(string name,string version,"
        kind += b"uint256 chainId,bytes32 salt)"
        words = b"".join(keccak256(one) for one in (kind, b"Microgrid Market", version))
        separator = keccak256(words + own.chain_id.to_bytes(32, "big") + own.salt)
        hashed = keccak256(b"\x19\x01" + separator + struct_hash("Order", self.message))
        key = self.desk.crowd.private_key[self.member]
        return envelope_text("Order", self.message, [(self.address, sign(key, hashed))])

    @property
    def address(self) -> bytes:
        return bytes(self.desk.crowd.address[self.member])

    def changed(self, **changes: int) -> bytes:
        """The signature under a message that it was not made for."""
        return envelope_text("Order", {**self.message, **changes}, [(self.address, self.signature)])

    def signed_again(self, **changes: int) -> bytes:
        """Another message under the same nonce, signed well."""
        signed: bytes = self.desk.sign({**self.message, **changes}, self.member)
        return signed


def compact(one: Posted) -> bytes:
    """EIP-2098: 64 bytes, the parity in the top bit of s."""
    r, s, v = one.signature[:32], one.signature[32:64], one.signature[64]
    return r + (int.from_bytes(s, "big") | (v - 27) << 255).to_bytes(32, "big")


def other_market(one: Posted, **changes: Any) -> bytes:
    return one.signed_for(replace(one.desk.admission.domain, **changes))


FORMS: dict[str, Form] = {
    "verbatim": lambda one: one.text,
    "other spacing": lambda one: orjson.dumps(orjson.loads(one.text), option=orjson.OPT_INDENT_2),
    "high s": lambda one: one.with_signature(high_s_twin(one.signature)),
    "v 0 or 1": lambda one: one.with_signature(
        one.signature[:64] + bytes([one.signature[64] - 27])
    ),
    "high s, v 0 or 1": lambda one: one.with_signature(
        high_s_twin(one.signature)[:64] + bytes([28 - one.signature[64]])
    ),
    "64 bytes": lambda one: one.with_signature(compact(one)),
    "address with checksum": lambda one: one.written(signer=checksum_address(one.address)),
    "address in upper case": lambda one: one.written(signer="0x" + one.address.hex().upper()),
    "other chain": lambda one: other_market(one, chain_id=one.desk.admission.domain.chain_id + 1),
    "other market": lambda one: other_market(one, market_id="sejong-6-1"),
    "other version": lambda one: one.signed_under(b"2"),
    "other slot": lambda one: one.changed(slot=one.message["slot"] + SLOT_S),
    "other slot, signed": lambda one: one.signed_again(slot=one.message["slot"] + SLOT_S),
    "expired": lambda one: one.signed_again(expires=FIRST_OPEN - 2 * SLOT_S),
    "future": lambda one: one.signed_again(slot=one.message["slot"] + 200 * SLOT_S),
}
KNOWN = ("verbatim", "other spacing")
REFUSED = {"MALFORMED", "BAD_SIGNATURE", "NONCE_CONFLICT", "EXPIRED", "SLOT_NOT_OPEN"}


@dataclass
class Line:
    """One connection on which orders are posted, and what came back."""

    served: Any
    wire: http.client.HTTPConnection
    sent: int = 0

    def post(self, text: bytes) -> tuple[int, dict[str, Any]]:
        # From many addresses, for one is soon told to wait when so much of it is refused.
        self.sent += 1
        far = {"X-Forwarded-For": f"203.0.113.{self.sent % 200}"}
        self.wire.request("POST", "/v1/orders", text, {"Content-Type": "application/json", **far})
        answer = self.wire.getresponse()
        return answer.status, orjson.loads(answer.read())

    def orders(self) -> int:
        """All orders in the book."""
        slots = range(FIRST_OPEN, FIRST_OPEN + 300 * SLOT_S, SLOT_S)
        found: int = self.served.store.read(lambda c: sum(count_orders(c, one) for one in slots))
        return found


@contextlib.contextmanager
def line_to(served: Any) -> Iterator[Line]:
    wire = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    with contextlib.closing(wire):
        yield Line(served, wire)


def orders_of(desk: Any) -> Iterator[Posted]:
    """Orders that are accepted, each another member's or for another slot."""
    for number in itertools.count():
        member, at = number % len(desk.crowd), number // len(desk.crowd)
        slot = FIRST_OPEN + at % SLOTS * SLOT_S
        changes = {"slot": slot, "expires": slot - 300, "nonce": 1_000 + number}
        message = desk.message(member, **changes)
        yield Posted(desk, member, message, desk.sign(message, member))


def require_known(status: int, answer: dict[str, Any], what: str) -> str:
    """The code of an answer to a replay, which is the first answer or a refusal."""
    if what in KNOWN:
        assert status == 200, f"{what}: {status} {answer}"
        return "the first answer"
    assert status in (401, 409, 422), f"{what}: {status} {answer}"
    code = str(answer["code"])
    assert code in REFUSED, f"{what}: {answer}"
    return code


@pytest.mark.check(17)
def test_no_order_that_comes_again_is_accepted_as_new(
    serve: Any, desk: Any, tmp_path: Path, check: Any
) -> None:
    left, answers, first = check.trials(REPLAYS, 200), Counter[str](), {}
    with serve(tmp_path) as served, line_to(served) as line:
        for one in orders_of(desk):
            status, answer = line.post(one.text)
            assert status == 201, answer
            first[one.text] = answer
            for what, form in itertools.islice(FORMS.items(), left):
                answers[require_known(*line.post(form(one)), what)] += 1
                left -= 1
            if left == 0:
                break
        assert line.orders() == len(first)
        # Long after their gates the orders themselves are still known, and still not new.
        served.clock.at_s = FIRST_OPEN + 400 * SLOT_S
        for text, told in first.items():
            assert line.post(text) == (200, told)
        assert line.orders() == len(first)
    total = answers.total()
    check.state(
        f"{total:,} replays of {len(first):,} orders in {len(FORMS)} forms, 0 accepted as new: "
        + ", ".join(f"{count:,} {code}" for code, count in answers.most_common())
    )


@pytest.mark.check(17, canary=True)
def test_a_guard_that_knows_signatures_by_their_bytes_takes_a_twin_as_new(
    serve: Any, desk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_by_bytes(monkeypatch)
    with serve(tmp_path) as served, line_to(served) as line:
        one = next(orders_of(desk))
        assert line.post(one.text)[0] == 201
        with pytest.raises(AssertionError, match="high s: 201"):
            require_known(*line.post(FORMS["high s"](one)), "high s")
        assert line.orders() == 2


def known_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form of a signature is read, and what has come is known by its signature alone."""
    prepare = energy.api.desk.prepare_order

    def prepare_by_bytes(*given: Any) -> Any:
        found = prepare(*given)
        return replace(found, id=hashlib.sha256(found.signature).digest())

    def lenient(digest_32: bytes, signature: bytes) -> bytes:
        low = int.from_bytes(signature[32:64], "big") <= CURVE_ORDER // 2
        return recover(digest_32, signature if low else high_s_twin(signature))

    by_rows = {one for one in market_order.constraints if one.name != "market_order_account_nonce"}
    assert len(by_rows) == len(market_order.constraints) - 1
    monkeypatch.setattr(market_order, "constraints", by_rows)
    monkeypatch.setattr(energy.api.desk, "prepare_order", prepare_by_bytes)
    monkeypatch.setattr("energy.store.admission.recover", lenient)
    monkeypatch.setattr("market.messages.require_canonical", lambda _: None)
