"""The reference case as a user of linopy, PyPSA or plain Pyomo would write it, with HiGHS below.

Each takes the planner's own problem, so all solve the same numbers: batteries that start half full,
fleets that owe energy at the end, fuel cells with least load and start cost, a demand charge. Every
area's net power stays within AREA_LIMIT_KW, as it does in the planner's plan. The packages are
imported where they are used, before the clock starts.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer import PlanProblem

AREA_LIMIT_KW = 500.0
DT_H = 0.25


@dataclass(frozen=True)
class Answer:
    """A peer's optimum, and the seconds from the arrays to the finished model and to the end."""

    package: str
    cost_krw: float
    build_seconds: float
    seconds: float


@dataclass(frozen=True, eq=False)
class UnitTable:
    """The fuel cells as columns, (F,): least and full load in kW, won per kWh and per start."""

    p_kw_min: np.ndarray
    p_kw_max: np.ndarray
    krw_per_kwh: np.ndarray
    start_krw: np.ndarray


def unit_table(problem: PlanProblem) -> UnitTable:
    """The units of a problem; a kWh of theirs takes a kWh of fuel."""
    units = problem.units
    columns = ("p_kw_min", "p_kw_max", "fuel_krw_per_kwh", "start_cost_krw")
    return UnitTable(*(np.array([getattr(unit, name) for unit in units]) for name in columns))


def solve_linopy(problem: PlanProblem, gap: float) -> Answer:
    """The case in linopy: labelled arrays of variables, handed to HiGHS in memory."""
    import linopy
    import pandas as pd

    begun = time.perf_counter()
    area = pd.RangeIndex(problem.areas, name="area")
    slot = pd.RangeIndex(problem.slots, name="slot")
    model = linopy.Model()
    net = _linopy_areas(model, problem, (slot, area))
    made = _linopy_units(model, problem, slot)
    _linopy_connection(model, problem, net.sum("area") - made, slot)
    built = time.perf_counter()
    model.solve("highs", io_api="direct", mip_rel_gap=gap, threads=1, output_flag=False)
    done = time.perf_counter()
    version = f"linopy {linopy.__version__}"
    return Answer(version, float(model.objective.value), built - begun, done - begun)


def _linopy_areas(model: Any, problem: PlanProblem, index: tuple[Any, Any]) -> Any:  # noqa: ANN401
    """Solar power, batteries and cars of the areas; gives what each area draws."""
    import xarray as xr

    batteries, fleets = problem.batteries, problem.fleets

    def table(values: np.ndarray) -> Any:  # noqa: ANN401
        full = np.broadcast_to(values, (problem.slots, problem.areas))
        return xr.DataArray(full, coords=index, dims=("slot", "area"))

    def variable(name: str, low: np.ndarray | float, high: np.ndarray) -> Any:  # noqa: ANN401
        return model.add_variables(table(np.asarray(low)), table(high), name=name)

    def store(name: str, eta: float, bounds: tuple[np.ndarray, ...], start: np.ndarray) -> Any:  # noqa: ANN401
        lowest, highest, p_in, p_out = bounds
        into, out = variable(f"{name}_in", 0.0, p_in), variable(f"{name}_out", 0.0, p_out)
        level = variable(f"{name}_level", lowest, highest)
        before = np.zeros((problem.slots, problem.areas))
        before[0] = start
        change = DT_H * eta * into - DT_H / eta * out
        model.add_constraints(level - level.shift(slot=1) - change == table(before))
        return into, out

    least = np.zeros((problem.slots, problem.areas))
    least[-1] = batteries.e_end_kwh_min
    bounds = (least, batteries.e_kwh_max, batteries.p_charge_kw_max, batteries.p_discharge_kw_max)
    charge, discharge = store(
        "battery", float(batteries.eta_charge[0]), bounds, batteries.e_start_kwh
    )
    rows = (fleets.e_min_kwh, fleets.e_max_kwh, fleets.p_charge_kw_max, fleets.p_discharge_kw_max)
    bounds = tuple(row.T for row in rows)
    ev, v2g = store("cars", fleets.eta, bounds, np.zeros(problem.areas))
    solar = variable("solar", 0.0, problem.pv_kw)
    limit = np.full(1, AREA_LIMIT_KW)
    net = variable("net", -limit, limit)
    model.add_constraints(net - charge + discharge - ev + v2g + solar == table(problem.load_kw))
    wear = batteries.wear_krw_per_kwh[0] * discharge + fleets.wear_krw_per_kwh * v2g
    model.add_objective(DT_H * wear.sum())
    return net


def _linopy_units(model: Any, problem: PlanProblem, slot: Any) -> Any:  # noqa: ANN401
    """The fuel cells; gives what they make in each slot."""
    import pandas as pd
    import xarray as xr

    cells = unit_table(problem)
    unit = pd.RangeIndex(len(cells.p_kw_max), name="unit")

    def column(values: np.ndarray) -> Any:  # noqa: ANN401
        return xr.DataArray(values, coords=[unit], dims=["unit"])

    on = model.add_variables(binary=True, coords=[slot, unit], name="on")
    start = model.add_variables(0, 1, coords=[slot, unit], name="start")
    made = model.add_variables(0, coords=[slot, unit], name="made")
    model.add_constraints(made - column(cells.p_kw_max) * on <= 0)
    model.add_constraints(made - column(cells.p_kw_min) * on >= 0)
    model.add_constraints(start - on + on.shift(slot=1) >= 0)
    cost = DT_H * column(cells.krw_per_kwh) * made + column(cells.start_krw) * start
    model.objective = model.objective.expression + cost.sum()
    return made.sum("unit")


def _linopy_connection(model: Any, problem: PlanProblem, net: Any, slot: Any) -> None:  # noqa: ANN401
    import xarray as xr

    table = problem.connection

    def row(values: np.ndarray) -> Any:  # noqa: ANN401
        return xr.DataArray(values, coords=[slot], dims=["slot"])

    bought = model.add_variables(0, row(table.p_import_kw_max), name="bought")
    sold = model.add_variables(0, row(table.p_export_kw_max), name="sold")
    peak = model.add_variables(0, name="peak")
    model.add_constraints(bought - sold - net == 0)
    model.add_constraints(peak - bought >= 0)
    trade = row(DT_H * table.price_buy_krw_per_kwh) * bought
    trade = trade - row(DT_H * table.price_sell_krw_per_kwh) * sold
    charge = table.demand_charge_krw_per_kw * peak
    model.objective = model.objective.expression + trade.sum() + charge


def solve_pypsa(problem: PlanProblem, gap: float) -> Answer:
    """The case in PyPSA's own components, HiGHS through its direct interface."""
    import pypsa

    logging.disable(logging.WARNING)
    begun = time.perf_counter()
    network = _pypsa_network(problem)
    model = network.optimize.create_model()
    level = model.variables["StorageUnit-state_of_charge"].isel(snapshot=-1)
    model.add_constraints(level >= problem.batteries.e_end_kwh_min, name="battery_end")
    built = time.perf_counter()
    network.optimize.solve_model(
        solver_name="highs", io_api="direct", mip_rel_gap=gap, threads=1, output_flag=False
    )
    done = time.perf_counter()
    logging.disable(logging.NOTSET)
    version = f"PyPSA {pypsa.__version__}"
    return Answer(version, float(network.objective), built - begun, done - begun)


def _pypsa_network(problem: PlanProblem) -> Any:  # noqa: ANN401
    import pandas as pd
    import pypsa

    network = pypsa.Network()
    network.set_snapshots(pd.date_range("2026-07-15", periods=problem.slots, freq="15min"))
    network.snapshot_weightings.loc[:, :] = DT_H
    areas = list(problem.area_ids)
    network.add("Bus", ["district", "utility", *areas])
    network.add("Link", areas, suffix=" feeder", bus0="district", bus1=areas,
                p_nom=AREA_LIMIT_KW, p_min_pu=-1.0)  # fmt: skip
    _pypsa_areas(network, problem, areas)
    _pypsa_cars(network, problem, areas)
    cells, table = unit_table(problem), problem.connection
    network.add("Generator", [unit.id for unit in problem.units], bus="district",
                p_nom=cells.p_kw_max, p_min_pu=cells.p_kw_min / cells.p_kw_max,
                marginal_cost=cells.krw_per_kwh, start_up_cost=cells.start_krw,
                committable=True, up_time_before=0)  # fmt: skip
    prices = {name: pd.Series(krw, index=network.snapshots) for name, krw in (
        ("buy", table.price_buy_krw_per_kwh), ("sell", table.price_sell_krw_per_kwh))}  # fmt: skip
    network.add("Generator", "import", bus="utility", p_nom=float(table.p_import_kw_max[0]),
                marginal_cost=prices["buy"])  # fmt: skip
    network.add("Generator", "export", bus="district", p_nom=float(table.p_export_kw_max[0]),
                p_max_pu=0.0, p_min_pu=-1.0, marginal_cost=prices["sell"])  # fmt: skip
    network.add("Link", "connection", bus0="utility", bus1="district", p_nom_extendable=True,
                capital_cost=table.demand_charge_krw_per_kw)  # fmt: skip
    return network


def _pypsa_areas(network: Any, problem: PlanProblem, areas: list[str]) -> None:  # noqa: ANN401
    import pandas as pd

    batteries, top_kw = problem.batteries, problem.pv_kw.max(axis=0)

    def frame(values: np.ndarray, suffix: str) -> Any:  # noqa: ANN401
        return pd.DataFrame(values, network.snapshots, [f"{area}{suffix}" for area in areas])

    network.add("Load", areas, bus=areas, p_set=frame(problem.load_kw, ""))
    network.add("Generator", areas, suffix=" solar", bus=areas, p_nom=top_kw,
                p_max_pu=frame(problem.pv_kw / top_kw, " solar"))  # fmt: skip
    network.add("StorageUnit", areas, suffix=" battery", bus=areas,
                p_nom=batteries.p_charge_kw_max,
                max_hours=batteries.e_kwh_max / batteries.p_charge_kw_max,
                efficiency_store=batteries.eta_charge, efficiency_dispatch=batteries.eta_discharge,
                state_of_charge_initial=batteries.e_start_kwh,
                marginal_cost=batteries.wear_krw_per_kwh)  # fmt: skip


def _pypsa_cars(network: Any, problem: PlanProblem, areas: list[str]) -> None:  # noqa: ANN401
    """A store of its own for each fleet, with a link to charge it and one to give back.

    Powers count at the meter, so the link back is larger by what is lost in it.
    """
    import pandas as pd

    fleets = problem.fleets
    cars = [f"{area} cars" for area in areas]
    size_kwh = fleets.e_max_kwh[:, 0]
    least = pd.DataFrame((fleets.e_min_kwh / size_kwh[:, None]).T, network.snapshots, cars)
    network.add("Bus", cars)
    network.add("Store", cars, bus=cars, e_nom=size_kwh, e_initial=0.0, e_min_pu=least)
    network.add("Link", areas, suffix=" charging", bus0=areas, bus1=cars, efficiency=fleets.eta,
                p_nom=fleets.p_charge_kw_max[:, 0])  # fmt: skip
    network.add("Link", areas, suffix=" v2g", bus0=cars, bus1=areas, efficiency=fleets.eta,
                p_nom=fleets.p_discharge_kw_max[:, 0] / fleets.eta,
                marginal_cost=fleets.wear_krw_per_kwh * fleets.eta)  # fmt: skip


def solve_pyomo(problem: PlanProblem, gap: float) -> Answer:
    """The case in plain Pyomo, one rule per law, solved by its persistent HiGHS."""
    import pyomo
    from pyomo.contrib.appsi.solvers import Highs

    begun = time.perf_counter()
    model = _pyomo_model(problem)
    built = time.perf_counter()
    solver = Highs()
    solver.highs_options = {"mip_rel_gap": gap, "threads": 1, "output_flag": False}
    found = solver.solve(model)
    done = time.perf_counter()
    version = f"Pyomo {pyomo.__version__} with appsi_highs"
    return Answer(version, float(found.best_feasible_objective), built - begun, done - begun)


def _pyomo_model(problem: PlanProblem) -> Any:  # noqa: ANN401
    import pyomo.environ as pyo

    model = pyo.ConcreteModel()
    model.slot = pyo.RangeSet(0, problem.slots - 1)
    model.area = pyo.RangeSet(0, problem.areas - 1)
    model.unit = pyo.RangeSet(0, len(problem.units) - 1)
    _pyomo_stores(model, problem)
    _pyomo_units(model, problem)
    _pyomo_balances(model, problem)
    table, batteries, fleets = problem.connection, problem.batteries, problem.fleets
    cells = unit_table(problem)
    model.cost = pyo.Objective(
        expr=DT_H * sum(
            table.price_buy_krw_per_kwh[t] * model.bought[t]
            - table.price_sell_krw_per_kwh[t] * model.sold[t]
            for t in model.slot
        )
        + DT_H * sum(
            batteries.wear_krw_per_kwh[a] * model.discharge[t, a]
            + fleets.wear_krw_per_kwh * model.v2g[t, a]
            for t in model.slot for a in model.area
        )
        + sum(
            DT_H * cells.krw_per_kwh[u] * model.made[t, u] + cells.start_krw[u] * model.start[t, u]
            for t in model.slot for u in model.unit
        )
        + table.demand_charge_krw_per_kw * model.peak
    )  # fmt: skip
    return model


def _pyomo_stores(model: Any, problem: PlanProblem) -> None:  # noqa: ANN401
    import pyomo.environ as pyo

    batteries, fleets, last = problem.batteries, problem.fleets, problem.slots - 1

    def up_to(high: Callable[[int, int], float]) -> Any:  # noqa: ANN401
        return pyo.Var(model.slot, model.area, bounds=lambda _, t, a: (0.0, float(high(t, a))))

    model.charge = up_to(lambda _, a: batteries.p_charge_kw_max[a])
    model.discharge = up_to(lambda _, a: batteries.p_discharge_kw_max[a])
    model.e_battery = up_to(lambda _, a: batteries.e_kwh_max[a])
    model.ev = up_to(lambda t, a: fleets.p_charge_kw_max[a, t])
    model.v2g = up_to(lambda t, a: fleets.p_discharge_kw_max[a, t])
    model.e_cars = up_to(lambda t, a: fleets.e_max_kwh[a, t])

    @model.Constraint(model.slot, model.area)
    def battery_energy(model: Any, t: int, a: int) -> Any:  # noqa: ANN401
        before = model.e_battery[t - 1, a] if t else batteries.e_start_kwh[a]
        into = batteries.eta_charge[a] * model.charge[t, a]
        out = model.discharge[t, a] / batteries.eta_discharge[a]
        return model.e_battery[t, a] == before + DT_H * (into - out)

    @model.Constraint(model.slot, model.area)
    def cars_energy(model: Any, t: int, a: int) -> Any:  # noqa: ANN401
        before = model.e_cars[t - 1, a] if t else 0.0
        change = fleets.eta * model.ev[t, a] - model.v2g[t, a] / fleets.eta
        return model.e_cars[t, a] == before + DT_H * change

    @model.Constraint(model.area)
    def battery_end(model: Any, a: int) -> Any:  # noqa: ANN401
        return model.e_battery[last, a] >= batteries.e_end_kwh_min[a]

    @model.Constraint(model.area)
    def cars_due(model: Any, a: int) -> Any:  # noqa: ANN401
        return model.e_cars[last, a] >= fleets.e_min_kwh[a, last]


def _pyomo_units(model: Any, problem: PlanProblem) -> None:  # noqa: ANN401
    import pyomo.environ as pyo

    cells = unit_table(problem)
    model.on = pyo.Var(model.slot, model.unit, domain=pyo.Binary)
    model.start = pyo.Var(model.slot, model.unit, bounds=(0, 1))
    model.made = pyo.Var(model.slot, model.unit, domain=pyo.NonNegativeReals)

    @model.Constraint(model.slot, model.unit)
    def full_load(model: Any, t: int, u: int) -> Any:  # noqa: ANN401
        return model.made[t, u] <= cells.p_kw_max[u] * model.on[t, u]

    @model.Constraint(model.slot, model.unit)
    def least_load(model: Any, t: int, u: int) -> Any:  # noqa: ANN401
        return model.made[t, u] >= cells.p_kw_min[u] * model.on[t, u]

    @model.Constraint(model.slot, model.unit)
    def starts(model: Any, t: int, u: int) -> Any:  # noqa: ANN401
        return model.start[t, u] >= model.on[t, u] - (model.on[t - 1, u] if t else 0)


def _pyomo_balances(model: Any, problem: PlanProblem) -> None:  # noqa: ANN401
    import pyomo.environ as pyo

    table = problem.connection
    model.solar = pyo.Var(
        model.slot, model.area, bounds=lambda _, t, a: (0.0, float(problem.pv_kw[t, a]))
    )
    model.net = pyo.Var(model.slot, model.area, bounds=(-AREA_LIMIT_KW, AREA_LIMIT_KW))
    model.bought = pyo.Var(model.slot, bounds=lambda _, t: (0.0, float(table.p_import_kw_max[t])))
    model.sold = pyo.Var(model.slot, bounds=lambda _, t: (0.0, float(table.p_export_kw_max[t])))
    model.peak = pyo.Var(domain=pyo.NonNegativeReals)

    @model.Constraint(model.slot, model.area)
    def area_balance(model: Any, t: int, a: int) -> Any:  # noqa: ANN401
        stores = model.charge[t, a] - model.discharge[t, a] + model.ev[t, a] - model.v2g[t, a]
        return model.net[t, a] == float(problem.load_kw[t, a]) + stores - model.solar[t, a]

    @model.Constraint(model.slot)
    def district_balance(model: Any, t: int) -> Any:  # noqa: ANN401
        drawn = sum(model.net[t, a] for a in model.area)
        made = sum(model.made[t, u] for u in model.unit)
        return model.bought[t] - model.sold[t] == drawn - made

    @model.Constraint(model.slot)
    def counted(model: Any, t: int) -> Any:  # noqa: ANN401
        return model.peak >= model.bought[t]


PEERS: dict[str, Callable[[PlanProblem, float], Answer]] = {
    "linopy": solve_linopy,
    "PyPSA": solve_pypsa,
    "Pyomo": solve_pyomo,
}
