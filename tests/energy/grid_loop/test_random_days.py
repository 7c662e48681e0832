"""A few of the benchmark's random days: what is published broken is labelled, whoever looks."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def days() -> ModuleType:
    path = ROOT / "benchmarks" / "grid_limits.py"
    spec = importlib.util.spec_from_file_location("grid_limits", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["grid_limits"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.check(13)
def test_random_days_near_the_limits_publish_nothing_unlabelled(
    days: ModuleType, check: Any
) -> None:
    count = check.trials(200, 2)
    with days.seasons_of(days.DISTRICT) as seasons:
        found = [days.run_day(seasons, number) for number in range(count)]
    unlabelled = sum(day.unlabelled for day in found)
    misnamed = sum(day.own_broken > 0 and day.tier == "T0" for day in found)
    check.state(
        f"{count} days, {unlabelled} broken limits without a label, "
        f"{misnamed} plans called optimal that break one in their own slot"
    )
    assert (unlabelled, misnamed) == (0, 0)
    broke = [day for day in found if day.free_broken]
    assert broke and all(day.rounds >= 1 for day in broke)
    assert all(day.labelled < day.free_broken for day in broke)
    assert f"days                                       {count}" in days.report(found)


def test_a_day_is_always_drawn_the_same_and_no_two_alike(days: ModuleType) -> None:
    assert days.drawn_day(7) == days.drawn_day(7) != days.drawn_day(8)


@pytest.mark.slow
@pytest.mark.check(13, canary=True)
def test_without_the_check_of_flows_broken_limits_are_published_unlabelled(
    days: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.steps.grid.check_flow", lambda network, flow: ())
    with days.seasons_of(days.DISTRICT) as seasons:
        found = days.run_day(seasons, 0)
    assert found.free_broken == 0 and found.unlabelled > 0
