"""What the market has brought every customer in the running month and today, kept slot by slot.

The same sums as those of an audited market day. They are made from committed rows alone and live in
memory: after a restart they are added up once more, a little at each call, and until that is done
there is no figure rather than a part of one. Readings that are corrected later are in the bill.
"""

import threading
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.books import load_registry
from energy.steps.market_day import customer_numbers, load_slot_use
from energy.steps.market_gains import GainSums
from energy.store.books import settled_bounds
from energy.store.engine import Store
from energy.timegrid import local_day_start, local_month_start
from energy.units import SLOT_S

IntArray = npt.NDArray[np.int64]
WORK_S = 1.0
"""A call adds up slots for about so long at most."""


@dataclass(frozen=True)
class SoFar:
    """What a period up to `end` has brought an account over tariff and feed-in alone.

    Money in micro-won, losses below 0; `gain_ukrw` has fees, missing Wh and labels in it, and
    saves at the step of the tariff that the month had reached.
    """

    first: int
    end: int
    bought_wh: int
    sold_wh: int
    trade_ukrw: int
    gain_ukrw: int


@dataclass(frozen=True)
class Sums:
    """Month and day of an account; None while slots are still added up: `done` of `all`."""

    month: SoFar | None
    day: SoFar | None
    done: int
    all: int


@dataclass(eq=False)
class _Month:
    """Sums of all customers since the first settled slot of a month."""

    start: int
    next: int
    sums: GainSums
    mornings: dict[int, dict[str, IntArray]] = field(default_factory=dict)


class MarketSoFar:
    """The running month of a district's store; one for all who ask."""

    def __init__(self, store: Store, district: District) -> None:
        self._store, self._district = store, district
        self._turn = threading.Lock()
        self._month: _Month | None = None
        self._row = {one: row for row, one in enumerate(district.meters.account)}

    def progress(self, *, work_s: float = WORK_S) -> tuple[int, int] | None:
        """How many of the month's settled slots are added up, of how many; None before the first.

        Says nothing of anybody: who waits for sums asks this until both are the same.
        """
        bounds = self._store.read(settled_bounds)
        if bounds is None:
            return None
        with self._turn:
            return self._count(*bounds, work_s)

    def _count(self, oldest: int, newest: int, work_s: float) -> tuple[int, int]:
        month = self._grow(oldest, newest, until=perf_counter() + work_s)
        total = (newest + SLOT_S - max(oldest, month.start)) // SLOT_S
        return total - (newest + SLOT_S - month.next) // SLOT_S, total

    def of(self, account: bytes, *, work_s: float = WORK_S) -> Sums | None:
        """The sums of a customer; None before the first slot is settled, and for other accounts."""
        row = self._row.get(account)
        bounds = self._store.read(settled_bounds)
        if row is None or bounds is None:
            return None
        with self._turn:
            done, total = self._count(*bounds, work_s)
            month = self._month
            if done < total or month is None:
                return Sums(None, None, done, total)
            now = _columns(month.sums)
        first, end = max(bounds[0], month.start), month.next
        day = local_day_start(end - SLOT_S, self._district.time_zone)
        nought = {name: np.zeros_like(values) for name, values in now.items()}
        morning = month.mornings.get(day, nought)
        today = {name: values - morning[name] for name, values in now.items()}
        return Sums(
            _so_far(first, end, now, row), _so_far(max(first, day), end, today, row), total, total
        )

    def _grow(self, oldest: int, newest: int, *, until: float) -> _Month:
        """Add what is settled; at least one slot a call, more while there is time."""
        zone = self._district.time_zone
        start = local_month_start(newest, zone)
        month = self._month
        if month is None or month.start != start:
            first = max(oldest, start)
            month = self._month = _Month(start, first, GainSums(self._district, first))
        registry = self._store.read(load_registry) if month.next <= newest else None
        while month.next <= newest and registry is not None:
            slot, customers = month.next, customer_numbers(registry, self._district)
            if slot == local_day_start(slot, zone):
                month.mornings = {slot: _columns(month.sums)}
            use = self._store.read(
                lambda connection: load_slot_use(connection, registry, customers, slot)  # noqa: B023
            )
            if use is not None:
                month.sums.add(slot, use)
            month.next += SLOT_S
            if perf_counter() >= until:
                break
        return month


def _columns(sums: GainSums) -> dict[str, IntArray]:
    gains = sums.gains()
    return {
        "bought_wh": gains.bought_wh.copy(),
        "sold_wh": gains.sold_wh.copy(),
        "trade_ukrw": gains.trade_ukrw.copy(),
        "gain_ukrw": gains.gain_so_far_ukrw,
    }


def _so_far(first: int, end: int, columns: dict[str, IntArray], row: int) -> SoFar:
    return SoFar(first, end, **{name: int(values[row]) for name, values in columns.items()})
