"""Two hours of a small district, whole: every slot has its row, the books hold, bytes repeat."""

from pathlib import Path
from typing import Any

import pytest

from energy.config import Settings
from energy.outcome import Outcome, Run
from energy.simulate import simulate
from energy.timegrid import parse_instant

SLOTS = 8
START = parse_instant("2026-07-15T10:00", "Asia/Seoul")


def run(folder: Path, seed: int) -> Outcome:
    settings = Settings(
        district="sejong-5-1@0.01", seed=seed, database_url=f"sqlite:///{folder}/run.db"
    )
    return simulate(Run(settings, START, SLOTS), lambda _done, _word: None)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(tmp_path_factory.mktemp("first"), seed=3)


@pytest.fixture(scope="module")
def summary(outcome: Outcome) -> dict[str, Any]:
    return outcome.summary


def test_every_slot_has_a_row_a_tier_and_is_settled(summary: dict[str, Any]) -> None:
    assert summary["slots_with_row"] == summary["slots_settled"] == SLOTS
    assert sum(summary["tiers"].values()) == SLOTS


def test_the_planner_proves_its_plans(summary: dict[str, Any]) -> None:
    assert summary["tiers"] == {"T0": SLOTS}
    assert summary["gap_frac_worst"] <= 1e-3


def test_the_books_are_proven_by_the_offline_verifier(summary: dict[str, Any]) -> None:
    assert summary["ledger_verified"], summary["ledger_finding"]
    assert summary["debits_equal_credits"]
    assert summary["sold_at_most_metered"]


def test_sources_and_uses_add_up(summary: dict[str, Any]) -> None:
    sources, uses = summary["sources_kwh"], summary["uses_kwh"]
    # A faulty area meter is replaced by its last value, so the sums agree to a part in a hundred.
    assert sum(sources.values()) == pytest.approx(sum(uses.values()), rel=0.01)


def test_neighbours_trade_at_noon(summary: dict[str, Any]) -> None:
    assert summary["orders"] > 0
    assert summary["traded_kwh"] > 0
    assert summary["welfare_krw"] >= 0


def test_same_seed_same_start_same_root(outcome: Outcome, tmp_path: Path) -> None:
    again = run(tmp_path, seed=3)
    assert again.summary["ledger_root"] == outcome.summary["ledger_root"]
    assert again.summary["cost_krw"] == outcome.summary["cost_krw"]


def test_another_seed_is_another_day(outcome: Outcome, tmp_path: Path) -> None:
    assert run(tmp_path, seed=4).summary["ledger_root"] != outcome.summary["ledger_root"]


def test_the_series_have_one_value_a_slot(outcome: Outcome) -> None:
    assert {len(column) for column in outcome.series.values()} == {SLOTS}
