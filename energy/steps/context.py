"""What a quarter hour works with: the installation that doors share, and the machinery of the loop.

`open_installation` is quick (settings, district, store, books), so that a page can be served at
once; `start_microgrid` builds the rest: plant, power flow, planner, the record of the past.
Everything that lasts stands in the store; whatever else is in memory can be rebuilt from it.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Connection

from energy.config import Settings
from energy.district import District, load_district
from energy.forecast import (
    Bands,
    Calibration,
    ForecastBasis,
    warmed_bands,
)
from energy.plant import Plant, PlantState
from energy.steps.accounting import Tally
from energy.steps.arrivals import Arrivals
from energy.steps.auctions import PRICE, Auctions
from energy.steps.basis import build_basis
from energy.steps.books import Books, open_books
from energy.steps.contracting import enter_first_contracts
from energy.steps.demand_peaks import Peaks, peaks_of
from energy.steps.floors import require_floors
from energy.steps.freshness import Standstill
from energy.steps.issuing import load_auctions, load_bands
from energy.steps.measure import SLOTS_BEHIND, LastGood, load_state
from energy.steps.record import Record
from energy.steps.weather_feed import WeatherAt, feed_of
from energy.store.accounts import trade_keys
from energy.store.admission import Admission, traders_of
from energy.store.engine import Store, open_store
from energy.store.engine import process_name as process_name
from energy.store.market_rules import load_rule_book
from energy.store.measured import last_measured, load_measured, load_summaries
from energy.store.meta import require_fact, settle_fact
from energy.store.slots import last_published
from energy.timegrid import parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY
from grid_models import PowerFlow
from optimizer import Plan, Planner, PlannerSettings

UNIT_LOG_SLOTS = 64
"""Slots of starts and stops that are kept: no minimum time is longer."""


@dataclass(frozen=True)
class Installation:
    """What exists whether or not the loop runs: settings, district, store, books.

    `first_slot` is the one that the store was begun with.
    """

    settings: Settings
    district: District
    store: Store
    books: Books
    first_slot: int

    def next_slot(self) -> int:
        """The slot after the last one with a final row, or the first."""
        last = self.store.read(last_published)
        return self.first_slot if last is None else last + SLOT_S


@dataclass
class Memory:
    """What the loop carries from slot to slot; rebuilt from the store at every start.

    `plant_state` stands at its own slot; `day` are the sums of the local day so far; `peaks_kw` are
    the highest demands of the last twelve months; `bands` is what the forecasts' misses have
    taught; `auctions` their prices so far and what forecasting them has; `unit_log` holds (starts,
    stops and trips)
    per slot, newest first.
    """

    plant_state: PlantState
    record: Record
    unit_log: deque[tuple[np.ndarray, np.ndarray]]
    bands: Bands
    auctions: Auctions
    peaks_kw: Peaks = field(default_factory=dict)
    day: Tally | None = None
    last_good: LastGood | None = None
    still: Standstill | None = None
    previous: Plan | None = None

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """What the misses of all forecasts have taught, by quantity."""
        return self.bands.calibrations | {PRICE: self.auctions.tracker.calibration}


@dataclass
class Microgrid:
    """The loop's machinery over an installation; `owner` is the name under which it claims."""

    installation: Installation
    plant: Plant
    power_flow: PowerFlow
    planner: Planner
    basis: ForecastBasis
    arrivals: Arrivals
    memory: Memory
    weather_at: WeatherAt
    owner: str = field(default_factory=process_name)

    @property
    def settings(self) -> Settings:
        """Settings of the installation."""
        return self.installation.settings

    @property
    def district(self) -> District:
        """The district that is run."""
        return self.installation.district

    @property
    def store(self) -> Store:
        """The store of the installation."""
        return self.installation.store

    @property
    def books(self) -> Books:
        """The books of the installation."""
        return self.installation.books

    def close(self) -> None:
        """End the planner's process."""
        self.planner.close()


@contextmanager
def open_installation(
    settings: Settings, begin: Callable[[District], int], district: District | None = None
) -> Iterator[Installation]:
    """The installation that the settings name; its store is closed at the end.

    `district` stands for the one that the settings name, for studies that change it.

    A new store begins with the slot that `begin` gives for the district. Raises DistrictError or
    StoreError in one sentence, also where the store was begun with another district or seed.
    """
    require_floors()
    place = district or load_district(settings.district)
    store = open_store(settings.database_url)
    try:
        first_slot = store.write(
            lambda connection: _settle_facts(connection, settings, place, begin(place))
        )
        books = open_books(store, place, settings, first_slot)
        installation = Installation(settings, place, store, books, first_slot)
        admission = build_admission(installation)
        enter_first_contracts(store, books, place, admission, settings.seed)
        yield installation
    finally:
        store.close()


def open_books_of(installation: Installation) -> Books:
    """The books as they stand in the store now; another process may have written since."""
    here = installation
    books = open_books(here.store, here.district, here.settings, here.first_slot)
    books.halt = here.books.halt  # what was found holds for whoever posts here
    return books


def _settle_facts(
    connection: Connection, settings: Settings, district: District, begun: int
) -> int:
    """The store's first slot; refuses a store that belongs to something else."""
    require_fact(connection, "district", district.id)
    require_fact(connection, "seed", str(settings.seed))
    return int(settle_fact(connection, "first_slot", str(begun)))


def demo_beginning(settings: Settings) -> Callable[[District], int]:
    """The settings' first slot of a new demonstration."""
    return lambda district: (
        parse_instant(settings.demo_start, district.time_zone) // SLOT_S * SLOT_S
    )


def build_admission(installation: Installation) -> Admission:
    """Who may order what, and the keys that say so."""
    books, settings = installation.books, installation.settings
    return Admission(
        domain=books.domain,
        rules=load_rule_book,
        traders=traders_of(installation.district),
        keys=trade_keys,
        salt=books.salt,
        market_key=books.keys.trading,
        gate_lead_s=settings.gate_lead_s,
        horizon_slots=settings.horizon_slots,
        first_slot=installation.first_slot,
    )


def start_microgrid(installation: Installation, planner: Planner | None = None) -> Microgrid:
    """The loop's machinery, its memory rebuilt from what the store holds.

    Without a `planner` one is started as the settings say, in a process of its own.
    """
    settings, district = installation.settings, installation.district
    plant = Plant(district, settings.seed)
    basis = build_basis(district)
    weather_at = feed_of(settings.weather_file, plant.weather_forecast)
    return Microgrid(
        installation=installation,
        plant=plant,
        power_flow=PowerFlow(district.network),
        planner=planner
        or Planner(
            PlannerSettings(deadline_s=settings.plan_deadline_s, gap_frac=settings.plan_gap_frac)
        ),
        basis=basis,
        arrivals=Arrivals(plant, basis.chargers, settings.history_days),
        memory=_remember(installation, plant, basis, weather_at),
        weather_at=weather_at,
    )


def _remember_auctions(installation: Installation) -> Auctions:
    """The auctions of the last weeks, and what the forecasts of their prices have taught."""
    books, next_slot = installation.books, installation.next_slot()
    return installation.store.read(
        lambda connection: load_auctions(connection, installation.district, books, next_slot)
    )


def _remember(
    installation: Installation, plant: Plant, basis: ForecastBasis, weather_at: WeatherAt
) -> Memory:
    """What the loop carried when the store was last written."""
    store, settings = installation.store, installation.settings
    past = installation.first_slot - SLOTS_BEHIND * SLOT_S
    record = Record(plant.archive(past, settings.history_days))
    days_back = settings.history_days * SLOTS_PER_DAY * SLOT_S
    last = store.read(last_measured)
    auctions = _remember_auctions(installation)
    if last is None:
        state = load_state(store, plant, past, installation.first_slot)
        bands = warmed_bands(basis, record.history, weather_at)
        return Memory(state, record, deque(maxlen=UNIT_LOG_SLOTS), bands, auctions)
    rows = store.read(lambda connection: load_measured(connection, last - days_back, last + 1))
    summary = store.read(lambda connection: load_summaries(connection, last, last + 1))[last]
    record.extend(rows)
    taught = store.read(load_bands)
    newest_first = [rows[slot] for slot in sorted(rows, reverse=True)]
    return Memory(
        plant_state=load_state(store, plant, last + SLOT_S, installation.first_slot),
        record=record,
        unit_log=deque(
            [(row["unit_starts"], row["unit_stops"]) for row in newest_first[:UNIT_LOG_SLOTS]],
            maxlen=UNIT_LOG_SLOTS,
        ),
        bands=taught or warmed_bands(basis, record.history, weather_at),
        auctions=auctions,
        peaks_kw=peaks_of(summary, last, installation.district.time_zone),
        day=Tally.from_json(summary["day"]),
        last_good=_last_good(rows[last]),
        still=Standstill.of_columns(rows[last]),
    )


def _last_good(row: Mapping[str, np.ndarray]) -> LastGood:
    """What of a measured slot was believed, as its row keeps it."""
    heat_kw, temperature_c, _ = row["weather"].tolist()
    return LastGood(row["load_used_kw"], row["pv_used_kw"], heat_kw, temperature_c)
