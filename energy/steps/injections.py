"""What each bus draws under a plan: sums of areas spread over their buses, devices at their own."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.district import BusShare, District
from optimizer import Plan, PlanProblem

FloatArray = npt.NDArray[np.float64]

Q_PER_P_LOAD = float(np.tan(np.arccos(0.95)))
"""Buildings' reactive power per active power; inverters, chargers and plants keep cos phi 1."""


@dataclass(frozen=True, eq=False)
class Injections:
    """What each bus draws in a slot, (N,) kW and kvar; generation is negative."""

    p_kw: FloatArray
    q_kvar: FloatArray


def planned_injections(
    district: District, problem: PlanProblem, plan: Plan, row: int
) -> Injections:
    """Injections of slot number `row` of a plan."""
    buses = len(district.network.buses.id)
    load_kw = spread(district.shares["load"], problem.load_kw[row], buses)
    p_kw = load_kw - spread(district.shares["pv"], plan.pv_used_kw[row], buses)
    batteries, chargers, heat = district.batteries, district.chargers, district.heat
    battery_kw = plan.battery_charge_kw[row] - plan.battery_discharge_kw[row]
    fleet_kw = plan.fleet_charge_kw[row] - plan.fleet_discharge_kw[row]
    np.add.at(p_kw, batteries.bus, battery_kw)
    np.add.at(p_kw, chargers.bus, fleet_kw)
    for place, unit in enumerate(district.units):
        p_kw[unit.bus] -= plan.unit_p_kw[row, place]
    if heat is not None:
        p_kw[heat.heat_pump_bus] += plan.heat_pump_kw[row]
    return Injections(p_kw=p_kw, q_kvar=Q_PER_P_LOAD * load_kw)


def spread(share: BusShare, area_kw: FloatArray, buses: int) -> FloatArray:
    """Area sums (A,) over the buses (N,); what an area without such buses has is nought."""
    spread_kw: FloatArray = np.bincount(share.bus, share.share * area_kw[share.area], buses).astype(
        np.float64
    )
    return spread_kw
