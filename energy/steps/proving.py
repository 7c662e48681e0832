"""The books proved from outside: their export, the verdict of the offline verifier, and an audit.

The export is written from the rows of the store alone, the verifier shares no code with the books,
and the audit adds up every transfer anew.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from energy.steps.archiving import archived_lines
from energy.steps.book_head import Head, load_head
from energy.steps.book_rows import (
    SLOT_SCOPE,
    BatchReader,
    committed_entries,
    erased_readings,
    erased_tick,
    load_reading_batch,
    pack_clearing,
    pack_fills,
    readings_of_settlement,
)
from energy.steps.books import Books, Registry, collector_at_rest, load_registry
from energy.steps.settled_meters import settled_meters
from energy.store.archive import has_archive
from energy.store.books import (
    SettlementRow,
    count_transfers,
    given_sums,
    load_entries,
    load_label_books,
    load_settlements,
    load_slot_book,
    moved_sums,
    settlements_of_tick,
    turnover,
)
from energy.store.checkpoints import checkpoint_ticks, find_checkpoint
from energy.store.engine import Store
from energy.store.erasures import count_erased_transfers, erased_leaves, erased_moves
from energy.store.errors import StoreError
from energy.store.orders import load_book
from energy.timegrid import iso_of
from market.books import Entry, SetKind, SettledBatch, TickEntries, log_of
from market.export import Used, header_line, tick_lines
from market.transfers import Code, LedgerId, TransferKind, system_account
from market.verifier import Report, verify_export

TICKS_WORTH_A_PROCESS = 16

KNOWN_BATCHES = 64
"""Batches that are kept at hand while ticks are written: later ones refer to them."""


@dataclass(frozen=True)
class Audit:
    """The verdict on the books: `finding` says what is wrong first, empty where nothing is.

    `verified`: the offline verifier proves the export. `debits_equal_credits`: every balance is
    what its transfers add up to, and each ledger adds up to 0. `sold_at_most_metered`: nobody has
    sold more in an auction than the meter shows. `root` and `size` are those of the log.
    """

    verified: bool
    debits_equal_credits: bool
    sold_at_most_metered: bool
    finding: str
    root: str
    size: int
    transfers: int


@dataclass(frozen=True)
class Totals:
    """All transfers added up anew: what each ledger has moved, and what does not fit."""

    turnover: dict[int, int]
    transfers: int
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return not self.findings


def audit_books(store: Store, books: Books) -> Audit:
    """Verify the books from their own export, and add everything up anew."""
    report = verify_store(store)
    totals = store.read(add_up)
    oversold = store.read(lambda connection: find_oversold(connection, books))
    finding = next(iter((*totals.findings, *oversold)), "")
    if report.first_failure is not None:
        failure = report.first_failure
        finding = f"line {failure.line}: {failure.check}: {failure.message}"
    state = books.head.state
    return Audit(
        verified=report.ok,
        debits_equal_credits=totals.ok,
        sold_at_most_metered=not oversold,
        finding=finding,
        root=state.frontier.root().hex(),
        size=state.frontier.size,
        transfers=totals.transfers,
    )


def add_up(connection: Connection) -> Totals:
    """Every balance from its transfers, compared with the kept ones that the checkpoint signs.

    Raises StoreError where the kept head and the last checkpoint disagree.
    """
    registry = load_registry(connection)
    head, _ = load_head(connection, registry.book)
    sums = Counter(moved_sums(connection))
    sums.update(erased_moves(connection))
    found = count_transfers(connection) + count_erased_transfers(connection)
    findings = unlike_sums(registry.book.accounts, head, sums)
    if found != head.transfers:
        findings.append(f"transfers: found {found} rows, allowed {head.transfers}")
    return Totals(turnover(connection), found, tuple(findings))


def unlike_sums(
    accounts: Sequence[bytes], head: Head, sums: Mapping[tuple[int, int], int]
) -> list[str]:
    """Where the kept balances are not what all transfers add up to, one sentence each."""
    anew = {(ledger, accounts[no]): amount for (ledger, no), amount in sums.items() if amount}
    kept = {(int(ledger), one): amount for (ledger, one), amount in head.balances.items() if amount}
    findings = [
        f"account {one.hex()}: {LedgerId(ledger).name} balance kept as {kept.get((ledger, one), 0)}"
        f", its transfers add up to {anew.get((ledger, one), 0)}"
        for ledger, one in sorted(dict(anew.items() ^ kept.items()))
    ]
    left = Counter[int]()
    for (ledger, _), amount in anew.items():
        left[ledger] += amount
    findings += [
        f"ledger {LedgerId(ledger).name}: credits less debits are {amount}, allowed 0"
        for ledger, amount in left.items()
        if amount
    ]
    return findings


def verify_store(store: Store, helpers: int | None = None) -> Report:
    """What the offline verifier says of the store's export; all cores help unless told not to."""
    count = helpers_of_machine() if helpers is None else helpers
    with collector_at_rest():
        return verify_export(lines_of_store(store, beside=count > 0), count)


def lines_of_store(store: Store, *, beside: bool) -> Iterator[str | bytes]:
    """The lines of the export, long ones of a file written by a process beside this one."""
    long = store.is_sqlite and store.read(count_ticks) >= TICKS_WORTH_A_PROCESS
    return lines_from_beside(store.url) if beside and long else export_lines(store)


def lines_from_beside(url: str) -> Iterator[bytes]:
    """The lines of the export as another process writes them: half the work on another core.

    Raises StoreError with its last words where it fails.
    """
    places = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "MICROGRID_DATABASE_URL": url, "PYTHONPATH": places}
    command = [sys.executable, "-m", "energy", "ledger", "export", "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe) as child:
        assert child.stdout is not None and child.stderr is not None
        try:
            yield from child.stdout
            words = child.stderr.read().decode(errors="replace").strip()
        except GeneratorExit:
            # Whoever reads has seen enough: the first broken rule ends a verification.
            child.kill()
            raise
    if child.returncode:
        raise StoreError(f"export of {url}: {words.splitlines()[-1] if words else 'no answer'}")


def helpers_of_machine() -> int:
    """How many more processes are worth while."""
    cores = os.cpu_count() or 1
    return cores if cores > 1 else 0


def count_ticks(connection: Connection) -> int:
    """How many ticks the books have."""
    return len(checkpoint_ticks(connection))


def export_lines(store: Store) -> Iterator[str]:
    """The lines of the export, tick by tick; nothing is locked for longer than a tick takes.

    Of a store that keeps somebody else's books, those.
    """
    if store.read(has_archive):
        yield from archived_lines(store)
        return
    registry = store.read(load_registry)
    ticks = store.read(checkpoint_ticks)
    if not ticks:
        raise StoreError("books: found no checkpoint, allowed a store that the loop has begun")
    first = store.read(lambda connection: _registrar(connection, ticks[0]))
    yield header_line(registry.domain, first)
    exporter = TickReader(registry, ticks[0])
    for tick in ticks:
        yield from store.read(partial(exporter.lines, tick=tick))


def lines_of_ticks(connection: Connection) -> Iterator[str]:
    """The lines of the export as one transaction sees the books."""
    registry, ticks = load_registry(connection), checkpoint_ticks(connection)
    yield header_line(registry.domain, _registrar(connection, ticks[0]))
    reader = TickReader(registry, ticks[0])
    for tick in ticks:
        yield from reader.lines(connection, tick)


def find_oversold(connection: Connection, books: Registry) -> list[str]:
    """Who has sold more in the auction of a slot than the meter shows, one sentence each."""
    found: list[str] = []
    for tick in checkpoint_ticks(connection):
        for first in settlements_of_tick(connection, tick):
            if first.version == 1 and first.scope == SLOT_SCOPE:
                found += _oversold_in(connection, books, first.slot)
    return found


def _oversold_in(connection: Connection, books: Registry, slot: int) -> Iterator[str]:
    market_id, number = books.domain.market_id, books.book.number
    pool, operator = (number[system_account(market_id, name)] for name in ("POOL", "SPC"))
    versions = [one.no for one in load_settlements(connection, slot) if one.version]
    line = (int(LedgerId.ENERGY), int(Code.TRADE))
    metered = settled_meters(connection, books, slot)
    for no, wh in given_sums(connection, versions, line, pool).items():
        _, export_wh = metered.wh(no)
        if no != operator and wh > export_wh:
            yield f"slot {iso_of(slot)}: account {no} sold {wh} Wh, metered {export_wh}"


def _registrar(connection: Connection, first_tick: int) -> bytes:
    """The address of the first key: leaf 0 of the log."""
    return load_entries(connection, first_tick)[0].signers[:20]


class TickReader:
    """Reads tick after tick from the rows, and remembers which accounts were named."""

    def __init__(self, books: Registry, genesis: int) -> None:
        self._books = books
        self._genesis = genesis
        self._named: set[bytes] = set()
        self._month = -1
        self._after = -1
        self._known: dict[int, SettledBatch] = {}

    def read(
        self, connection: Connection, tick: int
    ) -> tuple[TickEntries, list[SettlementRow], BatchReader]:
        """What the next tick was committed with, and its settlements."""
        books, reader = self._books, BatchReader(connection, self._books, self._known)
        # Nobody could order before the books began: the first slot's tick takes all there is.
        after = tick if tick == self._genesis else self._after
        entries = committed_entries(connection, after=after, tick=tick)
        self._after = self._after if tick == self._genesis else tick
        settlements = settlements_of_tick(connection, tick)
        committed = TickEntries(
            tick=tick,
            entries=entries,
            batches={one.entry: reader.batch(one) for one in settlements},
            book_tags=_book_tags(connection, tick, entries),
            balances={},
            blinds={},
            readings=load_reading_batch(connection, books, tick),
            erased=erased_tick(connection, books.book, tick),
        )
        for old in sorted(self._known)[:-KNOWN_BATCHES]:
            del self._known[old]
        return committed, settlements, reader

    def lines(self, connection: Connection, tick: int) -> list[str]:
        """The lines of the next tick."""
        last = find_checkpoint(connection, tick)
        assert last is not None, "ticks come from the table of checkpoints"
        committed, settlements, reader = self.read(connection, tick)
        used = {one.entry: _used(one, committed, reader) for one in settlements if one.version}
        for one in settlements:
            if one.entry in used:
                leaves, originals = used[one.entry]
                gone = erased_readings(connection, one)
                used[one.entry] = ([*leaves, *gone], originals)
        blinds = self._new_blinds(tick, _accounts(committed))
        log = log_of(committed.entries)
        cleared = _cleared(connection, tick)
        return list(tick_lines(committed, _Seal(log, last.note), blinds, used, cleared))

    def _new_blinds(self, tick: int, named: set[bytes]) -> dict[bytes, bytes]:
        """The blinded names that hold from a tick on: of all accounts where a month begins."""
        book, fresh = self._books.book, named - self._named
        self._named |= named
        if book.month(tick) != self._month:
            self._month, fresh = book.month(tick), self._named
        blinds = book.blinds(tick)
        return {account: blinds[account] for account in sorted(fresh) if account in blinds}


def _cleared(connection: Connection, slot: int) -> dict[int, bytes]:
    """The rows of a slot's clearings by label, as the export has them."""
    tiers = load_label_books(connection, slot).items()
    found = {label: pack_clearing(columns) for label, columns in tiers}
    energy = load_slot_book(connection, slot)
    return found if energy is None else {0: pack_fills(energy), **found}


@dataclass(frozen=True)
class _Seal:
    log: tuple[Entry, ...]
    note: str


def _book_tags(connection: Connection, tick: int, entries: Sequence[Entry]) -> list[bytes] | None:
    """The leaves of the slot's locked orders where its book was sealed."""
    kinds = {one.message["kind"] for one in entries if one.type == "SealedSet"}
    if SetKind.BOOK not in kinds:
        return None
    gone = erased_leaves(connection, tick).get(SetKind.BOOK, ())
    return [*(row.tag for row in load_book(connection, tick)), *(leaf for leaf, _ in gone)]


def _used(settlement: SettlementRow, committed: TickEntries, reader: BatchReader) -> Used:
    """Leaves of the readings that a settlement was made from, and the transfers it reverses."""
    part = readings_of_settlement(committed.readings, settlement)
    if settlement.version == 1:
        return part.leaves(), ()
    return part.leaves(), reader.named_by(settlement, TransferKind.REVERSE)


def _accounts(committed: TickEntries) -> set[bytes]:
    """The accounts that a tick names."""
    named = {account for one in committed.entries for account in one.accounts()}
    named.update(one.account for one in committed.readings.readings)
    for batch in committed.batches.values():
        for one in batch.transfers:
            named.add(one.debit)
            named.add(one.credit)
    if committed.erased is not None:
        named.update(committed.erased.heads, committed.erased.covered)
    return named
