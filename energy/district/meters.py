"""Customers' meters, drawn over the connection points; seeded, deterministic."""

import hashlib

import numpy as np

from energy.district.model import FloatArray, IntArray, Meters
from energy.district.schema import DistrictFile
from grid_models import Network

HOMES = ("apartment", "detached")
BUSINESS = ("office", "retail", "school", "public")
# Apartments by the comprehensive contract, the usual one: homes at low voltage, each by its own use
# (D). A data centre's megawatt is beyond what the flat tariff takes.
TARIFF_OF = {
    "apartment": "residential-lv",
    "detached": "residential-lv",
    "school": "education-a-lv",
    "data_centre": "general-b-hv-a-2",
}
BUSINESS_TARIFF = "general-a1-lv"


def identity_of(file: DistrictFile, fraction: float) -> str:
    """The district's id, with its fraction where that is not the whole."""
    return file.id if fraction == 1 else f"{file.id}@{fraction:g}"


def account_of(identity: str, meter: int) -> bytes:
    """The opaque 32 bytes of a meter's account in a simulated district."""
    return hashlib.sha256(f"meter/1/{identity}/{meter}".encode()).digest()


def build_meters(
    file: DistrictFile, network: Network, fraction: float, rng: np.random.Generator
) -> Meters:
    """A meter for every home, business unit, data centre and row of street lights."""
    use, bus, annual_kwh, floor_m2, building = _meter_rows(file, network)
    count = len(use)
    home = np.isin(use, HOMES)
    electric = np.zeros(count, dtype=bool)
    electric[_chosen(rng, np.flatnonzero(home), file.demand.all_electric_frac)] = True
    annual_kwh = annual_kwh + electric * file.demand.all_electric_extra_kwh
    level = rng.lognormal(-0.5 * 0.35**2, 0.35, count)
    level[~home] = rng.lognormal(-0.5 * 0.15**2, 0.15, int((~home).sum()))
    pv_kwp, pv_class = _own_pv(file, use, floor_m2, rng)
    trades = np.zeros(count, dtype=bool)
    sellers = np.flatnonzero(home & (pv_kwp > 0))
    wanted = min(round(file.trading.traders * fraction), int(home.sum()))
    trades[sellers[:wanted]] = True
    buyers = rng.permutation(np.flatnonzero(home & ~trades))
    trades[buyers[: max(wanted - len(sellers), 0)]] = True
    identity = identity_of(file, fraction)
    return Meters(
        account=tuple(account_of(identity, meter) for meter in range(count)),
        use=tuple(str(one) for one in use),
        bus=bus,
        area=network.buses.area[bus],
        annual_kwh=annual_kwh,
        pv_kwp=pv_kwp,
        pv_class=pv_class,
        level=level,
        all_electric=electric,
        trades=trades,
        tariff=tuple(TARIFF_OF.get(str(one), BUSINESS_TARIFF) for one in use),
        building=building,
        floor_m2=floor_m2,
        annual_fuel_kwh=np.isin(use, BUSINESS) * floor_m2 * file.demand.business_fuel_kwh_per_m2,
    )


def _meter_rows(
    file: DistrictFile, network: Network
) -> tuple[np.ndarray, IntArray, FloatArray, FloatArray, tuple[str, ...]]:
    """Use, bus, kWh a year, floor area and building of each customer's meter."""
    rows = network.connections
    demand = file.demand
    per_m2 = {
        "office": demand.office_kwh_per_m2,
        "retail": demand.retail_kwh_per_m2,
        "school": demand.school_kwh_per_m2,
        "public": demand.public_kwh_per_m2,
    }
    use: list[str] = []
    bus: list[int] = []
    annual: list[float] = []
    floor: list[float] = []
    building: list[str] = []
    for row, kind in enumerate(rows.use):
        if kind in HOMES:
            parts, kwh = int(rows.homes[row]), demand.home_kwh
            area_m2 = float(rows.floor_m2[row]) / max(parts, 1)
        elif kind in BUSINESS:
            parts = max(int(rows.count[row]), 1)
            area_m2 = float(rows.floor_m2[row]) / parts
            kwh = area_m2 * per_m2[kind]
        elif kind == "data_centre":
            parts, area_m2 = 1, 0.0
            kwh = float(rows.p_kw[row]) * 8760 * demand.data_centre_load_frac
        elif kind == "street_lighting":
            parts, area_m2 = 1, 0.0
            kwh = float(rows.p_kw[row]) * demand.street_lighting_h
        else:
            continue
        use += [kind] * parts
        bus += [int(rows.bus[row])] * parts
        annual += [kwh] * parts
        floor += [area_m2] * parts
        building += _buildings(network, row, parts)
    table = np.array(use), np.array(bus, dtype=np.int64), np.array(annual), np.array(floor)
    return *table, tuple(building)


def _buildings(network: Network, row: int, parts: int) -> list[str]:
    """The building of each customer of a connection's row."""
    rows = network.connections
    if rows.building[row]:
        return [rows.building[row]] * parts
    place = f"{network.buses.id[rows.bus[row]]} {rows.use[row]}"
    return [place] if parts == 1 else [f"{place} {part + 1}" for part in range(parts)]


def _chosen(rng: np.random.Generator, rows: IntArray, share: float) -> IntArray:
    return np.sort(rng.permutation(rows)[: round(len(rows) * share)])


def _own_pv(
    file: DistrictFile, use: np.ndarray, floor_m2: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """Solar behind each meter, kWp, and its surface class."""
    pv_kwp = np.zeros(len(use))
    pv_class = rng.choice([0, 1, 2], len(use), p=[0.6, 0.2, 0.2]).astype(np.int64)
    for kind, kwp, share in (
        ("detached", file.pv.detached_kwp, file.pv.detached_frac),
        ("apartment", file.pv.apartment_kwp, file.pv.apartment_frac),
    ):
        chosen = _chosen(rng, np.flatnonzero(use == kind), share)
        pv_kwp[chosen] = kwp * rng.uniform(0.8, 1.2, len(chosen))
    business = np.isin(use, BUSINESS)
    pv_kwp[business] = floor_m2[business] * file.pv.business_kwp_per_m2
    facade = (use == "apartment") & (rng.random(len(use)) < 0.25)
    pv_class[facade] = 3
    return pv_kwp, pv_class
