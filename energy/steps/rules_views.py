"""The market's rules for those who look at them: versions by slot, and proposed changes."""

from dataclasses import asdict

from sqlalchemy import Connection

from energy.district import District
from energy.steps.own_rules import whole_rules
from energy.store.market_rules import Proposal, Sayso, list_proposals, load_rule_book
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw
from market.rules import MONTHLY, MarketRules, RuleBook

PRICES = {
    "price_floor_krw_per_kwh": "floor_mkrw_per_kwh",
    "price_cap_krw_per_kwh": "cap_mkrw_per_kwh",
    "price_tick_krw_per_kwh": "tick_mkrw_per_kwh",
    "maker_spread_krw_per_kwh": "maker_spread_mkrw_per_kwh",
    "network_fee_krw_per_kwh": "network_fee_mkrw_per_kwh",
    "local_fee_krw_per_kwh": "local_fee_mkrw_per_kwh",
    "premium_max_krw_per_kwh": "premium_max_mkrw_per_kwh",
}
"""Rules that are prices: their names in won, and in the rules themselves."""
COUNTS = ("maker_steps", "orders_max", *MONTHLY)
"""Rules that are whole numbers."""


def rules_document(connection: Connection, district: District, now_s: float) -> Document:
    """Every version, the newest first; `from_slot_utc` null of what the books began with.

    What nobody has changed is shown as the district's own data have it.
    """
    book = load_rule_book(connection)
    now = book.at(int(now_s)).version
    return {
        "now": now,
        "versions": [
            {
                "version": one.rules.version,
                "from_slot_utc": iso_of(one.from_slot) if one.from_slot else None,
                "rules": rules_values(one.rules, district, max(one.from_slot, int(now_s))),
                "content_sha256": one.rules.content.hex(),
            }
            for one in reversed(book.versions)
        ],
    }


def proposals_document(connection: Connection, district: District, by: Sayso) -> Document:
    """All proposals, the newest first, and the first slot that another one may name."""
    rows, book = list_proposals(connection), load_rule_book(connection)
    return {
        "earliest_slot_utc": iso_of(by.earliest_slot),
        "items": [_document(one, book, district) for one in rows],
    }


def proposal_document(connection: Connection, district: District, found: Proposal) -> Document:
    """One proposal: what differs, from which slot, who and when."""
    return _document(found, load_rule_book(connection), district)


def _document(found: Proposal, book: RuleBook, district: District) -> Document:
    versions = {one.rules.version: one.rules for one in book.versions}
    # The version before is confirmed, for a proposal follows the last one.
    both = (versions[found.rules.version - 1], found.rules)
    old, new = (rules_values(one, district, found.from_slot) for one in both)
    return {
        "id": found.no,
        "state": found.state,
        "version": found.rules.version,
        "from_slot_utc": iso_of(found.from_slot),
        "changes": [
            {"name": name, "old": old[name], "new": value}
            for name, value in new.items()
            if old[name] != value
        ],
        "note": found.note,
        "proposed": _said(found.proposed_by, found.proposed_utc),
        "confirmed": _said(found.confirmed_by, found.confirmed_utc),
        "withdrawn": _said(found.withdrawn_by, found.withdrawn_utc),
        "entry": None if found.entry is None else f"0x{found.entry.hex()}",
    }


def rules_values(rules: MarketRules, district: District, slot: int) -> dict[str, str]:
    """Rules as they are in a slot, as texts by name, prices in won."""
    values = asdict(whole_rules(rules, district, slot))
    return {
        **{name: krw_text_from_mkrw(values[own]) for name, own in PRICES.items()},
        **{name: str(values[name]) for name in COUNTS},
    }


def _said(who: str | None, utc: int | None) -> dict[str, str] | None:
    return None if who is None or utc is None else {"by": who, "at_utc": iso_of(utc)}
