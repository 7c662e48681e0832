"""Plans without a solver: the last plan shifted and trimmed, or rules.

Both say what stores, units and heat should do; `optimizer.carry_out` then does as much of it as
limits allow, so that cars' promises and devices are kept first.
"""

import numpy as np

from optimizer.carry_out import carried_out, unpriced_import_kw
from optimizer.corridor import fleet_corridor
from optimizer.curves import group_draw
from optimizer.plan import SLOT_S, Plan
from optimizer.problem import DT_H, FloatArray, PlanProblem, UnitGroup
from optimizer.yielding import Wishes


def can_shift(problem: PlanProblem, previous: Plan, slots_max: int) -> bool:
    """Whether a previous plan is about the same assets and young enough."""
    ago, odd = divmod(problem.first_slot - previous.first_slot, SLOT_S)
    return (
        odd == 0
        and 0 <= ago <= min(slots_max, previous.slots - 1)
        and previous.e_battery_kwh.shape[1] == len(problem.batteries.id)
        and previous.e_fleet_kwh.shape[1] == len(problem.fleets.id)
        and previous.unit_on.shape[1] == len(problem.units)
    )


def shift_plan(problem: PlanProblem, previous: Plan) -> Plan:
    """The previous plan from today's first slot on, trimmed to today's limits.

    Slots that it does not cover repeat its last one. Cars' energies count on from today's start.
    """
    ago = (problem.first_slot - previous.first_slot) // SLOT_S
    rows = np.minimum(np.arange(problem.slots) + ago, previous.slots - 1)
    gone = previous.e_fleet_kwh[ago - 1] if ago > 0 else np.zeros(len(problem.fleets.id))
    peak_kw = max(previous.p_peak_kw, problem.connection.p_peak_incurred_kw)
    return carried_out(
        problem,
        Wishes(
            e_battery_kwh=previous.e_battery_kwh[rows],
            e_fleet_kwh=previous.e_fleet_kwh[rows] - gone,
            unit_on=previous.unit_on[rows].astype(np.float64),
            unit_p_kw=previous.unit_p_kw[rows],
            heat_pump_kw=previous.heat_pump_kw[rows],
            into_store_kw=_into_store(problem, previous)[rows],
            p_import_kw=unpriced_import_kw(problem, peak_kw),
            marginal_krw_per_kwh=previous.marginal_krw_per_kwh[rows],
        ),
    )


def _into_store(problem: PlanProblem, previous: Plan) -> FloatArray:
    """What the previous plan put into the heat store, negative where it took out, (H,)."""
    heat = problem.heat
    if heat is None:
        return np.zeros(previous.slots)
    before = np.concatenate([[heat.e_start_kwh], previous.e_heat_kwh[:-1]])
    kept: FloatArray = previous.e_heat_kwh - (1 - heat.loss_frac_per_slot) * before
    return kept / DT_H


def rules_plan(problem: PlanProblem) -> Plan:
    """A plan by rules: cars' promises first, then own use, within every limit.

    Cars keep to the middle of what is possible. Batteries take surplus and give in the dearer half
    of the slots. Units go on as they run, stored fuel is burnt as it comes. The heat store takes
    surplus heat and gives before the boiler burns.
    """
    corridor = fleet_corridor(problem.fleets)
    wanted = [_unit_wish(unit) for unit in problem.units]
    none = np.zeros((problem.slots, 0))
    on = np.stack([counts for counts, _ in wanted], axis=1) if wanted else none
    power = np.stack([kw for _, kw in wanted], axis=1) if wanted else none
    return carried_out(
        problem,
        Wishes(
            e_battery_kwh=None,
            e_fleet_kwh=(corridor.lower_kwh + corridor.upper_kwh) / 2,
            unit_on=on,
            unit_p_kw=power,
            heat_pump_kw=np.zeros(problem.slots),
            into_store_kw=_surplus_heat(problem, on, power),
            p_import_kw=unpriced_import_kw(problem, problem.connection.p_peak_incurred_kw),
            marginal_krw_per_kwh=problem.connection.price_buy_krw_per_kwh,
        ),
    )


def _unit_wish(unit: UnitGroup) -> tuple[FloatArray, FloatArray]:
    """Running units and their power, (H,): as now on piped fuel, as fuel comes from a store."""
    slots = len(unit.available)
    if not np.isfinite(unit.fuel_kwh_start):
        on = np.minimum(np.full(slots, unit.on_now), unit.available).astype(np.float64)
        each = unit.p_now_kw / unit.on_now if unit.on_now else 0.0
        return on, on * min(max(each, unit.p_kw_min), unit.p_kw_max)
    points = np.array(unit.fuel)
    come = float(unit.fuel_inflow_kw.mean())
    fed = min(int(come // points[0, 1]) if points[0, 1] > 0 else unit.size, unit.size)
    on = np.minimum(np.full(slots, fed), unit.available).astype(np.float64)
    each = float(np.interp(come / fed, points[:, 1], points[:, 0])) if fed else 0.0
    return on, on * each


def _surplus_heat(problem: PlanProblem, on: FloatArray, power: FloatArray) -> FloatArray:
    """Units' heat beyond the demand, negative where the store can help, (H,)."""
    heat = problem.heat
    if heat is None:
        return np.zeros(problem.slots)
    made = sum(
        (
            group_draw(unit.heat, np.rint(on[:, row]).astype(np.int64), power[:, row])
            for row, unit in enumerate(problem.units)
        ),
        start=np.zeros(problem.slots),
    )
    return np.clip(made - heat.demand_kw, -heat.p_store_kw_max, heat.p_store_kw_max)
