"""A small district of three feeders, each a zone, whose third cable is nearly full."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

import data
from energy.config import Settings
from energy.crowd import build_crowd, sign_orders
from energy.cycle import CycleResult, run_quarter_hour
from energy.steps.context import (
    Installation,
    Microgrid,
    build_admission,
    open_installation,
    start_microgrid,
)
from energy.steps.slot_settlement import trades_of_slot
from energy.store.admission import admit_orders
from energy.store.market_rules import load_rule_book
from energy.store.readings import LateRow, save_late_readings
from energy.timegrid import parse_instant
from energy.units import SLOT_S
from grid_models import PowerFlow
from market.result import Clearing
from optimizer import Plan, PlanProblem, rules_plan

TIGHT = "F3-01"
SMALL = {
    "id": '"three-feeders"', "areas": 6, "feeders": 3, "apartment_homes": 350,
    "apartment_buildings": 6, "detached_homes": 24, "office_m2": 10000.0, "retail_m2": 4000.0,
    "school_m2": 2500.0, "public_m2": 2500.0, "data_centre_kw": 40.0, "standard_chargers": 60,
    "quick_chargers": 2, "super_fast_chargers": 0, "fuel_cells": 1, "traders": 240,
    "batteries": 1, "battery_kw": 40.0,
}  # fmt: skip


def write_district(folder: Path, **changes: float) -> str:
    """The packaged district's file with the counts of three feeders."""
    text = data.path("districts", "sejong-5-1", "district.toml").read_text(encoding="utf-8")
    for name, value in {**SMALL, **changes}.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, count=1, flags=re.MULTILINE)
    folder.mkdir(parents=True)
    (folder / "district.toml").write_text(text, encoding="utf-8")
    return str(folder)


class RulesPlanner:
    """Plans by rules: the same plan at once on any machine, whatever else it has to do."""

    def plan(self, problem: PlanProblem, previous: Plan | None) -> Plan:
        """The plan of a problem; the one before plays no part in it."""
        return rules_plan(problem)

    def without_solver(self, problem: PlanProblem, previous: Plan | None, why: str) -> Plan:
        """The same plan."""
        return rules_plan(problem)

    def until(self, end_s: float) -> "RulesPlanner":
        """The same: it takes no time."""
        return self

    def close(self) -> None:
        """There is no process to end."""


@dataclass
class Run:
    """A loop; `results` of the slots so far."""

    microgrid: Microgrid
    start: int
    results: list[CycleResult] = field(default_factory=list)

    def go(self, slots: int, *, with_orders: bool) -> None:
        """Run so many more slots, each at its gate, with signed orders before it."""
        for _ in range(slots):
            slot = self.start + len(self.results) * SLOT_S
            if with_orders:
                place_planted(self.microgrid.installation, slot)
            result = run_quarter_hour(self.microgrid, slot, lambda s=slot: float(s - 300))
            self.results.append(result)


def place_planted(installation: Installation, slot: int) -> None:
    """Signed orders: a bid of every member, but at midday the third zone's sunny roofs offer."""
    district = installation.district
    crowd, rng = build_crowd(district, 1), np.random.default_rng(slot)
    rules = installation.store.read(load_rule_book).at(slot)
    sunny = district.meters.pv_kwp[crowd.meter] > 0
    noon = slot % 86400 == 3 * 3600
    orders = []
    for member, zone in enumerate(crowd.zone.tolist()):
        offers = bool(sunny[member]) and (zone == 2 if noon else member % 2 == 1)
        if noon and zone == 2 and not offers:
            continue
        low, high = (600, 900) if offers and noon else (900, 1_400) if offers else (1_300, 3_000)
        orders.append({
            "account": crowd.account[member], "zone": zone, "slot": slot,
            "side": 2 if offers else 1, "e_wh": 150 + member,
            "price_mkrw_per_kwh": 100 * int(rng.integers(low, high)), "label": member % 3,
            "premium_mkrw_per_kwh": 500 * (member % 3) * (1 if offers else 4),
            "expires": slot - 300, "replaces": bytes(32),
            "rules_version": rules.version, "nonce": slot * 10,
        })  # fmt: skip
    envelopes = sign_orders(crowd, installation.books.domain, orders)
    admission = build_admission(installation)
    answers = installation.store.write(
        lambda connection: admit_orders(connection, admission, envelopes, slot - 600)
    )
    refused = [one.refusal for one in answers if one.refusal]
    assert len(refused) < len(orders) / 2, refused[0]


@contextmanager
def opened(source: str, start: int, store: Path) -> Iterator[Run]:
    """The loop of a new store; a plan that the wires do not carry is not made again."""
    settings = Settings(district=source, database_url=f"sqlite:///{store}", grid_rounds_max=0)
    with open_installation(settings, lambda _: start) as installation:
        microgrid = start_microgrid(installation)
        microgrid.planner.close()
        yield Run(replace(microgrid, planner=RulesPlanner()), start)


def on_cable(run: Run, i_a_max: float) -> Run:
    """The same loop with another rating of the third feeder's first cable."""
    installation, network = run.microgrid.installation, run.microgrid.district.network
    rated = network.lines.i_a_max.copy()
    rated[network.lines.id.index(TIGHT)] = i_a_max
    network = replace(network, lines=replace(network.lines, i_a_max=rated))
    installation = replace(installation, district=replace(installation.district, network=network))
    microgrid = replace(run.microgrid, installation=installation, power_flow=PowerFlow(network))
    return Run(microgrid, run.start)


def wanted_a(source: str, start: int, store: Path) -> float:
    """The current that the plan's first slot sends through the third feeder."""
    with opened(source, start, store) as run:
        run.go(1, with_orders=False)
        checked, lines = run.results[0].plan, run.microgrid.district.network.lines
        assert checked is not None
        row = lines.id.index(TIGHT)
        return float(checked.flow.line_loading_frac[row] * lines.i_a_max[row])


TIMES = {
    "evening": ("2026-07-15T20:00", {}),
    "midday": ("2026-05-10T12:00", {"total_kwp": 3200.0}),
}
"""When, and the sun that the small district has then; at midday the feeder sends power out."""


@dataclass(frozen=True)
class Tight:
    """A traded slot behind a cable with hardly any room beyond the plan, settled and corrected.

    `before` are the balances of the books before a late reading came, `late` the meter it was of.
    """

    name: str
    run: Run
    before: dict[tuple[int, bytes], int]
    late: int

    @property
    def traded(self) -> CycleResult:
        """The slot in which orders met."""
        return self.run.results[0]

    @property
    def clearing(self) -> Clearing:
        """Its auction."""
        clearing = self.traded.cleared.clearing
        assert clearing is not None
        return clearing


@pytest.fixture(scope="session", params=TIMES)
def tight(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tight]:
    """At each of the times: the slot, its settlement, and a reading that comes late."""
    text, changes = TIMES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    source = write_district(folder / "three", **changes)
    start = parse_instant(text, "Asia/Seoul")
    rating_a = 1.006 * wanted_a(source, start, folder / "free.db")
    with opened(source, start, folder / "tight.db") as run:
        run = on_cable(run, rating_a)
        run.go(1, with_orders=True)
        run.go(2, with_orders=False)
        books, store = run.microgrid.books, run.microgrid.store
        before = dict(books.head.balances)
        trades = store.read(lambda connection: trades_of_slot(connection, books, start))
        late = books.customers.index(next(one.account for one in trades if one.bought_wh))
        row = LateRow(start, late, 1, start + 3 * SLOT_S, 7, 0, 10**9, 0, 3)
        store.write(lambda connection: save_late_readings(connection, [row]))
        run.go(1, with_orders=False)
        yield Tight(request.param, run, before, late)


@dataclass(frozen=True)
class Loop:
    """How tests of this folder write districts and open loops."""

    write: Callable[..., str] = write_district
    opened: Callable[..., AbstractContextManager[Run]] = opened


@pytest.fixture
def loop() -> Loop:
    """Districts and loops, made by the test itself."""
    return Loop()
