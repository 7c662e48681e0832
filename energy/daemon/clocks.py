"""What time it is in the district: wall time, guarded, or the demonstration's."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.leader import Anchor, read_anchor, write_anchor
from energy.timegrid import iso_of, machine_s
from energy.units import SLOT_S

STEP_S_MAX = 3600.0
"""Wall time and the machine's own count may differ by this much before nobody is believed."""
BEHIND_S_MAX = 3600.0
"""A slot is decided a quarter of an hour ahead at the most; the rest is for clocks that differ."""
STILL_S_MAX = 30.0
"""The time may stand still for so long, as it does after a small correction, before people hear."""
FOLLOW_S = 0.2


class DistrictClock(Protocol):
    """What time it is in the district, in seconds since 1970 UTC."""

    mode: str
    slot_seconds_real: float

    def now_s(self) -> float:
        """District time; never steps back."""

    def trouble(self) -> str | None:
        """Why the time cannot be believed, None where it can."""

    def standing_still(self) -> str | None:
        """That the time waits for a clock that was set back, None where it goes on."""

    def lead(self, store: Store, term: int, next_slot: int) -> None:
        """From here on the loop is run here, beginning with `next_slot`."""

    def follow(self) -> None:
        """Another process runs the loop."""

    def begin(self, slot: int) -> None:
        """The cycle of `slot` starts."""

    def finish(self, slot: int) -> None:
        """The cycle of `slot` has published."""


def far_ahead(now_s: float, known_s: float, hours_max: float) -> str | None:
    """That a clock is further ahead of a known time than anybody may be away, None where not.

    `known_s` is the first slot without a row, or when somebody last compared the clock.
    """
    # The slot that runs now is not one that was missed.
    if now_s < known_s + 3600 * hours_max + SLOT_S:
        return None
    ahead_h = (now_s - known_s) / 3600
    return (
        f"the wall clock says {iso_of(int(now_s))}, {ahead_h:,.1f} h after what is known to have "
        f"been ({iso_of(int(known_s))}); allowed is {hours_max:g} h until somebody confirms it"
    )


def far_behind(now_s: float, newest: int | None) -> str | None:
    """That a clock is behind what the store holds already, None where not.

    `newest` is the newest slot with a final row, which cannot come before its own gate.
    """
    if newest is None or newest - now_s <= BEHIND_S_MAX:
        return None
    return (
        f"the wall clock says {iso_of(int(now_s))}, and the store has slots until "
        f"{iso_of(newest)}, {(newest - now_s) / 3600:,.1f} h later; allowed is "
        f"{BEHIND_S_MAX / 3600:g} h"
    )


class RealClock:
    """Wall time; where it steps by more than an hour, the machine's own count goes on instead.

    A smaller step back makes it stand still until it is made up for, which `standing_still` tells.
    `wall_s` and `count_s` are the two sources, seconds.
    """

    mode = "real"
    slot_seconds_real = float(SLOT_S)

    def __init__(
        self, wall_s: Callable[[], float] = time.time, count_s: Callable[[], float] = machine_s
    ) -> None:
        self._wall_s, self._count_s = wall_s, count_s
        self._between_s = wall_s() - count_s()
        self._latest_s = wall_s()

    def now_s(self) -> float:
        """Seconds since 1970 UTC."""
        wall_s, counted_s = self._wall_s(), self._between_s + self._count_s()
        if abs(wall_s - counted_s) <= STEP_S_MAX:
            # Small corrections of the wall clock are the truth; they must not add up to a step.
            self._between_s += wall_s - counted_s
            counted_s = wall_s
        self._latest_s = max(self._latest_s, counted_s)
        return self._latest_s

    def trouble(self) -> str | None:
        """A step of the wall clock that nobody has confirmed."""
        step_s = self._wall_s() - self._between_s - self._count_s()
        if abs(step_s) <= STEP_S_MAX:
            return None
        return f"the wall clock has stepped by {step_s / 3600:+,.1f} h, allowed is 1 h"

    def standing_still(self) -> str | None:
        """A smaller step back that is not made up for yet: meanwhile no slot becomes due."""
        behind_s = self._latest_s - self._wall_s()
        if behind_s <= STILL_S_MAX or self.trouble() is not None:
            return None
        return (
            f"the wall clock was set back and is {behind_s:.0f} s behind what it had said, allowed "
            f"{STILL_S_MAX:.0f} s; no slot becomes due until it has caught up"
        )

    def lead(self, store: Store, term: int, next_slot: int) -> None:
        """Wall time is the same whoever leads."""

    def follow(self) -> None:
        """Wall time is the same whoever leads."""

    def begin(self, slot: int) -> None:
        """Wall time runs whatever the cycle does."""

    def finish(self, slot: int) -> None:
        """Wall time runs whatever the cycle does."""


HOLD_S = 61.0
"""So long before a slot the demo clock waits for its plan: a market is never late by it."""


class DemoClock:
    """A quarter hour every `slot_seconds_real`, waiting where a cycle takes longer.

    Between the gate of a slot and its start the clock holds until the plan is published, so that
    nothing is ever decided after the fact. The process that leads makes the time and tells it
    through the store, the others read it there.
    """

    mode = "demo"

    def __init__(
        self, store: Store, next_slot: int, gate_lead_s: int, slot_seconds_real: float
    ) -> None:
        self.slot_seconds_real = slot_seconds_real
        self._gate_lead_s = gate_lead_s
        self._lock = threading.Lock()
        # Real time of this process that no step of the wall clock moves.
        self._between_s = time.time() - time.monotonic()
        self._begun_s = self._real_s()
        self._reader, self._read_s = store, -FOLLOW_S
        self._leads: tuple[Store, int] | None = None
        self._latest_s = float(next_slot - gate_lead_s)
        self._anchor = Anchor(self._begun_s, self._latest_s, 0.0, self._latest_s)

    def _real_s(self) -> float:
        return self._between_s + time.monotonic()

    def now_s(self) -> float:
        """District time of the demonstration."""
        self._hear()
        with self._lock:
            return self._time_s(self._real_s())

    def _time_s(self, real_s: float) -> float:
        self._latest_s = max(self._latest_s, self._anchor.district_time_s(real_s))
        return self._latest_s

    def _hear(self) -> None:
        """Read what the leader says, where that is another process."""
        real_s = self._real_s()
        if self._leads is not None or real_s - self._read_s < FOLLOW_S:
            return
        self._read_s = real_s
        try:
            told = self._reader.read(read_anchor)
        except StoreError:
            return  # the time goes on as last told
        with self._lock:
            if told is not None and self._leads is None:
                self._anchor = told

    def trouble(self) -> str | None:
        """Its time is always believed."""
        return None

    def standing_still(self) -> str | None:
        """It stands only where it is to wait."""
        return None

    def lead(self, store: Store, term: int, next_slot: int) -> None:
        """Make the time from here on; it waits at the gate of `next_slot`."""
        self._hear()
        with self._lock:
            real_s = self._real_s()
            now_s = max(self._time_s(real_s), float(next_slot - self._gate_lead_s))
            self._leads = (store, term)
            self._anchor = Anchor(real_s, now_s, 0.0, now_s)
        self._tell()

    def follow(self) -> None:
        """Read the time from the store."""
        with self._lock:
            self._leads, self._read_s = None, -FOLLOW_S

    def begin(self, slot: int) -> None:
        """From the gate on, while there is time to clear the market of the slot."""
        with self._lock:
            self._begun_s = self._real_s()
            gate_s = float(slot - self._gate_lead_s)
            rate = SLOT_S / self.slot_seconds_real
            hold_s = slot - min(HOLD_S, float(self._gate_lead_s))
            self._anchor = Anchor(self._begun_s, gate_s, rate, hold_s)
        self._tell()

    def finish(self, slot: int) -> None:
        """On to the next gate, which it reaches when the demo slot's real time is over."""
        with self._lock:
            real_s = self._real_s()
            now_s = self._time_s(real_s)
            target_s = max(self._begun_s + self.slot_seconds_real, real_s + FOLLOW_S)
            gate_s = float(slot + SLOT_S - self._gate_lead_s)
            self._anchor = Anchor(real_s, now_s, (gate_s - now_s) / (target_s - real_s), gate_s)
        self._tell()

    def _tell(self) -> None:
        if self._leads is None:
            return
        store, term = self._leads
        if not store.is_sqlite:  # the file has one process, and that is this one
            store.write(lambda connection: write_anchor(connection, term, self._anchor))
