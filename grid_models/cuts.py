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
LOADINGS = (LINE_LOADING, TRANSFORMER_LOADING)
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
    over their buses. The limits are tangents at this flow; `CutMaker` places them exactly. A flow
    without a solution has no derivative, so it gives no limit; nor has an element that no area
    moves.
    """
    if area_net_kw.shape != (len(network.areas.id),):
        found = f"{area_net_kw.shape}, allowed is ({len(network.areas.id)},)"
        raise GridError(f"network {network.name}: net power of areas has shape {found}")
    usable = worst_of(network, [each for each in violations if each.kind != NOT_CONVERGED])
    if not usable:
        return []
    rows = rows_of(network, Tangent(network, flow, share), usable)
    return [
        _at_tangent(moves_of(each, row), each, area_net_kw)
        for row, each in zip(rows, usable, strict=True)
        if row.any()
    ]


def states_of(flow: FlowResult, elements: Sequence[Violation]) -> list[Violation]:
    """How the elements of some violations stand in another flow, whether within limits or not.

    Given to a CutMaker, they keep a plan from moving a violation into a slot where there was none.
    """
    return [
        replace(each, found=state_of(each, flow))
        for each in elements
        if each.kind != NOT_CONVERGED and flow.converged
    ]


def state_of(element: Violation, flow: FlowResult) -> float:
    """The loading or voltage of a violation's element in another flow; NaN without one."""
    table = {
        LINE_LOADING: flow.line_loading_frac,
        TRANSFORMER_LOADING: flow.transformer_loading_frac,
    }.get(element.kind, flow.v_pu)
    return float(table[element.position])


def worst_of(network: Network, violations: Sequence[Violation]) -> list[Violation]:
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


@dataclass(frozen=True, eq=False)
class Moves:
    """How an element nears its limit: `per_kw` of the area that moves it most, in whose kW the
    `coefficient` (A,) of all areas are; `aim` is the limit with its margin.
    """

    coefficient: FloatArray
    area: int
    per_kw: float
    aim: float
    rising: float


def moves_of(violation: Violation, row: FloatArray) -> Moves:
    """The moves from a row of derivatives, (A,), that is not all nought."""
    area = int(np.abs(row).argmax())
    per_kw = abs(float(row[area]))
    rising = -1.0 if violation.kind == V_MIN else 1.0
    margin = LOADING_MARGIN if violation.kind in LOADINGS else V_MARGIN_PU
    coefficient = rising * row / per_kw
    return Moves(
        coefficient=np.where(np.abs(coefficient) < SMALL_FRAC, 0.0, coefficient),
        area=area,
        per_kw=per_kw,
        aim=violation.allowed - rising * margin,
        rising=rising,
    )


def _at_tangent(moves: Moves, violation: Violation, area_net_kw: FloatArray) -> LinearLimit:
    room_kw = moves.rising * (moves.aim - violation.found) / moves.per_kw
    return linear_limit(
        violation, moves.coefficient, room_kw + float(moves.coefficient @ area_net_kw)
    )


def linear_limit(violation: Violation, coefficient: FloatArray, limit_kw: float) -> LinearLimit:
    """The limit of a violation's element, named by the way in which its current then flows."""
    way = "+" if coefficient[np.abs(coefficient).argmax()] > 0 else "-"
    return LinearLimit(
        id=f"{violation.kind}:{violation.element}:{way}",
        kind=violation.kind,
        element=violation.element,
        coefficient=coefficient,
        limit_kw=limit_kw,
    )


def rows_of(network: Network, tangent: Tangent, violations: Sequence[Violation]) -> FloatArray:
    """Derivative of each violated quantity to the areas' power, (violations, A)."""
    lines = len(network.lines.id)
    is_loading = np.array([each.kind in LOADINGS for each in violations])
    position = np.array(
        [each.position + lines * (each.kind == TRANSFORMER_LOADING) for each in violations]
    )
    rows = np.zeros((len(violations), len(network.areas.id)))
    rows[is_loading] = tangent.loadings_per_kw(position[is_loading])
    rows[~is_loading] = tangent.voltages_per_kw(position[~is_loading])
    return rows
