"""The claim of a slot: one row, one final word, and a fence that stops whoever was overtaken."""

import threading

import pytest
from sqlalchemy.exc import IntegrityError

from energy.store import slots
from energy.store.engine import Store
from energy.store.errors import FenceError, StoreError
from energy.store.slots import Claim, SlotOutcome

SLOT = 1_784_106_000
OK = SlotOutcome("ok", "T0", "proven within 0.1 %", 0.0004, 1)


def claim(store: Store, start: int = SLOT, owner: str = "one") -> Claim:
    return store.write(lambda connection: slots.claim_slot(connection, start, owner, 5))


def publish(store: Store, claimed: Claim, how: SlotOutcome = OK) -> None:
    store.write(lambda connection: slots.publish_slot(connection, claimed, how, 7))


def test_the_fence_grows_with_every_claim(store: Store) -> None:
    fences = [claim(store, SLOT + n * 900).fence for n in range(3)] + [claim(store).fence]
    assert fences == [1, 2, 3, 4]


def test_one_who_was_overtaken_can_write_nothing(store: Store) -> None:
    first, second = claim(store), claim(store, owner="two")
    with pytest.raises(FenceError, match="fence 1 was overtaken by 2"):
        publish(store, first)
    publish(store, second)
    row = store.read(lambda connection: slots.find_slot(connection, SLOT))
    assert row is not None
    assert (row.owner, row.state, row.tier, row.published_utc) == ("two", "published", "T0", 7)


def test_a_published_slot_is_never_decided_again(store: Store) -> None:
    publish(store, claim(store))
    with pytest.raises(StoreError, match="2026-07-15T09:00:00Z: state published"):
        claim(store)


def test_of_many_who_claim_at_once_exactly_one_can_publish(store: Store) -> None:
    claims: list[Claim] = []
    threads = [threading.Thread(target=lambda: claims.append(claim(store))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.fence for one in claims}) == 6
    published = 0
    for one in claims:
        try:
            publish(store, one)
            published += 1
        except FenceError:
            pass
    assert published == 1


def test_a_slot_walks_from_running_over_published_and_sealed_to_settled(store: Store) -> None:
    claimed = claim(store)
    assert store.read(slots.running_slots) == [SLOT]
    assert store.read(slots.last_published) is None
    publish(store, claimed)
    assert store.read(slots.running_slots) == []
    assert store.read(slots.unsealed_ticks) == [SLOT]
    store.write(lambda connection: slots.mark_sealed(connection, SLOT, 8))
    assert store.read(slots.unsealed_ticks) == []
    assert store.read(lambda c: slots.unsettled_slots(c, before=SLOT + 900)) == [SLOT]
    assert store.read(lambda c: slots.unsettled_slots(c, before=SLOT)) == []
    store.write(lambda connection: slots.mark_settled(connection, SLOT, 9))
    assert store.read(lambda c: slots.unsettled_slots(c, before=SLOT + 900)) == []
    assert store.read(slots.last_published) == SLOT


def test_slots_are_listed_newest_first_and_page_by_page(store: Store) -> None:
    for n in range(5):
        claim(store, SLOT + n * 900)
    page = store.read(lambda c: slots.list_slots(c, before=None, limit=2))
    assert [row.start for row in page] == [SLOT + 3600, SLOT + 2700]
    rest = store.read(lambda c: slots.list_slots(c, before=page[-1].start, limit=9))
    assert [row.start for row in rest] == [SLOT + 1800, SLOT + 900, SLOT]
    some = store.read(lambda c: slots.slots_between(c, SLOT + 900, SLOT + 2700))
    assert [row.start for row in some] == [SLOT + 900, SLOT + 1800]


def test_seconds_and_tiers_are_kept(store: Store) -> None:
    publish(store, claim(store))
    publish(store, claim(store, SLOT + 900), SlotOutcome("fallback", "T2", "no time"))
    store.write(lambda c: slots.record_seconds(c, SLOT, {"plan": 1.23456, "total": 2.0}))
    row = store.read(lambda connection: slots.find_slot(connection, SLOT))
    assert row is not None and row.seconds == {"plan": 1.2346, "total": 2.0}
    assert store.read(slots.count_tiers) == {"T0": 1, "T2": 1}


@pytest.mark.parametrize(
    "how", [SlotOutcome("done", "T0", "no such outcome"), SlotOutcome("ok", "T9", "no such tier")]
)
def test_the_database_refuses_words_that_do_not_exist(store: Store, how: SlotOutcome) -> None:
    claimed = claim(store)
    with pytest.raises(IntegrityError):
        publish(store, claimed, how)


def test_a_slot_off_the_quarter_hour_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError):
        claim(store, SLOT + 1)
