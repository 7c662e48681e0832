"""Erased months leave the registers of later bills as they were; what is erased is not shown."""

from collections.abc import Callable
from typing import Any

import pytest

from energy.steps import settling
from energy.steps.erasing import erase_account
from energy.steps.own_data import _statements
from energy.steps.proving import verify_store
from energy.steps.statements import BillBook, ErasedBill, statement_document
from energy.store.errors import StoreBusyError, StoreError
from energy.timegrid import month_number
from energy.units import SLOT_S

HOUSE = 23
Begin = Callable[..., Any]


def month_of(year: Any) -> int:
    """The number of the month that the year stands in."""
    return month_number(year.end, "Asia/Seoul")


def test_bills_that_stay_are_made_again_and_later_ones_go_on_from_the_same_registers(
    begin_year: Begin,
) -> None:
    year = begin_year()
    account = year.here.district.meters.account[HOUSE]
    for _ in range(3):
        year.month(quiet=25, auctions=1)
    store = year.here.store

    def bills() -> dict[int, Any]:
        """The bills that can be made again, by month."""

        def read(connection: Any) -> dict[int, Any]:
            book = BillBook(connection)
            found = {}
            for one in book.months:
                if not book.is_erased(account, one):
                    bill = book.bill(account, one.number).bill
                    found[one.number] = (bill.lines, bill.total_krw, bill.register_wh)
            return found

        return store.read(read)  # type: ignore[no-any-return]

    before = bills()
    # July goes, then August as well: what they leave adds up.
    erase_account(store, account, month_of(year) - 2, even_retained=True)
    assert bills() == {n: one for n, one in before.items() if n >= 202608}
    erase_account(store, account, month_of(year) - 1, even_retained=True)
    assert bills() == {202609: before[202609]}
    year.month(quiet=25, auctions=1)
    after = bills()
    assert after[202609] == before[202609]
    assert after[202610][2][0] == before[202609][2][1] > 0
    with pytest.raises(ErasedBill, match="2026-07 is erased"):
        store.read(lambda c: statement_document(c, account, last=202607))
    shown = store.read(lambda c: statement_document(c, account, months=4))
    assert [one["month"] for one in shown["months"]] == ["2026-09", "2026-10"]
    own = store.read(lambda c: _statements(c, account))
    assert [one["months"][0]["month"] for one in own] == ["2026-10", "2026-09"]
    assert verify_store(store, 0).ok


def test_a_month_whose_correction_no_bill_has_told_yet_is_not_erased(begin_year: Begin) -> None:
    year = begin_year()
    here, meters = year.here, year.here.district.meters.account
    for _ in range(2):
        year.month(quiet=25, auctions=1)
    august, (drawn_wh,) = month_of(year) - 1, [year.slots[-2]["import"][HOUSE]]
    tick = year.end + 2 * SLOT_S
    year.correct(len(year.slots) - 2, int(drawn_wh) + 5_000, tick)
    here.settle(tick)
    with pytest.raises(StoreError, match="2026-08 was settled anew since its bills were made"):
        erase_account(here.store, meters[HOUSE], even_retained=True)
    assert erase_account(here.store, meters[HOUSE], august, even_retained=True).before == "2026-08"
    assert erase_account(here.store, meters[HOUSE + 1], even_retained=True).before == "2026-09"
    year.end = tick + 4 * SLOT_S
    year.month(quiet=25, auctions=1)
    assert erase_account(here.store, meters[HOUSE], even_retained=True).before == "2026-10"
    assert verify_store(here.store, 0).ok


def test_a_tick_during_which_somebody_is_erased_is_settled_again_and_not_as_it_was_gathered(
    begin_year: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = begin_year()
    here = year.here
    for _ in range(2):
        year.month(quiet=25, auctions=1)
    account, tick = here.district.meters.account[HOUSE], year.end + 2 * SLOT_S
    verify = settling.settle_events

    def erase_meanwhile(*given: Any) -> Any:
        erase_account(here.store, account, even_retained=True)
        return verify(*given)

    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle_events", erase_meanwhile)
        with pytest.raises(StoreBusyError, match="an account was erased while it was settled"):
            here.settle(tick)
    assert here.settle(tick).tick == tick
    assert verify_store(here.store, 0).ok


def test_a_month_that_has_no_bills_yet_is_not_erased(begin_year: Begin) -> None:
    year = begin_year()
    account = year.here.district.meters.account[HOUSE]
    year.month(quiet=10, auctions=0, close=False)
    # The month is over for the books, and its bills are still to be made.
    year.here.settle(year.end)
    with pytest.raises(StoreError, match="bills are made of a month when it ends"):
        erase_account(year.here.store, account, month_of(year), even_retained=True)
    year.here.settle(year.end + 900)
    assert erase_account(year.here.store, account, even_retained=True).before == "2026-08"
