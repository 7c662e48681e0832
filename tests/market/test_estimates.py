"""Stand-ins for readings: parts that add up, means that look at days that are there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import MarketError
from market.estimates import mean_wh, spread_wh


def test_a_gap_follows_the_profile() -> None:
    assert spread_wh(10, np.array([1, 2, 2])).tolist() == [2, 4, 4]
    assert spread_wh(11, np.array([1, 2, 2])).tolist() == [2, 5, 4]
    assert spread_wh(5, np.array([0, 0])).tolist() == [3, 2]
    assert spread_wh(0, np.array([7])).tolist() == [0]


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
@settings(settings.get_profile("market"), deadline=None)
def test_the_parts_add_up_and_stay_near_their_share(total: int, profile: list[int]) -> None:
    parts = spread_wh(total, np.array(profile))
    assert parts.sum() == total
    if sum(profile):
        for part, weight in zip(parts.tolist(), profile, strict=True):
            assert abs(part - total * weight / sum(profile)) < 1


def test_a_mean_leaves_missing_days_out_and_rounds_half_up() -> None:
    history = np.array([[10, -1, -1], [11, 4, -1]])
    assert mean_wh(history).tolist() == [11, 4, 0]


@pytest.mark.parametrize(("total", "profile"), [(-1, [1]), (1, []), (1, [1, -1])])
def test_an_impossible_gap_is_named(total: int, profile: list[int]) -> None:
    with pytest.raises(MarketError, match=f"gap of {len(profile)} slots with {total} Wh"):
        spread_wh(total, np.array(profile, dtype=np.int64))
