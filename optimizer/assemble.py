"""Decisions become a plan: everything that follows from them is computed, nothing is taken over.

Import and export follow from the balance, fuel and heat from the units' curves, the store from its
flows, costs from the series. So a plan balances by construction, whoever decided.
"""

from dataclasses import dataclass, replace

import numpy as np

from optimizer.costs import cost_of
from optimizer.curves import group_draw
from optimizer.plan import Certificate, CostBreakdown, Plan, Status, Tier
from optimizer.pledges import dr_short_kw, reserve_short_kw
from optimizer.problem import DT_H, FloatArray, Heat, IntArray, PlanProblem
from optimizer.split import StorePaths

UNDECIDED = Certificate(
    tier=Tier.RULES,
    status=Status.FAILED,
    reason="",
    way="",
    bound_krw=float("nan"),
    cost_krw=float("nan"),
    gap_frac=float("nan"),
    seconds=0.0,
    seconds_allowed=0.0,
    binding=(),
    slack_kw={},
    distance_from_last_kw=float("nan"),
    structure="",
    inputs="",
)


@dataclass(frozen=True, eq=False)
class Decisions:
    """What is free to decide; shapes as in `Plan`, shed_kw by rank (H, R).

    into_store_kw (H,) is negative when heat leaves. marginal_krw_per_kwh (H,) is what one more kWh
    of demand would cost.
    """

    curtail_kw: FloatArray
    shed_kw: FloatArray
    batteries: StorePaths
    fleets: StorePaths
    unit_on: IntArray
    unit_p_kw: FloatArray
    heat_pump_kw: FloatArray
    into_store_kw: FloatArray
    marginal_krw_per_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class _HeatFlows:
    """Boiler, store and surplus of the heat network, (H,)."""

    boiler_kw: FloatArray
    e_kwh: FloatArray
    dump_kw: FloatArray


def assemble(problem: PlanProblem, decided: Decisions) -> Plan:
    """The plan of some decisions, with its cost and without a certificate."""
    units = problem.units
    fuel, heat = (
        np.stack(
            [
                group_draw(points, decided.unit_on[:, row], decided.unit_p_kw[:, row])
                for row, points in enumerate(curves)
            ],
            axis=1,
        )
        if units
        else np.zeros((problem.slots, 0))
        for curves in ([unit.fuel for unit in units], [unit.heat for unit in units])
    )
    flows = _heat_flows(problem.heat, decided, heat.sum(axis=1))
    area_net = _area_net(problem, decided)
    net = area_net.sum(axis=1) + problem.loss_kw + _outside_areas(problem, decided)
    imported, exported = np.maximum(net, 0.0), np.maximum(-net, 0.0)
    counted = problem.connection.counted_kw(imported + decided.shed_kw.sum(axis=1))
    plan = Plan(
        first_slot=problem.first_slot,
        area_ids=problem.area_ids,
        p_import_kw=imported,
        p_export_kw=exported,
        pv_used_kw=problem.pv_kw - decided.curtail_kw,
        shed_kw=decided.shed_kw.sum(axis=1),
        shed_by_rank_kw=decided.shed_kw,
        dr_short_kw=np.zeros((problem.slots, len(problem.dr_events))),
        reserve_short_kw=np.zeros(problem.slots),
        battery_charge_kw=decided.batteries.charge_kw,
        battery_discharge_kw=decided.batteries.discharge_kw,
        e_battery_kwh=decided.batteries.e_kwh,
        fleet_charge_kw=decided.fleets.charge_kw,
        fleet_discharge_kw=decided.fleets.discharge_kw,
        e_fleet_kwh=decided.fleets.e_kwh,
        unit_on=decided.unit_on,
        unit_p_kw=decided.unit_p_kw,
        unit_fuel_kw=fuel,
        unit_heat_kw=heat,
        heat_pump_kw=decided.heat_pump_kw,
        boiler_kw=flows.boiler_kw,
        e_heat_kwh=flows.e_kwh,
        heat_dump_kw=flows.dump_kw,
        area_net_kw=area_net,
        p_peak_kw=max(problem.connection.p_peak_incurred_kw, float(counted.max(initial=0.0))),
        marginal_krw_per_kwh=decided.marginal_krw_per_kwh,
        cost_krw=CostBreakdown(),
        certificate=UNDECIDED,
    )
    plan = replace(
        plan,
        dr_short_kw=dr_short_kw(problem, plan),
        reserve_short_kw=reserve_short_kw(problem, plan),
    )
    return replace(plan, cost_krw=cost_of(problem, plan))


def shed_share(problem: PlanProblem) -> FloatArray:
    """Each area's part of what is shed of a rank, (H, A, R): that of its load in it."""
    load = problem.rank_load_kw
    total = load.sum(axis=1, keepdims=True)
    share: FloatArray = np.zeros(load.shape)
    np.divide(load, total, out=share, where=total > 0)
    return share


def _area_net(problem: PlanProblem, decided: Decisions) -> FloatArray:
    """Net draw of each area, (H, A)."""
    net: FloatArray = problem.load_kw - problem.pv_kw + decided.curtail_kw
    net -= (decided.shed_kw[:, None, :] * shed_share(problem)).sum(axis=2)
    for area, drawn in _drawn(problem, decided):
        inside = area >= 0
        np.add.at(net.T, area[inside], drawn[:, inside].T)
    return net


def _outside_areas(problem: PlanProblem, decided: Decisions) -> FloatArray:
    """Draw of what stands at the connection itself, (H,)."""
    outside = np.zeros(problem.slots)
    for area, drawn in _drawn(problem, decided):
        outside += drawn[:, area < 0].sum(axis=1)
    return outside


def _drawn(problem: PlanProblem, decided: Decisions) -> list[tuple[IntArray, FloatArray]]:
    """Areas (N,) and draws (H, N) of batteries, fleets, units and heat pump."""
    found = [
        (problem.batteries.area, decided.batteries.charge_kw - decided.batteries.discharge_kw),
        (problem.fleets.area, decided.fleets.charge_kw - decided.fleets.discharge_kw),
        (np.array([unit.area for unit in problem.units], dtype=np.int64), -decided.unit_p_kw),
    ]
    if problem.heat:
        place = np.array([problem.heat.heat_pump_area], dtype=np.int64)
        found.append((place, decided.heat_pump_kw[:, None]))
    return found


def _heat_flows(heat: Heat | None, decided: Decisions, unit_heat_kw: FloatArray) -> _HeatFlows:
    """The store follows the decision within its bounds; the boiler covers what is then missing."""
    slots = len(unit_heat_kw)
    if heat is None:
        return _HeatFlows(np.zeros(slots), np.zeros(slots), unit_heat_kw)
    kept, now = 1 - heat.loss_frac_per_slot, heat.e_start_kwh
    store, into = np.zeros(slots), np.zeros(slots)
    for at in range(slots):
        wanted = kept * now + DT_H * decided.into_store_kw[at]
        after = min(max(wanted, 0.0), heat.e_kwh_max)
        into[at] = (after - kept * now) / DT_H
        store[at] = now = after
    missing = heat.demand_kw + into - unit_heat_kw - heat.cop * decided.heat_pump_kw
    boiler = np.clip(missing, 0.0, heat.boiler_kw_max)
    return _HeatFlows(boiler, store, np.maximum(-missing, 0.0))
