"""Neighbour trade of a month that ends: what was set aside is netted, in whole kWh, and paid.

For the close of the month. `gather_neighbours` reads, in the tick's one transaction, what the
sellers' slots have set aside; `settle_neighbours_of` posts the month's settlement (scope 2, named
by the month's last slot, code 23) and must be called once all slots of the month are settled and
before its bills are made, because the money is a line of both bills. `netted` is what a buyer's
bill must not count at tariff: `bill(U - T) + T * price` instead of `bill(U)`. `netted_of_months`
gives the same for months closed before, when their bills are made again.

What a month was netted to stays. A reading that is corrected later changes what is left over: what
the seller gave more or less is paid or taken back at the next close, at the feed-in price of its
slot, and a buyer who has not drawn what it was sold gets back what it paid, on its bill.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import FIRST_CONTRACT
from energy.steps.books import Books, Registry
from energy.steps.tally import smp_mkrw_per_kwh
from energy.steps.tick_book import TickBook, Version
from energy.store.books import load_settlements, load_transfers
from energy.store.contracts import (
    ContractRow,
    DeliveryRow,
    LateDelivery,
    contract_numbers,
    contracts_in,
    deliveries_between,
    late_deliveries,
    list_contracts,
)
from energy.tariffs import load_tariff
from energy.units import SLOT_S
from market.agreements import neighbour_contract
from market.contracts import ContractKind
from market.month_bill import Netted
from market.neighbours import (
    NeighbourBuyer,
    NeighbourMonth,
    NeighbourSeller,
    settle_neighbours,
)
from market.transfers import Code, LedgerId, Transfer, TransferKind, sort_and_merge

MONTH_SCOPE = 2
WH_PER_KWH = 1000


@dataclass(frozen=True, eq=False)
class NeighbourFacts:
    """The contracts of neighbour trade of a month, and what its slots have set aside so far."""

    first_slot: int
    end_slot: int
    contracts: tuple[ContractRow, ...] = ()
    waiting: tuple[DeliveryRow, ...] = ()
    late: tuple[LateDelivery, ...] = ()  # of months closed before, since the last close
    of_late: Mapping[int, ContractRow] = field(default_factory=dict)  # their contracts


@dataclass(frozen=True, eq=False)
class NeighbourSettlement:
    """What the month came to: each contract by its seller, what each buyer has had, and what was
    left over.

    `months` hold both partners' gains, whether the contract was applied or not; `unmatched_wh` of
    a seller was paid at the mean feed-in price of what it had set aside.
    """

    months: tuple[tuple[bytes, NeighbourMonth], ...] = ()
    netted: Mapping[bytes, Netted] = field(default_factory=dict)
    unmatched_wh: Mapping[bytes, int] = field(default_factory=dict)


def gather_neighbours(
    connection: Connection,
    first_slot: int,
    end_slot: int,
    last_tick: int | None = None,
    corrected: Collection[int] = (),
) -> NeighbourFacts:
    """The facts of the month of these slots, and of what was `corrected` in earlier ones since the
    tick of the last close, in the running tick included.
    """
    kind = int(ContractKind.NEIGHBOUR)
    rows = [one for one in contracts_in(connection, first_slot, end_slot) if one.kind == kind]
    waiting = deliveries_between(connection, first_slot, end_slot, (kind,)) if rows else []
    late = (
        []
        if last_tick is None
        else late_deliveries(connection, kind, first_slot, last_tick, corrected)
    )
    signed = {one.no: one for one in list_contracts(connection)} if late else {}
    of_late = {one.contract: signed[one.contract] for one in late}
    return NeighbourFacts(first_slot, end_slot, tuple(rows), tuple(waiting), tuple(late), of_late)


def settle_neighbours_of(
    book: TickBook, district: District, facts: NeighbourFacts, drawn_wh: Sequence[int]
) -> NeighbourSettlement:
    """Net and pay the month, and what late news changes of months before; nothing is posted where
    nothing was set aside. `drawn_wh` is what each customer has drawn at tariff in the month.
    """
    numbers = {one.no: one for one in facts.contracts}
    aside: defaultdict[bytes, dict[int, int]] = defaultdict(dict)
    # What this tick has settled counts instead of what was known before it.
    for row in (*facts.waiting, *book.deliveries):
        if row.contract in numbers and facts.first_slot <= row.slot < facts.end_slot:
            aside[numbers[row.contract].seller][row.slot] = row.e_wh
    place = {account: row for row, account in enumerate(book.books.customers)}
    taken: defaultdict[bytes, Netted] = defaultdict(Netted)
    months: list[tuple[bytes, NeighbourMonth]] = []
    transfers: list[Transfer] = []
    unmatched: dict[bytes, int] = {}
    for seller, by_slot in sorted(aside.items()):
        mine = [one for one in facts.contracts if one.seller == seller]
        worth_ukrw = sum(wh * smp_mkrw_per_kwh(district, slot) for slot, wh in by_slot.items())
        total_wh = sum(by_slot.values())
        if not total_wh:
            continue
        party = _Parties(district, facts, place, drawn_wh)
        found = settle_neighbours(
            [neighbour_contract(one.id, vars(one)) for one in mine],
            party.seller(seller, total_wh, worth_ukrw // total_wh),
            {one.buyer: party.buyer(one.buyer, taken[one.buyer].kwh) for one in mine},
        )
        months += [(seller, one) for one in found]
        for one in found:
            if one.applied:
                had = taken[one.contract.buyer]
                taken[one.contract.buyer] = Netted(
                    had.kwh + one.kwh, had.paid_ukrw + one.payment_ukrw
                )
        left_wh = total_wh - sum(one.kwh for one in found if one.applied) * WH_PER_KWH
        unmatched[seller] = left_wh
        transfers += _lines(facts, seller, found)
        transfers += _left_over(book.books, facts, mine[0], left_wh * worth_ukrw // total_wh)
    transfers += _late_news(book, district, facts)
    if transfers:
        version = Version(facts.end_slot - SLOT_S, 1)
        book.settle(version, sort_and_merge(transfers), scope=MONTH_SCOPE)
    return NeighbourSettlement(tuple(months), dict(taken), unmatched)


def netted_of_months(
    connection: Connection, books: Registry, end_slots: Sequence[int]
) -> dict[int, dict[bytes, Netted]]:
    """What buyers have had from neighbours, by month (its end) and account, as posted."""
    by_no = {no: id_ for id_, no in contract_numbers(connection).items()}
    signed = {one.id: one for one in list_contracts(connection)}
    found: dict[int, dict[bytes, Netted]] = {}
    for end in end_slots:
        netted: defaultdict[bytes, Netted] = defaultdict(Netted)
        for settlement in load_settlements(connection, end - SLOT_S, MONTH_SCOPE):
            for row in load_transfers(connection, settlement.no):
                one = signed[by_no[row.caused - FIRST_CONTRACT]]
                if books.book.accounts[row.debit] == one.buyer and one.price_mkrw_per_kwh:
                    kwh, paid_ukrw = netted[one.buyer]
                    kwh += row.amount // (WH_PER_KWH * one.price_mkrw_per_kwh)
                    netted[one.buyer] = Netted(kwh, paid_ukrw + row.amount)
        found[end] = dict(netted)
    return found


@dataclass(frozen=True, eq=False)
class _Parties:
    """Who trades: what each has drawn at tariff in the month, and what it pays for it."""

    district: District
    facts: NeighbourFacts
    place: Mapping[bytes, int]
    drawn_wh: Sequence[int]

    def seller(self, account: bytes, aside_wh: int, feed_in_mkrw_per_kwh: int) -> NeighbourSeller:
        """The seller's month: what it set aside is all of its surplus that this trade is about."""
        day, row = self._day(), self.place[account]
        return NeighbourSeller(
            received_kwh=self.drawn_wh[row] // WH_PER_KWH,
            surplus_kwh=aside_wh // WH_PER_KWH,
            earmarked_kwh=aside_wh // WH_PER_KWH,
            carried_kwh=0,
            net_metering=False,
            feed_in_mkrw_per_kwh=feed_in_mkrw_per_kwh,
            tariff=load_tariff(self.district.meters.tariff[row], day.date(), or_first=True),
            month=day.month,
        )

    def buyer(self, account: bytes, taken_kwh: int) -> NeighbourBuyer:
        """The buyer's month, less what other neighbours have sold it."""
        day, row = self._day(), self.place[account]
        return NeighbourBuyer(
            import_kwh=self.drawn_wh[row] // WH_PER_KWH - taken_kwh,
            tariff=load_tariff(self.district.meters.tariff[row], day.date(), or_first=True),
            month=day.month,
        )

    def _day(self) -> datetime:
        return datetime.fromtimestamp(self.facts.first_slot, ZoneInfo(self.district.time_zone))


def _lines(facts: NeighbourFacts, seller: bytes, found: Sequence[NeighbourMonth]) -> list[Transfer]:
    """What buyers pay, each under its contract."""
    return [
        _transfer(facts, one.contract.buyer, seller, one.payment_ukrw, one.contract.id)
        for one in found
        if one.applied and one.payment_ukrw
    ]


def _left_over(
    books: Books, facts: NeighbourFacts, first: ContractRow, amount_ukrw: int
) -> list[Transfer]:
    """What the SPC pays for what no neighbour has taken, under the seller's first contract."""
    if not amount_ukrw:
        return []
    return [_transfer(facts, books.system.spc, first.seller, amount_ukrw, first.id)]


def _late_news(book: TickBook, district: District, facts: NeighbourFacts) -> list[Transfer]:
    """What the SPC pays for what sellers have set aside more by late news of earlier months, or
    takes back for less: fed in after all, at the price of its slot.
    """
    spc = book.books.system.spc
    now_wh = {(one.contract, one.slot): one.e_wh for one in book.deliveries}
    more_ukrw: Counter[int] = Counter()
    for one in facts.late:
        more_wh = now_wh.get((one.contract, one.slot), one.now_wh) - one.was_wh
        more_ukrw[one.contract] += more_wh * smp_mkrw_per_kwh(district, one.slot)
    transfers = []
    for no, amount in sorted(more_ukrw.items()):
        contract = facts.of_late[no]
        pair = (spc, contract.seller) if amount > 0 else (contract.seller, spc)
        if amount:
            transfers.append(_transfer(facts, *pair, abs(amount), contract.id))
    return transfers


def _transfer(
    facts: NeighbourFacts, debit: bytes, credit: bytes, amount_ukrw: int, cause: bytes
) -> Transfer:
    return Transfer(
        int(LedgerId.KRW), int(TransferKind.PLAIN), int(Code.NEIGHBOUR), debit, credit,
        amount_ukrw, facts.end_slot - SLOT_S, 1, cause=cause,
    )  # fmt: skip
