"""The simulated district: what is true, and which part of it the loop gets to see."""

from energy.plant.interface import (
    QUALITY_MEASURED,
    QUALITY_MISSING,
    BehindMeters,
    Departures,
    Deviation,
    LateReadings,
    PlantError,
    PlantState,
    PlantStep,
    Readings,
    SetPoints,
    Stamps,
    Telemetry,
)
from energy.plant.plant import Plant
from energy.plant.stays import points_of
from energy.plant.wires import AtBuses

__all__ = [
    "QUALITY_MEASURED",
    "QUALITY_MISSING",
    "AtBuses",
    "BehindMeters",
    "Departures",
    "Deviation",
    "LateReadings",
    "Plant",
    "PlantError",
    "PlantState",
    "PlantStep",
    "Readings",
    "SetPoints",
    "Stamps",
    "Telemetry",
    "points_of",
]
