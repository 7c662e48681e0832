"""The call auction: one price per node and slot, found from sealed bids and offers.

Welfare first, then volume, then equal shares in the price group at the margin, whole Wh by largest
remainder. Everything is an integer and follows from the book alone: arrival is no input, and ties
fall by a hash that nobody knows before the book is sealed. Nodes that links join are cleared
together by `market.zonal`. The result carries its certificate, which
`market.certificate.check_clearing` proves without this code.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from market.book import Book as Book
from market.book import BookRow as BookRow
from market.book import IntArray
from market.book import book_of as book_of
from market.errors import MarketError
from market.network import MarketNetwork
from market.orders import Side
from market.result import Clearing as Clearing
from market.result import Flag as Flag
from market.result import LinkResult as LinkResult
from market.result import NodeResult as NodeResult
from market.result import Outcome as Outcome
from market.rules import MarketRules
from market.zonal import clear_joined

ENGINE = hashlib.sha256(b"microgrid call auction 1").digest()
_EXACT_LIMIT = 2**62


def clear_slot(book: Book, rules: MarketRules, network: MarketNetwork | None = None) -> Clearing:
    """The auction of a sealed book: one price per node.

    Without a network the nodes of the book are cleared apart. With one, every node of the book
    must be among its nodes, and all of them show a result.
    """
    fill_wh = np.zeros(len(book), dtype=np.int64)
    if network is None:
        network, nodes = MarketNetwork(), _nodes(book)
    else:
        nodes = _known_nodes(book, network)
    results: dict[int, NodeResult] = {}
    flow_wh = [0] * len(network.links)
    for part in _joined(nodes, network):
        if part[0] in network.forced:
            results[part[0]] = _forced(part[0])
        elif len(part) == 1:
            results[part[0]] = _clear_node(book, part[0], rules, fill_wh)
        else:
            joined = clear_joined(book, part, network, rules, fill_wh)
            results |= {node.node: node for node in joined.nodes}
            for number, flow in joined.flow_wh.items():
                flow_wh[number] = flow
    bid = book.side == Side.BID
    paid = _exact_dot(book.price_mkrw_per_kwh[bid], fill_wh[bid])
    asked = _exact_dot(book.price_mkrw_per_kwh[~bid], fill_wh[~bid])
    links = tuple(
        LinkResult(one.from_node, one.to_node, flow, one.capacity_wh, one.fee_mkrw_per_kwh)
        for one, flow in zip(network.links, flow_wh, strict=True)
    )
    fees = sum(link.fee_mkrw_per_kwh * link.flow_wh for link in links)
    return Clearing(
        book=book,
        rules_version=rules.version,
        fill_wh=fill_wh,
        volume_wh=sum(node.bought_wh for node in results.values()),
        welfare_ukrw=paid - asked - fees,
        nodes=tuple(results[node] for node in nodes),
        links=links,
        network_version=network.version,
    )


def clearing_message(
    clearing: Clearing,
    *,
    round: int,
    network_version: int,
    plan: bytes,
    engine: bytes = ENGINE,
    label: int = 0,
) -> dict[str, Any]:
    """The typed `Clearing` message; `plan` is the digest of the plan that the SPC's rows follow."""
    return {
        "slot": clearing.slot,
        "label": label,
        "round": round,
        "rules_version": clearing.rules_version,
        "network_version": network_version,
        "engine": engine,
        "plan": plan,
        "orders": len(clearing.book),
        "book_root": clearing.book.root,
        "fills_root": clearing.fills_root,
        "volume_wh": clearing.volume_wh,
        "welfare_ukrw": clearing.welfare_ukrw,
        "nodes": [_as_message(node) for node in clearing.nodes],
        "links": [_as_message(link) for link in clearing.links],
    }


def indicative_mkrw_per_kwh(book: Book) -> int | None:
    """Middle of best bid and best offer, or the one there is: a hint where nothing was traded."""
    bid = book.side == Side.BID
    bids, offers = book.price_mkrw_per_kwh[bid], book.price_mkrw_per_kwh[~bid]
    best = ([int(bids.max())] if len(bids) else []) + ([int(offers.min())] if len(offers) else [])
    return sum(best) // len(best) if best else None


@dataclass(frozen=True)
class ZoneVolume:
    """What the orders of one zone bought and sold."""

    zone: int
    bought_wh: int
    sold_wh: int


def zone_volumes(clearing: Clearing) -> tuple[ZoneVolume, ...]:
    """Volumes per zone of the book, in order of zone."""
    book, bid = clearing.book, clearing.book.side == Side.BID
    found = []
    for zone in np.unique(book.zone).tolist():
        here = book.zone == zone
        bought, sold = (int(clearing.fill_wh[here & one].sum()) for one in (bid, ~bid))
        found.append(ZoneVolume(zone, bought, sold))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Ladder:
    """One side of a node, best price first: `key` is the price of offers, its negative of bids."""

    rows: IntArray  # positions in the book
    key: IntArray  # rising
    e_wh: npt.NDArray[Any]  # int64, or Python integers where sums could overflow
    until_wh: npt.NDArray[Any]  # running sum of e_wh


@dataclass(frozen=True)
class _Margin:
    """Where a side of the book ends: orders `first` up to `end` stand at the last price used."""

    first: int
    end: int
    key: int
    open_wh: int  # what stands at that price
    filled_wh: int  # what is left for it
    next_key: int | None  # of the best order that has Wh left

    @property
    def shares(self) -> bool:
        """Whether the orders at the last price get a part only."""
        return self.filled_wh < self.open_wh


def _nodes(book: Book) -> list[int]:
    """The nodes of the book in order; node 0 stands for an empty book."""
    if len(book) == 0:
        return [0]
    if book.node[0] == book.node.min() == book.node.max():
        return [int(book.node[0])]
    return [int(node) for node in np.unique(book.node)]


def _known_nodes(book: Book, network: MarketNetwork) -> list[int]:
    """The nodes of the network in order; raises MarketError if the book has another."""
    known = network.nodes() or {0}
    foreign = sorted(set(np.unique(book.node).tolist()) - known)
    if foreign:
        raise MarketError(
            f"book of slot {book.slot}: node {foreign[0]}, allowed the nodes of network version "
            f"{network.version}: {', '.join(map(str, sorted(known)))}"
        )
    return sorted(known)


def _joined(nodes: Iterable[int], network: MarketNetwork) -> list[list[int]]:
    """The nodes in groups that links join, forced nodes alone; each group in order."""
    group = {node: [node] for node in nodes}
    for link in network.links:
        one, other = group[link.from_node], group[link.to_node]
        if one is other or {link.from_node, link.to_node} & network.forced:
            continue
        one += other
        group |= dict.fromkeys(other, one)
    return [sorted(found) for found in {id(found): found for found in group.values()}.values()]


def _forced(node: int) -> NodeResult:
    return NodeResult(node, Outcome.NO_TRADE, Flag.FORCED, 0, 0, 0, 0, 0, 0, 0, 0)


def _clear_node(book: Book, node: int, rules: MarketRules, fill_wh: IntArray) -> NodeResult:
    """Result of one node; its fills are written into `fill_wh`."""
    here = book.node == node
    bids = _ladder(book, here & (book.side == Side.BID), -1)
    offers = _ladder(book, here & (book.side == Side.OFFER), 1)
    volume_wh = _volume_wh(bids, offers)
    if volume_wh == 0:
        empty = len(bids.rows) == 0 or len(offers.rows) == 0
        outcome = Outcome.EMPTY if empty else Outcome.NO_TRADE
        return NodeResult(node, outcome, Flag(0), 0, 0, 0, 0, 0, 0, 0, 0)
    last_bid, last_offer = _margin(bids, volume_wh), _margin(offers, volume_wh)
    _fill(book, bids, last_bid, fill_wh)
    _fill(book, offers, last_offer, fill_wh)
    return replace(
        _priced(node, rules, last_bid, last_offer), bought_wh=volume_wh, sold_wh=volume_wh
    )


def _ladder(book: Book, mask: npt.NDArray[np.bool_], sign: int) -> _Ladder:
    rows = np.flatnonzero(mask)
    key = sign * book.price_mkrw_per_kwh[rows]
    order = np.argsort(key)
    rows, key = rows[order], key[order]
    e_wh = _exact(book.e_wh[rows], len(rows))
    return _Ladder(rows, key, e_wh, np.cumsum(e_wh))


def _volume_wh(bids: _Ladder, offers: _Ladder) -> int:
    """The greatest volume at which the last bid still pays what the last offer asks.

    At each bid's price: the least of what is wanted and what is offered; only the last bid of a
    price group counts its whole group, and the greatest of these figures is its.
    """
    if len(bids.rows) == 0 or len(offers.rows) == 0:
        return 0
    offered = np.searchsorted(offers.key, -bids.key, side="right")
    supply_wh = np.concatenate([offers.until_wh[:1] * 0, offers.until_wh])[offered]
    return int(np.minimum(bids.until_wh, supply_wh).max())


def _margin(ladder: _Ladder, volume_wh: int) -> _Margin:
    """Where the side ends when `volume_wh` of it is used up, 1 or more."""
    at = int(np.searchsorted(ladder.until_wh, volume_wh, side="left"))
    key = int(ladder.key[at])
    first = int(np.searchsorted(ladder.key, key, side="left"))
    end = int(np.searchsorted(ladder.key, key, side="right"))
    before_wh = int(ladder.until_wh[first - 1]) if first else 0
    open_wh, filled_wh = int(ladder.until_wh[end - 1]) - before_wh, volume_wh - before_wh
    if filled_wh < open_wh:
        next_key: int | None = key
    else:
        next_key = int(ladder.key[end]) if end < len(ladder.key) else None
    return _Margin(first, end, key, open_wh, filled_wh, next_key)


def _fill(book: Book, ladder: _Ladder, last: _Margin, fill_wh: IntArray) -> None:
    full = ladder.rows[: last.first]
    fill_wh[full] = book.e_wh[full]
    group = ladder.rows[last.first : last.end]
    if last.shares:
        fill_wh[group] = _shares(book, group, last.filled_wh, last.open_wh)
    else:
        fill_wh[group] = book.e_wh[group]


def _shares(book: Book, rows: IntArray, filled_wh: int, open_wh: int) -> IntArray:
    """What each of these orders gets of `filled_wh`, in proportion, by largest remainder."""
    product = _exact(book.e_wh[rows], filled_wh) * filled_wh
    share, rest = product // open_wh, product % open_wh
    missing = filled_wh - int(share.sum())
    if missing:
        # No remainder of 0 can win: the remainders add up to `missing` times `open_wh`.
        least = np.sort(rest)[len(rest) - missing]
        share[rest > least] += 1
        tied = np.flatnonzero(rest == least)
        wins = missing - int((rest > least).sum())
        if wins < len(tied):
            tags = [book.tag[rows[n]].tobytes() for n in tied]
            keys = [book.tie_key(tag) for tag in tags]
            tied = tied[sorted(range(len(tied)), key=keys.__getitem__)[:wins]]
        share[tied] += 1
    return share.astype(np.int64)


def _priced(node: int, rules: MarketRules, bid: _Margin, offer: _Margin) -> NodeResult:
    """Prices of a node that has traded, the middle of all valid ones, and who had to share."""
    open_bid = None if bid.next_key is None else -bid.next_key
    low = max(offer.key, offer.key if open_bid is None else open_bid)
    high = min(-bid.key, -bid.key if offer.next_key is None else offer.next_key)
    price = min(max((low + high) // 2, rules.floor_mkrw_per_kwh), rules.cap_mkrw_per_kwh)
    shared, outcome, margin = None, Outcome.BETWEEN, 0
    if bid.shares:
        shared, outcome, margin = bid, Outcome.BID_MARGIN, -bid.key
    elif offer.shares:
        shared, outcome, margin = offer, Outcome.OFFER_MARGIN, offer.key
    flags = Flag(0)
    if offer.next_key is None and open_bid == low:
        flags |= Flag.SCARCE
    if bid.next_key is None and offer.next_key == high:
        flags |= Flag.GLUT
    return NodeResult(
        node=node,
        outcome=outcome,
        flags=flags,
        low_mkrw_per_kwh=low,
        high_mkrw_per_kwh=high,
        price_mkrw_per_kwh=price,
        bought_wh=0,
        sold_wh=0,
        margin_mkrw_per_kwh=margin,
        margin_open_wh=shared.open_wh if shared else 0,
        margin_filled_wh=shared.filled_wh if shared else 0,
    )


def _exact(values: IntArray, factor: int) -> npt.NDArray[Any]:
    """The values as they are, or as Python integers where `factor` times them could overflow."""
    if len(values) and int(values.max()) * factor >= _EXACT_LIMIT:
        return values.astype(object)
    return values


def _exact_dot(price: IntArray, e_wh: IntArray) -> int:
    """The sum of the products, exactly."""
    if len(price) == 0:
        return 0
    highest = max(abs(int(price.max())), abs(int(price.min())), 1)
    if int(e_wh.max()) * len(e_wh) * highest < _EXACT_LIMIT:
        return int(price @ e_wh)
    return sum(p * e for p, e in zip(price.tolist(), e_wh.tolist(), strict=True))


def _as_message(result: NodeResult | LinkResult) -> dict[str, int]:
    return {field.name: int(getattr(result, field.name)) for field in fields(result)}
