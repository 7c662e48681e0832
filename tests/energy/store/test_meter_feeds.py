"""Who reads which meter from when on, and readings that wait for the loop, on both databases."""

import tracemalloc

import numpy as np
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.meter_feeds import (
    KnownSlot,
    MeterFeed,
    Told,
    add_feeds,
    load_feeds,
    put_in,
    take_out,
    waiting_for,
    waiting_of,
    waiting_until,
)
from energy.store.meter_tables import meter_feed
from energy.store.readings import save_readings
from energy.units import SLOT_S

SLOT = 1_785_488_400
KIM, LEE = b"\1" * 32, b"\2" * 32


def test_a_meter_has_one_reader_in_each_slot_and_the_later_word_counts(store: Store) -> None:
    first, other, back = (SLOT + n * 4 * SLOT_S for n in range(3))
    feeds = [
        MeterFeed(KIM, "meter-1", first),
        MeterFeed(KIM, "meter-2", other),
        MeterFeed(LEE, "meter-9", first),
        MeterFeed(KIM, None, back),
        MeterFeed(LEE, "meter-3", first),
    ]
    store.write(lambda c: add_feeds(c, feeds))
    found = store.read(load_feeds)
    slots = (first - SLOT_S, first, other - SLOT_S, other, back)
    assert [found.device_at(KIM, one) for one in slots] == [
        None, "meter-1", "meter-1", "meter-2", None,
    ]  # fmt: skip
    assert found.device_at(LEE, back) == "meter-3"
    assert [found.changes_at(KIM, one) for one in slots] == [False, True, False, True, True]
    assert found.changes_between(KIM, first - SLOT_S, first)
    assert not found.changes_between(KIM, first, other - SLOT_S)
    assert store.read(lambda c: load_feeds(c, [LEE])).device_at(KIM, first) is None


def test_who_read_a_meter_cannot_be_changed_afterwards(store: Store) -> None:
    store.write(lambda c: add_feeds(c, [MeterFeed(KIM, "meter-1", SLOT)]))
    with pytest.raises((StoreError, SQLAlchemyError), match="append-only"):
        store.write(lambda c: c.execute(meter_feed.delete()))


def test_what_has_come_waits_until_it_is_taken_and_nothing_else_goes_with_it(store: Store) -> None:
    rows = [(SLOT, 4, Told(1, 0, 10, 0)), (SLOT, 4, Told(2, 0, 11, 0))]
    store.write(lambda c: put_in(c, [*rows, (SLOT + SLOT_S, 5, Told(3, 1, 2**52, 1))]))
    waiting = store.read(lambda c: waiting_until(c, SLOT, rows_max=9, slots_max=9))
    assert [(one.slot, one.meter, one.told) for one in waiting] == rows
    store.write(lambda c: put_in(c, [(SLOT, 4, Told(3, 0, 12, 0))]))
    store.write(lambda c: take_out(c, [one.no for one in waiting]))
    (left,) = store.read(lambda c: waiting_of(c, SLOT, {4, 5}))
    assert left.told == Told(3, 0, 12, 0), "it came after the loop had looked"
    (other,) = store.read(lambda c: waiting_for(c, 5))
    assert other.told.import_register_wh == 2**52


@pytest.mark.parametrize(
    ("rows_max", "slots_max", "earlier"),
    [(9, 9, [1, 2, 3, 4]), (9, 2, [1, 2, 3]), (9, 1, [1, 2]), (1, 9, [1])],
)
def test_of_what_came_late_a_gate_takes_the_oldest_and_of_its_own_slot_all(
    store: Store, rows_max: int, slots_max: int, earlier: list[int]
) -> None:
    now = SLOT + 3 * SLOT_S
    came = [(now, 5), (SLOT + 2 * SLOT_S, 4), (SLOT + SLOT_S, 3), (SLOT, 1), (now, 6), (SLOT, 2)]
    store.write(lambda c: put_in(c, [(slot, 7, Told(wh, 0, wh, 0)) for slot, wh in came]))
    taken = store.read(lambda c: waiting_until(c, now, rows_max=rows_max, slots_max=slots_max))
    assert [one.told.import_wh for one in taken] == [*earlier, 5, 6]


def test_what_stands_is_read_from_the_columns_as_they_are_kept(store: Store) -> None:
    meters = 9_000
    columns = {name: np.arange(meters) for name in Told._fields}
    columns["quality"] = np.where(np.arange(meters) == 8, 0, 1)
    store.write(lambda c: save_readings(c, SLOT, columns))

    def ask(connection: Connection) -> tuple[Told | None, Told | None, bool, int]:
        known = KnownSlot(connection, SLOT)
        tracemalloc.start()
        found = known.stands(7)
        held_bytes, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        later = KnownSlot(connection, SLOT + SLOT_S)
        return found, known.stands(8), later.has_batch(), held_bytes

    found, unmeasured, is_later, held_bytes = store.read(ask)
    assert found == Told(7, 7, 7, 7) and type(found.import_wh) is int
    assert unmeasured is None and not is_later
    assert held_bytes < 2 * 5 * 8 * meters, "no list of Python's numbers is made of a column"
