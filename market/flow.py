"""Flows of whole numbers on small graphs: largest flow and cut, circulations, cheapest ones.

Graphs have tens of nodes and arcs, so that plain lists and shortest augmenting paths will do.
Costs and bounds are Python integers of any size, nothing is ever rounded.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from market.errors import MarketError


@dataclass(frozen=True)
class Arc:
    """A way from a node to another that carries `low` up to `high`, each unit at `cost`."""

    tail: int
    head: int
    low: int
    high: int
    cost: int = 0


class MaxFlow:
    """The largest flow from `source` to `sink`, arc by arc, by shortest augmenting paths."""

    def __init__(self, count: int) -> None:
        self._out: list[list[int]] = [[] for _ in range(count)]
        self._head: list[int] = []
        self._room: list[int] = []

    def add(self, tail: int, head: int, room: int) -> int:
        """A new arc; its name."""
        name = len(self._head)
        self._head += [head, tail]
        self._room += [room, 0]
        self._out[tail].append(name)
        self._out[head].append(name + 1)
        return name

    def flow(self, name: int) -> int:
        """What the arc carries."""
        return self._room[name + 1]

    def run(self, source: int, sink: int) -> int:
        """Push all that goes through; how much that was."""
        total = 0
        while True:
            by = self._reach(source)
            if by[sink] is None:
                return total
            path = []
            at = sink
            while at != source:
                arc = by[at]
                assert arc is not None
                path.append(arc)
                at = self._head[arc ^ 1]
            pushed = min(self._room[arc] for arc in path)
            for arc in path:
                self._room[arc] -= pushed
                self._room[arc ^ 1] += pushed
            total += pushed

    def reachable(self, source: int) -> list[bool]:
        """Which nodes are on the source's side of the smallest cut, after `run`."""
        by = self._reach(source)
        return [one is not None or node == source for node, one in enumerate(by)]

    def _reach(self, source: int) -> list[int | None]:
        """The arc by which each node was reached first."""
        by: list[int | None] = [None] * len(self._out)
        queue = deque([source])
        while queue:
            at = queue.popleft()
            for arc in self._out[at]:
                to = self._head[arc]
                if self._room[arc] and by[to] is None and to != source:
                    by[to] = arc
                    queue.append(to)
        return by


def circulate(count: int, arcs: Sequence[Arc]) -> tuple[list[int] | None, list[bool]]:
    """A flow within all bounds that is balanced at every node, and which nodes stand in its way.

    The flow is None where there is none; the nodes marked True then must take in more than the
    arcs out of them can carry away: the sum of `low` into them is above that of `high` out.
    """
    graph, excess = MaxFlow(count + 2), [0] * count
    names = []
    for arc in arcs:
        names.append(graph.add(arc.tail, arc.head, arc.high - arc.low))
        excess[arc.head] += arc.low
        excess[arc.tail] -= arc.low
    for node, left in enumerate(excess):
        if left > 0:
            graph.add(count, node, left)
        elif left < 0:
            graph.add(node, count + 1, -left)
    wanted = sum(left for left in excess if left > 0)
    if graph.run(count, count + 1) < wanted:
        return None, graph.reachable(count)[:count]
    found = [arc.low + graph.flow(name) for arc, name in zip(arcs, names, strict=True)]
    return found, [False] * count


@dataclass(frozen=True)
class CheapestFlow:
    """A circulation of least cost, and the potential of each node that proves it.

    An arc whose `cost + potential[tail] - potential[head]` is above 0 carries its `low`, one where
    it is below 0 its `high`.
    """

    flow: list[int]
    potential: list[int]

    def slack(self, arc: Arc) -> int:
        """The arc's cost less what its ends differ by."""
        return arc.cost + self.potential[arc.tail] - self.potential[arc.head]


def circulate_cheaply(count: int, arcs: Sequence[Arc]) -> CheapestFlow:
    """The circulation of least cost, by successive shortest paths; costs may be below 0."""
    # Every arc begins at the end of its bounds that costs less: no circle can then save anything,
    # and shortest paths from what is left over to what is missing keep it so.
    flow = [arc.low if arc.cost >= 0 else arc.high for arc in arcs]
    excess = [0] * count
    for arc, carried in zip(arcs, flow, strict=True):
        excess[arc.head] += carried
        excess[arc.tail] -= carried
    while any(excess):
        start = [0 if left > 0 else None for left in excess]
        cost, by = _shortest(arcs, flow, start)
        ends = [node for node, left in enumerate(excess) if left < 0 and cost[node] is not None]
        if not ends:
            raise MarketError("flow: the bounds of the arcs allow no balanced flow")
        end = min(ends, key=lambda node: (cost[node], node))
        path, at = [], end
        while by[at] is not None:
            step = by[at]
            assert step is not None
            path.append(step)
            at = arcs[step[0]].tail if step[1] > 0 else arcs[step[0]].head
        pushed = min(excess[at], -excess[end], *(_room(arcs, flow, step) for step in path))
        for number, way in path:
            flow[number] += way * pushed
        excess[at] -= pushed
        excess[end] += pushed
    potential, _ = _shortest(arcs, flow, [0] * count)
    return CheapestFlow(flow, [int(one or 0) for one in potential])


_Step = tuple[int, int]  # arc, and +1 along it or -1 against it


def _room(arcs: Sequence[Arc], flow: Sequence[int], step: _Step) -> int:
    number, way = step
    arc = arcs[number]
    return arc.high - flow[number] if way > 0 else flow[number] - arc.low


def _shortest(
    arcs: Sequence[Arc], flow: Sequence[int], start: Sequence[int | None]
) -> tuple[list[int | None], list[_Step | None]]:
    """Least cost from the nodes that `start` gives one, over all that can still change."""
    cost = list(start)
    by: list[_Step | None] = [None] * len(cost)
    ways = []
    for number, arc in enumerate(arcs):
        if flow[number] < arc.high:
            ways.append((arc.tail, arc.head, arc.cost, (number, 1)))
        if flow[number] > arc.low:
            ways.append((arc.head, arc.tail, -arc.cost, (number, -1)))
    for _ in range(len(cost) + 1):
        changed = False
        for tail, head, price, step in ways:
            here = cost[tail]
            if here is None:
                continue
            there = cost[head]
            if there is None or here + price < there:
                cost[head], by[head], changed = here + price, step, True
        if not changed:
            return cost, by
    raise MarketError("flow: a circle of arcs saves cost without end")
