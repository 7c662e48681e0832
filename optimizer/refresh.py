"""The numbers of a problem, written in bulk into the places of a compiled program.

One function per part of the model, in the model's order. What these write equals what compiling
the model afresh would give, array by array; a test holds it.
"""

import numpy as np
import numpy.typing as npt

from optimizer.constraints import dr_limits_kw
from optimizer.corridor import battery_corridor, fleet_corridor
from optimizer.curves import commitment, unit_curve
from optimizer.exchange import exchange_limits
from optimizer.problem import DT_H, NOWHERE, FloatArray, PlanProblem
from optimizer.standard_form import Layout, Numbers, StandardForm


class _Sheet:
    """Arrays of one program, written block by block."""

    def __init__(self, form: StandardForm) -> None:
        self.layout: Layout = form.layout
        columns, rows = form.matrix.shape[1], form.matrix.shape[0]
        self.cost = np.zeros(columns)
        self.lower, self.upper = np.zeros(columns), np.full(columns, np.inf)
        self.row_lower, self.row_upper = np.full(rows, -np.inf), np.full(rows, np.inf)

    def bound(self, block: str, lower: npt.ArrayLike, upper: npt.ArrayLike) -> None:
        """Bounds of a variable's block; arrays are broadcast to its shape."""
        places = self.layout.columns[block]
        self._write(self.lower, places, lower)
        self._write(self.upper, places, upper)

    def price(self, block: str, cost: npt.ArrayLike) -> None:
        """Cost of a variable's block."""
        self._write(self.cost, self.layout.columns[block], cost)

    def equal(self, block: str, right: npt.ArrayLike) -> None:
        """Right-hand side of an equality."""
        self.at_most(block, right)
        self.at_least(block, right)

    def at_most(self, block: str, right: npt.ArrayLike) -> None:
        """Upper bound of a law's rows."""
        if block in self.layout.rows:
            self._write(self.row_upper, self.layout.rows[block], right)

    def at_least(self, block: str, right: npt.ArrayLike) -> None:
        """Lower bound of a law's rows."""
        if block in self.layout.rows:
            self._write(self.row_lower, self.layout.rows[block], right)

    def _write(self, array: FloatArray, places: npt.NDArray[np.int64], new: npt.ArrayLike) -> None:
        if places.size == 0:
            return  # a block of nothing, such as the fleets of a district without chargers
        there = places >= 0
        array[places[there]] = np.broadcast_to(np.asarray(new, dtype=np.float64), places.shape)[
            there
        ]


def numbers_of(problem: PlanProblem, form: StandardForm) -> Numbers:
    """The numbers of a problem whose structure is the form's."""
    sheet = _Sheet(form)
    _write_connection(sheet, problem)
    _write_district(sheet, problem)
    _write_batteries(sheet, problem)
    _write_fleets(sheet, problem)
    _write_units(sheet, problem)
    _write_heat(sheet, problem)
    _write_pledges(sheet, problem)
    _write_ways(sheet, problem)
    _write_last_resort(sheet, problem, elastic=form.elastic)
    _write_nearness(sheet, problem)
    connection = problem.connection
    return Numbers(
        cost=sheet.cost,
        cost_offset=-connection.demand_charge_krw_per_kw * connection.p_peak_incurred_kw
        - _rewards_krw(problem),
        lower=sheet.lower,
        upper=sheet.upper,
        row_lower=sheet.row_lower,
        row_upper=sheet.row_upper,
        loose=_loose_entries(problem),
    )


def _loose_entries(problem: PlanProblem) -> FloatArray:
    """The numbers that stand in the matrix itself, in the order of `Layout.loose_rows`."""
    limits = exchange_limits(problem)
    cop = problem.heat.cop if problem.heat else np.zeros(0)
    return np.concatenate([-limits.import_size_kw, limits.export_size_kw, cop])


def _write_connection(sheet: _Sheet, problem: PlanProblem) -> None:
    connection, limits = problem.connection, exchange_limits(problem)
    sheet.bound("p_import", 0.0, limits.p_import_kw_max)
    sheet.bound("p_export", 0.0, limits.p_export_kw_max)
    sheet.bound("importing", 0.0, 1.0)
    sheet.bound("p_peak", connection.p_peak_incurred_kw, np.inf)
    sheet.price("p_import", DT_H * connection.price_buy_krw_per_kwh)
    sheet.price("p_export", -DT_H * connection.price_sell_krw_per_kwh)
    sheet.price("p_peak", connection.demand_charge_krw_per_kw)
    sheet.at_most("import_while_importing", 0.0)
    sheet.at_most("export_while_not", limits.export_size_kw)
    counted = connection.counted_kw(np.zeros(problem.slots))
    most = limits.import_size_kw + problem.rank_load_kw.sum(axis=(1, 2))
    sheet.at_least("peak", np.where(connection.counts, counted, -most))


def _write_district(sheet: _Sheet, problem: PlanProblem) -> None:
    load = problem.load_kw.sum(axis=1)
    sheet.bound("curtail", 0.0, problem.pv_kw)
    sheet.bound("shed", 0.0, problem.rank_load_kw.sum(axis=1))
    sheet.price("curtail", DT_H * problem.curtail_krw_per_kwh)
    sheet.price("shed", [DT_H * rank.price_krw_per_kwh for rank in problem.ranks])
    sheet.equal("district_balance", load + problem.loss_kw - problem.pv_kw.sum(axis=1))
    limits = [
        cut.limit_kw
        - float(cut.coefficient @ (problem.load_kw[cut.slot_index] - problem.pv_kw[cut.slot_index]))
        for cut in problem.cuts
    ]
    sheet.at_most("cut", limits)


def _write_batteries(sheet: _Sheet, problem: PlanProblem) -> None:
    table, slots = problem.batteries, problem.slots
    corridor = battery_corridor(table, slots)
    sheet.bound("battery_charge", 0.0, table.p_charge_kw_max)
    sheet.bound("battery_discharge", 0.0, table.p_discharge_kw_max)
    sheet.bound("e_battery", corridor.lower_kwh, corridor.upper_kwh)
    sheet.price("battery_discharge", DT_H * table.wear_krw_per_kwh)
    sheet.price("e_battery", _at_the_end(-table.end_value_krw_per_kwh, slots))
    sheet.equal("battery_energy", _at_the_start(table.e_start_kwh, slots))


def _write_fleets(sheet: _Sheet, problem: PlanProblem) -> None:
    table, slots = problem.fleets, problem.slots
    corridor = fleet_corridor(table)
    sheet.bound("fleet_charge", 0.0, table.p_charge_kw_max.T)
    sheet.bound("fleet_discharge", 0.0, table.p_discharge_kw_max.T)
    sheet.bound("e_fleet", corridor.lower_kwh, corridor.upper_kwh)
    sheet.price("fleet_discharge", DT_H * table.wear_krw_per_kwh)
    worth = np.full(len(table.id), table.end_value_krw_per_kwh)
    sheet.price("e_fleet", _at_the_end(-worth, slots))
    sheet.equal("fleet_energy", 0.0)


def _write_units(sheet: _Sheet, problem: PlanProblem) -> None:
    slots, groups = problem.slots, problem.units
    if not groups:
        return
    decided = [commitment(unit) for unit in groups]
    least = np.stack([each.least for each in decided], axis=1)
    sheet.bound("unit_on", least, np.stack([each.most for each in decided], axis=1))
    curves = [unit_curve(unit) for unit in groups]
    sheet.price(
        "unit_on",
        [
            DT_H * (unit.fuel_krw_per_kwh * curve.fuel_kw_least + unit.wear_krw_per_h)
            for unit, curve in zip(groups, curves, strict=True)
        ],
    )
    sheet.price("unit_start", [unit.start_cost_krw for unit in groups])
    _price_segments(sheet, problem)
    sheet.at_most("unit_load", 0.0)
    sheet.equal("unit_change", _at_the_start(np.array([unit.on_now for unit in groups]), slots))
    for name, rows in (("stay_up", least), ("stay_down", [each.rested for each in decided])):
        _write_times(sheet, name, np.asarray(rows, dtype=np.float64), slots)
    _write_ramps(sheet, problem)
    _write_fuel(sheet, problem)


def _price_segments(sheet: _Sheet, problem: PlanProblem) -> None:
    places = sheet.layout.columns["unit_extra"]
    cost = np.zeros(places.shape)
    for row, unit in enumerate(problem.units):
        slope = unit_curve(unit).fuel_slope
        cost[:, row, : len(slope)] = DT_H * unit.fuel_krw_per_kwh * slope
    sheet.price("unit_extra", cost)


def _write_times(sheet: _Sheet, name: str, rows: FloatArray, slots: int) -> None:
    """Rows of minimum times: at least for staying up, at most for staying down."""
    if name not in sheet.layout.rows:
        return
    width = sheet.layout.rows[name].shape[1]
    if name == "stay_up":
        sheet.at_least(name, rows[:slots, :width])
    else:
        sheet.at_most(name, rows.T[:slots, :width])


def _write_ramps(sheet: _Sheet, problem: PlanProblem) -> None:
    if "ramp_up" not in sheet.layout.rows:
        return
    width = sheet.layout.rows["ramp_up"].shape[1]
    rise, fall = np.zeros((problem.slots, width)), np.zeros((problem.slots, width))
    for row, unit in enumerate(problem.units[:width]):
        rise[0, row] = unit.p_now_kw + unit.ramp_kw_per_slot * unit.on_now
        fall[:, row] = unit.p_kw_max * commitment(unit).forced
        fall[0, row] -= unit.p_now_kw
    sheet.at_most("ramp_up", rise)
    sheet.at_most("ramp_down", fall)


def _write_fuel(sheet: _Sheet, problem: PlanProblem) -> None:
    if "fuel_energy" not in sheet.layout.rows:
        return
    width = sheet.layout.rows["fuel_energy"].shape[1]
    store, come = np.zeros(width), np.zeros((problem.slots, width))
    for row, unit in enumerate(problem.units[:width]):
        store[row] = unit.fuel_kwh_max
        come[:, row] = DT_H * unit.fuel_inflow_kw
        come[0, row] += min(unit.fuel_kwh_start, unit.fuel_kwh_max)
    sheet.bound("e_fuel", 0.0, store)
    sheet.at_most("fuel_energy", come)


def _write_heat(sheet: _Sheet, problem: PlanProblem) -> None:
    heat, slots = problem.heat, problem.slots
    if heat is None:
        return
    sheet.bound("heat_pump", 0.0, heat.pump_kw_max)
    sheet.bound("boiler", 0.0, heat.boiler_kw_max)
    sheet.bound("p_into_store", -heat.p_store_kw_max, heat.p_store_kw_max)
    sheet.bound("e_heat", 0.0, heat.e_kwh_max)
    sheet.price("boiler", DT_H * (heat.fuel_krw_per_kwh / heat.boiler_eta))
    sheet.price("e_heat", _at_the_end(np.array([-heat.end_value_krw_per_kwh]), slots)[:, 0])
    sheet.equal("heat_balance", heat.demand_kw)
    kept = np.array([(1 - heat.loss_frac_per_slot) * heat.e_start_kwh])
    sheet.equal("heat_energy", _at_the_start(kept, slots)[:, 0])


def _rewards_krw(problem: PlanProblem) -> float:
    """Rewards of all that is committed."""
    return sum(
        DT_H * event.reward_krw_per_kwh * event.committed_kw * float(event.active.sum())
        for event in problem.dr_events
    )


def _write_pledges(sheet: _Sheet, problem: PlanProblem) -> None:
    prices = [
        DT_H * (event.penalty_krw_per_kwh + event.reward_krw_per_kwh) * event.active
        for event in problem.dr_events
    ]
    if prices:
        sheet.price("dr_short", np.stack(prices, axis=1))
    sheet.at_most("dr", dr_limits_kw(problem))
    reserve, table = problem.reserve, problem.batteries
    if reserve is None:
        return
    sheet.price("reserve_short", DT_H * reserve.price_krw_per_kwh)
    sheet.at_least("reserve", reserve.wanted_kw - problem.connection.p_import_kw_max)
    sheet.at_most("battery_reserve_power", table.p_discharge_kw_max)
    sheet.at_most("battery_reserve_energy", -np.minimum(table.e_kwh_min, table.e_start_kwh))
    for law in ("unit_reserve_room", "unit_reserve_ramp"):
        sheet.at_most(law, 0.0)


def _write_ways(sheet: _Sheet, problem: PlanProblem) -> None:
    if not problem.one_way:
        return
    most_out = {
        "battery": problem.batteries.p_discharge_kw_max,
        "fleet": problem.fleets.p_discharge_kw_max.T,
    }
    for store, out_kw in most_out.items():
        sheet.bound(f"{store}_way", 0.0, 1.0)
        sheet.at_most(f"{store}_in", 0.0)
        sheet.at_most(f"{store}_out", out_kw)


def _write_last_resort(sheet: _Sheet, problem: PlanProblem, *, elastic: bool) -> None:
    last = problem.broken_krw_per_kwh
    for block in ("p_missing", "p_surplus"):
        sheet.price(block, DT_H * NOWHERE * last)
    sheet.price("cut_slack", DT_H * last)
    if problem.heat:
        sheet.price("heat_short", DT_H * last)
    if elastic:
        sheet.price("fleet_short", last)
        sheet.price("fuel_short", DT_H * last)


def _write_nearness(sheet: _Sheet, problem: PlanProblem) -> None:
    near = problem.near
    if near is None:
        return
    for block in ("moved_up", "moved_down"):
        sheet.price(block, near.price_krw_per_kw[:, None])
    sheet.equal("nearness", near.target_kw)


def _at_the_end(row: FloatArray, slots: int) -> FloatArray:
    """The row in the last slot, zero before, (H, N)."""
    table = np.zeros((slots, len(row)))
    table[-1] = row
    return table


def _at_the_start(row: FloatArray, slots: int) -> FloatArray:
    """The row in the first slot, zero after, (H, N)."""
    table = np.zeros((slots, len(row)))
    table[0] = row
    return table
