"""On a noisy truth with an erring weather forecast both references are beaten, day after day."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.forecast import QUANTILES, forecast_district


def crps(quantiles: np.ndarray, truth: np.ndarray) -> float:
    """Twice the mean pinball loss over the seven quantiles; a point forecast's is its error."""
    error = truth - quantiles
    level = QUANTILES.reshape(-1, *(1,) * (quantiles.ndim - 1))
    return float(2 * np.maximum(level * error, (level - 1) * error).mean())


def replay(world: Any, days: range) -> dict[str, dict[str, np.ndarray]]:
    """Scores by quantity, one entry per issue day: own, persistence, climatology; and coverage."""
    truth = world.truth
    series = {
        "load_kw": truth.load_kw,
        "load_district_kw": truth.load_kw.sum(axis=1),
        "pv_kw": truth.pv_kw,
        "pv_district_kw": truth.pv_kw.sum(axis=1),
        "heat_kw": truth.heat_kw,
    }
    rows: dict[str, list[list[float]]] = {name: [] for name in series}
    for day in days:
        first = day * 96 + 24
        issue = int(truth.slot[first])
        forecast = forecast_district(world.basis, world.observed(issue), issue)
        for name, values in series.items():
            found, actual = getattr(forecast, name), values[first : first + 96]
            past = np.stack([values[first - 96 * k :][:96] for k in range(1, 29)])
            lit = actual > 1e-9
            rows[name].append(
                [
                    crps(found, actual),
                    float(np.abs(past[0] - actual).mean()),
                    crps(np.quantile(past, QUANTILES, axis=0), actual),
                    float((actual <= found[1])[lit].mean()) if lit.any() else 0.1,
                    float((actual <= found[5])[lit].mean()) if lit.any() else 0.9,
                ]
            )
    labels = ("own", "persistence", "climatology", "p10", "p90")
    return {name: dict(zip(labels, np.array(found).T, strict=True)) for name, found in rows.items()}


def lower_bound(gain: np.ndarray) -> float:
    """5 % quantile of the mean over days, by bootstrap."""
    rng = np.random.default_rng(7)
    picks = rng.integers(0, len(gain), (500, len(gain)))
    return float(np.quantile(gain[picks].mean(axis=1), 0.05))


@pytest.fixture(scope="module")
def summer_scores(summer: Any) -> dict[str, dict[str, np.ndarray]]:
    return replay(summer, range(29, 58))


@pytest.mark.parametrize("name", ["load_kw", "load_district_kw", "pv_kw", "pv_district_kw"])
@pytest.mark.parametrize("reference", ["persistence", "climatology"])
def test_summer_days_beat_the_references(
    summer_scores: dict[str, dict[str, np.ndarray]], name: str, reference: str
) -> None:
    scores = summer_scores[name]
    assert lower_bound(scores[reference] - scores["own"]) > 0


@pytest.mark.parametrize("name", ["load_kw", "load_district_kw", "pv_kw", "pv_district_kw"])
def test_bands_cover_about_what_they_say(
    summer_scores: dict[str, dict[str, np.ndarray]], name: str
) -> None:
    # Thirty days of one weather: a standard error of about 5 points, so 12 points is a wide gate.
    scores = summer_scores[name]
    assert scores["p10"].mean() == pytest.approx(0.10, abs=0.12)
    assert scores["p90"].mean() == pytest.approx(0.90, abs=0.12)


def test_winter_heat_beats_the_references(make_world: Callable[..., Any]) -> None:
    scores = replay(make_world(50, 6, "2026-11-20"), range(29, 48))["heat_kw"]
    for reference in ("persistence", "climatology"):
        assert lower_bound(scores[reference] - scores["own"]) > 0


def test_the_last_hour_pulls_the_next_and_fades(summer: Any) -> None:
    issue = int(summer.truth.slot[35 * 96 + 40])
    observed = summer.observed(issue)
    load = observed.history.load_kw.copy()
    now = np.flatnonzero(observed.history.slot == issue)[0]
    load[now - 4 : now] *= 1.2
    jumped = replace(observed, history=replace(observed.history, load_kw=load))
    before = forecast_district(summer.basis, observed, issue).load_district_kw[3]
    after = forecast_district(summer.basis, jumped, issue).load_district_kw[3]
    rise = after / before - 1
    assert 0.03 < rise[0] < 0.2
    assert abs(rise[60]) < rise[0] / 4
    width = np.diff(
        forecast_district(summer.basis, observed, issue).load_district_kw[[1, 5]], axis=0
    )
    assert width[0, 0] < width[0, 90] * 1.5
