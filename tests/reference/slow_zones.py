"""The zonal auction written from its definition: one linear program for each sentence of it.

Flows on a network are whole wherever all that binds them is, so a linear program that asks whether
an answer is left also says whether a whole one is. One program is kept by the solver and only its
aim, its bounds and its further rows change: started anew for each question, the same answers take
ten times as long.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import highspy
import numpy as np

from market.book import Book
from market.network import MarketNetwork

BID = 1
NEAR = 1e-7


class Program:
    """max aim · x where rows · x = values and low ≤ x ≤ high; infeasible gives None."""

    def __init__(self, low: Sequence[float], high: Sequence[float]) -> None:
        self.low, self.high = [float(one) for one in low], [float(one) for one in high]
        self._solver = highspy.Highs()
        self._solver.silent()
        self._solver.setOptionValue("threads", 1)
        self._solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        empty = np.zeros(0)
        for one, other in zip(self.low, self.high, strict=True):
            self._solver.addCol(0.0, one, other, 0, np.zeros(0, dtype=np.int32), empty)

    def fix(self, row: np.ndarray, value: float) -> None:
        """Demand row · x = value from now on."""
        self.bound(row, value, value)

    def bound(self, row: np.ndarray, low: float, high: float) -> None:
        """Demand low ≤ row · x ≤ high from now on."""
        used = np.flatnonzero(row).astype(np.int32)
        self._solver.addRow(low, high, len(used), used, row[used].astype(np.float64))

    def maximise(self, aim: np.ndarray) -> float | None:
        """The greatest value, None where no answer is left."""
        columns = np.arange(len(aim), dtype=np.int32)
        self._solver.changeColsCost(len(aim), columns, aim.astype(np.float64))
        self._solver.changeColsBounds(len(aim), columns, np.array(self.low), np.array(self.high))
        self._solver.run()
        status = self._solver.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
        assert status == highspy.HighsModelStatus.kOptimal, status
        return float(self._solver.getInfo().objective_function_value)

    def answer(self) -> list[float]:
        """The x of the last question."""
        return list(self._solver.getSolution().col_value)


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
    orders, links = len(book), len(network.links)
    size = orders + links
    bid, fee, worth, length = (np.zeros(size) for _ in range(4))
    bid[:orders] = book.side == BID
    fee[orders:] = [link.fee_mkrw_per_kwh for link in network.links]
    worth[:orders] = np.where(book.side == BID, 1, -1) * book.price_mkrw_per_kwh
    length[orders:] = 1
    program = balanced(book, network)
    best = [reach(program, aim) for aim in (worth - fee, bid, -fee)]
    shares = fair_shares(book, network, list(zip((worth - fee, bid, -fee), best, strict=True)))
    fills = whole_fills(program, book, shares)
    flow = -reach(program, -length)
    flows = [round(one) for one in program.answer()[orders:]]
    prices = price_ranges(book, network, (fills, flows), (floor, cap))
    return SlowZones(best[0], best[1], -best[2], fills, flow, prices)


def balanced(book: Book, network: MarketNetwork) -> Program:
    """Variables: the fill of each order, then the flow of each link; at each node in = out."""
    most = float(book.e_wh.sum())
    high = [float(e) for e in book.e_wh]
    high += [min(float(link.capacity_wh), most) for link in network.links]
    program = Program([0.0] * len(high), high)
    for row in node_rows(book, network):
        program.fix(row, 0)
    return program


def node_rows(book: Book, network: MarketNetwork) -> list[np.ndarray]:
    """What comes into each node less what goes out of it."""
    rows = []
    for node in sorted(network.nodes()):
        row = np.zeros(len(book) + len(network.links))
        for n in range(len(book)):
            if book.node[n] == node:
                row[n] = -1 if book.side[n] == BID else 1
        for n, link in enumerate(network.links, start=len(book)):
            row[n] = (link.to_node == node) - (link.from_node == node)
        rows.append(row)
    return rows


def reach(program: Program, aim: np.ndarray) -> int:
    """The greatest value of an aim, which is held from now on."""
    value = program.maximise(aim)
    assert value is not None
    program.fix(aim, round(value))
    return round(value)


def fair_shares(
    book: Book, network: MarketNetwork, held: list[tuple[np.ndarray, int]]
) -> list[Fraction]:
    """Raise the smallest fraction as far as it goes, then the next, order by order."""
    orders, size = len(book), len(book) + len(network.links)
    most = float(book.e_wh.sum())
    # Beside fills and flows: the common fraction, and by how much each fill is above it.
    high = [float(e) for e in book.e_wh]
    high += [min(float(link.capacity_wh), most) for link in network.links]
    program = Program([0.0] * (size + 1 + orders), [*high, 1.0, *map(float, book.e_wh)])
    wide = np.zeros(size + 1 + orders)
    for row, value in [*((row, 0) for row in node_rows(book, network)), *held]:
        wide[:size] = row
        program.fix(wide, value)
    for n in range(orders):  # fill - fraction * quantity = what is above
        row = np.zeros_like(wide)
        row[n], row[size], row[size + 1 + n] = 1, -float(book.e_wh[n]), -1
        program.fix(row, 0)
    found: dict[int, Fraction] = {}
    while len(found) < orders:
        for n in range(orders):
            e_wh = float(book.e_wh[n])
            if n in found:  # a rounding error of the solver's own size must not empty the set
                exact = float(found[n]) * e_wh
                program.low[n], program.high[n] = max(exact - 1e-9, 0.0), exact + 1e-9
                program.low[size + 1 + n] = -e_wh
            else:
                program.low[n], program.low[size + 1 + n] = 0.0, 0.0
        program.low[size], program.high[size] = 0.0, 1.0
        aim = np.zeros_like(wide)
        aim[size] = 1
        highest = program.maximise(aim)
        assert highest is not None
        level = Fraction(highest).limit_denominator(2_000)
        program.low[size] = program.high[size] = max(float(level) - 1e-10, 0.0)
        for n in [one for one in range(orders) if one not in found]:
            aim = np.zeros_like(wide)
            aim[n] = 1
            reached = program.maximise(aim)
            assert reached is not None
            if reached < float(level) * float(book.e_wh[n]) + NEAR:
                found[n] = level
    return [found[n] for n in range(orders)]


def whole_fills(program: Program, book: Book, shares: list[Fraction]) -> list[int]:
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


def price_ranges(
    book: Book,
    network: MarketNetwork,
    outcome: tuple[list[int], list[int]],
    band: tuple[int, int],
) -> dict[int, tuple[int, int]]:
    """Least and greatest price of each node at which nobody would rather trade otherwise."""
    (fills, flows), nodes = outcome, sorted(network.nodes())
    program = Program([band[0]] * len(nodes), [band[1]] * len(nodes))
    for n, fill in enumerate(fills):
        row = np.zeros(len(nodes))
        row[nodes.index(int(book.node[n]))] = sign = 1 if book.side[n] == BID else -1
        limit = sign * float(book.price_mkrw_per_kwh[n])
        if fill > 0:  # a bid's price is at most its limit, an offer's at least
            program.bound(row, -np.inf, limit)
        if fill < book.e_wh[n]:
            program.bound(row, limit, np.inf)
    for link, flow in zip(network.links, flows, strict=True):
        row = np.zeros(len(nodes))
        row[nodes.index(link.to_node)], row[nodes.index(link.from_node)] = 1, -1
        if flow < link.capacity_wh:
            program.bound(row, -np.inf, link.fee_mkrw_per_kwh)
        if flow > 0:
            program.bound(row, link.fee_mkrw_per_kwh, np.inf)
    found = {}
    for n, node in enumerate(nodes):
        aim = np.zeros(len(nodes))
        aim[n] = 1
        least, greatest = program.maximise(-aim), program.maximise(aim)
        assert least is not None and greatest is not None
        found[node] = (-round(least), round(greatest))
    return found
