"""An export is taken up by another store and comes out again byte for byte, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from energy.cli import run
from energy.steps.archiving import archived_lines, import_lines
from energy.steps.proving import export_lines
from energy.store.engine import open_store
from energy.store.errors import StoreError
from energy.store.sqlite import sqlite3

Begin = Callable[..., Any]
FORMATS = {"verifier": "jsonl", "verifier-csv": "csv", "verifier-parquet": "parquet"}


@pytest.fixture
def url(begin_books: Begin, tmp_path: Path) -> str:
    """A store with three settled ticks."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    begin_books(url).run(3)
    return url


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_exported_comes_out_again_byte_for_byte(
    url: str, tmp_path: Path, format_: str, capsys: Any
) -> None:
    first, second = (tmp_path / f"{name}.{FORMATS[format_]}" for name in ("first", "second"))
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    assert run(["ledger", "export", str(first), "--format", format_, "--database-url", url]) == 0
    assert run(["ledger", "import", str(first), "--database-url", copy]) == 0
    assert "proven and kept, 4 ticks" in capsys.readouterr().out
    assert run(["ledger", "export", str(second), "--format", format_, "--database-url", copy]) == 0
    assert first.read_bytes() == second.read_bytes() and first.stat().st_size > 10_000
    assert run(["ledger", "verify", "--database-url", copy]) == 0
    assert run(["ledger", "import", str(first), "--database-url", copy]) != 0
    assert "found books in the store" in capsys.readouterr().err
    assert run(["ledger", "import", str(first), "--database-url", url]) != 0


def test_any_form_of_the_same_books_becomes_any_other(url: str, tmp_path: Path) -> None:
    files = {}
    for format_, suffix in FORMATS.items():
        files[format_] = tmp_path / f"books.{suffix}"
        run(["ledger", "export", str(files[format_]), "--format", format_, "--database-url", url])
    lines = files["verifier"].read_bytes()
    for format_ in ("verifier-csv", "verifier-parquet"):
        copy, out = f"sqlite:///{tmp_path / format_}.db", tmp_path / f"{format_}.jsonl"
        assert run(["ledger", "import", str(files[format_]), "--database-url", copy]) == 0
        assert run(["ledger", "export", str(out), "--database-url", copy]) == 0
        assert out.read_bytes() == lines


def test_books_that_do_not_prove_are_refused_and_nothing_is_kept(
    begin_books: Begin, store_url: str
) -> None:
    here = begin_books()
    here.run(3)
    lines = list(export_lines(here.store))
    found = json.loads(lines[-1])
    found["note"] = found["note"].replace("tick 1", "tick 2")
    forged = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    cases = {
        "checkpoint": [*lines[:-1], forged],
        "tick sealed": lines[:-1],
        "other text than an export writes": [lines[0] + " ", *lines[1:]],
        "not JSON": [*lines[:5], lines[5][:40]],
    }
    with open_store(store_url) as store:
        for words, wrong in cases.items():
            with pytest.raises(StoreError, match=words):
                import_lines(store, wrong)
            kept = store.read(lambda c: c.scalar(text("SELECT count(*) FROM archived_line")))
            assert kept == 0, words
        for n in range(1, len(lines), 7):
            with pytest.raises(StoreError):
                import_lines(store, [*lines[:n], *lines[n + 1 :]])
        assert import_lines(store, lines).ok
        assert list(archived_lines(store)) == lines


def test_a_table_whose_columns_disagree_with_its_lines_is_refused(
    url: str, tmp_path: Path, capsys: Any
) -> None:
    file, copy = tmp_path / "books.csv", tmp_path / "copy.db"
    run(["ledger", "export", str(file), "--format", "verifier-csv", "--database-url", url])
    whole = file.read_text()
    for old, new, words in (
        ("\n3,", "\n4,", "row 3 does not agree"),
        ("no,tick", "nr,tick", "allowed the columns no, tick, line, body"),
    ):
        file.write_text(whole.replace(old, new, 1))
        assert run(["ledger", "import", str(file), "--database-url", f"sqlite:///{copy}"]) != 0
        assert words in capsys.readouterr().err
        if copy.exists():
            with sqlite3.connect(copy) as raw:
                assert raw.execute("SELECT count(*) FROM archived_line").fetchone() == (0,)
