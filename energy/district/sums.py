"""What a district comes to: its base year, and the two cases that its wires must carry.

For a measured district all of it is measurement; for a drawn one the numbers follow from counts,
with the factors below (marks as in data/README.md).
"""

from dataclasses import dataclass

import numpy as np

from energy.district.model import District, FloatArray, UnitType
from energy.units import DT_H
from grid_models import base_case

PV_H_PER_YEAR = 1300.0  # (B) yield in the ZEB zone of Sejong, kWh per kWp
UNIT_USE_FRAC = 0.85  # (D) of the year at rated power
SESSION_KWH = {"standard": 10.0, "quick": 20.0, "super_fast": 30.0}  # (D) energy of one charge
NOON_PV_KW_PER_KWP = 0.8  # (D) clear May noon
NOON_LOAD_FRAC = 0.7  # (D) of the mean load, on a mild holiday
Q_PER_P = float(np.tan(np.arccos(0.95)))  # (D) of buildings


@dataclass(frozen=True)
class BaseYear:
    """Energy of a year in kWh: what buildings and cars use, what solar and units make."""

    buildings_kwh: float
    cars_kwh: float
    pv_kwh: float
    units_kwh: float

    @property
    def demand_kwh(self) -> float:
        """Everything that is used."""
        return self.buildings_kwh + self.cars_kwh

    @property
    def self_sufficiency_frac(self) -> float:
        """Own production over use, a year taken together."""
        return (self.pv_kwh + self.units_kwh) / self.demand_kwh if self.demand_kwh else 0.0


@dataclass(frozen=True, eq=False)
class LoadCase:
    """What every bus draws in one situation, (N,) kW and kvar."""

    name: str
    p_kw: FloatArray
    q_kvar: FloatArray


def base_year(district: District) -> BaseYear:
    """The year that a district is sized for."""
    chargers = district.chargers
    sessions = chargers.cars_per_day * 365
    per_session = np.array([SESSION_KWH[kind] for kind in chargers.kind])
    measured = district.measured
    pv_kwh = (
        float(measured.pv_kw.sum(dtype=np.float64)) * DT_H
        if measured
        else float(district.pv.kwp.sum()) * PV_H_PER_YEAR
    )
    return BaseYear(
        buildings_kwh=float(district.meters.annual_kwh.sum()),
        cars_kwh=float(sessions @ per_session),
        pv_kwh=pv_kwh,
        units_kwh=sum(_unit_kwh(unit) for unit in district.units),
    )


def load_cases(district: District) -> tuple[LoadCase, LoadCase]:
    """The evening peak, and a sunny noon when little is used and nothing stored."""
    if district.measured is not None:
        return _measured_cases(district)
    buses = len(district.network.buses.id)
    areas = district.areas
    mean_kw = np.bincount(district.meters.area, district.meters.annual_kwh, areas) / 8760
    load_kw = district.shares["load"].at_buses(NOON_LOAD_FRAC * mean_kw, buses)
    solar_kw = np.minimum(NOON_PV_KW_PER_KWP, district.pv.inverter_frac) * district.pv.kwp
    sun_kw = district.shares["pv"].at_buses(solar_kw.sum(axis=1), buses)
    return (
        LoadCase("evening peak", *base_case(district.network)),
        LoadCase("sunny noon", load_kw - sun_kw, Q_PER_P * load_kw),
    )


def _measured_cases(district: District) -> tuple[LoadCase, LoadCase]:
    """The measured slots of the highest and of the lowest net load."""
    measured = district.measured
    assert measured is not None, "only called for a measured district"
    net_kw = measured.load_kw.sum(axis=1) - measured.pv_kw.sum(axis=1)
    rows = {"evening peak": int(np.argmax(net_kw)), "sunny noon": int(np.argmin(net_kw))}
    buses, bus = len(district.network.buses.id), district.meters.bus
    cases = []
    for name, row in rows.items():
        load_kw = np.bincount(bus, measured.load_kw[row], buses).astype(np.float64)
        sun_kw = np.bincount(bus, measured.pv_kw[row], buses).astype(np.float64)
        cases.append(LoadCase(name, load_kw - sun_kw, Q_PER_P * load_kw))
    return cases[0], cases[1]


def _unit_kwh(unit: UnitType) -> float:
    """A unit group's year: on its daily gas where that is limited, else at its usual use."""
    if np.isfinite(unit.daily_fuel_kwh):
        power_kw, fuel_kw = unit.fuel[-1]
        return 365 * unit.daily_fuel_kwh * power_kw / fuel_kw
    return unit.count * unit.p_kw_max * 8760 * UNIT_USE_FRAC
