"""What stands in a district: buildings, streets, parks and plants, each as a small cable tree.

A site knows its inner cables and loads, not yet where it stands or which transformer feeds it.
Every random choice comes from the generator passed in.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from grid_models.district import FloatArray, IntArray, StreetPlan

BUSBAR = -1  # parent of a node that hangs directly on the area's low-voltage busbar
SITE_BELTS = ("retail", "office", "public", "school", "apartment", "detached")


@dataclass(frozen=True)
class Load:
    """One future row of Connections; p_kw is the rated or design power of the row."""

    use: str
    p_kw: float
    homes: int = 0
    floor_m2: float = 0.0
    count: int = 1


@dataclass(frozen=True)
class Node:
    """One bus of a site. `parent` is a node of the same site or BUSBAR.

    dx_m, dy_m place it beside its parent; length_m is the cable to the parent (0: as drawn).
    """

    label: str
    parent: int
    loads: tuple[Load, ...] = ()
    dx_m: float = 0.0
    dy_m: float = 0.0
    length_m: float = 0.0
    riser: bool = False


@dataclass(frozen=True)
class Site:
    """A building, street, park or plant; p_kw is its design power after diversity."""

    belt: str
    p_kw: float
    nodes: tuple[Node, ...]


def ordinary_sites(plan: StreetPlan, rng: np.random.Generator) -> list[Site]:
    """Everything that shares a distribution transformer, in belts from the substation outwards."""
    sites = [
        *business_sites(plan, rng),
        *apartment_sites(plan, rng),
        *street_sites(plan),
    ]
    return sorted(sites, key=lambda site: SITE_BELTS.index(site.belt))


def plant_sites(plan: StreetPlan) -> list[Site]:
    """Big single sites: heat pump, fuel cells, data centre, super-fast hubs, batteries, biogas.

    Cells and batteries keep at least one piece at any fraction, with the power that the fraction
    leaves; a charging hub is there or not, since half a super-fast charger is none.
    """
    sites = [_plant("heat_pump", 1, plan.heat_pump_kw * plan.fraction)]
    cells = scaled(plan.fuel_cells, plan.fraction)
    cell_kw = min(plan.fuel_cell_kw, plan.fuel_cells * plan.fuel_cell_kw * plan.fraction / cells)
    for count in spread(cells, min(scaled(plan.fuel_cell_sites, plan.fraction), cells)):
        sites.append(_plant("fuel_cell", int(count), int(count) * cell_kw))
    sites.append(_plant("data_centre", 1, plan.data_centre_kw * plan.fraction))
    fast = round(plan.super_fast_chargers * plan.fraction)
    for count in spread(fast, min(scaled(plan.super_fast_hubs, plan.fraction), fast)):
        power_kw = int(count) * plan.super_fast_charger_kw
        sites.append(_plant("super_fast_charging", int(count), power_kw))
    packs = scaled(plan.batteries, plan.fraction)
    pack_kw = min(plan.battery_kw, plan.batteries * plan.battery_kw * plan.fraction / packs)
    sites += [_plant("battery", 1, pack_kw) for _ in range(packs)]
    return [*sites, _plant("biogas", 1, plan.biogas_kw * plan.fraction)]


def apartment_sites(plan: StreetPlan, rng: np.random.Generator) -> list[Site]:
    """Apartment buildings: main board, parking board with chargers, stairwells of riser buses."""
    homes_total = scaled(plan.apartment_homes, plan.fraction)
    buildings = min(scaled(plan.apartment_buildings, plan.fraction), homes_total)
    homes = shares(homes_total, rng.uniform(0.75, 1.25, buildings), least=1)
    chargers = shares(scaled(_apartment_chargers(plan), plan.fraction), homes.astype(float))
    canopy_kw = _canopy_kw_per_site(plan)
    return [_apartment(plan, int(homes[i]), int(chargers[i]), canopy_kw) for i in range(buildings)]


def street_sites(plan: StreetPlan) -> list[Site]:
    """Streets of detached houses: one cable with a service bus for every two houses."""
    homes_total = scaled(plan.detached_homes, plan.fraction)
    chargers = scaled(plan.standard_chargers - _apartment_chargers(plan), plan.fraction)
    homes = spread(homes_total, -(-homes_total // plan.homes_per_street))
    charger_counts = shares(chargers, homes.astype(float))
    return [_street(plan, int(count), int(charger_counts[i])) for i, count in enumerate(homes)]


def business_sites(plan: StreetPlan, rng: np.random.Generator) -> list[Site]:
    """Shops, offices, public buildings, schools and parks; the last three have quick chargers."""
    sites = []
    for belt in ("retail", "office", "public", "school"):
        floor_m2 = float(getattr(plan, f"{belt}_m2")) * plan.fraction
        mean_m2 = float(getattr(plan, f"{belt}_building_m2"))
        weights = rng.uniform(0.8, 1.2, max(1, round(floor_m2 / mean_m2)))
        extras = 0.0 if belt in ("retail", "office") else _canopy_kw_per_site(plan)
        kw_per_m2 = float(getattr(plan, f"{belt}_kw_per_m2"))
        for part in weights / weights.sum():
            sites.append(_boards(plan, belt, float(part) * floor_m2, kw_per_m2, extras))
    sites += [_park(plan) for _ in range(scaled(plan.parks, plan.fraction))]
    return _with_quick_chargers(plan, sites)


def scaled(count: int, fraction: float) -> int:
    """A count at the given fraction, at least one piece of what exists at full size."""
    return max(1, round(count * fraction)) if count > 0 else 0


def spread(total: int, parts: int) -> IntArray:
    """`total` pieces over `parts` places as evenly as whole numbers allow."""
    return shares(total, np.ones(parts))


def shares(total: int, weights: FloatArray, least: int = 0) -> IntArray:
    """Whole numbers in proportion to the weights, at least `least` each, summing to `total`."""
    if len(weights) == 0:
        return np.zeros(0, dtype=np.int64)
    edges = np.rint(np.cumsum(weights) / weights.sum() * (total - least * len(weights)))
    pieces: IntArray = np.diff(edges, prepend=0.0).astype(np.int64)
    return pieces + least


def _plant(use: str, count: int, p_kw: float) -> Site:
    """A plant: one bus of its own."""
    node = Node(use.replace("_", "-"), BUSBAR, (Load(use, p_kw, count=count),))
    return Site(belt="public", p_kw=p_kw, nodes=(node,))


def _apartment_chargers(plan: StreetPlan) -> int:
    """The apartments' part of the standard chargers at full size, by homes."""
    homes = plan.apartment_homes + plan.detached_homes
    return round(plan.standard_chargers * plan.apartment_homes / homes) if homes else 0


def _canopy_kw_per_site(plan: StreetPlan) -> float:
    """Canopy PV over each car park: apartments, schools, public buildings and parks alike."""
    places = (
        scaled(plan.apartment_buildings, plan.fraction)
        + max(1, round(plan.public_m2 * plan.fraction / plan.public_building_m2))
        + max(1, round(plan.school_m2 * plan.fraction / plan.school_building_m2))
        + scaled(plan.parks, plan.fraction)
    )
    return plan.canopy_pv_kwp * plan.fraction / places


def _apartment(plan: StreetPlan, homes: int, chargers: int, canopy_kw: float) -> Site:
    """One apartment building. Riser steps are two storeys, so 6 m of cable each."""
    parking = [Load("canopy_pv", canopy_kw)]
    if chargers:
        rated_kw = chargers * plan.standard_charger_kw
        parking.append(Load("standard_charging", rated_kw, count=chargers))
    nodes = [Node("main", BUSBAR), Node("parking", 0, tuple(parking), 12.0, -8.0, 25.0)]
    risers = spread(homes, -(-homes // plan.homes_per_riser))
    for riser, riser_homes in enumerate(risers):
        steps = spread(int(riser_homes), -(-int(riser_homes) // plan.homes_per_riser_bus))
        for step, count in enumerate(steps):
            first = step == 0
            load = Load(
                "apartment",
                int(count) * plan.apartment_home_kw,
                homes=int(count),
                floor_m2=int(count) * plan.apartment_home_m2,
                count=int(count),
            )
            nodes.append(
                Node(
                    label=f"r{riser + 1}-{step + 1}",
                    parent=0 if first else len(nodes) - 1,
                    loads=(load,),
                    dx_m=(riser - (len(risers) - 1) / 2) * 14.0 if first else 0.0,
                    dy_m=3.0,
                    length_m=18.0 if first else 6.0,
                    riser=True,
                )
            )
    charging_kw = chargers * plan.standard_charger_kw * plan.standard_charger_diversity_frac
    return Site("apartment", homes * plan.apartment_home_kw + charging_kw, tuple(nodes))


def _street(plan: StreetPlan, homes: int, chargers: int) -> Site:
    """One street of detached houses, 24 m from service bus to service bus."""
    steps = spread(homes, -(-homes // plan.homes_per_service_bus))
    charger_steps = spread(chargers, len(steps))
    nodes = []
    for step, count in enumerate(steps):
        loads = [
            Load(
                "detached",
                int(count) * plan.detached_home_kw,
                homes=int(count),
                floor_m2=int(count) * plan.detached_home_m2,
                count=int(count),
            )
        ]
        if charger_steps[step]:
            rated_kw = int(charger_steps[step]) * plan.standard_charger_kw
            loads.append(Load("standard_charging", rated_kw, count=int(charger_steps[step])))
        shift_m = 0.0 if step == 0 else 8.0
        nodes.append(
            Node(f"h{step + 1}", step - 1, tuple(loads), shift_m, 0.0, 0.0 if step == 0 else 24.0)
        )
    charging_kw = chargers * plan.standard_charger_kw * plan.standard_charger_diversity_frac
    return Site("detached", homes * plan.detached_home_kw + charging_kw, tuple(nodes))


def _boards(
    plan: StreetPlan, belt: str, floor_m2: float, kw_per_m2: float, canopy_kw: float
) -> Site:
    """A building with one main board and a sub-board for every thousand m2 or so."""
    boards = max(1, round(floor_m2 / plan.floor_m2_per_board))
    board_m2 = floor_m2 / boards
    customers = max(1, round(board_m2 / plan.floor_m2_per_customer))
    outside = (Load("canopy_pv", canopy_kw),) if canopy_kw > 0 else ()
    nodes = [Node("main", BUSBAR, outside)]
    for board in range(boards):
        load = Load(belt, board_m2 * kw_per_m2, floor_m2=board_m2, count=customers)
        nodes.append(
            Node(
                f"b{board + 1}", 0, (load,), (board - (boards - 1) / 2) * 6.0, 5.0, 15.0 + 4 * board
            )
        )
    return Site(belt, floor_m2 * kw_per_m2, tuple(nodes))


def _park(plan: StreetPlan) -> Site:
    """A park with a canopy over its car park; its quick chargers are added afterwards."""
    node = Node("park", BUSBAR, (Load("canopy_pv", _canopy_kw_per_site(plan)),))
    return Site("public", 0.0, (node,))


def _with_quick_chargers(plan: StreetPlan, sites: list[Site]) -> list[Site]:
    """The sites with quick chargers: at schools first, then parks, then public buildings."""
    chargers = round(plan.quick_chargers * plan.fraction)
    counts = spread(chargers, -(-chargers // plan.quick_chargers_per_site))
    rank = {"school": 0, "park": 1, "public": 2}
    kinds = ["park" if site.nodes[0].label == "park" else site.belt for site in sites]
    hosts = sorted(
        (i for i, kind in enumerate(kinds) if kind in rank), key=lambda i: rank[kinds[i]]
    )
    equipped = list(sites)
    # More stations than hosts put a second station at the first hosts again.
    for station, count in enumerate(counts):
        charger_kw = plan.quick_charger_kw_min if station % 2 else plan.quick_charger_kw_max
        load = Load("quick_charging", int(count) * charger_kw, count=int(count))
        host = hosts[station % len(hosts)]
        site = equipped[host]
        label = f"quick{station // len(hosts) + 1}"
        node = Node(label, 0, (load,), -10.0, -8.0, 30.0)
        equipped[host] = Site(site.belt, site.p_kw + load.p_kw, (*site.nodes, node))
    return equipped


def downstream_kw(site: Site) -> list[float]:
    """Rated power that flows through the cable of each node, loads below it included."""
    through = [sum(load.p_kw for load in node.loads) for node in site.nodes]
    for index in range(len(site.nodes) - 1, -1, -1):
        parent = site.nodes[index].parent
        if parent != BUSBAR:
            through[parent] += through[index]
    return through


def even_groups(weights: list[float], groups: int) -> list[tuple[int, int]]:
    """Cut a row of weights into `groups` runs of about equal sum, as half-open index ranges.

    No run is empty as long as no weight exceeds the mean sum of a run.
    """
    middle = np.cumsum(weights) - np.asarray(weights) / 2
    group = np.minimum((middle / sum(weights) * groups).astype(np.int64), groups - 1)
    edges = np.searchsorted(group, np.arange(groups + 1))
    return [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
