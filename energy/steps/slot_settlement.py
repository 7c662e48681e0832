"""The settlement of one slot from its readings: what was traded is posted, the rest at tariff."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import BatchReader, entry_of
from energy.steps.books import Books
from energy.steps.door_readings import renewed_registers
from energy.steps.labels import label_cause, load_labels
from energy.steps.metering import (
    MEASURED,
    Believed,
    Columns,
    Registers,
    Usual,
    believe,
    fill_missing,
)
from energy.steps.prices import connection_tariff, smp_krw_per_kwh
from energy.steps.slot_contracts import NONE_RUNNING, Running, delivery_rows, slot_contracts
from energy.steps.tick_book import Named, PostedSettlement, TickBook, Version
from energy.store.books import load_entries, load_settlements, load_trades
from energy.store.errors import StoreError
from energy.store.readings import load_readings
from energy.tariffs import load_tariff, slot_calendar
from energy.timegrid import iso_of, local_month_start
from energy.units import mkrw_from_krw
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
    """What the store knows of a slot that is due: readings, trades, reservations, contracts."""

    slot: int
    believed: Believed
    columns: Columns
    trades: tuple[Trade, ...]
    version: Version
    reserved: Named
    carriage: Carriage = NO_CARRIAGE
    running: Running = NONE_RUNNING
    labels: SlotLabels = NO_LABELS


@dataclass(frozen=True, eq=False)
class SettledSlot:
    """A slot's first settlement; `boundary_wh` is what came and went through the connection."""

    slot: int
    posted: PostedSettlement
    readings: ReadingBatch
    boundary_wh: IntArray
    estimated: int
    unexplained_wh: int


def gather_slot(
    connection: Connection, books: Books, usual: Usual, slot: int, registers: Registers
) -> SlotFacts | None:
    """The facts of a slot, or None while its readings have not come.

    `registers` are the customers' trusted counters before it.
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
    believed = believe(slot, columns, registers, usual.most_wh)

    def past(earlier: int) -> Columns | None:
        return load_readings(connection, earlier)

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
        columns=columns,
        trades=trades_of_slot(connection, books, slot),
        version=Version(slot, 1, previous, clearing_of(connection, slot)),
        reserved=reserved,
        carriage=carriage_of(connection, slot),
        labels=load_labels(connection, slot),
    )


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
    books, columns, slot = book.books, facts.columns, facts.slot
    boundary_wh = columns["boundary_wh"].astype(np.int64)
    month = local_month_start(slot, district.time_zone)
    readings = meter_readings(books, district, facts, book.months.of(month))
    readings = raise_estimates(readings, facts.trades)
    signed = book.sign(reading_rows(books, facts, readings))
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
        boundary=BoundaryReading(*boundary_wh.tolist()),
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
    through_grid_wh = posted.changes.get((2, books.system.grid), 0)
    return SettledSlot(
        slot=slot,
        posted=posted,
        readings=signed,
        boundary_wh=boundary_wh,
        estimated=int((readings.quality != MEASURED).sum()),
        unexplained_wh=int(boundary_wh[0] - boundary_wh[1]) + through_grid_wh,
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
    believed, columns, assets = facts.believed, facts.columns, len(books.assets)
    none = np.zeros(assets, dtype=np.int64)
    return MeterReadings(
        account=(*books.customers, *books.assets),
        tariff=np.concatenate([tariff_rows(district), none + NO_TARIFF]),
        import_wh=np.concatenate([believed.import_wh, columns["asset_import_wh"]]),
        export_wh=np.concatenate([believed.export_wh, columns["asset_export_wh"]]),
        quality=np.concatenate([believed.quality, none + MEASURED]),
        month_import_wh=np.concatenate([month_wh, none]),
    )


def reading_rows(books: Books, facts: SlotFacts, readings: MeterReadings) -> list[Reading]:
    """What is signed: every meter, and the one at the utility; estimates have no counters."""
    columns, head = facts.columns, books.head
    boundary_wh = columns["boundary_wh"].astype(np.int64)
    counters = {}
    for way in ("import", "export"):
        own = np.where(readings.quality[: len(books.customers)] == MEASURED, 1, 0)
        counters[way] = np.concatenate(
            [columns[f"{way}_register_wh"] * own, columns[f"asset_{way}_register_wh"]]
        ).tolist()
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
    grid, counted_wh = books.system.grid, (head.boundary_wh + boundary_wh).tolist()
    at_utility = (facts.slot, *boundary_wh.tolist(), *counted_wh, MEASURED, 0)
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
