"""Areas found in wires that come without any: what hangs under a transformer, or on one feeder.

A part is what closed lines join, without transformers. A low-voltage part that carries loads is an
area, unless it would be the only one; then, and for loads at medium voltage, the feeders behind
the part's busbar are the areas, and the busbar one more if it carries loads itself.
"""

from dataclasses import dataclass

import numpy as np

from grid_models.district import NO_AREA, Areas, BoolArray, FloatArray, IntArray
from grid_models.topology import components

LOW_KV = 1.0


@dataclass(frozen=True, eq=False)
class Graph:
    """Wires as far as areas need them: closed lines, transformers and which buses carry loads."""

    vn_kv: FloatArray
    line_from: IntArray
    line_to: IntArray
    hv_bus: IntArray
    lv_bus: IntArray
    carrying: BoolArray
    slack_bus: int


@dataclass(frozen=True, eq=False)
class FoundAreas:
    """Areas in one zone, and the area of each bus (N,), NO_AREA on the backbone."""

    areas: Areas
    area_of_bus: IntArray


def find_areas(graph: Graph) -> FoundAreas:
    """The areas of a graph, numbered in the order of their first buses."""
    part = components(len(graph.vn_kv), graph.line_from, graph.line_to)
    loaded = np.unique(part[graph.carrying]).tolist()
    low = [number for number in loaded if graph.vn_kv[part == number].max() < LOW_KV]
    found: list[tuple[IntArray, int, int]] = []
    for number in loaded:
        members = np.flatnonzero(part == number)
        feeding = np.flatnonzero(np.isin(graph.lv_bus, members))
        head = graph.slack_bus if part[graph.slack_bus] == number else None
        if head is None and not len(feeding):
            continue  # an island; the network's check names its buses
        head = int(graph.lv_bus[feeding[0]]) if head is None else head
        if number in low and len(low) > 1:
            transformer = int(feeding[0]) if len(feeding) == 1 else -1
            found.append((members, head, transformer))
        else:
            found += _feeders(graph, members, head)
    return _numbered(sorted(found, key=lambda area: int(area[0].min())), len(graph.vn_kv))


def _feeders(graph: Graph, members: IntArray, head: int) -> list[tuple[IntArray, int, int]]:
    """Buses, first bus and no transformer of every loaded feeder behind a busbar."""
    inside = np.isin(graph.line_from, members)
    near, far = graph.line_from[inside], graph.line_to[inside]
    at_head = (near == head) | (far == head)
    branch = components(len(graph.vn_kv), near[~at_head], far[~at_head])
    first = np.where(near == head, far, near)[at_head]
    feeders = []
    for number in np.unique(branch[members]).tolist():
        own = members[branch[members] == number]
        if graph.carrying[own].any():
            starts = first[np.isin(first, own)]
            feeders.append((own, int(starts[0]) if len(starts) else head, -1))
    return feeders


def _numbered(found: list[tuple[IntArray, int, int]], buses: int) -> FoundAreas:
    area_of_bus = np.full(buses, NO_AREA, dtype=np.int64)
    for number, (members, _, _) in enumerate(found):
        area_of_bus[members] = number
    areas = Areas(
        id=tuple(f"A{number + 1:03d}" for number in range(len(found))),
        zone=np.zeros(len(found), dtype=np.int64),
        bus=np.array([bus for _, bus, _ in found], dtype=np.int64),
        transformer=np.array([transformer for _, _, transformer in found], dtype=np.int64),
    )
    return FoundAreas(areas, area_of_bus)
