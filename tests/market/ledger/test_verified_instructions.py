"""The offline verifier holds every automatic order to the instruction that it names.

A market of its own keys seals slots whose automatic orders are well formed in every other respect,
so that nothing but the rule in question can refute them.
"""

import importlib.util
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from market import verifier
from market.books import Entry, make_entry, salt_of
from market.export import tick_lines
from market.ledger import ZERO32, Transfer
from market.merkle import leaf_hash, root_of
from market.signing import address_of

_spec = importlib.util.spec_from_file_location(
    "small_market", Path(__file__).with_name("conftest.py")
)
assert _spec is not None and _spec.loader is not None
small = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(small)

DAY = small.SLOT // 86_400 * 86_400
OTHER = b"\x0a" * 32
Fills = dict[int, int]  # number of the order in its slot: Wh


class StandingMarket(small.SmallMarket):  # type: ignore[misc, name-defined]
    """Genesis, an instruction, then slots with automatic orders and what they got."""

    def begin(self) -> "StandingMarket":
        rules = {"kind": 1, "version": 1, "from_slot": small.T0, "content": ZERO32}
        operator = (("registrar", 64), ("log", 32), ("trading", 8), ("settle", 16))
        self.seal(
            small.T0,
            [
                *(self.register(small.SPC, name, roles) for name, roles in operator),
                self.register(small.SELLER, "seller", 1),
                self.register(small.BUYER, "buyer", 1),
                self.entry("Rules", rules, "trading"),
                self.entry("Rules", rules | {"kind": 2}, "trading"),
            ],
        )
        return self

    def instruction(self, **changes: Any) -> Entry:
        message = {
            "account": small.BUYER, "sides": 3, "sell_from_mkrw_per_kwh": 95_000,
            "buy_up_to_mkrw_per_kwh": 140_000, "day_cap_wh": 1_000, "day_cap_ukrw": 100_000_000,
            "first_slot": small.SLOT, "end_slot": small.SLOT + 86_400, "rules_version": 1,
            "replaces": ZERO32, "nonce": self.next_nonce(), **changes,
        }  # fmt: skip
        return self.entry("StandingInstruction", message, "buyer")

    def automatic(self, instruction: Entry, slot: int, **changes: Any) -> Entry:
        message = {
            "account": small.BUYER, "instruction": instruction.digest, "day": DAY, "zone": 1,
            "slot": slot, "side": 1, "e_wh": 400, "price_mkrw_per_kwh": 140_000, **changes,
        }  # fmt: skip
        made = make_entry(self.domain, "AutoOrder", message)
        salt = salt_of(message["account"], made.digest)
        return Entry("AutoOrder", message, made.digest, (), (), salt)

    def stop(self, instruction: Entry, slot: int) -> Entry:
        message = {"account": small.BUYER, "slot": slot, "order_id": instruction.digest}
        return self.entry("Cancel", message | {"nonce": self.next_nonce()}, "buyer")

    def cancel(self, order: Entry) -> Entry:
        message = {"account": small.BUYER, "slot": S0, "order_id": order.digest}
        return self.entry("Cancel", message | {"nonce": self.next_nonce()}, "buyer")

    def slot(
        self, slot: int, entries: list[Entry], fills: Fills, price: int = 120_000, *,
        left_out: tuple[Entry, ...] = (),
    ) -> None:  # fmt: skip
        """Seal a slot in which the orders among the entries got so many Wh at the price.

        Those that are left out of the book are sealed all the same.
        """
        orders = [
            one for one in entries if one.type in ("AutoOrder", "Order") and one not in left_out
        ]
        rows = sorted((one.leaf(), fills.get(n, 0)) for n, one in enumerate(orders))
        bought = sum(fills.values())
        message = {
            "slot": slot, "label": 0, "round": 1, "rules_version": 1, "network_version": 1,
            "engine": ZERO32, "plan": ZERO32, "orders": len(rows), "book_root": ZERO32,
            "fills_root": root_of([leaf_hash(struct.pack(">B32sQQ", 1, *row, 0)) for row in rows]),
            "volume_wh": bought, "welfare_ukrw": 0, "nodes": [
                small.node(1, price) | {"sold_wh": bought},
                small.node(2, price) | {"bought_wh": bought, "sold_wh": 0},
            ],
            "links": [{
                "from_node": 1, "to_node": 2, "flow_wh": bought, "capacity_wh": bought,
                "fee_mkrw_per_kwh": 0,
            }],
        }  # fmt: skip
        clearing = self.entry("Clearing", message, "trading")
        paid = bought * price
        moves = [Transfer(1, 2, 10, small.BUYER, small.POOL, paid, slot, 0)] if paid else []
        self.settlements.clear()
        reserved = self.reserve(slot, moves, clearing)
        self.filled = b"".join(struct.pack(">32sQ", *row) for row in rows)
        tags = [one.leaf() for one in orders]
        self.seal(slot, [*entries, clearing, reserved], book=tags)

    def reserve(self, slot: int, moves: list[Transfer], clearing: Entry) -> Entry:
        before, small.SLOT = small.SLOT, slot
        try:
            return self.settle(0, moves, [], clearing)
        finally:
            small.SLOT = before

    def report(self) -> verifier.Report:
        return verifier.verify_export(self.lines)


@pytest.fixture
def market(monkeypatch: pytest.MonkeyPatch) -> StandingMarket:
    made = StandingMarket()

    def lines(tick: Any, sealed: Any, new: Any, used: Any, cleared: Any) -> Any:
        return tick_lines(tick, sealed, new, used, {0: made.filled} if cleared else {})

    monkeypatch.setattr(small, "tick_lines", lines)
    return made.begin()


S0, S1, S2 = small.SLOT, small.SLOT + 900, small.SLOT + 1800


def refuted(market: StandingMarket, check: str = "automatic order") -> str:
    found = market.report().first_failure
    assert found is not None and found.check == check, found
    return found.message


def test_orders_up_to_the_last_wh_and_milliwon_of_the_day_are_proven(
    market: StandingMarket,
) -> None:
    # 600 Wh are left of 1,000 after the first got 400; it paid 48 won, so that 52 are left.
    mine = market.instruction()
    market.slot(S0, [mine, market.automatic(mine, S0)], {0: 400})
    rest = market.automatic(mine, S1, e_wh=52_000_000 // 140_000)
    market.slot(S1, [rest], {0: 0})
    sale = {"side": 2, "price_mkrw_per_kwh": 95_000}
    market.slot(S2, [market.automatic(mine, S2, e_wh=600, **sale)], {})
    report = market.report()
    assert report.ok, report.first_failure
    assert report.checks["automatic order"] > 0 and report.checks["instruction"] == 1


BEYOND = [
    ("a Wh beyond what the day leaves", {"e_wh": 601, "side": 2, "price_mkrw_per_kwh": 95_000}),
    ("a Wh beyond the won of the day", {"e_wh": 372}),
    ("a milli-won above the limit", {"price_mkrw_per_kwh": 140_001}),
    ("a milli-won below the limit", {"price_mkrw_per_kwh": 139_999}),
    ("a milli-won below the sale's limit", {"side": 2, "price_mkrw_per_kwh": 94_999}),
    ("another account", {"account": small.SELLER}),
    ("a day of its own", {"day": DAY + 900}),
    ("a day that is over", {"day": DAY - 86_400}),
]


@pytest.mark.parametrize(("name", "change"), BEYOND, ids=[one[0] for one in BEYOND])
def test_an_order_beyond_its_instruction_is_refuted(
    market: StandingMarket, name: str, change: dict[str, Any]
) -> None:
    mine = market.instruction()
    market.slot(S0, [mine, market.automatic(mine, S0)], {0: 400})
    market.slot(S1, [market.automatic(mine, S1, **{"e_wh": 300, **change})], {})
    refuted(market)


def test_many_orders_in_one_line_are_held_to_the_same(market: StandingMarket) -> None:
    mine = market.instruction()
    many = [market.automatic(mine, S0, account=bytes([n]) * 32) for n in range(1, 20)]
    market.slot(S0, [mine, *many], {})
    assert sum('"rows"' in line and "AutoOrder" in line for line in market.lines) == 1
    assert "another account" in refuted(market)


Made = Callable[[StandingMarket], list[Entry]]


def never_signed(market: StandingMarket) -> list[Entry]:
    return [market.automatic(market.instruction(), S0)]


def not_begun(market: StandingMarket) -> list[Entry]:
    mine = market.instruction(first_slot=S1)
    return [mine, market.automatic(mine, S0)]


def stopped(market: StandingMarket) -> list[Entry]:
    mine = market.instruction()
    return [mine, market.stop(mine, S0), market.automatic(mine, S0)]


def other_side(market: StandingMarket) -> list[Entry]:
    mine = market.instruction(sides=1, sell_from_mkrw_per_kwh=0)
    sale = {"side": 2, "price_mkrw_per_kwh": 0}
    return [mine, market.automatic(mine, S0, **sale)]


def beside_an_order_by_hand(market: StandingMarket) -> list[Entry]:
    mine = market.instruction()
    return [mine, market.automatic(mine, S0), market.order(small.BUYER, "buyer", 1)]


@pytest.mark.parametrize(
    "made", [never_signed, not_begun, stopped, other_side, beside_an_order_by_hand]
)
def test_no_order_is_made_where_nothing_signed_allows_it(
    market: StandingMarket, made: Made
) -> None:
    market.slot(S0, made(market), {})
    refuted(market)


def test_an_order_by_hand_that_was_cancelled_leaves_the_slot_to_the_instruction(
    market: StandingMarket,
) -> None:
    mine, hand = market.instruction(), market.order(small.BUYER, "buyer", 1)
    entries = [mine, hand, market.cancel(hand), market.automatic(mine, S0)]
    market.slot(S0, entries, {0: 300}, left_out=(hand,))
    report = market.report()
    assert report.ok, report.first_failure


def test_a_cancelled_order_that_stands_in_the_book_all_the_same_is_beside_the_automatic_one(
    market: StandingMarket,
) -> None:
    mine, hand = market.instruction(), market.order(small.BUYER, "buyer", 1)
    market.slot(S0, [mine, hand, market.cancel(hand), market.automatic(mine, S0)], {})
    assert "beside an order by hand" in refuted(market)


def test_a_stop_holds_from_its_slot_on_and_comes_from_the_account(market: StandingMarket) -> None:
    mine = market.instruction()
    market.slot(S0, [mine, market.stop(mine, S1), market.automatic(mine, S0)], {0: 1})
    assert market.report().ok
    market.slot(S1, [market.automatic(mine, S1)], {})
    assert "stopped" in refuted(market)


def test_two_instructions_never_run_at_once_and_one_may_take_the_others_place(
    market: StandingMarket,
) -> None:
    mine = market.instruction()
    market.slot(S0, [mine], {})
    new = market.instruction(first_slot=S1, replaces=mine.digest)
    market.slot(S1, [new, market.automatic(new, S1)], {})
    assert market.report().ok, market.report().first_failure
    market.slot(S2, [market.instruction(first_slot=S2)], {})
    refuted(market, "instruction")


def test_caps_of_the_day_hold_across_instructions_and_a_new_day_begins_anew(
    market: StandingMarket,
) -> None:
    rich = {"day_cap_ukrw": 10**9}
    mine = market.instruction(**rich)
    market.slot(S0, [mine, market.automatic(mine, S0, e_wh=700)], {0: 700})
    new = market.instruction(first_slot=S1, replaces=mine.digest, end_slot=S1 + 3 * 86_400, **rich)
    market.slot(S1, [new, market.automatic(new, S1, e_wh=300)], {})
    later = S1 + 86_400
    market.slot(later, [market.automatic(new, later, day=DAY + 86_400, e_wh=1_000)], {0: 300})
    assert market.report().ok, market.report().first_failure
    market.slot(later + 900, [market.automatic(new, later + 900, day=DAY + 86_400, e_wh=701)], {})
    assert "701 Wh after 300" in refuted(market)


def test_an_instruction_of_a_strangers_key_is_refuted(market: StandingMarket) -> None:
    mine = market.instruction()
    thief = market.entry("StandingInstruction", dict(mine.message), "seller")
    assert thief.signers == (address_of(market.key("seller")),)
    market.slot(S0, [thief], {})
    refuted(market, "key role")


@pytest.mark.parametrize(
    ("name", "text"),
    [("day_cap_wh", "1001"), ("buy_up_to_mkrw_per_kwh", "140001"), ("end_slot", "1890000000")],
)
def test_an_edited_instruction_has_no_signature(
    market: StandingMarket, name: str, text: str
) -> None:
    market.slot(S0, [market.instruction()], {})
    for n, line in enumerate(market.lines):
        found = json.loads(line)
        if found.get("type") == "StandingInstruction":
            found["message"][name] = text
            market.lines[n] = json.dumps(found)
    refuted(market, "signature")
