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
    at their busbar too. Raises GridError for a flow that has no solution.
    """
    tangent = Tangent(network, flow, share)
    moves = tangent.state_moves()
    buses, areas, lines = len(network.buses.id), len(network.areas.id), len(network.lines.id)
    loading = tangent.loading @ moves
    v_pu = moves[buses:]
    # The slack delivers what the areas draw more and what the wires lose more.
    delivered = KW_PER_BASE * (tangent.balance[[network.slack_bus]] @ moves)[0]
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


class Tangent:
    """The linear network at one solution, its Jacobian factorised once.

    The state is the angle of every bus (N), then its voltage (N), in per unit. `balance` (2N, 2N)
    is how injected P and Q follow it, `loading` (E, 2N) how the branches' loadings do; `share` is
    the whole spread of areas over buses.
    """

    def __init__(self, network: Network, flow: FlowResult, share: BusShare | None = None) -> None:
        if not flow.converged:
            raise GridError(
                f"network {network.name}: no sensitivities without a flow, {flow.reason}"
            )
        branches = build_branches(network)
        v: ComplexArray = flow.v_pu * np.exp(1j * flow.angle_rad)
        self.balance = _power_derivative(bus_admittance(branches, len(v)), v)
        self.loading = _loading_derivative(branches, v)
        self._buses, self._areas = len(v), len(network.areas.id)
        self._slack = network.slack_bus
        self.share = complete_share(network, share)
        free = np.flatnonzero(np.arange(len(v)) != network.slack_bus)
        self._state = np.concatenate([free, len(v) + free])
        self._factors = splu(csc_array(self.balance[self._state][:, self._state]))

    def state_moves(self) -> FloatArray:
        """The state per kW, then per kvar, that each area draws more, (2N, 2A)."""
        share, buses, areas = self.share, self._buses, self._areas
        row = np.concatenate([share.bus, buses + share.bus])
        column = np.concatenate([share.area, areas + share.area])
        drawn = np.tile(-share.share / KW_PER_BASE, 2)
        right = coo_array((drawn, (row, column)), shape=(2 * buses, 2 * areas)).toarray()
        moves = np.zeros((2 * buses, 2 * areas))
        moves[self._state] = self._factors.solve(right[self._state])
        return moves

    def loadings_per_kw(self, branches: IntArray) -> FloatArray:
        """How the loadings of some branches follow the areas' power, (rows, A)."""
        return self._per_kw(self.loading[branches].toarray())

    def voltages_per_kw(self, buses: IntArray) -> FloatArray:
        """How the voltages of some buses follow the areas' power, (rows, A)."""
        rows = np.zeros((len(buses), 2 * self._buses))
        rows[np.arange(len(buses)), self._buses + buses] = 1.0
        return self._per_kw(rows)

    def losses_per_kw(self) -> FloatArray:
        """How many kW more the wires lose when an area draws one kW more, (A,)."""
        # The slack delivers what the areas draw more and what the wires lose more.
        delivered = KW_PER_BASE * self.balance[[self._slack]].toarray()
        losses: FloatArray = self._per_kw(delivered)[0] - 1.0
        return losses

    def _per_kw(self, rows: FloatArray) -> FloatArray:
        """Rows over the state as rows over the areas' kW: one solve with the transpose each."""
        back = np.zeros_like(rows)
        if len(rows):
            # The stubs do not know of the transpose.
            solved = self._factors.solve(rows[:, self._state].T, trans="T")  # type: ignore[call-overload]
            back[:, self._state] = solved.T
        share, per_kw = self.share, np.zeros((len(rows), self._areas))
        for row, multipliers in enumerate(back):
            weight = -share.share / KW_PER_BASE * multipliers[share.bus]
            per_kw[row] = np.bincount(share.area, weight, self._areas)
        return per_kw


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
