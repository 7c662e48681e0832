"""The end of a local month: once all its slots are settled, every customer gets a signed bill.

It belongs to the tick in which the last slot is settled, under the same checkpoint and in the same
transaction: a crash repeats both, with the same bytes. The slots have posted energy at tariff at
the price of its hour; the close posts what the bill adds to it or takes off (basic charge,
rounding of kWh and won, VAT, fund), so that what the books have moved of an account's month is its
bill. Slots that were settled anew since an earlier month's bill are an adjustment of this one.
Congestion rent is given back before the bills, the market's guarantee is paid with them.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.steps.billing import (
    CustomerTerms,
    content_of_month,
    customer_terms,
    sums_of,
)
from energy.steps.books import Books
from energy.steps.market_guarantee import guarantee_transfers
from energy.steps.neighbour_month import (
    NeighbourFacts,
    gather_neighbours,
    netted_of_months,
    settle_neighbours_of,
)
from energy.steps.rent_return import return_rent
from energy.steps.tally import Tally, add_rows, load_tally, whole_tally
from energy.steps.tick_book import PostedSettlement, TickBook, Version
from energy.store.bills import (
    BEGINNING,
    BilledMonthRow,
    last_billed,
    load_billed_months,
    save_billed_month,
    save_tally,
)
from energy.store.slots import unsettled_slots
from energy.tariffs import CustomerRules, changed_by, load_customer_rules
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market.bill import UKRW_PER_KRW
from market.books import Entry, make_entry
from market.month_bill import BillPosts, MonthBill, Netted, build_month_bill
from market.month_sums import SIDES, SUMMED_CODES
from market.month_tariffs import BilledMonth, month_of_content, with_rent
from market.settlement import SystemAccounts
from market.statement import LineKind
from market.transfers import (
    Code,
    LedgerId,
    Transfer,
    TransferKind,
    sort_and_merge,
    system_account,
)

MONTH_SCOPE = 2
TARIFF_KIND = 3
BILL_VERSION = 1
BY_SPC = "guarantee_by_spc_ukrw"
PPM = 1_000_000
DRAWN = SUMMED_CODES.index(Code.REMAINDER) * len(SIDES) + SIDES.index("in_wh")


@dataclass(frozen=True, eq=False)
class CloseFacts:
    """What the store knows of a month that ends: its document, those billed before it, and what
    was moved, until now and until the last bills.
    """

    content: str
    months: tuple[BilledMonth, ...]  # the last is the one that ends
    now: Tally
    before: Tally | None
    neighbours: NeighbourFacts
    netted: Mapping[int, Mapping[bytes, Netted]]  # by the ends of the months before
    advanced_ukrw: int = 0  # what the SPC has paid for the guarantees of the months before


@dataclass(frozen=True, eq=False)
class ClosedMonth:
    """A month with its bills, ready to be written; `now` is all that was moved up to them."""

    facts: CloseFacts
    terms: CustomerTerms
    total_krw: list[int] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)


def gather_close(
    connection: Connection,
    books: Books,
    district: District,
    *,
    tick: int,
    due: Sequence[int],
    corrected: Sequence[int] = (),
) -> CloseFacts | None:
    """The facts of a month that ends with the `due` slots of this tick, None where none does;
    `corrected` are slots that the tick settles anew.
    """
    last = last_billed(connection)
    begun = books.genesis + SLOT_S if last is None else last[0]
    first = local_month_start(begun, district.time_zone)
    end = local_month_start(begun, district.time_zone, months_on=1)
    if tick < end + SLOT_S or set(unsettled_slots(connection, end)) - set(due):
        return None
    now, count = whole_tally(connection, books, district, tick), len(books.book.accounts)
    # What an older program has added up lacks what the guarantee is worked out from.
    is_guaranteed = first not in now.without_trades
    content = content_of_month(district, first, books.rules, is_guaranteed=is_guaranteed)
    rows = load_billed_months(connection)
    known = [month_of_content(one.content) for one in rows]
    ends = [one.end_slot for one in known]
    return CloseFacts(
        content=content,
        months=(*known, month_of_content(content)),
        now=now,
        before=None if last is None else load_tally(connection, count, through=last[1]),
        neighbours=gather_neighbours(
            connection, first, end, None if last is None else last[1], corrected
        ),
        netted=netted_of_months(connection, books, ends),
        advanced_ukrw=sum(int(one.summary.get(BY_SPC, 0)) for one in rows),
    )


def close_month(book: TickBook, district: District, facts: CloseFacts) -> ClosedMonth:
    """Sign and post the bills of the month; to be called when all else of the tick is posted."""
    books, month = book.books, facts.months[-1]
    _count(facts.now, district, book.settlements)
    numbers = [books.book.number[one] for one in books.customers]
    drawn_wh = facts.now.month(month.first_slot)[numbers, DRAWN].tolist()
    counted = len(book.settlements)
    traded = settle_neighbours_of(book, district, facts.neighbours, drawn_wh)
    netted = {**facts.netted, month.end_slot: traded.netted}
    _count(facts.now, district, book.settlements[counted:])
    shared = return_rent(book, district, facts.months, facts.now, facts.before)
    facts = replace(facts, content=with_rent(facts.content, shared))
    terms = customer_terms(district, month, numbers)
    closed = ClosedMonth(facts, terms)
    own = load_customer_rules(date(month.year, month.month, 1))
    rules = changed_by(own, books.rules.at(month.first_slot))
    _enter_tariffs(book, facts)
    transfers: list[Transfer] = []
    entries: list[Entry] = []
    due: dict[bytes, int] = {}
    totals = Counter[str]()
    for row, no in enumerate(terms.no.tolist()):
        account = books.book.accounts[no]
        bill = build_month_bill(
            facts.months,
            replace(terms.of(row, month), netted=_netted_of(account, facts, netted)),
            sums_of(no, facts.months, facts.now, facts.before),
        )
        transfers += bill_transfers(books, account, month.first_slot, bill.posts)
        transfers += points_transfers(book, account, bill, rules)
        entries.append(bill_entry(books, account, bill))
        if bill.posts.guarantee_ukrw:
            due[account] = bill.posts.guarantee_ukrw
        closed.total_krw.append(bill.total_krw)
        totals.update(_totals_of(bill))
    given, by_spc = guarantee_transfers(book, month.first_slot, due, facts.advanced_ukrw)
    transfers += given
    book.settle(Version(month.first_slot, 1), sort_and_merge(transfers), scope=MONTH_SCOPE)
    book.entries += entries
    totals.update({"bills": len(entries), "unbilled": len(numbers) - len(entries), BY_SPC: by_spc})
    totals["rent_ukrw"] = shared[month.number].rent_ukrw if month.number in shared else 0
    closed.totals.update(totals)
    return closed


def _count(now: Tally, district: District, settlements: Sequence[PostedSettlement]) -> None:
    """Add what this tick has settled to what was moved."""
    for posted in settlements:
        add_rows(now, district, posted.row.slot, posted.rows)


def _totals_of(bill: MonthBill) -> dict[str, int]:
    """What a bill adds to the month's sums: won, and the market's guarantee of the month itself."""
    own, guarantee = bill.statement, bill.statement.guarantee
    return {
        "total_krw": bill.total_krw,
        "utility_krw": own.bill.total_krw,
        "market_krw": own.market_krw,
        "alone_krw": own.alone_krw,
        "guarantee_ukrw": guarantee.given_ukrw if guarantee else 0,
        "guaranteed": int(guarantee is not None and guarantee.given_ukrw > 0),
        "worse_off": int(guarantee is not None and guarantee.after_ukrw < 0),
    }


def _netted_of(
    account: bytes, facts: CloseFacts, netted: Mapping[int, Mapping[bytes, Netted]]
) -> dict[int, Netted]:
    """What neighbours have sold an account by month (yyyymm); months without are left out."""
    ends = {one.end_slot: one.number for one in facts.months}
    return {ends[end]: found[account] for end, found in netted.items() if account in found}


def save_close(connection: Connection, tick: int, closed: ClosedMonth) -> None:
    """Write the month that is billed, and all that was moved up to its bills."""
    month = closed.facts.months[-1]
    columns = closed.terms.columns() | {"total_krw": np.array(closed.total_krw, dtype=np.int64)}
    row = BilledMonthRow(
        first_slot=month.first_slot,
        end_slot=month.end_slot,
        tick=tick,
        content=closed.facts.content,
        summary={name: str(amount) for name, amount in closed.totals.items()},
        accounts=columns,
    )
    save_billed_month(connection, row)
    save_tally(connection, BEGINNING, tick, closed.facts.now.columns())


def bill_message(account: bytes, bill: MonthBill) -> dict[str, int | bytes]:
    """The message of a bill; its tariff version is the month, yyyymm, of the tariffs' document."""
    return {
        "account": account,
        "first_slot": bill.month.first_slot,
        "end_slot": bill.month.end_slot,
        "version": BILL_VERSION,
        "tariff_version": bill.month.number,
        "lines_root": bill.lines_root,
        "total_krw": bill.total_krw,
        "rounding_ukrw": bill.rounding_ukrw,
    }


def bill_entry(books: Books, account: bytes, bill: MonthBill) -> Entry:
    """The signed bill of an account."""
    plain = make_entry(books.domain, "Bill", bill_message(account, bill), books.keys.settle)
    salt = books.salt(account, plain.digest, plain.message["first_slot"])
    return Entry(plain.type, plain.message, plain.digest, plain.signers, plain.signatures, salt)


def bill_transfers(
    books: Books, account: bytes, first_slot: int, posts: BillPosts
) -> Iterator[Transfer]:
    """What a bill posts; the customer's supplier is the SPC, who was paid for its energy."""
    system: SystemAccounts = books.system
    vat, fund, rounding = (
        system_account(books.domain.market_id, name) for name in ("VAT", "FUND", "ROUNDING")
    )
    for code, debit, credit, amount in (
        (Code.RETAIL, account, system.spc, posts.retail_ukrw),
        (Code.TAX, account, vat, posts.vat_ukrw),
        (Code.TAX, account, fund, posts.fund_ukrw),
        (Code.ROUNDING, rounding, account, posts.rounding_ukrw),
    ):
        pair = (debit, credit) if amount > 0 else (credit, debit)
        if amount:
            yield Transfer(
                LedgerId.KRW, TransferKind.PLAIN, code, *pair, abs(amount), first_slot, 1
            )


def points_transfers(
    book: TickBook, account: bytes, bill: MonthBill, rules: CustomerRules
) -> Iterator[Transfer]:
    """Points that a bill brings, and those that pay a part of it: whole ones, at a won each.

    An account pays with what it had before, so that it never owes points.
    """
    books, first_slot = book.books, bill.month.first_slot
    issue = system_account(books.domain.market_id, "POINTS_ISSUE")
    sold_ukrw = sum(
        -one.amount_ukrw
        for one in bill.statement.lines
        if one.kind in (LineKind.TRADE, LineKind.NEIGHBOUR) and one.amount_ukrw < 0
    )
    had = book.balances.get((int(LedgerId.POINTS), account), 0)
    most = max(bill.total_krw, 0) * rules.points_pay_ppm
    paid = min(had, most) // UKRW_PER_KRW * UKRW_PER_KRW
    issued = sold_ukrw * rules.points_issue_ppm // PPM // UKRW_PER_KRW * UKRW_PER_KRW
    for ledger, debit, credit, amount in (
        (LedgerId.POINTS, issue, account, issued),
        (LedgerId.POINTS, account, issue, paid),
        (LedgerId.KRW, books.system.spc, account, paid),
    ):
        if amount:
            plain, code = TransferKind.PLAIN, Code.POINTS
            yield Transfer(ledger, plain, code, debit, credit, amount, first_slot, 1)


def _enter_tariffs(book: TickBook, facts: CloseFacts) -> None:
    """The hash of the month's tariffs as an entry of the log: bills name it by its version."""
    month = facts.months[-1]
    message: dict[str, int | bytes] = {
        "kind": TARIFF_KIND,
        "version": month.number,
        "from_slot": month.first_slot,
        "content": hashlib.sha256(facts.content.encode()).digest(),
    }
    book.enter("Rules", message, book.books.keys.trading)
