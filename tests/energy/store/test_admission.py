"""Admission: what is accepted stands in the book once; what is refused says why, and leaves it."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from energy.store import orders, slots
from energy.store.admission import Answer, TradeKey, admit_orders
from energy.store.engine import Store, open_store
from energy.store.schema import order_conflict
from market.entries import TYPE_CODE
from market.merkle import entry_leaf
from market.signing import address_of, derive_key, digest, high_s_twin, recover, sign

NOW_S = 1_784_105_000
OPEN = 1_784_106_000
GATE = OPEN - 300
LAST_OPEN = OPEN + 95 * 900


def admit(store: Store, desk: Any, *texts: bytes, now_s: float = NOW_S) -> list[Answer]:
    return store.write(lambda c: admit_orders(c, desk.admission, texts, now_s))


def admit_one(store: Store, desk: Any, text: bytes, now_s: float = NOW_S) -> Answer:
    return admit(store, desk, text, now_s=now_s)[0]


def refusal(answer: Answer) -> tuple[str, str]:
    assert answer.refusal is not None, answer
    return answer.refusal.code.value, answer.refusal.field


def test_an_accepted_order_stands_in_the_store_with_a_receipt_that_proves_it(
    store: Store, desk: Any
) -> None:
    answer = admit_one(store, desk, desk.order())
    assert (answer.status, answer.is_new) == ("ACCEPTED", True)
    assert answer.id == digest(desk.admission.domain, "Order", desk.message())
    receipt = answer.receipt
    assert receipt is not None and (receipt.received, receipt.sealed_by) == (NOW_S, OPEN)
    signed = digest(desk.admission.domain, "Receipt", receipt.message())
    assert recover(signed, receipt.signature) == address_of(derive_key("market"))
    row = store.read(lambda c: orders.find_order(c, answer.id))
    assert row is not None
    assert {name: getattr(row, name) for name in desk.message()} == desk.message()
    assert row.tag == entry_leaf(TYPE_CODE["Order"], row.salt, row.id, row.signature)


RULES = """
changed                    to             now             refused                field
slot                       OPEN-900       NOW             GATE_CLOSED            slot
slot                       OPEN           GATE            GATE_CLOSED            slot
slot                       LAST+900       NOW             SLOT_NOT_OPEN          slot
slot                       OPEN+1         NOW             MALFORMED              slot
expires                    NOW            NOW             EXPIRED                expires
zone                       1              NOW             WRONG_ZONE             zone
rules_version              2              NOW             STALE_RULES            rules_version
price_mkrw_per_kwh         -100           NOW             PRICE_BAND             price_mkrw_per_kwh
price_mkrw_per_kwh         1000100        NOW             MALFORMED              price_mkrw_per_kwh
price_mkrw_per_kwh         142550         NOW             PRICE_TICK             price_mkrw_per_kwh
e_wh                       99000000       NOW             OVER_CAPACITY          e_wh
e_wh                       0              NOW             MALFORMED              e_wh
e_wh                       -500           NOW             MALFORMED              e_wh
e_wh                       100000001      NOW             MALFORMED              e_wh
side                       3              NOW             MALFORMED              side
label                      3              NOW             MALFORMED              label
nonce                      18446744073709551616  NOW      MALFORMED              nonce
"""


@pytest.mark.parametrize("line", RULES.strip().splitlines()[1:], ids=lambda line: line[:60])
def test_the_first_broken_rule_answers_with_its_field(
    sqlite_store: Store, desk: Any, line: str
) -> None:
    store = sqlite_store
    field, to, now, code, named = line.split()
    values = {"OPEN": OPEN, "NOW": NOW_S, "GATE": GATE, "LAST": LAST_OPEN}
    value = eval(to, {}, values)
    # A value that fits no type cannot be signed, so it is put into the text of a good order.
    text = desk.order().replace(
        *(f'"{field}":"{desk.message()[field]}"'.encode(), f'"{field}":"{value}"'.encode())
    )
    if code != "MALFORMED":
        text = desk.order(**{field: value})
    assert refusal(admit_one(store, desk, text, now_s=values[now])) == (code, named)
    assert store.read(lambda c: orders.count_orders(c, OPEN)) == 0


def test_the_gate_closes_on_the_second_and_not_before(store: Store, desk: Any) -> None:
    late, early = desk.order(nonce=1, expires=OPEN), desk.order(nonce=2, expires=OPEN)
    assert refusal(admit_one(store, desk, late, now_s=GATE)) == ("GATE_CLOSED", "slot")
    assert admit_one(store, desk, early, now_s=GATE - 1e-6).status == "ACCEPTED"


def test_the_horizon_ends_after_96_open_slots(store: Store, desk: Any) -> None:
    last, beyond = (desk.order(nonce=n, slot=LAST_OPEN + n * 900) for n in (0, 1))
    answers = admit(store, desk, last, beyond)
    assert answers[0].status == "ACCEPTED"
    assert refusal(answers[1]) == ("SLOT_NOT_OPEN", "slot")


def forged(desk: Any) -> bytes:
    """A good order under the signature of somebody else's order."""
    mine, other = json.loads(desk.order()), json.loads(desk.order(1, nonce=9))
    mine["signatures"][0]["signature"] = other["signatures"][0]["signature"]
    return json.dumps(mine).encode()


def altered(desk: Any) -> bytes:
    return desk.order().replace(b'"e_wh":"500"', b'"e_wh":"900"')


def twin(desk: Any) -> bytes:
    """The same signature in its other form, which a lenient curve accepts."""
    found = json.loads(desk.order())
    made = bytes.fromhex(found["signatures"][0]["signature"][2:])
    found["signatures"][0]["signature"] = "0x" + high_s_twin(made).hex()
    return json.dumps(found).encode()


def other_market(desk: Any) -> bytes:
    """An order signed for another market's domain."""
    found, key = json.loads(desk.order()), desk.crowd.private_key[0]
    domain = type(desk.admission.domain)("sejong-5-1")
    made = sign(key, digest(domain, "Order", desk.message()))
    found["signatures"][0]["signature"] = "0x" + made.hex()
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("make", "code", "field"),
    [
        (forged, "BAD_SIGNATURE", "signature"),
        (altered, "BAD_SIGNATURE", "signature"),
        (other_market, "BAD_SIGNATURE", "signature"),
        (twin, "MALFORMED", "signatures[0].signature"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_signature_that_is_not_the_signers_is_refused(
    sqlite_store: Store, desk: Any, make: Any, code: str, field: str
) -> None:
    assert refusal(admit_one(sqlite_store, desk, make(desk))) == (code, field)


def test_nobody_orders_for_another_account(store: Store, desk: Any) -> None:
    stolen = desk.sign(desk.message(0), member=1)
    assert refusal(admit_one(store, desk, stolen)) == ("UNKNOWN_KEY", "signature")
    nobody = desk.sign({**desk.message(0), "account": b"\x07" * 32})
    assert refusal(admit_one(store, desk, nobody)) == ("UNKNOWN_KEY", "signature")


@pytest.mark.parametrize(
    ("first", "end", "valid"), [(OPEN, None, True), (OPEN + 900, None, False), (0, OPEN, False)]
)
def test_a_key_is_judged_at_the_slot_that_the_order_names(
    store: Store, desk: Any, first: int, end: int | None, valid: bool
) -> None:
    from dataclasses import replace

    keys = {desk.crowd.account[0]: [TradeKey(desk.crowd.address[0], first, end)]}
    admission = replace(desk.admission, keys=lambda connection, accounts: keys)
    text = desk.order()
    answer = store.write(lambda c: admit_orders(c, admission, [text], NOW_S))[0]
    assert (answer.status == "ACCEPTED") is valid
    assert valid or refusal(answer) == ("UNKNOWN_KEY", "signature")


def test_the_same_order_a_hundred_times_is_one_order_with_one_answer(
    store: Store, desk: Any
) -> None:
    text = desk.order()
    first, *again = admit(store, desk, *[text] * 50)
    again += admit(store, desk, *[text] * 50, now_s=OPEN + 9000)
    assert first.is_new and not any(one.is_new for one in again)
    assert {one.receipt for one in again} == {first.receipt}
    assert store.read(lambda c: orders.count_orders(c, OPEN)) == 1


def test_a_known_order_under_a_false_signature_gets_no_answer(store: Store, desk: Any) -> None:
    admit_one(store, desk, desk.order())
    assert refusal(admit_one(store, desk, forged(desk))) == ("BAD_SIGNATURE", "signature")


def test_a_nonce_serves_one_message_and_the_other_is_kept_as_evidence(
    store: Store, desk: Any
) -> None:
    first, second = desk.order(nonce=2**64 - 1), desk.order(nonce=2**64 - 1, e_wh=501)
    answers = admit(store, desk, first, second)
    assert answers[0].status == "ACCEPTED"
    assert refusal(answers[1]) == ("NONCE_CONFLICT", "nonce")
    assert refusal(admit_one(store, desk, second)) == ("NONCE_CONFLICT", "nonce")
    kept = store.read(lambda c: c.execute(select(order_conflict)).all())
    assert [(row.nonce, row.envelope) for row in kept] == [(2**64 - 1, second)]
    assert admit_one(store, desk, desk.order(1, nonce=2**64 - 1)).status == "ACCEPTED"


def test_the_live_orders_of_an_account_add_up_to_its_capacity(store: Store, desk: Any) -> None:
    most_wh = desk.admission.traders[desk.crowd.account[0]].import_wh_max
    half = [desk.order(nonce=n, e_wh=most_wh // 2) for n in (1, 2)]
    over = desk.order(nonce=3, e_wh=2)
    answers = admit(store, desk, *half, over)
    assert [one.status for one in answers[:2]] == ["ACCEPTED"] * 2
    assert refusal(answers[2]) == ("OVER_CAPACITY", "e_wh")
    other_slot = desk.order(nonce=4, slot=OPEN + 900, e_wh=most_wh)
    assert admit_one(store, desk, other_slot).status == "ACCEPTED"


def test_an_account_never_stands_on_both_sides_of_one_price(store: Store, desk: Any) -> None:
    traders = [desk.admission.traders[account] for account in desk.crowd.account]
    seller = next(n for n, trader in enumerate(traders) if trader.export_wh_max >= 10)
    admit_one(store, desk, desk.order(seller, nonce=1, price_mkrw_per_kwh=140_000))
    cross = desk.order(seller, nonce=2, side=2, e_wh=10, price_mkrw_per_kwh=140_000)
    above = desk.order(seller, nonce=3, side=2, e_wh=10, price_mkrw_per_kwh=140_100)
    answers = admit(store, desk, cross, above)
    assert refusal(answers[0]) == ("SELF_CROSS", "price_mkrw_per_kwh")
    assert answers[1].status == "ACCEPTED"


def test_twenty_orders_a_slot_are_enough(store: Store, desk: Any) -> None:
    answers = admit(store, desk, *[desk.order(nonce=n, e_wh=1) for n in range(21)])
    assert [one.status for one in answers[:20]] == ["ACCEPTED"] * 20
    assert refusal(answers[20]) == ("TOO_MANY", "account")


def test_a_replacement_takes_the_place_of_a_live_order_only(store: Store, desk: Any) -> None:
    first = admit_one(store, desk, desk.order(nonce=1))
    assert first.id is not None
    second = admit_one(store, desk, desk.order(nonce=2, e_wh=700, replaces=first.id))
    assert second.status == "ACCEPTED"
    row = store.read(lambda c: orders.find_order(c, first.id))
    assert row is not None and row.status == "REPLACED"
    again = desk.order(nonce=3, replaces=first.id)
    assert refusal(admit_one(store, desk, again)) == ("UNKNOWN_REPLACED", "replaces")
    foreign = desk.order(1, nonce=3, replaces=second.id)
    assert refusal(admit_one(store, desk, foreign)) == ("UNKNOWN_REPLACED", "replaces")


def test_a_claimed_slot_takes_no_more_orders_whatever_the_clock_says(
    store: Store, desk: Any
) -> None:
    before = admit_one(store, desk, desk.order(nonce=1))
    store.write(lambda c: slots.claim_slot(c, OPEN, "one", NOW_S))
    late = admit_one(store, desk, desk.order(nonce=2))
    assert refusal(late) == ("GATE_CLOSED", "slot")
    after = admit_one(store, desk, desk.order(nonce=3, slot=OPEN + 900))
    assert before.receipt is not None and after.receipt is not None
    # The claim has closed the messages of its own tick.
    assert (before.receipt.sealed_by, after.receipt.sealed_by) == (OPEN, OPEN + 900)
    sealed = store.read(lambda c: orders.orders_to_seal(c, after=OPEN - 900, tick=OPEN))
    assert [row.id for row in sealed] == [before.id]


def test_the_book_is_sealed_in_order_and_the_same_twice(store: Store, desk: Any) -> None:
    texts = [desk.order(n, nonce=7, expires=GATE - (100 if n == 3 else 0)) for n in range(5)]
    answers = admit(store, desk, *texts)
    book = store.write(lambda c: orders.lock_book(c, OPEN, GATE))
    assert [row.id for row in book] == sorted(a.id for n, a in enumerate(answers) if n != 3)
    assert store.write(lambda c: orders.lock_book(c, OPEN, GATE)) == book
    gone = store.read(lambda c: orders.find_order(c, answers[3].id))
    assert gone is not None and gone.status == "EXPIRED"


def test_every_locked_order_ends_exactly_once(store: Store, desk: Any) -> None:
    admit(store, desk, *[desk.order(n, nonce=7) for n in range(3)])
    book = store.write(lambda c: orders.lock_book(c, OPEN, GATE))
    fills = [
        orders.FillRow(book[0].id, 500, 140_000),
        orders.FillRow(book[1].id, 1, 140_000),
        orders.FillRow(book[2].id, 0, 140_000),
    ]
    store.write(lambda c: orders.save_fills(c, OPEN, fills))
    ended = [store.read(lambda c, r=row: orders.find_order(c, r.id)).status for row in book]
    assert ended == ["FILLED", "PARTIAL", "NOT_CLEARED"]
    assert store.read(lambda c: orders.load_fills(c, OPEN)) == sorted(fills[:2])
    assert store.read(lambda c: orders.load_book(c, OPEN)) == book


def test_a_slot_without_a_market_voids_its_orders(store: Store, desk: Any) -> None:
    admit(store, desk, desk.order())
    book = store.write(lambda c: orders.lock_book(c, OPEN, GATE))
    store.write(lambda c: orders.void_book(c, OPEN))
    row = store.read(lambda c: orders.find_order(c, book[0].id))
    assert row is not None and row.status == "VOID"


def test_what_was_answered_survives_reopening(store_url: str, desk: Any) -> None:
    with open_store(store_url) as store:
        first = admit_one(store, desk, desk.order())
    with open_store(store_url) as store:
        again = admit_one(store, desk, desk.order(), now_s=OPEN)
    assert again.receipt == first.receipt and not again.is_new


def test_signed_fields_cannot_be_changed_in_the_database(store: Store, desk: Any) -> None:
    from energy.store.schema import market_order

    admit(store, desk, desk.order())
    for statement in (market_order.update().values(e_wh=501), market_order.delete()):
        with pytest.raises(Exception, match="market_order is append-only"):
            store.write(lambda c, what=statement: c.execute(what))
