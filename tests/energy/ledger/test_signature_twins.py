"""Twins of good signatures: over HTTP none is accepted as new, by the verifier none at all."""

import http.client
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.steps.proving import verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.accounts import load_keys, messages_of
from energy.store.admission import TradeKey, admit_orders
from energy.store.orders import orders_of
from energy.units import SLOT_S
from market.entries import keccak256, struct_hash
from market.messages import message_as_json
from market.signing import CURVE_ORDER, Domain, address_of, derive_key, digest, high_s_twin, sign
from market.verifier import canonical, verify_bundle

FIRST = 1_784_084_400
NONCES = itertools.count(7_000)
NEW = derive_key("the new key of a household")
DOORS = {"Order": "/v1/orders", "Cancel": "/v1/orders/cancel", "KeyRotate": "/v1/keys"}
Begin = Callable[..., Any]
Envelope = dict[str, Any]


@dataclass
class Clock:
    at_s: float = FIRST + SLOT_S - 100.0
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Door:
    """Books that have run two ticks, served; everything is asked over one HTTP connection."""

    here: Any
    clock: Clock
    line: http.client.HTTPConnection

    @property
    def account(self) -> bytes:
        return bytes(self.here.crowd.account[0])

    @property
    def old(self) -> bytes:
        return bytes(self.here.crowd.private_key[0])

    @property
    def soon(self) -> int:
        """The first tick that a message of now can be sealed by."""
        return FIRST + 2 * SLOT_S

    def send(self, name: str, body: Envelope | bytes) -> tuple[int, dict[str, Any]]:
        text = body if isinstance(body, bytes) else orjson.dumps(body)
        self.line.request("POST", DOORS[name], text, {"Content-Type": "application/json"})
        answer = self.line.getresponse()
        return answer.status, json.loads(answer.read())

    def get(self, path: str) -> bytes:
        self.line.request("GET", path)
        answer = self.line.getresponse()
        content = answer.read()
        assert answer.status == 200, (path, content)
        return content

    def kept(self) -> tuple[int, int, int]:
        """Orders, messages and keys that the books have of the account."""
        found: tuple[int, int, int] = self.here.store.read(
            lambda c: (
                len(orders_of(c, self.account)),
                len(messages_of(c, self.account)),
                len(load_keys(c, self.account)),
            )
        )
        return found

    def message(self, name: str, **changes: Any) -> dict[str, Any]:
        """A message of the account that is accepted now, but for what is changed."""
        own: dict[str, Any] = {"account": self.account}
        if name == "Order":
            own = self.here.order(0, self.soon, 1, 100_000)
        elif name == "Cancel":
            _, posted = self.send("Order", self.signed("Order", self.message("Order"), self.old))
            own |= {"slot": self.soon, "order_id": bytes.fromhex(posted["order_id"][2:])}
        else:
            pair = {"old_key": address_of(self.old), "new_key": address_of(NEW)}
            own |= {**pair, "from_slot": self.soon}
        return {**own, "nonce": next(NONCES), **changes}

    def signed(self, name: str, message: dict[str, Any], *keys: bytes) -> Envelope:
        return envelope(digest(self.here.books.domain, name, message), name, message, *keys)

    def order(self, slot: int, *keys: bytes, **changes: Any) -> tuple[int, str]:
        """Status and code of the answer to a well signed order."""
        message = self.message("Order", **{"slot": slot, "expires": slot - 300, **changes})
        status, answer = self.send("Order", self.signed("Order", message, *(keys or (self.old,))))
        return status, answer.get("code", "OK")


def envelope(id_: bytes, name: str, message: dict[str, Any], *keys: bytes) -> Envelope:
    signatures = [
        {"signer": f"0x{address_of(key).hex()}", "signature": f"0x{sign(key, id_).hex()}"}
        for key in keys
    ]
    return {"type": name, "message": message_as_json(name, message), "signatures": signatures}


@pytest.fixture
def door(begin_books: Begin, serve_app: Any) -> Iterator[Door]:
    here, clock = begin_books(), Clock()
    here.run(2)
    # From here on the tests themselves say who orders.
    here.place_orders = lambda slot: None
    context = ApiContext(
        store=here.store,
        district=here.district,
        settings=Settings(),
        clock=clock,
        admission=here.admission,
    )
    address = urlsplit(serve_app(create_app(context))).netloc
    line = http.client.HTTPConnection(address, timeout=20)
    yield Door(here, clock, line)
    line.close()


def forms_of(text: str) -> dict[str, str]:
    """Other ways to write one good signature."""
    raw = bytes.fromhex(text[2:])
    r, s, v = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]

    def made(r: int, s: int, v: int) -> bytes:
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])

    # EIP-2098: the parity in the top bit of s.
    compact = made(r, s | (v - 27) << 255, 0)[:64]
    forms = {
        "high s": high_s_twin(raw),
        "high s, same v": made(r, CURVE_ORDER - s, v),
        **{f"high s, v {n}": made(r, CURVE_ORDER - s, n) for n in (0, 1, 35, 36)},
        "compact": compact,
        "compact, padded": compact + b"\0",
        "compact, odd, with v": made(r, s | 1 << 255, v),
        "plain r and s": raw[:64],
        "66 bytes": raw + b"\0",
        "twice": raw + raw,
        "v first": raw[64:] + raw[:64],
        "s first": raw[32:64] + raw[:32] + raw[64:],
        "little endian": raw[31::-1] + raw[63:31:-1] + raw[64:],
        "zero r": made(0, s, v),
        "zero s": made(r, 0, v),
        "r of the order": made(CURVE_ORDER, s, v),
        "s of the order": made(r, CURVE_ORDER, v),
        "nothing": b"",
        **{f"v {n}": raw[:64] + bytes([n]) for n in range(256) if n != v},
    }
    texts = {
        "upper case": "0x" + raw.hex().upper(),
        "0X": "0X" + raw.hex(),
        "no 0x": raw.hex(),
        "a space": text + " ",
        "odd digits": text[:-1],
    }
    return {**{name: "0x" + form.hex() for name, form in forms.items()}, **texts}


def domains_of(own: Domain) -> dict[str, bytes]:
    """Domain separators that are not the own one."""
    kind = b"EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)"

    def separator(name: bytes, version: bytes) -> bytes:
        texts = b"".join(keccak256(one) for one in (kind, name, version))
        return keccak256(texts + own.chain_id.to_bytes(32, "big") + own.salt)

    assert separator(b"Microgrid Market", b"1") == own.separator
    return {
        "simulation": Domain(own.market_id + "/sim/2").separator,
        "market": Domain("sejong-6-1").separator,
        **{f"chain {n}": Domain(own.market_id, n).separator for n in (0, 2, 1337, 2**64)},
        "name": separator(b"Microgrid", b"1"),
        "version": separator(b"Microgrid Market", b"2"),
    }


def changes_of(door: Door, name: str, message: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Messages that the signature was not made for."""
    slot = "from_slot" if name == "KeyRotate" else "slot"
    changes: dict[str, dict[str, Any]] = {
        "other slot": {slot: message[slot] + SLOT_S},
        "other account": {"account": bytes(door.here.crowd.account[1])},
        "other nonce": {"nonce": message["nonce"] + 500_000},
    }
    if name == "Order":
        changes |= {"more": {"e_wh": 41}, "later": {"expires": message["slot"]}}
        changes |= {"other side": {"side": 2}, "other price": {"price_mkrw_per_kwh": 90_000}}
    return {what: {**message, **change} for what, change in changes.items()}


def twins_of(door: Door, name: str, message: dict[str, Any], keys: list[bytes]) -> dict[str, Any]:
    """Envelopes beside the good one: another form, another domain, another message."""
    good = door.signed(name, message, *keys)
    twins: dict[str, Envelope] = {}
    for at in range(len(keys)):
        for form, text in forms_of(good["signatures"][at]["signature"]).items():
            rows = [*good["signatures"]]
            rows[at] = {**rows[at], "signature": text}
            twins[f"{form} of signature {at}"] = {**good, "signatures": rows}
    for what, separator in domains_of(door.here.books.domain).items():
        id_ = keccak256(b"\x19\x01" + separator + struct_hash(name, message))
        twins[f"other {what}"] = envelope(id_, name, message, *keys)
    for what, other in changes_of(door, name, message).items():
        twins[what] = {**good, "message": message_as_json(name, other)}
    return twins


REFUSALS = {"MALFORMED", "BAD_SIGNATURE", "UNKNOWN_KEY", "NONCE_CONFLICT"}


@pytest.mark.parametrize("name", DOORS)
def test_no_twin_of_a_signature_is_accepted_as_new_over_http(door: Door, name: str) -> None:
    keys = [door.old, NEW] if name == "KeyRotate" else [door.old]
    message = door.message(name)
    twins, good = twins_of(door, name, message, keys), door.signed(name, message, *keys)
    answers: Counter[str] = Counter()
    for round_ in ("before the true one", "after it"):
        kept = door.kept()
        for what, twin in twins.items():
            status, answer = door.send(name, twin)
            assert 400 <= status < 500, (round_, what, answer)
            assert answer["code"] in REFUSALS, (round_, what, answer)
            answers[answer["code"]] += 1
        assert door.kept() == kept, round_
        assert door.send(name, good)[0] == (201 if round_.startswith("before") else 200)
    count = {"Order": 295, "Cancel": 291, "KeyRotate": 571}[name]
    assert (len(twins), answers.total()) == (count, 2 * count)


def test_no_twin_of_a_sealed_signature_is_proven(door: Door) -> None:
    message = door.message("Order")
    status, answer = door.send("Order", door.signed("Order", message, door.old))
    assert status == 201, answer
    door.here.run(2, begin=2)
    trust = door.get("/v1/ledger/trust")
    good = json.loads(door.get(f"/v1/orders/{answer['order_id']}/proof"))
    assert verify_bundle(trust, canonical(good)).ok
    refused: Counter[str] = Counter()
    for what, twin in twins_of(door, "Order", message, [door.old]).items():
        lie = {**good, "entry": {**twin, "salt": good["entry"]["salt"]}}
        failure = verify_bundle(trust, canonical(lie)).first_failure
        assert failure is not None, what
        refused[failure.check] += 1
    # Other forms are unreadable or no signature, and in another account's name the keys that are
    # shown are not that account's; nothing gets as far as the path.
    assert refused.total() == 295
    assert set(refused) == {"signature", "readable", "key history"}, refused
    assert refused["key history"] == 1


TIMES = """
when                              answer
long before its slot              422 SLOT_NOT_OPEN
when it has expired               422 EXPIRED
after its gate                    409 GATE_CLOSED
with a key of later               401 UNKNOWN_KEY
with a rotated key                401 UNKNOWN_KEY
with the key after its rotation   401 UNKNOWN_KEY
with a revoked key                401 UNKNOWN_KEY
with a key of another account     401 UNKNOWN_KEY
with the operator's trading key   401 UNKNOWN_KEY
with the registrar's key          401 UNKNOWN_KEY
"""


@pytest.mark.parametrize("line", TIMES.strip().splitlines()[1:], ids=lambda line: line[:33].strip())
def test_a_good_signature_at_the_wrong_time_or_of_the_wrong_key_is_refused(
    door: Door, line: str
) -> None:
    when, answer = line[:34].strip(), line[34:].strip()
    soon, keys = door.soon, door.here.books.keys
    change_keys(door, when)
    kept = door.kept()
    sent: dict[str, Callable[[], tuple[int, str]]] = {
        "long before its slot": lambda: door.order(soon + 200 * SLOT_S),
        "when it has expired": lambda: door.order(soon + SLOT_S, expires=int(door.clock.at_s) - 1),
        "after its gate": lambda: door.order(FIRST, expires=soon),
        "with a key of later": lambda: door.order(soon + SLOT_S, NEW),
        "with a rotated key": lambda: door.order(soon + 2 * SLOT_S),
        "with the key after its rotation": lambda: door.order(soon + SLOT_S, NEW),
        "with a revoked key": lambda: door.order(soon + 2 * SLOT_S),
        "with a key of another account": lambda: door.order(
            soon, bytes(door.here.crowd.private_key[1])
        ),
        "with the operator's trading key": lambda: door.order(soon, keys.trading),
        "with the registrar's key": lambda: door.order(soon, keys.registrar),
    }
    status, code = sent[when]()
    assert f"{status} {code}" == answer
    assert door.kept() == kept


def change_keys(door: Door, when: str) -> None:
    """Over HTTP too: register, rotate or revoke a key two slots after the next tick."""
    turn, old = door.soon + 2 * SLOT_S, address_of(door.old)
    own = {"account": door.account, "nonce": next(NONCES), "from_slot": turn}
    registrar, new = door.here.books.keys.registrar, address_of(NEW)
    changes: dict[str, tuple[str, dict[str, Any], list[bytes]]] = {
        "with a key of later": ("KeyRegister", {"key": new, "roles": 1}, [NEW, registrar]),
        "with a rotated key": ("KeyRotate", {"old_key": old, "new_key": new}, [door.old, NEW]),
        "with a revoked key": ("KeyRevoke", {"key": old, "reason": 2}, [door.old]),
    }
    changes["with the key after its rotation"] = changes["with a rotated key"]
    if when in changes:
        name, fields, keys = changes[when]
        status, answer = door.send("KeyRotate", door.signed(name, {**own, **fields}, *keys))
        assert status == 201, answer


FORBIDDEN = ("a key of later", "a rotated key", "a revoked key", "a key of another account")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_an_operator_who_seals_an_order_of_a_forbidden_key_is_refuted(
    door: Door, what: str
) -> None:
    """The door lets the order in; bundle and whole book are refused all the same."""
    change_keys(door, f"with {what}")
    turn = door.soon + 2 * SLOT_S
    key = {
        "a key of another account": bytes(door.here.crowd.private_key[1]),
        "a key of later": NEW,
    }.get(what, door.old)
    # A key of later is used in the slot before it holds, the others in the slot where it ends.
    slot = turn - SLOT_S if what == "a key of later" else turn
    run_until = 4 if what in ("a rotated key", "a revoked key") else 2
    door.here.run(run_until - 2, begin=2)
    message = {**door.here.order(0, slot, 1, 100_000), "nonce": next(NONCES)}
    lenient = replace(
        door.here.admission, keys=lambda *_: {door.account: [TradeKey(address_of(key), 0, None)]}
    )
    body = door.signed("Order", message, key)
    answer = admitted(door, lenient, body, FIRST + (run_until - 1) * SLOT_S - 100.0)
    door.here.run(2, begin=run_until)
    trust, bundle = door.here.store.read(
        lambda c: (Prover(c).trust(Witnesses()), Prover(c).entry(answer.id))
    )
    failure = verify_bundle(trust, bundle).first_failure
    assert failure is not None and failure.check == "key role", failure
    failure = verify_store(door.here.store, 0).first_failure
    assert failure is not None and failure.check == "key role", failure


def admitted(door: Door, admission: Any, body: Envelope, now_s: float) -> Any:
    (answer,) = door.here.store.write(
        lambda c: admit_orders(c, admission, [orjson.dumps(body)], now_s)
    )
    assert answer.is_new, answer
    return answer
