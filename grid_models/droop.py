"""Inverters that hold the voltage: reactive power by the voltage at their bus, Q(U).

Inside the dead band they give none; beyond it the reactive power rises in a straight line to its
most at the edges of the band: drawn where the voltage is high, given where it is low. The curve is
that of VDE-AR-N 4105; the most follows from the least power factor (B: 90 % for Korean connections,
ftz.myds.me, 2022-07).
"""

from dataclasses import dataclass

import numpy as np

from grid_models.district import FloatArray, IntArray
from grid_models.power_flow import FlowResult, PowerFlow

ROUNDS_MAX = 40
STEP_FRAC = 0.6  # of the way to the curve in a round: stiff networks would swing with the whole
CLOSE_KVAR = 0.01


@dataclass(frozen=True, eq=False)
class QDroop:
    """Inverters by bus, I of them; `p_kw_rated` with the least power factor gives the most Q."""

    bus: IntArray
    p_kw_rated: FloatArray
    power_factor_min: float = 0.9
    v_full_low_pu: float = 0.93
    v_dead_low_pu: float = 0.97
    v_dead_high_pu: float = 1.03
    v_full_high_pu: float = 1.07

    def q_kvar(self, v_pu: FloatArray) -> FloatArray:
        """Reactive power drawn at bus voltages (N,), (I,)."""
        most = self.p_kw_rated * np.tan(np.arccos(self.power_factor_min))
        points = (self.v_full_low_pu, self.v_dead_low_pu, self.v_dead_high_pu, self.v_full_high_pu)
        share = np.interp(v_pu[self.bus], points, (-1.0, 0.0, 0.0, 1.0))
        drawn: FloatArray = most * share
        return drawn


@dataclass(frozen=True, eq=False)
class DroopFlow:
    """A flow with its inverters on their curves: what each draws, (I,), and the rounds it took.

    `settled` is False where they still moved after the last round.
    """

    flow: FlowResult
    q_kvar: FloatArray
    rounds: int
    settled: bool


def run_with_droop(
    power_flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, droop: QDroop
) -> DroopFlow:
    """The flow of (N,) kW and kvar, to which the inverters add what their curve says."""
    given = np.zeros(len(droop.bus))
    buses = len(p_kw)
    for rounds in range(1, ROUNDS_MAX + 1):
        added = np.bincount(droop.bus, given, buses)
        flow = power_flow.run(p_kw, q_kvar + added)
        if not flow.converged:
            return DroopFlow(flow, given, rounds, settled=False)
        wanted = droop.q_kvar(flow.v_pu)
        if np.abs(wanted - given).max(initial=0.0) <= CLOSE_KVAR:
            return DroopFlow(flow, given, rounds, settled=True)
        given = given + STEP_FRAC * (wanted - given)
    return DroopFlow(flow, given, ROUNDS_MAX, settled=False)
