"""What the settlements have moved, added up by local month and account, for the month's bills.

The sums follow from the transfers alone. They are made every few hours, so that the end of a month
does not read tens of millions of rows at once; a close adds what has come since.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.books import Books
from energy.steps.prices import smp_krw_per_kwh
from energy.store.bills import (
    last_tallied,
    load_tallies,
    save_tally,
    settlements_between,
)
from energy.store.books import MOVING_KINDS, REVERSE_KIND, TransferRow, load_movements
from energy.timegrid import local_month_start
from energy.units import SLOT_S, mkrw_from_krw
from market.month_sums import (
    COLUMNS,
    RESERVED_GET,
    RESERVED_PAY,
    SIDES,
    SMP_ALL,
    SMP_REST,
    SMP_TRADE,
    SUMMED_CODES,
)
from market.transfers import Code, LedgerId, TransferKind

IntArray = npt.NDArray[np.int64]

TALLIED_EVERY_S = 24 * SLOT_S
_PLACE = {int(code): place * len(SIDES) for place, code in enumerate(SUMMED_CODES)}
_NO_PLACE = -1
WIDTH = "width"
"""How many columns were added up, in every row; what older programs have written does not say."""
TALLIED_KINDS = (*MOVING_KINDS, int(TransferKind.PENDING))


class Tally:
    """Sums by month (its first slot), account number and column.

    `without_trades` are months of which a part was added up by a program that knew no sums beyond
    those of codes and feed-in.
    """

    def __init__(self, accounts: int) -> None:
        self.accounts = accounts
        self.by_month: dict[int, IntArray] = {}
        self.without_trades: set[int] = set()

    def month(self, first_slot: int) -> IntArray:
        """The sums of a month, (accounts, COLUMNS)."""
        if first_slot not in self.by_month:
            self.by_month[first_slot] = np.zeros((self.accounts, COLUMNS), dtype=np.int64)
        return self.by_month[first_slot]

    def add(self, month: int, rows: IntArray, smp_mkrw_per_kwh: int) -> None:
        """Add movements: ledger, kind, code, debit, credit, amount, accounts by number."""
        rows = self._reserve(month, rows)
        place = np.full(max(_PLACE) + 1, _NO_PLACE, dtype=np.int64)
        place[list(_PLACE)] = list(_PLACE.values())
        rows = rows[rows[:, 2] <= max(_PLACE)]
        at = place[rows[:, 2]]
        good = (at != _NO_PLACE) & (rows[:, 0] != LedgerId.POINTS)
        rows, at = rows[good], at[good]
        undone = rows[:, 1] == REVERSE_KIND
        # A reversal takes back what its original moved: from the same sides, the other way round.
        gave = np.where(undone, rows[:, 4], rows[:, 3])
        got = np.where(undone, rows[:, 3], rows[:, 4])
        amount = np.where(undone, -rows[:, 5], rows[:, 5])
        energy = rows[:, 0] == LedgerId.ENERGY
        sums = self.month(month)
        # Energy in is got, money paid is given.
        np.add.at(sums, (got, at + np.where(energy, 0, 3)), amount)
        np.add.at(sums, (gave, at + np.where(energy, 1, 2)), amount)
        at_smp = amount * smp_mkrw_per_kwh
        np.add.at(sums, (gave[energy], SMP_ALL), at_smp[energy])
        for code, column in ((Code.REMAINDER, SMP_REST), (Code.TRADE, SMP_TRADE)):
            mine = energy & (rows[:, 2] == code)
            np.add.at(sums, (gave[mine], column), at_smp[mine])

    def _reserve(self, month: int, rows: IntArray) -> IntArray:
        """Add what clearings have reserved for trades; the rows that move something."""
        pending = rows[:, 1] == TransferKind.PENDING
        of_trades = pending & (rows[:, 0] == LedgerId.KRW) & (rows[:, 2] == Code.TRADE)
        reserved, sums = rows[of_trades], self.month(month)
        np.add.at(sums, (reserved[:, 3], RESERVED_PAY), reserved[:, 5])
        np.add.at(sums, (reserved[:, 4], RESERVED_GET), reserved[:, 5])
        moving: IntArray = rows[~pending]
        return moving

    def columns(self) -> dict[str, IntArray]:
        """The sums as columns of what is not nought."""
        found: dict[str, list[IntArray]] = {name: [] for name in ("month", "no", "column", "sum")}
        for month, sums in sorted(self.by_month.items()):
            no, column = np.nonzero(sums)
            found["month"].append(np.full(len(no), month, dtype=np.int64))
            found["no"].append(no.astype(np.int64))
            found["column"].append(column.astype(np.int64))
            found["sum"].append(sums[no, column])
        empty = [np.zeros(0, dtype=np.int64)]
        columns = {name: np.concatenate(parts or empty) for name, parts in found.items()}
        return columns | {WIDTH: np.full_like(columns["no"], COLUMNS)}

    def take(self, columns: dict[str, npt.NDArray[np.int64]]) -> None:
        """Add what `columns` gave."""
        for month in np.unique(columns["month"]).tolist():
            mine = columns["month"] == month
            place = (columns["no"][mine], columns["column"][mine])
            np.add.at(self.month(month), place, columns["sum"][mine])
            if WIDTH not in columns:
                self.without_trades.add(month)


def keep_tally(connection: Connection, books: Books, district: District, tick: int) -> None:
    """Add up the ticks before this one, where it is the first of its part of the day."""
    offset = _utc_offset_s(tick, district.time_zone)
    if (tick + offset) % TALLIED_EVERY_S:
        return
    after, through = last_tallied(connection), books.head.state.tick
    if through <= after:
        return
    found = Tally(len(books.book.accounts))
    add_settlements(found, connection, district, after=after, tick=tick)
    save_tally(connection, after, through, found.columns())


def load_tally(connection: Connection, accounts: int, *, through: int | None = None) -> Tally:
    """Everything that was kept, up to a tick at most, of so many accounts."""
    found = Tally(accounts)
    for row in load_tallies(connection, through):
        found.take(row.columns)
    return found


def whole_tally(connection: Connection, books: Books, district: District, tick: int) -> Tally:
    """Everything that is written so far: what the ticks before this one have moved, and what the
    clearing of its own slot has reserved.
    """
    found = load_tally(connection, len(books.book.accounts))
    after = last_tallied(connection)
    add_settlements(found, connection, district, after=after, tick=tick + SLOT_S)
    return found


def add_settlements(
    found: Tally, connection: Connection, district: District, *, after: int, tick: int
) -> None:
    """Add what the settlements of the ticks (after, tick) have moved and reserved."""
    for one in settlements_between(connection, after, tick):
        month = local_month_start(one.slot, district.time_zone)
        rows = load_movements(connection, [one.no], TALLIED_KINDS)
        found.add(month, rows, smp_mkrw_per_kwh(district, one.slot))


def add_rows(found: Tally, district: District, slot: int, transfers: Iterable[TransferRow]) -> None:
    """Add the transfers of a settlement that is not written yet."""
    names = ("ledger", "kind", "code", "debit", "credit", "amount")
    rows = [
        tuple(getattr(one, name) for name in names) for one in transfers if one.kind in MOVING_KINDS
    ]
    moved = np.array(rows, dtype=np.int64).reshape(-1, len(names))
    month = local_month_start(slot, district.time_zone)
    found.add(month, moved, smp_mkrw_per_kwh(district, slot))


def smp_mkrw_per_kwh(district: District, slot: int) -> int:
    """What the rest that is fed in earns in a slot, as its settlement has it."""
    return mkrw_from_krw(float(smp_krw_per_kwh(district, np.array([slot], dtype=np.int64))[0]))


def smp_of_hours(district: District, first_slot: int, end_slot: int) -> Sequence[int]:
    """The same for each hour of a month."""
    slots = np.arange(first_slot, end_slot, 4 * SLOT_S, dtype=np.int64)
    return [mkrw_from_krw(float(one)) for one in smp_krw_per_kwh(district, slots)]


def _utc_offset_s(tick: int, time_zone: str) -> int:
    offset = datetime.fromtimestamp(tick, ZoneInfo(time_zone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0
