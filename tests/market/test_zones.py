"""Zones, fees and limits: hand-solved slots, properties, a slow reference and a linear program."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing, check_message
from market.clearing import Clearing, Flag, Outcome, clear_slot, clearing_message
from market.errors import MarketError
from market.network import (
    UNLIMITED_WH,
    LinkLimit,
    MarketLink,
    MarketNetwork,
    MarketZone,
    build_network,
    transfer_matrix,
)
from market.orders import Side
from market.rules import MarketRules

SLOT = 1_784_084_400
RULES = MarketRules(floor_mkrw_per_kwh=-15, cap_mkrw_per_kwh=15, tick_mkrw_per_kwh=1)
WON = MarketRules()
NODES = 3  # nodes 0 to 2 have orders, node 3 is a hub

Rows = list[tuple[int, int, int, int]]  # side, price, Wh, node
rows_of_zones = st.lists(
    st.tuples(
        st.sampled_from([1, 2]), st.integers(-4, 6), st.integers(1, 7), st.integers(0, NODES - 1)
    ),
    max_size=9,
)
capacities = st.one_of(st.integers(0, 6), st.just(UNLIMITED_WH))


@st.composite
def networks(draw: st.DrawFn) -> MarketNetwork:
    """Links between any of four nodes; circles, one-way links, hubs and islands among them."""
    pairs = [(a, b) for a in range(NODES + 1) for b in range(NODES + 1) if a != b]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=9))
    links = tuple(
        MarketLink(a, b, draw(capacities), draw(st.integers(0, 2))) for a, b in sorted(chosen)
    )
    return MarketNetwork(links, tuple(MarketZone(n, n, n) for n in range(NODES + 1)), version=7)


def book_from(rows: Rows, salt: int = 0) -> Book:
    tags = [hashlib.sha256(repr((salt, n)).encode()).digest() for n in range(len(rows))]
    return book_of(
        SLOT,
        [BookRow(t, node, s, p, e, node) for t, (s, p, e, node) in zip(tags, rows, strict=True)],
    )


def table(text: str) -> tuple[Book, dict[str, bytes]]:
    """The book of lines `side who node Wh won`, and the tags by name."""
    rows, tags = [], {}
    for line in text.strip().splitlines():
        side, who, node, e_wh, won = line.split()
        tags[who] = hashlib.sha256(who.encode()).digest()
        number = int(Side[side.upper()])
        rows.append(BookRow(tags[who], int(node), number, 1000 * int(won), int(e_wh), int(node)))
    return book_of(SLOT, rows), tags


TWO_ZONES = """
offer a 0 2000 60
bid   b 0  500 130
offer c 1  800 140
bid   d 1 1500 180
"""


def test_a_full_link_parts_two_prices_and_its_rent_is_named() -> None:
    book, tags = table(TWO_ZONES)
    network = MarketNetwork((MarketLink(0, 1, 900, 8_000), MarketLink(1, 0, 900, 8_000)))
    clearing = clear_slot(book, WON, network)
    fill, price = clearing.fill_by_tag(), clearing.prices()
    assert [fill[tags[who]] for who in "abcd"] == [1_400, 500, 600, 1_500]
    assert price == {0: 60_000, 1: 140_000}
    assert [link.flow_wh for link in clearing.links] == [900, 0]
    assert clearing.carriage_ukrw() == (7_200_000, 64_800_000)
    paid, got = 500 * 60_000 + 1_500 * 140_000, 1_400 * 60_000 + 600 * 140_000
    assert paid == got + 7_200_000 + 64_800_000 == 240_000_000
    assert check_clearing(book, WON, clearing, network) == []


def test_a_local_fee_stands_between_what_buyers_pay_and_sellers_get() -> None:
    """Zone 5 sells at node 0 and buys at node 1: a fee of 10 won is inside the bid's limit."""
    network = MarketNetwork((MarketLink(0, 1, fee_mkrw_per_kwh=10_000),), (MarketZone(5, 0, 1),))
    assert (network.node_of(5, Side.OFFER), network.node_of(5, Side.BID)) == (0, 1)
    book, tags = table("offer s 0 400 100\nbid b 1 300 130\nbid low 1 300 109")
    clearing = clear_slot(book, WON, network)
    assert clearing.fill_by_tag() == {tags["s"]: 300, tags["b"]: 300, tags["low"]: 0}
    assert clearing.prices() == {0: 100_000, 1: 110_000}
    assert clearing.carriage_ukrw() == (3_000_000, 0)
    assert clearing.welfare_ukrw == 300 * (130_000 - 100_000 - 10_000)


def test_a_hub_shares_its_limit_fairly_between_zones() -> None:
    """Two zones of 600 and 300 Wh want the 450 Wh that the transformer carries: half for each."""
    book, tags = table("offer s 0 2000 80\nbid one 2 600 150\nbid two 3 300 150")
    links = (MarketLink(0, 1, 450), MarketLink(1, 2), MarketLink(1, 3))
    clearing = clear_slot(book, WON, MarketNetwork(links))
    fill = clearing.fill_by_tag()
    assert (fill[tags["one"]], fill[tags["two"]]) == (300, 150)
    assert clearing.prices() == {0: 80_000, 1: 150_000, 2: 150_000, 3: 150_000}
    assert clearing.carriage_ukrw() == (0, 450 * 70_000)


def test_a_narrow_zone_gets_less_and_the_others_share_what_it_cannot_have() -> None:
    """900 Wh for three bids of 600: a link of 100 Wh leaves 400 for each of the two others."""
    book, tags = table("offer s 0 900 80\nbid a 1 600 150\nbid b 2 600 150\nbid c 3 600 150")
    links = (MarketLink(0, 1, 100), MarketLink(0, 2), MarketLink(0, 3))
    clearing = clear_slot(book, WON, MarketNetwork(links))
    fill = clearing.fill_by_tag()
    assert [fill[tags[who]] for who in "abc"] == [100, 400, 400]


def test_the_nearer_energy_wins_at_equal_cost() -> None:
    """70 won and a fee of 10, or 80 won at home: the home offer saves the fee."""
    book, tags = table("offer far 0 100 70\noffer near 1 100 80\nbid b 1 100 150")
    clearing = clear_slot(book, WON, MarketNetwork((MarketLink(0, 1, 500, 10_000),)))
    fill = clearing.fill_by_tag()
    assert (fill[tags["near"]], fill[tags["far"]]) == (100, 0)
    assert clearing.carriage_ukrw() == (0, 0)


def test_energy_takes_the_way_of_fewest_links_at_equal_fees() -> None:
    book, _ = table("offer s 0 100 70\nbid b 2 100 150")
    links = (MarketLink(0, 1), MarketLink(1, 2), MarketLink(0, 2, 60))
    network = MarketNetwork(links)
    clearing = clear_slot(book, WON, network)
    assert [link.flow_wh for link in clearing.links] == [40, 40, 60]
    detour = [
        replace(link, flow_wh=wh) for link, wh in zip(clearing.links, (50, 50, 50), strict=True)
    ]
    rules = check_clearing(book, WON, replace(clearing, links=tuple(detour)), network)
    assert [finding.rule for finding in rules] == ["least flow"]


def test_a_forced_node_trades_nothing_and_carries_nothing() -> None:
    book, _ = table(TWO_ZONES)
    links = (MarketLink(0, 1, 900, 8_000), MarketLink(1, 0, 900, 8_000))
    network = MarketNetwork(links, (MarketZone(0, 0, 0), MarketZone(1, 1, 1))).without([0])
    clearing = clear_slot(book, WON, network)
    forced, other = clearing.nodes
    assert (forced.outcome, forced.flags) == (Outcome.NO_TRADE, Flag.FORCED)
    assert (other.price_mkrw_per_kwh, other.bought_wh) == (180_000, 800)
    assert check_clearing(book, WON, clearing, network) == []
    assert check_clearing(book, WON, clearing, replace(network, forced=frozenset()))


@given(rows_of_zones, networks())
@settings(settings.get_profile("market"), deadline=None)
def test_every_clearing_is_proven_and_its_books_close(rows: Rows, network: MarketNetwork) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, RULES, network)
    assert check_clearing(book, RULES, clearing, network) == []
    price, bid = clearing.prices(), book.side == Side.BID
    at = np.array([price[node] for node in book.node.tolist()], dtype=np.int64)
    limit, fill = book.price_mkrw_per_kwh, clearing.fill_wh
    # Nobody against a limit, fees included; everybody with a strictly better one is served.
    assert (limit[bid & (fill > 0)] >= at[bid & (fill > 0)]).all()
    assert (limit[~bid & (fill > 0)] <= at[~bid & (fill > 0)]).all()
    priced = np.array([_priced(clearing, node) for node in book.node.tolist()], dtype=bool)
    assert (fill[priced & bid & (limit > at)] == book.e_wh[priced & bid & (limit > at)]).all()
    assert (fill[priced & ~bid & (limit < at)] == book.e_wh[priced & ~bid & (limit < at)]).all()
    fees, rent = clearing.carriage_ukrw()
    paid, got = int((at * fill)[bid].sum()), int((at * fill)[~bid].sum())
    assert paid == got + fees + rent and fees >= 0 and rent >= 0
    for node in clearing.nodes:
        net = node.sold_wh - node.bought_wh
        net += sum(link.flow_wh for link in clearing.links if link.to_node == node.node)
        net -= sum(link.flow_wh for link in clearing.links if link.from_node == node.node)
        assert net == 0


def _priced(clearing: Clearing, node: int) -> bool:
    """Whether the node has a price: it traded, or links give it a quote."""
    found = next(one for one in clearing.nodes if one.node == node)
    return found.bought_wh + found.sold_wh > 0


@given(rows_of_zones, networks())
@settings(settings.get_profile("market"), deadline=None)
def test_welfare_is_that_of_a_linear_program(rows: Rows, network: MarketNetwork) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, RULES, network)
    sign = np.where(book.side == Side.BID, 1, -1)
    fees = [link.fee_mkrw_per_kwh for link in network.links]
    balance = np.zeros((NODES + 1, len(book) + len(fees)))
    balance[book.node, np.arange(len(book))] = -sign
    for place, link in enumerate(network.links, start=len(book)):
        balance[link.to_node, place] += 1
        balance[link.from_node, place] -= 1
    if balance.shape[1] == 0:
        assert clearing.welfare_ukrw == 0
        return
    most = [int(e) for e in book.e_wh]
    most += [min(link.capacity_wh, sum(most)) for link in network.links]
    cost = np.concatenate([-sign * book.price_mkrw_per_kwh, fees])
    solved = linprog(
        cost, A_eq=balance, b_eq=np.zeros(NODES + 1), bounds=[(0, m) for m in most], method="highs"
    )
    assert abs(-solved.fun - clearing.welfare_ukrw) < 1e-6


@given(rows_of_zones.filter(bool), networks())
@settings(settings.get_profile("market"), deadline=None)
def test_the_clearing_is_that_of_the_slow_reference(
    slow_zones: ModuleType, rows: Rows, network: MarketNetwork
) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, RULES, network)
    slow = slow_zones.clear(book, network, -15, 15)
    assert (clearing.welfare_ukrw, clearing.volume_wh) == (slow.welfare, slow.volume_wh)
    assert clearing.carriage_ukrw()[0] == slow.fees
    assert clearing.fill_wh.tolist() == slow.fill_wh
    assert sum(link.flow_wh for link in clearing.links) == slow.flow_wh
    linked = {node for link in network.links for node in (link.from_node, link.to_node)}
    for node in clearing.nodes:
        if node.bought_wh + node.sold_wh > 0 or node.node in linked:
            found = (node.low_mkrw_per_kwh, node.high_mkrw_per_kwh)
            assert found == slow.prices[node.node]


@given(rows_of_zones)
@settings(settings.get_profile("market"), deadline=None)
def test_zones_with_free_unlimited_links_clear_like_one_zone(rows: Rows) -> None:
    many = book_from(rows)
    pairs = [(0, 3), (3, 0), (1, 3), (3, 1), (1, 2), (2, 1)]
    network = MarketNetwork(tuple(MarketLink(a, b) for a, b in pairs))
    one = replace(many, node=many.node * 0)
    one.__dict__["root"] = many.root  # the same sealed book, so the same tie keys
    joined, single = clear_slot(many, RULES, network), clear_slot(one, RULES)
    assert joined.fill_wh.tobytes() == single.fill_wh.tobytes()
    assert joined.fills_root == single.fills_root
    assert (joined.volume_wh, joined.welfare_ukrw) == (single.volume_wh, single.welfare_ukrw)
    if single.volume_wh:
        (node,) = single.nodes
        for other in joined.nodes:
            assert other.price_mkrw_per_kwh == node.price_mkrw_per_kwh
            assert other.low_mkrw_per_kwh == node.low_mkrw_per_kwh
            assert other.high_mkrw_per_kwh == node.high_mkrw_per_kwh


@given(rows_of_zones, networks(), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_tighter_limits_never_raise_welfare(
    rows: Rows, network: MarketNetwork, data: st.DataObject
) -> None:
    book = book_from(rows)
    before = clear_slot(book, RULES, network)
    for link in before.links[:2]:
        cut = LinkLimit(link.from_node, link.to_node, data.draw(st.integers(0, 6)))
        network = network.limited([cut])
    after = clear_slot(book, RULES, network)
    assert after.welfare_ukrw <= before.welfare_ukrw
    assert check_clearing(book, RULES, after, network) == []


@given(rows_of_zones.filter(bool), networks(), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_better_limit_never_lowers_ones_own_fill(
    rows: Rows, network: MarketNetwork, data: st.DataObject
) -> None:
    chosen = data.draw(st.integers(0, len(rows) - 1))
    side, price, e_wh, node = rows[chosen]
    better = price + data.draw(st.integers(1, 5)) * (1 if side == Side.BID else -1)
    improved = [*rows]
    improved[chosen] = (side, better, e_wh, node)
    before = _fill_of(clear_slot(book_from(rows), RULES, network), 0, chosen)
    after = _fill_of(clear_slot(book_from(improved, salt=1), RULES, network), 1, chosen)
    assert after >= before


def _fill_of(clearing: Clearing, salt: int, row: int) -> int:
    return clearing.fill_by_tag()[hashlib.sha256(repr((salt, row)).encode()).digest()]


@given(rows_of_zones.filter(bool), networks(), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_whatever_is_changed_in_the_result_is_refuted(
    rows: Rows, network: MarketNetwork, data: st.DataObject
) -> None:
    book = book_from(rows)
    clearing = clear_slot(book, RULES, network)
    by = data.draw(st.sampled_from([-2, -1, 1, 2]))
    kind = data.draw(st.sampled_from(["fill", "flow", "node", "link", "total", "message"]))
    if kind == "fill":
        fill_wh = clearing.fill_wh.copy()
        fill_wh[data.draw(st.integers(0, len(rows) - 1))] += by
        changed = replace(clearing, fill_wh=fill_wh)
    elif kind in ("flow", "link") and clearing.links:
        at = data.draw(st.integers(0, len(clearing.links) - 1))
        name = "flow_wh" if kind == "flow" else data.draw(
            st.sampled_from(["from_node", "to_node", "capacity_wh", "fee_mkrw_per_kwh"])
        )  # fmt: skip
        link = replace(clearing.links[at], **{name: getattr(clearing.links[at], name) + by})
        links = (*clearing.links[:at], link, *clearing.links[at + 1 :])
        changed = replace(clearing, links=links)
    elif kind == "node":
        at = data.draw(st.integers(0, NODES))
        node = clearing.nodes[at]
        name = data.draw(st.sampled_from([*node.__dataclass_fields__]))
        moved = replace(node, **{name: int(getattr(node, name)) + by})
        changed = replace(clearing, nodes=(*clearing.nodes[:at], moved, *clearing.nodes[at + 1 :]))
    elif kind == "message":
        message = clearing_message(clearing, round=1, network_version=8, plan=bytes(32))
        assert check_message(book, RULES, message, clearing.fill_wh.tolist(), network)
        return
    else:
        name = data.draw(
            st.sampled_from(["volume_wh", "welfare_ukrw", "rules_version", "network_version"])
        )
        changed = replace(clearing, **{name: getattr(clearing, name) + by})
    assert check_clearing(book, RULES, changed, network)


@given(rows_of_zones.filter(lambda rows: len(rows) > 2), networks(), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_wh_moved_between_two_orders_of_one_node_and_side_is_refuted(
    rows: Rows, network: MarketNetwork, data: st.DataObject
) -> None:
    """Balances stay whole, so only merit order, fair shares, remainders or tie keys can tell."""
    book = book_from(rows)
    clearing = clear_slot(book, RULES, network)
    fill, pairs = clearing.fill_wh, []
    for giver in range(len(book)):
        for taker in range(len(book)):
            alike = book.node[giver] == book.node[taker] and book.side[giver] == book.side[taker]
            if alike and giver != taker and fill[giver] > 0 and fill[taker] < book.e_wh[taker]:
                pairs.append((giver, taker))
    if not pairs:
        return
    giver, taker = data.draw(st.sampled_from(pairs))
    moved = fill.copy()
    moved[giver] -= 1
    moved[taker] += 1
    limit, sign = book.price_mkrw_per_kwh, 1 if book.side[giver] == Side.BID else -1
    worth = sign * int(limit[taker] - limit[giver])
    changed = replace(clearing, fill_wh=moved, welfare_ukrw=clearing.welfare_ukrw + worth)
    assert check_clearing(book, RULES, changed, network)


def test_a_circle_of_free_links_is_refuted() -> None:
    book, _ = table(TWO_ZONES)
    network = MarketNetwork((MarketLink(0, 1, 900), MarketLink(1, 0, 900)))
    clearing = clear_slot(book, WON, network)
    forth, back = clearing.links
    around = replace(
        clearing,
        links=(replace(forth, flow_wh=forth.flow_wh), replace(back, flow_wh=back.flow_wh)),
    )
    assert check_clearing(book, WON, around, network) == []
    wide = MarketNetwork((MarketLink(0, 1, 2_000), MarketLink(1, 0, 2_000)))
    clearing = clear_slot(book, WON, wide)
    links = tuple(replace(link, flow_wh=link.flow_wh + 5) for link in clearing.links)
    rules = [one.rule for one in check_clearing(book, WON, replace(clearing, links=links), wide)]
    assert "least flow" in rules


def test_the_transfer_matrix_names_fee_and_narrowest_link() -> None:
    links = (MarketLink(0, 2, 500, 3_000), MarketLink(2, 1, 300, 4_000), MarketLink(1, 0, 9, 0))
    network = MarketNetwork(links, (MarketZone(10, 0, 0), MarketZone(11, 1, 1)))
    found = {(one.seller_zone, one.buyer_zone): one for one in transfer_matrix(network)}
    assert found[10, 11].fee_mkrw_per_kwh == 7_000 and found[10, 11].limiting == links[1]
    assert found[11, 10].fee_mkrw_per_kwh == 0 and found[11, 10].limiting == links[2]
    assert found[10, 10].fee_mkrw_per_kwh == 0 and found[10, 10].limiting is None
    apart = {
        (one.seller_zone, one.buyer_zone): one.fee_mkrw_per_kwh
        for one in transfer_matrix(network.without([1]))
    }
    assert apart[10, 11] is None


def _raises(make: Callable[[], object]) -> str:
    with pytest.raises(MarketError) as error:
        make()
    return str(error.value)


def test_bad_networks_get_one_sentence() -> None:
    known = {
        "version": 3,
        "zones": [{"zone": 1, "node": 1}, {"zone": 2, "sell_node": 2, "buy_node": 3}],
        "links": [{"from": 1, "to": 2, "both_ways": True, "fee_mkrw_per_kwh": 5}],
    }
    network = build_network(known)
    assert (network.version, len(network.links), network.node_of(2, 1)) == (3, 2, 3)
    for changed, sentence in (
        ({"zones": 3}, "network: zones is 3, allowed a list of tables"),
        ({"links": [{"from": 1}]}, "network: links 1: to is nothing, allowed a whole number"),
        ({"links": [{"from": 1, "to": 1}]}, "network: link 1 -> 1 stands twice, ends where"),
        ({"links": [{"from": 1, "to": 2, "fee": 1}]}, "unknown key 'fee', allowed: both_ways"),
        ({"version": -1}, "network: version is -1, allowed a whole number 0.."),
        ({"zones": [{"zone": 1, "node": 1}] * 2}, "network: zones [1, 1], allowed each zone once"),
    ):
        assert sentence in _raises(lambda changed=changed: build_network({**known, **changed}))
    assert "zone 9 is unknown" in _raises(lambda: network.node_of(9, 1))
    assert "no link 7 -> 8" in _raises(lambda: network.limited([LinkLimit(7, 8, 0)]))
    book, _ = table("bid b 9 100 150")
    assert "node 9, allowed the nodes" in _raises(lambda: clear_slot(book, WON, network))
