"""The auction at its edges: many cuts, shifted zones, quantities up to int64, the same bytes ever.

What these books have in common: ties are everywhere, and nothing is rounded.
"""

import hashlib
import itertools
import os
import subprocess
import sys
from types import ModuleType

from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing, Outcome, clear_slot
from market.network import MarketLink, MarketNetwork, MarketZone
from market.rules import MarketRules

SLOT = 1_784_084_400
RULES = MarketRules(floor_mkrw_per_kwh=-1_000, cap_mkrw_per_kwh=1_000, tick_mkrw_per_kwh=1)
WIDE = MarketRules(floor_mkrw_per_kwh=-1_000_000, tick_mkrw_per_kwh=1)
Rows = list[tuple[int, int, int]]

# Few prices and small quantities, so that ties are common.
orders = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.integers(-6, 8), st.integers(1, 9)), max_size=9
)
zonal_orders = st.lists(
    st.tuples(
        st.sampled_from([1, 2]), st.integers(-4, 6), st.integers(1, 7), st.integers(0, 2)
    ),
    max_size=8,
)  # fmt: skip
fees = st.lists(st.integers(0, 3), min_size=4, max_size=4)
rooms = st.lists(st.integers(0, 9), min_size=4, max_size=4)

# Around the powers of two where a sum, a product or a float would first go wrong.
EDGES = [2**31, 2**32, 2**53, 2**61, 2**62, 2**63 - 1]
quantities = st.one_of(
    st.integers(1, 9),
    st.builds(
        lambda edge, by: min(max(edge + by, 1), 2**63 - 1),
        st.sampled_from(EDGES),
        st.integers(-3, 3),
    ),
)
prices = st.sampled_from([-1_000_000, -999_999, -1, 0, 1, 2, 999_999, 1_000_000])
edge_orders = st.lists(st.tuples(st.sampled_from([1, 2]), prices, quantities), max_size=7)


def book_from(rows: Rows, salt: int = 0) -> Book:
    return book_of(
        SLOT,
        [
            BookRow(hashlib.sha256(repr((salt, n)).encode()).digest(), 0, side, price, e_wh)
            for n, (side, price, e_wh) in enumerate(rows)
        ],
    )


def zonal_book(rows: list[tuple[int, int, int, int]]) -> Book:
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(len(rows))]
    return book_of(
        SLOT, [BookRow(t, z, s, p, e, z) for t, (s, p, e, z) in zip(tags, rows, strict=True)]
    )


def network_of(fee: list[int], room: list[int]) -> MarketNetwork:
    """Three zones in a row, links both ways."""
    pairs = [(0, 1), (1, 0), (1, 2), (2, 1)]
    links = tuple(MarketLink(*pair, r, f) for pair, f, r in zip(pairs, fee, room, strict=True))
    return MarketNetwork(links, tuple(MarketZone(n, n, n) for n in range(3)))


@given(orders.filter(lambda rows: any(e_wh > 1 for _, _, e_wh in rows)), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_k_parts_of_an_order_gain_at_most_k_less_one_wh(rows: Rows, data: st.DataObject) -> None:
    chosen = data.draw(st.sampled_from([n for n, row in enumerate(rows) if row[2] > 1]))
    side, price, e_wh = rows[chosen]
    cuts = data.draw(st.lists(st.integers(1, e_wh - 1), min_size=1, max_size=3, unique=True))
    ends = [0, *sorted(cuts), e_wh]
    first, *more = [(side, price, high - low) for low, high in itertools.pairwise(ends)]
    split = [*rows[:chosen], first, *rows[chosen + 1 :], *more]
    whole, cut = clear_slot(book_from(rows), RULES), clear_slot(book_from(split), RULES)
    assert (whole.volume_wh, whole.welfare_ukrw) == (cut.volume_wh, cut.welfare_ukrw)
    (one,), (other,) = whole.nodes, cut.nodes
    assert one.price_mkrw_per_kwh == other.price_mkrw_per_kwh
    assert (one.low_mkrw_per_kwh, one.high_mkrw_per_kwh) == (
        other.low_mkrw_per_kwh,
        other.high_mkrw_per_kwh,
    )
    parts = [chosen, *range(len(rows), len(split))]
    gained = sum(_fill(cut, n) for n in parts) - _fill(whole, chosen)
    assert abs(gained) <= len(parts) - 1


def _fill(clearing: Clearing, number: int) -> int:
    return clearing.fill_by_tag()[hashlib.sha256(repr((0, number)).encode()).digest()]


@given(edge_orders)
@settings(settings.get_profile("market"), deadline=None)
def test_quantities_up_to_int64_are_exact(slow_auction: ModuleType, rows: Rows) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, WIDE)
    slow = slow_auction.clear_by_prices(book, -1_000_000, 1_000_000)
    assert (clearing.volume_wh, clearing.welfare_ukrw) == (slow.volume_wh, slow.welfare_ukrw)
    assert clearing.fill_wh.tolist() == slow.fill_wh
    if slow.volume_wh:
        (node,) = clearing.nodes
        low, high = slow.prices[0], slow.prices[-1]
        assert (node.low_mkrw_per_kwh, node.high_mkrw_per_kwh) == (low, high)
        assert node.price_mkrw_per_kwh == (low + high) // 2
    assert check_clearing(book, WIDE, clearing) == []


@given(orders)
@settings(settings.get_profile("market"), deadline=None)
def test_both_slow_references_say_the_same(slow_auction: ModuleType, rows: Rows) -> None:
    """Wh by Wh, and from the curves: two readings of one definition."""
    book = book_from(rows)
    assert slow_auction.clear(book, -15, 15) == slow_auction.clear_by_prices(book, -15, 15)


@given(zonal_orders, fees, rooms, st.integers(-5, 5))
@settings(settings.get_profile("market"), deadline=None)
def test_a_shift_of_all_limits_shifts_the_price_of_every_zone_that_trades(
    rows: list[tuple[int, int, int, int]], fee: list[int], room: list[int], shift: int
) -> None:
    """Who gets the last Wh of a tie is drawn by the sealed book, and that by its prices."""
    network = network_of(fee, room)
    moved = [(side, price + shift, e_wh, zone) for side, price, e_wh, zone in rows]
    one, other = (clear_slot(zonal_book(some), RULES, network) for some in (rows, moved))
    assert (one.volume_wh, one.carriage_ukrw()) == (other.volume_wh, other.carriage_ukrw())
    for zone, (before, after) in enumerate(zip(one.nodes, other.nodes, strict=True)):
        buyers, sellers = (
            sum(row[0] == side and row[3] == zone for row in rows) for side in (1, 2)
        )
        assert abs(before.bought_wh - after.bought_wh) <= buyers
        assert abs(before.sold_wh - after.sold_wh) <= sellers
        if before.bought_wh + before.sold_wh and after.bought_wh + after.sold_wh:
            assert after.price_mkrw_per_kwh == before.price_mkrw_per_kwh + shift


@given(orders)
@settings(settings.get_profile("market"), deadline=None)
def test_scarcity_raises_and_glut_lowers_the_price_beyond_the_last_order_served(rows: Rows) -> None:
    """Bids left open: no offer at the margin sets the price. Offers left open: no bid does."""
    clearing = clear_slot(book_from(rows), RULES)
    (node,) = clearing.nodes
    if node.outcome in (Outcome.EMPTY, Outcome.NO_TRADE):
        assert clearing.price_mkrw_per_kwh is None and clearing.volume_wh == 0
        return
    book, fill, price = clearing.book, clearing.fill_wh, node.price_mkrw_per_kwh
    bid, open_ = book.side == 1, fill < book.e_wh
    limit = book.price_mkrw_per_kwh
    if (bid & open_).any():
        assert price >= limit[bid & open_].max()
    if (~bid & open_).any():
        assert price <= limit[~bid & open_].min()


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), prices, quantities, st.integers(0, 2)), max_size=6),
    fees,
    st.lists(st.one_of(st.integers(0, 9), st.just(2**62)), min_size=4, max_size=4),
)
@settings(settings.get_profile("market"), deadline=None)
def test_zones_are_exact_and_proven_up_to_int64(
    rows: list[tuple[int, int, int, int]], fee: list[int], room: list[int]
) -> None:
    book, network = zonal_book(rows), network_of(fee, room)
    clearing = clear_slot(book, WIDE, network)
    assert check_clearing(book, WIDE, clearing, network) == []
    price = clearing.prices()
    paid, got = (
        sum(
            price[node] * fill
            for node, which, fill in zip(
                book.node.tolist(), book.side.tolist(), clearing.fill_wh.tolist(), strict=True
            )
            if which == side
        )
        for side in (1, 2)
    )
    assert paid == got + sum(clearing.carriage_ukrw())


# Of `tests/reference/replayed_clearings.py`, recorded once: another numpy, Python or machine must
# come to the same bytes.
RECORDED = "b2870312d7198367ac3f8cf36c5e1a9cab1571024a4b752563aef740e28d85fd"


def test_a_replay_gives_the_same_bytes_in_every_process(replayed_clearings: ModuleType) -> None:
    script = str(replayed_clearings.__file__)
    for hash_seed in ("0", "4711"):
        done = subprocess.run(
            [sys.executable, script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == RECORDED
    assert replayed_clearings.digest_of_many_clearings() == RECORDED
