"""A slot without the utility: nothing passes its meter, and all that is cut off is cut by rank."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.district import District
from energy.district.islanding import load_ranks
from energy.plant import Plant, PlantError, PlantState, PlantStep, SetPoints
from energy.timegrid import parse_instant
from energy.units import SLOT_S, kwh_from_kw, wh_from_kwh


def alone(plant: Plant, state: PlantState, told: SetPoints | None = None) -> PlantStep:
    return plant.step(state, state.slot, told, None, True)


def stored(state: PlantState, village: District, frac: float) -> PlantState:
    return replace(state, e_battery_kwh=frac * village.batteries.e_kwh_max)


@pytest.mark.parametrize("frac", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("hour", [0, 8])
def test_nothing_passes_the_open_point_and_every_wh_is_accounted_for(
    plant: Plant, village: District, noon: int, frac: float, hour: int
) -> None:
    state = stored(plant.begin(noon + 4 * hour * SLOT_S), village, frac)
    step = alone(plant, state)
    read, seen = step.readings, step.telemetry
    assert (read.boundary_import_wh, read.boundary_export_wh) == (0, 0)
    assert (seen.p_import_kw, seen.p_export_kw) == (0.0, 0.0)
    balance = read.asset_import_wh.sum() - read.asset_export_wh.sum() + read.loss_wh
    gone = plant.step(state, state.slot, None).readings
    assert gone.boundary_import_wh + gone.boundary_export_wh > 0
    registers = step.state_after.import_register_wh - state.import_register_wh
    back = step.state_after.export_register_wh - state.export_register_wh
    assert registers.sum() - back.sum() + balance == 0 and read.loss_wh >= 0


def test_batteries_take_what_is_left_over_within_power_and_content(
    plant: Plant, village: District, noon: int
) -> None:
    state = stored(plant.begin(noon), village, 0.5)
    step = alone(plant, state)
    net_kw = step.telemetry.battery_charge_kw - step.telemetry.battery_discharge_kw
    assert net_kw.any() and (np.abs(net_kw) <= village.batteries.p_kw_max + 1e-9).all()
    after = step.state_after.e_battery_kwh
    assert (after >= 0).all() and (after <= village.batteries.e_kwh_max + 1e-9).all()


def test_loads_are_cut_off_by_rank_and_no_more_than_needed(
    plant: Plant, village: District, noon: int
) -> None:
    dusk = noon + 32 * SLOT_S
    state = stored(plant.begin(dusk), village, 0.02)
    step, free = alone(plant, state), plant.step(state, dusk, None)
    wanted = free.state_after.import_register_wh - state.import_register_wh
    served = step.state_after.import_register_wh - state.import_register_wh
    ranks = load_ranks(village)
    part = [float(served[one.meters].sum() / wanted[one.meters].sum()) for one in ranks]
    assert step.telemetry.cars_charge_kw.sum() == pytest.approx(0.0, abs=1e-9)
    assert part[0] < 0.01 and part == sorted(part)
    partly = [one for one in part if 0.01 < one < 0.99]
    assert len(partly) <= 1


def test_with_full_batteries_the_sun_is_held_back_behind_meters_too(
    plant: Plant, village: District
) -> None:
    sunday = parse_instant("2026-05-17T12:00", "Asia/Seoul")
    state = stored(plant.begin(sunday), village, 1.0)
    step, free = alone(plant, state), plant.step(state, sunday, None)
    export_kw = free.telemetry.p_export_kw
    assert export_kw > 100
    known = step.telemetry.quality_area > 0
    less_kw = (free.telemetry.p_pv_kw - step.telemetry.p_pv_kw)[known].sum()
    held_kw = float(less_kw + step.telemetry.pv_curtailed_kw.sum())
    assert held_kw == pytest.approx(export_kw, rel=0.05)
    assert less_kw > 0 and step.readings.export_wh.sum() < free.readings.export_wh.sum()


def test_without_energy_and_without_a_running_unit_all_is_dark(
    plant: Plant, village: District, noon: int
) -> None:
    state = stored(plant.begin(noon), village, 0.0)
    still = replace(
        state, unit_on=np.zeros_like(state.unit_on), unit_up=np.zeros_like(state.unit_up)
    )
    step: Any = alone(plant, still)
    wh = wh_from_kwh(kwh_from_kw(step.telemetry.p_load_kw))
    assert not wh[np.isfinite(step.telemetry.p_load_kw)].any()
    assert step.readings.loss_wh == 0 and not step.readings.asset_export_wh.any()


def test_in_the_dark_no_car_gives_what_nobody_draws(
    plant: Plant, village: District, noon: int, told: Callable[..., SetPoints]
) -> None:
    state = stored(plant.begin(noon), village, 0.0)
    none = np.zeros_like(state.unit_on)
    cars = replace(state.cars, e_now_kwh=state.cars.e_capacity_kwh)
    still = replace(state, unit_on=none, unit_up=none, cars=cars)
    everyone = {
        "car": cars.car,
        "car_charge_kw": np.zeros(len(cars)),
        "car_discharge_kw": cars.p_kw_max,
    }
    wish = told(noon, **everyone)
    assert plant.step(still, noon, wish).telemetry.cars_discharge_kw.sum() > 1
    step = alone(plant, still, wish)
    assert step.telemetry.cars_discharge_kw.sum() == 0
    assert step.readings.loss_wh == 0 and not step.readings.asset_export_wh.any()


def off(village: District, *rows: int) -> np.ndarray[Any, Any]:
    return np.isin(np.arange(len(village.batteries.id)), rows)


@pytest.mark.parametrize("frac", [0.02, 0.5])
def test_a_battery_that_is_switched_off_neither_gives_nor_takes_for_the_others(
    plant: Plant, village: District, noon: int, told: Callable[..., SetPoints], frac: float
) -> None:
    state = stored(plant.begin(noon + 32 * SLOT_S), village, frac)
    moved = alone(plant, state, told(state.slot)).telemetry
    assert moved.battery_charge_kw[0] + moved.battery_discharge_kw[0] > 0.1
    some_kw = np.ones(len(village.batteries.id))
    marks = {"battery_discharge_kw": some_kw, "batteries_off": off(village, 0)}
    step = alone(plant, state, told(state.slot, **marks))
    seen, before = step.telemetry, state.e_battery_kwh
    assert seen.battery_charge_kw[0] == seen.battery_discharge_kw[0] == 0
    assert step.state_after.e_battery_kwh[0] == before[0]
    assert (seen.battery_charge_kw + seen.battery_discharge_kw)[1:].all()


def test_batteries_that_are_switched_off_hold_no_voltage(
    plant: Plant, village: District, noon: int, told: Callable[..., SetPoints]
) -> None:
    state = stored(plant.begin(noon), village, 0.5)
    none = np.zeros_like(state.unit_on)
    still = replace(state, unit_on=none, unit_up=none)
    every = off(village, *range(len(village.batteries.id)))
    lit, dark = (
        alone(plant, still, told(noon, batteries_off=which)).telemetry.p_load_kw
        for which in (None, every)
    )
    assert np.nansum(lit) > 1 and np.nansum(dark) == 0


def test_switched_off_batteries_are_one_mark_each(
    plant: Plant, village: District, noon: int, told: Callable[..., SetPoints]
) -> None:
    wrong = told(noon, batteries_off=np.ones(len(village.batteries.id) + 1, dtype=np.bool_))
    with pytest.raises(PlantError, match="batteries_off"):
        alone(plant, plant.begin(noon), wrong)
    right = told(noon, batteries_off=off(village, 0))
    read = SetPoints.from_bytes(right.to_bytes())
    assert read.batteries_off is not None
    assert np.array_equal(read.batteries_off, off(village, 0))
