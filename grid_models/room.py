"""How far injections may grow along a direction before the first limit binds, by AC power flow.

Every limit's distance is followed by the secant through the last two solutions, and the nearest
crossing is tried next; loadings bend little, so four or five flows place the end to a thousandth.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grid_models.district import FloatArray, Network
from grid_models.limits import (
    LINE_LOADING,
    NOT_CONVERGED,
    TOLERANCE,
    TRANSFORMER_LOADING,
    V_MAX,
    V_MIN,
)
from grid_models.power_flow import FlowResult, PowerFlow

STEPS_MAX = 40
CLOSE_FRAC = 1e-3
FIRST_STEP_KW = 1.0
UNLIMITED_KW = 1e9


@dataclass(frozen=True)
class Room:
    """The longest step in kW along a direction, and the limit that ends it.

    A limit that is broken already must only not get worse. Infinite where none would ever bind;
    `kind` is that of a Violation, "not_converged" where the flow ends before any limit.
    """

    step_kw: float
    kind: str
    element: str


def room_along(
    power_flow: PowerFlow, p_kw: FloatArray, q_kvar: FloatArray, direction: FloatArray
) -> Room:
    """The room from (N,) kW and kvar along `direction`, (N,) kW per kW of the step."""
    network, search = power_flow.network, _Search()
    for step_kw in search.steps():
        flow = power_flow.run(p_kw + step_kw * direction, q_kvar)
        search.take(step_kw, _left(network, flow) if flow.converged else None)
    if search.bad_kw == math.inf:
        return Room(math.inf, "", "")
    if search.bad_left is None:
        return Room(max(search.good_kw, 0.0), NOT_CONVERGED, network.name)
    kind, element = _limit_of(network, int(search.bad_left.argmin()))
    return Room(max(search.good_kw, 0.0), kind, element)


def keeps_limits(network: Network, base: FlowResult, flow: FlowResult) -> bool:
    """Whether a flow breaks no limit, and makes none worse that is broken in `base`."""
    if not (base.converged and flow.converged):
        return False
    allowed = np.minimum(_left(network, base), 0.0)
    return bool((_left(network, flow) >= allowed - TOLERANCE).all())


class _Search:
    """The longest good step so far, the shortest bad one, and which step to try next."""

    def __init__(self) -> None:
        self.good_kw, self.bad_kw = -1.0, math.inf
        self.bad_left: FloatArray | None = None
        self._last: tuple[float, FloatArray] | None = None
        self._broken: FloatArray | float = 0.0
        self._next_kw = 0.0

    def steps(self) -> Iterator[float]:
        """Steps in kW until the end is known well enough; each must be answered by `take`."""
        for _ in range(STEPS_MAX):
            yield self._next_kw
            if self.bad_kw <= max(self.good_kw, 0.0) * (1 + CLOSE_FRAC):
                return
            if self._next_kw > UNLIMITED_KW:
                return

    def take(self, step_kw: float, left: FloatArray | None) -> None:
        """What is left of every limit at a step; None where there is no flow."""
        if left is not None:
            if self._last is None:
                self._broken = np.where(left < -TOLERANCE, left, 0.0)
            left = left - self._broken
        if left is not None and left.min() >= -TOLERANCE:
            self.good_kw = step_kw
        elif step_kw < self.bad_kw:
            self.bad_kw, self.bad_left = step_kw, left
        self._next_kw = self._proposal(step_kw, left)
        if left is not None:
            self._last = (step_kw, left)

    def _proposal(self, step_kw: float, left: FloatArray | None) -> float:
        """The nearest crossing on the secants, kept strictly between the good and the bad."""
        crossing = math.inf
        if left is not None and self._last is not None and step_kw != self._last[0]:
            slope = (left - self._last[1]) / (step_kw - self._last[0])
            falling = slope < 0
            # A hair short of the crossing, so that the longest good step closes in from below.
            crossing = float((step_kw - left[falling] / slope[falling]).min(initial=math.inf))
            crossing *= 1 - CLOSE_FRAC / 3
        low, high = max(self.good_kw, 0.0), self.bad_kw
        if high == math.inf:
            return min(max(crossing, 2 * low, FIRST_STEP_KW), max(30 * low, FIRST_STEP_KW))
        if low < crossing < high:
            return crossing
        return min(low * (1 + CLOSE_FRAC / 2), high) if crossing <= low else (low + high) / 2


def _left(network: Network, flow: FlowResult) -> FloatArray:
    """Distance to every limit: lines, transformers, lowest and highest voltage of each bus."""
    return np.concatenate(
        [
            1.0 - flow.line_loading_frac,
            1.0 - flow.transformer_loading_frac,
            flow.v_pu - network.buses.v_min_pu,
            network.buses.v_max_pu - flow.v_pu,
        ]
    )


def _limit_of(network: Network, row: int) -> tuple[str, str]:
    """Kind and element of a row of `_left`."""
    for kind, ids in (
        (LINE_LOADING, network.lines.id),
        (TRANSFORMER_LOADING, network.transformers.id),
        (V_MIN, network.buses.id),
        (V_MAX, network.buses.id),
    ):
        if row < len(ids):
            return kind, ids[row]
        row -= len(ids)
    raise IndexError(row)
