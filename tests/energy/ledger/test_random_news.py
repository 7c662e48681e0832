"""Readings that are late, missing, guessed, wrong and mended, through the real store, at random.

A tiny district keeps books for some slots. In each sequence meters fall silent and their readings
come later, some of them wrong first, some corrected though they were right; in the end all are
true. The books then stand where the timely ones stand, labels included, and every version is kept
and proven.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from energy.plant import Readings
from energy.steps.proving import audit_books, verify_store
from energy.store.books import load_movements, load_settlements
from energy.store.readings import LateRow
from energy.units import SLOT_S
from market.transfers import Code

Begin = Callable[..., Any]
FIRST = 1_784_084_400
DISTRICT = "sejong-5-1@0.003"
TICKS = 10
SLOTS = 4  # whose readings go astray; the last of them is settled three ticks before the end
MEASURED, ESTIMATED, CORRECTED = 1, 2, 3
PART = 50  # sequences of a thousand that run in one piece


@dataclass(frozen=True)
class Sequence:
    """Meters that are silent by slot, and what comes later, with the tick at which it comes."""

    silent: dict[int, list[int]]
    late: list[LateRow]


def draw_sequence(rng: Random, truth: list[Readings], meters: int) -> Sequence:
    """Up to a dozen readings go astray; the last that comes of each is the true one."""
    silent: dict[int, list[int]] = {}
    late: list[LateRow] = []
    for _ in range(rng.randint(1, 12)):
        number, meter = rng.randrange(SLOTS), rng.randrange(meters)
        if any(row.slot == FIRST + number * SLOT_S and row.meter == meter for row in late):
            continue
        is_silent = rng.random() < 0.6
        if is_silent:
            silent.setdefault(FIRST + number * SLOT_S, []).append(meter)
        first = number + 3  # the tick after the one that settles the slot
        count = min(rng.randint(1, 3), TICKS - first)
        ticks = sorted(rng.sample(range(first, TICKS), count))
        true = true_row(truth[number + 2], meter)
        for n, tick in enumerate(ticks, start=0 if is_silent else 1):
            row = replace(true, tick=FIRST + tick * SLOT_S, revision=n)
            row = replace(row, quality=CORRECTED if n else MEASURED)
            if tick != ticks[-1]:
                row = replace(
                    row,
                    import_wh=rng.randint(0, 900),
                    export_wh=rng.choice([0, rng.randint(0, 600)]),
                    quality=rng.choice([row.quality, ESTIMATED]),
                )
            late.append(row)
    return Sequence(silent, late)


def true_row(truth: Readings, meter: int) -> LateRow:
    return LateRow(
        slot=truth.slot,
        meter=meter,
        revision=0,
        tick=0,
        import_wh=int(truth.import_wh[meter]),
        export_wh=int(truth.export_wh[meter]),
        import_register_wh=int(truth.import_register_wh[meter]),
        export_register_wh=int(truth.export_register_wh[meter]),
        quality=MEASURED,
    )


def silence(silent: dict[int, list[int]]) -> Callable[[Readings], Readings]:
    def edit(readings: Readings) -> Readings:
        if readings.slot not in silent:
            return readings
        there = np.ones(len(readings.quality), dtype=np.int64)
        there[silent[readings.slot]] = 0
        names = ("import_wh", "export_wh", "quality", "import_register_wh", "export_register_wh")
        return replace(readings, **{name: getattr(readings, name) * there for name in names})

    return edit


def stand_of(here: Any) -> tuple[dict[Any, int], list[int]]:
    """All balances that are not nought, and what each customer's month has come to."""
    head = here.books.head
    moved = {key: amount for key, amount in head.balances.items() if amount}
    return moved, head.months.now_wh.tolist()


def begin_sunny(begin: Begin, url: str) -> Any:
    """Books in which every second roof gives some of what it has sold, with a label or without."""
    here = begin(url, source=DISTRICT)
    roofs = [n for n in here.crowd.meter.tolist() if here.district.meters.pv_kwp[n] > 0]
    here.let_export(roofs[1::2], 25)
    here.labels = (1, 2, 2)
    return here


def labels_paid(here: Any) -> int:
    """In how many of the slots whose readings go astray a label was paid for."""
    found = 0
    for slot in range(FIRST, FIRST + SLOTS * SLOT_S, SLOT_S):
        nos = here.store.read(lambda c, s=slot: [one.no for one in load_settlements(c, s)])
        moved = here.store.read(lambda c, n=nos: load_movements(c, n))
        found += bool((moved[:, 2] == Code.LABEL).any())
    return found


def run_sequences(begin: Begin, folder: Path, seeds: range) -> int:
    """Run these sequences against the timely books; how many corrections there were in all."""
    timely = begin_sunny(begin, f"sqlite:///{folder / 'timely.db'}")
    timely.run(TICKS)
    assert labels_paid(timely) >= 3, "too few slots have labels to settle again"
    expected, corrections = stand_of(timely), 0
    for seed in seeds:
        here = begin_sunny(begin, f"sqlite:///{folder / f'{seed}.db'}")
        drawn = draw_sequence(Random(seed), here.readings, len(here.books.customers))
        here.edit, here.late = silence(drawn.silent), drawn.late
        ticks = here.run(TICKS)
        assert stand_of(here) == expected, f"seed {seed}"
        made = [slot for one in ticks for slot in one.corrected]
        for slot in {FIRST + n * SLOT_S for n in range(SLOTS)}:
            rows = here.store.read(lambda c, s=slot: load_settlements(c, s))
            assert [one.version for one in rows] == list(range(2 + made.count(slot))), (
                f"seed {seed}: a version is missing or twice"
            )
        if seed % 8 == 0:
            audit = audit_books(here.store, here.books)
            assert (audit.finding, audit.verified) == ("", True), f"seed {seed}"
            assert verify_store(here.store, 0).ok, f"seed {seed}"
        corrections += len(made)
        for path in folder.glob(f"{seed}.db*"):
            path.unlink(missing_ok=True)
    return corrections


@pytest.mark.slow
@pytest.mark.check(5)
def test_random_news_end_in_the_balances_of_timely_readings(
    begin_books: Begin, tmp_path: Path
) -> None:
    assert run_sequences(begin_books, tmp_path, range(10)) > 30


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1_000, 2_000, PART))
@pytest.mark.check(5)
def test_a_thousand_random_sequences_end_in_the_balances_of_timely_readings(
    begin_books: Begin, tmp_path: Path, first: int
) -> None:
    """In parts that can be run apart, by the seed that they begin with."""
    assert run_sequences(begin_books, tmp_path, range(first, first + PART)) > 2 * PART
