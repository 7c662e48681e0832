"""What goes wrong in a day of a simulated system: drawn from a seed, then done to the real parts.

A schedule says for each slot what is planted in it. Bursts of one to three slots are followed by
calm ones, and the last slots of a day are calm.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sqlalchemy.exc import OperationalError

import energy.cycle
import energy.daemon.loop
from energy.plant import LateReadings, PlantStep
from energy.plant.faults import Fault
from energy.store.engine import Store
from energy.store.sqlite import sqlite3
from energy.units import SLOT_S
from optimizer import Planner, PlannerSettings
from optimizer.child import End, Reply

CALM_AT_THE_END = 5
STEPS = ("measure", "forecast_slot", "plan_within_grid", "clear_market", "publish", "settle_tick")
"""Points of the cycle before which a process may die, besides every write to the store."""
WRITES = 16
"""In a slot so many writes may be the one that is refused or at which the process dies."""
AT_WRITE = ("refused", "void at its end", "dies before", "dies within", "dies after")
CLOCK_STEPS_S = (-3_000, -60, 60, 1_800, -7_200, 7_200)
ENDS = {"died": End.DIED, "late": End.LATE, "failed": End.FAILED}
SOLVERS = (*ENDS, "no numbers")
KINDS = ("write", "write", "write", "step", "clock", "solver", "solver", "weather")
WRONG_WH = 7


class Crash(BaseException):
    """The process is gone: nothing in it may catch this."""


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble, which of it, and for a write its number in the slot."""

    kind: str
    which: Any = None
    number: int = 0


Schedule = Mapping[int, tuple[Trouble, ...]]


def draw_schedule(rng: random.Random, slots: int) -> Schedule:
    """The troubles of a day by the number of the slot."""
    found: dict[int, tuple[Trouble, ...]] = {}
    at, end = rng.randint(1, 4), slots - CALM_AT_THE_END
    while at < end:
        last = min(at + rng.randint(1, 3), end)
        for number in range(at, last):
            found[number] = tuple(draw_trouble(rng) for _ in range(rng.choice((1, 1, 1, 2))))
        at = last + rng.randint(4, 12)
    return found


def draw_trouble(rng: random.Random) -> Trouble:
    kind = rng.choice(KINDS)
    if kind == "write":
        return Trouble(kind, rng.choice(AT_WRITE), rng.randint(1, WRITES))
    which = {"step": STEPS, "clock": CLOCK_STEPS_S, "solver": SOLVERS, "weather": ("lost",)}[kind]
    return Trouble(kind, rng.choice(which))


@dataclass
class Faults:
    """Plants the troubles of a slot in the real parts; `done` counts those that came to pass."""

    seed: int
    schedule: Schedule
    done: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._thread, self._writes = threading.get_ident(), 0
        self._at_write: dict[int, str] = {}
        self._at_step: set[str] = set()
        self.planner, self.crash = FaultyPlanner(self), Crash
        self.solver = ""
        self.is_weather_lost = False

    def begin(self, number: int) -> list[int]:
        """From here on the troubles of this slot; the steps of the clock, in seconds."""
        mine = self.schedule.get(number, ())
        self._writes = 0
        self._at_write = {one.number: one.which for one in mine if one.kind == "write"}
        self._at_step = {one.which for one in mine if one.kind == "step"}
        self.solver = next((one.which for one in mine if one.kind == "solver"), "")
        self.is_weather_lost = any(one.kind == "weather" for one in mine)
        if self.is_weather_lost:
            self.count("weather lost")
        return [one.which for one in mine if one.kind == "clock"]

    def count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def install(self, patch: Callable[[Any, str, Any], None]) -> None:
        """Put them between the parts, once for a day."""
        patch(Store, "_write_once", self._writing(Store._write_once))
        for name in STEPS:
            patch(energy.cycle, name, self._reaching(name, getattr(energy.cycle, name)))
        start = energy.daemon.loop.start_microgrid

        def started(installation: Any) -> Any:
            microgrid = start(installation, self.planner)
            truth = microgrid.weather_at
            return replace(
                microgrid,
                plant=Mailman(microgrid.plant, self.seed),  # type: ignore[arg-type]
                weather_at=lambda slot: None if self.is_weather_lost else truth(slot),
            )

        patch(energy.daemon.loop, "start_microgrid", started)

    def _writing(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """A unit of work that may be refused, or at which the process may die."""

        def write_once(store: Store, unit: Callable[[Any], Any]) -> Any:
            if threading.get_ident() != self._thread:
                return write(store, unit)  # a lease is renewed by the machine's own clock
            self._writes += 1
            how = self._at_write.pop(self._writes, "")
            if not how:
                return write(store, unit)
            self.count(f"write {how}")
            full = OperationalError("", {}, sqlite3.OperationalError("database or disk is full"))
            trouble = full if how in ("refused", "void at its end") else Crash(how)
            if how in ("refused", "dies before"):
                raise trouble
            if how == "dies after":
                write(store, unit)
                raise trouble

            def void(connection: Any) -> None:
                unit(connection)
                raise trouble

            return write(store, void)

        return write_once

    def _reaching(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def reach(*arguments: Any, **named: Any) -> Any:
            if name in self._at_step:
                self._at_step.remove(name)
                self.count("dies before a step")
                raise Crash(name)
            return step(*arguments, **named)

        return reach


class FaultyPlanner(Planner):
    """Solves in this process, so that chance and time play no part, or fails as planted."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(PlannerSettings(in_process=True))
        self._faults = faults

    def _solve(self, problem: Any, previous: Any, begun: float) -> Reply:
        which = self._faults.solver
        if not which:
            return super()._solve(problem, previous, begun)
        self._faults.count(f"solver {which}")
        if which in ENDS:
            return Reply(None, ENDS[which], "planted")
        reply = super()._solve(problem, previous, begun)
        if reply.found is None or reply.found.plan is None:
            return reply
        plan = replace(reply.found.plan, p_import_kw=reply.found.plan.p_import_kw * np.nan)
        return replace(reply, found=replace(reply.found, plan=plan))


@dataclass
class Mailman:
    """The plant, whose readings come late, twice, or wrong and are mended: by seed and slot alone.

    What is on its way stands in the plant's own state, so that a slot that is done again after a
    crash has the same mail.
    """

    plant: Any
    seed: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plant, name)

    def step(self, state: Any, slot: int, *rest: Any) -> PlantStep:
        step: PlantStep = self.plant.step(state, slot, *rest)
        rng, seen = random.Random(f"{self.seed} mail {slot}"), step.readings
        sound = np.flatnonzero(self.plant.meter_faults(slot) == Fault.NONE).tolist()
        batch = {name: getattr(seen, name).copy() for name in BATCH}
        later: list[tuple[int, tuple[int, ...]]] = []
        for meter in rng.sample(sound, min(len(sound), rng.choice((0, 1, 1, 2, 3)))):
            true = tuple(int(getattr(seen, name)[meter]) for name in BATCH[:4])
            due = slot + rng.randint(1, 9) * SLOT_S
            how = rng.choice(("late", "late", "mended", "again"))
            if how == "late":
                for column in batch.values():
                    column[meter] = 0
            elif how == "mended":
                batch["import_wh"][meter] += WRONG_WH
            later.append((due, (slot, meter, *true, int(how == "mended"))))
            for _ in range(rng.choice((0, 0, 1, 2))):
                later.append((due + rng.randint(0, 2) * SLOT_S, later[-1][1]))
        after = with_mail(step.state_after, later)
        return replace(step, readings=replace(seen, **batch), state_after=after)


BATCH = ("import_wh", "export_wh", "import_register_wh", "export_register_wh", "quality")


def with_mail(state: Any, later: list[tuple[int, tuple[int, ...]]]) -> Any:
    """The plant's state with more readings on their way."""
    if not later:
        return state
    before, names = state.pending, tuple(LateReadings.__dataclass_fields__)
    added = np.array([row for _, row in later], dtype=np.int64).T
    late = LateReadings(
        *(np.append(getattr(before.late, name), added[at]) for at, name in enumerate(names))
    )
    due = np.append(before.due_slot, [when for when, _ in later])
    return replace(state, pending=replace(before, due_slot=due, late=late))
