"""The check of nodes that links join; shares no code with the matcher, and needs no sorting.

Every order and link that could still change is a way in a small graph, whose price is what the
change would cost. No circle saves anything: then no other fills have more welfare, or as much with
more volume, or both with less fees. Potentials of that graph name what is left indifferent; the
fair shares are worked out again from their definition. O(orders + links) besides the node graph.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import NamedTuple

from market.book import Book
from market.certificate_rows import (
    BETWEEN,
    BID,
    BID_MARGIN,
    EMPTY,
    GLUT,
    NO_TRADE,
    NODE_FIELDS,
    OFFER,
    OFFER_MARGIN,
    SCARCE,
    Finding,
    Row,
    book_root,
    differing,
    rows_of,
    tie,
)
from market.rules import MarketRules

OUTSIDE = -1  # where offers come from and bids go to


@dataclass(frozen=True, eq=False)
class Joined:
    """The nodes with links as they are shown, the links between them, and the rows at each."""

    book: Book
    rules: MarketRules
    nodes: dict[int, dict[str, int]]
    links: list[dict[str, int]]
    rows: dict[int, list[Row]]


class _Way(NamedTuple):
    """A change that is still possible, and its cost for each Wh."""

    tail: int
    head: int
    cost: int


@dataclass(frozen=True)
class _Edge:
    """The prices around which a side of a node divides; None where there is no such order."""

    worst: int | None
    open: int | None


def check_joined(joined: Joined) -> Iterator[Finding]:
    """All rules that nodes with links break."""
    unbalanced = list(_check_balance(joined)) if joined.nodes else []
    if unbalanced or not joined.nodes:
        yield from unbalanced
        return
    edges = {
        node: (_edge(rows, BID, min, max), _edge(rows, OFFER, max, min))
        for node, rows in joined.rows.items()
    }
    potential = _potentials([*joined.nodes, OUTSIDE], _changes(joined, edges))
    if potential is None:
        yield Finding("welfare, volume and fees", None, "orders or links could do better", "none")
        return
    if _potentials([*joined.nodes], _detours(joined)) is None:
        yield Finding("least flow", None, "a circle of links could carry less", "none")
    yield from _check_prices(joined, edges)
    yield from _check_shares(joined, potential)


def _check_balance(joined: Joined) -> Iterator[Finding]:
    net = dict.fromkeys(joined.nodes, 0)
    for number, link in enumerate(joined.links):
        if not 0 <= link["flow_wh"] <= link["capacity_wh"]:
            found = f"link {number}: {link['flow_wh']}"
            yield Finding("flow within capacity", None, found, f"0..{link['capacity_wh']}")
        net[link["to_node"]] += link["flow_wh"]
        net[link["from_node"]] -= link["flow_wh"]
    for node, rows in joined.rows.items():
        bought = sum(row.fill_wh for row in rows if row.side == BID)
        sold = sum(row.fill_wh for row in rows if row.side == OFFER)
        yield from differing("bought", joined.nodes[node]["bought_wh"], bought)
        yield from differing("sold", joined.nodes[node]["sold_wh"], sold)
        yield from differing(f"balance of node {node}", sold + net[node] - bought, 0)


def _edge(
    rows: Sequence[Row],
    side: int,
    worst: Callable[..., int | None],
    best: Callable[..., int | None],
) -> _Edge:
    here = [row for row in rows if row.side == side]
    return _Edge(
        worst((row.price for row in here if row.fill_wh > 0), default=None),
        best((row.price for row in here if row.fill_wh < row.e_wh), default=None),
    )


class _Scale(NamedTuple):
    """Weights that put welfare before volume and volume before fees on any simple circle."""

    welfare: int
    volume: int


def _scale(joined: Joined) -> _Scale:
    volume = 2 * sum(link["fee_mkrw_per_kwh"] for link in joined.links) + 1
    return _Scale(welfare=4 * volume, volume=volume)


def _changes(joined: Joined, edges: dict[int, tuple[_Edge, _Edge]]) -> list[_Way]:
    """What a Wh more or less would cost: of the best open and worst filled orders, and of links."""
    scale, ways = _scale(joined), []
    for node, (bids, offers) in edges.items():
        if bids.open is not None:
            ways.append(_Way(node, OUTSIDE, -bids.open * scale.welfare - scale.volume))
        if bids.worst is not None:
            ways.append(_Way(OUTSIDE, node, bids.worst * scale.welfare + scale.volume))
        if offers.open is not None:
            ways.append(_Way(OUTSIDE, node, offers.open * scale.welfare))
        if offers.worst is not None:
            ways.append(_Way(node, OUTSIDE, -offers.worst * scale.welfare))
    return ways + _link_ways(joined, scale.welfare + 1, 0)


def _detours(joined: Joined) -> list[_Way]:
    """What a Wh more or less on links would cost when all fills stand: fees, then links used."""
    return _link_ways(joined, len(joined.links) + 1, 1)


def _link_ways(joined: Joined, factor: int, more: int) -> list[_Way]:
    ways = []
    for link in joined.links:
        cost = link["fee_mkrw_per_kwh"] * factor + more
        if link["flow_wh"] < link["capacity_wh"]:
            ways.append(_Way(link["from_node"], link["to_node"], cost))
        if link["flow_wh"] > 0:
            ways.append(_Way(link["to_node"], link["from_node"], -cost))
    return ways


def _potentials(nodes: Sequence[int], ways: Sequence[_Way]) -> dict[int, int] | None:
    """Least cost to each node from anywhere; None where a circle has a cost below 0."""
    least = dict.fromkeys(nodes, 0)
    for _ in range(len(nodes) + 1):
        before = dict(least)
        for tail, head, cost in ways:
            least[head] = min(least[head], least[tail] + cost)
        if before == least:
            return least
    return None


def _check_prices(joined: Joined, edges: dict[int, tuple[_Edge, _Edge]]) -> Iterator[Finding]:
    """Least and greatest prices that suit all orders and links, and what follows from them."""
    floor, cap = joined.rules.floor_mkrw_per_kwh, joined.rules.cap_mkrw_per_kwh
    low, high = {}, {}
    for node, (bids, offers) in edges.items():
        low[node] = max(p for p in (floor, offers.worst, bids.open) if p is not None)
        high[node] = min(p for p in (cap, bids.worst, offers.open) if p is not None)
    # price[head] - price[tail] is at most the fee where there is room, at least where it is used.
    at_most = [_Way(*way) for way in _link_ways(joined, 1, 0)]
    for _ in joined.nodes:
        for tail, head, fee in at_most:
            high[head] = min(high[head], high[tail] + fee)
            low[tail] = max(low[tail], low[head] - fee)
    for node, shown in joined.nodes.items():
        if low[node] > high[node]:
            yield Finding("valid price", None, f"node {node}: {low[node]}", f"{high[node]} or less")
            continue
        expected = _expected(node, joined.rows[node], edges[node], low[node], high[node])
        for name in NODE_FIELDS:
            yield from differing(f"node {node}: {name}", shown[name], expected.get(name, 0))


def _expected(
    node: int, rows: list[Row], edges: tuple[_Edge, _Edge], low: int, high: int
) -> dict[str, int]:
    """What the node must show; what is not named here must be 0."""
    bids, offers = edges
    filled = {side: sum(r.fill_wh for r in rows if r.side == side) for side in (BID, OFFER)}
    sides = {row.side for row in rows}
    outcome = BETWEEN if any(filled.values()) else NO_TRADE if len(sides) == 2 else EMPTY
    found = {
        "node": node,
        "low_mkrw_per_kwh": low,
        "high_mkrw_per_kwh": high,
        "price_mkrw_per_kwh": (low + high) // 2,
        "bought_wh": filled[BID],
        "sold_wh": filled[OFFER],
    }
    if any(filled.values()):
        scarce = offers.open is None and bids.open == low
        glut = bids.open is None and offers.open == high
        found["flags"] = SCARCE * scarce + GLUT * glut
    for side, edge, kind in ((BID, bids, BID_MARGIN), (OFFER, offers, OFFER_MARGIN)):
        if edge.worst is not None and edge.worst == edge.open:
            group = [row for row in rows if row.side == side and row.price == edge.worst]
            outcome = kind
            found["margin_mkrw_per_kwh"] = edge.worst
            found["margin_open_wh"] = sum(row.e_wh for row in group)
            found["margin_filled_wh"] = sum(row.fill_wh for row in group)
    return found | {"outcome": outcome}


@dataclass(frozen=True)
class _Group:
    """Orders that are indifferent at their node, and the way that stands for them."""

    tail: int
    head: int
    rows: list[Row]
    e_wh: int
    fill_wh: int


class _Pipe(NamedTuple):
    """A way with the Wh that it carries, and the least and most that it can."""

    tail: int
    head: int
    low: int
    flow: int
    high: int


def _check_shares(joined: Joined, potential: dict[int, int]) -> Iterator[Finding]:
    """Indifferent orders get floor or ceiling of the fair share, the first in the queue more."""
    scale = _scale(joined)
    groups, links = _groups(joined, potential, scale), []
    for link in joined.links:
        tail, head = link["from_node"], link["to_node"]
        cost = link["fee_mkrw_per_kwh"] * (scale.welfare + 1)
        if potential[tail] + cost == potential[head]:
            links.append(_Pipe(tail, head, 0, link["flow_wh"], link["capacity_wh"]))
    shares = _fair_shares(groups, links)
    unit = lcm(*(share.denominator for share in shares))
    winners: list[_Claim] = []
    losers: list[_Claim] = []
    for number, (group, share) in enumerate(zip(groups, shares, strict=True)):
        for row in group.rows:
            floor, rest = divmod(row.e_wh * share.numerator, share.denominator)
            most = floor + (rest > 0)
            if not floor <= row.fill_wh <= most:
                yield Finding("fair share", row.place, str(row.fill_wh), f"{floor} or {most}")
            if rest:
                side = winners if row.fill_wh == most else losers
                side.append((number, rest * (unit // share.denominator), row))
    yield from _check_queue(joined, groups, links, winners, losers)


def _groups(joined: Joined, potential: dict[int, int], scale: _Scale) -> list[_Group]:
    found = []
    for node, rows in joined.rows.items():
        apart = potential[node] - potential[OUTSIDE]
        by_side: dict[int, list[Row]] = {BID: [], OFFER: []}
        for row in rows:
            cost = row.price * scale.welfare + (scale.volume if row.side == BID else 0)
            if cost == apart:
                by_side[row.side].append(row)
        for side, here in by_side.items():
            if here:
                tail, head = (node, OUTSIDE) if side == BID else (OUTSIDE, node)
                open_wh, fill_wh = sum(row.e_wh for row in here), sum(row.fill_wh for row in here)
                found.append(_Group(tail, head, here, open_wh, fill_wh))
    return found


def _fair_shares(groups: Sequence[_Group], links: Sequence[_Pipe]) -> list[Fraction]:
    """The max-min fair fraction of each group; what is shown is only where flows begin.

    The lowest fraction of all is raised as far as any flow allows, the groups that can go no
    further are settled, and so on with the rest.
    """
    fixed: dict[int, Fraction] = {}
    while len(fixed) < len(groups):
        level, stuck = _next_level(groups, links, fixed)
        fixed |= dict.fromkeys(stuck, level)
    return [fixed[number] for number in range(len(groups))]


def _next_level(
    groups: Sequence[_Group], links: Sequence[_Pipe], fixed: dict[int, Fraction]
) -> tuple[Fraction, list[int]]:
    """The highest fraction that all other groups can have at once, and those that end there."""
    level = Fraction(1)
    while True:
        unit = lcm(level.denominator, *(share.denominator for share in fixed.values()))
        pipes = [_Pipe(p.tail, p.head, p.low * unit, p.flow * unit, p.high * unit) for p in links]
        for number, group in enumerate(groups):
            share = fixed.get(number, level)
            low = int(share * group.e_wh * unit)
            high = low if number in fixed else group.e_wh * unit
            pipes.append(_Pipe(group.tail, group.head, low, group.fill_wh * unit, high))
        flow, cut = _settle(pipes)
        if not cut:
            free = [number for number in range(len(groups)) if number not in fixed]
            return level, [n for n in free if not _can_grow(flow, len(links) + n)]
        level = _level_of_cut(groups, links, fixed, cut)


def _level_of_cut(
    groups: Sequence[_Group], links: Sequence[_Pipe], fixed: dict[int, Fraction], cut: set[int]
) -> Fraction:
    """What the level can be at most where the nodes of `cut` cannot pass on what comes in.

    What is shown is balanced, so only changes against it count.
    """
    room, slope = Fraction(0), 0
    for pipe in links:
        if pipe.tail in cut and pipe.head not in cut:
            room += pipe.high - pipe.flow
        elif pipe.head in cut and pipe.tail not in cut:
            room += pipe.flow - pipe.low
    for number, group in enumerate(groups):
        share = fixed.get(number)
        out = group.tail in cut and group.head not in cut
        into = group.head in cut and group.tail not in cut
        if not out and not into:
            continue
        if share is not None:
            room += (share * group.e_wh - group.fill_wh) * (1 if out else -1)
        elif out:
            room += group.e_wh - group.fill_wh
        else:
            room += group.fill_wh
            slope += group.e_wh
    return room / slope


def _settle(pipes: Sequence[_Pipe]) -> tuple[list[_Pipe], set[int]]:
    """The pipes with flows moved into their bounds along circles, or the nodes that prevent it."""
    now = list(pipes)
    for number, pipe in enumerate(pipes):
        while now[number].flow < now[number].low or now[number].flow > now[number].high:
            short = now[number].flow < pipe.low
            start, end = (pipe.head, pipe.tail) if short else (pipe.tail, pipe.head)
            path, reached = _path(now, start, end, number)
            if path is None:
                # Whoever cannot get rid of more, or, the other way round, cannot do with less.
                return now, reached
            gap = pipe.low - now[number].flow if short else now[number].flow - pipe.high
            for step, way in path:
                p = now[step]
                gap = min(gap, max(p.high - p.flow, 0) if way > 0 else max(p.flow - p.low, 0))
            for step, way in [*path, (number, 1 if short else -1)]:
                now[step] = now[step]._replace(flow=now[step].flow + way * gap)
    return now, set()


def _path(
    pipes: Sequence[_Pipe], start: int, end: int, without: int
) -> tuple[list[tuple[int, int]] | None, set[int]]:
    """Pipes (with +1 along, -1 against them) on which a little more can go, or what was reached.

    Pipes outside their bounds may move towards them only.
    """
    by: dict[int, tuple[int, int, int]] = {start: (-1, 0, start)}
    queue = [start]
    for at in queue:
        for number, pipe in enumerate(pipes):
            if number == without:
                continue
            if pipe.tail == at and pipe.flow < pipe.high and pipe.head not in by:
                by[pipe.head] = (number, 1, at)
                queue.append(pipe.head)
            elif pipe.head == at and pipe.flow > pipe.low and pipe.tail not in by:
                by[pipe.tail] = (number, -1, at)
                queue.append(pipe.tail)
    if end not in by:
        return None, set(by)
    path, at = [], end
    while at != start:
        number, way, before = by[at]
        path.append((number, way))
        at = before
    return path, set()


def _can_grow(pipes: Sequence[_Pipe], number: int) -> bool:
    """Whether the pipe could carry more than its `low` with all others in their bounds."""
    pipe = pipes[number]
    if pipe.flow > pipe.low:
        return True
    return pipe.flow < pipe.high and _path(pipes, pipe.head, pipe.tail, number)[0] is not None


_Claim = tuple[int, int, Row]  # group, remainder in parts of a Wh that all claims share, order


class _Queue:
    """Which of two claims to a Wh is heard first; tie keys are hashed only where they decide."""

    def __init__(self, book: Book) -> None:
        self._book = book

    @cached_property
    def _root(self) -> bytes:
        return book_root(rows_of(self._book, [0] * len(self._book)))

    def _tie(self, claim: _Claim) -> bytes:
        return tie(self._book.tie_prefix, self._book.slot, self._root, claim[2].tag)

    def before(self, one: _Claim, other: _Claim) -> bool:
        """Whether the first claim is heard before the second."""
        if one[1] != other[1]:
            return one[1] > other[1]
        return self._tie(one) < self._tie(other)

    def first(self, claims: Sequence[_Claim]) -> _Claim:
        """The claim that is heard before all others of one group."""
        most = max(claim[1] for claim in claims)
        tied = [claim for claim in claims if claim[1] == most]
        return min(tied, key=self._tie) if len(tied) > 1 else tied[0]

    def last(self, claims: Sequence[_Claim]) -> _Claim:
        """The claim that is heard after all others of one group."""
        least = min(claim[1] for claim in claims)
        tied = [claim for claim in claims if claim[1] == least]
        return max(tied, key=self._tie) if len(tied) > 1 else tied[0]


def _check_queue(
    joined: Joined,
    groups: Sequence[_Group],
    links: Sequence[_Pipe],
    winners: Sequence[_Claim],
    losers: Sequence[_Claim],
) -> Iterator[Finding]:
    """Nobody without a Wh more stands before somebody with one whose Wh it could have had.

    Groups that hold both kinds, or could pass a Wh on, are the only ones of which this says
    anything; one exchange is enough to look at, for whole flows are exchanged one by one.
    """
    queue = _Queue(joined.book)
    first = {n: queue.first([c for c in losers if c[0] == n]) for n in {c[0] for c in losers}}
    last = {n: queue.last([c for c in winners if c[0] == n]) for n in {c[0] for c in winners}}
    pipes = [*links, *(_Pipe(g.tail, g.head, 0, g.fill_wh, g.e_wh) for g in groups)]
    for loser, claim in first.items():
        for winner, taken in last.items():
            if queue.before(claim, taken) and _exchange(pipes, len(links), loser, winner):
                yield Finding("tie key", taken[2].place, "one Wh more", "none, another goes first")
        for other in first:
            if other != loser and _exchange(pipes, len(links), loser, other, grow=True):
                yield Finding("whole share", claim[2].place, str(claim[2].fill_wh), "one Wh more")


def _exchange(
    pipes: Sequence[_Pipe], links: int, loser: int, winner: int, grow: bool = False
) -> bool:
    """Whether a Wh more for the loser's group can be one less, or more, of the other's alone."""
    if loser == winner:
        return True
    narrow = [
        pipe if number < links else pipe._replace(low=pipe.flow, high=pipe.flow)
        for number, pipe in enumerate(pipes)
    ]
    other = pipes[links + winner]
    change = 1 if grow else -1
    narrow[links + winner] = other._replace(
        low=other.flow + min(change, 0), high=other.flow + max(change, 0)
    )
    up = pipes[links + loser]
    return _path(narrow, up.head, up.tail, links + loser)[0] is not None
