"""The offline check of joined zones: it believes what the engine clears and nothing beside it.

Zones hang on a busbar that all share, with the operator behind it; ties are common, ways narrow.
"""

import copy
import hashlib
import random
from dataclasses import replace
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing, clear_slot, clearing_message
from market.merkle import leaf_hash, root_of
from market.network import MarketLink, MarketNetwork, MarketZone
from market.rules import MarketRules
from market.verifier import _BOOK_LEAF, _FILL_LEAF, _read_line, broken_rules

SLOT = 1_784_084_400
RULES = MarketRules()
PLAIN = {"floor_mkrw_per_kwh": 0, "cap_mkrw_per_kwh": 1_000_000}
SPC, BUSBAR = 0, 1
NODE_VALUES = (
    "outcome", "flags", "low_mkrw_per_kwh", "high_mkrw_per_kwh", "price_mkrw_per_kwh",
    "bought_wh", "sold_wh", "margin_mkrw_per_kwh", "margin_open_wh", "margin_filled_wh",
)  # fmt: skip


def star(rng: random.Random, zones: int) -> MarketNetwork:
    """The operator, the busbar and zones behind it, some with a local fee between their sides."""
    rooms, fees = (0, 3, 9, 40, 2**63 - 1), (0, 1_000, 2_000)
    links = [MarketLink(SPC, BUSBAR, rng.choice(rooms)), MarketLink(BUSBAR, SPC, rng.choice(rooms))]
    found = []
    for zone in range(zones):
        sell = 2 + 2 * zone
        local, fee = rng.choice((0, 0, 500)), rng.choice(fees)
        buy = sell + 1 if local else sell
        found.append(MarketZone(zone, sell, buy))
        links.append(MarketLink(BUSBAR, buy, rng.choice(rooms), fee))
        links.append(MarketLink(sell, BUSBAR, rng.choice(rooms), fee))
        if local:
            links.append(MarketLink(sell, buy, fee_mkrw_per_kwh=local))
    return MarketNetwork(tuple(links), tuple(found), version=3)


def drawn_book(rng: random.Random, network: MarketNetwork) -> Book:
    """Small quantities at few prices in every zone, the operator's on both sides."""
    rows = []
    for number in range(rng.randrange(0, 14)):
        side, zone = rng.choice((1, 2)), rng.choice(network.zones)
        node = SPC if rng.random() < 0.2 else zone.buy_node if side == 1 else zone.sell_node
        price = 1_000 * rng.randrange(96, 105)
        tag = hashlib.sha256(rng.randbytes(8) + bytes([number])).digest()
        rows.append(BookRow(tag, zone.zone, side, price, rng.randrange(1, 13), node))
    return book_of(SLOT, rows)


def cleared(seed: int) -> tuple[Clearing, MarketNetwork]:
    """The engine's clearing, which its own check has passed; in every fourth a zone is closed."""
    rng = random.Random(seed)
    network = star(rng, rng.randrange(1, 4))
    if seed % 4 == 0:
        network = network.without([rng.choice(network.zones).buy_node])
    book = drawn_book(rng, network)
    found = replace(clear_slot(book, RULES, network), round=3 if network.forced else 1)
    assert check_clearing(book, RULES, found, network) == []
    return found, network


Shown = tuple[dict[str, Any], list[tuple[Any, ...]], dict[str, Any]]


def shown(found: Clearing, network: MarketNetwork) -> Shown:
    """Message, rows and network as the bundle carries them."""
    book = found.book
    columns = (book.node, book.side, book.price_mkrw_per_kwh, book.e_wh, found.fill_wh)
    rows = list(zip(book.tags(), *(one.tolist() for one in columns), strict=True))
    message = clearing_message(found, round=found.round, network_version=3, plan=bytes(32))
    return message, rows, _read_line(network.text)


def findings(message: dict[str, Any], rows: list[Any], network: dict[str, Any]) -> list[str]:
    return [rule for rule, _ in broken_rules(message, PLAIN, rows, network)]


def with_fills(message: dict[str, Any], rows: list[Any], moved: dict[int, int]) -> list[Any]:
    """The rows with other fills, everything that only adds them up made to fit."""
    rows = [(*row[:5], row[5] + moved.get(n, 0)) for n, row in enumerate(rows)]
    signs = {1: 1, 2: -1}
    fees = sum(one["flow_wh"] * one["fee_mkrw_per_kwh"] for one in message["links"])
    message["fills_root"] = root_of([leaf_hash(_FILL_LEAF.pack(1, r[0], r[5], 0)) for r in rows])
    message["book_root"] = root_of([leaf_hash(_BOOK_LEAF.pack(1, *r[:5])) for r in rows])
    message["welfare_ukrw"] = sum(r[3] * r[5] * signs[r[2]] for r in rows) - fees
    message["volume_wh"] = sum(r[5] for r in rows if r[2] == 1)
    for node in message["nodes"]:
        mine = [r for r in rows if r[1] == node["node"]]
        node["bought_wh"], node["sold_wh"] = (
            sum(r[5] for r in mine if r[2] == side) for side in (1, 2)
        )
    return rows


@given(st.integers(0, 2**32))
@settings(settings.get_profile("market"), deadline=None)
def test_what_the_engine_clears_on_zones_is_believed(seed: int) -> None:
    assert findings(*shown(*cleared(seed))) == []


@given(st.integers(0, 2**32), st.sampled_from([-1, 1, 1000]), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_any_value_of_a_node_changed_is_refuted(seed: int, by: int, data: st.DataObject) -> None:
    message, rows, network = shown(*cleared(seed))
    node = data.draw(st.sampled_from(message["nodes"]))
    node[data.draw(st.sampled_from(NODE_VALUES))] += by
    assert findings(message, rows, network) != []


@given(st.integers(0, 2**32), st.sampled_from([-1, 1, 1000]), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_flow_or_a_fee_changed_is_refuted(seed: int, by: int, data: st.DataObject) -> None:
    message, rows, network = shown(*cleared(seed))
    link = data.draw(st.sampled_from(message["links"]))
    link[data.draw(st.sampled_from(["flow_wh", "fee_mkrw_per_kwh", "from_node", "to_node"]))] += by
    assert findings(message, rows, network) != []


@given(st.integers(0, 2**32), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_a_wh_moved_from_one_order_to_another_is_refuted(seed: int, data: st.DataObject) -> None:
    """Also between zones, and with all sums and roots made to fit: then only fairness tells."""
    message, rows, network = shown(*cleared(seed))
    filled = [n for n, row in enumerate(rows) if row[5] > 0]
    left = [n for n, row in enumerate(rows) if row[5] < row[4]]
    pairs = [(a, b) for a in filled for b in left if a != b and rows[a][2] == rows[b][2]]
    if not pairs:
        return
    a, b = data.draw(st.sampled_from(pairs))
    rows = with_fills(message, rows, {a: -1, b: 1})
    assert findings(message, rows, network) != []


@given(st.integers(0, 2**32), st.integers(1, 5), st.data())
@settings(settings.get_profile("market"), deadline=None)
def test_energy_that_goes_in_a_circle_is_refuted(seed: int, wh: int, data: st.DataObject) -> None:
    message, rows, network = shown(*cleared(seed))
    open_ = {n["node"] for n in message["nodes"] if not n["flags"] & 4}
    pairs = [
        (one, other)
        for one in message["links"]
        for other in message["links"]
        if (one["from_node"], one["to_node"]) == (other["to_node"], other["from_node"])
        and {one["from_node"], one["to_node"]} <= open_
        and all(link["flow_wh"] + wh <= link["capacity_wh"] for link in (one, other))
    ]
    if not pairs:
        return
    for link in data.draw(st.sampled_from(pairs)):
        link["flow_wh"] += wh
    rows = with_fills(message, rows, {})
    assert findings(message, rows, network) != []


def congested() -> Shown:
    """Example 2 of the market guide with a busbar between: the way from A is full."""
    links = (
        MarketLink(SPC, BUSBAR), MarketLink(BUSBAR, SPC),
        MarketLink(BUSBAR, 2, fee_mkrw_per_kwh=4_000), MarketLink(2, BUSBAR, 900, 4_000),
        MarketLink(BUSBAR, 4, fee_mkrw_per_kwh=4_000), MarketLink(4, BUSBAR, 900, 4_000),
    )  # fmt: skip
    network = MarketNetwork(links, (MarketZone(0, 2, 2), MarketZone(1, 4, 4)), version=3)
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(4)]
    rows = [
        BookRow(tags[0], 0, 2, 60_000, 2_000, 2), BookRow(tags[1], 0, 1, 130_000, 500, 2),
        BookRow(tags[2], 1, 2, 140_000, 800, 4), BookRow(tags[3], 1, 1, 180_000, 1_500, 4),
    ]  # fmt: skip
    found = clear_slot(book_of(SLOT, rows), RULES, network)
    assert found.carriage_ukrw() == (7_200_000, 64_800_000)
    assert (found.prices()[2], found.prices()[4]) == (60_000, 140_000)
    return shown(found, network)


LIES = {
    "a full way shown with room left": (lambda m: m["links"][3].update(capacity_wh=901), "fee"),
    "a way given more room than its own": (
        lambda m: m["links"][2].update(capacity_wh=2**63), "network"),
    "another version": (lambda m: m.update(network_version=4), "network"),
    "a fee waived": (lambda m: m["links"][3].update(fee_mkrw_per_kwh=0), "network"),
    "a way left out": (lambda m: m["links"].pop(), "network"),
    "a hub left out": (lambda m: m["nodes"].pop(1), "network"),
    "a zone closed before the third round": (lambda m: m["nodes"][2].update(flags=4), "forced"),
    "a price of a hub": (lambda m: m["nodes"][1].update(price_mkrw_per_kwh=64_001), "fee"),
    "least price of a hub": (lambda m: m["nodes"][1].update(low_mkrw_per_kwh=1), "low_mkrw"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_a_congested_way_is_named(lie: str) -> None:
    tell, named = LIES[lie]
    message, rows, network = congested()
    assert findings(message, rows, network) == []
    told = copy.deepcopy(message)
    tell(told)
    assert any(named in rule for rule in findings(told, rows, network))


def test_three_thousand_orders_in_six_zones_are_checked_in_a_second() -> None:
    rng = random.Random(7)
    network = star(random.Random(2), 6)
    rows = []
    for _ in range(3_000):
        side, zone = rng.choice((1, 2)), rng.choice(network.zones)
        node = zone.buy_node if side == 1 else zone.sell_node
        price = 100 * rng.randrange(1_000, 1_030)
        rows.append(BookRow(rng.randbytes(32), zone.zone, side, price, rng.randrange(1, 900), node))
    parts = shown(clear_slot(book_of(SLOT, rows), RULES, network), network)
    begun = process_time()
    assert findings(*parts) == []
    assert process_time() - begun < 2.0
