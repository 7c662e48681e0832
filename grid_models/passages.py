"""What flows through one element into all that hangs behind it, in a radial network.

An element is a passage where its opening would leave some buses dark: a feeder's first cable, a
street's, the transformer of an area. Whatever enters behind it must come through it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid_models.branches import BranchFlows, branch_flows, build_branches
from grid_models.contingencies import feeder_heads
from grid_models.district import BoolArray, FloatArray, GridError, Network
from grid_models.part import without_transformer
from grid_models.power_flow import FlowResult
from grid_models.topology import closed_ends, components, supplied_buses


@dataclass(frozen=True, eq=False)
class Passage:
    """An element with the buses (N,) that it alone feeds.

    `branch` counts lines first, then transformers; `p_kw_rated` is what it passes at its rated
    current and voltage with a power factor of one.
    """

    element: str
    branch: int
    behind: BoolArray
    p_kw_rated: float


class PassageMeter:
    """Reads active power at passages of one network; built once, asked for many flows."""

    def __init__(self, network: Network) -> None:
        self._branches = build_branches(network)

    def through_kw(self, flow: FlowResult, passages: Sequence[Passage]) -> FloatArray:
        """What passes towards the buses behind, at the side of the supply, kW; below 0 what comes
        back; NaN without a flow.
        """
        if not flow.converged:
            return np.full(len(passages), math.nan)
        v = np.asarray(flow.v_pu * np.exp(1j * flow.angle_rad), dtype=np.complex128)
        flows = branch_flows(self._branches, v)
        return np.array([self._one(flows, passage) for passage in passages])

    def _one(self, flows: BranchFlows, passage: Passage) -> float:
        from_is_behind = passage.behind[self._branches.from_bus[passage.branch]]
        side = flows.s_to_kva if from_is_behind else flows.s_from_kva
        return float(side[passage.branch].real)


def find_passage(network: Network, element: str) -> Passage:
    """The passage of a line, a transformer or a feeder, which is its first line: `F3`.

    Raises GridError where there is no such element, it is open, or nothing hangs on it alone.
    """
    lines, table = network.lines, network.transformers
    name = _named(network, element)
    if name in lines.id:
        row = lines.id.index(name)
        branch = row
        behind = _behind_line(network, row)
        v_kv = float(network.buses.vn_kv[lines.from_bus[row]])
        rated_kw = math.sqrt(3) * v_kv * float(lines.i_a_max[row] * lines.parallel[row])
    else:
        row = table.id.index(name)
        branch = len(lines.id) + row
        behind = supplied_buses(network) & ~supplied_buses(without_transformer(network, row))
        rated_kw = float(table.s_kva[row])
    if not behind.any():
        raise GridError(
            f"element {element}: nothing hangs on it alone, allowed is a feeder, a line or a "
            "transformer that alone feeds what stands behind it"
        )
    return Passage(name, branch, behind, rated_kw)


def feeder_names(network: Network) -> tuple[str, ...]:
    """The feeders by the names that `find_passage` knows: `F3` for a first cable `F3-01`."""
    return tuple(head.rsplit("-", 1)[0] for head in feeder_heads(network))


def _named(network: Network, element: str) -> str:
    if element in network.lines.id or element in network.transformers.id:
        return element
    heads = [name for name in feeder_heads(network) if name.startswith(f"{element}-")]
    if not heads or not element:
        raise GridError(
            f"element {element[:60]}: found none of that name, allowed is a feeder, a line or a "
            "transformer"
        )
    return heads[0]


def _behind_line(network: Network, row: int) -> BoolArray:
    near, far = closed_ends(network)
    closed = np.flatnonzero(network.lines.closed)
    kept = np.ones(len(near), dtype=np.bool_)
    kept[np.flatnonzero(closed == row)] = False
    label = components(len(network.buses.id), near[kept], far[kept])
    behind: BoolArray = supplied_buses(network) & (label != label[network.slack_bus])
    return behind
