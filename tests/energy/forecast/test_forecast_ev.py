"""Cars: hand-solvable envelopes, and no plan inside them breaks a promise."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from energy.forecast import (
    ArrivalModel,
    CarSessions,
    ChargerGroups,
    ForecastError,
    car_bounds,
    default_arrivals,
    fit_arrivals,
    forecast_ev,
    no_cars,
    split,
)
from energy.timegrid import parse_instant, slots_from

ZONE = "Asia/Seoul"
NOON = parse_instant("2026-06-10T12:00", ZONE)
TOLERANCE_KWH = 1e-7


def groups_of(count: int = 1, eta: float = 1.0, points: int = 50) -> ChargerGroups:
    return ChargerGroups(
        kind=("standard",) * count,
        count=np.full(count, points),
        p_kw=np.full(count, 8.0),
        p_v2g_kw=np.full(count, 8.0),
        cars_per_day=np.full(count, 12.0),
        eta=eta,
    )


def car(slots: int, now: float, due: float, capacity: float = 60.0, v2g: bool = False) -> Any:
    """One car of 8 kW, 2 kWh per slot, that leaves `slots` slots after NOON."""
    return CarSessions(
        car=np.array([1]),
        group=np.array([0]),
        arrival_slot=np.array([NOON - 3600]),
        departure_slot=np.array([NOON + 900 * slots]),
        e_now_kwh=np.array([now]),
        e_due_kwh=np.array([due]),
        e_capacity_kwh=np.array([capacity]),
        p_kw_max=np.array([8.0]),
        v2g=np.array([v2g]),
        e_v2g_min_kwh=np.array([10.0]),
    )


def nobody_comes(groups: ChargerGroups) -> ArrivalModel:
    usual = default_arrivals(groups)
    return replace(usual, rate_per_h=np.zeros_like(usual.rate_per_h))


def envelope(cars: CarSessions, groups: ChargerGroups, slots: int = 6) -> Any:
    return forecast_ev(cars, groups, nobody_comes(groups), slots_from(NOON, slots), ZONE)


def test_a_car_that_needs_two_of_four_slots() -> None:
    found = envelope(car(4, now=20.0, due=24.0), groups_of())
    assert found.e_max_kwh[0].tolist() == [2, 4, 4, 4, 4, 4]
    assert found.e_min_kwh[0].tolist() == [0, 0, 2, 4, 4, 4]
    assert found.uncontrolled_kw[0].tolist() == [8, 8, 0, 0, 0, 0]
    assert found.p_charge_kw_max[0].tolist() == [8, 8, 8, 8, 0, 0]
    assert not found.p_discharge_kw_max.any()
    assert len(found.short_car) == 0


def test_a_promise_out_of_reach_is_named_and_capped() -> None:
    found = envelope(car(2, now=20.0, due=30.0), groups_of())
    assert found.e_max_kwh[0].tolist() == found.e_min_kwh[0].tolist() == [2, 4, 4, 4, 4, 4]
    assert found.short_car.tolist() == [1]
    assert found.short_kwh.tolist() == [6.0]


def test_losses_stand_between_meter_and_battery() -> None:
    found = envelope(car(4, now=20.0, due=24.0), groups_of(eta=0.5))
    assert found.e_max_kwh[0].tolist() == [1, 2, 3, 4, 4, 4]
    assert found.e_min_kwh[0].tolist() == found.e_max_kwh[0].tolist()
    assert found.uncontrolled_kw[0].tolist() == [8, 8, 8, 8, 0, 0]


def test_v2g_goes_down_to_its_minimum_and_is_back_at_departure() -> None:
    found = envelope(car(5, now=14.0, due=16.0, v2g=True), groups_of())
    assert found.e_min_kwh[0].tolist() == [-2, -4, -2, 0, 2, 2]
    assert found.e_max_kwh[0].tolist() == [2, 2, 2, 2, 2, 2]
    assert found.p_discharge_kw_max[0].tolist() == [8, 8, 8, 8, 8, 0]


def test_v2g_below_its_minimum_does_not_discharge() -> None:
    found = envelope(car(8, now=8.0, due=12.0, v2g=True), groups_of(), 4)
    assert (found.e_min_kwh >= 0).all()


def test_a_car_overdue_is_served_now_and_one_that_leaves_now_is_gone() -> None:
    late = envelope(car(-3, now=20.0, due=24.0), groups_of())
    assert late.e_max_kwh[0, 0] == late.e_min_kwh[0, 0] == 2.0
    assert late.p_charge_kw_max[0].tolist() == [8, 0, 0, 0, 0, 0]
    gone = envelope(car(0, now=20.0, due=24.0), groups_of())
    assert not gone.p_charge_kw_max.any()
    assert gone.short_kwh.tolist() == [4.0]


def test_the_least_lax_car_is_charged_first_and_discharged_last() -> None:
    pressed, easy = car(3, 20.0, 25.0), car(20, 20.0, 25.0)
    both = CarSessions(
        *(
            np.concatenate([getattr(easy, name), getattr(pressed, name)])
            for name in CarSessions.__dataclass_fields__
        )
    )
    both = replace(both, car=np.array([1, 2]), v2g=np.array([True, False]))
    powers = split(both, groups_of(), NOON, np.array([6.0]), np.array([0.0]))
    assert powers.charge_kw.tolist() == [0.0, 6.0]
    assert powers.off_plan_kwh.tolist() == [0.0]
    powers = split(both, groups_of(), NOON, np.array([0.0]), np.array([2.0]))
    # The pressed car must take 1 kWh (4 kW) now, so the other gives 6 kW for the group's -2 kW.
    assert powers.charge_kw.tolist() == [0.0, 4.0]
    assert powers.discharge_kw.tolist() == [6.0, 0.0]


def test_a_plan_beyond_the_cars_is_cut_and_said() -> None:
    powers = split(car(4, 20.0, 21.0), groups_of(), NOON, np.array([8.0]), np.array([0.0]))
    assert powers.charge_kw.tolist() == [4.0]
    assert powers.off_plan_kwh.tolist() == [-1.0]
    powers = split(car(1, 20.0, 22.0), groups_of(), NOON, np.array([0.0]), np.array([0.0]))
    assert powers.charge_kw.tolist() == [8.0]
    assert powers.off_plan_kwh.tolist() == [2.0]


def random_fleet(rng: np.random.Generator, groups: int, v2g: bool) -> CarSessions:
    """Cars of any need and stay; about a tenth of the promises cannot be kept."""
    size = int(rng.integers(1, 25))
    capacity = rng.uniform(30, 90, size)
    now = capacity * rng.uniform(0.05, 0.9, size)
    power = rng.choice([3.5, 7.0, 11.0], size)
    stay = rng.integers(0, 14, size)
    reach = power * 0.25 * 0.92 * stay
    wanted = np.minimum(now + rng.uniform(0, 1.1, size) * reach, capacity)
    return CarSessions(
        car=rng.permutation(size).astype(np.int64),
        group=rng.integers(0, groups, size),
        arrival_slot=np.full(size, NOON - 900),
        departure_slot=NOON + 900 * stay,
        e_now_kwh=now,
        e_due_kwh=wanted,
        e_capacity_kwh=capacity,
        p_kw_max=power,
        v2g=rng.random(size) < 0.5 if v2g else np.zeros(size, dtype=bool),
        e_v2g_min_kwh=capacity * 0.3,
    )


@pytest.mark.parametrize("v2g", [False, True])
def test_no_plan_inside_the_envelope_breaks_a_promise(v2g: bool) -> None:
    """300 fleets, each slot a random plan between the bounds of that slot's fresh envelope."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        groups = replace(groups_of(3, eta=0.92), p_v2g_kw=np.array([0.0, 5.0, 8.0]))
        fleet = random_fleet(rng, 3, v2g)
        promised = fleet.e_due_kwh - car_bounds(fleet, groups, slots_from(NOON, 16)).short_kwh
        lowest = np.minimum(fleet.e_v2g_min_kwh, fleet.e_now_kwh)
        energy = fleet.e_now_kwh.copy()
        for step in range(15):
            slot = NOON + 900 * step
            here = np.flatnonzero(fleet.departure_slot > slot)
            cars = replace(fleet.take(here), e_now_kwh=energy[here])
            found = forecast_ev(cars, groups, nobody_comes(groups), slots_from(slot, 8), ZONE)
            low, high = found.e_min_kwh[:, 0], found.e_max_kwh[:, 0]
            target = rng.choice([low, high, rng.uniform(low, high)]) / 0.25
            powers = split(
                cars,
                groups,
                slot,
                np.maximum(target, 0) / groups.eta,
                np.maximum(-target, 0) * groups.eta,
            )
            assert np.abs(powers.off_plan_kwh).max() < TOLERANCE_KWH
            assert (powers.charge_kw <= cars.p_kw_max + TOLERANCE_KWH).all()
            allowed = np.where(cars.v2g, groups.p_v2g_kw[cars.group], 0.0)
            assert (powers.discharge_kw <= allowed + TOLERANCE_KWH).all()
            energy[here] += 0.25 * (
                powers.charge_kw * groups.eta - powers.discharge_kw / groups.eta
            )
            assert (energy <= fleet.e_capacity_kwh + TOLERANCE_KWH).all()
            assert (energy >= lowest - TOLERANCE_KWH).all()
        stayed = fleet.departure_slot > NOON
        assert (energy[stayed] >= promised[stayed] - TOLERANCE_KWH).all(), seed


def test_the_envelope_is_always_passable() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        groups = groups_of(2, eta=0.92, points=int(rng.integers(1, 30)))
        slots = slots_from(NOON, 96)
        arrivals = default_arrivals(groups)
        found = forecast_ev(random_fleet(rng, 2, True), groups, arrivals, slots, ZONE)
        taken = np.zeros(2)
        assert (found.e_min_kwh <= found.e_max_kwh + TOLERANCE_KWH).all()
        assert (found.uncontrolled_kw <= found.p_charge_kw_max + TOLERANCE_KWH).all()
        for at in range(96):
            step = found.p_charge_kw_max[:, at] * 0.25 * groups.eta
            taken = np.minimum(found.e_max_kwh[:, at], taken + step)
            assert (taken >= found.e_min_kwh[:, at] - TOLERANCE_KWH).all()


def test_expected_cars_bring_their_mean_energy() -> None:
    groups = groups_of(1, eta=0.92, points=1000)
    slots = slots_from(parse_instant("2026-06-10", ZONE), 192)
    found = forecast_ev(no_cars(), groups, default_arrivals(groups), slots, ZONE)
    assert found.expected_arrivals[0, :96].sum() == pytest.approx(12.0)
    # Two days of 12 cars at 15 kWh, less those of the last hours that are still charging.
    assert found.e_max_kwh[0, -1] == pytest.approx(2 * 12 * 15.0, rel=0.15)
    assert found.e_min_kwh[0, -1] < found.e_max_kwh[0, -1]
    assert found.tier == "F4"


def test_a_full_car_park_takes_nobody() -> None:
    groups = groups_of(1, points=1)
    found = forecast_ev(
        car(200, 20.0, 24.0), groups, default_arrivals(groups), slots_from(NOON, 96), ZONE
    )
    assert found.expected_arrivals.sum() == 0
    assert found.p_charge_kw_max.max() == 8.0


def test_a_point_that_comes_free_is_taken_again() -> None:
    groups = groups_of(1, points=1)
    found = forecast_ev(
        car(10, 20.0, 24.0), groups, default_arrivals(groups), slots_from(NOON, 96), ZONE
    )
    assert found.expected_arrivals[0, :9].sum() == 0
    assert 1 < found.expected_arrivals.sum() < 4
    assert found.p_charge_kw_max.max() <= 8.0 + 1e-9


def test_rates_follow_the_record_of_stays() -> None:
    groups = groups_of(2, points=1000)
    begin = parse_instant("2026-05-01", ZONE)
    end = begin + 86400 * 60
    rng = np.random.default_rng(4)
    arrival = begin + 86400 * rng.integers(0, 60, 1800) + 3600 * 18 + 900 * rng.integers(0, 4, 1800)
    size = len(arrival)
    stays = CarSessions(
        car=np.arange(size),
        group=np.zeros(size, dtype=np.int64),
        arrival_slot=arrival,
        departure_slot=arrival + 3600 * 6,
        e_now_kwh=np.full(size, 20.0),
        e_due_kwh=np.full(size, 29.0),
        e_capacity_kwh=np.full(size, 60.0),
        p_kw_max=np.full(size, 8.0),
        v2g=np.zeros(size, dtype=bool),
        e_v2g_min_kwh=np.zeros(size),
    )
    model = fit_arrivals(stays, groups, begin, end, ZONE)
    assert model.tier == "F0"
    assert model.rate_per_h[0, 0, 18] > 20
    assert model.rate_per_h[0, 0, 9] < 0.2
    assert model.rate_per_h[1, 0].sum() < 12.0
    assert model.stay_h[0] == pytest.approx(6.0, abs=0.1)
    assert model.e_kwh[0] == pytest.approx(9.0, abs=0.1)
    assert fit_arrivals(stays, groups, begin, begin + 86400, ZONE).tier == "F3"


def test_an_unknown_kind_of_charger_is_refused() -> None:
    with pytest.raises(ForecastError, match="charger kind 'slow': allowed: standard"):
        default_arrivals(replace(groups_of(), kind=("slow",)))


def test_no_groups_give_empty_arrays() -> None:
    found = envelope(no_cars(), groups_of(0))
    assert found.e_max_kwh.shape == (0, 6)
    assert split(no_cars(), groups_of(0), NOON, np.zeros(0), np.zeros(0)).car.shape == (0,)
