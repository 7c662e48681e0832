"""Contracts in the settlement of a slot: which run, at which prices, and what they came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.steps.books import Registry
from energy.steps.settled_meters import UNKNOWN, settled_meters
from energy.store.contracts import ContractRow, DeliveryRow, contracts_in, deliveries_between
from energy.timegrid import local_calendar, local_month_start
from energy.units import SLOT_S
from market.contracts import (
    ContractKind,
    ContractTerms,
    Delivery,
    SupplyContract,
    SurplusLimit,
)
from market.settlement import SettlementInput, SettlementTerms, SlotSettlement
from market.waterfall import SlotContracts, first_neighbours

NO_LIMIT = SurplusLimit()


@dataclass(frozen=True)
class Running:
    """The contracts that hold in a slot, by what the store knows; `limit` as the year stands."""

    rows: tuple[ContractRow, ...] = ()
    limit: SurplusLimit = NO_LIMIT

    @property
    def supply(self) -> tuple[SupplyContract, ...]:
        """The contracts as the market sees them."""
        return tuple(one.supply for one in self.rows)


NONE_RUNNING = Running()


def running_contracts(connection: Connection, district: District, slot: int) -> Running:
    """The contracts of a slot. Where the regime limits surplus, what the year has sold before."""
    rows = tuple(one for one in contracts_in(connection, slot, slot + SLOT_S) if one.runs_in(slot))
    limit_ppm = district.agreements.regime.surplus_limit
    if limit_ppm is None or not rows:
        return Running(rows)
    start = _year_start(slot, district.time_zone)
    seller = {one.no: one.seller for one in contracts_in(connection, start, slot + SLOT_S)}
    produced: dict[bytes, dict[int, int]] = {}
    sold: dict[bytes, int] = {}
    for done in deliveries_between(connection, start, slot):
        who = seller[done.contract]
        # Each contract of a plant has seen the same output.
        produced.setdefault(who, {})[done.slot] = done.produced_wh
        sold[who] = sold.get(who, 0) + done.surplus_wh
    sums = {who: sum(by_slot.values()) for who, by_slot in produced.items()}
    return Running(rows, SurplusLimit(limit_ppm, sums, sold))


def slot_contracts(
    supply: Sequence[SupplyContract], limit: SurplusLimit, terms: SettlementTerms
) -> SlotContracts:
    """Contracts with the prices of their slot: surplus at feed-in, differences against the SMP."""
    smp = terms.feed_in_mkrw_per_kwh
    index = {one.seller: smp for one in supply if one.kind == ContractKind.CFD}
    return SlotContracts(tuple(supply), ContractTerms(smp, index, limit))


def delivery_rows(
    books: Registry, inputs: SettlementInput, settled: SlotSettlement
) -> list[DeliveryRow]:
    """What the contracts of a settlement came to; sums by contract follow from these rows.

    What neighbours' sellers have set aside stands in the row of their first contract.
    """
    if not settled.split.readings:
        return []
    columns = (inputs.readings.account, inputs.readings.export_wh.tolist())
    exported: dict[bytes, int] = dict(zip(*columns, strict=True))

    def row(one: SupplyContract, e_wh: int, done: Delivery | None = None) -> DeliveryRow:
        return DeliveryRow(
            contract=books.causes[one.id],
            slot=inputs.slot,
            version=inputs.version,
            e_wh=e_wh,
            taken_wh=done.taken_wh if done else 0,
            surplus_wh=done.surplus_wh if done else 0,
            stranded_wh=done.stranded_wh if done else 0,
            produced_wh=exported[one.seller],
            index_mkrw_per_kwh=(
                done.index_mkrw_per_kwh if done and one.kind == ContractKind.CFD else None
            ),
        )

    waiting = {one.account: one.earmarked_wh for one in settled.split.readings}
    sellers = first_neighbours(inputs.contracts.contracts)
    return [
        *(row(done.contract, done.e_wh, done) for done in settled.split.deliveries),
        # Nought too: it may have been more in the version before.
        *(row(one, waiting[seller]) for seller, one in sellers.items()),
    ]


def settled_readings(
    connection: Connection, books: Registry, slot: int, accounts: Sequence[bytes]
) -> Mapping[bytes, tuple[int, int, int]]:
    """Import, export (Wh) and quality of accounts by the newest readings that were settled."""
    found = settled_meters(connection, books, slot)
    known = ((one, books.book.number[one]) for one in accounts)
    return {
        one: (*found.wh(number), int(found.quality[number]))
        for one, number in known
        if found.quality[number] != UNKNOWN
    }


def _year_start(slot: int, time_zone: str) -> int:
    month = int(local_calendar(np.array([slot], dtype=np.int64), time_zone).month[0])
    return local_month_start(slot, time_zone, 1 - month)
