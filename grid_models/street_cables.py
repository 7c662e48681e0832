"""The low-voltage side of a street plan: cables from each busbar into buildings and streets."""

from dataclasses import dataclass
from math import ceil, cos, hypot, pi, sin, sqrt

import numpy as np

from grid_models.district import StreetPlan
from grid_models.draft import Cable, Draft
from grid_models.sites import BUSBAR, Load, Node, Site, downstream_kw, spread

DESIGN_COS_PHI = 0.95
CABLE_RESERVE = 1.25  # a cable is laid for a quarter more than what is planned behind it
DETOUR = 1.25  # cable metres per metre as the crow flies
LAMP_CABLE_M = 60.0


@dataclass(frozen=True)
class Cell:
    """Where an area stands: its feeder, column and row, and its centre."""

    feeder: int
    column: int
    row: int
    x_m: float
    y_m: float


@dataclass(frozen=True)
class Drawing:
    """A street plan while it is drawn: first the areas of single plants (`own`), then the rest."""

    plan: StreetPlan
    rng: np.random.Generator
    width_m: float
    height_m: float
    feeders: int
    cells: tuple[Cell, ...]
    own: list[list[Site]]
    groups: list[list[Site]]
    draft: Draft

    def position_m(self, bus: int) -> tuple[float, float]:
        """Where a bus that is already drawn stands."""
        row = self.draft.buses[bus]
        return float(row[2]), float(row[3])

    def busbar(self, area: int) -> int:
        """The low-voltage busbar of an area that is already drawn."""
        return int(self.draft.areas[area][2])


def draw_low_voltage(drawing: Drawing) -> None:
    """Connect every site of every area; a single plant stands at the busbar itself."""
    for area, (site,) in enumerate(drawing.own):
        for node in site.nodes:
            _connect(drawing, drawing.busbar(area), node.loads)
    plan, shared = drawing.plan, len(drawing.groups)
    lamps = spread(max(shared, round(plan.street_lights * plan.fraction)), shared)
    for group, sites in enumerate(drawing.groups):
        area = len(drawing.own) + group
        offsets = _ring(drawing, len(sites) + 1)
        for place, site in enumerate(sites):
            _draw_site(drawing, area, f"A{area + 1:03d}-{place + 1}", site, offsets[place])
        light = Load("street_lighting", lamps[group] * plan.street_light_kw, count=lamps[group])
        lights = Site("public", light.p_kw, (Node("", BUSBAR, (light,), length_m=LAMP_CABLE_M),))
        _draw_site(drawing, area, f"A{area + 1:03d}-lights", lights, offsets[-1])


def _ring(drawing: Drawing, places: int) -> list[tuple[float, float]]:
    """Offsets in metres of sites around their busbar, at about a third of a cell's width."""
    areas = len(drawing.own) + len(drawing.groups)
    reach_m = 0.32 * sqrt(drawing.width_m * drawing.height_m / areas)
    start = float(drawing.rng.uniform(0, 2 * pi))
    radii = reach_m * drawing.rng.uniform(0.8, 1.2, places)
    turns = [start + 2 * pi * place / places for place in range(places)]
    return [(float(r) * cos(t), float(r) * sin(t)) for r, t in zip(radii, turns, strict=True)]


def _draw_site(
    drawing: Drawing, area: int, name: str, site: Site, offset_m: tuple[float, float]
) -> None:
    """Buses, cables and connections of one site around its busbar."""
    through_kw = downstream_kw(site)
    buses: list[int] = []
    for index, node in enumerate(site.nodes):
        at_busbar = node.parent == BUSBAR
        parent = drawing.busbar(area) if at_busbar else buses[node.parent]
        shift_m = offset_m if at_busbar else (node.dx_m, node.dy_m)
        label = f"{name}-{node.label}" if node.label else name
        bus = _add_lv_bus(drawing, area, label, parent, shift_m)
        length_m = node.length_m or max(10.0, DETOUR * hypot(*shift_m))
        cable = _riser_cable(drawing.plan) if node.riser else _street_cable(drawing.plan)
        parallel = _cables_needed(drawing.plan, cable, through_kw[index])
        drawing.draft.add_line(
            f"L-{label}", (parent, bus), cable, length_m=length_m, parallel=parallel
        )
        _connect(drawing, bus, node.loads, "" if site.belt == "detached" else name)
        buses.append(bus)


def _add_lv_bus(
    drawing: Drawing, area: int, label: str, parent: int, shift_m: tuple[float, float]
) -> int:
    """A low-voltage bus beside its parent, inside the district's rectangle."""
    x_m, y_m = drawing.position_m(parent)
    x_m = min(max(x_m + shift_m[0], 0.0), drawing.width_m)
    y_m = min(max(y_m + shift_m[1], 0.0), drawing.height_m)
    plan = drawing.plan
    limits = (plan.lv_v_min_pu, plan.lv_v_max_pu)
    return drawing.draft.add_bus((label, plan.lv_kv, x_m, y_m, area, "lv", *limits))


def _connect(drawing: Drawing, bus: int, loads: tuple[Load, ...], building: str = "") -> None:
    """One connection row per load of a bus."""
    for load in loads:
        row = (bus, load.use, load.homes, load.floor_m2, load.count, load.p_kw, building)
        drawing.draft.connections.append(row)


def _cables_needed(plan: StreetPlan, cable: Cable, p_kw: float) -> int:
    """Parallel cables that carry a power with the usual reserve."""
    i_a = CABLE_RESERVE * p_kw / DESIGN_COS_PHI / (sqrt(3) * plan.lv_kv)
    return max(1, ceil(i_a / cable.i_a_max))


def _street_cable(plan: StreetPlan) -> Cable:
    """The cable to buildings and along streets; its capacitance does not matter at 380 V."""
    return Cable(plan.lv_r_ohm_per_km, plan.lv_x_ohm_per_km, 0.0, plan.lv_i_a_max)


def _riser_cable(plan: StreetPlan) -> Cable:
    """The cable of stairwells."""
    return Cable(plan.riser_r_ohm_per_km, plan.riser_x_ohm_per_km, 0.0, plan.riser_i_a_max)
