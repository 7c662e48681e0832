"""The wires for those who look at them: what stands where, and its state under the plan."""

from typing import Any

from fastapi import APIRouter, Request, Response

from energy.api.context import context_of
from energy.api.documents import etag_of, is_known, json_answer, not_modified, view_answer
from energy.api.problems import answers
from grid_models import Network

router = APIRouter(tags=["grid"])


@router.get(
    "/v1/grid/network",
    summary="Buses, lines, transformers and areas of the district",
    responses={304: {"description": "the wires are the same"}},
)
def get_network(request: Request) -> Response:
    """The tables of the network, a column each; ends of lines are positions among the buses."""
    network = context_of(request).district.network
    etag = etag_of("network", network.name, str(len(network.buses.id)), str(len(network.lines.id)))
    if is_known(request, etag):
        return not_modified(etag)
    document = request.app.state.cache.get("network", etag, lambda: network_document(network))
    return json_answer(request, document, etag)


@router.get("/v1/grid", summary="The wires under the plan", responses=answers(404, 422))
def get_grid(request: Request, slot: str | None = None) -> Response:
    """State of every element in the newest planned slot, or in `slot`, and in the tightest one."""
    return view_answer(request, "grid", slot)


def network_document(network: Network) -> dict[str, Any]:
    """The tables of a network as columns, positions in whole metres."""
    buses, lines, transformers = network.buses, network.lines, network.transformers
    return {
        "name": network.name,
        "buses": {
            "id": list(buses.id),
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
