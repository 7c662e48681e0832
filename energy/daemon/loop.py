"""The loop's driver: one process leads and runs each slot that is due, the others stand by.

The alarm clock (APScheduler) only nudges it at the gates; which slots are due comes from the store.
It goes by the wall clock, which may be set back while it sleeps, so both threads wake by themselves
as well, by the machine's own count. Whatever fails, the machinery is made anew from the store and
the same slot is tried again.
"""

import logging
import threading
import time
from dataclasses import replace
from datetime import UTC

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection

from energy.cycle import finish_ticks, next_slot, run_quarter_hour
from energy.daemon.clocks import DistrictClock, far_ahead, far_behind
from energy.daemon.leadership import Leadership
from energy.daemon.own_alarms import OwnAlarms
from energy.logs import noted
from energy.steps.alarm_posts import forget_webhooks
from energy.steps.context import (
    Installation,
    Microgrid,
    open_books_of,
    process_name,
    start_microgrid,
)
from energy.steps.replanning import answer_replans
from energy.steps.upkeep import disk_trouble, thin_store
from energy.steps.witnessing import forget_witnesses
from energy.store.alarm_outbox import Moment
from energy.store.alarms import Alarm
from energy.store.clock_checks import last_checked
from energy.store.engine import Store
from energy.store.errors import FenceError, StoreBusyError, StoreError
from energy.store.leader import LEASE_S, somebody_leads
from energy.store.slots import last_published
from energy.timegrid import iso_of
from energy.units import SLOT_S

log = logging.getLogger(__name__)

RETRY_S = 5.0
CLOCK_TICK_S = 1.0
STAND_BY_S = 1.0
WATCH_S = 10.0
LATE_S = 30.0
"""A slot without a plan so long after its start is late, and so is a cycle at work until then."""
SET_THE_CLOCK = (
    "Compare the machine's time with another. Where it is wrong, set it right and start the "
    "service anew. Where it is right after a long outage: `microgrid store confirm-clock`, which "
    "also says what to do where the store is ahead of it."
)
LOOK_WHAT_HANGS = "Devices have gone to their own defaults; read in the log what hangs."
MAKE_ROOM = "Make room on the store's disk or move the store; a full disk stops the loop."
LOOK_WHAT_FAILS = "The same slot is tried again every few seconds; the log holds the trace."


class Daemon:
    """Runs due slots, one after the other, in a thread of its own, while this process leads."""

    def __init__(
        self, installation: Installation, clock: DistrictClock, lease_s: float = LEASE_S
    ) -> None:
        self._installation = installation
        self._microgrid: Microgrid | None = None
        self._clock = clock
        self._leadership = Leadership(installation.store, process_name(), lease_s)
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="loop", daemon=True),
            threading.Thread(target=self._keep_watch, name="watch", daemon=True),
        ]
        self._busy = threading.Lock()
        self._running: tuple[int, float] | None = None
        self._failure: str | None = None
        self._kept_up: int | None = None  # the slot before whose gate old rows were thinned out
        self._raised: frozenset[str] = frozenset()  # alarms that hold here, as last looked
        self._own_alarms = OwnAlarms(installation.store)
        self._has_forgotten = False  # whether alarms of what the settings no longer have were ended
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Wake at once, whenever a gate has come, and every moment in between."""
        self._scheduler.start()
        # UTC has its quarter hours where every time zone has them; a demonstration's are its own.
        before_s = -self._installation.settings.gate_lead_s % SLOT_S
        gates = {"minute": f"{before_s // 60}-59/15", "second": before_s % 60}
        self._scheduler.add_job(self._nudged.set, "cron", **gates)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the running slot, start no other; returns when the cycle is at rest."""
        self._stopping.set()
        self._nudged.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        with self._busy:
            self._stand_down()

    def trouble(self) -> str | None:
        """Why no slot is being run, None where one is, here or by the process that leads."""
        told = self._ended() or self._doubt() or self._late() or self._failure
        if told is not None or self._microgrid is not None:
            return told
        leads_elsewhere = self._leadership.term is None and self._installation.store.read(
            somebody_leads
        )
        return None if leads_elsewhere else "the loop is being made ready"

    def _run(self) -> None:
        """Work and wait in turn; `Event.wait` counts by a clock that nobody can set."""
        while not self._stopping.is_set():
            wait_s = RETRY_S
            try:
                wait_s = self._wake()
            except Exception:
                log.exception("the loop could not be begun anew; it is tried again")
            self._nudged.wait(wait_s)
            self._nudged.clear()

    def _keep_watch(self) -> None:
        """Look every `WATCH_S`, whatever the loop and the wall clock do."""
        while not self._stopping.wait(WATCH_S):
            try:
                self.watch()
            except Exception:
                # Who watches must go on watching, whatever a look has found.
                log.exception("a look of the watchdog failed")

    def _wake(self) -> float:
        """Run what is due; seconds until the next look."""
        try:
            wait_s = self.work_due_slots()
            self._failure = None
        except FenceError as error:
            log.warning("another process leads now: %s", error)
            self._start_over()
        except Exception as error:
            log.exception("the cycle failed; it is tried again in %.0f s", RETRY_S)
            self._failure = f"the cycle failed: {type(error).__name__}: {error}"
            self._start_over()
        else:
            return wait_s
        return RETRY_S

    def _start_over(self) -> None:
        """Forget what is in memory: part of a failed slot may be in it, the store is whole."""
        with self._busy:
            self._stand_down()

    def _stand_down(self) -> None:
        self._running = self._kept_up = None
        self._clock.follow()
        if self._microgrid is not None:
            self._microgrid.close()
            self._microgrid = None
        self._leadership.drop()

    def work_due_slots(self) -> float:
        """Run every slot whose gate has come, oldest first; seconds until the next look."""
        with self._busy:
            if self._stopping.is_set() or self._disbelief() is not None:
                return RETRY_S
            if self._leadership.is_over.is_set():
                self._stand_down()
            if self._microgrid is None:
                store = self._leadership.take()
                if store is None:
                    return STAND_BY_S
                self._microgrid = self._begin(store)
            return self._work(self._microgrid)

    def _begin(self, store: Store) -> Microgrid:
        """The machinery of a new leader, from what the last one has written."""
        self._forget_removed(store)
        installation = replace(self._installation, store=store)
        if not store.is_sqlite:
            installation = replace(installation, books=open_books_of(installation))
        microgrid = start_microgrid(installation)
        term = self._leadership.term
        assert term is not None
        self._clock.lead(store, term, next_slot(microgrid))
        return microgrid

    def _forget_removed(self, store: Store) -> None:
        """End what nothing else ends: alarms of webhooks and witnesses that were set before.

        Once in a process, for the settings are read at its start, and only where it leads: of
        several services one may have been started with older settings.
        """
        if self._has_forgotten:
            return
        settings = self._installation.settings
        moment = Moment(int(self._clock.now_s()), int(time.time()))

        def write(connection: Connection) -> None:
            forget_webhooks(connection, settings, moment)
            forget_witnesses(connection, settings, moment.district_s)

        store.write(write)
        self._has_forgotten = True

    def _work(self, microgrid: Microgrid) -> float:
        while not self._stopping.is_set() and self._clock.trouble() is None:
            answer_replans(microgrid, self._clock.now_s)
            slot = next_slot(microgrid)
            gate_s = slot - microgrid.settings.gate_lead_s
            if self._clock.now_s() < gate_s:
                self._keep_up(microgrid, slot)
                return self._seconds_to(gate_s)
            self._clock.begin(slot)
            self._running = (slot, time.monotonic())
            with noted(slot=iso_of(slot), term=self._leadership.term):
                run_quarter_hour(microgrid, slot, self._clock.now_s)
            self._running = None
            self._clock.finish(slot)
        return RETRY_S

    def _keep_up(self, microgrid: Microgrid, slot: int) -> None:
        """Settle what is left and thin out old rows, once a slot, while the loop waits for a gate.

        What a crash left published is settled so at once, and never before a slot that is due.
        """
        if self._kept_up == slot:
            return
        self._kept_up = slot
        finish_ticks(microgrid, self._clock.now_s, slot - microgrid.settings.gate_lead_s)
        try:
            thin_store(microgrid.store, microgrid.settings, slot)
        except StoreBusyError as error:
            log.warning("old rows stay until the next slot: %s", error)

    def _seconds_to(self, gate_s: float) -> float:
        district_s = gate_s - self._clock.now_s()
        return min(max(district_s * self._clock.slot_seconds_real / SLOT_S, 0.02), CLOCK_TICK_S)

    def _disbelief(self) -> str | None:
        """Why nobody can believe the clock: it stepped, or it is far from the store's newest row as
        the loop begins.
        """
        here = self._installation
        if (told := self._clock.trouble()) is not None or self._clock.mode != "real":
            return told
        if self._microgrid is not None:
            return None  # it has begun, and the machine's own count speaks for the clock since
        now_s, newest = self._clock.now_s(), here.store.read(last_published)
        known_s = max(here.next_slot(), here.store.read(last_checked) or 0)
        hours_max = here.settings.clock_ahead_h_max
        return far_behind(now_s, newest) or far_ahead(now_s, known_s, hours_max)

    def _doubt(self) -> str | None:
        """What a person must know of the clock, also where the loop may go on by it."""
        return self._disbelief() or self._clock.standing_still()

    def _ended(self) -> str | None:
        """That a thread of the daemon is no more, though nobody has stopped it."""
        if self._stopping.is_set():
            return None
        dead = [one.name for one in self._threads if one.ident is not None and not one.is_alive()]
        return f"the thread of the {dead[0]} has ended; start the service anew" if dead else None

    def _late(self) -> str | None:
        """A cycle that hangs: it is still at work when its slot has long begun."""
        if (running := self._running) is None:
            return None
        slot, begun_s = running
        worked_s = time.monotonic() - begun_s
        allowed_s = self._installation.settings.gate_lead_s + LATE_S
        if worked_s <= allowed_s:
            return None
        return f"slot {iso_of(slot)} is worked on for {worked_s:.0f} s, allowed {allowed_s:.0f} s"

    def _overdue(self) -> str | None:
        """A slot that has begun without a final row, whether its cycle hangs or never started."""
        slot = self._installation.next_slot()
        late_s = self._clock.now_s() - slot
        if late_s <= LATE_S:
            return None
        told = f"slot {iso_of(slot)} has no row {late_s:.0f} s after its start"
        return f"{told}, allowed {LATE_S:.0f} s"

    def watch(self) -> None:
        """Raise and end the alarms of the daemon itself; also while a cycle hangs."""
        try:
            self._tell_alarms(self._late() or self._overdue())
        except StoreError as error:
            log.warning("alarms cannot be written: %s", error)

    def _tell_alarms(self, late: str | None) -> None:
        """Tell the alarms that hold here, and the end of those that did."""
        settings = self._installation.settings
        found = {
            cause: Alarm(cause, "alarm", told, where, todo)
            for cause, told, where, todo in (
                ("daemon/clock", self._doubt(), "clock", SET_THE_CLOCK),
                ("daemon/late", late, "loop", LOOK_WHAT_HANGS),
                ("daemon/failed", self._failure, "loop", LOOK_WHAT_FAILS),
                ("daemon/disk", disk_trouble(settings), "disk", MAKE_ROOM),
            )
            if told is not None
        }
        # A lead that is over counts for nothing, also while a cycle that hangs still holds it.
        term = None if self._leadership.is_over.is_set() else self._leadership.term
        self._own_alarms.tell(found, int(self._clock.now_s()), term)
        self._raised = frozenset(found)
