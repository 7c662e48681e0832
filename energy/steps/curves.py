"""The auction of a slot for those who look at it: both curves, where they meet, what flowed.

Everything comes from committed rows and the signed Clearing. Orders are added up by price, so that
no row of the book is shown; a node where fewer than ten accounts have ordered shows no curve.
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
from market.network import UNLIMITED_WH
from market.orders import Side
from market.result import Flag, Outcome

IntArray = npt.NDArray[np.int64]
Document = dict[str, Any]

ACCOUNTS_MIN = 10
"""Fewer accounts than these at a node could be told apart by their prices."""

STEPS_MAX = 400
"""Steps of a side where one node stands for all; several nodes share ten such sides."""

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
    """The document of `GET /v1/market/{slot}/curves`; `zones` are the district's, by number."""
    message, columns = auction.message, auction.columns
    nodes = message["nodes"]
    price = {one["node"]: one["price_mkrw_per_kwh"] for one in nodes}
    places = _places(auction, zones)
    links = [_link(link, price, places) for link in message["links"]]
    steps = max(STEPS_MIN, min(STEPS_MAX, STEPS_IN_ALL // (2 * len(nodes))))
    return {
        "slot_utc": iso_of(auction.slot),
        "orders": len(auction.account_of_tag),
        "operator_rows": len(columns["tag"]) - len(auction.account_of_tag),
        "round": message["round"],
        "volume_kwh": message["volume_wh"] / 1000,
        "welfare_krw": krw_text_from_ukrw(message["welfare_ukrw"]),
        "budget": _budget(columns, price, message["links"]),
        "certificate": {
            "entry": f"0x{auction.digest.hex()}",
            "book_root": message["book_root"].hex(),
            "fills_root": message["fills_root"].hex(),
            "rules_version": message["rules_version"],
            "network_version": message["network_version"],
        },
        "nodes": [_node(auction, one, places[one["node"]], steps) for one in nodes],
        "links": links,
    }


def _places(auction: AuctionRows, zones: Sequence[str]) -> dict[int, list[str]]:
    """The zones whose orders stand at each node; none at a hub."""
    columns = auction.columns
    ours = [tag.tobytes() in auction.account_of_tag for tag in columns["tag"]]
    pairs = zip(columns["node"][ours].tolist(), columns["zone"][ours].tolist(), strict=True)
    found: dict[int, set[int]] = {one["node"]: set() for one in auction.message["nodes"]}
    for node, zone in pairs:
        found[node].add(zone)
    return {node: [zones[zone] for zone in sorted(here)] for node, here in found.items()}


def _node(auction: AuctionRows, node: Mapping[str, Any], place: list[str], steps: int) -> Document:
    """One node: what it came to, and its curves unless too few have ordered there."""
    columns, here = auction.columns, auction.columns["node"] == node["node"]
    tags = [tag.tobytes() for tag in columns["tag"][here]]
    accounts = {auction.account_of_tag[tag] for tag in tags if tag in auction.account_of_tag}
    traded = node["bought_wh"] + node["sold_wh"] > 0
    hidden = len(accounts) < ACCOUNTS_MIN
    quoted = {name: node[f"{name}_mkrw_per_kwh"] for name in ("price", "low", "high")}
    return {
        "node": node["node"],
        "zones": place,
        "outcome": Outcome(node["outcome"]).name.lower(),
        "flags": [flag.name.lower() for flag in Flag if flag.name and flag in Flag(node["flags"])],
        **{
            f"{name}_krw_per_kwh": krw_text_from_mkrw(value) if traded else None
            for name, value in quoted.items()
        },
        "bought_kwh": node["bought_wh"] / 1000,
        "sold_kwh": node["sold_wh"] / 1000,
        "margin": _margin(node),
        "accounts": len(accounts) if not hidden else None,
        "hidden": hidden,
        "demand": None if hidden else _curve(columns, here, node, Side.BID, steps),
        "supply": None if hidden else _curve(columns, here, node, Side.OFFER, steps),
    }


def _margin(node: Mapping[str, Any]) -> Document | None:
    """The price group that had to share, None where none did."""
    side = {Outcome.BID_MARGIN: "bid", Outcome.OFFER_MARGIN: "offer"}.get(Outcome(node["outcome"]))
    if side is None:
        return None
    return {
        "side": side,
        "price_krw_per_kwh": krw_text_from_mkrw(node["margin_mkrw_per_kwh"]),
        "open_kwh": node["margin_open_wh"] / 1000,
        "filled_kwh": node["margin_filled_wh"] / 1000,
    }


def _curve(
    columns: Mapping[str, Any],
    here: npt.NDArray[np.bool_],
    node: Mapping[str, Any],
    side: Side,
    steps: int,
) -> Document:
    """One side in merit order: the price of each step and the energy up to its end, kWh."""
    mine = here & (columns["side"] == side)
    prices, group = np.unique(columns["price_mkrw_per_kwh"][mine], return_inverse=True)
    e_wh = np.zeros(len(prices), dtype=np.int64)
    np.add.at(e_wh, group, columns["e_wh"][mine])
    if side == Side.BID:
        prices, e_wh = prices[::-1], e_wh[::-1]
    filled_wh = node["bought_wh"] if side == Side.BID else node["sold_wh"]
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
    """At most `steps` steps of a curve in merit order, all those near step `at` as they are.

    Half of them stand around `at`; before and after, neighbours are one step at their mean price by
    energy, rounded down. The sum of the energy and the order of the prices stay.
    """
    if len(prices) <= steps:
        return prices, e_wh
    first = min(max(at - steps // 4, 0), len(prices) - steps // 2)
    end = first + steps // 2
    left = steps - steps // 2
    before = min(left, first, max(round(left * first / (len(prices) - steps // 2)), int(first > 0)))
    after = min(left - before, len(prices) - end)
    before = min(left - after, first)
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


def _budget(
    columns: Mapping[str, Any], price: Mapping[int, int], links: Sequence[Mapping[str, Any]]
) -> Document:
    """What buyers pay and where it goes, as cleared; `open_krw` is left over and must be 0."""
    at = np.array([price[node] for node in columns["node"].tolist()], dtype=object)
    amount, bid = at * columns["fill_wh"].astype(object), columns["side"] == Side.BID
    paid, received = int(amount[bid].sum()), int(amount[~bid].sum())
    fees = sum(link["fee_mkrw_per_kwh"] * link["flow_wh"] for link in links)
    rent = sum(_spread(link, price) * link["flow_wh"] for link in links) - fees
    parts = {"paid": paid, "received": received, "fees": fees, "rent": rent}
    parts["open"] = paid - received - fees - rent
    return {f"{name}_krw": krw_text_from_ukrw(ukrw) for name, ukrw in parts.items()}


def _spread(link: Mapping[str, Any], price: Mapping[int, int]) -> int:
    return price[link["to_node"]] - price[link["from_node"]]


def _link(
    link: Mapping[str, Any], price: Mapping[int, int], places: Mapping[int, list[str]]
) -> Document:
    """One way between nodes: what flowed, what could, and what the way cost."""
    flow_wh, fee = link["flow_wh"], link["fee_mkrw_per_kwh"]
    rent_ukrw = (_spread(link, price) - fee) * flow_wh
    limited = link["capacity_wh"] < UNLIMITED_WH
    return {
        "from_node": link["from_node"],
        "to_node": link["to_node"],
        "from_zones": places.get(link["from_node"], []),
        "to_zones": places.get(link["to_node"], []),
        "flow_kwh": flow_wh / 1000,
        "capacity_kwh": link["capacity_wh"] / 1000 if limited else None,
        "fee_krw_per_kwh": krw_text_from_mkrw(fee),
        "fees_krw": krw_text_from_ukrw(fee * flow_wh),
        "rent_krw": krw_text_from_ukrw(rent_ukrw),
    }
