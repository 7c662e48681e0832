"""Zero-energy grades: boundaries belong to the better grade, and primary energy is what counts."""

import numpy as np
import pytest

from energy.district import load_district
from energy.study.buildings import (
    Energies,
    count_grades,
    grade_buildings,
    grade_of,
    grade_of_net,
)


@pytest.mark.parametrize(
    ("frac", "grade"),
    [
        (1.2, "plus"), (1.199999, "1"), (1.0, "1"), (0.999999, "2"), (0.8, "2"), (0.6, "3"),
        (0.4, "4"), (0.2, "5"), (0.199999, "none"), (0.0, "none"),
    ],
)  # fmt: skip
def test_a_boundary_belongs_to_the_better_grade(frac: float, grade: str) -> None:
    assert grade_of(frac) == grade


@pytest.mark.parametrize(
    ("net", "homes", "others"),
    [
        (-70.1, "plus", "plus"), (-70.0, "plus", "1"), (-10.0, "1", "2"), (10.0, "2", "3"),
        (49.9, "3", "3"), (50.0, "4", "4"), (89.9, "5", "4"), (90.0, "none", "5"),
        (130.0, "none", "none"),
    ],
)  # fmt: skip
def test_net_primary_energy_must_lie_below_a_boundary(net: float, homes: str, others: str) -> None:
    assert (grade_of_net(net, "apartment"), grade_of_net(net, "office")) == (homes, others)


def test_electricity_counts_2_75_heat_0_728_and_gas_1_1() -> None:
    # 100 kWh of power, 1,000 of heat and 200 of gas are 275 + 728 + 220 primary; 100 of sun 275.
    year = Energies(load=100.0, heat=1000.0, fuel=200.0, solar=100.0)
    assert year.self_sufficiency_frac == pytest.approx(275 / 1223)
    assert year.net_primary_kwh_per_m2(10.0) == pytest.approx(94.8)
    assert Energies(0.0, 0.0, 0.0, 5.0).self_sufficiency_frac is None
    assert year.net_primary_kwh_per_m2(0.0) is None


def test_an_apartment_building_is_one_and_each_house_is_another() -> None:
    district = load_district("sejong-5-1@0.1")
    none = np.zeros(len(district.meters.account))
    found = grade_buildings(district, none + 1.0, none, heat_kwh=0.0)
    counts = {use: sum(one.use == use for one in found) for use in ("apartment", "detached")}
    # 110 buildings and 500 houses of the whole district, a tenth of them here.
    assert counts == {"apartment": 11, "detached": 50}
    homes = [one for one in found if one.use == "apartment"]
    assert sum(one.meters for one in homes) == 850
    assert all(one.floor_m2 == pytest.approx(85.0 * one.meters) for one in homes)
    office = next(one for one in found if one.use == "office")
    assert office.meters > 1 and office.fuel_kwh == pytest.approx(49.0 * office.floor_m2, rel=1e-3)


def test_the_better_of_two_ways_counts() -> None:
    district = load_district("sejong-5-1@0.01")
    meters = district.meters
    # 20 kWh of power a square metre are 55 primary: no sun, so only the second way gives a grade.
    found = grade_buildings(district, 20.0 * meters.floor_m2, 0.0 * meters.floor_m2, heat_kwh=0.0)
    assert {one.grade for one in found if one.use == "apartment"} == {"4"}


def test_every_meter_but_street_lighting_stands_in_one_building() -> None:
    district = load_district("sejong-5-1@0.01")
    count = len(district.meters.account)
    lights = sum(use == "street_lighting" for use in district.meters.use)
    load, sun = np.full(count, 1000.0), np.where(district.meters.pv_kwp > 0, 800.0, 0.0)
    found = grade_buildings(district, load, sun, heat_kwh=0.0)
    assert sum(one.meters for one in found) == count - lights
    assert sum(one.solar_kwh for one in found) == pytest.approx(sun.sum())
    assert sum(count_grades(found).values()) == len(found)
    # A house without heat that uses 1,000 kWh and makes 800 has 5 kWh net a square metre: grade 1.
    houses = [one for one in found if one.use == "detached" and one.solar_kwh == 800.0]
    assert {(one.self_sufficiency_frac, one.grade) for one in houses} == {(0.8, "1")}


def test_heat_is_shared_by_the_homes_that_are_not_heated_electrically() -> None:
    district = load_district("sejong-5-1@0.01")
    none = np.zeros(len(district.meters.account))
    found = grade_buildings(district, none, none, heat_kwh=1000.0)
    assert sum(one.heat_kwh for one in found) == pytest.approx(1000.0, rel=1e-2)
    assert all(one.heat_kwh == 0 for one in found if one.use not in ("apartment", "detached"))
