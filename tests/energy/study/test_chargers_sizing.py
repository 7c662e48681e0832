"""Points for a fleet: Erlang's loss formula and the load that sessions offer."""

import numpy as np
import pytest

from energy.forecast import CarSessions
from energy.study import base_scenario
from energy.study.chargers import WEEK_SLOTS, erlang_b, occupancy, points_for, size_chargers
from energy.timegrid import parse_instant
from energy.units import SLOT_S


@pytest.mark.parametrize(
    ("offered", "points", "blocked"),
    [
        (1.0, 1, 1 / 2),
        (2.0, 2, 2 / 5),  # (4/2) / (1 + 2 + 4/2)
        (3.0, 3, 9 / 26),  # (27/6) / (1 + 3 + 9/2 + 27/6)
        (5.0, 10, 0.018385),  # tables of the formula
        (10.0, 15, 0.036497),
        (5.0, 0, 1.0),
        (0.0, 3, 0.0),
    ],
)
def test_blocking_is_that_of_erlangs_tables(offered: float, points: int, blocked: float) -> None:
    assert erlang_b(offered, points) == pytest.approx(blocked, abs=1e-6)


@pytest.mark.parametrize("offered", [0.1, 1.0, 7.3, 50.0, 900.0])
def test_the_points_needed_are_the_fewest_that_keep_the_limit(offered: float) -> None:
    points = points_for(offered)
    assert erlang_b(offered, points) <= 0.01 < erlang_b(offered, points - 1)


def test_nobody_needs_a_point_where_nobody_comes() -> None:
    assert points_for(0.0) == 0


def test_the_load_offered_does_not_fall_because_points_are_few() -> None:
    end = parse_instant("2026-12-31", "Asia/Seoul")
    small, whole = (
        {one.kind: one for one in size_chargers(source, base_scenario(), 1, end)}
        for source in ("sejong-5-1@0.1", "sejong-5-1")
    )
    # One point for a tenth of those who come to six: a year's mean of what they offer is a sixth.
    assert small["super_fast"].present == 1
    for one, six in ((small, 1), (whole, 6)):
        per_point = one["super_fast"].sessions_per_day / six
        assert per_point == pytest.approx(12.0)
        assert one["super_fast"].offered == pytest.approx(0.92 * six, rel=0.15)


def test_a_stay_counts_from_its_arrival_to_its_departure_in_the_mean_of_weeks() -> None:
    first = 1_767_193_200
    stays = _stays(first + np.array([0, 2, 672 + 2]) * SLOT_S, np.array([4, 2, 1]))
    found = occupancy(stays, 2, first, 14)
    assert found.shape == (2, WEEK_SLOTS)
    # Slot 2 of the week: two cars in the first week, one in the second.
    assert found[0, :5].tolist() == [0.5, 0.5, 1.5, 1.0, 0.0]
    assert found[1].sum() == 0


def _stays(arrival: np.ndarray, slots: np.ndarray) -> CarSessions:
    none, whole = np.zeros(len(arrival)), np.zeros(len(arrival), dtype=np.int64)
    ends = arrival + slots * SLOT_S
    return CarSessions(
        whole, whole, arrival, ends, none, none, none, none, whole.astype(bool), none
    )
