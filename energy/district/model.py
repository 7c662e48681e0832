"""What stands in a district, as frozen tables: everything that the loop may know about it.

Rows of one table have one order; `area` and `bus` are positions in the network's tables. Power in
kW, energy in kWh, prices in won per kWh. What devices do at the moment is not here.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from grid_models import BusShare, Network

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class DistrictError(Exception):
    """A district's data are not acceptable: one sentence with file, row, field, found, allowed."""


@dataclass(frozen=True, eq=False)
class Meters:
    """Customers' meters, M of them: households, businesses, public sites; not the SPC's assets.

    `account` is 32 opaque bytes; `pv_kwp` solar behind the meter, of class `pv_class`; `level` a
    personal factor of mean one; `trades` marks prosumers who take part in the market. `building`
    names the building that a meter stands in and `floor_m2` its part of the floor (0: not known);
    `annual_fuel_kwh` is the gas burnt there in a year, beside electricity and the heat network.
    """

    account: tuple[bytes, ...]
    use: tuple[str, ...]
    bus: IntArray
    area: IntArray
    annual_kwh: FloatArray
    pv_kwp: FloatArray
    pv_class: IntArray
    level: FloatArray
    all_electric: BoolArray
    trades: BoolArray
    tariff: tuple[str, ...]
    building: tuple[str, ...]
    floor_m2: FloatArray
    annual_fuel_kwh: FloatArray


@dataclass(frozen=True, eq=False)
class PvFleet:
    """Solar by K surface classes; `kwp` (A, K) is all of an area, `spc_kwp` the operator's part."""

    class_id: tuple[str, ...]
    tilt_deg: FloatArray
    azimuth_deg: FloatArray
    kwp: FloatArray
    spc_kwp: FloatArray
    inverter_frac: float


@dataclass(frozen=True)
class Inverters:
    """How the inverters of solar and batteries treat reactive power; chargers keep cos phi 1.

    `mode` "fixed" keeps `power_factor`: above 0 it draws reactive power, which lowers the voltage,
    below 0 it gives. "droop" follows the voltage at its bus, Q(U): most given below the first of
    the four `droop_v_pu`, none between the second and the third, most drawn above the last; the
    most is what `power_factor_min` leaves beside the active power of the slot.
    """

    mode: Literal["fixed", "droop"] = "fixed"
    power_factor: float = 1.0
    power_factor_min: float = 0.9
    droop_v_pu: tuple[float, float, float, float] = (0.93, 0.97, 1.03, 1.07)


@dataclass(frozen=True, eq=False)
class Batteries:
    """Batteries as the plan sees them, B of them; home batteries stand summed up per area."""

    id: tuple[str, ...]
    kind: tuple[str, ...]
    area: IntArray
    bus: IntArray
    e_kwh_max: FloatArray
    p_kw_max: FloatArray
    eta_charge: FloatArray
    eta_discharge: FloatArray
    wear_krw_per_kwh: FloatArray
    reserve_frac: FloatArray
    count: IntArray


@dataclass(frozen=True)
class UnitType:
    """A group of `count` identical units that make power and heat from fuel.

    `fuel` and `heat` are breakpoints (kW electric, kW fuel or heat) of one unit, convex and rising;
    area -1 stands for a connection at medium voltage.
    """

    id: str
    kind: str
    count: int
    area: int
    bus: int
    p_kw_min: float
    p_kw_max: float
    fuel: tuple[tuple[float, float], ...]
    heat: tuple[tuple[float, float], ...]
    ramp_kw_per_slot: float
    min_up_slots: int
    min_down_slots: int
    start_cost_krw: float
    wear_krw_per_h: float
    fuel_price_krw_per_kwh: float
    fuel_co2_t_per_mwh: float
    mtbf_h: float
    mttr_h: float
    daily_fuel_kwh: float
    fuel_store_kwh: float


@dataclass(frozen=True)
class HeatSystem:
    """The district-heating network: demand, store, boilers and the large heat pump."""

    annual_demand_kwh: float
    peak_kw: float
    store_kwh_max: float
    store_kw_max: float
    loss_frac_per_h: float
    boiler_kw_max: float
    boiler_eta: float
    fuel_price_krw_per_kwh: float
    fuel_co2_t_per_mwh: float
    heat_pump_kw_max: float
    heat_pump_area: int
    heat_pump_bus: int
    cop_temperature_c: tuple[float, ...]
    cop: tuple[float, ...]

    def cop_at(self, temperature_c: FloatArray) -> FloatArray:
        """Coefficient of performance at outdoor temperatures, linear between the data points."""
        return np.interp(temperature_c, self.cop_temperature_c, self.cop)


@dataclass(frozen=True, eq=False)
class Chargers:
    """Charging points, G groups: one row per area, bus and class."""

    id: tuple[str, ...]
    kind: tuple[str, ...]
    area: IntArray
    bus: IntArray
    count: IntArray
    p_kw: FloatArray
    v2g_count: IntArray
    p_v2g_kw: FloatArray
    cars_per_day: FloatArray
    eta: float
    wear_krw_per_kwh: float


@dataclass(frozen=True)
class GridConnection:
    """The connection to the utility; `tariff` names a file of data/tariffs."""

    p_import_kw_max: float
    p_export_kw_max: float
    tariff: str


@dataclass(frozen=True)
class NetworkFees:
    """What a traded kWh pays for the wires, won per kWh, on top of all else.

    `network_krw_per_kwh` on every way between a zone and the busbar that all zones share, so twice
    between two zones; `local_krw_per_kwh` between two neighbours in one zone.
    """

    network_krw_per_kwh: float = 0.0
    local_krw_per_kwh: float = 0.0


@dataclass(frozen=True)
class Economics:
    """Prices outside the tariffs, won per kWh or per tonne.

    `own_supply_krw_per_kwh` is what a kWh made here counts more than one that is drawn: plans
    and the operator's offers are made as if the grid were dearer by it, tariffs and costs are not.
    """

    smp_krw_per_kwh: float
    smp_shape: tuple[float, ...]
    carbon_krw_per_t: float
    grid_co2_t_per_mwh: float
    shed_krw_per_kwh: float
    curtail_krw_per_kwh: float
    own_supply_krw_per_kwh: float = 0.0


@dataclass(frozen=True, eq=False)
class MeasuredProfiles:
    """A measured year from `first_slot`: load and own solar of each meter, kW, (T, M) float32."""

    first_slot: int
    load_kw: npt.NDArray[np.float32]
    pv_kw: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Regime:
    """The law that a district trades under: which models may bill real customers.

    `bills` names them: neighbour, ppa, p2p; the others run in simulations alone. The limit on what
    a plant may sell as surplus in a year holds in a specialised area; parts per million.
    """

    name: str = "kepco-only"
    bills: tuple[str, ...] = ()
    surplus_limit_ppm: int = 1_000_000
    supply_ratio_ppm: int = 0

    @property
    def surplus_limit(self) -> int | None:
        """The limit that is in force, None without one."""
        return self.surplus_limit_ppm if self.name == "specialised-area" else None


@dataclass(frozen=True)
class FirstContract:
    """A contract that a simulated district begins with; fields as in the signed Contract.

    `seller` and `buyer` are the number of a customer's meter, or the name of a plant's.
    """

    kind: int
    seller: int | str
    buyer: int | str
    cap_wh: int
    share_ppm: int
    price_mkrw_per_kwh: int
    rank: int
    terms: bytes


@dataclass(frozen=True)
class Agreements:
    """The regime of a district, and the contracts that a simulation of it begins with."""

    regime: Regime = Regime()
    first: tuple[FirstContract, ...] = ()


@dataclass(frozen=True, eq=False)
class District:
    """One district; `fraction` of the full size."""

    id: str
    name: dict[str, str]
    time_zone: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    seed: int
    fraction: float
    network: Network
    meters: Meters
    pv: PvFleet
    batteries: Batteries
    units: tuple[UnitType, ...]
    heat: HeatSystem | None
    chargers: Chargers
    connection: GridConnection
    economics: Economics
    shares: dict[str, BusShare] = field(repr=False)
    measured: MeasuredProfiles | None = None
    inverters: Inverters = Inverters()
    fees: NetworkFees = NetworkFees()
    agreements: Agreements = Agreements()

    @property
    def areas(self) -> int:
        """Number of areas."""
        return len(self.network.areas.id)

    @property
    def households(self) -> int:
        """Number of homes with a meter."""
        return sum(use in ("apartment", "detached") for use in self.meters.use)

    @property
    def zone_of_meter(self) -> IntArray:
        """Position in `network.zones` of each meter, (M,)."""
        return self.network.areas.zone[self.meters.area]
