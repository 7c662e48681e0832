"""The figures that the design promises, measured on this machine.

Each part builds its own input at full size; the aims are those of two cores. A figure without an
aim is there to be compared with.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from energy.config import build_settings
from energy.district import load_district
from energy.outcome import Run
from energy.simulate import simulate
from energy.timegrid import parse_instant
from grid_models import PowerFlow, base_case
from market.book import Book
from market.certificate import check_clearing
from market.clearing import clear_slot
from market.rules import MarketRules

CYCLE_SLOTS = 12
RUNS = 20


@dataclass(frozen=True)
class Figure:
    """One measured figure; `aim` is the most that the design allows, None where it names none."""

    name: str
    value: float
    unit: str
    aim: float | None

    @property
    def met(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        return None if self.aim is None else self.value <= self.aim

    def as_json(self) -> dict[str, object]:
        """The figure for programs."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "aim": self.aim,
            "met": self.met,
        }


def measure_cycle(district: str) -> Iterator[Figure]:
    """The whole quarter hour with the crowd's orders, from a cold start, over three hours."""
    with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
        settings = build_settings(district=district, database_url=f"sqlite:///{folder}/bench.db")
        start = parse_instant("2026-07-15T16:00", "Asia/Seoul")
        outcome = simulate(Run(settings, start, CYCLE_SLOTS), lambda _done, _word: None)
    found = outcome.summary
    yield Figure("quarter hour, median", found["seconds_per_slot"]["median"], "s", 5.0)
    yield Figure("quarter hour, worst", found["seconds_per_slot"]["worst"], "s", 10.0)
    for step, seconds in found["seconds_per_step"].items():
        aim = 2.0 if step == "settle" else None
        yield Figure(f"step {step}, median", seconds, "s", aim)
    yield Figure("memory, processes together", found["peak_memory_mib"], "MiB", 1536.0)


def measure_grid(district: str) -> Iterator[Figure]:
    """AC power flow of the district, warm, loads moved by a few percent each time."""
    network = load_district(district).network
    begun = perf_counter()
    power_flow = PowerFlow(network)
    yield Figure("power flow, made ready", perf_counter() - begun, "s", None)
    p_kw, q_kvar = base_case(network)
    rng = np.random.default_rng(1)

    def run() -> None:
        scale = rng.uniform(0.9, 1.1, len(p_kw))
        flow = power_flow.run(p_kw * scale, q_kvar * scale)
        assert flow.converged, flow.reason

    run()
    yield Figure(f"AC check of {len(p_kw)} buses, median", _median_s(run) * 1e3, "ms", 10.0)


def measure_market(_district: str) -> Iterator[Figure]:
    """The auction on random books, certificate included and apart."""
    rules = MarketRules()
    for count, aim in ((10_000, 3.0), (1_000_000, 300.0)):
        book = _random_book(count)
        seconds = _median_s(lambda book=book: clear_slot(book, rules), 20 if count < 1e5 else 5)  # type: ignore[misc]
        yield Figure(f"auction of {count:,} orders, median", seconds * 1e3, "ms", aim)
    book = _random_book(10_000)
    clearing = clear_slot(book, rules)
    seconds = _median_s(lambda: check_clearing(book, rules, clearing), 5)
    yield Figure("certificate of 10,000 orders, median", seconds * 1e3, "ms", 50.0)


def _random_book(count: int) -> Book:
    rng = np.random.default_rng(count)
    tag = np.sort(rng.integers(0, 2**63, count)).astype(">u8")
    tags = np.zeros((count, 32), dtype=np.uint8)
    tags[:, :8] = tag.view(np.uint8).reshape(count, 8)
    tags[:, 8:12] = np.arange(count).astype(">u4").view(np.uint8).reshape(count, 4)
    return Book(
        slot=0,
        tag=tags,
        zone=np.zeros(count, dtype=np.int64),
        node=np.zeros(count, dtype=np.int64),
        side=rng.integers(1, 3, count),
        price_mkrw_per_kwh=rng.integers(800, 2500, count) * 100,
        e_wh=rng.integers(1, 3000, count),
    )


def _median_s(run: Callable[[], object], runs: int = RUNS) -> float:
    spent = []
    for _ in range(runs):
        begun = perf_counter()
        run()
        spent.append(perf_counter() - begun)
    return median(spent)


PARTS: dict[str, Callable[[str], Iterator[Figure]]] = {
    "cycle": measure_cycle,
    "grid": measure_grid,
    "market": measure_market,
}
