"""What the forecasters must know of a district and what does not change from slot to slot."""

import numpy as np

from energy.district import District
from energy.forecast import ChargerGroups, ForecastBasis, PvClasses, Site


def build_basis(district: District) -> ForecastBasis:
    """The district in the forecasters' words."""
    meters, chargers, pv = district.meters, district.chargers, district.pv
    annual_kwh = np.bincount(meters.area, meters.annual_kwh, district.areas)
    heat = district.heat
    return ForecastBasis(
        site=Site(
            latitude_deg=district.latitude_deg,
            longitude_deg=district.longitude_deg,
            altitude_m=district.altitude_m,
            time_zone=district.time_zone,
        ),
        pv=PvClasses(
            tilt_deg=pv.tilt_deg,
            azimuth_deg=pv.azimuth_deg,
            kwp=pv.kwp,
            inverter_frac=pv.inverter_frac,
        ),
        chargers=ChargerGroups(
            kind=chargers.kind,
            count=chargers.count,
            p_kw=chargers.p_kw,
            p_v2g_kw=chargers.p_v2g_kw,
            cars_per_day=chargers.cars_per_day,
            eta=chargers.eta,
        ),
        mean_load_kw=annual_kwh / 8760,
        mean_heat_kw=heat.annual_demand_kwh / 8760 if heat else 0.0,
    )
