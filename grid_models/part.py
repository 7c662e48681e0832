"""A part of a network: the same tables without the buses that are left out."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from grid_models.district import NO_AREA, BoolArray, IntArray, Network
from grid_models.topology import supplied_buses

Table = TypeVar("Table")


@dataclass(frozen=True, eq=False)
class Part:
    """A network of some buses of another; the rest are positions of its rows in the whole."""

    network: Network
    bus: IntArray
    line: IntArray
    transformer: IntArray
    area: IntArray


def supplied_part(network: Network) -> Part:
    """What is joined with the slack bus."""
    return part_of(network, supplied_buses(network))


def part_of(network: Network, kept: BoolArray) -> Part:
    """The buses that are `kept` (N,), with the wires between them and what hangs on them.

    The slack bus must be among them. An area goes with its busbar.
    """
    lines, table = network.lines, network.transformers
    bus = np.flatnonzero(kept)
    area = np.flatnonzero(kept[network.areas.bus])
    line = np.flatnonzero(kept[lines.from_bus] & kept[lines.to_bus])
    transformer = np.flatnonzero(kept[table.hv_bus] & kept[table.lv_bus])
    to_bus = _new_places(bus, len(kept))
    to_area = _new_places(area, len(network.areas.id))
    to_transformer = _new_places(transformer, len(table.id))
    buses = _moved(taken(network.buses, bus), ("area",), to_area)
    rows = np.flatnonzero(kept[network.connections.bus])
    rows = rows[buses.area[to_bus[network.connections.bus[rows]]] != NO_AREA]
    part = replace(
        network,
        buses=buses,
        lines=_moved(taken(lines, line), ("from_bus", "to_bus"), to_bus),
        transformers=_moved(
            _moved(taken(table, transformer), ("hv_bus", "lv_bus"), to_bus), ("area",), to_area
        ),
        areas=_moved(
            _moved(taken(network.areas, area), ("bus",), to_bus), ("transformer",), to_transformer
        ),
        connections=_moved(taken(network.connections, rows), ("bus",), to_bus),
        slack_bus=int(to_bus[network.slack_bus]),
    )
    return Part(part, bus, line, transformer, area)


def without_transformer(network: Network, row: int) -> Network:
    """The network without one transformer; the area that it fed has none of its own."""
    rows = np.delete(np.arange(len(network.transformers.id)), row)
    to_transformer = _new_places(rows, len(network.transformers.id))
    return replace(
        network,
        transformers=taken(network.transformers, rows),
        areas=_moved(network.areas, ("transformer",), to_transformer),
    )


def _new_places(kept: IntArray, size: int) -> IntArray:
    """New place of every old one, -1 for those left out, and -1 again for -1 itself."""
    places = np.full(size + 1, NO_AREA, dtype=np.int64)
    places[kept] = np.arange(len(kept))
    return places


def taken(table: Table, rows: IntArray) -> Table:
    """The given rows of a table, in that order."""
    columns: dict[str, Any] = {}
    for field in fields(table):  # type: ignore[arg-type]
        column = getattr(table, field.name)
        columns[field.name] = (
            tuple(column[row] for row in rows) if isinstance(column, tuple) else column[rows]
        )
    return type(table)(**columns)


def _moved(table: Table, columns: Iterable[str], place: IntArray) -> Table:
    """A table whose bus columns point at the buses' new places."""
    changed: dict[str, Any] = {name: place[getattr(table, name)] for name in columns}
    return replace(table, **changed)  # type: ignore[type-var]
