"""The books as files for others: the log of checkpoints, tables of transfers, a journal.

Tables have one row per transfer, in the order of settlements and batches:

    id            digest, 0x and hex          ledger   KRW, ENERGY or POINTS
    kind, code    names as in the ledger      debit, credit   accounts, 0x and hex
    amount        decimal text of won, kWh or points
    slot_utc      start of the slot           version  0 reservations, 1 first, above: corrections
    settlement    digest of the Settlement    pending  id of what is ended or undone, empty if none

The journal (beancount) has what has moved only, added up by day of the settling tick (UTC), line
and pair of accounts; a balance is positive where an account is owed.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from energy.steps.book_rows import BatchReader, committed_entries
from energy.steps.books import SYSTEM_NAMES, Registry, load_registry
from energy.store.books import settlements_of_tick
from energy.store.checkpoints import checkpoint_ticks, find_checkpoint
from energy.store.engine import Store
from energy.timegrid import iso_of
from market.books import KEY_TYPES, SettledBatch, log_of
from market.export import log_header_line, log_line
from market.transfers import ZERO32, Code, LedgerId, Transfer, TransferKind, system_account

COLUMNS = (
    "id", "ledger", "kind", "code", "debit", "credit", "amount", "slot_utc", "version",
    "settlement", "pending",
)  # fmt: skip
DIGITS = {LedgerId.KRW: 6, LedgerId.ENERGY: 3, LedgerId.POINTS: 6}
COMMODITY = {LedgerId.KRW: "KRW", LedgerId.ENERGY: "KWH", LedgerId.POINTS: "POINTS"}
MOVING = (TransferKind.PLAIN, TransferKind.POST, TransferKind.REVERSE)
FIRST_DAY = "1970-01-01"


def checkpoint_lines(store: Store) -> Iterator[str]:
    """The log alone: for every tick its leaves, the operator's key entries and the signed note."""
    ticks = store.read(checkpoint_ticks)
    domain = store.read(load_registry).domain
    operator = system_account(domain.market_id, "SPC")
    yield log_header_line()
    for n, tick in enumerate(ticks):
        after = -1 if n == 1 else ticks[n - 1] if n else tick

        def read(connection: Connection, tick: int = tick, after: int = after) -> str:
            entries = log_of(committed_entries(connection, after=after, tick=tick))
            head = find_checkpoint(connection, tick)
            assert head is not None, "ticks come from the table of checkpoints"
            keys = [one for one in entries if one.type in KEY_TYPES]
            mine = [one for one in keys if one.message["account"] == operator]
            return log_line(mine, [one.leaf() for one in entries], head.note)

        yield store.read(read)


def transfer_rows(store: Store) -> Iterator[dict[str, str]]:
    """The rows of the tables, settlement by settlement."""
    for _, settlement, batch in _batches(store):
        pairs = zip(batch.ids, batch.transfers, strict=True)
        for id_, one in pairs:
            yield {
                "id": _hex(id_),
                "ledger": LedgerId(one.ledger).name,
                "kind": TransferKind(one.kind).name,
                "code": Code(one.code).name,
                "debit": _hex(one.debit),
                "credit": _hex(one.credit),
                "amount": amount_text(one),
                "slot_utc": iso_of(one.slot),
                "version": str(one.version),
                "settlement": _hex(settlement),
                "pending": "" if one.pending == ZERO32 else _hex(one.pending),
            }


def csv_lines(store: Store) -> Iterator[str]:
    """The table as comma-separated values with a header; no value needs quotes."""
    yield ",".join(COLUMNS)
    for row in transfer_rows(store):
        yield ",".join(row[name] for name in COLUMNS)


def json_lines(store: Store) -> Iterator[str]:
    """The table as one JSON object a line."""
    for row in transfer_rows(store):
        yield json.dumps(row, separators=(",", ":"))


def write_parquet(store: Store, path: Path) -> None:
    """The table as Parquet, all columns text, one row group per some 50,000 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows: list[dict[str, str]] = []
        for row in transfer_rows(store):
            rows.append(row)
            if len(rows) == 50_000:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema))


def beancount_lines(store: Store) -> Iterator[str]:
    """The journal: accounts are opened, then what has moved, added up by day, line and pair."""
    books = store.read(load_registry)
    names = _account_names(books)
    yield f'option "title" "Books of {books.domain.market_id}"'
    yield 'option "operating_currency" "KRW"'
    opened: set[bytes] = set()
    for day, sums in _moved_by_day(store):
        for (ledger, code, debit, credit), (amount, count) in sorted(sums.items()):
            for account in (debit, credit):
                if account not in opened:
                    opened.add(account)
                    yield f"{FIRST_DAY} open {names[account]}"
            text, unit = _decimal(amount, DIGITS[LedgerId(ledger)]), COMMODITY[LedgerId(ledger)]
            yield f'{day} * "{Code(code).name}" "{count} transfers"'
            yield f"  {names[debit]}  -{text} {unit}"
            yield f"  {names[credit]}  {text} {unit}"


def _moved_by_day(store: Store) -> Iterator[tuple[str, dict[Any, tuple[int, int]]]]:
    """What has moved, by day (UTC) of the tick in which it was settled."""
    day, sums = "", dict[Any, tuple[int, int]]()
    for tick, _, batch in _batches(store):
        now = datetime.fromtimestamp(tick, UTC).date().isoformat()
        if now != day and sums:
            yield day, sums
            sums = {}
        day = now
        for one in batch.transfers:
            if one.kind in MOVING:
                key = (one.ledger, one.code, one.debit, one.credit)
                amount, count = sums.get(key, (0, 0))
                sums[key] = (amount + one.amount, count + 1)
    if sums:
        yield day, sums


def _batches(store: Store) -> Iterator[tuple[int, bytes, SettledBatch]]:
    """Tick, Settlement and batch of every settlement under a checkpoint, in their order."""
    for tick in store.read(checkpoint_ticks):

        def read(connection: Connection, tick: int = tick) -> list[tuple[bytes, SettledBatch]]:
            reader = BatchReader(connection, load_registry(connection))
            return [(one.entry, reader.batch(one)) for one in settlements_of_tick(connection, tick)]

        for settlement, batch in store.read(read):
            yield tick, settlement, batch


def _account_names(books: Registry) -> dict[bytes, str]:
    """Names as beancount has them: the market's own by name, all others by their first digits."""
    system = {system_account(books.domain.market_id, name): name for name in SYSTEM_NAMES}
    found: dict[bytes, str] = {}
    for account in books.book.accounts:
        name = system.get(account)
        text = f"Market:{name.replace('_', '-')}" if name else f"Participant:X{account.hex()[:24]}"
        found[account] = f"Assets:{text}"
    return found


def amount_text(one: Transfer) -> str:
    """The amount of a transfer in won, kWh or points."""
    return _decimal(one.amount, DIGITS[LedgerId(one.ledger)])


def _decimal(amount: int, digits: int) -> str:
    whole, rest = divmod(amount, 10**digits)
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
