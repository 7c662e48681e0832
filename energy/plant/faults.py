"""Faults of meters: which readings are lost, late or absurd; seeded, the same whatever happens."""

from enum import IntEnum

import numpy as np

from energy.plant.draws import BoolArray, FloatArray, IntArray, Stream, draw
from energy.units import SLOT_S

LATE_MEAN_SLOTS, LATE_SLOTS_MAX = 6.0, 96
MENDED_AFTER_SLOTS = 8


class Fault(IntEnum):
    """What is wrong with a customer's reading."""

    LOST = 0
    NEGATIVE = 1
    THOUSANDFOLD = 2
    FROZEN = 3
    LATE = 4
    NONE = 5


FAULT_SHARE: dict[Fault, float] = {
    Fault.LOST: 0.0005,
    Fault.NEGATIVE: 0.00007,
    Fault.THOUSANDFOLD: 0.00007,
    Fault.FROZEN: 0.00006,
    Fault.LATE: 0.003,
}
"""Share of readings (D)."""
SILENT_SHARE, SPIKE_SHARE, BELOW_ZERO_SHARE = 0.0006, 0.0002, 0.0002
"""Share of an area's transformer readings that are missing or absurd (D)."""
SPIKE = 1000.0


def meter_faults(seed: int, slot: int, count: int) -> IntArray:
    """The Fault of each customer's reading of a slot, (M,)."""
    luck = draw(seed, Stream.METER_FAULTS, slot // SLOT_S).random(count)
    edges = np.cumsum(list(FAULT_SHARE.values()))
    return np.searchsorted(edges, luck, side="right").astype(np.int64)


def delay_slots(seed: int, slot: int, fault: IntArray) -> IntArray:
    """How many slots after its own each late or mended reading comes, (L,), at least one."""
    rng = draw(seed, Stream.METER_DELAYS, slot // SLOT_S)
    waits = np.minimum(rng.exponential(LATE_MEAN_SLOTS, len(fault)), LATE_SLOTS_MAX - 1)
    slots = 1 + np.floor(waits).astype(np.int64)
    return np.where(fault == Fault.LATE, slots, MENDED_AFTER_SLOTS + 2 * slots)


def area_faults(seed: int, slot: int, areas: int) -> FloatArray:
    """Factor on what each area's transformer meter shows, (A,): 1, or NaN where it is silent."""
    luck = draw(seed, Stream.AREA_FAULTS, slot // SLOT_S).random(areas)
    edges = np.cumsum([SILENT_SHARE, SPIKE_SHARE, BELOW_ZERO_SHARE])
    factor = np.array([np.nan, SPIKE, -1.0, 1.0])
    return factor[np.searchsorted(edges, luck, side="right")]


def comes_later(fault: IntArray) -> BoolArray:
    """Which readings are followed by a good one: late ones, and absurd ones that get noticed."""
    return np.isin(fault, [Fault.LATE, Fault.NEGATIVE, Fault.THOUSANDFOLD])
