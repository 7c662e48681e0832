"""Groups' energy dealt out to their members: within what each can keep, sums met if they can be."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optimizer import Fleets
from optimizer.corridor import battery_corridor, fleet_corridor
from optimizer.merge import EACH, Fineness, merge, sums_by
from optimizer.split import deal_out, paths

KWH = 1e-6
many = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def random_fleets(toys: Any, rng: np.random.Generator, count: int, slots: int) -> Fleets:
    """Envelopes of fleets with one stay each: take `due` between arrival and departure."""
    begin = rng.integers(0, slots - 2, count)
    end = rng.integers(begin + 2, slots + 1)
    at = np.arange(1, slots + 1)[:, None]
    used, power = np.clip(at - begin, 0, end - begin), rng.uniform(5, 50, count)
    step = power * 0.9 * 0.25
    due = rng.uniform(0, 1, count) * step * (end - begin)
    here = (at > begin) & (at <= end)
    return toys.fleets(
        count,
        slots,
        e_min_kwh=np.maximum(due - step * (end - begin - used), 0).T,
        e_max_kwh=np.minimum(step * used, due).T,
        p_charge_kw_max=(here * power).T,
        eta=0.9,
    )


@many
@given(st.integers(0, 10_000))
def test_members_keep_their_promises_whatever_the_group_wants(toys: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleets = random_fleets(toys, rng, 6, 12)
    corridor = fleet_corridor(fleets)
    group = rng.integers(0, 2, 6)
    wish = np.cumsum(rng.uniform(0, 20, (12, 2)), axis=0)
    energy = deal_out(corridor, group, wish)
    assert (energy >= fleets.e_min_kwh.T - KWH).all()
    assert (energy <= fleets.e_max_kwh.T + KWH).all()
    ways = paths(energy, corridor.start_kwh, (np.full(6, 0.9), np.full(6, 0.9)))
    assert (ways.charge_kw <= fleets.p_charge_kw_max.T + 1e-4).all()
    assert ways.discharge_kw.max() == pytest.approx(0.0, abs=1e-4)


@many
@given(st.integers(0, 10_000))
def test_members_of_one_shape_follow_their_group_exactly(toys: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    capacity = rng.uniform(5, 500, 5)
    batteries = toys.batteries(
        5,
        e_kwh_max=capacity,
        e_start_kwh=0.4 * capacity,
        p_charge_kw_max=capacity / 2,
        p_discharge_kw_max=capacity,
        eta_charge=0.9,
    )
    corridor = battery_corridor(batteries, 10)
    share = 0.4 + np.cumsum(rng.uniform(-0.1, 0.1, 10))
    wish = (np.clip(share, 0, 1) * capacity.sum())[:, None]
    energy = deal_out(corridor, np.zeros(5, dtype=np.int64), wish)
    assert energy.sum(axis=1) == pytest.approx(wish[:, 0], abs=KWH)
    assert energy / capacity == pytest.approx(np.tile(wish / capacity.sum(), 5), abs=KWH)


def test_a_single_member_gets_what_its_group_gets(toys: Any) -> None:
    fleets = random_fleets(toys, np.random.default_rng(1), 3, 10)
    corridor = fleet_corridor(fleets)
    wish = (corridor.lower_kwh + corridor.upper_kwh) / 2
    np.testing.assert_allclose(deal_out(corridor, np.arange(3), wish), wish, atol=KWH)


def test_promises_out_of_reach_are_kept_as_far_as_they_can_be(toys: Any) -> None:
    # 40 kW for two slots put 20 kWh into the cars; 30 are promised.
    fleets = toys.fleets(
        1, 3, e_min_kwh=[[0.0, 30.0, 30.0]], e_max_kwh=40.0, p_charge_kw_max=[[40.0, 40.0, 0.0]]
    )
    corridor = fleet_corridor(fleets)
    assert corridor.lower_kwh[:, 0].tolist() == [10.0, 20.0, 20.0]


def test_merging_loses_no_energy_and_no_power(toys: Any) -> None:
    problem = toys.random(5)
    small = merge(problem, Fineness(1, 1)).small
    for name in ("e_start_kwh", "e_kwh_max", "p_charge_kw_max", "p_discharge_kw_max"):
        ours, theirs = getattr(problem.batteries, name), getattr(small.batteries, name)
        assert theirs.sum() == pytest.approx(ours.sum()), name
    assert small.load_kw.sum(axis=1) == pytest.approx(problem.load_kw.sum(axis=1))
    assert small.fleets.e_max_kwh.sum() <= problem.fleets.e_max_kwh.sum() + KWH


def test_areas_named_by_cuts_are_told_apart(toys: Any) -> None:
    problem = toys.random(6)
    apart = merge(replace(problem, cuts=(toys.cut(1, [0.0, 1.0, 0.0], 10.0),)), Fineness(1, 1))
    assert apart.area_class.tolist() == [0, 1, 0]
    assert apart.small.cuts[0].coefficient.tolist() == [0.0, 1.0]
    together = merge(problem, Fineness(EACH, EACH))
    assert together.area_class.tolist() == [0, 0, 0]


def test_sums_by_group_know_empty_groups() -> None:
    assert sums_by(np.array([1.0, 2.0, 4.0]), np.array([2, 0, 2]), 4).tolist() == [2.0, 0, 5.0, 0]
