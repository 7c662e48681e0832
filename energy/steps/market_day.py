"""A day of the market, proven and valued from committed rows alone.

Every settled slot must leave nothing open: what buyers paid is what sellers got with fees and rent,
the pool is empty in won and in Wh, each meter has moved by what it read, and no order traded
against its limit. Then each customer: what the market brought over the same readings at tariff and
feed-in alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import entry_of
from energy.steps.books import Registry, load_registry
from energy.steps.guarantee_outlook import GuaranteeSums
from energy.steps.market_gains import CustomerGains, GainSums, SlotUse
from energy.steps.settled_meters import UNKNOWN, settled_meters
from energy.store.books import (
    MOVING_KINDS,
    load_entries,
    load_movements,
    load_settlements,
    load_slot_book,
    load_trades,
    load_transfers_of,
    settled_bounds,
)
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.market_rules import load_rule_book
from energy.timegrid import iso_of, local_month_start, slots_from
from energy.units import SLOT_S
from market.entries import Message
from market.guarantee import GuaranteeMonth
from market.orders import Side
from market.transfers import Code, LedgerId, TransferKind, system_account
from market.waterfall import CONTRACT_CODES

IntArray = npt.NDArray[np.int64]
KRW, ENERGY = int(LedgerId.KRW), int(LedgerId.ENERGY)
REVERSE = int(TransferKind.REVERSE)


@dataclass(frozen=True)
class SlotAudit:
    """What a settled slot came to; what begins with `open_` must be 0.

    `open_ukrw` is paid less received, fees and rent, and what is left in the pool; `open_wh` what
    pool and balancing keep, by how much meters moved otherwise than they read, and what the
    connection does not explain. `against_limit` counts orders that traded at a worse price than
    theirs. Prices are the least and the greatest of nodes with trade, None without any.
    """

    slot: int
    price_low_mkrw_per_kwh: int | None
    price_high_mkrw_per_kwh: int | None
    orders: int
    bought_wh: int
    sold_wh: int
    replaced_wh: int
    welfare_ukrw: int
    paid_ukrw: int
    received_ukrw: int
    fee_ukrw: int
    rent_ukrw: int
    open_ukrw: int
    open_wh: int
    against_limit: int

    @property
    def is_closed(self) -> bool:
        """Whether the budget is 0, energy is conserved and all limits were kept."""
        return not (self.open_ukrw or self.open_wh or self.against_limit)


@dataclass(frozen=True)
class MarketDay:
    """The slots of a period, oldest first, and what the market brought each customer.

    `ended_now` and `carried_on` tell, by place among the customers, what the market's guarantee
    would make of the months if they ended with the period, or went on like it; of traders with a
    bill alone.
    """

    district: str
    first: int
    end: int
    slots: tuple[SlotAudit, ...]
    customers: CustomerGains
    ended_now: Mapping[int, Sequence[GuaranteeMonth]]
    carried_on: Mapping[int, Sequence[GuaranteeMonth]]

    @property
    def is_closed(self) -> bool:
        """Whether every slot is."""
        return all(one.is_closed for one in self.slots)


def audit_market(
    store: Store, district: District, first: int | None = None, end: int | None = None
) -> MarketDay:
    """The settled slots from `first` up to `end`; without them, all that the store has.

    Months are added up from their beginning, or from the first settled slot. Raises StoreError
    where nothing of the period is settled.
    """
    registry = store.read(load_registry)
    bounds = store.read(settled_bounds)
    if bounds is None:
        raise StoreError("market day: found no settled slot in this store, allowed one at least")
    oldest, newest = bounds
    first = oldest if first is None else max(first, oldest)
    end = newest + SLOT_S if end is None else min(end, newest + SLOT_S)
    if first >= end:
        raise StoreError(
            "market day: found no settled slot in the period, allowed slots from "
            f"{iso_of(oldest)} to {iso_of(newest)}"
        )
    customers = customer_numbers(registry, district)
    sums, audits = GainSums(district, first), []
    rules = store.read(load_rule_book)
    promised = GuaranteeSums(district, len(registry.book.accounts), rules)
    begin = max(oldest, local_month_start(first, district.time_zone))
    for slot in slots_from(begin, (end - begin) // SLOT_S).tolist():
        # A read of its own each: one over all slots would keep a running loop from writing.
        rows = store.read(partial(_load, registry=registry, slot=slot))
        if rows is None:
            continue
        sums.add(slot, _use(rows, customers))
        if slot >= first:
            audits.append(_audit_slot(rows))
            promised.add(slot, np.concatenate([rows.reserved, rows.moved]))
    now, on = (promised.outlook(customers.tolist(), carried_on=one) for one in (False, True))
    return MarketDay(district.id, first, end, tuple(audits), sums.gains(), now, on)


def load_slot_use(
    connection: Connection, registry: Registry, customers: IntArray, slot: int
) -> SlotUse | None:
    """A slot as these customers see it, accounts by number; None where it is not settled."""
    rows = _load(connection, registry, slot)
    return None if rows is None else _use(rows, customers)


@dataclass(frozen=True, eq=False)
class OwnSlot:
    """A settled slot of one account: its reading, what it traded there, and what came of it.

    `reading_wh` is import and export, None where the slot has no reading of the account; `use` has
    one row. Trades are as cleared, `use` as delivered.
    """

    slot: int
    reading_wh: tuple[int, int] | None
    bought_wh: int
    sold_wh: int
    price_mkrw_per_kwh: int | None
    use: SlotUse


def load_own_slot(
    connection: Connection, registry: Registry, account: bytes, slot: int
) -> OwnSlot | None:
    """A slot of one account; None where it is not settled or the books do not know the account."""
    number = registry.book.number.get(account)
    rows = None if number is None else _load(connection, registry, slot, only=number)
    if rows is None or number is None:
        return None
    mine = np.flatnonzero(rows.trades["account"] == number)
    bought_wh, sold_wh, price = (
        rows.trades[name][mine] for name in ("bought_wh", "sold_wh", "price_mkrw_per_kwh")
    )
    return OwnSlot(
        slot=slot,
        reading_wh=rows.readings.get(number),
        bought_wh=int(bought_wh.sum()),
        sold_wh=int(sold_wh.sum()),
        price_mkrw_per_kwh=int(price[0]) if len(mine) else None,
        use=_use(rows, np.array([number], dtype=np.int64)),
    )


def customer_numbers(registry: Registry, district: District) -> IntArray:
    """The numbers of the district's customers; raises StoreError where the books know others."""
    number = registry.book.number
    unknown = [one for one in district.meters.account if one not in number]
    if unknown:
        raise StoreError(
            f"market day: {len(unknown)} customers of {district.id} have no account in these "
            "books, allowed the district that the books were begun with"
        )
    return np.array([number[one] for one in district.meters.account], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A settled slot as it was committed; accounts by number, `count` of them.

    `moved` has columns ledger, kind, code, debit, credit, amount, as has `reserved`, what the
    clearing has set aside (of a whole slot alone). `readings` are the newest of
    each account. `message` is the signed Clearing, None where the slot had no market.
    """

    slot: int
    count: int
    system: dict[str, int]
    moved: IntArray
    reserved: IntArray
    readings: dict[int, tuple[int, int]]
    trades: dict[str, IntArray]
    book: dict[str, Any]
    message: Message | None

    def net(self, ledger: int, *codes: int) -> IntArray:
        """What each account has got less what it has given, in all lines or those of a code."""
        mine = self.moved[self.moved[:, 0] == ledger]
        if codes:
            mine = mine[np.isin(mine[:, 2], codes)]
        found = np.zeros(self.count, dtype=np.int64)
        np.add.at(found, mine[:, 4], mine[:, 5])
        np.subtract.at(found, mine[:, 3], mine[:, 5])
        return found

    def drawn_and_given(self, *codes: int) -> tuple[IntArray, IntArray]:
        """Wh that each account has drawn, and given; a reversal takes back from its own way."""
        mine = self.moved[self.moved[:, 0] == ENERGY]
        if codes:
            mine = mine[np.isin(mine[:, 2], codes)]
        undone = mine[:, 1] == REVERSE
        drawn, given = (np.zeros(self.count, dtype=np.int64) for _ in range(2))
        np.add.at(drawn, mine[~undone, 4], mine[~undone, 5])
        np.add.at(given, mine[~undone, 3], mine[~undone, 5])
        np.subtract.at(given, mine[undone, 4], mine[undone, 5])
        np.subtract.at(drawn, mine[undone, 3], mine[undone, 5])
        return drawn, given


_NAMES = ("POOL", "BALANCING", "GRID", "NETFEE", "RENT")
_NO_TRADES = {
    name: np.zeros(0, dtype=np.int64)
    for name in ("account", "bought_wh", "sold_wh", "price_mkrw_per_kwh")
}


def _load(
    connection: Connection, registry: Registry, slot: int, only: int | None = None
) -> _Rows | None:
    """The rows of a slot, None where its readings are not settled.

    With `only` those of one account, without the auction's book; else the whole slot is read, tens
    of thousands of rows in a full district.
    """
    made = load_settlements(connection, slot)
    versions = [one for one in made if one.version]
    if not versions:
        return None
    number = registry.book.number
    metered = settled_meters(connection, registry, slot)
    read = np.flatnonzero(metered.quality != UNKNOWN)
    if only is not None:
        read = read[read == only]
    readings = {no: metered.wh(no) for no in read.tolist()}
    book, message = ({}, None) if only is not None else _auction(connection, slot)
    return _Rows(
        slot=slot,
        count=len(registry.book.accounts),
        system={name: number[system_account(registry.domain.market_id, name)] for name in _NAMES},
        moved=_movements(connection, [one.no for one in versions], only),
        reserved=load_movements(
            connection,
            [one.no for one in made if not one.version and only is None],
            [TransferKind.PENDING],
        ),
        readings=readings,
        trades=load_trades(connection, slot) or _NO_TRADES,
        book=book,
        message=message,
    )


def _auction(connection: Connection, slot: int) -> tuple[dict[str, Any], Message | None]:
    """The book of a slot and its signed Clearing of energy, empty and None without a market."""
    entries = [entry_of(row) for row in load_entries(connection, slot) if row.type == "Clearing"]
    energy_only = [one.message for one in entries if one.message["label"] == 0]
    message = energy_only[-1] if energy_only else None
    return load_slot_book(connection, slot) or {}, message


def _movements(connection: Connection, settlements: list[int], only: int | None) -> IntArray:
    if only is None:
        return load_movements(connection, settlements)
    rows = [
        (one.ledger, one.kind, one.code, one.debit, one.credit, one.amount)
        for one in load_transfers_of(connection, settlements, [only])
        if one.kind in MOVING_KINDS
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 6)


def _use(rows: _Rows, customers: IntArray) -> SlotUse:
    """The slot as the customers see it."""
    drawn, given = rows.drawn_and_given()
    bought, sold = rows.drawn_and_given(Code.TRADE)
    rest_drawn, rest_given = rows.drawn_and_given(Code.REMAINDER)
    trade, deviation = rows.net(KRW, Code.TRADE), rows.net(KRW, Code.DEVIATION)
    contract = rows.net(KRW, *CONTRACT_CODES)
    known = trade + deviation + contract + rows.net(KRW, Code.REMAINDER)
    return SlotUse(
        import_wh=drawn[customers],
        rest_import_wh=rest_drawn[customers],
        bought_wh=bought[customers],
        sold_wh=sold[customers],
        contract_export_wh=(given - sold - rest_given)[customers],
        trade_ukrw=trade[customers],
        deviation_ukrw=deviation[customers],
        contract_ukrw=contract[customers],
        other_ukrw=(rows.net(KRW) - known)[customers],
        has_traded=np.isin(customers, rows.trades["account"]),
    )


def _audit_slot(rows: _Rows) -> SlotAudit:
    system, trades = rows.system, rows.trades
    bought, sold, price = (
        trades[name].astype(object) for name in ("bought_wh", "sold_wh", "price_mkrw_per_kwh")
    )
    paid, received = int((bought * price).sum()), int((sold * price).sum())
    krw, energy = rows.net(KRW), rows.net(ENERGY)
    fee, rent = (int(rows.net(KRW)[system[name]]) for name in ("NETFEE", "RENT"))
    open_wh = abs(int(energy[system["POOL"]])) + abs(int(energy[system["BALANCING"]]))
    for account, (import_wh, export_wh) in rows.readings.items():
        # What the meter at the connection shows has come out of GRID, not into it.
        net_wh = export_wh - import_wh if account == system["GRID"] else import_wh - export_wh
        open_wh += abs(int(energy[account]) - net_wh)
    replaced = rows.moved[(rows.moved[:, 0] == ENERGY) & (rows.moved[:, 2] == Code.REPLACEMENT)]
    nodes = [] if rows.message is None else rows.message["nodes"]
    prices = [one["price_mkrw_per_kwh"] for one in nodes if one["bought_wh"] + one["sold_wh"]]
    return SlotAudit(
        slot=rows.slot,
        price_low_mkrw_per_kwh=min(prices, default=None),
        price_high_mkrw_per_kwh=max(prices, default=None),
        orders=len(rows.book.get("tag", ())),
        bought_wh=int(bought.sum()),
        sold_wh=int(sold.sum()),
        replaced_wh=_replaced_wh(replaced, system["BALANCING"]),
        welfare_ukrw=0 if rows.message is None else int(rows.message["welfare_ukrw"]),
        paid_ukrw=paid,
        received_ukrw=received,
        fee_ukrw=fee,
        rent_ukrw=rent,
        open_ukrw=abs(paid - received - fee - rent)
        + abs(int(krw[system["POOL"]]))
        + abs(int(krw.sum())),
        open_wh=open_wh + abs(int(bought.sum()) - int(sold.sum())),
        against_limit=_against_limit(rows.book, nodes),
    )


def _replaced_wh(lines: IntArray, balancing: int) -> int:
    """Wh that came into BALANCING, reversals taken off: what somebody was short of."""
    forth = lines[(lines[:, 1] != REVERSE) & (lines[:, 4] == balancing), 5].sum()
    back = lines[(lines[:, 1] == REVERSE) & (lines[:, 3] == balancing), 5].sum()
    return int(forth - back)


def _against_limit(book: dict[str, Any], nodes: list[dict[str, int]]) -> int:
    """Orders with a fill whose limit the price of their node breaks, fees included."""
    if not book:
        return 0
    price = {one["node"]: one["price_mkrw_per_kwh"] for one in nodes}
    at = np.array([price[node] for node in book["node"].tolist()], dtype=np.int64)
    limit, bid = book["price_mkrw_per_kwh"], book["side"] == Side.BID
    broken = np.where(bid, limit < at, limit > at)
    return int((broken & (book["fill_wh"] > 0)).sum())
