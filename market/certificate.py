"""Is a clearing right? The matcher is not trusted: this says so from the rows alone.

No sorting, no numpy, no code of `market.clearing`; one pass over the rows a rule. That the price
lies between what every filled and every open order asks for proves that no other fills had more
welfare: it is the dual solution. Nothing is posted before the list of findings is empty.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from market.book import Book
from market.certificate_rows import (
    BETWEEN,
    BID,
    BID_MARGIN,
    EMPTY,
    FORCED,
    GLUT,
    NO_TRADE,
    NODE_FIELDS,
    OFFER,
    OFFER_MARGIN,
    SCARCE,
    Row,
    beyond,
    book_root,
    differing,
    differs,
    fills_root,
    rows_of,
    tie,
)
from market.certificate_rows import Finding as Finding
from market.certificate_zones import Joined, check_joined
from market.network import MarketLink, MarketNetwork
from market.result import Clearing
from market.rules import MarketRules


def check_clearing(
    book: Book, rules: MarketRules, clearing: Clearing, network: MarketNetwork | None = None
) -> list[Finding]:
    """All rules that the clearing of this book breaks; an empty list is the proof.

    `network` is that of the slot as `clear_slot` had it. Roots are not looked at: `check_message`
    compares those of the signed message.
    """
    shown = {
        "rules_version": clearing.rules_version,
        "volume_wh": clearing.volume_wh,
        "welfare_ukrw": clearing.welfare_ukrw,
        "nodes": [
            {name: int(getattr(node, name)) for name in NODE_FIELDS} for node in clearing.nodes
        ],
        "links": [{name: getattr(link, name) for name in _LINK_FIELDS} for link in clearing.links],
        "network_version": clearing.network_version,
    }
    if len(clearing.fill_wh) != len(book):
        return [Finding("count", None, str(len(clearing.fill_wh)), str(len(book)))]
    rows = rows_of(book, [int(fill) for fill in clearing.fill_wh])
    return list(_findings(book, rules, shown, rows, network))


def check_message(
    book: Book,
    rules: MarketRules,
    message: dict[str, Any],
    fill_wh: Sequence[int],
    network: MarketNetwork | None = None,
    label: int = 0,
) -> list[Finding]:
    """All rules that a signed `Clearing` message breaks, with the fills published beside it."""
    if len(fill_wh) != len(book):
        return [Finding("count", None, str(len(fill_wh)), str(len(book)))]
    rows = rows_of(book, fill_wh)
    impossible = [row for row in rows if not 0 <= row.fill_wh <= row.e_wh]
    if impossible:
        return [beyond(row) for row in impossible]
    found = [
        differs("label", message["label"], label),
        differs("slot", message["slot"], book.slot),
        differs("orders", message["orders"], len(rows)),
        differs("book_root", message["book_root"].hex(), book_root(rows).hex()),
        differs("fills_root", message["fills_root"].hex(), fills_root(rows).hex()),
    ]
    return [*filter(None, found), *_findings(book, rules, message, rows, network)]


_LINK_FIELDS = ("from_node", "to_node", "flow_wh", "capacity_wh", "fee_mkrw_per_kwh")


def _findings(
    book: Book,
    rules: MarketRules,
    shown: dict[str, Any],
    rows: list[Row],
    network: MarketNetwork | None,
) -> Iterator[Finding]:
    yield from differing("rules_version", shown["rules_version"], rules.version)
    impossible = [row for row in rows if not 0 <= row.fill_wh <= row.e_wh]
    if impossible:
        yield from map(beyond, impossible)
        return
    by_node: dict[int, list[Row]] = {}
    for row in rows:
        by_node.setdefault(row.node, []).append(row)
    if network is None:
        network, expected = MarketNetwork(version=shown["network_version"]), sorted(by_node) or [0]
    else:
        expected = sorted(network.nodes()) or [0]
    yield from differing("network_version", shown["network_version"], network.version)
    named = [node["node"] for node in shown["nodes"]]
    known = [[*_ends(one), one.capacity_wh, one.fee_mkrw_per_kwh] for one in network.links]
    linked = [[one[name] for name in _LINK_FIELDS if name != "flow_wh"] for one in shown["links"]]
    foreign = sorted(by_node.keys() - set(expected))
    if named != expected or linked != known or foreign:
        yield from differing("nodes", named, expected)
        yield from differing("links", linked, known)
        yield from differing("nodes of the book", foreign, [])
        return
    bought = sum(row.fill_wh for row in rows if row.side == BID)
    fees = sum(one["fee_mkrw_per_kwh"] * one["flow_wh"] for one in shown["links"])
    yield from differing("volume", shown["volume_wh"], bought)
    yield from differing("welfare", shown["welfare_ukrw"], _welfare(rows) - fees)
    joined = {
        node for one in network.links for node in _ends(one) if not network.forced & {*_ends(one)}
    }
    for node in shown["nodes"]:
        here = by_node.get(node["node"], [])
        if node["node"] in network.forced:
            yield from _check_forced(node, here)
        elif node["node"] not in joined:
            yield from _check_node(book, rules, node, here)
    for one in shown["links"]:
        if network.forced & {one["from_node"], one["to_node"]}:
            yield from differing("flow of a forced node", one["flow_wh"], 0)
    yield from check_joined(_joined(book, rules, network, shown, by_node, joined))


def _ends(link: MarketLink) -> tuple[int, int]:
    return link.from_node, link.to_node


def _joined(
    book: Book,
    rules: MarketRules,
    network: MarketNetwork,
    shown: dict[str, Any],
    by_node: dict[int, list[Row]],
    joined: set[int],
) -> Joined:
    """What the check of nodes with links looks at."""
    return Joined(
        book=book,
        rules=rules,
        nodes={node["node"]: node for node in shown["nodes"] if node["node"] in joined},
        links=[
            one for one in shown["links"] if not network.forced & {one["from_node"], one["to_node"]}
        ],
        rows={node: by_node.get(node, []) for node in sorted(joined)},
    )


def _check_forced(node: dict[str, int], rows: list[Row]) -> Iterator[Finding]:
    expected = dict.fromkeys(NODE_FIELDS, 0)
    expected |= {"node": node["node"], "outcome": NO_TRADE, "flags": FORCED}
    for name in NODE_FIELDS:
        yield from differing(name, node[name], expected[name])
    for row in rows:
        if row.fill_wh:
            yield Finding("fill at a forced node", row.place, str(row.fill_wh), "0")


def _welfare(rows: list[Row]) -> int:
    return sum(row.price * row.fill_wh * (1 if row.side == BID else -1) for row in rows)


def _check_node(
    book: Book, rules: MarketRules, node: dict[str, int], rows: list[Row]
) -> Iterator[Finding]:
    bids = [row for row in rows if row.side == BID]
    offers = [row for row in rows if row.side == OFFER]
    bought, sold = sum(row.fill_wh for row in bids), sum(row.fill_wh for row in offers)
    yield from differing("bought = sold", bought, sold)
    yield from differing("bought", node["bought_wh"], bought)
    yield from differing("sold", node["sold_wh"], sold)
    edge = _edge(bids, offers)
    yield from _check_edge(edge)
    if bought == 0:
        empty = not bids or not offers
        expected = dict.fromkeys(NODE_FIELDS, 0) | {
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
    for name in NODE_FIELDS:
        yield from differing(name, node[name], expected[name])


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
        place = (book.tie_prefix, book.slot, book_root(rows_of(book, [0] * len(book))))
        last = max(tie(*place, row.tag) for rest, row in winners if rest == worst)
        first = min(tie(*place, row.tag) for rest, row in losers if rest == best)
        if last > first:
            yield Finding("tie key", None, last.hex(), f"below {first.hex()}")
