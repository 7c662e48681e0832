"""Buildings and heat: yearly energies, August evenings, seasons, kinds of days, own noise."""

from dataclasses import replace

import numpy as np
import pytest

from energy.district import District
from energy.forecast import sky_at
from energy.plant.drivers import Driver, DriverSet, sun_elevation_deg
from energy.plant.heat import HeatDemand
from energy.plant.interface import PlantError
from energy.plant.load import BuildingLoad
from energy.plant.weather import WeatherSource, site_of
from energy.timegrid import parse_instant, slots_from
from energy.units import SLOT_S

HOUR_S, DAY_S = 3600, 86400
YEAR = parse_instant("2026-01-01", "Asia/Seoul")
# KEPCO's residential coefficients of August, hour-ending labels, mean 1000 (korea.md 5.2).
AUGUST = {14: 1016, 15: 1017, 18: 1091, 19: 1177, 20: 1275, 21: 1330, 22: 1321, 23: 1255, 24: 1126}


@pytest.fixture(scope="module")
def load(village: District) -> BuildingLoad:
    return BuildingLoad(village, WeatherSource(site_of(village), 1), 1)


def hourly(load: BuildingLoad, first: int, days: int) -> np.ndarray:
    """Expected kW of every meter at half past each hour, (days, 24, M)."""
    kw = [load.expected_kw(first + n * HOUR_S + 2 * SLOT_S) for n in range(24 * days)]
    return np.array(kw).reshape(days, 24, -1)


def ordinary_homes(village: District) -> np.ndarray:
    return np.isin(village.meters.use, ["apartment", "detached"]) & ~village.meters.all_electric


def test_a_year_adds_up_to_the_districts_yearly_energy_by_use(
    village: District, load: BuildingLoad
) -> None:
    # Every fifth day, so that each weekday counts alike; sampling a fifth of the year costs 2 %.
    kw = np.mean([hourly(load, YEAR + d * DAY_S, 1).mean(axis=(0, 1)) for d in range(0, 365, 5)], 0)
    use = np.array(village.meters.use)
    for name in sorted(set(village.meters.use)):
        yearly = village.meters.annual_kwh[use == name].sum()
        assert kw[use == name].sum() * 8760 == pytest.approx(yearly, rel=0.03), name


def test_chance_leaves_the_mean_of_twelve_days_alone(village: District, load: BuildingLoad) -> None:
    ratios = []
    for day in range(12):
        slots = slots_from(YEAR + day * 30 * DAY_S, 96)[::4]
        drawn = sum(load.at(int(slot)).sum() for slot in slots)
        ratios.append(drawn / sum(load.expected_kw(int(slot)).sum() for slot in slots))
    # 500 meters of 0.2 day to day, and 2 % that all have in common.
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.02)
    assert 0.003 < np.std(ratios) < 0.06


def test_homes_in_august_have_the_published_evening(village: District, load: BuildingLoad) -> None:
    day = hourly(load, parse_instant("2026-08-01", "Asia/Seoul"), 31).mean(axis=0)
    home = day[:, ordinary_homes(village)].sum(axis=1)
    coefficient = 1000 * home / home.mean()
    for label, published in AUGUST.items():
        # The published figures are of 2015 and of the whole country: 4 %.
        assert coefficient[label - 1] == pytest.approx(published, rel=0.04), label


def test_a_home_uses_in_august_what_korean_homes_used(
    village: District, load: BuildingLoad
) -> None:
    kw = hourly(load, parse_instant("2026-08-01", "Asia/Seoul"), 31)
    homes = ordinary_homes(village)
    kwh = kw[:, :, homes].sum() / homes.sum()
    # 325 in the cool August of 2022, 363 in the hot one of 2024 (korea.md 5.1), 5 % around.
    assert 310 < kwh < 381


def test_spring_mornings_stand_above_noon_and_below_the_evening(
    village: District, load: BuildingLoad
) -> None:
    day = hourly(load, parse_instant("2026-04-06", "Asia/Seoul"), 5).mean(axis=0)
    home = day[:, ordinary_homes(village)].sum(axis=1)
    morning, noon, evening = home[8:10].mean(), home[12:15].mean(), home[19:23].max()
    assert noon < morning < evening


def test_offices_rest_on_sundays_and_holidays(village: District, load: BuildingLoad) -> None:
    office = np.array(village.meters.use) == "office"
    week = hourly(load, parse_instant("2026-10-12", "Asia/Seoul"), 7)[:, 10:17, office].sum((1, 2))
    assert week[6] < 0.45 * week[:5].mean()
    assert week[5] < 0.6 * week[:5].mean()
    # Hangul Day, a Friday.
    holiday = hourly(load, parse_instant("2026-10-09", "Asia/Seoul"), 1)[0, 10:17, office].sum()
    assert holiday < 0.45 * week[4]


def test_schools_are_quiet_in_the_vacation(village: District, load: BuildingLoad) -> None:
    school = np.array(village.meters.use) == "school"
    july = hourly(load, parse_instant("2026-07-14", "Asia/Seoul"), 2)[:, 10:15, school].mean()
    august = hourly(load, parse_instant("2026-08-04", "Asia/Seoul"), 2)[:, 10:15, school].mean()
    assert august < 0.8 * july


def test_all_electric_homes_use_most_in_winter(village: District, load: BuildingLoad) -> None:
    electric = village.meters.all_electric
    january = hourly(load, parse_instant("2026-01-10", "Asia/Seoul"), 7)[:, :, electric].mean()
    may = hourly(load, parse_instant("2026-05-10", "Asia/Seoul"), 7)[:, :, electric].mean()
    assert january > 1.7 * may


def test_heat_waves_raise_the_load(village: District) -> None:
    weather = WeatherSource(site_of(village), 1)
    load = BuildingLoad(village, weather, 1)
    first = parse_instant("2026-07-01", "Asia/Seoul")
    felt, kw = [], []
    for day in range(44):
        slot = first + day * DAY_S + 20 * HOUR_S
        felt.append(weather.at(slot).felt_c[0])
        kw.append(load.expected_kw(slot)[ordinary_homes(village)].sum())
    assert np.corrcoef(felt, kw)[0, 1] > 0.9


def test_one_home_is_noisier_than_many(village: District, load: BuildingLoad) -> None:
    slots = slots_from(parse_instant("2026-10-13", "Asia/Seoul"), 96)
    homes = np.flatnonzero(ordinary_homes(village))
    drawn = np.array([load.at(int(slot))[homes] for slot in slots])
    ratio = drawn / np.array([load.expected_kw(int(slot))[homes] for slot in slots])
    one, many = ratio[:, :20].std(axis=0).mean(), ratio.mean(axis=1).std()
    assert one > 0.35
    assert many < 0.25 * one
    # Neighbouring quarter hours of a home hang together, those of two homes do not.
    log = np.log(ratio)
    later = [np.corrcoef(log[:-1, n], log[1:, n])[0, 1] for n in range(40)]
    apart = [np.corrcoef(log[:, n], log[:, n + 1])[0, 1] for n in range(40)]
    assert np.mean(later) > 0.3
    assert abs(np.mean(apart)) < 0.1


def test_lamps_follow_the_sun(village: District) -> None:
    slots = slots_from(YEAR, 365 * 96)[::7]
    place = (village.latitude_deg, village.longitude_deg)
    elevation = sun_elevation_deg(slots, *place)
    exact = sky_at(slots, *place, village.altitude_m).elevation_deg
    high = exact > 3  # below it pvlib counts refraction
    assert elevation[high] == pytest.approx(exact[high], abs=0.5)


def test_a_driver_is_one_in_the_mean_of_its_year(village: District) -> None:
    drivers = [Driver("lamps"), Driver("cool-home", 1, 22.5), Driver("office")]
    found = DriverSet(WeatherSource(site_of(village), 1), drivers)
    # The scale's year begins at midnight UTC.
    slots = slots_from(parse_instant("2026-01-01T00:00+00:00"), 365 * 96)
    mean = np.mean([found.at(int(slot)) for slot in slots], axis=0)
    assert mean == pytest.approx([1.0, 1.0, 1.0], abs=0.002)


def test_heat_adds_up_and_peaks_where_it_is_said_to(village: District) -> None:
    heat = HeatDemand(village, WeatherSource(site_of(village), 1), 1)
    kw = np.array([heat.at(YEAR + n * HOUR_S) for n in range(8760)])
    assert village.heat is not None
    assert kw.sum() == pytest.approx(village.heat.annual_demand_kwh, rel=0.02)
    # The peak follows the winter's coldest hour: a quarter up or down, and capped above.
    assert 0.75 < kw.max() / village.heat.peak_kw <= 1.1
    assert kw[4344:5832].mean() < 0.4 * kw[:1416].mean()  # July and August against January


def test_a_use_without_a_profile_is_named(village: District) -> None:
    strange = replace(village.meters, use=("castle", *village.meters.use[1:]))
    with pytest.raises(PlantError, match=r"meter use 'castle': no profile, allowed: apartment,"):
        BuildingLoad(replace(village, meters=strange), WeatherSource(site_of(village), 1), 1)
