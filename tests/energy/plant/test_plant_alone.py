"""A slot without the utility: nothing passes its meter, and all that is cut off is cut by rank."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.district import District
from energy.district.islanding import load_ranks
from energy.plant import Plant, PlantState, PlantStep
from energy.timegrid import parse_instant
from energy.units import SLOT_S, kwh_from_kw, wh_from_kwh


def alone(plant: Plant, state: PlantState) -> PlantStep:
    return plant.step(state, state.slot, None, None, True)


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
