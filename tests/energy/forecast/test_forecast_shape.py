"""Every quantile is finite, rising, within physics, and every fall of tier has its reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.forecast import DistrictForecast, UnitRecord, forecast_district, sky_at
from energy.forecast import forecast_unit_availability as availability
from energy.forecast.features import column_quantiles, sum_of_known
from energy.forecast.inputs import QUANTILES


def require_sound(forecast: DistrictForecast, world: Any) -> None:
    """Finite, rising along the quantiles, not negative, solar within capacity and zero at night."""
    solar = world.basis.pv
    capacity = solar.kwp.sum(axis=1) * solar.inverter_frac
    for name in ("load_kw", "pv_kw", "load_district_kw", "pv_district_kw", "heat_kw"):
        found = getattr(forecast, name)
        assert np.isfinite(found).all(), name
        assert (found >= 0).all(), name
        assert (np.diff(found, axis=0) >= 0).all(), name
    assert (forecast.pv_kw <= capacity).all()
    assert (forecast.pv_district_kw <= capacity.sum()).all()
    site = world.basis.site
    sky = sky_at(forecast.slots, site.latitude_deg, site.longitude_deg, site.altitude_m)
    night = sky.elevation_deg <= 0
    assert not forecast.pv_kw[:, night].any()
    assert not forecast.pv_district_kw[:, night].any()
    for quantity, tier in forecast.tier.items():
        assert tier == "F0" or forecast.reason[quantity], quantity


def at_day(world: Any, day: float) -> tuple[Any, int]:
    issue = int(world.truth.slot[round(day * 96)])
    return world.observed(issue), issue


def test_a_normal_forecast_is_sound_and_first_tier(summer: Any) -> None:
    observed, issue = at_day(summer, 35.5)
    forecast = forecast_district(summer.basis, observed, issue + 900)
    require_sound(forecast, summer)
    assert [forecast.tier[name] for name in ("load", "pv", "heat", "weather")] == ["F0"] * 4
    assert forecast.load_kw.shape == (7, 96, 12)
    assert forecast.units_available.shape == (1, 96)
    assert forecast.slots[0] == forecast.first_slot == issue + 900


def test_192_slots_ahead_are_sound(summer: Any) -> None:
    observed, issue = at_day(summer, 35.5)
    require_sound(forecast_district(summer.basis, observed, issue, 192), summer)


@pytest.mark.parametrize(("days", "tier"), [(0.0, "F4"), (1.0, "F4"), (6.0, "F4"), (8.0, "F0")])
def test_a_short_record_lowers_the_load_tier(summer: Any, days: float, tier: str) -> None:
    observed, issue = at_day(summer, days)
    forecast = forecast_district(summer.basis, observed, issue)
    require_sound(forecast, summer)
    assert forecast.tier["load"] == tier


def test_without_any_record_the_registry_sets_the_level(summer: Any) -> None:
    observed, issue = at_day(summer, 0.0)
    forecast = forecast_district(summer.basis, observed, issue)
    assert forecast.load_kw[3].mean() == pytest.approx(150.0, rel=0.05)
    assert forecast.load_district_kw[3].mean() == pytest.approx(150.0 * 12, rel=0.05)
    assert forecast.pv_kw[6].max() > 2 * forecast.pv_kw[0].max() > 0


@pytest.mark.parametrize("missing", ["weather", "temperature_c", "cloud_frac"])
def test_missing_weather_falls_to_the_slot_quantiles(summer: Any, missing: str) -> None:
    observed, issue = at_day(summer, 35.5)
    weather = observed.weather
    if missing == "weather":
        weather = None
    else:
        weather = replace(weather, **{missing: np.full(len(weather.slot), np.nan)})
    forecast = forecast_district(summer.basis, replace(observed, weather=weather), issue)
    require_sound(forecast, summer)
    assert forecast.tier["weather"] == "F4"
    assert forecast.tier["load"] == ("F0" if missing == "cloud_frac" else "F3")
    assert forecast.tier["pv"] == ("F0" if missing == "temperature_c" else "F3")


def test_a_stale_weather_issue_that_ends_too_early_is_not_stretched(summer: Any) -> None:
    observed, issue = at_day(summer, 35.5)
    old = summer.observed(int(summer.truth.slot[33 * 96])).weather
    forecast = forecast_district(summer.basis, replace(observed, weather=old), issue)
    require_sound(forecast, summer)
    assert forecast.tier["pv"] == "F3"
    assert "on the horizon" in forecast.reason["pv"]


def test_absurd_readings_are_set_aside(summer: Any) -> None:
    observed, issue = at_day(summer, 35.5)
    load = observed.history.load_kw.copy()
    load[::50, 3] = -5e6
    load[::60, 4] = np.inf
    load[5::40, 5] = 1e6
    pv = observed.history.pv_kw.copy()
    pv[7::40, 5] = 1e6
    broken = replace(observed, history=replace(observed.history, load_kw=load, pv_kw=pv))
    clean = forecast_district(summer.basis, observed, issue)
    forecast = forecast_district(summer.basis, broken, issue)
    require_sound(forecast, summer)
    assert forecast.load_kw[3, :, 3:6] == pytest.approx(clean.load_kw[3, :, 3:6], rel=0.05)
    assert forecast.pv_kw[3, :, 5] == pytest.approx(clean.pv_kw[3, :, 5], rel=0.05)


def test_a_meter_that_stands_still_for_a_day_is_not_believed(summer: Any) -> None:
    observed, issue = at_day(summer, 35.5)
    load = observed.history.load_kw.copy()
    end = np.flatnonzero(observed.history.slot == issue)[0]
    load[end - 96 : end, 1] = 2 * np.nanmean(load[:, 1])
    broken = replace(observed, history=replace(observed.history, load_kw=load))
    clean = forecast_district(summer.basis, observed, issue)
    forecast = forecast_district(summer.basis, broken, issue)
    assert forecast.load_kw[3, :, 1].mean() == pytest.approx(clean.load_kw[3, :, 1].mean(), rel=0.1)


def test_one_dead_area_takes_its_registered_mean(summer: Any) -> None:
    observed, issue = at_day(summer, 35.5)
    load = observed.history.load_kw.copy()
    load[:, 2] = np.nan
    forecast = forecast_district(
        summer.basis, replace(observed, history=replace(observed.history, load_kw=load)), issue
    )
    require_sound(forecast, summer)
    assert forecast.load_kw[3, :, 2].mean() == pytest.approx(150.0, rel=0.05)
    assert "1 series by class default" in forecast.reason["load"]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), day=st.integers(3, 40))
def test_any_pattern_of_gaps_gives_sound_numbers(
    summer: Any, seed: int, share: float, day: int
) -> None:
    observed, issue = at_day(summer, float(day))
    rng = np.random.default_rng(seed)
    holed = {}
    for name in ("load_kw", "pv_kw", "heat_kw", "temperature_c", "cloud_frac"):
        rows = getattr(observed.history, name).copy()
        rows[rng.random(rows.shape) < share] = np.nan
        begin = rng.integers(0, day * 96)
        rows[begin : begin + rng.integers(0, 600)] = np.nan
        holed[name] = rows
    broken = replace(observed, history=replace(observed.history, **holed))
    require_sound(forecast_district(summer.basis, broken, issue), summer)


def test_a_district_without_areas_roofs_chargers_or_units_is_answered(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(10, seed=3, areas=1)
    bare = replace(world.basis.pv, kwp=np.zeros((1, 3)))
    observed, issue = at_day(world, 9.0)
    basis = replace(world.basis, pv=bare)
    forecast = forecast_district(basis, replace(observed, units=()), issue, 16)
    assert not forecast.pv_kw.any()
    assert forecast.units_available.shape == (0, 16)


def test_availability_fades_from_what_is_seen_to_the_long_run_mean() -> None:
    hours = np.array([0.0, 24.0, 1e6])
    found = availability([UnitRecord(12, 12, 950.0, 50.0), UnitRecord(12, 6, 950.0, 50.0)], hours)
    assert found[:, 0] == pytest.approx([12, 6])
    assert found[:, 2] == pytest.approx([11.4, 11.4])
    assert 11.4 < found[0, 1] < 12
    assert 6 < found[1, 1] < 11.4


def test_column_quantiles_equal_numpys_and_leave_gaps_out() -> None:
    rows = np.random.default_rng(2).normal(size=(50, 4))
    rows[::3, 1] = np.nan
    rows[:, 2] = np.nan
    found = column_quantiles(rows, fallback=-1.0)
    for column in (0, 1, 3):
        seen = rows[np.isfinite(rows[:, column]), column]
        assert found[:, column] == pytest.approx(np.quantile(seen, QUANTILES))
    assert (found[:, 2] == -1.0).all()


def test_a_missing_area_is_made_good_in_the_sum_by_its_usual_share() -> None:
    rows = np.tile([10.0, 30.0, 60.0], (4, 1))
    rows[1, 0] = np.nan
    rows[2, 2] = np.nan
    assert sum_of_known(rows)[:2] == pytest.approx([100.0, 100.0])
    assert np.isnan(sum_of_known(rows)[2])
