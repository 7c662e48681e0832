"""What residents want of their cars, brought into the cars that are planned for.

A wish changes what its charger knows of the stay: departure, promise and lowest content. A car that
is to charge at once is shown to the plan as one that leaves as soon as full power could have filled
it: there is no later energy to choose then.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from energy.district import Chargers
from energy.forecast import CarSessions
from energy.store.cars import CarWish
from energy.units import DT_H, SLOT_S

Wishes = Mapping[int, CarWish]


def wished(cars: CarSessions, wishes: Wishes) -> CarSessions:
    """The cars with what their drivers want of this stay."""
    rows = [(row, wishes[car]) for row, car in enumerate(cars.car.tolist()) if car in wishes]
    if not rows:
        return cars
    names = ("departure_slot", "e_due_kwh", "e_v2g_min_kwh", "v2g")
    leaves, due, low, v2g = (getattr(cars, name).copy() for name in names)
    for row, wish in rows:
        leaves[row] = wish.departure_slot
        due[row] = cars.e_capacity_kwh[row] * wish.target_pct / 100
        v2g[row] = cars.v2g[row] and wish.floor_pct is not None
        low[row] = cars.e_capacity_kwh[row] * (wish.floor_pct or 0) / 100
    return replace(cars, departure_slot=leaves, e_due_kwh=due, e_v2g_min_kwh=low, v2g=v2g)


def pressed(table: Chargers, cars: CarSessions, wishes: Wishes, slot: int) -> CarSessions:
    """The cars as the plan is to see them in a slot: those that charge at once have no choice."""
    at_once = np.array(
        [car in wishes and wishes[car].at_once for car in cars.car.tolist()], dtype=np.bool_
    )
    if not at_once.any():
        return cars
    step_kwh = cars.p_kw_max * table.eta * DT_H
    missing_kwh = np.maximum(cars.e_due_kwh - cars.e_now_kwh, 0.0)
    left = np.maximum((cars.departure_slot - slot) // SLOT_S, 1)
    slots = np.clip(np.ceil(missing_kwh / step_kwh - 1e-9), 1, left).astype(np.int64)
    # Evenly over the fewest slots: an odd rest must not be a choice either.
    even_kw = np.minimum(missing_kwh / slots / (table.eta * DT_H), cars.p_kw_max)
    return replace(
        cars,
        departure_slot=np.where(at_once, slot + slots * SLOT_S, cars.departure_slot),
        p_kw_max=np.where(at_once, even_kw, cars.p_kw_max),
        v2g=cars.v2g & ~at_once,
    )
