"""Green and local energy at a premium: cleared after the energy, paid for what was delivered.

The energy auction is over when this begins, and nothing here can change what it came to. Whose
energy is green is decided by the district's data, whatever an order calls itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import clearing_of_columns, entry_of
from energy.steps.tick_book import Version
from energy.store.books import load_entries, load_label_books
from energy.store.orders import BookRow, load_book
from market.certificate import check_clearing
from market.errors import MarketError
from market.label_lines import NO_LABELS, LabelCause, SlotLabels
from market.labels import TIE_PREFIX, Label, LabelWish, clear_label, label_rules
from market.orders import Side
from market.result import Clearing
from market.rules import MarketRules

LABELS = (Label.GREEN, Label.LOCAL)


def green_accounts(district: District) -> frozenset[bytes]:
    """Accounts whose energy may be called green: those with solar behind their meter.

    The biogas plant is the operator's, whose rows carry no label.
    """
    meters = district.meters
    return frozenset(meters.account[row] for row in np.flatnonzero(meters.pv_kwp > 0).tolist())


def clear_labels(
    clearing: Clearing, orders: Sequence[BookRow], green: Collection[bytes], rules: MarketRules
) -> dict[int, Clearing]:
    """The premium tier of each label that filled orders wish for, proven, by label.

    An offer that calls itself green without a registered meter takes no part. Each tier has the
    round and the network version of the energy's clearing that it follows. Raises MarketError where
    a certificate does not hold.
    """
    found: dict[int, Clearing] = {}
    of_green = frozenset(row.tag for row in orders if row.account in green)
    for label in LABELS:
        wishes = [
            LabelWish(row.tag, label, row.premium_mkrw_per_kwh)
            for row in orders
            if row.label == label
            and (label != Label.GREEN or row.side == Side.BID or row.tag in of_green)
        ]
        tier = replace(
            clear_label(clearing, label, wishes, of_green, rules),
            round=clearing.round,
            network_version=clearing.network_version,
        )
        if not len(tier.book):
            continue
        findings = check_clearing(tier.book, label_rules(rules), tier)
        if findings:
            raise MarketError(
                f"{label.name.lower()} tier of slot {clearing.slot}: {len(findings)} rules broken: "
                f"{findings[0]}"
            )
        found[int(label)] = tier
    return found


def labels_of(tiers: Mapping[int, Clearing], orders: Sequence[BookRow]) -> SlotLabels:
    """The tiers of a slot as the ledger takes them, with the accounts of the locked orders."""
    account = {row.tag: row.account for row in orders}
    tags = [tag for tier in tiers.values() for tag in tier.book.tags()]
    return SlotLabels(tuple(tiers.values()), {tag: account[tag] for tag in tags})


def load_labels(connection: Connection, slot: int) -> SlotLabels:
    """The premium tiers of a slot as they were committed.

    None where the body of one of their orders was destroyed: what was paid for it then stands.
    """
    tiers = _load_tiers(connection, slot)
    if not tiers:
        return NO_LABELS
    orders = load_book(connection, slot)
    known = {row.tag for row in orders}
    if any(tag not in known for tier in tiers.values() for tag in tier.book.tags()):
        return NO_LABELS
    return labels_of(tiers, orders)


def label_cause(version: Version, pool: bytes) -> LabelCause:
    """What the label lines of a settlement name."""
    return LabelCause(version.slot, version.version, version.clearing, pool)


def _load_tiers(connection: Connection, slot: int) -> dict[int, Clearing]:
    """The tiers of a slot by label, in order, from their signed messages and committed rows."""
    books = load_label_books(connection, slot)
    if not books:
        return {}
    entries = [entry_of(one) for one in load_entries(connection, slot) if one.type == "Clearing"]
    message = {one.message["label"]: one.message for one in entries}
    return {
        label: clearing_of_columns(message[label], columns, TIE_PREFIX)
        for label, columns in books.items()
    }
