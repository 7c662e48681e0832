"""Linear limits that lie where the AC solution reaches them, slot after slot of one plan.

A tangent far below a limit promises too much: currents bend. So the limit itself is sought, with
the area that moves the element most moving alone; its coefficients are those of the tangent where
the element was met first, and the limit found there is the first guess in the next slot. One or two
flows per element and slot then do.
"""

from collections.abc import Sequence

import numpy as np

from grid_models.balance import Balance
from grid_models.branches import ComplexArray
from grid_models.cuts import (
    LOADINGS,
    LinearLimit,
    Moves,
    linear_limit,
    moves_of,
    rows_of,
    state_of,
    states_of,
    worst_of,
)
from grid_models.district import BusShare, FloatArray, IntArray
from grid_models.limits import NOT_CONVERGED, Violation
from grid_models.power_flow import FlowResult, PowerFlow
from grid_models.sensitivities import Tangent, complete_share

CLOSE_FRAC = 0.1  # of the margin that a limit keeps: nearer need the AC solution not come
FLOWS_MAX = 8


class CutMaker:
    """Makes the limits of one network's elements for the slots of a plan.

    `share` says how more of an area's power spreads over its buses.
    """

    def __init__(self, power_flow: PowerFlow, share: BusShare | None = None) -> None:
        self._power_flow, self._network = power_flow, power_flow.network
        self._share = complete_share(self._network, share)
        self._balance = Balance(self._network)
        self._moves: dict[tuple[str, int], Moves | None] = {}
        self._limit_kw: dict[tuple[str, int], float] = {}

    def cuts(
        self, flow: FlowResult, elements: Sequence[Violation], area_net_kw: FloatArray
    ) -> list[LinearLimit]:
        """The limits of some elements in a slot where the areas drew `area_net_kw` (A,).

        Elements may stand within their limits here; of one area and kind the worst counts.
        Loadings have a limit for either way of the current. Without a flow there is no limit.
        """
        known = [each for each in elements if each.kind != NOT_CONVERGED]
        here = worst_of(self._network, states_of(flow, known))
        self._learn(flow, here)
        drawn_kva = self._drawn_kva(flow) if here else None
        limits: list[LinearLimit] = []
        for each in here:
            moves = self._moves[each.kind, each.position]
            if moves is not None and drawn_kva is not None:
                limits += self._limits(each, moves, area_net_kw, drawn_kva)
        return limits

    def _learn(self, flow: FlowResult, elements: Sequence[Violation]) -> None:
        """Derivatives of the elements that were not met before; None where no area moves one."""
        new = [each for each in elements if (each.kind, each.position) not in self._moves]
        if not new:
            return
        rows = rows_of(self._network, Tangent(self._network, flow, self._share), new)
        for each, row in zip(new, rows, strict=True):
            self._moves[each.kind, each.position] = moves_of(each, row) if row.any() else None

    def _drawn_kva(self, flow: FlowResult) -> ComplexArray:
        """What every bus drew in a flow; at the slack bus the utility's part is in it."""
        v = np.asarray(flow.v_pu * np.exp(1j * flow.angle_rad), dtype=np.complex128)
        return -self._balance.leaving_kva(v)

    def _limits(
        self, element: Violation, moves: Moves, area_net_kw: FloatArray, drawn_kva: ComplexArray
    ) -> list[LinearLimit]:
        """The limit on the side where the element stands; for a current its mirror image too.

        The mirror image is a little strict: fed back, a current meets a higher voltage.
        """
        through_kw = float(moves.coefficient @ area_net_kw)
        turned = -1.0 if element.kind in LOADINGS and through_kw < 0 else 1.0
        side_kw = turned * through_kw
        limit_kw = self._reached_kw(element, moves, (side_kw, turned), drawn_kva)
        limits = [linear_limit(element, turned * moves.coefficient, limit_kw)]
        if element.kind in LOADINGS:
            limits.append(linear_limit(element, -turned * moves.coefficient, max(limit_kw, 0.0)))
        return limits

    def _reached_kw(
        self,
        element: Violation,
        moves: Moves,
        here: tuple[float, float],
        drawn_kva: ComplexArray,
    ) -> float:
        """Where the element's limit lies on the side where it stands, by secants over AC flows.

        `here` is how far it stands on that side in kW, and which side that is (1 or -1).
        """
        at_kw, turned = here
        key = (element.kind, element.position)
        sign = turned * float(np.sign(moves.coefficient[moves.area]))
        way = sign * self._way_of(moves.area)
        last_kw, last = at_kw, element.found - moves.aim
        next_kw = self._limit_kw.get(key, at_kw - moves.rising * last / moves.per_kw)
        close = CLOSE_FRAC * abs(element.allowed - moves.aim)
        for _ in range(FLOWS_MAX):
            p_kw = drawn_kva.real + (next_kw - at_kw) * way
            flow = self._power_flow.run(p_kw, drawn_kva.imag)
            if not flow.converged:  # so far out there is no flow: come closer
                next_kw = (last_kw + next_kw) / 2
                continue
            gap = state_of(element, flow) - moves.aim
            if abs(gap) < close or gap == last:
                break
            turn_kw = next_kw - gap * (next_kw - last_kw) / (gap - last)
            last_kw, last, next_kw = next_kw, gap, turn_kw
        self._limit_kw[key] = next_kw
        return next_kw

    def _way_of(self, area: int) -> FloatArray:
        """One kW of an area over the buses."""
        mine = self._share.area == area
        bus: IntArray = self._share.bus[mine]
        way = np.bincount(bus, self._share.share[mine], len(self._network.buses.id))
        return way.astype(np.float64)
