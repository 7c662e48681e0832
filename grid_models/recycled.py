"""pandapower's own quickest way to run many flows on one net, to be compared with ours.

Its structures are kept from the first run on (`recycle`), each solution starts from the last, and
its Newton-Raphson is compiled by numba.
"""

import numpy as np

from grid_models.branches import ComplexArray
from grid_models.district import FloatArray, Network
from grid_models.network import build_net, quiet
from grid_models.topology import supplied_buses

KEPT = {"bus_pq": True, "trafo": False, "gen": False}


class RecycledNewton:
    """A network in pandapower that keeps everything but the loads from run to run."""

    def __init__(self, network: Network) -> None:
        self._net = build_net(network, supplied_buses(network))

    def run(self, p_kw: FloatArray, q_kvar: FloatArray) -> ComplexArray:
        """Complex bus voltages (N,); pandapower's own error where there are none."""
        with quiet():
            import pandapower as pp

            self._net.load["p_mw"] = p_kw / 1000
            self._net.load["q_mvar"] = q_kvar / 1000
            pp.runpp(self._net, trafo_model="pi", numba=True, recycle=KEPT)
        found = self._net.res_bus
        angle_rad = np.deg2rad(found.va_degree.to_numpy(dtype=np.float64))
        v: ComplexArray = found.vm_pu.to_numpy(dtype=np.float64) * np.exp(1j * angle_rad)
        return v
