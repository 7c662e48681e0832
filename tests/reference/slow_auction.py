"""The call auction written from its definition: every volume, every price, exact fractions."""

import hashlib
from fractions import Fraction
from typing import NamedTuple

from market.book import Book

BID, OFFER = 1, 2


class SlowResult(NamedTuple):
    """What the definition says of a book; without a trade `prices` is empty."""

    volume_wh: int
    welfare_ukrw: int
    fill_wh: list[int]
    prices: range


def clear(book: Book, floor: int, cap: int) -> SlowResult:
    """Greatest welfare, then greatest volume, equal shares at the margin, all valid prices."""
    sides = {side: [n for n in range(len(book)) if book.side[n] == side] for side in (BID, OFFER)}
    steps = {side: _merit_order(book, rows, side) for side, rows in sides.items()}
    most = min(len(steps[BID]), len(steps[OFFER]))
    worth = [0]
    for wh in range(most):
        worth.append(worth[-1] + steps[BID][wh] - steps[OFFER][wh])
    volume = max(v for v in range(most + 1) if worth[v] == max(worth))
    fill = [0] * len(book)
    for side, rows in sides.items():
        for n, wh in _shares(book, rows, side, volume).items():
            fill[n] = wh
    prices = [p for p in range(floor, cap + 1) if volume and _suits(book, fill, p)]
    if prices:
        assert prices == list(range(prices[0], prices[-1] + 1))
    return SlowResult(
        volume, max(worth), fill, range(prices[0], prices[-1] + 1) if prices else range(0)
    )


def _merit_order(book: Book, rows: list[int], side: int) -> list[int]:
    """The price of each single Wh, best first."""
    single = [int(book.price_mkrw_per_kwh[n]) for n in rows for _ in range(int(book.e_wh[n]))]
    return sorted(single, reverse=side == BID)


def _shares(book: Book, rows: list[int], side: int, volume: int) -> dict[int, int]:
    left, found = volume, dict[int, int]()
    for price in sorted({int(book.price_mkrw_per_kwh[n]) for n in rows}, reverse=side == BID):
        group = [n for n in rows if book.price_mkrw_per_kwh[n] == price]
        stands = sum(int(book.e_wh[n]) for n in group)
        given = min(left, stands)
        left -= given
        exact = {n: Fraction(int(book.e_wh[n]) * given, stands) for n in group}
        found |= {n: share.numerator // share.denominator for n, share in exact.items()}
        missing = given - sum(found[n] for n in group)
        queue = sorted(group, key=lambda n: (-(exact[n] - found[n]), _tie(book, n)))
        for n in queue[:missing]:
            found[n] += 1
    return found


def _tie(book: Book, row: int) -> bytes:
    slot = book.slot.to_bytes(8, "big")
    return hashlib.sha256(b"tie/1" + slot + book.root + bytes(book.tag[row])).digest()


def _suits(book: Book, fill: list[int], price: int) -> bool:
    """At this price nobody who trades loses, and nobody who does not would gain."""
    for n in range(len(book)):
        limit, gain = int(book.price_mkrw_per_kwh[n]), 0
        gain = limit - price if book.side[n] == BID else price - limit
        if (fill[n] > 0 and gain < 0) or (fill[n] < book.e_wh[n] and gain > 0):
            return False
    return True


def clear_by_prices(book: Book, floor: int, cap: int) -> SlowResult:
    """The same from the curves, for any quantities: V = max over p of min(D(p), S(p)).

    The prices of the result are every valid one between the ends, as before.
    """
    rows = [
        (int(book.side[n]), int(book.price_mkrw_per_kwh[n]), int(book.e_wh[n]))
        for n in range(len(book))
    ]
    prices = sorted({price for _, price, _ in rows})
    volume = 0
    for price in prices:
        demand = sum(e_wh for side, limit, e_wh in rows if side == BID and limit >= price)
        supply = sum(e_wh for side, limit, e_wh in rows if side == OFFER and limit <= price)
        volume = max(volume, min(demand, supply))
    fill = [0] * len(book)
    for side in (BID, OFFER):
        here = [n for n in range(len(book)) if rows[n][0] == side]
        for n, wh in _shares(book, here, side, volume).items():
            fill[n] = wh
    welfare = sum(
        (limit if side == BID else -limit) * wh
        for (side, limit, _), wh in zip(rows, fill, strict=True)
    )
    # Whom a price suits changes at limits only: the ends of the band and limits are all to try.
    valid = [p for p in sorted({floor, cap, *prices}) if volume and _suits(book, fill, p)]
    return SlowResult(volume, welfare, fill, range(valid[0], valid[-1] + 1) if valid else range(0))
