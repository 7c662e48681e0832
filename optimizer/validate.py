"""Whether a problem can be read at all: shapes, numbers, order of bounds; all findings at once.

A contradiction between limits is not a finding here: the planner names it in its certificate.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from optimizer.problem import (
    SCENARIOS_MAX,
    Batteries,
    Connection,
    Cut,
    DrEvent,
    Finding,
    Fleets,
    Heat,
    PlanProblem,
    Reserve,
    Scenarios,
    UnitGroup,
)

BIG = 1e9  # kW, kWh or won beyond which a number is taken for a mistake
TINY = 1e-6
BATTERY_POWERS = ("p_charge_kw_max", "p_discharge_kw_max")


def check_problem(problem: PlanProblem) -> list[Finding]:
    """Everything that makes a problem unreadable; empty for a good one."""
    shapes = list(_check_shapes(problem))
    if shapes:
        # Nothing else can be compared before the shapes fit.
        return shapes
    return [
        *_check_district(problem),
        *_check_connection(problem.connection),
        *_check_batteries(problem.batteries, problem.areas),
        *_check_fleets(problem.fleets, problem.areas),
        *(found for unit in problem.units for found in _check_unit(unit, problem.areas)),
        *(_check_heat(problem.heat, problem.areas) if problem.heat else ()),
        *(found for cut in problem.cuts for found in _check_cut(cut, problem)),
        *_check_ranks(problem),
        *(found for event in problem.dr_events for found in _check_event(event)),
        *_check_names("event", [event.id for event in problem.dr_events]),
        *(_check_reserve(problem.reserve) if problem.reserve else ()),
        *(_check_scenarios(problem.scenarios) if problem.scenarios else ()),
    ]


def _check_shapes(problem: PlanProblem) -> Iterator[Finding]:
    """Arrays that are not of the size that slots, areas and assets ask for."""
    for owner, name, wanted in _wanted_shapes(problem):
        found = np.shape(getattr(owner, name))
        if found != wanted:
            label = type(owner).__name__
            yield Finding("shape", f"{label}.{name}", f"shape {found}, allowed: {wanted}")
    if problem.slots == 0:
        yield Finding("shape", "PlanProblem.load_kw", "no slots, allowed: at least 1")


def _wanted_shapes(problem: PlanProblem) -> Iterator[tuple[object, str, tuple[int, ...]]]:
    slots, areas = problem.slots, problem.areas
    batteries, fleets = len(problem.batteries.id), len(problem.fleets.id)
    for name in ("load_kw", "pv_kw"):
        yield problem, name, (slots, areas)
    yield problem, "loss_kw", (slots,)
    for name in Batteries.__dataclass_fields__:
        found = getattr(problem.batteries, name)
        if name != "id" and found is not None:
            by_slot = name in BATTERY_POWERS and np.ndim(found) > 1
            yield problem.batteries, name, (slots, batteries) if by_slot else (batteries,)
    yield problem.fleets, "area", (fleets,)
    for name in ("e_min_kwh", "e_max_kwh", "p_charge_kw_max", "p_discharge_kw_max"):
        yield problem.fleets, name, (fleets, slots)
    for unit in problem.units:
        yield unit, "available", (slots,)
        yield unit, "fuel_inflow_kw", (slots,)
    if problem.heat:
        yield problem.heat, "demand_kw", (slots,)
        yield problem.heat, "cop", (slots,)
        if problem.heat.heat_pump_out is not None:
            yield problem.heat, "heat_pump_out", (slots,)
    for name in ("p_import_kw_max", "p_export_kw_max", "peak_counts"):
        yield problem.connection, name, (slots,)
    for name in ("price_buy_krw_per_kwh", "price_sell_krw_per_kwh"):
        yield problem.connection, name, (slots,)
    if problem.connection.peak_margin_kw is not None:
        yield problem.connection, "peak_margin_kw", (slots,)
    for cut in problem.cuts:
        yield cut, "coefficient", (areas,)
    for rank in problem.shed_ranks:
        by_slot = np.ndim(rank.share) > 1
        yield rank, "share", (slots, areas) if by_slot else (areas,)
    for event in problem.dr_events:
        yield event, "active", (slots,)
        yield event, "baseline_kw", (slots,)
    if problem.reserve:
        yield problem.reserve, "wanted_kw", (slots,)
    if problem.scenarios:
        count = len(problem.scenarios.probability)
        yield problem.scenarios, "probability", (count,)
        yield problem.scenarios, "net_load_kw", (count, slots, areas)


def _outside(
    where: str, found: npt.ArrayLike, lowest: float = 0.0, highest: float = BIG
) -> Iterator[Finding]:
    """The first number of an array that is not within lowest..highest; NaN is never."""
    numbers = np.asarray(found, dtype=np.float64)
    bad = np.argwhere(~((numbers >= lowest) & (numbers <= highest)))
    if len(bad):
        place = tuple(int(index) for index in bad[0])
        spot = f"{where}{list(place)}" if place else where
        rest = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        text = f"{numbers[place]:g}{rest}, allowed: {lowest:g}..{highest:g}"
        yield Finding("range", spot, text)


def _check_district(problem: PlanProblem) -> Iterator[Finding]:
    yield from _outside("load_kw", problem.load_kw)
    yield from _outside("pv_kw", problem.pv_kw)
    yield from _outside("loss_kw", problem.loss_kw)
    yield from _outside("shed_krw_per_kwh", problem.shed_krw_per_kwh)
    yield from _outside("curtail_krw_per_kwh", problem.curtail_krw_per_kwh, -BIG)
    yield from _outside("last_resort_krw_per_kwh", problem.last_resort_krw_per_kwh)


def _check_connection(connection: Connection) -> Iterator[Finding]:
    for name in ("p_import_kw_max", "p_export_kw_max", "demand_charge_krw_per_kw"):
        yield from _outside(f"connection.{name}", getattr(connection, name))
    yield from _outside("connection.p_peak_incurred_kw", connection.p_peak_incurred_kw)
    if connection.peak_margin_kw is not None:
        yield from _outside("connection.peak_margin_kw", connection.peak_margin_kw)
    for name in ("price_buy_krw_per_kwh", "price_sell_krw_per_kwh"):
        yield from _outside(f"connection.{name}", getattr(connection, name), -BIG)


def _check_area(where: str, area: npt.ArrayLike, areas: int) -> Iterator[Finding]:
    yield from _outside(f"{where}.area", area, -1, areas - 1)


def _check_batteries(table: Batteries, areas: int) -> Iterator[Finding]:
    yield from _check_area("batteries", table.area, areas)
    for name in ("e_kwh_min", "e_kwh_max", "e_start_kwh", "p_charge_kw_max", "p_discharge_kw_max"):
        yield from _outside(f"batteries.{name}", getattr(table, name))
    for name in ("eta_charge", "eta_discharge"):
        yield from _outside(f"batteries.{name}", getattr(table, name), 0.01, 1.0)
    yield from _outside("batteries.wear_krw_per_kwh", table.wear_krw_per_kwh)
    yield from _outside("batteries.end_value_krw_per_kwh", table.end_value_krw_per_kwh, -BIG)
    if table.e_end_kwh_min is not None:
        yield from _outside("batteries.e_end_kwh_min", table.e_end_kwh_min)
    for row in np.flatnonzero(table.e_kwh_min > table.e_kwh_max + TINY):
        text = f"{table.e_kwh_min[row]:g}, allowed: at most e_kwh_max {table.e_kwh_max[row]:g}"
        yield Finding("order", f"battery {table.id[row]}.e_kwh_min", text)


def _check_fleets(table: Fleets, areas: int) -> Iterator[Finding]:
    yield from _check_area("fleets", table.area, areas)
    yield from _outside("fleets.e_min_kwh", table.e_min_kwh, -BIG)
    yield from _outside("fleets.e_max_kwh", table.e_max_kwh, -BIG)
    yield from _outside("fleets.p_charge_kw_max", table.p_charge_kw_max)
    yield from _outside("fleets.p_discharge_kw_max", table.p_discharge_kw_max)
    yield from _outside("fleets.eta", table.eta, 0.01, 1.0)
    yield from _outside("fleets.wear_krw_per_kwh", table.wear_krw_per_kwh)
    yield from _outside("fleets.end_value_krw_per_kwh", table.end_value_krw_per_kwh, -BIG)
    crossed = np.argwhere(table.e_min_kwh > table.e_max_kwh + TINY)
    for row, slot in crossed[:1]:
        low, high = table.e_min_kwh[row, slot], table.e_max_kwh[row, slot]
        text = f"{low:g} in slot {slot}, allowed: at most e_max_kwh {high:g}"
        yield Finding("order", f"fleet {table.id[row]}.e_min_kwh", text)


def _check_unit(unit: UnitGroup, areas: int) -> Iterator[Finding]:
    where = f"unit {unit.id}"
    yield from _check_area(where, unit.area, areas)
    yield from _outside(f"{where}.available", unit.available, 0, unit.size)
    yield from _outside(f"{where}.on_now", unit.on_now, 0, unit.size)
    yield from _outside(f"{where}.p_kw_max", unit.p_kw_max)
    yield from _outside(f"{where}.p_kw_min", unit.p_kw_min, 0, unit.p_kw_max)
    for name in ("ramp_kw_per_slot", "min_up_slots", "min_down_slots", "start_cost_krw"):
        yield from _outside(f"{where}.{name}", getattr(unit, name), 0, np.inf)
    yield from _outside(f"{where}.wear_krw_per_h", unit.wear_krw_per_h)
    yield from _outside(f"{where}.fuel_krw_per_kwh", unit.fuel_krw_per_kwh)
    yield from _outside(f"{where}.p_now_kw", unit.p_now_kw)
    yield from _outside(f"{where}.recent_starts", unit.recent_starts)
    yield from _outside(f"{where}.recent_stops", unit.recent_stops)
    if np.isfinite(unit.fuel_kwh_start):
        for name in ("fuel_kwh_start", "fuel_kwh_max", "fuel_inflow_kw"):
            yield from _outside(f"{where}.{name}", getattr(unit, name))
    yield from _check_curve(unit, "fuel", unit.fuel)
    yield from _check_curve(unit, "heat", unit.heat)


def _check_curve(
    unit: UnitGroup, name: str, points: tuple[tuple[float, float], ...]
) -> Iterator[Finding]:
    """Breakpoints must run from least to full load, rise, and for fuel be convex."""
    where = f"unit {unit.id}.{name}"
    table = np.array(points, dtype=np.float64).reshape(-1, 2)
    yield from _outside(where, table)
    load = table[:, 0]
    if len(load) == 0 or abs(load[0] - unit.p_kw_min) + abs(load[-1] - unit.p_kw_max) > TINY:
        text = f"loads {load.tolist()}, allowed: from {unit.p_kw_min:g} to {unit.p_kw_max:g}"
        yield Finding("order", where, text)
        return
    steps = np.diff(table, axis=0)
    if np.any(steps[:, 0] <= 0) or np.any(steps[:, 1] < 0):
        yield Finding("order", where, f"{list(points)}, allowed: rising breakpoints")
    elif name == "fuel" and np.any(np.diff(steps[:, 1] / steps[:, 0]) < -TINY):
        yield Finding("order", where, f"{list(points)}, allowed: convex, slopes that rise")


def _check_heat(heat: Heat, areas: int) -> Iterator[Finding]:
    yield from _check_area("heat.heat_pump", heat.heat_pump_area, areas)
    for name in ("demand_kw", "e_start_kwh", "e_kwh_max", "p_store_kw_max", "boiler_kw_max"):
        yield from _outside(f"heat.{name}", getattr(heat, name))
    yield from _outside("heat.loss_frac_per_slot", heat.loss_frac_per_slot, 0.0, 1.0)
    yield from _outside("heat.boiler_eta", heat.boiler_eta, 0.01, 2.0)
    yield from _outside("heat.fuel_krw_per_kwh", heat.fuel_krw_per_kwh)
    yield from _outside("heat.heat_pump_kw_max", heat.heat_pump_kw_max)
    yield from _outside("heat.cop", heat.cop, 0.1, 20.0)
    yield from _outside("heat.end_value_krw_per_kwh", heat.end_value_krw_per_kwh, -BIG)


def _check_cut(cut: Cut, problem: PlanProblem) -> Iterator[Finding]:
    where = f"cut {cut.id}"
    yield from _outside(f"{where}.slot_index", cut.slot_index, 0, problem.slots - 1)
    yield from _outside(f"{where}.coefficient", cut.coefficient, -BIG)
    yield from _outside(f"{where}.limit_kw", cut.limit_kw, -BIG)


def _check_ranks(problem: PlanProblem) -> Iterator[Finding]:
    """Shares are parts of the load: together they are never more than all of it."""
    for rank in problem.shed_ranks:
        yield from _outside(f"rank {rank.id}.price_krw_per_kwh", rank.price_krw_per_kwh)
        yield from _outside(f"rank {rank.id}.share", rank.share, 0.0, 1.0)
    if problem.shed_ranks:
        together = sum(rank.share for rank in problem.shed_ranks)
        yield from _outside("sum of the ranks' shares", together, -BIG, 1.0 + TINY)
    yield from _check_names("rank", [rank.id for rank in problem.shed_ranks])


def _check_names(kind: str, names: list[str]) -> Iterator[Finding]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding("name", f"{kind} {name}", f"{names.count(name)} of this name, allowed: 1")


def _check_event(event: DrEvent) -> Iterator[Finding]:
    where = f"event {event.id}"
    yield from _outside(f"{where}.baseline_kw", event.baseline_kw, -BIG)
    for name in ("committed_kw", "penalty_krw_per_kwh", "reward_krw_per_kwh"):
        yield from _outside(f"{where}.{name}", getattr(event, name))


def _check_reserve(reserve: Reserve) -> Iterator[Finding]:
    yield from _outside("reserve.wanted_kw", reserve.wanted_kw)
    yield from _outside("reserve.sustain_h", reserve.sustain_h, 0.01, 24.0)
    yield from _outside("reserve.price_krw_per_kwh", reserve.price_krw_per_kwh)


def _check_scenarios(scenarios: Scenarios) -> Iterator[Finding]:
    count = len(scenarios.probability)
    yield from _outside("number of scenarios", count, 1, SCENARIOS_MAX)
    yield from _outside("scenarios.probability", scenarios.probability, 0.0, 1.0)
    total = float(np.sum(scenarios.probability))
    yield from _outside("sum of scenarios.probability", total, 1.0 - TINY, 1.0 + TINY)
    yield from _outside("scenarios.net_load_kw", scenarios.net_load_kw, -BIG)
