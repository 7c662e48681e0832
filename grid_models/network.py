"""District tables to pandapower and back to plain arrays; `net` never leaves this folder.

pandapower is imported when the first network is translated: it takes seconds, and most users of
the tables never need it.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from grid_models.branches import BASE_MVA, ComplexArray
from grid_models.district import BoolArray, FloatArray, Network
from grid_models.topology import supplied_buses

if TYPE_CHECKING:
    from pandapower import pandapowerNet

NEWTON_ITERATIONS = 30
NEWTON_TOLERANCE_MVA = 1e-9


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pandapower's warnings and log lines to itself; what matters is checked on our side."""
    logger = logging.getLogger("pandapower")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def build_net(network: Network, supplied: BoolArray) -> "pandapowerNet":
    """The network as pandapower's own: one load per bus, in our order, with zero power.

    Buses without supply are switched off.
    """
    with quiet():
        return _build_net(network, supplied)


def newton_voltages(
    net: "pandapowerNet", p_kw: FloatArray, q_kvar: FloatArray
) -> ComplexArray | None:
    """Complex bus voltages (N,) of pandapower's Newton-Raphson; None when it does not converge.

    Buses without supply have NaN.
    """
    with quiet():
        net.load["p_mw"] = p_kw / 1000
        net.load["q_mvar"] = q_kvar / 1000
        if not _run(net):
            return None
        result = net.res_bus
        angle_rad = np.deg2rad(result.va_degree.to_numpy(dtype=np.float64))
        v: ComplexArray = result.vm_pu.to_numpy(dtype=np.float64) * np.exp(1j * angle_rad)
    return v


def write_pandapower_json(
    network: Network, p_kw: FloatArray, q_kvar: FloatArray, path: Path
) -> None:
    """Write the network and what every bus draws as a net that `pandapower.from_json` reads."""
    net = build_net(network, supplied_buses(network))
    with quiet():
        import pandapower as pp

        net.load["p_mw"] = p_kw / 1000
        net.load["q_mvar"] = q_kvar / 1000
        pp.to_json(net, str(path))


def _run(net: "pandapowerNet") -> bool:
    """Whether pandapower's power flow converges. Numba would cost seconds for these few runs."""
    import pandapower as pp
    from pandapower.powerflow import LoadflowNotConverged

    try:
        pp.runpp(
            net,
            algorithm="nr",
            init="flat",
            numba=False,
            trafo_model="pi",
            calculate_voltage_angles=True,
            max_iteration=NEWTON_ITERATIONS,
            tolerance_mva=NEWTON_TOLERANCE_MVA,
        )
    except (LoadflowNotConverged, FloatingPointError, np.linalg.LinAlgError):
        return False
    return bool(net.converged)


def _build_net(network: Network, supplied: BoolArray) -> "pandapowerNet":
    """The pandapower net: one load per bus, in our order, with zero power."""
    import pandapower as pp

    net = pp.create_empty_network(name=network.name, f_hz=network.f_hz, sn_mva=BASE_MVA)
    buses = len(network.buses.id)
    table = network.buses
    pp.create_buses(
        net,
        buses,
        vn_kv=table.vn_kv,
        name=list(table.id),
        in_service=supplied,
        min_vm_pu=table.v_min_pu,
        max_vm_pu=table.v_max_pu,
        geodata=list(zip(table.x_m.tolist(), table.y_m.tolist(), strict=True)),
    )
    pp.create_ext_grid(net, network.slack_bus, vm_pu=network.slack_v_pu)
    if len(network.lines.id):
        _add_lines(net, network, supplied)
    if len(network.transformers.id):
        _add_transformers(net, network, supplied)
    zero = np.zeros(buses)
    pp.create_loads(net, np.arange(buses), p_mw=zero, q_mvar=zero, in_service=supplied)
    return net


def _add_lines(net: "pandapowerNet", network: Network, supplied: BoolArray) -> None:
    import pandapower as pp

    lines = network.lines
    pp.create_lines_from_parameters(
        net,
        lines.from_bus,
        lines.to_bus,
        length_km=lines.length_km,
        r_ohm_per_km=lines.r_ohm_per_km,
        x_ohm_per_km=lines.x_ohm_per_km,
        c_nf_per_km=lines.c_nf_per_km,
        max_i_ka=lines.i_a_max / 1000,
        name=list(lines.id),
        parallel=lines.parallel,
        in_service=lines.closed & supplied[lines.from_bus],
    )


def _add_transformers(net: "pandapowerNet", network: Network, supplied: BoolArray) -> None:
    import pandapower as pp

    table = network.transformers
    pp.create_transformers_from_parameters(
        net,
        table.hv_bus,
        table.lv_bus,
        sn_mva=table.s_kva / 1000,
        name=list(table.id),
        vn_hv_kv=table.vn_hv_kv,
        vn_lv_kv=table.vn_lv_kv,
        vkr_percent=table.vkr_frac * 100,
        vk_percent=table.vk_frac * 100,
        pfe_kw=table.pfe_kw,
        i0_percent=table.i0_frac * 100,
        tap_side="hv",
        tap_neutral=0,
        tap_min=table.tap_min,
        tap_max=table.tap_max,
        tap_step_percent=table.tap_step_frac * 100,
        tap_step_degree=0.0,
        tap_pos=table.tap_pos,
        tap_changer_type="Ratio",
        in_service=supplied[table.hv_bus],
    )
