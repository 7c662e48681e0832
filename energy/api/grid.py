"""The wires for those who look at them: what stands where, and its state under the plan."""

import math
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from energy.api.callers import DISTRICT, may
from energy.api.context import context_of
from energy.api.documents import (
    KNOWN,
    etag_of,
    is_known,
    json_answer,
    not_found,
    not_modified,
    view_answer,
)
from energy.api.problems import answers
from energy.api.shapes.grid import NetworkTables, Outage, Wires
from energy.api.words import SlotName
from energy.store.views import find_view, last_view_slot
from energy.timegrid import iso_of
from grid_models import Contingency, Network, check_contingencies
from grid_models.contingencies import feeder_heads

# What every bus draws is kept for outages; readers get what the wires make of it.
ONLY_FOR_OUTAGES = ("drawn",)

router = APIRouter(tags=["grid"])


@router.get(
    "/v1/grid/network",
    summary="Buses, lines, transformers and areas of the district",
    response_model=NetworkTables,
    responses=KNOWN,
)
@may(DISTRICT)
def get_network(request: Request) -> Response:
    """The tables of the network, a column each; ends of lines are positions among the buses."""
    network = context_of(request).district.network
    document, etag = request.app.state.cache.get(
        "network", network.name, lambda: _tagged(network_document(network))
    )
    if is_known(request, etag):
        return not_modified(etag)
    return json_answer(request, document, etag)


@router.get(
    "/v1/grid",
    summary="The wires under the plan",
    response_model=Wires,
    responses={**KNOWN, **answers(404, 422)},
)
@may(DISTRICT)
def get_grid(request: Request, slot: SlotName | None = None) -> Response:
    """State of every element in the newest planned slot, or in `slot`, and in the tightest one."""
    return view_answer(request, "grid", slot, hidden=ONLY_FOR_OUTAGES)


@router.get(
    "/v1/grid/contingency",
    summary="What an outage would do now",
    response_model=Outage,
    responses=answers(404, 422),
)
@may(DISTRICT)
def get_contingency(request: Request, element: str) -> Response:
    """The outage of a line, a transformer or a feeder (its first line) in the planned slot."""
    context = context_of(request)
    network = context.district.network
    name = outage_of(network, element)
    slot, document = context.store.read(_newest_wires)
    if document is None or slot is None:
        raise not_found("element", element, "a district with a planned slot")
    drawn = document["drawn"]
    found = check_contingencies(
        network, np.array(drawn["p_kw"]), np.array(drawn["q_kvar"]), [name]
    )[0]
    return json_answer(request, {"slot_utc": iso_of(slot), **contingency_document(found)})


def outage_of(network: Network, element: str) -> str:
    """The element that a name stands for: itself, or the first line of a feeder such as F3."""
    known = (*network.lines.id, *network.transformers.id)
    if element in known:
        return element
    heads = [name for name in feeder_heads(network) if name.startswith(f"{element}-")]
    if not heads:
        raise not_found("element", element[:60], "a feeder, a line or a transformer")
    return heads[0]


def contingency_document(found: Contingency) -> dict[str, Any]:
    """An outage and how it is switched around."""
    return {
        "element": found.element,
        "secure": found.secure,
        "dark_areas": list(found.dark_areas),
        "closed": list(found.closed),
        "opened": list(found.opened),
        "unsupplied_areas": list(found.unsupplied_areas),
        "p_unsupplied_kw": round(found.p_unsupplied_kw, 1),
        "highest_loading_frac": _finite(found.highest_loading_frac),
        "highest_element": found.highest_element,
        "v_min_pu": _finite(found.v_min_pu),
        "violations": [str(each) for each in found.violations],
    }


def _tagged(document: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The document with an ETag of its whole content."""
    return document, etag_of("network", orjson.dumps(document).decode())


def _newest_wires(connection: Connection) -> tuple[int | None, dict[str, Any] | None]:
    slot = last_view_slot(connection, "grid")
    return slot, None if slot is None else find_view(connection, "grid", slot)


def _finite(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def network_document(network: Network) -> dict[str, Any]:
    """The tables of a network as columns, positions in whole metres."""
    buses, lines, transformers = network.buses, network.lines, network.transformers
    return {
        "name": network.name,
        "buses": {
            "id": list(buses.id),
            "vn_kv": buses.vn_kv.tolist(),
            "x_m": buses.x_m.round().astype(int).tolist(),
            "y_m": buses.y_m.round().astype(int).tolist(),
            "kind": list(buses.kind),
            "area": buses.area.tolist(),
            "v_min_pu": buses.v_min_pu.round(5).tolist(),
            "v_max_pu": buses.v_max_pu.round(5).tolist(),
        },
        "lines": {
            "id": list(lines.id),
            "from": lines.from_bus.tolist(),
            "to": lines.to_bus.tolist(),
            "closed": lines.closed.tolist(),
            # Of all equal cables of a line together, as a loading of 1 means.
            "i_a_max": (lines.i_a_max * lines.parallel).round(1).tolist(),
        },
        "transformers": {
            "id": list(transformers.id),
            "hv": transformers.hv_bus.tolist(),
            "lv": transformers.lv_bus.tolist(),
            "area": transformers.area.tolist(),
            "s_kva": transformers.s_kva.tolist(),
        },
        "areas": {
            "id": list(network.areas.id),
            "zone": network.areas.zone.tolist(),
            "transformer": network.areas.transformer.tolist(),
        },
        "zones": list(network.zones),
    }
