"""Broken limits as linear limits on what the areas draw, and the room that is left.

Both stand on the first derivatives at one solution, so a limit holds exactly there and nearly so
around it; the AC power flow of the new plan has the last word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grid_models.district import BusShare, FloatArray, GridError, Network
from grid_models.limits import LINE_LOADING, NOT_CONVERGED, TRANSFORMER_LOADING, V_MIN, Violation
from grid_models.power_flow import FlowResult
from grid_models.sensitivities import Tangent

# Aimed at below the limit: currents and voltages bend, and the next flow should not need a third.
LOADING_MARGIN = 0.002
V_MARGIN_PU = 0.0002
SMALL_FRAC = 1e-4  # coefficients below this share of the largest are left out


@dataclass(frozen=True, eq=False)
class LinearLimit:
    """One limit of the wires: sum of coefficient (A,) times the areas' net kW <= limit_kw.

    Net power is positive when drawn. The largest coefficient is 1 in size, so that the limit and
    what exceeds it are kW of the area that moves the element most.
    """

    id: str
    kind: str
    element: str
    coefficient: FloatArray
    limit_kw: float


def cuts_for(
    network: Network,
    flow: FlowResult,
    violations: Sequence[Violation],
    *,
    area_net_kw: FloatArray,
    share: BusShare | None = None,
) -> list[LinearLimit]:
    """Linear limits that remove the violations of a flow, the worst of each area and kind.

    `area_net_kw` (A,) is what the areas drew in this flow, `share` how more of it would spread
    over their buses. A flow without a solution has no derivative, so it gives no limit; nor has
    an element that no area moves.
    """
    if area_net_kw.shape != (len(network.areas.id),):
        found = f"{area_net_kw.shape}, allowed is ({len(network.areas.id)},)"
        raise GridError(f"network {network.name}: net power of areas has shape {found}")
    usable = _worst(network, [each for each in violations if each.kind != NOT_CONVERGED])
    if not usable:
        return []
    rows = _rows(network, Tangent(network, flow, share), usable)
    limits = (_limit(row, each, area_net_kw) for row, each in zip(rows, usable, strict=True))
    return [limit for limit in limits if limit is not None]


def states_of(network: Network, flow: FlowResult, elements: Sequence[Violation]) -> list[Violation]:
    """How the elements of some violations stand in another flow, whether within limits or not.

    Given to `cuts_for`, they keep a plan from moving a violation into a slot where there was none.
    """
    found = {
        LINE_LOADING: flow.line_loading_frac,
        TRANSFORMER_LOADING: flow.transformer_loading_frac,
    }
    return [
        replace(each, found=float(found.get(each.kind, flow.v_pu)[each.position]))
        for each in elements
        if each.kind != NOT_CONVERGED and flow.converged
    ]


def _worst(network: Network, violations: Sequence[Violation]) -> list[Violation]:
    """The worst violation of every kind in each area; all of them on the backbone."""
    worst: dict[tuple[str, str], Violation] = {}
    for each in violations:
        place = (each.kind, _place(network, each))
        if place not in worst or each.excess > worst[place].excess:
            worst[place] = each
    return list(worst.values())


def _place(network: Network, violation: Violation) -> str:
    """The area of an element, or its own name where it stands in none."""
    position = violation.position
    if violation.kind == TRANSFORMER_LOADING:
        area = int(network.transformers.area[position])
    elif violation.kind == LINE_LOADING:
        area = int(network.buses.area[network.lines.to_bus[position]])
    else:
        area = int(network.buses.area[position])
    return violation.element if area < 0 else network.areas.id[area]


def _limit(row: FloatArray, violation: Violation, area_net_kw: FloatArray) -> LinearLimit | None:
    """The tangent at this solution on the right side of the limit, scaled to kW."""
    room = violation.allowed - violation.found
    if violation.kind in (LINE_LOADING, TRANSFORMER_LOADING):
        room -= LOADING_MARGIN
    elif violation.kind == V_MIN:
        row, room = -row, -room - V_MARGIN_PU
    else:
        room -= V_MARGIN_PU
    largest = float(np.abs(row).max(initial=0.0))
    if largest == 0.0:
        return None
    coefficient = np.where(np.abs(row) < SMALL_FRAC * largest, 0.0, row / largest)
    return LinearLimit(
        id=f"{violation.kind}:{violation.element}",
        kind=violation.kind,
        element=violation.element,
        coefficient=coefficient,
        limit_kw=room / largest + float(coefficient @ area_net_kw),
    )


def _rows(network: Network, tangent: Tangent, violations: Sequence[Violation]) -> FloatArray:
    """Derivative of each violated quantity to the areas' power, (violations, A)."""
    lines = len(network.lines.id)
    is_loading = np.array([each.kind in (LINE_LOADING, TRANSFORMER_LOADING) for each in violations])
    position = np.array(
        [each.position + lines * (each.kind == TRANSFORMER_LOADING) for each in violations]
    )
    rows = np.zeros((len(violations), len(network.areas.id)))
    rows[is_loading] = tangent.loadings_per_kw(position[is_loading])
    rows[~is_loading] = tangent.voltages_per_kw(position[~is_loading])
    return rows
