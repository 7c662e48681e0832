"""The books, their export and their proofs name nobody, and show no household to another."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from energy.steps.archiving import csv_of
from energy.steps.ledger_files import beancount_lines, checkpoint_lines, csv_lines, json_lines
from energy.steps.proving import export_lines
from energy.steps.receipts import Prover, Witnesses
from energy.store.checkpoints import checkpoint_ticks, find_checkpoint
from energy.store.identities import Identity, set_identity
from energy.store.orders import find_order, orders_of
from energy.store.schema import METADATA
from energy.units import SLOT_S

Begin = Callable[..., Any]
FIRST = 1_784_084_400
PEOPLE = [
    Identity(f"Kim Haneul {n}", f"{n} Hannuri-daero", f"+82 44 700 {n:04}", f"KEPCO-7730{n:04}")
    for n in range(1_000, 1_012)
]
SLOTS = 8


def run_books(begin_books: Begin) -> Any:
    """Books whose customers are people with names."""
    here = begin_books()
    here.run(SLOTS)

    def name(connection: Connection) -> None:
        for account, who in zip(here.crowd.account, PEOPLE, strict=False):
            set_identity(connection, account, who)

    here.store.write(name)
    return here


def words() -> list[str]:
    """What would tell who somebody is."""
    return [field for who in PEOPLE for field in who]


def tables(here: Any) -> Iterator[tuple[str, str]]:
    """Every table but that of identities as text, bytes also as they stand."""

    def read(connection: Connection, table: str) -> str:
        rows = connection.execute(text(f'SELECT * FROM "{table}"'))
        values = (one for row in rows for one in row)
        return "\n".join(
            one.hex() + one.decode("latin-1") if isinstance(one, bytes) else str(one)
            for one in values
        )

    for table in METADATA.tables:
        if table != "identity":
            yield table, here.store.read(lambda connection, table=table: read(connection, table))


def bundles(here: Any) -> Iterator[tuple[str, bytes, bytes]]:
    """Every kind of proof that these books can give, and whose it is (empty: everybody's)."""
    kim, slot = here.crowd.account[0], FIRST + 2 * SLOT_S

    def make(connection: Connection) -> list[tuple[str, bytes, bytes]]:
        prover = Prover(connection)
        order = orders_of(connection, kim)[0]
        older = find_checkpoint(connection, checkpoint_ticks(connection)[-2])
        assert older is not None
        found = [
            ("trust", prover.trust(Witnesses()), b""),
            ("account", prover.account(kim), kim),
            ("order", prover.entry(order.id), kim),
            ("consistency", prover.consistency(older.size), b""),
            ("clearing", prover.clearing(slot), b""),
            ("slot", prover.slot(slot), b"auditor"),
        ]
        for name, id_ in prover.entries_of(kim, slot):
            if name != "Order":
                found.append((name, prover.entry(id_, slot), kim))
        order_entry = find_order(connection, order.id)
        assert order_entry is not None
        return found

    yield from here.store.read(make)


def test_names_stand_in_the_table_of_identities_and_nowhere_else(begin_books: Begin) -> None:
    here = run_books(begin_books)
    whole = here.store.read(
        lambda c: "".join(map(str, c.execute(text("SELECT * FROM identity")).all()))
    )
    assert all(word in whole for word in words()[: len(words()) // 2])
    for table, shown in tables(here):
        assert not [word for word in words() if word in shown], table
        assert not [word for word in words() if word.encode().hex() in shown], table


def test_no_export_and_no_proof_names_anybody(begin_books: Begin) -> None:
    here = run_books(begin_books)
    exports = {
        "verifier": export_lines(here.store),
        "verifier csv": csv_of(export_lines(here.store)),
        "checkpoints": checkpoint_lines(here.store),
        "csv": csv_lines(here.store),
        "jsonl": json_lines(here.store),
        "beancount": beancount_lines(here.store),
    }
    shown = {name: "\n".join(lines) for name, lines in exports.items()}
    shown |= {name: bundle.decode() for name, bundle, _ in bundles(here)}
    assert len(shown) >= 12
    for name, text_ in shown.items():
        everything = text_ + opened(text_)
        assert not [word for word in words() if word in everything], name


def opened(text_: str) -> str:
    """What is packed in a document, byte by byte."""
    parts = []
    for line in text_.splitlines():
        for part in line.split('"'):
            if len(part) > 40 and len(part) % 4 == 0 and part[:2] != "0x":
                try:
                    parts.append(base64.b64decode(part, validate=True).decode("latin-1"))
                except ValueError:
                    continue
    return "\n".join(parts)


def test_a_proof_shows_no_other_households_name_nor_what_it_used(begin_books: Begin) -> None:
    here = run_books(begin_books)
    kim = here.crowd.account[0]
    others = [one for one in here.books.customers if one != kim]
    for name, bundle, whose in bundles(here):
        if whose == b"auditor":
            continue  # the balance of a slot is every account's, by its random 32 bytes
        everything = bundle.decode() + opened(bundle.decode()).encode("latin-1").hex()
        found = [one for one in others if one.hex() in everything]
        assert not found, (name, len(found))


def test_no_text_holds_the_consumption_of_a_household_as_a_series(begin_books: Begin) -> None:
    here = run_books(begin_books)
    used = np.array([one.import_wh for one in here.readings[:SLOTS]], dtype=np.int64)
    busy = [row for row in used.T if len(set(row.tolist())) > 4][:40]
    assert busy
    text_ = [(table, shown) for table, shown in tables(here)]
    text_ += [("export", "\n".join(export_lines(here.store)))]
    text_ += [(name, bundle.decode()) for name, bundle, whose in bundles(here) if not whose]
    for name, shown in text_:
        for row in busy:
            for joint in (",", ", ", "\n", "|"):
                assert joint.join(map(str, row[2:6].tolist())) not in shown, name


def test_accounts_and_meters_in_the_log_are_random_words(begin_books: Begin) -> None:
    here = run_books(begin_books)
    for line in checkpoint_lines(here.store):
        found = json.loads(line)
        for key in found.get("keys", ()):
            assert key["message"]["account"] == "0x" + here.books.system.spc.hex()
    assert len({one[:4] for one in here.books.customers}) > 0.99 * len(here.books.customers)
