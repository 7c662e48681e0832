"""The settle step: the tick's readings signed, due slots settled, everything under one checkpoint.

What the slot publishes of its market is entered with it (`post_clearing`); the rest of its tick
follows in one transaction of its own (`settle_tick`). All of it follows from committed rows, so a
crash at any point is answered by doing it again, with the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from sqlalchemy import Connection

from energy.district import District
from energy.steps.anchoring import enter_anchors
from energy.steps.book_head import Head
from energy.steps.book_rows import (
    SLOT_SCOPE,
    BatchReader,
    clearing_columns,
    committed_entries,
    load_reading_batch,
)
from energy.steps.books import Books as Books
from energy.steps.books import (
    collector_at_rest,
    enter_network,
    enter_rules,
    keep_signed_head,
)
from energy.steps.books import open_books as open_books
from energy.steps.corrections import CorrectionFacts, gather_corrections, settle_again, unerased
from energy.steps.dr_settlement import EventFacts, gather_events, save_events, settle_events
from energy.steps.halting import require_unhalted
from energy.steps.labels import label_cause, labels_of
from energy.steps.losses import enter_losses, save_loss_entry, untold_losses
from energy.steps.lost_readings import Past, find_frozen, find_lost
from energy.steps.metering import Usual, usual_of
from energy.steps.month_close import CloseFacts, close_month, gather_close, save_close
from energy.steps.open_data import publish_open_sums
from energy.steps.proving import Audit as Audit
from energy.steps.proving import audit_books as audit_books
from energy.steps.settled_alarms import tell_settled
from energy.steps.slot_contracts import RunningContracts
from energy.steps.slot_settlement import (
    SettledSlot,
    SlotFacts,
    gather_slot,
    settle_first,
    trade_columns,
)
from energy.steps.tally import keep_tally
from energy.steps.tick_book import Before, TickBook, Version, save_tick, seal
from energy.steps.trading import keep_trading
from energy.store.anchors import save_anchor_entries, unentered_anchors
from energy.store.books import (
    load_transfers,
    next_settlement,
    save_label_book,
    save_slot_book,
    save_trades,
    settlements_of_tick,
)
from energy.store.checkpoints import find_checkpoint
from energy.store.contracts import contract_numbers
from energy.store.engine import Store
from energy.store.erasures import ErasedAccount, erased_accounts
from energy.store.errors import StoreBusyError, StoreError
from energy.store.market_rules import save_rules_entry, untold_rules
from energy.store.orders import BookRow, load_book
from energy.store.readings import (
    LateRow,
    late_readings_of_tick,
    save_late_readings,
)
from energy.store.slots import find_slot, mark_sealed, mark_settled, unsettled_slots
from energy.store.views import Document, find_view, put_view
from energy.timegrid import iso_of
from energy.units import SLOT_S, UKRW_PER_KRW, krw_text_from_ukrw
from market.books import SealedTick
from market.clearing import Clearing, clearing_message
from market.label_lines import reserve_labels
from market.readings import Quality
from market.settlement import Carriage, reserve_slot, trades_of
from market.transfers import LedgerId

NO_TICK = -1
SLOTS_TO_METER = 2
"""A slot's readings are complete at the gate of the second slot after it."""


class ClearedSlot(Protocol):
    """What the clear step hands on: the auction of a slot, None where it had no market."""

    @property
    def slot(self) -> int:
        """Start of the slot."""

    @property
    def plan_digest(self) -> bytes:
        """Digest of the plan that the operator's rows follow."""

    @property
    def clearing(self) -> Clearing | None:
        """The auction."""

    @property
    def orders(self) -> Sequence[BookRow]:
        """The participants' locked orders; every other row of the book is the operator's."""

    @property
    def labels(self) -> Mapping[int, Clearing]:
        """The premium tiers that followed the auction, by label."""


class Bookkeeper(Protocol):
    """What the settle step needs of the loop's machinery."""

    @property
    def store(self) -> Store:
        """The store."""

    @property
    def district(self) -> District:
        """The district."""

    @property
    def books(self) -> Books:
        """The books."""


@dataclass(frozen=True)
class Settled:
    """What a tick came to. `root` and `size` are those of the log after it, `transfers` all of
    its transfers, `unexplained_*` what the settled slots leave open, which must be 0.
    """

    tick: int
    slots: tuple[int, ...]
    corrected: tuple[int, ...]
    transfers: int
    readings: int
    estimated: int
    unexplained_wh: int
    unexplained_ukrw: int
    size: int
    root: bytes


def post_clearing(connection: Connection, books: Books, cleared: ClearedSlot) -> None:
    """Enter the slot's auction: signed Clearing, trades, and a reservation for every trade.

    Each premium tier has a signed Clearing of its own, and reservations for what it costs.
    To be called in the transaction that publishes the slot; without a market it does nothing.
    Raises HaltedError where an audit has found the books broken.
    """
    clearing = cleared.clearing
    if clearing is None:
        return
    require_unhalted(connection, books)
    book = TickBook(books, cleared.slot, next_settlement(connection))
    book.entries += enter_network(connection, books, cleared.slot)
    message = clearing_message(
        clearing,
        round=clearing.round,
        network_version=clearing.network_version,
        plan=cleared.plan_digest,
    )
    entry = book.enter("Clearing", message, books.keys.trading)
    for label in cleared.labels:
        _enter_label(connection, book, cleared, label)
    account_of_tag = dict.fromkeys(clearing.book.tags(), books.system.spc)
    account_of_tag |= {row.tag: row.account for row in cleared.orders}
    trades = trades_of(clearing, account_of_tag)
    carriage = Carriage(*clearing.carriage_ukrw())
    reserved = reserve_slot(cleared.slot, trades, books.system, entry.digest, carriage)
    version = Version(cleared.slot, 0, clearing=entry.digest)
    labels = labels_of(cleared.labels, cleared.orders)
    reserved += reserve_labels(labels, label_cause(version, books.system.pool))
    if reserved:
        book.settle(version, sorted(reserved))
    book.save_entries(connection)
    save_slot_book(connection, cleared.slot, clearing_columns(clearing))
    save_trades(connection, cleared.slot, trade_columns(trades, books))


def _enter_label(connection: Connection, book: TickBook, cleared: ClearedSlot, label: int) -> None:
    tier = cleared.labels[label]
    message = clearing_message(
        tier,
        round=tier.round,
        network_version=tier.network_version,
        plan=cleared.plan_digest,
        label=label,
    )
    book.enter("Clearing", message, book.books.keys.trading)
    save_label_book(connection, cleared.slot, label, clearing_columns(tier))


def settle_tick(microgrid: Bookkeeper, slot: int) -> Settled:
    """Settle what is due at the gate of `slot`, and put the tick of that name under its checkpoint.

    A tick that is sealed already is left as it is. Raises MarketError where an invariant breaks,
    HaltedError where an audit has found the books broken, StoreError where somebody else writes to
    them; then nothing is written.
    """
    store, books = microgrid.store, microgrid.books
    if slot <= books.head.state.tick:
        return store.read(lambda connection: _settled_before(connection, books, slot))
    store.read(lambda connection: require_unhalted(connection, books))
    with collector_at_rest():
        return _settle_new(microgrid, slot)


def _settle_new(microgrid: Bookkeeper, slot: int) -> Settled:
    """Gather, settle, seal, write; the books remember it once it is written."""
    store, books, district = microgrid.store, microgrid.books, microgrid.district
    # A head that could not be kept outside the store, on a full disk, is kept before the next.
    keep_signed_head(store, books)
    usual = usual_of(district)
    found = store.read(lambda connection: _gather(connection, microgrid, usual, slot))
    book = TickBook(books, slot, found.first_settlement)
    settled = [settle_first(book, district, facts) for facts in found.due]
    for number, facts in enumerate(found.corrections):
        settle_again(book, district, facts, number)
    events = settle_events(book, district, found.events)
    closed = None if found.close is None else close_month(book, district, found.close)
    anchors = enter_anchors(book, store.read(unentered_anchors))
    told = enter_rules(books, store.read(untold_rules))
    lost = enter_losses(books, store.read(untold_losses), slot)
    book.entries += [*told.values(), *lost.values()]
    sealed = seal(book, found.before)
    head = _head_after(book, sealed, found)
    outcome = _outcome(book, sealed, settled)

    def write(connection: Connection) -> None:
        require_unhalted(connection, books)  # once more: it may have been found meanwhile
        if erased_accounts(connection) != found.erased:
            raise StoreBusyError(
                f"tick {iso_of(slot)}: an account was erased while it was settled, try again"
            )
        keep_tally(connection, books, district, slot)
        save_tick(connection, book, sealed, head)
        if closed is not None:
            save_close(connection, slot, closed)
        save_late_readings(connection, found.told)
        save_events(connection, slot, events)
        save_anchor_entries(connection, slot, anchors)
        for number, entry in told.items():
            save_rules_entry(connection, number, entry.digest)
        for number, entry in lost.items():
            save_loss_entry(connection, number, entry.digest)
        put_view(connection, "ledger", slot, ledger_view(books, head, outcome))
        slots = (*outcome.slots, *outcome.corrected)
        publish_open_sums(connection, district, found.due)
        keep_trading(connection, books, district, head.months, slots)
        mark_sealed(connection, slot, slot)
        for one in settled:
            mark_settled(connection, one.slot, slot)
        tell_settled(connection, district, settled, slot)

    store.write(write)
    books.head = head
    keep_signed_head(store, books)
    return outcome


@dataclass(frozen=True, eq=False)
class _Found:
    """What the store holds for a tick; `told` are the operator's own corrections."""

    before: Before
    due: list[SlotFacts]
    told: list[LateRow]
    corrections: list[CorrectionFacts]
    events: list[EventFacts]
    close: CloseFacts | None
    first_settlement: int
    erased: list[ErasedAccount]


def _gather(connection: Connection, microgrid: Bookkeeper, usual: Usual, tick: int) -> _Found:
    """Everything that the tick is made from, read in one transaction."""
    books, district = microgrid.books, microgrid.district
    books.causes.update(contract_numbers(connection))
    reader = BatchReader(connection, books)
    settlements = settlements_of_tick(connection, tick)
    last_tick = books.head.state.tick
    # Nobody could order before the books began: the first slot's tick takes all there is.
    after = last_tick if last_tick > books.genesis else NO_TICK
    row = find_slot(connection, tick)
    before = Before(
        entries=committed_entries(connection, after=after, tick=tick),
        batches={one.entry: reader.batch(one) for one in settlements},
        book_tags=None if row is None else [one.tag for one in load_book(connection, tick)],
    )
    complete = tick - (SLOTS_TO_METER - 1) * SLOT_S
    due: list[SlotFacts] = []
    registers, assets = books.head.registers, books.head.asset_registers
    contracts = RunningContracts(connection, district)
    for slot in unsettled_slots(connection, complete):
        facts = gather_slot(connection, books, usual, slot, registers, assets)
        if facts is not None:
            due.append(replace(facts, running=contracts.at(slot)))
            registers, assets = facts.believed.registers, facts.assets.registers
    past = Past(connection, books, tick, usual.most_wh)
    told = unerased(connection, books, [*find_lost(past), *find_frozen(past, due)])
    late = [*late_readings_of_tick(connection, tick), *told]
    corrections = gather_corrections(connection, books, contracts, late, usual.most_wh)
    corrected = [one.version.slot for one in corrections]
    events = gather_events(connection, books, complete - SLOT_S, corrected)
    slots = [one.slot for one in due]
    close = gather_close(connection, books, district, tick=tick, due=slots, corrected=corrected)
    number = next_settlement(connection)
    erased = erased_accounts(connection)
    return _Found(before, due, told, corrections, events, close, number, erased)


def _head_after(book: TickBook, sealed: SealedTick, found: _Found) -> Head:
    """The books after the tick."""
    head = book.books.head
    batches = [*found.before.batches.values(), *(one.batch for one in book.settlements)]
    return Head(
        state=sealed.state,
        balances=dict(book.balances),
        transfers=head.transfers + sum(len(batch.ids) for batch in batches),
        registers=found.due[-1].believed.registers if found.due else head.registers,
        asset_registers=found.due[-1].assets.registers if found.due else head.asset_registers,
        months=book.months,
        boundary_wh=book.boundary_wh,
    )


def _outcome(book: TickBook, sealed: SealedTick, settled: Sequence[SettledSlot]) -> Settled:
    """What the tick came to."""
    message, pool = sealed.checkpoint.message, (int(LedgerId.KRW), book.books.system.pool)
    return Settled(
        tick=book.tick,
        slots=tuple(one.slot for one in settled),
        corrected=tuple(
            one.row.slot
            for one in book.settlements
            if one.row.version > 1 and one.row.scope == SLOT_SCOPE
        ),
        transfers=sum(len(one.rows) for one in book.settlements),
        readings=sum(len(batch) for batch in book.readings),
        estimated=sum(one.estimated for one in settled),
        unexplained_wh=sum(one.boundary.unexplained_wh for one in settled),
        unexplained_ukrw=sum(one.posted.changes.get(pool, 0) for one in settled),
        size=message["size"],
        root=message["root"],
    )


def _settled_before(connection: Connection, books: Books, tick: int) -> Settled:
    """What a tick came to that is sealed already, as its rows tell."""
    last, document = find_checkpoint(connection, tick), find_view(connection, "ledger", tick)
    if last is None or document is None:
        raise StoreError(
            f"tick {iso_of(tick)}: found no checkpoint, though the books stand at "
            f"{iso_of(books.head.state.tick)}"
        )
    rows = settlements_of_tick(connection, tick)
    made = [row for row in rows if row.version > 0 and row.scope == SLOT_SCOPE]
    slots = tuple(row.slot for row in made if row.version == 1)
    readings = load_reading_batch(connection, books, tick)
    guesses = [one for one in readings.readings if one.quality == Quality.ESTIMATED]
    return Settled(
        tick=tick,
        slots=slots,
        corrected=tuple(row.slot for row in made if row.version > 1),
        transfers=sum(len(load_transfers(connection, row.no)) for row in rows if row.version > 0),
        readings=len(readings),
        estimated=sum(one.slot in slots for one in guesses),
        unexplained_wh=int(document["unexplained_wh"]),
        unexplained_ukrw=int(Decimal(document["unexplained_krw"]) * UKRW_PER_KRW),
        size=last.size,
        root=last.root,
    )


def ledger_view(books: Books, head: Head, outcome: Settled) -> Document:
    """The head of the books for the page: what is signed, by whom, and whether all is explained."""
    sums = {int(ledger): 0 for ledger in LedgerId}
    for (ledger, _), amount in head.balances.items():
        sums[ledger] += amount
    return {
        "size": outcome.size,
        "root": outcome.root.hex(),
        "tick_utc": iso_of(outcome.tick),
        "transfers": head.transfers,
        "signer": "0x" + books.keys.address("log").hex(),
        "unexplained_wh": str(outcome.unexplained_wh),
        "unexplained_krw": krw_text_from_ukrw(outcome.unexplained_ukrw),
        "debits_equal_credits": not any(sums.values()),
    }
