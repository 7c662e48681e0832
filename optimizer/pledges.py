"""By how much a plan misses what is pledged to others: DR commitments and the reserve."""

import numpy as np

from optimizer.curves import ramp_binds
from optimizer.plan import Plan
from optimizer.problem import FloatArray, PlanProblem, Reserve

MISSED_KW = 1e-3  # a watt: what the solver's rounding leaves is not missed


def dr_short_kw(problem: PlanProblem, plan: Plan) -> FloatArray:
    """Net consumption beyond what each event's commitment allows, (H, E)."""
    drawn = plan.p_import_kw - plan.p_export_kw
    short = [np.maximum(drawn - event.limit_kw, 0.0) for event in problem.dr_events]
    return np.stack(short, axis=1) if short else np.zeros((problem.slots, 0))


def reserve_short_kw(problem: PlanProblem, plan: Plan) -> FloatArray:
    """Reserve that is wanted and not at hand, (H,)."""
    reserve = problem.reserve
    if reserve is None:
        return np.zeros(problem.slots)
    room = problem.connection.p_import_kw_max - plan.p_import_kw + plan.p_export_kw
    held_back = (problem.pv_kw - plan.pv_used_kw).sum(axis=1)
    stores, units = _from_batteries(problem, plan, reserve), _from_units(problem, plan)
    at_hand = room + held_back + stores + units
    short: FloatArray = np.maximum(reserve.wanted_kw - at_hand, 0.0)
    return short


def _from_batteries(problem: PlanProblem, plan: Plan, reserve: Reserve) -> FloatArray:
    table = problem.batteries
    power = table.p_discharge_kw_max - plan.battery_discharge_kw + plan.battery_charge_kw
    above = plan.e_battery_kwh - np.minimum(table.e_kwh_min, table.e_start_kwh)
    kept_up = np.maximum(above, 0.0) * table.eta_discharge / reserve.sustain_h
    return np.asarray(np.minimum(power, kept_up).sum(axis=1))


def _from_units(problem: PlanProblem, plan: Plan) -> FloatArray:
    more = np.zeros(problem.slots)
    for row, unit in enumerate(problem.units):
        on = plan.unit_on[:, row]
        room = unit.p_kw_max * on - plan.unit_p_kw[:, row]
        more += np.minimum(room, unit.ramp_kw_per_slot * on) if ramp_binds(unit) else room
    return more


def missed_kw(problem: PlanProblem, plan: Plan) -> dict[str, float]:
    """Largest shortfall of each event's commitment, and of the reserve, where there is one."""
    found = {
        event.id: float(plan.dr_short_kw[:, row].max(initial=0.0))
        for row, event in enumerate(problem.dr_events)
    }
    found["reserve"] = float(plan.reserve_short_kw.max(initial=0.0))
    return {name: short for name, short in found.items() if short > MISSED_KW}
