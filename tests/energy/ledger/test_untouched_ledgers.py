"""Ledgers that nobody has touched are proven, all of them: a verifier may not cry wolf."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from energy.plant import Readings
from energy.steps.erasing import erase_account
from energy.steps.proving import add_up, export_lines
from energy.timegrid import local_month_start
from energy.units import SLOT_S
from market.verifier import verify_export

Begin = Callable[..., Any]
DISTRICT = "sejong-5-1@0.002"
NOON = 1_784_084_400
AUGUST = local_month_start(1_785_600_000, "Asia/Seoul")
BEGINNINGS = (NOON, NOON + 30 * SLOT_S, AUGUST - 2 * SLOT_S)


def silent(rng: Random, truth: Readings) -> Readings:
    """The same readings, some of which have not come."""
    gone = [rng.random() < 0.1 for _ in truth.quality]
    return replace(truth, quality=np.where(gone, 0, truth.quality))


def keep_books(begin_books: Begin, url: str, seed: int) -> Any:
    """Books of a few slots with prices, auctions, silent meters and erasures at random."""
    rng = Random(seed)
    here = begin_books(url, source=DISTRICT, first=rng.choice(BEGINNINGS))
    here.draw = rng.randrange(1_000_000)
    here.edit = partial(silent, rng)
    for number in range(rng.choice((2, 3, 3, 4, 6))):
        here.with_market = rng.random() < 0.8
        here.run(1, begin=number)
    if here.first == BEGINNINGS[2] and rng.random() < 0.5:
        erase_account(here.store, rng.choice(here.books.customers), even_retained=True)
    return here


def require_no_alarm(begin_books: Begin, folder: Path, seed: int) -> Counter[str]:
    here = keep_books(begin_books, f"sqlite:///{folder / f'{seed}.db'}", seed)
    report = verify_export(export_lines(here.store))
    assert report.ok, (seed, report.first_failure)
    totals = here.store.read(add_up)
    assert totals.ok, (seed, totals.findings)
    return Counter(report.checks)


@pytest.mark.slow
def test_twenty_five_untouched_ledgers_are_proven(begin_books: Begin, tmp_path: Path) -> None:
    checks = Counter[str]()
    for seed in range(25):
        checks += require_no_alarm(begin_books, tmp_path, seed)
    for rule in ("meter", "transfer well formed", "pending ends once", "erased", "book"):
        assert checks[rule] > 0, rule


@pytest.mark.soak
@pytest.mark.parametrize("block", range(20))
@pytest.mark.check(4)
def test_a_thousand_untouched_ledgers_are_proven(
    begin_books: Begin, tmp_path: Path, block: int
) -> None:
    for seed in range(1_000 + 50 * block, 1_050 + 50 * block):
        require_no_alarm(begin_books, tmp_path, seed)
        (tmp_path / f"{seed}.db").unlink()
