"""Preferences: a premium for green or local energy, after the energy itself has been cleared.

The energy auction is blind to labels. Then, for each label, the same engine runs once more over
the Wh that were filled: sellers who carry the label ask their premium, buyers who want it offer
theirs. Nothing here changes what anybody bought or sold, only who may call it green or local.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from market.book import BookRow, book_of
from market.clearing import clear_slot
from market.errors import MarketError
from market.orders import Side
from market.result import Clearing
from market.rules import PRICE_BOUND_MKRW_PER_KWH, MarketRules

TIE_PREFIX = b"tie/label/1"


class Label(IntEnum):
    """What an order wants or carries; the numbers of the signed type."""

    NONE = 0
    GREEN = 1  # from a registered solar, wind or biogas meter
    LOCAL = 2  # from the same zone


class LabelWish(NamedTuple):
    """What an order says of labels: which one, and the premium it pays at most or asks at least."""

    tag: bytes
    label: Label
    premium_mkrw_per_kwh: int


def label_rules(rules: MarketRules) -> MarketRules:
    """The rules of the premium tier: premiums lie between 0 and their own bound."""
    return MarketRules(
        version=rules.version,
        floor_mkrw_per_kwh=0,
        cap_mkrw_per_kwh=PRICE_BOUND_MKRW_PER_KWH,
        tick_mkrw_per_kwh=1,
    )


def clear_label(
    clearing: Clearing,
    label: Label,
    wishes: Sequence[LabelWish],
    green: frozenset[bytes],
    rules: MarketRules,
) -> Clearing:
    """The premium tier of one label over the filled Wh of an energy clearing.

    `green` are the tags of offers from registered meters: a green wish of any other offer is an
    error, for it must not have been admitted. Local Wh trade inside their zone, one price each.
    Its certificate is that of any auction: `check_clearing(premium.book, label_rules(rules), ..)`.
    """
    book = clearing.book
    known = {
        tag: row
        for tag, row in zip(
            book.tags(),
            zip(book.zone.tolist(), book.side.tolist(), clearing.fill_wh.tolist(), strict=True),
            strict=True,
        )
    }
    rows = []
    for wish in wishes:
        if wish.label != label:
            continue
        if wish.tag not in known:
            raise MarketError(f"label of {wish.tag.hex()}: no such order in slot {book.slot}")
        zone, side, fill_wh = known[wish.tag]
        if label == Label.GREEN and side == Side.OFFER and wish.tag not in green:
            raise MarketError(
                f"label of {wish.tag.hex()}: green, allowed for offers of registered meters"
            )
        if fill_wh:
            node = zone if label == Label.LOCAL else 0
            rows.append(BookRow(wish.tag, zone, side, wish.premium_mkrw_per_kwh, fill_wh, node))
    return clear_slot(book_of(book.slot, rows, TIE_PREFIX), label_rules(rules))


@dataclass(frozen=True)
class LabelPart:
    """What an order's labelled Wh came to when metered; amounts of buyers are above 0."""

    tag: bytes
    e_wh: int
    amount_ukrw: int


def settle_label(premium: Clearing, delivered_wh: Mapping[bytes, int]) -> tuple[LabelPart, ...]:
    """The label's Wh and money by what was delivered; sums to 0 at every node, in order of tag.

    `delivered_wh` is what each order drew or gave of its cleared energy. Where the labelled Wh of
    one side are more than those of the other, the larger side is cut in proportion, whole Wh by
    largest remainder and then tie key; what is cut is neither paid nor labelled.
    """
    book, price = premium.book, premium.prices()
    rows: dict[tuple[int, int], list[tuple[bytes, int]]] = {}
    columns = zip(
        book.tags(), book.node.tolist(), book.side.tolist(), premium.fill_wh.tolist(), strict=True
    )
    for tag, node, side, fill_wh in columns:
        if tag not in delivered_wh:
            raise MarketError(f"label of {tag.hex()}: nothing is known of its delivery")
        labelled = min(fill_wh, delivered_wh[tag])
        rows.setdefault((node, side), []).append((tag, labelled))
    found = []
    for node in sorted({node for node, _ in rows}):
        bids, offers = (rows.get((node, side), []) for side in (Side.BID, Side.OFFER))
        most = min(sum(wh for _, wh in bids), sum(wh for _, wh in offers))
        for side, sign in ((bids, 1), (offers, -1)):
            for tag, wh in _cut(premium, side, most):
                found.append(LabelPart(tag, wh, sign * wh * price[node]))
    return tuple(sorted(found, key=lambda part: part.tag))


def _cut(
    premium: Clearing, side: Sequence[tuple[bytes, int]], most: int
) -> list[tuple[bytes, int]]:
    """The side's Wh cut in proportion to `most` together."""
    total = sum(wh for _, wh in side)
    if total == most:
        return list(side)
    parts = [(tag, *divmod(wh * most, total)) for tag, wh in side]
    spare = most - sum(whole for _, whole, _ in parts)
    queue = sorted(parts, key=lambda part: (-part[2], premium.book.tie_key(part[0])))
    first = {tag for tag, _, _ in queue[:spare]}
    return [(tag, whole + (tag in first)) for tag, whole, _ in parts]
