"""A tick on its way into the books: what is signed and posted so far, and how it is written.

Nothing here touches the store before `save_tick`; what is posted is only remembered by the books
once that transaction is committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection

from energy.steps.book_head import Head, keep_tick
from energy.steps.book_rows import SLOT_SCOPE, Place, reading_columns, transfer_rows
from energy.steps.books import Books, entry_rows
from energy.store.books import (
    SettlementRow,
    TransferRow,
    count_entries,
    next_settlement,
    save_entries,
    save_settlement,
    save_signed_readings,
)
from energy.store.checkpoints import last_checkpoint
from energy.store.contracts import DeliveryRow, save_deliveries
from energy.store.errors import StoreError
from energy.timegrid import iso_of
from market.books import (
    Entry,
    SealedTick,
    SettledBatch,
    TickEntries,
    make_entry,
    seal_tick,
    settlement_message,
)
from market.errors import MarketError
from market.ledger import BatchResult, Posted, Refusal, post_batch, unclosed
from market.readings import Quality, Reading, ReadingBatch, ReadingSigner, sign_readings
from market.signing import address_of, sign
from market.transfers import ZERO32, LedgerId, Transfer, transfer_digests


class Version(NamedTuple):
    """Which settlement of a slot is made: its version, the one before it, the slot's clearing."""

    slot: int
    version: int
    previous: bytes = ZERO32
    clearing: bytes = ZERO32


@dataclass(frozen=True, eq=False)
class Named:
    """What a batch refers to: open pendings and transfers to be undone, and where they stand."""

    pendings: Mapping[bytes, Transfer] = field(default_factory=dict)
    originals: Mapping[bytes, Transfer] = field(default_factory=dict)
    places: Mapping[bytes, Place] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PostedSettlement:
    """A signed settlement with its rows, ready to be written."""

    entry: Entry
    row: SettlementRow
    rows: list[TransferRow]
    batch: SettledBatch
    changes: Mapping[tuple[int, bytes], int]


class TickBook:
    """What one tick enters, in its order; balances, months and the connection's counters stand as
    after what is posted.
    """

    def __init__(self, books: Books, tick: int, first_no: int) -> None:
        self.books = books
        self.tick = tick
        self.months = books.head.months
        self.boundary_wh = books.head.boundary_wh
        self.balances: Mapping[tuple[int, bytes], int] = books.head.balances
        self.entries: list[Entry] = []
        self.settlements: list[PostedSettlement] = []
        self.readings: list[ReadingBatch] = []
        self.deliveries: list[DeliveryRow] = []
        self._first_no = first_no

    def enter(self, type_name: str, message: dict[str, int | bytes], key: bytes) -> Entry:
        """Sign and enter a message of the operator."""
        entry = make_entry(self.books.domain, type_name, message, key)
        self.entries.append(entry)
        return entry

    def settle(
        self,
        version: Version,
        transfers: Sequence[Transfer],
        readings: Iterable[bytes] = (),
        named: Named | None = None,
        scope: int = SLOT_SCOPE,
    ) -> PostedSettlement:
        """Post a batch and sign for it; `readings` are the leaves of those it was made from.

        Raises MarketError where the batch is refused or leaves open what must close: then nothing
        of the tick is written.
        """
        named, books, slot = named or Named(), self.books, version.slot
        ids = transfer_digests(books.domain, transfers)
        facts = Posted(
            ids=ids,
            accounts=books.book,
            least=books.least,
            ended=frozenset(),
            originals=named.originals,
        )
        answer = post_batch(self.balances, named.pendings, transfers, facts)
        if isinstance(answer, Refusal):
            raise _refused(slot, answer)
        if version.version:
            _require_closed(books, slot, answer)
        batch = SettledBatch(transfers, ids, books.transfer_salts(transfers, ids))
        message = settlement_message(
            batch,
            readings,
            scope=scope,
            rules_version=books.rules.at(slot).version,
            **version._asdict(),
        )
        entry = self.enter("Settlement", message, books.keys.settle)
        number = self._first_no + len(self.settlements)
        row = SettlementRow(
            number, entry.digest, scope, slot, version.version, self.tick, version.clearing
        )
        rows = transfer_rows(number, transfers, named.places, books)
        posted = PostedSettlement(entry, row, rows, batch, answer.changes)
        self.balances = answer.balances
        self.settlements.append(posted)
        return posted

    def places(self, posted: PostedSettlement) -> dict[bytes, Place]:
        """Where the transfers of a settlement of this tick stand."""
        return {id_: (posted.row.no, n) for n, id_ in enumerate(posted.batch.ids)}

    def sign(self, readings: Sequence[Reading]) -> ReadingBatch:
        """Enter readings, estimates signed by the operator and all others by the gateway."""
        books = self.books
        gateway, settle = _signer(books.keys.gateway), _signer(books.keys.settle)
        batch = sign_readings(
            books.domain,
            readings,
            lambda reading: settle if reading.quality == Quality.ESTIMATED else gateway,
            lambda accounts, ids: books.book.salts(accounts, ids, [one.slot for one in readings]),
        )
        self.readings.append(batch)
        return batch

    def save_entries(self, connection: Connection, also: Sequence[Entry] = ()) -> None:
        """Write what was entered and posted, `also` entries after it."""
        position = count_entries(connection, self.tick)
        save_entries(connection, entry_rows(self.tick, position, [*self.entries, *also]))
        if self.settlements and next_settlement(connection) != self._first_no:
            raise StoreError(
                f"settlement {self._first_no} of tick {iso_of(self.tick)}: its number is taken; "
                "somebody else writes to these books"
            )
        for posted in self.settlements:
            save_settlement(connection, posted.row, posted.rows)
        save_deliveries(connection, self.deliveries)


@dataclass(frozen=True, eq=False)
class Before:
    """What the store already had of a tick: entries, batches, the locked book's tags."""

    entries: Sequence[Entry]
    batches: Mapping[bytes, SettledBatch]
    book_tags: Sequence[bytes] | None


def seal(book: TickBook, before: Before) -> SealedTick:
    """The tick under its signed checkpoint, everything in the order of its commitment."""
    books = book.books
    made = {posted.entry.digest: posted.batch for posted in book.settlements}
    committed = TickEntries(
        tick=book.tick,
        entries=[*before.entries, *book.entries],
        batches={**before.batches, **made},
        book_tags=before.book_tags,
        balances=book.balances,
        blinds=books.book.blinds(book.tick),
        readings=joined(book.readings),
    )
    return seal_tick(books.domain, books.head.state, committed, books.keys.log)


def save_tick(connection: Connection, book: TickBook, sealed: SealedTick, head: Head) -> None:
    """Write the sealed tick; raises StoreError where the books have moved on meanwhile."""
    books, last = book.books, last_checkpoint(connection)
    if last is None or last.digest != books.head.state.previous:
        found = "none" if last is None else iso_of(last.tick)
        raise StoreError(
            f"tick {iso_of(book.tick)}: found the last checkpoint at {found}, allowed "
            f"{iso_of(books.head.state.tick)}; somebody else writes to these books"
        )
    sealed_sets = [one for one in sealed.log if one.type == "SealedSet"]
    book.save_entries(connection, sealed_sets)
    readings = joined(book.readings)
    if len(readings):
        columns, signatures = reading_columns(readings, books.book.number)
        save_signed_readings(connection, book.tick, columns, signatures)
    keep_tick(connection, sealed, head, books.book)


def joined(batches: Sequence[ReadingBatch]) -> ReadingBatch:
    """Batches of readings as one, in their order."""
    if len(batches) == 1:
        return batches[0]
    return ReadingBatch(
        *(
            [one for batch in batches for one in getattr(batch, name)]
            for name in ReadingBatch.__dataclass_fields__
        )
    )


def _signer(key: bytes) -> ReadingSigner:
    return ReadingSigner(address_of(key), lambda digest: sign(key, digest))


def _refused(slot: int, answer: Refusal) -> MarketError:
    return MarketError(
        f"slot {iso_of(slot)}: settlement refused ({answer.reason.name}): transfer "
        f"{answer.index}, found {answer.found}, allowed {answer.allowed}"
    )


def _require_closed(books: Books, slot: int, answer: BatchResult) -> None:
    """Raise MarketError unless the pool and the balancing account end the slot at nought."""
    system = books.system
    must_close = [
        (LedgerId.KRW, system.pool),
        (LedgerId.ENERGY, system.pool),
        (LedgerId.ENERGY, system.balancing),
    ]
    left = unclosed(answer.changes, must_close)
    if left:
        (ledger, account), amount = next(iter(left.items()))
        raise MarketError(
            f"slot {iso_of(slot)}: {amount} left in account {account.hex()} of ledger "
            f"{LedgerId(ledger).name}, allowed 0"
        )
    if answer.open_pendings:
        raise MarketError(
            f"slot {iso_of(slot)}: {len(answer.open_pendings)} reservations left open, allowed 0"
        )
