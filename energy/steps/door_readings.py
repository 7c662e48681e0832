"""Readings that devices bring by the door: the loop takes them as it takes those of its plant.

A meter has one source in a slot. Where a device reads it, what the plant shows of it is not taken:
neither its reading of the slot nor a late one. What a device tells of a slot before its gate stands
in the slot's batch; what comes later, or says something else, is a late reading, which the
settlement takes as a correction. Of these a gate takes a portion, so that it is never late. What
such a meter counts and the simulated wires do not carry shows in the losses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.plant import QUALITY_MEASURED, QUALITY_MISSING, Readings
from energy.plant.interface import LateReadings
from energy.steps.metering import Registers
from energy.store.meter_feeds import (
    KnownSlot,
    MeterFeeds,
    Told,
    Waiting,
    load_feeds,
    waiting_until,
)
from energy.units import SLOT_S, SLOTS_PER_DAY

IntArray = npt.NDArray[np.int64]

CORRECTION_DAYS = 28
"""Older readings correct nothing: the books know the sums of this month and of the last alone."""

PORTION_READINGS = 18_000
"""So many late readings are taken at a gate, twice the slot's own; the others at the next ones."""

PORTION_SLOTS = 96
"""So many slots are settled anew at a gate for them: 28 days are worked off in seven hours."""

FIRST_REVISION = 4
"""A device's corrections are numbered from here; lower ones are the plant's and the operator's."""


@dataclass(frozen=True, eq=False)
class TakenReadings:
    """The readings of a slot from all sources; `taken` are the numbers of those that waited."""

    readings: Readings
    taken: tuple[int, ...] = ()


def oldest_corrected(now_s: float) -> int:
    """The first slot that a reading which comes now may be of."""
    return int(now_s) // SLOT_S * SLOT_S - CORRECTION_DAYS * SLOTS_PER_DAY * SLOT_S


def take_door_readings(
    connection: Connection, district: District, readings: Readings, slot: int
) -> TakenReadings:
    """The readings that the plant shows with those of devices in place of theirs."""
    feeds = load_feeds(connection)
    if not feeds.of:
        return TakenReadings(readings)
    waiting = waiting_until(connection, slot, rows_max=PORTION_READINGS, slots_max=PORTION_SLOTS)
    newest = {(one.slot, one.meter): one for one in waiting}
    now = {one.meter: one.told for one in newest.values() if one.slot == slot}
    late = [one for one in newest.values() if one.slot < slot]
    readings = _with_batch(readings, _fed(district, feeds, slot), now)
    own = _without_fed(readings.late, district, feeds)
    found = _late_rows(connection, district, feeds, late)
    return TakenReadings(
        replace(readings, late=_joined(own, found)), tuple(one.no for one in waiting)
    )


def leave_door_readings(
    connection: Connection, district: District, readings: Readings, slot: int
) -> TakenReadings:
    """The readings that the plant shows, as if devices had brought none yet: theirs go on waiting.

    They are late once they are taken, and settled as corrections.
    """
    feeds = load_feeds(connection)
    batch = _with_batch(readings, _fed(district, feeds, slot), {})
    return TakenReadings(replace(batch, late=_without_fed(batch.late, district, feeds)))


def _fed(district: District, feeds: MeterFeeds, slot: int) -> list[int]:
    """The meters that devices read in a slot, by their place."""
    place = {account: row for row, account in enumerate(district.meters.account)}
    return [place[one] for one in feeds.of if feeds.device_at(one, slot) is not None]


def renewed_registers(
    connection: Connection, customers: Sequence[bytes], slot: int, last: Registers
) -> Registers:
    """The trusted counters before a slot, without those of meters that are new from it on."""
    feeds = load_feeds(connection)
    place = {account: row for row, account in enumerate(customers)}
    renewed = [place[one] for one in feeds.of if feeds.changes_at(one, slot)]
    if not renewed:
        return last
    known = last.slot.copy()
    known[renewed] = 0
    return replace(last, slot=known)


def _with_batch(readings: Readings, fed: list[int], told: dict[int, Told]) -> Readings:
    """The batch with what devices told of their meters; nothing of those that have not come."""
    columns = {name: getattr(readings, name).copy() for name in Told._fields}
    quality = readings.quality.copy()
    quality[fed] = QUALITY_MISSING
    for column in columns.values():
        column[fed] = 0
    for meter in fed:
        if meter in told:
            quality[meter] = QUALITY_MEASURED
            for name, value in told[meter]._asdict().items():
                columns[name][meter] = value
    return replace(readings, quality=quality, **columns)


def _without_fed(late: LateReadings, district: District, feeds: MeterFeeds) -> LateReadings:
    """The plant's late readings of meters that it was the source of."""
    account = district.meters.account
    pairs = zip(late.slot.tolist(), late.meter.tolist(), strict=True)
    own = [feeds.device_at(account[meter], slot) is None for slot, meter in pairs]
    kept = np.array(own, dtype=np.bool_)
    return LateReadings(*(getattr(late, name)[kept] for name in LateReadings.__dataclass_fields__))


def _late_rows(
    connection: Connection, district: District, feeds: MeterFeeds, late: Sequence[Waiting]
) -> LateReadings:
    """The readings of earlier slots that say something new, each with its revision."""
    account = district.meters.account
    order = sorted(late, key=lambda one: (one.slot, one.meter))
    rows: list[tuple[int, ...]] = []
    for slot, here in groupby(order, lambda one: one.slot):
        known = KnownSlot(connection, slot)
        rows += [
            (slot, one.meter, *one.told, _revision(known, one))
            for one in here
            if feeds.device_at(account[one.meter], slot) is not None
            and known.has_batch()
            and known.stands(one.meter) != one.told
        ]
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), len(Told._fields) + 3)
    return LateReadings(*columns.T)


def _revision(known: KnownSlot, one: Waiting) -> int:
    """0 for the first that is heard of a meter and slot, else the number of the correction."""
    if known.stands(one.meter) is None:
        return 0
    earlier = [row.revision for row in known.late(one.meter)]
    return max([FIRST_REVISION - 1, *earlier]) + 1


def _joined(one: LateReadings, other: LateReadings) -> LateReadings:
    return LateReadings(
        *(
            np.concatenate([getattr(one, name), getattr(other, name)])
            for name in LateReadings.__dataclass_fields__
        )
    )
