"""The daemon: says what time it is in the district and runs each quarter hour that is due.

The alarm clock (APScheduler) only wakes it; which slots are due comes from the store.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from apscheduler.schedulers.background import BackgroundScheduler

from energy.cycle import next_slot, run_quarter_hour
from energy.steps.context import Microgrid
from energy.units import SLOT_S

log = logging.getLogger(__name__)

RETRY_S = 5.0
CLOCK_TICK_S = 1.0


class DistrictClock(Protocol):
    """What time it is in the district, in seconds since 1970 UTC."""

    mode: str
    slot_seconds_real: float

    def now_s(self) -> float:
        """District time; never steps back."""

    def begin(self, slot: int) -> None:
        """The cycle of `slot` starts."""

    def finish(self, slot: int) -> None:
        """The cycle of `slot` has published."""


class RealClock:
    """Wall time, guarded against steps back."""

    mode = "real"
    slot_seconds_real = float(SLOT_S)

    def __init__(self) -> None:
        self._latest_s = time.time()

    def now_s(self) -> float:
        """Seconds since 1970 UTC; stands still while the wall clock is set back."""
        self._latest_s = max(self._latest_s, time.time())
        return self._latest_s

    def begin(self, slot: int) -> None:
        """Wall time runs whatever the cycle does."""

    def finish(self, slot: int) -> None:
        """Wall time runs whatever the cycle does."""


class DemoClock:
    """A quarter hour every `slot_seconds_real`, waiting where a cycle takes longer.

    Between the gate of a slot and its start the clock holds until the plan is published, so that
    nothing is ever decided after the fact.
    """

    mode = "demo"

    def __init__(self, first_slot: int, gate_lead_s: int, slot_seconds_real: float) -> None:
        self.slot_seconds_real = slot_seconds_real
        self._gate_lead_s = gate_lead_s
        self._lock = threading.Lock()
        self._begun_at = time.monotonic()
        self._anchor(time.monotonic(), float(first_slot - gate_lead_s), 0.0, first_slot - 1.0)

    def _anchor(self, at: float, district_s: float, rate: float, cap_s: float) -> None:
        self._at, self._district_s, self._rate, self._cap_s = at, district_s, rate, cap_s

    def now_s(self) -> float:
        """District time of the demonstration."""
        with self._lock:
            elapsed = (time.monotonic() - self._at) * self._rate
            return min(self._district_s + elapsed, self._cap_s)

    def begin(self, slot: int) -> None:
        """From the gate on, at most to the start of the slot."""
        with self._lock:
            self._begun_at = time.monotonic()
            gate_s = float(slot - self._gate_lead_s)
            self._anchor(self._begun_at, gate_s, SLOT_S / self.slot_seconds_real, slot - 1.0)

    def finish(self, slot: int) -> None:
        """On to the next gate, which it reaches when the demo slot's real time is over."""
        now_s = self.now_s()
        with self._lock:
            at = time.monotonic()
            target_at = max(self._begun_at + self.slot_seconds_real, at + 0.2)
            gate_s = float(slot + SLOT_S - self._gate_lead_s)
            self._anchor(at, now_s, (gate_s - now_s) / (target_at - at), gate_s)


class Daemon:
    """Makes the loop ready, then runs due slots, one after the other, in a thread of its own."""

    def __init__(self, build: Callable[[], Microgrid], clock: DistrictClock) -> None:
        self._build = build
        self._microgrid: Microgrid | None = None
        self._clock = clock
        self._stopping = threading.Event()
        self._busy = threading.Lock()
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Wake at once and whenever a gate has come."""
        self._scheduler.start()
        self._wake_in(0.0)

    def is_ready(self) -> bool:
        """Whether the loop is made and at work."""
        return self._microgrid is not None

    def stop(self) -> None:
        """Finish the running slot, start no other; returns when the cycle is at rest."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)
        with self._busy:
            if self._microgrid is not None:
                self._microgrid.close()
                self._microgrid = None

    def _wake_in(self, seconds: float) -> None:
        if not self._stopping.is_set():
            at = datetime.now(UTC) + timedelta(seconds=seconds)
            self._scheduler.add_job(self._wake, "date", run_date=at)

    def _wake(self) -> None:
        wait_s = RETRY_S
        try:
            wait_s = self.work_due_slots()
        except Exception:
            log.exception("the cycle failed; it is tried again in %.0f s", RETRY_S)
        finally:
            self._wake_in(wait_s)

    def work_due_slots(self) -> float:
        """Run every slot whose gate has come, oldest first; seconds until the next look."""
        with self._busy:
            if self._microgrid is None and not self._stopping.is_set():
                self._microgrid = self._build()
            while self._microgrid is not None and not self._stopping.is_set():
                slot = next_slot(self._microgrid)
                gate_s = slot - self._microgrid.settings.gate_lead_s
                if self._clock.now_s() < gate_s:
                    return self._seconds_to(gate_s)
                self._clock.begin(slot)
                run_quarter_hour(self._microgrid, slot, self._clock.now_s)
                self._clock.finish(slot)
        return RETRY_S

    def _seconds_to(self, gate_s: float) -> float:
        district_s = gate_s - self._clock.now_s()
        return min(max(district_s * self._clock.slot_seconds_real / SLOT_S, 0.02), CLOCK_TICK_S)
