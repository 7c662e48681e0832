"""Which orders enter the book: one refusal per rule, in the order of precedence, to the edge."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from market.messages import message_as_json, parse_message
from market.orders import (
    STATUS_AFTER,
    AdmissionContext,
    LiveOrder,
    Order,
    OrderStatus,
    RefusalCode,
    check_order,
    has_expired,
    order_message,
    order_of,
    status_after_clearing,
)
from market.rules import MarketRules

SLOT = 1_784_084_400
GATE_US = (SLOT - 300) * 1_000_000
ORDER = Order(
    account=b"\x11" * 32,
    zone=3,
    slot=SLOT,
    side=1,
    e_wh=500,
    price_mkrw_per_kwh=142_500,
    label=0,
    premium_mkrw_per_kwh=0,
    expires=SLOT,
    replaces=bytes(32),
    rules_version=1,
    nonce=7,
)
CONTEXT = AdmissionContext(
    now_us=GATE_US - 1,
    first_slot=SLOT,
    end_slot=SLOT + 96 * 900,
    gate_lead_s=300,
    zone=3,
    rules=MarketRules(),
    import_wh_max=1_250,
    export_wh_max=750,
)


def live(number: int, side: int, e_wh: int, price: int) -> LiveOrder:
    return LiveOrder(bytes([number]) * 32, side, e_wh, price)


def test_a_good_order_enters() -> None:
    assert check_order(ORDER, CONTEXT) is None


# change of the order, change of the context, code, field, allowed
CASES = [
    ({"slot": SLOT + 96 * 900}, {}, "SLOT_NOT_OPEN", "slot", f"before {SLOT + 96 * 900}"),
    ({}, {"now_us": GATE_US}, "GATE_CLOSED", "slot", "before its gate"),
    ({}, {"first_slot": SLOT + 900}, "GATE_CLOSED", "slot", f"{SLOT + 900} or later"),
    ({"expires": (GATE_US - 1) // 1_000_000}, {}, "EXPIRED", "expires", "later than"),
    ({"zone": 4}, {}, "WRONG_ZONE", "zone", "3"),
    ({"rules_version": 2}, {}, "STALE_RULES", "rules_version", "1"),
    ({"price_mkrw_per_kwh": -100}, {}, "PRICE_BAND", "price_mkrw_per_kwh", "0 to 1000000"),
    ({"price_mkrw_per_kwh": 1_000_100}, {}, "PRICE_BAND", "price_mkrw_per_kwh", "0 to 1000000"),
    ({"price_mkrw_per_kwh": 142_550}, {}, "PRICE_TICK", "price_mkrw_per_kwh", "a multiple of 100"),
    ({"e_wh": 1_251}, {}, "OVER_CAPACITY", "e_wh", "1250 in all to import"),
    ({"side": 2, "e_wh": 751}, {}, "OVER_CAPACITY", "e_wh", "750 in all to export"),
    ({}, {"live": [live(1, 1, 751, 90_000)]}, "OVER_CAPACITY", "e_wh", "1250 in all"),
    ({}, {"live": [live(1, 2, 5, 142_500)]}, "SELF_CROSS", "price_mkrw_per_kwh", "below 142500"),
    (
        {"side": 2},
        {"live": [live(1, 1, 5, 142_500)]},
        "SELF_CROSS",
        "price_mkrw_per_kwh",
        "above 142500",
    ),
    (
        {},
        {"live": [live(n, 1, 1, 90_000) for n in range(1, 21)]},
        "TOO_MANY",
        "account",
        "at most 20",
    ),
    ({"replaces": b"\x99" * 32}, {}, "UNKNOWN_REPLACED", "replaces", "a live order"),
]


@pytest.mark.parametrize(("order", "context", "code", "field", "allowed"), CASES)
def test_each_rule_refuses_by_name(
    order: dict, context: dict, code: str, field: str, allowed: str
) -> None:
    refusal = check_order(replace(ORDER, **order), replace(CONTEXT, **context))
    assert refusal is not None
    assert (refusal.code, refusal.field) == (RefusalCode(code), field)
    assert allowed in refusal.allowed
    assert refusal.found


def test_of_two_broken_rules_the_earlier_one_answers() -> None:
    codes = list(RefusalCode)
    for one, other in itertools.combinations(CASES, 2):
        # Changes of the same fields cannot stand together.
        if one[0].keys() & other[0].keys() or one[1].keys() & other[1].keys():
            continue
        order, context = replace(ORDER, **one[0] | other[0]), replace(CONTEXT, **one[1] | other[1])
        refusal = check_order(order, context)
        assert refusal is not None
        earlier = min(codes.index(RefusalCode(case[2])) for case in (one, other))
        assert codes.index(refusal.code) <= earlier, (one, other)


def test_the_gate_closes_to_the_microsecond() -> None:
    before = replace(CONTEXT, now_us=GATE_US - 1)
    at = replace(CONTEXT, now_us=GATE_US)
    assert check_order(ORDER, before) is None
    refusal = check_order(ORDER, at)
    assert refusal is not None and refusal.code == RefusalCode.GATE_CLOSED


def test_a_replacing_order_is_judged_without_the_one_it_replaces() -> None:
    full = replace(CONTEXT, live=[live(1, 1, 1_000, 90_000), live(2, 2, 5, 143_000)])
    assert check_order(ORDER, full).code == RefusalCode.OVER_CAPACITY  # type: ignore[union-attr]
    assert check_order(replace(ORDER, replaces=b"\x01" * 32), full) is None


def test_twenty_live_orders_may_be_replaced_one_by_one() -> None:
    full = replace(CONTEXT, live=[live(n, 1, 1, 90_000) for n in range(1, 21)])
    assert check_order(replace(ORDER, replaces=b"\x05" * 32), full) is None


def test_an_order_reads_back_from_its_message() -> None:
    wire = message_as_json("Order", order_message(ORDER))
    assert order_of(parse_message("Order", wire)) == ORDER


def test_an_order_expires_only_before_the_gate() -> None:
    gate_s = SLOT - 300
    assert has_expired(gate_s - 1, now_s=gate_s - 1, gate_s=gate_s)
    assert not has_expired(gate_s - 1, now_s=gate_s - 2, gate_s=gate_s)
    assert not has_expired(gate_s, now_s=gate_s, gate_s=gate_s)


def test_the_end_of_a_locked_order_follows_from_its_fill() -> None:
    assert status_after_clearing(500, 500) == OrderStatus.FILLED
    assert status_after_clearing(500, 1) == OrderStatus.PARTIAL
    assert status_after_clearing(500, 0) == OrderStatus.NOT_CLEARED


orders = st.builds(
    Order,
    account=st.just(ORDER.account),
    zone=st.just(3),
    slot=st.just(SLOT),
    side=st.sampled_from([1, 2]),
    e_wh=st.integers(1, 400),
    price_mkrw_per_kwh=st.integers(900, 1_100).map(lambda tick: 100 * tick),
    label=st.just(0),
    premium_mkrw_per_kwh=st.just(0),
    expires=st.just(SLOT),
    replaces=st.just(bytes(32)),
    rules_version=st.just(1),
    nonce=st.just(0),
)


class Book(RuleBasedStateMachine):
    """One account trading in one slot: what it was let in for never breaks the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.live: dict[bytes, LiveOrder] = {}
        self.status: dict[bytes, OrderStatus] = {}

    def context(self) -> AdmissionContext:
        return replace(CONTEXT, live=list(self.live.values()))

    def end(self, id_: bytes, status: OrderStatus) -> None:
        assert status in STATUS_AFTER[self.status[id_]]
        self.status[id_] = status

    @rule(order=orders, data=st.data())
    def send(self, order: Order, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from([bytes(32), *self.live]))
        order = replace(order, replaces=old)
        if check_order(order, self.context()) is not None:
            return
        if old in self.live:
            del self.live[old]
            self.end(old, OrderStatus.REPLACED)
        self.number += 1
        id_ = self.number.to_bytes(32, "big")
        self.live[id_] = LiveOrder(id_, order.side, order.e_wh, order.price_mkrw_per_kwh)
        self.status[id_] = OrderStatus.ACCEPTED

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.live:
            id_ = data.draw(st.sampled_from(list(self.live)))
            del self.live[id_]
            self.end(id_, OrderStatus.CANCELLED)

    @invariant()
    def within_capacity_and_never_on_both_sides(self) -> None:
        bids = [one for one in self.live.values() if one.side == 1]
        offers = [one for one in self.live.values() if one.side == 2]
        assert sum(one.e_wh for one in bids) <= CONTEXT.import_wh_max
        assert sum(one.e_wh for one in offers) <= CONTEXT.export_wh_max
        assert len(self.live) <= 20
        if bids and offers:
            best = max(one.price_mkrw_per_kwh for one in bids)
            assert best < min(one.price_mkrw_per_kwh for one in offers)


Book.TestCase.settings = settings(
    settings.get_profile("market"), stateful_step_count=8, deadline=None
)
TestBook = Book.TestCase


@pytest.mark.parametrize("status", list(OrderStatus))
def test_an_end_is_an_end(status: OrderStatus) -> None:
    if status not in (OrderStatus.ACCEPTED, OrderStatus.LOCKED):
        assert status not in STATUS_AFTER
