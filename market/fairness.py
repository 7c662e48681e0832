"""Fair shares of what joined nodes can trade at the margin, and whole Wh of them.

A group is all orders of one side at one node that stand at the node's price; its orders get the
same fraction of their quantity. The fractions are max-min fair: the smallest is raised as far as
the bounds of the arcs allow, then the next, and so on, which has one answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from market.errors import MarketError
from market.flow import Arc, MaxFlow, circulate


def fair_fractions(count: int, arcs: Sequence[Arc], groups: Sequence[int]) -> list[Fraction]:
    """What each group, named by its arc, gets of the arc's `high`; 0 where that is 0.

    A group's arc must have `low` 0; all other arcs stay within their bounds.
    """
    found = {group: Fraction(0) for group in groups}
    rising = {group for group in groups if arcs[group].high > 0}
    while rising:
        level, flow, unit = _highest_level(count, arcs, found, rising)
        bounded = _bounded(arcs, found, dict.fromkeys(rising, level), rising, unit)
        stuck = {group for group in rising if not _can_rise(count, bounded, flow, group)}
        if not stuck:
            raise MarketError("shares: a level is the highest and no group is at its end")
        found |= dict.fromkeys(stuck, level)
        rising -= stuck
    return [found[group] for group in groups]


def _highest_level(
    count: int, arcs: Sequence[Arc], found: dict[int, Fraction], rising: set[int]
) -> tuple[Fraction, list[int], int]:
    """The highest fraction that all rising groups can have, a flow that gives it, and its unit.

    From 1 downwards: a level that is too high has a cut that says what the level can be at most.
    """
    level = Fraction(1)
    while True:
        least = dict.fromkeys(rising, level)
        unit = lcm(level.denominator, *(share.denominator for share in found.values()))
        flow, inside = circulate(count, _bounded(arcs, found, least, rising, unit))
        if flow is not None:
            return level, flow, unit
        out = into = Fraction(0)
        slope = 0
        for number, arc in enumerate(arcs):
            settled = number in found and number not in rising
            fixed = found[number] * arc.high if settled else None
            if inside[arc.tail] and not inside[arc.head]:
                out += arc.high if fixed is None else fixed
            elif inside[arc.head] and not inside[arc.tail]:
                if number in rising:
                    slope += arc.high
                else:
                    into += arc.low if fixed is None else fixed
        if slope == 0:
            raise MarketError("shares: the bounds of the arcs allow no balanced flow")
        level = (out - into) / slope


def _bounded(
    arcs: Sequence[Arc],
    found: dict[int, Fraction],
    least: dict[int, Fraction],
    rising: set[int],
    unit: int,
) -> list[Arc]:
    """The arcs in parts of a Wh: settled groups at their share, rising ones at least at theirs."""
    bounded = []
    for number, arc in enumerate(arcs):
        low, high = arc.low * unit, arc.high * unit
        if number in rising:
            low = int(least[number] * arc.high * unit)
        elif number in found:
            low = high = int(found[number] * arc.high * unit)
        bounded.append(Arc(arc.tail, arc.head, low, high))
    return bounded


def _can_rise(count: int, arcs: Sequence[Arc], flow: Sequence[int], group: int) -> bool:
    """Whether the group's flow can be above its `low` without breaking another bound."""
    return flow[group] > arcs[group].low or _push(count, arcs, list(flow), group, 1) > 0


def _push(count: int, arcs: Sequence[Arc], flow: list[int], group: int, most: int) -> int:
    """Raise the flow of an arc by up to `most` around circles; how much went."""
    start, end = arcs[group].head, arcs[group].tail
    graph, names = MaxFlow(count + 1), []
    graph.add(count, start, min(most, arcs[group].high - flow[group]))
    for number, arc in enumerate(arcs):
        if number != group:
            forth = graph.add(arc.tail, arc.head, arc.high - flow[number])
            back = graph.add(arc.head, arc.tail, flow[number] - arc.low)
            names.append((number, forth, back))
    pushed = graph.run(count, end)
    flow[group] += pushed
    for number, forth, back in names:
        flow[number] += graph.flow(forth) - graph.flow(back)
    return pushed


class Claim(NamedTuple):
    """An order's claim to one more Wh: its group's place, its remainder and its tie key.

    Remainders of all claims are counted in the same part of a Wh, so that they are whole numbers.
    """

    group: int
    remainder: int
    tie: bytes
    row: int


def whole_shares(
    count: int,
    arcs: Sequence[Arc],
    groups: Sequence[int],
    floors: Sequence[int],
    claims: Sequence[Claim],
) -> tuple[list[int], set[int]]:
    """Wh of each group, and the rows that get one Wh above the floor of their share.

    Claims are heard by largest remainder, then by tie key; one is granted whenever a whole flow
    with all that has been decided before remains.
    """
    queue = sorted(claims, key=lambda claim: (-claim.remainder, claim.tie))
    low = list(floors)
    high = list(floors)
    for claim in claims:
        high[claim.group] += 1
    flow = _near(count, arcs, groups, low, high, queue)
    closed: set[int] = set()
    winners: set[int] = set()
    for claim in queue:
        group = claim.group
        if group not in closed and flow[groups[group]] == low[group]:
            bounded = _within(arcs, groups, low, high)
            # What cannot be raised now never can: all later decisions only narrow the bounds.
            if low[group] == high[group] or not _push(count, bounded, flow, groups[group], 1):
                closed.add(group)
        if group in closed:
            high[group] = low[group]
        else:
            low[group] += 1
            winners.add(claim.row)
    return low, winners


def _within(
    arcs: Sequence[Arc], groups: Sequence[int], low: Sequence[int], high: Sequence[int]
) -> list[Arc]:
    bounded = list(arcs)
    for place, group in enumerate(groups):
        bounded[group] = replace(arcs[group], low=low[place], high=high[place])
    return bounded


def _near(
    count: int,
    arcs: Sequence[Arc],
    groups: Sequence[int],
    low: Sequence[int],
    high: Sequence[int],
    queue: Sequence[Claim],
) -> list[int]:
    """A whole flow within the bounds, near to what the first claims of the queue would get.

    Only a start: the fewer Wh are to be moved afterwards, the sooner all claims are heard.
    """
    flow, _ = circulate(count, _within(arcs, groups, low, high))
    if flow is None:
        raise MarketError("shares: no whole flow between floor and ceiling of all shares")
    aim = list(low)
    for tails_outside in (True, False):
        side = {
            n for n, group in enumerate(groups) if (arcs[group].tail == count - 1) == tails_outside
        }
        spare = sum(flow[groups[n]] - low[n] for n in side)
        first = [claim for claim in queue if claim.group in side][:spare]
        for claim in first:
            aim[claim.group] += 1
    for place, group in enumerate(groups):
        missing = aim[place] - flow[group]
        if missing > 0:
            least = [min(a, flow[g]) for a, g in zip(aim, groups, strict=True)]
            most = [max(a, flow[g]) for a, g in zip(aim, groups, strict=True)]
            _push(count, _within(arcs, groups, least, most), flow, group, missing)
    return flow
