"""How loadings, voltages and losses move when an area draws a little more, at one solution.

First derivatives from the Jacobian of the power balance in polar coordinates, factorised once for
all columns. The power of an area is spread over its buses as a BusShare says.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csc_array, csr_array, diags_array, hstack, vstack
from scipy.sparse.linalg import splu

from grid_models.branches import (
    KW_PER_BASE,
    Branches,
    ComplexArray,
    branch_flows,
    build_branches,
    bus_admittance,
)
from grid_models.district import BusShare, FloatArray, GridError, IntArray, Network
from grid_models.power_flow import FlowResult

NO_CURRENT_PU = 1e-9  # below it a current has no direction, and its size no derivative


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """Derivatives at one solution to what each area draws, per kW and per kvar.

    Rows are lines (L, A), transformers (K, A) or buses (N, A). `loss_per_kw` (A,) is the marginal
    loss factor: how many kW more the wires lose when the area draws one kW more.
    """

    line_loading_per_kw: FloatArray
    transformer_loading_per_kw: FloatArray
    v_pu_per_kw: FloatArray
    loss_per_kw: FloatArray
    line_loading_per_kvar: FloatArray
    transformer_loading_per_kvar: FloatArray
    v_pu_per_kvar: FloatArray
    loss_per_kvar: FloatArray


def busbar_share(network: Network) -> BusShare:
    """All power of an area at its busbar: the spread for want of a better one."""
    areas = network.areas
    return BusShare(areas.bus, np.arange(len(areas.id)), np.ones(len(areas.id)))


def complete_share(network: Network, share: BusShare | None) -> BusShare:
    """The share, with the areas that have no row in it at their busbars; all there without one."""
    if share is None:
        return busbar_share(network)
    missing = np.setdiff1d(np.arange(len(network.areas.id)), share.area)
    return BusShare(
        bus=np.concatenate([share.bus, network.areas.bus[missing]]),
        area=np.concatenate([share.area, missing]),
        share=np.concatenate([share.share, np.ones(len(missing))]),
    )


def build_sensitivities(
    network: Network, flow: FlowResult, share: BusShare | None = None
) -> Sensitivities:
    """The derivatives at a converged flow; the spread within areas is `share`, else the busbar.

    Areas without a row in `share`, such as those of a plant among shares of the load, are taken
    at their busbar too.

    Raises GridError for a flow that has no solution.
    """
    if not flow.converged:
        raise GridError(f"network {network.name}: no sensitivities without a flow, {flow.reason}")
    branches = build_branches(network)
    v: ComplexArray = flow.v_pu * np.exp(1j * flow.angle_rad)
    admittance = bus_admittance(branches, len(v))
    balance = _power_derivative(admittance, v)
    moves = _state_moves(balance, network, complete_share(network, share))
    buses, areas, lines = len(v), len(network.areas.id), branches.lines
    loading = _loading_derivative(branches, v) @ moves
    v_pu = moves[buses:]
    # The slack delivers what the areas draw more and what the wires lose more.
    delivered = KW_PER_BASE * (balance[[network.slack_bus]] @ moves)[0]
    return Sensitivities(
        line_loading_per_kw=loading[:lines, :areas],
        transformer_loading_per_kw=loading[lines:, :areas],
        v_pu_per_kw=v_pu[:, :areas],
        loss_per_kw=delivered[:areas] - 1.0,
        line_loading_per_kvar=loading[:lines, areas:],
        transformer_loading_per_kvar=loading[lines:, areas:],
        v_pu_per_kvar=v_pu[:, areas:],
        loss_per_kvar=delivered[areas:],
    )


def _power_derivative(admittance: csr_array, v: ComplexArray) -> csr_array:
    """How injected P (N rows), then Q (N rows), follow angles (N columns), then magnitudes."""
    i_conj: ComplexArray = np.asarray(admittance @ v, dtype=np.complex128).conj()
    unit = v / np.abs(v)
    by_angle = 1j * (diags_array(v * i_conj) - _scaled(admittance.conj(), v, v.conj()))
    by_size = _scaled(admittance.conj(), v, unit.conj()) + diags_array(i_conj * unit)
    both = csr_array(hstack([by_angle, by_size]))
    return csr_array(vstack([both.real, both.imag]))


def _scaled(matrix: csr_array, left: ComplexArray, right: ComplexArray) -> csr_array:
    """diag(left) @ matrix @ diag(right)."""
    return csr_array(diags_array(left) @ matrix @ diags_array(right))


def _state_moves(balance: csr_array, network: Network, share: BusShare) -> FloatArray:
    """Angles (N rows) and magnitudes (N rows) per kW, then per kvar, of each area, (2N, 2A)."""
    buses, areas = len(network.buses.id), len(network.areas.id)
    free = np.flatnonzero(np.arange(buses) != network.slack_bus)
    state = np.concatenate([free, buses + free])
    jacobian = csc_array(balance[state][:, state])
    row = np.concatenate([share.bus, buses + share.bus])
    column = np.concatenate([share.area, areas + share.area])
    drawn = np.tile(-share.share / KW_PER_BASE, 2)
    right = coo_array((drawn, (row, column)), shape=(2 * buses, 2 * areas)).toarray()
    moves = np.zeros((2 * buses, 2 * areas))
    moves[state] = splu(jacobian).solve(right[state])
    return moves


def _loading_derivative(branches: Branches, v: ComplexArray) -> csr_array:
    """How the loading of each branch (E rows) follows angles (N columns), then magnitudes.

    Loading is taken at the end where it is higher at this solution.
    """
    flows = branch_flows(branches, v)
    at_from = np.abs(flows.i_from) / branches.rating_from >= np.abs(flows.i_to) / branches.rating_to
    current = np.where(at_from, flows.i_from, flows.i_to)
    size = np.abs(current)
    rating = np.where(at_from, branches.rating_from, branches.rating_to)
    safe = np.where(size > NO_CURRENT_PU, size, np.inf)
    weight = np.asarray(current.conj() / safe / rating, dtype=np.complex128)
    by_from: ComplexArray = weight * np.where(at_from, branches.y_ff, branches.y_tf)
    by_to: ComplexArray = weight * np.where(at_from, branches.y_ft, branches.y_tt)
    return _by_state(branches, by_from, by_to, v)


def _by_state(
    branches: Branches, by_from: ComplexArray, by_to: ComplexArray, v: ComplexArray
) -> csr_array:
    """Re(by_from dv_from + by_to dv_to) in angles and magnitudes, (E, 2N)."""
    branch: IntArray = np.arange(len(by_from))
    bus = np.concatenate([branches.from_bus, branches.to_bus])
    by_v = np.concatenate([by_from, by_to])
    values = np.concatenate([(by_v * 1j * v[bus]).real, (by_v * v[bus] / np.abs(v[bus])).real])
    rows, columns = np.tile(branch, 4), np.concatenate([bus, len(v) + bus])
    return csr_array(coo_array((values, (rows, columns)), shape=(len(branch), 2 * len(v))))
