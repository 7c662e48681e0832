"""Cars: points are never shared, promises are within reach, nobody leaves unaccounted."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.district import Chargers, District, load_district
from energy.forecast import CarSessions
from energy.plant.charging import CarOrder, Plugged, change_over, run_cars
from energy.plant.stays import StayBook
from energy.timegrid import parse_instant
from energy.units import SLOT_S

DT_H = 0.25
FIRST = parse_instant("2026-07-06", "Asia/Seoul")
WEEKS = 4
DAY_S = 86400
CHARGERS = Chargers(
    id=("homes",),
    kind=("standard",),
    area=np.array([0]),
    bus=np.array([0]),
    count=np.array([2]),
    p_kw=np.array([8.0]),
    v2g_count=np.array([1]),
    p_v2g_kw=np.array([10.0]),
    cars_per_day=np.array([1.0]),
    eta=0.5,
    wear_krw_per_kwh=0.0,
)


@pytest.fixture(scope="module")
def town() -> District:
    """Large enough for points of every class."""
    return load_district("sejong-5-1@0.2")


@pytest.fixture(scope="module")
def book(town: District) -> StayBook:
    return StayBook(town, seed=1)


@pytest.fixture(scope="module")
def stays(book: StayBook) -> CarSessions:
    return book.between(FIRST, FIRST + WEEKS * 7 * DAY_S)


def kinds(town: District, stays: CarSessions) -> np.ndarray:
    return np.array(town.chargers.kind)[stays.group]


def car(e_now_kwh: float, v2g: bool = True, departure_slot: int = 9000) -> CarSessions:
    """One car of 60 kWh that is due 40."""
    return CarSessions(
        car=np.array([5]),
        group=np.array([0]),
        arrival_slot=np.array([0]),
        departure_slot=np.array([departure_slot]),
        e_now_kwh=np.array([e_now_kwh]),
        e_due_kwh=np.array([40.0]),
        e_capacity_kwh=np.array([60.0]),
        p_kw_max=np.array([10.0]),
        v2g=np.array([v2g]),
        e_v2g_min_kwh=np.array([20.0]),
    )


def order(charge_kw: float, discharge_kw: float = 0.0, name: int = 5) -> CarOrder:
    return CarOrder(np.array([name]), np.array([charge_kw]), np.array([discharge_kw]))


def test_no_point_ever_holds_two_cars(town: District, stays: CarSessions) -> None:
    slots = np.arange(FIRST, FIRST + WEEKS * 7 * DAY_S, SLOT_S)
    held = np.zeros((len(town.chargers.count), len(slots) + 2 * 96), dtype=np.int64)
    for group, begin, end in zip(
        stays.group, stays.arrival_slot, stays.departure_slot, strict=True
    ):
        held[group, (begin - FIRST) // SLOT_S : (end - FIRST) // SLOT_S] += 1
    assert (held.max(axis=1) <= town.chargers.count).all()


def test_cars_are_named_once(stays: CarSessions) -> None:
    assert len(np.unique(stays.car)) == len(stays)
    assert stays.car.min() > 0 and stays.car.max() < 2**53  # JSON readers keep them whole


def test_as_many_cars_come_as_the_district_says(town: District, stays: CarSessions) -> None:
    for kind in ("standard", "quick", "super_fast"):
        rows = np.array(town.chargers.kind) == kind
        expected = town.chargers.cars_per_day[rows].sum() * WEEKS * 7
        found = (kinds(town, stays) == kind).sum()
        # Poisson-like, three deviations, and 3 % for the kinds of days in these weeks.
        assert abs(found - expected) < 3 * np.sqrt(expected) + 0.03 * expected, kind


def test_housing_fills_in_the_evening_and_empties_in_the_morning(
    town: District, stays: CarSessions
) -> None:
    home = stays.take(kinds(town, stays) == "standard")
    hour = (home.arrival_slot - FIRST) % DAY_S / 3600
    leaves = (home.departure_slot - FIRST) % DAY_S / 3600
    night = hour >= 14.5
    assert 0.75 < night.mean() < 0.95
    assert np.median(hour[night]) == pytest.approx(18.8, abs=0.5)
    assert 7 < np.median(leaves[night]) < 9.5
    stay_h = (home.departure_slot - home.arrival_slot)[night] / 3600
    assert 10 < stay_h.mean() < 15


def test_public_stays_are_short(town: District, stays: CarSessions) -> None:
    for kind, low, high in (("quick", 0.5, 1.0), ("super_fast", 0.25, 0.5)):
        some = stays.take(kinds(town, stays) == kind)
        charging_h = (some.departure_slot - some.arrival_slot) / 3600 - 0.25
        assert charging_h.min() >= low and charging_h.max() <= high


def test_every_promise_is_within_reach_of_its_point(town: District, stays: CarSessions) -> None:
    slots = (stays.departure_slot - stays.arrival_slot) // SLOT_S - 1
    reach = stays.p_kw_max * town.chargers.eta * DT_H * slots
    due = stays.e_due_kwh - stays.e_now_kwh
    assert (due > 0).all() and (due <= reach).all()
    assert (stays.e_due_kwh <= stays.e_capacity_kwh).all()


def test_only_some_points_in_housing_give_back(town: District, stays: CarSessions) -> None:
    assert set(kinds(town, stays)[stays.v2g]) == {"standard"}
    share = stays.v2g.sum() / (kinds(town, stays) == "standard").sum()
    # 200 of 1,500 points, four owners in five.
    assert share == pytest.approx(0.8 * 200 / 1500, abs=0.03)
    assert (stays.p_kw_max[stays.v2g] == 10.0).all()


def test_stays_of_a_slot_are_the_same_by_slot_and_by_week(
    book: StayBook, stays: CarSessions
) -> None:
    for slot in range(FIRST, FIRST + DAY_S, 5 * SLOT_S):
        some = stays.take(stays.arrival_slot == slot)
        assert book.arriving(slot).car.tolist() == some.car.tolist()


def test_cars_at_the_beginning_are_those_that_have_come_and_not_gone(
    book: StayBook, stays: CarSessions, town: District
) -> None:
    slot = FIRST + 3 * DAY_S + 22 * 3600
    here = book.connected(slot)
    expected = stays.take((stays.arrival_slot < slot) & (stays.departure_slot > slot))
    assert sorted(here.car) == sorted(expected.car)
    assert (here.e_now_kwh <= here.e_due_kwh).all()
    come = dict(zip(stays.car, stays.e_now_kwh, strict=True))
    charged = here.e_now_kwh - [come[one] for one in here.car]
    assert charged.min() >= 0 and charged.max() > 5


def test_a_day_of_23_hours_has_no_car_too_many(town: District) -> None:
    berlin = StayBook(replace(town, time_zone="Europe/Berlin"), seed=1)
    day = berlin.of_day(date(2026, 3, 29))
    begin = parse_instant("2026-03-29", "Europe/Berlin")
    assert (day.arrival_slot < begin + 23 * 3600).all()
    assert (day.arrival_slot >= begin).all()


def test_a_car_that_nobody_names_charges_at_once_up_to_its_promise() -> None:
    slot = run_cars(CHARGERS, Plugged(car(39.5), np.array([39.5])), None)
    # 0.5 kWh are missing; half of what is drawn arrives.
    assert slot.charge_kw[0] == pytest.approx(0.5 / 0.5 / DT_H)
    assert slot.after.cars.e_now_kwh[0] == pytest.approx(40.0)
    other = run_cars(CHARGERS, Plugged(car(39.5), np.array([39.5])), order(0.0, name=6))
    assert other.charge_kw[0] == slot.charge_kw[0]


def test_a_named_car_waits_and_the_counterfactual_charges() -> None:
    slot = run_cars(CHARGERS, Plugged(car(30.0), np.array([30.0])), order(0.0))
    assert slot.charge_kw[0] == 0
    assert slot.uncontrolled_kw[0] == 10.0
    assert slot.after.e_free_kwh[0] == pytest.approx(30.0 + 10.0 * 0.5 * DT_H)


def test_a_car_gives_back_down_to_its_floor_and_only_if_it_may() -> None:
    gives = run_cars(CHARGERS, Plugged(car(21.0), np.array([21.0])), order(0.0, 10.0))
    assert gives.discharge_kw[0] == pytest.approx(1.0 * 0.5 / DT_H)
    assert gives.after.cars.e_now_kwh[0] == pytest.approx(20.0)
    keeps = run_cars(CHARGERS, Plugged(car(21.0, v2g=False), np.array([21.0])), order(0.0, 10.0))
    assert (keeps.discharge_kw[0], keeps.did_kw[0], keeps.told_kw[0]) == (0.0, 0.0, -10.0)


@settings(max_examples=200)
@given(
    e_kwh=st.floats(0, 60),
    charge_kw=st.floats(0, 1e9),
    discharge_kw=st.floats(0, 1e9),
    v2g=st.booleans(),
)
def test_a_car_keeps_its_limits_and_its_book(
    e_kwh: float, charge_kw: float, discharge_kw: float, v2g: bool
) -> None:
    before = Plugged(car(e_kwh, v2g), np.array([e_kwh]))
    slot = run_cars(CHARGERS, before, order(charge_kw, discharge_kw))
    drawn, given_back = slot.charge_kw[0], slot.discharge_kw[0]
    assert 0 <= drawn <= 10 and 0 <= given_back <= (10 if v2g else 0)
    after = slot.after.cars.e_now_kwh[0]
    assert after == pytest.approx(e_kwh + (0.5 * drawn - given_back / 0.5) * DT_H, abs=1e-9)
    assert 0 <= after <= 60
    assert after >= min(e_kwh, 20.0) - 1e-9


def test_who_leaves_is_told_apart_by_the_promise() -> None:
    both = CarSessions(
        *(
            np.concatenate([getattr(car(40.0), name), getattr(car(30.0), name)])
            for name in CarSessions.__dataclass_fields__
        )
    )
    over = change_over(Plugged(both, np.array([40.0, 40.0])), 9000 - SLOT_S, car(10.0))
    assert over.departures.kept.tolist() == [True, False]
    assert over.departures.delivered_kwh.tolist() == [40.0, 30.0]
    assert over.plugged.cars.e_now_kwh.tolist() == [10.0]
    still = change_over(Plugged(both, np.array([40.0, 40.0])), 9000 - 2 * SLOT_S, car(10.0))
    assert len(still.departures) == 0 and len(still.plugged.cars) == 3
