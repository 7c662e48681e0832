"""A measured district is its measurements; its weather service does not know what is to come."""

from dataclasses import replace

import numpy as np
import pytest

from energy.district import District, MeasuredProfiles, load_district
from energy.plant import Plant, PlantError
from energy.plant.faults import Fault
from energy.plant.measured import MeasuredTruth
from energy.timegrid import parse_instant, slots_from
from energy.units import SLOT_S

FIRST = parse_instant("2016-06-01T00:00", "Europe/Berlin")
DAYS = 10
NOW = FIRST + 8 * 86400


def with_measurements(district: District, seed: int) -> District:
    """The district without charging, heat and units, with ten days of made-up measurements."""
    rng = np.random.default_rng(seed)
    slots, meters = slots_from(FIRST, DAYS * 96), len(district.meters.use)
    load = rng.gamma(2.0, 0.3, (len(slots), meters)).astype(np.float32)
    sun = np.maximum(np.sin(2 * np.pi * ((slots - FIRST) / 86400 - 0.25)), 0.0)[:, None]
    pv = (sun * rng.uniform(0.3, 0.9, (len(slots), 1)) * district.meters.pv_kwp).astype(np.float32)
    return replace(
        district,
        time_zone="Europe/Berlin",
        latitude_deg=51.3,
        longitude_deg=9.5,
        heat=None,
        units=(),
        pv=replace(district.pv, spc_kwp=np.zeros_like(district.pv.spc_kwp)),
        measured=MeasuredProfiles(FIRST, load, pv),
    )


@pytest.fixture(scope="module")
def hamlet() -> District:
    return with_measurements(load_district("sejong-5-1@0.01"), 1)


@pytest.fixture(scope="module")
def measured_plant(hamlet: District) -> Plant:
    return Plant(hamlet, 7)


def test_each_meter_shows_what_was_measured(hamlet: District, measured_plant: Plant) -> None:
    assert hamlet.measured is not None
    state = measured_plant.begin(NOW)
    for row in range(96 * 8, 96 * 8 + 60):
        step = measured_plant.step(state, state.slot, None)
        net = hamlet.measured.load_kw[row].astype(float) - hamlet.measured.pv_kw[row]
        good = measured_plant.meter_faults(state.slot) == Fault.NONE
        expected = np.rint(np.maximum(net, 0) * 250), np.rint(np.maximum(-net, 0) * 250)
        assert (step.readings.import_wh[good] == expected[0][good]).all()
        assert (step.readings.export_wh[good] == expected[1][good]).all()
        assert step.telemetry.heat_kw == 0 and step.telemetry.unit_p_kw.shape == (0,)
        state = step.state_after


def test_the_record_before_the_measurements_is_not_known(
    hamlet: District, measured_plant: Plant
) -> None:
    assert hamlet.measured is not None
    record = measured_plant.archive(FIRST + 86400, 2)
    assert np.isnan(record.load_kw[:96]).all() and np.isnan(record.temperature_c[:96]).all()
    load = hamlet.measured.load_kw[:96].astype(float)
    areas = np.array([np.bincount(hamlet.meters.area, row, hamlet.areas) for row in load])
    good = np.isfinite(record.load_kw[96:]) & (np.abs(record.load_kw[96:]) < 2 * areas)
    assert record.load_kw[96:][good] == pytest.approx(areas[good])
    assert good.mean() > 0.98


def test_a_slot_outside_the_measurements_is_an_error(measured_plant: Plant) -> None:
    with pytest.raises(PlantError, match="slot 2016-05-31T21:45:00Z: nothing was measured"):
        measured_plant.step(measured_plant.begin(FIRST - SLOT_S), FIRST - SLOT_S, None)


def test_nothing_seen_at_a_slot_depends_on_what_was_measured_later(hamlet: District) -> None:
    """The poison test: other measurements from NOW on change no bit of what was known before."""
    assert hamlet.measured is not None
    rows = (NOW - FIRST) // SLOT_S
    load, pv = hamlet.measured.load_kw.copy(), hamlet.measured.pv_kw.copy()
    load[rows:], pv[rows:] = 99.0, 0.0
    other = Plant(replace(hamlet, measured=MeasuredProfiles(FIRST, load, pv)), 7)
    plant = Plant(hamlet, 7)
    early, late = plant.weather_forecast(NOW), other.weather_forecast(NOW)
    assert (early.cloud_frac == late.cloud_frac).all()
    assert (early.temperature_c == late.temperature_c).all()
    slot = NOW - SLOT_S
    ours, theirs = (p.step(p.begin(slot), slot, None) for p in (plant, other))
    assert ours.state_after.to_bytes() == theirs.state_after.to_bytes()
    assert ours.telemetry.cloud_frac == theirs.telemetry.cloud_frac


def test_clouds_are_read_off_the_measured_sun(hamlet: District) -> None:
    assert hamlet.measured is not None
    truth = MeasuredTruth(hamlet, hamlet.measured, 7)
    clear = np.array([truth._clear((FIRST + n * 86400) // 86400) for n in range(DAYS + 1)]).ravel()
    first = (FIRST // 86400) * 86400
    kwp = hamlet.meters.pv_kwp
    at = ((slots_from(FIRST, DAYS * 96) - first) // SLOT_S).astype(int)
    half = (0.625 * clear[at])[:, None] * kwp / kwp.sum()
    measured = replace(hamlet.measured, pv_kw=half.astype(np.float32))
    sky = MeasuredTruth(replace(hamlet, measured=measured), measured, 7)
    clouds = sky.clouds_before(FIRST + 2 * 86400, 96)
    # 1 - 0.75 n^3.4 = 0.625 where n^3.4 = 0.5; by night the last that was seen.
    assert clouds[40:] == pytest.approx(0.5 ** (1 / 3.4), abs=0.001)
    assert sky.clouds_before(FIRST, 4).tolist() == [0.6] * 4
