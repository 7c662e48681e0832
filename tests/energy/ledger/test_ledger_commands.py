"""`microgrid ledger`: what it prints and how it ends."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from energy.cli import run
from energy.steps.proving import export_lines, lines_from_beside
from energy.store.errors import StoreError
from energy.store.sqlite import sqlite3
from market import verifier

FIRST = 1_784_084_400
Begin = Callable[..., Any]


@pytest.fixture
def url(begin_books: Begin, tmp_path: Path) -> str:
    """A store with three settled ticks, open beside the command."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    begin_books(url).run(3)
    return url


def test_verify_proves_the_store_and_names_the_first_key(url: str, capsys: Any) -> None:
    assert run(["ledger", "verify", "--database-url", url]) == 0
    shown = capsys.readouterr().out
    assert "proven, if the first key is 0x" in shown and "pool closes in KRW" in shown
    key = shown.rsplit(" ", 1)[1].strip()
    assert run(["ledger", "verify", "--database-url", url, "--registrar", key]) == 0
    assert capsys.readouterr().out.endswith("proven\n")
    other = "0x" + "00" * 20
    assert run(["ledger", "verify", "--database-url", url, "--registrar", other]) == 1
    assert f"refuted: line 1: registrar: found {key}, allowed {other}" in capsys.readouterr().out


def test_an_export_is_verified_as_file_compressed_or_not(
    url: str, tmp_path: Path, capsys: Any
) -> None:
    for name in ("books.jsonl", "books.jsonl.gz"):
        file = tmp_path / name
        assert run(["ledger", "export", str(file), "--database-url", url]) == 0
        assert run(["ledger", "verify", str(file), "--json"]) == 0
        shown = capsys.readouterr().out
        document = json.loads(shown[shown.index("{") :])
        assert document["proven"] and document["failure"] is None
        assert document["checks"]["signature"] > 200
    plain = (tmp_path / "books.jsonl").read_bytes()
    assert gzip.decompress((tmp_path / "books.jsonl.gz").read_bytes()) == plain
    assert not list(tmp_path.glob("*.part"))
    alone = [sys.executable, "-I", str(verifier.__file__), str(tmp_path / "books.jsonl")]
    assert subprocess.run(alone, capture_output=True, check=False).returncode == 0


def test_a_changed_export_is_refuted_and_a_strange_file_unusable(
    url: str, tmp_path: Path, capsys: Any
) -> None:
    file = tmp_path / "books.jsonl"
    run(["ledger", "export", str(file), "--database-url", url])
    text = file.read_text()
    file.write_text(text.replace('"volume_wh":"', '"volume_wh":"1', 1))
    assert run(["ledger", "verify", str(file)]) == 1
    assert "refuted: line " in capsys.readouterr().out
    file.write_text("hello\n")
    assert run(["ledger", "verify", str(file)]) == 2
    assert "unusable: line 1: readable: not JSON" in capsys.readouterr().out
    file.write_text("")
    assert run(["ledger", "verify", str(file)]) == 2


def test_a_changed_store_is_refuted(
    url: str, begin_books: Begin, tmp_path: Path, capsys: Any
) -> None:
    begin_books(f"sqlite:///{tmp_path / 'other.db'}")
    with sqlite3.connect(tmp_path / "books.db") as connection:
        connection.execute("DROP TRIGGER transfer_no_update")
        connection.execute("UPDATE transfer SET amount = amount + 1 WHERE position = 3")
    connection.close()
    assert run(["ledger", "verify", "--database-url", url, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["proven"] and document["failure"]["check"] == "transfers root"
    assert run(["ledger", "audit", "--database-url", url]) == 1
    assert "balance kept as" in capsys.readouterr().out


def test_audit_adds_up(url: str, capsys: Any) -> None:
    assert run(["ledger", "audit", "--database-url", url]) == 0
    assert capsys.readouterr().out.endswith("transfers: all adds up\n")
    assert run(["ledger", "audit", "--database-url", url, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["adds_up"] and document["turnover"]["KRW"].endswith(" KRW")


def test_head_shows_the_signed_note(url: str, begin_books: Begin, capsys: Any) -> None:
    assert run(["ledger", "head", "--database-url", url]) == 0
    note = capsys.readouterr().out
    message, signatures = verifier.read_note(note)
    assert message["tick"] == FIRST + 2 * 900 and len(signatures) == 1
    assert run(["ledger", "head", "--database-url", url, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["note"] == note and document["size"] == message["size"]


REFUSED = [
    (["ledger", "verify", "--database-url", "sqlite:////nowhere/at/all.db"], "found no file"),
    (["ledger", "head", "--database-url", "sqlite:////nowhere/at/all.db"], "found no file"),
    (["ledger", "verify", "/nowhere/at/all.jsonl"], "cannot be read"),
    (["ledger", "export"], "Missing argument 'file'"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: " ".join(case[0])[:40])
def test_wrong_use_is_one_sentence_and_exit_code_2(case: Any, capsys: Any) -> None:
    words, sentence = case
    assert run(words) == 2
    assert sentence in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(url: str, capsys: Any) -> None:
    words = ["ledger", "export", "/nowhere/at/all.jsonl", "--database-url", url]
    assert run(words) == 2
    assert "export /nowhere/at/all.jsonl: cannot be written" in capsys.readouterr().err


def test_a_store_without_books_says_so(tmp_path: Path, capsys: Any) -> None:
    from energy.store.engine import open_store

    url = f"sqlite:///{tmp_path / 'empty.db'}"
    open_store(url).close()
    for command in ("verify", "audit", "head"):
        assert run(["ledger", command, "--database-url", url]) == 2
        assert "books: found" in capsys.readouterr().err


def test_lines_of_the_export_hold_one_json_value_each(begin_books: Begin) -> None:
    here = begin_books()
    here.run(3)
    kinds = [json.loads(line)["line"] for line in export_lines(here.store)]
    assert kinds[0] == "header" and kinds[-1] == "checkpoint"
    assert kinds.count("tick") == kinds.count("checkpoint") == 4


def test_a_long_store_is_exported_by_a_process_beside(
    url: str, begin_books: Begin, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.steps.proving.TICKS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr("energy.steps.proving.os.cpu_count", lambda: 2)
    assert run(["ledger", "verify", "--database-url", url]) == 0
    assert "proven" in capsys.readouterr().out
    begin_books(f"sqlite:///{tmp_path / 'other.db'}")
    with sqlite3.connect(tmp_path / "books.db") as connection:
        connection.execute("DROP TRIGGER transfer_no_delete")
        connection.execute("DELETE FROM transfer WHERE settlement = 0 AND position = 0")
    connection.close()
    assert run(["ledger", "verify", "--database-url", url]) == 1


def test_a_process_beside_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"export of .*: microgrid: store"):
        list(lines_from_beside("sqlite:////nowhere.db"))
