"""Cars at their points: what each takes or gives in a slot, who leaves with what, who comes.

A car that is told nothing charges at once up to its promise. Beside the true content runs the one
that the car would have, had it always charged so.
"""

from dataclasses import dataclass, replace

import numpy as np

from energy.district import Chargers
from energy.forecast import CarSessions
from energy.plant.draws import BoolArray, FloatArray, IntArray
from energy.plant.interface import Departures
from energy.plant.stays import joined
from energy.units import DT_H, SLOT_S

KEPT_KWH = 0.01
"""A promise that is missed by less than this is kept."""


@dataclass(frozen=True, eq=False)
class CarOrder:
    """What the named cars are told, (N,), at the meter; `car` is in rising order.

    At points that are off, (G,), no car takes or gives anything; None where all are on.
    """

    car: IntArray
    charge_kw: FloatArray
    discharge_kw: FloatArray
    points_off: BoolArray | None = None


@dataclass(frozen=True, eq=False)
class Plugged:
    """Cars at their points, and what each would hold, had it charged at once, (C,)."""

    cars: CarSessions
    e_free_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class CarSlot:
    """One slot of the cars: how they stand at its end, and sums by group (G,) in kW.

    told_kw, did_kw are net sums over the cars that were told something.
    """

    after: Plugged
    charge_kw: FloatArray
    discharge_kw: FloatArray
    uncontrolled_kw: FloatArray
    told_kw: FloatArray
    did_kw: FloatArray


@dataclass(frozen=True, eq=False)
class ChangeOver:
    """Who stands at the points when the next slot begins, and who has left."""

    plugged: Plugged
    departures: Departures


@dataclass(frozen=True, eq=False)
class _Powers:
    """Power of each car at the meter, (C,), and which of them were told."""

    charge_kw: FloatArray
    discharge_kw: FloatArray
    told_kw: FloatArray
    named: BoolArray


def run_cars(table: Chargers, before: Plugged, order: CarOrder | None) -> CarSlot:
    """One slot of the cars that stand at their points at its beginning."""
    cars, count, eta = before.cars, len(table.count), table.eta
    free_kw = _at_once_kw(table, cars, before.e_free_kwh)
    powers = _powers(table, cars, order)
    moved_kwh = (eta * powers.charge_kw - powers.discharge_kw / eta) * DT_H
    e_now = np.clip(cars.e_now_kwh + moved_kwh, 0.0, cars.e_capacity_kwh)
    net_kw = powers.charge_kw - powers.discharge_kw
    return CarSlot(
        after=Plugged(replace(cars, e_now_kwh=e_now), before.e_free_kwh + eta * free_kw * DT_H),
        charge_kw=_sums(cars.group, powers.charge_kw, count),
        discharge_kw=_sums(cars.group, powers.discharge_kw, count),
        uncontrolled_kw=_sums(cars.group, free_kw, count),
        told_kw=_sums(cars.group, powers.told_kw, count),
        did_kw=_sums(cars.group, net_kw * powers.named, count),
    )


def throttled(
    table: Chargers, before: Plugged, order: CarOrder | None, part: float, gives: float = 1.0
) -> CarOrder:
    """The order by which every car takes and gives a part of what it would, each by its own."""
    powers, rising = _powers(table, before.cars, order), np.argsort(before.cars.car, kind="stable")
    return CarOrder(
        before.cars.car[rising],
        part * powers.charge_kw[rising],
        gives * powers.discharge_kw[rising],
    )


def change_over(plugged: Plugged, slot: int, arriving: CarSessions) -> ChangeOver:
    """The points after a slot: stays that end with it are over, `arriving` began in it."""
    cars = plugged.cars
    leaves = cars.departure_slot <= slot + SLOT_S
    due, delivered = cars.e_due_kwh[leaves], cars.e_now_kwh[leaves]
    return ChangeOver(
        plugged=Plugged(
            cars=joined([cars.take(~leaves), arriving]),
            e_free_kwh=np.concatenate([plugged.e_free_kwh[~leaves], arriving.e_now_kwh]),
        ),
        departures=Departures(
            car=cars.car[leaves],
            group=cars.group[leaves],
            due_kwh=due,
            delivered_kwh=delivered,
            kept=delivered >= due - KEPT_KWH,
        ),
    )


def _at_once_kw(table: Chargers, cars: CarSessions, e_kwh: FloatArray) -> FloatArray:
    """Power at the meter of cars that charge at once up to their promise, (C,)."""
    missing_kw = (cars.e_due_kwh - e_kwh) / (table.eta * DT_H)
    return np.clip(missing_kw, 0.0, cars.p_kw_max)


def _powers(table: Chargers, cars: CarSessions, order: CarOrder | None) -> _Powers:
    """What every car does: as told within its limits, or at once."""
    at_once_kw = _at_once_kw(table, cars, cars.e_now_kwh)
    none, is_on = np.zeros(len(cars)), np.ones(len(cars), dtype=np.bool_)
    if order is not None and order.points_off is not None:
        is_on = ~order.points_off[cars.group]
        at_once_kw = at_once_kw * is_on
    if order is None or not len(order.car):
        return _Powers(at_once_kw, none, none, np.zeros(len(cars), dtype=np.bool_))
    place = np.minimum(np.searchsorted(order.car, cars.car), len(order.car) - 1)
    named = order.car[place] == cars.car
    told = np.where(named, (order.charge_kw - order.discharge_kw)[place], 0.0)
    room_kw = np.maximum(cars.e_capacity_kwh - cars.e_now_kwh, 0.0) / (table.eta * DT_H)
    spare_kw = np.maximum(cars.e_now_kwh - cars.e_v2g_min_kwh, 0.0) * table.eta / DT_H
    back_kw = np.where(cars.v2g, np.minimum(table.p_v2g_kw[cars.group], spare_kw), 0.0)
    charge = np.clip(told, 0.0, np.minimum(cars.p_kw_max, room_kw)) * is_on
    discharge = np.clip(-told, 0.0, back_kw) * is_on
    return _Powers(np.where(named, charge, at_once_kw), discharge, told, named)


def _sums(group: IntArray, power_kw: FloatArray, count: int) -> FloatArray:
    """Sums by group, (G,)."""
    return np.bincount(group, power_kw, count).astype(np.float64)
