"""The zonal auction written from its definition: one linear program for each sentence of it.

Flows on a network are whole wherever all that binds them is, so a linear program that asks whether
an answer is left also says whether a whole one is.
"""

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from scipy.optimize import linprog

from market.book import Book
from market.network import MarketNetwork

BID = 1


@dataclass
class Program:
    """Variables: the fill of each order, then the flow of each link."""

    book: Book
    network: MarketNetwork
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        most = float(self.book.e_wh.sum())
        self.high = [float(e) for e in self.book.e_wh]
        self.high += [min(float(link.capacity_wh), most) for link in self.network.links]
        self.low = [0.0] * len(self.high)
        for node in sorted(self.network.nodes()):
            row = np.zeros(len(self.high))
            for n in range(len(self.book)):
                if self.book.node[n] == node:
                    row[n] = -1 if self.book.side[n] == BID else 1
            for n, link in enumerate(self.network.links, start=len(self.book)):
                row[n] = (link.to_node == node) - (link.from_node == node)
            self.fix(row, 0)

    def fix(self, row: np.ndarray, value: float) -> None:
        self.rows.append(row)
        self.values.append(value)

    def maximise(self, row: np.ndarray) -> float | None:
        """The greatest value, None where no answer is left."""
        solved = linprog(
            -row,
            A_eq=np.array(self.rows),
            b_eq=self.values,
            bounds=list(zip(self.low, self.high, strict=True)),
            method="highs",
        )
        return None if solved.status == 2 else -float(solved.fun)


@dataclass
class SlowZones:
    """What the definition says of a book on a network; prices by node as (least, greatest)."""

    welfare: int
    volume_wh: int
    fees: int
    fill_wh: list[int]
    flow_wh: int
    prices: dict[int, tuple[int, int]]


def clear(book: Book, network: MarketNetwork, floor: int, cap: int) -> SlowZones:
    """Welfare, volume, fees, fair shares, whole Wh, least flow: one after the other."""
    program, orders = Program(book, network), len(book)
    size = len(program.high)
    bid = np.zeros(size)
    bid[:orders] = book.side == BID
    fee = np.zeros(size)
    fee[orders:] = [link.fee_mkrw_per_kwh for link in network.links]
    worth = np.zeros(size)
    worth[:orders] = np.where(book.side == BID, 1, -1) * book.price_mkrw_per_kwh
    best = []
    for aim in (worth - fee, bid, -fee):
        value = round(program.maximise(aim) or 0.0)
        program.fix(aim, value)
        best.append(value)
    shares = _fair(program, orders)
    fills = _whole(program, book, shares)
    length = np.zeros(size)
    length[orders:] = 1
    flow = -round(program.maximise(-length) or 0.0)
    program.fix(length, flow)
    return SlowZones(
        best[0], best[1], -best[2], fills, flow, _prices(program, book, network, floor, cap)
    )


def _fair(program: Program, orders: int) -> list[Fraction]:
    """Raise the smallest fraction as far as it goes, then the next, order by order."""
    found: dict[int, Fraction] = {}
    while len(found) < orders:
        free = [n for n in range(orders) if n not in found]
        level = _level(program, found, free)
        for n in free:
            row = np.zeros(len(program.high))
            row[n] = 1
            others = [m for m in free if m != n]
            most = _bounded(program, found, others, level).maximise(row)
            assert most is not None
            if most < float(level) * program.high[n] + 1e-7:
                found[n] = level
    return [found[n] for n in range(orders)]


def _level(program: Program, found: dict[int, Fraction], free: list[int]) -> Fraction:
    """The greatest fraction that all of `free` can have at once."""
    one = _bounded(program, found, [], Fraction(0))
    size = len(one.high)
    one.high.append(1.0)
    one.low.append(0.0)
    one.rows = [np.append(row, 0.0) for row in one.rows]
    for n in free:  # fill = level * quantity + slack
        one.high.append(one.high[n])
        one.low.append(0.0)
        one.rows = [np.append(row, 0.0) for row in one.rows]
        row = np.zeros(len(one.high))
        row[n], row[size], row[-1] = 1, -one.high[n], -1
        one.rows.append(row)
        one.values.append(0.0)
    for at, row in enumerate(one.rows):
        one.rows[at] = np.append(row, np.zeros(len(one.high) - len(row)))
    aim = np.zeros(len(one.high))
    aim[size] = 1
    level = one.maximise(aim)
    assert level is not None
    return Fraction(level).limit_denominator(2_000)


def _bounded(
    program: Program, found: dict[int, Fraction], at_least: list[int], level: Fraction
) -> Program:
    copy = Program(program.book, program.network)
    copy.rows, copy.values = list(program.rows), list(program.values)
    copy.low, copy.high = list(program.low), list(program.high)
    for n, share in found.items():
        copy.low[n] = copy.high[n] = float(share) * program.high[n]
        # A rounding error of the solver's own size must not empty the set.
        copy.low[n] = max(copy.low[n] - 1e-9, 0.0)
        copy.high[n] += 1e-9
    for n in at_least:
        copy.low[n] = max(float(level) * program.high[n] - 1e-9, 0.0)
    return copy


def _whole(program: Program, book: Book, shares: list[Fraction]) -> list[int]:
    """By largest remainder and tie key, one Wh more whenever a whole answer is left."""
    exact = [share * int(e) for share, e in zip(shares, book.e_wh, strict=True)]
    floors = [one.numerator // one.denominator for one in exact]
    queue = [n for n in range(len(book)) if exact[n] > floors[n]]
    queue.sort(key=lambda n: (-(exact[n] - floors[n]), _tie(book, n)))
    for n, floor in enumerate(floors):
        program.low[n] = floor
        program.high[n] = floor + (n in queue)
    nothing = np.zeros(len(program.high))
    for n in queue:
        program.low[n] = program.high[n]
        if program.maximise(nothing) is None:
            program.low[n] = program.high[n] = floors[n]
    return [int(program.low[n]) for n in range(len(book))]


def _tie(book: Book, row: int) -> bytes:
    slot = book.slot.to_bytes(8, "big")
    return hashlib.sha256(b"tie/1" + slot + book.root + bytes(book.tag[row])).digest()


def _prices(
    program: Program, book: Book, network: MarketNetwork, floor: int, cap: int
) -> dict[int, tuple[int, int]]:
    """Least and greatest price of each node at which nobody would rather trade otherwise."""
    nodes = sorted(network.nodes())
    least, bounds = np.zeros((0, len(nodes))), [(float(floor), float(cap))] * len(nodes)
    values: list[float] = []
    solved = linprog(
        np.zeros(len(program.high)),
        A_eq=np.array(program.rows),
        b_eq=program.values,
        bounds=list(zip(program.low, program.high, strict=True)),
        method="highs",
    )
    flows = [round(one) for one in solved.x[len(book) :]]
    for n in range(len(book)):
        row = np.zeros(len(nodes))
        row[nodes.index(int(book.node[n]))] = 1
        limit, sign = float(book.price_mkrw_per_kwh[n]), 1 if book.side[n] == BID else -1
        if program.low[n] > 0:  # a bid's price is at most its limit, an offer's at least
            least, values = np.vstack([least, sign * row]), [*values, sign * limit]
        if program.low[n] < book.e_wh[n]:
            least, values = np.vstack([least, -sign * row]), [*values, -sign * limit]
    for link, flow in zip(network.links, flows, strict=True):
        row = np.zeros(len(nodes))
        row[nodes.index(link.to_node)], row[nodes.index(link.from_node)] = 1, -1
        if flow < link.capacity_wh:
            least, values = np.vstack([least, row]), [*values, link.fee_mkrw_per_kwh]
        if flow > 0:
            least, values = np.vstack([least, -row]), [*values, -link.fee_mkrw_per_kwh]
    found = {}
    for n, node in enumerate(nodes):
        aim = np.zeros(len(nodes))
        aim[n] = 1
        ends = [
            linprog(sign * aim, A_ub=least, b_ub=values, bounds=bounds, method="highs").fun
            for sign in (1, -1)
        ]
        found[node] = (round(ends[0]), round(-ends[1]))
    return found
