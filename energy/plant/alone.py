"""A slot without the utility: what holds the balance, and who is cut off where nothing can.

One battery holds voltage and frequency and all of them take what is left over, each by the room
that it has, but for those that are switched off. Where they cannot, relays cut loads off by rank
(cars, heat pump, buildings), and solar and then units give less as the frequency rises. Without a
battery that holds energy and without a running unit everything is dark.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from energy.district import District
from energy.district.islanding import load_ranks
from energy.plant.batteries import run_batteries
from energy.plant.charging import ChangeOver, Plugged, run_cars, throttled
from energy.plant.draws import BoolArray, FloatArray
from energy.plant.generators import UnitSlot
from energy.plant.heat import HeatSituation, run_heat
from energy.plant.interface import PlantState
from energy.plant.orders import Heard
from energy.plant.ran import Happened, Ran, injected
from energy.plant.truth import Outside
from energy.plant.wires import Exchange, Injected
from energy.units import DT_H

ROUNDS = 8
CLOSE_KW = 1e-6
"""Change of the losses from round to round below which the slot is settled."""


@dataclass(frozen=True)
class Around:
    """What a slot stands in: the wires' flow of what is injected, the change-over at the points."""

    flow: Callable[[Injected], Exchange]
    change: Callable[[Plugged], ChangeOver]


@dataclass(frozen=True, eq=False)
class Relief:
    """What departs from set-points and wishes: net draw of the batteries (B,), which part of each
    is served or given: cars' charging, heat pump, meters (M,), solar, units, what cars give.
    """

    battery_kw: FloatArray
    meters: FloatArray
    cars: float = 1.0
    heat_pump: float = 1.0
    solar: float = 1.0
    units: float = 1.0
    gives: float = 1.0


@dataclass(frozen=True, eq=False)
class Wish:
    """The slot as it would be with the utility: the state before it, what was heard, what came."""

    state: PlantState
    heard: Heard
    parts: Happened


def run_alone(district: District, wish: Wish, around: Around) -> Ran:
    """The slot with the connection open.

    Nothing passes the utility's meter; the loss is what sources give beyond what loads draw.
    """
    if not _is_formed(district, wish):
        found = _with(district, wish, _dark(district), around)
        return Ran(found, Exchange(0.0, 0.0, True))
    exchange = around.flow(injected(wish.parts))
    for _ in range(ROUNDS):
        found = _with(district, wish, _relief(district, wish, exchange.loss_kw), around)
        before_kw, exchange = exchange.loss_kw, around.flow(injected(found))
        if abs(exchange.loss_kw - before_kw) < CLOSE_KW:
            break
    return Ran(found, Exchange(0.0, max(-injected(found).total_kw, 0.0), exchange.converged))


def _dark(district: District) -> Relief:
    """Nobody is served and nothing is given."""
    none = np.zeros(len(district.batteries.id))
    return Relief(none, np.zeros(len(district.meters.use)), 0.0, 0.0, 0.0, 0.0, 0.0)


def _is_formed(district: District, wish: Wish) -> bool:
    """Whether anything holds the voltage: a battery with energy, or a unit that runs."""
    full = (wish.state.e_battery_kwh > 0) & _switched_on(district, wish)
    return bool(full.any() or wish.parts.units.on.any())


def _switched_on(district: District, wish: Wish) -> BoolArray:
    """Which batteries may balance the island, (B,)."""
    told = wish.heard.setpoints
    if told is None or told.batteries_off is None:
        return np.ones(len(district.batteries.id), dtype=np.bool_)
    return ~told.batteries_off


def _relief(district: District, wish: Wish, loss_kw: float) -> Relief:
    """Who gives way so that nothing is left over, at these losses."""
    state, parts, table = wish.state, wish.parts, district.batteries
    batteries, outside = parts.batteries, parts.outside
    battery_kw = batteries.charge_kw - batteries.discharge_kw
    full_kw = np.maximum(table.e_kwh_max - state.e_battery_kwh, 0.0) / (table.eta_charge * DT_H)
    there_kw = np.maximum(state.e_battery_kwh, 0.0) * table.eta_discharge / DT_H
    p_kw_max = table.p_kw_max * _switched_on(district, wish)
    most_kw, least_kw = np.minimum(p_kw_max, full_kw), -np.minimum(p_kw_max, there_kw)
    short_kw = injected(parts).total_kw + loss_kw
    room_kw = battery_kw - least_kw if short_kw > 0 else most_kw - battery_kw
    used_frac = min(abs(short_kw) / max(float(room_kw.sum()), 1e-12), 1.0)
    battery_kw = battery_kw - np.sign(short_kw) * used_frac * room_kw
    short_kw -= np.sign(short_kw) * used_frac * float(room_kw.sum())
    meters = np.ones(len(outside.load_kw))
    if short_kw > 0:
        cars, short_kw = _served(float(parts.cars.charge_kw.sum()), short_kw)
        pump, short_kw = _served(parts.heat.heat_pump_kw, short_kw)
        for rank in load_ranks(district):
            kept, short_kw = _served(float(outside.load_kw[rank.meters].sum()), short_kw)
            meters[rank.meters] = kept
        return Relief(battery_kw, meters, cars, pump)
    sun_kw = outside.solar.own_kw.sum() + (outside.solar.spc_kw - parts.curtailed_kw).sum()
    solar, left_kw = _served(float(sun_kw), -short_kw)
    units, _ = _served(float(parts.units.p_kw.sum()), left_kw)
    return Relief(battery_kw, meters, solar=solar, units=units)


def _served(power_kw: float, excess_kw: float) -> tuple[float, float]:
    """Which part of a power may stay, and what is still too much then."""
    cut_kw = min(power_kw, excess_kw)
    return (1 - cut_kw / power_kw if power_kw > 0 else 1.0), excess_kw - cut_kw


def _with(district: District, wish: Wish, relief: Relief, around: Around) -> Happened:
    """What happens when those give way."""
    state, heard, parts = wish.state, wish.heard, wish.parts
    outside, units = parts.outside, parts.units
    plugged = Plugged(state.cars, state.e_free_kwh)
    order = throttled(district.chargers, plugged, heard.cars, relief.cars, relief.gives)
    cars = run_cars(district.chargers, plugged, order)
    pump = replace(heard.heat, heat_pump_kw=heard.heat.heat_pump_kw * relief.heat_pump)
    now = HeatSituation(
        e_heat_kwh=state.e_heat_kwh,
        demand_kw=outside.heat_kw,
        units_kw=float(units.heat_kw.sum()) * relief.units,
        temperature_c=outside.air.temperature_c,
    )
    given_kw = (outside.solar.spc_kw - parts.curtailed_kw) * relief.solar
    return replace(
        parts,
        outside=_outside(district, outside, relief),
        batteries=run_batteries(
            district.batteries,
            state.e_battery_kwh,
            np.maximum(relief.battery_kw, 0.0),
            np.maximum(-relief.battery_kw, 0.0),
        ),
        heat=run_heat(district.heat, now, pump),
        cars=cars,
        change=around.change(cars.after),
        units=_throttled_units(units, relief.units),
        curtailed_kw=outside.solar.spc_kw - given_kw,
    )


def _outside(district: District, outside: Outside, relief: Relief) -> Outside:
    """Loads that are served and customers' solar that is given; the operator's is held back."""
    solar = outside.solar
    own_kw = solar.own_kw * relief.solar
    less_kw = np.bincount(district.meters.area, solar.own_kw - own_kw, district.areas)
    solar = replace(solar, own_kw=own_kw, area_kw=solar.area_kw - less_kw)
    return replace(outside, load_kw=outside.load_kw * relief.meters, solar=solar)


def _throttled_units(units: UnitSlot, part: float) -> UnitSlot:
    """Units that go on burning their fuel and give only part of their power."""
    states = replace(units.states, p_kw=units.states.p_kw * part)
    return replace(units, p_kw=units.p_kw * part, heat_kw=units.heat_kw * part, states=states)
