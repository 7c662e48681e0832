"""Erasing a participant: the keys of past months, the bodies of what was entered, the identity.

Leaves stay, and with them every root, every path and everybody else's proofs. What erased transfers
have moved stays as a sum over all erased accounts, by settlement and market account on the other
side; how the histories of those accounts stood stays by tick. Before anything is committed, the
offline verifier proves the export of what is left.
"""

import tomllib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

import data
from energy.steps.account_book import month_text
from energy.steps.book_head import LEDGERS
from energy.steps.book_rows import BatchReader, leaves_of_readings, message_entry, order_entry
from energy.steps.books import SYSTEM_NAMES, Registry, collector_at_rest, load_registry
from energy.steps.proving import TickReader, lines_of_ticks
from energy.store.accounts import messages_of
from energy.store.bills import last_billed
from energy.store.books import (
    MOVING_KINDS,
    TransferRow,
    entries_of_type,
    load_signed_columns,
    load_transfers_of,
    settlements_of_tick,
    slots_settled_anew,
)
from energy.store.checkpoints import checkpoint_ticks
from energy.store.engine import Store
from energy.store.erasures import (
    ErasedAccount,
    ErasedState,
    Eraser,
    erased_accounts,
    erasing,
    leftovers_of,
)
from energy.store.errors import StoreError
from energy.store.identities import erase_identity
from energy.store.instructions import instructions_of
from energy.store.orders import orders_of
from energy.units import SLOT_S
from market.books import Chain, Entry, SetKind, account_leaf, blinded_account, extend_chains
from market.entries import TYPE_CODE
from market.merkle import entry_leaf
from market.messages import parse_message
from market.transfers import Code
from market.verifier import verify_export

FOR_ANOTHER = frozenset(
    {Code.PPA, Code.CFD, Code.PPA_CHARGE, Code.NEIGHBOUR, Code.DR_REWARD, Code.DR_PENALTY}
)
"""Lines of contracts and events stay: another party has signed for them as well."""


@dataclass(frozen=True)
class Erased:
    """What an erasure has destroyed, in rows; `before` is the first month that stays."""

    before: str
    orders: int
    readings: int
    transfers: int
    others: int
    identity: bool


@dataclass
class _Targets:
    """The entries of an account that go, and the ticks that sealed them."""

    leaves: set[tuple[int, int, bytes, int]] = field(default_factory=set)
    ticks: set[int] = field(default_factory=set)
    orders: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    readings: dict[int, npt.NDArray[np.bool_]] = field(default_factory=dict)  # to be kept
    transfers: dict[int, dict[int, bytes]] = field(default_factory=dict)  # leaves by position
    sums: dict[int, Counter[tuple[int, int]]] = field(default_factory=dict)
    salts: dict[int, dict[int, bytes]] = field(default_factory=dict)
    others: dict[int, set[int]] = field(default_factory=dict)  # market accounts named, by tick
    moved: Counter[int] = field(default_factory=Counter)


def retention_years() -> int:
    """The longest time for which the law asks to keep books, years after the end of theirs."""
    duties = tomllib.loads(data.path("retention.toml").read_text(encoding="utf-8"))["duty"]
    return max(int(duty["years"]) for duty in duties)


def erase_account(
    store: Store, account: bytes, month: int | None = None, *, even_retained: bool = False
) -> Erased:
    """Destroy what the store has of an account from months before `month` (default: the newest
    month that the books are in, or the first that has no bills yet), and the account's identity
    altogether.

    Raises StoreError where the account cannot be erased, or law asks to keep the months and
    `even_retained` does not say that they may go; then nothing is changed.
    """
    with collector_at_rest():
        found = store.write(lambda c: _erase(c, account, month, even_retained=even_retained))
    store.compact()
    return found


def _erase(
    connection: Connection, account: bytes, month: int | None, *, even_retained: bool
) -> Erased:
    books, ticks = load_registry(connection), checkpoint_ticks(connection)
    if not ticks:
        raise StoreError("books: found no checkpoint, allowed a store that the loop has begun")
    newest, billed = books.book.month(ticks[-1]), _first_unbilled(connection, books, ticks[0])
    before = min(newest, billed) if month is None else month
    _require_erasable(books, account, before, newest, even_retained=even_retained)
    if before > billed:
        raise StoreError(
            f"erasure before {month_text(before)}: allowed up to {month_text(billed)}, for bills "
            "are made of a month when it ends"
        )
    _require_billed(connection, books, account, before)
    identity = erase_identity(connection, account)
    if books.book.is_erased(account, before - 1):
        return Erased(month_text(before), 0, 0, 0, 0, identity)
    targets = _find(connection, books, account, before, ticks)
    row, states = _replay(connection, books, account, before, targets)
    with erasing(connection) as eraser:
        _destroy(eraser, books, account, before, targets)
        eraser.states(states)
        eraser.account(row, books.book.secret_of(account, before))
    report = verify_export(lines_of_ticks(connection))
    if report.first_failure is not None:
        failure = report.first_failure
        raise StoreError(
            f"erasure of 0x{account.hex()}: what would be left is refuted ({failure.check}: "
            f"{failure.message}); nothing was erased"
        )
    return Erased(
        before=month_text(before),
        orders=len(targets.orders),
        readings=sum(int((~keep).sum()) for keep in targets.readings.values()),
        transfers=sum(map(len, targets.transfers.values())),
        others=len(targets.messages) + len(targets.entries),
        identity=identity,
    )


def _require_billed(connection: Connection, books: Registry, account: bytes, before: int) -> None:
    """What a correction has moved is billed with the next close, from the month that it mended."""
    last = last_billed(connection)
    if last is None:
        return
    anew = slots_settled_anew(connection, books.book.number[account], last[1])
    months = sorted({month for slot in anew if (month := books.book.month(slot)) < before})
    if months:
        raise StoreError(
            f"erasure of 0x{account.hex()} before {month_text(before)}: "
            f"{', '.join(map(month_text, months))} was settled anew since its bills were made, "
            f"allowed before {month_text(months[0])}, or after the next bills, which adjust it"
        )


def _first_unbilled(connection: Connection, books: Registry, genesis: int) -> int:
    """The first month whose bills are not made yet."""
    last = last_billed(connection)
    return books.book.month(genesis + SLOT_S if last is None else last[0])


def _require_erasable(
    books: Registry, account: bytes, before: int, newest: int, *, even_retained: bool
) -> None:
    if account not in books.book:
        raise StoreError(f"account 0x{account.hex()}: found none in the books")
    if account in books.system_names:
        raise StoreError(f"account 0x{account.hex()}: the market's own, allowed a participant's")
    if before > newest:
        raise StoreError(
            f"erasure before {month_text(before)}: allowed up to {month_text(newest)}, for a month "
            "that still runs is written to"
        )
    years = retention_years()
    # A duty begins with the end of the year.
    kept = (newest // 12 - years) * 12
    if before > kept and not even_retained:
        raise StoreError(
            f"erasure before {month_text(before)}: books are to be kept for {years} "
            f"years, allowed before {month_text(kept)}; say so where the law lets them go earlier"
        )


def _find(
    connection: Connection, books: Registry, account: bytes, before: int, ticks: Sequence[int]
) -> _Targets:
    """All entries of the account in months before one, but those that others rely on."""
    found, month = _Targets(), books.book.month
    sealed = _SealedIn(ticks)
    for row in orders_of(connection, account):
        if month(row.slot) < before:
            tick = sealed.tick(row.sealed_by)
            found.orders.append(row.id)
            found.leaves.add((tick, int(SetKind.MESSAGES), order_entry(row).leaf(), 0))
            found.ticks.add(tick)
            if row.status in ("LOCKED", "FILLED", "PARTIAL", "NOT_CLEARED", "VOID"):
                found.leaves.add((row.slot, int(SetKind.BOOK), row.tag, 0))
    orders = set(found.orders)
    # An instruction stays as long as an order that stays may name it.
    ended = {
        one.id for one in instructions_of(connection, account) if month(one.last_end - 1) < before
    }
    for one in messages_of(connection, account):
        entry = message_entry(one)
        if _goes(entry, orders | ended):
            tick = sealed.tick(one.sealed_by)
            found.messages.append(one.digest)
            found.leaves.add((tick, int(SetKind.MESSAGES), entry.leaf(), 0))
            found.ticks.add(tick)
    for bill in entries_of_type(connection, "Bill"):
        message = parse_message("Bill", bill.message)
        if message["account"] == account and month(message["first_slot"]) < before:
            leaf = entry_leaf(TYPE_CODE["Bill"], bill.salt, bill.digest, bill.signatures)
            found.entries.append(bill.digest)
            found.leaves.add((bill.tick, int(SetKind.BILLS), leaf, 0))
            found.ticks.add(bill.tick)
    for tick in ticks:
        _find_readings(connection, books, account, before, tick, found)
        _find_transfers(connection, books, account, before, tick, found)
    return found


def _goes(entry: Entry, gone: Collection[bytes]) -> bool:
    """Whether a message goes with what it says something of: an instruction, an end of it or of an
    order.
    """
    if entry.type == "Cancel":
        return entry.message["order_id"] in gone
    return entry.type == "StandingInstruction" and entry.digest in gone


class _SealedIn:
    """Finds the tick that has sealed what was promised for one."""

    def __init__(self, ticks: Sequence[int]) -> None:
        self._ticks = np.array(ticks, dtype=np.int64)

    def tick(self, promised: int) -> int:
        """The first tick at or after the promised one, but for that of the beginning."""
        at = max(int(np.searchsorted(self._ticks, promised)), 1)
        return int(self._ticks[at])


def _find_readings(
    connection: Connection, books: Registry, account: bytes, before: int, tick: int, found: _Targets
) -> None:
    columns, number = load_signed_columns(connection, tick), books.book.number[account]
    if columns is None:
        return
    mine = np.flatnonzero(columns["account"] == number)
    old = [n for n in mine.tolist() if books.book.month(int(columns["slot"][n])) < before]
    if not old:
        return
    keep = np.ones(len(columns["account"]), dtype=np.bool_)
    keep[old] = False
    found.readings[tick] = keep
    leaves = leaves_of_readings(connection, books, tick, old)
    for n, leaf in zip(old, leaves, strict=True):
        found.leaves.add((tick, int(SetKind.READINGS), leaf, int(columns["slot"][n])))
    found.ticks.add(tick)


def _find_transfers(
    connection: Connection, books: Registry, account: bytes, before: int, tick: int, found: _Targets
) -> None:
    number, system = books.book.number[account], books.system_names
    names, reader = books.book.accounts, BatchReader(connection, books)
    for settlement in settlements_of_tick(connection, tick):
        if books.book.month(settlement.slot) >= before:
            continue
        rows = load_transfers_of(connection, [settlement.no], [number])
        if not rows:
            continue
        ids, salts = reader.ids_and_salts(settlement, rows)
        known = leftovers_of(connection, settlement.no).salts
        for row, id_, salt in zip(rows, ids, salts, strict=True):
            other = row.credit if row.debit == number else row.debit
            if row.code in FOR_ANOTHER or names[other] not in system:
                owner = row.credit if names[row.debit] in system else row.debit
                if owner == number and row.position not in known:
                    found.salts.setdefault(settlement.no, {})[row.position] = salt
                continue
            leaf = entry_leaf(TYPE_CODE["Transfer"], salt, id_, b"")
            found.transfers.setdefault(settlement.no, {})[row.position] = leaf
            found.others.setdefault(tick, set()).add(other)
            found.ticks.add(tick)
            if row.kind in MOVING_KINDS:
                _add_up(found, settlement.no, row, number)


def _add_up(found: _Targets, no: int, row: TransferRow, number: int) -> None:
    """Carry an erased row into the sums of the other side and of the account."""
    sign = 1 if row.credit == number else -1
    other = row.debit if row.credit == number else row.credit
    found.moved[row.ledger] += sign * row.amount
    found.sums.setdefault(no, Counter())[row.ledger, other] -= sign * row.amount


def _replay(
    connection: Connection, books: Registry, account: bytes, before: int, targets: _Targets
) -> tuple[ErasedAccount, list[ErasedState]]:
    """How the account and those named beside it stood after each tick up to the last erased one."""
    book, ticks = books.book, checkpoint_ticks(connection)
    number, names = book.number[account], book.accounts
    earlier = next((one for one in erased_accounts(connection) if one.account == number), None)
    until = max([*targets.ticks, earlier.tick if earlier else ticks[0]])
    chains: Mapping[bytes, Chain] = {}
    balances = Counter[int]()
    states: list[ErasedState] = []
    reader = TickReader(books, ticks[0])
    for tick in ticks[: ticks.index(until) + 1]:
        committed, _, _ = reader.read(connection, tick)
        chains = extend_chains(chains, committed)
        for batch in committed.batches.values():
            for one in batch.transfers:
                if account in (one.debit, one.credit) and one.kind in MOVING_KINDS:
                    sign = 1 if one.credit == account else -1
                    balances[one.ledger] += sign * one.amount
        if earlier is not None and tick <= earlier.tick:
            if tick == earlier.tick:
                balances = Counter(dict(zip((1, 2, 3), earlier.balances, strict=True)))
            continue
        states += [
            ErasedState(tick, no, *chains[names[no]]) for no in sorted(targets.others.get(tick, ()))
        ]
        if account in chains:
            blind = blinded_account(book.key(account, book.month(tick)))
            kept = {(int(ledger), account): balances[ledger] for ledger in LEDGERS}
            leaf = account_leaf(blind, chains[account], account, kept)
            states.append(ErasedState(tick, number, None, leaf, blind))
    before_moved = earlier.moved if earlier else (0, 0, 0)
    moved = [old + targets.moved[n] for n, old in enumerate(before_moved, start=1)]
    last = chains.get(account, Chain())
    held = [balances[ledger] for ledger in LEDGERS]
    return ErasedAccount(number, before, until, *last, *held, *moved), states


def _destroy(
    eraser: Eraser, books: Registry, account: bytes, before: int, targets: _Targets
) -> None:
    number, end = books.book.number[account], books.book.month_start(before)
    eraser.leaves(targets.leaves)
    eraser.orders(targets.orders)
    eraser.messages(targets.messages)
    eraser.entries(targets.entries)
    eraser.conflicts(account, end)
    for tick, keep in targets.readings.items():
        eraser.signed_readings(tick, keep)
    for no, leaves in targets.transfers.items():
        eraser.transfers(no, leaves)
        eraser.sums(no, targets.sums.get(no, {}))
    for no, salts in targets.salts.items():
        eraser.salts(no, salts)
    eraser.trades(number, end)
    eraser.bills(number, end)
    eraser.baselines(account, end)
    place = number - len(SYSTEM_NAMES)
    eraser.meter(place, end)
    eraser.home_days(place, end)
    eraser.car_wishes(account, end)
    eraser.automatic(account, end)
