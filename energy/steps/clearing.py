"""The clear step: the sealed book and the SPC's rows meet in one auction, proven before use."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan
from energy.store.orders import BookRow as StoredRow
from energy.units import DT_H, mkrw_from_krw
from market.book import Book, BookRow, book_of
from market.certificate import check_clearing
from market.clearing import Clearing, clear_slot
from market.errors import MarketError
from market.ledger import ZERO32
from market.maker import MakerQuote, maker_rows
from optimizer import Plan, Tier

MARKET_NODE = 0
"""One node stands for the whole district: neighbours on any feeder meet at one price."""


@dataclass(frozen=True)
class Cleared:
    """The auction of a slot: what was quoted, cleared, and for whom.

    `clearing` is None where the slot has no market (no valid plan): its orders are void. `quote`
    is what the SPC's rows in it were made from.
    """

    slot: int
    plan_digest: bytes
    clearing: Clearing | None
    orders: tuple[StoredRow, ...]
    reason: str = ""
    quote: MakerQuote | None = None

    @property
    def price_mkrw_per_kwh(self) -> int | None:
        """The price of the slot, None without a trade."""
        return self.clearing.price_mkrw_per_kwh if self.clearing else None

    def fills(self) -> dict[bytes, int]:
        """Wh that each participant's order got, by the order's tag."""
        if self.clearing is None:
            return {}
        got = self.clearing.fill_by_tag()
        return {row.tag: got[row.tag] for row in self.orders}


def clear_market(
    microgrid: Microgrid, slot: int, orders: Sequence[StoredRow], checked: CheckedPlan
) -> Cleared:
    """Clear the locked orders of `slot` against one another and the SPC.

    Raises MarketError where the certificate does not hold: nothing of such a clearing is used.
    """
    digest = plan_digest(checked.plan)
    if checked.tier == Tier.HOLD:
        return Cleared(slot, digest, None, tuple(orders), "no valid plan, so no market")
    rules = microgrid.books.rules
    rows = [
        BookRow(row.tag, row.zone, row.side, row.price_mkrw_per_kwh, row.e_wh, MARKET_NODE)
        for row in orders
    ]
    quote = quote_of(checked, slot, digest)
    book: Book = book_of(slot, [*rows, *maker_rows(quote, rules)])
    clearing = clear_slot(book, rules)
    findings = check_clearing(book, rules, clearing)
    if findings:
        raise MarketError(f"clearing of slot {slot}: {len(findings)} rules broken: {findings[0]}")
    return Cleared(slot, digest, clearing, tuple(orders), quote=quote)


def no_market(slot: int, orders: Sequence[StoredRow], reason: str) -> Cleared:
    """A slot whose orders are void, and why."""
    return Cleared(slot, ZERO32, None, tuple(orders), reason)


def quote_of(checked: CheckedPlan, slot: int, digest: bytes) -> MakerQuote:
    """What the plan says of its first slot, in whole numbers: value, and how much can still flow.

    The SPC sells or buys no more than both the connection and the wires behind it still carry;
    where no flow has a solution, nothing. The market has one node, so the wires count with what
    all zones can draw or feed in at once, each its own room: more could not flow whoever buys.
    A book that cannot tell zones apart does not see a single tight zone; the least room of any
    zone would be safe for every outcome, but would close the market for all over one full cable.
    That is not needed for safety: a trade settles readings and moves no device, and what devices
    are told has passed the AC check. Loss factors are published, not charged: one price for all.
    """
    plan, connection, room = checked.plan, checked.problem.connection, checked.room
    carried_kw = (room.draw_kw, room.feed_kw) if room else (0.0, 0.0)
    # What a slot can still draw or give: the limit less what the plan itself uses, in whole Wh.
    import_kw = max(float(connection.p_import_kw_max[0] - plan.p_import_kw[0]), 0.0)
    export_kw = max(float(connection.p_export_kw_max[0] - plan.p_export_kw[0]), 0.0)
    import_kw, export_kw = min(import_kw, carried_kw[0]), min(export_kw, carried_kw[1])
    return MakerQuote(
        slot=slot,
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
