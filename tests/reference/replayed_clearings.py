"""Clearings whose books follow from a seed, under one digest: the same in every process, ever."""

import hashlib
import sys
from dataclasses import astuple
from random import Random

from market.book import Book, BookRow, book_of
from market.clearing import clear_slot
from market.network import MarketLink, MarketNetwork, MarketZone
from market.rules import MarketRules

SLOT = 1_784_084_400
BOOKS = 400
RULES = MarketRules(floor_mkrw_per_kwh=-1_000, cap_mkrw_per_kwh=1_000, tick_mkrw_per_kwh=1)


def digest_of_many_clearings() -> str:
    """SHA-256 over roots, fills, nodes and links of `BOOKS` books, each cleared in two networks."""
    rng, found = Random(20_260_715), hashlib.sha256()
    for _ in range(BOOKS):
        book, network = drawn_book(rng), drawn_network(rng)
        for clearing in (clear_slot(book, RULES), clear_slot(book, RULES, network)):
            found.update(book.root + clearing.fills_root)
            found.update(clearing.fill_wh.astype("<i8").tobytes())
            for row in (*clearing.nodes, *clearing.links):
                found.update(repr([int(number) for number in astuple(row)]).encode())
    return found.hexdigest()


def drawn_book(rng: Random) -> Book:
    """Up to twelve orders in three zones, ties everywhere."""
    rows = []
    for number in range(rng.randint(0, 12)):
        tag = hashlib.sha256(f"{number} {rng.random()}".encode()).digest()
        zone, side = rng.randint(0, 2), rng.randint(1, 2)
        rows.append(BookRow(tag, zone, side, rng.randint(-6, 8), rng.randint(1, 9), zone))
    return book_of(SLOT, rows)


def drawn_network(rng: Random) -> MarketNetwork:
    """Three zones in a row, links both ways."""
    links = tuple(
        MarketLink(one, other, rng.randint(0, 9), rng.randint(0, 3))
        for one, other in ((0, 1), (1, 0), (1, 2), (2, 1))
    )
    return MarketNetwork(links, tuple(MarketZone(n, n, n) for n in range(3)))


if __name__ == "__main__":
    sys.stdout.write(digest_of_many_clearings())
