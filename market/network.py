"""The market's network: nodes, zones on them, and directed links with a fee and a capacity.

Orders stand at nodes. A zone has a node where it sells and one where it buys; they are one node
unless the local fee between them is above 0. Nodes without orders are hubs: they carry limits that
several zones share. Losses are part of the fee, so that flows stay whole Wh.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from market.errors import MarketError
from market.orders import Side
from market.rules import PRICE_BOUND_MKRW_PER_KWH

UNLIMITED_WH = 2**63 - 1


@dataclass(frozen=True)
class MarketLink:
    """A way for energy from one node to another, `fee_mkrw_per_kwh` for each kWh on it."""

    from_node: int
    to_node: int
    capacity_wh: int = UNLIMITED_WH
    fee_mkrw_per_kwh: int = 0


@dataclass(frozen=True)
class MarketZone:
    """The nodes where the orders of a zone stand."""

    zone: int
    sell_node: int
    buy_node: int


@dataclass(frozen=True)
class LinkLimit:
    """What the grid check leaves of a link in one slot, and the limit that it protects."""

    from_node: int
    to_node: int
    capacity_wh: int
    reason: str = ""


@dataclass(frozen=True)
class MarketNetwork:
    """Where energy can go, as it stands in one slot; `version` is what clearings name.

    Without links the nodes of a book are cleared apart. At `forced` nodes the grid check has
    forbidden all trade: their orders get nothing and no link touches them. There is at most one
    link from a node to another, so that the two nodes name it.
    """

    links: tuple[MarketLink, ...] = ()
    zones: tuple[MarketZone, ...] = ()
    version: int = 1
    forced: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        seen = set()
        for link in self.links:
            pair = (link.from_node, link.to_node)
            if pair in seen or link.from_node == link.to_node or min(pair) < 0:
                raise MarketError(
                    f"network: link {_shown(pair)} stands twice, ends where it begins or at a "
                    "node below 0, allowed one link from a node to another"
                )
            seen.add(pair)
            if not 0 <= link.capacity_wh <= UNLIMITED_WH:
                raise MarketError(
                    f"network: link {_shown(pair)}: capacity_wh {link.capacity_wh}, "
                    f"allowed 0..{UNLIMITED_WH}"
                )
            if not 0 <= link.fee_mkrw_per_kwh <= PRICE_BOUND_MKRW_PER_KWH:
                raise MarketError(
                    f"network: link {_shown(pair)}: fee_mkrw_per_kwh {link.fee_mkrw_per_kwh}, "
                    f"allowed 0..{PRICE_BOUND_MKRW_PER_KWH}"
                )
        numbers = [zone.zone for zone in self.zones]
        if len(set(numbers)) != len(numbers):
            raise MarketError(f"network: zones {sorted(numbers)}, allowed each zone once")

    @property
    def text(self) -> str:
        """The network as canonical JSON, which `build_network` reads back; forced nodes aside."""
        zones = [dict(vars(zone)) for zone in self.zones]
        links = [
            {"from": one.from_node, "to": one.to_node, "fee_mkrw_per_kwh": one.fee_mkrw_per_kwh}
            | ({"capacity_wh": one.capacity_wh} if one.capacity_wh < UNLIMITED_WH else {})
            for one in self.links
        ]
        found = {"version": self.version, "zones": zones, "links": links}
        return json.dumps(found, sort_keys=True, separators=(",", ":"))

    @property
    def content(self) -> bytes:
        """SHA-256 of the text, 32 bytes: what the ledger's `Rules` entry of kind 2 carries."""
        return hashlib.sha256(self.text.encode()).digest()

    def nodes(self) -> frozenset[int]:
        """All nodes that a link or a zone names."""
        ends = {node for link in self.links for node in (link.from_node, link.to_node)}
        return frozenset(ends.union(*({one.sell_node, one.buy_node} for one in self.zones)))

    def node_of(self, zone: int, side: int) -> int:
        """The node where the orders of a zone's side stand."""
        for one in self.zones:
            if one.zone == zone:
                return one.buy_node if side == Side.BID else one.sell_node
        known = ", ".join(str(one.zone) for one in self.zones) or "none"
        raise MarketError(f"network: zone {zone} is unknown, allowed: {known}")

    def limited(self, limits: Iterable[LinkLimit]) -> "MarketNetwork":
        """The network with links cut to these capacities; none is ever raised."""
        room: dict[tuple[int, int], int] = {}
        for limit in limits:
            pair = (limit.from_node, limit.to_node)
            room[pair] = min(room.get(pair, UNLIMITED_WH), max(limit.capacity_wh, 0))
        unknown = sorted(room.keys() - {(link.from_node, link.to_node) for link in self.links})
        if unknown:
            raise MarketError(f"network: no link {_shown(unknown[0])} to limit")
        cut = tuple(
            replace(
                link,
                capacity_wh=min(
                    link.capacity_wh, room.get((link.from_node, link.to_node), UNLIMITED_WH)
                ),
            )
            for link in self.links
        )
        return replace(self, links=cut)

    def without(self, nodes: Iterable[int]) -> "MarketNetwork":
        """The network with all trade forbidden at these nodes, and at the other side of a zone."""
        forced = set(self.forced) | set(nodes)
        for zone in self.zones:
            if forced & {zone.sell_node, zone.buy_node}:
                forced |= {zone.sell_node, zone.buy_node}
        return replace(self, forced=frozenset(forced))


@dataclass(frozen=True)
class Transfers:
    """How a seller's energy reaches a buyer: the least fee, and the narrowest link on that way.

    `fee_mkrw_per_kwh` and `limiting` are None where there is no way; `limiting` also where no link
    on it has a limit.
    """

    seller_zone: int
    buyer_zone: int
    fee_mkrw_per_kwh: int | None
    limiting: MarketLink | None


def transfer_matrix(network: MarketNetwork) -> tuple[Transfers, ...]:
    """For each pair of zones, the cheapest way between them; at equal fees that of fewest links."""
    found = []
    for seller in network.zones:
        ways = _cheapest_ways(network, seller.sell_node)
        for buyer in network.zones:
            way = ways.get(buyer.buy_node)
            fee = None if way is None else sum(link.fee_mkrw_per_kwh for link in way)
            limited = [link for link in way or () if link.capacity_wh < UNLIMITED_WH]
            narrow = min(limited, key=lambda link: link.capacity_wh, default=None)
            found.append(Transfers(seller.zone, buyer.zone, fee, narrow))
    return tuple(found)


def _cheapest_ways(network: MarketNetwork, start: int) -> dict[int, tuple[MarketLink, ...]]:
    """The links from a node to each node that energy can reach."""
    ways: dict[int, tuple[MarketLink, ...]] = {} if start in network.forced else {start: ()}
    cost = {node: (0, 0) for node in ways}
    for _ in network.nodes():
        for link in network.links:
            usable = link.capacity_wh > 0 and link.to_node not in network.forced
            if not usable or link.from_node not in ways:
                continue
            fee, count = cost[link.from_node]
            new = (fee + link.fee_mkrw_per_kwh, count + 1)
            if link.to_node not in cost or new < cost[link.to_node]:
                cost[link.to_node] = new
                ways[link.to_node] = (*ways[link.from_node], link)
    return ways


def build_network(found: Mapping[str, object]) -> MarketNetwork:
    """The network of plain data; raises MarketError in one sentence.

    Keys are `version`, `zones` (a list of {zone, node} or {zone, sell_node, buy_node}) and `links`
    (a list of {from, to, fee_mkrw_per_kwh, capacity_wh}; without a capacity it is unlimited, and
    `both_ways = true` stands for the same link back as well).
    """
    _require_keys("network", found, {"version", "zones", "links"})
    zones = []
    for name, row in _rows(found, "zones"):
        _require_keys(name, row, {"zone", "node", "sell_node", "buy_node"})
        one_node = "node" in row
        sell, buy = ("node", "node") if one_node else ("sell_node", "buy_node")
        if one_node and ("sell_node" in row or "buy_node" in row):
            raise MarketError(f"{name}: node and sell_node or buy_node, allowed one way")
        zones.append(
            MarketZone(*(_whole(name, row, key, 2**32 - 1) for key in ("zone", sell, buy)))
        )
    links = []
    for name, row in _rows(found, "links"):
        _require_keys(name, row, {"from", "to", "fee_mkrw_per_kwh", "capacity_wh", "both_ways"})
        both = row.get("both_ways", False)
        if type(both) is not bool:
            raise MarketError(f"{name}: both_ways is {both!r}, allowed true or false")
        one = MarketLink(
            _whole(name, row, "from", 2**32 - 1),
            _whole(name, row, "to", 2**32 - 1),
            _whole(name, row, "capacity_wh", UNLIMITED_WH, UNLIMITED_WH),
            _whole(name, row, "fee_mkrw_per_kwh", PRICE_BOUND_MKRW_PER_KWH, 0),
        )
        links.append(one)
        if both:
            links.append(replace(one, from_node=one.to_node, to_node=one.from_node))
    version = _whole("network", found, "version", 2**32 - 1, 1)
    return MarketNetwork(tuple(links), tuple(zones), version)


def _rows(found: Mapping[str, object], key: str) -> list[tuple[str, Mapping[str, object]]]:
    rows = found.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise MarketError(f"network: {key} is {rows!r}, allowed a list of tables")
    return [(f"network: {key} {number}", row) for number, row in enumerate(rows, start=1)]


def _require_keys(name: str, row: Mapping[str, object], allowed: set[str]) -> None:
    for key in sorted(row.keys() - allowed):
        raise MarketError(f"{name}: unknown key {key!r}, allowed: {', '.join(sorted(allowed))}")


def _whole(
    name: str, row: Mapping[str, object], key: str, highest: int, default: int | None = None
) -> int:
    found = row.get(key, default)
    if type(found) is not int or not 0 <= found <= highest:
        shown = "nothing" if found is None else repr(found)
        raise MarketError(f"{name}: {key} is {shown}, allowed a whole number 0..{highest}")
    return found


def _shown(pair: tuple[int, int]) -> str:
    return f"{pair[0]} -> {pair[1]}"
