"""Where devices stand when the slot to be decided begins, and what is not believed."""

from dataclasses import replace

import numpy as np
import pytest

from energy.district import District, load_district
from energy.plant import Plant, PlantStep, SetPoints
from energy.steps.measure import LastGood, believable, carry_on
from energy.timegrid import parse_instant
from energy.units import SLOT_S

NOON = parse_instant("2026-07-15T12:00", "Asia/Seoul")
NEXT = NOON + SLOT_S


@pytest.fixture(scope="module")
def district() -> District:
    return load_district("sejong-5-1@0.02")


@pytest.fixture(scope="module")
def noon(district: District) -> PlantStep:
    plant = Plant(district, 1)
    return plant.step(plant.begin(NOON), NOON, None)


def told(district: District, noon: PlantStep, **changes: object) -> SetPoints:
    """Set-points of the slot after noon, everything idle but for the changes."""
    none = np.zeros(0)
    quiet = SetPoints(
        slot=NEXT,
        expires_s=NEXT + SLOT_S,
        fence=1,
        battery_charge_kw=np.zeros(len(district.batteries.id)),
        battery_discharge_kw=np.zeros(len(district.batteries.id)),
        unit_on=noon.telemetry.unit_on,
        unit_p_kw=noon.telemetry.unit_p_kw,
        heat_pump_kw=0.0,
        boiler_kw=None,
        pv_curtail_kw=np.zeros(district.areas),
        car=np.zeros(0, dtype=np.int64),
        car_charge_kw=none,
        car_discharge_kw=none,
    )
    return replace(quiet, **changes)  # type: ignore[arg-type]


def test_the_carried_states_are_those_that_the_plant_reaches(
    district: District, noon: PlantStep
) -> None:
    charge = np.full(len(district.batteries.id), 10.0)
    points = told(district, noon, battery_charge_kw=charge)
    after = Plant(district, 1).step(noon.state_after, NEXT, points).telemetry
    expected = carry_on(district, noon.telemetry, points, NEXT + SLOT_S)
    assert expected.e_battery_kwh == pytest.approx(after.e_battery_kwh)
    assert (expected.unit_on == after.unit_on).all()
    gas_kwh = district.units[-1].daily_fuel_kwh / 96
    # What the digester gives today is not known, only its yearly mean.
    assert expected.e_fuel_kwh == pytest.approx(after.e_fuel_kwh, abs=0.2 * gas_kwh)
    assert expected.e_heat_kwh == pytest.approx(after.e_heat_kwh, abs=200.0)  # demand is not known
    reached = dict(zip(after.cars.car.tolist(), after.cars.e_now_kwh.tolist(), strict=True))
    found = dict(zip(expected.cars.car.tolist(), expected.cars.e_now_kwh.tolist(), strict=True))
    assert found and found == pytest.approx({car: reached[car] for car in found})


def test_cars_that_leave_before_the_slot_are_not_planned_for(
    district: District, noon: PlantStep
) -> None:
    expected = carry_on(district, noon.telemetry, None, NEXT + SLOT_S)
    assert (expected.cars.departure_slot > NEXT + SLOT_S).all()


@pytest.mark.parametrize("absurd", [np.nan, -5.0, 1e9])
def test_an_absurd_area_value_is_named_and_the_last_good_one_stands_in(
    district: District, noon: PlantStep, absurd: float
) -> None:
    load_kw = noon.telemetry.p_load_kw.copy()
    load_kw[0] = absurd
    quality = np.ones(district.areas, dtype=np.int64)
    seen = replace(noon.telemetry, p_load_kw=load_kw, quality_area=quality)
    last_good = LastGood(np.full(district.areas, 7.0), np.zeros(district.areas), 0.0, 10.0)
    used, known, named = believable(district, seen, last_good)
    assert used.p_load_kw[0] == 7.0
    assert not known[0]
    assert district.network.areas.id[0] in named[0]


def test_good_values_are_left_alone(district: District, noon: PlantStep) -> None:
    load_kw = np.full(district.areas, 50.0)
    quality = np.ones(district.areas, dtype=np.int64)
    seen = replace(noon.telemetry, p_load_kw=load_kw, p_pv_kw=load_kw / 2, quality_area=quality)
    used, known, named = believable(district, seen, None)
    assert (used.p_load_kw == load_kw).all() and known.all() and named == ()
