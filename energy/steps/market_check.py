"""Can the wires carry what was cleared? The zones' trades on top of the plan, by AC power flow.

The bound is a safe one: what is bought in a zone beyond what is sold there counts as drawn besides
all that the plan has drawn already, spread like the zone's room. A limit that breaks names the way
of the market that pushes it most; `market.reclearing` cuts that way and clears the same book again.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan
from energy.steps.market_network import HUB_NODE, SPC_NODE, WH_PER_KW
from grid_models import FlowResult, Violation, ZonePush, check_flow, states_of, zone_pushes
from grid_models import zone_ways as ways_of
from market.clearing import Clearing
from market.network import MarketNetwork
from market.reclearing import Overload
from market.result import LinkResult

FloatArray = npt.NDArray[np.float64]

PPM = 1_000_000
NO_FLOW_PPM = 10 * PPM  # worse than any loading
SHARED_FRAC = 0.5
"""An element that several zones push at least so much like the hardest one is shared by them."""

SAME = 2.5e-5  # of a limit: what a limit broken by the plan itself may move unnoticed


@dataclass(frozen=True, eq=False)
class MarketCheck:
    """The check of one slot's clearings on the plan that they stand on."""

    microgrid: Microgrid
    checked: CheckedPlan
    network: MarketNetwork

    def overloads(self, clearing: Clearing) -> list[Overload]:
        """The limits that the clearing breaks or makes worse, each with the way that pushes it."""
        net_kw = self.net_kw(clearing)
        if not net_kw.any():
            return []
        flow = self.flow(net_kw)
        if not flow.converged:
            reason = f"no power flow with the trades, {flow.reason}"
            return [_halved(clearing, NO_FLOW_PPM, reason)]
        broken = self._newly_broken(flow)
        if not broken:
            return self._beyond_orders(clearing, flow)
        district = self.microgrid.district
        pushes = zone_pushes(district.network, flow, broken, district.shares["load"])
        return [self._overload(clearing, push, net_kw) for push in pushes]

    def net_kw(self, clearing: Clearing) -> FloatArray:
        """What each zone has bought beyond what it has sold, as power over the slot, (Z,)."""
        node = {one.node: one.bought_wh - one.sold_wh for one in clearing.nodes}
        net_wh = [
            sum(node[one] for one in {zone.buy_node, zone.sell_node}) for zone in self.network.zones
        ]
        return np.array(net_wh, dtype=np.float64) / WH_PER_KW

    def flow(self, net_kw: FloatArray) -> FlowResult:
        """The flow of the plan's first slot with so much more drawn in each zone."""
        drawn, district = self.checked.drawn, self.microgrid.district
        ways = np.array(ways_of(district.network, district.shares["load"]))
        return self.microgrid.power_flow.run(drawn.p_kw + net_kw @ ways, drawn.q_kvar)

    def _beyond_orders(self, clearing: Clearing, flow: FlowResult) -> list[Overload]:
        """The operators' limits that the trades break or break further."""
        steering = self.checked.steering
        before = {one.position: one.found for one in steering.broken(0, self.checked.flow)}
        return [
            _halved(clearing, PPM + math.ceil(PPM * one.excess / max(one.allowed, 1.0)), str(one))
            for one in steering.broken(0, flow)
            if one.found > before.get(one.position, 0.0) + SAME
        ][:1]

    def _newly_broken(self, flow: FlowResult) -> list[Violation]:
        """What the plan alone would not break, or not as far."""
        found = check_flow(self.microgrid.district.network, flow)
        before = states_of(self.checked.flow, found)
        return [
            now
            for now, was in zip(found, before, strict=True)
            if now.excess > max(was.excess, 0.0) + SAME
        ]

    def _overload(self, clearing: Clearing, push: ZonePush, net_kw: FloatArray) -> Overload:
        """The limit with the way whose energy pushes it most; excess in watts of that way."""
        found = push.violation
        pushing = self._pushing(clearing, push, net_kw)
        loading_ppm = PPM + math.ceil(PPM * found.excess)
        if pushing is None:
            return _halved(clearing, loading_ppm, str(found))
        link, per_kw = pushing
        excess_w = max(math.ceil(1000 * push.excess / per_kw), 1)
        return Overload(link.from_node, link.to_node, excess_w, PPM, loading_ppm, str(found))

    def _pushing(
        self, clearing: Clearing, push: ZonePush, net_kw: FloatArray
    ) -> tuple[LinkResult, float] | None:
        """The used way that pushes a limit most, and its push for each kW; None without one.

        What several zones push alike, they share: then it is the way that all of them share.
        """
        by_pair = {(one.from_node, one.to_node): one for one in clearing.links}
        found = []
        for zone, per_kw in zip(self.network.zones, push.per_kw.tolist(), strict=True):
            pair = (HUB_NODE, zone.buy_node) if per_kw > 0 else (zone.sell_node, HUB_NODE)
            if by_pair[pair].flow_wh and per_kw * net_kw[zone.zone] > 0:
                found.append((abs(per_kw), by_pair[pair]))
        if not found:
            return None
        hardest, link = max(found, key=lambda one: one[0])
        alike = [abs(one) for one in push.per_kw.tolist() if abs(one) >= SHARED_FRAC * hardest]
        way_in = link.from_node == HUB_NODE
        shared = by_pair[(SPC_NODE, HUB_NODE) if way_in else (HUB_NODE, SPC_NODE)]
        return (shared, min(alike)) if len(alike) > 1 and shared.flow_wh else (link, hardest)


def _halved(clearing: Clearing, loading_ppm: int, reason: str) -> Overload:
    """Half of the largest flow is too much: for want of a derivative that says how much."""
    link = max(clearing.links, key=lambda one: one.flow_wh)
    half_w = max(math.ceil(link.flow_wh / WH_PER_KW * 1000 / 2), 1)
    return Overload(link.from_node, link.to_node, half_w, PPM, loading_ppm, reason)
