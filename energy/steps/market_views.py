"""The auction of a slot as documents: price per zone, ways with fee and rent, every round.

Money stands in decimal strings of won, instants in ISO 8601 UTC, energies in kWh.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from energy.district import District
from energy.steps.clearing import Cleared
from energy.steps.curves import ACCOUNTS_MIN, hidden_zones
from energy.steps.market_network import HUB_NODE, SPC_NODE
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw
from market.labels import Label
from market.network import UNLIMITED_WH, MarketNetwork, transfer_matrix
from market.reclearing import Round
from market.result import Clearing, Flag, LinkResult, NodeResult, Outcome

Document = dict[str, Any]

CONNECTION, BUSBAR = "connection", "busbar"
"""What the nodes that are no zone are called in documents."""


def market_view(district: District, cleared: Cleared) -> Document:
    """What was traded in the slot; a slot without trade has no price.

    `price_krw_per_kwh` is the mean that buyers pay, the same as every zone's where the wires leave
    room and nothing has to be carried.
    """
    price, clearing = cleared.price_mkrw_per_kwh, cleared.clearing
    fees, rent = clearing.carriage_ukrw() if clearing else (0, 0)
    return {
        "slot_utc": iso_of(cleared.slot),
        "price_krw_per_kwh": None if price is None else krw_text_from_mkrw(price),
        "volume_kwh": clearing.volume_wh / 1000 if clearing else 0.0,
        "orders": len(cleared.orders),
        "welfare_krw": krw_text_from_ukrw(clearing.welfare_ukrw) if clearing else "0",
        "reason": cleared.reason,
        "spc": _quote(cleared),
        "zones": _zones(district.network.zones, cleared),
        "hidden_zones": _hidden(district.network.zones, cleared),
        "network_version": clearing.network_version if clearing else None,
        "fees_krw": krw_text_from_ukrw(fees),
        "rent_krw": krw_text_from_ukrw(rent),
        "links": _links(district.network.zones, cleared.network, clearing),
        "rounds": [_round(district.network.zones, one) for one in cleared.rounds],
        "transfers": _transfers(district.network.zones, cleared.network),
        "labels": _labels(district.network.zones, cleared),
    }


def told_to_members(document: Document) -> Document:
    """The document for those who do not see single households.

    Of a zone where few have ordered there are prices alone: what flows on a full way is its room,
    and rent and fees of all ways less those that are shown tell of the rest. Where the prices of
    such zones part, the mean price would tell their energies apart, so that it is null too. A
    document that does not say which zones these are is told as if all were.
    """
    zones = document.get("zones", [])
    hidden = {*document.get("hidden_zones", [one["zone"] for one in zones])}
    labels = [
        {**one, "volume_kwh": None} if one.get("hidden", True) else one
        for one in document.get("labels", [])
    ]
    told = {**document, "labels": labels, "links": document.get("links", [])}
    if not hidden:
        return told
    energies = dict.fromkeys(("volume_kwh", "bought_kwh", "sold_kwh"))
    mine = [one for one in zones if one["zone"] in hidden]
    part = len({(one.get("price_krw_per_kwh"), one.get("sell_price_krw_per_kwh")) for one in mine})
    return {
        **told,
        **dict.fromkeys(("fees_krw", "rent_krw", *(("price_krw_per_kwh",) if part > 1 else ()))),
        "zones": [{**one, **energies} if one["zone"] in hidden else one for one in zones],
        "links": [one for one in told["links"] if not _ends(one) & hidden],
        "transfers": [
            {**one, "limiting": _without(one["limiting"], hidden)}
            for one in document.get("transfers", [])
        ],
        "rounds": [
            {**one, "cut": _without(one["cut"], hidden)} for one in document.get("rounds", [])
        ],
    }


def _ends(way: Document) -> set[str]:
    """The places at the ends of a way."""
    return {way["from"], way["to"]}


def _without(way: Document | None, hidden: set[str]) -> Document | None:
    """A way with its room, None where it leads to or from a hidden zone."""
    return None if way is None or _ends(way) & hidden else way


def round_views(district: District, cleared: Cleared) -> list[Document]:
    """The documents of all rounds, in their order; the last one is what counts."""
    zones = district.network.zones
    earlier = [
        {"slot_utc": iso_of(cleared.slot), "superseded": True, **_round(zones, one)}
        for one in cleared.rounds[:-1]
    ]
    return [*earlier, market_view(district, cleared)]


def _quote(cleared: Cleared) -> Document | None:
    """What the SPC stands ready to sell and buy, and the plan's value of energy."""
    quote = cleared.quote
    if quote is None:
        return None
    return {
        "value_krw_per_kwh": krw_text_from_mkrw(quote.value_mkrw_per_kwh),
        "sells_kwh_max": quote.import_wh / 1000,
        "buys_kwh_max": quote.export_wh / 1000,
    }


def _zones(names: Sequence[str], cleared: Cleared) -> list[Document]:
    """Every zone with its own price; its reason where the grid check has closed it."""
    if cleared.clearing is None:
        return []
    node = {one.node: one for one in cleared.clearing.nodes}
    network, found = cleared.network, []
    for zone in network.zones:
        sell, buy = node[zone.sell_node], node[zone.buy_node]
        traded = bool(sell.sold_wh or buy.bought_wh)
        forced = bool(buy.flags & Flag.FORCED)
        found.append(
            {
                "zone": names[zone.zone],
                "price_krw_per_kwh": _price(buy, traded),
                "sell_price_krw_per_kwh": _price(sell, traded),
                "volume_kwh": max(sell.sold_wh, buy.bought_wh) / 1000,
                "bought_kwh": buy.bought_wh / 1000,
                "sold_kwh": sell.sold_wh / 1000,
                "outcome": Outcome(buy.outcome if traded else sell.outcome).name.lower(),
                "forced": forced,
                "reason": _why_forced(cleared.rounds[-1], zone.buy_node) if forced else "",
            }
        )
    return found


def _hidden(names: Sequence[str], cleared: Cleared) -> list[str]:
    """The zones whose energies would tell of few accounts; none where there is one zone alone."""
    accounts: dict[int, set[bytes]] = defaultdict(set)
    for order in cleared.orders:
        accounts[order.zone].add(order.account)
    if len(names) == 1 or cleared.clearing is None:
        return []
    hidden = hidden_zones({zone: len(found) for zone, found in accounts.items()})
    return [names[zone] for zone in sorted(hidden)]


def _labels(names: Sequence[str], cleared: Cleared) -> list[Document]:
    """What green and local energy cost on top, and how much of it was sold: local in each zone."""
    account, found = {one.tag: one.account for one in cleared.orders}, []
    for label, premium in cleared.labels.items():
        accounts: dict[int, set[bytes]] = defaultdict(set)
        for tag, at in zip(premium.book.tags(), premium.book.node.tolist(), strict=True):
            accounts[at].add(account[tag])
        found += [
            {
                "label": Label(label).name.lower(),
                "zone": names[node.node] if label == Label.LOCAL else None,
                "price_krw_per_kwh": _price(node, node.bought_wh > 0),
                "volume_kwh": node.bought_wh / 1000,
                "hidden": len(accounts[node.node]) < ACCOUNTS_MIN,
            }
            for node in premium.nodes
        ]
    return found


def _price(node: NodeResult, traded: bool) -> str | None:
    return krw_text_from_mkrw(node.price_mkrw_per_kwh) if traded else None


def _why_forced(last: Round, node: int) -> str:
    """The limit for which a zone was closed, the highest loading of those at its ways."""
    mine = [one for one in last.overloads if node in (one.from_node, one.to_node)]
    worst = max(mine or last.overloads, key=lambda one: one.loading_ppm)
    return worst.reason


def _links(
    names: Sequence[str], network: MarketNetwork, clearing: Clearing | None
) -> list[Document]:
    """Every way with what flowed, what could, its fee and the rent that it has earned."""
    if clearing is None:
        return []
    place, price = _places(names, network), clearing.prices()
    return [_link(one, place, price) for one in clearing.links]


def _link(one: LinkResult, place: Mapping[int, str], price: Mapping[int, int]) -> Document:
    spread = price[one.to_node] - price[one.from_node] - one.fee_mkrw_per_kwh
    return {
        "from": place[one.from_node],
        "to": place[one.to_node],
        "flow_kwh": one.flow_wh / 1000,
        "capacity_kwh": _capacity(one.capacity_wh),
        "fee_krw_per_kwh": krw_text_from_mkrw(one.fee_mkrw_per_kwh),
        "fees_krw": krw_text_from_ukrw(one.fee_mkrw_per_kwh * one.flow_wh),
        "rent_krw": krw_text_from_ukrw(spread * one.flow_wh),
    }


def _capacity(capacity_wh: int) -> float | None:
    return capacity_wh / 1000 if capacity_wh < UNLIMITED_WH else None


def _places(names: Sequence[str], network: MarketNetwork) -> dict[int, str]:
    """What each node is called: its zone's name, the connection or the busbar."""
    place = {SPC_NODE: CONNECTION, HUB_NODE: BUSBAR}
    for zone in network.zones:
        place |= {zone.sell_node: names[zone.zone], zone.buy_node: names[zone.zone]}
    return place


def _round(names: Sequence[str], one: Round) -> Document:
    """One clearing of the book: what it came to, what it broke, and the cut that followed."""
    place = _places(names, one.network)
    cut = one.cut
    before = {(link.from_node, link.to_node): link.capacity_wh for link in one.network.links}
    return {
        "round": one.clearing.round,
        "volume_kwh": one.clearing.volume_wh / 1000,
        "welfare_krw": krw_text_from_ukrw(one.clearing.welfare_ukrw),
        "broken": [each.reason for each in one.overloads],
        "cut": None
        if cut is None
        else {
            "from": place[cut.from_node],
            "to": place[cut.to_node],
            "from_kwh": _capacity(before[cut.from_node, cut.to_node]),
            "to_kwh": cut.capacity_wh / 1000,
            "reason": cut.reason,
        },
        "no_trade": sorted({place[node] for node in one.forced}),
    }


def _transfers(names: Sequence[str], network: MarketNetwork) -> list[Document]:
    """From each zone to each: the least fee, and the narrowest way that it leads over."""
    place = _places(names, network)
    return [
        {
            "from": names[one.seller_zone],
            "to": names[one.buyer_zone],
            "fee_krw_per_kwh": None
            if one.fee_mkrw_per_kwh is None
            else krw_text_from_mkrw(one.fee_mkrw_per_kwh),
            "limiting": None
            if one.limiting is None
            else {
                "from": place[one.limiting.from_node],
                "to": place[one.limiting.to_node],
                "capacity_kwh": one.limiting.capacity_wh / 1000,
            },
        }
        for one in transfer_matrix(network)
    ]
