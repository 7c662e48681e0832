"""How much more each zone may draw or feed in before the first limit binds."""

from dataclasses import dataclass

import numpy as np

from grid_models.district import FloatArray, Network
from grid_models.power_flow import FlowResult
from grid_models.sensitivities import Sensitivities


@dataclass(frozen=True, eq=False)
class Headroom:
    """Room of each zone in kW above what it draws now, and the element that ends it.

    `import_kw` (Z,) is how much more the zone may draw, `export_kw` (Z,) how much more it may feed
    in, its areas together in proportion to their transformers; nought where a limit is broken
    already, infinite where nothing would ever bind (the element's name is then empty).
    """

    import_kw: FloatArray
    export_kw: FloatArray
    import_element: tuple[str, ...]
    export_element: tuple[str, ...]


def zone_headroom(network: Network, flow: FlowResult, moves: Sensitivities) -> Headroom:
    """The room of every zone alone, all others staying as they are; linear in the derivatives."""
    direction = zone_directions(network)
    draw_kw, draw_row = _room(network, flow, moves, direction)
    feed_kw, feed_row = _room(network, flow, moves, -direction)
    names = (*network.lines.id, *network.transformers.id, *network.buses.id, *network.buses.id, "")
    return Headroom(
        import_kw=draw_kw,
        export_kw=feed_kw,
        import_element=tuple(names[row] for row in draw_row),
        export_element=tuple(names[row] for row in feed_row),
    )


def zone_directions(network: Network) -> FloatArray:
    """Share of each area in one kW more of a zone, (A, Z): by transformer rating, else equal."""
    areas = network.areas
    known = areas.transformer >= 0
    rating = np.ones(len(areas.id))
    if known.all():
        rating = network.transformers.s_kva[areas.transformer]
    weight = np.zeros((len(areas.id), len(network.zones)))
    weight[np.arange(len(areas.id)), areas.zone] = rating
    total = weight.sum(axis=0)
    return weight / np.where(total > 0, total, 1.0)


def _room(
    network: Network, flow: FlowResult, moves: Sensitivities, direction: FloatArray
) -> tuple[FloatArray, list[int]]:
    """Longest step in kW along each column until a limit binds, and the row that binds first.

    The row after the last one stands for no limit.
    """
    left = np.concatenate(
        [
            1.0 - flow.line_loading_frac,
            1.0 - flow.transformer_loading_frac,
            flow.v_pu - network.buses.v_min_pu,
            network.buses.v_max_pu - flow.v_pu,
        ]
    )
    rising = np.concatenate(
        [
            moves.line_loading_per_kw @ direction,
            moves.transformer_loading_per_kw @ direction,
            -moves.v_pu_per_kw @ direction,
            moves.v_pu_per_kw @ direction,
        ]
    )
    step = np.full((len(left) + 1, direction.shape[1]), np.inf)
    moved = rising > 1e-12
    np.divide(np.maximum(left, 0.0)[:, None], rising, out=step[:-1], where=moved)
    # Nothing but the last row is infinite, so it is chosen only where nothing binds.
    first = np.where(np.isfinite(step.min(axis=0)), step.argmin(axis=0), len(left))
    return step.min(axis=0), [int(row) for row in first]
