"""Killed between any two statements of append, commit, sign and publish: the same books come out.

A child process runs the slots and ends itself, without a word to the database, before the n-th
statement or commit. Another one goes on with what it finds. Nothing that was acknowledged may be
lost and nothing may stand twice: the export is that of an undisturbed run, byte for byte.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from energy.steps.proving import export_lines
from energy.store.checkpoints import last_checkpoint
from energy.store.engine import open_reader
from energy.store.slots import find_slot
from energy.units import SLOT_S
from market.verifier import verify_export

FIRST = 1_784_084_400
TICKS = 3
KILLED = 9
Begin = Callable[..., Any]


def run_on(begin_books: Begin, url: str, kill_at: int, tell: int) -> None:
    """Run the slots that are left, telling each sealed tick; end before the n-th statement."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            os._exit(KILLED)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)
    here = begin_books(url)
    for number in range(TICKS):
        slot = FIRST + number * SLOT_S
        if here.store.read(lambda c, slot=slot: find_slot(c, slot)) is None:
            here.publish(slot)
        here.settle(slot)
        os.write(tell, bytes([number + 1]))
    os.write(tell, seen.to_bytes(4, "big"))


def child(begin_books: Begin, url: str, kill_at: int) -> tuple[int, bytes]:
    """How a child process ended, and what it acknowledged before."""
    source, sink = os.pipe()
    number = os.fork()
    if number == 0:
        code = 1
        try:
            os.close(source)
            run_on(begin_books, url, kill_at, sink)
            code = 0
        finally:
            os._exit(code)
    os.close(sink)
    told = b""
    while part := os.read(source, 64):
        told += part
    os.close(source)
    _, status = os.waitpid(number, 0)
    return os.waitstatus_to_exitcode(status), told


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    return {}


def crash(begin_books: Begin, whole: dict[str, Any], new_url: Callable[[], str], at: int) -> None:
    """One crash at this statement, and the books after a second process has gone on."""
    if not whole:
        url = new_url()
        code, told = child(begin_books, url, 0)
        assert code == 0
        whole["statements"] = int.from_bytes(told[-4:], "big")
        with open_reader(url) as store:
            whole["lines"] = list(export_lines(store))
        assert verify_export(whole["lines"]).ok
    url, at = new_url(), at % whole["statements"] + 1
    code, told = child(begin_books, url, at)
    assert code == KILLED, (at, code)
    if told:
        with open_reader(url) as store:
            last = store.read(last_checkpoint)
        assert last is not None and last.tick >= FIRST + (told[-1] - 1) * SLOT_S
    code, _ = child(begin_books, url, 0)
    assert code == 0, at
    with open_reader(url) as store:
        assert list(export_lines(store)) == whole["lines"], at


def sqlite_urls(tmp_path: Path) -> Callable[[], str]:
    numbers = iter(range(10_000))
    return lambda: f"sqlite:///{tmp_path / str(next(numbers)) / 'books.db'}"


POINTS = random.Random(5).sample(range(10_000), 200)


def test_a_kill_at_any_statement_changes_nothing_on_sqlite(
    begin_books: Begin, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    for at in POINTS[:3]:
        crash(begin_books, undisturbed, sqlite_urls(tmp_path / str(at)), at)


def test_a_kill_at_any_statement_changes_nothing_on_postgresql(
    begin_books: Begin, new_postgresql: Callable[[], str]
) -> None:
    whole: dict[str, Any] = {}
    for at in POINTS[3:5]:
        crash(begin_books, whole, new_postgresql, at)


@pytest.mark.soak
@pytest.mark.parametrize("at", POINTS)
@pytest.mark.check(1)
def test_two_hundred_kills_change_nothing_on_sqlite(
    begin_books: Begin, undisturbed: dict[str, Any], tmp_path: Path, at: int
) -> None:
    crash(begin_books, undisturbed, sqlite_urls(tmp_path), at)


@pytest.fixture(scope="module")
def undisturbed_there() -> dict[str, Any]:
    return {}


@pytest.mark.soak
@pytest.mark.parametrize("at", POINTS)
@pytest.mark.check(1)
def test_two_hundred_kills_change_nothing_on_postgresql(
    begin_books: Begin,
    undisturbed_there: dict[str, Any],
    new_postgresql: Callable[[], str],
    at: int,
) -> None:
    crash(begin_books, undisturbed_there, new_postgresql, at)
