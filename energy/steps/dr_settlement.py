"""An event is verified once the readings of all its slots are in, and paid in the same tick.

One settlement of scope 3 for every clock hour; it names the event where that of a slot names its
auction, and the event is what its transfers are caused by. A reading that is corrected later
verifies the event again: what changes is reversed and posted anew under a Correction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.book_rows import BatchReader, Place
from energy.steps.books import Books
from energy.steps.corrections import CORRECTIONS_PER_TICK, Reason, in_force
from energy.steps.dr_baselines import (
    MeteredSlot,
    metered_at,
    of_accounts,
    operator_meters,
)
from energy.steps.metering import ESTIMATED
from energy.steps.settled_meters import UNKNOWN
from energy.steps.tick_book import Named, TickBook, Version
from energy.store.books import SettlementRow, ended_by, load_settlements, load_transfers_of
from energy.store.demand_response import (
    AnswerRow,
    BaselineTable,
    EventRow,
    events_between,
    last_result,
    load_answers,
    load_baselines,
    save_result,
    takes_place,
)
from energy.store.events import add_event
from energy.units import SLOT_S
from market.dr import HOUR_S, DrHour, dr_transfers, verify_event
from market.transfers import ZERO32, Transfer, TransferKind

IntArray = npt.NDArray[np.int64]

EVENT_SCOPE = 3
PATIENCE_S = 4 * SLOT_S
"""How long after its end an event waits for readings that are still estimates."""
REVISED_S = 90 * 86400
"""How long readings can still be corrected."""
FIRST_NUMBER, HOURS_MAX = 9_000, 24
"""Corrections of events count from the first within a tick, those of slots from 0."""


@dataclass(frozen=True, eq=False)
class EventFacts:
    """What the store knows of an event that is over.

    `answers` are those above 0 of accounts that are not erased; `slots` what the meters showed by
    earlier ticks. `hours` are the settlements of each clock hour so far, `moved` what of them is in
    force, `places` where it stands. `version` and `before` are of the last result, 0 and None
    before the first.
    """

    event: EventRow
    answers: tuple[AnswerRow, ...]
    table: BaselineTable
    slots: tuple[MeteredSlot, ...]
    hours: Mapping[int, list[SettlementRow]]
    moved: Mapping[int, Mapping[bytes, Transfer]]
    places: Mapping[bytes, Place]
    version: int
    before: Mapping[str, Any] | None

    @property
    def accounts(self) -> list[bytes]:
        """The accounts that have committed, in their order."""
        return [one.account for one in self.answers]


@dataclass(frozen=True, eq=False)
class VerifiedEvent:
    """What an event has come to in a tick, as columns of its result."""

    event: EventRow
    version: int
    columns: Mapping[str, npt.NDArray[Any]]


def gather_events(
    connection: Connection, books: Books, complete: int, corrected: Collection[int]
) -> list[EventFacts]:
    """Events whose readings are due, `complete` being the last slot of which they are.

    Of events that were verified before only those that one of the `corrected` slots belongs to.
    """
    found = []
    for event in events_between(connection, complete - REVISED_S, complete + SLOT_S):
        if event.end_slot > complete + SLOT_S:
            continue
        last = last_result(connection, event.id)
        if last is not None and not any(
            event.first_slot <= slot < event.end_slot for slot in corrected
        ):
            continue
        if takes_place(connection, event, event.first_slot):
            facts = _facts(connection, books, event, last)
            if facts.answers:
                found.append(facts)
    return found


def settle_events(
    book: TickBook, district: District, facts: Sequence[EventFacts]
) -> list[VerifiedEvent]:
    """Verify what is due, or changed by this tick's readings; post rewards and penalties."""
    found: list[VerifiedEvent] = []
    for one in facts:
        net_wh, quality = _metered(book, district, one)
        waits = one.before is None and book.tick < one.event.end_slot + PATIENCE_S
        if (quality == UNKNOWN).any() or (waits and (quality == ESTIMATED).any()):
            continue
        columns = _verified(book.books, one, net_wh)
        if one.before is not None and np.array_equal(_as_verified(one.before, columns), net_wh):
            continue
        _post(book, one, columns, FIRST_NUMBER + HOURS_MAX * len(found))
        found.append(VerifiedEvent(one.event, one.version + 1, columns))
    return found


def _as_verified(before: Mapping[str, Any], columns: Mapping[str, Any]) -> IntArray:
    """The net import of these accounts (S, K) as an event was verified with it before."""
    column = {no: place for place, no in enumerate(before["account"].tolist())}
    found: IntArray = before["net_wh"][:, [column[no] for no in columns["account"].tolist()]]
    return found


def save_events(connection: Connection, tick: int, verified: Sequence[VerifiedEvent]) -> None:
    """Write what the events of a tick have come to."""
    for one in verified:
        save_result(connection, one.event.id, one.version, tick, one.columns)
        add_event(connection, "dr", one.event.first_slot, {"event": one.event.id.hex()})


def _facts(
    connection: Connection,
    books: Books,
    event: EventRow,
    last: tuple[int, Mapping[str, Any]] | None,
) -> EventFacts:
    table = load_baselines(connection, event.id)
    assert table is not None, "nobody can commit before the baselines are worked out"
    # Who committed had a baseline. Where it is gone its account is erased: what that was paid
    # stands as it is, and the others are verified without it.
    answers = tuple(
        one
        for one in load_answers(connection, event.id)
        if one.e_wh_per_slot and table.of(one.account) is not None
    )
    slots = range(event.first_slot, event.end_slot, SLOT_S)
    numbers = [books.book.number[one.account] for one in answers]
    hours = {
        hour: load_settlements(connection, hour, EVENT_SCOPE)
        for hour in range(event.first_slot, event.end_slot, HOUR_S)
    }
    moved: dict[int, Mapping[bytes, Transfer]] = {}
    places: dict[bytes, Place] = {}
    for hour, settlements in hours.items():
        made, reader = [one.no for one in settlements], BatchReader(connection, books)
        undone = ended_by(connection, made)
        here = in_force(load_transfers_of(connection, made, numbers), undone, reader)
        moved[hour] = dict(here.values())
        places |= {id_: place for place, (id_, _) in here.items()}
    version, before = (0, None) if last is None else last
    metered = tuple(metered_at(connection, books, slot) for slot in slots)
    return EventFacts(event, answers, table, metered, hours, moved, places, version, before)


def _metered(book: TickBook, district: District, facts: EventFacts) -> tuple[IntArray, IntArray]:
    """Net import and quality (S, K) of those who have committed, this tick's readings included."""
    books, event = book.books, facts.event
    slots = [MeteredSlot(one.net_wh.copy(), one.quality.copy()) for one in facts.slots]
    for batch in book.readings:
        for one in batch.readings:
            place = (one.slot - event.first_slot) // SLOT_S
            if 0 <= place < event.slots:
                row = books.book.number[one.account]
                slots[place].net_wh[row] = one.import_wh - one.export_wh
                slots[place].quality[row] = one.quality
    operator = operator_meters(books, district)
    rows = [of_accounts(one, books, operator, facts.accounts) for one in slots]
    return np.stack([net for net, _ in rows]), np.stack([quality for _, quality in rows])


def _verified(books: Books, facts: EventFacts, net_wh: IntArray) -> dict[str, npt.NDArray[Any]]:
    """The columns of the result: what was reduced and what follows, (hours, accounts)."""
    event = facts.event
    hours: list[list[DrHour]] = []
    for column, answer in enumerate(facts.answers):
        baseline = facts.table.of(answer.account)
        assert baseline is not None, "without a baseline there is no commitment"
        metered = net_wh[:, column].tolist()
        hours.append(
            verify_event(event.terms, baseline, metered, answer.e_wh_per_slot, event.pay_cap_ppm)
        )
    names = ("committed_wh", "reduced_wh", "reward_ukrw", "penalty_ukrw")
    found: dict[str, npt.NDArray[Any]] = {
        name: np.array([[getattr(one, name) for one in row] for row in hours], dtype=np.int64).T
        for name in names
    }
    numbers = [books.book.number[one] for one in facts.accounts]
    return found | {
        "account": np.array(numbers, dtype=np.int64),
        "hour": np.array([one.start for one in hours[0]], dtype=np.int64),
        "net_wh": net_wh,
    }


def _post(
    book: TickBook, facts: EventFacts, columns: Mapping[str, npt.NDArray[Any]], number: int
) -> None:
    """One settlement for every hour whose money changes; corrections count from `number`."""
    event, accounts = facts.event, facts.accounts
    for row, hour in enumerate(columns["hour"].tolist()):
        earlier = facts.hours[hour]
        version, previous = (earlier[-1].version + 1, earlier[-1].entry) if earlier else (1, ZERO32)
        wanted: list[Transfer] = []
        for column, account in enumerate(accounts):
            figures = {
                name: int(columns[name][row, column])
                for name in ("committed_wh", "reduced_wh", "reward_ukrw", "penalty_ukrw")
            }
            hours = [DrHour(start=hour, **figures)]
            wanted += dr_transfers(account, event.program, hours, version, event.id)
        old = facts.moved[hour]
        transfers = sorted(_anew(old, wanted, version)) if earlier else sorted(wanted)
        if not transfers:
            continue
        if version > 1:
            message: dict[str, int | bytes] = {
                "slot": hour,
                "from_version": version - 1,
                "to_version": version,
                "reason": int(Reason.LATE),
                "evidence": event.id,
                "nonce": book.tick * CORRECTIONS_PER_TICK + number + row,
            }
            book.enter("Correction", message, book.books.keys.settle)
        named = Named(originals=old, places=facts.places)
        book.settle(Version(hour, version, previous, event.id), transfers, (), named, EVENT_SCOPE)


def _anew(
    old: Mapping[bytes, Transfer], wanted: Sequence[Transfer], version: int
) -> list[Transfer]:
    """What is to be posted where `old` is in force: lines that stay as they are stay out."""

    def line(one: Transfer) -> tuple[int, bytes, bytes, int]:
        return one.code, one.debit, one.credit, one.amount

    stays = {line(one) for one in old.values()} & {line(one) for one in wanted}
    undone = [
        one._replace(
            kind=int(TransferKind.REVERSE),
            debit=one.credit,
            credit=one.debit,
            version=version,
            pending=id_,
        )
        for id_, one in old.items()
        if line(one) not in stays
    ]
    return [*undone, *(one for one in wanted if line(one) not in stays)]
