"""Contracts at the door: strictly read, doubly signed, entered once, ended by both."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from energy.crowd import demo_key, sign_message
from energy.steps.contracting import contract_desk, enter_first_contracts, sign_contract
from energy.steps.proving import verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.store.accounts import messages_of
from energy.store.admission import Answer, admit_orders
from energy.store.contract_desk import admit_contract
from energy.store.contracts import ContractRow, deliveries_between, ends_of, list_contracts
from energy.store.mailbox import admit_message, prepare_message
from energy.store.orders import find_conflict
from energy.units import SLOT_S
from market.agreements import SideTerms
from market.contracts import ContractKind
from market.messages import message_as_json
from market.signing import address_of, derive_key, digest
from market.signing import sign as sign_digest
from market.verifier import verify_bundle

FIRST = 1_784_084_400
NOW_S = FIRST - 600
Begin = Callable[..., Any]


def members(here: Any) -> tuple[int, int]:
    """A trading home with solar, which has no contract yet, and one without."""
    meters, taken = here.district.meters, set()
    for one in here.district.agreements.first:
        taken |= {one.seller, one.buyer}
    rows = [int(row) for row in here.crowd.meter if int(row) not in taken]
    home = [row for row in rows if meters.use[row] == "apartment"]
    sunny = next(row for row in home if meters.pv_kwp[row] > 0)
    return sunny, next(row for row in home if meters.pv_kwp[row] == 0)


def key_of(here: Any, meter: int) -> bytes:
    return demo_key(here.district.id, 1, meter)


def message(here: Any, **changes: Any) -> dict[str, Any]:
    """A partner contract that is accepted at NOW_S, but for what is changed."""
    seller, buyer = members(here)
    return {
        "seller": here.books.customers[seller],
        "buyer": here.books.customers[buyer],
        "kind": 5,
        "first_slot": FIRST + SLOT_S,
        "end_slot": FIRST + 100 * SLOT_S,
        "cap_wh": 1_000,
        "share_ppm": 600_000,
        "price_mkrw_per_kwh": 128_000,
        "rank": 0,
        "terms": bytes(32),
        "nonce": 77,
        **changes,
    }


def send(
    here: Any, text: bytes, kind: str = "Contract", now_s: float = NOW_S, **desk: Any
) -> Answer:
    rules = contract_desk(here.admission, here.district, is_rehearsal=desk.pop("rehearsal", True))
    one = prepare_message(here.admission, text, int(now_s * 1_000_000), (kind,))
    answer: Answer = here.store.write(lambda c: admit_contract(c, rules, one))
    return answer


def sign(here: Any, body: dict[str, Any]) -> bytes:
    keys = (key_of(here, meter) for meter in members(here))
    return sign_contract(here.books.domain, body, *keys)


def code(answer: Answer) -> str:
    return "ACCEPTED" if answer.refusal is None else answer.refusal.code.name


def test_what_both_have_signed_is_entered_once_with_a_receipt(begin_books: Begin) -> None:
    here = begin_books()
    text = sign(here, message(here))
    first, again = send(here, text), send(here, text, now_s=NOW_S + 60)
    assert first.is_new and not again.is_new
    assert first.receipt == again.receipt and first.receipt.sealed_by == FIRST
    (row,) = here.store.read(list_contracts)
    assert (row.id, row.kind, row.share_ppm) == (first.id, ContractKind.PARTNER, 600_000)
    here.run(3)
    assert verify_store(here.store, 0).ok


def test_another_contract_under_a_used_nonce_is_refused_and_kept_as_evidence(
    begin_books: Begin,
) -> None:
    here = begin_books()
    assert code(send(here, sign(here, message(here)))) == "ACCEPTED"
    other = sign(here, message(here, price_mkrw_per_kwh=90_000))
    answer = send(here, other)
    assert code(answer) == "NONCE_CONFLICT"
    one = prepare_message(here.admission, other, NOW_S * 1_000_000, ("Contract",))
    assert here.store.read(lambda c: find_conflict(c, one.id)) == other
    assert len(here.store.read(list_contracts)) == 1


REFUSED = """
seller_is_buyer        CONTRACT_RULES   buyer
kind 6                 MALFORMED        kind
share_ppm 0            CONTRACT_RULES   share_ppm
share_ppm 1000001      MALFORMED        share_ppm
cap_wh 0               CONTRACT_RULES   cap_wh
cap_wh 100000001       CONTRACT_RULES   cap_wh
price_mkrw_per_kwh -1  CONTRACT_RULES   price_mkrw_per_kwh
end_slot FIRST         CONTRACT_RULES   end_slot
first_slot EARLY       BACK_DATED       first_slot
first_slot ODD         MALFORMED        first_slot
terms ODD              CONTRACT_RULES   terms
terms CFD_ONLY         CONTRACT_RULES   terms
buyer STRANGER         UNKNOWN_KEY      buyer
"""


@pytest.mark.parametrize("line", REFUSED.strip().splitlines())
def test_the_first_rule_that_is_broken_is_the_answer(begin_books: Begin, line: str) -> None:
    here = begin_books()
    *change, expected, field = line.split()
    known = {
        "FIRST": FIRST + SLOT_S,
        "EARLY": FIRST - SLOT_S,
        "STRANGER": b"?" * 32,
        "CFD_ONLY": SideTerms(none_below_zero=True).packed(),
    }
    body = message(here)
    if change == ["seller_is_buyer"]:
        body["buyer"] = body["seller"]
    elif change == ["first_slot", "ODD"]:
        body["first_slot"] += 1
    elif change == ["terms", "ODD"]:
        body["terms"] = b"\x02" + bytes(31)
    else:
        name, value = change
        body[name] = known[value] if value in known else int(value)
    keys = [key_of(here, meter) for meter in members(here)]
    if change == ["seller_is_buyer"]:
        keys[1] = keys[0]
    answer = send(here, sign_contract(here.books.domain, body, *keys))
    assert (code(answer), answer.refusal.field) == (expected, field)
    assert answer.refusal.found and answer.refusal.allowed
    assert here.store.read(list_contracts) == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("one signature", "MALFORMED"),
        ("three signatures", "MALFORMED"),
        ("swapped", "UNKNOWN_KEY"),
        ("a stranger for the buyer", "UNKNOWN_KEY"),
        ("the seller for both", "UNKNOWN_KEY"),
        ("a signature of another message", "BAD_SIGNATURE"),
        ("an extra field", "MALFORMED"),
        ("a number for a string", "MALFORMED"),
        ("not an object", "MALFORMED"),
    ],
)
def test_only_an_envelope_that_both_parties_have_signed_is_read(
    begin_books: Begin, damage: str, expected: str
) -> None:
    here = begin_books()
    seller, buyer = (key_of(here, meter) for meter in members(here))
    keys = {
        "swapped": (buyer, seller),
        "a stranger for the buyer": (seller, derive_key("stranger")),
        "the seller for both": (seller, seller),
        "one signature": (seller,),
        "three signatures": (seller, buyer, buyer),
    }.get(damage, (seller, buyer))
    text = sign_contract(here.books.domain, message(here), *keys)
    found = json.loads(text)
    if damage == "a signature of another message":
        other = json.loads(sign_contract(here.books.domain, message(here, nonce=78), *keys))
        found["signatures"][1] = other["signatures"][1]
    elif damage == "an extra field":
        found["message"]["note"] = "0"
    elif damage == "a number for a string":
        found["message"]["share_ppm"] = 600_000
    elif damage == "not an object":
        found = [found]
    assert code(send(here, json.dumps(found).encode())) == expected
    assert here.store.read(list_contracts) == []


def test_no_rank_promises_more_than_the_whole_while_contracts_overlap(begin_books: Begin) -> None:
    here = begin_books()
    assert code(send(here, sign(here, message(here)))) == "ACCEPTED"
    for changes, expected in (
        ({}, "OVER_PROMISED"),
        ({"share_ppm": 400_000}, "ACCEPTED"),
        ({"rank": 1}, "ACCEPTED"),
        ({"first_slot": FIRST + 100 * SLOT_S, "end_slot": FIRST + 101 * SLOT_S}, "ACCEPTED"),
        ({"kind": 1, "share_ppm": 1_000_000}, "ACCEPTED"),
        ({"kind": 1, "rank": 3, "share_ppm": 1}, "OVER_PROMISED"),
    ):
        body = message(here, nonce=100 + len(here.store.read(list_contracts)), **changes)
        assert code(send(here, sign(here, body))) == expected, changes


def test_neighbour_trade_needs_tariffs_with_blocks_and_a_regime_that_bills_it(
    begin_books: Begin,
) -> None:
    here = begin_books()
    answer = send(here, sign(here, message(here, kind=1)), rehearsal=False)
    assert (code(answer), answer.refusal.field) == ("CONTRACT_RULES", "kind")
    shop = here.district.meters.use.index("retail")
    body = message(here, kind=1, buyer=here.books.customers[shop])
    keys = key_of(here, members(here)[0]), key_of(here, shop)
    answer = send(here, sign_contract(here.books.domain, body, *keys))
    assert (code(answer), answer.refusal.field) == ("CONTRACT_RULES", "buyer")


def cancel(here: Any, row: ContractRow, meter: int, slot: int, now_s: float) -> Answer:
    body = {
        "account": here.books.customers[meter],
        "slot": slot,
        "order_id": row.id,
        "nonce": 5_000 + meter,
    }
    key = key_of(here, meter)
    text = sign_message(here.books.domain, "Cancel", body, key, address=address_of(key))
    return send(here, text, "Cancel", now_s)


def test_a_contract_ends_when_both_have_said_so_and_not_before(begin_books: Begin) -> None:
    here = begin_books()
    send(here, sign(here, message(here, first_slot=FIRST)))
    (row,) = here.store.read(list_contracts)
    seller, buyer = members(here)
    stranger = next(int(one) for one in here.crowd.meter if int(one) not in (seller, buyer))
    assert code(cancel(here, row, stranger, FIRST + SLOT_S, NOW_S)) == "UNKNOWN_CONTRACT"
    assert code(cancel(here, row, seller, FIRST - SLOT_S, NOW_S)) == "BACK_DATED"
    assert code(cancel(here, row, seller, row.end_slot, NOW_S)) == "UNKNOWN_CONTRACT"
    assert code(cancel(here, row, seller, FIRST + SLOT_S, NOW_S)) == "ACCEPTED"
    (alone,) = here.store.read(list_contracts)
    assert alone.last_end == row.end_slot
    assert code(cancel(here, row, buyer, FIRST + 2 * SLOT_S, NOW_S)) == "ACCEPTED"
    (ended,) = here.store.read(list_contracts)
    assert ended.last_end == FIRST + 2 * SLOT_S
    assert len(here.store.read(lambda c: ends_of(c, row.no))) == 2
    here.run(6)
    found = here.store.read(lambda c: deliveries_between(c, FIRST, FIRST + 9 * SLOT_S))
    assert [one.slot for one in found] == [FIRST, FIRST + SLOT_S]
    assert verify_store(here.store, 0).ok


def test_an_operator_that_goes_on_after_the_end_is_refuted(
    begin_books: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begin_books()
    send(here, sign(here, message(here, first_slot=FIRST)))
    (row,) = here.store.read(list_contracts)
    for meter in members(here):
        cancel(here, row, meter, FIRST, NOW_S)
    monkeypatch.setattr(ContractRow, "last_end", row.end_slot)
    here.let_export([members(here)[0]], 1_000)
    here.refusals |= {"OVER_CAPACITY"}
    here.run(3)
    (done,) = here.store.read(lambda c: deliveries_between(c, FIRST, FIRST + SLOT_S))
    assert done.e_wh > 0
    failure = verify_store(here.store, 0).first_failure
    assert failure is not None and failure.check == "contract paid"


def test_nobody_offers_what_a_contract_has_promised(begin_books: Begin) -> None:
    here = begin_books()
    body = message(here, share_ppm=600_000, cap_wh=100_000, first_slot=FIRST)
    send(here, sign(here, body))
    seller = members(here)[0]
    row = here.crowd.meter.tolist().index(seller)
    most = int(float(here.district.meters.pv_kwp[seller]) * 250)
    least = most - most * 600_000 // 1_000_000
    for wh, expected in ((least + 1, "OVER_CAPACITY"), (least, None)):
        order = {**here.order(row, FIRST, 2, 150_000), "e_wh": wh, "nonce": wh}
        (text,) = [sign_order_of(here, order)]
        (answer,) = here.store.write(lambda c, t=text: admit_orders(c, here.admission, [t], NOW_S))
        assert (answer.refusal.code.name if answer.refusal else None) == expected


def sign_order_of(here: Any, order: dict[str, Any]) -> bytes:
    from energy.crowd import sign_orders

    return sign_orders(here.crowd, here.books.domain, [order])[0]


def test_first_contracts_are_entered_once_and_in_rehearsals_only(begin_books: Begin) -> None:
    here = begin_books()
    given = (here.store, here.books, here.district, here.admission, 1)
    assert enter_first_contracts(*given) == len(here.district.agreements.first) == 8
    assert enter_first_contracts(*given) == 0
    kinds = {row.kind for row in here.store.read(list_contracts)}
    assert kinds == {1, 2, 3, 4, 5}
    account = here.store.read(list_contracts)[0].seller
    sent = here.store.read(lambda c: messages_of(c, account))
    assert {one.sealed_by for one in sent} == {FIRST}
    here.books.is_rehearsal = False
    assert enter_first_contracts(*given) == 0


def test_a_contract_is_proven_though_a_party_changes_its_key_before_it_begins(
    begin_books: Begin,
) -> None:
    here = begin_books()
    answer = send(here, sign(here, message(here, first_slot=FIRST + 5 * SLOT_S)))
    assert code(answer) == "ACCEPTED"
    here.run(2)
    here.place_orders = lambda slot: None
    buyer = members(here)[1]
    old, new = key_of(here, buyer), derive_key("another")
    change = {
        "account": here.books.customers[buyer], "nonce": 991, "old_key": address_of(old),
        "new_key": address_of(new), "from_slot": FIRST + 3 * SLOT_S,
    }  # fmt: skip
    id_ = digest(here.books.domain, "KeyRotate", change)
    signed = [
        {"signer": f"0x{address_of(key).hex()}", "signature": f"0x{sign_digest(key, id_).hex()}"}
        for key in (old, new)
    ]
    body = {"type": "KeyRotate", "message": message_as_json("KeyRotate", change)}
    text = json.dumps({**body, "signatures": signed}).encode()
    at_us = (FIRST + SLOT_S - 100) * 1_000_000
    one = prepare_message(here.admission, text, at_us)
    changed = here.store.write(lambda c: admit_message(c, here.admission, one))
    assert code(changed) == "ACCEPTED"
    here.run(6, begin=2)
    trust, proof = here.store.read(
        lambda c: (Prover(c).trust(Witnesses()), Prover(c).entry(answer.id))
    )
    report = verify_bundle(trust, proof)
    assert report.ok, report.first_failure
    assert verify_store(here.store, 0).ok
