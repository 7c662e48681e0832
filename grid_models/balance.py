"""Kirchhoff's law in volts and amperes: what every bus would have to draw at given voltages.

The proof of a power flow. It starts again from the tables, in ohm and per phase, and shares
neither the per-unit admittances nor the matrix with which the voltages were found.
"""

import numpy as np

from grid_models.branches import ComplexArray
from grid_models.district import FloatArray, Network


class Balance:
    """The wires of one network in ohm and siemens, ready to be summed up for any voltages."""

    def __init__(self, network: Network) -> None:
        lines, table = network.lines, network.transformers
        self._volt_per_pu = network.buses.vn_kv * 1000 / np.sqrt(3)
        use = np.flatnonzero(lines.closed)
        self._line = (lines.from_bus[use], lines.to_bus[use])
        per_km = (lines.r_ohm_per_km + 1j * lines.x_ohm_per_km)[use]
        self._line_ohm = per_km * lines.length_km[use] / lines.parallel[use]
        farad = lines.c_nf_per_km[use] * 1e-9 * lines.length_km[use] * lines.parallel[use]
        self._line_siemens = 2j * np.pi * network.f_hz * farad
        self._transformer = (table.hv_bus, table.lv_bus)
        turns = table.vn_hv_kv / table.vn_lv_kv
        self._ratio: FloatArray = turns * (1 + table.tap_pos * table.tap_step_frac)
        ohm = (table.vn_lv_kv * 1000) ** 2 / (table.s_kva * 1000)
        x_frac = np.sqrt(table.vk_frac**2 - table.vkr_frac**2)
        self._short_ohm = (table.vkr_frac + 1j * x_frac) * ohm
        watt_frac = table.pfe_kw / table.s_kva
        magnetising_frac = np.sqrt(np.maximum(table.i0_frac**2 - watt_frac**2, 0.0))
        self._idle_siemens = (watt_frac - 1j * magnetising_frac) / ohm

    def leaving_kva(self, v: ComplexArray) -> ComplexArray:
        """What leaves each bus into its lines and transformers, (N,) kW + j kvar, for v in pu."""
        volt = v * self._volt_per_pu
        near, far = volt[self._line[0]], volt[self._line[1]]
        through = (near - far) / self._line_ohm
        half = self._line_siemens / 2
        into_line = (through + half * near, -through + half * far)
        high, low = volt[self._transformer[0]] / self._ratio, volt[self._transformer[1]]
        through = (high - low) / self._short_ohm
        half = self._idle_siemens / 2
        into_transformer = (through + half * high, -through + half * low)
        bus = np.concatenate([*self._line, *self._transformer])
        ends = np.concatenate([near, far, high, low])
        s_kva = 3 * ends * np.concatenate([*into_line, *into_transformer]).conj() / 1000
        real = np.bincount(bus, weights=s_kva.real, minlength=len(v))
        imaginary = np.bincount(bus, weights=s_kva.imag, minlength=len(v))
        total: ComplexArray = real + 1j * imaginary
        return total
