"""Meters: sums to the Wh, registers, and faults about as often as they are said to come."""

from collections.abc import Callable

import numpy as np
import pytest

from energy.district import District
from energy.plant import Plant, PlantStep
from energy.plant.faults import FAULT_SHARE, Fault, area_faults, delay_slots, meter_faults
from energy.units import SLOT_S

Run = Callable[..., list[PlantStep]]


@pytest.fixture(scope="module")
def day(plant: Plant, run: Run, noon: int) -> list[PlantStep]:
    return run(plant, noon, 96)


def test_all_meters_and_the_losses_make_the_utilitys_meter(
    plant: Plant, day: list[PlantStep], noon: int
) -> None:
    before = plant.begin(noon)
    for step in day:
        after, readings = step.state_after, step.readings
        # Registers are the meters' own truth, whatever has come over the line.
        customers = (after.import_register_wh - before.import_register_wh).sum() - (
            after.export_register_wh - before.export_register_wh
        ).sum()
        assets = readings.asset_import_wh.sum() - readings.asset_export_wh.sum()
        boundary = readings.boundary_import_wh - readings.boundary_export_wh
        assert boundary == customers + assets + readings.loss_wh
        assert readings.loss_wh > 0
        assert min(readings.boundary_import_wh, readings.boundary_export_wh) == 0
        before = after


def test_the_utilitys_meter_agrees_with_the_power_flow(day: list[PlantStep]) -> None:
    for step in day:
        seen, readings = step.telemetry, step.readings
        boundary_wh = readings.boundary_import_wh - readings.boundary_export_wh
        # Each of 700 meters is rounded by half a Wh at the most; they do not conspire.
        assert boundary_wh == pytest.approx((seen.p_import_kw - seen.p_export_kw) * 250, abs=40)
        assert readings.loss_wh == round(seen.loss_kw * 250)


def test_good_readings_are_the_registers_own_steps(
    plant: Plant, day: list[PlantStep], noon: int
) -> None:
    before = plant.begin(noon)
    for step in day:
        good = plant.meter_faults(step.readings.slot) == Fault.NONE
        steps = (step.state_after.import_register_wh - before.import_register_wh)[good]
        assert (step.readings.import_wh[good] == steps).all()
        shown = step.readings.import_register_wh[good]
        assert (shown == step.state_after.import_register_wh[good]).all()
        before = step.state_after


def test_a_meter_never_draws_and_feeds_in_at_once(plant: Plant, day: list[PlantStep]) -> None:
    for step in day:
        both = np.minimum(np.abs(step.readings.import_wh), np.abs(step.readings.export_wh))
        assert both.max() == 0


def test_assets_stand_in_the_order_that_is_said(village: District, day: list[PlantStep]) -> None:
    ids = day[0].readings.asset_ids
    batteries, groups = len(village.batteries.id), len(village.chargers.id)
    assert ids[:batteries] == village.batteries.id
    assert ids[batteries : batteries + groups] == village.chargers.id
    assert ids[batteries + groups] == village.units[0].id
    assert ids[-village.areas - 1] == "heat-pump"
    assert ids[-1] == f"solar-{village.network.areas.id[-1]}"
    assert len(set(ids)) == len(ids)
    for step in day:
        chargers = step.readings.asset_import_wh[batteries : batteries + groups]
        assert chargers == pytest.approx(step.telemetry.cars_charge_kw * 250, abs=0.5)


def test_faults_come_about_as_often_as_they_are_said_to() -> None:
    slots, meters = 96 * 7, 3000
    found = np.array([meter_faults(1, slot * SLOT_S, meters) for slot in range(slots)])
    for fault, share in FAULT_SHARE.items():
        expected = share * slots * meters
        assert abs((found == fault).sum() - expected) < 4 * np.sqrt(expected), fault
    absurd = np.isin(found, [Fault.NEGATIVE, Fault.THOUSANDFOLD, Fault.FROZEN]).mean()
    assert absurd == pytest.approx(0.0002, rel=0.15)


def test_area_faults_come_in_one_reading_of_a_thousand() -> None:
    found = np.array([area_faults(1, slot * SLOT_S, 144) for slot in range(96 * 28)])
    assert np.mean(~(found == 1.0)) == pytest.approx(0.001, rel=0.15)
    assert np.isnan(found).mean() == pytest.approx(0.0006, rel=0.2)
    assert set(np.unique(found[np.isfinite(found)])) == {-1.0, 1.0, 1000.0}


def test_faults_are_seeded() -> None:
    assert (meter_faults(1, 900, 10_000) == meter_faults(1, 900, 10_000)).all()
    assert (meter_faults(1, 900, 10_000) != meter_faults(2, 900, 10_000)).any()
    assert (meter_faults(1, 900, 10_000) != meter_faults(1, 1800, 10_000)).any()


def test_each_absurd_reading_shows_its_fault(plant: Plant, run: Run, noon: int) -> None:
    seen = set()
    before = plant.begin(noon)
    for step in run(plant, noon, 96 * 4):
        readings, fault = step.readings, plant.meter_faults(step.readings.slot)
        true_wh = step.state_after.import_register_wh - before.import_register_wh
        for meter in np.flatnonzero(fault != Fault.NONE):
            kind = Fault(fault[meter])
            seen.add(kind)
            shown = readings.import_wh[meter]
            if kind in (Fault.LOST, Fault.LATE):
                assert (readings.quality[meter], shown) == (0, 0)
            if kind == Fault.NEGATIVE:
                assert (readings.quality[meter], shown) == (1, -true_wh[meter])
            if kind == Fault.THOUSANDFOLD:
                assert (readings.quality[meter], shown) == (1, 1000 * true_wh[meter])
            if kind == Fault.FROZEN:
                assert (readings.quality[meter], shown) == (1, 0)
                assert readings.import_register_wh[meter] == before.import_register_wh[meter]
        before = step.state_after
    # Some 200,000 readings: even the rarest fault has come some ten times.
    assert seen == set(Fault) - {Fault.NONE}


def test_late_readings_come_once_with_what_the_meter_meant(
    plant: Plant, run: Run, noon: int
) -> None:
    steps, slots = {}, 96 * 3
    before = plant.begin(noon)
    expected, came = {}, {}
    for step in run(plant, noon, slots):
        slot = step.readings.slot
        true_wh = step.state_after.import_register_wh - before.import_register_wh
        fault = plant.meter_faults(slot)
        for meter in np.flatnonzero(np.isin(fault, [0, 1, 2, 4])):
            if fault[meter] != Fault.LOST:
                expected[slot, int(meter)] = (int(true_wh[meter]), int(fault[meter] != 4))
        late = step.readings.late
        order = list(zip(late.slot.tolist(), late.meter.tolist(), strict=True))
        assert order == sorted(order)
        for row, key in enumerate(order):
            assert key not in came
            came[key] = (int(late.import_wh[row]), int(late.revision[row]))
            assert late.slot[row] < slot
        steps[slot] = step
        before = step.state_after
    for key, reading in came.items():
        assert reading == expected[key]
    due = {key for key in expected if key[0] < noon + (slots - 96) * SLOT_S}
    waiting = steps[noon + (slots - 1) * SLOT_S].state_after.pending.late
    still = set(zip(waiting.slot.tolist(), waiting.meter.tolist(), strict=True))
    assert due <= set(came) | still
    assert len(came) > 0.9 * len(due)


def test_late_readings_wait_a_few_slots() -> None:
    late = delay_slots(1, 900, np.full(5000, Fault.LATE))
    assert late.min() == 1 and late.max() <= 96
    assert 4 < late.mean() < 8
    assert delay_slots(1, 900, np.full(5000, Fault.NEGATIVE)).min() >= 8
