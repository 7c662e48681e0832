"""The clear step: the sealed book and the SPC's rows meet in one auction, proven before use.

Every zone has a price of its own where its wires are full; what was cleared is checked on them.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan
from energy.steps.labels import clear_labels, green_accounts
from energy.steps.market_check import MarketCheck
from energy.steps.market_network import network_of_slot
from energy.store.orders import BookRow as StoredRow
from energy.store.orders import FillRow
from energy.units import DT_H, mkrw_from_krw
from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing
from market.errors import MarketError
from market.ledger import ZERO32
from market.maker import MakerQuote, maker_rows
from market.network import MarketNetwork
from market.orders import Side
from market.reclearing import Round, clear_within_grid
from optimizer import Connection, Plan, Tier


class LimitOrder(Protocol):
    """What an auction must know of an order: its name in the book, where, which side, how much."""

    @property
    def tag(self) -> bytes:
        """The order's name in the book, 32 bytes."""

    @property
    def zone(self) -> int:
        """Its zone."""

    @property
    def side(self) -> int:
        """1 bids, 2 offers."""

    @property
    def price_mkrw_per_kwh(self) -> int:
        """Its limit."""

    @property
    def e_wh(self) -> int:
        """Its energy."""


@dataclass(frozen=True)
class Cleared:
    """The auction of a slot: what was quoted, cleared, and for whom.

    `clearing` is None where the slot has no market (no valid plan): its orders are void. `quote`
    is what the SPC's rows in it were made from. `rounds` are all clearings of the book with the
    limits that each would have broken; the last one is `clearing`. `labels` are the premium tiers
    that followed it, by label.
    """

    slot: int
    plan_digest: bytes
    clearing: Clearing | None
    orders: tuple[StoredRow, ...]
    reason: str = ""
    quote: MakerQuote | None = None
    rounds: tuple[Round, ...] = ()
    labels: Mapping[int, Clearing] = field(default_factory=dict)

    @property
    def price_mkrw_per_kwh(self) -> int | None:
        """What a kWh has cost its buyers on average, rounded down; None without a trade."""
        if self.clearing is None or not self.clearing.volume_wh:
            return None
        paid = sum(one.price_mkrw_per_kwh * one.bought_wh for one in self.clearing.nodes)
        return paid // self.clearing.volume_wh

    @property
    def network(self) -> MarketNetwork:
        """Where energy could go in the last round; nowhere without a market."""
        return self.rounds[-1].network if self.rounds else MarketNetwork()

    def fills(self) -> list[FillRow]:
        """What each participant's order got of energy and of its label, and at which prices."""
        if self.clearing is None:
            return []
        got = _got(self.clearing)
        labelled = {tag: fill for tier in self.labels.values() for tag, fill in _got(tier).items()}
        return [
            FillRow(row.id, *got[row.tag], *labelled.get(row.tag, (0, 0))) for row in self.orders
        ]


def clear_market(
    microgrid: Microgrid, slot: int, orders: Sequence[StoredRow], checked: CheckedPlan
) -> Cleared:
    """Clear the locked orders of `slot` against one another and the SPC, within the wires' limits.

    What is cleared goes through the AC power flow; where it breaks a limit, the same book is
    cleared again with less room, three times at most. Raises MarketError where the certificate
    does not hold: nothing of such a clearing is used.
    """
    digest = plan_digest(checked.plan)
    if checked.tier == Tier.HOLD:
        return Cleared(slot, digest, None, tuple(orders), "no valid plan, so no market")
    rules, network = (
        microgrid.books.rules.at(slot),
        network_of_slot(microgrid.books.network, checked.room),
    )
    quote = quote_of(checked, digest)
    book: Book = book_of(slot, [*placed_rows(orders, network), *maker_rows(quote, rules)])
    check = MarketCheck(microgrid, checked, network)
    rounds = clear_within_grid(book, rules, network, check.overloads)
    clearing = rounds[-1].clearing
    findings = check_clearing(book, rules, clearing, rounds[-1].network)
    if findings:
        raise MarketError(f"clearing of slot {slot}: {len(findings)} rules broken: {findings[0]}")
    labels = clear_labels(clearing, orders, green_accounts(microgrid.district), rules)
    return Cleared(
        slot, digest, clearing, tuple(orders), quote=quote, rounds=tuple(rounds), labels=labels
    )


def placed_rows(orders: Iterable[LimitOrder], network: MarketNetwork) -> list[BookRow]:
    """The orders as rows of the auction's book, each at the node of its zone and side."""
    node = {
        (zone.zone, int(side)): network.node_of(zone.zone, side)
        for zone in network.zones
        for side in (Side.BID, Side.OFFER)
    }
    return [
        BookRow(
            row.tag, row.zone, row.side, row.price_mkrw_per_kwh, row.e_wh, node[row.zone, row.side]
        )
        for row in orders
    ]


def _got(clearing: Clearing) -> dict[bytes, tuple[int, int]]:
    """Wh that each order got, and the price of its node, by tag."""
    book, price = clearing.book, clearing.prices()
    rows = zip(book.tags(), clearing.fill_wh.tolist(), book.node.tolist(), strict=True)
    return {tag: (fill_wh, price[node]) for tag, fill_wh, node in rows}


def no_market(slot: int, orders: Sequence[StoredRow], reason: str) -> Cleared:
    """A slot whose orders are void, and why."""
    return Cleared(slot, ZERO32, None, tuple(orders), reason)


def quote_of(checked: CheckedPlan, digest: bytes) -> MakerQuote:
    """What the plan says of its first slot, in whole numbers: value, and how much can still flow.

    The SPC sells or buys no more than both the connection and the wires behind it still carry;
    where no flow has a solution, nothing. The wires count with what all zones can draw or feed in
    at once, each its own room: the market's network keeps every zone to its own.
    """
    room = checked.room
    carried_kw = (room.draw_kw, room.feed_kw) if room else (0.0, 0.0)
    return plan_quote(checked.plan, checked.problem.connection, carried_kw, digest)


def plan_quote(
    plan: Plan, connection: Connection, carried_kw: tuple[float, float], digest: bytes
) -> MakerQuote:
    """The quote of a plan's first slot where its wires carry so many kW more, drawn and fed in."""
    # What a slot can still draw or give: the limit less what the plan itself uses, in whole Wh.
    import_kw = max(float(connection.p_import_kw_max[0] - plan.p_import_kw[0]), 0.0)
    export_kw = max(float(connection.p_export_kw_max[0] - plan.p_export_kw[0]), 0.0)
    import_kw, export_kw = min(import_kw, carried_kw[0]), min(export_kw, carried_kw[1])
    return MakerQuote(
        slot=plan.first_slot,
        plan=digest,
        value_mkrw_per_kwh=mkrw_from_krw(float(plan.marginal_krw_per_kwh[0])),
        import_mkrw_per_kwh=mkrw_from_krw(float(connection.price_buy_krw_per_kwh[0])),
        import_wh=int(import_kw * DT_H * 1000),
        export_mkrw_per_kwh=mkrw_from_krw(float(connection.price_sell_krw_per_kwh[0])),
        export_wh=int(export_kw * DT_H * 1000),
    )


def plan_digest(plan: Plan) -> bytes:
    """SHA-256 over the plan's numbers: what the clearing names, so that its rows can be redone.

    Powers are rounded to a watt, prices to a milli-won, so that the digest follows what is used.
    """
    digest = hashlib.sha256(b"plan/1" + plan.first_slot.to_bytes(8, "big"))
    for name in (
        "p_import_kw", "p_export_kw", "pv_used_kw", "battery_charge_kw", "battery_discharge_kw",
        "fleet_charge_kw", "fleet_discharge_kw", "unit_p_kw", "heat_pump_kw",
        "marginal_krw_per_kwh",
    ):  # fmt: skip
        values = np.rint(np.asarray(getattr(plan, name)) * 1000).astype(np.int64)
        digest.update(name.encode() + values.astype("<i8").tobytes())
    return digest.digest()
