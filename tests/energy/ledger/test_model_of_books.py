"""The books against a model of a hundred lines: orders, cancels, clears, corrections, crashes.

Chance writes a history step by step: residents order, cancel and send again, slots are cleared and
settled, readings are corrected, the process dies within a unit of work and another goes on. What
each account has moved is at every step what the model says, and debits are credits.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import energy.steps.settling
from energy.crowd import sign_orders
from energy.crowd.members import sign_message
from energy.steps.proving import add_up, find_oversold, verify_store
from energy.store.admission import Answer, admit_orders
from energy.store.books import load_settlements
from energy.store.engine import Store
from energy.store.mailbox import admit_message, prepare_message
from energy.store.orders import find_order, load_fills
from energy.store.readings import LateRow
from energy.store.slots import find_slot
from energy.units import SLOT_S
from market.errors import MarketError
from market.transfers import LedgerId

Begin = Callable[..., Any]
DISTRICT, FIRST, TICKS = "sejong-5-1@0.003", 1_784_084_400, 14
NUMBERS = itertools.count()


class Died(Exception):
    """The process is gone within a unit of work."""


@dataclass
class Model:
    """What must be so: each order with its state, and each settled slot's net Wh by meter."""

    orders: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[bytes] = field(default_factory=set)
    net_wh: dict[int, dict[int, int]] = field(default_factory=dict)
    revisions: dict[tuple[int, int], int] = field(default_factory=dict)
    waiting: list[LateRow] = field(default_factory=list)

    def live(self, slot: int) -> list[bytes]:
        """Orders of a slot that still stand, oldest first."""
        return [
            i for i, one in self.orders.items() if one["slot"] >= slot and i not in self.cancelled
        ]

    def settled(self, tick: int, readings: Any) -> None:
        """A tick settles the slot two before it and takes up what came with it."""
        slot = tick - 2 * SLOT_S
        if slot >= FIRST:
            net = (readings.import_wh - readings.export_wh).tolist()
            self.net_wh[slot] = dict(enumerate(net))
        for row in self.waiting:
            self.net_wh[row.slot][row.meter] = row.import_wh - row.export_wh
        self.waiting.clear()

    def balance_wh(self, meter: int) -> int:
        """Wh that an account has drawn less those that it has given."""
        return sum(net[meter] for net in self.net_wh.values())


class Books(RuleBasedStateMachine):
    """The real books and their model, side by side."""

    def __init__(self, begin: Begin, folder: Path) -> None:
        super().__init__()
        self.begin, self.url = begin, f"sqlite:///{folder}/{next(NUMBERS)}.db"
        self.model, self.slot, self.is_cleared, self.nonce = Model(), FIRST, False, 10**6
        self.texts: dict[bytes, bytes] = {}
        self.late: list[LateRow] = []
        self.open()

    def open(self) -> None:
        self.here = self.begin(self.url, source=DISTRICT)
        self.here.place_orders = lambda _: None
        self.here.late = self.late

    def has_slots(self) -> bool:
        return self.slot < FIRST + TICKS * SLOT_S

    def admit(self, text: bytes) -> Answer:
        here, now_s = self.here, self.slot - 600
        (answer,) = here.store.write(lambda c: admit_orders(c, here.admission, [text], now_s))
        return answer

    @precondition(lambda self: not self.is_cleared)
    @rule(member=st.integers(0, 10**6), side=st.sampled_from((1, 2)), wh=st.integers(1, 300),
          price=st.integers(90, 200), ahead=st.integers(0, 2))  # fmt: skip
    def order(self, member: int, side: int, wh: int, price: int, ahead: int) -> None:
        here, member = self.here, member % len(self.here.crowd)
        self.nonce += 1
        message = here.order(member, self.slot + ahead * SLOT_S, side, price * 1_000)
        message |= {"e_wh": wh, "nonce": self.nonce, "label": 0, "premium_mkrw_per_kwh": 0}
        (text,) = sign_orders(here.crowd, here.books.domain, [message])
        answer = self.admit(text)
        if answer.id is not None:
            assert answer.is_new
            self.model.orders[answer.id], self.texts[answer.id] = message, text

    @precondition(lambda self: not self.is_cleared and self.model.live(self.slot))
    @rule(which=st.integers(0, 10**6))
    def cancel(self, which: int) -> None:
        live = self.model.live(self.slot)
        id_ = live[which % len(live)]
        self.nonce += 1
        order, here = self.model.orders[id_], self.here
        row = here.crowd.account.index(order["account"])
        message = {"account": order["account"], "order_id": id_, "slot": order["slot"]}
        text = sign_message(
            here.books.domain, "Cancel", message | {"nonce": self.nonce},
            here.crowd.private_key[row], address=here.crowd.address[row],
        )  # fmt: skip
        one = prepare_message(here.admission, text, (self.slot - 600) * 10**6)
        answer = here.store.write(lambda c: admit_message(c, here.admission, one))
        assert answer.refusal is None, answer
        self.model.cancelled.add(id_)

    @precondition(lambda self: self.texts)
    @rule(which=st.integers(0, 10**6))
    def send_again(self, which: int) -> None:
        id_ = list(self.texts)[which % len(self.texts)]
        answer = self.admit(self.texts[id_])
        assert (answer.id, answer.is_new) == (id_, False)

    @precondition(lambda self: not self.is_cleared and self.has_slots())
    @rule(dies=st.sampled_from(("", "", "within", "after")))
    def clear(self, dies: str) -> None:
        self.do(lambda: self.here.publish(self.slot), dies, self.was_published)
        self.is_cleared = True

    def was_published(self) -> bool:
        row = self.here.store.read(lambda c: find_slot(c, self.slot))
        return row is not None and row.state == "published"

    @precondition(lambda self: self.is_cleared)
    @rule(dies=st.sampled_from(("", "", "within", "after")))
    def settle(self, dies: str) -> None:
        tick = self.slot
        self.do(lambda: self.here.settle(tick), dies, lambda: False)
        self.model.settled(tick, self.here.readings[(tick - FIRST) // SLOT_S])
        self.slot, self.is_cleared = tick + SLOT_S, False

    @precondition(lambda self: self.slot > FIRST and not self.is_cleared)
    @rule()
    def settle_again(self) -> None:
        tick, root = self.slot - SLOT_S, self.here.books.head.state.frontier.root()
        assert self.here.settle(tick).root == root

    @precondition(lambda self: self.model.net_wh and not self.is_cleared and self.has_slots())
    @rule(which=st.integers(0, 10**6), meter=st.integers(0, 10**6), wh=st.integers(0, 400))
    def correct(self, which: int, meter: int, wh: int) -> None:
        """A meter says of a settled slot what it did not say before, with the next tick."""
        slot = list(self.model.net_wh)[which % len(self.model.net_wh)]
        meter %= len(self.here.books.customers)
        if any((row.slot, row.meter) == (slot, meter) for row in self.model.waiting):
            return
        revision = 10 + self.model.revisions.get((slot, meter), 0)
        self.model.revisions[slot, meter] = revision - 9
        row = LateRow(slot, meter, revision, self.slot, wh, 0, 0, 0, 3)
        self.late.append(row)
        self.model.waiting.append(row)

    def do(self, act: Callable[[], Any], dies: str, done: Callable[[], bool]) -> None:
        """Do it; where the process dies within it or after it, another one sees and goes on."""
        if not dies:
            act()
            return
        write = Store._write_once

        def dying(store: Store, unit: Callable[[Any], Any]) -> Any:
            def void(connection: Any) -> None:
                unit(connection)
                raise Died

            if dies == "after":
                write(store, unit)
                raise Died
            return write(store, void)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "_write_once", dying)
            with pytest.raises(Died):
                act()
        self.open()
        if not (dies == "after" and done()):
            act()

    @invariant()
    def every_account_has_moved_what_the_model_says(self) -> None:
        if self.is_cleared:
            return
        totals = self.here.store.read(add_up)
        assert totals.ok, totals.findings
        kept = self.here.books.head.balances
        for meter, account in enumerate(self.here.books.customers):
            found = kept.get((LedgerId.ENERGY, account), 0)
            assert found == self.model.balance_wh(meter), f"meter {meter}"
        pool = self.here.books.system.pool
        assert not kept.get((LedgerId.ENERGY, pool), 0) and not kept.get((LedgerId.KRW, pool), 0)

    @invariant()
    def orders_stand_as_the_model_says(self) -> None:
        for id_, order in self.model.orders.items():
            row = self.here.store.read(lambda c, i=id_: find_order(c, i))
            assert row is not None, "an accepted order is lost"
            is_over = order["slot"] < self.slot or (self.is_cleared and order["slot"] == self.slot)
            if id_ in self.model.cancelled:
                assert row.status == "CANCELLED"
            else:
                assert (row.status == "ACCEPTED") != is_over, row.status

    def teardown(self) -> None:
        store, books = self.here.store, self.here.books
        assert store.read(lambda c: find_oversold(c, books)) == []
        for slot in range(FIRST, self.slot, SLOT_S):
            fills = store.read(lambda c, s=slot: load_fills(c, s))
            assert not {one.order_id for one in fills} & self.model.cancelled
            rows = store.read(lambda c, s=slot: load_settlements(c, s))
            assert len({one.version for one in rows}) == len(rows)
        if self.slot > FIRST and not self.is_cleared:
            assert verify_store(store, 0).ok
        store.close()
        for path in Path(self.url.removeprefix("sqlite:///")).parent.glob("*"):
            path.unlink()


def run_histories(begin: Begin, folder: Path, count: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: Books(begin, folder),
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
@pytest.mark.check(5)
def test_random_histories_of_orders_and_readings_agree_with_the_model(
    begin_books: Begin, tmp_path: Path, check: Any
) -> None:
    count, steps = check.trials(2_000, 6), 50
    run_histories(begin_books, tmp_path, count, steps)
    check.state(f"{count} histories of {steps} steps, 0 violations")


@pytest.mark.check(5, canary=True)
def test_a_correction_that_counts_beside_what_it_replaces_is_found_out(
    begin_books: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = energy.steps.settling.gather_corrections

    def beside(*arguments: Any) -> Any:
        return [replace(one, own={}, shared={}) for one in gather(*arguments)]

    monkeypatch.setattr(energy.steps.settling, "gather_corrections", beside)
    here = Books(begin_books, tmp_path)
    for _ in range(3):
        here.clear("")
        here.settle("")
        here.every_account_has_moved_what_the_model_says()
    here.correct(0, 0, 321)
    here.clear("")
    with pytest.raises((AssertionError, MarketError)):
        here.settle("")
        here.every_account_has_moved_what_the_model_says()
