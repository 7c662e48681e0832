"""A real daemon over a real store, whose wall clock and machine's count are in the test's hands;
and what the benchmark of the doors under load is made of.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import energy.daemon.loop
from energy.config import build_settings
from energy.daemon import Daemon, RealClock
from energy.steps.context import Installation, open_installation
from energy.store.alarms import open_alarms
from energy.store.slots import slots_between
from energy.timegrid import parse_instant

DISTRICT = "sejong-5-1@0.005"
START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
ROOT = Path(__file__).parents[3]
WATCH_S = int(energy.daemon.loop.WATCH_S)
DEADLINE_TO_ALARM_S = 60


@pytest.fixture(scope="session")
def load() -> Iterator[ModuleType]:
    """The benchmark that sends orders to a service at work: its parts, to be put together anew."""
    path = ROOT / "benchmarks" / "doors_in_cycle.py"
    spec = importlib.util.spec_from_file_location("doors_in_cycle", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.modules["doors_in_cycle"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


@dataclass
class Hands:
    """A daemon, and the wall clock and the machine's count that it reads."""

    wall_s: float
    installation: Installation
    count_s: float = 0.0
    raised_after_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.daemon = Daemon(
            self.installation, RealClock(lambda: self.wall_s, lambda: self.count_s)
        )

    def pass_by(self, seconds: float) -> None:
        """Time goes on, and the watchdog looks whenever it is its turn."""
        end_s = self.count_s + seconds
        while self.count_s < end_s:
            step_s = min(WATCH_S - self.count_s % WATCH_S, end_s - self.count_s)
            self.count_s += step_s
            self.wall_s += step_s
            if self.count_s % WATCH_S == 0:
                self.look()

    def look(self) -> None:
        """The watchdog's look; from a minute after a missed deadline on the alarm must be there."""
        before = self.daemon._raised
        self.daemon.watch()
        after = self.daemon._raised
        late_s = self.daemon._clock.now_s() - self.installation.next_slot()
        if "daemon/late" in after - before:
            self.raised_after_s.append(late_s)
            assert "daemon/late" in self.alarms()
        assert late_s <= DEADLINE_TO_ALARM_S or "daemon/late" in after, f"late by {late_s:.0f} s"

    def alarms(self) -> list[str]:
        return [one.alarm.cause for one in self.installation.store.read(open_alarms)]

    def work_until(self, slot: int) -> None:
        """Work as the alarm clock has it done, until this slot is final."""
        while self.installation.next_slot() <= slot:
            self.daemon.work_due_slots()
            self.pass_by(WATCH_S)

    def rows(self) -> list[Any]:
        return self.installation.store.read(lambda c: slots_between(c, 0, 2**40))


@pytest.fixture
def hands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    with at_work(tmp_path, monkeypatch) as found:
        yield found


@contextmanager
def at_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    settings = build_settings(
        district=DISTRICT, database_url=f"sqlite:///{folder}/loop.db", bots=False, horizon_slots=4
    )
    with open_installation(settings, lambda _: START) as installation:
        found = Hands(START - settings.gate_lead_s, installation)
        counted = SimpleNamespace(monotonic=lambda: found.count_s, time=lambda: found.wall_s)
        monkeypatch.setattr(energy.daemon.loop, "time", counted)
        try:
            yield found
        finally:
            found.daemon.stop()
