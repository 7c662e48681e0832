"""A back-test sees what operation sees: nothing after the issue, and the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from energy.backtest import Replay, ReplayPlan, replay_node, score_table
from energy.forecast.calibration import Issue, Tracker, uncalibrated
from energy.forecast.node import (
    NodeRecord,
    NodeSpec,
    fit_node,
    forecast_node,
    known_readings,
)
from energy.units import SLOT_S

PLAN = ReplayPlan(warm_up_days=50, every_h=12, refit_days=3)
HORIZON = 192


def quiet(done: int, total: int) -> None:
    """No progress is shown."""


def ahead(issue: int) -> np.ndarray:
    return issue + SLOT_S * np.arange(HORIZON, dtype=np.int64)


@pytest.fixture(scope="module")
def replayed(feeder: NodeRecord, load_spec: NodeSpec) -> Replay:
    return replay_node("feeder", load_spec, feeder, PLAN, quiet)


def test_a_planted_column_that_is_the_future_changes_no_bit_and_no_skill(
    feeder: NodeRecord, load_spec: NodeSpec, replayed: Replay
) -> None:
    future = np.concatenate([feeder.p_kw[HORIZON:], np.full(HORIZON, np.nan)])
    planted = replace(feeder, weather=feeder.weather | {"load_in_two_days_kw": future})
    other = replay_node("feeder", load_spec, planted, PLAN, quiet)
    assert other.quantiles.tobytes() == replayed.quantiles.tobytes()
    assert score_table(other) == score_table(replayed)


def test_the_leak_test_would_see_a_leak(
    feeder: NodeRecord, load_spec: NodeSpec, replayed: Replay
) -> None:
    # The same plant in a column that is read as weather does raise the skill: the test has teeth.
    leaky = replace(feeder, weather={"humidity_frac": feeder.p_kw / 100})
    other = replay_node("feeder", load_spec, leaky, PLAN, quiet)
    assert score_table(other)[-1].crps < 0.5 * score_table(replayed)[-1].crps


@pytest.mark.parametrize("kind", ["load", "pv"])
def test_noise_in_every_reading_from_the_issue_on_changes_no_bit(
    kind: str, request: pytest.FixtureRequest
) -> None:
    record: NodeRecord = request.getfixturevalue("feeder" if kind == "load" else "roof")
    spec: NodeSpec = request.getfixturevalue("load_spec" if kind == "load" else "roof_spec")
    issue = int(record.slot[55 * 96 + 37])
    poison = record.p_kw.copy()
    late = record.slot >= issue
    poison[late] = np.random.default_rng(9).normal(0, 1e6, late.sum())
    poison[np.flatnonzero(late)[::7]] = np.inf
    bad = replace(record, p_kw=poison)
    fit_at = int(record.slot[50 * 96])
    clean, other = (
        forecast_node(spec, fit_node(spec, each, fit_at), each, issue, ahead(issue))
        for each in (record, bad)
    )
    assert clean.p_kw.tobytes() == other.p_kw.tobytes()
    assert (clean.tier, clean.reason) == (other.tier, other.reason) == ("F0", "")


def test_back_test_and_live_are_equal_bit_by_bit(
    feeder: NodeRecord, load_spec: NodeSpec, replayed: Replay
) -> None:
    """Live: only the rows there are at the issue, weather to the horizon's end, nightly fits."""
    model, fitted_at, tracker = None, 0, Tracker(uncalibrated(), PLAN.every_h / 24)
    for row, issue in enumerate(replayed.issue.tolist()):
        end = int(np.searchsorted(feeder.slot, issue))
        live = NodeRecord(
            feeder.slot[:end].copy(),
            feeder.p_kw[:end].copy(),
            {name: column[: end + HORIZON].copy() for name, column in feeder.weather.items()},
        )
        if model is None or issue - fitted_at >= PLAN.refit_days * 86400:
            model, fitted_at = fit_node(load_spec, live, issue), issue
        known = known_readings(load_spec, live, issue)
        tracker.learn(issue, known.slot, known.p_kw)
        found = forecast_node(load_spec, model, live, issue, ahead(issue), tracker.calibration)
        tracker.issued(Issue(issue, found.p_kw))
        assert found.p_kw.tobytes() == replayed.quantiles[row].tobytes()


def test_both_references_are_beaten_and_bands_cover_what_they_say(replayed: Replay) -> None:
    overall = score_table(replayed)[-1]
    assert overall.skill_persistence > 0.3 and overall.skill_climatology > 0.1
    # Nine days of one series: a standard error of about six points.
    assert overall.cover_80 == pytest.approx(0.8, abs=0.15)
