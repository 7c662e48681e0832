"""Blocks beside the auction: chosen exactly, linked, exclusive, and never at a loss."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from market.blocks import BlockClearing, BlockOrder, check_blocks, clear_blocks
from market.book import Book, BookRow, book_of
from market.clearing import clear_slot
from market.errors import MarketError
from market.orders import Side
from market.rules import MarketRules

RULES = MarketRules()
S1, S2 = 900, 1_800
Rows = list[tuple[int, int, int]]


def book(slot: int, rows: Rows) -> Book:
    tags = [hashlib.sha256(repr((slot, n)).encode()).digest() for n in range(len(rows))]
    return book_of(
        slot, [BookRow(t, 0, s, 1000 * p, e) for t, (s, p, e) in zip(tags, rows, strict=True)]
    )


def block(name: str, side: Side, won: int, *e_wh: tuple[int, int], **more: object) -> BlockOrder:
    return BlockOrder(name.encode().ljust(32), side, won * 1000, e_wh, **more)  # type: ignore[arg-type]


def name(found: BlockClearing) -> list[str]:
    return sorted(id_.decode().strip() for id_ in found.fill_wh)


def test_a_battery_charges_in_a_cheap_slot_only_if_all_of_it_pays() -> None:
    """500 Wh at 100 won: the whole costs 60 and 90 won on the margin, so it gains."""
    books = {S1: book(S1, [(2, 60, 400), (2, 90, 400)])}
    found = clear_blocks(books, [block("b", Side.BID, 100, (S1, 500))], RULES)
    assert name(found) == ["b"] and found.clearings[S1].price_mkrw_per_kwh == 90_000
    assert found.welfare_ukrw == found.bound_ukrw == 400 * 40_000 + 100 * 10_000
    assert check_blocks(books, [block("b", Side.BID, 100, (S1, 500))], RULES, found) == []


def test_a_block_that_would_lose_at_the_price_is_dropped_and_named() -> None:
    """Welfare would take it: 400 Wh at 60 and 100 at 120, but at a price of 120 it loses."""
    books = {S1: book(S1, [(2, 60, 400), (2, 120, 400)])}
    one = block("b", Side.BID, 100, (S1, 500))
    found = clear_blocks(books, [one], RULES)
    assert found.dropped == (one.id,) and found.fill_wh == {} and found.welfare_ukrw == 0
    assert check_blocks(books, [one], RULES, found) == []


def test_a_block_over_two_slots_counts_as_a_whole() -> None:
    books = {S1: book(S1, [(2, 60, 500)]), S2: book(S2, [(2, 130, 500)])}
    one = block("b", Side.BID, 100, (S1, 300), (S2, 300))
    found = clear_blocks(books, [one], RULES)
    assert found.fill_wh[one.id] == {S1: 300, S2: 300}  # 40 won gained, 30 lost
    dear = replace(books[S2], price_mkrw_per_kwh=books[S2].price_mkrw_per_kwh + 11_000)
    assert clear_blocks({**books, S2: dear}, [one], RULES).fill_wh == {}


def test_a_child_needs_its_parent_and_a_group_has_one_winner() -> None:
    books = {S1: book(S1, [(2, 60, 1_000)])}
    parent = block("p", Side.BID, 50, (S1, 100))
    child = block("c", Side.BID, 90, (S1, 100), parent=parent.id)
    # 30 won gained below, 10 lost above: welfare takes both, but the parent alone loses.
    found = clear_blocks(books, [parent, child], RULES)
    assert name(found) == [] and found.dropped == (parent.id,)
    rich = replace(parent, price_mkrw_per_kwh=61_000)
    assert name(clear_blocks(books, [rich, child], RULES)) == ["c", "p"]
    one = block("x", Side.BID, 100, (S1, 500), group="g")
    two = block("y", Side.BID, 90, (S1, 700), group="g")
    # 40 x 500 = 20 won against 30 x 700 = 21 won.
    found = clear_blocks(books, [one, two], RULES)
    assert name(found) == ["y"] and found.paradoxical == (one.id,)


def test_a_least_quantity_leaves_the_rest_divisible() -> None:
    books = {S1: book(S1, [(2, 60, 300), (2, 120, 300)])}
    one = block("b", Side.BID, 100, (S1, 500), least_ppm=400_000)
    found = clear_blocks(books, [one], RULES)
    assert found.fill_wh[one.id] == {S1: 300}
    assert check_blocks(books, [one], RULES, found) == []
    more = replace(one, least_ppm=700_000)
    assert clear_blocks(books, [more], RULES).fill_wh == {}


def test_of_equal_choices_the_smallest_list_of_ids_counts() -> None:
    books = {S1: book(S1, [(2, 60, 100)])}
    blocks = [block(id_, Side.BID, 100, (S1, 100)) for id_ in ("b", "a")]
    found = clear_blocks(books, blocks, RULES)
    assert name(found) == ["a"]


def test_a_search_that_is_cut_short_states_its_gap() -> None:
    books = {S1: book(S1, [(2, 60, 1_000)])}
    blocks = [block(str(n), Side.BID, 100, (S1, 100)) for n in range(4)]
    found = clear_blocks(books, blocks, RULES, visits_max=1)
    assert found.bound_ukrw == 400 * 40_000 > found.welfare_ukrw == 0


orders = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.integers(95, 105), st.integers(1, 12)), max_size=5
)
drawn_blocks = st.lists(
    st.tuples(
        st.sampled_from(Side), st.integers(95, 105), st.integers(1, 12), st.integers(0, 12),
        st.sampled_from([None, "g"]), st.booleans(), st.sampled_from([300_000, 1_000_000]),
    ),
    max_size=4,
)  # fmt: skip


@given(orders, orders, drawn_blocks)
@settings(settings.get_profile("market"), deadline=None)
def test_the_choice_is_that_of_a_mixed_integer_program(
    first: Rows, second: Rows, drawn: list[tuple]
) -> None:
    books = {S1: book(S1, first), S2: book(S2, second)}
    blocks: list[BlockOrder] = []
    for n, (side, won, one_wh, two_wh, group, child, least) in enumerate(drawn):
        slots = [(S1, one_wh)] + ([(S2, two_wh)] if two_wh else [])
        blocks.append(
            block(
                str(n), side, won, *slots, group=group,
                parent=blocks[-1].id if child and blocks else None,
                least_ppm=least if len(slots) == 1 else 1_000_000,
            )
        )  # fmt: skip
    found = clear_blocks(books, blocks, RULES)
    assert check_blocks(books, blocks, RULES, found) == []
    assert found.welfare_ukrw == found.bound_ukrw
    allowed = [one for one in blocks if one.id not in found.dropped]
    out = {one.id for one in blocks} - {one.id for one in allowed}
    program = welfare_of_program(books, [first, second], blocks, out)
    assert abs(program - found.welfare_ukrw / 1000) < 1e-3


def welfare_of_program(
    books: dict[int, Book], rows: list[Rows], blocks: list[BlockOrder], out: set[bytes]
) -> float:
    """Greatest welfare in thousandths of a won; variables: orders, block fills, acceptances."""
    slots = list(books)
    orders = [(slot, *row) for slot, some in zip(slots, rows, strict=True) for row in some]
    parts = [(n, slot, e) for n, one in enumerate(blocks) for slot, e in one.e_wh]
    size = len(orders) + len(parts) + len(blocks)
    if size == 0:
        return 0.0
    worth, most = np.zeros(size), np.ones(size)
    balance, limits = np.zeros((len(slots), size)), []
    for n, (slot, side, won, e_wh) in enumerate(orders):
        sign = 1 if side == Side.BID else -1
        worth[n], most[n], balance[slots.index(slot), n] = sign * won, e_wh, sign
    for n, (owner, slot, e_wh) in enumerate(parts, start=len(orders)):
        one = blocks[owner]
        sign, taken = (1 if one.side == Side.BID else -1), len(orders) + len(parts) + owner
        worth[n], most[n] = sign * one.price_mkrw_per_kwh / 1000, e_wh
        balance[slots.index(slot), n] = sign
        for factor, low in ((e_wh, -np.inf), (one.due_wh(e_wh), 0)):
            row = np.zeros(size)
            row[n], row[taken] = 1, -factor
            limits.append((row, low, 0 if low else np.inf))
    for n, one in enumerate(blocks, start=len(orders) + len(parts)):
        most[n] = one.id not in out
        if one.parent is not None:
            row = np.zeros(size)
            row[n] = 1
            row[len(orders) + len(parts) + [b.id for b in blocks].index(one.parent)] = -1
            limits.append((row, -np.inf, 0))
    group = np.zeros(size)
    group[len(orders) + len(parts) :] = [one.group == "g" for one in blocks]
    limits.append((group, 0, 1))
    constraints = [LinearConstraint(balance, 0, 0)]
    constraints += [LinearConstraint(row[None, :], low, high) for row, low, high in limits]
    whole = np.zeros(size)
    whole[len(orders) + len(parts) :] = 1
    solved = milp(-worth, constraints=constraints, bounds=Bounds(0, most), integrality=whole)
    return -float(solved.fun)


def test_a_changed_result_is_refuted() -> None:
    books = {S1: book(S1, [(2, 60, 400), (2, 90, 400)])}
    blocks = [block("b", Side.BID, 100, (S1, 500)), block("z", Side.BID, 20, (S1, 9), group="g")]
    found = clear_blocks(books, blocks, RULES)
    assert check_blocks(books, blocks, RULES, found) == []
    plain = {S1: clear_slot(books[S1], RULES)}
    for changed in (
        replace(found, welfare_ukrw=found.welfare_ukrw + 1),
        replace(found, bound_ukrw=found.welfare_ukrw - 1),
        replace(found, fill_wh={blocks[0].id: {S1: 499}}),
        replace(found, clearings=plain),
        replace(found, fill_wh={}),
    ):
        assert check_blocks(books, blocks, RULES, changed)


def test_bad_blocks_get_one_sentence() -> None:
    books = {S1: book(S1, [])}
    for make, sentence in (
        (lambda: block("b", Side.BID, 100), "e_wh, allowed 1 Wh or more, each slot once"),
        (lambda: block("b", Side.BID, 100, (S1, 5), (S2, 5), least_ppm=5), "over 2 slots, allowed"),
        (lambda: clear_blocks(books, [block("b", Side.BID, 9, (S2, 5))], RULES), "has no book"),
        (lambda: clear_blocks(books, [block("b", Side.BID, 9, (S1, 5), parent=b"?")], RULES),
         "is unknown or its own child"),
        (lambda: clear_blocks(books, [block("b", Side.BID, 9, (S1, 5))] * 2, RULES),
         "stands twice"),
    ):  # fmt: skip
        with pytest.raises(MarketError) as error:
            make()
        assert sentence in str(error.value)
