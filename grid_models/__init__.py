"""What the wires allow: the district network, AC power flow, limits.

>>> from grid_models import PowerFlow, StreetPlan, base_case, build_street_plan, check_flow
>>> network = build_street_plan(StreetPlan(fraction=0.01))
>>> flow = PowerFlow(network).run(*base_case(network))
>>> flow.converged, check_flow(network, flow)
(True, [])
"""

from grid_models.base_case import base_case
from grid_models.batch import BatchFlow, BatchResult, Envelope
from grid_models.contingencies import Contingency, check_contingencies
from grid_models.cuts import LinearLimit, cuts_for, states_of
from grid_models.district import (
    BUS_KINDS,
    NO_AREA,
    USES,
    Areas,
    Buses,
    BusShare,
    Connections,
    Finding,
    GridError,
    Lines,
    Network,
    StreetPlan,
    Transformers,
    findings_text,
)
from grid_models.droop import DroopFlow, QDroop, run_with_droop
from grid_models.exact_cuts import CutMaker
from grid_models.findings import check_network
from grid_models.folder import read_network_folder, write_network_folder
from grid_models.hosting import draw_capacity, feed_capacity
from grid_models.island import Island, IslandCase, ShedBlock, island
from grid_models.limits import Violation, check_flow, near_limits
from grid_models.network import write_pandapower_json
from grid_models.pandapower_source import StaticGrid, read_pandapower
from grid_models.passages import Passage, PassageMeter, feeder_names, find_passage
from grid_models.power_flow import FlowResult, PowerFlow
from grid_models.recycled import RecycledNewton
from grid_models.room import Room, room_along
from grid_models.sensitivities import Sensitivities, build_sensitivities
from grid_models.simbench import SimbenchGrid, read_simbench
from grid_models.streets import build_street_plan
from grid_models.zones import (
    Headroom,
    SharedHeadroom,
    SharedRoom,
    ZonePush,
    shared_headroom,
    zone_headroom,
    zone_loss_factors,
    zone_pushes,
    zone_ways,
    zone_weights,
)

__all__ = [
    "BUS_KINDS",
    "NO_AREA",
    "USES",
    "Areas",
    "BatchFlow",
    "BatchResult",
    "BusShare",
    "Buses",
    "Connections",
    "Contingency",
    "CutMaker",
    "DroopFlow",
    "Envelope",
    "Finding",
    "FlowResult",
    "GridError",
    "Headroom",
    "Island",
    "IslandCase",
    "LinearLimit",
    "Lines",
    "Network",
    "Passage",
    "PassageMeter",
    "PowerFlow",
    "QDroop",
    "RecycledNewton",
    "Room",
    "Sensitivities",
    "SharedHeadroom",
    "SharedRoom",
    "ShedBlock",
    "SimbenchGrid",
    "StaticGrid",
    "StreetPlan",
    "Transformers",
    "Violation",
    "ZonePush",
    "base_case",
    "build_sensitivities",
    "build_street_plan",
    "check_contingencies",
    "check_flow",
    "check_network",
    "cuts_for",
    "draw_capacity",
    "feed_capacity",
    "feeder_names",
    "find_passage",
    "findings_text",
    "island",
    "near_limits",
    "read_network_folder",
    "read_pandapower",
    "read_simbench",
    "room_along",
    "run_with_droop",
    "shared_headroom",
    "states_of",
    "write_network_folder",
    "write_pandapower_json",
    "zone_headroom",
    "zone_loss_factors",
    "zone_pushes",
    "zone_ways",
    "zone_weights",
]
