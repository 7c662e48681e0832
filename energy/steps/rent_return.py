"""Congestion rent is given back when its month closes: to all customers by what their meters drew.

Rent is no income of the SPC. What the slots of a month have brought is shared out in micro-won by
metered import, largest remainders first and of equal ones the earlier account, so that the account
RENT keeps nothing of the month; where the rules leave it to the network, all goes to NETFEE. A
reading that is corrected after its month's bill changes everybody's share a little: the next close
posts the differences, so that late news ends in the same shares as timely news. A month that no
news has reached since the last close is left as it is.

`return_rent` must be called once all slots of the ending month are settled and before its bills are
made: a share is a line of the bill. Each month has a settlement of its own (scope 2, code 12),
named by the slot of the month that counts the closes since it ended.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.neighbour_month import MONTH_SCOPE
from energy.steps.tally import Tally, add_rows
from energy.steps.tick_book import TickBook, Version
from energy.tariffs import changed_by, load_customer_rules
from energy.units import SLOT_S
from market.estimates import spread_wh
from market.month_sums import SIDES, SMP_REST, SUMMED_CODES
from market.month_tariffs import BilledMonth, RentShared
from market.transfers import Code, LedgerId, Transfer, TransferKind

IntArray = npt.NDArray[np.int64]

_PAID, _GOT = (
    SUMMED_CODES.index(Code.CONGESTION_RENT) * len(SIDES) + SIDES.index(side)
    for side in ("paid_ukrw", "got_ukrw")
)


def return_rent(
    book: TickBook,
    district: District,
    months: Sequence[BilledMonth],
    now: Tally,
    before: Tally | None,
) -> dict[int, RentShared]:
    """Post the shares of these months, the last of which ends, and add them to what was moved.

    `before` is what had been moved when the last close was done. Gives what was shared and by how
    much import, by month (yyyymm), where shares have changed.
    """
    shared = {}
    for place, month in enumerate(months):
        known = before is not None and month.first_slot in before.by_month
        if place + 1 < len(months) and before is not None and known:
            was, now_is = before.month(month.first_slot), now.month(month.first_slot)
            if np.array_equal(was, now_is):
                continue
        found = _return_month(book, district, month, now, closes=len(months) - place)
        if found is not None:
            shared[month.number] = found
    return shared


def _return_month(
    book: TickBook, district: District, month: BilledMonth, now: Tally, *, closes: int
) -> RentShared | None:
    books, sums = book.books, now.month(month.first_slot)
    number, system = books.book.number, books.system
    rows = [number[account] for account in books.customers]
    has_ukrw: IntArray = sums[rows, _GOT] - sums[rows, _PAID]
    left_ukrw = int(sums[number[system.rent], _GOT] - sums[number[system.rent], _PAID])
    rent_ukrw = left_ukrw + int(has_ukrw.sum())
    import_wh: IntArray = sums[rows, : SMP_REST : len(SIDES)].sum(axis=1)
    own = load_customer_rules(date(month.year, month.month, 1))
    is_shared = changed_by(own, books.rules.at(month.first_slot)).is_rent_shared
    due: dict[bytes, int] = {}
    if is_shared and import_wh.any():
        change = (spread_wh(rent_ukrw, import_wh) - has_ukrw).tolist()
        due = {one: more for one, more in zip(books.customers, change, strict=True) if more}
    elif left_ukrw:
        due = {system.netfee: left_ukrw}
    if not due:
        return None
    slot = month.first_slot + closes * SLOT_S
    transfers = [_transfer(system.rent, account, more, slot) for account, more in due.items()]
    posted = book.settle(Version(slot, 1), sorted(transfers), scope=MONTH_SCOPE)
    add_rows(now, district, slot, posted.rows)
    return None if system.netfee in due else RentShared(rent_ukrw, int(import_wh.sum()))


def _transfer(rent: bytes, account: bytes, more_ukrw: int, slot: int) -> Transfer:
    """A share that grows comes out of RENT, one that shrinks goes back into it."""
    pair = (rent, account) if more_ukrw > 0 else (account, rent)
    krw, plain, code = LedgerId.KRW, TransferKind.PLAIN, Code.CONGESTION_RENT
    return Transfer(krw, plain, code, *pair, abs(more_ukrw), slot, 1)
