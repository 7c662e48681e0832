"""What stands in a district: nameplates, places, prices; read from `data/districts/`."""

from energy.district.load import load_district
from energy.district.model import (
    Batteries,
    Chargers,
    District,
    DistrictError,
    Economics,
    GridConnection,
    HeatSystem,
    Inverters,
    MeasuredProfiles,
    Meters,
    PvFleet,
    UnitType,
)
from grid_models import BusShare

__all__ = [
    "Batteries",
    "BusShare",
    "Chargers",
    "District",
    "DistrictError",
    "Economics",
    "GridConnection",
    "HeatSystem",
    "Inverters",
    "MeasuredProfiles",
    "Meters",
    "PvFleet",
    "UnitType",
    "load_district",
]
