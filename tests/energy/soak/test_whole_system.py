"""The whole system through seeded days in which everything goes wrong: no promise is ever broken.

Store, solver, clock, weather, meters and the process itself fail as the seed says, while residents
order, cancel and instruct. `SEED=n` replays a day byte for byte.
"""

import importlib.util
import itertools
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import energy.cycle
import energy.steps.publish
from energy.units import SLOT_S

HERE = Path(__file__).parent / "whole"
PART = 25
"""Days of a thousand that run in one piece."""


def load(name: str) -> ModuleType:
    """A file of the folder `whole`, as a module."""
    spec = importlib.util.spec_from_file_location(f"whole_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


DAY, FAULTS, RESIDENTS = load("day"), load("faults"), load("residents")


def live(seed: int, folder: Path, slots: int = 96) -> Any:
    """A day that has been lived through."""
    folder.mkdir(parents=True)
    faults = FAULTS.Faults(seed, FAULTS.draw_schedule(random.Random(seed), slots))
    with pytest.MonkeyPatch.context() as patch:
        faults.install(patch.setattr)
        day = DAY.Day(seed, folder, faults, RESIDENTS.Residents, slots)
        day.run()
    shutil.rmtree(folder)
    return day


@pytest.mark.slow
@pytest.mark.check(16)
def test_a_day_of_troubles_breaks_no_promise_and_replays_byte_for_byte(
    tmp_path: Path, check: Any
) -> None:
    slots = 12
    one, other = (live(check.seed, tmp_path / name, slots) for name in ("one", "other"))
    assert one.digest == other.digest, differing(one.digest, other.digest)
    assert one.faults.done == other.faults.done and sum(one.faults.done.values()) >= 2
    check.state(f"seed {check.seed} twice, {slots} slots: the same rows; {told([one])}", trials=1)


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The tables that are not the same."""
    return [name for name in one if one[name] != other[name]]


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 1_000, PART))
@pytest.mark.check(16)
def test_a_thousand_days_of_troubles_break_no_promise(
    tmp_path: Path, check: Any, first: int
) -> None:
    """In parts that can be run apart, by the seed that they begin with."""
    days = [live(seed, tmp_path / str(seed)) for seed in days_of(check, first)]
    check.state(told(days))


def days_of(check: Any, first: int) -> range:
    """The seeds of a part; SEED=n alone is one day."""
    return range(first, first + check.trials(PART, 1))


def told(days: list[Any]) -> str:
    """How many slots there were, and what was planted in them."""
    rows, planted = (
        sum(sum(day.tiers.values()) for day in days),
        sum(sum(day.faults.done.values()) for day in days),
    )
    reopened = sum(day.reopened for day in days)
    return f"{len(days)} days, {rows} slots, {planted} troubles, {reopened} deaths: 0 broken"


def plant_next_book(patch: pytest.MonkeyPatch, at: int) -> None:
    """In one slot the book of the slot after it is sealed."""
    lock, calls = energy.cycle.lock_book, itertools.count()

    def lock_next(connection: Any, slot: int, gate_s: int) -> Any:
        return lock(connection, slot + SLOT_S * (next(calls) == at), gate_s)

    patch.setattr(energy.cycle, "lock_book", lock_next)


def plant_next_setpoints(patch: pytest.MonkeyPatch, at: int) -> None:
    """In one slot devices are told what is meant for the slot after it."""
    build, calls = energy.steps.publish.build_setpoints, itertools.count()

    def build_next(*arguments: Any) -> Any:
        found = build(*arguments)
        return replace(found, slot=found.slot + SLOT_S * (next(calls) == at))

    patch.setattr(energy.steps.publish, "build_setpoints", build_next)


@pytest.mark.check(16, canary=True)
@pytest.mark.parametrize("plant", [plant_next_book, plant_next_setpoints])
def test_one_slot_that_is_taken_for_the_next_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[..., None]
) -> None:
    plant(monkeypatch, 2)
    with pytest.raises(AssertionError, match=r"after its slot|SlotRow"):
        live(1, tmp_path / "day", slots=6)
