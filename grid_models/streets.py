"""The seeded street plan of a district: substation, open medium-voltage rings, areas, streets.

The district is a grid of cells, one per area. Each feeder owns two columns, runs up the one and
down the other, and ends beside the end of its neighbour, where a normally open tie stands; a
second tie joins neighbours at the far side. Belts of use lie across the feeders, so that every
feeder (zone) has shops, offices, schools and homes. Same plan, same seed: same network.
"""

from dataclasses import fields
from math import ceil, sqrt

import numpy as np

from grid_models.district import NO_AREA, GridError, Network, StreetPlan
from grid_models.draft import Cable, Draft
from grid_models.sites import Site, even_groups, ordinary_sites, plant_sites
from grid_models.street_cables import Cell, Drawing, draw_low_voltage

TRANSFORMER_SIZES_KVA = (500, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000)
DESIGN_COS_PHI = 0.95
LARGE_TRANSFORMER_VK_FRAC = 0.06  # above 500 kVA the usual short-circuit voltage
HOUSING = ("apartment", "detached")
# What a street plan divides by, or would be no wire without.
MEASURES = tuple(
    field.name
    for field in fields(StreetPlan)
    if field.name.endswith(("_kv", "_m", "_kva", "_kva_max", "_a_max", "_pu", "_building_m2"))
    or "_per_" in field.name.removesuffix("_ohm_per_km").removesuffix("_nf_per_km")
)


def build_street_plan(plan: StreetPlan) -> Network:
    """The network of a street plan, with all its areas, connection points and tie switches.

    Raises GridError for a plan that is no district (fraction or counts out of range).
    """
    _require_buildable(plan)
    drawing = _lay_out(plan, np.random.default_rng(plan.seed))
    heads = _draw_substation(drawing)
    mv_buses = _draw_areas(drawing)
    _draw_feeders(drawing, heads, mv_buses)
    draw_low_voltage(drawing)
    name = plan.name if plan.fraction == 1 else f"{plan.name}@{plan.fraction:g}"
    zones = tuple(f"Z{feeder + 1}" for feeder in range(drawing.feeders))
    return drawing.draft.network(name, zones, slack_bus=0, slack_v_pu=plan.slack_v_pu)


def _require_buildable(plan: StreetPlan) -> None:
    """Refuse plans that are no district."""
    if not 0.001 <= plan.fraction <= 100:
        raise GridError(f"street plan: fraction is {plan.fraction}, allowed is 0.001..100")
    for name in MEASURES:
        found = getattr(plan, name)
        if not 0 < found < float("inf"):
            raise GridError(f"street plan: {name} is {found}, allowed is a number above 0")
    if plan.areas < 2 or plan.feeders < 1:
        found = f"{plan.areas} areas on {plan.feeders} feeders"
        raise GridError(f"street plan: found {found}, allowed are at least 2 areas on 1 feeder")
    if plan.apartment_homes < 1 or plan.detached_homes < 1:
        found = f"{plan.apartment_homes} apartments and {plan.detached_homes} detached homes"
        raise GridError(f"street plan: found {found}, allowed is at least 1 of each")


def _lay_out(plan: StreetPlan, rng: np.random.Generator) -> Drawing:
    """Which sites share a transformer, and the cell where each area stands."""
    plants = [site for site in plant_sites(plan) if site.p_kw > 0]
    own = [[site] for site in plants if site.p_kw > plan.area_kva / 2]
    small = [site for site in plants if site.p_kw <= plan.area_kva / 2]
    sites = [*ordinary_sites(plan, rng), *small]
    sites.sort(key=lambda site: site.belt in HOUSING)  # small plants stand in the business belts
    shared = max(2, round(plan.areas * plan.fraction) - len(own))
    groups = [sites[a:b] for a, b in even_groups([site.p_kw for site in sites], shared)]
    areas = len(own) + len(groups)
    feeders = min(max(1, round(plan.feeders * plan.fraction)), areas // 2)
    scale = sqrt(plan.fraction)
    return Drawing(
        plan=plan,
        rng=rng,
        width_m=plan.width_m * scale,
        height_m=plan.height_m * scale,
        feeders=feeders,
        cells=_cells(plan, feeders, areas, rng),
        own=own,
        groups=groups,
        draft=Draft(),
    )


def _cells(
    plan: StreetPlan, feeders: int, areas: int, rng: np.random.Generator
) -> tuple[Cell, ...]:
    """Cells for all areas: consecutive areas go to consecutive feeders, rows fill from below."""
    rows = ceil(areas / (2 * feeders))
    cell_x_m = plan.width_m * sqrt(plan.fraction) / (2 * feeders)
    cell_y_m = plan.height_m * sqrt(plan.fraction) / rows
    cells = []
    for area in range(areas):
        feeder, place = area % feeders, area // feeders
        row, side = place // 2, place % 2
        # Odd feeders are mirrored, so that the ends of two neighbours lie side by side.
        column = 2 * feeder + (side if feeder % 2 == 0 else 1 - side)
        shift_x, shift_y = rng.uniform(-0.15, 0.15, 2).tolist()
        x_m, y_m = (column + 0.5 + shift_x) * cell_x_m, (row + 0.5 + shift_y) * cell_y_m
        cells.append(Cell(feeder, column, row, x_m, y_m))
    return tuple(cells)


def _draw_substation(drawing: Drawing) -> list[int]:
    """The substation at the southern edge; the busbar section that each feeder starts from.

    Every transformer has its own section; the couplers between sections are normally open.
    """
    plan, draft = drawing.plan, drawing.draft
    wanted = plan.substation_transformers * plan.fraction
    units = min(max(1, round(wanted)), drawing.feeders)
    # Below one unit the transformer shrinks with the district, or its losses would rule it.
    s_kva = plan.substation_kva * min(1.0, wanted / units)
    x_m, y_m = drawing.width_m / 2, min(10.0, drawing.height_m / 20)
    hv = draft.add_bus(("hv", plan.hv_kv, x_m, y_m, NO_AREA, "hv", 0.9, 1.1))
    sections = []
    for unit in range(units):
        x_section_m = x_m + (unit - (units - 1) / 2) * 15.0
        limits = (plan.mv_v_min_pu, plan.mv_v_max_pu)
        row = (f"mv-s{unit + 1}", plan.mv_kv, x_section_m, y_m, NO_AREA, "mv", *limits)
        sections.append(draft.add_bus(row))
        shorts = (plan.substation_vk_frac, plan.substation_vkr_frac)
        idle = (s_kva * plan.substation_pfe_frac, plan.substation_i0_frac)
        taps = (plan.substation_tap_pos, -8, 8, 0.0125)
        ratings = (s_kva, plan.hv_kv, plan.mv_kv, *shorts, *idle, *taps, NO_AREA)
        draft.transformers.append((f"S{unit + 1}", hv, sections[unit], *ratings))
    for unit in range(units - 1):
        ends = (sections[unit], sections[unit + 1])
        name = f"COUPLER-{unit + 1}-{unit + 2}"
        draft.add_line(name, ends, _mv_cable(plan), length_m=20, parallel=4, closed=False)
    return [sections[feeder * units // drawing.feeders] for feeder in range(drawing.feeders)]


def _draw_areas(drawing: Drawing) -> list[int]:
    """Medium-voltage bus, transformer and low-voltage busbar of each area; the MV buses."""
    plan, draft = drawing.plan, drawing.draft
    mv_limits = (plan.mv_v_min_pu, plan.mv_v_max_pu)
    lv_limits = (plan.lv_v_min_pu, plan.lv_v_max_pu)
    mv_buses = []
    for area, sites in enumerate([*drawing.own, *drawing.groups]):
        name, cell = f"A{area + 1:03d}", drawing.cells[area]
        place = (cell.x_m, cell.y_m)
        mv = draft.add_bus((f"{name}-mv", plan.mv_kv, *place, NO_AREA, "mv", *mv_limits))
        lv = draft.add_bus((f"{name}-lv", plan.lv_kv, *place, area, "lv_busbar", *lv_limits))
        ratings = _transformer_ratings(plan, sites, own=area < len(drawing.own))
        draft.transformers.append((f"T{area + 1:03d}", mv, lv, *ratings, area))
        draft.areas.append((name, cell.feeder, lv, len(draft.transformers) - 1))
        mv_buses.append(mv)
    return mv_buses


def _transformer_ratings(plan: StreetPlan, sites: list[Site], *, own: bool) -> tuple[float, ...]:
    """Ratings of an area's transformer: the district's usual size unless more is needed.

    A plant needs its rated power once; a mixed area gets a quarter more than its design power.
    """
    needed_kva = sum(site.p_kw for site in sites) / DESIGN_COS_PHI * (1.15 if own else 1.25)
    fitting = [float(size) for size in TRANSFORMER_SIZES_KVA if size >= needed_kva]
    s_kva = fitting[0] if fitting else ceil(needed_kva / 1000) * 1000.0
    if needed_kva <= plan.area_kva:
        s_kva = plan.area_kva
    vk_frac = plan.area_vk_frac if s_kva <= plan.area_kva else LARGE_TRANSFORMER_VK_FRAC
    idle = (s_kva * plan.area_pfe_frac, plan.area_i0_frac)
    return (s_kva, plan.mv_kv, plan.lv_kv, vk_frac, plan.area_vkr_frac, *idle, 0, -2, 2, 0.025)


def _draw_feeders(drawing: Drawing, heads: list[int], mv_buses: list[int]) -> None:
    """Cables along each feeder, then the open ties between neighbours."""
    plan = drawing.plan
    # The first cable of a feeder carries the utility's limit of the whole feeder.
    head_a = min(plan.mv_i_a_max, plan.feeder_kva_max / (sqrt(3) * plan.mv_kv))
    routes = [_route(drawing, feeder) for feeder in range(drawing.feeders)]
    for feeder, route in enumerate(routes):
        stops = [heads[feeder], *(mv_buses[area] for area in route)]
        for place in range(len(route)):
            cable = _mv_cable(plan, head_a if place == 0 else plan.mv_i_a_max)
            name = f"F{feeder + 1}-{place + 1:02d}"
            _draw_mv_line(drawing, name, (stops[place], stops[place + 1]), cable)
    for feeder in range(drawing.feeders - 1):
        left, right = routes[feeder], routes[feeder + 1]
        ends_meet = feeder % 2 == 0
        pair = (left[-1], right[-1]) if ends_meet else (_turn(left), _turn(right))
        ends = (mv_buses[pair[0]], mv_buses[pair[1]])
        name = f"TIE-{feeder + 1}-{feeder + 2}"
        _draw_mv_line(drawing, name, ends, _mv_cable(plan), closed=False)


def _route(drawing: Drawing, feeder: int) -> list[int]:
    """The areas of a feeder in cable order: up the first column, down the second."""
    up_column = 2 * feeder + feeder % 2
    cells = drawing.cells
    members = [area for area, cell in enumerate(cells) if cell.feeder == feeder]
    up = [area for area in members if cells[area].column == up_column]
    down = [area for area in members if cells[area].column != up_column]
    up.sort(key=lambda area: cells[area].row)
    return up + sorted(down, key=lambda area: -cells[area].row)


def _turn(route: list[int]) -> int:
    """The area where a feeder turns, at the far side of the district."""
    return route[(len(route) - 1) // 2]


def _draw_mv_line(
    drawing: Drawing, name: str, ends: tuple[int, int], cable: Cable, *, closed: bool = True
) -> None:
    """A medium-voltage cable laid along streets, so as long as the blocks between its ends."""
    (x0_m, y0_m), (x1_m, y1_m) = (drawing.position_m(bus) for bus in ends)
    length_m = max(20.0, abs(x1_m - x0_m) + abs(y1_m - y0_m)) + 10.0
    drawing.draft.add_line(name, ends, cable, length_m=length_m, closed=closed)


def _mv_cable(plan: StreetPlan, i_a_max: float | None = None) -> Cable:
    """The medium-voltage cable, with a smaller current limit if one is given."""
    limit = plan.mv_i_a_max if i_a_max is None else i_a_max
    return Cable(plan.mv_r_ohm_per_km, plan.mv_x_ohm_per_km, plan.mv_c_nf_per_km, limit)
