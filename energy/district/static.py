"""A district on a network that pandapower knows, with loads as the net states them.

Every load is a meter; its year follows from its power by a usual load factor, its shape from its
use. Generators count as solar behind the first meter of their bus. There are no batteries, cars,
units or heat; prices and place are those of the default district.
"""

import numpy as np

import data
from energy.district.measured import PRICES_OF, no_chargers
from energy.district.meters import account_of
from energy.district.model import Batteries, District, Economics, GridConnection, Meters, PvFleet
from energy.district.schema import DistrictFile, read_district_file
from energy.district.shares import bus_shares
from grid_models import StaticGrid, read_pandapower

LOAD_FACTOR = 0.35  # (D) mean over stated power of a load
SEED = 51
TRADING_HOMES = 3  # a home in three takes part in the market, and every owner of solar
TARIFF_OF = {"detached": "residential-lv", "public": "general-a1-lv"}


def build_static_district(source: str) -> District:
    """The district of a pandapower name or file; raises GridError where there is none."""
    grid = read_pandapower(source)
    file = read_district_file(data.path("districts", PRICES_OF, "district.toml"))
    identity = f"pandapower:{source}"
    meters = _meters(grid, identity)
    pv, batteries, chargers = _pv(grid, meters, file), _no_batteries(), no_chargers(file)
    return District(
        id=identity,
        name={"en": source, "ko": source},
        time_zone=file.time_zone,
        latitude_deg=file.latitude_deg,
        longitude_deg=file.longitude_deg,
        altitude_m=file.altitude_m,
        seed=SEED,
        fraction=1.0,
        network=grid.network,
        meters=meters,
        pv=pv,
        batteries=batteries,
        units=(),
        heat=None,
        chargers=chargers,
        connection=GridConnection(
            p_import_kw_max=2 * float(grid.load_kw.sum()),
            p_export_kw_max=2 * float(grid.load_kw.sum()),
            tariff=file.connection.tariff,
        ),
        economics=Economics(
            smp_shape=tuple(file.economics.smp_shape),
            **file.economics.model_dump(exclude={"smp_shape"}),
        ),
        shares=bus_shares(grid.network, meters, pv, batteries, chargers),
    )


def _meters(grid: StaticGrid, identity: str) -> Meters:
    """A meter per load, then one per generator on a bus without any load."""
    lonely = np.setdiff1d(grid.generator_bus, grid.load_bus)
    bus = np.concatenate([grid.load_bus, lonely])
    use = (*grid.network.connections.use, *("public" for _ in lonely))
    load_kw = np.concatenate([np.maximum(grid.load_kw, 0.0), np.zeros(len(lonely))])
    pv_kwp = np.zeros(len(bus))
    for plant_bus, power_kw in zip(grid.generator_bus, grid.generator_kw, strict=True):
        pv_kwp[int(np.flatnonzero(bus == plant_bus)[0])] += power_kw
    trading = np.zeros(len(bus), dtype=np.bool_)
    homes = np.flatnonzero([kind == "detached" for kind in use])
    trading[homes[::TRADING_HOMES]] = True
    return Meters(
        account=tuple(account_of(identity, meter) for meter in range(len(bus))),
        use=use,
        bus=bus,
        area=grid.network.buses.area[bus],
        annual_kwh=load_kw * LOAD_FACTOR * 8760,
        pv_kwp=pv_kwp,
        pv_class=np.zeros(len(bus), dtype=np.int64),
        level=np.ones(len(bus)),
        all_electric=np.zeros(len(bus), dtype=np.bool_),
        trades=trading | (pv_kwp > 0),
        tariff=tuple(TARIFF_OF[kind] for kind in use),
        building=tuple(f"{grid.network.buses.id[one]} {n}" for n, one in enumerate(bus, 1)),
        floor_m2=np.zeros(len(bus)),
        annual_fuel_kwh=np.zeros(len(bus)),
    )


def _pv(grid: StaticGrid, meters: Meters, file: DistrictFile) -> PvFleet:
    """All generators as south-facing roofs."""
    kwp = np.bincount(meters.area, meters.pv_kwp, len(grid.network.areas.id))[:, np.newaxis]
    return PvFleet(
        class_id=("roof-south",),
        tilt_deg=np.array([15.0]),
        azimuth_deg=np.array([180.0]),
        kwp=kwp.astype(np.float64),
        spc_kwp=np.zeros_like(kwp, dtype=np.float64),
        inverter_frac=file.pv.inverter_frac,
    )


def _no_batteries() -> Batteries:
    whole, number = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Batteries((), (), whole, whole, number, number, number, number, number, number, whole)
