"""The program: variables, one law per line, one cost. The source of truth for every number.

`build_model` reads like the formula sheet; the laws stand in `optimizer.constraints`. Everything
that changes from slot to slot stands in bounds, right-hand sides and costs, so that the matrix
stays; `optimizer.refresh` writes the same numbers without building the model again.
"""

import numpy as np

from optimizer import constraints as law
from optimizer.algebra import pyo
from optimizer.corridor import battery_corridor, fleet_corridor
from optimizer.curves import commitment, unit_curve
from optimizer.exchange import exchange_limits
from optimizer.problem import DT_H, NOWHERE, PlanProblem


def build_model(problem: PlanProblem, *, elastic: bool = False) -> pyo.ConcreteModel:
    """The program of a problem; `elastic` lets promises and fuel fall short at the last resort."""
    model = pyo.ConcreteModel()
    model.T = pyo.RangeSet(0, problem.slots - 1)
    _declare_district(model, problem)
    _declare_stores(model, problem, elastic=elastic)
    _declare_units(model, problem, elastic=elastic)
    _declare_heat(model, problem)
    _declare_pledges(model, problem)
    _declare_ways(model, problem)
    _declare_nearness(model, problem)

    law.balance_power_in_district(model, problem)
    law.keep_one_direction_at_connection(model, problem)
    law.reach_peak(model, problem)
    law.carry_battery_energy(model, problem)
    law.carry_fleet_energy(model, problem)
    law.keep_one_way_in_stores(model, problem)
    law.load_running_units(model, problem)
    law.count_starts_and_stops(model, problem)
    law.stay_up_and_down(model, problem)
    law.ramp_units(model, problem)
    law.carry_fuel(model, problem)
    law.balance_heat(model, problem)
    law.carry_heat(model, problem)
    law.respect_cuts(model, problem)
    law.keep_commitments(model, problem)
    law.hold_reserve(model, problem)
    law.stay_near(model, problem)

    model.cost = pyo.Objective(expr=_cost(model, problem))
    return model


def _declare_district(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Exchange with the utility, curtailment by area, shedding, and what only a failure needs."""
    limits, shed_max = exchange_limits(problem), problem.rank_load_kw.sum(axis=1)
    incurred = problem.connection.p_peak_incurred_kw
    model.A = pyo.RangeSet(0, problem.areas - 1)
    model.R = pyo.RangeSet(0, len(problem.ranks) - 1)
    model.K = pyo.RangeSet(0, len(problem.cuts) - 1)
    model.p_import = pyo.Var(model.T, bounds=lambda m, t: (0, limits.p_import_kw_max[t]))
    model.p_export = pyo.Var(model.T, bounds=lambda m, t: (0, limits.p_export_kw_max[t]))
    model.importing = pyo.Var(model.T, bounds=(0, 1))
    model.p_missing = pyo.Var(model.T, bounds=(0, None))
    model.p_surplus = pyo.Var(model.T, bounds=(0, None))
    model.p_peak = pyo.Var(bounds=(incurred, None))
    model.curtail = pyo.Var(model.T, model.A, bounds=lambda m, t, a: (0, problem.pv_kw[t, a]))
    model.shed = pyo.Var(model.T, model.R, bounds=lambda m, t, r: (0, shed_max[t, r]))
    model.cut_slack = pyo.Var(model.K, bounds=(0, None))


def _declare_stores(model: pyo.ConcreteModel, problem: PlanProblem, *, elastic: bool) -> None:
    """Batteries and car fleets."""
    batteries, fleets = problem.batteries, problem.fleets
    battery, fleet = battery_corridor(batteries, problem.slots), fleet_corridor(fleets)
    most_in = batteries.by_slot(batteries.p_charge_kw_max, problem.slots)
    most_out = batteries.by_slot(batteries.p_discharge_kw_max, problem.slots)
    model.B = pyo.RangeSet(0, len(batteries.id) - 1)
    model.G = pyo.RangeSet(0, len(fleets.id) - 1)
    model.battery_charge = pyo.Var(model.T, model.B, bounds=lambda m, t, b: (0, most_in[t, b]))
    model.battery_discharge = pyo.Var(model.T, model.B, bounds=lambda m, t, b: (0, most_out[t, b]))
    model.e_battery = pyo.Var(
        model.T, model.B, bounds=lambda m, t, b: (battery.lower_kwh[t, b], battery.upper_kwh[t, b])
    )
    model.fleet_charge = pyo.Var(
        model.T, model.G, bounds=lambda m, t, g: (0, fleets.p_charge_kw_max[g, t])
    )
    model.fleet_discharge = pyo.Var(
        model.T, model.G, bounds=lambda m, t, g: (0, fleets.p_discharge_kw_max[g, t])
    )
    model.e_fleet = pyo.Var(
        model.T, model.G, bounds=lambda m, t, g: (fleet.lower_kwh[t, g], fleet.upper_kwh[t, g])
    )
    model.elastic = elastic
    if elastic:
        model.fleet_short = pyo.Var(model.T, model.G, bounds=(0, None))


def _declare_units(model: pyo.ConcreteModel, problem: PlanProblem, *, elastic: bool) -> None:
    """Counts of running units, their load by segments above the least load, their fuel."""
    groups = problem.units
    decided = [commitment(unit) for unit in groups]
    model.F = pyo.RangeSet(0, len(groups) - 1)
    model.S = pyo.Set(
        initialize=[
            (f, k) for f, unit in enumerate(groups) for k in range(_segments(unit.fuel, unit.heat))
        ],
        dimen=2,
    )
    stored = [f for f, unit in enumerate(groups) if np.isfinite(unit.fuel_kwh_start)]
    model.STORED = pyo.Set(initialize=stored)
    model.unit_on = pyo.Var(
        model.T,
        model.F,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda m, t, f: (int(decided[f].least[t]), int(decided[f].most[t])),
    )
    model.unit_start = pyo.Var(model.T, model.F, bounds=(0, None))
    model.unit_stop = pyo.Var(model.T, model.F, bounds=(0, None))
    model.unit_extra = pyo.Var(model.T, model.S, bounds=(0, None))
    model.e_fuel = pyo.Var(
        model.T, model.STORED, bounds=lambda m, t, f: (0, groups[f].fuel_kwh_max)
    )
    if elastic:
        model.fuel_short = pyo.Var(model.T, model.STORED, bounds=(0, None))


def _segments(*curves: tuple[tuple[float, float], ...]) -> int:
    return len({load for points in curves for load, _ in points}) - 1


def _declare_heat(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """The heat network, where there is one; `p_into_store` is negative when heat comes out."""
    heat = problem.heat
    model.heat_slots = pyo.RangeSet(0, problem.slots - 1 if heat else -1)
    if heat is None:
        return
    store = (-heat.p_store_kw_max, heat.p_store_kw_max)
    pump_kw = heat.pump_kw_max
    model.heat_pump = pyo.Var(model.T, bounds=lambda m, t: (0, pump_kw[t]))
    model.boiler = pyo.Var(model.T, bounds=(0, heat.boiler_kw_max))
    model.heat_dump = pyo.Var(model.T, bounds=(0, None))
    model.heat_short = pyo.Var(model.T, bounds=(0, None))
    model.p_into_store = pyo.Var(model.T, bounds=store)
    model.e_heat = pyo.Var(model.T, bounds=(0, heat.e_kwh_max))


def _declare_pledges(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """What commitments and the reserve fall short by, and who holds the reserve."""
    model.E = pyo.RangeSet(0, len(problem.dr_events) - 1)
    model.dr_short = pyo.Var(model.T, model.E, bounds=(0, None))
    if problem.reserve is None:
        return
    model.battery_reserve = pyo.Var(model.T, model.B, bounds=(0, None))
    model.unit_reserve = pyo.Var(model.T, model.F, bounds=(0, None))
    model.reserve_short = pyo.Var(model.T, bounds=(0, None))


def _declare_ways(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Whether a store charges (1) or discharges (0), where that must be a whole number."""
    if problem.one_way:
        model.battery_way = pyo.Var(model.T, model.B, domain=pyo.Binary)
        model.fleet_way = pyo.Var(model.T, model.G, domain=pyo.Binary)


def _declare_nearness(model: pyo.ConcreteModel, problem: PlanProblem) -> None:
    """Distances from the set-points that a second stage stays near to."""
    if problem.near is None:
        return
    model.N = pyo.RangeSet(0, problem.near.target_kw.shape[1] - 1)
    model.moved_up = pyo.Var(model.T, model.N, bounds=(0, None))
    model.moved_down = pyo.Var(model.T, model.N, bounds=(0, None))


def _cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    """Won over the horizon, less what the stores are worth at its end."""
    return (
        _exchange_cost(model, problem)
        + _store_cost(model, problem)
        + _unit_cost(model, problem)
        + _heat_cost(model, problem)
        + _pledge_cost(model, problem)
        + _distance_cost(model, problem)
    )


def _exchange_cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    connection, last = problem.connection, problem.broken_krw_per_kwh
    return (
        sum(DT_H * connection.price_buy_krw_per_kwh[t] * model.p_import[t] for t in model.T)
        - sum(DT_H * connection.price_sell_krw_per_kwh[t] * model.p_export[t] for t in model.T)
        + connection.demand_charge_krw_per_kw * (model.p_peak - connection.p_peak_incurred_kw)
        + sum(
            DT_H * problem.curtail_krw_per_kwh * model.curtail[t, a]
            for t in model.T
            for a in model.A
        )
        + sum(
            DT_H * rank.price_krw_per_kwh * model.shed[t, r]
            for t in model.T
            for r, rank in enumerate(problem.ranks)
        )
        + sum(DT_H * NOWHERE * last * (model.p_missing[t] + model.p_surplus[t]) for t in model.T)
        + sum(DT_H * last * model.cut_slack[k] for k in model.K)
    )


def _store_cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    batteries, fleets, end = problem.batteries, problem.fleets, problem.slots - 1
    cost = (
        sum(
            DT_H * batteries.wear_krw_per_kwh[b] * model.battery_discharge[t, b]
            for t in model.T
            for b in model.B
        )
        + sum(
            DT_H * fleets.wear_krw_per_kwh * model.fleet_discharge[t, g]
            for t in model.T
            for g in model.G
        )
        - sum(batteries.end_value_krw_per_kwh[b] * model.e_battery[end, b] for b in model.B)
        - sum(fleets.end_value_krw_per_kwh * model.e_fleet[end, g] for g in model.G)
    )
    if model.elastic:
        cost += problem.broken_krw_per_kwh * sum(
            model.fleet_short[t, g] for t in model.T for g in model.G
        )
    return cost


def _unit_cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    groups = problem.units
    curves = [unit_curve(unit) for unit in groups]
    cost = sum(
        DT_H
        * (groups[f].fuel_krw_per_kwh * curves[f].fuel_kw_least + groups[f].wear_krw_per_h)
        * model.unit_on[t, f]
        + groups[f].start_cost_krw * model.unit_start[t, f]
        for t in model.T
        for f in model.F
    ) + sum(
        DT_H * groups[f].fuel_krw_per_kwh * curves[f].fuel_slope[k] * model.unit_extra[t, f, k]
        for t in model.T
        for f, k in model.S
    )
    if model.elastic:
        cost += (
            problem.broken_krw_per_kwh
            * DT_H
            * sum(model.fuel_short[t, f] for t in model.T for f in model.STORED)
        )
    return cost


def _heat_cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    heat = problem.heat
    if heat is None:
        return 0.0
    boiler = heat.fuel_krw_per_kwh / heat.boiler_eta
    return (
        sum(DT_H * boiler * model.boiler[t] for t in model.T)
        + sum(DT_H * problem.broken_krw_per_kwh * model.heat_short[t] for t in model.T)
        - heat.end_value_krw_per_kwh * model.e_heat[problem.slots - 1]
    )


def _pledge_cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    """Penalties and lost rewards less the rewards of all that is committed; missing reserve."""
    cost = sum(
        DT_H
        * (event.penalty_krw_per_kwh + event.reward_krw_per_kwh)
        * float(event.active[t])
        * model.dr_short[t, e]
        for e, event in enumerate(problem.dr_events)
        for t in model.T
    ) - sum(
        DT_H * event.reward_krw_per_kwh * event.committed_kw * float(event.active.sum())
        for event in problem.dr_events
    )
    if problem.reserve:
        price = DT_H * problem.reserve.price_krw_per_kwh
        cost += sum(price * model.reserve_short[t] for t in model.T)
    return cost


def _distance_cost(model: pyo.ConcreteModel, problem: PlanProblem) -> pyo.Expression:
    near = problem.near
    if near is None:
        return 0.0
    return sum(
        near.price_krw_per_kw[t] * (model.moved_up[t, n] + model.moved_down[t, n])
        for t in model.T
        for n in model.N
    )
