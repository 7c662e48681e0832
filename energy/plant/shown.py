"""What the loop gets to see of a slot: telemetry with its faults, what devices did otherwise."""

import numpy as np
from numpy.typing import ArrayLike

from energy.district import District
from energy.plant.draws import FloatArray
from energy.plant.interface import (
    QUALITY_MEASURED,
    QUALITY_MISSING,
    Deviation,
    SetPoints,
    Stamps,
    Telemetry,
)
from energy.plant.orders import Heard
from energy.plant.ran import Ran
from energy.plant.truth import area_load_kw

TOLERANCE_KW = 1e-3
"""A difference below a watt is rounding."""


def telemetry(district: District, ran: Ran, heard: Heard, factor: FloatArray) -> Telemetry:
    """The telemetry of a slot; `factor` (A,) is what the areas' meters make of the truth."""
    parts, exchange = ran.parts, ran.exchange
    outside, units, heat, cars = parts.outside, parts.units, parts.heat, parts.cars
    count = len(district.units)
    now = parts.slot
    group = np.repeat(np.arange(count), [unit.count for unit in district.units])
    return Telemetry(
        slot=now,
        stamps=Stamps(now, now, now, now, now),
        p_load_kw=factor * area_load_kw(district, outside.load_kw),
        p_pv_kw=factor * outside.solar.area_kw,
        pv_curtailed_kw=parts.curtailed_kw,
        quality_area=np.where(np.isfinite(factor), QUALITY_MEASURED, QUALITY_MISSING),
        heat_kw=outside.heat_kw,
        temperature_c=outside.air.temperature_c,
        cloud_frac=outside.air.cloud_frac,
        wind_m_per_s=outside.air.wind_m_per_s,
        e_battery_kwh=parts.batteries.e_kwh,
        battery_charge_kw=parts.batteries.charge_kw,
        battery_discharge_kw=parts.batteries.discharge_kw,
        units_up=np.bincount(group[units.states.up], minlength=count),
        unit_on=units.on,
        unit_p_kw=units.p_kw,
        unit_fuel_kw=units.fuel_kw,
        unit_heat_kw=units.heat_kw,
        unit_starts=units.starts,
        unit_stops=units.stops,
        unit_trips=units.trips,
        e_fuel_kwh=units.states.e_fuel_kwh,
        e_heat_kwh=heat.e_heat_kwh,
        boiler_kw=heat.boiler_kw,
        heat_pump_kw=heat.heat_pump_kw,
        heat_dumped_kw=heat.dumped_kw,
        heat_missing_kw=heat.missing_kw,
        cars=parts.change.plugged.cars,
        cars_charge_kw=cars.charge_kw,
        cars_discharge_kw=cars.discharge_kw,
        cars_uncontrolled_kw=cars.uncontrolled_kw,
        departures=parts.change.departures,
        p_import_kw=max(exchange.p_net_kw, 0.0),
        p_export_kw=max(-exchange.p_net_kw, 0.0),
        loss_kw=exchange.loss_kw,
        flow_converged=exchange.converged,
        setpoints=heard.status,
        deviations=() if heard.said is None else deviations(district, ran, heard.said),
    )


def deviations(district: District, ran: Ran, told: SetPoints) -> tuple[Deviation, ...]:
    """What devices did otherwise than they were told; powers of stores count net, drawn is plus."""
    parts, chargers = ran.parts, district.chargers
    batteries, units, heat, cars = parts.batteries, parts.units, parts.heat, parts.cars
    unit_ids = tuple(unit.id for unit in district.units)
    areas = tuple(f"solar-{area}" for area in district.network.areas.id)
    with np.errstate(invalid="ignore"):
        wanted_kw = told.battery_charge_kw - told.battery_discharge_kw
    battery_kw = batteries.charge_kw - batteries.discharge_kw
    found = [
        *_other(district.batteries.id, "net_kw", wanted_kw, battery_kw),
        *_other(chargers.id, "net_kw", cars.told_kw, cars.did_kw),
        *_other(unit_ids, "unit_on", told.unit_on, units.on),
        *_other(unit_ids, "unit_p_kw", told.unit_p_kw, units.p_kw),
        *_other(areas, "pv_curtail_kw", told.pv_curtail_kw, parts.curtailed_kw),
    ]
    if district.heat is not None:
        found += _other(("heat-pump",), "heat_pump_kw", [told.heat_pump_kw], [heat.heat_pump_kw])
        if told.boiler_kw is not None:
            found += _other(("boiler",), "boiler_kw", [told.boiler_kw], [heat.boiler_kw])
    return tuple(found)


def _other(assets: tuple[str, ...], what: str, told: ArrayLike, did: ArrayLike) -> list[Deviation]:
    """The assets that did something else than they were told."""
    wanted, done = np.asarray(told, dtype=np.float64), np.asarray(did, dtype=np.float64)
    # Written so that what is not a number counts as another thing.
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(~(np.abs(wanted - done) <= TOLERANCE_KW))
    return [Deviation(assets[row], what, float(wanted[row]), float(done[row])) for row in rows]
