"""The power fails at every sync of a quarter hour: what was promised is there, and the day goes on.

A process runs three quarter hours while every write and sync of its files is noted. The disk is
then played back up to each sync and each promise, and what was not synced is dropped, wholly or by
chance. On what is left the work goes on: every accepted order and sealed tick that the world was
told of must be there, byte for byte, no slot missing or double, and the books must prove
themselves.
"""

import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from energy.steps.proving import export_lines
from energy.store.checkpoints import find_checkpoint
from energy.store.engine import open_reader
from energy.store.errors import StoreError
from energy.store.slots import slots_between
from energy.store.sqlite import sqlite3
from energy.units import SLOT_S
from market.verifier import verify_export

HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    """A file beside this one, as a module."""
    spec = importlib.util.spec_from_file_location(f"power_{name}", HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


at_work, disk = load("district_at_work"), load("disk")


@dataclass(frozen=True)
class Played:
    """What a process did, and the deeds after which the power may fail."""

    folder: Path
    told: Path
    deeds: list[Any]
    points: list[int]


def require_whole(url: str) -> None:
    """Every slot has its row once, every tick its checkpoint, and the books prove themselves."""
    slots = [at_work.START + number * SLOT_S for number in range(at_work.SLOTS)]
    with open_reader(url) as store:
        rows = store.read(lambda connection: slots_between(connection, slots[0], slots[-1] + 1))
        ticks = store.read(
            lambda connection: [find_checkpoint(connection, slot) is not None for slot in slots]
        )
        found = verify_export(export_lines(store))
    assert [row.start for row in rows] == slots and all(row.tier for row in rows)
    assert all(ticks) and found.ok, found


def play(folder: Path, noting: Path, *, safe: bool) -> Played:
    """Let the district work with every write noted; unsafe: without any sync."""
    log, stage, told = (folder / name for name in ("log", "stage", "stage/promises"))
    stage.mkdir(parents=True)
    url = f"sqlite:///{stage}/books.db"
    script = HERE / "district_at_work.py"
    code = [str(script), url, str(told)]
    if not safe:
        # The same program on a store that does not wait for the disk.
        careless = (
            "import runpy, sys\n"
            "from sqlalchemy import event\n"
            "from sqlalchemy.pool import Pool\n"
            "@event.listens_for(Pool, 'checkout')\n"
            "def hurry(dbapi, *_):\n"
            "    dbapi.execute('PRAGMA synchronous = OFF').close()\n"
            f"sys.argv = {code!r}\n"
            f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
        )
        code = ["-c", careless]
    surroundings = os.environ | {
        "LD_PRELOAD": str(noting),
        "POWER_CUT_FOLDER": str(stage),
        "POWER_CUT_LOG": str(log),
    }
    subprocess.run([sys.executable, *code], env=surroundings, check=True, cwd=folder)
    deeds = list(disk.read_deeds(log))
    points = [
        number
        for number, deed in enumerate(deeds, start=1)
        if deed.what in "SD" or (deed.what == "W" and deed.path == str(told))
    ]
    require_whole(url)
    return Played(stage, told, deeds, points)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, layer: Callable[[str], Path]) -> Played:
    return play(tmp_path_factory.mktemp("power"), layer("disk_log"), safe=True)


def survive(played: Played, point: int, target: Path, chance: random.Random | None) -> None:
    """The power fails just before this deed has come true; go on with what the disk holds."""
    now = disk.Disk(played.folder, played.told)
    for deed in played.deeds[: point - 1]:
        now.do(deed)
    if played.deeds[point - 1].path == str(played.told):
        now.do(played.deeds[point - 1])  # a promise counts from the moment that it is given
    url = f"sqlite:///{now.cut(target, chance)}/books.db"
    told = os.open(target / "promises", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        at_work.work(url, now.promises(), told)
    finally:
        os.close(told)
    require_whole(url)


def test_the_log_of_the_disk_is_what_the_process_left(played: Played, tmp_path: Path) -> None:
    """Played to its end and synced, the disk has the file that the process left, bit for bit."""
    now = disk.Disk(played.folder, played.told)
    for deed in played.deeds:
        now.do(deed)
    last = disk.Deed("S", str(played.folder / "books.db"), 0, b"")
    now.do(last)
    left = now.cut(tmp_path / "left") / "books.db"
    assert left.read_bytes() == (played.folder / "books.db").read_bytes()
    assert len(now.promises()) == 2 * at_work.SLOTS
    assert len(played.points) > 10 * at_work.SLOTS


def middle(played: Played) -> list[int]:
    """The points of the second quarter hour."""
    promises = [at for at in played.points if played.deeds[at - 1].path == str(played.told)]
    return [at for at in played.points if promises[1] < at <= promises[3]]


@pytest.mark.parametrize("part", range(4))
@pytest.mark.check(2)
def test_power_fails_somewhere_in_a_quarter_hour(played: Played, tmp_path: Path, part: int) -> None:
    points = middle(played)
    point = points[part * (len(points) - 1) // 3]
    survive(played, point, tmp_path / "cut", random.Random(part) if part % 2 else None)


@pytest.mark.soak
@pytest.mark.check(2)
def test_power_fails_at_every_sync_of_a_quarter_hour(played: Played, tmp_path: Path) -> None:
    for point in middle(played):
        survive(played, point, tmp_path / f"lost {point}", None)
        for seed in range(2):
            target = tmp_path / f"torn {point} {seed}"
            survive(played, point, target, random.Random(1000 * point + seed))


@pytest.mark.check(2, canary=True)
def test_without_syncs_promises_are_broken(tmp_path: Path, layer: Callable[[str], Path]) -> None:
    """The guard of the tests above: on a store that does not wait, the same check must fail."""
    careless = play(tmp_path / "careless", layer("disk_log"), safe=False)
    promised = [(deed.what, deed.path) for deed in careless.deeds].index(("W", str(careless.told)))
    # Only the making of the file is synced, before the settings are undone.
    assert not [deed for deed in careless.deeds[promised:] if deed.what == "S"]
    point = middle(careless)[-1]
    with pytest.raises((AssertionError, StoreError, sqlite3.Error)):
        survive(careless, point, tmp_path / "cut", None)
