"""Broken limits as linear limits on what the areas draw, and the room that is left.

Both stand on the first derivatives at one solution, so a limit holds exactly there and nearly so
around it; the AC power flow of the new plan has the last word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grid_models.district import BusShare, FloatArray, GridError, Network
from grid_models.limits import LINE_LOADING, NOT_CONVERGED, TRANSFORMER_LOADING, V_MIN, Violation
from grid_models.power_flow import FlowResult
from grid_models.sensitivities import Sensitivities, build_sensitivities

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
    usable = [each for each in violations if each.kind != NOT_CONVERGED]
    if not usable:
        return []
    moves = build_sensitivities(network, flow, share)
    limits = (_limit(moves, each, area_net_kw) for each in _worst(network, usable))
    return [limit for limit in limits if limit is not None]


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


def _limit(
    moves: Sensitivities, violation: Violation, area_net_kw: FloatArray
) -> LinearLimit | None:
    """The tangent at this solution on the right side of the limit, scaled to kW."""
    row = _row(moves, violation)
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


def _row(moves: Sensitivities, violation: Violation) -> FloatArray:
    """Derivative of the violated quantity to the areas' power, (A,)."""
    table = {
        LINE_LOADING: moves.line_loading_per_kw,
        TRANSFORMER_LOADING: moves.transformer_loading_per_kw,
    }.get(violation.kind, moves.v_pu_per_kw)
    row: FloatArray = table[violation.position]
    return row
