"""A home's own forecast: its class's day at its own height, as wide as its own days."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.forecast import PvClasses, Site
from energy.forecast.features import NORMAL_Z
from energy.forecast.homes import (
    MEMBERS_MIN,
    HomeClasses,
    HomeDay,
    digest_day,
    forecast_home,
    heights_kw,
)
from energy.forecast.inputs import FloatArray
from energy.forecast.roofs import Roof, forecast_roof, roof_parts, spread_of_roofs
from energy.timegrid import parse_instant, slots_from

QUARTERS = np.arange(96)
CELLS = np.arange(96)
HOMES, SHOPS = 60, 4
CLASSES = HomeClasses(
    of=np.array([0] * HOMES + [1] * SHOPS),
    usual_kw=np.array([0.4] * HOMES + [5.0] * SHOPS),
    names=("apartment", "retail"),
)
SHAPE = 1 + 0.5 * np.sin(2 * np.pi * QUARTERS / 96)
SPREAD = 0.5


def day_of(rng: np.random.Generator, factor: FloatArray | float = 1.0) -> FloatArray:
    """A day of use (96, M): the shape, and each slot of each home by chance."""
    size = (96, len(CLASSES.of))
    chance = rng.lognormal(-(SPREAD**2) / 2, SPREAD, size)
    return np.asarray(SHAPE[:, None] * CLASSES.usual_kw * factor * chance)


def days_of(count: int, factor: FloatArray | float = 1.0, seed: int = 1) -> list[HomeDay]:
    """So many days, each told in what was expected from those before it."""
    rng = np.random.default_rng(seed)
    days: list[HomeDay] = []
    for _ in range(count):
        days.append(digest_day(CLASSES, days, day_of(rng, factor), QUARTERS, 0))
    return days


def test_without_any_day_the_registry_and_a_wide_band_speak() -> None:
    found = forecast_home(CLASSES, [], 0, CELLS, None)
    assert found.tier == "F4" and "class default" in found.reason
    assert found.expected_kw.mean() == pytest.approx(0.4, rel=0.02)
    assert (found.load_kw[6] > 3 * found.load_kw[0]).all()


def test_after_two_weeks_a_home_that_draws_double_stands_half_way() -> None:
    factor = np.where(np.arange(len(CLASSES.of)) == 7, 2.0, 1.0)
    found = heights_kw(CLASSES, days_of(14, factor))
    assert found[7] / found[8] == pytest.approx(1.5, rel=0.08)


def test_a_new_home_is_forecast_by_its_class_alone() -> None:
    days = [
        replace(
            day,
            mean_kw=np.where(np.arange(len(CLASSES.of)) == 3, np.nan, day.mean_kw),
            off_p80=np.where(np.arange(len(CLASSES.of)) == 3, np.nan, day.off_p80),
        )
        for day in days_of(20)
    ]
    found, old = (forecast_home(CLASSES, days, meter, CELLS, None) for meter in (3, 4))
    assert (found.tier, old.tier) == ("F3", "F0") and "by its class" in found.reason
    assert found.expected_kw.mean() == pytest.approx(0.4, rel=0.05)


def test_a_restless_home_has_a_wider_band_than_a_quiet_one() -> None:
    rng, days = np.random.default_rng(2), list[HomeDay]()
    for _ in range(28):
        use = day_of(rng)
        use[:, 0] = SHAPE * 0.4
        use[:, 1] = SHAPE * 0.4 * rng.lognormal(-0.5, 1.0, 96)
        days.append(digest_day(CLASSES, days, use, QUARTERS, 0))
    quiet, restless = (forecast_home(CLASSES, days, meter, CELLS, None).load_kw for meter in (0, 1))
    assert (restless[5] - restless[1]).mean() > 1.8 * (quiet[5] - quiet[1]).mean()


@pytest.mark.parametrize("meter", [0, HOMES])
def test_bands_of_a_class_hold_what_they_say(meter: int) -> None:
    """Of many homes by their own quantiles, of few by the moments of their shares."""
    assert (HOMES >= MEMBERS_MIN) and (SHOPS < MEMBERS_MIN)
    rng, days = np.random.default_rng(3), days_of(28)
    held = []
    for _ in range(12):
        use = day_of(rng)
        found = forecast_home(CLASSES, days, meter, CELLS, None)
        inside = (use[:, meter] >= found.load_kw[1]) & (use[:, meter] <= found.load_kw[5])
        held.append(inside.mean())
    assert np.mean(held) == pytest.approx(0.8, abs=0.05)


def test_all_homes_add_up_to_the_district() -> None:
    days, district_kw = days_of(10), 70 * SHAPE
    total = sum(
        forecast_home(CLASSES, days, meter, CELLS, district_kw).expected_kw
        for meter in range(len(CLASSES.of))
    )
    np.testing.assert_allclose(total, district_kw, rtol=1e-9)


def test_the_district_news_moves_a_home_by_twice_at_the_most() -> None:
    days = days_of(10)
    usual = forecast_home(CLASSES, days, 0, CELLS, None)
    wild = forecast_home(CLASSES, days, 0, CELLS, np.full(96, 1e6))
    np.testing.assert_allclose(wild.load_kw, 2 * usual.load_kw)


def test_sundays_are_told_by_sundays() -> None:
    rng, days = np.random.default_rng(4), list[HomeDay]()
    for number in range(28):
        kind = 2 if number % 7 == 6 else 0
        use = day_of(rng, np.where(CLASSES.of == 1, 0.1 if kind == 2 else 1.0, 1.0))
        days.append(digest_day(CLASSES, days, use, QUARTERS, kind))
    shop = HOMES
    weekday, sunday = (
        forecast_home(CLASSES, days, shop, kind * 96 + CELLS, None) for kind in (0, 2)
    )
    assert sunday.expected_kw.mean() < 0.3 * weekday.expected_kw.mean()


def test_a_half_known_day_tells_nothing_of_its_home() -> None:
    use = day_of(np.random.default_rng(5))
    use[:49, 2] = np.nan
    use[:48, 3] = np.nan
    day = digest_day(CLASSES, [], use, QUARTERS, 0)
    assert np.isnan(day.mean_kw[2]) and np.isfinite(day.mean_kw[3])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    gaps=st.floats(0, 1),
    zeros=st.floats(0, 1),
    slots=st.sampled_from([92, 96, 100]),
    meter=st.integers(0, HOMES + SHOPS - 1),
)
def test_whatever_meters_say_a_labelled_forecast_comes_out(
    seed: int, gaps: float, zeros: float, slots: int, meter: int
) -> None:
    """Days of 23 and 25 hours, meters that are silent, meters that stand at nought."""
    rng, days = np.random.default_rng(seed), list[HomeDay]()
    quarter = np.sort(np.resize(QUARTERS, slots))
    for _ in range(3):
        use = rng.lognormal(0, 1, (slots, len(CLASSES.of)))
        use[rng.random(use.shape) < zeros] = 0.0
        use[rng.random(use.shape) < gaps] = np.nan
        days.append(digest_day(CLASSES, days, use, quarter, 0))
    found = forecast_home(CLASSES, days, meter, CELLS, np.full(96, 40.0))
    assert np.isfinite(found.load_kw).all() and (found.load_kw >= 0).all()
    assert (np.diff(found.load_kw, axis=0) >= 0).all() and np.isfinite(found.expected_kw).all()
    assert found.tier == "F3" and found.reason


PV = PvClasses(
    np.array([30.0, 30.0]), np.array([90.0, 270.0]), np.array([[3.0, 5.0], [2.0, 0.0]]), 0.9
)
SITE = Site(36.49, 127.3, 50.0, "Asia/Seoul")
SLOTS = slots_from(parse_instant("2026-05-10T00:00", "Asia/Seoul"), 96)


def test_a_roof_to_the_east_has_its_sun_in_the_morning_and_never_more_than_its_inverter() -> None:
    district_kw = np.exp(0.3 * NORMAL_Z)[:, None] * np.where(
        (QUARTERS > 24) & (QUARTERS < 74), 6.0, 0.0
    )
    east, west = (forecast_roof(SLOTS, PV, SITE, Roof(2.0, one), district_kw) for one in (0, 1))
    assert east[3, 30:44].sum() > 1.5 * west[3, 30:44].sum()
    assert west[3, 56:70].sum() > 1.5 * east[3, 56:70].sum()
    assert max(east.max(), west.max()) <= 1.8 and not east[:, :20].any()
    assert not forecast_roof(SLOTS, PV, SITE, Roof(0.0, 0), district_kw).any()


def test_places_that_differ_widen_the_band_of_one_roof() -> None:
    lit = (QUARTERS > 24) & (QUARTERS < 74)
    district_kw = np.exp(0.1 * NORMAL_Z)[:, None] * np.where(lit, 6.0, 0.0)
    rng = np.random.default_rng(6)
    kwp = PV.kwp.ravel()
    each = roof_parts(SLOTS, PV, SITE, kwp, np.array([0, 1, 0, 1]))
    parts = each.reshape(2, 2, 96).sum(axis=1).T
    bands = []
    for deviation in (0.01, 0.3):
        area_kw = 4 * parts * np.exp(deviation * rng.standard_normal(parts.shape))
        spread = spread_of_roofs(SLOTS, PV, SITE, np.where(lit[:, None], area_kw, 0.0))
        # What an area is off, the district it is a part of is off as well, a little.
        assert 0.5 * deviation < spread < 1.3 * deviation
        day = digest_day(CLASSES, [], day_of(rng), QUARTERS, 0, spread)
        found = forecast_roof(SLOTS, PV, SITE, Roof(2.0, 0), district_kw, [day])
        assert (np.diff(found, axis=0) >= 0).all() and not found[:, ~lit].any()
        bands.append((found[5] - found[1])[36:48].mean())
    assert bands[1] > 1.5 * bands[0]
    assert np.isnan(spread_of_roofs(SLOTS, PV, SITE, np.zeros((96, 2))))


def test_the_parts_of_all_roofs_are_the_whole() -> None:
    kwp = np.array([3.0, 5.0, 2.0])
    parts = roof_parts(SLOTS, PV, SITE, kwp, np.array([0, 1, 0]))
    lit = parts.sum(axis=0)
    np.testing.assert_allclose(lit, 1.0)
