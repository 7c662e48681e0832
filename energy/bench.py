"""The figures that the design promises, measured on this machine.

Each part builds its own input at full size; the aims are those of two cores. A figure without an
aim is there to be compared with.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median
from time import perf_counter

import numpy as np
import numpy.typing as npt

from energy.config import build_settings
from energy.district import load_district
from energy.district.sums import load_cases
from energy.outcome import Run
from energy.plant import Plant
from energy.simulate import simulate
from energy.timegrid import parse_instant
from grid_models import (
    BatchFlow,
    Network,
    PowerFlow,
    RecycledNewton,
    base_case,
    build_sensitivities,
    check_contingencies,
    draw_capacity,
    feed_capacity,
)
from market.book import Book
from market.certificate import check_clearing
from market.clearing import clear_slot
from market.rules import MarketRules

CYCLE_SLOTS = 12
RUNS = 20
YEAR_START, YEAR_SLOTS, YEAR_SEED = "2026-01-01T00:00", 365 * 96, 1
YEAR_CHUNK = 96
ENGINES_APART_PU_MAX = 1e-6
FloatArray = npt.NDArray[np.float64]


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
    """The wires: built, one warm AC check beside pandapower's, then what operators ask of them."""
    begun = perf_counter()
    tables = load_district(district)
    power_flow = PowerFlow(tables.network)
    yield Figure("district built, power flow ready", perf_counter() - begun, "s", 3.0)
    yield from _warm_checks(tables.network, power_flow)
    evening, noon = load_cases(tables)
    network, pv, load = tables.network, tables.shares["pv"], tables.shares["load"]
    flow = power_flow.run(evening.p_kw, evening.q_kvar)
    seconds = _median_s(lambda: build_sensitivities(network, flow, load), 3)
    yield Figure("sensitivities to every area, median", seconds, "s", None)
    begun = perf_counter()
    feed = feed_capacity(power_flow, noon.p_kw, noon.q_kvar, pv)
    draw = draw_capacity(power_flow, evening.p_kw, evening.q_kvar, load)
    spent = perf_counter() - begun
    yield Figure(f"hosting capacity, {len(feed)} + {len(draw)} rooms", spent, "s", 60.0)
    begun = perf_counter()
    found = check_contingencies(network, evening.p_kw, evening.q_kvar)
    spent = perf_counter() - begun
    yield Figure(f"N-1 of {len(found)} feeders and transformers, with ties", spent, "s", 30.0)


def _warm_checks(network: Network, power_flow: PowerFlow) -> Iterator[Figure]:
    """Both power flows in turns, loads moved by a few per cent each time; they must agree."""
    p_kw, q_kvar = base_case(network)
    reference, rng = RecycledNewton(network), np.random.default_rng(1)
    ours, theirs = [], []
    for _ in range(RUNS + 1):
        scale = rng.uniform(0.9, 1.1, len(p_kw))
        begun = perf_counter()
        flow = power_flow.run(p_kw * scale, q_kvar * scale)
        between = perf_counter()
        v = reference.run(p_kw * scale, q_kvar * scale)
        theirs.append(perf_counter() - between)
        ours.append(between - begun)
        assert flow.converged, flow.reason
        assert np.abs(np.abs(v) - flow.v_pu).max() < ENGINES_APART_PU_MAX
    # The first of each has no last solution to start from, and numba compiles in it.
    own_ms, their_ms = 1e3 * median(ours[1:]), 1e3 * median(theirs[1:])
    yield Figure(f"AC check of {len(p_kw)} buses, warm, median", own_ms, "ms", 10.0)
    yield Figure("the same in pandapower, recycled, median", their_ms, "ms", None)
    yield Figure("AC check over pandapower's time", own_ms / their_ms, "", 2.0)


def measure_grid_year(district: str) -> Iterator[Figure]:
    """Every quarter hour of a year of the district without a plan, in one batch run."""
    tables = load_district(district)
    plant, batch = Plant(tables, YEAR_SEED), BatchFlow(tables.network)
    spent: list[float] = []

    def chunks() -> Iterator[tuple[FloatArray, FloatArray]]:
        start = parse_instant(YEAR_START, tables.time_zone)
        if tables.measured is not None:
            start = tables.measured.first_slot
        drawn = plant.without_plan(start, YEAR_SLOTS)
        while rows := list(islice(drawn, YEAR_CHUNK)):
            p_kw = np.array([row.p_kw for row in rows])
            q_kvar = np.array([row.q_kvar for row in rows])
            begun = perf_counter()
            yield p_kw, q_kvar
            spent.append(perf_counter() - begun)

    found = batch.envelope(chunks())
    name = f"{found.scenarios:,} quarter hours in one batch"
    yield Figure(name, sum(spent), "s", 180.0)
    yield Figure("of them without a flow", float(len(found.failed)), "", None)
    yield Figure("highest line loading", 100 * float(found.line_loading_frac.max()), "%", None)
    highest = 100 * float(found.transformer_loading_frac.max())
    yield Figure("highest transformer loading", highest, "%", None)
    yield Figure("lowest voltage", float(found.v_min_pu.min()), "pu", None)
    yield Figure("highest voltage", float(found.v_max_pu.max()), "pu", None)
    yield Figure("losses, mean", found.p_loss_kw_mean, "kW", None)


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
    "grid-year": measure_grid_year,
    "market": measure_market,
}
