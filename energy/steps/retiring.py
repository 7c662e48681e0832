"""Assets that operators have taken out of use: what plan, forecast and devices make of it.

From the slot of its retirement on an asset has no power in plan and forecast, and its set-points
are neutral: a battery rests, units and heat pump are off, the operator's sun of an area is held
back, points give no car anything. Its meter goes on: what flows all the same is settled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.forecast import CarSessions, DistrictForecast, EvForecast
from energy.forecast.inputs import MEDIAN, FloatArray, IntArray
from energy.forecast.roofs import roof_parts
from energy.plant import SetPoints
from energy.steps.basis import build_basis
from energy.store.engine import Store
from energy.store.holds import resting_between
from energy.store.retirements import Retirement, retired_between
from energy.units import SLOT_S
from optimizer import PlanProblem

BoolArray = npt.NDArray[np.bool_]

HEAT_PUMP = "heat-pump"


class RetiringError(Exception):
    """An asset cannot be taken out of use: says which, why, and what is allowed."""


@dataclass(frozen=True, eq=False)
class Retired:
    """Which assets are out of use in each slot of a horizon: (H, N) in the order of the district's
    tables, `solar` by area; `heat_pump` (H,).
    """

    slots: IntArray
    batteries: BoolArray
    chargers: BoolArray
    units: BoolArray
    solar: BoolArray
    heat_pump: BoolArray

    @property
    def any(self) -> bool:
        """Whether anything is out of use at all."""
        each = (self.batteries, self.chargers, self.units, self.solar, self.heat_pump)
        return any(bool(one.any()) for one in each)


def retired_of(district: District, store: Store, first_slot: int, slots: int) -> Retired:
    """What is out of use or held at rest in a horizon, as the store has it now."""
    end = first_slot + slots * SLOT_S
    found = store.read(lambda connection: resting_between(connection, first_slot, end))
    return retired_from(district, found, first_slot, slots)


def retired_from(
    district: District, rows: Sequence[Retirement], first_slot: int, slots: int
) -> Retired:
    """What is out of use in a horizon by these retirements."""
    when = first_slot + SLOT_S * np.arange(slots, dtype=np.int64)
    holds: dict[str, BoolArray] = {}
    for one in rows:
        here = when >= one.from_slot
        if one.end_slot is not None:
            here &= when < one.end_slot
        holds[one.asset] = holds.get(one.asset, np.zeros(slots, dtype=np.bool_)) | here

    def table(ids: Iterable[str]) -> BoolArray:
        columns = [holds.get(id_, np.zeros(slots, dtype=np.bool_)) for id_ in ids]
        return np.stack(columns, axis=1) if columns else np.zeros((slots, 0), dtype=np.bool_)

    return Retired(
        slots=when,
        batteries=table(district.batteries.id),
        chargers=table(district.chargers.id),
        units=table(unit.id for unit in district.units),
        solar=table(f"solar-{area}" for area in district.network.areas.id),
        heat_pump=table((HEAT_PUMP,))[:, 0],
    )


def retired_ids(connection: Connection, slot: int) -> frozenset[str]:
    """The assets that are out of use in a slot."""
    return frozenset(one.asset for one in retired_between(connection, slot, slot + SLOT_S))


def leaving(cars: CarSessions, retired: Retired) -> CarSessions:
    """The connected cars as the plan shall see them: those at points that go out of use leave then.

    So what they are promised is charged before, as far as it can be.
    """
    if not retired.chargers.any():
        return cars
    out = retired.chargers
    begins = retired.slots[np.argmax(out, axis=0)]
    # Where points are out from the start nothing can be charged any more, whenever a car leaves.
    ends = np.where(out.any(axis=0) & ~out[0], begins, np.iinfo(np.int64).max)
    departure = np.minimum(cars.departure_slot, ends[cars.group])
    return replace(cars, departure_slot=departure)


def in_use(district: District, forecast: DistrictForecast, retired: Retired) -> DistrictForecast:
    """A forecast without what is out of use: sun of the operator, units, charging."""
    if not retired.any:
        return forecast
    pv_kw = forecast.pv_kw * (1 - _operators_part(district, retired))
    before = forecast.pv_kw[MEDIAN].sum(axis=1)
    left = np.divide(pv_kw[MEDIAN].sum(axis=1), before, out=np.ones_like(before), where=before > 0)
    return replace(
        forecast,
        pv_kw=pv_kw,
        pv_district_kw=forecast.pv_district_kw * left,
        units_available=np.where(retired.units.T, 0.0, forecast.units_available),
        ev=charging_in_use(forecast.ev, retired.chargers.T),
    )


def out_of_plan(problem: PlanProblem, retired: Retired) -> PlanProblem:
    """A problem whose batteries and heat pump that are out of use have no power."""
    table = problem.batteries
    if retired.batteries.any():
        charge_kw, discharge_kw = (
            np.where(retired.batteries, 0.0, table.by_slot(limit_kw, problem.slots))
            for limit_kw in (table.p_charge_kw_max, table.p_discharge_kw_max)
        )
        problem = replace(
            problem,
            batteries=replace(table, p_charge_kw_max=charge_kw, p_discharge_kw_max=discharge_kw),
        )
    if problem.heat is not None and retired.heat_pump.any():
        out = retired.heat_pump
        if problem.heat.heat_pump_out is not None:
            out = out | problem.heat.heat_pump_out
        problem = replace(problem, heat=replace(problem.heat, heat_pump_out=out))
    return problem


def neutral(district: District, told: SetPoints, retired: Retired, cars: CarSessions) -> SetPoints:
    """Set-points under which what is out of use in their slot, the first of `retired`, rests."""
    if not retired.any:
        return told
    batteries, units, points = retired.batteries[0], retired.units[0], retired.chargers[0]
    solar_kw = district.pv.spc_kwp.sum(axis=1)
    idle_car = np.isin(told.car, cars.car[points[cars.group]])
    return replace(
        told,
        battery_charge_kw=np.where(batteries, 0.0, told.battery_charge_kw),
        battery_discharge_kw=np.where(batteries, 0.0, told.battery_discharge_kw),
        unit_on=np.where(units, 0, told.unit_on),
        unit_p_kw=np.where(units, 0.0, told.unit_p_kw),
        heat_pump_kw=0.0 if retired.heat_pump[0] else told.heat_pump_kw,
        pv_curtail_kw=np.where(retired.solar[0], solar_kw, told.pv_curtail_kw),
        car_charge_kw=np.where(idle_car, 0.0, told.car_charge_kw),
        car_discharge_kw=np.where(idle_car, 0.0, told.car_discharge_kw),
        points_off=points if points.any() else None,
        batteries_off=batteries if batteries.any() else None,
    )


def require_retirable(district: District, asset: str, out: Iterable[str]) -> None:
    """Raise RetiringError where an asset must stay in use; `out` are the others that do not.

    The heat network must always be able to give its peak demand without its store.
    """
    reason = _indispensable(district, asset)
    if reason is not None:
        raise RetiringError(reason)
    heat = district.heat
    if heat is None or _heat_kw(district).get(asset) is None:
        return
    gone = {*out, asset}
    left_kw = sum(kw for name, kw in _heat_kw(district).items() if name not in gone)
    if left_kw < heat.peak_kw:
        raise RetiringError(
            f"{asset}: found {left_kw:.1f} kW of heat without it, allowed at least the network's "
            f"peak of {heat.peak_kw:.1f} kW; let another source of heat return first"
        )


def _indispensable(district: District, asset: str) -> str | None:
    """Why an asset can never be retired, None where it can."""
    if asset == "kepco":
        return (
            "kepco: found the connection to the utility, which carries what nothing else does; "
            "allowed a device of the operator"
        )
    if asset == "boiler":
        return (
            "boiler: found the only source that gives heat when set-points lapse, allowed units "
            "or the heat pump"
        )
    if asset == "heat-store":
        return (
            "heat-store: found what balances heat between set-points, allowed units or the heat "
            "pump"
        )
    if asset.startswith("solar-"):
        area = district.network.areas.id.index(asset.removeprefix("solar-"))
        if not district.pv.spc_kwp[area].sum() > 0:
            return f"{asset}: found roofs of residents alone, allowed an area with the operator's"
    return None


def _heat_kw(district: District) -> dict[str, float]:
    """The most heat that each source surely gives, kW: the heat pump on its coldest day."""
    heat = district.heat
    if heat is None:
        return {}
    units = {unit.id: unit.count * unit.heat[-1][1] for unit in district.units}
    return {
        **units,
        HEAT_PUMP: heat.heat_pump_kw_max * min(heat.cop),
        "boiler": heat.boiler_kw_max,
    }


def _operators_part(district: District, retired: Retired) -> FloatArray:
    """The part of each area's sun that is out of use, (H, A), under a clear sky."""
    part = np.zeros(retired.solar.shape)
    basis, pv = build_basis(district), district.pv
    classes = np.arange(len(pv.class_id))
    for area in np.flatnonzero(retired.solar.any(axis=0)).tolist():
        whole, ours = (
            roof_parts(retired.slots, basis.pv, basis.site, kwp[area], classes).sum(axis=0)
            for kwp in (pv.kwp, pv.spc_kwp)
        )
        share = np.divide(ours, whole, out=np.zeros_like(whole), where=whole > 0)
        part[:, area] = np.where(retired.solar[:, area], share, 0.0)
    return part


def charging_in_use(ev: EvForecast, out: BoolArray) -> EvForecast:
    """The cars' envelope without the slots in which their points are out of use, (G, H)."""
    if not out.any():
        return ev

    def without(bound_kwh: FloatArray) -> FloatArray:
        """A bound on energy since the start, of which nothing is counted while points are out."""
        steps = np.diff(bound_kwh, axis=1, prepend=0.0)
        counted_kwh = np.cumsum(np.where(out, 0.0, steps), axis=1)
        return np.where(out.any(axis=1, keepdims=True), counted_kwh, bound_kwh)

    e_max_kwh = without(ev.e_max_kwh)
    return replace(
        ev,
        e_max_kwh=e_max_kwh,
        e_min_kwh=np.minimum(without(ev.e_min_kwh), e_max_kwh),
        p_charge_kw_max=np.where(out, 0.0, ev.p_charge_kw_max),
        p_discharge_kw_max=np.where(out, 0.0, ev.p_discharge_kw_max),
        uncontrolled_kw=np.where(out, 0.0, ev.uncontrolled_kw),
        expected_arrivals=np.where(out, 0.0, ev.expected_arrivals),
    )
