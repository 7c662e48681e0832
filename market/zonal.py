"""The auction of nodes that links join: a flow of whole Wh at least cost, one price per node.

Welfare less fees first, then volume, then least fees, then fair shares of the orders at each
node's price, then least total flow. The equilibrium prices come from the dual; at them all orders
and links are decided but those that they leave indifferent, which makes a graph of few arcs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

import numpy as np

from market.book import Book, IntArray
from market.errors import MarketError
from market.fairness import Claim, fair_fractions, whole_shares
from market.flow import Arc, circulate_cheaply
from market.network import MarketLink, MarketNetwork
from market.orders import Side
from market.result import Flag, NodeResult, Outcome
from market.rules import MarketRules
from market.zonal_prices import Gain, Way, equilibrium_prices


@dataclass(frozen=True)
class Joined:
    """Results of joined nodes, and the flow of each of their links by its place in the network."""

    nodes: tuple[NodeResult, ...]
    flow_wh: dict[int, int]


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of the book: its nodes, the book's rows at each, and the links between them."""

    book: Book
    nodes: Sequence[int]
    rows: Sequence[IntArray]
    links: dict[int, MarketLink]
    place: dict[int, int]

    def ends(self, link: MarketLink) -> tuple[int, int]:
        """Places of the nodes that the link joins."""
        return self.place[link.from_node], self.place[link.to_node]


@dataclass(frozen=True, eq=False)
class _Group:
    """The orders of a side at their node's price, and the arc that stands for them."""

    rows: IntArray
    e_wh: int
    arc: int


def clear_joined(
    book: Book,
    nodes: Sequence[int],
    network: MarketNetwork,
    rules: MarketRules,
    fill_wh: IntArray,
) -> Joined:
    """Results of nodes that links join; their fills are written into `fill_wh`."""
    part = _part(book, nodes, network)
    every = np.concatenate(part.rows)
    limits = book.price_mkrw_per_kwh[every]
    low, high = rules.floor_mkrw_per_kwh, rules.cap_mkrw_per_kwh
    if len(limits) and not low <= int(limits.min()) <= int(limits.max()) <= high:
        raise MarketError(
            f"book of slot {book.slot}: limits {limits.min()}..{limits.max()} milli-won, "
            f"allowed {low}..{high} where links join nodes"
        )
    price, gains, ways = _prices(part)
    arcs, groups = _indifferent(part, price, gains, ways)
    _fill_better(part, price, fill_wh)
    _fill_groups(part, arcs, groups, fill_wh)
    flow_wh = _shortest_flows(part, fill_wh)
    return Joined(_results(part, rules, fill_wh, flow_wh), flow_wh)


def _part(book: Book, nodes: Sequence[int], network: MarketNetwork) -> _Part:
    place = {node: at for at, node in enumerate(nodes)}
    links = {
        number: link
        for number, link in enumerate(network.links)
        if link.from_node in place and link.to_node in place
    }
    rows = [np.flatnonzero(book.node == node) for node in nodes]
    return _Part(book, nodes, rows, links, place)


def _prices(part: _Part) -> tuple[list[int], list[Gain], list[Way]]:
    """Equilibrium prices of the nodes, and what they were found from."""
    book, gains = part.book, []
    for rows in part.rows:
        orders = zip(
            book.side[rows].tolist(),
            book.price_mkrw_per_kwh[rows].tolist(),
            book.e_wh[rows].tolist(),
            strict=True,
        )
        sides: dict[int, list[tuple[int, int]]] = {Side.BID: [], Side.OFFER: []}
        for side, limit, e_wh in orders:
            sides[side].append((limit, e_wh))
        gains.append(Gain(sides[Side.BID], sides[Side.OFFER]))
    # More than all that is offered never flows.
    most_wh = sum(part.book.e_wh[np.concatenate(part.rows)].tolist())
    ways = [
        Way(*part.ends(link), min(link.capacity_wh, most_wh), link.fee_mkrw_per_kwh)
        for link in part.links.values()
    ]
    limits = book.price_mkrw_per_kwh[np.concatenate(part.rows)]
    if len(limits) == 0:
        return [0] * len(part.nodes), gains, ways
    # With fees of 0 or more no price need lie outside the limits of the book.
    low, high = int(limits.min()), int(limits.max())
    start = int(np.partition(limits, len(limits) // 2)[len(limits) // 2])
    return equilibrium_prices(gains, ways, start, low, high), gains, ways


def _indifferent(
    part: _Part, price: Sequence[int], gains: Sequence[Gain], ways: Sequence[Way]
) -> tuple[list[Arc], list[_Group]]:
    """All answers of greatest welfare and volume and least fees, as arcs with bounds.

    Arcs run between the nodes and, as offers and bids, from and to a node that stands for outside.
    """
    outside, book = len(part.nodes), part.book
    # A circle passes outside once at most: one Wh of volume outweighs all fees on the way.
    volume = 1 + sum(way.fee for way in ways)
    arcs, groups = [], []
    for node, (gain, here) in enumerate(zip(gains, price, strict=True)):
        at_price = part.rows[node][book.price_mkrw_per_kwh[part.rows[node]] == here]
        offered, wanted = gain.offered_wh(here), gain.wanted_wh(here)
        arcs.append(Arc(outside, node, offered[0], offered[0]))
        arcs.append(Arc(node, outside, wanted[0], wanted[0]))
        for side, e_wh in ((Side.OFFER, offered[1]), (Side.BID, wanted[1])):
            if e_wh:
                groups.append(_Group(at_price[book.side[at_price] == side], e_wh, len(arcs)))
                bid = side == Side.BID
                tail, head = (node, outside) if bid else (outside, node)
                arcs.append(Arc(tail, head, 0, e_wh, -volume if bid else 0))
    for way in ways:
        apart = price[way.head] - price[way.tail] - way.fee
        low = way.capacity_wh if apart > 0 else 0
        high = way.capacity_wh if apart >= 0 else 0
        arcs.append(Arc(way.tail, way.head, low, high, way.fee))
    cheapest = circulate_cheaply(outside + 1, arcs)
    decided = []
    for arc in arcs:
        slack = cheapest.slack(arc)
        low = arc.high if slack < 0 else arc.low
        high = arc.low if slack > 0 else arc.high
        decided.append(Arc(arc.tail, arc.head, low, high))
    return decided, groups


def _fill_better(part: _Part, price: Sequence[int], fill_wh: IntArray) -> None:
    """All of the orders that stand better than their node's price."""
    book = part.book
    for here, rows in zip(price, part.rows, strict=True):
        bid, limit = book.side[rows] == Side.BID, book.price_mkrw_per_kwh[rows]
        better = rows[np.where(bid, limit > here, limit < here)]
        fill_wh[better] = book.e_wh[better]


def _fill_groups(
    part: _Part, arcs: Sequence[Arc], groups: Sequence[_Group], fill_wh: IntArray
) -> None:
    """Fair shares of the orders at their node's price, in whole Wh."""
    book, count = part.book, len(part.nodes) + 1
    free = [group for group in groups if arcs[group.arc].low < arcs[group.arc].high]
    for group in groups:
        if arcs[group.arc].low == arcs[group.arc].high > 0:
            fill_wh[group.rows] = book.e_wh[group.rows]
    names = [group.arc for group in free]
    shares = fair_fractions(count, arcs, names)
    unit = lcm(*(share.denominator for share in shares))
    floors, claims = [], []
    for place, (group, share) in enumerate(zip(free, shares, strict=True)):
        floor_wh = [e_wh * share.numerator // share.denominator
                    for e_wh in book.e_wh[group.rows].tolist()]  # fmt: skip
        fill_wh[group.rows] = floor_wh
        floors.append(sum(floor_wh))
        if share.denominator > 1:
            claims += _claims(book, group, place, share, unit)
    _, winners = whole_shares(count, arcs, names, floors, claims)
    for row in winners:
        fill_wh[row] += 1


def _claims(book: Book, group: _Group, place: int, share: Fraction, unit: int) -> list[Claim]:
    """The orders of a group whose share is not whole; remainders are counted in 1 / `unit` Wh."""
    found, scale = [], unit // share.denominator
    for row, e_wh in zip(group.rows.tolist(), book.e_wh[group.rows].tolist(), strict=True):
        rest = e_wh * share.numerator % share.denominator
        if rest:
            key = book.tie_key(book.tag[row].tobytes())
            found.append(Claim(place, rest * scale, key, row))
    return found


def _shortest_flows(part: _Part, fill_wh: IntArray) -> dict[int, int]:
    """The flows that carry these fills: of least fees, then of least Wh over all links."""
    outside, book = len(part.nodes), part.book
    arcs = []
    for node, rows in enumerate(part.rows):
        bid = book.side[rows] == Side.BID
        sold, bought = (sum(fill_wh[rows[side]].tolist()) for side in (~bid, bid))
        arcs += [Arc(outside, node, sold, sold), Arc(node, outside, bought, bought)]
    most_wh = sum(arc.high for arc in arcs)
    first = len(arcs)
    for link in part.links.values():
        # One milli-won of fees outweighs any number of links that a circle can have.
        cost = link.fee_mkrw_per_kwh * (len(part.links) + 1) + 1
        arcs.append(Arc(*part.ends(link), 0, min(link.capacity_wh, most_wh), cost))
    flow = circulate_cheaply(outside + 1, arcs).flow
    return dict(zip(part.links, flow[first:], strict=True))


@dataclass(frozen=True)
class _Side:
    """One side of a node after the fills; prices None where there is no such order.

    `worst` is the limit of the worst order with a fill, `open` that of the best with Wh left.
    """

    orders: int
    filled_wh: int
    worst: int | None
    open: int | None


def _results(
    part: _Part, rules: MarketRules, fill_wh: IntArray, flow_wh: dict[int, int]
) -> tuple[NodeResult, ...]:
    """Price and quantities of every node: the middle of least and greatest valid prices."""
    sides = [(_side(part, at, Side.BID, fill_wh), _side(part, at, Side.OFFER, fill_wh))
             for at in range(len(part.nodes))]  # fmt: skip
    low, high = [], []
    for bids, offers in sides:
        lows = [one for one in (offers.worst, bids.open) if one is not None]
        highs = [one for one in (bids.worst, offers.open) if one is not None]
        low.append(max([rules.floor_mkrw_per_kwh, *lows]))
        high.append(min([rules.cap_mkrw_per_kwh, *highs]))
    # Rises of a price from tail to head: at most the fee where there is room, at least where used.
    most, least = [], []
    for number, link in part.links.items():
        tail, head = part.ends(link)
        if flow_wh[number] < link.capacity_wh:
            most.append((tail, head, link.fee_mkrw_per_kwh))
        if flow_wh[number] > 0:
            least.append((tail, head, link.fee_mkrw_per_kwh))
    for _ in part.nodes:
        for tail, head, fee in most:
            high[head] = min(high[head], high[tail] + fee)
            low[tail] = max(low[tail], low[head] - fee)
        for tail, head, fee in least:
            low[head] = max(low[head], low[tail] + fee)
            high[tail] = min(high[tail], high[head] - fee)
    found = []
    for at, node in enumerate(part.nodes):
        bare = _bare(node, *sides[at], low[at], high[at])
        found.append(_with_margin(part, bare, part.rows[at], fill_wh, *sides[at]))
    return tuple(found)


def _side(part: _Part, at: int, side: Side, fill_wh: IntArray) -> _Side:
    book = part.book
    rows = part.rows[at][book.side[part.rows[at]] == side]
    limit, fill = book.price_mkrw_per_kwh[rows], fill_wh[rows]
    traded, left = limit[fill > 0], limit[fill < book.e_wh[rows]]
    worst, best = (np.min, np.max) if side == Side.BID else (np.max, np.min)
    return _Side(
        orders=len(rows),
        filled_wh=sum(fill.tolist()),
        worst=int(worst(traded)) if len(traded) else None,
        open=int(best(left)) if len(left) else None,
    )


def _bare(node: int, bids: _Side, offers: _Side, low: int, high: int) -> NodeResult:
    """The node's result without its margin."""
    traded = bids.filled_wh + offers.filled_wh > 0
    empty = not bids.orders or not offers.orders
    outcome = Outcome.BETWEEN if traded else Outcome.EMPTY if empty else Outcome.NO_TRADE
    flags = Flag(0)
    if traded and offers.open is None and bids.open == low:
        flags |= Flag.SCARCE
    if traded and bids.open is None and offers.open == high:
        flags |= Flag.GLUT
    return NodeResult(
        node=node,
        outcome=outcome,
        flags=flags,
        low_mkrw_per_kwh=low,
        high_mkrw_per_kwh=high,
        price_mkrw_per_kwh=(low + high) // 2,
        bought_wh=bids.filled_wh,
        sold_wh=offers.filled_wh,
        margin_mkrw_per_kwh=0,
        margin_open_wh=0,
        margin_filled_wh=0,
    )


def _with_margin(
    part: _Part, bare: NodeResult, rows: IntArray, fill_wh: IntArray, bids: _Side, offers: _Side
) -> NodeResult:
    """The node's result with the price group that had to share, if there is one."""
    book = part.book
    kinds = (
        (bids, Side.BID, Outcome.BID_MARGIN),
        (offers, Side.OFFER, Outcome.OFFER_MARGIN),
    )
    for side, number, outcome in kinds:
        if side.worst is not None and side.worst == side.open:
            at_price = book.price_mkrw_per_kwh[rows] == side.worst
            group = rows[at_price & (book.side[rows] == number)]
            return replace(
                bare,
                outcome=outcome,
                margin_mkrw_per_kwh=side.worst,
                margin_open_wh=sum(book.e_wh[group].tolist()),
                margin_filled_wh=sum(fill_wh[group].tolist()),
            )
    return bare
