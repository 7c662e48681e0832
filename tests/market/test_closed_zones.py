"""What the grid check closes after three rounds: the zones concerned, never the hub behind them."""

import hashlib
import json
from collections.abc import Sequence

import pytest

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing
from market.network import MarketLink, MarketNetwork, MarketZone, build_network
from market.reclearing import Overload, clear_within_grid
from market.rules import MarketRules

RULES = MarketRules()
SPC, BUSBAR = 0, 1
WAYS = ((BUSBAR, 2), (2, BUSBAR), (BUSBAR, 4), (4, BUSBAR), (BUSBAR, 6), (6, BUSBAR))
NETWORK = MarketNetwork(
    (MarketLink(SPC, BUSBAR), MarketLink(BUSBAR, SPC), *(MarketLink(*one) for one in WAYS)),
    tuple(MarketZone(zone, 2 + 2 * zone, 2 + 2 * zone) for zone in range(3)),
)


@pytest.fixture
def book() -> Book:
    """The operator sells to all three zones, and the first sells to the second."""
    rows = [(SPC, 2, 120, 3_000), (2, 2, 90, 400), (2, 1, 150, 300), (4, 1, 160, 500),
            (6, 1, 170, 700)]  # fmt: skip
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(len(rows))]
    return book_of(
        900,
        [
            BookRow(tag, 0, side, 1_000 * won, wh, node)
            for tag, (node, side, won, wh) in zip(tags, rows, strict=True)
        ],
    )


def breaks(*nodes: int) -> Sequence[Overload]:
    return [Overload(BUSBAR, node, 1, 10**6, 1_200_000 - node, f"cable {node}") for node in nodes]


def traded(clearing: Clearing) -> set[int]:
    return {one.node for one in clearing.nodes if one.bought_wh + one.sold_wh}


def test_only_the_zone_concerned_is_closed_and_all_others_go_on(book: Book) -> None:
    rounds = clear_within_grid(
        book, RULES, NETWORK, lambda found: breaks(6) if 6 in traded(found) else []
    )
    last = rounds[-1]
    assert [one.clearing.round for one in rounds] == [1, 2, 3]
    assert last.forced == (6,) and traded(last.clearing) == {SPC, 2, 4}
    assert check_clearing(book, RULES, last.clearing, last.network) == []


def test_a_zone_that_breaks_a_limit_only_without_the_first_is_closed_as_well(book: Book) -> None:
    def check(found: Clearing) -> Sequence[Overload]:
        now = traded(found)
        return breaks(6) if 6 in now else breaks(4) if 4 in now else []

    last = clear_within_grid(book, RULES, NETWORK, check)[-1]
    assert last.forced == (4, 6) and traded(last.clearing) <= {SPC, 2}
    assert {one.reason for one in last.overloads} == {"cable 4", "cable 6"}
    assert check(last.clearing) == []


def test_where_the_shared_way_breaks_the_operator_is_out_and_neighbours_trade(book: Book) -> None:
    def check(found: Clearing) -> Sequence[Overload]:
        used = SPC in traded(found)
        return [Overload(SPC, BUSBAR, 1, 10**6, 1_100_000, "transformer S1")] if used else []

    last = clear_within_grid(book, RULES, NETWORK, check)[-1]
    assert last.forced == (SPC,) and last.clearing.volume_wh == 400
    assert traded(last.clearing) <= {2, 4, 6}


def test_the_text_of_a_network_is_read_back_as_it_was() -> None:
    network = MarketNetwork((*NETWORK.links, MarketLink(2, 6, 77, 300)), NETWORK.zones, version=5)
    assert build_network(json.loads(network.text)) == network
    assert network.content == hashlib.sha256(network.text.encode()).digest()
