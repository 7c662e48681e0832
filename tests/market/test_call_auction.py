"""Books that can be cleared on paper, as text tables; the last columns say what comes out."""

from collections.abc import Callable
from typing import Any

import pytest

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing, check_message
from market.clearing import (
    Flag,
    Outcome,
    clear_slot,
    clearing_message,
    indicative_mkrw_per_kwh,
    zone_volumes,
)
from market.errors import MarketError
from market.orders import OrderStatus, status_after_clearing
from market.rules import MarketRules

RULES = MarketRules()
NEGATIVE = MarketRules(floor_mkrw_per_kwh=-1_000_000)

# fmt: off
CASES = {
    "the guide's example 1": ("""
        bid    a  600  200  FILLED       600
        bid    b  500  150  PARTIAL      333
        bid    c  400  150  PARTIAL      267
        bid    d  300   90  NOT_CLEARED    0
        offer  e  700   80  FILLED       700
        offer  f  500  120  FILLED       500
        offer  g  900  170  NOT_CLEARED    0
        """, Outcome.BID_MARGIN, Flag(0), (150_000, 150_000, 150_000), 94_000_000),
    "two neighbours": ("""
        offer  kim   400   90  FILLED       400
        offer  lee   300  110  PARTIAL      100
        bid    park  500  120  FILLED       500
        bid    choi  200   80  NOT_CLEARED    0
        """, Outcome.OFFER_MARGIN, Flag(0), (110_000, 110_000, 110_000), 13_000_000),
    "nobody shares: any price between would do, the middle is taken": ("""
        offer  a  500   90  FILLED  500
        bid    b  500  120  FILLED  500
        """, Outcome.BETWEEN, Flag(0), (90_000, 120_000, 105_000), 15_000_000),
    "the middle is rounded down": ("""
        offer  a  500  90.0    FILLED  500
        bid    b  500  90.005  FILLED  500
        """, Outcome.BETWEEN, Flag(0), (90_000, 90_005, 90_002), 2_500),
    "scarcity: the best open bid sets the price, not the last offer": ("""
        offer  a  500   90  FILLED   500
        bid    b  400  200  FILLED   400
        bid    c  300  180  PARTIAL  100
        """, Outcome.BID_MARGIN, Flag.SCARCE, (180_000, 180_000, 180_000), 53_000_000),
    "scarcity between: the price lies above the best open bid": ("""
        offer  a  500   90  FILLED       500
        bid    b  500  200  FILLED       500
        bid    c  300  180  NOT_CLEARED    0
        """, Outcome.BETWEEN, Flag.SCARCE, (180_000, 200_000, 190_000), 55_000_000),
    "glut: the cheapest open offer sets the price": ("""
        bid    a  500  200  FILLED   500
        offer  b  400   60  FILLED   400
        offer  c  300   80  PARTIAL  100
        """, Outcome.OFFER_MARGIN, Flag.GLUT, (80_000, 80_000, 80_000), 68_000_000),
    "a bid and an offer at one price do trade, worth nothing": ("""
        bid    a  300  100  FILLED   300
        bid    b  300  100  FILLED   300
        offer  c  900  100  PARTIAL  600
        """, Outcome.OFFER_MARGIN, Flag.GLUT, (100_000, 100_000, 100_000), 0),
    "one Wh each": ("""
        bid    a  1  100  FILLED  1
        offer  b  1  100  FILLED  1
        """, Outcome.BETWEEN, Flag(0), (100_000, 100_000, 100_000), 0),
    "no crossing": ("""
        bid    a  300   90  NOT_CLEARED  0
        offer  b  300  100  NOT_CLEARED  0
        """, Outcome.NO_TRADE, Flag(0), (0, 0, 0), 0),
    "bids only": ("""
        bid    a  300   90  NOT_CLEARED  0
        """, Outcome.EMPTY, Flag(0), (0, 0, 0), 0),
    "offers only": ("""
        offer  a  300   90  NOT_CLEARED  0
        """, Outcome.EMPTY, Flag(0), (0, 0, 0), 0),
    "negative prices: sellers pay buyers": ("""
        offer  a  500  -50     FILLED   500
        offer  b  500  -20     PARTIAL  100
        bid    c  600  -10.001 FILLED   600
        """, Outcome.OFFER_MARGIN, Flag.GLUT, (-20_000, -20_000, -20_000), 20_999_400),
    "a negative middle is rounded towards minus infinity": ("""
        offer  a  500  -50.0  FILLED  500
        bid    b  500  -49.995  FILLED  500
        """, Outcome.BETWEEN, Flag(0), (-50_000, -49_995, -49_998), 2_500),
}
# fmt: on


@pytest.mark.parametrize("name", CASES)
def test_the_book_clears_as_on_paper(
    name: str, book_table: Callable[[str], Any], tag: Callable[[str], bytes]
) -> None:
    table, outcome, flags, (low, high, price), welfare = CASES[name]
    book, expected = book_table(table)
    clearing = clear_slot(book, NEGATIVE)
    (node,) = clearing.nodes
    assert (node.outcome, node.flags) == (outcome, flags)
    assert (node.low_mkrw_per_kwh, node.high_mkrw_per_kwh) == (low, high)
    assert node.price_mkrw_per_kwh == price
    assert clearing.welfare_ukrw == welfare
    fills = clearing.fill_by_tag()
    for row in range(len(book)):
        who = next(who for who in expected if tag(who) == book.tag[row].tobytes())
        fill = fills[tag(who)]
        status = status_after_clearing(int(book.e_wh[row]), fill)
        assert [status, str(fill)] == [OrderStatus(expected[who][0]), expected[who][1]], who
    assert check_clearing(book, NEGATIVE, clearing) == []


def test_an_empty_book_has_no_price_and_is_proven() -> None:
    book = book_of(900, [])
    clearing = clear_slot(book, RULES)
    assert (clearing.volume_wh, clearing.price_mkrw_per_kwh) == (0, None)
    assert clearing.nodes[0].outcome == Outcome.EMPTY
    message = clearing_message(clearing, round=1, network_version=1, plan=bytes(32))
    assert check_message(book, RULES, message, []) == []


def test_the_hint_of_an_untraded_book_is_the_middle_of_the_best(
    book_table: Callable[[str], Any],
) -> None:
    both, _ = book_table("bid a 5 90\nbid b 5 80\noffer c 5 100\noffer d 5 120")
    one, _ = book_table("bid a 5 90\nbid b 5 80")
    assert indicative_mkrw_per_kwh(both) == 95_000
    assert indicative_mkrw_per_kwh(one) == 90_000
    assert indicative_mkrw_per_kwh(book_of(900, [])) is None


def test_nodes_without_links_clear_apart_and_zones_of_one_node_together(
    tag: Callable[[str], bytes],
) -> None:
    rows = [
        BookRow(tag("a"), zone=1, side=1, price_mkrw_per_kwh=120_000, e_wh=500, node=1),
        BookRow(tag("b"), zone=2, side=2, price_mkrw_per_kwh=90_000, e_wh=500, node=2),
    ]
    apart = clear_slot(book_of(900, rows), RULES)
    assert apart.volume_wh == 0 and [node.node for node in apart.nodes] == [1, 2]
    together = clear_slot(book_of(900, [row._replace(node=0) for row in rows]), RULES)
    assert together.volume_wh == 500
    assert [(z.zone, z.bought_wh, z.sold_wh) for z in zone_volumes(together)] == [
        (1, 500, 0),
        (2, 0, 500),
    ]
    assert check_clearing(apart.book, RULES, apart) == []


def test_sums_beyond_63_bits_are_exact(tag: Callable[[str], bytes]) -> None:
    e_wh = 2**61
    rows = [
        BookRow(tag("a"), 0, 1, 1_000_000, e_wh),
        BookRow(tag("b"), 0, 1, 1_000_000, e_wh),
        BookRow(tag("c"), 0, 1, 1_000_000, e_wh + 1),
        BookRow(tag("d"), 0, 2, 999_999, 2**62 + 3),
    ]
    book = book_of(900, rows)
    clearing = clear_slot(book, RULES)
    assert clearing.volume_wh == 2**62 + 3
    assert clearing.welfare_ukrw == 2**62 + 3
    assert check_clearing(book, RULES, clearing) == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"side": 3}, "side 3, allowed 1 or 2"),
        ({"e_wh": 0}, "e_wh 0, allowed 1 or more"),
        ({"tag": b"\x00" * 31}, "a tag has not 32 bytes"),
    ],
)
def test_a_damaged_row_is_named(damage: dict, sentence: str, tag: Callable[[str], bytes]) -> None:
    good = BookRow(tag("a"), 0, 1, 100_000, 500)
    with pytest.raises(MarketError, match=sentence):
        book_of(900, [good, good._replace(**{"tag": tag("b"), **damage})])


def test_a_double_tag_is_named(tag: Callable[[str], bytes]) -> None:
    row = BookRow(tag("a"), 0, 1, 100_000, 500)
    with pytest.raises(MarketError, match="each tag once"):
        book_of(900, [row, row])


def test_a_filled_order_that_lies_outside_the_band_is_not_clipped_into_a_bad_price(
    tag: Callable[[str], bytes],
) -> None:
    """The band clips the middle; a price that no longer suits an order is refused by the proof."""
    rows = [
        BookRow(tag("a"), 0, 1, 300_000, 500),
        BookRow(tag("b"), 0, 2, 200_000, 500),
    ]
    narrow = MarketRules(cap_mkrw_per_kwh=150_000)
    clearing = clear_slot(book_of(900, rows), narrow)
    rules = [finding.rule for finding in check_clearing(clearing.book, narrow, clearing)]
    assert rules == ["price suits all"]


def test_the_books_roots_change_with_every_column(book_table: Callable[[str], Any]) -> None:
    book, _ = book_table("bid a 5 90\noffer b 5 80")
    columns = dict(vars(book))
    for name in ("node", "side", "price_mkrw_per_kwh", "e_wh"):
        changed = dict(columns)
        changed[name] = columns[name].copy()
        changed[name][0] = 3 - changed[name][0] if name == "side" else changed[name][0] + 1
        assert Book(**changed).root != book.root, name
