"""Contracts first: what a reading owes to power purchase and partner contracts before all trades.

Pure functions of a slot's readings: how each reading divides, what each contract delivered, and
the transfers that follow. Each Wh goes one way only; contracts for difference move money alone.
The neighbour trade of `market.neighbours` takes its share after these and is settled by the month.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from typing import NamedTuple

from market.errors import MarketError
from market.transfers import Code, LedgerId, Transfer, TransferKind, sort_and_merge

PPM = 1_000_000


class ContractKind(IntEnum):
    """What the contract delivers and how it is paid; the numbers of the signed type."""

    NEIGHBOUR = 1  # by the month, inside both bills of the utility
    PPA_AS_CONSUMED = 2  # what the buyer draws of its share of the plant
    PPA_AS_PRODUCED = 3  # its share of the plant, whatever the buyer draws
    CFD = 4  # difference between strike and index on its share of the plant
    PARTNER = 5  # a named neighbour, per slot, like PPA_AS_CONSUMED


@dataclass(frozen=True)
class SupplyContract:
    """A contract as a slot sees it; `cap_wh` per slot, `id` is the digest of the signed one.

    `price_mkrw_per_kwh` is the price or strike; `charge_mkrw_per_kwh` what the network's owner
    asks of the buyer for each Wh that it takes. A CfD with `none_below_zero` rests while its index
    is negative. Contracts of a lower rank number come first.
    """

    id: bytes
    kind: ContractKind
    seller: bytes
    buyer: bytes
    cap_wh: int
    share_ppm: int
    price_mkrw_per_kwh: int
    rank: int = 0
    charge_mkrw_per_kwh: int = 0
    none_below_zero: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.share_ppm <= PPM or self.cap_wh < 0 or self.charge_mkrw_per_kwh < 0:
            raise MarketError(
                f"contract {self.id.hex()}: share_ppm {self.share_ppm}, cap_wh {self.cap_wh}, "
                f"charge_mkrw_per_kwh {self.charge_mkrw_per_kwh}, allowed a share up to {PPM} "
                "and nothing below 0"
            )
        if self.seller == self.buyer:
            raise MarketError(f"contract {self.id.hex()}: seller and buyer are one account")


class MeterWh(NamedTuple):
    """What an account's meter counted in the slot; both may be above 0."""

    account: bytes
    import_wh: int
    export_wh: int


class TradeWh(NamedTuple):
    """What an account cleared in the auction of the slot."""

    account: bytes
    bought_wh: int
    sold_wh: int


@dataclass(frozen=True)
class Delivery:
    """What a contract came to in the slot.

    `e_wh` is paid at the contract's price; `taken_wh` of it the buyer drew, `surplus_wh` is sold on
    its behalf at feed-in and `stranded_wh` beyond the surplus limit for nothing. In a CfD all three
    are 0 and `index_mkrw_per_kwh` is what the price was compared with.
    """

    contract: SupplyContract
    e_wh: int
    taken_wh: int = 0
    surplus_wh: int = 0
    stranded_wh: int = 0
    index_mkrw_per_kwh: int = 0


@dataclass(frozen=True)
class ReadingSplit:
    """How a reading divides: contracts, neighbour trade, auction, rest; sums to the reading."""

    account: bytes
    contract_import_wh: int
    bought_wh: int
    rest_import_wh: int
    contract_export_wh: int
    earmarked_wh: int
    sold_wh: int
    rest_export_wh: int

    @property
    def import_wh(self) -> int:
        """The import of the reading."""
        return self.contract_import_wh + self.bought_wh + self.rest_import_wh

    @property
    def export_wh(self) -> int:
        """The export of the reading."""
        return self.contract_export_wh + self.earmarked_wh + self.sold_wh + self.rest_export_wh


@dataclass(frozen=True)
class SurplusLimit:
    """How much of a plant's yearly output may be sold as surplus, and where the year stands.

    Produced and sold are by seller and before the slot. A limit of None sells all.
    """

    limit_ppm: int | None = None
    produced_wh: Mapping[bytes, int] | None = None
    sold_wh: Mapping[bytes, int] | None = None


@dataclass(frozen=True)
class ContractTerms:
    """Prices of the slot that contracts point to; `index` of a CfD by the seller's account.

    `surplus_mkrw_per_kwh` is what the SPC pays for surplus, the slot's feed-in.
    """

    surplus_mkrw_per_kwh: int
    index_mkrw_per_kwh: Mapping[bytes, int]
    limit: SurplusLimit = SurplusLimit()


@dataclass(frozen=True)
class SlotSplit:
    """All readings of the slot divided, and what each contract delivered."""

    readings: tuple[ReadingSplit, ...]
    deliveries: tuple[Delivery, ...]


def split_readings(
    meters: Sequence[MeterWh],
    contracts: Iterable[SupplyContract],
    trades: Iterable[TradeWh],
    terms: ContractTerms,
) -> SlotSplit:
    """Each reading by the order of the market: contracts by rank, neighbours, auction, rest."""
    export = {one.account: one.export_wh for one in meters}
    left_import = {one.account: one.import_wh for one in meters}
    if len(export) != len(meters):
        raise MarketError("readings: an account has two, allowed one")
    ordered = sorted(contracts, key=lambda one: (one.rank, one.id))
    for one in ordered:
        for account in (one.seller, one.buyer):
            if account not in export:
                raise MarketError(f"contract {one.id.hex()}: {account.hex()} has no reading")
    deliveries = list(_deliveries(ordered, export, left_import, terms))
    given: defaultdict[bytes, int] = defaultdict(int)
    taken: defaultdict[bytes, int] = defaultdict(int)
    for done in deliveries:
        if done.contract.kind != ContractKind.CFD:
            given[done.contract.seller] += done.e_wh
            taken[done.contract.buyer] += done.taken_wh
    earmarked: defaultdict[bytes, int] = defaultdict(int)
    for one in ordered:
        if one.kind == ContractKind.NEIGHBOUR:
            earmarked[one.seller] += one.share_ppm
    traded = {one.account: one for one in trades}
    splits = []
    for meter in meters:
        trade = traded.get(meter.account, TradeWh(meter.account, 0, 0))
        after = meter.export_wh - given[meter.account]
        shares = min(earmarked[meter.account], PPM)
        kept = after * shares // PPM
        sold = min(trade.sold_wh, after - kept)
        drawn = meter.import_wh - taken[meter.account]
        bought = min(trade.bought_wh, drawn)
        splits.append(
            ReadingSplit(
                account=meter.account,
                contract_import_wh=taken[meter.account],
                bought_wh=bought,
                rest_import_wh=drawn - bought,
                contract_export_wh=given[meter.account],
                earmarked_wh=kept,
                sold_wh=sold,
                rest_export_wh=after - kept - sold,
            )
        )
    return SlotSplit(tuple(splits), tuple(deliveries))


def _deliveries(
    ordered: Sequence[SupplyContract],
    export: Mapping[bytes, int],
    left_import: dict[bytes, int],
    terms: ContractTerms,
) -> Iterable[Delivery]:
    """What each contract comes to, rank by rank; `left_import` shrinks by what is taken."""
    left_export = dict(export)
    sold_now: defaultdict[bytes, int] = defaultdict(int)
    physical = [o for o in ordered if o.kind not in (ContractKind.NEIGHBOUR, ContractKind.CFD)]
    for _, of_rank in groupby(physical, key=lambda one: one.rank):
        same = list(of_rank)
        share = _shares_of_rank(same, left_export)
        for one in same:
            most = min(share[one.id], one.cap_wh)
            drawn = min(most, left_import[one.buyer])
            produced = one.kind == ContractKind.PPA_AS_PRODUCED
            e_wh = most if produced else drawn
            left_import[one.buyer] -= drawn
            left_export[one.seller] -= e_wh
            surplus = _within_limit(one.seller, e_wh - drawn, export, sold_now, terms.limit)
            sold_now[one.seller] += surplus
            yield Delivery(one, e_wh, drawn, surplus, e_wh - drawn - surplus)
    differences = [one for one in ordered if one.kind == ContractKind.CFD]
    for _, of_rank in groupby(differences, key=lambda one: one.rank):
        same = list(of_rank)
        share = _shares_of_rank(same, export)
        for one in same:
            index = terms.index_mkrw_per_kwh.get(one.seller)
            if index is None:
                raise MarketError(f"contract {one.id.hex()}: the slot has no index price for it")
            rests = one.none_below_zero and index < 0
            e_wh = 0 if rests else min(share[one.id], one.cap_wh)
            yield Delivery(one, e_wh, index_mkrw_per_kwh=index)


def _shares_of_rank(
    same: Sequence[SupplyContract], export: Mapping[bytes, int]
) -> dict[bytes, int]:
    """Whole Wh of each contract of one rank, by largest remainder within a plant, then by id."""
    found: dict[bytes, int] = {}
    for seller in {one.seller for one in same}:
        here = [one for one in same if one.seller == seller]
        promised = sum(one.share_ppm for one in here)
        if promised > PPM:
            raise MarketError(
                f"contracts of {seller.hex()} in rank {here[0].rank}: shares of {promised} ppm "
                f"together, allowed at most {PPM}"
            )
        parts = [(one, *divmod(export[seller] * one.share_ppm, PPM)) for one in here]
        spare = export[seller] * promised // PPM - sum(whole for _, whole, _ in parts)
        parts.sort(key=lambda part: (-part[2], part[0].id))
        for place, (one, whole, _) in enumerate(parts):
            found[one.id] = whole + (place < spare)
    return found


def _within_limit(
    seller: bytes,
    surplus_wh: int,
    export: Mapping[bytes, int],
    sold_now: Mapping[bytes, int],
    limit: SurplusLimit,
) -> int:
    """How much of a surplus the year still allows to be sold, the slot's own output included."""
    if limit.limit_ppm is None:
        return surplus_wh
    produced = (limit.produced_wh or {}).get(seller, 0) + export[seller]
    sold = (limit.sold_wh or {}).get(seller, 0) + sold_now[seller]
    return min(surplus_wh, max(0, produced * limit.limit_ppm // PPM - sold))


@dataclass(frozen=True)
class ContractAccounts:
    """The market's own accounts that contracts touch, 32 bytes each."""

    spc: bytes
    grid: bytes
    kepco: bytes


def contract_transfers(
    deliveries: Iterable[Delivery],
    terms: ContractTerms,
    accounts: ContractAccounts,
    slot: int,
    version: int,
) -> list[Transfer]:
    """Energy and money of the contracts; each transfer's cause is its contract.

    An amount below 0 swaps the accounts: at a negative strike the seller pays.
    """
    found: list[Transfer] = []

    def add(ledger: LedgerId, code: Code, debit: bytes, credit: bytes, amount: int) -> None:
        if amount:
            ends = (debit, credit) if amount > 0 else (credit, debit)
            found.append(
                Transfer(
                    int(ledger), int(TransferKind.PLAIN), int(code), *ends, abs(amount), slot,
                    version, cause=done.contract.id,
                )
            )  # fmt: skip

    for done in deliveries:
        one, money, energy = done.contract, LedgerId.KRW, LedgerId.ENERGY
        if one.kind == ContractKind.CFD:
            amount = (one.price_mkrw_per_kwh - done.index_mkrw_per_kwh) * done.e_wh
            add(money, Code.CFD, one.buyer, one.seller, amount)
            continue
        add(energy, Code.PPA, one.seller, one.buyer, done.taken_wh)
        # Not among the rest of a reading: no meter of the buyer has seen these Wh.
        add(energy, Code.PPA, one.seller, accounts.grid, done.e_wh - done.taken_wh)
        add(money, Code.PPA, one.buyer, one.seller, done.e_wh * one.price_mkrw_per_kwh)
        surplus = done.surplus_wh * terms.surplus_mkrw_per_kwh
        add(money, Code.PPA, accounts.spc, one.buyer, surplus)
        charge = done.taken_wh * one.charge_mkrw_per_kwh
        add(money, Code.PPA_CHARGE, one.buyer, accounts.kepco, charge)
    return sort_and_merge(found)


def preference_cost_ukrw(done: Delivery, price_mkrw_per_kwh: int) -> int:
    """What the buyer pays above what the same Wh cost in the auction of the slot."""
    return done.taken_wh * (done.contract.price_mkrw_per_kwh - price_mkrw_per_kwh)
