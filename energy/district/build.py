"""Devices and meters of a district, drawn over its connection points; seeded, deterministic."""

import hashlib

import numpy as np

from energy.district.model import (
    Batteries,
    Chargers,
    District,
    Economics,
    FloatArray,
    GridConnection,
    HeatSystem,
    IntArray,
    Meters,
    PvFleet,
    UnitType,
)
from energy.district.schema import DistrictFile
from grid_models import BusShare, Network

HOMES = ("apartment", "detached")
BUSINESS = ("office", "retail", "school", "public")
CHARGING = {
    "standard_charging": "standard",
    "quick_charging": "quick",
    "super_fast_charging": "super_fast",
}
TARIFF_OF = {
    "apartment": "residential-hv",
    "detached": "residential-lv",
    "school": "education-a-lv",
}
BUSINESS_TARIFF = "general-a1-lv"
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


def build_district(file: DistrictFile, network: Network, fraction: float) -> District:
    """The district of a checked file on its network; counts are scaled by `fraction`."""
    rng = np.random.default_rng([file.seed, 7])
    meters = _meters(file, network, fraction, rng)
    pv = _pv(file, network, fraction, meters)
    batteries = _batteries(file, network, fraction, meters)
    chargers = _chargers(file, network, fraction)
    identity = file.id if fraction == 1 else f"{file.id}@{fraction:g}"
    return District(
        id=identity,
        name={"en": file.name_en, "ko": file.name_ko},
        time_zone=file.time_zone,
        latitude_deg=file.latitude_deg,
        longitude_deg=file.longitude_deg,
        altitude_m=file.altitude_m,
        seed=file.seed,
        fraction=fraction,
        network=network,
        meters=meters,
        pv=pv,
        batteries=batteries,
        units=_units(file, network, fraction),
        heat=_heat(file, network, fraction),
        chargers=chargers,
        connection=GridConnection(
            p_import_kw_max=file.connection.p_import_kw_max * fraction,
            p_export_kw_max=file.connection.p_export_kw_max * fraction,
            tariff=file.connection.tariff,
            area_limit_frac=file.connection.area_limit_frac,
        ),
        economics=Economics(
            smp_shape=tuple(file.economics.smp_shape),
            **file.economics.model_dump(exclude={"smp_shape"}),
        ),
        shares=bus_shares(network, meters, pv, batteries, chargers),
    )


def account_of(identity: str, meter: int) -> bytes:
    """The opaque 32 bytes of a meter's account in a simulated district."""
    return hashlib.sha256(f"meter/1/{identity}/{meter}".encode()).digest()


def _meters(
    file: DistrictFile, network: Network, fraction: float, rng: np.random.Generator
) -> Meters:
    use, bus, annual_kwh, floor_m2 = _meter_rows(file, network)
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
    identity = file.id if fraction == 1 else f"{file.id}@{fraction:g}"
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
    )


def _meter_rows(
    file: DistrictFile, network: Network
) -> tuple[np.ndarray, IntArray, FloatArray, FloatArray]:
    """Use, bus, kWh a year and floor area of each customer's meter."""
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
    for row, kind in enumerate(rows.use):
        if kind in HOMES:
            parts, kwh, area_m2 = int(rows.homes[row]), demand.home_kwh, 85.0
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
    return np.array(use), np.array(bus, dtype=np.int64), np.array(annual), np.array(floor)


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


def _pv(file: DistrictFile, network: Network, fraction: float, meters: Meters) -> PvFleet:
    areas = len(network.areas.id)
    own = np.zeros((areas, len(PV_CLASSES)))
    np.add.at(own, (meters.area, meters.pv_class), meters.pv_kwp)
    total = file.pv.total_kwp * fraction
    spc = np.zeros_like(own)
    weight = np.bincount(meters.area, meters.annual_kwh, areas)
    canopy = _weight_at(network, "canopy_pv", areas, weight)
    for name, share, spread in (
        ("canopy", file.pv.canopy_frac, canopy),
        ("tunnel", file.pv.tunnel_frac, _outer(areas)),
        ("facade-south", file.pv.facade_frac * 0.5, weight),
        ("facade-east", file.pv.facade_frac * 0.25, weight),
        ("facade-west", file.pv.facade_frac * 0.25, weight),
    ):
        spc[:, CLASS_ID.index(name)] += total * share * spread / spread.sum()
    rest = max(total - own.sum() - spc.sum(), 0.0)
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
    return np.bincount(area, network.connections.p_kw[rows] + 1e-9, areas)


def _outer(areas: int) -> FloatArray:
    """The tunnels stand along the ring road: the last third of the areas."""
    weight = np.zeros(areas)
    weight[-max(areas // 3, 1) :] = 1.0
    return weight


def _batteries(file: DistrictFile, network: Network, fraction: float, meters: Meters) -> Batteries:
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


def _chargers(file: DistrictFile, network: Network, fraction: float) -> Chargers:
    table, rows = file.chargers, network.connections
    groups: dict[tuple[int, str], list[tuple[int, int, float]]] = {}
    for row, kind in enumerate(rows.use):
        if kind in CHARGING:
            area = int(network.buses.area[rows.bus[row]])
            part = (int(rows.bus[row]), max(int(rows.count[row]), 1), float(rows.p_kw[row]))
            groups.setdefault((area, CHARGING[kind]), []).append(part)
    keys = sorted(groups)
    count = np.array([sum(n for _, n, _ in groups[key]) for key in keys], dtype=np.int64)
    kinds = tuple(kind for _, kind in keys)
    power = np.array(
        [7.0 if kind == "standard" else 350.0 if kind == "super_fast" else 75.0 for kind in kinds]
    )
    v2g = np.zeros(len(keys), dtype=np.int64)
    standard = [row for row, kind in enumerate(kinds) if kind == "standard"]
    left = min(round(file.chargers.standard_v2g * fraction), int(count[standard].sum()))
    while left > 0:
        for row in standard:
            if left > 0 and v2g[row] < count[row]:
                v2g[row] += 1
                left -= 1
    per_day = {
        "standard": table.standard_cars_per_day,
        "quick": table.quick_cars_per_day,
        "super_fast": table.super_fast_cars_per_day,
    }
    return Chargers(
        id=tuple(f"{kind}-{network.areas.id[area]}" for area, kind in keys),
        kind=kinds,
        area=np.array([area for area, _ in keys], dtype=np.int64),
        bus=np.array([groups[key][0][0] for key in keys], dtype=np.int64),
        count=count,
        p_kw=power,
        v2g_count=v2g,
        p_v2g_kw=np.where(v2g > 0, table.p_v2g_kw, 0.0),
        cars_per_day=count * np.array([per_day[kind] for kind in kinds]),
        eta=table.eta,
        wear_krw_per_kwh=table.wear_krw_per_kwh,
    )


def _units(file: DistrictFile, network: Network, fraction: float) -> tuple[UnitType, ...]:
    """One group per fuel-cell site and one per biogas plant."""
    rows, cells, gas = network.connections, file.fuel_cells, file.biogas
    units: list[UnitType] = []
    for row, kind in enumerate(rows.use):
        bus = int(rows.bus[row])
        place = {"area": int(network.buses.area[bus]), "bus": bus}
        if kind == "fuel_cell":
            units.append(
                UnitType(
                    id=f"fuel-cell-{sum(unit.kind == 'pafc' for unit in units) + 1}",
                    kind="pafc",
                    count=max(int(rows.count[row]), 1),
                    p_kw_max=cells.fuel[-1][0],
                    fuel=tuple(cells.fuel),
                    heat=tuple(cells.heat),
                    daily_fuel_kwh=float("inf"),
                    fuel_store_kwh=0.0,
                    **place,
                    **cells.model_dump(exclude={"fuel", "heat"}),
                )
            )
        if kind == "biogas" and gas.p_kw > 0:
            scale = float(rows.p_kw[row]) / gas.p_kw
            units.append(_biogas(file, place, float(rows.p_kw[row]), scale))
    return tuple(units)


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


def _heat(file: DistrictFile, network: Network, fraction: float) -> HeatSystem | None:
    table, rows = file.heat, network.connections
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


def bus_shares(
    network: Network, meters: Meters, pv: PvFleet, batteries: Batteries, chargers: Chargers
) -> dict[str, BusShare]:
    """How the areas' load and solar spread over buses; batteries and cars stand at their own."""
    areas = len(network.areas.id)
    own_kwp = np.bincount(meters.bus, meters.pv_kwp, len(network.buses.id))
    load = np.bincount(meters.bus, meters.annual_kwh, len(network.buses.id))
    spc = pv.spc_kwp.sum(axis=1)
    solar = own_kwp.copy()
    # The operator's modules stand where the consumers stand: same spread as the load.
    by_area = np.bincount(meters.area, meters.annual_kwh, areas)
    area_of_bus = network.buses.area
    known = area_of_bus >= 0
    per_load = np.divide(spc, by_area, out=np.zeros(areas), where=by_area > 0)
    solar[known] += load[known] * per_load[area_of_bus[known]]
    lonely = np.flatnonzero((by_area <= 0) & (spc > 0))
    solar[network.areas.bus[lonely]] += spc[lonely]
    return {"load": _share(network, load), "pv": _share(network, solar)}


def _share(network: Network, weight: FloatArray) -> BusShare:
    bus = np.flatnonzero(weight > 0)
    area = network.buses.area[bus]
    total = np.bincount(area, weight[bus], len(network.areas.id))
    return BusShare(bus=bus, area=area, share=weight[bus] / total[area])
