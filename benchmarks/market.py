"""How fast the market is, beside the bare sort of the same prices and, where installed, pymarket.

    python benchmarks/market.py [--quick]

Prints the median and the worst of the runs with the machine's name, so that the ratio to the sort
survives another machine. Times are those of the processor (of one core: nothing here has threads),
so that other work on the machine does not count. Books are as the auction gets them: the root of
the sealed book is known (it is made when the book is sealed, and its time is shown apart). pymarket
brings other versions of numpy and pandas, so it is taken from an environment of its own if one is
named by PYMARKET, the path of that environment's python.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# A script's own folder comes first on the path, where this file would hide the package `market`.
sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from energy.tariffs import load_tariff
from market.book import Book
from market.certificate import check_clearing
from market.clearing import clear_slot
from market.network import MarketLink, MarketNetwork
from market.rules import MarketRules
from market.settlement import (
    NO_TARIFF,
    BoundaryReading,
    MeterReadings,
    SettlementInput,
    SettlementTerms,
    Trade,
    reserve_slot,
    settle_slot,
    system_accounts,
)
from market.signing import Domain
from market.tariff import SlotCalendar, TariffDay
from market.transfers import transfer_digests

SLOT = 1_784_084_400
RULES = MarketRules()
METERS, ASSETS, TRADERS = 9_700, 300, 3_000
PEER = """
import sys, time, numpy as np, pymarket
n = int(sys.argv[1])
rng = np.random.default_rng(0)
market = pymarket.Market()
for i in range(n):
    market.accept_bid(rng.uniform(0.1, 3), rng.uniform(80, 250), 2 * i, True)
    market.accept_bid(rng.uniform(0.1, 3), rng.uniform(60, 220), 2 * i + 1, False)
begin = time.perf_counter()
market.run("muda", r=np.random.RandomState(1))
print(time.perf_counter() - begin)
"""


def main() -> None:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small books, to see that it runs")
    quick = parser.parse_args().quick
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
          f"numpy {np.__version__}, {os.cpu_count()} cores\n")  # fmt: skip
    print(f"{'work':<46}{'median':>11}{'worst':>11}{'aim':>11}{'to sort':>9}")
    for count, aim_s in ((10_000, 0.003), (1_000 if quick else 1_000_000, 0.3)):
        show_auction(count, aim_s)
    for zones, tied in ((12, False), (12, True), (20, False)):
        show_zones(500 if quick else 10_000, zones, tied)
    show_settlement(20 if quick else 1)
    show_peer(100 if quick else 5_000)


def show_auction(count: int, aim_s: float) -> None:
    """The auction, its proof and the sealing of one book."""
    book = random_book(count)
    sealed = measured(lambda: Book.root.func(book), 3) if count <= 10_000 else []  # type: ignore[attr-defined]
    # A million leaves take seconds to hash; the auction needs the root for its ties only.
    book.__dict__["root"] = book.root if count <= 10_000 else bytes(32)
    sort = measured(lambda: np.sort(book.price_mkrw_per_kwh), 20)
    base = statistics.median(sort)
    show(f"sort {count:,} prices", sort, None, base)
    show(f"clear {count:,} orders", measured(lambda: clear_slot(book, RULES), 20), aim_s, base)
    if sealed:
        clearing = clear_slot(book, RULES)
        proof = measured(lambda: check_clearing(book, RULES, clearing), 20)
        show(f"prove {count:,} orders, plain Python", proof, 0.05, base)
        show(f"seal {count:,} orders (Merkle root)", sealed, None, base)


def show_zones(count: int, zones: int, tied: bool) -> None:
    """Zones behind a hub and in a row, narrow links with fees; beside a linear program.

    With `tied` all bids have one price and all offers another, so that everybody shares.
    """
    book, network = zonal_book(count, zones, tied), zonal_network(zones)
    base = statistics.median(measured(lambda: np.sort(book.price_mkrw_per_kwh), 20))
    name = f"{count:,} orders in {zones} zones" + (", all tied" if tied else "")
    show(f"clear {name}", measured(lambda: clear_slot(book, RULES, network), 20), 0.1, base)
    clearing = clear_slot(book, RULES, network)
    proof = measured(lambda: check_clearing(book, RULES, clearing, network), 5)
    show(f"prove {name}", proof, None, base)
    welfare = linear_program(book, network)
    show(f"HiGHS, {name}", measured(lambda: linear_program(book, network), 3), None, base)
    if abs(welfare - clearing.welfare_ukrw) > 1e-9 * abs(welfare):
        raise SystemExit(f"{name}: welfare {clearing.welfare_ukrw}, linear program {welfare}")


def linear_program(book: Book, network: MarketNetwork) -> float:
    """Welfare of the same book on the same network by an LP solver; no shares, no prices."""
    sign = np.where(book.side == 1, 1, -1)
    orders, links = len(book), network.links
    ends = np.array([(link.from_node, link.to_node) for link in links])
    rows = np.concatenate([book.node, ends[:, 0], ends[:, 1]])
    columns = np.concatenate([np.arange(orders), *(orders + np.arange(len(links)),) * 2])
    values = np.concatenate([-sign, -np.ones(len(links)), np.ones(len(links))])
    nodes = max(network.nodes()) + 1
    balance = coo_matrix((values, (rows, columns)), shape=(nodes, orders + len(links))).tocsr()
    fees = [link.fee_mkrw_per_kwh for link in links]
    cost = np.concatenate([-sign * book.price_mkrw_per_kwh, fees]).astype(float)
    most = np.concatenate([book.e_wh, [link.capacity_wh for link in links]])
    bounds = np.stack([np.zeros(len(most)), most], axis=1)
    solved = linprog(cost, A_eq=balance, b_eq=np.zeros(nodes), bounds=bounds, method="highs")
    return -float(solved.fun)


def show_settlement(shrink: int) -> None:
    """Reserve and settle a slot of the full district."""
    inputs = random_slot(METERS // shrink, ASSETS // shrink, TRADERS // shrink)
    domain = Domain("sejong-5-1/sim/bench")
    reserved = reserve_slot(SLOT, inputs.trades, inputs.system)
    pendings = dict(zip(transfer_digests(domain, reserved), reserved, strict=True))
    inputs = SettlementInput(**{**vars(inputs), "pendings": pendings})
    lines = len(settle_slot(inputs).transfers)
    work = f"settle {METERS // shrink:,} meters, {lines:,} transfers"
    show(work, measured(lambda: settle_slot(inputs), 10), 0.4, None)


def show_peer(count: int) -> None:
    """The MUDA auction of pymarket on as many bids and offers."""
    python = os.environ.get("PYMARKET")
    if python is None:
        print("\npymarket: not measured, PYMARKET names no python that has it")
        return
    answer = subprocess.run([python, "-c", PEER, str(count)], capture_output=True, text=True)
    if answer.returncode:
        print(f"\npymarket: failed: {answer.stderr.strip().splitlines()[-1]}")
        return
    show(f"pymarket MUDA, {count:,} + {count:,} orders", [float(answer.stdout)], None, None)


def measured(work: Callable[[], object], runs: int) -> list[float]:
    """Processor seconds of each run, after one that does not count."""
    work()
    found = []
    for _ in range(runs):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return found


def show(work: str, seconds: list[float], aim_s: float | None, base_s: float | None) -> None:
    """One line of the table, in milliseconds."""
    median, worst = statistics.median(seconds), max(seconds)
    aim = f"{aim_s * 1e3:>8.1f} ms" if aim_s else f"{'':>11}"
    ratio = f"{median / base_s:>8.1f}x" if base_s else ""
    print(f"{work:<46}{median * 1e3:>8.2f} ms{worst * 1e3:>8.2f} ms{aim}{ratio}")


def random_book(count: int) -> Book:
    """Bids and offers of a district, prices on the tick; seeded."""
    rng = np.random.default_rng(1)
    tag = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    tag[:, :8] = np.arange(count, dtype=">u8").view(np.uint8).reshape(count, 8)
    nothing = np.zeros(count, dtype=np.int64)
    return Book(
        slot=SLOT,
        tag=tag,
        zone=nothing,
        node=nothing,
        side=rng.integers(1, 3, count),
        price_mkrw_per_kwh=rng.integers(500, 3_000, count) * 100,
        e_wh=rng.integers(1, 5_000, count),
    )


def zonal_book(count: int, zones: int, tied: bool) -> Book:
    """A book over zones, the later ones dearer; seeded."""
    book = random_book(count)
    node = np.random.default_rng(3).integers(0, zones, count)
    price = book.price_mkrw_per_kwh + node * 4_000
    if tied:
        price = np.where(book.side == 1, 200_000, 100_000)
    book = replace(book, zone=node, node=node, price_mkrw_per_kwh=price)
    book.__dict__["root"] = book.root  # known when the book is sealed
    return book


def zonal_network(zones: int) -> MarketNetwork:
    """Every zone with a hub and with its neighbours, 30 kWh and 3 won/kWh each way."""
    pairs = [(zone, zones) for zone in range(zones)]
    pairs += [(zone, zone + 1) for zone in range(zones - 1)]
    return MarketNetwork(
        tuple(
            MarketLink(*ends, capacity_wh=30_000, fee_mkrw_per_kwh=3_000)
            for one, other in pairs
            for ends in ((one, other), (other, one))
        )
    )


def random_slot(meters: int, assets: int, traders: int) -> SettlementInput:
    """Trades and readings of a slot; two in three deliver what they sold or drew."""
    rng, system = np.random.default_rng(2), system_accounts("sejong-5-1/sim/bench")
    count = meters + assets
    accounts = tuple(rng.bytes(32) for _ in range(count))
    trades, price = [], 128_300
    for row in range(traders):
        e_wh = int(rng.integers(50, 900))
        bought, sold = (0, e_wh) if row % 3 == 0 else (e_wh, 0)
        trades.append(Trade(accounts[row], bought, sold, price))
    gap = sum(trade.bought_wh - trade.sold_wh for trade in trades)
    trades.append(Trade(system.spc, max(-gap, 0), max(gap, 0), price))
    tariff = np.where(np.arange(count) < meters, rng.integers(0, 2, count), NO_TARIFF)
    export = rng.integers(0, 2, count) * rng.integers(0, 1_200, count)
    return SettlementInput(
        slot=SLOT,
        version=1,
        system=system,
        trades=tuple(trades),
        pendings={},
        readings=MeterReadings(
            account=accounts,
            tariff=tariff,
            import_wh=np.where(export > 0, 0, rng.integers(20, 1_200, count)),
            export_wh=export,
            quality=np.ones(count, dtype=np.int64),
            month_import_wh=rng.integers(0, 500_000, count),
        ),
        boundary=BoundaryReading(import_wh=4_000_000, export_wh=0),
        terms=SettlementTerms(
            calendar=SlotCalendar(7, 12, TariffDay.WEEKDAY),
            tariffs=tuple(
                load_tariff(name, date(2026, 7, 15)) for name in ("residential-lv", "general-a1-lv")
            ),
            connection=load_tariff("general-b-hv-a-2", date(2026, 7, 15)),
            feed_in_mkrw_per_kwh=112_700,
            export_mkrw_per_kwh=112_700,
        ),
    )


if __name__ == "__main__":
    main()
