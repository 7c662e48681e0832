"""Which buses the slack bus reaches, and the parts that hang below a busbar."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from grid_models.district import BoolArray, IntArray, Network


def components(buses: int, from_bus: IntArray, to_bus: IntArray) -> IntArray:
    """Number of the connected part that each of `buses` buses belongs to, (N,)."""
    ones = np.ones(len(from_bus), dtype=np.int8)
    graph = coo_array((ones, (from_bus, to_bus)), shape=(buses, buses))
    labels: IntArray = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def closed_ends(network: Network) -> tuple[IntArray, IntArray]:
    """Both ends of every closed line and of every transformer."""
    lines, transformers = network.lines, network.transformers
    near = np.concatenate([lines.from_bus[lines.closed], transformers.hv_bus])
    far = np.concatenate([lines.to_bus[lines.closed], transformers.lv_bus])
    return near, far


def supplied_buses(network: Network) -> BoolArray:
    """Which buses are connected with the slack bus through closed lines and transformers, (N,)."""
    labels = components(len(network.buses.id), *closed_ends(network))
    reached: BoolArray = labels == labels[network.slack_bus]
    return reached
