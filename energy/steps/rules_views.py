"""The market's rules for those who look at them: versions by slot, and proposed changes."""

from dataclasses import asdict

from sqlalchemy import Connection

from energy.store.market_rules import Proposal, Sayso, list_proposals, load_rule_book
from energy.store.views import Document
from energy.timegrid import iso_of
from energy.units import krw_text_from_mkrw
from market.rules import MarketRules, RuleBook, RulesFrom


def rules_document(connection: Connection, now_s: float) -> Document:
    """Every version, the newest first; `from_slot_utc` null of what the books began with."""
    book = load_rule_book(connection)
    now = book.at(int(now_s)).version
    rows = [RulesFrom(0, book.first), *book.changes]
    return {
        "now": now,
        "versions": [
            {
                "version": one.rules.version,
                "from_slot_utc": iso_of(one.from_slot) if one.from_slot else None,
                "rules": rules_values(one.rules),
                "content_sha256": one.rules.content.hex(),
            }
            for one in reversed(rows)
        ],
    }


def proposals_document(connection: Connection, by: Sayso) -> Document:
    """All proposals, the newest first, and the first slot that another one may name."""
    rows = list_proposals(connection)
    return {
        "earliest_slot_utc": iso_of(by.earliest_slot),
        "items": [_document(one, load_rule_book(connection)) for one in rows],
    }


def proposal_document(connection: Connection, found: Proposal) -> Document:
    """One proposal: what differs, from which slot, who and when."""
    return _document(found, load_rule_book(connection))


def _document(found: Proposal, book: RuleBook) -> Document:
    versions = {one.version: one for one in (book.first, *(one.rules for one in book.changes))}
    # The version before is confirmed, for a proposal follows the last one.
    old, new = rules_values(versions[found.rules.version - 1]), rules_values(found.rules)
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


def rules_values(rules: MarketRules) -> dict[str, str]:
    """The rules as texts by name, prices in won."""
    values = asdict(rules)
    return {
        "price_floor_krw_per_kwh": krw_text_from_mkrw(rules.floor_mkrw_per_kwh),
        "price_cap_krw_per_kwh": krw_text_from_mkrw(rules.cap_mkrw_per_kwh),
        "price_tick_krw_per_kwh": krw_text_from_mkrw(rules.tick_mkrw_per_kwh),
        "maker_spread_krw_per_kwh": krw_text_from_mkrw(rules.maker_spread_mkrw_per_kwh),
        **{name: str(values[name]) for name in ("maker_steps", "orders_max")},
    }


def _said(who: str | None, utc: int | None) -> dict[str, str] | None:
    return None if who is None or utc is None else {"by": who, "at_utc": iso_of(utc)}
