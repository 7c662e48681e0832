"""A real ledger changed in every way: each change is found and located, and nothing else is.

What follows a change is verified from a copy of the verifier's state before the changed tick, for
the lines above are the same each time.
"""

import base64
import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from energy.steps.proving import export_lines
from market.verifier import (
    Failure,
    Helpers,
    Refuted,
    Unusable,
    _Book,
    _read_line,
    read_note,
    verify_export,
)

Begin = Callable[..., Any]
TICKS = 4
PACKED = ("rows", "tags", "readings", "originals")


@dataclass
class Ledger:
    """The lines of an export, the first line of every tick, and the head that a witness knows."""

    lines: list[str]
    begins: list[int]
    states: list[_Book]
    head: dict[str, Any]

    def tick_of(self, at: int) -> int:
        """Which tick a line belongs to."""
        return max(n for n, begin in enumerate(self.begins) if begin <= at or n == 0)

    def verify(self, lines: list[str], at: int) -> Failure | None:
        """What is found in lines that are the ledger's own before `at`; None if nothing is."""
        tick = self.tick_of(at)
        if at < self.begins[0]:
            return verify_export(lines).first_failure
        book = _resumed(self.states[tick])
        number = begin = self.begins[tick]
        try:
            for number, line in enumerate(lines[begin:], begin + 1):
                book.line = number
                book.take(_read_line(line))
            book.require(not book.open and book.tick >= 0, "tick sealed", "no checkpoint")
            book.require_waiting(book.tick + 1)
        except Unusable as error:
            return Failure(number, "readable", str(error))
        except Refuted as error:
            check, message, *where = error.args
            return Failure(where[0] if where else number, check, message)
        # Whole in itself, so it must be the one that the witness knows: not older, not another.
        note = json.loads(lines[-1])["note"] if lines else ""
        message = read_note(note)[0]
        return None if message == self.head else Failure(len(lines), "witness", "another head")


def _resumed(state: _Book) -> _Book:
    return copy.deepcopy(state, {id(state.helpers): state.helpers})


@pytest.fixture(scope="module")
def made() -> list[Ledger]:
    return []


@pytest.fixture
def ledger(begin_books: Begin, made: list[Ledger]) -> Ledger:
    if not made:
        here = begin_books()
        here.run(TICKS)
        made.append(_read(list(export_lines(here.store))))
    return made[0]


def _read(lines: list[str]) -> Ledger:
    begins = [n for n, line in enumerate(lines) if '"line":"tick"' in line]
    helpers = Helpers(0)
    book, states = _Book(_read_line(lines[0]), helpers), []
    for n, line in enumerate(lines[1:], 1):
        if n in begins:
            book.require_waiting(book.tick + 1)
            states.append(_resumed(book))
        book.line = n + 1
        book.take(_read_line(line))
    return Ledger(lines, begins, states, read_note(json.loads(lines[-1])["note"])[0])


def flip_text(lines: list[str], at: int, rng: random.Random) -> list[str] | None:
    """One bit of one character."""
    raw = bytearray(lines[at].encode())
    raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(7)
    return [*lines[:at], raw.decode(errors="replace"), *lines[at + 1 :]]


def flip_field(lines: list[str], at: int, rng: random.Random) -> list[str] | None:
    """One bit of one field: of a packed one in what it says, of a number or hex in its digits."""
    found = json.loads(lines[at])
    packed = [name for name in PACKED if found.get(name)]
    if packed:
        name = rng.choice(packed)
        raw = bytearray(base64.b64decode(found[name]))
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        found[name] = base64.b64encode(bytes(raw)).decode()
    else:
        inner = rng.choice([found, *(v for v in found.values() if isinstance(v, dict))])
        name = rng.choice(sorted(name for name in inner if isinstance(inner[name], str)))
        inner[name] = _other_text(inner[name], rng)
    text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return [*lines[:at], text, *lines[at + 1 :]]


def _other_text(text: str, rng: random.Random) -> str:
    at = rng.randrange(2 if text.startswith("0x") else 0, len(text))
    digits = "0123456789abcdef" if text.startswith("0x") else "0123456789"
    return text[:at] + rng.choice(digits.replace(text[at], "")) + text[at + 1 :]


def delete(lines: list[str], at: int, _: random.Random) -> list[str] | None:
    return [*lines[:at], *lines[at + 1 :]]


def insert(lines: list[str], at: int, rng: random.Random) -> list[str] | None:
    """A line of the ledger once more; an account's name may be said twice."""
    line = rng.choice(lines)
    return None if '"line":"account"' in line else [*lines[:at], line, *lines[at:]]


def swap(lines: list[str], at: int, _: random.Random) -> list[str] | None:
    """Two neighbours; what is not sealed between them may stand in any order."""
    if at + 1 >= len(lines):
        return None
    kinds = [_kind(line) for line in lines[at : at + 2]]
    if kinds[0] in ("account", "set") and kinds[1] in ("account", "set", "key"):
        return None
    if kinds[0] == "key" and kinds[1] == "set":
        return None
    below = json.loads(lines[at + 1])
    if kinds[0] == "set" and below.get("type") == "SealedSet":
        mine = {"book": "3"}.get(
            json.loads(lines[at])["line"], "1" if "Order" in lines[at] else "2"
        )
        if below["message"]["kind"] != mine:
            return None
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def truncate(lines: list[str], at: int, _: random.Random) -> list[str] | None:
    return lines[:at]


def _kind(line: str) -> str:
    found = json.loads(line)
    name = found.get("type", "")
    if found["line"] in ("rows", "book") or name in ("Order", "Cancel", "Reading"):
        return "set"
    return "key" if name.startswith("Key") else str(found["line"])


MUTATIONS = (flip_text, flip_field, delete, insert, swap, truncate)


def mutate(ledger: Ledger, count: int, seed: int) -> dict[str, int]:
    """Change the ledger so many times; how many changes of each kind were found."""
    rng, found = random.Random(seed), dict.fromkeys((one.__name__ for one in MUTATIONS), 0)
    while sum(found.values()) < count:
        change = rng.choice(MUTATIONS)
        at = rng.randrange(1, len(ledger.lines))
        lines = change(ledger.lines, at, rng)
        if lines is None or _same(ledger.lines, lines, at):
            continue
        failure = ledger.verify(lines, at)
        assert failure is not None, (change.__name__, at, ledger.lines[at][:120])
        end = [*ledger.begins, len(ledger.lines)][min(ledger.tick_of(at) + 2, TICKS + 1)]
        # Found in the tick of the change or at the beginning of the next one.
        late = failure.check == "witness" or change in (delete, insert, truncate)
        assert at <= failure.line and (failure.line <= end + 1 or late), (change.__name__, failure)
        found[change.__name__] += 1
    return found


def _same(before: list[str], after: list[str], at: int) -> bool:
    """Whether the change says the same in other words."""
    if len(before) != len(after):
        return False
    try:
        return bool(json.loads(before[at]) == json.loads(after[at]))
    except ValueError:
        return False


def test_the_untouched_ledger_is_proven_from_every_tick_on(ledger: Ledger) -> None:
    assert verify_export(ledger.lines).ok
    for at in ledger.begins:
        assert ledger.verify(ledger.lines, at) is None


@pytest.mark.check(4)
def test_hundreds_of_changes_are_all_found_and_located(ledger: Ledger) -> None:
    found = mutate(ledger, 240, seed=1)
    assert all(found.values()), found


@pytest.mark.soak
@pytest.mark.check(4)
def test_ten_thousand_changes_are_all_found_and_located(ledger: Ledger) -> None:
    found = mutate(ledger, 10_000, seed=2)
    assert sum(found.values()) == 10_000


@pytest.mark.check(4)
def test_an_older_copy_is_whole_and_yet_not_the_head_that_the_witness_knows(
    ledger: Ledger,
) -> None:
    older = ledger.lines[: ledger.begins[-1]]
    assert verify_export(older).ok
    failure = ledger.verify(older, len(older))
    assert failure is not None and failure.check == "witness"


@pytest.mark.check(4)
def test_a_suffix_signed_anew_is_whole_and_yet_another_head(
    ledger: Ledger, begin_books: Begin
) -> None:
    other = begin_books()
    other.run(2)
    other.draw = 5
    other.run(2, begin=2)
    lines = list(export_lines(other.store))
    same = next(
        n for n, pair in enumerate(zip(lines, ledger.lines, strict=False)) if len(set(pair)) > 1
    )
    assert ledger.begins[3] <= same and verify_export(lines).ok
    failure = ledger.verify(lines, ledger.begins[3])
    assert failure is not None and failure.check == "witness"


class EndsAlone(Ledger):
    """What a lazy verifier does: the first line is read, the last head is the witness's."""

    def verify(self, lines: list[str], at: int) -> Failure | None:
        """Only the ends."""
        note = json.loads(lines[-1]).get("note", "") if len(lines) > 1 else ""
        known = bool(note) and read_note(note)[0] == self.head
        return None if known else Failure(len(lines), "witness", "another head")


@pytest.mark.check(4, canary=True)
def test_a_verifier_of_the_ends_alone_does_not_find_the_changes(ledger: Ledger) -> None:
    lazy = EndsAlone(ledger.lines, ledger.begins, ledger.states, ledger.head)
    assert lazy.verify(ledger.lines, 0) is None
    with pytest.raises(AssertionError):
        mutate(lazy, 240, seed=1)
