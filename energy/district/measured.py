"""A district on a public grid with a measured year: SimBench's low-voltage networks.

Meters are the grid's loads (homes, trades, heat pumps, charging points), each with its measured
profile; solar plants stand behind a meter of their bus, batteries where SimBench puts them. Cars
are part of the measurement, so there are no charging groups to plan, nor units or a heat network.
Prices are those of the default district: the grid is German, the market that is tried is not.
"""

import numpy as np

import data
from energy.district.meters import account_of
from energy.district.model import (
    Batteries,
    Chargers,
    District,
    Economics,
    FloatArray,
    GridConnection,
    IntArray,
    MeasuredProfiles,
    Meters,
    NetworkFees,
    PvFleet,
)
from energy.district.schema import DistrictFile, read_district_file
from energy.district.shares import bus_shares
from energy.units import DT_H
from grid_models import SimbenchGrid, read_simbench

PRICES_OF = "sejong-5-1"
TIME_ZONE = "Europe/Berlin"
ALTITUDE_M = 50.0
SEED = 51
TARIFF_OF = {"apartment": "residential-lv", "standard_charging": "ev-own-lv"}
BUSINESS_TARIFF = "general-a1-lv"
# A home in three takes part in the market, and every owner of a solar plant.
TRADING_HOMES = 3
# Tilt and azimuth in degrees of SimBench's solar profiles. SimBench does not state them; they are
# those whose clear-sky curve lies closest to each profile's monthly 90 % quantile (error 2 to 3 %).
PV_CLASSES = {
    "PV1": (45.0, 120.0),
    "PV2": (35.0, 90.0),
    "PV3": (35.0, 170.0),
    "PV4": (35.0, 140.0),
    "PV5": (45.0, 150.0),
    "PV6": (45.0, 140.0),
    "PV7": (25.0, 230.0),
    "PV8": (25.0, 190.0),
}
CLASS_ID = tuple(PV_CLASSES)


def build_measured_district(code: str) -> District:
    """The district of a SimBench code; raises GridError where there is no such grid."""
    grid = read_simbench(code)
    file = read_district_file(data.path("districts", PRICES_OF, "district.toml"))
    identity = f"simbench:{code}"
    host = _hosts(grid)
    meters = _meters(grid, identity, host)
    pv = _pv(grid, meters, file.pv.inverter_frac)
    batteries = _batteries(grid, file)
    chargers = no_chargers(file)
    return District(
        id=identity,
        name={"en": f"SimBench {code}", "ko": f"SimBench {code}"},
        time_zone=TIME_ZONE,
        latitude_deg=grid.latitude_deg,
        longitude_deg=grid.longitude_deg,
        altitude_m=ALTITUDE_M,
        seed=SEED,
        fraction=1.0,
        network=grid.network,
        meters=meters,
        pv=pv,
        batteries=batteries,
        units=(),
        heat=None,
        chargers=chargers,
        connection=_connection(grid, file),
        economics=Economics(
            smp_shape=tuple(file.economics.smp_shape),
            **file.economics.model_dump(exclude={"smp_shape"}),
        ),
        shares=bus_shares(grid.network, meters, pv, batteries, chargers),
        measured=_profiles(grid, len(meters.use), host),
        fees=NetworkFees(file.trading.network_fee_krw_per_kwh, file.trading.local_fee_krw_per_kwh),
    )


def _hosts(grid: SimbenchGrid) -> IntArray:
    """The meter behind which each solar plant stands: a home of its bus, else the bus's first.

    Plants on buses without any load get meters of their own, after those of the loads.
    """
    meter_at: dict[int, int] = {}
    uses, bus = grid.network.connections.use, grid.network.connections.bus
    for meter in sorted(range(len(uses)), key=lambda row: uses[row] != "apartment"):
        meter_at.setdefault(int(bus[meter]), meter)
    total = len(uses)
    hosts = []
    for plant_bus in grid.solar.bus.tolist():
        if plant_bus not in meter_at:
            meter_at[plant_bus] = total
            total += 1
        hosts.append(meter_at[plant_bus])
    return np.array(hosts, dtype=np.int64)


def _meters(grid: SimbenchGrid, identity: str, host: IntArray) -> Meters:
    loads, own = len(grid.loads.id), sorted(set(host[host >= len(grid.loads.id)].tolist()))
    use = (*grid.network.connections.use, *("public" for _ in own))
    count = loads + len(own)
    extra_bus = [int(grid.solar.bus[np.flatnonzero(host == meter)[0]]) for meter in own]
    bus = np.concatenate([grid.loads.bus, np.array(extra_bus, dtype=np.int64)])
    annual_kwh = np.zeros(count)
    annual_kwh[:loads] = grid.loads.p_kw.sum(axis=0, dtype=np.float64) * DT_H
    pv_kwp = np.bincount(host, grid.solar.p_kw_rated, count)
    pv_class = np.zeros(count, dtype=np.int64)
    pv_class[host] = [CLASS_ID.index(profile) for profile in grid.solar.profile]
    home = np.array([kind == "apartment" for kind in use])
    every = np.zeros(count, dtype=np.bool_)
    every[np.flatnonzero(home)[::TRADING_HOMES]] = True
    return Meters(
        account=tuple(account_of(identity, meter) for meter in range(count)),
        use=use,
        bus=bus,
        area=grid.network.buses.area[bus],
        annual_kwh=annual_kwh,
        pv_kwp=pv_kwp.astype(np.float64),
        pv_class=pv_class,
        level=np.ones(count),
        all_electric=np.zeros(count, dtype=np.bool_),
        trades=every | (pv_kwp > 0),
        tariff=tuple(TARIFF_OF.get(kind, BUSINESS_TARIFF) for kind in use),
        building=tuple(f"{grid.network.buses.id[one]} {n}" for n, one in enumerate(bus, 1)),
        floor_m2=np.zeros(count),
        annual_fuel_kwh=np.zeros(count),
    )


def _profiles(grid: SimbenchGrid, meters: int, host: IntArray) -> MeasuredProfiles:
    """What was measured at each meter; nothing else is known of meters that only feed in."""
    slots = len(grid.loads.p_kw)
    load_kw = np.zeros((slots, meters), dtype=np.float32)
    load_kw[:, : len(grid.loads.id)] = grid.loads.p_kw
    pv_kw = np.zeros((slots, meters), dtype=np.float32)
    for plant, meter in enumerate(host.tolist()):
        pv_kw[:, meter] += grid.solar.p_kw[:, plant]
    return MeasuredProfiles(first_slot=grid.first_slot, load_kw=load_kw, pv_kw=pv_kw)


def _pv(grid: SimbenchGrid, meters: Meters, inverter_frac: float) -> PvFleet:
    kwp = np.zeros((len(grid.network.areas.id), len(CLASS_ID)))
    kind = np.array([CLASS_ID.index(name) for name in grid.solar.profile], dtype=np.int64)
    np.add.at(kwp, (grid.network.buses.area[grid.solar.bus], kind), grid.solar.p_kw_rated)
    return PvFleet(
        class_id=CLASS_ID,
        tilt_deg=np.array([tilt for tilt, _ in PV_CLASSES.values()]),
        azimuth_deg=np.array([azimuth for _, azimuth in PV_CLASSES.values()]),
        kwp=kwp,
        spc_kwp=np.zeros_like(kwp),
        inverter_frac=inverter_frac,
    )


def _batteries(grid: SimbenchGrid, file: DistrictFile) -> Batteries:
    """One row per store; wear and reserve are those of the default district's."""
    stores, count = grid.stores, len(grid.stores.id)
    return Batteries(
        id=tuple(name.replace(" ", "-") for name in stores.id),
        kind=("home",) * count,
        area=grid.network.buses.area[stores.bus],
        bus=stores.bus,
        e_kwh_max=stores.e_kwh_max,
        p_kw_max=stores.p_kw_max,
        eta_charge=stores.eta,
        eta_discharge=stores.eta,
        wear_krw_per_kwh=np.full(count, file.batteries.wear_krw_per_kwh),
        reserve_frac=np.full(count, file.batteries.reserve_frac),
        count=np.ones(count, dtype=np.int64),
    )


def no_chargers(file: DistrictFile) -> Chargers:
    """Charging points of a district that has none to plan."""
    whole: IntArray = np.zeros(0, dtype=np.int64)
    number: FloatArray = np.zeros(0)
    return Chargers(
        id=(),
        kind=(),
        area=whole,
        bus=whole,
        count=whole,
        p_kw=number,
        v2g_count=whole,
        p_v2g_kw=number,
        cars_per_day=number,
        eta=file.chargers.eta,
        wear_krw_per_kwh=file.chargers.wear_krw_per_kwh,
    )


def _connection(grid: SimbenchGrid, file: DistrictFile) -> GridConnection:
    """The transformers at the slack bus, in both directions; without any the cables decide."""
    table = grid.network.transformers
    rated_kw = float(table.s_kva[table.hv_bus == grid.network.slack_bus].sum())
    return GridConnection(
        p_import_kw_max=rated_kw or float(grid.loads.p_kw_rated.sum()),
        p_export_kw_max=rated_kw or float(grid.solar.p_kw_rated.sum()),
        tariff=file.connection.tariff,
    )
