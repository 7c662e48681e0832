"""Seeded randomness of the plant: every draw belongs to a stream and to a slot, an hour or a day.

Nothing depends on what was drawn before, so any slot can be had alone and in any order. `smooth`
joins draws at regular knots to a process of unit variance at every instant.
"""

from collections.abc import Callable
from enum import IntEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Stream(IntEnum):
    """What a draw is for; a number is never used twice."""

    WEATHER = 1
    WEATHER_ERROR_TARGET = 2
    WEATHER_ERROR_ISSUE = 3
    LOAD_DAY = 4
    LOAD_HOUR = 5
    LOAD_SLOT = 6
    LOAD_PERSON = 7
    SOLAR_KNOT = 8
    HEAT = 9
    STAYS = 10
    UNIT_TRIPS = 11
    GAS_DAY = 12
    METER_FAULTS = 13
    AREA_FAULTS = 14
    BEGIN = 15
    HAZE = 16
    METER_DELAYS = 17
    PROMISE_DAY = 18
    PROMISE_SLOT = 19


def draw(seed: int, stream: Stream, number: int) -> np.random.Generator:
    """The generator of one slot, hour or day of a stream."""
    return np.random.default_rng([seed, int(stream), number])


def smooth(at: float, knot: Callable[[int], FloatArray]) -> FloatArray:
    """Standard normal draws at time `at`, in knots: those of the two nearest knots, blended."""
    first = int(np.floor(at))
    after = at - first
    before = 1.0 - after
    blended = before * knot(first) + after * knot(first + 1)
    return np.asarray(blended / np.hypot(before, after))


def blend(at: FloatArray, knots: FloatArray) -> FloatArray:
    """The same for many instants (T,), from the draws at knots 0, 1, .. (K,)."""
    first = np.floor(at).astype(np.int64)
    after = at - first
    blended = (1 - after) * knots[first] + after * knots[first + 1]
    return np.asarray(blended / np.hypot(1 - after, after))
