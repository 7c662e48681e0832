"""The cost of the cheapest plan, from a PyPSA network that knows nothing of the planner.

One electrical bus for each area and one at the connection, joined by links without losses; a heat
bus; stores behind links that charge and discharge; units as committable links from fuel to power
and heat. PyPSA knows no demand charge on chosen slots and no worth of what is stored at the end:
both are written into its linopy model. Units burn in proportion to their power here, as a link has
one efficiency; limits of the wires stand on the link of one area, in every slot or in none.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pypsa
import xarray as xr
from linopy.config import LinopySemanticsWarning

DT_H = 0.25
PLENTY_KW = 1e5


def cheapest_cost(problem: Any) -> float:
    """Cost in won of the cheapest plan; units and limits as far as PyPSA has them."""
    network = _network(problem)
    with warnings.catch_warnings():
        # PyPSA builds its own constraints in ways that linopy will one day read otherwise.
        warnings.simplefilter("ignore", LinopySemanticsWarning)
        model = network.optimize.create_model(include_objective_constant=False)
    model.objective = model.objective.expression + _end_values(model, problem)
    constant = _demand_charge(model, problem)
    constant += DT_H * problem.curtail_krw_per_kwh * float(problem.pv_kw.sum())
    status, condition = network.optimize.solve_model(
        solver_name="highs", mip_rel_gap=1e-9, output_flag=False, log_to_console=False
    )
    assert (status, condition) == ("ok", "optimal")
    return float(model.objective.value) + constant


def _network(problem: Any) -> pypsa.Network:
    network = pypsa.Network()
    network.set_snapshots(pd.RangeIndex(problem.slots, name="snapshot"))
    network.snapshot_weightings.loc[:, :] = DT_H
    network.add("Bus", "connection")
    network.add("Load", "losses", bus="connection", p_set=problem.loss_kw)
    _connect(network, problem)
    for row, area in enumerate(problem.area_ids):
        _area(network, problem, row, area)
    _batteries(network, problem)
    _cars(network, problem.fleets)
    if problem.units:
        network.add("Bus", "fuel")
        network.add("Generator", "fuel from the pipe", bus="fuel", p_nom=1e6)
    if problem.units or problem.heat is not None:
        network.add("Bus", "heat")
        network.add("Generator", "heat to air", bus="heat", p_nom=1e6, p_min_pu=-1, p_max_pu=0)
    if problem.heat is not None:
        _heat(network, problem.heat)
    for unit in problem.units:
        _units(network, unit)
    return network


def _bus(area: int) -> str:
    return f"area {area}" if area >= 0 else "connection"


def _connect(network: pypsa.Network, problem: Any) -> None:
    """Import and export at the connection; in which direction prices leave no doubt."""
    table = problem.connection
    assert (table.price_sell_krw_per_kwh <= table.price_buy_krw_per_kwh).all()
    for name, sign, limit, price in (
        ("import", 1, table.p_import_kw_max, table.price_buy_krw_per_kwh),
        ("export", -1, table.p_export_kw_max, table.price_sell_krw_per_kwh),
    ):
        network.add(
            "Generator",
            name,
            bus="connection",
            p_nom=1.0,
            sign=sign,
            p_max_pu=limit,
            marginal_cost=sign * price,
        )


def _area(network: pypsa.Network, problem: Any, row: int, name: str) -> None:
    """Load that may be shed by rank, sun that may be curtailed, and the cable to the connection."""
    bus, load = _bus(row), problem.load_kw[:, row]
    network.add("Bus", bus)
    network.add("Load", f"{name} load", bus=bus, p_set=load)
    network.add(
        "Generator",
        f"{name} sun",
        bus=bus,
        p_nom=1.0,
        p_max_pu=problem.pv_kw[:, row],
        marginal_cost=-problem.curtail_krw_per_kwh,
    )
    limits = {cut.limit_kw for cut in problem.cuts if cut.coefficient[row]}
    assert len(limits) <= 1 and len(problem.cuts) in (0, problem.slots)
    cable = {"p_nom": PLENTY_KW, "p_min_pu": -1.0, "p_max_pu": min({1.0, *limits})}
    if limits:
        cable["p_max_pu"] = limits.pop() / PLENTY_KW
    network.add("Link", f"{name} cable", bus0="connection", bus1=bus, **cable)
    kinds = problem.shed_ranks
    if not kinds:
        # All load is one, and what is shed is shared in proportion; with one area that says it.
        network.add(
            "Generator",
            f"{name} shed",
            bus=bus,
            p_nom=1.0,
            p_max_pu=load,
            marginal_cost=problem.shed_krw_per_kwh,
        )
    for kind in kinds:
        network.add(
            "Generator",
            f"{name} shed {kind.id}",
            bus=bus,
            p_nom=1.0,
            p_max_pu=load * np.broadcast_to(kind.share, problem.load_kw.shape)[:, row],
            marginal_cost=kind.price_krw_per_kwh,
        )


def _store(network: pypsa.Network, name: str, bus: str, **facts: Any) -> None:
    """A store on a bus of its own, with a link in and a link out; power limits at `bus`."""
    network.add("Bus", f"{name} inside")
    network.add(
        "Store",
        name,
        bus=f"{name} inside",
        e_nom=1.0,
        e_initial=facts["start"],
        e_min_pu=facts["low"],
        e_max_pu=facts["high"],
        standing_loss=facts.get("loss_per_h", 0.0),
    )
    network.add(
        "Link",
        f"{name} in",
        bus0=bus,
        bus1=f"{name} inside",
        p_nom=1.0,
        p_max_pu=facts["charge"],
        efficiency=facts["eta"][0],
    )
    network.add(
        "Link",
        f"{name} out",
        bus0=f"{name} inside",
        bus1=bus,
        p_nom=1.0,
        # PyPSA limits and prices what goes in; the limit and the wear here are of what comes out.
        p_max_pu=facts["discharge"] / facts["eta"][1],
        efficiency=facts["eta"][1],
        marginal_cost=facts["wear"] * facts["eta"][1],
    )


def _batteries(network: pypsa.Network, problem: Any) -> None:
    table = problem.batteries
    for b, name in enumerate(table.id):
        low = np.full(problem.slots, min(table.e_kwh_min[b], table.e_start_kwh[b]))
        if table.e_end_kwh_min is not None:
            low[-1] = max(low[-1], table.e_end_kwh_min[b])
        _store(
            network,
            name,
            _bus(table.area[b]),
            start=table.e_start_kwh[b],
            low=low,
            high=np.full(problem.slots, max(table.e_kwh_max[b], table.e_start_kwh[b])),
            charge=np.full(problem.slots, table.p_charge_kw_max[b]),
            discharge=np.full(problem.slots, table.p_discharge_kw_max[b]),
            eta=(table.eta_charge[b], table.eta_discharge[b]),
            wear=table.wear_krw_per_kwh[b],
        )


def _cars(network: pypsa.Network, table: Any) -> None:
    for g, name in enumerate(table.id):
        _store(
            network,
            name,
            _bus(table.area[g]),
            start=0.0,
            low=table.e_min_kwh[g],
            high=table.e_max_kwh[g],
            charge=table.p_charge_kw_max[g],
            discharge=table.p_discharge_kw_max[g],
            eta=(table.eta, table.eta),
            wear=table.wear_krw_per_kwh,
        )


def _units(network: pypsa.Network, group: Any) -> None:
    """Each unit a committable link, counted in fuel; the first `on_now` of a group run already."""
    fuel, heat = (np.array(points) for points in (group.fuel, group.heat))
    power_per_fuel, heat_per_fuel = fuel[0, 0] / fuel[0, 1], heat[0, 1] / fuel[0, 1]
    assert np.allclose(fuel[:, 0], power_per_fuel * fuel[:, 1])
    assert np.allclose(heat[:, 1], heat_per_fuel * np.interp(heat[:, 0], *fuel.T))
    tank = "fuel" if np.isinf(group.fuel_kwh_start) else f"{group.id} tank"
    if tank != "fuel":
        _tank(network, tank, group)
    step = max(group.p_kw_min, group.ramp_kw_per_slot) / group.p_kw_max
    # Of identical units the longest running may stop first, as none is told apart.
    started = [ago + 1 for ago, n in enumerate(group.recent_starts) for _ in range(n)]
    stopped = [ago + 1 for ago, n in enumerate(group.recent_stops) for _ in range(n)]
    for n in range(group.size):
        runs, off = n < group.on_now, n - group.on_now
        ages = started if runs else stopped
        at = n if runs else off
        age = ages[at] if at < len(ages) else 999
        network.add(
            "Link",
            f"{group.id} {n}",
            bus0=tank,
            bus1=_bus(group.area),
            bus2="heat",
            p_nom=group.p_kw_max / power_per_fuel,
            efficiency=power_per_fuel,
            efficiency2=heat_per_fuel,
            p_min_pu=group.p_kw_min / group.p_kw_max,
            marginal_cost=group.fuel_krw_per_kwh,
            committable=True,
            start_up_cost=group.start_cost_krw,
            stand_by_cost=group.wear_krw_per_h,
            min_up_time=group.min_up_slots,
            min_down_time=group.min_down_slots,
            up_time_before=age if runs else 0,
            down_time_before=0 if runs else age,
            p_init=group.p_now_kw / group.on_now / power_per_fuel if runs else 0.0,
            ramp_limit_up=min(group.ramp_kw_per_slot / group.p_kw_max, 1.0),
            ramp_limit_down=min(group.ramp_kw_per_slot / group.p_kw_max, 1.0),
            ramp_limit_start_up=min(step, 1.0),
            ramp_limit_shut_down=min(step, 1.0),
        )


def _tank(network: pypsa.Network, tank: str, group: Any) -> None:
    """Gas that comes by itself, a store for it, and a flare for what does not fit."""
    network.add("Bus", tank)
    network.add("Load", f"{tank} inflow", bus=tank, p_set=-group.fuel_inflow_kw)
    network.add("Generator", f"{tank} flare", bus=tank, p_nom=1e6, p_min_pu=-1, p_max_pu=0)
    start = min(group.fuel_kwh_start, group.fuel_kwh_max)
    network.add("Store", tank, bus=tank, e_nom=group.fuel_kwh_max, e_initial=start)


def _heat(network: pypsa.Network, table: Any) -> None:
    network.add("Load", "heat", bus="heat", p_set=table.demand_kw)
    network.add(
        "Generator",
        "boiler",
        bus="heat",
        p_nom=table.boiler_kw_max,
        marginal_cost=table.fuel_krw_per_kwh / table.boiler_eta,
    )
    network.add(
        "Link",
        "heat pump",
        bus0=_bus(table.heat_pump_area),
        bus1="heat",
        p_nom=table.heat_pump_kw_max,
        efficiency=table.cop,
    )
    slots = len(table.demand_kw)
    kept = 1 - table.loss_frac_per_slot
    _store(
        network,
        "heat store",
        "heat",
        # PyPSA's first slot loses nothing of what stands in the store before it.
        start=kept * table.e_start_kwh,
        low=np.zeros(slots),
        high=np.full(slots, table.e_kwh_max),
        charge=np.full(slots, table.p_store_kw_max),
        discharge=np.full(slots, table.p_store_kw_max),
        eta=(1.0, 1.0),
        wear=0.0,
        loss_per_h=1 - kept ** (1 / DT_H),
    )


def _end_values(model: Any, problem: Any) -> Any:
    """What is stored at the end, taken off the cost."""
    values = dict(zip(problem.batteries.id, problem.batteries.end_value_krw_per_kwh, strict=True))
    values |= dict.fromkeys(problem.fleets.id, problem.fleets.end_value_krw_per_kwh)
    if problem.heat is not None:
        values["heat store"] = problem.heat.end_value_krw_per_kwh
    worth = xr.DataArray(list(values.values()), dims="name", coords={"name": list(values)})
    if not values:
        return 0.0
    stored = model["Store-e"].sel(snapshot=problem.slots - 1, name=list(values))
    return (-worth * stored).sum()


def _demand_charge(model: Any, problem: Any) -> float:
    """A peak above every counted import, priced beyond what was incurred; the constant in won."""
    table = problem.connection
    if table.demand_charge_krw_per_kw == 0:
        return 0.0
    peak = model.add_variables(lower=table.p_peak_incurred_kw, name="peak")
    counted = np.flatnonzero(table.peak_counts)
    if len(counted):
        margin = np.zeros(problem.slots) if table.peak_margin_kw is None else table.peak_margin_kw
        drawn = model["Generator-p"].sel(name="import", snapshot=counted)
        least = xr.DataArray(margin[counted], dims="snapshot", coords={"snapshot": counted})
        model.add_constraints(peak - drawn >= least, name="counted")
    model.objective = model.objective.expression + table.demand_charge_krw_per_kw * peak
    return -float(table.demand_charge_krw_per_kw * table.p_peak_incurred_kw)
