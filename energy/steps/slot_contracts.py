"""Contracts in the settlement of a slot: which run, at which prices, and what they came to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.books import Registry
from energy.steps.settled_meters import UNKNOWN, settled_meters
from energy.store.contracts import ContractRow, DeliveryRow, contracts_in, outputs_from
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

IntArray = npt.NDArray[np.int64]
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


class RunningContracts:
    """The contracts of slots, one after the other; a year's deliveries are read once for all."""

    def __init__(self, connection: Connection, district: District) -> None:
        self._connection, self._time_zone = connection, district.time_zone
        self._limit_ppm = district.agreements.regime.surplus_limit
        self._years: dict[int, dict[bytes, _Surplus]] = {}

    def supply(self, slot: int) -> tuple[ContractRow, ...]:
        """The contracts of a slot."""
        found = contracts_in(self._connection, slot, slot + SLOT_S)
        return tuple(one for one in found if one.runs_in(slot))

    def at(self, slot: int) -> Running:
        """The contracts of a slot. Where the regime limits surplus, what was sold of the year's."""
        rows = self.supply(slot)
        if self._limit_ppm is None or not rows:
            return Running(rows)
        start = _year_start(slot, self._time_zone)
        if start not in self._years:
            self._years[start] = _surplus_from(self._connection, start)
        before = {who: one.before(slot) for who, one in self._years[start].items()}
        produced = {who: one[0] for who, one in before.items()}
        sold = {who: one[1] for who, one in before.items()}
        return Running(rows, SurplusLimit(self._limit_ppm, produced, sold))


@dataclass(frozen=True, eq=False)
class _Surplus:
    """What a plant has produced and sold as surplus from the year's start to the end of slots."""

    slots: IntArray
    produced_wh: IntArray
    sold_wh: IntArray

    def before(self, slot: int) -> tuple[int, int]:
        """Both by the start of a slot, Wh."""
        count = int(np.searchsorted(self.slots, slot))
        return (int(self.produced_wh[count - 1]), int(self.sold_wh[count - 1])) if count else (0, 0)


def _surplus_from(connection: Connection, start: int) -> dict[bytes, _Surplus]:
    by_seller: dict[bytes, list[tuple[int, int, int]]] = {}
    for seller, slot, produced_wh, sold_wh in outputs_from(connection, start):
        by_seller.setdefault(seller, []).append((slot, produced_wh, sold_wh))
    found = {}
    for seller, rows in by_seller.items():
        slots, produced, sold = np.array(rows, dtype=np.int64).T
        found[seller] = _Surplus(slots, produced.cumsum(), sold.cumsum())
    return found


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
