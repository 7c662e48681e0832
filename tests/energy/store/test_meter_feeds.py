"""Who reads which meter from when on, and readings that wait for the loop, on both databases."""

import pytest
from sqlalchemy.exc import SQLAlchemyError

from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.meter_feeds import (
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
    waiting = store.read(lambda c: waiting_until(c, SLOT))
    assert [(one.slot, one.meter, one.told) for one in waiting] == rows
    store.write(lambda c: put_in(c, [(SLOT, 4, Told(3, 0, 12, 0))]))
    store.write(lambda c: take_out(c, [one.no for one in waiting]))
    (left,) = store.read(lambda c: waiting_of(c, {SLOT}, {4, 5}))
    assert left.told == Told(3, 0, 12, 0), "it came after the loop had looked"
    (other,) = store.read(lambda c: waiting_for(c, 5))
    assert other.told.import_register_wh == 2**52
