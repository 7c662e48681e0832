"""The head of the books, which the next tick goes on from: in memory, as columns, in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.steps.account_book import AccountBook
from energy.steps.metering import Months, Registers, no_registers
from energy.store.checkpoints import (
    CheckpointRow,
    last_checkpoint,
    load_book_state,
    save_book_state,
    save_checkpoint,
)
from energy.store.errors import StoreError
from energy.timegrid import iso_of
from market.books import BooksState, Chain, SealedTick, accounts_root
from market.merkle import Frontier
from market.transfers import LedgerId

IntArray = npt.NDArray[np.int64]

LEDGERS = (LedgerId.KRW, LedgerId.ENERGY, LedgerId.POINTS)
_NO_CHAIN = Chain()
_NOTHING = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Head:
    """The books after their last tick.

    `registers` are the customers' last trusted counters, `asset_registers` those of the operator's
    own meters; `boundary_wh` counts what the connection has imported and exported since the
    beginning, as far as it was believed; `transfers` all there are.
    """

    state: BooksState
    balances: dict[tuple[int, bytes], int]
    transfers: int
    registers: Registers
    asset_registers: Registers
    months: Months
    boundary_wh: IntArray


def empty_head(meters: int, state: BooksState | None = None, month_start: int = 0) -> Head:
    """The books before their first tick."""
    nought = np.zeros(meters, dtype=np.int64)
    return Head(
        state=state or BooksState(),
        balances={},
        transfers=0,
        registers=no_registers(meters),
        asset_registers=no_registers(0),
        months=Months(month_start, nought, nought),
        boundary_wh=np.zeros(2, dtype=np.int64),
    )


def keep_tick(connection: Connection, sealed: SealedTick, head: Head, book: AccountBook) -> None:
    """Write the checkpoint of a sealed tick, and the head that the next one goes on from."""
    message, note = sealed.checkpoint.message, sealed.note
    columns = {name: message[name] for name in ("tick", "size", "root", "accounts_root")}
    row = CheckpointRow(
        digest=sealed.checkpoint.digest,
        previous=message["previous"],
        signer=sealed.checkpoint.signers[0],
        signature=sealed.checkpoint.signatures[0],
        note=note,
        **columns,
    )
    save_checkpoint(connection, row)
    save_book_state(connection, message["tick"], head_columns(head, book))


def head_columns(head: Head, book: AccountBook) -> dict[str, npt.NDArray[Any]]:
    """The head as columns in order of the accounts' numbers; an account without history is left
    at nought.
    """
    state = head.state
    chains = [state.chains.get(account, _NO_CHAIN) for account in book.accounts]
    balances = {
        f"balance_{ledger}": np.array(
            [head.balances.get((ledger, account), 0) for account in book.accounts], dtype=np.int64
        )
        for ledger in LEDGERS
    }
    return {
        "seq": np.array([chain.seq for chain in chains], dtype=np.int64),
        "head": _hashes([chain.head for chain in chains]),
        "keys_head": _hashes([chain.keys_head for chain in chains]),
        "size": np.array([state.frontier.size], dtype=np.int64),
        "frontier": _hashes(state.frontier.hashes),
        "previous": _hashes([state.previous]),
        "transfers": np.array([head.transfers], dtype=np.int64),
        "register_import_wh": head.registers.import_wh,
        "register_export_wh": head.registers.export_wh,
        "register_slot": head.registers.slot,
        "asset_register_import_wh": head.asset_registers.import_wh,
        "asset_register_export_wh": head.asset_registers.export_wh,
        "asset_register_slot": head.asset_registers.slot,
        "month_start": np.array([head.months.start], dtype=np.int64),
        "month_wh": head.months.now_wh,
        "last_month_wh": head.months.last_wh,
        "boundary_wh": head.boundary_wh,
        **balances,
    }


def head_of_columns(tick: int, columns: Mapping[str, npt.NDArray[Any]], book: AccountBook) -> Head:
    """The head that `head_columns` gave."""
    rows = zip(
        book.accounts,
        columns["seq"].tolist(),
        _rows_of(columns["head"]),
        _rows_of(columns["keys_head"]),
        strict=True,
    )
    chains = {account: Chain(seq, head, keys) for account, seq, head, keys in rows if seq}
    balances = {
        (int(ledger), account): amount
        for ledger in LEDGERS
        for account, amount in zip(
            book.accounts, columns[f"balance_{ledger}"].tolist(), strict=True
        )
        if amount
    }
    frontier = Frontier(int(columns["size"][0]), tuple(_rows_of(columns["frontier"])))
    return Head(
        state=BooksState(tick, frontier, _rows_of(columns["previous"])[0], chains),
        balances=balances,
        transfers=int(columns["transfers"][0]),
        registers=Registers(
            columns["register_import_wh"], columns["register_export_wh"], columns["register_slot"]
        ),
        asset_registers=_asset_registers(columns),
        months=Months(
            int(columns["month_start"][0]), columns["month_wh"], columns["last_month_wh"]
        ),
        boundary_wh=columns["boundary_wh"],
    )


def _asset_registers(columns: Mapping[str, npt.NDArray[Any]]) -> Registers:
    """The operator's counters; a head of before they were kept knows none yet."""
    names = ("import_wh", "export_wh", "slot")
    found = [columns.get(f"asset_register_{name}", _NOTHING) for name in names]
    return Registers(*found)


def load_head(connection: Connection, book: AccountBook) -> tuple[Head, CheckpointRow]:
    """The kept head and the checkpoint that covers it.

    Raises StoreError where they do not agree: then the store was changed or put back from an older
    copy, and nothing may be posted.
    """
    found, last = load_book_state(connection), last_checkpoint(connection)
    if found is None or last is None:
        raise StoreError("books: found no kept head or no checkpoint, allowed both")
    tick, columns = found
    head = head_of_columns(tick, columns, book)
    root = accounts_root(head.state.chains, head.balances, book.blinds(tick))
    state = head.state
    kept = (tick, state.frontier.size, state.frontier.root(), state.previous, root)
    signed = (last.tick, last.size, last.root, last.digest, last.accounts_root)
    if kept != signed:
        names = ("tick", "size", "root", "digest", "accounts_root")
        odd = [name for name, a, b in zip(names, kept, signed, strict=True) if a != b]
        raise StoreError(
            f"books: the kept head differs from the checkpoint of tick {iso_of(last.tick)} in "
            f"{', '.join(odd)}; the store was changed or is an older copy"
        )
    return head, last


def _hashes(rows: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(-1, 32)


def _rows_of(hashes: npt.NDArray[Any]) -> list[bytes]:
    raw = hashes.tobytes()
    return [raw[n : n + 32] for n in range(0, len(raw), 32)]
