"""Market rules from a date: one person proposes, another confirms, and the log tells of it.

`load_rule_book` is the one place that says which rules hold in a slot.
"""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, func, insert, select, update

from energy.store.errors import StoreError
from energy.store.office_tables import rules_proposal
from energy.timegrid import iso_of
from energy.units import SLOT_S
from market.rules import MarketRules, RuleBook, RulesFrom

LEAD_S = 86_400
"""Rules change at least a day after they are confirmed."""


@dataclass(frozen=True)
class Proposal:
    """Rules from a slot on, who wants them and what became of it; instants by the district's clock.

    A proposal without an end is open. `entry` is that of the log once it has been told there.
    """

    no: int
    from_slot: int
    rules: MarketRules
    note: str
    proposed_by: str
    proposed_utc: int
    confirmed_by: str | None = None
    confirmed_utc: int | None = None
    withdrawn_by: str | None = None
    withdrawn_utc: int | None = None
    entry: bytes | None = None

    @property
    def state(self) -> str:
        """`open`, `confirmed` or `withdrawn`."""
        if self.confirmed_by is not None:
            return "confirmed"
        return "open" if self.withdrawn_by is None else "withdrawn"


@dataclass(frozen=True)
class Sayso:
    """Who says something of a proposal, when, and the first slot that rules may still change in."""

    who: str
    now_s: int
    earliest_slot: int


def earliest_change(now_s: int, end_slot: int) -> int:
    """The first slot that new rules may hold in: a day ahead, and nobody can order for it yet.

    `end_slot` is the first slot beyond those that are open. One more slot stays between, so that an
    order that arrives meanwhile cannot be for a slot whose rules have just been changed.
    """
    return max(-(-(now_s + LEAD_S) // SLOT_S) * SLOT_S, end_slot + SLOT_S)


def load_rule_book(connection: Connection) -> RuleBook:
    """The rules by slot: those that the books began with, and every confirmed change."""
    rows = connection.execute(_CONFIRMED)
    return RuleBook(changes=tuple(RulesFrom(slot, MarketRules(**rules)) for slot, rules in rows))


# Asked for every batch of orders: a statement that stands is compiled once.
_CONFIRMED = (
    select(rules_proposal.c.from_slot, rules_proposal.c.rules)
    .where(rules_proposal.c.confirmed_by.is_not(None))
    .order_by(rules_proposal.c.from_slot)
)


def list_proposals(connection: Connection) -> list[Proposal]:
    """All proposals, the newest first."""
    rows = connection.execute(select(rules_proposal).order_by(rules_proposal.c.no.desc()))
    return [Proposal(**{**row._mapping, "rules": MarketRules(**row.rules)}) for row in rows]


def find_proposal(connection: Connection, no: int) -> Proposal | None:
    """The proposal of a number, or None."""
    return next((one for one in list_proposals(connection) if one.no == no), None)


def propose_rules(
    connection: Connection, rules: MarketRules, from_slot: int, note: str, by: Sayso
) -> Proposal:
    """Keep a proposal; raises StoreError for a slot that is too early and while another is open."""
    book = load_rule_book(connection)
    _require_time(from_slot, by, book)
    waiting = [one for one in list_proposals(connection) if one.state == "open"]
    if waiting:
        raise StoreError(
            f"rules: proposal {waiting[0].no} is open, allowed one at a time; confirm or "
            f"withdraw it"
        )
    if rules.version != book.last.version + 1:
        raise StoreError(f"rules: version {rules.version}, allowed {book.last.version + 1}")
    last = connection.scalar(select(func.max(rules_proposal.c.no))) or 0
    found = Proposal(last + 1, from_slot, rules, note, by.who, by.now_s)
    row = {**vars(found), "rules": asdict(rules)}
    connection.execute(insert(rules_proposal).values(row))
    return found


def confirm_rules(connection: Connection, no: int, by: Sayso) -> Proposal:
    """Let a proposal hold from its slot on; raises StoreError where that may not be.

    Never by who has proposed it, never twice, and not once its slot has come too near.
    """
    found = _require_open(connection, no)
    if by.who == found.proposed_by:
        raise StoreError(
            f"proposal {no}: found {by.who}, who has proposed it, allowed a second person"
        )
    _require_time(found.from_slot, by, load_rule_book(connection))
    _end(connection, no, confirmed_by=by.who, confirmed_utc=by.now_s)
    return _require(connection, no)


def withdraw_rules(connection: Connection, no: int, by: Sayso) -> Proposal:
    """Take back a proposal that nobody has confirmed; raises StoreError for any other."""
    _require_open(connection, no)
    _end(connection, no, withdrawn_by=by.who, withdrawn_utc=by.now_s)
    return _require(connection, no)


def untold_rules(connection: Connection) -> list[Proposal]:
    """Confirmed rules that the log does not tell of yet, the earliest slot first."""
    found = [one for one in list_proposals(connection) if one.state == "confirmed"]
    return sorted((one for one in found if one.entry is None), key=lambda one: one.from_slot)


def save_rules_entry(connection: Connection, no: int, entry: bytes) -> None:
    """Keep which entry of the log tells of confirmed rules."""
    _end(connection, no, entry=entry)


def rules_entry_of(connection: Connection, version: int) -> bytes | None:
    """The entry of the log that tells of a version; None of the one that the books began with."""
    found = [one for one in list_proposals(connection) if one.state == "confirmed"]
    return next((one.entry for one in found if one.rules.version == version), None)


def _require_time(from_slot: int, by: Sayso, book: RuleBook) -> None:
    last = book.changes[-1].from_slot if book.changes else 0
    earliest = max(by.earliest_slot, last + SLOT_S)
    if from_slot < earliest or from_slot % SLOT_S:
        raise StoreError(
            f"from_slot: found {iso_of(from_slot)}, allowed a quarter hour from "
            f"{iso_of(earliest)} on"
        )


def _require_open(connection: Connection, no: int) -> Proposal:
    found = _require(connection, no)
    if found.state != "open":
        raise StoreError(f"proposal {no}: found {found.state}, allowed open")
    return found


def _require(connection: Connection, no: int) -> Proposal:
    found = find_proposal(connection, no)
    if found is None:
        raise StoreError(f"proposal {no}: not found")
    return found


def _end(connection: Connection, no: int, **values: object) -> None:
    connection.execute(update(rules_proposal).where(rules_proposal.c.no == no).values(values))
