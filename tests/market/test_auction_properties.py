"""What the call auction promises for every book: properties, a slow reference and an LP."""

import hashlib
from dataclasses import replace
from random import Random
from types import ModuleType

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing, clear_slot
from market.orders import Side
from market.rules import MarketRules

RULES = MarketRules(floor_mkrw_per_kwh=-15, cap_mkrw_per_kwh=15, tick_mkrw_per_kwh=1)
SLOT = 1_784_084_400


def tag(*parts: object) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


# Few prices and small quantities, so that ties are common.
Rows = list[tuple[int, int, int]]
orders = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.integers(-6, 8), st.integers(1, 9)), max_size=9
)


def book_from(rows: list[tuple[int, int, int]], salt: int = 0) -> Book:
    return book_of(
        SLOT, [BookRow(tag(salt, n), n % 3, s, p, e) for n, (s, p, e) in enumerate(rows)]
    )


def fills(clearing: Clearing, count: int, salt: int = 0) -> list[int]:
    by_tag = clearing.fill_by_tag()
    return [by_tag[tag(salt, n)] for n in range(count)]


@given(orders)
@settings(settings.get_profile("market"), deadline=None)
def test_it_is_what_the_definition_says(slow_auction: ModuleType, rows: Rows) -> None:
    book = book_from(rows)
    clearing, slow = clear_slot(book, RULES), slow_auction.clear(book, -15, 15)
    assert clearing.volume_wh == slow.volume_wh
    assert clearing.welfare_ukrw == slow.welfare_ukrw
    assert clearing.fill_wh.tolist() == slow.fill_wh
    if slow.volume_wh:
        (node,) = clearing.nodes
        low, high = slow.prices[0], slow.prices[-1]
        assert (node.low_mkrw_per_kwh, node.high_mkrw_per_kwh) == (low, high)
        assert node.price_mkrw_per_kwh == (low + high) // 2
    assert check_clearing(book, RULES, clearing) == []


@given(orders)
@settings(settings.get_profile("market"), deadline=None)
def test_energy_is_conserved_and_nobody_trades_against_a_limit(rows: Rows) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, RULES)
    bid = book.side == Side.BID
    assert clearing.fill_wh[bid].sum() == clearing.fill_wh[~bid].sum() == clearing.volume_wh
    assert ((clearing.fill_wh >= 0) & (clearing.fill_wh <= book.e_wh)).all()
    price = clearing.price_mkrw_per_kwh
    if price is None:
        return
    traded, whole = clearing.fill_wh > 0, clearing.fill_wh == book.e_wh
    limit = book.price_mkrw_per_kwh
    assert (limit[bid & traded] >= price).all() and (limit[~bid & traded] <= price).all()
    assert whole[bid & (limit > price)].all() and whole[~bid & (limit < price)].all()


@given(orders.filter(lambda rows: len(rows) > 1))
@settings(settings.get_profile("market"), deadline=None)
def test_welfare_and_price_are_those_of_a_linear_program(rows: Rows) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, RULES)
    sign = np.where(book.side == Side.BID, 1, -1)
    solved = linprog(
        -sign * book.price_mkrw_per_kwh,
        A_eq=sign[None, :],
        b_eq=[0],
        bounds=[(0, int(e)) for e in book.e_wh],
        method="highs",
    )
    assert abs(-solved.fun - clearing.welfare_ukrw) < 1e-6  # integers; the solver's own tolerance
    if clearing.welfare_ukrw > 0:
        # A positive surplus fixes that the dual price supports our fills as well.
        dual = -float(solved.eqlin.marginals[0])
        (node,) = clearing.nodes
        assert node.low_mkrw_per_kwh - 1e-6 <= dual <= node.high_mkrw_per_kwh + 1e-6


@given(orders, st.randoms(use_true_random=False))
@settings(settings.get_profile("market"), deadline=None)
def test_the_order_of_arrival_is_no_input(rows: Rows, random: Random) -> None:
    entries = [BookRow(tag(0, n), 0, s, p, e) for n, (s, p, e) in enumerate(rows)]
    shuffled = list(entries)
    random.shuffle(shuffled)
    one, other = (clear_slot(book_of(SLOT, list_), RULES) for list_ in (entries, shuffled))
    assert one.fill_wh.tobytes() == other.fill_wh.tobytes()
    assert (one.nodes, one.book.root, one.fills_root) == (
        other.nodes,
        other.book.root,
        other.fills_root,
    )


@given(orders.filter(bool), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_cutting_an_order_in_two_gains_at_most_one_wh(rows: Rows, data: st.DataObject) -> None:
    big = [n for n, (_, _, e_wh) in enumerate(rows) if e_wh > 1]
    if not big:
        return
    chosen = data.draw(st.sampled_from(big))
    side, price, e_wh = rows[chosen]
    part = data.draw(st.integers(1, e_wh - 1))
    split = [*rows, (side, price, e_wh - part)]
    split[chosen] = (side, price, part)
    whole, cut = clear_slot(book_from(rows), RULES), clear_slot(book_from(split), RULES)
    assert (whole.volume_wh, whole.welfare_ukrw) == (cut.volume_wh, cut.welfare_ukrw)
    assert whole.price_mkrw_per_kwh == cut.price_mkrw_per_kwh
    assert whole.nodes[0].low_mkrw_per_kwh == cut.nodes[0].low_mkrw_per_kwh
    assert whole.nodes[0].high_mkrw_per_kwh == cut.nodes[0].high_mkrw_per_kwh
    before = fills(whole, len(rows))[chosen]
    after = fills(cut, len(split))
    assert abs(after[chosen] + after[-1] - before) <= 1


@given(orders.filter(bool), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_better_limit_never_lowers_ones_own_fill(rows: Rows, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(rows) - 1))
    side, price, e_wh = rows[chosen]
    better = price + data.draw(st.integers(1, 5)) * (1 if side == Side.BID else -1)
    improved = [*rows]
    improved[chosen] = (side, better, e_wh)
    # Another salt: the improved order has another tag, so all ties may fall anew.
    before = fills(clear_slot(book_from(rows), RULES), len(rows))[chosen]
    after = fills(clear_slot(book_from(improved, salt=1), RULES), len(rows), salt=1)[chosen]
    assert after >= before


@given(orders, st.integers(-5, 5))
@settings(settings.get_profile("market"), deadline=None)
def test_a_shift_of_all_limits_shifts_the_price(rows: Rows, shift: int) -> None:
    moved = [(side, price + shift, e_wh) for side, price, e_wh in rows]
    one, other = clear_slot(book_from(rows), RULES), clear_slot(book_from(moved), RULES)
    assert one.volume_wh == other.volume_wh
    if one.price_mkrw_per_kwh is not None:
        assert other.price_mkrw_per_kwh == one.price_mkrw_per_kwh + shift


@given(orders)
@settings(settings.get_profile("market"), deadline=None)
def test_the_band_never_clips_what_was_admitted(rows: Rows) -> None:
    book = book_from(rows)
    low = int(book.price_mkrw_per_kwh.min()) if len(book) else 0
    high = int(book.price_mkrw_per_kwh.max()) if len(book) else 0
    tight = replace(RULES, floor_mkrw_per_kwh=low, cap_mkrw_per_kwh=high)
    assert clear_slot(book, tight).nodes == clear_slot(book, RULES).nodes
