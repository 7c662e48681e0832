"""Wishes carried out slot by slot, as far as corridors, minimum times and the connection allow.

Where the connection is too narrow, stores yield first, then the heat pump, then solar power or the
load. Nothing looks ahead except the corridors, which hold what can still be kept later.
"""

from dataclasses import dataclass

import numpy as np

from optimizer.assemble import Decisions, assemble
from optimizer.commitments import whole_counts
from optimizer.corridor import Corridor, battery_corridor, fleet_corridor
from optimizer.curves import commitment, group_draw, ramp_binds
from optimizer.plan import Plan
from optimizer.problem import DT_H, FloatArray, IntArray, PlanProblem, UnitGroup
from optimizer.split import paths


@dataclass(frozen=True, eq=False)
class Wishes:
    """What should happen if limits allow, (H, ...); energies of stores at slot ends.

    Without e_battery_kwh batteries serve own use: they take surplus and give when power is dear.
    Above p_import_kw stores yield, but nothing else does: there the demand charge would rise, or a
    commitment to draw less be missed.
    """

    e_battery_kwh: FloatArray | None
    e_fleet_kwh: FloatArray
    unit_on: FloatArray
    unit_p_kw: FloatArray
    heat_pump_kw: FloatArray
    into_store_kw: FloatArray
    p_import_kw: FloatArray
    marginal_krw_per_kwh: FloatArray


def unpriced_import_kw(problem: PlanProblem, peak_kw: float) -> FloatArray:
    """Import that adds nothing to a peak and breaks no commitment, (H,)."""
    connection = problem.connection
    limit = connection.p_import_kw_max
    room = peak_kw - connection.counted_kw(np.zeros(problem.slots))
    free = np.where(connection.peak_counts, np.clip(room, 0.0, limit), limit)
    for event in problem.dr_events:
        free = np.clip(event.limit_kw, 0.0, free)
    return free


def carried_out(problem: PlanProblem, wishes: Wishes) -> Plan:
    """The plan nearest to the wishes that keeps promises and limits, where they can be kept."""
    unit_on, unit_p_kw = _run_units(problem, wishes)
    yielding = _Yielding(problem, wishes, unit_p_kw.sum(axis=1))
    for slot in range(problem.slots):
        yielding.settle(slot)
    table, fleets = problem.batteries, problem.fleets
    eta = np.full(len(fleets.id), fleets.eta)
    return assemble(
        problem,
        Decisions(
            curtail_kw=yielding.curtail_kw,
            shed_kw=yielding.shed_kw,
            batteries=paths(
                yielding.batteries.e_kwh,
                yielding.batteries.corridor.start_kwh,
                (table.eta_charge, table.eta_discharge),
            ),
            fleets=paths(yielding.fleets.e_kwh, yielding.fleets.corridor.start_kwh, (eta, eta)),
            unit_on=unit_on,
            unit_p_kw=unit_p_kw,
            heat_pump_kw=yielding.heat_pump_kw,
            into_store_kw=_into_store(problem, wishes, (unit_on, unit_p_kw), yielding.heat_pump_kw),
            marginal_krw_per_kwh=wishes.marginal_krw_per_kwh,
        ),
    )


class _Stores:
    """Stores that are led forward slot by slot within their corridors."""

    def __init__(
        self, corridor: Corridor, eta_charge: FloatArray, eta_discharge: FloatArray
    ) -> None:
        self.corridor = corridor
        self.e_kwh = np.zeros(corridor.lower_kwh.shape)
        self._eta = (eta_charge, eta_discharge)
        self._now = corridor.start_kwh

    def range_kw(self, slot: int) -> tuple[FloatArray, FloatArray]:
        """Least and most power at the meter in a slot; negative gives back."""
        corridor = self.corridor
        lower = np.maximum(corridor.lower_kwh[slot], self._now - corridor.down_kwh[slot])
        upper = np.minimum(corridor.upper_kwh[slot], self._now + corridor.up_kwh[slot])
        return self._power(np.minimum(lower, upper)), self._power(np.maximum(lower, upper))

    def wished_kw(self, slot: int, e_kwh: FloatArray) -> FloatArray:
        """Power that leads to the wished energy, as far as it is within range."""
        return np.clip(self._power(e_kwh), *self.range_kw(slot))

    def go(self, slot: int, p_kw: FloatArray) -> None:
        """Take or give power for a slot."""
        gain = np.where(p_kw >= 0, p_kw * self._eta[0], p_kw / self._eta[1]) * DT_H
        self._now = self._now + gain
        self.e_kwh[slot] = self._now

    def _power(self, e_kwh: FloatArray) -> FloatArray:
        change = (e_kwh - self._now) / DT_H
        power: FloatArray = np.where(change >= 0, change / self._eta[0], change * self._eta[1])
        return power


class _Yielding:
    """One pass over the slots in which everything yields to the connection's limits."""

    def __init__(self, problem: PlanProblem, wishes: Wishes, made_kw: FloatArray) -> None:
        self._problem, self._wishes = problem, wishes
        table, fleets = problem.batteries, problem.fleets
        corridor = battery_corridor(table, problem.slots)
        self.batteries = _Stores(corridor, table.eta_charge, table.eta_discharge)
        eta = np.full(len(fleets.id), fleets.eta)
        self.fleets = _Stores(fleet_corridor(fleets), eta, eta)
        self.curtail_kw = np.zeros(problem.pv_kw.shape)
        self.shed_kw = np.zeros((problem.slots, len(problem.ranks)))
        self._rank_load_kw = problem.rank_load_kw.sum(axis=1)
        self._cheapest_first = np.argsort([rank.price_krw_per_kwh for rank in problem.ranks])
        most_kw = problem.heat.pump_kw_max if problem.heat else np.inf
        self.heat_pump_kw = np.minimum(wishes.heat_pump_kw, most_kw)
        drawn = problem.load_kw.sum(axis=1) + problem.loss_kw - problem.pv_kw.sum(axis=1)
        self._rest_kw = drawn - made_kw
        price = problem.connection.price_buy_krw_per_kwh
        self._dear = price >= np.median(price)

    def settle(self, slot: int) -> None:
        """Decide one slot: wishes first, then what the connection's limits ask for."""
        cars = self.fleets.wished_kw(slot, self._wishes.e_fleet_kwh[slot])
        rest = float(self._rest_kw[slot] + self.heat_pump_kw[slot])
        stores = self._battery_wish(slot, rest + float(cars.sum()))
        connection = self._problem.connection
        net = rest + float(cars.sum() + stores.sum())
        dear = net - float(self._wishes.p_import_kw[slot])
        if dear > 0:
            cars, dear = _moved(cars, self.fleets.range_kw(slot)[0], dear)
            stores, dear = _moved(stores, self.batteries.range_kw(slot)[0], dear)
            net = rest + float(cars.sum() + stores.sum())
        over = net - float(connection.p_import_kw_max[slot])
        under = -net - float(connection.p_export_kw_max[slot])
        if over > 0:
            stopped = min(self.heat_pump_kw[slot], over)
            self.heat_pump_kw[slot] -= stopped
            self._shed(slot, over - stopped)
        elif under > 0:
            stores, under = _moved(stores, self.batteries.range_kw(slot)[1], under)
            cars, under = _moved(cars, self.fleets.range_kw(slot)[1], under)
            solar = self._problem.pv_kw[slot]
            total = float(solar.sum())
            self.curtail_kw[slot] = solar * (min(under / total, 1.0) if total > 0 else 0.0)
        self.fleets.go(slot, cars)
        self.batteries.go(slot, stores)

    def _shed(self, slot: int, over_kw: float) -> None:
        """Shed load rank by rank, the cheapest first."""
        for rank in self._cheapest_first:
            self.shed_kw[slot, rank] = min(over_kw, float(self._rank_load_kw[slot, rank]))
            over_kw -= float(self.shed_kw[slot, rank])

    def _battery_wish(self, slot: int, net_kw: float) -> FloatArray:
        wished = self._wishes.e_battery_kwh
        if wished is not None:
            return self.batteries.wished_kw(slot, wished[slot])
        least, most = self.batteries.range_kw(slot)
        idle: FloatArray = np.clip(np.zeros(len(least)), least, most)
        if net_kw > 0 and not self._dear[slot]:
            return idle
        return _moved(idle, least if net_kw > 0 else most, abs(net_kw))[0]


def _moved(p_kw: FloatArray, limit_kw: FloatArray, amount_kw: float) -> tuple[FloatArray, float]:
    """Powers moved towards limits by an amount in all, in equal shares, and what is left of it."""
    room = np.abs(limit_kw - p_kw)
    total = float(room.sum())
    share = min(amount_kw / total, 1.0) if total > 0 else 0.0
    return p_kw + share * (limit_kw - p_kw), amount_kw - share * total


def _run_units(problem: PlanProblem, wishes: Wishes) -> tuple[IntArray, FloatArray]:
    """Counts within minimum times near the wished ones, and power within limits, (H, F)."""
    on = np.zeros(wishes.unit_on.shape, dtype=np.int64)
    power = np.zeros(on.shape)
    for row, unit in enumerate(problem.units):
        on[:, row] = whole_counts(unit, wishes.unit_on[:, row])
        power[:, row] = _unit_power(unit, on[:, row], wishes.unit_p_kw[:, row])
    return on, power


def _unit_power(unit: UnitGroup, on: IntArray, wished_kw: FloatArray) -> FloatArray:
    """Power of running units near the wished one, within load, ramp and stored fuel, (H,)."""
    power = np.clip(wished_kw, unit.p_kw_min * on, unit.p_kw_max * on)
    forced = commitment(unit).forced
    step = max(unit.p_kw_min, unit.ramp_kw_per_slot)
    points = np.array(unit.fuel)
    before, on_before = unit.p_now_kw, unit.on_now
    left = min(unit.fuel_kwh_start, unit.fuel_kwh_max)
    for slot, count in enumerate(on.tolist()):
        if ramp_binds(unit):
            started, stopped = max(count - on_before, 0), max(on_before - count, 0)
            going_on = unit.ramp_kw_per_slot * min(count, on_before)
            up = going_on + step * started - unit.p_kw_min * stopped
            down = going_on + step * stopped - unit.p_kw_min * started
            down += unit.p_kw_max * int(forced[slot])
            power[slot] = np.clip(power[slot], before - down, before + up)
        if np.isfinite(left) and count:
            fuel = left / DT_H + unit.fuel_inflow_kw[slot]
            most = float(np.interp(fuel / count, points[:, 1], points[:, 0]))
            power[slot] = min(power[slot], most * count)
        power[slot] = min(max(power[slot], unit.p_kw_min * count), unit.p_kw_max * count)
        before, on_before = float(power[slot]), count
        if np.isfinite(left):
            burnt = float(group_draw(unit.fuel, on[slot : slot + 1], power[slot : slot + 1])[0])
            come = float(unit.fuel_inflow_kw[slot])
            left = min(left + DT_H * (come - burnt), unit.fuel_kwh_max)
    return power


def _into_store(
    problem: PlanProblem,
    wishes: Wishes,
    units: tuple[IntArray, FloatArray],
    heat_pump_kw: FloatArray,
) -> FloatArray:
    """Heat put into the store as wished, less where it would leave the demand uncovered, (H,)."""
    heat = problem.heat
    if heat is None:
        return np.zeros(problem.slots)
    on, power = units
    made = heat.cop * heat_pump_kw + sum(
        (
            group_draw(unit.heat, on[:, row], power[:, row])
            for row, unit in enumerate(problem.units)
        ),
        start=np.zeros(problem.slots),
    )
    spare = made + heat.boiler_kw_max - heat.demand_kw
    into = np.minimum(wishes.into_store_kw, spare)
    return np.clip(into, -heat.p_store_kw_max, heat.p_store_kw_max)
