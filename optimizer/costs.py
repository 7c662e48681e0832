"""What a plan costs, from its series alone: the planner's objective in won, kind by kind."""

import numpy as np

from optimizer.corridor import fleet_corridor
from optimizer.plan import CostBreakdown, Plan
from optimizer.problem import DT_H, NOWHERE, FloatArray, PlanProblem


def cost_of(problem: PlanProblem, plan: Plan) -> CostBreakdown:
    """Cost of a plan's series; what breaks a limit is charged at the price of last resort."""
    connection, batteries, fleets = problem.connection, problem.batteries, problem.fleets
    heat, units = problem.heat, problem.units
    imported = np.minimum(plan.p_import_kw, connection.p_import_kw_max)
    exported = np.minimum(plan.p_export_kw, connection.p_export_kw_max)
    fuel_price = np.array([unit.fuel_krw_per_kwh for unit in units])
    start_cost = np.array([unit.start_cost_krw for unit in units])
    run_cost = np.array([unit.wear_krw_per_h for unit in units])
    shed_price = np.array([rank.price_krw_per_kwh for rank in problem.ranks])
    curtailed = problem.pv_kw - plan.pv_used_kw
    ends = float(plan.e_battery_kwh[-1] @ batteries.end_value_krw_per_kwh)
    ends += fleets.end_value_krw_per_kwh * float(plan.e_fleet_kwh[-1].sum())
    ends += heat.end_value_krw_per_kwh * float(plan.e_heat_kwh[-1]) if heat else 0.0
    peak_kw = max(plan.p_peak_kw - connection.p_peak_incurred_kw, 0.0)
    return CostBreakdown(
        energy_import=float(connection.price_buy_krw_per_kwh @ imported) * DT_H,
        energy_export=-float(connection.price_sell_krw_per_kwh @ exported) * DT_H,
        demand_charge=connection.demand_charge_krw_per_kw * peak_kw,
        unit_fuel=float(plan.unit_fuel_kw.sum(axis=0) @ fuel_price) * DT_H,
        unit_starts=float(unit_starts(problem, plan).sum(axis=0) @ start_cost),
        unit_wear=float(plan.unit_on.sum(axis=0) @ run_cost) * DT_H,
        battery_wear=float(plan.battery_discharge_kw.sum(axis=0) @ batteries.wear_krw_per_kwh)
        * DT_H,
        fleet_wear=float(plan.fleet_discharge_kw.sum()) * fleets.wear_krw_per_kwh * DT_H,
        boiler_fuel=float(plan.boiler_kw.sum()) * heat.fuel_krw_per_kwh / heat.boiler_eta * DT_H
        if heat
        else 0.0,
        curtailment=float(curtailed.sum()) * problem.curtail_krw_per_kwh * DT_H,
        shedding=float(plan.shed_by_rank_kw.sum(axis=0) @ shed_price) * DT_H,
        last_resort=problem.broken_krw_per_kwh * broken_kwh(problem, plan),
        end_values=-ends,
        demand_response=_demand_response_krw(problem, plan),
        reserve_shortfall=problem.reserve.price_krw_per_kwh
        * float(plan.reserve_short_kw.sum())
        * DT_H
        if problem.reserve
        else 0.0,
    )


def _demand_response_krw(problem: PlanProblem, plan: Plan) -> float:
    """Penalties of commitments less rewards."""
    won = 0.0
    for row, event in enumerate(problem.dr_events):
        short = float(plan.dr_short_kw[:, row].sum())
        kept = event.committed_kw * float(event.active.sum()) - short
        won += DT_H * (event.penalty_krw_per_kwh * short - event.reward_krw_per_kwh * kept)
    return won


def unit_starts(problem: PlanProblem, plan: Plan) -> FloatArray:
    """Units started in each slot, (H, F)."""
    before = np.array([[unit.on_now for unit in problem.units]])
    return np.maximum(np.diff(plan.unit_on, axis=0, prepend=before), 0).astype(np.float64)


def cut_excess_kw(problem: PlanProblem, plan: Plan) -> dict[str, float]:
    """By how much each cut that is not kept is exceeded."""
    found = {
        cut.id: float(cut.coefficient @ plan.area_net_kw[cut.slot_index]) - cut.limit_kw
        for cut in problem.cuts
    }
    return {name: excess for name, excess in found.items() if excess > 0}


def fuel_left_kwh(problem: PlanProblem, plan: Plan) -> FloatArray:
    """Stored fuel at slot ends, (H, F), vented when full and negative where it is missing."""
    left = np.full(plan.unit_fuel_kw.shape, np.inf)
    for row, unit in enumerate(problem.units):
        now = min(unit.fuel_kwh_start, unit.fuel_kwh_max)
        if np.isfinite(unit.fuel_kwh_start):
            for at, come in enumerate(unit.fuel_inflow_kw):
                now = min(now + DT_H * (come - plan.unit_fuel_kw[at, row]), unit.fuel_kwh_max)
                left[at, row] = now
    return left


def broken_kwh(problem: PlanProblem, plan: Plan) -> float:
    """Energy by which limits and promises are broken, weighted as the last resort is priced.

    Promises that no power could keep are not counted: nothing could be saved.
    """
    connection, heat = problem.connection, problem.heat
    power = np.maximum(plan.p_import_kw - connection.p_import_kw_max, 0.0).sum()
    power += np.maximum(plan.p_export_kw - connection.p_export_kw_max, 0.0).sum()
    power *= NOWHERE
    power += sum(cut_excess_kw(problem, plan).values())
    if heat:
        power += np.maximum(-heat_surplus_kw(problem, plan), 0.0).sum()
    short = fleet_corridor(problem.fleets).lower_kwh - plan.e_fleet_kwh
    energy = np.maximum(short, 0.0).max(axis=0, initial=0.0).sum()
    energy += np.maximum(-fuel_left_kwh(problem, plan), 0.0).max(axis=0, initial=0.0).sum()
    return float(power) * DT_H + float(energy)


def heat_surplus_kw(problem: PlanProblem, plan: Plan) -> FloatArray:
    """Heat made beyond demand, storing and dumping, (H,); negative where it is missing."""
    heat = problem.heat
    if heat is None:
        return np.zeros(problem.slots)
    kept = 1 - heat.loss_frac_per_slot
    before = np.concatenate([[heat.e_start_kwh], plan.e_heat_kwh[:-1]])
    into = (plan.e_heat_kwh - kept * before) / DT_H
    made = plan.unit_heat_kw.sum(axis=1) + heat.cop * plan.heat_pump_kw + plan.boiler_kw
    return np.asarray(made - heat.demand_kw - into - plan.heat_dump_kw)
