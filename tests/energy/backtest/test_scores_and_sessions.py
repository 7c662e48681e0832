"""Scores by hand; sessions become power and their cars are foreseen better than stated."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from energy.backtest import Replay, read_sessions, score_table, write_page
from energy.backtest.sessions import power_of
from energy.forecast.inputs import QUANTILES
from energy.forecast.scoring import pinball
from energy.forecast.stays import Stays, energy_so_far, fit_stays, forecast_stays
from energy.timegrid import parse_instant, slots_from


def build_replay(issues: int = 60, seed: int = 1) -> Replay:
    """Truth uniform on 0..1 and forecasts that say exactly so; half as good climatology."""
    rng = np.random.default_rng(seed)
    truth = rng.random((issues, 192))
    own = np.broadcast_to(QUANTILES[None, :, None], (issues, 7, 192)).copy()
    return Replay(
        name="made by hand",
        issue=slots_from(parse_instant("2026-01-01"), issues * 96)[::96],
        step_slots=1,
        quantiles=own,
        truth=truth,
        persistence=rng.random((issues, 192)),
        climatology=own * 2 - 0.5,
        norm_kw=0.5,
        range_kw=0.98,
        time_zone="UTC",
        tiers={"F0": issues},
        fit_s=np.array([1.0]),
        predict_s=np.array([0.01]),
    )


def test_pinball_is_that_of_the_definition() -> None:
    quantiles = np.array([1.0, 2, 3, 4, 5, 6, 7])[:, None]
    found = pinball(quantiles, np.array([4.5]))[:, 0]
    assert found == pytest.approx(
        [0.05 * 3.5, 0.1 * 2.5, 0.25 * 1.5, 0.5 * 0.5, 0.125, 0.15, 0.125]
    )


def test_a_true_forecast_covers_what_it_says_and_scores_by_the_formula() -> None:
    whole = score_table(build_replay())[-1]
    assert (whole.cover_50, whole.cover_80, whole.cover_90) == pytest.approx(
        (0.5, 0.8, 0.9), abs=0.02
    )
    # Uniform truth: the mean pinball at q is q (1 - q) / 2.
    expected = (QUANTILES * (1 - QUANTILES) / 2).mean()
    assert whole.pinball * 0.5 == pytest.approx(expected, rel=0.02)
    assert whole.crps == pytest.approx(2 * whole.pinball)
    assert whole.rcrps * 0.98 == pytest.approx(whole.crps * 0.5)
    # Mean distance from the median 1/4, between two uniform draws 1/3.
    assert whole.nmae * 0.5 == pytest.approx(0.25, rel=0.02)
    assert 1 - whole.skill_persistence == pytest.approx(2 * expected / (1 / 3), rel=0.03)
    assert whole.skill_climatology_low < whole.skill_climatology < whole.skill_climatology_high


def test_no_skill_against_itself_and_missing_truth_does_not_count() -> None:
    replay = build_replay()
    same = score_table(replace(replay, climatology=replay.quantiles))[-1]
    assert (same.skill_climatology, same.skill_climatology_low) == (0.0, 0.0)
    truth = replay.truth.copy()
    truth[:, ::2] = np.nan
    assert score_table(replace(replay, truth=truth))[-1].values == 60 * 96


def test_buckets_hold_the_leads_that_they_name() -> None:
    table = {score.leads_h: score.values for score in score_table(build_replay(10))}
    assert table == {
        "0-1": 40, "1-4": 120, "4-12": 320, "12-24": 480, "24-48": 960, "12-36": 960, "0-48": 1920,
    }  # fmt: skip


def test_the_page_stands_alone_and_holds_every_drawing(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(path, [build_replay()])
    page = path.read_text()
    assert page.count("<svg") == 3 and "nan" not in page
    assert "<script" not in page and "http" not in page
    assert "made by hand" in page and "12-36" in page


def stays_of(days: int = 100, seed: int = 2) -> Stays:
    """Workers come about nine and leave about five; they state two hours too few, twice the kWh."""
    rng = np.random.default_rng(seed)
    first = parse_instant("2026-01-05", "UTC")
    count = days * 12
    arrival = first + rng.integers(0, days, count) * 86400 + rng.normal(9 * 3600, 2500, count)
    arrival = np.sort(arrival.astype(np.int64))
    leave = arrival // 86400 * 86400 + rng.normal(17 * 3600, 2500, count).astype(np.int64)
    energy = rng.uniform(4, 20, count)
    return Stays(arrival, leave, energy, leave - 7200.0, 2 * energy + rng.normal(0, 2, count))


def test_power_of_one_session_is_its_ramp_by_hand() -> None:
    begin = parse_instant("2026-01-01T10:05", "UTC")
    one = Stays(
        np.array([begin]), np.array([begin + 7200]), np.array([2.0]), np.array([np.nan]),
        np.array([np.nan]),
    )  # fmt: skip
    record = power_of(one, 6.0)
    # 20 minutes at 6 kW from 10:05: ten in the first quarter, ten in the second.
    assert record.p_kw[:3] == pytest.approx([4.0, 4.0, 0.0])
    assert record.p_kw.sum() / 4 == pytest.approx(2.0)
    assert energy_so_far(one, np.array([begin + 600]), 6.0) == pytest.approx([1.0])


def test_energy_of_all_sessions_is_in_the_series() -> None:
    stays = stays_of()
    hours = (stays.departure_s - stays.arrival_s) / 3600
    total = np.minimum(stays.e_kwh, 6.6 * hours).sum()
    assert np.nansum(power_of(stays, 6.6).p_kw) / 4 == pytest.approx(total, rel=1e-6)


def test_connected_cars_are_foreseen_better_than_their_drivers_say() -> None:
    stays = stays_of()
    now = parse_instant("2026-04-01T11:00", "UTC")
    model = fit_stays(stays, now, 6.6, 0)
    assert model is not None
    here = (stays.arrival_s < now) & (stays.departure_s > now)
    here &= energy_so_far(stays, np.full(len(stays), now), 6.6) < stays.e_kwh
    cars = stays.take(here)
    hours, energy = forecast_stays(model, cars, now)
    left_h = (cars.departure_s - now) / 3600
    left_kwh = cars.e_kwh - energy_so_far(cars, np.full(len(cars), now), 6.6)
    stated_kwh = cars.stated_kwh - energy_so_far(cars, np.full(len(cars), now), 6.6)
    assert len(cars) > 3
    assert np.abs(hours[3] - left_h).mean() < 1.0 < 2.0
    assert np.abs(energy[3] - left_kwh).mean() < 0.5 * np.abs(stated_kwh - left_kwh).mean()
    assert (np.diff(hours, axis=0) >= 0).all() and (energy >= 0).all()


def test_the_future_of_a_connected_car_is_not_read() -> None:
    stays = stays_of()
    now = parse_instant("2026-04-01T11:00", "UTC")
    here = (stays.arrival_s < now) & (stays.departure_s > now)
    later = replace(
        stays, departure_s=np.where(here, stays.departure_s + 50_000, stays.departure_s)
    )
    models = [fit_stays(each, now, 6.6, 0) for each in (stays, later)]
    answers = [
        forecast_stays(model, each.take(here), now)
        for model, each in zip(models, (stays, later), strict=True)
        if model is not None
    ]
    assert answers[0][0].tobytes() == answers[1][0].tobytes()
    assert answers[0][1].tobytes() == answers[1][1].tobytes()


def test_unclaimed_sessions_state_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(
        "site,arrival,departure,requested_energy (kWh),delivered_energy (kWh),"
        "estimated_departure,claimed\n"
        "a,2026-01-01T08:00-08:00,2026-01-01T17:00-08:00,20,9,2026-01-01T15:00-08:00,True\n"
        "b,2026-01-01T08:00-08:00,2026-01-01T17:00-08:00,9,9,2026-01-01T17:00-08:00,False\n"
        "b,2026-01-01T09:00-08:00,2026-01-01T08:00-08:00,9,9,2026-01-01T17:00-08:00,False\n"
    )
    sites, said = read_sessions(path, "America/Los_Angeles")
    assert sites["a"].stated_kwh.tolist() == [20.0] and len(sites["b"]) == 1
    assert np.isnan(sites["b"].stated_kwh[0]) and np.isnan(sites["b"].stated_departure_s[0])
    assert "2 sessions without a statement" in said
    assert "1 sessions without times or energy were set aside" in said
