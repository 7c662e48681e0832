"""The market's network: the connection, the busbar that all zones share, and the zones behind it.

The SPC stands at the connection, participants at their zone. Fees and nodes are rules, versioned
and entered in the log; what each way carries in a slot follows from the checked plan.
"""

import math
from dataclasses import dataclass

from energy.district import District, NetworkFees
from energy.steps.market_room import MarketRoom
from energy.units import DT_H, mkrw_from_krw
from grid_models import Room
from market.network import UNLIMITED_WH, LinkLimit, MarketLink, MarketNetwork, MarketZone
from market.rules import MarketRules

SPC_NODE = 0
HUB_NODE = 1
_FIRST_ZONE_NODE = 2
WH_PER_KW = DT_H * 1000


def network_rules(district: District, version: int = 1) -> MarketNetwork:
    """Nodes and fees of a district's market as its own data have them, nothing limited."""
    return build_rules(len(district.network.zones), fees_at(MarketRules(), district.fees), version)


@dataclass(frozen=True)
class Fees:
    """What a traded kWh pays on each way, milli-won: between a zone and the busbar, within one."""

    network_mkrw_per_kwh: int
    local_mkrw_per_kwh: int


def fees_at(rules: MarketRules, own: NetworkFees) -> Fees:
    """The fees of the slots in which rules hold; `own` are the district's, until they change."""
    fee, local = rules.network_fee_mkrw_per_kwh, rules.local_fee_mkrw_per_kwh
    return Fees(
        mkrw_from_krw(own.network_krw_per_kwh) if fee is None else fee,
        mkrw_from_krw(own.local_krw_per_kwh) if local is None else local,
    )


def build_rules(zones: int, fees: Fees, version: int = 1) -> MarketNetwork:
    """Nodes and fees of a market of so many zones, nothing limited.

    The network fee stands on every way between a zone and the busbar, the local fee between the
    two sides of a zone; without one these are a single node.
    """
    fee, local = fees.network_mkrw_per_kwh, fees.local_mkrw_per_kwh
    links = [MarketLink(SPC_NODE, HUB_NODE), MarketLink(HUB_NODE, SPC_NODE)]
    found = []
    for zone in range(zones):
        sell = _FIRST_ZONE_NODE + 2 * zone
        buy = sell + 1 if local else sell
        found.append(MarketZone(zone, sell, buy))
        links.append(MarketLink(HUB_NODE, buy, fee_mkrw_per_kwh=fee))
        links.append(MarketLink(sell, HUB_NODE, fee_mkrw_per_kwh=fee))
        if local:
            links.append(MarketLink(sell, buy, fee_mkrw_per_kwh=local))
    return MarketNetwork(tuple(links), tuple(found), version)


def network_of_slot(rules: MarketNetwork, room: MarketRoom | None) -> MarketNetwork:
    """The network with what a checked plan leaves of every way, in whole Wh of the slot.

    A zone's room is that of its own ways, what all zones may move together that of the connection.
    Without a flow nothing goes anywhere.
    """
    if room is None:
        return rules.limited(LinkLimit(one.from_node, one.to_node, 0) for one in rules.links)
    limits = [
        _limit(SPC_NODE, HUB_NODE, room.draw_kw, "all zones together"),
        _limit(HUB_NODE, SPC_NODE, room.feed_kw, "all zones together"),
    ]
    for zone in rules.zones:
        draw, feed = room.headroom.draw[zone.zone], room.headroom.feed[zone.zone]
        limits.append(_limit(HUB_NODE, zone.buy_node, draw.step_kw, limit_text(draw)))
        limits.append(_limit(zone.sell_node, HUB_NODE, feed.step_kw, limit_text(feed)))
    return rules.limited(limits)


def limit_text(room: Room) -> str:
    """The limit that ends a zone's room, empty where none would."""
    return f"{room.kind} {room.element}".strip()


def _limit(from_node: int, to_node: int, room_kw: float, reason: str) -> LinkLimit:
    room_wh = int(room_kw * WH_PER_KW) if math.isfinite(room_kw) else UNLIMITED_WH
    return LinkLimit(from_node, to_node, room_wh, reason)
