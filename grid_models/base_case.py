"""A static evening peak from the connection table: the case for which the district is sized."""

from collections.abc import Collection

import numpy as np

from grid_models.district import USES, FloatArray, Network

# Share of the row's power that runs at the common peak, by use. Negative rows generate.
COINCIDENCE_FRAC = {
    "apartment": 0.85,
    "detached": 0.85,
    "office": 0.7,
    "retail": 0.9,
    "school": 0.4,
    "public": 0.7,
    "data_centre": 0.9,
    "street_lighting": 1.0,
    "standard_charging": 0.2,
    "quick_charging": 0.5,
    "super_fast_charging": 0.5,
    "fuel_cell": -0.85,
    "biogas": -0.5,
    "battery": 0.0,
    "heat_pump": 0.5,
    "canopy_pv": 0.0,
}
Q_PER_P = float(np.tan(np.arccos(0.95)))  # loads of buildings; plants and chargers keep cos phi 1
REACTIVE_USES = ("apartment", "detached", "office", "retail", "school", "public", "data_centre")


def base_case(network: Network, uses: Collection[str] = USES) -> tuple[FloatArray, FloatArray]:
    """What every bus draws at the common evening peak, of these uses: (N,) kW and (N,) kvar."""
    table, buses = network.connections, len(network.buses.id)
    share = np.array([COINCIDENCE_FRAC[use] if use in uses else 0.0 for use in table.use])
    reactive = np.array([Q_PER_P if use in REACTIVE_USES else 0.0 for use in table.use])
    p_kw = share * table.p_kw
    p_bus_kw = np.bincount(table.bus, weights=p_kw, minlength=buses)
    q_bus_kvar = np.bincount(table.bus, weights=p_kw * reactive, minlength=buses)
    return p_bus_kw.astype(np.float64), q_bus_kvar.astype(np.float64)
