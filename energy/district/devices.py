"""The devices of a district: solar, batteries, charging points, units, the heat network."""

import numpy as np

from energy.district.meters import HOMES
from energy.district.model import (
    Batteries,
    Chargers,
    FloatArray,
    HeatSystem,
    IntArray,
    Meters,
    PvFleet,
    UnitType,
)
from energy.district.schema import ChargerTable, DistrictFile, FuelCells
from grid_models import Network

CHARGING = {
    "standard_charging": "standard",
    "quick_charging": "quick",
    "super_fast_charging": "super_fast",
}
# Surface classes: id, tilt, azimuth (180 = south), what they are mounted on.
PV_CLASSES = (
    ("roof-south", 15.0, 180.0),
    ("roof-east", 10.0, 90.0),
    ("roof-west", 10.0, 270.0),
    ("facade-south", 90.0, 180.0),
    ("facade-east", 90.0, 90.0),
    ("facade-west", 90.0, 270.0),
    ("canopy", 10.0, 180.0),
    ("tunnel", 15.0, 200.0),
)
CLASS_ID = tuple(name for name, _, _ in PV_CLASSES)


def build_pv(file: DistrictFile, network: Network, fraction: float, meters: Meters) -> PvFleet:
    """Solar of every area by surface: customers' own, and the operator's up to the total."""
    areas = len(network.areas.id)
    own = np.zeros((areas, len(PV_CLASSES)))
    np.add.at(own, (meters.area, meters.pv_class), meters.pv_kwp)
    total = file.pv.total_kwp * fraction
    spc = np.zeros_like(own)
    weight = np.bincount(meters.area, meters.annual_kwh, areas).astype(np.float64)
    canopy = _weight_at(network, "canopy_pv", areas, weight)
    # Customers' modules come first; of what they leave the operator's surfaces get their share.
    left = max(total - own.sum(), 0.0)
    shares = file.pv.canopy_frac + file.pv.tunnel_frac + file.pv.facade_frac
    unit = min(total, left / shares) if shares else 0.0
    for name, share, spread in (
        ("canopy", file.pv.canopy_frac, canopy),
        ("tunnel", file.pv.tunnel_frac, _outer(areas)),
        ("facade-south", file.pv.facade_frac * 0.5, weight),
        ("facade-east", file.pv.facade_frac * 0.25, weight),
        ("facade-west", file.pv.facade_frac * 0.25, weight),
    ):
        spc[:, CLASS_ID.index(name)] += unit * share * spread / spread.sum()
    rest = max(left - spc.sum(), 0.0)
    for name, share in (("roof-south", 0.6), ("roof-east", 0.2), ("roof-west", 0.2)):
        spc[:, CLASS_ID.index(name)] += rest * share * weight / weight.sum()
    return PvFleet(
        class_id=CLASS_ID,
        tilt_deg=np.array([tilt for _, tilt, _ in PV_CLASSES]),
        azimuth_deg=np.array([azimuth for _, _, azimuth in PV_CLASSES]),
        kwp=own + spc,
        spc_kwp=spc,
        inverter_frac=file.pv.inverter_frac,
    )


def _weight_at(network: Network, use: str, areas: int, otherwise: FloatArray) -> FloatArray:
    """Rated power of a use by area; another spread where the network has none of it."""
    rows = [row for row, kind in enumerate(network.connections.use) if kind == use]
    if not rows:
        return otherwise
    area = network.buses.area[network.connections.bus[rows]]
    weight = np.bincount(area, network.connections.p_kw[rows] + 1e-9, areas)
    return weight.astype(np.float64)


def _outer(areas: int) -> FloatArray:
    """The tunnels stand along the ring road: the last third of the areas."""
    weight = np.zeros(areas)
    weight[-max(areas // 3, 1) :] = 1.0
    return weight


def build_batteries(
    file: DistrictFile, network: Network, fraction: float, meters: Meters
) -> Batteries:
    """The community's batteries one by one, then the home batteries of each area together."""
    table, rows = file.batteries, network.connections
    sites = [row for row, kind in enumerate(rows.use) if kind == "battery"]
    homes = np.flatnonzero(np.isin(meters.use, HOMES) & (meters.pv_kwp > 0))
    wanted = min(round(table.homes * fraction), len(homes))
    chosen = homes[np.linspace(0, len(homes) - 1, wanted).astype(np.int64)] if wanted else homes[:0]
    per_area = np.bincount(meters.area[chosen], minlength=len(network.areas.id))
    home_areas = np.flatnonzero(per_area)
    site_bus = rows.bus[sites]
    count = np.concatenate([np.ones(len(sites)), per_area[home_areas]]).astype(np.int64)
    power = np.concatenate([rows.p_kw[sites], per_area[home_areas] * table.home_kw])
    energy = np.concatenate(
        [rows.p_kw[sites] * table.community_h, per_area[home_areas] * table.home_kwh]
    )
    total = len(count)
    return Batteries(
        id=(
            *(f"battery-{number + 1}" for number in range(len(sites))),
            *(f"homes-{network.areas.id[area]}" for area in home_areas),
        ),
        kind=("community",) * len(sites) + ("home",) * len(home_areas),
        area=np.concatenate([network.buses.area[site_bus], home_areas]).astype(np.int64),
        bus=np.concatenate([site_bus, network.areas.bus[home_areas]]).astype(np.int64),
        e_kwh_max=energy,
        p_kw_max=power,
        eta_charge=np.full(total, table.eta_charge),
        eta_discharge=np.full(total, table.eta_discharge),
        wear_krw_per_kwh=np.full(total, table.wear_krw_per_kwh),
        reserve_frac=np.full(total, table.reserve_frac),
        count=count,
    )


def build_chargers(file: DistrictFile, network: Network, fraction: float) -> Chargers:
    """One group per area and class of charging point.

    A group on several buses stands at the busbar; `shares["chargers"]` says where it really is.
    """
    table, rows = file.chargers, charging_rows(network)
    groups = [rows[key] for key in rows]
    kinds = tuple(kind for _, kind in rows)
    area = np.array([area for area, _ in rows], dtype=np.int64)
    count = np.array([sum(n for _, n, _ in group) for group in groups], dtype=np.int64)
    rated_kw = np.array([sum(p_kw for _, _, p_kw in group) for group in groups])
    bus = [
        group[0][0] if len(group) == 1 else int(network.areas.bus[area[row]])
        for row, group in enumerate(groups)
    ]
    v2g = _v2g_count(kinds, count, round(table.standard_v2g * fraction))
    return Chargers(
        id=tuple(f"{kind}-{network.areas.id[area]}" for area, kind in rows),
        kind=kinds,
        area=area,
        bus=np.array(bus, dtype=np.int64),
        count=count,
        p_kw=rated_kw / np.maximum(count, 1),
        v2g_count=v2g,
        p_v2g_kw=np.where(v2g > 0, table.p_v2g_kw, 0.0),
        cars_per_day=count * _cars_per_day(table, kinds),
        eta=table.eta,
        wear_krw_per_kwh=table.wear_krw_per_kwh,
    )


def charging_rows(network: Network) -> dict[tuple[int, str], list[tuple[int, int, float]]]:
    """Bus, number and rated kW of the charging points of each area and class, in that order."""
    rows = network.connections
    groups: dict[tuple[int, str], list[tuple[int, int, float]]] = {}
    for row, use in enumerate(rows.use):
        if use in CHARGING:
            key = (int(network.buses.area[rows.bus[row]]), CHARGING[use])
            part = (int(rows.bus[row]), max(int(rows.count[row]), 1), float(rows.p_kw[row]))
            groups.setdefault(key, []).append(part)
    return dict(sorted(groups.items()))


def _v2g_count(kinds: tuple[str, ...], count: IntArray, wanted: int) -> IntArray:
    """Points that can give back: dealt out one by one over the groups of standard ones."""
    v2g = np.zeros(len(kinds), dtype=np.int64)
    standard = [row for row, kind in enumerate(kinds) if kind == "standard"]
    left = min(wanted, int(count[standard].sum()))
    while left > 0:
        for row in standard:
            if left > 0 and v2g[row] < count[row]:
                v2g[row] += 1
                left -= 1
    return v2g


def _cars_per_day(table: ChargerTable, kinds: tuple[str, ...]) -> FloatArray:
    per_day = {
        "standard": table.standard_cars_per_day,
        "quick": table.quick_cars_per_day,
        "super_fast": table.super_fast_cars_per_day,
    }
    return np.array([per_day[kind] for kind in kinds], dtype=np.float64)


def build_units(file: DistrictFile, network: Network) -> tuple[UnitType, ...]:
    """One group per fuel-cell site and one per biogas plant."""
    rows, gas = network.connections, file.biogas
    units: list[UnitType] = []
    for row, kind in enumerate(rows.use):
        bus, p_kw = int(rows.bus[row]), float(rows.p_kw[row])
        place = {"area": int(network.buses.area[bus]), "bus": bus}
        number = sum(unit.kind == "pafc" for unit in units) + 1
        if kind == "fuel_cell":
            count = max(int(rows.count[row]), 1)
            units.append(_fuel_cells(file.fuel_cells, place, p_kw / count, (number, count)))
        if kind == "biogas" and gas.p_kw > 0:
            units.append(_biogas(file, place, p_kw, p_kw / gas.p_kw))
    return tuple(units)


def _fuel_cells(
    cells: FuelCells, place: dict[str, int], p_kw: float, number_count: tuple[int, int]
) -> UnitType:
    """A site of equal cells; below one whole unit everything about it shrinks with its power."""
    number, count = number_count
    scale = p_kw / cells.fuel[-1][0]
    return UnitType(
        id=f"fuel-cell-{number}",
        kind="pafc",
        count=count,
        p_kw_min=cells.p_kw_min * scale,
        p_kw_max=p_kw,
        fuel=tuple((x * scale, y * scale) for x, y in cells.fuel),
        heat=tuple((x * scale, y * scale) for x, y in cells.heat),
        ramp_kw_per_slot=cells.ramp_kw_per_slot * scale,
        min_up_slots=cells.min_up_slots,
        min_down_slots=cells.min_down_slots,
        start_cost_krw=cells.start_cost_krw * scale,
        wear_krw_per_h=cells.wear_krw_per_h * scale,
        fuel_price_krw_per_kwh=cells.fuel_price_krw_per_kwh,
        fuel_co2_t_per_mwh=cells.fuel_co2_t_per_mwh,
        mtbf_h=cells.mtbf_h,
        mttr_h=cells.mttr_h,
        daily_fuel_kwh=float("inf"),
        fuel_store_kwh=0.0,
        **place,
    )


def _biogas(file: DistrictFile, place: dict[str, int], p_kw: float, scale: float) -> UnitType:
    gas = file.biogas
    low = gas.p_kw_min * scale
    per_kw = 1 / gas.electric_efficiency
    heat_per_kw = gas.heat_efficiency * per_kw
    return UnitType(
        id="biogas-1",
        kind="biogas",
        count=1,
        p_kw_min=low,
        p_kw_max=p_kw,
        fuel=((low, low * per_kw), (p_kw, p_kw * per_kw)),
        heat=((low, low * heat_per_kw), (p_kw, p_kw * heat_per_kw)),
        ramp_kw_per_slot=p_kw,
        min_up_slots=4,
        min_down_slots=4,
        start_cost_krw=gas.start_cost_krw * scale,
        wear_krw_per_h=0.0,
        fuel_price_krw_per_kwh=0.0,
        fuel_co2_t_per_mwh=0.0,
        mtbf_h=gas.mtbf_h,
        mttr_h=gas.mttr_h,
        daily_fuel_kwh=gas.daily_fuel_kwh * scale,
        fuel_store_kwh=gas.fuel_store_kwh * scale,
        **place,
    )


def build_heat(file: DistrictFile, network: Network, fraction: float) -> HeatSystem | None:
    """The heat network with its large heat pump; None where no heat is demanded."""
    table, rows = file.heat, network.connections
    if table.annual_demand_kwh == 0:
        return None
    sites = [row for row, kind in enumerate(rows.use) if kind == "heat_pump"]
    bus = int(rows.bus[sites[0]]) if sites else int(network.areas.bus[0])
    return HeatSystem(
        annual_demand_kwh=table.annual_demand_kwh * fraction,
        peak_kw=table.peak_kw * fraction,
        store_kwh_max=table.store_kwh * fraction,
        store_kw_max=table.store_kw * fraction,
        loss_frac_per_h=table.loss_frac_per_h,
        boiler_kw_max=table.boiler_kw * fraction,
        boiler_eta=table.boiler_eta,
        fuel_price_krw_per_kwh=table.fuel_price_krw_per_kwh,
        fuel_co2_t_per_mwh=table.fuel_co2_t_per_mwh,
        heat_pump_kw_max=table.heat_pump_kw * fraction if sites else 0.0,
        heat_pump_area=int(network.buses.area[bus]),
        heat_pump_bus=bus,
        cop_temperature_c=tuple(table.cop_temperature_c),
        cop=tuple(table.cop),
    )
