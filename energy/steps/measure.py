"""The measure step: what the last complete slot shows, what of it cannot be believed, and where
every device will stand when the slot to be decided begins.

At the gate of slot d the last complete slot is d - 2; what happens in d - 1 is not measured yet,
so states are carried on with the set-points that were published for it.
"""

import logging
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.forecast import CarSessions, WeatherForecast
from energy.logs import in_words
from energy.plant import Plant, PlantState, PlantStep, Readings, SetPoints, Telemetry
from energy.steps.car_wishes import Wishes, pressed, wished
from energy.steps.device_belief import believable_devices
from energy.steps.door_readings import TakenReadings, leave_door_readings, take_door_readings
from energy.steps.freshness import Standstill, fresh_readings, fresh_telemetry, fresh_weather
from energy.steps.weather_feed import WeatherAt
from energy.store.cars import wishes_at
from energy.store.demand_response import pledge_arrays, pledges
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.islands import islands_between
from energy.store.measured import load_plant_state
from energy.store.setpoints import load_setpoints
from energy.timegrid import iso_of
from energy.units import DT_H, SLOT_S, kw_from_kwh, kwh_from_wh

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SLOTS_BEHIND = 2
"""How many slots the last complete one lies before the slot that is decided at a gate."""

RATING_FACTOR_MAX = 2.0
"""A transformer's meter that shows more than this many times its rating is not believed."""


@dataclass(frozen=True, eq=False)
class States:
    """Where the devices stand at the start of the slot to be decided, as far as is known.

    `cars_to_plan` are the same cars as `cars`, those that charge at once without a choice.
    """

    e_battery_kwh: FloatArray
    unit_on: IntArray
    unit_p_kw: FloatArray
    e_fuel_kwh: FloatArray
    e_heat_kwh: float
    cars: CarSessions
    cars_to_plan: CarSessions


@dataclass(frozen=True, eq=False)
class LastGood:
    """The last believable value of each area, (A,) kW, heat demand and temperature; and where
    devices should stand by now, None where that was not carried over a restart.
    """

    load_kw: FloatArray
    pv_kw: FloatArray
    heat_kw: float
    temperature_c: float
    states: States | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """What is known at the gate of `slot`.

    `telemetry` is that of the last complete slot with unbelievable area values replaced by the
    last good ones; `known` (A,) marks those that were measured. `named` says in words what was
    replaced, `came` which feeds of telemetry brought values that are of their time, `still` what
    has not moved for how long. `state_after` is the plant's own affair and only kept. `taken` are
    the numbers of readings that devices brought by the door.
    """

    slot: int
    telemetry: Telemetry
    known: npt.NDArray[np.bool_]
    readings: Readings
    state_after: PlantState
    states: States
    told_now: SetPoints | None
    weather: WeatherForecast | None
    named: tuple[str, ...]
    came: frozenset[str]
    still: Standstill
    taken: tuple[int, ...] = ()


def measure(
    plant: Plant,
    store: Store,
    slot: int,
    *,
    state: PlantState,
    last_good: LastGood | None,
    still: Standstill | None = None,
    weather_at: WeatherAt | None = None,
) -> Measured:
    """Run the simulated plant through the last complete slot and read its meters.

    `state` stands at the start of that slot; `last_good` is the telemetry of the slot before;
    `still` is what had not moved by then. `weather_at` gives the newest weather issue, by default
    that of the plant's own service.
    """
    past = slot - SLOTS_BEHIND * SLOT_S
    told, told_now = store.read(
        lambda connection: tuple(load_setpoints(connection, each) for each in (past, past + SLOT_S))
    )
    promised_kw = store.read(lambda connection: promised_at(connection, plant.district, past))
    told_past = SetPoints.from_bytes(told.body) if told else None
    then, wishes = store.read(
        lambda connection: tuple(wishes_at(connection, each, past) for each in (past, slot))
    )
    # Drivers do as they have said: their cars leave then.
    state = replace(state, cars=wished(state.cars, then))
    is_alone = bool(store.read(lambda connection: islands_between(connection, past, past + SLOT_S)))
    step = plant.step(state, past, told_past, promised_kw, is_alone)
    door, left = _door_readings(store, plant.district, step.readings, past)
    step = replace(step, readings=door.readings)
    now = SetPoints.from_bytes(told_now.body) if told_now else None
    weather, unasked = _weather(weather_at or plant.weather_forecast, past + SLOT_S)
    measured = read_step(
        plant.district,
        step,
        last_good,
        told=(told_past, now),
        wishes=wishes,
        still=still,
    )
    believed, doubted = fresh_weather(weather, past + SLOT_S)
    named = (*measured.named, *left, *unasked, *doubted)
    return replace(measured, weather=believed, named=named, taken=door.taken)


def _door_readings(
    store: Store, district: District, readings: Readings, past: int
) -> tuple[TakenReadings, tuple[str, ...]]:
    """The readings with what devices brought; where one of them is too odd to be taken, all wait,
    for a slot is told in time whatever a device has said. And that, in words.
    """
    try:
        return store.read(lambda c: take_door_readings(c, district, readings, past)), ()
    except StoreError:
        raise
    except Exception as error:
        log.exception("slot %s: readings that devices brought cannot be taken", iso_of(past))
        words = f"no reading of a device could be taken, they wait: {in_words(error)}"
    return store.read(lambda c: leave_door_readings(c, district, readings, past)), (words,)


def _weather(
    weather_at: WeatherAt, now_slot: int
) -> tuple[WeatherForecast | None, tuple[str, ...]]:
    """The newest weather issue; where the service fails none, and that, in words."""
    try:
        return weather_at(now_slot), ()
    except Exception as error:
        log.exception("slot %s: the weather service failed", iso_of(now_slot))
        return None, (f"the weather service failed: {in_words(error)}",)


def read_step(
    district: District,
    step: PlantStep,
    last_good: LastGood | None,
    *,
    told: tuple[SetPoints | None, SetPoints | None],
    wishes: Wishes | None = None,
    still: Standstill | None = None,
) -> Measured:
    """What is known at the gate two slots after the step's, without a weather forecast.

    `told` are the set-points of the step's slot and of the running one; `wishes` are those for
    cars that count in the slot to be decided; `still` is what had not moved before.
    """
    past = step.telemetry.slot
    slot, told_now = past + SLOTS_BEHIND * SLOT_S, told[1]
    fresh = fresh_telemetry(district, step.telemetry, told[0], still)
    readings, not_taken = fresh_readings(step.readings, past)
    telemetry, doubted = believable_devices(district, fresh.telemetry, last_good)
    telemetry, known, named = believable(district, telemetry, last_good)
    return Measured(
        slot=slot,
        telemetry=telemetry,
        known=known & fresh.of_the_slot,
        readings=readings,
        state_after=step.state_after,
        states=carry_on(district, telemetry, told_now, slot, wishes or {}),
        told_now=told_now,
        weather=None,
        named=(*fresh.named, *not_taken, *named, *doubted),
        came=fresh.came,
        still=fresh.still,
    )


def promised_at(connection: Connection, district: District, slot: int) -> FloatArray | None:
    """What customers have committed to draw less in a slot, (M,) kW; None without a DR event."""
    found = pledges(connection, [slot], slot)
    if not found:
        return None
    wh = pledge_arrays(found, [slot], district.meters.account)[0]
    return np.asarray(kw_from_kwh(kwh_from_wh(wh)))


def load_state(store: Store, plant: Plant, slot: int, first_slot: int) -> PlantState:
    """The plant's state at the start of `slot`: the kept one, or the beginning of everything."""
    body = store.read(lambda connection: load_plant_state(connection, slot))
    if body is not None:
        return PlantState.from_bytes(body)
    return plant.begin(first_slot - SLOTS_BEHIND * SLOT_S)


def believable(
    district: District, seen: Telemetry, last_good: LastGood | None
) -> tuple[Telemetry, npt.NDArray[np.bool_], tuple[str, ...]]:
    """The telemetry with unbelievable area values replaced, which were measured, and what was not.

    Replaced by the area's last good value; before there is one, by nought.
    """
    network = district.network
    of_area = network.areas.transformer
    rating_kw = np.where(of_area >= 0, network.transformers.s_kva[np.maximum(of_area, 0)], np.inf)
    limit_kw = RATING_FACTOR_MAX * rating_kw
    load_kw, good_load = _replaced(
        seen.p_load_kw, limit_kw, last_good.load_kw if last_good else None
    )
    pv_kw, good_pv = _replaced(seen.p_pv_kw, limit_kw, last_good.pv_kw if last_good else None)
    known = (seen.quality_area > 0) & good_load & good_pv
    bad = np.flatnonzero(~known)
    named: tuple[str, ...] = ()
    if len(bad):
        ids = ", ".join(network.areas.id[area] for area in bad[:3].tolist())
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        named = (
            f"{len(bad)} area meters gave no believable value, last good one used: {ids}{more}",
        )
    return replace(seen, p_load_kw=load_kw, p_pv_kw=pv_kw), known, named


def _replaced(
    values: FloatArray, limit_kw: FloatArray, before: FloatArray | None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """The believable values with the ones before in the gaps, and which were believable."""
    with np.errstate(invalid="ignore"):
        good = np.isfinite(values) & (values >= 0) & (values <= limit_kw)
    return np.where(good, values, 0.0 if before is None else before), good


def carry_on(
    district: District,
    seen: Telemetry,
    told: SetPoints | None,
    slot: int,
    wishes: Wishes = MappingProxyType({}),
) -> States:
    """Where the devices will stand at the start of `slot` if they do as they are told."""
    table = district.batteries
    stored_kwh = seen.e_battery_kwh
    unit_on, unit_p_kw = seen.unit_on, seen.unit_p_kw
    if told is not None:
        into_kw = told.battery_charge_kw * table.eta_charge
        out_kw = told.battery_discharge_kw / table.eta_discharge
        stored_kwh = np.clip(stored_kwh + (into_kw - out_kw) * DT_H, 0.0, table.e_kwh_max)
        unit_on, unit_p_kw = told.unit_on, told.unit_p_kw
    rated_kw = np.array([unit.p_kw_max for unit in district.units])
    unit_on = np.minimum(unit_on, seen.units_up)
    unit_p_kw = np.minimum(unit_p_kw, unit_on * rated_kw)
    cars = _cars(district, wished(seen.cars, wishes), told, slot)
    return States(
        e_battery_kwh=stored_kwh,
        unit_on=unit_on.astype(np.int64),
        unit_p_kw=unit_p_kw,
        e_fuel_kwh=_fuel_kwh(district, seen, unit_on, unit_p_kw),
        e_heat_kwh=_heat_kwh(district, seen, told, unit_on, unit_p_kw),
        cars=cars,
        cars_to_plan=pressed(district.chargers, cars, wishes, slot),
    )


def _each_kw(unit_on: IntArray, unit_p_kw: FloatArray, row: int) -> float:
    """Power of one running unit of a group."""
    return float(unit_p_kw[row]) / max(int(unit_on[row]), 1)


def _fuel_kwh(
    district: District, seen: Telemetry, unit_on: IntArray, unit_p_kw: FloatArray
) -> FloatArray:
    """Content of each group's gas store a slot on; infinite on a pipe."""
    stored = seen.e_fuel_kwh.copy()
    for row, unit in enumerate(district.units):
        if not np.isfinite(unit.daily_fuel_kwh):
            continue
        curve = np.asarray(unit.fuel)
        each_kw = np.interp(_each_kw(unit_on, unit_p_kw, row), curve[:, 0], curve[:, 1])
        flow_kw = unit.daily_fuel_kwh / 24 - int(unit_on[row]) * float(each_kw)
        stored[row] = np.clip(stored[row] + flow_kw * DT_H, 0.0, unit.fuel_store_kwh)
    return stored


def _heat_kwh(
    district: District,
    seen: Telemetry,
    told: SetPoints | None,
    unit_on: IntArray,
    unit_p_kw: FloatArray,
) -> float:
    """Content of the heat store a slot on, demand staying as it is."""
    table = district.heat
    if table is None:
        return 0.0
    given_kw = 0.0
    for row, unit in enumerate(district.units):
        curve = np.asarray(unit.heat)
        each_kw = np.interp(_each_kw(unit_on, unit_p_kw, row), curve[:, 0], curve[:, 1])
        given_kw += int(unit_on[row]) * float(each_kw)
    if told is not None:
        cop = float(table.cop_at(np.array([seen.temperature_c]))[0])
        given_kw += told.heat_pump_kw * cop + (told.boiler_kw or 0.0)
    kept_kwh = seen.e_heat_kwh * (1 - table.loss_frac_per_h * DT_H)
    after_kwh = kept_kwh + (given_kw - seen.heat_kw) * DT_H
    return float(np.clip(after_kwh, 0.0, table.store_kwh_max))


def _cars(district: District, cars: CarSessions, told: SetPoints | None, slot: int) -> CarSessions:
    """The connected cars that are still there at the start of `slot`, with their energy by then."""
    eta = district.chargers.eta
    into_kwh = np.minimum(
        cars.p_kw_max * eta * DT_H, np.maximum(cars.e_due_kwh - cars.e_now_kwh, 0.0)
    )
    if told is not None and told.points_off is not None:
        into_kwh = np.where(told.points_off[cars.group], 0.0, into_kwh)
    if told is not None and len(told.car):
        order = np.argsort(told.car, kind="stable")
        place = np.minimum(np.searchsorted(told.car, cars.car, sorter=order), len(order) - 1)
        row = order[place]
        is_told = told.car[row] == cars.car
        told_kwh = (told.car_charge_kw[row] * eta - told.car_discharge_kw[row] / eta) * DT_H
        into_kwh = np.where(is_told, told_kwh, into_kwh)
    e_now_kwh = np.clip(cars.e_now_kwh + into_kwh, 0.0, cars.e_capacity_kwh)
    moved = replace(cars, e_now_kwh=e_now_kwh)
    return moved.take(cars.departure_slot > slot)
