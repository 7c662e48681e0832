"""What the wires allow: the district network, AC power flow, limits."""

from grid_models.district import (
    BUS_KINDS,
    NO_AREA,
    USES,
    Areas,
    Buses,
    Connections,
    Finding,
    GridError,
    Lines,
    Network,
    StreetPlan,
    Transformers,
)

__all__ = [
    "BUS_KINDS",
    "NO_AREA",
    "USES",
    "Areas",
    "Buses",
    "Connections",
    "Finding",
    "GridError",
    "Lines",
    "Network",
    "StreetPlan",
    "Transformers",
]
