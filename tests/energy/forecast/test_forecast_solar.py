"""Clear-sky physics: the sun's own facts, and planes that matter."""

import numpy as np
import pytest

from energy.forecast import clear_sky_kw_per_kwp, cloudless_frac, sky_at
from energy.timegrid import parse_instant, slots_from

SEJONG = (36.49, 127.27, 40.0)


def day(start: str, tilt: list[float], azimuth: list[float], air_c: float = 20.0) -> np.ndarray:
    slots = slots_from(parse_instant(start, "Asia/Seoul"), 96)
    planes = np.array(tilt), np.array(azimuth)
    return clear_sky_kw_per_kwp(slots, *planes, *SEJONG, np.full(96, air_c), 0.9)


def test_noon_sun_stands_at_90_minus_latitude_plus_declination() -> None:
    solstice = slots_from(parse_instant("2026-06-21", "Asia/Seoul"), 96)
    assert sky_at(solstice, *SEJONG).elevation_deg.max() == pytest.approx(
        90 - 36.49 + 23.44, abs=0.2
    )
    equinox = slots_from(parse_instant("2026-03-20", "Asia/Seoul"), 96)
    assert sky_at(equinox, *SEJONG).elevation_deg.max() == pytest.approx(90 - 36.49, abs=0.4)


def test_power_is_zero_exactly_where_the_sun_is_down() -> None:
    slots = slots_from(parse_instant("2026-06-21", "Asia/Seoul"), 96)
    power = day("2026-06-21", [0.0, 90.0], [180.0, 0.0])
    down = sky_at(slots, *SEJONG).elevation_deg <= 0
    assert 30 < down.sum() < 50
    assert np.all(power[down] == 0.0)
    assert np.all(power[:, 0][~down][2:-2] > 0)


def test_east_leads_west_and_south_beats_north() -> None:
    power = day("2026-10-05", [30.0] * 4, [90.0, 270.0, 180.0, 0.0])
    centre = (np.arange(96)[:, None] * power).sum(axis=0) / power.sum(axis=0) / 4
    assert centre[0] < centre[2] - 0.5 < centre[1] - 1.0
    assert power[:, 2].sum() > 1.5 * power[:, 3].sum()


def test_a_steeper_facade_gains_in_winter_and_loses_in_summer() -> None:
    winter = day("2026-12-21", [10.0, 60.0], [180.0, 180.0]).sum(axis=0)
    summer = day("2026-06-21", [10.0, 60.0], [180.0, 180.0]).sum(axis=0)
    assert winter[1] > 1.3 * winter[0]
    assert summer[1] < 0.9 * summer[0]


def test_heat_costs_power_and_the_inverter_caps_it() -> None:
    cold, hot = day("2026-05-01", [30.0], [180.0], -5.0), day("2026-05-01", [30.0], [180.0], 35.0)
    lit = hot[:, 0] > 0.2
    loss = 1 - hot[lit, 0] / cold[lit, 0]
    assert np.all((loss > 0.10) & (loss < 0.20))
    slots = slots_from(parse_instant("2026-05-01", "Asia/Seoul"), 96)
    capped = clear_sky_kw_per_kwp(
        slots, np.array([30.0]), np.array([180.0]), *SEJONG, np.full(96, 0.0), 0.5
    )
    assert capped.max() == 0.5


def test_a_clear_summer_day_yields_five_to_seven_hours_of_full_power() -> None:
    # Korean utilities count about 3.6 h a day over all weather; a cloudless June day about 6.
    energy = day("2026-06-10", [20.0], [180.0])[:, 0].sum() / 4
    assert 5.0 < energy < 7.0


def test_slots_in_any_order_give_the_same_power() -> None:
    slots = slots_from(parse_instant("2026-06-21", "Asia/Seoul"), 192)
    planes = np.array([20.0]), np.array([200.0])
    order = np.random.default_rng(1).permutation(192)
    straight = clear_sky_kw_per_kwp(slots, *planes, *SEJONG, np.full(192, 20.0))
    shuffled = clear_sky_kw_per_kwp(slots[order], *planes, *SEJONG, np.full(192, 20.0))
    assert np.array_equal(straight[order], shuffled)
    assert clear_sky_kw_per_kwp(slots[:0], *planes, *SEJONG, np.zeros(0)).shape == (0, 1)


def test_clouds_let_a_quarter_through_at_least() -> None:
    assert cloudless_frac(np.array([0.0, 1.0, 2.0])) == pytest.approx([1.0, 0.25, 0.25])
