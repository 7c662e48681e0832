"""The verifier's own auction check: what the engine clears holds, what is changed does not."""

import hashlib
import random
from typing import Any

import pytest

from market.book import BookRow, book_of
from market.clearing import Clearing, clear_slot, clearing_message
from market.network import MarketLink, MarketNetwork, MarketZone
from market.rules import MarketRules
from market.verifier import broken_rules

SLOT = 1_784_084_400
RULES = MarketRules()
PLAIN = {"floor_mkrw_per_kwh": 0, "cap_mkrw_per_kwh": 1_000_000}


def network(rng: random.Random) -> MarketNetwork:
    links = tuple(
        MarketLink(a, b, rng.choice([0, 300, 900, 10**9]), rng.choice([1_000, 8_000]))
        for a, b in ((0, 1), (1, 0), (1, 2), (2, 1))
    )
    return MarketNetwork(links, tuple(MarketZone(n, n, n) for n in range(3)))


def cleared(rng: random.Random, joined: MarketNetwork | None) -> Clearing:
    rows = [
        BookRow(
            hashlib.sha256(rng.randbytes(8)).digest(),
            zone=0,
            side=rng.choice([1, 2]),
            price_mkrw_per_kwh=rng.randrange(80, 160) * 1000,
            e_wh=rng.randrange(1, 900),
            node=rng.randrange(3) if joined else 0,
        )
        for _ in range(rng.randrange(0, 30))
    ]
    return clear_slot(book_of(SLOT, rows), RULES, joined)


def parts(found: Clearing) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    book = found.book
    columns = (book.node, book.side, book.price_mkrw_per_kwh, book.e_wh, found.fill_wh)
    rows = list(zip(book.tags(), *(one.tolist() for one in columns), strict=True))
    message = clearing_message(found, round=1, network_version=1, plan=bytes(32))
    return message, rows


@pytest.mark.parametrize("joined", [False, True], ids=["one node", "linked nodes"])
def test_what_the_engine_clears_breaks_no_rule(joined: bool) -> None:
    rng, traded = random.Random(4), 0
    for _ in range(300):
        message, rows = parts(cleared(rng, network(rng) if joined else None))
        assert list(broken_rules(message, PLAIN, rows)) == []
        traded += message["volume_wh"] > 0
    assert traded > 200


@pytest.mark.parametrize("joined", [False, True], ids=["one node", "linked nodes"])
def test_a_wh_or_a_won_moved_anywhere_breaks_one(joined: bool) -> None:
    rng, tried = random.Random(5), 0
    while tried < 300:
        message, rows = parts(cleared(rng, network(rng) if joined else None))
        filled = [n for n, row in enumerate(rows) if row[5] > 0]
        if len(filled) < 2:
            continue
        tried += 1
        kind = rng.choice(["fill", "price", "volume", "welfare", "row", "flow"])
        if kind == "fill":
            # One gets a Wh that another loses: sums stay, and the roots are made to fit.
            a, b = rng.sample(filled, 2)
            rows = [*rows]
            rows[a], rows[b] = (
                (*rows[a][:5], rows[a][5] + 1),
                (*rows[b][:5], rows[b][5] - 1),
            )
        elif kind == "price":
            node = rng.choice([one for one in message["nodes"] if one["bought_wh"]] or [None])
            if node is None:
                continue
            node["price_mkrw_per_kwh"] += 100_000
        elif kind == "flow":
            if not message["links"]:
                continue
            rng.choice(message["links"])["flow_wh"] += 1
        elif kind == "row":
            rows = [row for n, row in enumerate(rows) if n != filled[0]]
        else:
            name = {"volume": "volume_wh", "welfare": "welfare_ukrw"}[kind]
            message[name] += 1
        assert next(broken_rules(message, PLAIN, rows), None) is not None, kind


def test_a_plain_transfer_of_the_shared_margin_is_named() -> None:
    tags = [hashlib.sha256(bytes([n])).digest() for n in range(3)]
    rows = [
        BookRow(tags[0], 0, 1, 100_000, 600),
        BookRow(tags[1], 0, 1, 100_000, 300),
        BookRow(tags[2], 0, 2, 90_000, 300),
    ]
    found = clear_slot(book_of(SLOT, rows), RULES)
    message, shown = parts(found)
    assert {row[0]: row[5] for row in shown} == {tags[0]: 200, tags[1]: 100, tags[2]: 300}
    moved = [(*row[:5], {tags[0]: 199, tags[1]: 101}.get(row[0], row[5])) for row in shown]
    rules = {rule for rule, _ in broken_rules(message, PLAIN, moved)}
    assert rules == {"fills_root", "equal share"}
