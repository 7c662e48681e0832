"""Keys and cancellations at the door: what is accepted, from when it holds, what is refused."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from energy.crowd import sign_orders
from energy.steps.proving import verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.accounts import load_keys
from energy.store.admission import Answer, admit_orders
from energy.store.mailbox import admit_message, prepare_message
from energy.store.orders import find_order
from energy.units import SLOT_S
from market.messages import message_as_json
from market.signing import Domain, address_of, derive_key, digest, sign
from market.verifier import verify_bundle

FIRST = 1_784_084_400
Begin = Callable[..., Any]
NONCES = itertools.count(1_000)
NEW = derive_key("a household's new key")


@dataclass
class Door:
    """Books that have run two ticks, at the door of their first member."""

    here: Any
    now_s: float = FIRST + SLOT_S - 100

    @property
    def sealed_by(self) -> int:
        return FIRST + 2 * SLOT_S

    @property
    def old(self) -> bytes:
        return bytes(self.here.crowd.private_key[0])

    def tell(self, name: str, *keys: bytes, **fields: Any) -> Answer:
        """The answer to a message of the first member, signed by these keys."""
        message = {"account": self.here.crowd.account[0], "nonce": next(NONCES), **fields}
        return self.send(envelope(self.here.books.domain, name, message, *keys))

    def send(self, text: bytes) -> Answer:
        admission = self.here.admission
        one = prepare_message(admission, text, int(self.now_s * 1e6))
        found: Answer = self.here.store.write(lambda c: admit_message(c, admission, one))
        return found

    def order(self, slot: int, key: bytes | None = None, **changes: Any) -> Answer:
        message = {**self.here.order(0, slot, 1, 100_000), "nonce": next(NONCES), **changes}
        text = envelope(self.here.books.domain, "Order", message, key or self.old)
        admission = self.here.admission
        answers: list[Answer] = self.here.store.write(
            lambda c: admit_orders(c, admission, [text], self.now_s)
        )
        return answers[0]

    def rotate(self, slot: int) -> Answer:
        old, new = address_of(self.old), address_of(NEW)
        return self.tell("KeyRotate", self.old, NEW, old_key=old, new_key=new, from_slot=slot)

    def revoke(self, slot: int) -> Answer:
        key = address_of(self.old)
        return self.tell("KeyRevoke", self.old, key=key, from_slot=slot, reason=1)


def envelope(domain: Domain, name: str, message: Any, *keys: bytes) -> bytes:
    id_ = digest(domain, name, message)
    signed = [
        {"signer": f"0x{address_of(key).hex()}", "signature": f"0x{sign(key, id_).hex()}"}
        for key in keys
    ]
    body = {"type": name, "message": message_as_json(name, message), "signatures": signed}
    return orjson.dumps(body)


@pytest.fixture
def door(begin_books: Begin) -> Door:
    here = begin_books()
    here.run(2)
    # From here on the tests themselves say who orders.
    here.place_orders = lambda slot: None
    return Door(here)


def code_of(answer: Answer) -> str:
    return "OK" if answer.refusal is None else answer.refusal.code.value


def test_a_rotated_key_signs_from_its_slot_on_and_the_old_one_until_then(door: Door) -> None:
    turn = door.sealed_by + 2 * SLOT_S
    assert code_of(door.rotate(turn)) == "OK"
    assert code_of(door.order(turn - SLOT_S)) == "OK"
    assert code_of(door.order(turn)) == "UNKNOWN_KEY"
    assert code_of(door.order(turn, NEW)) == "OK"
    assert code_of(door.order(turn - SLOT_S, NEW)) == "UNKNOWN_KEY"
    door.here.run(3, begin=2)
    report = verify_store(door.here.store, 0)
    assert report.ok, report.first_failure


def test_an_order_whose_key_is_revoked_for_its_slot_leaves_the_book_at_the_gate(
    door: Door,
) -> None:
    slot = door.sealed_by + SLOT_S
    before, at = door.order(slot - SLOT_S), door.order(slot, side=1)
    assert (code_of(before), code_of(at)) == ("OK", "OK")
    assert code_of(door.revoke(slot)) == "OK"
    door.here.run(3, begin=2)
    kept, gone = (door.here.store.read(lambda c, i=i: find_order(c, i)) for i in (before.id, at.id))
    assert (kept.status, gone.status) == ("LOCKED", "KEY_REVOKED")
    report = verify_store(door.here.store, 0)
    assert report.ok, report.first_failure


def test_a_cancelled_order_is_not_in_the_book_and_the_cancel_is_in_the_books(door: Door) -> None:
    slot = door.sealed_by + SLOT_S
    order = door.order(slot)
    answer = door.tell("Cancel", door.old, slot=slot, order_id=order.id)
    assert code_of(answer) == "OK" and answer.is_new
    assert door.here.store.read(lambda c: find_order(c, order.id)).status == "CANCELLED"
    assert code_of(door.tell("Cancel", door.old, slot=slot, order_id=order.id)) == "UNKNOWN_ORDER"
    door.here.run(3, begin=2)
    report = verify_store(door.here.store, 0)
    assert report.ok, report.first_failure
    trust, proof = door.here.store.read(
        lambda c: (Prover(c).trust(Witnesses()), Prover(c).entry(answer.id))
    )
    report = verify_bundle(trust, proof)
    assert report.ok, report.first_failure


def test_a_new_key_and_the_end_of_the_old_one_go_into_one_tick(door: Door) -> None:
    soon, registrar = door.sealed_by, door.here.books.keys.registrar
    fresh = {"key": address_of(NEW), "roles": 1, "from_slot": soon}
    assert code_of(door.tell("KeyRegister", NEW, registrar, **fresh)) == "OK"
    assert code_of(door.revoke(soon)) == "OK"
    assert code_of(door.order(soon)) == "UNKNOWN_KEY"
    assert code_of(door.order(soon, NEW)) == "OK"
    door.here.run(3, begin=2)
    report = verify_store(door.here.store, 0)
    assert report.ok, report.first_failure


RULES = """
what                                            answer
cancel for a slot whose gate has passed         GATE_CLOSED
cancel of an unknown order                      UNKNOWN_ORDER
cancel signed by a stranger                     UNKNOWN_KEY
cancel of somebody else's order                 UNKNOWN_ORDER
rotate that begins before its tick              BACK_DATED
revoke that begins before its tick              BACK_DATED
revoke that begins a day ahead                  OK
revoke that begins more than a day ahead        SLOT_NOT_OPEN
rotate that begins more than a day ahead        SLOT_NOT_OPEN
revoke of a key that never was                  UNKNOWN_KEY
rotate of a key that is ending                  UNKNOWN_KEY
rotate signed by the new key alone              MALFORMED
rotate signed in the wrong order                UNKNOWN_KEY
register signed by itself twice                 UNKNOWN_KEY
register with the registrar                     OK
register of a live key                          KEY_IN_USE
revoke by the registrar                         OK
revoke by another household                     UNKNOWN_KEY
two changes of a key for one tick               KEY_CHANGE_WAITS
a nonce that an order has used                  NONCE_CONFLICT
another type at this door                       MALFORMED
"""


@pytest.mark.parametrize("line", RULES.strip().splitlines()[1:], ids=lambda line: line[:44].strip())
def test_the_first_broken_rule_answers(door: Door, line: str) -> None:
    what, answer = line[:48].strip(), line[48:].strip()
    here, soon = door.here, door.sealed_by
    registrar, other = here.books.keys.registrar, bytes(here.crowd.private_key[1])
    own, new = address_of(door.old), address_of(NEW)
    pair = {"old_key": own, "new_key": new}
    fresh = {"key": new, "roles": 1, "from_slot": soon}
    gone = {"key": own, "from_slot": soon, "reason": 2}

    def cancel(key: bytes, slot: int, id_: bytes) -> Answer:
        return door.tell("Cancel", key, slot=slot, order_id=id_)

    def of_another() -> Answer:
        message = {**here.order(1, soon, 1, 90_000), "nonce": 5}
        text = sign_orders(here.crowd, here.books.domain, [message])
        there = here.store.write(lambda c: admit_orders(c, here.admission, text, door.now_s))
        return cancel(door.old, soon, there[0].id)

    def twice() -> Answer:
        assert code_of(door.tell("KeyRegister", NEW, registrar, **fresh)) == "OK"
        return door.rotate(soon)

    def ended() -> Answer:
        later = {**gone, "from_slot": soon + SLOT_S}
        assert code_of(door.tell("KeyRevoke", registrar, **later)) == "OK"
        answer = door.rotate(soon)
        assert answer.refusal is not None and answer.refusal.field == "old_key"
        return answer

    def same_nonce() -> Answer:
        assert code_of(door.order(soon, nonce=6)) == "OK"
        return door.tell("KeyRevoke", door.old, **gone, nonce=6)

    cases: dict[str, Callable[[], Answer]] = {
        "cancel for a slot whose gate has passed": lambda: cancel(door.old, soon - 900, bytes(32)),
        "cancel of an unknown order": lambda: cancel(door.old, soon, bytes(32)),
        "cancel signed by a stranger": lambda: cancel(NEW, soon, bytes(32)),
        "cancel of somebody else's order": of_another,
        "rotate that begins before its tick": lambda: door.rotate(soon - SLOT_S),
        "revoke that begins before its tick": lambda: door.revoke(soon - SLOT_S),
        "revoke that begins a day ahead": lambda: door.revoke(soon + 96 * SLOT_S),
        "revoke that begins more than a day ahead": lambda: door.revoke(soon + 97 * SLOT_S),
        "rotate that begins more than a day ahead": lambda: door.rotate(soon + 97 * SLOT_S),
        "revoke of a key that never was": lambda: door.tell(
            "KeyRevoke", door.old, **{**gone, "key": new}
        ),
        "rotate of a key that is ending": ended,
        "rotate signed by the new key alone": lambda: door.tell(
            "KeyRotate", NEW, **pair, from_slot=soon
        ),
        "rotate signed in the wrong order": lambda: door.tell(
            "KeyRotate", NEW, door.old, **pair, from_slot=soon
        ),
        "register signed by itself twice": lambda: door.tell("KeyRegister", NEW, NEW, **fresh),
        "register with the registrar": lambda: door.tell("KeyRegister", NEW, registrar, **fresh),
        "register of a live key": lambda: door.tell(
            "KeyRegister", door.old, registrar, **{**fresh, "key": own}
        ),
        "revoke by the registrar": lambda: door.tell("KeyRevoke", registrar, **gone),
        "revoke by another household": lambda: door.tell("KeyRevoke", other, **gone),
        "two changes of a key for one tick": twice,
        "a nonce that an order has used": same_nonce,
        "another type at this door": lambda: door.send(
            envelope(here.books.domain, "Order", here.order(0, soon, 1, 90_000), door.old)
        ),
    }
    assert code_of(cases[what]()) == answer


def test_the_same_message_again_gets_the_first_answer(door: Door) -> None:
    message = {
        "account": door.here.crowd.account[0], "key": address_of(door.old),
        "from_slot": door.sealed_by + SLOT_S, "reason": 3, "nonce": next(NONCES),
    }  # fmt: skip
    text = envelope(door.here.books.domain, "KeyRevoke", message, door.old)
    first = door.send(text)
    door.now_s += 60
    again = door.send(text)
    assert first.is_new and not again.is_new and again.receipt == first.receipt
    keys = door.here.store.read(lambda c: load_keys(c, door.here.crowd.account[0]))
    assert [key.end_slot for key in keys] == [door.sealed_by + SLOT_S]
