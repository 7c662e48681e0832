"""The district without the utility in the plan: nothing passes the connection, and who gives way.

Charging gives way first, then buildings by rank, each rank at a higher price of what is not served.
Whether the district can stand alone at all is asked of the wires; where it cannot, the plan is
labelled with the reason and made all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.district.islanding import (
    RESERVE_FRAC,
    V_FORMING_PU,
    LoadRank,
    forming_bus,
    load_ranks,
)
from energy.steps.context import Microgrid
from energy.steps.injections import Q_PER_P_LOAD, open_rows
from energy.store.islands import Island, islanded_slots, islands_between
from energy.units import DT_H, SLOT_S
from grid_models import IslandCase, ShedBlock, island
from optimizer import Batteries, Fleets, Plan, Planner, PlanProblem, ShedRank, UnitGroup
from optimizer.corridor import fleet_corridor
from optimizer.curves import commitment

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

DEARER_FRAC = 0.1
"""By how much more than the rank before it a rank's energy is missed (D)."""
NOT_SERVED_KW_MIN = 0.01  # what a meter would not resolve


@dataclass(frozen=True, eq=False)
class AlonePlan:
    """A plan and the problem that it answers: that asked for, or one in which charging waits."""

    problem: PlanProblem
    plan: Plan


def with_islands_ahead(microgrid: Microgrid, problem: PlanProblem) -> PlanProblem:
    """The problem with the islands in its horizon, as the store has them now."""
    first, end = problem.first_slot, problem.first_slot + problem.slots * SLOT_S
    islands = microgrid.store.read(lambda connection: islands_between(connection, first, end))
    return with_islands(microgrid.district, islands, problem)


def with_islands(
    district: District, islands: Sequence[Island], problem: PlanProblem
) -> PlanProblem:
    """The problem with the connection open where islands are; the same where there are none.

    In an island that has begun batteries may use their reserve, which is kept for it; where no
    battery could bear a start, groups of units are started one a slot.
    """
    slots = problem.first_slot + SLOT_S * np.arange(problem.slots)
    is_open = islanded_slots(islands, slots)
    if not is_open.any():
        return problem
    connection = problem.connection
    found = replace(
        problem,
        connection=replace(
            connection,
            p_import_kw_max=np.where(is_open, 0.0, connection.p_import_kw_max),
            p_export_kw_max=np.where(is_open, 0.0, connection.p_export_kw_max),
            peak_counts=connection.peak_counts & ~is_open,
        ),
        shed_ranks=shed_ranks(load_ranks(district), problem.shed_krw_per_kwh),
    )
    if not is_open[0]:
        return found
    found = replace(found, batteries=_without_reserve(problem.batteries))
    return found if _batteries_give(found) else replace(found, units=in_sequence(found.units))


def shed_ranks(ranks: Sequence[LoadRank], krw_per_kwh: float) -> tuple[ShedRank, ...]:
    """What not serving each rank costs: the district's price for the first, then more and more."""
    return tuple(
        ShedRank(rank.name, krw_per_kwh * (1 + DEARER_FRAC * place), rank.share)
        for place, rank in enumerate(ranks)
    )


def _without_reserve(table: Batteries) -> Batteries:
    return replace(table, e_kwh_min=np.zeros_like(table.e_kwh_min))


def is_formed(problem: PlanProblem) -> bool:
    """Whether something holds the voltage at the start: a battery with energy, a running unit."""
    return any(unit.on_now > 0 for unit in problem.units) or _batteries_give(problem)


def _batteries_give(problem: PlanProblem) -> bool:
    """Whether any battery has energy that it can give in the first slot.

    A battery that rests, held or out of use, gives nothing however full it is.
    """
    table = problem.batteries
    able = table.by_slot(table.p_discharge_kw_max, problem.slots)[0] > 0
    return bool(((table.e_start_kwh > 0) & able).any())


def in_sequence(units: Sequence[UnitGroup]) -> tuple[UnitGroup, ...]:
    """Groups of units for a start out of the dark: of those that are off one a slot.

    That of the least power is first; one that cannot start yet lets the others go before it.
    Whatever a group cannot serve yet is shed until the next one runs.
    """
    off = [row for row in range(len(units)) if not units[row].on_now]
    order = sorted(off, key=lambda row: (not _may_start(units[row]), units[row].p_kw_min, row))
    found = list(units)
    for place, row in enumerate(order):
        available = units[row].available.copy()
        available[:place] = 0
        found[row] = replace(units[row], available=available)
    return tuple(found)


def _may_start(unit: UnitGroup) -> bool:
    """Whether a unit of the group is able to run, has rested and has fuel for the first slot."""
    fuel_kwh = unit.fuel_kwh_start + unit.fuel_inflow_kw[0] * DT_H
    return bool(commitment(unit).most[0] > 0 and fuel_kwh >= unit.fuel[0][1] * DT_H)


def plan_alone(planner: Planner, problem: PlanProblem, previous: Plan | None) -> AlonePlan:
    """The plan of a problem; where an island would shed load, that of one in which cars wait.

    Cars' promises stand above buildings everywhere else, so they are taken out of the island.
    """
    plan = planner.plan(problem, previous)
    is_open = open_rows(problem)
    if not len(problem.fleets.id) or plan.shed_kw[is_open].sum() <= NOT_SERVED_KW_MIN:
        return AlonePlan(problem, plan)
    waiting = replace(problem, fleets=_waiting(problem.fleets, is_open))
    return AlonePlan(waiting, planner.plan(waiting, previous))


def _waiting(fleets: Fleets, is_open: BoolArray) -> Fleets:
    """Cars that are promised what they can reach without taking anything in an open slot.

    What a car is due that leaves in the island it takes before; what it cannot take then is put
    off for good. A promise kept for later slots would have it charged in the island after all.
    """
    resting = replace(fleets, p_charge_kw_max=np.where(is_open, 0.0, fleets.p_charge_kw_max))
    return replace(fleets, e_min_kwh=fleet_corridor(resting).lower_kwh.T)


def blocked_alone(district: District, problem: PlanProblem, plan: Plan) -> tuple[str, ...]:
    """Why the district cannot stand alone as planned in the first open slot; empty where it can.

    The wires are asked with all loads of that slot, the sources that are on, and what may be shed.
    """
    rows = np.flatnonzero(open_rows(problem))
    if not len(rows):
        return ()
    if forming_bus(district) < 0:
        return ("no battery and no unit that could hold the voltage",)
    row = int(rows[0])
    if row == 0 and not is_formed(problem):
        return ("nothing holds the voltage: units are started one group a slot, loads follow",)
    return island(district.network, island_case(district, problem, plan, row)).blocked_by


def island_case(district: District, problem: PlanProblem, plan: Plan, row: int) -> IslandCase:
    """The moment of a planned slot as the wires see it: sources, sun, loads by rank."""
    buses, shares, table = len(district.network.buses.id), district.shares, problem.batteries
    before_kwh = plan.e_battery_kwh[row - 1] if row else table.e_start_kwh
    most_give_kw = table.by_slot(table.p_discharge_kw_max, problem.slots)[row]
    most_take_kw = table.by_slot(table.p_charge_kw_max, problem.slots)[row]
    give_kw = np.minimum(most_give_kw, before_kwh * table.eta_discharge / DT_H)
    room_kwh = np.maximum(table.e_kwh_max - before_kwh, 0.0)
    take_kw = np.minimum(most_take_kw, room_kwh / (table.eta_charge * DT_H))
    high = shares["batteries"].at_buses(give_kw, buses)
    low = -shares["batteries"].at_buses(take_kw, buses)
    for place, unit in enumerate(district.units):
        high[unit.bus] += int(problem.units[place].available[row]) * unit.p_kw_max
        low[unit.bus] += int(plan.unit_on[row, place]) * unit.p_kw_min
    return IslandCase(
        forming_bus=forming_bus(district),
        v_forming_pu=V_FORMING_PU,
        p_source_kw_min=np.minimum(low, high),
        p_source_kw_max=high,
        p_solar_kw=shares["pv"].at_buses(problem.pv_kw[row], buses),
        blocks=_blocks(district, problem, plan, row),
        reserve_frac=RESERVE_FRAC,
    )


def _blocks(district: District, problem: PlanProblem, plan: Plan, row: int) -> list[ShedBlock]:
    """The slot's loads by the rank in which they are shed: cars, heat pump, buildings."""
    buses, shares = len(district.network.buses.id), district.shares
    none = np.zeros(buses)
    blocks = [
        ShedBlock("charging", shares["chargers"].at_buses(plan.fleet_charge_kw[row], buses), none)
    ]
    if district.heat is not None:
        pump = np.zeros(buses)
        pump[district.heat.heat_pump_bus] = float(plan.heat_pump_kw[row])
        blocks.append(ShedBlock("heat pump", pump, none))
    for rank in load_ranks(district):
        p_kw = shares["load"].at_buses(problem.load_kw[row] * rank.share, buses)
        blocks.append(ShedBlock(rank.name, p_kw, Q_PER_P_LOAD * p_kw))
    return blocks
