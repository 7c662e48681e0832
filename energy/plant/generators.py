"""Fuel cells and the biogas unit: trips and repairs, starts and stops, load, fuel and heat.

Single units (U,) stand group after group. Whether a unit is able to run is a matter of luck and
time alone; which of the able ones run follows the group's set-point, the longest at rest first.
"""

from dataclasses import dataclass

import numpy as np

from energy.district import UnitType
from energy.plant.draws import BoolArray, FloatArray, IntArray, Stream, draw
from energy.units import DT_H, SLOT_S

LONG_AGO = 10_000
"""Slots since the last change that no minimum time reaches."""
GAS_SPREAD = 0.08
"""How much the daily gas differs from day to day, as a lognormal (D)."""


@dataclass(frozen=True, eq=False)
class UnitStates:
    """Single units (U,): able to run, running, power, slots since on or off; gas by group (F,)."""

    up: BoolArray
    on: BoolArray
    p_kw: FloatArray
    since: IntArray
    e_fuel_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class UnitOrder:
    """What the groups are told, (F,): how many run, what they give together."""

    on: IntArray
    p_kw: FloatArray


@dataclass(frozen=True, eq=False)
class UnitSlot:
    """One slot: the states at its end, and by group (F,) what was burnt, given and changed."""

    states: UnitStates
    on: IntArray
    p_kw: FloatArray
    fuel_kw: FloatArray
    heat_kw: FloatArray
    starts: IntArray
    stops: IntArray
    trips: IntArray


@dataclass(frozen=True, eq=False)
class _Group:
    """One group's slot before it is put together with the others."""

    on: BoolArray
    p_kw: FloatArray
    since: IntArray
    fuel_kw: float
    heat_kw: float
    e_fuel_kwh: float
    starts: int
    stops: int


class Generators:
    """All groups of units of a district."""

    def __init__(self, units: tuple[UnitType, ...], seed: int) -> None:
        self._units = units
        self._seed = seed
        self.group = np.repeat(np.arange(len(units)), [unit.count for unit in units])
        fail_h = np.array([unit.mtbf_h for unit in units], dtype=np.float64)[self.group]
        mend_h = np.array([unit.mttr_h for unit in units], dtype=np.float64)[self.group]
        self._fails = 1 - np.exp(-DT_H / fail_h)
        self._mended = 1 - np.exp(-DT_H / mend_h)
        self._usually_up = fail_h / (fail_h + mend_h)

    def begin(self, slot: int) -> UnitStates:
        """Units as long running has left them: most able, all of these on; gas stores half full."""
        luck = draw(self._seed, Stream.BEGIN, slot // SLOT_S).random(len(self.group))
        up = luck < self._usually_up
        base_kw = np.array([_base_load_kw(unit) for unit in self._units])
        stores = [unit.fuel_store_kwh / 2 if _on_store(unit) else np.inf for unit in self._units]
        return UnitStates(
            up=up,
            on=up.copy(),
            p_kw=np.where(up, base_kw[self.group], 0.0),
            since=np.full(len(up), LONG_AGO, dtype=np.int64),
            e_fuel_kwh=np.array(stores, dtype=np.float64),
        )

    def run(self, before: UnitStates, slot: int, order: UnitOrder | None) -> UnitSlot:
        """One slot; without an order each unit that runs goes on with its last output."""
        luck = draw(self._seed, Stream.UNIT_TRIPS, slot // SLOT_S).random(len(self.group))
        up = np.where(before.up, luck >= self._fails, luck < self._mended)
        tripped = before.on & ~up
        since = np.where(tripped, 0, before.since)
        groups = []
        for row, unit in enumerate(self._units):
            own = self.group == row
            states = UnitStates(
                up=up[own],
                on=(before.on & up)[own],
                p_kw=before.p_kw[own],
                since=since[own],
                e_fuel_kwh=before.e_fuel_kwh[row : row + 1] + self._gas_kwh(unit, row, slot),
            )
            told = None if order is None else (int(order.on[row]), float(order.p_kw[row]))
            groups.append(_run_group(unit, states, told))
        return self._joined(up, tripped, groups)

    def _joined(self, up: BoolArray, tripped: BoolArray, groups: list[_Group]) -> UnitSlot:
        on = np.concatenate([group.on for group in groups] or [np.zeros(0, dtype=np.bool_)])
        p_kw = np.concatenate([group.p_kw for group in groups] or [np.zeros(0)])
        since = np.concatenate([group.since for group in groups] or [np.zeros(0, dtype=np.int64)])
        count = len(groups)
        return UnitSlot(
            states=UnitStates(
                up=up,
                on=on,
                p_kw=p_kw,
                since=since,
                e_fuel_kwh=np.array([group.e_fuel_kwh for group in groups], dtype=np.float64),
            ),
            on=np.bincount(self.group[on], minlength=count),
            p_kw=np.bincount(self.group, p_kw, count).astype(np.float64),
            fuel_kw=np.array([group.fuel_kw for group in groups], dtype=np.float64),
            heat_kw=np.array([group.heat_kw for group in groups], dtype=np.float64),
            starts=np.array([group.starts for group in groups], dtype=np.int64),
            stops=np.array([group.stops for group in groups], dtype=np.int64),
            trips=np.bincount(self.group[tripped], minlength=count),
        )

    def _gas_kwh(self, unit: UnitType, row: int, slot: int) -> float:
        """Gas that flows into a group's store in a slot; a pipe's is never counted."""
        if not _on_store(unit):
            return 0.0
        day = draw(self._seed, Stream.GAS_DAY, slot // (SLOT_S * 96))
        z = float(day.standard_normal(row + 1)[row])
        return unit.daily_fuel_kwh / 96 * float(np.exp(GAS_SPREAD * z - 0.5 * GAS_SPREAD**2))


def _run_group(unit: UnitType, now: UnitStates, told: tuple[int, float] | None) -> _Group:
    """One group's slot: who runs, at which power, on which fuel."""
    wanted = int(now.on.sum()) if told is None else max(told[0], 0)
    on = _switched(unit, now, wanted)
    gas_kwh = float(now.e_fuel_kwh[0])
    allowed_kw = _power_on_gas_kw(unit, gas_kwh, int(on.sum()))
    if allowed_kw < unit.p_kw_min:
        on, allowed_kw = np.zeros(len(on), dtype=np.bool_), unit.p_kw_max
    last_kw = now.p_kw * now.on
    aim_kw = last_kw if told is None else np.full(len(on), told[1] / max(int(on.sum()), 1))
    low = np.maximum(last_kw - unit.ramp_kw_per_slot, unit.p_kw_min)
    high = np.maximum(np.minimum(last_kw + unit.ramp_kw_per_slot, unit.p_kw_max), unit.p_kw_min)
    p_kw = np.where(on, np.minimum(np.clip(aim_kw, low, high), max(allowed_kw, 0.0)), 0.0)
    fuel_kw = float((curve(unit.fuel, p_kw) * on).sum())
    left_kwh = min(gas_kwh - fuel_kw * DT_H, unit.fuel_store_kwh) if _on_store(unit) else np.inf
    changed = on != now.on
    return _Group(
        on=on,
        p_kw=p_kw,
        since=np.where(changed, 0, now.since) + 1,
        fuel_kw=fuel_kw,
        heat_kw=float((curve(unit.heat, p_kw) * on).sum()),
        e_fuel_kwh=max(left_kwh, 0.0),
        starts=int((changed & on).sum()),
        stops=int((changed & ~on).sum()),
    )


def _switched(unit: UnitType, now: UnitStates, wanted: int) -> BoolArray:
    """Which units run, as near to `wanted` as able units and minimum times allow."""
    on = now.on.copy()
    missing = wanted - int(on.sum())
    if missing > 0:
        ready = np.flatnonzero(now.up & ~on & (now.since >= unit.min_down_slots))
        on[ready[np.argsort(-now.since[ready], kind="stable")][:missing]] = True
    elif missing < 0:
        ready = np.flatnonzero(on & (now.since >= unit.min_up_slots))
        on[ready[np.argsort(-now.since[ready], kind="stable")][:-missing]] = False
    return on


def _power_on_gas_kw(unit: UnitType, gas_kwh: float, running: int) -> float:
    """Power of each running unit that the gas lasts for through the slot."""
    if running == 0 or not np.isfinite(gas_kwh):
        return unit.p_kw_max
    each_kw = gas_kwh / DT_H / running
    power, fuel = zip(*unit.fuel, strict=True)
    return -1.0 if each_kw < fuel[0] else float(np.interp(each_kw, fuel, power))


def _base_load_kw(unit: UnitType) -> float:
    """Power at which one unit runs when nobody plans: full, or what its daily gas gives."""
    if not _on_store(unit):
        return unit.p_kw_max
    power, fuel = zip(*unit.fuel, strict=True)
    return float(np.interp(unit.daily_fuel_kwh / 24 / unit.count, fuel, power))


def _on_store(unit: UnitType) -> bool:
    """Whether a group burns gas of its own store, and not from a pipe."""
    return bool(np.isfinite(unit.daily_fuel_kwh))


def curve(points: tuple[tuple[float, float], ...], power_kw: FloatArray) -> FloatArray:
    """Fuel or heat of one unit at its powers, linear between the breakpoints."""
    at, height = zip(*points, strict=True)
    return np.asarray(np.interp(power_kw, at, height))
