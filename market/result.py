"""What an auction has come to: prices and quantities of each node, flows, fills; the signed types.

Fields of the node and link results are those of the signed types of the same names.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import cached_property

from market.book import Book, IntArray
from market.errors import MarketError
from market.merkle import leaf_hash, root_of

_FILL_ROW = struct.Struct(">B32sQQ")


class Outcome(IntEnum):
    """How the auction of a node ended."""

    EMPTY = 0  # at least one side has no order
    NO_TRADE = 1  # both sides have orders, none of them meet
    BETWEEN = 2  # traded, and no price group had to share
    BID_MARGIN = 3  # traded, bids at the margin share what is left
    OFFER_MARGIN = 4  # traded, offers at the margin share what is left


class Flag(IntFlag):
    """What else is to be known about a node's price."""

    SCARCE = 1  # no offer is left and an unserved bid sets the low end
    GLUT = 2  # no bid is left and an unsold offer sets the high end
    FORCED = 4  # the grid check has forbidden the trade


@dataclass(frozen=True)
class NodeResult:
    """Price and quantities of one node.

    Where nothing is bought or sold, the prices of a node with links are a quote, those of any
    other are 0 and mean nothing. `margin_open_wh` stood at the margin's price, `margin_filled_wh`
    of it were left to share; both 0 where no group shared.
    """

    node: int
    outcome: Outcome
    flags: Flag
    low_mkrw_per_kwh: int
    high_mkrw_per_kwh: int
    price_mkrw_per_kwh: int
    bought_wh: int
    sold_wh: int
    margin_mkrw_per_kwh: int
    margin_open_wh: int
    margin_filled_wh: int


@dataclass(frozen=True)
class LinkResult:
    """Flow over one link between nodes, in the order of the network's links."""

    from_node: int
    to_node: int
    flow_wh: int
    capacity_wh: int
    fee_mkrw_per_kwh: int


@dataclass(frozen=True, eq=False)
class Clearing:
    """The outcome of a slot's auction: `fill_wh` per row of the book, and what follows from it.

    `round` counts the clearings of the book: after the first, links were cut by the grid check.
    """

    book: Book
    rules_version: int
    fill_wh: IntArray
    volume_wh: int
    welfare_ukrw: int
    nodes: tuple[NodeResult, ...]
    links: tuple[LinkResult, ...] = ()
    network_version: int = 1
    round: int = 1

    @property
    def slot(self) -> int:
        """Start of the slot that was cleared."""
        return self.book.slot

    @property
    def price_mkrw_per_kwh(self) -> int | None:
        """The price where one node stands for all; None without a trade."""
        if len(self.nodes) != 1:
            raise MarketError(f"clearing of slot {self.slot}: {len(self.nodes)} prices, allowed 1")
        return self.nodes[0].price_mkrw_per_kwh if self.volume_wh else None

    @cached_property
    def fills_root(self) -> bytes:
        """RFC 6962 root over the fill rows (tag, fill, label fill), in order of tag."""
        rows = zip(self.book.tags(), self.fill_wh.tolist(), strict=True)
        return root_of([leaf_hash(_FILL_ROW.pack(1, tag, fill, 0)) for tag, fill in rows])

    def prices(self) -> dict[int, int]:
        """The price of each node, milli-won per kWh."""
        return {node.node: node.price_mkrw_per_kwh for node in self.nodes}

    def carriage_ukrw(self) -> tuple[int, int]:
        """What buyers pay above what sellers get: network fees, and congestion rent."""
        price = self.prices()
        fees = sum(link.fee_mkrw_per_kwh * link.flow_wh for link in self.links)
        spread = sum(
            (price[link.to_node] - price[link.from_node]) * link.flow_wh for link in self.links
        )
        return fees, spread - fees

    def fill_by_tag(self) -> dict[bytes, int]:
        """Wh cleared of each order, by tag; 0 for those not cleared."""
        return dict(zip(self.book.tags(), self.fill_wh.tolist(), strict=True))
