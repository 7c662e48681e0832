"""The laws of the program, one function each.

Slot -1, the slot before the first, is known: its states stand on right-hand sides.
"""

import numpy as np

from optimizer.algebra import pyo
from optimizer.curves import commitment, ramp_binds, unit_curve
from optimizer.exchange import exchange_limits
from optimizer.problem import DT_H, FloatArray, PlanProblem, UnitGroup


def unit_power(model: pyo.ConcreteModel, problem: PlanProblem, t: int, f: int) -> pyo.Expression:
    """Power of a group's running units: the least load of each and what they give above it."""
    curve = unit_curve(problem.units[f])
    return problem.units[f].p_kw_min * model.unit_on[t, f] + sum(
        model.unit_extra[t, f, k] for k in range(len(curve.width_kw))
    )


def balance_power_in_district(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """What comes in and what is made covers what is drawn, in every slot."""
    demand = problem.load_kw.sum(axis=1) + problem.loss_kw - problem.pv_kw.sum(axis=1)

    def balance(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return (
            m.p_import[t]
            - m.p_export[t]
            + m.p_missing[t]
            - m.p_surplus[t]
            + sum(m.shed[t, r] for r in m.R)
            - sum(m.curtail[t, a] for a in m.A)
            + sum(m.battery_discharge[t, b] - m.battery_charge[t, b] for b in m.B)
            + sum(m.fleet_discharge[t, g] - m.fleet_charge[t, g] for g in m.G)
            + sum(unit_power(m, problem, t, f) for f in m.F)
            - (m.heat_pump[t] if problem.heat else 0)
        ) == demand[t]

    model.district_balance = pyo.Constraint(model.T, rule=balance)


def keep_one_direction_at_connection(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Power flows in or out; `importing` is made whole only where both ways at once would pay."""
    limits = exchange_limits(problem)
    most_in, most_out = limits.import_size_kw, limits.export_size_kw
    model.import_while_importing = pyo.Constraint(
        model.T, rule=lambda m, t: m.p_import[t] - most_in[t] * m.importing[t] <= 0
    )
    model.export_while_not = pyo.Constraint(
        model.T, rule=lambda m, t: m.p_export[t] + most_out[t] * m.importing[t] <= most_out[t]
    )


def reach_peak(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """The peak is at least what the draw of each slot counts for, shed load and margin included."""
    connection = problem.connection
    free = exchange_limits(problem).import_size_kw + problem.rank_load_kw.sum(axis=(1, 2))
    least = np.where(connection.counts, connection.counted_kw(np.zeros(problem.slots)), -free)

    def reach(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return m.p_peak - m.p_import[t] - sum(m.shed[t, r] for r in m.R) >= float(least[t])

    model.peak = pyo.Constraint(model.T, rule=reach)


def carry_battery_energy(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Energy at a slot's end is that of the slot before plus what goes in less what comes out."""
    batteries = problem.batteries

    def carry(m: pyo.ConcreteModel, t: int, b: int) -> pyo.Expression:
        before = m.e_battery[t - 1, b] if t else batteries.e_start_kwh[b]
        return m.e_battery[t, b] == before + DT_H * (
            batteries.eta_charge[b] * m.battery_charge[t, b]
            - m.battery_discharge[t, b] / batteries.eta_discharge[b]
        )

    model.battery_energy = pyo.Constraint(model.T, model.B, rule=carry)


def carry_fleet_energy(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Energy gone into the cars, counted from the first slot's start."""
    eta = problem.fleets.eta

    def carry(m: pyo.ConcreteModel, t: int, g: int) -> pyo.Expression:
        before = m.e_fleet[t - 1, g] if t else 0.0
        short = m.fleet_short[t, g] if m.elastic else 0.0
        return m.e_fleet[t, g] == before + short + DT_H * (
            eta * m.fleet_charge[t, g] - m.fleet_discharge[t, g] / eta
        )

    model.fleet_energy = pyo.Constraint(model.T, model.G, rule=carry)


def keep_one_way_in_stores(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """A store charges or discharges; its losses are no way to burn power.

    Needed only where burning pays: at negative prices, or where power is forced upon the district.
    """
    if not problem.one_way:
        return
    batteries, fleets = problem.batteries, problem.fleets
    most_in = batteries.by_slot(batteries.p_charge_kw_max, problem.slots)
    most_out = batteries.by_slot(batteries.p_discharge_kw_max, problem.slots)
    model.battery_in = pyo.Constraint(
        model.T,
        model.B,
        rule=lambda m, t, b: m.battery_charge[t, b] - most_in[t, b] * m.battery_way[t, b] <= 0,
    )
    model.battery_out = pyo.Constraint(
        model.T,
        model.B,
        rule=lambda m, t, b: (
            m.battery_discharge[t, b] + most_out[t, b] * m.battery_way[t, b] <= most_out[t, b]
        ),
    )
    cars_in, cars_out = fleets.p_charge_kw_max, fleets.p_discharge_kw_max
    model.fleet_in = pyo.Constraint(
        model.T,
        model.G,
        rule=lambda m, t, g: m.fleet_charge[t, g] - cars_in[g, t] * m.fleet_way[t, g] <= 0,
    )
    model.fleet_out = pyo.Constraint(
        model.T,
        model.G,
        rule=lambda m, t, g: (
            m.fleet_discharge[t, g] + cars_out[g, t] * m.fleet_way[t, g] <= cars_out[g, t]
        ),
    )


def load_running_units(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Each segment of load is as wide as the units that run."""
    width = [unit_curve(unit).width_kw for unit in problem.units]
    model.unit_load = pyo.Constraint(
        model.T,
        model.S,
        rule=lambda m, t, f, k: m.unit_extra[t, f, k] - width[f][k] * m.unit_on[t, f] <= 0,
    )


def count_starts_and_stops(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """The count of running units changes by starts and stops alone."""

    def change(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        before = m.unit_on[t - 1, f] if t else problem.units[f].on_now
        return m.unit_on[t, f] - before == m.unit_start[t, f] - m.unit_stop[t, f]

    model.unit_change = pyo.Constraint(model.T, model.F, rule=change)


def stay_up_and_down(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """A started unit runs for its least time, a stopped one rests for its least time."""
    decided = [commitment(unit) for unit in problem.units]

    def stay_up(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        window = range(max(0, t - problem.units[f].min_up_slots + 1), t + 1)
        started = sum(m.unit_start[s, f] for s in window)
        return m.unit_on[t, f] - started >= int(decided[f].least[t])

    def stay_down(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        window = range(max(0, t - problem.units[f].min_down_slots + 1), t + 1)
        stopped = sum(m.unit_stop[s, f] for s in window)
        return m.unit_on[t, f] + stopped <= int(decided[f].rested[t])

    held = [f for f, unit in enumerate(problem.units) if unit.min_up_slots > 1]
    resting = [f for f, unit in enumerate(problem.units) if unit.min_down_slots > 1]
    model.stay_up = pyo.Constraint(model.T, held, rule=stay_up)
    model.stay_down = pyo.Constraint(model.T, resting, rule=stay_down)


def ramp_units(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Running units change load by their ramp; a start or stop passes the least load at once.

    A unit that starts or stops brings or takes at least its least load, so that a start and a stop
    at once, which the counts allow, never give more room.
    """
    decided = [commitment(unit) for unit in problem.units]

    def power_before(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        return unit_power(m, problem, t - 1, f) if t else problem.units[f].p_now_kw

    def rise(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        unit, start, stop = problem.units[f], m.unit_start[t, f], m.unit_stop[t, f]
        on_before = m.unit_on[t - 1, f] if t else unit.on_now
        risen = unit_power(m, problem, t, f) - power_before(m, t, f)
        room = unit.ramp_kw_per_slot * (on_before - stop) + _step(unit) * start
        return risen <= room - unit.p_kw_min * stop

    def fall(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        unit, start, stop = problem.units[f], m.unit_start[t, f], m.unit_stop[t, f]
        fallen = power_before(m, t, f) - unit_power(m, problem, t, f)
        room = unit.ramp_kw_per_slot * (m.unit_on[t, f] - start) + _step(unit) * stop
        forced = unit.p_kw_max * int(decided[f].forced[t])
        return fallen <= room - unit.p_kw_min * start + forced

    ramped = [f for f, unit in enumerate(problem.units) if ramp_binds(unit)]
    model.ramp_up = pyo.Constraint(model.T, ramped, rule=rise)
    model.ramp_down = pyo.Constraint(model.T, ramped, rule=fall)


def _step(unit: UnitGroup) -> float:
    """Power that a unit can have in its first slot, or give up in its last."""
    return max(unit.p_kw_min, unit.ramp_kw_per_slot)


def carry_fuel(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Stored fuel is what was there and came in, less what was burnt; the rest may be vented."""
    curves = [unit_curve(unit) for unit in problem.units]

    def burnt(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        return curves[f].fuel_kw_least * m.unit_on[t, f] + sum(
            slope * m.unit_extra[t, f, k] for k, slope in enumerate(curves[f].fuel_slope)
        )

    def carry(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        unit = problem.units[f]
        before = m.e_fuel[t - 1, f] if t else min(unit.fuel_kwh_start, unit.fuel_kwh_max)
        short = m.fuel_short[t, f] if m.elastic else 0.0
        return m.e_fuel[t, f] <= before + DT_H * (unit.fuel_inflow_kw[t] - burnt(m, t, f) + short)

    model.fuel_energy = pyo.Constraint(model.T, model.STORED, rule=carry)


def balance_heat(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Units, heat pump, boiler and store cover the demand; surplus is dumped."""
    heat = problem.heat
    if heat is None:
        return
    curves = [unit_curve(unit) for unit in problem.units]

    def made(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        return curves[f].heat_kw_least * m.unit_on[t, f] + sum(
            slope * m.unit_extra[t, f, k] for k, slope in enumerate(curves[f].heat_slope)
        )

    def balance(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return (
            sum(made(m, t, f) for f in m.F)
            + heat.cop[t] * m.heat_pump[t]
            + m.boiler[t]
            + m.heat_short[t]
            - m.heat_dump[t]
            - m.p_into_store[t]
        ) == heat.demand_kw[t]

    model.heat_balance = pyo.Constraint(model.T, rule=balance)


def carry_heat(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Heat in the store: what was there less its losses, plus what goes in."""
    heat = problem.heat
    if heat is None:
        return
    kept = 1 - heat.loss_frac_per_slot

    def carry(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        before = kept * m.e_heat[t - 1] if t else kept * heat.e_start_kwh
        return m.e_heat[t] == before + DT_H * m.p_into_store[t]

    model.heat_energy = pyo.Constraint(model.T, rule=carry)


def respect_cuts(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """The wires' limits on the areas' net draw, soft at the price of last resort."""

    def within(m: pyo.ConcreteModel, k: int) -> pyo.Expression:
        cut = problem.cuts[k]
        fixed = problem.load_kw[cut.slot_index] - problem.pv_kw[cut.slot_index]
        moved = _moved_draw(m, problem, k)
        return moved - m.cut_slack[k] <= cut.limit_kw - float(cut.coefficient @ fixed)

    model.cut = pyo.Constraint(model.K, rule=within)


def _moved_draw(m: pyo.ConcreteModel, problem: PlanProblem, k: int) -> pyo.Expression:
    """What decisions add to the weighted draw of a cut, beyond load less all solar power."""
    cut, t = problem.cuts[k], problem.cuts[k].slot_index

    def weight(area: int) -> float:
        return float(cut.coefficient[area]) if area >= 0 else 0.0

    heat, units, shed = problem.heat, problem.units, shed_weight(problem, k)
    return (
        sum(weight(a) * m.curtail[t, a] for a in m.A)
        - sum(shed[r] * m.shed[t, r] for r in m.R)
        + sum(
            weight(int(problem.batteries.area[b]))
            * (m.battery_charge[t, b] - m.battery_discharge[t, b])
            for b in m.B
        )
        + sum(
            weight(int(problem.fleets.area[g])) * (m.fleet_charge[t, g] - m.fleet_discharge[t, g])
            for g in m.G
        )
        - sum(weight(units[f].area) * unit_power(m, problem, t, f) for f in m.F)
        + (weight(heat.heat_pump_area) * m.heat_pump[t] if heat else 0)
    )


def keep_commitments(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Net consumption stays below each event's baseline by what is committed, less a shortfall."""
    limit = dr_limits_kw(problem)

    def keep(m: pyo.ConcreteModel, t: int, e: int) -> pyo.Expression:
        return _net_consumption(m, t) - m.dr_short[t, e] <= limit[t, e]

    model.dr = pyo.Constraint(model.T, model.E, rule=keep)


def dr_limits_kw(problem: PlanProblem) -> FloatArray:
    """Net consumption that each event allows, (H, E); where it asks nothing, all there can be."""
    free = exchange_limits(problem).import_size_kw
    limits = [np.minimum(event.limit_kw, free) for event in problem.dr_events]
    return np.stack(limits, axis=1) if limits else np.zeros((problem.slots, 0))


def _net_consumption(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
    return m.p_import[t] + m.p_missing[t] - m.p_export[t] - m.p_surplus[t]


def hold_reserve(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Units, batteries, held-back sun and the connection could at once give what is wanted.

    Were sun that is held back not counted, a battery that burns it by charging and discharging at
    once would seem to hold more.
    """
    reserve = problem.reserve
    if reserve is None:
        return
    limit = problem.connection.p_import_kw_max

    def at_hand(m: pyo.ConcreteModel, t: int) -> pyo.Expression:
        return (
            sum(m.battery_reserve[t, b] for b in m.B)
            + sum(m.unit_reserve[t, f] for f in m.F)
            + sum(m.curtail[t, a] for a in m.A)
            - _net_consumption(m, t)
            + m.reserve_short[t]
        ) >= reserve.wanted_kw[t] - limit[t]

    model.reserve = pyo.Constraint(model.T, rule=at_hand)
    _bound_battery_reserve(model, problem, reserve.sustain_h)
    _bound_unit_reserve(model, problem)


def _bound_battery_reserve(
    model: pyo.ConcreteModel, problem: PlanProblem, sustain_h: float
) -> None:
    """A battery can stop charging and give its power, as long as its energy keeps that up."""
    table = problem.batteries
    most_kw = table.by_slot(table.p_discharge_kw_max, problem.slots)

    def power(m: pyo.ConcreteModel, t: int, b: int) -> pyo.Expression:
        used = m.battery_discharge[t, b] - m.battery_charge[t, b]
        return m.battery_reserve[t, b] + used <= most_kw[t, b]

    def energy(m: pyo.ConcreteModel, t: int, b: int) -> pyo.Expression:
        floor = min(table.e_kwh_min[b], table.e_start_kwh[b])
        taken = sustain_h / table.eta_discharge[b] * m.battery_reserve[t, b]
        return taken - m.e_battery[t, b] <= -floor

    model.battery_reserve_power = pyo.Constraint(model.T, model.B, rule=power)
    model.battery_reserve_energy = pyo.Constraint(model.T, model.B, rule=energy)


def _bound_unit_reserve(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Running units can go to full load, as far as they can ramp there."""
    units = problem.units

    def room(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        full = units[f].p_kw_max * m.unit_on[t, f]
        return m.unit_reserve[t, f] + unit_power(m, problem, t, f) - full <= 0

    def ramp(m: pyo.ConcreteModel, t: int, f: int) -> pyo.Expression:
        return m.unit_reserve[t, f] - units[f].ramp_kw_per_slot * m.unit_on[t, f] <= 0

    ramped = [f for f, unit in enumerate(units) if ramp_binds(unit)]
    model.unit_reserve_room = pyo.Constraint(model.T, model.F, rule=room)
    model.unit_reserve_ramp = pyo.Constraint(model.T, ramped, rule=ramp)


def stay_near(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Each set-point is its target plus what it moves up less what it moves down."""
    near = problem.near
    if near is None:
        return

    points = [_set_points(model, problem, t) for t in model.T]

    def hold(m: pyo.ConcreteModel, t: int, n: int) -> pyo.Expression:
        moved = m.moved_up[t, n] - m.moved_down[t, n]
        return points[t][n] - moved == near.target_kw[t, n]

    model.nearness = pyo.Constraint(model.T, model.N, rule=hold)


def _set_points(m: pyo.ConcreteModel, problem: PlanProblem, t: int) -> list[pyo.Expression]:
    """What assets are told in a slot, in the order of `Nearness`."""
    return [
        *(m.battery_charge[t, b] - m.battery_discharge[t, b] for b in m.B),
        *(m.fleet_charge[t, g] - m.fleet_discharge[t, g] for g in m.G),
        *(-unit_power(m, problem, t, f) for f in m.F),
        *([m.heat_pump[t]] if problem.heat else []),
    ]


def shed_weight(problem: PlanProblem, k: int) -> FloatArray:
    """Weighted share of the areas' load in a kW shed of each rank in the cut's slot, (R,)."""
    cut = problem.cuts[k]
    load = problem.rank_load_kw[cut.slot_index]
    total = load.sum(axis=0)
    weight: FloatArray = np.zeros(len(total))
    np.divide(cut.coefficient @ load, total, out=weight, where=total > 0)
    return weight
