"""What the counters tell later: readings that never came, and meters that stood still for a slot.

A reading that is a day late is given up. Its meter has counted on all the while, so what the
counter has gained over the gap replaces the estimate: exact in sum, and in every slot where the
gap is one slot long.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.steps.book_rows import settled_wh
from energy.steps.books import Books
from energy.steps.corrections import is_carried
from energy.steps.metering import ESTIMATED, MEASURED, Believed, Columns
from energy.store.meter_feeds import load_feeds
from energy.store.readings import LateRow, late_readings_of_slot, load_readings
from energy.units import SLOT_S
from market.estimates import spread_wh

GIVEN_UP_AFTER_SLOTS = 99
"""At the gate of this many slots after its own a reading that has not come is given up."""

GAP_SLOTS_MAX = 96
LOST_REVISION, FROZEN_REVISION = 2, 3
"""Numbers of the operator's own corrections; those of the meters are lower."""

Load = Callable[[int], Columns | None]


@dataclass(frozen=True)
class _Gap:
    """Slots of a meter without a reading, between two counters, read in `first` and `last`."""

    first: int
    last: int
    slots: tuple[int, ...]
    import_wh: int
    export_wh: int


def find_frozen(slot: int, tick: int, believed: Believed, before: Columns | None) -> list[LateRow]:
    """Corrections of the slot before `slot`, whose meters stood still and then caught up."""
    if before is None:
        return []
    return [
        _row(
            slot - SLOT_S,
            meter,
            (tick, FROZEN_REVISION),
            int(before["import_wh"][meter] + believed.over_import_wh[meter]),
            int(before["export_wh"][meter] + believed.over_export_wh[meter]),
        )
        for meter in np.flatnonzero(believed.frozen).tolist()
    ]


def find_lost(
    connection: Connection, books: Books, tick: int, most_wh: npt.NDArray[np.int64]
) -> list[LateRow]:
    """Corrections of the slot whose missing readings are given up at this tick.

    A late reading beyond `most_wh`, what each connection can carry, is as if it had not come.
    """
    slot = tick - GIVEN_UP_AFTER_SLOTS * SLOT_S
    columns = load_readings(connection, slot)
    if columns is None or slot <= books.genesis:
        return []
    came_late = {row.meter for row in _good_late(connection, slot, most_wh)}
    missing = np.flatnonzero(columns["quality"] != MEASURED).tolist()
    loaded: dict[int, Columns | None] = {slot: columns}

    def load(other: int) -> Columns | None:
        if other not in loaded:
            loaded[other] = load_readings(connection, other)
        return loaded[other]

    return [
        row
        for meter in missing
        if meter not in came_late
        for row in _told_by_counter(connection, books, (slot, meter, tick), load, most_wh)
    ]


def _good_late(connection: Connection, slot: int, most_wh: npt.NDArray[np.int64]) -> list[LateRow]:
    return [row for row in late_readings_of_slot(connection, slot) if is_carried(row, most_wh)]


def _told_by_counter(
    connection: Connection,
    books: Books,
    which: tuple[int, int, int],
    load: Load,
    most_wh: npt.NDArray[np.int64],
) -> Iterator[LateRow]:
    """The correction of one meter's slot, or none where the counters do not tell it."""
    slot, meter, tick = which
    account = books.customers[meter]
    gap = _gap_of(connection, books, which, load, most_wh)
    if gap is None or gap.import_wh < 0 or gap.export_wh < 0:
        return
    if load_feeds(connection, [account]).changes_between(account, gap.first, gap.last):
        return  # two counters, which tell nothing of each other
    place = gap.slots.index(slot)
    estimates = [settled_wh(connection, books, one, account) for one in gap.slots]
    parts = [
        int(spread_wh(total_wh, np.array(profile, dtype=np.int64))[place])
        for total_wh, profile in zip(
            (gap.import_wh, gap.export_wh), zip(*estimates, strict=True), strict=True
        )
    ]
    yield _row(slot, meter, (tick, LOST_REVISION), *parts)


def _gap_of(
    connection: Connection,
    books: Books,
    which: tuple[int, int, int],
    load: Load,
    most_wh: npt.NDArray[np.int64],
) -> _Gap | None:
    """The gap around a slot, with what the counters gained in it and nobody has read.

    Slots that were read count with what they are settled at: a value that nobody believed was
    replaced when its slot was settled, and by its late reading, while the counter is right.
    """
    slot, meter, tick = which
    first, last = _edge(slot, -SLOT_S, meter, load), _edge(slot, SLOT_S, meter, load)
    before, after = load(first), load(last)
    if before is None or after is None:
        return None
    left = [
        int(after[f"{way}_register_wh"][meter] - before[f"{way}_register_wh"][meter])
        for way in ("import", "export")
    ]
    most = int(most_wh[meter]) * ((last - first) // SLOT_S)
    if not all(0 <= gained_wh <= most for gained_wh in left):
        return None
    unread = []
    for one in range(first + SLOT_S, last + SLOT_S, SLOT_S):
        late = [row for row in _good_late(connection, one, most_wh) if row.meter == meter]
        if one == last or late:
            read = _read_wh(connection, books, (one, meter, tick), late)
            left = [wh - read_wh for wh, read_wh in zip(left, read, strict=True)]
        else:
            unread.append(one)
    return _Gap(first, last, tuple(unread), *left)


def _read_wh(
    connection: Connection, books: Books, which: tuple[int, int, int], late: Sequence[LateRow]
) -> tuple[int, int]:
    """What a slot that was read is settled at, or will be by what has come `late` of it.

    Late rows of this tick and of later ones are there, but their correction is not posted yet.
    """
    slot, meter, tick = which
    waiting = [row for row in late if row.tick >= tick]
    if not waiting:
        return settled_wh(connection, books, slot, books.customers[meter])
    newest = max(waiting, key=lambda row: (row.tick, row.revision))
    return newest.import_wh, newest.export_wh


def _edge(slot: int, step_s: int, meter: int, load: Load) -> int:
    """The nearest slot in a direction at which the meter was read."""
    for count in range(1, GAP_SLOTS_MAX):
        columns = load(slot + count * step_s)
        if columns is None or columns["quality"][meter] == MEASURED:
            return slot + count * step_s
    return slot + GAP_SLOTS_MAX * step_s


def _row(slot: int, meter: int, when: tuple[int, int], import_wh: int, export_wh: int) -> LateRow:
    tick, revision = when
    return LateRow(slot, meter, revision, tick, import_wh, export_wh, 0, 0, ESTIMATED)
