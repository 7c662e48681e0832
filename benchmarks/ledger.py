"""How long proofs take: a year of checkpoints, and receipts of a store.

    python benchmarks/ledger.py [--ticks 35040] [--database-url sqlite:///…]

CPU seconds of one process. The year is a log made here: six leaves a tick, really hashed, every
checkpoint really signed. Receipts are those of the given store, verified with the native libraries
and once more without any.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

# A script's own folder comes first on the path, where a file would hide the package `market`.
sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]

import argparse
import hashlib
import random
import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from energy.steps.receipts import LogTree, Prover, Witnesses
from energy.store.checkpoints import checkpoint_ticks
from energy.store.engine import open_reader
from energy.store.orders import load_book
from market import verifier
from market.books import make_entry
from market.checkpoint import checkpoint_note, origin_of
from market.entries import keccak256
from market.export import log_header_line, log_line
from market.merkle import Frontier
from market.proofs import trust_root
from market.signing import Domain, address_of, derive_key
from market.transfers import system_account

FIRST = 1_784_084_400
LEAVES_PER_TICK = 6
RECEIPTS = 50


def year_of_checkpoints(ticks: int) -> tuple[bytes, list[str]]:
    """A trust root and the lines of a log with so many checkpoints."""
    domain = Domain("sejong-5-1/sim/benchmark")
    operator, origin = system_account(domain.market_id, "SPC"), origin_of(domain.market_id)
    registrar, log_key = derive_key("registrar"), derive_key("log")
    keys = []
    for nonce, (key, roles) in enumerate(((registrar, 64), (log_key, 32)), 1):
        message = {
            "account": operator, "key": address_of(key), "roles": roles, "from_slot": FIRST,
            "nonce": nonce,
        }  # fmt: skip
        keys.append(make_entry(domain, "KeyRegister", message, key, registrar))
    frontier, previous, lines, first = Frontier(), bytes(32), [log_header_line()], ""
    for number in range(ticks):
        leaves = [
            hashlib.sha256(number.to_bytes(8, "big") + bytes([n])).digest()
            for n in range(LEAVES_PER_TICK)
        ]
        mine = keys if number == 0 else []
        leaves = [*(one.leaf() for one in mine), *leaves]
        frontier = frontier.append(leaves)
        message = {
            "origin": keccak256(origin.encode()), "tick": FIRST + 900 * number,
            "size": frontier.size, "root": frontier.root(), "accounts_root": bytes(32),
            "previous": previous,
        }  # fmt: skip
        head = make_entry(domain, "Checkpoint", message, log_key)
        note = checkpoint_note(origin, message, head.signers[0], head.signatures[0])
        previous, first = head.digest, first or note
        lines.append(log_line(mine, leaves, note))
    return trust_root(domain, address_of(registrar), first, (), 0), lines


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the work."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def verify_year(trust: bytes, lines: list[str]) -> None:
    """Fail loudly where the year is not proven."""
    report = verifier.verify_log(trust, lines)
    assert report.ok, report.first_failure


def receipts(url: str) -> Iterator[tuple[str, float]]:
    """Names and CPU milliseconds of making and verifying receipts of a store."""
    with open_reader(url) as store:

        def make(connection: Connection) -> tuple[bytes, list[bytes], list[float]]:
            log = LogTree()
            prover = Prover(connection, log)
            ticks = reversed(checkpoint_ticks(connection))
            orders = next(found for tick in ticks if (found := load_book(connection, tick)))
            chosen = random.Random(1).sample(orders, min(RECEIPTS, len(orders)))
            made, took = [], []
            for one in chosen:
                begun = time.process_time()
                made.append(prover.entry(one.id))
                took.append(time.process_time() - begun)
            return prover.trust(Witnesses()), made, took

        trust, made, took = store.read(make)
    yield "make a receipt", 1000 * sorted(took)[len(took) // 2]
    yield "bytes of a receipt", float(sorted(map(len, made))[len(made) // 2])
    for name, plain in (("verify a receipt", False), ("verify it in plain Python", True)):
        if plain:
            for native in ("_NATIVE_KECCAK", "_NATIVE_KECCAK_MANY", "_NATIVE_PUBLIC_KEY"):
                setattr(verifier, native, None)
        spent = []
        for one in made:
            begun = time.process_time()
            report = verifier.verify_bundle(trust, one)
            spent.append(time.process_time() - begun)
            assert report.ok, report.first_failure
        yield name, 1000 * sorted(spent)[len(spent) // 2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time proofs of the ledger.")
    parser.add_argument("--ticks", type=int, default=35_040)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    trust, lines = year_of_checkpoints(options.ticks)
    spent = seconds(lambda: verify_year(trust, lines))
    size = sum(map(len, lines)) / 1e6
    print(f"{options.ticks} checkpoints, {size:.0f} MB: {spent:.1f} s CPU to verify")
    if options.database_url:
        for name, value in receipts(options.database_url):
            print(f"{name}: {value:.1f}" + ("" if "bytes" in name else " ms CPU, median"))


if __name__ == "__main__":
    main()
