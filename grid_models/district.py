"""The wires of a district as plain data: buses, lines, transformers, areas, connections.

Arrays of one table have one length and one order; `*_bus` and `*_area` hold positions in the
tables `buses` and `areas`. Voltages are line to line in kV, limits in per unit of `vn_kv`.
Impedances are per phase, in ohm per km of one cable; `parallel` equal cables share the current.

Error tree: GridError (everything this library refuses, in one sentence).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

BUS_KINDS = ("hv", "mv", "lv_busbar", "lv")
USES = (
    "apartment",
    "detached",
    "office",
    "retail",
    "school",
    "public",
    "data_centre",
    "street_lighting",
    "standard_charging",
    "quick_charging",
    "super_fast_charging",
    "fuel_cell",
    "biogas",
    "battery",
    "heat_pump",
    "canopy_pv",
)
NO_AREA = -1


class GridError(Exception):
    """Something about the wires is not acceptable; says what, which, found and allowed."""


@dataclass(frozen=True, eq=False)
class Buses:
    """Nodes, N of them. `area` is NO_AREA (-1) on the backbone; `kind` is one of BUS_KINDS."""

    id: tuple[str, ...]
    vn_kv: FloatArray
    x_m: FloatArray
    y_m: FloatArray
    area: IntArray
    kind: tuple[str, ...]
    v_min_pu: FloatArray
    v_max_pu: FloatArray


@dataclass(frozen=True, eq=False)
class Lines:
    """Cables, L of them. `i_a_max` is for one cable; open tie switches have closed = False."""

    id: tuple[str, ...]
    from_bus: IntArray
    to_bus: IntArray
    length_km: FloatArray
    r_ohm_per_km: FloatArray
    x_ohm_per_km: FloatArray
    c_nf_per_km: FloatArray
    i_a_max: FloatArray
    parallel: IntArray
    closed: BoolArray


@dataclass(frozen=True, eq=False)
class Transformers:
    """Two-winding transformers, K of them.

    The tap stands on the high side: its ratio is 1 + tap_pos * tap_step_frac, so a negative
    position raises the low side. `area` is -1 for a transformer that feeds no area.
    """

    id: tuple[str, ...]
    hv_bus: IntArray
    lv_bus: IntArray
    s_kva: FloatArray
    vn_hv_kv: FloatArray
    vn_lv_kv: FloatArray
    vk_frac: FloatArray
    vkr_frac: FloatArray
    pfe_kw: FloatArray
    i0_frac: FloatArray
    tap_pos: IntArray
    tap_min: IntArray
    tap_max: IntArray
    tap_step_frac: FloatArray
    area: IntArray


@dataclass(frozen=True, eq=False)
class Areas:
    """What hangs under one distribution transformer, A of them.

    `zone` is a position in Network.zones, `bus` the low-voltage busbar (or the first bus of a
    feeder), `transformer` a position in Network.transformers, -1 where there is none.
    """

    id: tuple[str, ...]
    zone: IntArray
    bus: IntArray
    transformer: IntArray


@dataclass(frozen=True, eq=False)
class Connections:
    """What is connected where, one row per connection point and use.

    `use` is one of USES; `homes` counts dwellings, `floor_m2` the floor area served, `count` the
    customers, chargers, lamps or units, `p_kw` the design or rated power of the whole row.
    `building` names what rows stand together in; where it is empty each customer is one of its own.
    """

    bus: IntArray
    use: tuple[str, ...]
    homes: IntArray
    floor_m2: FloatArray
    count: IntArray
    p_kw: FloatArray
    building: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Network:
    """A district's wires and what hangs on them; `slack_bus` is held at `slack_v_pu`.

    The frequency turns capacitances into charging currents; reactances are given at it.
    """

    name: str
    buses: Buses
    lines: Lines
    transformers: Transformers
    areas: Areas
    zones: tuple[str, ...]
    connections: Connections
    slack_bus: int
    slack_v_pu: float
    f_hz: float = 60.0


@dataclass(frozen=True, eq=False)
class BusShare:
    """How a quantity of the areas spreads over buses: `share` of area `area` stands at `bus`."""

    bus: IntArray
    area: IntArray
    share: FloatArray

    def at_buses(self, area_kw: FloatArray, buses: int) -> FloatArray:
        """The areas' quantity (A,) at each of `buses` buses, (N,)."""
        spread = np.bincount(self.bus, self.share * area_kw[self.area], buses)
        return spread.astype(np.float64)


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a network: where, which field, found and allowed."""

    table: str
    element: str
    field: str
    found: str
    allowed: str

    def __str__(self) -> str:
        """The finding as one sentence."""
        return (
            f"{self.table} {self.element}: {self.field} is {self.found}, allowed is {self.allowed}"
        )


@dataclass(frozen=True)
class StreetPlan:
    """Counts, densities and types from which the streets of a district are drawn.

    The counts are those of the full size; `fraction` scales them (0.01 for tests, 10 for load
    tests) and `seed` decides every random choice. Origin of the numbers: data/README.md.
    """

    name: str = "sejong-5-1"
    seed: int = 51
    fraction: float = 1.0
    width_m: float = 1850.0
    height_m: float = 1482.0
    # backbone
    hv_kv: float = 154.0
    mv_kv: float = 22.9
    lv_kv: float = 0.38
    slack_v_pu: float = 1.0
    substation_transformers: int = 2
    substation_kva: float = 60_000.0
    substation_vk_frac: float = 0.145
    substation_vkr_frac: float = 0.004
    substation_pfe_frac: float = 0.0005
    substation_i0_frac: float = 0.002
    substation_tap_pos: int = -2
    feeders: int = 6
    feeder_kva_max: float = 10_000.0
    areas: int = 144
    area_kva: float = 500.0
    area_vk_frac: float = 0.045
    area_vkr_frac: float = 0.011
    area_pfe_frac: float = 0.0015
    area_i0_frac: float = 0.005
    mv_v_min_pu: float = 20.8 / 22.9
    mv_v_max_pu: float = 23.8 / 22.9
    lv_v_min_pu: float = 207.0 / 220.0
    lv_v_max_pu: float = 233.0 / 220.0
    # 22.9 kV cable CNCV-W 325 mm2
    mv_r_ohm_per_km: float = 0.0751
    mv_x_ohm_per_km: float = 0.1245
    mv_c_nf_per_km: float = 290.0
    mv_i_a_max: float = 570.0
    # 0.6/1 kV copper: 240 mm2 to buildings and along streets, 120 mm2 inside them
    lv_r_ohm_per_km: float = 0.0961
    lv_x_ohm_per_km: float = 0.072
    lv_i_a_max: float = 430.0
    riser_r_ohm_per_km: float = 0.195
    riser_x_ohm_per_km: float = 0.075
    riser_i_a_max: float = 290.0
    # homes
    apartment_homes: int = 8_500
    apartment_buildings: int = 110
    homes_per_riser_bus: int = 4
    homes_per_riser: int = 36
    apartment_home_m2: float = 85.0
    apartment_home_kw: float = 1.1
    detached_homes: int = 500
    homes_per_street: int = 20
    homes_per_service_bus: int = 2
    detached_home_m2: float = 110.0
    detached_home_kw: float = 1.8
    # work, trade, public
    office_m2: float = 250_000.0
    office_building_m2: float = 2_500.0
    office_kw_per_m2: float = 0.040
    retail_m2: float = 100_000.0
    retail_building_m2: float = 2_000.0
    retail_kw_per_m2: float = 0.050
    school_m2: float = 60_000.0
    school_building_m2: float = 5_000.0
    school_kw_per_m2: float = 0.025
    public_m2: float = 60_000.0
    public_building_m2: float = 3_000.0
    public_kw_per_m2: float = 0.030
    parks: int = 6
    floor_m2_per_board: float = 1_000.0
    floor_m2_per_customer: float = 500.0
    data_centre_kw: float = 1_000.0
    street_lights: int = 1_440
    street_light_kw: float = 0.1
    # charging
    standard_chargers: int = 1_500
    standard_charger_kw: float = 7.0
    standard_charger_diversity_frac: float = 0.35
    quick_chargers: int = 48
    quick_chargers_per_site: int = 2
    quick_charger_kw_min: float = 50.0
    quick_charger_kw_max: float = 100.0
    super_fast_chargers: int = 6
    super_fast_hubs: int = 2
    super_fast_charger_kw: float = 350.0
    # own plant
    fuel_cells: int = 12
    fuel_cell_sites: int = 3
    fuel_cell_kw: float = 440.0
    biogas_kw: float = 100.0
    batteries: int = 4
    battery_kw: float = 1_000.0
    heat_pump_kw: float = 3_000.0
    canopy_pv_kwp: float = 4_000.0


def findings_text(findings: Sequence[Finding], shown: int = 20) -> str:
    """The findings as lines of text, the first `shown` of them and how many follow."""
    lines = [str(finding) for finding in findings[:shown]]
    more = len(findings) - shown
    return "\n".join([*lines, f"... and {more} more"] if more > 0 else lines)
