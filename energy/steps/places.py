"""Every asset as a place of its own beside the areas, for limits that tell where a kW is drawn.

A limit on an area's sum would take a car at the end of a cable for one at the transformer: it asks
too much of the one and gets too little from the other. So a plan that needs limits is asked for
with places: first the areas with their buildings and sun, spread like the sun, which is what can be
held back there; then batteries, charging groups, units and the heat pump, each over its own buses.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from energy.district import District
from energy.steps.injections import cut_off_kw
from grid_models import Areas, BusShare, Network
from optimizer import Cut, Plan, PlanProblem

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """The wires with P places in their table of areas, and how each place spreads over buses.

    The table says nothing else of a place: not its zone, nor a busbar.
    """

    network: Network
    share: BusShare
    areas: Areas

    def problem(self, problem: PlanProblem, cuts: tuple[Cut, ...]) -> PlanProblem:
        """The problem of the areas with every asset at its place, within `cuts` on the places."""
        more = len(self.network.areas.id) - len(self.areas.id)
        batteries, fleets, units = problem.batteries, problem.fleets, problem.units
        first = len(self.areas.id) + np.cumsum([0, len(batteries.id), len(fleets.id), len(units)])
        scenarios = problem.scenarios
        return replace(
            problem,
            area_ids=self.network.areas.id,
            load_kw=_padded(problem.load_kw, more),
            pv_kw=_padded(problem.pv_kw, more),
            batteries=replace(batteries, area=first[0] + np.arange(len(batteries.id))),
            fleets=replace(fleets, area=first[1] + np.arange(len(fleets.id))),
            units=tuple(replace(unit, area=int(first[2]) + row) for row, unit in enumerate(units)),
            heat=problem.heat and replace(problem.heat, heat_pump_area=int(first[3])),
            cuts=cuts,
            shed_ranks=tuple(
                replace(rank, share=_padded(rank.share, more)) for rank in problem.shed_ranks
            ),
            scenarios=scenarios
            and replace(scenarios, net_load_kw=_padded(scenarios.net_load_kw, more)),
        )

    def on_areas(self, problem: PlanProblem, plan: Plan) -> Plan:
        """A plan of the places as one of the areas of `problem`."""
        count = problem.areas
        net_kw = plan.area_net_kw[:, :count].copy()
        for place, area in enumerate(_homes(problem), start=count):
            if area >= 0:
                net_kw[:, area] += plan.area_net_kw[:, place]
        return replace(
            plan,
            area_ids=problem.area_ids,
            pv_used_kw=plan.pv_used_kw[:, :count],
            area_net_kw=net_kw,
        )

    def drawn_kw(self, problem: PlanProblem, plan: Plan, row: int) -> FloatArray:
        """What each place draws in a slot of a plan of the areas, (P,).

        What is shed counts as in the injections that are checked: only relays carry it out.
        """
        parts = [
            problem.load_kw[row] - cut_off_kw(problem, plan, row) - plan.pv_used_kw[row],
            plan.battery_charge_kw[row] - plan.battery_discharge_kw[row],
            plan.fleet_charge_kw[row] - plan.fleet_discharge_kw[row],
            -plan.unit_p_kw[row],
        ]
        if problem.heat is not None:
            parts.append(plan.heat_pump_kw[[row]])
        return np.concatenate(parts)


def build_places(district: District) -> Places:
    """The places of a district, in the order in which a PlanProblem has its assets."""
    network, shares = district.network, district.shares
    areas, heat = network.areas, district.heat
    single = [unit.bus for unit in district.units]
    if heat is not None:
        single.append(heat.heat_pump_bus)
    names = (
        *district.batteries.id,
        *district.chargers.id,
        *(unit.id for unit in district.units),
        *(("heat-pump",) if heat is not None else ()),
    )
    groups = [_of_areas(district), shares["batteries"], shares["chargers"], _one_each(single)]
    sizes = [len(areas.id), len(district.batteries.id), len(district.chargers.id), len(single)]
    first = np.cumsum([0, *sizes])
    share = BusShare(
        bus=np.concatenate([group.bus for group in groups]),
        area=np.concatenate([first[row] + group.area for row, group in enumerate(groups)]),
        share=np.concatenate([group.share for group in groups]),
    )
    return Places(
        network=replace(
            network,
            areas=Areas(
                id=(*areas.id, *(f"place {name}" for name in names)),
                zone=np.concatenate([areas.zone, np.zeros(len(names), dtype=np.int64)]),
                bus=np.concatenate([areas.bus, np.full(len(names), network.slack_bus)]),
                transformer=np.concatenate(
                    [areas.transformer, np.full(len(names), -1, dtype=np.int64)]
                ),
            ),
        ),
        share=share,
        areas=areas,
    )


def _homes(problem: PlanProblem) -> list[int]:
    """The area of each place after the areas, -1 outside."""
    heat = problem.heat
    return [
        *problem.batteries.area.tolist(),
        *problem.fleets.area.tolist(),
        *(unit.area for unit in problem.units),
        *((heat.heat_pump_area,) if heat is not None else ()),
    ]


def _of_areas(district: District) -> BusShare:
    """The areas' power like their sun; like their load where there is none."""
    sun, load = district.shares["pv"], district.shares["load"]
    dark = ~np.isin(load.area, sun.area)
    return BusShare(
        bus=np.concatenate([sun.bus, load.bus[dark]]),
        area=np.concatenate([sun.area, load.area[dark]]),
        share=np.concatenate([sun.share, load.share[dark]]),
    )


def _one_each(buses: list[int]) -> BusShare:
    """Each group at its own bus."""
    bus = np.array(buses, dtype=np.int64)
    return BusShare(bus, np.arange(len(bus)), np.ones(len(bus)))


def _padded(table: FloatArray, more: int) -> FloatArray:
    """Nought for `more` places after the areas, which stand in the last axis."""
    ends = [(0, 0)] * (table.ndim - 1) + [(0, more)]
    return np.pad(table, ends)
