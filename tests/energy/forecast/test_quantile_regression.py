"""The fast regression comes close to the exact one, and shifts give each quantile its share."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from energy.forecast.inputs import QUANTILES
from energy.forecast.quantile_regression import fit_quantiles
from energy.forecast.series import Past, _pairs, fit_series, forecast_series
from energy.timegrid import parse_instant, slots_from


def pinball(x: np.ndarray, y: np.ndarray, b: np.ndarray, q: float) -> float:
    error = y - x @ b
    return float(np.maximum(q * error, (q - 1) * error).mean())


def by_linear_program(x: np.ndarray, y: np.ndarray, q: float) -> np.ndarray:
    """Exact minimiser: y = x b + up - down, cost q up + (1 - q) down."""
    n, columns = x.shape
    cost = np.concatenate([np.zeros(columns), np.full(n, q), np.full(n, 1 - q)])
    equal = np.hstack([x, np.eye(n), -np.eye(n)])
    bounds = [(None, None)] * columns + [(0, None)] * (2 * n)
    return np.asarray(linprog(cost, A_eq=equal, b_eq=y, bounds=bounds).x[:columns])


def test_losses_are_within_two_percent_of_the_linear_programs() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(300), rng.standard_normal((300, 3))])
    y = x @ np.array([0.5, 1.0, -0.7, 0.0]) + (0.5 + 0.4 * np.abs(x[:, 1])) * rng.normal(size=300)
    found = fit_quantiles(x, y, np.ones(300), 1e-6, steps=60)
    for k, q in enumerate(QUANTILES):
        exact = pinball(x, y, by_linear_program(x, y, q), q)
        assert exact <= pinball(x, y, found[:, k], q) <= 1.02 * exact


def test_with_the_constant_alone_it_loses_hardly_more_than_the_samples_quantiles() -> None:
    y = np.random.default_rng(2).gamma(2.0, 1.0, 4000)
    one = np.ones((4000, 1))
    found = fit_quantiles(one, y, np.ones(4000), 1e-6, steps=80)
    assert (np.diff(found[0]) > 0).all()
    for k, q in enumerate(QUANTILES):
        best = pinball(one, y, np.quantile(y, [q]), q)
        assert best <= pinball(one, y, found[:, k], q) * (1 + 1e-9) <= 1.02 * best


def test_a_weight_counts_as_so_many_rows() -> None:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(80), rng.standard_normal(80)])
    y = x[:, 1] + rng.standard_normal(80)
    weight = rng.integers(1, 4, 80)
    once = fit_quantiles(x, y, weight.astype(float), 1e-3)
    repeated = np.repeat(np.arange(80), weight)
    twice = fit_quantiles(x[repeated], y[repeated], np.ones(len(repeated)), 1e-3)
    assert once == pytest.approx(twice, abs=1e-9)


def test_without_rows_all_coefficients_are_zero() -> None:
    assert not fit_quantiles(np.zeros((0, 3)), np.zeros(0), np.zeros(0), 1e-3).any()


def two_hundred(days: int, nodes: int) -> Past:
    rng = np.random.default_rng(6)
    slot = slots_from(parse_instant("2026-03-01", "Asia/Seoul"), days * 96)
    day = 1 + 0.4 * np.sin(2 * np.pi * np.arange(len(slot)) / 96)
    z = rng.uniform(5, 50, nodes) * (day[:, None] + 0.1 * rng.standard_normal((len(slot), nodes)))
    return Past(slot, z, np.ones(len(slot)), np.zeros((len(slot), 0)), "Asia/Seoul")


def test_many_series_are_fitted_together_and_each_keeps_its_level_and_coverage() -> None:
    past = two_hundred(50, 12)
    known = past.last(49)
    cut = Past(known.slot[:-192], known.z[:-192], known.weight[:-192], known.weather[:-192],
               known.time_zone)  # fmt: skip
    model = fit_series(cut)
    found = forecast_series(model, cut, known.slot[-192:], np.zeros((192, 0)))
    truth = known.z[-192:]
    assert found.shape == (7, 192, 12) and (np.diff(found, axis=0) >= 0).all()
    assert np.abs(found[3].mean(axis=0) / truth.mean(axis=0) - 1).max() < 0.03
    inside = ((truth >= found[1]) & (truth <= found[5])).mean(axis=0)
    assert inside == pytest.approx(np.full(12, 0.8), abs=0.12)
    again = fit_series(cut)
    assert again.coefficients.tobytes() == model.coefficients.tobytes()


@pytest.mark.parametrize(("step", "phase"), [(1, 0), (4, 0), (4, 2), (2, 1)])
def test_issues_that_teach_lie_where_a_reading_begins(step: int, phase: int) -> None:
    """In the midst of a reading its value would tell what is still to come."""
    known = replace(two_hundred(30, 2), step_slots=step, phase_slots=phase)
    issue, _ = _pairs(known, 1)
    assert len(issue) > 100
    assert set((known.slot[issue] // 900 - phase) % step) == {0}
