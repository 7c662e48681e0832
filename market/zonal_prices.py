"""Prices of joined nodes: the dual of the zonal auction, solved in whole numbers.

Whoever buys below its limit or sells above it gains, and a link whose ends differ by more than its
fee earns rent. The sum of all these gains is least at the equilibrium prices. It is an
L-natural-convex function of the prices: where no set of nodes can be moved up or down together by
one unit and lower it, nothing can (Murota, Discrete Convex Analysis, 2003). Which set lowers it
most is a smallest cut of the node graph, and steps that halve from the width of the book find the
least in few of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from market.flow import MaxFlow


class Gain:
    """What the orders of a node gain at a price, exact, in micro-won."""

    def __init__(self, bids: Sequence[tuple[int, int]], offers: Sequence[tuple[int, int]]) -> None:
        """Of (price, Wh) of all bids and all offers, in any order."""
        bids, offers = sorted(bids, reverse=True), sorted(offers)
        # Bids stand with their negative price, so that both sides rise.
        self._bids = [-price for price, _ in bids]
        self._offers = [price for price, _ in offers]
        self._bid_wh = [0, *accumulate(e_wh for _, e_wh in bids)]
        self._offer_wh = [0, *accumulate(e_wh for _, e_wh in offers)]
        self._bid_worth = [0, *accumulate(price * e_wh for price, e_wh in bids)]
        self._offer_worth = [0, *accumulate(price * e_wh for price, e_wh in offers)]

    def at(self, price: int) -> int:
        """The gain of all bids above the price and all offers below it."""
        bids, offers = bisect_left(self._bids, -price), bisect_left(self._offers, price)
        return (
            self._bid_worth[bids]
            - price * self._bid_wh[bids]
            + price * self._offer_wh[offers]
            - self._offer_worth[offers]
        )

    def wanted_wh(self, price: int) -> tuple[int, int]:
        """Wh of the bids above the price, and of those at it."""
        above, there = bisect_left(self._bids, -price), bisect_right(self._bids, -price)
        return self._bid_wh[above], self._bid_wh[there] - self._bid_wh[above]

    def offered_wh(self, price: int) -> tuple[int, int]:
        """Wh of the offers below the price, and of those at it."""
        below, there = bisect_left(self._offers, price), bisect_right(self._offers, price)
        return self._offer_wh[below], self._offer_wh[there] - self._offer_wh[below]


@dataclass(frozen=True)
class Way:
    """A link between nodes by their places; its capacity is no more than all that is offered."""

    tail: int
    head: int
    capacity_wh: int
    fee: int


@dataclass(frozen=True)
class Step:
    """A move of all nodes of a set by `by`, and how much that changes the gain."""

    nodes: tuple[int, ...]
    by: int
    change: int


def equilibrium_prices(
    gains: Sequence[Gain], ways: Sequence[Way], start: int, floor: int, cap: int
) -> list[int]:
    """Prices of the nodes, within the band, at which all gains together are least."""
    price = [start] * len(gains)
    by = 1 << max(cap - floor, 1).bit_length()
    while by:
        while True:
            steps = [_best_step(gains, ways, price, way, (floor, cap)) for way in (by, -by)]
            best = min(steps, key=lambda step: step.change)
            if best.change >= 0:
                break
            for node in best.nodes:
                price[node] += best.by
        by //= 2
    return price


def _best_step(
    gains: Sequence[Gain],
    ways: Sequence[Way],
    price: Sequence[int],
    by: int,
    band: tuple[int, int],
) -> Step:
    """The set of nodes whose move by `by` lowers the gain most, by the smallest cut."""
    movable = [band[0] <= one + by <= band[1] for one in price]
    weight = [
        gain.at(one + by) - gain.at(one) if free else 0
        for gain, one, free in zip(gains, price, movable, strict=True)
    ]
    pairs = []
    for way in ways:
        apart = price[way.head] - price[way.tail] - way.fee
        alone = [way.capacity_wh * max(apart + move, 0) for move in (by, 0, -by)]
        # The head moves alone, or the tail alone; both together change nothing between them.
        head, tail = alone[0] - alone[1], alone[2] - alone[1]
        weight[way.tail] += tail
        weight[way.head] -= tail
        if head + tail:
            pairs.append((way.head, way.tail, head + tail))
    moves = [one for one, free in enumerate(movable) if free]
    if not moves or all(weight[one] >= 0 for one in moves):
        return Step((), by, 0)
    source, sink = len(price), len(price) + 1
    graph = MaxFlow(len(price) + 2)
    stays = 1 + sum(abs(one) for one in weight) + sum(cost for _, _, cost in pairs)
    for node, one in enumerate(weight):
        if not movable[node]:
            graph.add(node, sink, stays)
        elif one < 0:
            graph.add(source, node, -one)
        elif one > 0:
            graph.add(node, sink, one)
    for moved, left, cost in pairs:
        graph.add(moved, left, cost)
    cut = graph.run(source, sink)
    inside = graph.reachable(source)
    change = cut + sum(weight[one] for one in moves if weight[one] < 0)
    return Step(tuple(one for one in moves if inside[one]), by, change)
