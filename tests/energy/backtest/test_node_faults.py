"""Whatever the meter or the weather does, there is a labelled forecast within physical bounds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from energy.forecast.node import (
    NodeForecast,
    NodeModel,
    NodeRecord,
    NodeSpec,
    fit_node,
    flag_readings,
    forecast_node,
)
from energy.forecast.solar import sky_at
from energy.timegrid import parse_instant
from energy.units import SLOT_S

HORIZON = 192
DAY = 96


def issued(spec: NodeSpec, model: NodeModel, record: NodeRecord, day: float) -> NodeForecast:
    """The forecast at a day of the record, proven sound."""
    issue = int(record.slot[0]) + round(day * DAY) * SLOT_S
    slots = issue + SLOT_S * np.arange(HORIZON, dtype=np.int64)
    found = forecast_node(spec, model, record, issue, slots)
    assert found.p_kw.shape == (7, HORIZON) and np.isfinite(found.p_kw).all()
    assert (np.diff(found.p_kw, axis=0) >= 0).all()
    assert (found.p_kw >= found.low_kw).all() and (found.p_kw <= found.high_kw).all()
    assert found.tier == "F0" or found.reason
    if spec.kind == "pv":
        place = (spec.site.latitude_deg, spec.site.longitude_deg, spec.site.altitude_m)
        assert not found.p_kw[:, sky_at(slots, *place).elevation_deg <= 0].any()
    if spec.capacity_kw is not None:
        assert found.low_kw == 0.0 and found.high_kw == spec.capacity_kw
    return found


@pytest.fixture(scope="module")
def load_model(feeder: NodeRecord, load_spec: NodeSpec) -> NodeModel:
    return fit_node(load_spec, feeder, int(feeder.slot[50 * DAY]))


@pytest.fixture(scope="module")
def roof_model(roof: NodeRecord, roof_spec: NodeSpec) -> NodeModel:
    return fit_node(roof_spec, roof, int(roof.slot[50 * DAY]))


def width(found: NodeForecast) -> float:
    return float((found.p_kw[5] - found.p_kw[1]).mean())


@pytest.mark.parametrize(
    ("gap", "tier"), [(1, "F0"), (4, "F0"), (96, "F0"), (190, "F0"), (672, "F3")]
)
@pytest.mark.parametrize("kind", ["load", "pv"])
def test_gaps_from_a_slot_to_a_week_up_to_the_issue(
    gap: int, tier: str, kind: str, request: pytest.FixtureRequest
) -> None:
    record, spec, model = case(kind, request)
    p_kw = record.p_kw.copy()
    p_kw[52 * DAY - gap : 52 * DAY] = np.nan
    found = issued(spec, model, replace(record, p_kw=p_kw), 52)
    # A roof's night is known without its meter.
    assert found.tier == (tier if kind == "load" else found.tier)
    if found.tier == "F3":
        assert "no reading for" in found.reason


def test_a_silent_meter_widens_the_next_hour(
    feeder: NodeRecord, load_spec: NodeSpec, load_model: NodeModel
) -> None:
    p_kw = feeder.p_kw.copy()
    p_kw[52 * DAY - 40 : 52 * DAY] = np.nan
    fresh = issued(load_spec, load_model, feeder, 52)
    silent = issued(load_spec, load_model, replace(feeder, p_kw=p_kw), 52)
    near = [found.p_kw[5, :4] - found.p_kw[1, :4] for found in (fresh, silent)]
    assert near[1].mean() > 1.5 * near[0].mean()


@pytest.mark.parametrize("kind", ["load", "pv"])
def test_a_frozen_sensor_is_named_and_not_believed(
    kind: str, request: pytest.FixtureRequest
) -> None:
    record, spec, model = case(kind, request)
    p_kw = record.p_kw.copy()
    p_kw[52 * DAY - 96 : 52 * DAY] = 7.5
    frozen = replace(record, p_kw=p_kw)
    flags = flag_readings(spec, p_kw)
    assert flags.frozen[52 * DAY - 96 : 52 * DAY].all() and flags.frozen.sum() == 96
    clean, found = issued(spec, model, record, 52), issued(spec, model, frozen, 52)
    assert found.p_kw[3].mean() == pytest.approx(clean.p_kw[3].mean(), rel=0.3)


@pytest.mark.parametrize("spike", [250.0, 1e6, -1e6, np.inf, -np.inf])
def test_spikes_hardly_move_the_forecast(
    spike: float, feeder: NodeRecord, load_spec: NodeSpec, load_model: NodeModel
) -> None:
    p_kw = feeder.p_kw.copy()
    p_kw[51 * DAY : 52 * DAY : 13] = spike
    clean = issued(load_spec, load_model, feeder, 52)
    found = issued(load_spec, load_model, replace(feeder, p_kw=p_kw), 52)
    assert found.p_kw[3].mean() == pytest.approx(clean.p_kw[3].mean(), rel=0.12)


def test_a_device_that_is_at_work_for_some_hours_a_month_draws_no_spikes(
    load_spec: NodeSpec,
) -> None:
    p_kw = np.zeros(60 * DAY)
    p_kw[20 * DAY + 40 : 20 * DAY + 56] = 22.0
    assert not flag_readings(load_spec, p_kw).spike.any()
    p_kw[30 * DAY] = 1e6
    without_plate = replace(load_spec, capacity_kw=None)
    assert np.flatnonzero(flag_readings(without_plate, p_kw).spike).tolist() == [30 * DAY]
    p_kw[::2] = 0.1  # With a spread to judge by, what is far out of it is not believed.
    assert flag_readings(load_spec, p_kw).spike.sum() >= 8


def test_a_model_fitted_on_faulty_days_still_answers(
    feeder: NodeRecord, load_spec: NodeSpec
) -> None:
    rng = np.random.default_rng(1)
    p_kw = feeder.p_kw.copy()
    p_kw[rng.random(len(p_kw)) < 0.2] = np.nan
    p_kw[rng.random(len(p_kw)) < 0.01] = 1e5
    p_kw[20 * DAY : 24 * DAY] = 33.0
    faulty = replace(feeder, p_kw=p_kw)
    found = issued(load_spec, fit_node(load_spec, faulty, int(feeder.slot[50 * DAY])), faulty, 52)
    assert found.tier == "F0" and width(found) < 60


@pytest.mark.parametrize(("date", "slots_of_day"), [("2026-03-29", 92), ("2026-10-25", 100)])
def test_days_on_which_clocks_change_keep_their_local_shape(
    date: str, slots_of_day: int, load_spec: NodeSpec, make_feeder: Callable[..., NodeRecord]
) -> None:
    start = "2026-02-10" if slots_of_day == 92 else "2026-09-08"
    record = make_feeder(60, start=start)
    midnight = parse_instant(date, load_spec.site.time_zone)
    model = fit_node(load_spec, record, midnight - 2 * 86400)
    day = (midnight - int(record.slot[0])) / 86400
    found = issued(load_spec, model, record, day)
    at = round(day * DAY)
    error = np.abs(found.p_kw[3] - record.p_kw[at : at + HORIZON])
    assert found.tier == "F0" and error.mean() < 8
    # Noon of the next local day lies where the wall clock says, an hour off in UTC.
    noon = slots_of_day + 52
    office = found.p_kw[3, noon - 4 : noon + 4].mean() - found.p_kw[3, noon - 40 : noon - 32].mean()
    assert office > 15


def test_a_capacity_that_doubles_is_followed_within_the_new_bounds(
    roof: NodeRecord, roof_spec: NodeSpec
) -> None:
    p_kw = roof.p_kw.copy()
    p_kw[30 * DAY :] *= 2
    bigger = replace(roof_spec, capacity_kw=20.0)
    grown = replace(roof, p_kw=p_kw)
    found = issued(bigger, fit_node(bigger, grown, int(roof.slot[52 * DAY])), grown, 52)
    usual = issued(roof_spec, fit_node(roof_spec, roof, int(roof.slot[52 * DAY])), roof, 52)
    assert 1.4 < found.p_kw[3].sum() / usual.p_kw[3].sum() < 2.3


@pytest.mark.parametrize("kind", ["load", "pv"])
@pytest.mark.parametrize("missing", ["file", "horizon", "last hours", "all NaN"])
def test_absent_weather_falls_to_a_labelled_tier(
    missing: str, kind: str, request: pytest.FixtureRequest
) -> None:
    record, spec, model = case(kind, request)
    name = "temperature_c" if kind == "load" else "cloud_frac"
    column = record.weather[name].copy()
    end = 52 * DAY
    stop = {"horizon": end, "last hours": end + HORIZON - 16, "all NaN": 0}.get(missing, 0)
    column[stop:] = np.nan
    weather = {} if missing == "file" else {name: column}
    found = issued(spec, model, replace(record, weather=weather), 52)
    assert found.tier == "F3" and name in found.reason


@pytest.mark.parametrize(("days", "tier"), [(0.0, "F4"), (2.0, "F4"), (10.0, "F3")])
@pytest.mark.parametrize("kind", ["load", "pv"])
def test_a_short_record_is_answered_with_its_tier(
    days: float, tier: str, kind: str, request: pytest.FixtureRequest
) -> None:
    record, spec, _ = case(kind, request)
    model = fit_node(spec, record, int(record.slot[round(days * DAY)]))
    assert issued(spec, model, record, days).tier == tier


def test_a_net_meter_may_go_below_zero(feeder: NodeRecord, load_spec: NodeSpec) -> None:
    net_spec = replace(load_spec, capacity_kw=None)
    net = replace(feeder, p_kw=feeder.p_kw - 100)
    found = issued(net_spec, fit_node(net_spec, net, int(net.slot[50 * DAY])), net, 52)
    assert found.low_kw < 0 and found.p_kw.min() < -20


def case(kind: str, request: pytest.FixtureRequest) -> tuple[NodeRecord, NodeSpec, NodeModel]:
    names = (
        ("feeder", "load_spec", "load_model")
        if kind == "load"
        else ("roof", "roof_spec", "roof_model")
    )
    record, spec, model = (request.getfixturevalue(name) for name in names)
    return record, spec, model
