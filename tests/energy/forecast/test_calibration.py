"""Bands that follow their own misses: each quantile gets its share, nothing is seen too early."""

import numpy as np
import pytest

from energy.forecast.calibration import (
    LOG_MAX,
    Calibration,
    Issue,
    Tracker,
    bucket_of,
    learnt,
    stretched,
    uncalibrated,
)
from energy.forecast.inputs import MEDIAN, QUANTILES
from energy.units import SLOT_S

HORIZON = 192
NORMAL = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])


def world(days: int, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slots and readings of so many days: noise of a deviation (T,) about a hundred."""
    slots = SLOT_S * np.arange(days * 96, dtype=np.int64)
    return slots, 100 + spread * np.random.default_rng(3).standard_normal(len(slots))


def follow(
    slots: np.ndarray, values: np.ndarray, width: float, every: int = 24
) -> tuple[Tracker, list[Issue]]:
    """Issues of a band that is always as wide, calibrated by what came of those before."""
    tracker, issues = Tracker(uncalibrated(), every / 96), []
    raw = 100 + width * np.repeat(NORMAL[:, None], HORIZON, axis=1)
    for at in range(0, len(slots) - HORIZON, every):
        tracker.learn(int(slots[at]), slots, values)
        issues.append(Issue(int(slots[at]), stretched(tracker.calibration, raw)))
        tracker.issued(issues[-1])
    return tracker, issues


def cover(issues: list[Issue], values: np.ndarray, low: int, high: int) -> float:
    """Share of the readings inside a band."""
    inside = []
    for issue in issues:
        at = issue.first_slot // SLOT_S
        came = values[at : at + HORIZON]
        inside.append((came >= issue.quantiles[low]) & (came <= issue.quantiles[high]))
    return float(np.mean(inside))


@pytest.mark.parametrize("width", [4.0, 10.0, 20.0])
def test_bands_half_or_twice_as_wide_as_the_truth_come_to_cover_what_they_say(width: float) -> None:
    slots, values = world(160, np.full(160 * 96, 10.0))
    _, issues = follow(slots, values, width)
    later = issues[len(issues) // 2 :]
    for name, low, high in ((0.5, 2, 4), (0.8, 1, 5), (0.9, 0, 6)):
        assert cover(later, values, low, high) == pytest.approx(name, abs=0.02)


def test_a_series_that_turns_wild_is_followed_within_three_weeks() -> None:
    slots, values = world(80, np.where(np.arange(80 * 96) < 40 * 96, 10.0, 25.0))
    _, issues = follow(slots, values, 10.0)
    turned = [one for one in issues if one.first_slot >= 61 * 96 * SLOT_S]
    assert cover(turned, values, 1, 5) == pytest.approx(0.8, abs=0.04)


def test_readings_of_the_issue_and_later_change_no_bit() -> None:
    slots, values = world(20, np.full(20 * 96, 10.0))
    now = 15 * 96
    poison = values.copy()
    poison[now:] = 1e9
    found = []
    for each in (values, poison):
        tracker, _ = follow(slots[: now + HORIZON], each[: now + HORIZON], 4.0)
        tracker.learn(int(slots[now]), slots, each)
        found.append(tracker.calibration.log_stretch.tobytes())
    assert found[0] == found[1]


def test_only_what_is_over_teaches() -> None:
    """An issue of an hour ago has taught its first bucket and no other."""
    slots, values = world(4, np.full(4 * 96, 10.0))
    tracker = Tracker(uncalibrated(), 1.0)
    tracker.issued(Issue(0, 100 + 0.1 * np.repeat(NORMAL[:, None], HORIZON, axis=1)))
    tracker.learn(3 * SLOT_S, slots, values)
    assert not tracker.calibration.log_stretch.any()
    tracker.learn(4 * SLOT_S, slots, values)
    assert tracker.calibration.log_stretch[0].any()
    assert not tracker.calibration.log_stretch[1:].any()


def test_the_median_stays_and_quantiles_rise() -> None:
    rng = np.random.default_rng(1)
    calibration = Calibration(rng.uniform(-LOG_MAX, LOG_MAX, (5, 7)))
    raw = np.sort(rng.normal(0, 10, (7, HORIZON, 3)), axis=0)
    found = stretched(calibration, raw)
    assert (np.diff(found, axis=0) >= 0).all()
    one_sided = Calibration(np.where(np.arange(7) == MEDIAN, 0.0, calibration.log_stretch))
    np.testing.assert_array_equal(stretched(one_sided, raw)[MEDIAN], raw[MEDIAN])


def test_a_band_without_width_and_missing_readings_teach_nothing() -> None:
    night = Issue(0, np.zeros((7, HORIZON)))
    before = uncalibrated()
    assert learnt(before, night, np.zeros(HORIZON), 4, 1.0) is before
    wide = Issue(0, np.repeat(NORMAL[:, None], HORIZON, axis=1))
    assert learnt(before, wide, np.full(HORIZON, np.nan), 4, 1.0) is before


def test_the_factor_is_bounded_whatever_comes() -> None:
    slots, values = world(200, np.full(200 * 96, 1000.0))
    tracker, _ = follow(slots, values, 0.01)
    stretch = tracker.calibration.log_stretch
    assert stretch.max() <= LOG_MAX and stretch[-1, 0] == pytest.approx(LOG_MAX)


def test_buckets_end_where_they_say() -> None:
    lead = np.array([0, 3, 4, 15, 16, 47, 48, 95, 96, 191, 500])
    assert bucket_of(lead).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert len(QUANTILES) == 7
