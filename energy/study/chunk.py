"""A chunk of a year, read from top to bottom: each quarter hour as the loop has it, planned daily.

A chunk begins some days before its first slot with a fresh plant, so that stores, cars and the
record have settled by then; those days are not counted. It depends on nothing but its own fields:
whoever runs it, and beside whatever else, the part is the same.
"""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from energy.config import build_settings
from energy.crowd import build_crowd
from energy.district import District
from energy.forecast import cloudless_frac
from energy.plant import SetPoints
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.measure import SLOTS_BEHIND, Measured, read_step
from energy.steps.outlook import forecast_slot
from energy.steps.prices import ConnectionPrices, connection_prices
from energy.steps.publish import day_sums, remember
from energy.study.collected import Collected, Part
from energy.study.day import DayPlan, SlotPlan, carry_out, plan_day
from energy.study.events import Events, build_events, month_slots
from energy.study.foresight import Foresee, perfect_foresight, true_history
from energy.study.neighbours import NeighbourMarket
from energy.study.scenario import Scenario, scenario_district
from energy.study.wires import WiresCheck
from energy.timegrid import local_day_start, local_label, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY
from optimizer import Planner, PlannerSettings

METHOD = 4
"""Raised whenever the same chunk would come to other figures: kept parts of older ones are void."""
PLAN = PlannerSettings(deadline_s=900.0, branch_s_max=300.0, in_process=True)
"""So long that no clock ends a plan: the same chunk gives the same plans on any machine."""
SETTINGS: dict[str, Any] = {
    "clock": "demo",
    "weather_file": "",
    "operator_passphrase": "",
    "history_days": 28,
    "gate_lead_s": 300,
    "grid_rounds_max": 5,
}
TRUTH_AHEAD_DAYS = 3

Told = Callable[[], None]


@dataclass(frozen=True)
class Chunk:
    """A run of whole local days of one scenario; `warm_up_days` before it are not counted.

    `seed` draws weather, people and faults; `inputs` names the content of the data files.
    """

    district: str
    scenario: Scenario
    seed: int
    first_slot: int
    end_slot: int
    warm_up_days: int = 3
    horizon_slots: int = 144
    inputs: str = ""

    @property
    def begin(self) -> int:
        """The first slot that is run at all."""
        return self.first_slot - self.warm_up_days * SLOTS_PER_DAY * SLOT_S

    @property
    def digest(self) -> str:
        """Names all that the part depends on."""
        text = [str(METHOD), self.scenario.digest]
        rest = [one.name for one in fields(self) if one.name != "scenario"]
        text += [f"{name}={getattr(self, name)}" for name in rest]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()[:24]


def run_chunk(chunk: Chunk, day_done: Told = lambda: None) -> Part:
    """The part that a chunk comes to; `day_done` hears of every counted day."""
    district = scenario_district(chunk.district, chunk.scenario)
    with tempfile.TemporaryDirectory(prefix="microgrid-study-") as folder:
        # All that matters is said here: no setting of the machine that runs it changes a part.
        settings = build_settings(
            **SETTINGS,
            district=chunk.district,
            seed=chunk.seed,
            database_url=f"sqlite:///{folder}/study.db",
            horizon_slots=chunk.horizon_slots,
        )
        with open_installation(settings, lambda _: chunk.begin, district) as installation:
            microgrid = start_microgrid(installation, Planner(PLAN))
            microgrid.memory.bands = microgrid.memory.bands.paced(SLOTS_PER_DAY)
            try:
                return _Days(chunk, microgrid, day_done).run()
            finally:
                microgrid.close()


@dataclass(eq=False)
class _Days:
    """The machinery of a chunk and what it remembers from slot to slot."""

    chunk: Chunk
    microgrid: Microgrid
    day_done: Told
    told: dict[int, SetPoints | None] = field(default_factory=dict)
    day: DayPlan | None = None

    def __post_init__(self) -> None:
        chunk, district = self.chunk, self.microgrid.district
        slots = month_slots(chunk.first_slot, chunk.end_slot)
        self.collected = Collected(district)
        self.wires = WiresCheck(district)
        is_open = chunk.scenario.market
        self.market = NeighbourMarket(self.microgrid, chunk.seed, chunk.first_slot, is_open)
        self.prices: ConnectionPrices = connection_prices(district, slots)
        self.events = _events_of(chunk, district)
        self.foresee = _foresight_of(chunk, self.microgrid)

    def run(self) -> Part:
        """Run all slots; the last ones only to read what has happened."""
        count = (self.chunk.end_slot - self.chunk.begin) // SLOT_S
        for slot in slots_from(self.chunk.begin, count + SLOTS_BEHIND).tolist():
            self.tick(slot)
        part = self.collected.part(self.market.sums, self.market.tally, self.wires.sums)
        part["customers"] = [
            self.microgrid.books.book.number[one] for one in self.microgrid.books.customers
        ]
        part["dr"] = {
            "events": len(self.events.offers),
            "committed_kwh": self.events.committed_kwh,
            "paid_krw": self.events.committed_kwh * self.events.reward_krw_per_kwh,
        }
        return part

    def tick(self, slot: int) -> None:
        """The gate of a slot: read the slot before the last, plan where a day begins, tell."""
        measured = self.measure(slot)
        if slot >= self.chunk.end_slot:
            return
        zone = self.microgrid.district.time_zone
        if self.day is None or local_day_start(slot, zone) == slot:
            self.day = self.plan(measured)
        planned = carry_out(self.microgrid, measured, self.day)
        self.told[slot] = planned.told
        self.clear(slot, planned, self.day)

    def measure(self, slot: int) -> Measured:
        """Let the plant run through the last complete slot, and take up what it shows."""
        microgrid, memory = self.microgrid, self.microgrid.memory
        past, before = slot - SLOTS_BEHIND * SLOT_S, self.microgrid.memory.plant_state
        told = self.told.pop(past, None)
        step = microgrid.plant.step(before, past, told, self.events.promised_kw(past))
        measured = read_step(
            microgrid.district,
            step,
            memory.last_good,
            told=(told, self.told.get(past + SLOT_S)),
        )
        remember(microgrid, measured, day_sums(microgrid, measured))
        if past == self.chunk.first_slot - SLOT_S:
            self.collected.begins(measured.telemetry)
        if self.chunk.first_slot <= past < self.chunk.end_slot:
            self.count(measured)
            self.market.settle(past, before, step.state_after, step.readings)
        return measured

    def count(self, measured: Measured) -> None:
        """Add a measured slot to the sums; at a day's end its flows are run together."""
        seen, microgrid = measured.telemetry, self.microgrid
        row = (seen.slot - self.chunk.first_slot) // SLOT_S
        day = local_label(seen.slot, microgrid.district.time_zone)[:10]
        behind = microgrid.plant.behind_meters(seen.slot)
        self.collected.seen(day, seen, behind, self.prices.at(row))
        self.wires.add(seen)
        ends = seen.slot + SLOT_S
        if local_day_start(ends, microgrid.district.time_zone) == ends:
            self.wires.run()
            self.day_done()

    def plan(self, measured: Measured) -> DayPlan:
        """Plan the day that begins, with the newest weather."""
        microgrid, slot = self.microgrid, measured.slot
        issue = measured.telemetry.slot + SLOT_S
        known = Measured(**vars(measured) | {"weather": microgrid.weather_at(issue)})
        slots = slots_from(slot, self.chunk.horizon_slots)
        meters = microgrid.district.meters
        promised = self.events.by_area_kw(slots, meters.area, microgrid.district.areas)
        found = plan_day(microgrid, known, self.foresee, promised)
        if slot >= self.chunk.first_slot:
            day = local_label(slot, microgrid.district.time_zone)[:10]
            self.collected.planned(day, found)
        return found

    def clear(self, slot: int, planned: SlotPlan, day: DayPlan) -> None:
        """Hold the slot's auction."""
        cloud = day.forecast.cloud_frac[[day.row(slot)]]
        self.market.clear(slot, planned, round(float(cloudless_frac(cloud)[0]), 4))


def _events_of(chunk: Chunk, district: District) -> Events:
    crowd = build_crowd(district, chunk.seed)
    slots = month_slots(chunk.first_slot, chunk.end_slot)
    return build_events(crowd, chunk.scenario.demand_response, slots)


def _foresight_of(chunk: Chunk, microgrid: Microgrid) -> Foresee:
    if chunk.scenario.forecasts == "ours":
        return forecast_slot
    end = chunk.end_slot + TRUTH_AHEAD_DAYS * SLOTS_PER_DAY * SLOT_S
    days = (end - chunk.begin) // (SLOTS_PER_DAY * SLOT_S) + 1
    return perfect_foresight(true_history(microgrid.plant, end, days))
