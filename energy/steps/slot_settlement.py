"""The settlement of one slot from its readings: what was traded is posted, the rest at tariff."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import BatchReader, entry_of
from energy.steps.books import Books
from energy.steps.boundary import FROZEN_SLOTS, Boundary, believe_boundary, passed_of
from energy.steps.door_readings import renewed_registers
from energy.steps.labels import label_cause, load_labels
from energy.steps.metering import (
    ESTIMATED,
    MEASURED,
    Believed,
    Columns,
    Registers,
    Usual,
    asset_columns,
    begun_anew,
    believe,
    fill_missing,
    no_registers,
)
from energy.steps.prices import connection_tariff, smp_krw_per_kwh
from energy.steps.slot_contracts import NONE_RUNNING, Running, delivery_rows, slot_contracts
from energy.steps.tick_book import Named, PostedSettlement, TickBook, Version
from energy.store.books import load_entries, load_settlements, load_trades
from energy.store.errors import StoreError
from energy.store.readings import load_readings
from energy.tariffs import load_tariff, slot_calendar
from energy.timegrid import iso_of, local_month_start
from energy.units import SLOT_S, mkrw_from_krw
from market.label_lines import NO_LABELS, SlotLabels, delivered_of, settle_labels
from market.readings import Reading, ReadingBatch, meter_id
from market.settlement import (
    NO_CARRIAGE,
    NO_TARIFF,
    BoundaryReading,
    Carriage,
    MeterReadings,
    SettlementInput,
    SettlementTerms,
    Trade,
    raise_estimates,
    settle_slot,
)
from market.transfers import ZERO32, Code, Transfer

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SlotFacts:
    """What the store knows of a slot that is due: readings, trades, reservations, contracts.

    `believed` of the customers' meters, of which `anew` have counters that have begun anew, and
    `assets` of the operator's own; `boundary_before` are the connection's last readings.
    """

    slot: int
    believed: Believed
    anew: IntArray
    assets: Believed
    boundary_before: tuple[IntArray, ...]
    columns: Columns
    trades: tuple[Trade, ...]
    version: Version
    reserved: Named
    carriage: Carriage = NO_CARRIAGE
    running: Running = NONE_RUNNING
    labels: SlotLabels = NO_LABELS


@dataclass(frozen=True, eq=False)
class SettledSlot:
    """A slot's first settlement; `boundary` is what came and went through the connection."""

    facts: SlotFacts
    posted: PostedSettlement
    readings: ReadingBatch
    boundary: Boundary
    estimated: int

    @property
    def slot(self) -> int:
        """The slot that was settled."""
        return self.facts.slot


def gather_slot(
    connection: Connection,
    books: Books,
    usual: Usual,
    slot: int,
    registers: Registers,
    asset_registers: Registers,
) -> SlotFacts | None:
    """The facts of a slot, or None while its readings have not come.

    `registers` are the customers' trusted counters before it, `asset_registers` the operator's.
    """
    columns = load_readings(connection, slot)
    if columns is None:
        return None
    if len(columns["asset_import_wh"]) != len(books.assets):
        raise StoreError(
            f"readings of slot {iso_of(slot)}: {len(columns['asset_import_wh'])} meters of the "
            f"operator, allowed {len(books.assets)}"
        )
    registers = renewed_registers(connection, books.customers, slot, registers)

    @cache
    def past(earlier: int) -> Columns | None:
        return load_readings(connection, earlier)

    registers, anew = begun_anew(slot, columns, registers, usual.most_wh, past)
    believed = believe(slot, columns, registers, usual.most_wh)
    before = [past(slot - back * SLOT_S) for back in range(1, FROZEN_SLOTS)]
    versions = load_settlements(connection, slot)
    reserved, previous = Named(), ZERO32
    if versions:
        batch, row = BatchReader(connection, books).batch(versions[0]), versions[0]
        previous = row.entry
        reserved = Named(
            pendings=dict(zip(batch.ids, batch.transfers, strict=True)),
            places={id_: (row.no, position) for position, id_ in enumerate(batch.ids)},
        )
    return SlotFacts(
        slot=slot,
        believed=fill_missing(slot, believed, past, usual),
        anew=anew,
        assets=_believe_assets(slot, columns, asset_registers, usual, past),
        boundary_before=tuple(one["boundary_wh"] for one in before if one is not None),
        columns=columns,
        trades=trades_of_slot(connection, books, slot),
        version=Version(slot, 1, previous, clearing_of(connection, slot)),
        reserved=reserved,
        carriage=carriage_of(connection, slot),
        labels=load_labels(connection, slot),
    )


def _believe_assets(
    slot: int,
    columns: Columns,
    last: Registers,
    usual: Usual,
    past: Callable[[int], Columns | None],
) -> Believed:
    """The operator's own readings as far as they are believed, an estimate for the others."""
    most_wh = usual.asset_most_wh

    def own(earlier: int) -> Columns | None:
        found = past(earlier)
        return None if found is None else asset_columns(found)

    here = asset_columns(columns)
    # A head of before they were kept has none of the operator's counters.
    known = last if len(last.slot) == len(most_wh) else no_registers(len(most_wh))
    known, _ = begun_anew(slot, here, known, most_wh, own)
    believed = believe(slot, here, known, most_wh)
    return fill_missing(slot, believed, own, Usual(np.zeros_like(most_wh), most_wh, most_wh))


def trades_of_slot(connection: Connection, books: Books, slot: int) -> tuple[Trade, ...]:
    """What each account traded in a slot; nothing where it had no market."""
    columns = load_trades(connection, slot)
    if columns is None:
        return ()
    accounts = [books.book.accounts[no] for no in columns["account"].tolist()]
    numbers = [columns[name].tolist() for name in Trade._fields[1:]]
    return tuple(Trade(*row) for row in zip(accounts, *numbers, strict=True))


def trade_columns(trades: Sequence[Trade], books: Books) -> dict[str, npt.NDArray[Any]]:
    """Trades as columns, which `trades_of_slot` reads back."""
    columns = {
        name: np.array([getattr(one, name) for one in trades], dtype=np.int64)
        for name in Trade._fields[1:]
    }
    numbers = [books.book.number[one.account] for one in trades]
    return columns | {"account": np.array(numbers, dtype=np.int64)}


def clearing_of(connection: Connection, slot: int) -> bytes:
    """The digest of the slot's Clearing of energy, 32 zero bytes where it had no market."""
    rows = [row for row in load_entries(connection, slot) if row.type == "Clearing"]
    of_energy = [row.digest for row in rows if int(row.message["label"]) == 0]
    return of_energy[-1] if of_energy else ZERO32


def carriage_of(connection: Connection, slot: int) -> Carriage:
    """Network fees and congestion rent of the slot's auction, as its signed Clearing has them."""
    entries = [entry_of(one) for one in load_entries(connection, slot) if one.type == "Clearing"]
    of_energy = [one.message for one in entries if one.message["label"] == 0]
    if not of_energy:
        return NO_CARRIAGE
    message = of_energy[-1]
    price = {node["node"]: node["price_mkrw_per_kwh"] for node in message["nodes"]}
    fees = rent = 0
    for link in message["links"]:
        fee, flow_wh = link["fee_mkrw_per_kwh"], link["flow_wh"]
        fees += fee * flow_wh
        rent += (price[link["to_node"]] - price[link["from_node"]] - fee) * flow_wh
    return Carriage(fees, rent)


def settle_first(book: TickBook, district: District, facts: SlotFacts) -> SettledSlot:
    """Sign the slot's readings, settle them as version 1, and post all that follows."""
    books, slot = book.books, facts.slot
    month = local_month_start(slot, district.time_zone)
    readings = meter_readings(books, district, facts, book.months.of(month))
    readings = raise_estimates(readings, facts.trades)
    boundary = believe_boundary(
        district,
        facts.columns["boundary_wh"].astype(np.int64),
        facts.boundary_before,
        passed_of(readings),
    )
    signed = book.sign(reading_rows(book, facts, readings, boundary))
    terms = terms_of(district, slot)
    inputs = SettlementInput(
        slot=slot,
        version=1,
        system=books.system,
        trades=facts.trades,
        pendings={
            id_: one for id_, one in facts.reserved.pendings.items() if one.code != Code.LABEL
        },
        readings=readings,
        boundary=None if boundary.doubt else BoundaryReading(*boundary.wh.tolist()),
        terms=terms,
        cause=facts.version.clearing,
        carriage=facts.carriage,
        contracts=slot_contracts(facts.running.supply, facts.running.limit, terms),
    )
    settled = settle_slot(inputs)
    transfers = sorted([*settled.transfers, *_labels_first(books, facts, settled.transfers)])
    posted = book.settle(facts.version, transfers, signed.leaves(), facts.reserved)
    book.deliveries += delivery_rows(books, inputs, settled)
    book.months = book.months.plus(month, settled.rest_import_wh[: len(books.customers)])
    return SettledSlot(
        facts=facts,
        posted=posted,
        readings=signed,
        boundary=boundary,
        estimated=int((readings.quality == ESTIMATED).sum()),
    )


def _labels_first(books: Books, facts: SlotFacts, settled: Sequence[Transfer]) -> list[Transfer]:
    """What the slot's labels come to once its trades are settled."""
    of = label_cause(facts.version, books.system.pool)
    reserved = {id_: one for id_, one in facts.reserved.pendings.items() if one.code == Code.LABEL}
    return settle_labels(facts.labels, delivered_of(facts.labels, settled, of.pool), reserved, of)


def meter_readings(
    books: Books, district: District, facts: SlotFacts, month_wh: IntArray
) -> MeterReadings:
    """The slot's readings as the market takes them: customers first, then the operator's."""
    believed, assets = facts.believed, facts.assets
    none = np.zeros(len(books.assets), dtype=np.int64)
    return MeterReadings(
        account=(*books.customers, *books.assets),
        tariff=np.concatenate([tariff_rows(district), none + NO_TARIFF]),
        import_wh=np.concatenate([believed.import_wh, assets.import_wh]),
        export_wh=np.concatenate([believed.export_wh, assets.export_wh]),
        quality=np.concatenate([believed.quality, assets.quality]),
        month_import_wh=np.concatenate([month_wh, none]),
    )


def reading_rows(
    book: TickBook, facts: SlotFacts, readings: MeterReadings, boundary: Boundary
) -> list[Reading]:
    """What is signed: every meter, and the one at the utility where it is believed; estimates have
    no counters.
    """
    columns, books = facts.columns, book.books
    counters = {}
    counted = np.where(readings.quality == ESTIMATED, 0, 1)
    for way in ("import", "export"):
        shown = np.concatenate([columns[f"{way}_register_wh"], columns[f"asset_{way}_register_wh"]])
        counters[way] = (shown * counted).tolist()
    rows = zip(
        readings.account,
        readings.import_wh.tolist(),
        readings.export_wh.tolist(),
        counters["import"],
        counters["export"],
        readings.quality.tolist(),
        strict=True,
    )
    found = [Reading._make((one, meter_id(one), facts.slot, *numbers, 0)) for one, *numbers in rows]
    if boundary.doubt:
        return found
    book.boundary_wh = book.boundary_wh + boundary.wh
    at_utility = (facts.slot, *boundary.wh.tolist(), *book.boundary_wh.tolist(), MEASURED, 0)
    grid = books.system.grid
    return [*found, Reading._make((grid, meter_id(grid), *at_utility))]


def tariff_names_of(district: District) -> tuple[str, ...]:
    """The tariffs of a district's customers, each once, in order."""
    return tuple(sorted(set(district.meters.tariff)))


def tariff_rows(district: District) -> IntArray:
    """The place of each customer's tariff in `tariff_names_of`, (M,)."""
    place = {name: row for row, name in enumerate(tariff_names_of(district))}
    return np.array([place[name] for name in district.meters.tariff], dtype=np.int64)


def terms_of(district: District, slot: int) -> SettlementTerms:
    """Prices of a slot at local time: customers' tariffs, the connection's, and feed-in."""
    day = datetime.fromtimestamp(slot, ZoneInfo(district.time_zone)).date()
    smp_krw = float(smp_krw_per_kwh(district, np.array([slot], dtype=np.int64))[0])
    smp_mkrw = mkrw_from_krw(smp_krw)
    return SettlementTerms(
        calendar=slot_calendar(slot, district.time_zone),
        tariffs=tuple(load_tariff(name, day, or_first=True) for name in tariff_names_of(district)),
        connection=connection_tariff(district, slot),
        feed_in_mkrw_per_kwh=smp_mkrw,
        export_mkrw_per_kwh=smp_mkrw,
    )
