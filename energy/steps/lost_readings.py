"""What the counters tell later: readings that never came, and meters that stood still for a slot.

A reading that is a day late is given up. Its meter has counted on all the while, so what the
counter has gained over the gap replaces the estimate: exact in sum, and where the gap is one slot
long exact as such, and no estimate any more.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.steps.books import Books
from energy.steps.corrections import is_carried
from energy.steps.metering import CORRECTED, ESTIMATED, MEASURED, Columns
from energy.steps.settled_meters import UNKNOWN, SettledMeters, settled_meters
from energy.steps.slot_settlement import SlotFacts
from energy.store.meter_feeds import MeterFeeds, load_feeds
from energy.store.readings import LateRow, late_readings_of_slot, load_readings
from energy.units import SLOT_S
from market.estimates import spread_wh

GIVEN_UP_AFTER_SLOTS = 99
"""At the gate of this many slots after its own a reading that has not come is given up."""

GAP_SLOTS_MAX = 96
LOST_REVISION, FROZEN_REVISION = 2, 3
"""Numbers of the operator's own corrections; those of the meters are lower."""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Gap:
    """Slots of a meter without a reading, between two counters, read in `first` and `last`.

    `counters` are those that the meter had when its first slot without a reading began.
    """

    first: int
    last: int
    slots: tuple[int, ...]
    import_wh: int
    export_wh: int
    counters: tuple[int, int]


class Past:
    """What the store has of earlier slots at a tick, each read once for all meters.

    A late reading beyond `most_wh`, what each connection can carry, is as if it had not come.
    """

    def __init__(self, connection: Connection, books: Books, tick: int, most_wh: IntArray) -> None:
        self.connection, self.books, self.tick, self.most_wh = connection, books, tick, most_wh
        number = [books.book.number[one] for one in books.customers]
        self.number = np.array(number, dtype=np.int64)
        self._batch: dict[int, Columns | None] = {}
        self._late: dict[int, dict[int, list[LateRow]]] = {}
        self._settled: dict[int, SettledMeters] = {}

    @cached_property
    def feeds(self) -> MeterFeeds:
        """Who reads which meter."""
        return load_feeds(self.connection)

    def batch(self, slot: int) -> Columns | None:
        """The readings of a slot as they came."""
        if slot not in self._batch:
            self._batch[slot] = load_readings(self.connection, slot)
        return self._batch[slot]

    def late(self, slot: int, meter: int) -> list[LateRow]:
        """What came late of a meter and slot."""
        if slot not in self._late:
            here: dict[int, list[LateRow]] = defaultdict(list)
            self._late[slot] = here
            for row in late_readings_of_slot(self.connection, slot):
                if is_carried(row, self.most_wh):
                    here[row.meter].append(row)
        return self._late[slot].get(meter, [])

    def settled_wh(self, slot: int, meter: int) -> tuple[int, int]:
        """Import and export that a meter's slot is settled at."""
        if slot not in self._settled:
            self._settled[slot] = settled_meters(self.connection, self.books, slot)
        return self._settled[slot].wh(int(self.number[meter]))

    def read_wh(self, slot: int, meter: int) -> tuple[int, int]:
        """What a slot that was read is settled at, or will be by what has come late of it.

        Late rows of this tick and of later ones are there, but their correction is not posted yet.
        """
        waiting = [row for row in self.late(slot, meter) if row.tick >= self.tick]
        if not waiting:
            return self.settled_wh(slot, meter)
        newest = max(waiting, key=lambda row: (row.tick, row.revision))
        return newest.import_wh, newest.export_wh


def find_frozen(past: Past, due: Sequence[SlotFacts]) -> list[LateRow]:
    """Corrections of the slots before those that are `due`, whose meters stood still and then
    caught up: exact, for the counter tells the sum of both.

    What the slot before was first settled at grows by what is over; its raw value may not have been
    believed. Where the meter itself has mended it, its word stays.
    """
    known = {one.slot: (one.believed.import_wh, one.believed.export_wh) for one in due}
    return [
        row
        for facts in due
        if facts.believed.frozen.any()
        for row in _caught_up(past, facts, known.get(facts.slot - SLOT_S))
    ]


def _caught_up(
    past: Past, facts: SlotFacts, before: tuple[IntArray, IntArray] | None
) -> Iterator[LateRow]:
    """The corrections of the slot before one; `before` is what was believed of it, where it is
    settled in this tick too.
    """
    slot, believed, columns = facts.slot - SLOT_S, facts.believed, facts.columns
    meters = np.flatnonzero(believed.frozen)
    if before is None:
        first = settled_meters(past.connection, past.books, slot, first=True)
        meters = meters[first.quality[past.number[meters]] != UNKNOWN]
        before = first.import_wh[past.number], first.export_wh[past.number]
    over = (believed.over_import_wh, believed.over_export_wh)
    for meter in meters.tolist():
        if past.late(slot, meter):
            continue
        import_wh, export_wh = (
            int(was[meter] + more[meter]) for was, more in zip(before, over, strict=True)
        )
        counters = (
            int(columns["import_register_wh"][meter] - columns["import_wh"][meter]),
            int(columns["export_register_wh"][meter] - columns["export_wh"][meter]),
        )
        yield _row((slot, meter, FROZEN_REVISION), past.tick, (import_wh, export_wh), counters)


def find_lost(past: Past) -> list[LateRow]:
    """Corrections of the slot whose missing readings are given up at this tick."""
    slot = past.tick - GIVEN_UP_AFTER_SLOTS * SLOT_S
    columns = past.batch(slot)
    if columns is None or slot <= past.books.genesis:
        return []
    missing = np.flatnonzero(columns["quality"] != MEASURED).tolist()
    return [
        row
        for meter in missing
        if not past.late(slot, meter)
        for row in _told_by_counter(past, slot, meter)
    ]


def _told_by_counter(past: Past, slot: int, meter: int) -> Iterator[LateRow]:
    """The correction of one meter's slot, or none where the counters do not tell it."""
    gap = _gap_of(past, slot, meter)
    if gap is None or gap.import_wh < 0 or gap.export_wh < 0:
        return
    if past.feeds.changes_between(past.books.customers[meter], gap.first, gap.last):
        return  # two counters, which tell nothing of each other
    which, gained_wh = (slot, meter, LOST_REVISION), (gap.import_wh, gap.export_wh)
    if gap.slots == (slot,):
        counters = (gap.counters[0] + gained_wh[0], gap.counters[1] + gained_wh[1])
        yield _row(which, past.tick, gained_wh, counters)
        return
    place = gap.slots.index(slot)
    estimates = [past.settled_wh(one, meter) for one in gap.slots]
    import_wh, export_wh = (
        int(spread_wh(total_wh, np.array(profile, dtype=np.int64))[place])
        for total_wh, profile in zip(gained_wh, zip(*estimates, strict=True), strict=True)
    )
    yield _row(which, past.tick, (import_wh, export_wh))


def _gap_of(past: Past, slot: int, meter: int) -> _Gap | None:
    """The gap around a slot, with what the counters gained in it and nobody has read.

    Slots that were read count with what they are settled at: a value that nobody believed was
    replaced when its slot was settled, and by its late reading, while the counter is right.
    """
    first, last = _edge(past, slot, -SLOT_S, meter), _edge(past, slot, SLOT_S, meter)
    before, after = past.batch(first), past.batch(last)
    if before is None or after is None:
        return None
    ways = ("import_register_wh", "export_register_wh")
    counters = [int(before[way][meter]) for way in ways]
    left = [int(after[way][meter]) - known for way, known in zip(ways, counters, strict=True)]
    most = int(past.most_wh[meter]) * ((last - first) // SLOT_S)
    if not all(0 <= gained_wh <= most for gained_wh in left):
        return None
    unread: list[int] = []
    for one in range(first + SLOT_S, last + SLOT_S, SLOT_S):
        if one == last or past.late(one, meter):
            read = past.read_wh(one, meter)
            left = [wh - read_wh for wh, read_wh in zip(left, read, strict=True)]
            if not unread:
                counters = [wh + read_wh for wh, read_wh in zip(counters, read, strict=True)]
        else:
            unread.append(one)
    return _Gap(first, last, tuple(unread), left[0], left[1], (counters[0], counters[1]))


def _edge(past: Past, slot: int, step_s: int, meter: int) -> int:
    """The nearest slot in a direction at which the meter was read."""
    for count in range(1, GAP_SLOTS_MAX):
        columns = past.batch(slot + count * step_s)
        if columns is None or columns["quality"][meter] == MEASURED:
            return slot + count * step_s
    return slot + GAP_SLOTS_MAX * step_s


def _row(
    which: tuple[int, int, int],
    tick: int,
    wh: tuple[int, int],
    counters: tuple[int, int] | None = None,
) -> LateRow:
    """A row of the operator's: exact with the counters at the slot's end, else an estimate."""
    slot, meter, revision = which
    quality = ESTIMATED if counters is None else CORRECTED
    return LateRow(slot, meter, revision, tick, *wh, *(counters or (0, 0)), quality)
