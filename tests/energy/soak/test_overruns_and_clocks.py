"""Cycles that take too long and clocks that step: each slot gets its one row, and people hear it.

The daemon is the real one over a real store; only its clock is in the test's hands, and what stands
for the time of a cycle is said by chance.
"""

import resource
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apscheduler.schedulers.base
import pytest

import energy.cycle
import energy.daemon.loop
from energy.backtest.read_series import read_series
from energy.plant import PlantError
from energy.steps.context import Microgrid
from energy.store.errors import StoreBusyError
from energy.timegrid import local_day_start, parse_instant, utc_of
from energy.units import SLOT_S

START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
WATCH_S = int(energy.daemon.loop.WATCH_S)
DEADLINE_TO_ALARM_S = 60
HOUR_S = 3600


def delay(hands: Any, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[], float]) -> None:
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
    hands: Any, monkeypatch: pytest.MonkeyPatch, check: Any
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
    hands: Any, monkeypatch: pytest.MonkeyPatch
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


def test_a_tick_that_a_crash_left_open_is_settled_at_once_and_not_at_the_next_gate(
    hands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, crashes = energy.cycle.settle_tick, iter([True])

    def crash(*arguments: Any) -> Any:
        if next(crashes, False):
            raise StoreBusyError("the store goes between publishing and settling")
        return settle(*arguments)

    monkeypatch.setattr(energy.cycle, "settle_tick", crash)
    hands.daemon._wake()
    (row,) = hands.rows()
    assert row.state == "published" and row.sealed_utc is None
    hands.daemon._wake()
    assert [one.sealed_utc for one in hands.rows()] == [START]


STEPS_S = {
    "-2 h": -2 * HOUR_S,
    "-1 min": -60,
    "+1 min": 60,
    "+2 h": 2 * HOUR_S,
    "+10 years": 10 * 8_766 * HOUR_S,
}


@pytest.mark.check(10)
def test_a_clock_that_steps_or_sleeps_makes_no_slot_double_or_lost(hands: Any, check: Any) -> None:
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


def step_clock(hands: Any, name: str, step_s: int, after_s: int) -> None:
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


SOON_S = 30.0
"""Threads that wake by themselves have done what they must long before."""


def comes(condition: Callable[[], bool]) -> bool:
    """Whether something comes about while the daemon's own threads are at work."""
    end_s = time.monotonic() + SOON_S
    while not (found := condition()) and time.monotonic() < end_s:
        time.sleep(0.05)
    return found


class SteppedClock(datetime):
    """What the alarm clock takes for the time."""

    step_s = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "SteppedClock":
        return super().now(tz) + timedelta(seconds=cls.step_s)


@pytest.fixture
def running(hands: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The daemon in its own threads, which has published its first slot."""
    monkeypatch.setattr(SteppedClock, "step_s", 0)
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", SteppedClock)
    monkeypatch.setattr(energy.daemon.loop, "WATCH_S", 0.2)
    hands.daemon.start()
    assert comes(lambda: len(hands.rows()) == 1), hands.daemon.trouble()
    return hands


def set_back(hands: Any, step_s: int) -> None:
    """Set the machine's wall clock: it is the alarm clock's and the district's."""
    SteppedClock.step_s -= step_s
    hands.wall_s -= step_s


@pytest.mark.check(10)
@pytest.mark.parametrize("step_s", [HOUR_S // 2, 2 * HOUR_S])
def test_the_running_threads_tell_of_a_clock_that_was_set_back_and_go_on_once_it_is_right(
    running: Any, step_s: int
) -> None:
    set_back(running, step_s)
    assert comes(lambda: "daemon/clock" in running.alarms())
    assert "the wall clock" in str(running.daemon.trouble())
    set_back(running, -step_s)
    for clock in ("wall_s", "count_s"):
        setattr(running, clock, getattr(running, clock) + SLOT_S)
    assert comes(lambda: len(running.rows()) == 2), running.daemon.trouble()
    assert comes(lambda: "daemon/clock" not in running.alarms())


def test_a_thread_that_has_ended_is_said_so(hands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands.daemon, "_run", lambda: None)
    hands.daemon._threads[0]._target = hands.daemon._run
    hands.daemon.start()
    assert comes(lambda: "thread of the loop has ended" in str(hands.daemon.trouble()))


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
