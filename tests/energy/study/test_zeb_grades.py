"""Zero-energy grades: boundaries belong to the better grade, and primary energy is what counts."""

import numpy as np
import pytest

from energy.district import load_district
from energy.study.buildings import count_grades, grade_buildings, grade_of, self_sufficiency


@pytest.mark.parametrize(
    ("frac", "grade"),
    [
        (1.2, "plus"), (1.199999, "1"), (1.0, "1"), (0.999999, "2"), (0.8, "2"), (0.6, "3"),
        (0.4, "4"), (0.2, "5"), (0.199999, "none"), (0.0, "none"),
    ],
)  # fmt: skip
def test_a_boundary_belongs_to_the_better_grade(frac: float, grade: str) -> None:
    assert grade_of(frac) == grade


def test_electricity_counts_2_75_and_district_heat_0_728() -> None:
    # 100 kWh of power and 1,000 kWh of heat are 275 + 728 kWh primary; 100 kWh of sun are 275.
    assert self_sufficiency(100.0, 1000.0, 100.0) == pytest.approx(275 / 1003)
    assert self_sufficiency(0.0, 0.0, 5.0) is None


def test_every_meter_but_street_lighting_stands_in_one_building() -> None:
    district = load_district("sejong-5-1@0.01")
    count = len(district.meters.account)
    lights = sum(use == "street_lighting" for use in district.meters.use)
    load, sun = np.full(count, 1000.0), np.where(district.meters.pv_kwp > 0, 800.0, 0.0)
    found = grade_buildings(district, load, sun, heat_kwh=0.0)
    assert sum(one.meters for one in found) == count - lights
    assert sum(one.solar_kwh for one in found) == pytest.approx(sun.sum())
    assert sum(count_grades(found).values()) == len(found)
    # Without heat, who uses 1,000 kWh and makes 800 has grade 2.
    assert {one.grade for one in found if one.solar_kwh == 800.0 * one.meters} == {"2"}


def test_heat_is_shared_by_the_homes_that_are_not_heated_electrically() -> None:
    district = load_district("sejong-5-1@0.01")
    none = np.zeros(len(district.meters.account))
    found = grade_buildings(district, none, none, heat_kwh=1000.0)
    assert sum(one.heat_kwh for one in found) == pytest.approx(1000.0, rel=1e-2)
    assert all(one.heat_kwh == 0 for one in found if one.use not in ("apartment", "detached"))
