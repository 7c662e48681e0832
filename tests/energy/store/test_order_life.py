"""An order's life at the real doors: whatever comes in whatever order, it leaves exactly once.

A machine sends, repeats, replaces and cancels signed orders around a gate, a microsecond before it,
at it and after it; the slot is claimed, its book locked, and cleared or void. What it expects it
knows from the rules as they are written, not from the doors' own code.
"""

import hashlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from energy.crowd.members import TRADE
from energy.store import orders as book
from energy.store.accounts import KeyRow, save_keys
from energy.store.admission import Admission, Answer, admit_orders
from energy.store.engine import Store, open_store
from energy.store.mailbox import admit_message, prepare_message
from energy.store.schema import market_order
from energy.store.slots import claim_slot
from market.messages import message_as_json
from market.orders import STATUS_AFTER, OrderStatus
from market.signing import digest, sign

BASE = 1_784_106_000
MEMBERS = 2
ENDS = set(OrderStatus) - {OrderStatus.ACCEPTED, OrderStatus.LOCKED}
NUMBERS = itertools.count(1)
NONCES = itertools.count(1_000)
EXAMPLES = 2_000 if os.environ.get("CI") else 150


@dataclass
class Known:
    """An accepted order as the machine remembers it."""

    member: int
    text: bytes
    receipt: Any
    side: int
    e_wh: int
    price: int
    expires: int
    status: OrderStatus = OrderStatus.ACCEPTED


class Doors:
    """A store whose slots are used up one after the other, each example its own."""

    def __init__(self, store: Store, desk: Any) -> None:
        self.store, self.desk = store, desk
        self.admission: Admission = replace(desk.admission, first_slot=BASE)
        keys = [
            KeyRow(desk.crowd.account[n], desk.crowd.address[n], 0, None, TRADE,
                   hashlib.sha256(bytes([n])).digest())
            for n in range(MEMBERS)
        ]  # fmt: skip
        store.write(lambda connection: save_keys(connection, keys))

    def send(self, text: bytes, now_us: int) -> Answer:
        now_s = now_us / 1_000_000
        assert int(now_s * 1_000_000) == now_us, "a float of seconds tells these instants apart"
        return self.store.write(lambda c: admit_orders(c, self.admission, [text], now_s))[0]

    def cancel(self, member: int, slot: int, id_: bytes, now_us: int) -> Answer:
        crowd = self.desk.crowd
        message = {
            "account": crowd.account[member], "slot": slot, "order_id": id_,
            "nonce": next(NONCES),
        }  # fmt: skip
        signed = sign(crowd.private_key[member], digest(self.admission.domain, "Cancel", message))
        text = orjson.dumps(
            {
                "type": "Cancel",
                "message": message_as_json("Cancel", message),
                "signatures": [
                    {
                        "signer": f"0x{crowd.address[member].hex()}",
                        "signature": f"0x{signed.hex()}",
                    }
                ],
            }
        )
        one = prepare_message(self.admission, text, now_us)
        return self.store.write(lambda c: admit_message(c, self.admission, one))


class OrderLife(RuleBasedStateMachine):
    """One slot from the first order to its end; `doors` is set by the test."""

    doors: Doors

    @initialize()
    def begin(self) -> None:
        self.slot = BASE + next(NUMBERS) * 900
        self.gate_us = (self.slot - 300) * 1_000_000
        self.now_us = self.gate_us - 200_000_000
        self.known: dict[bytes, Known] = {}
        self.claimed = self.locked = self.ended = False

    def is_live(self, one: Known) -> bool:
        gone = one.expires < self.gate_us // 1_000_000 and one.expires <= self.now_us // 1_000_000
        return one.status == OrderStatus.ACCEPTED and not gone

    @property
    def is_open(self) -> bool:
        return self.now_us < self.gate_us and not self.claimed

    @rule(to=st.sampled_from([-100_000_000, -1_000_001, -1_000_000, -1, 0, 1, 1_000_000]))
    def let_time_pass(self, to: int) -> None:
        """A clock that never steps back, and that loves the gate."""
        self.now_us = max(self.now_us, self.gate_us + to)

    @rule(
        member=st.integers(0, MEMBERS - 1),
        e_wh=st.sampled_from([1, 100, 700]),
        price=st.sampled_from([100_000, 140_000]),
        lives_s=st.sampled_from([-200, -100, -1, 0, 300]),
        data=st.data(),
    )
    def send(self, member: int, e_wh: int, price: int, lives_s: int, data: st.DataObject) -> None:
        replaces = data.draw(st.sampled_from([bytes(32), bytes(32), *self.known]))
        expires = self.gate_us // 1_000_000 + lives_s
        text = self.doors.desk.order(
            member, slot=self.slot, e_wh=e_wh, price_mkrw_per_kwh=price, expires=expires,
            replaces=replaces, nonce=next(NONCES),
        )  # fmt: skip
        answer = self.doors.send(text, self.now_us)
        expected = self.expected(member, e_wh, expires, replaces)
        found = None if answer.refusal is None else answer.refusal.code.value
        assert found == expected
        if answer.refusal is None:
            assert answer.id is not None
            if replaces != bytes(32):
                self.known[replaces].status = OrderStatus.REPLACED
            self.known[answer.id] = Known(member, text, answer.receipt, 1, e_wh, price, expires)

    def expected(self, member: int, e_wh: int, expires: int, replaces: bytes) -> str | None:
        """The refusal by the rules' order: gate, end, capacity, what is replaced."""
        if not self.is_open:
            return "GATE_CLOSED"
        if expires * 1_000_000 <= self.now_us:
            return "EXPIRED"
        mine = {
            id_: one for id_, one in self.known.items()
            if one.member == member and self.is_live(one)
        }  # fmt: skip
        kept = [one for id_, one in mine.items() if id_ != replaces]
        trader = self.doors.admission.traders[self.doors.desk.crowd.account[member]]
        if sum(one.e_wh for one in kept) + e_wh > trader.import_wh_max:
            return "OVER_CAPACITY"
        if len(kept) >= 20:
            return "TOO_MANY"
        return "UNKNOWN_REPLACED" if replaces != bytes(32) and replaces not in mine else None

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """The same message again has its first receipt, whatever became of the order."""
        id_ = data.draw(st.sampled_from(list(self.known)))
        answer = self.doors.send(self.known[id_].text, self.now_us)
        assert (answer.id, answer.is_new, answer.refusal) == (id_, False, None)
        assert answer.receipt == self.known[id_].receipt

    @precondition(lambda self: self.known)
    @rule(member=st.integers(0, MEMBERS - 1), data=st.data())
    def cancel(self, member: int, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(list(self.known)))
        one = self.known[id_]
        answer = self.doors.cancel(member, self.slot, id_, self.now_us)
        if not self.is_open:
            expected: str | None = "GATE_CLOSED"
        else:
            expected = None if member == one.member and self.is_live(one) else "UNKNOWN_ORDER"
        assert (None if answer.refusal is None else answer.refusal.code.value) == expected
        if expected is None:
            one.status = OrderStatus.CANCELLED

    @precondition(lambda self: self.now_us >= self.gate_us and not self.claimed)
    @rule()
    def claim(self) -> None:
        store = self.doors.store
        store.write(lambda c: claim_slot(c, self.slot, "one", self.now_us // 1_000_000))
        self.claimed = True

    @precondition(lambda self: self.claimed and not self.ended)
    @rule()
    def lock(self) -> None:
        """Locking seals what stood at the gate; again, it seals the same."""
        gate_s = self.gate_us // 1_000_000
        rows = self.doors.store.write(lambda c: book.lock_book(c, self.slot, gate_s))
        for one in self.known.values():
            if one.status == OrderStatus.ACCEPTED:
                gone = one.expires < gate_s
                one.status = OrderStatus.EXPIRED if gone else OrderStatus.LOCKED
        sealed = [id_ for id_, one in self.known.items() if one.status == OrderStatus.LOCKED]
        assert [row.id for row in rows] == sorted(sealed)
        self.locked = True

    @precondition(lambda self: self.locked and not self.ended)
    @rule(data=st.data())
    def clear(self, data: st.DataObject) -> None:
        locked = [id_ for id_, one in self.known.items() if one.status == OrderStatus.LOCKED]
        fills = {id_: data.draw(st.integers(0, self.known[id_].e_wh)) for id_ in locked}
        rows = [book.FillRow(id_, e_wh, 120_000) for id_, e_wh in fills.items()]
        self.doors.store.write(lambda c: book.save_fills(c, self.slot, rows))
        for id_, e_wh in fills.items():
            whole = OrderStatus.FILLED if e_wh == self.known[id_].e_wh else OrderStatus.PARTIAL
            self.known[id_].status = whole if e_wh else OrderStatus.NOT_CLEARED
        self.ended = True

    @precondition(lambda self: self.locked and not self.ended)
    @rule()
    def fail(self) -> None:
        self.doors.store.write(lambda c: book.void_book(c, self.slot))
        for one in self.known.values():
            if one.status == OrderStatus.LOCKED:
                one.status = OrderStatus.VOID
        self.ended = True

    @invariant()
    def every_order_stands_where_it_should(self) -> None:
        """An end is an end: no order ever stands elsewhere than its one way leads."""
        if not getattr(self, "known", None):
            return
        named = select(market_order.c.id, market_order.c.status)
        mine = named.where(market_order.c.slot == self.slot)
        found = self.doors.store.read(lambda c: {row.id: row.status for row in c.execute(mine)})
        assert found == {id_: one.status.value for id_, one in self.known.items()}

    def teardown(self) -> None:
        if getattr(self, "ended", False):
            assert all(one.status in ENDS for one in self.known.values())


@pytest.fixture(scope="module")
def life_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that all examples share."""
    folder = tmp_path_factory.mktemp("order-life")
    with open_store(f"sqlite:///{folder / 'life.db'}") as opened:
        yield opened


def test_every_order_leaves_the_book_exactly_once(life_store: Store, desk: Any) -> None:
    OrderLife.doors = Doors(life_store, desk)
    run_state_machine_as_test(
        OrderLife, settings=settings(max_examples=EXAMPLES, stateful_step_count=8, deadline=None)
    )


@pytest.mark.parametrize("status", list(OrderStatus))
def test_only_two_statuses_have_a_next_one(status: OrderStatus) -> None:
    assert (status in STATUS_AFTER) is (status not in ENDS)
