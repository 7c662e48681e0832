"""Which limits a power flow breaks: currents over ratings, voltages outside their bands."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from grid_models.district import BoolArray, FloatArray, Network
from grid_models.power_flow import FlowResult

LINE_LOADING = "line_loading"
TRANSFORMER_LOADING = "transformer_loading"
V_MIN = "v_min"
V_MAX = "v_max"
NOT_CONVERGED = "not_converged"
# A quarter of a hundredth of a percent: below it a limit counts as met, above no meter resolves it.
TOLERANCE = 2.5e-5


@dataclass(frozen=True)
class Violation:
    """One broken limit. Loadings are current over rating, voltages per unit of the rated one.

    `kind` is one of line_loading, transformer_loading, v_min, v_max, not_converged; `position` is
    the element's row in its table, -1 where a flow has no solution at all.
    """

    kind: str
    element: str
    position: int
    found: float
    allowed: float
    reason: str = ""

    @property
    def excess(self) -> float:
        """How far beyond the limit, in the unit of `found`; infinite without a solution."""
        if self.kind == NOT_CONVERGED:
            return math.inf
        return self.allowed - self.found if self.kind == V_MIN else self.found - self.allowed

    def __str__(self) -> str:
        """The violation as one sentence."""
        if self.kind == NOT_CONVERGED:
            return f"network {self.element}: no power flow, {self.reason}"
        if self.kind in (V_MIN, V_MAX):
            return (
                f"bus {self.element}: voltage is {self.found:.4f} pu, allowed is {self.allowed:.4f}"
            )
        what = "line" if self.kind == LINE_LOADING else "transformer"
        return (
            f"{what} {self.element}: loading is {100 * self.found:.1f} %, "
            f"allowed is {100 * self.allowed:.1f} %"
        )


def check_flow(
    network: Network, flow: FlowResult, loading_frac_max: float = 1.0
) -> list[Violation]:
    """Every broken limit of a flow, the worst of each kind first; empty when the wires carry it.

    A flow without a solution is itself the one violation.
    """
    if not flow.converged:
        nan = float("nan")
        return [Violation(NOT_CONVERGED, network.name, -1, nan, nan, flow.reason)]
    buses = network.buses
    return [
        *_over(LINE_LOADING, network.lines.id, flow.line_loading_frac, loading_frac_max),
        *_over(
            TRANSFORMER_LOADING,
            network.transformers.id,
            flow.transformer_loading_frac,
            loading_frac_max,
        ),
        *_outside(V_MIN, buses.id, flow.v_pu, buses.v_min_pu),
        *_outside(V_MAX, buses.id, flow.v_pu, buses.v_max_pu),
    ]


def near_limits(
    network: Network,
    flows: Iterable[FlowResult],
    loading_frac: float = 0.9,
    v_margin_pu: float = 0.005,
) -> list[Violation]:
    """Every element that comes near its limit or beyond in any of the flows, at its worst.

    Near is a loading above `loading_frac` or a voltage within `v_margin_pu` of its band's edge.
    Those within have an excess below 0. Flows without a solution are passed over.
    """
    buses = network.buses
    worst: dict[tuple[str, int], Violation] = {}
    for flow in flows:
        if not flow.converged:
            continue
        near = [
            *_beyond(LINE_LOADING, network.lines.id, flow.line_loading_frac, loading_frac),
            *_beyond(
                TRANSFORMER_LOADING,
                network.transformers.id,
                flow.transformer_loading_frac,
                loading_frac,
            ),
            *_broken(
                V_MIN, buses.id, flow.v_pu, buses.v_min_pu, flow.v_pu < buses.v_min_pu + v_margin_pu
            ),
            *_broken(
                V_MAX, buses.id, flow.v_pu, buses.v_max_pu, flow.v_pu > buses.v_max_pu - v_margin_pu
            ),
        ]
        for each in near:
            key = (each.kind, each.position)
            if key not in worst or each.excess > worst[key].excess:
                worst[key] = each
    return list(worst.values())


def _beyond(
    kind: str, ids: tuple[str, ...], loading_frac: FloatArray, above_frac: float
) -> list[Violation]:
    """Loadings above a threshold, each against its rating."""
    return _broken(kind, ids, loading_frac, np.ones(len(ids)), loading_frac > above_frac)


def _over(
    kind: str, ids: tuple[str, ...], loading_frac: FloatArray, allowed_frac: float
) -> list[Violation]:
    allowed = np.full(len(ids), allowed_frac)
    return _broken(kind, ids, loading_frac, allowed, loading_frac > allowed + TOLERANCE)


def _outside(
    kind: str, ids: tuple[str, ...], v_pu: FloatArray, allowed_pu: FloatArray
) -> list[Violation]:
    low = v_pu < allowed_pu - TOLERANCE if kind == V_MIN else v_pu > allowed_pu + TOLERANCE
    return _broken(kind, ids, v_pu, allowed_pu, low)


def _broken(
    kind: str, ids: tuple[str, ...], found: FloatArray, allowed: FloatArray, broken: BoolArray
) -> list[Violation]:
    rows = np.flatnonzero(broken)
    rows = rows[np.argsort(-np.abs(found[rows] - allowed[rows]), kind="stable")]
    return [
        Violation(kind, ids[row], int(row), float(found[row]), float(allowed[row])) for row in rows
    ]
