"""Batteries, heat network and units: examples to check on paper, and limits that nothing breaks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.district import Batteries, HeatSystem, UnitType
from energy.plant.batteries import run_batteries
from energy.plant.generators import Generators, UnitOrder, UnitStates, curve
from energy.plant.heat import BOILER_ONLY, HeatOrder, HeatSituation, run_heat

DT_H = 0.25
TABLE = Batteries(
    id=("b",),
    kind=("community",),
    area=np.array([0]),
    bus=np.array([0]),
    e_kwh_max=np.array([100.0]),
    p_kw_max=np.array([50.0]),
    eta_charge=np.array([0.8]),
    eta_discharge=np.array([0.5]),
    wear_krw_per_kwh=np.array([1.0]),
    reserve_frac=np.array([0.1]),
    count=np.array([1]),
)
NETWORK = HeatSystem(
    annual_demand_kwh=0.0,
    peak_kw=1000.0,
    store_kwh_max=1000.0,
    store_kw_max=400.0,
    loss_frac_per_h=0.04,
    boiler_kw_max=500.0,
    boiler_eta=0.9,
    fuel_price_krw_per_kwh=68.0,
    fuel_co2_t_per_mwh=0.2,
    heat_pump_kw_max=100.0,
    heat_pump_area=0,
    heat_pump_bus=0,
    cop_temperature_c=(0.0, 20.0),
    cop=(2.0, 4.0),
)
CELL = UnitType(
    id="cells",
    kind="pafc",
    count=3,
    area=0,
    bus=0,
    p_kw_min=100.0,
    p_kw_max=400.0,
    fuel=((100.0, 300.0), (400.0, 1000.0)),
    heat=((100.0, 100.0), (400.0, 400.0)),
    ramp_kw_per_slot=150.0,
    min_up_slots=2,
    min_down_slots=3,
    start_cost_krw=1.0,
    wear_krw_per_h=1.0,
    fuel_price_krw_per_kwh=1.0,
    fuel_co2_t_per_mwh=0.1,
    mtbf_h=1e12,
    mttr_h=1e-9,
    daily_fuel_kwh=float("inf"),
    fuel_store_kwh=0.0,
)
power = st.floats(0, 1e9)
energy = st.floats(0, 100)


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_a_battery_charges_with_its_efficiency() -> None:
    slot = run_batteries(TABLE, one(40.0), one(20.0), one(0.0))
    assert slot.e_kwh[0] == pytest.approx(40.0 + 20.0 * DT_H * 0.8)


def test_a_full_battery_takes_what_fits() -> None:
    slot = run_batteries(TABLE, one(98.0), one(50.0), one(0.0))
    assert slot.charge_kw[0] == pytest.approx(2.0 / 0.8 / DT_H)
    assert slot.e_kwh[0] == pytest.approx(100.0)


def test_both_ways_at_once_is_their_difference() -> None:
    slot = run_batteries(TABLE, one(50.0), one(30.0), one(10.0))
    assert (slot.charge_kw[0], slot.discharge_kw[0]) == (20.0, 0.0)


@given(e_kwh=energy, charge_kw=power, discharge_kw=power)
def test_a_battery_keeps_its_limits_and_its_book(
    e_kwh: float, charge_kw: float, discharge_kw: float
) -> None:
    slot = run_batteries(TABLE, one(e_kwh), one(charge_kw), one(discharge_kw))
    assert 0 <= slot.charge_kw[0] <= 50 and 0 <= slot.discharge_kw[0] <= 50
    assert slot.charge_kw[0] == 0 or slot.discharge_kw[0] == 0
    assert 0 <= slot.e_kwh[0] <= 100
    moved = (0.8 * slot.charge_kw[0] - slot.discharge_kw[0] / 0.5) * DT_H
    assert slot.e_kwh[0] == pytest.approx(e_kwh + moved, abs=1e-9)


def test_the_store_gives_before_the_boiler_when_planned() -> None:
    now = HeatSituation(e_heat_kwh=1000.0, demand_kw=600.0, units_kw=100.0, temperature_c=10.0)
    slot = run_heat(NETWORK, now, HeatOrder(0.0, None, store_first=True))
    # 1,000 kWh lose 1 % in a quarter hour; 400 kW is all that the store can give, 100 are missing.
    assert slot.e_heat_kwh == pytest.approx(990.0 - 400.0 * DT_H)
    assert slot.boiler_kw == pytest.approx(100.0)
    assert (slot.dumped_kw, slot.missing_kw) == (0.0, 0.0)


def test_without_orders_the_boiler_gives_and_the_store_only_takes() -> None:
    now = HeatSituation(e_heat_kwh=1000.0, demand_kw=600.0, units_kw=100.0, temperature_c=10.0)
    slot = run_heat(NETWORK, now, BOILER_ONLY)
    assert slot.boiler_kw == pytest.approx(500.0)
    assert slot.e_heat_kwh == pytest.approx(990.0)


def test_a_heat_pump_multiplies_by_the_air() -> None:
    now = HeatSituation(e_heat_kwh=0.0, demand_kw=0.0, units_kw=0.0, temperature_c=10.0)
    slot = run_heat(NETWORK, now, HeatOrder(50.0, None, store_first=True))
    assert slot.e_heat_kwh == pytest.approx(50.0 * 3.0 * DT_H)


def test_a_full_store_turns_the_boiler_down_before_heat_is_lost() -> None:
    now = HeatSituation(e_heat_kwh=1000.0, demand_kw=0.0, units_kw=300.0, temperature_c=10.0)
    slot = run_heat(NETWORK, now, HeatOrder(0.0, 200.0, store_first=True))
    assert slot.boiler_kw == 0.0
    assert slot.dumped_kw == pytest.approx(300.0 - 10.0 / DT_H)


def test_missing_heat_is_named() -> None:
    now = HeatSituation(e_heat_kwh=0.0, demand_kw=900.0, units_kw=100.0, temperature_c=-20.0)
    slot = run_heat(NETWORK, now, BOILER_ONLY)
    assert slot.missing_kw == pytest.approx(300.0)


@given(
    e_kwh=st.floats(0, 1000),
    demand_kw=st.floats(0, 3000),
    units_kw=st.floats(0, 3000),
    pump_kw=power,
    boiler_kw=st.none() | power,
    store_first=st.booleans(),
)
def test_heat_balances_within_all_limits(
    e_kwh: float,
    demand_kw: float,
    units_kw: float,
    pump_kw: float,
    boiler_kw: float | None,
    store_first: bool,
) -> None:
    now = HeatSituation(e_kwh, demand_kw, units_kw, temperature_c=20.0)
    slot = run_heat(NETWORK, now, HeatOrder(pump_kw, boiler_kw, store_first))
    stored_kw = (slot.e_heat_kwh - e_kwh * 0.99) / DT_H
    made = units_kw + slot.heat_pump_kw * 4.0 + slot.boiler_kw + slot.missing_kw
    assert made == pytest.approx(demand_kw + stored_kw + slot.dumped_kw, abs=1e-6)
    assert abs(stored_kw) <= 400 + 1e-9 and 0 <= slot.e_heat_kwh <= 1000
    assert 0 <= slot.boiler_kw <= 500 and 0 <= slot.heat_pump_kw <= 100
    assert slot.dumped_kw >= 0 and slot.missing_kw >= 0
    assert slot.dumped_kw == 0 or slot.missing_kw == 0


def test_a_district_without_heat_has_none() -> None:
    now = HeatSituation(e_heat_kwh=0.0, demand_kw=0.0, units_kw=5.0, temperature_c=0.0)
    assert run_heat(None, now, BOILER_ONLY).dumped_kw == 0.0


def states(on: list[int], p_kw: list[float], since: int = 100, gas: float = np.inf) -> UnitStates:
    return UnitStates(
        up=np.ones(len(on), dtype=np.bool_),
        on=np.array(on, dtype=np.bool_),
        p_kw=np.array(p_kw),
        since=np.full(len(on), since),
        e_fuel_kwh=np.array([gas]),
    )


def order(on: int, p_kw: float) -> UnitOrder:
    return UnitOrder(np.array([on]), np.array([p_kw]))


def test_running_units_share_the_load_and_burn_by_the_curve() -> None:
    slot = Generators((CELL,), 1).run(states([1, 1, 0], [250.0, 250.0, 0.0]), 0, order(2, 700.0))
    assert slot.states.p_kw.tolist() == [350.0, 350.0, 0.0]
    assert slot.fuel_kw[0] == pytest.approx(2 * (300 + 250 * 700 / 300))
    assert slot.heat_kw[0] == pytest.approx(700.0)


def test_a_ramp_is_kept_and_a_start_begins_at_the_bottom() -> None:
    cells = Generators((CELL,), 1)
    slot = cells.run(states([1, 0, 0], [150.0, 0.0, 0.0]), 0, order(2, 800.0))
    assert slot.states.p_kw.tolist() == [300.0, 150.0, 0.0]
    assert slot.starts[0] == 1


def test_units_hold_what_they_do_without_an_order() -> None:
    before = states([1, 0, 1], [180.0, 0.0, 333.0])
    slot = Generators((CELL,), 1).run(before, 0, None)
    assert slot.states.p_kw.tolist() == before.p_kw.tolist()
    assert (slot.starts[0], slot.stops[0]) == (0, 0)


def test_a_unit_that_has_just_started_runs_its_least_time() -> None:
    cells = Generators((CELL,), 1)
    first = cells.run(states([0, 0, 0], [0.0] * 3), 0, order(1, 100.0))
    second = cells.run(first.states, 900, order(0, 0.0))
    third = cells.run(second.states, 1800, order(0, 0.0))
    assert (first.on[0], second.on[0], third.on[0]) == (1, 1, 0)
    rest = third.states
    for _ in range(2):  # three slots of rest, and not before
        rest = cells.run(rest, 0, order(3, 300.0)).states
    assert rest.on.tolist() == [False, True, True]
    assert cells.run(rest, 0, order(3, 300.0)).states.on.all()


def test_a_trip_stops_a_unit_and_counts_as_no_stop() -> None:
    frail = Generators((replace(CELL, mtbf_h=1e-9, mttr_h=1e12),), 1)
    slot = frail.run(states([1, 1, 0], [100.0, 100.0, 0.0]), 0, order(2, 200.0))
    assert (slot.on[0], slot.trips[0], slot.stops[0]) == (0, 2, 0)
    assert not slot.states.up.any()


def test_units_are_able_to_run_as_often_as_their_mtbf_says() -> None:
    many = Generators((replace(CELL, count=400, mtbf_h=150.0, mttr_h=4.6),), 1)
    now = many.begin(0)
    able = []
    for slot in range(0, 900 * 96 * 14, 900):
        now = many.run(now, slot, None).states
        able.append(now.up.mean())
    # 400 units, repairs of 18 slots: some 30,000 independent looks; 0.970 to half a point.
    assert np.mean(able) == pytest.approx(150 / 154.6, abs=0.005)


def test_luck_does_not_depend_on_what_units_are_told() -> None:
    cells = Generators((replace(CELL, count=40, mtbf_h=20.0, mttr_h=5.0),), 1)
    idle = busy = cells.begin(0)
    for slot in range(0, 900 * 50, 900):
        idle = cells.run(idle, slot, order(0, 0.0)).states
        busy = cells.run(busy, slot, order(40, 1e6)).states
        assert (idle.up == busy.up).all()


def test_a_unit_on_its_own_gas_never_burns_more_than_there_is() -> None:
    biogas = replace(CELL, count=1, daily_fuel_kwh=9600.0, fuel_store_kwh=500.0)
    plant = Generators((biogas,), 1)
    now, stores, burnt = states([1], [400.0], gas=250.0), [250.0], []
    for slot in range(0, 900 * 96, 900):
        done = plant.run(now, slot, order(1, 400.0))
        burnt.append(done.fuel_kw[0] * DT_H)
        now = done.states
        stores.append(now.e_fuel_kwh[0])
    assert min(stores) >= 0
    # 9,600 kWh come in a day, 8 % more or less; the store held 250 and nothing was vented.
    assert sum(burnt) == pytest.approx(9600 + 250 - stores[-1], rel=0.25)


def test_gas_that_the_store_cannot_hold_is_vented() -> None:
    biogas = replace(CELL, count=1, daily_fuel_kwh=9600.0, fuel_store_kwh=500.0)
    plant, now = Generators((biogas,), 1), states([0], [0.0], gas=450.0)
    for slot in range(0, 900 * 3, 900):
        now = plant.run(now, slot, order(0, 0.0)).states
    assert now.e_fuel_kwh[0] == 500.0


@given(
    on=st.integers(-5, 50),
    p_kw=power,
    running=st.lists(st.booleans(), min_size=3, max_size=3),
    last_kw=st.floats(100, 400),
    since=st.integers(1, 5),
)
def test_units_keep_their_limits_whatever_they_are_told(
    on: int, p_kw: float, running: list[bool], last_kw: float, since: int
) -> None:
    before = states([int(r) for r in running], [last_kw if r else 0.0 for r in running], since)
    slot = Generators((CELL,), 1).run(before, 0, order(on, p_kw))
    p = slot.states.p_kw
    assert ((p == 0) == ~slot.states.on).all()
    assert ((p[slot.states.on] >= 100) & (p[slot.states.on] <= 400)).all()
    assert (np.abs(p - before.p_kw)[before.on & slot.states.on] <= 150 + 1e-9).all()
    assert slot.p_kw[0] == pytest.approx(p.sum())
    assert slot.fuel_kw[0] == pytest.approx((curve(CELL.fuel, p) * slot.states.on).sum())
    assert slot.on[0] - before.on.sum() == slot.starts[0] - slot.stops[0]


def test_a_district_without_units_has_none() -> None:
    none = Generators((), 1)
    slot = none.run(none.begin(0), 0, UnitOrder(np.zeros(0, dtype=np.int64), np.zeros(0)))
    assert slot.p_kw.shape == (0,)
