"""Label lines of the ledger: reserved in full, posted as delivered, corrected to the same end."""

import hashlib
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import BookRow, book_of
from market.clearing import clear_slot
from market.errors import MarketError
from market.label_lines import (
    NO_LABELS,
    Delivered,
    LabelCause,
    SlotLabels,
    delivered_of,
    reserve_labels,
    resettle_labels,
    settle_labels,
)
from market.labels import Label, LabelWish, clear_label
from market.orders import Side
from market.result import Clearing
from market.rules import MarketRules
from market.transfers import ZERO32, Code, LedgerId, Transfer, TransferKind

RULES = MarketRules()
SLOT = 900
POOL = b"\x99" * 32


def cause(version: int) -> LabelCause:
    return LabelCause(SLOT, version, b"\x77" * 32, POOL)


def account(number: int) -> bytes:
    return bytes([number + 1]) * 32


# Who, side, price, Wh, zone, label, premium; small numbers, so that ties are common.
one_order = st.tuples(
    st.integers(0, 4),
    st.sampled_from(Side),
    st.integers(98, 102),
    st.integers(1, 30),
    st.integers(0, 1),
    st.sampled_from(Label),
    st.integers(0, 6),
)
books = st.lists(one_order, max_size=12)
wh_of_each = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=5, max_size=5)


def cleared(drawn: list[Any]) -> SlotLabels:
    """The tiers of a slot with these orders."""
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(len(drawn))]
    rows = [
        BookRow(tag, zone, int(side), won * 1000, e_wh, 0)
        for tag, (_, side, won, e_wh, zone, _, _) in zip(tags, drawn, strict=True)
    ]
    energy = clear_slot(book_of(SLOT, rows), RULES)
    owner = {tag: account(one[0]) for tag, one in zip(tags, drawn, strict=True)}
    tiers = []
    for label in (Label.GREEN, Label.LOCAL):
        wishes = [
            LabelWish(tag, label, one[6] * 1000)
            for tag, one in zip(tags, drawn, strict=True)
            if one[5] == label
        ]
        tiers.append(clear_label(energy, label, wishes, frozenset(tags), RULES))
    found = tuple(tier for tier in tiers if len(tier.book))
    named = {tag: owner[tag] for tier in found for tag in tier.book.tags()}
    return SlotLabels(found, named)


def named(transfers: list[Transfer]) -> dict[bytes, Transfer]:
    """The transfers by what stands for their ids."""
    return {hashlib.sha256(repr(one).encode()).digest(): one for one in transfers}


def delivered(wh: list[tuple[int, int]]) -> dict[bytes, Delivered]:
    return {account(n): Delivered(*pair) for n, pair in enumerate(wh)}


def moved(transfers: list[Transfer]) -> dict[bytes, int]:
    """What each account has got less what it has given."""
    found: dict[bytes, int] = {}
    for one in transfers:
        if one.kind in (TransferKind.PLAIN, TransferKind.POST, TransferKind.REVERSE):
            found[one.debit] = found.get(one.debit, 0) - one.amount
            found[one.credit] = found.get(one.credit, 0) + one.amount
    return {who: ukrw for who, ukrw in found.items() if ukrw}


def as_told(tier: Clearing, owner: Any) -> dict[str, Any]:
    """A tier as the slow code takes it."""
    columns = (tier.book.node, tier.book.side, tier.fill_wh)
    rows = zip(tier.book.tags(), *(column.tolist() for column in columns), strict=True)
    return {
        "root": tier.book.root,
        "price": tier.prices(),
        "rows": [(*row, owner[row[0]]) for row in rows],
    }


@given(books, st.lists(wh_of_each, min_size=1, max_size=4))
@settings(settings.get_profile("market"), deadline=None)
def test_any_row_of_corrections_ends_where_the_last_reading_alone_would(
    slow_labels: ModuleType, drawn: list[Any], news: list[Any]
) -> None:
    labels = cleared(drawn)
    reserved = named(reserve_labels(labels, cause(0)))
    assert sum(moved([*reserved.values()]).values()) == 0
    first = settle_labels(labels, delivered(news[0]), reserved, cause(1))
    assert {one.pending for one in first} == reserved.keys()
    assert all(0 < one.amount <= reserved[one.pending].amount for one in first)
    force, everything = named([one for one in first if one.kind == TransferKind.POST]), first
    for version, wh in enumerate(news[1:], start=2):
        batch = resettle_labels(labels, delivered(wh), force, cause(version))
        undone = {one.pending for one in batch if one.kind == TransferKind.REVERSE}
        assert undone <= force.keys()
        fresh = named([one for one in batch if one.kind == TransferKind.PLAIN])
        force = {id_: one for id_, one in force.items() if id_ not in undone} | fresh
        everything = [*everything, *batch]
    found = moved(everything)
    assert POOL not in found and sum(found.values()) == 0
    tiers = [as_told(tier, labels.account_of_tag) for tier in labels.tiers]
    expected = slow_labels.earned_ukrw(
        SLOT, tiers, {account(n): wh for n, wh in enumerate(news[-1])}
    )
    assert found == {who: ukrw for who, ukrw in expected.items() if ukrw}


@given(books)
@settings(settings.get_profile("market"), deadline=None)
def test_what_is_delivered_in_full_is_paid_as_reserved(drawn: list[Any]) -> None:
    labels = cleared(drawn)
    reserved = named(reserve_labels(labels, cause(0)))
    all_of_it = delivered([(10_000, 10_000)] * 5)
    for one in settle_labels(labels, all_of_it, reserved, cause(1)):
        old = reserved[one.pending]
        assert one.kind == TransferKind.POST
        assert (one.debit, one.credit, one.amount) == (old.debit, old.credit, old.amount)


ORDERS = [
    (0, Side.OFFER, 98, 20, 0, Label.GREEN, 1),
    (1, Side.BID, 102, 20, 0, Label.GREEN, 5),
]
FULL = delivered([(0, 20), (20, 0), (0, 0), (0, 0), (0, 0)])


def test_nothing_is_paid_that_was_not_reserved() -> None:
    labels = cleared(ORDERS)
    reserved = named(reserve_labels(labels, cause(0)))
    pays = next(id_ for id_, one in reserved.items() if one.credit == POOL)
    with pytest.raises(MarketError, match=r"owes .* for a label, found no pending"):
        settle_labels(labels, FULL, {pays: reserved[pays]}, cause(1))
    small = reserved | {pays: reserved[pays]._replace(amount=reserved[pays].amount - 1)}
    with pytest.raises(MarketError, match=r"micro-won for a label, found .* reserved"):
        settle_labels(labels, FULL, small, cause(1))


def test_a_slot_without_labels_has_no_lines_and_voids_what_is_open() -> None:
    assert reserve_labels(NO_LABELS, cause(0)) == []
    assert resettle_labels(NO_LABELS, {}, {}, cause(2)) == []
    reserved = named(reserve_labels(cleared(ORDERS), cause(0)))
    ended = settle_labels(NO_LABELS, {}, reserved, cause(1))
    assert [one.kind for one in ended] == [TransferKind.VOID] * 2


def test_a_reversal_takes_back_from_its_own_way_and_what_is_pending_moves_nothing() -> None:
    labels = cleared(ORDERS)
    line = Transfer(
        int(LedgerId.ENERGY), int(TransferKind.PLAIN), int(Code.TRADE), POOL, account(1), 20,
        SLOT, 1, ZERO32,
    )  # fmt: skip
    back = line._replace(
        kind=int(TransferKind.REVERSE),
        debit=account(1),
        credit=POOL,
        amount=20,
        pending=b"\x05" * 32,
    )
    again = line._replace(amount=7)
    void = line._replace(kind=int(TransferKind.VOID))
    given = line._replace(debit=account(0), credit=POOL, amount=11)
    found = delivered_of(labels, [line, back, again, void, given], POOL)
    assert found == {account(0): Delivered(0, 11), account(1): Delivered(7, 0)}
    before = {account(1): Delivered(3, 0)}
    assert delivered_of(labels, [again], POOL, before)[account(1)] == Delivered(10, 0)
