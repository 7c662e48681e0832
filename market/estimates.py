"""What stands in for a reading that has not come: whole Wh, the same for the same inputs."""

import numpy as np
import numpy.typing as npt

from market.errors import MarketError

IntArray = npt.NDArray[np.int64]


def spread_wh(total_wh: int, profile_wh: IntArray) -> IntArray:
    """What a register has counted over a gap, spread over its slots in proportion to a profile.

    Whole Wh by largest remainder, the earlier slot first among equals; a profile of zeros counts
    as an even one. The parts add up to `total_wh`, 0 or more.
    """
    if total_wh < 0 or len(profile_wh) == 0 or int(profile_wh.min()) < 0:
        raise MarketError(
            f"gap of {len(profile_wh)} slots with {total_wh} Wh: allowed 0 Wh or more over one "
            "slot or more, and a profile of 0 or more"
        )
    weights = [int(weight) for weight in profile_wh]
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    shares = [divmod(weight * total_wh, whole) for weight in weights]
    parts = np.array([share for share, _ in shares], dtype=np.int64)
    missing = total_wh - int(parts.sum())
    first = sorted(range(len(shares)), key=lambda slot: (-shares[slot][1], slot))
    parts[first[:missing]] += 1
    return parts


def mean_wh(history_wh: IntArray) -> IntArray:
    """Mean over the days of a history (days, meters), whole Wh, half up; days below 0 are missing.

    This is the profile of one slot of the day; a meter without any day gets 0.
    """
    there = history_wh >= 0
    days = there.sum(axis=0)
    total = np.where(there, history_wh, 0).sum(axis=0)
    mean: IntArray = (2 * total + days) // np.maximum(2 * days, 1)
    return mean
