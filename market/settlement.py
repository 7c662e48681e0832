"""From trades and readings to transfers: what a metered quarter hour costs and who owes whom.

Version 0 reserves what the clearing promised. Version 1 settles the readings: delivered energy at
the price of the slot, missing energy replaced by BALANCING at the deviator's cost, the rest at
tariff or feed-in. Later versions reverse what has changed and post it anew.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from market.clearing import Clearing
from market.contracts import ContractAccounts, MeterWh, SlotSplit
from market.errors import MarketError
from market.orders import Side
from market.tariff import SlotCalendar, Tariff, charges_ukrw, price_mkrw_per_kwh
from market.transfers import ZERO32, Code, LedgerId, Transfer, TransferKind, system_account
from market.waterfall import (
    CONTRACT_CODES,
    NO_CONTRACTS,
    NO_SPLIT,
    NOTHING_FIRST,
    ContractsFirst,
    SlotContracts,
    contracts_first,
)

IntArray = npt.NDArray[np.int64]

NO_TARIFF = -1  # the meter of an asset of the SPC: its energy is booked, nobody is charged
ESTIMATED = 2


@dataclass(frozen=True)
class SystemAccounts:
    """The market's own accounts that a slot touches, 32 bytes each."""

    pool: bytes
    balancing: bytes
    spc: bytes
    grid: bytes
    loss: bytes
    kepco: bytes
    netfee: bytes
    rent: bytes


class Carriage(NamedTuple):
    """What buyers of a slot pay above what sellers get: network fees and congestion rent."""

    fee_ukrw: int
    rent_ukrw: int


NO_CARRIAGE = Carriage(0, 0)


class Trade(NamedTuple):
    """What an account bought and sold in a slot's auction, at the price of a node.

    Whoever trades at nodes of different prices, as the SPC may, has a trade for each price.
    """

    account: bytes
    bought_wh: int
    sold_wh: int
    price_mkrw_per_kwh: int


@dataclass(frozen=True, eq=False)
class MeterReadings:
    """The readings of a slot, one row per meter, and what the month has seen before; int64 (M,).

    `account` and `tariff` (position in the terms' tariffs, or NO_TARIFF) do not change from slot
    to slot. `quality` is 1 measured, 2 estimated, 3 corrected. `month_import_wh` is what has been
    settled at tariff in the local month of the slot so far. A correction names what this very slot
    had been settled with: `settled_import_wh` (also part of the month) and `settled_charge_ukrw`;
    both None in version 1.
    """

    account: Sequence[bytes]
    tariff: IntArray
    import_wh: IntArray
    export_wh: IntArray
    quality: IntArray
    month_import_wh: IntArray
    settled_import_wh: IntArray | None = None
    settled_charge_ukrw: IntArray | None = None


@dataclass(frozen=True)
class BoundaryReading:
    """The meter at the connection to the utility."""

    import_wh: int
    export_wh: int


@dataclass(frozen=True)
class SettlementTerms:
    """Prices of the slot: tariffs of customers and of the connection, feed-in, at local time.

    `connection` prices what the SPC draws from the utility; `feed_in_mkrw_per_kwh` is paid to
    customers for what they have left, `export_mkrw_per_kwh` by the utility to the SPC.
    """

    calendar: SlotCalendar
    tariffs: tuple[Tariff, ...]
    connection: Tariff
    feed_in_mkrw_per_kwh: int
    export_mkrw_per_kwh: int


@dataclass(frozen=True, eq=False)
class SettlementInput:
    """All that the settlement of one slot follows from.

    `pendings` are the slot's open PENDING transfers by id; `cause` the digest of the Clearing
    (32 zero bytes without one). Every account that traded, the SPC aside, needs a reading, and so
    does every account with one of the `contracts`, which are served before all trades.
    `boundary` is None where the meter at the connection has not been read: then no loss and no
    purchase from the utility is booked yet.
    """

    slot: int
    version: int
    system: SystemAccounts
    trades: Sequence[Trade]
    pendings: Mapping[bytes, Transfer]
    readings: MeterReadings
    boundary: BoundaryReading | None
    terms: SettlementTerms
    cause: bytes = ZERO32
    carriage: Carriage = NO_CARRIAGE
    contracts: SlotContracts = NO_CONTRACTS


@dataclass(frozen=True, eq=False)
class SlotSettlement:
    """The transfers of a settlement in batch order, and per meter what was left for the tariff.

    `rest_import_wh` is what the month of each meter grows by (less what had been settled before);
    `charge_ukrw` what it pays for it, `feed_in_ukrw` what it gets for `rest_export_wh`. `split`
    says what contracts delivered and what they left of their partners' readings.
    """

    transfers: list[Transfer]
    rest_import_wh: IntArray
    rest_export_wh: IntArray
    charge_ukrw: IntArray
    feed_in_ukrw: IntArray
    split: SlotSplit = NO_SPLIT


def system_accounts(market_id: str) -> SystemAccounts:
    """The system accounts of a market."""
    names = ("POOL", "BALANCING", "SPC", "GRID", "LOSS", "KEPCO", "NETFEE", "RENT")
    return SystemAccounts(*(system_account(market_id, name) for name in names))


def trades_of(clearing: Clearing, account_of_tag: Mapping[bytes, bytes]) -> tuple[Trade, ...]:
    """What each account bought and sold, in order of account and price.

    `account_of_tag` names the account of every row with a fill; those of `maker_rows` are the
    SPC's.
    """
    book, price_at = clearing.book, {node.node: node.price_mkrw_per_kwh for node in clearing.nodes}
    found: dict[tuple[bytes, int], Trade] = {}
    for row in np.flatnonzero(clearing.fill_wh).tolist():
        tag, fill_wh = book.tag[row].tobytes(), int(clearing.fill_wh[row])
        account = account_of_tag.get(tag)
        if account is None:
            raise MarketError(f"slot {book.slot}: order {tag.hex()} was filled, found no account")
        price = price_at[int(book.node[row])]
        trade = found.get((account, price), Trade(account, 0, 0, price))
        if book.side[row] == Side.BID:
            found[account, price] = trade._replace(bought_wh=trade.bought_wh + fill_wh)
        else:
            found[account, price] = trade._replace(sold_wh=trade.sold_wh + fill_wh)
    return tuple(found[key] for key in sorted(found))


def reserve_slot(
    slot: int,
    trades: Sequence[Trade],
    system: SystemAccounts,
    cause: bytes = ZERO32,
    carriage: Carriage = NO_CARRIAGE,
) -> list[Transfer]:
    """Version 0: a PENDING per account for what it owes or is owed, buyer -> POOL -> seller.

    Network fees and congestion rent are reserved from POOL too. At a negative price sellers pay
    buyers; at a price of 0 there is nothing to reserve.
    """
    lines = _Lines()
    for account, bought_wh, sold_wh, price in trades:
        lines.add(_KRW_TRADE, account, system.pool, bought_wh * price)
        lines.add(_KRW_TRADE, system.pool, account, sold_wh * price)
    _carry(lines, carriage, system)
    pending = int(TransferKind.PENDING)
    return sorted(
        Transfer(ledger, pending, code, debit, credit, amount, slot, 0, ZERO32, cause)
        for (ledger, code, debit, credit), amount in lines.amount.items()
    )


def raise_estimates(readings: MeterReadings, trades: Sequence[Trade]) -> MeterReadings:
    """The readings with estimates raised to what was cleared: no estimate causes a deviation.

    To be called before the estimates are signed; the true reading, when it comes, is a correction.
    """
    place = {account: row for row, account in enumerate(readings.account)}
    import_wh, export_wh = readings.import_wh.copy(), readings.export_wh.copy()
    for account, bought_wh, sold_wh, _ in trades:
        row = place.get(account)
        if row is not None and readings.quality[row] == ESTIMATED:
            import_wh[row] = max(import_wh[row], bought_wh)
            export_wh[row] = max(export_wh[row], sold_wh)
    return replace(readings, import_wh=import_wh, export_wh=export_wh)


def settle_slot(inputs: SettlementInput) -> SlotSettlement:
    """Version 1: trades posted or voided, missing Wh replaced, the rest at tariff or feed-in.

    POOL ends at 0 in both ledgers, BALANCING at 0 in ENERGY, every pending is ended, and each
    account moves in ENERGY by what its meter shows. Raises MarketError where a trade has no
    reading or no pending, or an estimate would cause a deviation.
    """
    lines, settled, first = _lines(inputs)
    open_by_pair = {(one.debit, one.credit): id_ for id_, one in inputs.pendings.items()}
    transfers = []
    for (ledger, code, debit, credit), amount in lines.amount.items():
        kind, pending, cause = _PLAIN, ZERO32, inputs.cause if code in _OF_CLEARING else ZERO32
        if (ledger, code) in _RESERVED:
            found = open_by_pair.pop((debit, credit), None)
            if found is None or inputs.pendings[found].amount < amount:
                raise MarketError(
                    f"slot {inputs.slot}: {debit.hex()} owes {credit.hex()} {amount} micro-won "
                    "for its trade, found no pending that large"
                )
            kind, pending = int(TransferKind.POST), found
        transfers.append(
            Transfer(
                ledger,
                kind,
                code,
                debit,
                credit,
                amount,
                inputs.slot,
                inputs.version,
                pending,
                cause,
            )
        )
    void = int(TransferKind.VOID)
    transfers += [
        inputs.pendings[id_]._replace(kind=void, version=inputs.version, pending=id_)
        for id_ in open_by_pair.values()
    ]
    transfers += first.transfers
    return replace(settled, transfers=sorted(transfers))


def resettle_slot(inputs: SettlementInput, in_force: Mapping[bytes, Transfer]) -> SlotSettlement:
    """Version 2 and later: lines that have changed are reversed and posted anew, the rest stands.

    `in_force` are the slot's PLAIN and POST transfers that no REVERSE has undone, by id. The
    readings are all of the slot's, corrected ones among them; `inputs.pendings` is empty by now.
    """
    lines, settled, first = _lines(inputs)
    wanted = {(*key, ZERO32): amount for key, amount in lines.amount.items()}
    wanted |= {_line_of(one): one.amount for one in first.transfers}
    transfers, reverse = [], int(TransferKind.REVERSE)
    for id_, old in in_force.items():
        key = _line_of(old)
        if wanted.get(key) == old.amount:
            del wanted[key]
            continue
        transfers.append(
            old._replace(
                kind=reverse,
                debit=old.credit,
                credit=old.debit,
                version=inputs.version,
                pending=id_,
            )
        )
    for (ledger, code, debit, credit, contract), amount in wanted.items():
        cause = inputs.cause if code in _OF_CLEARING else contract
        transfers.append(
            Transfer(
                ledger,
                _PLAIN,
                code,
                debit,
                credit,
                amount,
                inputs.slot,
                inputs.version,
                ZERO32,
                cause,
            )
        )
    return replace(settled, transfers=sorted(transfers))


def _line_of(one: Transfer) -> tuple[int, int, bytes, bytes, bytes]:
    """What a line is known by from version to version: of a contract also by its cause."""
    cause = one.cause if one.code in CONTRACT_CODES else ZERO32
    return one.ledger, one.code, one.debit, one.credit, cause


def resume_readings(
    readings: MeterReadings,
    in_force: Mapping[bytes, Transfer],
    system: SystemAccounts,
    feed_in_mkrw_per_kwh: int,
) -> MeterReadings:
    """The readings of a correction with what the slot had been settled with, read off its lines.

    `month_import_wh` must be what the month of the slot has come to by now, this slot included.
    """
    amount = {(t.ledger, t.code, t.debit, t.credit): t.amount for t in in_force.values()}
    import_wh, charge = np.zeros_like(readings.import_wh), np.zeros_like(readings.import_wh)
    for row, account in enumerate(readings.account):
        import_wh[row] = amount.get((*_WH_REST, system.grid, account), 0)
        export_wh = amount.get((*_WH_REST, account, system.grid), 0)
        paid = amount.get((*_KRW_REST, account, system.spc), 0)
        got = amount.get((*_KRW_REST, system.spc, account), 0)
        if readings.tariff[row] != NO_TARIFF:
            # A charge that a correction has turned negative stands in one line with the feed-in.
            charge[row] = paid - got + export_wh * feed_in_mkrw_per_kwh
    return replace(readings, settled_import_wh=import_wh, settled_charge_ukrw=charge)


_Kind = tuple[int, int]  # ledger, code
_PLAIN = int(TransferKind.PLAIN)
_KRW_TRADE = (int(LedgerId.KRW), int(Code.TRADE))
_KRW_REPLACEMENT = (int(LedgerId.KRW), int(Code.REPLACEMENT))
_KRW_DEVIATION = (int(LedgerId.KRW), int(Code.DEVIATION))
_KRW_REST = (int(LedgerId.KRW), int(Code.REMAINDER))
_WH_TRADE = (int(LedgerId.ENERGY), int(Code.TRADE))
_WH_REPLACEMENT = (int(LedgerId.ENERGY), int(Code.REPLACEMENT))
_WH_REST = (int(LedgerId.ENERGY), int(Code.REMAINDER))
_WH_LOSS = (int(LedgerId.ENERGY), int(Code.LOSS))
_KRW_FEE = (int(LedgerId.KRW), int(Code.NETWORK_FEE))
_KRW_RENT = (int(LedgerId.KRW), int(Code.CONGESTION_RENT))
_RESERVED = (_KRW_TRADE, _KRW_FEE, _KRW_RENT)
_OF_CLEARING = (
    Code.TRADE, Code.REPLACEMENT, Code.DEVIATION, Code.NETWORK_FEE, Code.CONGESTION_RENT
)  # fmt: skip


class _Lines:
    """Amounts by ledger, code, debit and credit, added up; an amount below 0 swaps the accounts."""

    def __init__(self) -> None:
        self.amount: defaultdict[tuple[int, int, bytes, bytes], int] = defaultdict(int)

    def add(self, kind: _Kind, debit: bytes, credit: bytes, amount: int) -> None:
        """Let the debit account give and the credit account receive; 0 leaves no trace."""
        if amount > 0:
            self.amount[*kind, debit, credit] += amount
        elif amount < 0:
            self.amount[*kind, credit, debit] -= amount


def _lines(inputs: SettlementInput) -> tuple[_Lines, SlotSettlement, ContractsFirst]:
    """What the slot comes to, as amounts between accounts, whatever has been posted before."""
    lines, readings = _Lines(), inputs.readings
    rest_import, rest_export = readings.import_wh.copy(), readings.export_wh.copy()
    place = {account: row for row, account in enumerate(readings.account)}
    if len(place) != len(readings.account):
        raise MarketError(f"slot {inputs.slot}: an account has two readings, allowed one")
    first = _contracts_first(inputs, place)
    for rest, taken in ((rest_import, first.import_wh), (rest_export, first.export_wh)):
        for account, e_wh in taken.items():
            rest[place[account]] -= e_wh
    for trade in inputs.trades:
        if trade.account == inputs.system.spc:
            _deliver_spc(lines, trade, inputs.system)
            continue
        row = place.get(trade.account)
        if row is None:
            raise MarketError(
                f"slot {inputs.slot}: {trade.account.hex()} traded, found no reading of it"
            )
        drawn = min(trade.bought_wh, int(rest_import[row]))
        given = min(trade.sold_wh, int(rest_export[row]))
        estimated = readings.quality[row] == ESTIMATED
        if estimated and (drawn, given) != (trade.bought_wh, trade.sold_wh):
            raise MarketError(
                f"slot {inputs.slot}: estimate of {trade.account.hex()} is below what it traded, "
                "allowed an estimate that causes no deviation"
            )
        _deliver(lines, trade, _Delivered(drawn, given), inputs)
        rest_import[row] -= drawn
        rest_export[row] -= given
    _carry(lines, inputs.carriage, inputs.system)
    charge, feed_in = _price_rest(inputs, rest_import, rest_export)
    settled = SlotSettlement([], rest_import, rest_export, charge, feed_in, first.split)
    _settle_rest(lines, settled, inputs)
    if inputs.boundary is not None:
        _settle_boundary(lines, inputs.boundary, inputs)
    return lines, settled, first


def _contracts_first(inputs: SettlementInput, place: Mapping[bytes, int]) -> ContractsFirst:
    """What contracts take before the trades.

    An estimate serves the trades first, so that it causes no deviation; contracts get what it has
    left until the true reading comes.
    """
    given, readings, system = inputs.contracts, inputs.readings, inputs.system
    if not given.contracts:
        return NOTHING_FIRST
    traded: defaultdict[bytes, list[int]] = defaultdict(lambda: [0, 0])
    for one in inputs.trades:
        if one.account in place and readings.quality[place[one.account]] == ESTIMATED:
            traded[one.account][0] += one.bought_wh
            traded[one.account][1] += one.sold_wh
    meters = [
        MeterWh(
            account,
            max(int(readings.import_wh[place[account]]) - traded[account][0], 0),
            max(int(readings.export_wh[place[account]]) - traded[account][1], 0),
        )
        for account in given.accounts
        if account in place
    ]
    accounts = ContractAccounts(system.spc, system.grid, system.kepco)
    return contracts_first(given, meters, accounts, inputs.slot, inputs.version)


def _carry(lines: _Lines, carriage: Carriage, system: SystemAccounts) -> None:
    """Fees and rent as cleared: BALANCING stands in for whoever deviates, so they stay."""
    lines.add(_KRW_FEE, system.pool, system.netfee, carriage.fee_ukrw)
    lines.add(_KRW_RENT, system.pool, system.rent, carriage.rent_ukrw)


class _Delivered(NamedTuple):
    drawn_wh: int
    given_wh: int


def _deliver(lines: _Lines, trade: Trade, done: _Delivered, inputs: SettlementInput) -> None:
    """A trade as far as it was delivered; BALANCING stands in for the rest, at the cost of it.

    Short of what it sold, an account pays the difference to the dearer of price and import; left
    with what it bought, the difference to the cheaper of price and export.
    """
    account, bought_wh, sold_wh, price = trade
    system, terms = inputs.system, inputs.terms
    pool, balancing = system.pool, system.balancing
    lines.add(_WH_TRADE, account, pool, done.given_wh)
    lines.add(_WH_TRADE, pool, account, done.drawn_wh)
    lines.add(_KRW_TRADE, pool, account, done.given_wh * price)
    lines.add(_KRW_TRADE, account, pool, done.drawn_wh * price)
    unsold_wh, unused_wh = sold_wh - done.given_wh, bought_wh - done.drawn_wh
    if unsold_wh:
        short = max(price, price_mkrw_per_kwh(terms.connection, terms.calendar))
        lines.add(_WH_REPLACEMENT, system.grid, balancing, unsold_wh)
        lines.add(_WH_REPLACEMENT, balancing, pool, unsold_wh)
        lines.add(_KRW_REPLACEMENT, pool, balancing, unsold_wh * price)
        lines.add(_KRW_DEVIATION, account, balancing, unsold_wh * (short - price))
    if unused_wh:
        long = min(price, terms.export_mkrw_per_kwh)
        lines.add(_WH_REPLACEMENT, pool, balancing, unused_wh)
        lines.add(_WH_REPLACEMENT, balancing, system.grid, unused_wh)
        lines.add(_KRW_REPLACEMENT, balancing, pool, unused_wh * price)
        lines.add(_KRW_DEVIATION, account, balancing, unused_wh * (price - long))


def _deliver_spc(lines: _Lines, trade: Trade, system: SystemAccounts) -> None:
    """The SPC's own trades: it has no meter, so its energy comes out of GRID and goes into it.

    Its assets and the connection are metered apart; whatever they do, the SPC never deviates.
    """
    account, bought_wh, sold_wh, price = trade
    lines.add(_WH_REST, system.grid, account, sold_wh)
    lines.add(_WH_TRADE, account, system.pool, sold_wh)
    lines.add(_KRW_TRADE, system.pool, account, sold_wh * price)
    lines.add(_WH_TRADE, system.pool, account, bought_wh)
    lines.add(_WH_REST, account, system.grid, bought_wh)
    lines.add(_KRW_TRADE, account, system.pool, bought_wh * price)


def _price_rest(
    inputs: SettlementInput, rest_import: IntArray, rest_export: IntArray
) -> tuple[IntArray, IntArray]:
    """Charge and feed-in of what the trades have left, micro-won per meter.

    A correction moves the month's use from its present height by what it changes, on top of the
    slot's old charge: whatever comes first, the month adds up to the same.
    """
    readings, terms = inputs.readings, inputs.terms
    before_wh, charge = readings.settled_import_wh, readings.settled_charge_ukrw
    grown = rest_import if before_wh is None else rest_import - before_wh
    total = np.zeros_like(rest_import) if charge is None else charge.copy()
    for number, tariff in enumerate(terms.tariffs):
        rows = np.flatnonzero(readings.tariff == number)
        month_wh = readings.month_import_wh[rows]
        total[rows] += charges_ukrw(
            tariff, terms.calendar, from_wh=month_wh, to_wh=month_wh + grown[rows]
        )
    charged = readings.tariff != NO_TARIFF
    return total, rest_export * charged * terms.feed_in_mkrw_per_kwh


def _settle_rest(lines: _Lines, settled: SlotSettlement, inputs: SettlementInput) -> None:
    """The rest of each reading: energy with GRID, money with the SPC."""
    grid, spc = inputs.system.grid, inputs.system.spc
    columns = zip(
        inputs.readings.account,
        settled.rest_import_wh.tolist(),
        settled.rest_export_wh.tolist(),
        settled.charge_ukrw.tolist(),
        settled.feed_in_ukrw.tolist(),
        strict=True,
    )
    for account, import_wh, export_wh, charge, feed_in in columns:
        if import_wh:
            lines.add(_WH_REST, grid, account, import_wh)
        if export_wh:
            lines.add(_WH_REST, account, grid, export_wh)
        if charge:
            lines.add(_KRW_REST, account, spc, charge)
        if feed_in:
            lines.add(_KRW_REST, spc, account, feed_in)


def _settle_boundary(lines: _Lines, boundary: BoundaryReading, inputs: SettlementInput) -> None:
    """What the meters do not explain is loss; the SPC buys and sells at the connection."""
    readings, terms, system = inputs.readings, inputs.terms, inputs.system
    metered_wh = int(readings.import_wh.sum()) - int(readings.export_wh.sum())
    loss_wh = boundary.import_wh - boundary.export_wh - metered_wh
    lines.add(_WH_LOSS, system.grid, system.loss, loss_wh)
    buy = price_mkrw_per_kwh(terms.connection, terms.calendar)
    lines.add(_KRW_REST, system.spc, system.kepco, boundary.import_wh * buy)
    lines.add(_KRW_REST, system.kepco, system.spc, boundary.export_wh * terms.export_mkrw_per_kwh)
