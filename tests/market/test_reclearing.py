"""After the grid check: cuts by the excess, three rounds at most, and nothing where it fails."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing, Flag, clear_slot
from market.errors import MarketError
from market.network import LinkLimit, MarketLink, MarketNetwork, MarketZone
from market.reclearing import Overload, area_apart, clear_within_grid, cut_of
from market.rules import MarketRules

RULES = MarketRules()
NETWORK = MarketNetwork(
    (MarketLink(0, 1), MarketLink(1, 0)), (MarketZone(0, 0, 0), MarketZone(1, 1, 1))
)


def book_from(rows: Sequence[tuple[int, int, int, int]]) -> Book:
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(len(rows))]
    return book_of(
        900, [BookRow(t, z, s, 1000 * p, e, z) for t, (s, p, e, z) in zip(tags, rows, strict=True)]
    )


BOOK = book_from([(2, 60, 2_000, 0), (1, 150, 1_500, 1), (2, 140, 400, 1)])


def overload(excess_w: int, sensitivity_ppm: int = 1_000_000) -> Overload:
    return Overload(0, 1, excess_w, sensitivity_ppm, 1_100_000, "transformer 3")


def test_the_cut_is_the_excess_over_the_sensitivity_in_wh_rounded_up() -> None:
    clearing = clear_slot(BOOK, RULES, NETWORK)
    assert clearing.links[0].flow_wh == 1_500
    # 1.2 kW over at half a watt per watt is 2.4 kW of the link: 600 Wh in a quarter hour.
    assert cut_of(NETWORK, clearing, overload(1_200, 500_000)).capacity_wh == 900
    assert cut_of(NETWORK, clearing, overload(1_201, 500_000)).capacity_wh == 899
    # A tiny excess cuts 1 % nevertheless, so that rounds get somewhere.
    assert cut_of(NETWORK, clearing, overload(1)).capacity_wh == 1_485
    assert cut_of(NETWORK, clearing, overload(10**9)).capacity_wh == 0


def test_a_congested_link_is_cut_once_and_the_prices_part() -> None:
    def check(clearing: Clearing) -> list[Overload]:
        excess_wh = clearing.links[0].flow_wh - 1_000
        return [overload(4 * excess_wh)] if excess_wh > 0 else []

    first, second = clear_within_grid(BOOK, RULES, NETWORK, check)
    assert first.cut == LinkLimit(0, 1, 1_000, "transformer 3")
    assert (first.clearing.round, second.clearing.round) == (1, 2)
    assert second.clearing.links[0].flow_wh == 1_000
    assert first.clearing.prices() == {0: 60_000, 1: 60_000}
    assert second.clearing.prices() == {0: 60_000, 1: 150_000}
    assert second.clearing.book is first.clearing.book
    assert check_clearing(BOOK, RULES, second.clearing, second.network) == []
    fees, rent = second.clearing.carriage_ukrw()
    assert (fees, rent) == (0, 1_000 * 90_000)


def test_what_fails_three_times_trades_nothing() -> None:
    rounds = clear_within_grid(BOOK, RULES, NETWORK, lambda _: [overload(1)])
    assert [one.clearing.round for one in rounds] == [1, 2, 3]
    last = rounds[-1]
    assert last.forced == (0, 1) and last.clearing.volume_wh == 0
    assert {node.flags for node in last.clearing.nodes} == {Flag.FORCED}
    assert last.overloads[0].reason == "transformer 3"
    assert check_clearing(BOOK, RULES, last.clearing, last.network) == []


def test_the_highest_loading_is_cut_first() -> None:
    worse = Overload(1, 0, 400, 1_000_000, 1_300_000, "cable")
    rounds = clear_within_grid(
        BOOK, RULES, NETWORK, lambda c: [overload(100), worse] if c.round == 1 else []
    )
    assert rounds[0].cut is not None and rounds[0].cut.reason == "cable"


def test_an_area_becomes_a_zone_of_its_own_under_its_transformers_limit() -> None:
    free = clear_slot(BOOK, RULES, NETWORK)
    limits = [LinkLimit(0, 1, 700, "own transformer"), LinkLimit(1, 0, 700, "own transformer")]
    apart = clear_slot(BOOK, RULES, area_apart(NETWORK, 1, limits))
    assert free.prices()[0] == free.prices()[1]
    assert apart.links[0].flow_wh == 700 and apart.prices()[1] == 150_000
    with pytest.raises(MarketError, match="area 1: limits for links"):
        area_apart(NETWORK, 1, limits[:1])


orders = st.lists(
    st.tuples(st.sampled_from([1, 2]), st.integers(95, 105), st.integers(1, 40), st.integers(0, 1)),
    max_size=8,
)


@given(orders, st.integers(0, 30), st.integers(100_000, 2_000_000))
@settings(settings.get_profile("market"), deadline=None)
def test_rounds_end_within_three_hold_the_limit_and_never_gain(
    rows: list[tuple[int, int, int, int]], room_wh: int, sensitivity_ppm: int
) -> None:
    def check(clearing: Clearing) -> list[Overload]:
        over = [link for link in clearing.links if link.flow_wh > room_wh]
        return [
            Overload(
                link.from_node,
                link.to_node,
                max((link.flow_wh - room_wh) * 4 * sensitivity_ppm // 1_000_000, 1),
                sensitivity_ppm,
                link.flow_wh,
            )
            for link in over
        ]

    book = book_from(rows)
    rounds = clear_within_grid(book, RULES, NETWORK, check)
    assert len(rounds) <= 3 and not check(rounds[-1].clearing)
    welfare = [one.clearing.welfare_ukrw for one in rounds]
    assert welfare == sorted(welfare, reverse=True)
    for one in rounds:
        assert one.clearing.book is book
        assert check_clearing(book, RULES, one.clearing, one.network) == []


def test_an_overload_that_no_link_touches_is_an_error() -> None:
    clearing = clear_slot(BOOK, RULES, NETWORK)
    with pytest.raises(MarketError, match="no link 5 -> 6 to cut"):
        cut_of(NETWORK, clearing, Overload(5, 6, 1, 1, 1))
    with pytest.raises(MarketError, match="sensitivity_ppm 0"):
        cut_of(NETWORK, clearing, overload(10, 0))
