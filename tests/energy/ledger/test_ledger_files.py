"""Files for others: tables and journal say what the books say, the log of checkpoints is proven."""

import base64
import csv
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from energy.cli import run
from energy.steps.ledger_files import checkpoint_lines
from energy.steps.receipts import Prover, Witnesses
from market.transfers import LedgerId
from market.verifier import verify_log

Begin = Callable[..., Any]
SCALE = {"KRW": 6, "ENERGY": 3, "POINTS": 6}


@pytest.fixture
def here(begin_books: Begin, tmp_path: Path) -> Any:
    found = begin_books(f"sqlite:///{tmp_path / 'books.db'}")
    found.run(4)
    return found


def exported(here: Any, tmp_path: Path, kind: str, name: str) -> Path:
    path = tmp_path / name
    words = ["ledger", "export", str(path), "--format", kind, "--database-url"]
    assert run([*words, f"sqlite:///{tmp_path / 'books.db'}"]) == 0
    return path


def balances_of(here: Any) -> dict[tuple[str, str], Decimal]:
    return {
        (LedgerId(ledger).name, "0x" + account.hex()): Decimal(amount).scaleb(
            -SCALE[LedgerId(ledger).name]
        )
        for (ledger, account), amount in here.books.head.balances.items()
        if amount
    }


def test_all_tables_hold_the_same_rows_and_they_add_up_to_the_balances(
    here: Any, tmp_path: Path
) -> None:
    with exported(here, tmp_path, "csv", "t.csv").open(newline="") as source:
        rows = list(csv.DictReader(source))
    lines = exported(here, tmp_path, "jsonl", "t.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
    table = pq.read_table(exported(here, tmp_path, "parquet", "t.parquet"))
    assert table.to_pylist() == rows and len(rows) == here.books.head.transfers
    assert len({row["id"] for row in rows}) == len(rows)
    sums: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["kind"] in ("PLAIN", "POST", "REVERSE"):
            sums[row["ledger"], row["credit"]] += Decimal(row["amount"])
            sums[row["ledger"], row["debit"]] -= Decimal(row["amount"])
    assert {key: amount for key, amount in sums.items() if amount} == balances_of(here)


def test_the_journal_balances_and_opens_every_account_before_its_use(
    here: Any, tmp_path: Path
) -> None:
    lines = exported(here, tmp_path, "beancount", "books.beancount").read_text().splitlines()
    opened: set[str] = set()
    sums: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    for line in lines:
        if " open " in line:
            opened.add(line.split(" ")[2])
        elif line.startswith("  "):
            account, amount, unit = line.split()
            assert account in opened and re.fullmatch(r"Assets(:[A-Z0-9][A-Za-z0-9-]*)+", account)
            sums[unit, account] += Decimal(amount)
            totals[unit] += Decimal(amount)
    assert set(totals) == {"KRW", "KWH"} and not any(totals.values())
    kept = Counter(abs(amount) for amount in balances_of(here).values())
    assert Counter(abs(amount) for amount in sums.values() if amount) == kept


def test_the_log_of_checkpoints_is_proven_and_nothing_in_it_can_be_changed(
    here: Any, tmp_path: Path
) -> None:
    trust = here.store.read(lambda c: Prover(c).trust(Witnesses()))
    lines = list(checkpoint_lines(here.store))
    report = verify_log(trust, lines)
    assert report.ok and report.checks["checkpoint root"] == 5, report.first_failure
    rng = random.Random(3)
    for _ in range(200):
        at = rng.randrange(1, len(lines))
        found = json.loads(lines[at])
        place = rng.choice(["leaves", "note"] + ["keys"] * bool(found["keys"]))
        if place == "leaves":
            raw = bytearray(base64.b64decode(found["leaves"]))
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            found["leaves"] = base64.b64encode(bytes(raw)).decode()
        elif place == "note":
            n = rng.randrange(len(found["note"]))
            found["note"] = found["note"][:n] + rng.choice("019abcXYZ") + found["note"][n + 1 :]
        else:
            key = rng.choice(found["keys"])
            key["message"]["nonce"] += "0"
        changed = [*lines[:at], json.dumps(found), *lines[at + 1 :]]
        if json.loads(changed[at]) != json.loads(lines[at]):
            failure = verify_log(trust, changed).first_failure
            assert failure is not None and failure.line in (at + 1, at + 2)
    for at in range(1, len(lines) - 1):
        assert not verify_log(trust, [*lines[:at], *lines[at + 1 :]]).ok


def test_the_log_is_verified_by_the_command_with_its_trust_root(
    here: Any, tmp_path: Path, capsys: Any
) -> None:
    log, trust = exported(here, tmp_path, "checkpoints", "log.jsonl"), tmp_path / "trust.json"
    url = f"sqlite:///{tmp_path / 'books.db'}"
    assert run(["ledger", "trust", "--out", str(trust), "--database-url", url]) == 0
    assert run(["ledger", "verify", str(log), "--trust", str(trust)]) == 0
    assert capsys.readouterr().out.endswith("proven\n")
