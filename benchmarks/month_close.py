"""The close of a month at the size of a district: seconds, with rows made by a generator.

`python benchmarks/month_close.py [DISTRICT]` fills a new SQLite store with the transfers of one
day (every customer draws in each slot, those who trade trade), adds them up as the loop does four
times a day, takes those sums for every day of the month, and closes the month for real: bills,
signatures, transfers, checkpoint, all in one transaction. The generated transfers themselves are
not signed, which the close does not look at.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# A script's own folder comes first on the path, where market.py would hide the package `market`.
sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]

import argparse
import platform
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, insert

from energy.config import build_settings
from energy.district import District, load_district
from energy.steps.settling import Books, open_books, settle_tick
from energy.steps.tally import Tally, add_settlements
from energy.store.bills import last_billed, load_billed_months, save_tally
from energy.store.book_tables import entry, settlement
from energy.store.engine import Store, open_store
from energy.units import SLOT_S
from market.transfers import Code, LedgerId, TransferKind

FIRST = 1_782_831_600  # 2026-07-01 00:00 in Sejong
DAYS, SLOTS_PER_DAY, SUMS_PER_DAY = 31, 96, 4
END = FIRST + DAYS * SLOTS_PER_DAY * SLOT_S


class Bookkeeper:
    """Whose month is closed."""

    def __init__(self, store: Store, district: District, books: Books) -> None:
        self.store, self.district, self.books = store, district, books


def slot_rows(
    books: Books, district: District, no: int, rng: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    """The transfers of a slot: what is drawn and charged, what is traded."""
    number = books.book.number
    customers = [number[one] for one in books.customers]
    grid, spc, pool = (
        number[one] for one in (books.system.grid, books.system.spc, books.system.pool)
    )
    drawn = rng.integers(1, 240, len(customers)).tolist()
    plain, rest, trade = int(TransferKind.PLAIN), int(Code.REMAINDER), int(Code.TRADE)
    position = 0
    for at, (account, e_wh) in enumerate(zip(customers, drawn, strict=True)):
        rows = [
            (LedgerId.ENERGY, rest, grid, account, e_wh),
            (LedgerId.KRW, rest, account, spc, e_wh * 134_000),
        ]
        if district.meters.trades[at]:
            rows += [
                (LedgerId.ENERGY, trade, pool, account, 50),
                (LedgerId.KRW, trade, account, pool, 50 * 120_000),
            ]
        for ledger, code, debit, credit, amount in rows:
            yield no, position, int(ledger), plain, code, debit, credit, amount, 0, None, None
            position += 1


def generate_day(connection: Connection, books: Books, district: District) -> int:
    """Write the transfers of the month's first day; how many there are."""
    rng, count = np.random.default_rng(1), 0
    for no in range(SLOTS_PER_DAY):
        slot, digest = FIRST + no * SLOT_S, no.to_bytes(32, "big")
        tick = slot + 2 * SLOT_S
        named = {"digest": digest, "tick": tick, "position": 1_000, "type": "Settlement"}
        blank = {"message": {}, "signers": b"", "signatures": b"", "salt": bytes(32)}
        connection.execute(insert(entry).values(**named, **blank))
        made = {"no": no, "entry": digest, "scope": 1, "slot": slot, "version": 1, "tick": tick}
        connection.execute(insert(settlement).values(**made, clearing=bytes(32)))
        rows = list(slot_rows(books, district, no, rng))
        marks = ", ".join("?" * 11)
        connection.exec_driver_sql(f"INSERT INTO transfer VALUES ({marks})", rows)
        count += len(rows)
    return count


def add_up(store: Store, books: Books, district: District) -> tuple[list[dict[str, Any]], float]:
    """The sums of each part of the day, and the processor's seconds for the slowest."""
    parts, slowest = [], 0.0
    step = SLOTS_PER_DAY // SUMS_PER_DAY * SLOT_S
    for part in range(SUMS_PER_DAY):
        begun = time.process_time()
        found, after = Tally(len(books.book.accounts)), FIRST + SLOT_S + part * step

        def read(connection: Connection, found: Tally = found, after: int = after) -> None:
            add_settlements(found, connection, district, after=after, tick=after + step + 1)

        store.read(read)
        parts.append(found.columns())
        slowest = max(slowest, time.process_time() - begun)
    return parts, slowest


def run(name: str, folder: Path) -> None:
    """Measure and print."""
    district = load_district(name)
    url = f"sqlite:///{folder / 'month.db'}"
    settings = build_settings(database_url=url, district=name, seed=1)
    with open_store(url) as store:
        books = open_books(store, district, settings, FIRST)
        begun = time.perf_counter()
        count = store.write(lambda connection: generate_day(connection, books, district))
        print(f"{platform.node()} {platform.machine()}, {len(books.customers)} customers")
        print(f"generator: {count} transfers of a day in {time.perf_counter() - begun:.1f} s")
        parts, slowest = add_up(store, books, district)
        print(f"adding up six hours (24 slots): at most {slowest:.2f} s of CPU")

        def keep(connection: Connection) -> None:
            through, step = FIRST, SLOTS_PER_DAY // SUMS_PER_DAY * SLOT_S
            for _ in range(DAYS):
                for columns in parts:
                    save_tally(connection, through, through + step, columns)
                    through += step

        store.write(keep)
        begun, cpu = time.perf_counter(), time.process_time()
        settle_tick(Bookkeeper(store, district, books), END + SLOT_S)
        seconds, worked = time.perf_counter() - begun, time.process_time() - cpu
        assert store.read(last_billed) is not None, "the month was not closed"
        (month,) = store.read(load_billed_months)
        print(f"close of the month: {seconds:.1f} s, {worked:.1f} s of CPU; {month.summary}")
        size = (folder / "month.db").stat().st_size
        print(f"store: {size / 1e6:.0f} MB")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("district", nargs="?", default="sejong-5-1")
    with tempfile.TemporaryDirectory() as scratch:
        run(words.parse_args().district, Path(scratch))
