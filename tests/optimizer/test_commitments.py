"""Fractional counts made whole: nearest to what is wanted, within every minimum time."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer.commitments import START, Leaning, whole_counts
from optimizer.curves import commitment
from optimizer.unit_groups import deal_counts, merge_units

many = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
times = st.integers(1, 4)


@many
@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), times, times)
def test_a_units_run_is_the_nearest_that_keeps_minimum_times(
    toys: Any, slow_commitment: ModuleType, wanted: list[float], up: int, down: int
) -> None:
    unit = toys.unit(8, min_up_slots=up, min_down_slots=down)
    fraction = np.array(wanted)
    on = whole_counts(unit, fraction)
    least = slow_commitment.cheapest_distance(fraction, START, min_up=up, min_down=down)
    starts = np.maximum(np.diff(on, prepend=0), 0).sum()
    assert np.abs(on - fraction).sum() + START * starts == pytest.approx(least)
    assert slow_commitment.keeps_times(tuple(on), min_up=up, min_down=down)


def test_recent_start_and_stop_bind_the_first_slots(toys: Any) -> None:
    unit = toys.unit(
        6,
        available=np.full(6, 3),
        on_now=1,
        min_up_slots=4,
        min_down_slots=3,
        recent_starts=(0, 1),
        recent_stops=(1,),
        count=3,
    )
    decided = commitment(unit)
    # Started two slots ago it owes two more; the stopped one rests for two more.
    assert decided.least.tolist() == [1, 1, 0, 0, 0, 0]
    assert decided.rested.tolist() == [2, 2, 3, 3, 3, 3]
    assert whole_counts(unit, np.zeros(6))[:2].tolist() == [1, 1]
    assert whole_counts(unit, np.full(6, 3.0)).tolist() == [2, 2, 3, 3, 3, 3]


def test_a_tripped_unit_stops_at_any_age(toys: Any) -> None:
    unit = toys.unit(
        4, available=np.array([1, 1, 1, 1]), on_now=2, min_up_slots=9, recent_starts=(1, 1), count=2
    )
    decided = commitment(unit)
    assert decided.least.tolist() == [1, 1, 1, 1]
    assert decided.forced.tolist() == [1, 0, 0, 0]
    assert whole_counts(unit, np.full(4, 2.0)).tolist() == [1, 1, 1, 1]


def test_leaning_decides_what_lies_between(toys: Any) -> None:
    unit = toys.unit(4)
    half = np.full(4, 0.45)
    assert whole_counts(unit, half, Leaning(missing=4.0)).sum() == 4
    assert whole_counts(unit, half, Leaning(idle=4.0)).sum() == 0


@many
@given(st.integers(0, 1000))
def test_dealt_counts_keep_every_units_minimum_times(toys: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    running = rng.integers(0, 3, 3).tolist()
    units = tuple(
        toys.unit(
            12,
            id=f"group {row}",
            available=np.full(12, 2),
            min_up_slots=3,
            min_down_slots=2,
            on_now=running[row],
            recent_starts=(0, int(rng.integers(0, running[row] + 1))),
        )
        for row in range(3)
    )
    merged = merge_units(toys.problem(12, units=units), np.zeros(3, dtype=np.int64))
    assert len(merged.units) == 1
    total = whole_counts(merged.units[0], rng.uniform(0, 6, 12))
    on = deal_counts(units, total)
    assert on.sum(axis=1).tolist() == total.tolist()
    for row, unit in enumerate(units):
        # A group's own count may swap units; its least and most still hold.
        decided = commitment(unit)
        assert (on[:, row] >= decided.least).all() and (on[:, row] <= decided.most).all()


def test_groups_are_counted_together_only_where_nothing_tells_them_apart(toys: Any) -> None:
    first = toys.unit(4, id="a")
    others = {
        "alike": replace(first, id="b"),
        "elsewhere": replace(first, area=1),
        "dearer": replace(first, fuel_krw_per_kwh=51.0),
        "slower": replace(first, ramp_kw_per_slot=20.0),
        "stored fuel": replace(first, fuel_kwh_start=10.0, fuel_kwh_max=10.0),
    }
    for name, other in others.items():
        problem = toys.problem(4, areas=2, units=(first, other))
        place = np.array([unit.area for unit in problem.units])
        assert len(merge_units(problem, place).units) == (1 if name == "alike" else 2), name
