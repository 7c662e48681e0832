"""AC power flow of a network, proved by an independent summation of Kirchhoff's law at every bus.

The bus admittance matrix is factorised once: the injected currents of the last voltages give the
next voltages (the fixed point that radial networks reach in a few steps). Where that does not
settle, pandapower's Newton-Raphson decides. Either result must then balance in volts and amperes
(balance.py) before it counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from grid_models.balance import Balance
from grid_models.branches import (
    KW_PER_BASE,
    ComplexArray,
    branch_flows,
    build_branches,
    bus_admittance,
    loadings,
)
from grid_models.district import FloatArray, GridError, Network
from grid_models.findings import require_calculable
from grid_models.network import build_net, newton_voltages
from grid_models.topology import supplied_buses

if TYPE_CHECKING:
    from pandapower import pandapowerNet

STEPS_MAX = 60
STEP_PU = 1e-10  # largest change of a voltage at which the fixed point is reached
MISMATCH_KW_MAX = 0.01  # ten watts at any bus, far below a meter's resolution


@dataclass(frozen=True, eq=False)
class FlowResult:
    """What the wires do with given injections; every number is NaN unless `converged`.

    v_pu, angle_rad (N,); line_loading_frac (L,) and transformer_loading_frac (K,) are current
    over rated current at the busier end; p_slack_kw, q_slack_kvar are drawn from the utility;
    mismatch_kw is the largest open balance, active or reactive, at any bus but the slack.
    """

    converged: bool
    reason: str
    v_pu: FloatArray
    angle_rad: FloatArray
    line_loading_frac: FloatArray
    transformer_loading_frac: FloatArray
    p_slack_kw: float
    q_slack_kvar: float
    p_loss_kw: float
    mismatch_kw: float
    seconds: float


class PowerFlow:
    """The AC power flow of one network, built once and run for many injections.

    The last good solution is the start of the next run; a failed run leaves no trace. Tables that
    nobody could calculate with raise GridError; buses without supply are named by every run.
    """

    def __init__(self, network: Network) -> None:
        require_calculable(network)
        self.network = network
        self._branches = build_branches(network)
        self._balance = Balance(network)
        self._supplied = supplied_buses(network)
        others = self._supplied.copy()
        others[network.slack_bus] = False
        self._others = np.flatnonzero(others)
        rows = bus_admittance(self._branches, len(others))[self._others]
        towards_slack = rows[:, [network.slack_bus]].toarray()[:, 0]
        # Without buses besides the slack there is nothing to factorise.
        matrix = csc_array(rows[:, self._others])
        self._solve = _factorised(network, matrix) if len(self._others) else np.copy
        self._no_load: ComplexArray = self._solve(
            np.asarray(-towards_slack * network.slack_v_pu, dtype=np.complex128)
        )
        self._start = self._no_load

    @cached_property
    def _net(self) -> "pandapowerNet":
        """The network in pandapower, translated when it is needed for the first time."""
        return build_net(self.network, self._supplied)

    def run(self, p_kw: FloatArray, q_kvar: FloatArray) -> FlowResult:
        """The flow for what each bus draws, (N,) kW and kvar; generation is negative.

        Never raises for the numbers themselves: NaN input, no convergence or an open balance
        give converged = False with the reason. Arrays of a wrong length raise GridError.
        """
        begin = perf_counter()
        buses = len(self.network.buses.id)
        if np.shape(p_kw) != (buses,) or np.shape(q_kvar) != (buses,):
            found = f"{np.shape(p_kw)} and {np.shape(q_kvar)}"
            raise GridError(f"power flow: injections have shapes {found}, allowed is ({buses},)")
        refusal = self._refusal(p_kw, q_kvar)
        if refusal:
            return self._failed(refusal, begin)
        v = self._fixed_point(p_kw, q_kvar)
        if v is None:
            v = newton_voltages(self._net, p_kw, q_kvar)
        if v is None or not np.isfinite(v).all():
            return self._failed("no voltages balance these injections", begin)
        return self._proved(v, p_kw, q_kvar, begin)

    def _refusal(self, p_kw: FloatArray, q_kvar: FloatArray) -> str:
        """Why these injections cannot be run, empty if they can."""
        ids = self.network.buses.id
        finite = np.isfinite(p_kw) & np.isfinite(q_kvar)
        if not finite.all():
            bus = int(np.argmin(finite))
            return f"bus {ids[bus]}: injection is {p_kw[bus]} kW, {q_kvar[bus]} kvar"
        if not self._supplied.all():
            dark = np.flatnonzero(~self._supplied)
            return f"{len(dark)} buses without supply, the first is {ids[dark[0]]}"
        return ""

    def _fixed_point(self, p_kw: FloatArray, q_kvar: FloatArray) -> ComplexArray | None:
        """Voltages (N,) at which injected currents and voltages agree; None if they drift."""
        s_drawn = (p_kw - 1j * q_kvar)[self._others] / KW_PER_BASE
        inner: ComplexArray = self._start
        step = np.inf
        with np.errstate(all="ignore"):
            for _ in range(STEPS_MAX):
                new: ComplexArray = self._no_load - self._solve(s_drawn / inner.conj())
                last, step = step, float(np.abs(new - inner).max(initial=0.0))
                inner = new
                if step <= STEP_PU:
                    return self._whole(new)
                # Steps that do not shrink belong to a network near or past its voltage limit.
                if not step < 0.98 * last:
                    return None
        return None

    def _whole(self, inner: ComplexArray) -> ComplexArray:
        """All bus voltages from those besides the slack."""
        v = np.full(len(self._supplied), complex(np.nan, np.nan))
        v[self._others] = inner
        v[self.network.slack_bus] = self.network.slack_v_pu
        return v

    def _proved(
        self, v: ComplexArray, p_kw: FloatArray, q_kvar: FloatArray, begin: float
    ) -> FlowResult:
        """The result for solved voltages, or a failure if the balances stay open."""
        s_open_kva = self._balance.leaving_kva(v) + p_kw + 1j * q_kvar
        slack = self.network.slack_bus
        s_slack_kva = complex(s_open_kva[slack])
        s_open_kva[slack] = 0.0
        gaps = np.maximum(np.abs(s_open_kva.real), np.abs(s_open_kva.imag))
        worst = int(np.argmax(gaps))
        if not gaps[worst] <= MISMATCH_KW_MAX:
            bus = self.network.buses.id[worst]
            return self._failed(f"bus {bus}: {gaps[worst]:.3g} kW remain open", begin)
        self._start = v[self._others]
        flows = branch_flows(self._branches, v)
        loading_frac = loadings(self._branches, flows)
        return FlowResult(
            converged=True,
            reason="",
            v_pu=np.abs(v),
            angle_rad=np.angle(v),
            line_loading_frac=loading_frac[: self._branches.lines],
            transformer_loading_frac=loading_frac[self._branches.lines :],
            p_slack_kw=s_slack_kva.real,
            q_slack_kvar=s_slack_kva.imag,
            p_loss_kw=float((flows.s_from_kva + flows.s_to_kva).real.sum()),
            mismatch_kw=float(gaps[worst]),
            seconds=perf_counter() - begin,
        )

    def _failed(self, reason: str, begin: float) -> FlowResult:
        """A result without numbers; the next run starts from the voltages without load."""
        self._start = self._no_load
        buses, lines = len(self._supplied), self._branches.lines
        nan = float("nan")
        return FlowResult(
            converged=False,
            reason=reason,
            v_pu=np.full(buses, nan),
            angle_rad=np.full(buses, nan),
            line_loading_frac=np.full(lines, nan),
            transformer_loading_frac=np.full(len(self._branches.y_ff) - lines, nan),
            p_slack_kw=nan,
            q_slack_kvar=nan,
            p_loss_kw=nan,
            mismatch_kw=nan,
            seconds=perf_counter() - begin,
        )


def _factorised(network: Network, matrix: csc_array) -> Callable[[ComplexArray], ComplexArray]:
    """Solves the network's admittance matrix for given currents."""
    try:
        solve: Callable[[ComplexArray], ComplexArray] = splu(matrix).solve
    except RuntimeError as error:
        raise GridError(
            f"network {network.name}: the admittance matrix is singular, allowed are impedances "
            "above 0 that join every bus to the slack bus"
        ) from error
    return solve
