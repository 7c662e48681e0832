"""What stands in a district: nameplates, places, prices; read from `data/districts/`."""

from energy.district.home_points import home_points
from energy.district.load import load_district
from energy.district.model import (
    Agreements,
    Batteries,
    Chargers,
    District,
    DistrictError,
    Economics,
    FirstContract,
    GridConnection,
    HeatSystem,
    Inverters,
    MeasuredProfiles,
    Meters,
    NetworkFees,
    PvFleet,
    Regime,
    UnitType,
)
from grid_models import BusShare

__all__ = [
    "Agreements",
    "Batteries",
    "BusShare",
    "Chargers",
    "District",
    "DistrictError",
    "Economics",
    "FirstContract",
    "GridConnection",
    "HeatSystem",
    "Inverters",
    "MeasuredProfiles",
    "Meters",
    "NetworkFees",
    "PvFleet",
    "Regime",
    "UnitType",
    "home_points",
    "load_district",
]
