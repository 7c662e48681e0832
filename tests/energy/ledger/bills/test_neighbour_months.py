"""Neighbour trade at a month's end: netted in whole kWh, paid between accounts, off both bills."""

from collections.abc import Callable
from typing import Any

import pytest

from energy.crowd import demo_key
from energy.steps import neighbour_month
from energy.steps.billing import sums_of
from energy.steps.contracting import contract_desk, sign_contract
from energy.steps.neighbour_month import netted_of_months
from energy.steps.proving import add_up, verify_store
from energy.steps.receipts import Prover, Witnesses
from energy.steps.statements import BillBook
from energy.steps.tally import load_tally, smp_mkrw_per_kwh
from energy.store.accounts import KeyRow, save_keys
from energy.store.bills import load_billed_months
from energy.store.books import load_entries, load_settlements, load_transfers, moved_sums
from energy.store.contract_desk import admit_contract
from energy.store.contracts import deliveries_between
from energy.store.mailbox import prepare_message
from energy.units import SLOT_S
from market.agreements import SideTerms
from market.month_bill import Kind, Netted, build_month_bill
from market.signing import address_of
from market.transfers import Code
from market.verifier import verify_bundle

FIRST = 1_784_084_400
HOUSE = 23
PRICE_MKRW = 130_000
Begin = Callable[..., Any]


def sell(year: Any, share_ppm: int = 1_000_000, cap_kwh: int = 500, price: int = PRICE_MKRW,
         buyer: int = 0, nonce: int = 1, **terms: bool) -> int:  # fmt: skip
    """Let the house sell to a home without solar; the number of that home's meter."""
    here = year.here
    meters = here.district.meters
    homes = [n for n, use in enumerate(meters.use) if use == "apartment" and not meters.pv_kwp[n]]
    home = homes[buyer]
    body = {
        "seller": meters.account[HOUSE],
        "buyer": meters.account[home],
        "kind": 1,
        "first_slot": FIRST,
        "end_slot": FIRST + 4 * 3 * 30 * 96 * SLOT_S,
        "cap_wh": cap_kwh * 1000,
        "share_ppm": share_ppm,
        "price_mkrw_per_kwh": price,
        "rank": 0,
        "terms": SideTerms(**terms).packed(),
        "nonce": nonce,
    }
    keys = [demo_key(here.district.id, 1, meter) for meter in (HOUSE, home)]
    text = sign_contract(here.books.domain, body, *keys)
    one = prepare_message(here.admission, text, (FIRST - 600) * 1_000_000, ("Contract",))
    desk = contract_desk(here.admission, here.district, is_rehearsal=True)
    answer = here.store.write(lambda c: admit_contract(c, desk, one))
    assert answer.refusal is None, answer.refusal
    here.refusals |= {"OVER_CAPACITY"}
    return home


def begin(begin_year: Begin) -> Any:
    """A year whose homes may all sign contracts."""
    year = begin_year()
    here = year.here
    traders = set(here.crowd.meter.tolist())
    rows = [
        KeyRow(account, address_of(demo_key(here.district.id, 1, n)), 0, None, 3, bytes(32))
        for n, account in enumerate(here.district.meters.account)
        if n not in traders
    ]
    here.store.write(lambda connection: save_keys(connection, rows))
    return year


def paid(year: Any, end: int) -> dict[tuple[int, int], int]:
    """What a month's netting has moved, by debit and credit."""

    def read(connection: Any) -> list[Any]:
        found = load_settlements(connection, end - SLOT_S, 2)
        return [row for one in found for row in load_transfers(connection, one.no)]

    rows = year.here.store.read(read)
    assert {(row.ledger, row.code) for row in rows} <= {(1, int(Code.NEIGHBOUR))}
    return {(row.debit, row.credit): row.amount for row in rows}


def numbers(year: Any, *meters: int) -> list[int]:
    account, number = year.here.district.meters.account, year.here.books.book.number
    return [number[account[one]] for one in meters]


def test_what_was_set_aside_is_netted_paid_and_taken_off_the_buyers_bill(
    begin_year: Begin,
) -> None:
    year = begin(begin_year)
    home = sell(year)
    year.month(quiet=60, auctions=2)
    store, end = year.here.store, year.end
    aside = store.read(lambda c: deliveries_between(c, FIRST, end))
    waiting_wh = sum(row.e_wh for row in aside)
    given_wh = sum(int(one["export"][HOUSE]) for one in year.slots)
    assert waiting_wh == given_wh > 5_000
    kwh = waiting_wh // 1000
    seller, buyer, spc = (
        *numbers(year, HOUSE, home),
        year.here.books.book.number[year.here.books.system.spc],
    )
    lines = paid(year, end)
    assert lines[buyer, seller] == kwh * 1000 * PRICE_MKRW
    # The part below a kWh is paid for as if it had been fed in, at the mean of those slots.
    rest = lines[spc, seller]
    assert 0 < rest < 1000 * 140_000
    (month,) = store.read(load_billed_months)
    account = year.here.district.meters.account[home]
    netted = store.read(lambda c: netted_of_months(c, year.here.books, [end]))
    assert netted == {end: {account: Netted(kwh, lines[buyer, seller])}}
    assert store.read(add_up).findings == ()
    rows = store.read(lambda c: load_entries(c, month.tick))
    totals = {
        row.message["account"]: int(row.message["total_krw"]) for row in rows if row.type == "Bill"
    }
    moved = _moved_krw(year, buyer)
    assert moved == -totals["0x" + account.hex()] * 10**6


def _moved_krw(year: Any, no: int) -> int:
    """What an account has got less what it gave, in won, over everything."""
    found: int = year.here.store.read(moved_sums).get((1, no), 0)
    return found


def test_a_month_in_which_one_would_lose_is_not_netted_unless_they_said_so(
    begin_year: Begin,
) -> None:
    year = begin(begin_year)
    home = sell(year, share_ppm=500_000, price=900_000)
    other = sell(year, share_ppm=500_000, price=900_000, buyer=1, nonce=2, even_at_a_loss=True)
    year.month(quiet=60, auctions=0)
    seller, wary, rash = numbers(year, HOUSE, home, other)
    lines = paid(year, year.end)
    assert (wary, seller) not in lines
    assert lines[rash, seller] % (1000 * 900_000) == 0


def test_no_more_is_netted_than_the_cap(begin_year: Begin) -> None:
    year = begin(begin_year)
    home = sell(year, cap_kwh=2)
    year.month(quiet=60, auctions=0)
    seller, buyer = numbers(year, HOUSE, home)
    assert paid(year, year.end)[buyer, seller] == 2 * 1000 * PRICE_MKRW


def test_corrected_slots_of_a_closed_month_leave_its_trade_as_it_was(begin_year: Begin) -> None:
    year = begin(begin_year)
    sell(year)
    year.month(quiet=40, auctions=0)
    first_end = year.end
    before = paid(year, first_end)
    noon = next(n for n, one in enumerate(year.slots) if one["export"][HOUSE])
    year.correct(noon, int(year.slots[noon]["import"][HOUSE]) + 400, year.end + 2 * SLOT_S)
    year.month(quiet=40, auctions=0)
    assert paid(year, first_end) == before
    assert year.here.store.read(add_up).findings == ()
    assert len(year.here.store.read(load_billed_months)) == 2


def begin_with_trader(begin_year: Begin) -> tuple[Any, int]:
    """A year in which a home that trades buys from the house, under a contract sealed in time."""
    year = begin_year()
    year.here.refusals |= {"OVER_CAPACITY"}
    traders = year.here.crowd.meter.tolist()
    home = next(n for n in traders if not year.here.district.meters.pv_kwp[n])
    sell_to(year, home)
    year.publish(FIRST, market=False)
    year.here.settle(FIRST)
    year.end = FIRST + SLOT_S
    return year, home


def test_a_buyer_who_has_drawn_less_than_it_was_sold_gets_back_what_it_paid_for_the_rest(
    begin_year: Begin,
) -> None:
    year, home = begin_with_trader(begin_year)
    year.month(quiet=40, auctions=0)
    seller, buyer = numbers(year, HOUSE, home)
    end = year.end
    paid_ukrw = paid(year, end)[buyer, seller]
    kwh = paid_ukrw // (1000 * PRICE_MKRW)
    tick = end + 2 * SLOT_S
    for place in range(len(year.slots)):
        year.correct(place, 2_000 if place == 3 else 0, tick, meter=home)
    settle_late(year, tick)
    year.month(quiet=20, auctions=0)
    found = bill(year, home, 202608)
    ((number, krw),) = found.adjustments
    assert number == 202607
    assert paid(year, end)[buyer, seller] == paid_ukrw
    # It pays for what it has drawn, and nothing of it at tariff: the utility's part is the least.
    again = bill_now(year, home, 202607)
    undrawn = [one for one in again.lines if one.kind == Kind.UNDRAWN]
    assert [(one.quantity, one.amount_ukrw) for one in undrawn] == [
        (kwh - 2, -(paid_ukrw * (kwh - 2) // kwh))
    ]
    assert krw == again.total_krw - bill(year, home, 202607).total_krw < 0
    assert _moved_krw(year, buyer) == -(10**6) * sum(
        bill(year, home, month).total_krw for month in (202607, 202608)
    )
    assert proof(year, home, 202608).first_failure is None
    assert verify_store(year.here.store, 0).first_failure is None


def test_what_a_seller_gave_more_or_less_by_late_news_is_paid_or_taken_back_at_the_next_close(
    begin_year: Begin,
) -> None:
    year, home = begin_with_trader(begin_year)
    year.month(quiet=40, auctions=0)
    first, spc = year.end, year.here.books.book.number[year.here.books.system.spc]
    seller, buyer = numbers(year, HOUSE, home)
    sunny = [n for n, one in enumerate(year.slots) if one["export"][HOUSE] > 100]
    before, aside = paid(year, first), [int(year.slots[n]["export"][HOUSE]) for n in sunny[:3]]
    smp = [smp_mkrw_per_kwh(year.here.district, year.slots[n]["slot"]) for n in sunny[:3]]
    drawn = [int(year.slots[n]["import"][HOUSE]) for n in sunny[:3]]
    tick = year.end + 2 * SLOT_S
    for n, more in ((0, 700), (1, -50)):
        year.correct(sunny[n], drawn[n], tick, export_wh=aside[n] + more)
    settle_late(year, tick)
    # The last comes with the close itself.
    year.month(quiet=20, auctions=0, close=False)
    year.correct(sunny[2], drawn[2], year.end + SLOT_S, export_wh=0)
    year.here.settle(year.end + SLOT_S)
    august = paid(year, year.end)
    (own_wh, own_ukrw) = aside_in(year, first, year.end)
    kwh = august[buyer, seller] // (1000 * PRICE_MKRW)
    left = (own_wh - 1000 * kwh) * own_ukrw // own_wh
    change = 700 * smp[0] - 50 * smp[1] - aside[2] * smp[2]
    net = august.get((spc, seller), 0) - august.get((seller, spc), 0)
    assert paid(year, first) == before and net == left + change
    year.month(quiet=20, auctions=0)
    third = paid(year, year.end)
    assert (seller, spc) not in third
    assert verify_store(year.here.store, 0).first_failure is None
    assert proof(year, HOUSE, 202609).first_failure is None


def settle_late(year: Any, tick: int) -> None:
    """Settle a tick at which late readings come."""
    year.here.settle(tick)
    year.end = tick + SLOT_S


def aside_in(year: Any, first: int, end: int) -> tuple[int, int]:
    """Wh that were set aside in a month, and their worth at feed-in."""
    rows = year.here.store.read(lambda c: deliveries_between(c, first, end))
    worth = sum(row.e_wh * smp_mkrw_per_kwh(year.here.district, row.slot) for row in rows)
    return sum(row.e_wh for row in rows), worth


def bill(year: Any, meter: int, month: int) -> Any:
    """The signed bill of a meter, made again."""
    account = year.here.district.meters.account[meter]
    return year.here.store.read(lambda c: BillBook(c).bill(account, month).bill)


def bill_now(year: Any, meter: int, month: int) -> Any:
    """The bill of a month as it would be by what is known now."""
    account = year.here.district.meters.account[meter]

    def read(connection: Any) -> Any:
        book = BillBook(connection)
        own = book.bill(account, month)
        months = [one for one in book.months if one.number <= month]
        tally = load_tally(connection, len(book.registry.book.accounts))
        return build_month_bill(months, own.bill.terms, sums_of(own.no, months, tally, None))

    return year.here.store.read(read)


def proof(year: Any, meter: int, month: int) -> Any:
    """What the verifier says of a bill."""
    account = year.here.district.meters.account[meter]

    def prove(connection: Any) -> Any:
        prover = Prover(connection)
        return verify_bundle(prover.trust(Witnesses()), prover.bill(account, month))

    return year.here.store.read(prove)


def test_the_verifier_accepts_the_month_and_refutes_a_price_that_nobody_signed(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = neighbour_month._transfer
    wrong = {"by": 0}

    def faulty(facts: Any, debit: bytes, credit: bytes, amount: int, cause: bytes) -> Any:
        return honest(facts, debit, credit, amount + wrong["by"], cause)

    monkeypatch.setattr(neighbour_month, "_transfer", faulty)
    year, _ = begin_with_trader(begin_year)
    year.month(quiet=40, auctions=0)
    assert verify_store(year.here.store, 0).first_failure is None
    wrong["by"] = 1
    year.month(quiet=40, auctions=0)
    failure = verify_store(year.here.store, 0).first_failure
    assert failure is not None and failure.check == "contract paid"


def sell_to(year: Any, home: int) -> None:
    meters = year.here.district.meters
    homes = [n for n, use in enumerate(meters.use) if use == "apartment" and not meters.pv_kwp[n]]
    sell(year, buyer=homes.index(home))
