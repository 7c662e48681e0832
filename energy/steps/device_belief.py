"""What devices say of themselves: within their plates it is believed, else replaced and named.

In place of what cannot be stands where the device was expected to be by now; before anything was
expected, what commits to least: a battery at its reserve, a unit that cannot run, an empty store.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.forecast import CarSessions
from energy.plant import Telemetry

if TYPE_CHECKING:
    from energy.steps.measure import LastGood, States

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BEYOND_PLATE_FRAC = 1e-3
"""A meter's error: what lies so little beyond a plate's limit is still believed."""

TEMPERATURE_C_MAX, MILD_C = 60.0, 10.0


def believable_devices(
    district: District, seen: Telemetry, last_good: "LastGood | None"
) -> tuple[Telemetry, tuple[str, ...]]:
    """The telemetry with unbelievable states of devices, heat and air replaced, and which in words.

    The states of `last_good` say where the devices should stand at the end of the slot.
    """
    named: list[str] = []
    expected = last_good.states if last_good else None
    seen = _heat_and_air(seen, last_good, named)
    batteries, e_battery_kwh = district.batteries, seen.e_battery_kwh
    if not (good := _within(e_battery_kwh, batteries.e_kwh_max)).all():
        least_kwh = batteries.reserve_frac * batteries.e_kwh_max
        stand_in = expected.e_battery_kwh if expected else least_kwh
        named.append(_told("batteries", batteries.id, good))
        e_battery_kwh = np.where(good, e_battery_kwh, stand_in)
    seen = _units(district, replace(seen, e_battery_kwh=e_battery_kwh), expected, named)
    seen = _heat(district, seen, expected, named)
    cars = _cars(seen.cars, expected.cars if expected else None, named)
    return replace(seen, cars=cars), tuple(named)


def _within(values: FloatArray, most: FloatArray) -> BoolArray:
    """Which values are numbers from nought to their plate's limit."""
    with np.errstate(invalid="ignore"):
        good: BoolArray = np.isfinite(values) & (values >= -BEYOND_PLATE_FRAC * most)
        return good & (values <= (1 + BEYOND_PLATE_FRAC) * most)


def _told(what: str, ids: tuple[str, ...], good: BoolArray) -> str:
    bad = [ids[row] for row in np.flatnonzero(~good).tolist()]
    more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
    return (
        f"{len(bad)} {what} gave no believable state, expected one used: {', '.join(bad[:3])}{more}"
    )


def _units(
    district: District, seen: Telemetry, expected: "States | None", named: list[str]
) -> Telemetry:
    """Groups of units: how many can run, how many do, their power and their gas."""
    count = np.array([unit.count for unit in district.units], dtype=np.int64)
    most_kw = count * np.array([unit.p_kw_max for unit in district.units])
    store_kwh = np.array([unit.fuel_store_kwh for unit in district.units])
    piped = ~np.isfinite([unit.daily_fuel_kwh for unit in district.units])
    good = (seen.units_up >= 0) & (seen.units_up <= count)
    good &= (seen.unit_on >= 0) & (seen.unit_on <= count) & _within(seen.unit_p_kw, most_kw)
    good &= piped | _within(seen.e_fuel_kwh, store_kwh)
    if good.all():
        return seen
    named.append(_told("groups of units", tuple(unit.id for unit in district.units), good))
    none = np.zeros(len(count))
    on = expected.unit_on if expected else none.astype(np.int64)
    p_kw = expected.unit_p_kw if expected else none
    fuel_kwh = expected.e_fuel_kwh if expected else np.where(piped, np.inf, 0.0)
    return replace(
        seen,
        units_up=np.where(good, seen.units_up, on),
        unit_on=np.where(good, seen.unit_on, on),
        unit_p_kw=np.where(good, seen.unit_p_kw, p_kw),
        e_fuel_kwh=np.where(good, seen.e_fuel_kwh, fuel_kwh),
    )


def _heat(
    district: District, seen: Telemetry, expected: "States | None", named: list[str]
) -> Telemetry:
    """The heat store's content, and the wires' loss that the utility's meter shows."""
    table = district.heat
    if (
        table is not None
        and not _within(np.array([seen.e_heat_kwh]), np.array([table.store_kwh_max])).all()
    ):
        named.append("the heat store gave no believable content, the expected one used")
        seen = replace(seen, e_heat_kwh=expected.e_heat_kwh if expected else 0.0)
    if not (np.isfinite(seen.loss_kw) and seen.loss_kw >= 0):
        named.append("the wires' loss is no number that can be, nought used")
        seen = replace(seen, loss_kw=0.0)
    return seen


def _heat_and_air(seen: Telemetry, last_good: "LastGood | None", named: list[str]) -> Telemetry:
    """Heat demand and temperature: the last good ones stand in."""
    if not (np.isfinite(seen.heat_kw) and seen.heat_kw >= 0):
        named.append("the heat meter gave no believable demand, the last good one used")
        seen = replace(seen, heat_kw=last_good.heat_kw if last_good else 0.0)
    if not abs(seen.temperature_c) <= TEMPERATURE_C_MAX:
        named.append("the weather station gave no believable temperature, the last good one used")
        mild_c = last_good.temperature_c if last_good else MILD_C
        seen = replace(seen, temperature_c=mild_c)
    return seen


def _cars(cars: CarSessions, expected: CarSessions | None, named: list[str]) -> CarSessions:
    """Connected cars with the energy that they say, were expected to hold, or nothing."""
    good = _within(cars.e_now_kwh, cars.e_capacity_kwh)
    if good.all():
        return cars
    held = (
        dict(zip(expected.car.tolist(), expected.e_now_kwh.tolist(), strict=True))
        if expected
        else {}
    )
    stand_in = np.array([held.get(car, 0.0) for car in cars.car.tolist()])
    named.append(f"{int((~good).sum())} cars gave no believable energy, the expected one used")
    return replace(cars, e_now_kwh=np.where(good, cars.e_now_kwh, stand_in))
