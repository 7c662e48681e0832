"""Cycles that take too long and clocks that step: each slot gets its one row, and people hear it.

The daemon is the real one over a real store; only its clock is in the test's hands, and what stands
for the time of a cycle is said by chance.
"""

import resource
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import energy.cycle
import energy.daemon.loop
from energy.backtest.read_series import read_series
from energy.config import build_settings
from energy.daemon import Daemon, RealClock
from energy.plant import PlantError
from energy.steps.context import Installation, Microgrid, open_installation
from energy.store.alarms import open_alarms
from energy.store.slots import slots_between
from energy.timegrid import local_day_start, parse_instant, utc_of
from energy.units import SLOT_S

DISTRICT = "sejong-5-1@0.005"
START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
WATCH_S = int(energy.daemon.loop.WATCH_S)
DEADLINE_TO_ALARM_S = 60
HOUR_S = 3600


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
        before = self.daemon._raised or frozenset()
        self.daemon.watch()
        after = self.daemon._raised or frozenset()
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
        counted = SimpleNamespace(monotonic=lambda: found.count_s)
        monkeypatch.setattr(energy.daemon.loop, "time", counted)
        try:
            yield found
        finally:
            found.daemon._scheduler = SimpleNamespace(running=False)
            found.daemon.stop()


def delay(hands: Hands, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[], float]) -> None:
    """Every cycle takes this much longer."""
    forecast = energy.cycle.forecast_slot

    def slow(*arguments: Any) -> Any:
        hands.pass_by(seconds())
        return forecast(*arguments)

    monkeypatch.setattr(energy.cycle, "forecast_slot", slow)


def require_final(rows: list[Any], slots: int) -> None:
    """One final row for each of the slots, in order."""
    starts = [row.start for row in rows]
    assert starts == list(range(START, START + len(starts) * SLOT_S, SLOT_S)), "a slot is lost"
    assert len(rows) >= slots
    assert all(row.state != "running" and row.tier and row.reason is not None for row in rows)


@pytest.mark.check(9)
def test_cycles_delayed_by_up_to_half_an_hour_lose_no_slot_and_raise_the_alarm_in_time(
    hands: Hands, monkeypatch: pytest.MonkeyPatch, check: Any
) -> None:
    slots, rng = check.trials(1_000, 12), check.rng
    delay(hands, monkeypatch, lambda: rng.uniform(0, 1_800))
    hands.work_until(START + (slots - 1) * SLOT_S)
    rows = hands.rows()
    require_final(rows, slots)
    told = Counter(str(row.outcome) for row in rows)
    worst_s = max(hands.raised_after_s)
    check.state(
        f"{len(rows)} slots, 0 without a final row ({dict(told)}); alarm {worst_s:.0f} s after a "
        f"deadline at the latest, {len(hands.raised_after_s)} times"
    )
    assert told["ok"] and worst_s <= DEADLINE_TO_ALARM_S
    assert told["missed"] or slots < 100


@pytest.mark.check(9, canary=True)
def test_a_job_that_knows_the_slot_of_the_clock_alone_loses_slots(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an alarm clock's own jobs would have it: what was missed is not run again."""

    def of_the_clock(microgrid: Microgrid) -> int:
        now = int(hands.wall_s + microgrid.settings.gate_lead_s) // SLOT_S * SLOT_S
        return max(microgrid.installation.next_slot(), now)

    monkeypatch.setattr(energy.daemon.loop, "next_slot", of_the_clock)
    delay(hands, monkeypatch, lambda: 1_700.0)
    # The simulated plant refuses to leave out a slot; a real one would have lost it.
    with pytest.raises((AssertionError, PlantError)):
        hands.work_until(START + 7 * SLOT_S)
        require_final(hands.rows(), 8)


STEPS_S = {
    "-2 h": -2 * HOUR_S,
    "-1 min": -60,
    "+1 min": 60,
    "+2 h": 2 * HOUR_S,
    "+10 years": 10 * 8_766 * HOUR_S,
}


@pytest.mark.check(10)
def test_a_clock_that_steps_or_sleeps_makes_no_slot_double_or_lost(
    hands: Hands, check: Any
) -> None:
    rng = check.rng
    hands.work_until(START)
    memory_kib = resident_kib()
    for name, step_s in STEPS_S.items():
        step_clock(hands, name, step_s, rng.randrange(0, SLOT_S))
    grown_mib = (resident_kib() - memory_kib) / 1024
    missed = sum(row.outcome == "missed" for row in hands.rows())
    hands.wall_s += HOUR_S
    hands.count_s += HOUR_S  # the machine has slept
    hands.work_until(hands.rows()[-1].start + 5 * SLOT_S)
    rows = hands.rows()
    require_final(rows, 20)
    slept = sum(row.outcome == "missed" for row in rows) - missed
    assert "daemon/clock" not in hands.alarms() and 2 <= slept <= 4 and grown_mib < 50
    check.state(
        f"{len(STEPS_S)} steps and 1 h of sleep: {len(rows)} slots, each once; held and alarmed "
        f"beyond 1 h; +{grown_mib:.0f} MiB",
        trials=len(STEPS_S) + 1,
    )


def resident_kib() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def step_clock(hands: Hands, name: str, step_s: int, after_s: int) -> None:
    """Step the wall clock within a slot; beyond an hour nothing runs until it is right."""
    believed, newest = abs(step_s) <= HOUR_S, hands.rows()[-1].start
    hands.pass_by(after_s)
    hands.wall_s += step_s
    seen = len(hands.rows())
    for _ in range(2 * SLOT_S // WATCH_S):
        hands.daemon.work_due_slots()
        hands.pass_by(WATCH_S)
    assert ("daemon/clock" in hands.alarms()) == (not believed), name
    assert (len(hands.rows()) > seen) == believed, name
    if not believed:
        hands.wall_s -= step_s  # somebody has set it right
    hands.work_until(newest + 4 * SLOT_S)
    hands.look()
    require_final(hands.rows(), 1)
    assert "daemon/clock" not in hands.alarms(), name


ZONES = ("Asia/Seoul", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
SHORT_AND_LONG = {
    "Asia/Seoul": {96},
    "Europe/Berlin": {92, 96, 100},
    "America/New_York": {92, 96, 100},
    "Australia/Lord_Howe": {94, 96, 98},  # half an hour
}


def local_year(zone: str) -> list[str]:
    """Every quarter hour of a local year as a meter writes it: local time with its offset."""
    first = parse_instant("2026-01-01", zone)
    count = (parse_instant("2027-01-01", zone) - first) // SLOT_S
    return [
        utc_of(first + number * SLOT_S).astimezone(ZoneInfo(zone)).isoformat()
        for number in range(count)
    ]


def slots_of_days(slots: list[int], zone: str) -> list[int]:
    """How many different slots each local day has, by the calendar that tariffs use."""
    return list(Counter(local_day_start(slot, zone) for slot in set(slots)).values())


@pytest.mark.check(10)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("written", ["with its offset", "as on the wall"])
def test_a_year_of_local_readings_is_35040_different_slots(
    zone: str, written: str, tmp_path: Path, check: Any
) -> None:
    end = 19 if written == "as on the wall" else None
    rows = [f"{label[:end]},{number % 7}" for number, label in enumerate(local_year(zone))]
    (tmp_path / "year.csv").write_text("\n".join(["start,kw", *rows]) + "\n")
    slots = read_series(tmp_path / "year.csv", "load", zone, column="kw").slot.tolist()
    assert len(slots) == len(set(slots)) == 35_040
    days = slots_of_days(slots, zone)
    assert len(days) == 365 and set(days) == SHORT_AND_LONG[zone]
    lengths = "/".join(str(each) for each in sorted(set(days)))
    check.state(f"{zone} {written}: 35,040 slots, days of {lengths}", trials=1)


@pytest.mark.check(10, canary=True)
def test_slots_that_are_numbered_by_local_time_are_double() -> None:
    labels = [label[:19] for label in local_year("Europe/Berlin")]
    slots = [parse_instant(label) for label in labels]
    assert len(labels) == 35_040 and len(set(slots)) == 35_036
