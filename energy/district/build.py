"""The district of a checked file: meters and devices over the connection points of its wires."""

import numpy as np

from energy.district.devices import (
    build_batteries,
    build_chargers,
    build_heat,
    build_pv,
    build_units,
)
from energy.district.meters import build_meters, identity_of
from energy.district.model import District, Economics, GridConnection, Inverters, NetworkFees
from energy.district.schema import DistrictFile
from energy.district.shares import bus_shares
from grid_models import Network


def build_district(file: DistrictFile, network: Network, fraction: float) -> District:
    """The district of a checked file on its network; counts are scaled by `fraction`."""
    rng = np.random.default_rng([file.seed, 7])
    meters = build_meters(file, network, fraction, rng)
    pv = build_pv(file, network, fraction, meters)
    batteries = build_batteries(file, network, fraction, meters)
    chargers = build_chargers(file, network, fraction)
    return District(
        id=identity_of(file, fraction),
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
        units=build_units(file, network),
        heat=build_heat(file, network, fraction),
        chargers=chargers,
        connection=GridConnection(
            p_import_kw_max=file.connection.p_import_kw_max * fraction,
            p_export_kw_max=file.connection.p_export_kw_max * fraction,
            tariff=file.connection.tariff,
        ),
        economics=Economics(
            smp_shape=tuple(file.economics.smp_shape),
            **file.economics.model_dump(exclude={"smp_shape"}),
        ),
        shares=bus_shares(network, meters, pv, batteries, chargers),
        inverters=Inverters(**file.inverters.model_dump()),
        fees=NetworkFees(file.trading.network_fee_krw_per_kwh, file.trading.local_fee_krw_per_kwh),
    )
