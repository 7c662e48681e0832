"""The cost of the cheapest plan, as one mixed-integer program written unit by unit, slot by slot.

Nothing is merged, tightened or rounded here, and every unit has its own on and off. It knows
commitments to draw less, ranks of load and a reserve, but no cuts, ramps and stored fuel.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

DT_H = 0.25


class Program:
    """Variables with bounds and costs, and rows lower <= sum of terms <= upper."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.whole: list[int] = []
        self.rows: list[tuple[list[tuple[int, float]], float, float]] = []
        self.constant = 0.0

    def var(self, low: float, high: float, cost: float = 0.0, whole: bool = False) -> int:
        self.cost.append(cost)
        self.bounds.append((low, high))
        self.whole.append(int(whole))
        return len(self.cost) - 1

    def row(self, terms: Iterable[tuple[int, float]], low: float, high: float) -> None:
        self.rows.append((list(terms), low, high))

    def solve(self) -> float:
        entries = [(r, c, v) for r, (terms, _, _) in enumerate(self.rows) for c, v in terms]
        row, column, value = (np.array(each) for each in zip(*entries, strict=True))
        matrix = coo_array((value, (row, column)), shape=(len(self.rows), len(self.cost)))
        low, high = np.array(self.bounds).T
        result = milp(
            self.cost,
            integrality=self.whole,
            bounds=Bounds(low, high),
            constraints=LinearConstraint(
                matrix.tocsr(), [r[1] for r in self.rows], [r[2] for r in self.rows]
            ),
            options={"mip_rel_gap": 1e-9},
        )
        assert result.success, result.message
        return float(result.fun) + self.constant


def cheapest_cost(problem: Any) -> float:
    """Cost in won of the cheapest plan of a problem without cuts, ramps and stored fuel."""
    program, slots = Program(), range(problem.slots)
    balance: list[list[tuple[int, float]]] = [[] for _ in slots]  # what covers demand, by slot
    heat: list[list[tuple[int, float]]] = [[] for _ in slots]
    spare: list[list[tuple[int, float]]] = [[] for _ in slots]  # what more could be given at once
    _connect(program, problem, balance, spare)
    _batteries(program, problem, balance, spare)
    _cars(program, problem.fleets, balance)
    for group in problem.units:
        _units(program, group, balance, (heat, spare))
    _reserve(program, problem, spare)
    if problem.heat:
        _heat(program, problem.heat, balance, heat)
    for t in slots:
        demand = problem.load_kw[t].sum() + problem.loss_kw[t]
        program.row(balance[t], demand, demand)
    return program.solve()


def _connect(program: Program, problem: Any, balance: list, spare: list) -> None:
    c = problem.connection
    peak = program.var(c.p_peak_incurred_kw, np.inf, c.demand_charge_krw_per_kw)
    program.constant -= c.demand_charge_krw_per_kw * c.p_peak_incurred_kw
    for t, terms in enumerate(balance):
        bought = program.var(0, c.p_import_kw_max[t], DT_H * c.price_buy_krw_per_kwh[t])
        sold = program.var(0, c.p_export_kw_max[t], -DT_H * c.price_sell_krw_per_kwh[t])
        way = program.var(0, 1, whole=True)
        program.row([(bought, 1), (way, -c.p_import_kw_max[t])], -np.inf, 0)
        program.row([(sold, 1), (way, c.p_export_kw_max[t])], -np.inf, c.p_export_kw_max[t])
        if c.peak_counts[t]:
            program.row([(peak, 1), (bought, -1)], c.peak_margin_kw[t], np.inf)
        sun = program.var(0, problem.pv_kw[t].sum(), -DT_H * problem.curtail_krw_per_kwh)
        program.constant += DT_H * problem.curtail_krw_per_kwh * problem.pv_kw[t].sum()
        terms += [(bought, 1), (sold, -1), (sun, 1)]
        terms += [(shed, 1) for shed in _shed(program, problem, t)]
        spare[t] += [(bought, -1), (sold, 1), (sun, -1)]
        for event in problem.dr_events:
            if event.active[t]:
                missing = program.var(0, np.inf, DT_H * event.penalty_krw_per_kwh)
                kept = program.var(-np.inf, event.committed_kw, -DT_H * event.reward_krw_per_kwh)
                program.row([(kept, 1), (missing, 1)], event.committed_kw, event.committed_kw)
                program.row([(kept, 1), (bought, 1), (sold, -1)], -np.inf, event.baseline_kw[t])


def _shed(program: Program, problem: Any, t: int) -> list[int]:
    """What is shed of each area and rank; without ranks of each area."""
    load = problem.load_kw[t]
    ranks = [
        (load * (rank.share[t] if rank.share.ndim > 1 else rank.share), rank.price_krw_per_kwh)
        for rank in problem.shed_ranks
    ] or [(load, problem.shed_krw_per_kwh)]
    return [program.var(0, kw, DT_H * price) for part, price in ranks for kw in part]


def _reserve(program: Program, problem: Any, spare: list) -> None:
    for t, terms in enumerate(spare if problem.reserve else ()):
        missing = program.var(0, np.inf, DT_H * problem.reserve.price_krw_per_kwh)
        room = problem.connection.p_import_kw_max[t] + problem.pv_kw[t].sum()
        program.row([*terms, (missing, 1)], problem.reserve.wanted_kw[t] - room, np.inf)


def _batteries(program: Program, problem: Any, balance: list, spare: list) -> None:
    table = problem.batteries
    for b in range(len(table.id)):
        before = program.var(table.e_start_kwh[b], table.e_start_kwh[b])
        low = min(table.e_kwh_min[b], table.e_start_kwh[b])
        high = max(table.e_kwh_max[b], table.e_start_kwh[b])
        for t, terms in enumerate(balance):
            charge = program.var(0, table.p_charge_kw_max[b])
            give = program.var(0, table.p_discharge_kw_max[b], DT_H * table.wear_krw_per_kwh[b])
            _one_way(
                program, (charge, table.p_charge_kw_max[b]), (give, table.p_discharge_kw_max[b])
            )
            last = t == len(balance) - 1
            stored = program.var(low, high, -table.end_value_krw_per_kwh[b] if last else 0)
            flow = [(charge, -DT_H * table.eta_charge[b]), (give, DT_H / table.eta_discharge[b])]
            program.row([(stored, 1), (before, -1), *flow], 0, 0)
            terms += [(give, 1), (charge, -1)]
            if problem.reserve:
                more = program.var(0, np.inf)
                used = [(give, 1), (charge, -1)]
                program.row([(more, 1), *used], -np.inf, table.p_discharge_kw_max[b])
                lasting = problem.reserve.sustain_h / table.eta_discharge[b]
                program.row([(stored, 1), (more, -lasting)], low, np.inf)
                spare[t].append((more, 1))
            before = stored


def _one_way(program: Program, taken: tuple[int, float], given: tuple[int, float]) -> None:
    """A store takes or gives."""
    way = program.var(0, 1, whole=True)
    program.row([(taken[0], 1), (way, -taken[1])], -np.inf, 0)
    program.row([(given[0], 1), (way, given[1])], -np.inf, given[1])


def _cars(program: Program, table: Any, balance: list) -> None:
    for g in range(len(table.id)):
        before = program.var(0, 0)
        for t, terms in enumerate(balance):
            most_in, most_out = table.p_charge_kw_max[g, t], table.p_discharge_kw_max[g, t]
            charge = program.var(0, most_in)
            give = program.var(0, most_out, DT_H * table.wear_krw_per_kwh)
            _one_way(program, (charge, most_in), (give, most_out))
            last = t == len(balance) - 1
            worth = -table.end_value_krw_per_kwh if last else 0
            taken = program.var(table.e_min_kwh[g, t], table.e_max_kwh[g, t], worth)
            flow = [(charge, -DT_H * table.eta), (give, DT_H / table.eta)]
            program.row([(taken, 1), (before, -1), *flow], 0, 0)
            terms += [(give, 1), (charge, -1)]
            before = taken


def _units(program: Program, group: Any, balance: list, others: tuple[list, list]) -> None:
    """Every unit by itself; those that run now are the first, the youngest of them the last."""
    heat, spare = others
    started = [ago for ago, n in enumerate(group.recent_starts) for _ in range(n)][: group.on_now]
    for unit in range(group.size):
        running = unit < group.on_now
        youngest = group.on_now - 1 - unit
        age = started[youngest] + 1 if running and youngest < len(started) else 10**6
        on = [program.var(0, 1, DT_H * group.wear_krw_per_h, whole=True) for _ in balance]
        for t in range(len(balance)):
            if running and age + t < group.min_up_slots:
                program.row([(on[t], 1)], 1, 1)
            _one_slot(program, group, (on, t, running), (balance[t], heat[t], spare[t]))


def _one_slot(program: Program, group: Any, state: Any, covers: Any) -> None:
    (on, t, running), (balance, heat, spare) = state, covers
    start, stop = program.var(0, 1, group.start_cost_krw), program.var(0, 1)
    before = [(on[t - 1], -1)] if t else []
    was = float(running) if t == 0 else 0.0
    program.row([(on[t], 1), *before, (start, -1), (stop, 1)], was, was)
    for later in range(t + 1, min(t + group.min_up_slots, len(on))):
        program.row([(on[later], 1), (start, -1)], 0, np.inf)
    for later in range(t + 1, min(t + group.min_down_slots, len(on))):
        program.row([(on[later], 1), (stop, 1)], -np.inf, 1)
    # The load is a mean of breakpoints; convex fuel needs no order among them.
    loads = sorted({load for load, _ in (*group.fuel, *group.heat)})
    weights = [program.var(0, 1) for _ in loads]
    program.row([*((w, 1) for w in weights), (on[t], -1)], 0, 0)
    for weight, load in zip(weights, loads, strict=True):
        fuel, warm = (float(np.interp(load, *np.array(c).T)) for c in (group.fuel, group.heat))
        program.cost[weight] += DT_H * group.fuel_krw_per_kwh * fuel
        balance.append((weight, load))
        spare.append((weight, group.p_kw_max - load))
        heat.append((weight, warm))


def _heat(program: Program, network: Any, balance: list, heat: list) -> None:
    before = program.var(network.e_start_kwh, network.e_start_kwh)
    kept = 1 - network.loss_frac_per_slot
    for t, terms in enumerate(heat):
        pump = program.var(0, network.heat_pump_kw_max)
        burn = DT_H * network.fuel_krw_per_kwh / network.boiler_eta
        boiler = program.var(0, network.boiler_kw_max, burn)
        dump = program.var(0, np.inf)
        into = program.var(-network.p_store_kw_max, network.p_store_kw_max)
        last = t == len(heat) - 1
        stored = program.var(0, network.e_kwh_max, -network.end_value_krw_per_kwh if last else 0)
        program.row([(stored, 1), (before, -kept), (into, -DT_H)], 0, 0)
        made = [(pump, network.cop[t]), (boiler, 1), (dump, -1), (into, -1)]
        program.row([*terms, *made], network.demand_kw[t], network.demand_kw[t])
        balance[t].append((pump, -1))
        before = stored
