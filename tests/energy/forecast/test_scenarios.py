"""Joint paths keep every slot's distribution and the past's way of moving together."""

from typing import Any

import numpy as np
import pytest

from energy.forecast import ForecastError, forecast_district, joint_paths, scenarios
from energy.forecast.inputs import QUANTILES
from energy.forecast.scenarios import quantile_function

FLAT = np.linspace(10, 70, 7)[None, :, None] * np.ones((2, 1, 48))


def test_every_slot_holds_the_quantile_function_at_even_ranks() -> None:
    paths = joint_paths(FLAT, None, 20, seed=3)
    wanted = quantile_function(FLAT, (np.arange(20) + 0.5) / 20)
    assert np.array_equal(np.sort(paths, axis=0), np.sort(wanted, axis=0))


def test_paths_read_back_the_forecasts_own_quantiles() -> None:
    paths = joint_paths(FLAT, None, 2000, seed=3)
    found = np.quantile(paths, QUANTILES, axis=0)
    assert found.transpose(1, 0, 2) == pytest.approx(FLAT, abs=0.2)


def test_a_path_takes_the_ranks_of_one_past_day_in_all_series() -> None:
    # Three past days, the second series mirroring the first: low, middle and high all day.
    past = np.array([[[1.0], [3.0]], [[2.0], [2.0]], [[3.0], [1.0]]]) * np.ones((3, 2, 48))
    paths = joint_paths(FLAT, past, 3, seed=1)
    assert (np.argsort(paths[:, 0], axis=0) == np.array([[0], [1], [2]])).all()
    assert (np.argsort(paths[:, 1], axis=0) == np.array([[2], [1], [0]])).all()


def test_correlation_over_time_and_between_series_is_the_pasts() -> None:
    rng = np.random.default_rng(5)
    daily = rng.standard_normal((400, 1, 1)) * np.array([1.0, -1.0])[None, :, None]
    past = daily + 0.5 * rng.standard_normal((400, 2, 48))
    paths = joint_paths(FLAT, past, 400, seed=2)
    spread = np.linspace(10, 70, 7)
    assert np.ptp(paths) > np.ptp(spread) * 0.9

    def coupling(rows: np.ndarray, a: tuple[int, int], b: tuple[int, int]) -> float:
        return float(np.corrcoef(rows[:, a[0], a[1]], rows[:, b[0], b[1]])[0, 1])

    for a, b in (((0, 0), (0, 30)), ((0, 5), (1, 5)), ((0, 5), (1, 40))):
        assert coupling(paths, a, b) == pytest.approx(coupling(past, a, b), abs=0.06)


def test_without_a_past_neighbouring_slots_go_together_and_far_ones_do_not() -> None:
    paths = joint_paths(np.repeat(FLAT, 2, axis=2), None, 1000, seed=4)[:, 0]
    near = np.corrcoef(paths[:, 10], paths[:, 11])[0, 1]
    far = np.corrcoef(paths[:, 0], paths[:, 95])[0, 1]
    assert near > 0.9 and abs(far) < 0.1


def test_the_districts_paths_repeat_with_their_seed_and_stay_physical(summer: Any) -> None:
    issue = int(summer.truth.slot[45 * 96])
    observed = summer.observed(issue)
    forecast = forecast_district(summer.basis, observed, issue, 192)
    first, second = (scenarios(forecast, 20, 7, observed.history) for _ in range(2))
    other = scenarios(forecast, 20, 8, observed.history)
    for name, paths in first.items():
        assert paths.shape == (20, 192) and np.isfinite(paths).all() and (paths >= 0).all()
        assert np.array_equal(paths, second[name])
    assert not np.array_equal(first["load_kw"], other["load_kw"])
    night = forecast.pv_district_kw[-1] == 0
    assert night.any() and not first["pv_kw"][:, night].any()


def test_no_paths_are_refused() -> None:
    with pytest.raises(ForecastError, match="0 paths"):
        joint_paths(FLAT, None, 0, seed=1)
