"""Is a clearing right? The matcher is not trusted: this says so from the rows alone.

No sorting, no numpy, no code of `market.clearing`; one pass over the rows a rule. That the price
lies between what every filled and every open order asks for proves that no other fills had more
welfare: it is the dual solution. Nothing is posted before the list of findings is empty.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from market.book import Book
from market.clearing import Clearing
from market.merkle import leaf_hash, root_of
from market.rules import MarketRules

BID, OFFER = 1, 2
EMPTY, NO_TRADE, BETWEEN, BID_MARGIN, OFFER_MARGIN = range(5)
SCARCE, GLUT = 1, 2


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold: at which row of the book (None: as a whole), found, allowed."""

    rule: str
    row: int | None
    found: str
    allowed: str


class Row(NamedTuple):
    """One order with its fill."""

    place: int
    tag: bytes
    node: int
    side: int
    price: int
    e_wh: int
    fill_wh: int


def check_clearing(book: Book, rules: MarketRules, clearing: Clearing) -> list[Finding]:
    """All rules that the clearing of this book breaks; an empty list is the proof.

    Roots are not looked at: `check_message` compares those of the signed message.
    """
    shown = {
        "rules_version": clearing.rules_version,
        "volume_wh": clearing.volume_wh,
        "welfare_ukrw": clearing.welfare_ukrw,
        "nodes": [
            {name: int(getattr(node, name)) for name in _NODE_FIELDS} for node in clearing.nodes
        ],
        "links": list(clearing.links),
    }
    if len(clearing.fill_wh) != len(book):
        return [Finding("count", None, str(len(clearing.fill_wh)), str(len(book)))]
    rows = _rows(book, [int(fill) for fill in clearing.fill_wh])
    return list(_findings(book, rules, shown, rows))


def check_message(
    book: Book, rules: MarketRules, message: dict[str, Any], fill_wh: Sequence[int]
) -> list[Finding]:
    """All rules that a signed `Clearing` message breaks, with the fills published beside it."""
    if len(fill_wh) != len(book):
        return [Finding("count", None, str(len(fill_wh)), str(len(book)))]
    rows = _rows(book, fill_wh)
    beyond = [row for row in rows if not 0 <= row.fill_wh <= row.e_wh]
    if beyond:
        return [_beyond(row) for row in beyond]
    found = [
        _differs("label", message["label"], 0),
        _differs("slot", message["slot"], book.slot),
        _differs("orders", message["orders"], len(rows)),
        _differs("book_root", message["book_root"].hex(), _book_root(rows).hex()),
        _differs("fills_root", message["fills_root"].hex(), _fills_root(rows).hex()),
    ]
    return [*filter(None, found), *_findings(book, rules, message, rows)]


_NODE_FIELDS = (
    "node", "outcome", "flags", "low_mkrw_per_kwh", "high_mkrw_per_kwh", "price_mkrw_per_kwh",
    "bought_wh", "sold_wh", "margin_mkrw_per_kwh", "margin_open_wh", "margin_filled_wh",
)  # fmt: skip


def _rows(book: Book, fill_wh: Sequence[int]) -> list[Row]:
    columns = (book.node, book.side, book.price_mkrw_per_kwh, book.e_wh)
    numbers = zip(book.tags(), *(column.tolist() for column in columns), fill_wh, strict=True)
    return [Row(place, *row) for place, row in enumerate(numbers)]


def _findings(
    book: Book, rules: MarketRules, shown: dict[str, Any], rows: list[Row]
) -> Iterator[Finding]:
    if shown["links"]:
        yield Finding("links", None, str(len(shown["links"])), "none")
    yield from _differing("rules_version", shown["rules_version"], rules.version)
    for row in rows:
        if not 0 <= row.fill_wh <= row.e_wh:
            yield _beyond(row)
    by_node: dict[int, list[Row]] = {}
    for row in rows:
        by_node.setdefault(row.node, []).append(row)
    expected = sorted(by_node) or [0]
    named = [node["node"] for node in shown["nodes"]]
    if named != expected:
        yield Finding("nodes", None, str(named), str(expected))
        return
    bought = sum(row.fill_wh for row in rows if row.side == BID)
    yield from _differing("volume", shown["volume_wh"], bought)
    yield from _differing("welfare", shown["welfare_ukrw"], _welfare(rows))
    for node in shown["nodes"]:
        yield from _check_node(book, rules, node, by_node.get(node["node"], []))


def _welfare(rows: list[Row]) -> int:
    return sum(row.price * row.fill_wh * (1 if row.side == BID else -1) for row in rows)


def _check_node(
    book: Book, rules: MarketRules, node: dict[str, int], rows: list[Row]
) -> Iterator[Finding]:
    bids = [row for row in rows if row.side == BID]
    offers = [row for row in rows if row.side == OFFER]
    bought, sold = sum(row.fill_wh for row in bids), sum(row.fill_wh for row in offers)
    yield from _differing("bought = sold", bought, sold)
    yield from _differing("bought", node["bought_wh"], bought)
    yield from _differing("sold", node["sold_wh"], sold)
    edge = _edge(bids, offers)
    yield from _check_edge(edge)
    if bought == 0:
        empty = not bids or not offers
        expected = dict.fromkeys(_NODE_FIELDS, 0) | {
            "node": node["node"],
            "outcome": EMPTY if empty else NO_TRADE,
            "bought_wh": node["bought_wh"],
            "sold_wh": node["sold_wh"],
        }
    else:
        expected = dict(node) | _expected(edge, rules, bids, offers)
        low, high = expected["low_mkrw_per_kwh"], expected["high_mkrw_per_kwh"]
        if not low <= node["price_mkrw_per_kwh"] <= high:
            found = str(node["price_mkrw_per_kwh"])
            yield Finding("price suits all", None, found, f"{low}..{high}")
        yield from _check_merit("bid", bids, edge.worst_bid, -1)
        yield from _check_merit("offer", offers, edge.worst_offer, 1)
        yield from _check_shares(book, [row for row in bids if row.price == edge.worst_bid])
        yield from _check_shares(book, [row for row in offers if row.price == edge.worst_offer])
    for name in _NODE_FIELDS:
        yield from _differing(name, node[name], expected[name])


class _Edge(NamedTuple):
    """The prices around which a node's book divides; None where there is none."""

    worst_bid: int | None  # lowest limit of a bid with a fill
    open_bid: int | None  # highest limit of a bid with Wh left
    worst_offer: int | None
    open_offer: int | None


def _edge(bids: list[Row], offers: list[Row]) -> _Edge:
    return _Edge(
        min((row.price for row in bids if row.fill_wh > 0), default=None),
        max((row.price for row in bids if row.fill_wh < row.e_wh), default=None),
        max((row.price for row in offers if row.fill_wh > 0), default=None),
        min((row.price for row in offers if row.fill_wh < row.e_wh), default=None),
    )


def _check_edge(edge: _Edge) -> Iterator[Finding]:
    """No two open orders that could still meet, and a price that suits everybody exists."""
    lows = {"offer filled": edge.worst_offer, "bid open": edge.open_bid}
    highs = {"bid filled": edge.worst_bid, "offer open": edge.open_offer}
    for low_name, low in lows.items():
        for high_name, high in highs.items():
            if low is None or high is None:
                continue
            both_open = low_name == "bid open" and high_name == "offer open"
            if low > high or (both_open and low == high):
                yield Finding("valid price", None, f"{low_name} at {low}", f"{high_name} at {high}")


def _expected(
    edge: _Edge, rules: MarketRules, bids: list[Row], offers: list[Row]
) -> dict[str, int]:
    """What the node must show, from its edge; only where both sides have fills."""
    lows = [price for price in (edge.worst_offer, edge.open_bid) if price is not None]
    highs = [price for price in (edge.worst_bid, edge.open_offer) if price is not None]
    if edge.worst_bid is None or edge.worst_offer is None:
        return {"outcome": NO_TRADE}
    low, high = max(lows), min(highs)
    middle = (low + high) // 2
    price = max(rules.floor_mkrw_per_kwh, min(middle, rules.cap_mkrw_per_kwh))
    outcome, margin = BETWEEN, dict.fromkeys(("mkrw_per_kwh", "open_wh", "filled_wh"), 0)
    for side, kind, worst, still_open in (
        (bids, BID_MARGIN, edge.worst_bid, edge.open_bid),
        (offers, OFFER_MARGIN, edge.worst_offer, edge.open_offer),
    ):
        if worst == still_open:
            group = [row for row in side if row.price == worst]
            outcome = kind
            margin = {
                "mkrw_per_kwh": worst,
                "open_wh": sum(row.e_wh for row in group),
                "filled_wh": sum(row.fill_wh for row in group),
            }
    scarce = edge.open_offer is None and edge.open_bid == low
    glut = edge.open_bid is None and edge.open_offer == high
    return {
        "outcome": outcome,
        "flags": SCARCE * scarce + GLUT * glut,
        "low_mkrw_per_kwh": low,
        "high_mkrw_per_kwh": high,
        "price_mkrw_per_kwh": price,
        **{f"margin_{name}": value for name, value in margin.items()},
    }


def _check_merit(side: str, rows: list[Row], worst: int | None, sign: int) -> Iterator[Finding]:
    """Better than the worst price that was filled: all filled; there may be no envy."""
    for row in rows:
        if worst is not None and sign * row.price < sign * worst and row.fill_wh != row.e_wh:
            yield Finding(f"{side} in merit order", row.place, str(row.fill_wh), str(row.e_wh))


def _check_shares(book: Book, group: list[Row]) -> Iterator[Finding]:
    """At the margin: equal shares, floor or one more, by remainder and then by tie key."""
    open_wh, filled_wh = sum(row.e_wh for row in group), sum(row.fill_wh for row in group)
    if filled_wh in (0, open_wh):
        return
    winners: list[tuple[int, Row]] = []
    losers: list[tuple[int, Row]] = []
    for row in group:
        share, rest = divmod(row.e_wh * filled_wh, open_wh)
        if row.fill_wh not in (share, share + 1):
            yield Finding("equal share", row.place, str(row.fill_wh), f"{share} or {share + 1}")
        (winners if row.fill_wh == share + 1 else losers).append((rest, row))
    if not winners or not losers:
        return
    worst, best = min(rest for rest, _ in winners), max(rest for rest, _ in losers)
    if worst < best:
        found, allowed = f"{worst} got a Wh more", f"{best}, which got none, goes first"
        yield Finding("largest remainder", None, found, allowed)
    elif worst == best:
        root = _book_root(_rows(book, [0] * len(book)))
        last = max(_tie(book.slot, root, row.tag) for rest, row in winners if rest == worst)
        first = min(_tie(book.slot, root, row.tag) for rest, row in losers if rest == best)
        if last > first:
            yield Finding("tie key", None, last.hex(), f"below {first.hex()}")


def _tie(slot: int, book_root: bytes, tag: bytes) -> bytes:
    return hashlib.sha256(b"tie/1" + struct.pack(">Q", slot) + book_root + tag).digest()


def _book_root(rows: list[Row]) -> bytes:
    """Root over `0x01, tag, node (4), side (1), price (8), e_wh (8)`, in order of tag."""
    return root_of(
        [
            leaf_hash(b"\x01" + row.tag + struct.pack(">IBqQ", row.node, row.side, *row[4:6]))
            for row in rows
        ]
    )


def _fills_root(rows: list[Row]) -> bytes:
    """Root over `0x01, tag, fill (8), label fill (8)`, in order of tag."""
    return root_of(
        [leaf_hash(b"\x01" + row.tag + struct.pack(">QQ", row.fill_wh, 0)) for row in rows]
    )


def _beyond(row: Row) -> Finding:
    return Finding("fill within quantity", row.place, str(row.fill_wh), f"0..{row.e_wh}")


def _differs(rule: str, found: object, allowed: object) -> Finding | None:
    return None if found == allowed else Finding(rule, None, str(found), str(allowed))


def _differing(rule: str, found: object, allowed: object) -> Iterator[Finding]:
    finding = _differs(rule, found, allowed)
    if finding is not None:
        yield finding
