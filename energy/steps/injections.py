"""What each bus draws under a plan, and the flow of it with the inverters where they stand.

Sums of areas are spread over their buses; batteries and charging points stand at their own.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from energy.district import District, Inverters
from energy.plant import Telemetry
from grid_models import FlowResult, PowerFlow, QDroop, run_with_droop
from optimizer import Plan, PlanProblem

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

Q_PER_P_LOAD = float(np.tan(np.arccos(0.95)))
"""Buildings' reactive power per active power; chargers and plants keep cos phi 1."""


@dataclass(frozen=True, eq=False)
class Injections:
    """What each bus draws in a slot, (N,) kW and kvar; generation is negative.

    `droop` are inverters whose reactive power follows the voltage and is not in `q_kvar` yet.
    """

    p_kw: FloatArray
    q_kvar: FloatArray
    droop: QDroop | None = None


@dataclass(frozen=True, eq=False)
class AreaPowers:
    """A slot's powers, kW: load and fed-in sun of the areas (A,), net draw of batteries (B,) and of
    charger groups (G,), what groups of units give (F,), the heat pump.
    """

    load_kw: FloatArray
    pv_kw: FloatArray
    battery_kw: FloatArray
    fleet_kw: FloatArray
    unit_kw: FloatArray
    heat_pump_kw: float


@dataclass(frozen=True, eq=False)
class Carried:
    """A slot's flow and what every bus draws in it, inverters on their curves included."""

    drawn: Injections
    flow: FlowResult


def planned_injections(
    district: District, problem: PlanProblem, plan: Plan, row: int
) -> Injections:
    """Injections of slot number `row` of a plan.

    What a plan sheds is drawn all the same, for no set-point carries it out; without the utility
    relays do.
    """
    return spread(
        district,
        AreaPowers(
            load_kw=problem.load_kw[row] - cut_off_kw(problem, plan, row),
            pv_kw=plan.pv_used_kw[row],
            battery_kw=plan.battery_charge_kw[row] - plan.battery_discharge_kw[row],
            fleet_kw=plan.fleet_charge_kw[row] - plan.fleet_discharge_kw[row],
            unit_kw=plan.unit_p_kw[row],
            heat_pump_kw=float(plan.heat_pump_kw[row]),
        ),
    )


def open_rows(problem: PlanProblem) -> BoolArray:
    """The slots of a problem in which the connection is open, (H,)."""
    connection = problem.connection
    closed_kw = connection.p_import_kw_max + connection.p_export_kw_max
    return np.asarray(closed_kw == 0, dtype=np.bool_)


def cut_off_kw(problem: PlanProblem, plan: Plan, row: int) -> FloatArray:
    """What relays cut off the areas in a slot of a plan, (A,) kW: nothing with the utility."""
    if not open_rows(problem)[row]:
        return np.zeros(problem.areas)
    load_kw = problem.rank_load_kw[row]
    whole = load_kw.sum(axis=0)
    part = np.divide(plan.shed_by_rank_kw[row], whole, out=np.zeros(len(whole)), where=whole > 0)
    return np.asarray(load_kw @ part)


def seen_injections(district: District, seen: Telemetry) -> Injections:
    """Injections of a measured slot, as far as the areas' meters tell."""
    return spread(
        district,
        AreaPowers(
            load_kw=seen.p_load_kw,
            pv_kw=seen.p_pv_kw - seen.pv_curtailed_kw,
            battery_kw=seen.battery_charge_kw - seen.battery_discharge_kw,
            fleet_kw=seen.cars_charge_kw - seen.cars_discharge_kw,
            unit_kw=seen.unit_p_kw,
            heat_pump_kw=seen.heat_pump_kw,
        ),
    )


def spread(district: District, powers: AreaPowers) -> Injections:
    """What areas and assets draw and give, at their buses."""
    shares, buses = district.shares, len(district.network.buses.id)
    load_kw = shares["load"].at_buses(powers.load_kw, buses)
    solar_kw = shares["pv"].at_buses(powers.pv_kw, buses)
    p_kw = load_kw - solar_kw
    p_kw += shares["batteries"].at_buses(powers.battery_kw, buses)
    p_kw += shares["chargers"].at_buses(powers.fleet_kw, buses)
    for place, unit in enumerate(district.units):
        p_kw[unit.bus] -= powers.unit_kw[place]
    if district.heat is not None:
        p_kw[district.heat.heat_pump_bus] += powers.heat_pump_kw
    inverter_kw = solar_kw + shares["batteries"].at_buses(np.abs(powers.battery_kw), buses)
    return _with_inverters(p_kw, Q_PER_P_LOAD * load_kw, inverter_kw, district.inverters)


def carry(power_flow: PowerFlow, drawn: Injections) -> Carried:
    """The AC power flow of a slot; without a solution where its inverters do not settle."""
    if drawn.droop is None:
        return Carried(drawn, power_flow.run(drawn.p_kw, drawn.q_kvar))
    found = run_with_droop(power_flow, drawn.p_kw, drawn.q_kvar, drawn.droop)
    flow = found.flow
    if flow.converged and not found.settled:
        flow = _unsettled(flow)
    added = np.bincount(drawn.droop.bus, found.q_kvar, len(drawn.q_kvar))
    return Carried(Injections(drawn.p_kw, drawn.q_kvar + added), flow)


def _with_inverters(
    p_kw: FloatArray, q_kvar: FloatArray, inverter_kw: FloatArray, inverters: Inverters
) -> Injections:
    """The injections with the inverters' reactive power; `inverter_kw` (N,) runs through them."""
    if inverters.mode == "fixed":
        way = np.sign(inverters.power_factor)
        per_kw = way * np.tan(np.arccos(abs(inverters.power_factor)))
        return Injections(p_kw, q_kvar + per_kw * inverter_kw)
    bus = np.flatnonzero(inverter_kw > 0)
    full_low, dead_low, dead_high, full_high = inverters.droop_v_pu
    droop = QDroop(
        bus=bus,
        # The least power factor holds at every power: without any, an inverter gives nothing.
        p_kw_rated=inverter_kw[bus],
        power_factor_min=inverters.power_factor_min,
        v_full_low_pu=full_low,
        v_dead_low_pu=dead_low,
        v_dead_high_pu=dead_high,
        v_full_high_pu=full_high,
    )
    return Injections(p_kw, q_kvar, droop)


def _unsettled(flow: FlowResult) -> FlowResult:
    """A flow whose inverters still swing is none: its voltages are nobody's."""
    nan = float("nan")
    return replace(
        flow,
        converged=False,
        reason="the inverters' reactive power does not settle on its curve",
        v_pu=np.full_like(flow.v_pu, nan),
        angle_rad=np.full_like(flow.angle_rad, nan),
        line_loading_frac=np.full_like(flow.line_loading_frac, nan),
        transformer_loading_frac=np.full_like(flow.transformer_loading_frac, nan),
        p_slack_kw=nan,
        q_slack_kvar=nan,
        p_loss_kw=nan,
        mismatch_kw=nan,
    )
