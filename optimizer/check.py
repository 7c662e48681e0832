"""The plan proved again: balances, limits, minimum times and cost, from its series alone.

Nothing here knows the model or the code that put the plan together. The laws in `PROMISES` may be
broken where limits contradict; the planner then names them. A plan that breaks another is refused.
"""

from collections.abc import Iterator

import numpy as np

from optimizer.plan import Plan
from optimizer.problem import DT_H, Finding, FloatArray, PlanProblem, UnitGroup

PROMISES = frozenset({"connection", "heat", "cars", "battery target", "fuel", "wires"})
"""Laws that only a contradiction can break."""

TOLERANCE = 1e-3  # kW and kWh: a watt, far below what meters see and above the solver's rounding
COST_FRAC = 1e-6


def check_plan(problem: PlanProblem, plan: Plan) -> list[Finding]:
    """Everything in which a plan breaks its problem; empty for a good plan."""
    odd = list(_check_numbers(problem, plan))
    if odd:
        return odd
    return [
        *_check_solar_and_shedding(problem, plan),
        *_check_batteries(problem, plan),
        *_check_fleets(problem, plan),
        *(found for row in range(len(problem.units)) for found in _check_unit(problem, plan, row)),
        *_check_heat(problem, plan),
        *_check_areas(problem, plan),
        *_check_connection(problem, plan),
        *_check_cuts(problem, plan),
        *_check_commitments(problem, plan),
        *_check_reserve(problem, plan),
        *_check_cost(problem, plan),
    ]


def _worst(law: str, where: str, excess: FloatArray) -> Iterator[Finding]:
    """The largest excess of an array (H, ...) over what is allowed, if it is beyond tolerance."""
    if excess.size and float(excess.max()) > TOLERANCE:
        slot = int(np.unravel_index(int(excess.argmax()), excess.shape)[0])
        count = int((excess > TOLERANCE).any(axis=tuple(range(1, excess.ndim))).sum())
        more = f", in {count} slots" if count > 1 else ""
        yield Finding(law, f"{where}, slot {slot}", f"{excess.max():.3f} beyond its limit{more}")


def _columns(law: str, names: tuple[str, ...], what: str, excess: FloatArray) -> Iterator[Finding]:
    """The worst excess of each asset's column."""
    for row in np.flatnonzero(excess.max(axis=0, initial=0.0) > TOLERANCE):
        yield from _worst(law, f"{names[row]} {what}", excess[:, row])


def _check_numbers(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    """Series of a wrong shape, not finite, or negative where they must not be."""
    slots = problem.slots
    sizes = {
        "battery": len(problem.batteries.id),
        "fleet": len(problem.fleets.id),
        "unit": len(problem.units),
        "area": problem.areas,
        "pv": problem.areas,
        "dr": len(problem.dr_events),
        "shed_by": max(len(problem.shed_ranks), 1),
    }
    signed = {"e_fleet_kwh", "area_net_kw", "marginal_krw_per_kwh"}
    for name in plan.__dataclass_fields__:
        series = getattr(plan, name)
        if not isinstance(series, np.ndarray):
            continue
        kind = name.removeprefix("e_").split("_")[0]
        kind = "shed_by" if name == "shed_by_rank_kw" else kind
        wanted = (slots, sizes[kind]) if kind in sizes else (slots,)
        if series.shape != wanted:
            yield Finding("number", name, f"shape {series.shape}, allowed: {wanted}")
        elif not np.isfinite(series).all():
            yield Finding("number", name, "not finite")
        elif name not in signed and series.min(initial=0.0) < -TOLERANCE:
            yield Finding("number", name, f"{series.min():.3f}, allowed: not negative")


def _check_solar_and_shedding(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    names = problem.area_ids
    yield from _columns("solar", names, "solar power", plan.pv_used_kw - problem.pv_kw)
    for row, (rank, load_kw) in enumerate(_ranks(problem)):
        over = plan.shed_by_rank_kw[:, row] - load_kw.sum(axis=1)
        yield from _worst("shedding", f"shed of {rank}", over)
    summed = np.abs(plan.shed_kw - plan.shed_by_rank_kw.sum(axis=1))
    yield from _worst("shedding", "sum of what is shed", summed)


def _ranks(problem: PlanProblem) -> list[tuple[str, FloatArray]]:
    """Name and load (H, A) of each kind of load that may be shed."""
    if not problem.shed_ranks:
        return [("load", problem.load_kw)]
    return [(rank.id, rank.share * problem.load_kw) for rank in problem.shed_ranks]


def _check_batteries(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    table = problem.batteries
    charge, discharge = plan.battery_charge_kw, plan.battery_discharge_kw
    before = np.vstack([table.e_start_kwh, plan.e_battery_kwh[:-1]])
    gone_in = DT_H * (table.eta_charge * charge - discharge / table.eta_discharge)
    lowest = np.minimum(table.e_kwh_min, table.e_start_kwh)
    highest = np.maximum(table.e_kwh_max, table.e_start_kwh)
    found = {
        "energy balance": np.abs(plan.e_battery_kwh - before - gone_in),
        "energy above its bound": plan.e_battery_kwh - highest,
        "energy below its bound": lowest - plan.e_battery_kwh,
        "charging power": charge - table.p_charge_kw_max,
        "discharging power": discharge - table.p_discharge_kw_max,
        "both ways at once": np.minimum(charge, discharge),
    }
    for what, excess in found.items():
        yield from _columns("battery", table.id, what, excess)
    if table.e_end_kwh_min is not None:
        short = (table.e_end_kwh_min - plan.e_battery_kwh[-1])[None, :]
        yield from _columns("battery target", table.id, "energy at the end", short)


def _check_fleets(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    table = problem.fleets
    charge, discharge, energy = plan.fleet_charge_kw, plan.fleet_discharge_kw, plan.e_fleet_kwh
    before = np.vstack([np.zeros(len(table.id)), energy[:-1]])
    gone_in = DT_H * (table.eta * charge - discharge / table.eta)
    found = {
        "energy balance": np.abs(energy - before - gone_in),
        "charging power": charge - table.p_charge_kw_max.T,
        "discharging power": discharge - table.p_discharge_kw_max.T,
        "both ways at once": np.minimum(charge, discharge),
    }
    for what, excess in found.items():
        yield from _columns("fleet", table.id, what, excess)
    yield from _columns("cars", table.id, "energy promised (kWh)", table.e_min_kwh.T - energy)
    yield from _columns("cars", table.id, "energy that fits (kWh)", energy - table.e_max_kwh.T)


def _check_unit(problem: PlanProblem, plan: Plan, row: int) -> Iterator[Finding]:
    unit = problem.units[row]
    on, power = plan.unit_on[:, row], plan.unit_p_kw[:, row]
    each = power / np.maximum(on, 1)
    fuel, heat = (
        np.where(on > 0, on * np.interp(each, table[:, 0], table[:, 1]), 0.0)
        for table in (np.array(unit.fuel), np.array(unit.heat))
    )
    found = {
        "more than are able to run": (on - unit.available).astype(np.float64),
        "power above its limit": power - on * unit.p_kw_max,
        "power below its least": on * unit.p_kw_min - power,
        "fuel off its curve": np.abs(plan.unit_fuel_kw[:, row] - fuel),
        "heat off its curve": np.abs(plan.unit_heat_kw[:, row] - heat),
        "ramp": _ramp_excess(unit, plan, row),
    }
    for what, excess in found.items():
        yield from _worst("unit", f"{unit.id} {what}", excess)
    yield from _check_times(unit, on.tolist())
    yield from _worst("fuel", f"{unit.id} fuel missing (kWh)", _fuel_missing(unit, fuel))


def _ramp_excess(unit: UnitGroup, plan: Plan, row: int) -> FloatArray:
    """Change of a group's power beyond what its units allow, either way, (H,)."""
    on, power = plan.unit_on[:, row], plan.unit_p_kw[:, row]
    on_before = np.concatenate([[unit.on_now], on[:-1]])
    before = np.concatenate([[unit.p_now_kw], power[:-1]])
    able_before = np.concatenate([[unit.on_now], unit.available[:-1]])
    step = max(unit.p_kw_min, unit.ramp_kw_per_slot)
    started, stopped = np.maximum(on - on_before, 0), np.maximum(on_before - on, 0)
    forced = np.maximum(able_before - unit.available, 0)
    going_on = unit.ramp_kw_per_slot * np.minimum(on, on_before)
    rise = going_on + step * started - unit.p_kw_min * stopped
    fall = going_on + step * stopped - unit.p_kw_min * started + unit.p_kw_max * forced
    excess = np.maximum(power - before - rise, before - power - fall)
    return np.asarray(excess if unit.ramp_kw_per_slot < unit.p_kw_max else np.zeros(len(on)))


def _check_times(unit: UnitGroup, on: list[int]) -> Iterator[Finding]:
    """Minimum times, by following each unit: the longest running stop, the longest resting start.

    Units that are not able to run stop at any age.
    """
    running = _ages(unit.recent_starts, unit.on_now)
    resting = _ages(unit.recent_stops, unit.size - unit.on_now)
    for slot, count in enumerate(on):
        forced = max(len(running) - int(unit.available[slot]), 0)
        while len(running) > count:
            age = running.pop(0)
            if age < unit.min_up_slots and forced <= 0:
                text = f"stops after {age} slots, allowed: {unit.min_up_slots} or more"
                yield Finding("unit", f"{unit.id}, slot {slot}", text)
            resting.append(0)
            forced -= 1
        while len(running) < count and resting:
            age = resting.pop(0)
            if age < unit.min_down_slots:
                text = f"starts after {age} slots of rest, allowed: {unit.min_down_slots} or more"
                yield Finding("unit", f"{unit.id}, slot {slot}", text)
            running.append(0)
        running, resting = [age + 1 for age in running], [age + 1 for age in resting]


def _ages(recent: tuple[int, ...], count: int) -> list[float]:
    """Ages in slots of `count` units before the first slot, the oldest first."""
    ages = [float(ago + 1) for ago, number in enumerate(recent) for _ in range(int(number))][:count]
    return [np.inf] * (count - len(ages)) + ages[::-1]


def _fuel_missing(unit: UnitGroup, fuel_kw: FloatArray) -> FloatArray:
    """Stored fuel that is burnt without being there, by slot, (H,) kWh."""
    missing = np.zeros(len(fuel_kw))
    if np.isfinite(unit.fuel_kwh_start):
        left = min(unit.fuel_kwh_start, unit.fuel_kwh_max)
        for slot, burnt in enumerate(fuel_kw):
            left = min(left + DT_H * (unit.fuel_inflow_kw[slot] - burnt), unit.fuel_kwh_max)
            missing[slot] = max(-left, 0.0)
    return missing


def _check_heat(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    heat = problem.heat
    if heat is None:
        idle = np.stack([plan.heat_pump_kw, plan.boiler_kw, plan.e_heat_kwh])
        yield from _worst("heat", "heat without a network", idle.T)
        return
    before = np.concatenate([[heat.e_start_kwh], plan.e_heat_kwh[:-1]])
    into = (plan.e_heat_kwh - (1 - heat.loss_frac_per_slot) * before) / DT_H
    made = plan.unit_heat_kw.sum(axis=1) + heat.cop * plan.heat_pump_kw + plan.boiler_kw
    over = made - heat.demand_kw - into - plan.heat_dump_kw
    yield from _worst("heat", "heat missing (kW)", -over)
    found = {
        "heat made but not used": over,
        "store above its bound": plan.e_heat_kwh - heat.e_kwh_max,
        "store power": np.abs(into) - heat.p_store_kw_max,
        "boiler": plan.boiler_kw - heat.boiler_kw_max,
        "heat pump": plan.heat_pump_kw - heat.pump_kw_max,
    }
    for what, excess in found.items():
        yield from _worst("heat plant", what, excess)


def _check_areas(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    """Each area's draw is the sum of what stands in it; the district's is the connection's flow."""
    drawn = [
        (problem.batteries.area, plan.battery_charge_kw - plan.battery_discharge_kw),
        (problem.fleets.area, plan.fleet_charge_kw - plan.fleet_discharge_kw),
        (np.array([unit.area for unit in problem.units], dtype=np.int64), -plan.unit_p_kw),
    ]
    if problem.heat:
        drawn.append((np.array([problem.heat.heat_pump_area]), plan.heat_pump_kw[:, None]))
    net = problem.load_kw - plan.pv_used_kw
    for row, (_, load_kw) in enumerate(_ranks(problem)):
        total = load_kw.sum(axis=1)
        shed = plan.shed_by_rank_kw[:, row]
        part = np.divide(shed, total, out=np.zeros(len(total)), where=total > 0)
        net -= load_kw * part[:, None]
    for area, power in drawn:
        for row, place in enumerate(area):
            if place >= 0:
                net[:, place] += power[:, row]
    yield from _columns("balance", problem.area_ids, "net draw", np.abs(net - plan.area_net_kw))
    supplied = problem.load_kw.sum(axis=1) - plan.shed_kw
    everything = supplied - plan.pv_used_kw.sum(axis=1) + problem.loss_kw
    everything = everything + sum(power.sum(axis=1) for _, power in drawn)
    flow = plan.p_import_kw - plan.p_export_kw
    yield from _worst("balance", "district balance", np.abs(flow - everything))


def _check_connection(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    connection = problem.connection
    over_in = plan.p_import_kw - connection.p_import_kw_max
    over_out = plan.p_export_kw - connection.p_export_kw_max
    yield from _worst("connection", "import (kW)", over_in)
    yield from _worst("connection", "export (kW)", over_out)
    both = np.minimum(plan.p_import_kw, plan.p_export_kw)
    yield from _worst("direction", "import and export at once", both)
    margin = 0.0 if connection.peak_margin_kw is None else connection.peak_margin_kw
    can_draw = np.asarray(connection.peak_counts, dtype=np.bool_) & (connection.p_import_kw_max > 0)
    counted = (plan.p_import_kw + plan.shed_kw + margin)[can_draw]
    peak = max(connection.p_peak_incurred_kw, float(counted.max(initial=0.0)))
    yield from _worst("peak", "peak", np.array([abs(peak - plan.p_peak_kw)]))


def _check_cuts(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    for cut in problem.cuts:
        drawn = float(cut.coefficient @ plan.area_net_kw[cut.slot_index])
        if drawn > cut.limit_kw + TOLERANCE:
            where = f"{cut.id}, slot {cut.slot_index}"
            text = f"weighted draw {drawn:.3f} kW, allowed: {cut.limit_kw:.3f}"
            yield Finding("wires", where, text)


def _check_commitments(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    """What is said to be missing of a commitment is what the net consumption leaves out."""
    drawn = plan.p_import_kw - plan.p_export_kw
    for row, event in enumerate(problem.dr_events):
        delivered = event.baseline_kw - drawn
        short = np.where(event.active, np.maximum(event.committed_kw - delivered, 0.0), 0.0)
        excess = np.abs(short - plan.dr_short_kw[:, row])
        yield from _worst("commitment", f"{event.id} shortfall", excess)


def _check_reserve(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    """What is said to be missing of the reserve is what no asset could give at once."""
    reserve, table = problem.reserve, problem.batteries
    most_kw = table.by_slot(table.p_discharge_kw_max, problem.slots)
    short = np.zeros(problem.slots)
    for slot in range(problem.slots if reserve else 0):
        assert reserve is not None
        flow = plan.p_import_kw[slot] - plan.p_export_kw[slot]
        at_hand = problem.connection.p_import_kw_max[slot] - flow
        at_hand += float((problem.pv_kw[slot] - plan.pv_used_kw[slot]).sum())
        for b in range(len(table.id)):
            stored = plan.e_battery_kwh[slot, b] - min(table.e_kwh_min[b], table.e_start_kwh[b])
            given = plan.battery_discharge_kw[slot, b] - plan.battery_charge_kw[slot, b]
            lasting = max(stored, 0.0) * table.eta_discharge[b] / reserve.sustain_h
            at_hand += min(most_kw[slot, b] - given, lasting)
        for f, unit in enumerate(problem.units):
            on = int(plan.unit_on[slot, f])
            spare = on * unit.p_kw_max - plan.unit_p_kw[slot, f]
            at_hand += min(spare, on * unit.ramp_kw_per_slot)
        short[slot] = max(reserve.wanted_kw[slot] - at_hand, 0.0)
    yield from _worst("reserve", "reserve shortfall", np.abs(short - plan.reserve_short_kw))


def _check_cost(problem: PlanProblem, plan: Plan) -> Iterator[Finding]:
    """The cost of the series, kind by kind; what breaks promises is not priced again here."""
    connection, batteries, fleets = problem.connection, problem.batteries, problem.fleets
    inside = np.minimum(plan.p_import_kw, connection.p_import_kw_max)
    outside = np.minimum(plan.p_export_kw, connection.p_export_kw_max)
    won = float(np.sum(inside * connection.price_buy_krw_per_kwh)) * DT_H
    won -= float(np.sum(outside * connection.price_sell_krw_per_kwh)) * DT_H
    extra = max(plan.p_peak_kw - connection.p_peak_incurred_kw, 0.0)
    won += connection.demand_charge_krw_per_kw * extra
    won += _pledged_krw(problem, plan)
    won += DT_H * problem.curtail_krw_per_kwh * float((problem.pv_kw - plan.pv_used_kw).sum())
    won += DT_H * float((plan.battery_discharge_kw * batteries.wear_krw_per_kwh).sum())
    won += DT_H * fleets.wear_krw_per_kwh * float(plan.fleet_discharge_kw.sum())
    won -= float((plan.e_battery_kwh[-1] * batteries.end_value_krw_per_kwh).sum())
    won -= fleets.end_value_krw_per_kwh * float(plan.e_fleet_kwh[-1].sum())
    for row, unit in enumerate(problem.units):
        starts = np.diff(plan.unit_on[:, row], prepend=unit.on_now).clip(min=0).sum()
        won += unit.start_cost_krw * float(starts)
        won += DT_H * unit.wear_krw_per_h * float(plan.unit_on[:, row].sum())
        won += DT_H * unit.fuel_krw_per_kwh * float(plan.unit_fuel_kw[:, row].sum())
    if problem.heat:
        burnt_kwh = DT_H * float(plan.boiler_kw.sum()) / problem.heat.boiler_eta
        won += problem.heat.fuel_krw_per_kwh * burnt_kwh
        won -= problem.heat.end_value_krw_per_kwh * float(plan.e_heat_kwh[-1])
    said = plan.cost_krw.total - plan.cost_krw.last_resort
    if not abs(said - won) <= 1.0 + COST_FRAC * abs(won):
        yield Finding("cost", "cost_krw", f"{said:.0f} won, allowed: {won:.0f} from the series")


def _pledged_krw(problem: PlanProblem, plan: Plan) -> float:
    """Load shed, penalties less rewards, and reserve missing, in won."""
    won = 0.0
    prices = [rank.price_krw_per_kwh for rank in problem.shed_ranks] or [problem.shed_krw_per_kwh]
    for row, price in enumerate(prices):
        won += DT_H * price * float(plan.shed_by_rank_kw[:, row].sum())
    for row, event in enumerate(problem.dr_events):
        short_kwh = DT_H * plan.dr_short_kw[event.active, row]
        kept_kwh = DT_H * event.committed_kw - short_kwh
        won += event.penalty_krw_per_kwh * float(short_kwh.sum())
        won -= event.reward_krw_per_kwh * float(kept_kwh.sum())
    if problem.reserve:
        missing_kwh = DT_H * float(plan.reserve_short_kw.sum())
        won += problem.reserve.price_krw_per_kwh * missing_kwh
    return won
