"""The statement of an account: its bills of one or more months with every line explained.

A bill is made once more from what the books had moved when it was signed; it must give the signed
message again. Figures are decimal strings; what an account pays is above 0, what it gets below.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import Connection

from energy.steps.billing import CustomerTerms, sums_of
from energy.steps.books import Registry, load_registry
from energy.steps.month_close import MONTH_SCOPE, bill_message
from energy.steps.neighbour_month import netted_of_months
from energy.steps.tally import Tally, load_tally
from energy.store.bills import BilledMonthRow, load_billed_months
from energy.store.books import EntryRow, find_entry, load_settlements, load_transfers_of
from energy.store.checkpoints import find_checkpoint
from energy.store.errors import StoreError
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw, percent_text_from_ppm
from market.guarantee import GuaranteeMonth, GuaranteeRule
from market.month_bill import Kind, Line, MonthBill, build_month_bill
from market.month_tariffs import BilledMonth, month_of_content
from market.signing import digest
from market.transfers import Code, LedgerId

FORMAT = "microgrid-statement/1"
Document = dict[str, Any]

_PAID = {
    Code.TRADE: ("trade_bought", "bought from neighbours in the auctions, at their prices"),
    Code.NETWORK_FEE: ("network_fee", "share of network fees paid"),
    Code.CONGESTION_RENT: ("rent", "share of the congestion rent taken back after corrections"),
    Code.DEVIATION: ("deviation", "sold or bought in an auction and not delivered or taken"),
    Code.LABEL: ("label_bought", "premium for green or local energy"),
    Code.PPA: ("ppa_bought", "bought under contracts with plants, at their strike"),
    Code.CFD: ("cfd_paid", "difference payments made under contracts"),
    Code.PPA_CHARGE: ("ppa_charge", "the network owner's charge on contracts"),
    Code.NEIGHBOUR: ("neighbour_bought", "neighbour trade through the utility, bought"),
    Code.DR_REWARD: ("dr_reward_back", "demand response: reward taken back"),
    Code.DR_PENALTY: ("dr_penalty", "demand response: promised and not delivered"),
}
_GOT = {
    Code.TRADE: ("trade_sold", "sold to neighbours in the auctions, at their prices"),
    Code.NETWORK_FEE: ("network_fee_back", "share of the network fees given back"),
    Code.CONGESTION_RENT: ("rent_back", "congestion rent given back, by what your meter drew"),
    Code.DEVIATION: ("deviation_back", "deviations given back"),
    Code.LABEL: ("label_sold", "premium for green or local energy sold"),
    Code.PPA: ("ppa_sold", "sold under contracts, at their strike"),
    Code.CFD: ("cfd_got", "difference payments received under contracts"),
    Code.PPA_CHARGE: ("ppa_charge_back", "charge on contracts given back"),
    Code.NEIGHBOUR: ("neighbour_sold", "neighbour trade through the utility, sold"),
    Code.DR_REWARD: ("dr_reward", "demand response: reward for what was used less"),
    Code.DR_PENALTY: ("dr_penalty_back", "demand response: penalty taken back"),
}
_UTILITY = {
    Kind.NETTED: ("netted", "bought from neighbours through the utility: not billed at tariff"),
    Kind.BASIC: ("basic", "basic charge of the step that the month reached, or per kW"),
    Kind.POWER_FACTOR: ("power_factor", "power factor"),
    Kind.ENERGY: ("energy", "energy, step by step"),
    Kind.CLIMATE: ("climate", "climate and environment charge"),
    Kind.FUEL: ("fuel", "fuel cost adjustment"),
    Kind.VAT: ("vat", "value added tax, rounded to whole won"),
    Kind.FUND: ("fund", "power industry fund, cut to ten won"),
    Kind.CUT: ("cut", "what cutting each part to whole won and the total to ten won gives up"),
    Kind.UTILITY: ("utility", "the utility's part"),
}
_IN_KWH = (Kind.NETTED, Kind.ENERGY, Kind.CLIMATE, Kind.FUEL, Kind.UTILITY, Kind.UNDRAWN)
_MARKET = {
    Kind.UNDRAWN: ("undrawn", "paid to neighbours for more than was drawn, by corrected readings"),
    Kind.GUARANTEE: ("guarantee", "given back: auctions cost more than tariff and feed-in alone"),
    Kind.FEED_IN: ("feed_in", "fed in and not sold otherwise, at the market price of its hour"),
    Kind.MARKET: ("market", "the market's part, rounded down to whole won in your favour"),
    Kind.ROUNDING: ("rounding", "what that rounding gave you"),
    Kind.ADJUSTMENT: ("adjustment", "an earlier month billed anew after corrected readings"),
}


class ErasedBill(StoreError):
    """A bill that cannot be made again, since what it follows from is erased."""


@dataclass(frozen=True, eq=False)
class StoredBill:
    """A bill of the books with its signed entry, and the row of its month."""

    account: bytes
    no: int
    bill: MonthBill
    entry: EntryRow
    row: BilledMonthRow


class BillBook:
    """The billed months of a store, from which each account's bills are made again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.registry: Registry = load_registry(connection)
        self.rows = load_billed_months(connection)
        self.months = [month_of_content(one.content) for one in self.rows]
        ends = [one.end_slot for one in self.months]
        self.netted = netted_of_months(connection, self.registry, ends)
        self._tallies: dict[int, Tally] = {}

    def bill(self, account: bytes, number: int) -> StoredBill:
        """The bill of an account in a month (yyyymm); raises StoreError where there is none."""
        known = [one.number for one in self.months]
        if number not in known:
            shown = ", ".join(_month_text(one) for one in known) or "none"
            raise StoreError(
                f"month {_month_text(number)}: found no bills, allowed a billed month: {shown}"
            )
        place = known.index(number)
        row, month = self.rows[place], self.months[place]
        if self.is_erased(account, month):
            raise ErasedBill(
                f"account 0x{account.hex()}: the bill of {_month_text(number)} is erased"
            )
        no = self.registry.book.number.get(account)
        at = np.flatnonzero(row.accounts["no"] == (-1 if no is None else no))
        if no is None or not len(at):
            raise StoreError(
                f"account 0x{account.hex()}: found no bill of {_month_text(number)}, allowed a "
                "customer whose tariff has steps or one price"
            )
        names = ("no", "tariff", "power_kw", "net_metering")
        terms = CustomerTerms(**{name: row.accounts[name] for name in names})
        before = self._tally(self.rows[place - 1].tick) if place else None
        netted = {
            one.number: found
            for one in self.months[: place + 1]
            if (found := self.netted[one.end_slot].get(account))
        }
        bill = build_month_bill(
            self.months[: place + 1],
            replace(terms.of(int(at[0]), month), netted=netted),
            sums_of(no, self.months[: place + 1], self._tally(row.tick), before),
        )
        message = bill_message(account, bill)
        entry = find_entry(self._connection, digest(self.registry.domain, "Bill", message))
        if entry is None and self.is_erased(account, self.months[0]):
            raise ErasedBill(
                f"account 0x{account.hex()}: the bill of {_month_text(number)} adjusts one that is "
                "erased, and cannot be made again"
            )
        if entry is None:
            raise StoreError(
                f"account 0x{account.hex()}: the bill of {_month_text(number)} does not follow "
                "from what the books have moved; the store was changed"
            )
        return StoredBill(account, no, bill, entry, row)

    def is_erased(self, account: bytes, month: BilledMonth) -> bool:
        """Whether what an account did in a billed month is erased."""
        book = self.registry.book
        return account in book and book.is_erased(account, book.month(month.first_slot))

    def _tally(self, tick: int) -> Tally:
        if tick not in self._tallies:
            count = len(self.registry.book.accounts)
            self._tallies[tick] = load_tally(self._connection, count, through=tick)
        return self._tallies[tick]


def statement_document(
    connection: Connection, account: bytes, *, last: int | None = None, months: int = 1
) -> Document:
    """The statement of an account: so many billed months up to `last` (yyyymm), or the newest."""
    book = BillBook(connection)
    known = [one.number for one in book.months]
    if not known:
        raise StoreError("statement: found no billed month, allowed a store with one")
    last = known[-1] if last is None else last
    wanted = [one for one in known if one <= last][-months:] if last in known else [last]
    stays = {one.number for one in book.months if not book.is_erased(account, one)}
    wanted = [one for one in wanted if one in stays or one == last]
    bills = [book.bill(account, number) for number in wanted]
    return {
        "statement": FORMAT,
        "market": book.registry.domain.market_id,
        "account": "0x" + account.hex(),
        "months": [_month_document(connection, one) for one in bills],
        "sums": _sums(bills),
    }


def _month_document(connection: Connection, one: StoredBill) -> Document:
    bill, month = one.bill, one.bill.month
    own = bill.statement
    checkpoint = find_checkpoint(connection, one.row.tick)
    assert checkpoint is not None, "bills are written with the checkpoint of their tick"
    return {
        "month": _month_text(month.number),
        "from_utc": iso_of(month.first_slot),
        "to_utc": iso_of(month.end_slot),
        "tariff": bill.terms.tariff,
        "tariff_document": "0x" + _hash_text(one.row.content),
        "register_start_kwh": _kwh(bill.register_wh[0]),
        "register_end_kwh": _kwh(bill.register_wh[1]),
        "billed_kwh": str(own.bill.kwh),
        "received_kwh": str(bill.received_kwh),
        "given_kwh": str(bill.given_kwh),
        "lines": [found for line in bill.lines if (found := _line_document(line))],
        "utility_krw": str(own.bill.total_krw),
        "market_krw": str(own.market_krw),
        "adjustments_krw": str(sum(krw for _, krw in bill.adjustments)),
        "total_krw": str(bill.total_krw),
        "comparison": {
            "kepco_alone_krw": str(own.alone_krw),
            "net_metering": bill.terms.net_metering,
            "carried_kwh": str(own.carried_kwh),
            "saved_krw": str(own.saved_krw),
            "smp_rec_krw": krw_text_from_ukrw(own.smp_rec_ukrw),
            "sold_krw": krw_text_from_ukrw(own.sold_ukrw),
            "sold_better_krw": krw_text_from_ukrw(own.sold_ukrw - own.smp_rec_ukrw),
        },
        "auctions": _auctions(own.guarantee, month.guarantee),
        "points": _points(connection, one),
        "proof": {
            "bill": "0x" + one.entry.digest.hex(),
            "lines_root": "0x" + bill.lines_root.hex(),
            "tick_utc": iso_of(one.row.tick),
            "checkpoint_size": str(checkpoint.size),
            "checkpoint_root": "0x" + checkpoint.root.hex(),
        },
    }


def _auctions(found: GuaranteeMonth | None, rule: GuaranteeRule) -> Document | None:
    """What the auctions brought over tariff and feed-in alone, and what was given back."""
    if found is None:
        return None
    return {
        "without_krw": krw_text_from_ukrw(found.without_ukrw),
        "gain_krw": krw_text_from_ukrw(found.gain_ukrw),
        "guarantee_krw": krw_text_from_ukrw(found.given_ukrw),
        "gain_after_krw": krw_text_from_ukrw(found.after_ukrw),
        "kept_pct": percent_text_from_ppm(found.kept_ppm),
        "least_kept_pct": percent_text_from_ppm(rule.kept_ppm),
        "most_krw": str(rule.most_krw),
        "outside": None if found.outside is None else found.outside.name.lower(),
    }


def _points(connection: Connection, one: StoredBill) -> Document:
    """Points that came with a bill, and those that paid a part of it, a won each."""
    scope = load_settlements(connection, one.bill.month.first_slot, MONTH_SCOPE)
    rows = load_transfers_of(connection, [row.no for row in scope], [one.no])
    points = [row for row in rows if (row.ledger, row.code) == (LedgerId.POINTS, Code.POINTS)]
    return {
        "issued": krw_text_from_ukrw(sum(row.amount for row in points if row.credit == one.no)),
        "paid": krw_text_from_ukrw(sum(row.amount for row in points if row.debit == one.no)),
    }


def _line_document(line: Line) -> Document | None:
    """A line for people; None for those that the document tells elsewhere."""
    shown = _named(line)
    if shown is None:
        return None
    part, kind, text = shown
    found: Document = {"part": part, "kind": kind, "text": text}
    if line.kind in _IN_KWH:
        found |= {"quantity": str(line.quantity), "unit": "kWh"}
    elif line.kind == Kind.BASIC:
        found |= {"quantity": str(line.quantity), "unit": "month or kW"}
    elif line.kind == Kind.GUARANTEE:
        found |= {"quantity": percent_text_from_ppm(line.quantity), "unit": "% kept"}
    elif line.kind == Kind.ADJUSTMENT:
        found |= {"month": _month_text(line.quantity)}
    elif line.quantity:
        found |= {"quantity": _kwh(line.quantity), "unit": "kWh"}
    if line.price_mkrw:
        found["price_krw"] = krw_text_from_mkrw(line.price_mkrw)
    found["amount_krw"] = krw_text_from_ukrw(line.amount_ukrw)
    return found


def _named(line: Line) -> tuple[str, str, str] | None:
    """Part, kind and sentence of a line."""
    if line.kind >= 100:
        code, out = divmod(line.kind - 100, 2)
        return ("market", *(_GOT if out else _PAID)[Code(code)])
    kind = Kind(line.kind)
    if kind in _UTILITY:
        return ("utility", *_UTILITY[kind])
    return ("market", *_MARKET[kind]) if kind in _MARKET else None


def _sums(bills: Sequence[StoredBill]) -> Document:
    own = [one.bill.statement for one in bills]
    return {
        "billed_kwh": str(sum(one.bill.kwh for one in own)),
        "received_kwh": str(sum(one.bill.received_kwh for one in bills)),
        "given_kwh": str(sum(one.bill.given_kwh for one in bills)),
        "total_krw": str(sum(one.bill.total_krw for one in bills)),
        "kepco_alone_krw": str(sum(one.alone_krw for one in own)),
        "saved_krw": str(sum(one.saved_krw for one in own)),
        "smp_rec_krw": krw_text_from_ukrw(sum(one.smp_rec_ukrw for one in own)),
        "sold_krw": krw_text_from_ukrw(sum(one.sold_ukrw for one in own)),
    }


def _hash_text(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _month_text(number: int) -> str:
    return f"{number // 100}-{number % 100:02}"


def _kwh(e_wh: int) -> str:
    whole, rest = divmod(e_wh, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")
