"""A slot of the whole district: repeatable, deaf to what it should not hear, within its limits."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from time import process_time

import numpy as np
import pytest

from energy.district import District, load_district
from energy.forecast import split
from energy.forecast.inputs import ChargerGroups
from energy.plant import (
    Departures,
    Plant,
    PlantError,
    PlantState,
    PlantStep,
    SetPoints,
    Telemetry,
)
from energy.units import SLOT_S

Run = Callable[..., list[PlantStep]]
Told = Callable[..., SetPoints]
OUTSIDE = ("p_load_kw", "p_pv_kw", "heat_kw", "temperature_c", "cloud_frac", "wind_m_per_s")


def alike(first: object, second: object) -> bool:
    """Whether two records hold the same bits, field by field."""
    if is_dataclass(first):
        return all(
            alike(getattr(first, one.name), getattr(second, one.name)) for one in fields(first)
        )
    if isinstance(first, np.ndarray):
        assert isinstance(second, np.ndarray)
        return first.dtype == second.dtype and first.tobytes() == second.tobytes()
    return bool(first == second)


def net_into_wires_kw(district: District, seen: Telemetry) -> float:
    """What everything but the losses draws, from telemetry alone."""
    batteries = (seen.battery_charge_kw - seen.battery_discharge_kw).sum()
    cars = (seen.cars_charge_kw - seen.cars_discharge_kw).sum()
    solar = (seen.p_pv_kw - seen.pv_curtailed_kw).sum()
    return float(
        seen.p_load_kw.sum() - solar + batteries + cars + seen.heat_pump_kw - seen.unit_p_kw.sum()
    )


def wild(district: District, state: PlantState, rng: np.random.Generator) -> dict[str, object]:
    """Set-points far outside every limit, and some that are no numbers."""
    cars, batteries, units = len(state.cars), len(district.batteries.id), len(district.units)

    def absurd(size: int) -> np.ndarray:
        return rng.choice([0.0, 1e9, np.inf, -np.inf, np.nan, -5.0, 3.0], size)

    return {
        "battery_charge_kw": absurd(batteries),
        "battery_discharge_kw": absurd(batteries),
        "unit_on": rng.integers(-5, 99, units),
        "unit_p_kw": absurd(units),
        "heat_pump_kw": float(absurd(1)[0]),
        "boiler_kw": float(absurd(1)[0]),
        "pv_curtail_kw": absurd(district.areas),
        "car": rng.permutation(state.cars.car),
        "car_charge_kw": absurd(cars),
        "car_discharge_kw": absurd(cars),
    }


def test_the_same_slot_again_gives_the_same_bits(
    plant: Plant, village: District, run: Run, told: Told, noon: int
) -> None:
    steps = run(plant, noon, 5)
    state = PlantState.from_bytes(steps[-1].state_after.to_bytes())
    setpoints = told(
        state.slot,
        heat_pump_kw=50.0,
        car=state.cars.car[:3],
        car_charge_kw=np.ones(3),
        car_discharge_kw=np.zeros(3),
    )
    first = plant.step(state, state.slot, setpoints)
    # Another plant, that has run other slots before; set-points that went through the store.
    other = Plant(village, plant.seed)
    other.step(other.begin(noon + 86400), noon + 86400, None)
    second = other.step(state, state.slot, SetPoints.from_bytes(setpoints.to_bytes()))
    assert alike(first, second)
    assert first.state_after.to_bytes() == second.state_after.to_bytes()


def test_a_state_survives_its_bytes(plant: Plant, run: Run, noon: int) -> None:
    state = run(plant, noon, 96)[-1].state_after
    assert alike(state, PlantState.from_bytes(state.to_bytes()))
    assert len(state.pending.due_slot) > 0


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x78\x01"])
def test_damaged_bytes_are_refused(damage: bytes) -> None:
    with pytest.raises(ValueError, match="PlantState"):
        PlantState.from_bytes(damage)


def test_bytes_of_another_record_are_refused(plant: Plant, noon: int) -> None:
    with pytest.raises(ValueError, match="SetPoints: no field expires_s"):
        SetPoints.from_bytes(plant.begin(noon).to_bytes())


def test_what_the_loop_does_changes_nothing_about_people_and_weather(
    plant: Plant, village: District, run: Run, told: Told, noon: int
) -> None:
    rng = np.random.default_rng(3)
    left_alone = run(plant, noon, 40)
    pushed = run(plant, noon, 40, lambda s: told(s.slot, **wild(village, s, rng)))
    for quiet, loud in zip(left_alone, pushed, strict=True):
        for name in OUTSIDE:
            assert alike(getattr(quiet.telemetry, name), getattr(loud.telemetry, name)), name
        assert quiet.telemetry.cars.car.tolist() == loud.telemetry.cars.car.tolist()
        assert alike(quiet.telemetry.units_up, loud.telemetry.units_up)
        assert alike(quiet.telemetry.cars_uncontrolled_kw, loud.telemetry.cars_uncontrolled_kw)
        assert alike(quiet.readings.import_wh, loud.readings.import_wh)
        assert alike(quiet.readings.quality, loud.readings.quality)
        assert alike(quiet.readings.late, loud.readings.late)


def test_absurd_set_points_leave_every_device_within_its_limits(
    plant: Plant, village: District, run: Run, told: Told, noon: int
) -> None:
    rng = np.random.default_rng(4)
    table, heat = village.batteries, village.heat
    assert heat is not None
    for step in run(plant, noon, 60, lambda s: told(s.slot, **wild(village, s, rng))):
        seen = step.telemetry
        assert seen.setpoints == "applied" and len(seen.deviations) > 0
        assert ((seen.e_battery_kwh >= 0) & (seen.e_battery_kwh <= table.e_kwh_max)).all()
        both = np.maximum(seen.battery_charge_kw, seen.battery_discharge_kw)
        assert (both <= table.p_kw_max).all()
        points_kw = village.chargers.count * np.maximum(village.chargers.p_kw, 10.0)
        assert (seen.cars_charge_kw <= points_kw).all()
        assert (seen.cars_discharge_kw <= village.chargers.v2g_count * 10.0).all()
        e_car = seen.cars.e_now_kwh
        assert ((e_car >= 0) & (e_car <= seen.cars.e_capacity_kwh)).all()
        assert 0 <= seen.heat_pump_kw <= heat.heat_pump_kw_max
        assert 0 <= seen.boiler_kw <= heat.boiler_kw_max
        assert 0 <= seen.e_heat_kwh <= heat.store_kwh_max
        for row, unit in enumerate(village.units):
            on = seen.unit_on[row]
            assert 0 <= on <= seen.units_up[row] <= unit.count
            assert on * unit.p_kw_min - 1e-9 <= seen.unit_p_kw[row] <= on * unit.p_kw_max + 1e-9
        good = seen.quality_area * (seen.p_pv_kw >= 0) > 0
        assert (seen.pv_curtailed_kw[good] <= seen.p_pv_kw[good] + 1e-9).all()
        assert seen.flow_converged


def test_telemetry_adds_up_to_the_utilitys_meter(
    plant: Plant, village: District, run: Run, noon: int
) -> None:
    for step in run(plant, noon, 24):
        seen = step.telemetry
        if not (seen.quality_area == 1).all():
            continue
        net = net_into_wires_kw(village, seen) + seen.loss_kw
        assert seen.p_import_kw - seen.p_export_kw == pytest.approx(net, abs=1e-6)


def test_energy_of_the_stores_is_kept_to_the_watt_hour(
    plant: Plant, village: District, run: Run, told: Told, noon: int
) -> None:
    rng = np.random.default_rng(5)
    table, before = village.batteries, plant.begin(noon)

    def rule(state: PlantState) -> SetPoints:
        charge, discharge = rng.uniform(0, 1, (2, len(table.id))) * table.p_kw_max
        return told(state.slot, battery_charge_kw=charge, battery_discharge_kw=discharge)

    for step in run(plant, noon, 30, rule):
        seen = step.telemetry
        moved = table.eta_charge * seen.battery_charge_kw
        moved = moved - seen.battery_discharge_kw / table.eta_discharge
        assert seen.e_battery_kwh - before.e_battery_kwh == pytest.approx(moved * 0.25, abs=1e-3)
        before = step.state_after


def test_cars_that_all_charge_at_once_keep_every_promise(
    plant: Plant, village: District, run: Run, noon: int
) -> None:
    steps = run(plant, noon, 96)
    for step in steps:
        seen = step.telemetry
        assert seen.departures.kept.all()
        assert seen.cars_charge_kw == pytest.approx(seen.cars_uncontrolled_kw, abs=1e-9)
        assert seen.cars_discharge_kw.sum() == 0
    assert sum(len(step.telemetry.departures) for step in steps) > 30


def test_every_car_that_comes_leaves_once_with_what_it_was_given(
    plant: Plant, village: District, run: Run, told: Told, noon: int
) -> None:
    def starve(state: PlantState) -> SetPoints:
        none = np.zeros(len(state.cars))
        return told(state.slot, car=state.cars.car, car_charge_kw=none, car_discharge_kw=none)

    begin = plant.begin(noon)
    here = dict(zip(begin.cars.car.tolist(), begin.cars.e_now_kwh.tolist(), strict=True))
    broken = 0
    for step in run(plant, noon, 96, starve):
        seen, gone = step.telemetry, step.telemetry.departures
        assert isinstance(gone, Departures)
        for row, name in enumerate(gone.car.tolist()):
            assert gone.delivered_kwh[row] == here.pop(name)
            assert gone.kept[row] == (gone.delivered_kwh[row] >= gone.due_kwh[row] - 0.01)
            broken += not gone.kept[row]
        assert set(here) <= set(seen.cars.car.tolist())
        here = dict(zip(seen.cars.car.tolist(), seen.cars.e_now_kwh.tolist(), strict=True))
    # A car that nobody lets charge leaves with what it brought.
    assert broken > 30


def test_a_planned_split_keeps_promises_that_the_plan_delays(
    plant: Plant, village: District, run: Run, told: Told, noon: int
) -> None:
    """The loop's own dealing-out: no charging asked for, only what the promises need is done."""
    table = village.chargers
    groups = ChargerGroups(
        table.kind, table.count, table.p_kw, table.p_v2g_kw, table.cars_per_day, table.eta
    )
    nothing = np.zeros(len(table.count))

    def late(state: PlantState) -> SetPoints:
        powers = split(state.cars, groups, state.slot, nothing, nothing)
        return told(
            state.slot,
            car=powers.car,
            car_charge_kw=powers.charge_kw,
            car_discharge_kw=powers.discharge_kw,
        )

    gone = [step.telemetry.departures for step in run(plant, noon, 96, late)]
    assert all(one.kept.all() for one in gone)
    assert sum(len(one) for one in gone) > 30


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "applied"),
        ({"expires_s": +1}, "applied"),
        ({"expires_s": -1}, "expired"),
        ({"slot": SLOT_S}, "for a later slot"),
        ({"slot": -SLOT_S}, "applied"),
        ({"told_s": SLOT_S - 1}, "applied"),
        ({"told_s": SLOT_S}, "told after the slot"),
        ({"fence": -1}, "lower fence"),
        ({"fence": +5}, "applied"),
    ],
)
def test_set_points_are_obeyed_refused_or_let_expire(
    plant: Plant, told: Told, noon: int, change: dict[str, int], status: str
) -> None:
    state = replace(plant.begin(noon), fence=7)
    right = told(noon, fence=7, told_s=noon)
    moved = {name: getattr(right, name) + by for name, by in change.items()}
    step = plant.step(state, noon, replace(right, **moved))
    assert step.telemetry.setpoints == status
    obeyed = status == "applied"
    # Told to rest, the units ramp down or stop; left to themselves they hold their output.
    held = step.telemetry.unit_p_kw.sum() == pytest.approx(state.unit_p_kw.sum())
    assert held != obeyed
    assert step.state_after.fence == max(7, moved.get("fence", 7))


def test_without_set_points_each_device_goes_to_its_default(
    plant: Plant, run: Run, told: Told, village: District, noon: int
) -> None:
    state = plant.begin(noon)
    busy = plant.step(
        state,
        noon,
        told(noon, battery_charge_kw=village.batteries.p_kw_max, heat_pump_kw=100.0, fence=1),
    )
    silent = plant.step(busy.state_after, noon + SLOT_S, None).telemetry
    assert silent.setpoints == "none" and silent.deviations == ()
    assert silent.battery_charge_kw.sum() == silent.battery_discharge_kw.sum() == 0
    assert silent.heat_pump_kw == 0
    assert silent.unit_on.tolist() == np.minimum(busy.telemetry.unit_on, silent.units_up).tolist()


def test_what_buses_draw_without_a_plan_is_what_the_steps_let_through_the_utilitys_meter(
    plant: Plant, noon: int
) -> None:
    state, sums = plant.begin(noon), []
    for slot in range(noon, noon + 12 * SLOT_S, SLOT_S):
        step = plant.step(state, slot, None)
        seen = step.telemetry
        sums.append(seen.p_import_kw - seen.p_export_kw - seen.loss_kw)
        state = step.state_after
    drawn = list(plant.without_plan(noon, 12))
    assert [float(each.p_kw.sum()) for each in drawn] == pytest.approx(sums, abs=1e-6)
    buses = len(plant.district.network.buses.id)
    assert all(each.p_kw.shape == each.q_kvar.shape == (buses,) for each in drawn)


def test_set_points_for_another_district_are_an_error(plant: Plant, told: Told, noon: int) -> None:
    wrong = told(noon, battery_charge_kw=np.zeros(99))
    with pytest.raises(PlantError, match=r"battery_charge_kw: shape \(99,\), allowed: \("):
        plant.step(plant.begin(noon), noon, wrong)


def test_a_slot_that_is_not_the_states_is_an_error(plant: Plant, noon: int) -> None:
    with pytest.raises(PlantError, match="allowed"):
        plant.step(plant.begin(noon), noon + SLOT_S, None)


def test_only_the_operators_solar_can_be_held_back(
    plant: Plant, village: District, told: Told, noon: int
) -> None:
    state = plant.begin(noon)
    free = plant.step(state, noon, None)
    held = plant.step(state, noon, told(noon, pv_curtail_kw=np.full(village.areas, 1e6)))
    solar = slice(-village.areas, None)
    assert free.readings.asset_export_wh[solar].sum() > 0
    assert held.readings.asset_export_wh[solar].sum() == 0
    assert alike(held.readings.export_wh, free.readings.export_wh)
    assert any(one.what == "pv_curtail_kw" for one in held.telemetry.deviations)


def test_archive_and_later_slots_are_one_record(plant: Plant, run: Run, noon: int) -> None:
    steps = run(plant, noon, 96)
    record = plant.archive(noon + 86400, 1)
    assert record.slot.tolist() == [step.telemetry.slot for step in steps]
    for name, column in (("p_load_kw", record.load_kw), ("p_pv_kw", record.pv_kw)):
        lived = np.array([getattr(step.telemetry, name) for step in steps])
        # The archive adds the operator's and the meters' solar in another order.
        np.testing.assert_allclose(column, lived, rtol=1e-9)
    assert record.heat_kw.tolist() == [step.telemetry.heat_kw for step in steps]
    assert record.cloud_frac.tolist() == [step.telemetry.cloud_frac for step in steps]


def test_past_stays_are_those_that_came(plant: Plant, run: Run, noon: int) -> None:
    begin = plant.begin(noon)
    seen = set(begin.cars.car.tolist())
    came = set()
    for step in run(plant, noon, 96):
        came |= set(step.telemetry.cars.car.tolist()) | set(step.telemetry.departures.car.tolist())
    past = plant.past_stays(noon + 86400, 1)
    assert set(past.car.tolist()) == came - seen


@pytest.mark.slow
def test_full_size_is_quick_enough() -> None:
    """Twice the time that the brief of the loop gives, for a machine that others use too."""
    district = load_district("sejong-5-1")
    slot = 1784041200  # 2026-07-15 00:00 in Korea
    begun = process_time()
    plant = Plant(district, 1)
    assert process_time() - begun < 4.0
    begun = process_time()
    record = plant.archive(slot, 28)
    assert process_time() - begun < 4.0
    assert record.load_kw.shape == (28 * 96, district.areas)
    state, seconds = plant.begin(slot), []
    for _ in range(20):
        begun = process_time()
        state = plant.step(state, state.slot, None).state_after
        seconds.append(process_time() - begun)
    assert np.median(seconds) < 0.060
    assert len(state.to_bytes()) < 300_000
