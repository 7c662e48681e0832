"""The district's truth, slot by slot: a pure function of state, slot and set-points.

Every draw comes from (seed, stream, slot or day), so that a slot can be run again bit for bit, and
so that weather, people and faults are the same whatever the loop decides.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from energy.district import District
from energy.forecast import CarSessions, History, WeatherForecast
from energy.plant.alone import Around, Wish, run_alone
from energy.plant.batteries import run_batteries
from energy.plant.charging import ChangeOver, Plugged, change_over, run_cars
from energy.plant.draws import FloatArray, IntArray
from energy.plant.faults import area_faults, meter_faults
from energy.plant.generators import Generators, UnitStates
from energy.plant.heat import HeatSituation, run_heat
from energy.plant.interface import BehindMeters, PlantError, PlantState, PlantStep, SetPoints
from energy.plant.measured import MeasuredTruth
from energy.plant.metering import (
    asset_ids,
    first_registers,
    no_pending,
    pending_after,
    read_meters,
    registers_after,
    true_wh,
)
from energy.plant.orders import Heard, hear
from energy.plant.promises import given_up_kw
from energy.plant.ran import Happened, Ran, drawn, injected
from energy.plant.shown import telemetry
from energy.plant.stays import StayBook, points_of
from energy.plant.truth import SimulatedTruth, Truth
from energy.plant.wires import AtBuses, Wires
from energy.timegrid import require_slot, slots_from
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY, kwh_from_kw, wh_from_kwh


class Plant:
    """One simulated district; built once, then asked for any slot in any order."""

    def __init__(self, district: District, seed: int) -> None:
        self.district = district
        self.seed = seed
        self.asset_ids = asset_ids(district)
        self._truth: Truth = (
            SimulatedTruth(district, seed)
            if district.measured is None
            else MeasuredTruth(district, district.measured, seed)
        )
        self._book = StayBook(district, seed)
        self._generators = Generators(district.units, seed)
        self._wires = Wires(district)

    def begin(self, first_slot: int) -> PlantState:
        """The state at the START of `first_slot`: stores half full, cars connected, units on."""
        district = self.district
        units = self._generators.begin(require_slot(first_slot))
        cars = self._book.connected(first_slot)
        registers = first_registers(district, self.seed)
        return PlantState(
            slot=first_slot,
            fence=0,
            e_battery_kwh=0.5 * district.batteries.e_kwh_max,
            unit_up=units.up,
            unit_on=units.on,
            unit_p_kw=units.p_kw,
            unit_since=units.since,
            e_fuel_kwh=units.e_fuel_kwh,
            e_heat_kwh=0.5 * district.heat.store_kwh_max if district.heat else 0.0,
            cars=cars,
            e_free_kwh=cars.e_now_kwh,
            import_register_wh=registers.import_wh,
            export_register_wh=registers.export_wh,
            asset_import_register_wh=registers.asset_import_wh,
            asset_export_register_wh=registers.asset_export_wh,
            pending=no_pending(),
        )

    def archive(self, first_slot: int, days: int) -> History:
        """The record of the `days` days before `first_slot`, (T, A), as areas' meters showed it.

        The same truth as that of later slots, with the same share of faults. Slots that a measured
        district does not have are NaN.
        """
        count = days * SLOTS_PER_DAY
        slots = slots_from(require_slot(first_slot) - count * SLOT_S, count)
        size = (count, self.district.areas)
        load, pv = np.full(size, np.nan), np.full(size, np.nan)
        single = np.full((3, count), np.nan)
        for row, slot in enumerate(slots.tolist()):
            if not self._truth.knows(slot):
                continue
            outside = self._truth.areas_at(slot)
            factor = area_faults(self.seed, slot, self.district.areas)
            load[row], pv[row] = factor * outside.load_kw, factor * outside.pv_kw
            air = outside.air
            single[:, row] = outside.heat_kw, air.temperature_c, air.cloud_frac
        return History(slots, load, pv, *single)

    def past_stays(self, first_slot: int, days: int) -> CarSessions:
        """Stays that began in the `days` days before `first_slot`, as `fit_arrivals` wants them."""
        return self._book.between(first_slot - days * SLOTS_PER_DAY * SLOT_S, first_slot)

    def step(
        self,
        state: PlantState,
        slot: int,
        setpoints: SetPoints | None,
        promised_kw: FloatArray | None = None,
        is_alone: bool = False,
    ) -> PlantStep:
        """One slot; `state` stands at its start.

        `promised_kw` (M,) is what customers have committed to draw less; they know it themselves.
        `is_alone`: the connection to the utility is open from the slot's start to its end.
        Set-points count from their own slot until they expire; expired, missing, sent after the
        slot or of a lower fence than the last seen they leave each device to its default: batteries
        idle, cars charge at once, units hold what they do, boilers give the heat.
        """
        if slot != state.slot:
            raise PlantError(f"plant step: slot {slot}, allowed: {state.slot}, where its state is")
        heard = hear(self.district, state.fence, slot, setpoints)
        parts = self._happened(state, heard, promised_kw)
        if is_alone:
            around = Around(self._wires.exchange, partial(self._change, slot=slot))
            ran = run_alone(self.district, Wish(state, heard, parts), around)
        else:
            ran = Ran(parts, self._wires.exchange(injected(parts)))
        wh = true_wh(drawn(self.district, ran), is_alone=is_alone)
        fault = self.meter_faults(slot)
        registers = registers_after(state, wh)
        after = replace(
            _devices_after(state, ran.parts),
            fence=heard.fence,
            import_register_wh=registers.import_wh,
            export_register_wh=registers.export_wh,
            asset_import_register_wh=registers.asset_import_wh,
            asset_export_register_wh=registers.asset_export_wh,
            pending=pending_after(state, wh, fault, self.seed),
        )
        factor = area_faults(self.seed, slot, self.district.areas)
        return PlantStep(
            state_after=after,
            telemetry=telemetry(self.district, ran, heard, factor),
            readings=read_meters(state, wh, self.asset_ids, fault),
        )

    def without_plan(self, first_slot: int, count: int) -> Iterator[AtBuses]:
        """What every bus draws in each of `count` slots while all devices keep to their defaults.

        The same as `step` without set-points from `begin` on, but for meters and power flows.
        """
        state = self.begin(first_slot)
        for _ in range(count):
            parts = self._happened(state, hear(self.district, state.fence, state.slot, None))
            yield self._wires.at_buses(injected(parts))
            state = _devices_after(state, parts)

    def customers_wh(self, slot: int) -> IntArray | None:
        """Import less export of every customer's meter in a slot before the books, (M,) Wh.

        As the utility's own readings have it; None where there are none of that slot.
        """
        if not self._truth.knows(slot):
            return None
        outside = self._truth.at(slot)
        return wh_from_kwh(kwh_from_kw(outside.load_kw - outside.solar.own_kw))

    def behind_meters(self, slot: int) -> BehindMeters:
        """What customers used and their own sun gave in a slot, kWh, whatever was traded.

        What an energy audit reads off the meters inside a building; no loop may ask.
        """
        outside = self._truth.at(slot)
        return BehindMeters(kwh_from_kw(outside.load_kw), kwh_from_kw(outside.solar.own_kw))

    def assets_by_default_wh(self, slots: IntArray) -> IntArray:
        """Import less export of the operator's meters while nobody plans, (T, N) Wh, solar 0.

        Batteries and heat pump rest, cars charge at once, units run as long running leaves them.
        """
        district = self.district
        first, end = int(slots.min()) - 2 * SLOTS_PER_DAY * SLOT_S, int(slots.max()) + SLOT_S
        stays, eta = self._book.between(first, end), district.chargers.eta
        batteries, groups = len(district.batteries.id), len(district.chargers.id)
        net_kw = np.zeros((len(slots), len(self.asset_ids)))
        full_kwh = stays.e_due_kwh - stays.e_now_kwh
        for row, slot in enumerate(slots.tolist()):
            # A car that has come charges from the next slot on.
            since = (slot - stays.arrival_slot) // SLOT_S - 1
            here = (since >= 0) & (stays.departure_slot > slot)
            step_kwh = stays.p_kw_max * eta * DT_H
            into_kwh = np.clip(full_kwh - since * step_kwh, 0.0, step_kwh)
            drawn_kw = np.bincount(stays.group[here], into_kwh[here] / eta / DT_H, groups)
            net_kw[row, batteries : batteries + groups] = drawn_kw
            units = self._generators.begin(slot)
            own_kw = np.bincount(self._generators.group, units.p_kw, len(district.units))
            place = batteries + groups
            net_kw[row, place : place + len(district.units)] = -own_kw
        return wh_from_kwh(kwh_from_kw(net_kw))

    def weather_forecast(self, now_slot: int) -> WeatherForecast:
        """The newest weather issue that is out at the start of `now_slot`; one comes every 3 h."""
        return self._truth.weather_forecast(now_slot)

    def meter_faults(self, slot: int) -> IntArray:
        """The Fault of each customer's reading of a slot, (M,); for tests, no loop may ask."""
        return meter_faults(self.seed, slot, len(self.district.meters.use))

    def _happened(
        self, state: PlantState, heard: Heard, promised_kw: FloatArray | None = None
    ) -> Happened:
        """Everything that physically happens in the slot of a state, but for the wires."""
        district, told, slot = self.district, heard.setpoints, state.slot
        outside = self._truth.at(slot)
        if promised_kw is not None and promised_kw.any():
            less_kw = given_up_kw(self.seed, slot, promised_kw, outside.load_kw)
            outside = replace(outside, load_kw=outside.load_kw - less_kw)
        units = self._generators.run(
            UnitStates(
                up=state.unit_up,
                on=state.unit_on,
                p_kw=state.unit_p_kw,
                since=state.unit_since,
                e_fuel_kwh=state.e_fuel_kwh,
            ),
            slot,
            heard.units,
        )
        none = np.zeros(len(district.batteries.id))
        batteries = run_batteries(
            district.batteries,
            state.e_battery_kwh,
            none if told is None else told.battery_charge_kw,
            none if told is None else told.battery_discharge_kw,
        )
        now = HeatSituation(
            e_heat_kwh=state.e_heat_kwh,
            demand_kw=outside.heat_kw,
            units_kw=float(units.heat_kw.sum()),
            temperature_c=outside.air.temperature_c,
        )
        heat = run_heat(district.heat, now, heard.heat)
        cars = run_cars(district.chargers, Plugged(state.cars, state.e_free_kwh), heard.cars)
        change = self._change(cars.after, slot)
        spc_kw = outside.solar.spc_kw
        curtailed_kw = np.zeros(len(spc_kw))
        if told is not None:
            curtailed_kw = np.minimum(told.pv_curtail_kw, spc_kw)
        return Happened(slot, outside, units, batteries, heat, cars, change, curtailed_kw)

    def _change(self, after: Plugged, slot: int) -> ChangeOver:
        """Who leaves and who comes at the end of a slot."""
        return change_over(after, slot, self._arriving(after.cars, slot))

    def _arriving(self, here: CarSessions, slot: int) -> CarSessions:
        """Who comes in a slot to a point that is free: a driver who stays longer keeps it."""
        coming, points = self._book.arriving(slot), int(self.district.chargers.count.sum())
        stays = here.car[here.departure_slot > slot + SLOT_S]
        taken = np.isin(points_of(coming.car, points), points_of(stays, points))
        return coming.take(~taken)


def _devices_after(state: PlantState, parts: Happened) -> PlantState:
    """The devices at the end of a slot; fence and meters stand where they stood."""
    units, plugged = parts.units.states, parts.change.plugged
    return replace(
        state,
        slot=state.slot + SLOT_S,
        e_battery_kwh=parts.batteries.e_kwh,
        unit_up=units.up,
        unit_on=units.on,
        unit_p_kw=units.p_kw,
        unit_since=units.since,
        e_fuel_kwh=units.e_fuel_kwh,
        e_heat_kwh=parts.heat.e_heat_kwh,
        cars=plugged.cars,
        e_free_kwh=plugged.e_free_kwh,
    )
