"""The auction of a slot for those who look at it: both curves, where they meet, what was paid.

Everything comes from committed rows and the signed Clearing. Orders are added up by price, so that
no row of the book is shown; a zone where fewer than ten accounts have ordered shows no curve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.steps.book_rows import entry_of
from energy.store.books import load_entries, load_slot_book
from energy.store.orders import load_book
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw, krw_text_from_ukrw
from market.orders import Side
from market.result import Flag, Outcome

IntArray = npt.NDArray[np.int64]
Document = dict[str, Any]

ACCOUNTS_MIN = 10
"""Fewer accounts than these in a zone could be told apart by their prices."""

STEPS_MAX = 400
"""Steps of a side where the district has no zones; zones share ten such sides with it."""

STEPS_IN_ALL = 10 * STEPS_MAX
STEPS_MIN = 40


@dataclass(frozen=True, eq=False)
class AuctionRows:
    """The rows of an auction as they were committed.

    `columns` are those of the book with fills, `message` the signed Clearing and `digest` its
    entry; `account_of_tag` names who ordered, the operator's own rows aside.
    """

    slot: int
    columns: Mapping[str, Any]
    message: Mapping[str, Any]
    digest: bytes
    account_of_tag: Mapping[bytes, bytes]


def clearing_digest(connection: Connection, slot: int) -> bytes | None:
    """The entry of the slot's auction, None where it had none."""
    rows = [row for row in load_entries(connection, slot) if row.type == "Clearing"]
    energy_only = [row.digest for row in rows if int(row.message["label"]) == 0]
    return energy_only[-1] if energy_only else None


def load_auction(connection: Connection, slot: int) -> AuctionRows | None:
    """The auction of a slot, None where it had none."""
    digest = clearing_digest(connection, slot)
    columns = load_slot_book(connection, slot)
    if digest is None or columns is None:
        return None
    (row,) = [one for one in load_entries(connection, slot) if one.digest == digest]
    return AuctionRows(
        slot=slot,
        columns=columns,
        message=entry_of(row).message,
        digest=digest,
        account_of_tag={one.tag: one.account for one in load_book(connection, slot)},
    )


def curves_document(auction: AuctionRows, zones: Sequence[str]) -> Document:
    """The document of `GET /v1/market/{slot}/curves`; `zones` are the district's, by number.

    `district` has all orders; `zones` each zone's own where the wires could part them. There the
    energy that comes from elsewhere is what a zone buys beyond what it sells.
    """
    message, columns = auction.message, auction.columns
    ours = np.array([tag.tobytes() in auction.account_of_tag for tag in columns["tag"]], dtype=bool)
    numbers = np.unique(columns["zone"][ours]).tolist()
    apart = len(numbers) > 1 and len(message["nodes"]) > 1
    parts = {zone: ours & (columns["zone"] == zone) for zone in (numbers if apart else ())}
    hidden = hidden_zones({zone: _accounts(auction, here) for zone, here in parts.items()})
    steps = max(STEPS_MIN, min(STEPS_MAX, STEPS_IN_ALL // (2 * (len(parts) + 1))))
    everybody = np.ones(len(columns["tag"]), dtype=bool)
    too_few = _accounts(auction, everybody) < ACCOUNTS_MIN
    return {
        "slot_utc": iso_of(auction.slot),
        "orders": len(auction.account_of_tag),
        "operator_rows": len(columns["tag"]) - len(auction.account_of_tag),
        "round": message["round"],
        "volume_kwh": message["volume_wh"] / 1000,
        "welfare_krw": krw_text_from_ukrw(message["welfare_ukrw"]),
        "budget": _budget(auction),
        "certificate": {
            "entry": f"0x{auction.digest.hex()}",
            "book_root": message["book_root"].hex(),
            "fills_root": message["fills_root"].hex(),
            "rules_version": message["rules_version"],
            "network_version": message["network_version"],
        },
        "district": _place(auction, None, everybody, too_few, steps),
        "zones": [
            _place(auction, zones[zone], here, zone in hidden or too_few, steps)
            for zone, here in parts.items()
        ],
    }


def told_to_members(document: Document) -> Document:
    """The document for those who may not look into single households: of a place where few have
    ordered neither what was bought and sold nor who had to share; nor sums that would tell it.
    """
    less = {"bought_kwh": None, "sold_kwh": None, "margin": None}
    places = [document["district"], *document["zones"]]
    district, *zones = ({**one, **less} if one["hidden"] else one for one in places)
    hidden = [one["price_krw_per_kwh"] for one in zones if one["hidden"]]
    if len({*hidden}) > 1:
        district = {**district, "price_krw_per_kwh": None}
    budget = None if hidden else document["budget"]
    return {**document, "budget": budget, "district": district, "zones": zones}


def hidden_zones(accounts: Mapping[int, int]) -> set[int]:
    """The zones that show no curve, given how many accounts have ordered in each.

    Those with fewer than ten; and so many of the smallest others that the hidden ones together,
    which is what the district less the shown ones tells, are ten accounts or more.
    """
    waiting = sorted(accounts, key=lambda zone: (accounts[zone], zone))
    hidden: set[int] = set()
    while waiting:
        total = sum(accounts[zone] for zone in hidden)
        if accounts[waiting[0]] >= ACCOUNTS_MIN and (not hidden or total >= ACCOUNTS_MIN):
            break
        hidden.add(waiting.pop(0))
    return hidden


def _accounts(auction: AuctionRows, here: npt.NDArray[np.bool_]) -> int:
    """How many accounts have orders among these rows."""
    tags = (tag.tobytes() for tag in auction.columns["tag"][here])
    return len({auction.account_of_tag[tag] for tag in tags if tag in auction.account_of_tag})


def _place(
    auction: AuctionRows,
    zone: str | None,
    here: npt.NDArray[np.bool_],
    hidden: bool,
    steps: int,
) -> Document:
    """A zone, or the whole district: what it came to, and its curves unless they are hidden."""
    columns = auction.columns
    filled = {
        side: int(columns["fill_wh"][here & (columns["side"] == side)].sum()) for side in Side
    }
    nodes = _nodes_of(auction, here)
    return {
        "zone": zone,
        "bought_kwh": filled[Side.BID] / 1000,
        "sold_kwh": filled[Side.OFFER] / 1000,
        **_prices(nodes, any(filled.values())),
        "flags": _flags(nodes, zone),
        "margin": _margin(nodes),
        "accounts": None if hidden else _accounts(auction, here),
        "ordered_kwh": None if hidden else _ordered(auction, here),
        "hidden": hidden,
        "demand": None if hidden else _curve(columns, here, Side.BID, filled[Side.BID], steps),
        "supply": None if hidden else _curve(columns, here, Side.OFFER, filled[Side.OFFER], steps),
    }


def _ordered(auction: AuctionRows, here: npt.NDArray[np.bool_]) -> Document:
    """What participants have ordered on each side, the operator's standing rows aside, kWh."""
    columns, names = auction.columns, {Side.BID: "demand", Side.OFFER: "supply"}
    sums = dict.fromkeys(names.values(), 0)
    for row in np.flatnonzero(here).tolist():
        if columns["tag"][row].tobytes() in auction.account_of_tag:
            sums[names[Side(columns["side"][row])]] += int(columns["e_wh"][row])
    return {name: e_wh / 1000 for name, e_wh in sums.items()}


def _nodes_of(auction: AuctionRows, here: npt.NDArray[np.bool_]) -> list[Mapping[str, Any]]:
    """The nodes where these rows stand; the only one there is, where the book is empty."""
    nodes = auction.message["nodes"]
    at = set(np.unique(auction.columns["node"][here]).tolist())
    return [node for node in nodes if node["node"] in at or len(nodes) == 1]


def _prices(nodes: Sequence[Mapping[str, Any]], traded: bool) -> Document:
    """Mean price of buyers, and the interval around it: what suits all, or what zones have paid."""
    bought = [node for node in nodes if node["bought_wh"]] or [
        node for node in nodes if node["sold_wh"]
    ]
    if not traded or not bought:
        return dict.fromkeys(
            (*(f"{name}_krw_per_kwh" for name in ("price", "low", "high")), "interval")
        )
    weight = [node["bought_wh"] or node["sold_wh"] for node in bought]
    price = [node["price_mkrw_per_kwh"] for node in bought]
    mean = sum(p * wh for p, wh in zip(price, weight, strict=True)) // sum(weight)
    if len(set(price)) == 1:
        low = max(node["low_mkrw_per_kwh"] for node in bought)
        high = min(node["high_mkrw_per_kwh"] for node in bought)
    else:
        low, high = min(price), max(price)
    return {
        "price_krw_per_kwh": krw_text_from_mkrw(mean),
        "low_krw_per_kwh": krw_text_from_mkrw(low),
        "high_krw_per_kwh": krw_text_from_mkrw(high),
        "interval": "valid" if len(set(price)) == 1 else "zones",
    }


def _flags(nodes: Sequence[Mapping[str, Any]], zone: str | None) -> list[str]:
    """What else is to be known of a price; a zone without offers is no scarcity of the district."""
    told = {flag for node in nodes for flag in Flag(node["flags"])}
    if zone is None and len(nodes) > 1:
        told &= {Flag.FORCED}
    return sorted(flag.name.lower() for flag in told if flag.name)


def _margin(nodes: Sequence[Mapping[str, Any]]) -> Document | None:
    """The price group that had to share, None where none did or several nodes had one each."""
    sides = {Outcome.BID_MARGIN: "bid", Outcome.OFFER_MARGIN: "offer"}
    shared = [node for node in nodes if Outcome(node["outcome"]) in sides]
    if len(shared) != 1:
        return None
    (node,) = shared
    return {
        "side": sides[Outcome(node["outcome"])],
        "price_krw_per_kwh": krw_text_from_mkrw(node["margin_mkrw_per_kwh"]),
        "open_kwh": node["margin_open_wh"] / 1000,
        "filled_kwh": node["margin_filled_wh"] / 1000,
    }


def _curve(
    columns: Mapping[str, Any],
    here: npt.NDArray[np.bool_],
    side: Side,
    filled_wh: int,
    steps: int,
) -> Document:
    """One side in merit order: the price of each step and the energy up to its end, kWh."""
    mine = here & (columns["side"] == side)
    prices, group = np.unique(columns["price_mkrw_per_kwh"][mine], return_inverse=True)
    e_wh = np.zeros(len(prices), dtype=np.int64)
    np.add.at(e_wh, group, columns["e_wh"][mine])
    if side == Side.BID:
        prices, e_wh = prices[::-1], e_wh[::-1]
    at = int(np.searchsorted(np.cumsum(e_wh), filled_wh, side="left"))
    shown, part_wh = merged_steps(prices, e_wh, at, steps)
    return {
        "prices": len(prices),
        "price_krw_per_kwh": [krw_text_from_mkrw(one) for one in shown.tolist()],
        "until_kwh": (np.cumsum(part_wh) / 1000).tolist(),
    }


def merged_steps(
    prices: IntArray, e_wh: IntArray, at: int, steps: int
) -> tuple[IntArray, IntArray]:
    """At most `steps` steps (4 or more) of a curve in merit order, those near `at` as they are.

    Half of them stand around `at`; before and after, neighbours are one step at their mean price by
    energy, rounded down. The sum of the energy and the order of the prices stay.
    """
    if len(prices) <= steps:
        return prices, e_wh
    first = min(max(at - steps // 4, 0), len(prices) - steps // 2)
    end = first + steps // 2
    left, rest = steps - steps // 2, len(prices) - steps // 2
    before = min(round(left * first / rest), first)
    if 0 < first < rest:
        before = min(max(before, 1), left - 1)
    after = min(left - before, len(prices) - end)
    bounds = np.unique(
        np.concatenate(
            [
                np.linspace(0, first, before + 1).round().astype(np.int64),
                np.arange(first, end + 1),
                np.linspace(end, len(prices), after + 1).round().astype(np.int64),
            ]
        )
    )
    starts = bounds[:-1]
    part_wh = np.add.reduceat(e_wh, starts)
    worth = np.add.reduceat(prices.astype(object) * e_wh.astype(object), starts)
    return np.array([int(one) for one in worth // part_wh], dtype=np.int64), part_wh


def _budget(auction: AuctionRows) -> Document:
    """What buyers pay and where it goes, as cleared; `open_krw` is left over and must be 0."""
    columns, message = auction.columns, auction.message
    price = {node["node"]: node["price_mkrw_per_kwh"] for node in message["nodes"]}
    at = np.array([price[node] for node in columns["node"].tolist()], dtype=object)
    amount, bid = at * columns["fill_wh"].astype(object), columns["side"] == Side.BID
    paid, received = int(amount[bid].sum()), int(amount[~bid].sum())
    fees = rent = 0
    for link in message["links"]:
        fee, flow_wh = link["fee_mkrw_per_kwh"], link["flow_wh"]
        fees += fee * flow_wh
        rent += (price[link["to_node"]] - price[link["from_node"]] - fee) * flow_wh
    parts = {"paid": paid, "received": received, "fees": fees, "rent": rent}
    parts["open"] = paid - received - fees - rent
    return {f"{name}_krw": krw_text_from_ukrw(ukrw) for name, ukrw in parts.items()}
