"""Two-port admittances of lines and transformers, from the tables alone.

Power flows are solved and linearised on them, at once, where pandapower takes seconds to load.
Per unit on 1 MVA and the buses' rated voltages; pi model for both kinds of branch. Lines come
first, then transformers (from = high side). Open lines have zero admittance.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from grid_models.district import FloatArray, IntArray, Network

ComplexArray = npt.NDArray[np.complex128]
BASE_MVA = 1.0
KW_PER_BASE = 1000.0 * BASE_MVA


@dataclass(frozen=True, eq=False)
class Branches:
    """Two-ports of E = L + K branches: i_from = y_ff v_from + y_ft v_to, and so on.

    rating_from, rating_to: per-unit current at full load, seen at each end.
    """

    lines: int
    from_bus: IntArray
    to_bus: IntArray
    y_ff: ComplexArray
    y_ft: ComplexArray
    y_tf: ComplexArray
    y_tt: ComplexArray
    rating_from: FloatArray
    rating_to: FloatArray


@dataclass(frozen=True, eq=False)
class BranchFlows:
    """Currents in per unit and what enters each end in kW and kvar (complex), all (E,)."""

    i_from: ComplexArray
    i_to: ComplexArray
    s_from_kva: ComplexArray
    s_to_kva: ComplexArray


def build_branches(network: Network) -> Branches:
    """The two-ports of all lines and transformers of a network."""
    line, transformer = _line_ports(network), _transformer_ports(network)
    ports = [np.concatenate(pair) for pair in zip(line, transformer, strict=True)]
    rated = [
        np.concatenate(pair)
        for pair in zip(_line_ratings(network), _transformer_ratings(network), strict=True)
    ]
    return Branches(
        lines=len(network.lines.id),
        from_bus=np.concatenate([network.lines.from_bus, network.transformers.hv_bus]),
        to_bus=np.concatenate([network.lines.to_bus, network.transformers.lv_bus]),
        y_ff=ports[0],
        y_ft=ports[1],
        y_tf=ports[2],
        y_tt=ports[3],
        rating_from=rated[0],
        rating_to=rated[1],
    )


def bus_admittance(branches: Branches, buses: int) -> csr_array:
    """The bus admittance matrix, (N, N) in per unit."""
    f, t = branches.from_bus, branches.to_bus
    rows, columns = np.concatenate([f, f, t, t]), np.concatenate([f, t, f, t])
    values = np.concatenate([branches.y_ff, branches.y_ft, branches.y_tf, branches.y_tt])
    return csr_array(coo_array((values, (rows, columns)), shape=(buses, buses)))


def branch_flows(branches: Branches, v: ComplexArray) -> BranchFlows:
    """Currents and powers at both ends of every branch for complex bus voltages (N,)."""
    v_from, v_to = v[branches.from_bus], v[branches.to_bus]
    i_from = branches.y_ff * v_from + branches.y_ft * v_to
    i_to = branches.y_tf * v_from + branches.y_tt * v_to
    return BranchFlows(
        i_from=i_from,
        i_to=i_to,
        s_from_kva=v_from * i_from.conj() * KW_PER_BASE,
        s_to_kva=v_to * i_to.conj() * KW_PER_BASE,
    )


def loadings(branches: Branches, flows: BranchFlows) -> FloatArray:
    """Current over rated current at the busier end of every branch, (E,)."""
    loading: FloatArray = np.maximum(
        np.abs(flows.i_from) / branches.rating_from, np.abs(flows.i_to) / branches.rating_to
    )
    return loading


def _line_ports(network: Network) -> tuple[ComplexArray, ComplexArray, ComplexArray, ComplexArray]:
    """y_ff, y_ft, y_tf, y_tt of the lines; half of the capacitance stands at each end."""
    lines = network.lines
    v_kv = network.buses.vn_kv[lines.from_bus]
    z_base_ohm = v_kv**2 / BASE_MVA
    z_ohm = (lines.r_ohm_per_km + 1j * lines.x_ohm_per_km) * lines.length_km / lines.parallel
    c_f = lines.c_nf_per_km * 1e-9 * lines.length_km * lines.parallel
    half = 0.5j * 2 * np.pi * network.f_hz * c_f * z_base_ohm
    closed = lines.closed.astype(np.float64)
    own = np.asarray((z_base_ohm / z_ohm + half) * closed, dtype=np.complex128)
    other = np.asarray(-z_base_ohm / z_ohm * closed, dtype=np.complex128)
    return own, other, other, own


def _transformer_ports(
    network: Network,
) -> tuple[ComplexArray, ComplexArray, ComplexArray, ComplexArray]:
    """y_ff, y_ft, y_tf, y_tt of the transformers; impedances are seen from the low side.

    The magnetising branch is split in halves over both ends; the tap moves the high side.
    """
    table, vn_kv = network.transformers, network.buses.vn_kv
    low_kv, high_kv = vn_kv[table.lv_bus], vn_kv[table.hv_bus]
    ratio = (table.vn_hv_kv * (1 + table.tap_pos * table.tap_step_frac) / high_kv) / (
        table.vn_lv_kv / low_kv
    )
    s_mva = table.s_kva / 1000
    scale = (table.vn_lv_kv / low_kv) ** 2 * BASE_MVA / s_mva
    x_frac = np.sqrt(table.vk_frac**2 - table.vkr_frac**2)
    series = 1 / ((table.vkr_frac + 1j * x_frac) * scale)
    g_frac = table.pfe_kw / table.s_kva
    b_frac = np.sqrt(np.maximum(table.i0_frac**2 - g_frac**2, 0.0))
    half = 0.5 * (g_frac - 1j * b_frac) / scale
    own: ComplexArray = series + half
    across: ComplexArray = -series / ratio
    seen_high: ComplexArray = own / ratio**2
    return seen_high, across, across, own


def _line_ratings(network: Network) -> tuple[FloatArray, FloatArray]:
    """Per-unit current of fully loaded lines at both ends."""
    lines = network.lines
    i_base_a = BASE_MVA * 1000 / (np.sqrt(3) * network.buses.vn_kv[lines.from_bus])
    rating = lines.i_a_max * lines.parallel / i_base_a
    return rating, rating


def _transformer_ratings(network: Network) -> tuple[FloatArray, FloatArray]:
    """Per-unit current of fully loaded transformers at the high and at the low side."""
    table, vn_kv = network.transformers, network.buses.vn_kv
    s_pu = table.s_kva / KW_PER_BASE
    at_high = s_pu * vn_kv[table.hv_bus] / table.vn_hv_kv
    at_low = s_pu * vn_kv[table.lv_bus] / table.vn_lv_kv
    return at_high, at_low
