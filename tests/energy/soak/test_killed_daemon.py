"""The whole daemon killed at every named point of its cycle and at random ones, again and again.

A child process runs the real daemon on one store, with the crowd's orders, and notes every promise
that it gives: orders accepted, ticks sealed. It ends itself, without a word, before or after a
statement or commit that is named, or is killed from outside at a moment that chance says. The next
one goes on with what it finds: no promise is broken, no slot missing or settled twice.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

import energy.daemon.loop
import energy.steps.settling
from energy.config import build_settings
from energy.crowd import build_crowd
from energy.cycle import run_quarter_hour
from energy.daemon import Daemon, DemoClock
from energy.simulate import place_orders
from energy.steps.context import open_installation
from energy.steps.proving import add_up, export_lines
from energy.store.books import load_settlements
from energy.store.checkpoints import find_checkpoint
from energy.store.engine import Store, open_reader
from energy.store.schema import market_order
from energy.store.slots import slots_between
from energy.timegrid import parse_instant
from energy.units import SLOT_S
from market.verifier import verify_export

DISTRICT = "sejong-5-1@0.005"
START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
LEASE_S = 1.0
AGAIN_S_MAX = 30.0
PATIENCE_S = 120.0
RANDOM, SECOND = 200, 50


@dataclass
class Orders:
    """What a child is to do: where to note promises, where to end itself, how far to go."""

    url: str
    told: Path
    kill_at: str = ""
    slots: int = 10**6
    names: Path | None = None
    is_split: bool = False


class Points:
    """The named points of a process: each statement, and before and after each commit."""

    def __init__(self, orders: Orders) -> None:
        self._orders, self._unit, self.seen = orders, threading.local(), set[str]()

    def install(self) -> None:
        write, points = Store.write, self

        def named(store: Store, unit: Callable[[Any], Any], **how: Any) -> Any:
            inner = unit.func if isinstance(unit, partial) else unit
            points._unit.name = inner.__qualname__.replace(".<locals>", "")
            found = write(store, unit, **how)
            points.reach("after commit")
            points._unit.name = ""
            return found

        Store.write = named  # type: ignore[method-assign, assignment]
        event.listen(Engine, "commit", lambda _: self.reach("before commit"))
        event.listen(Engine, "before_cursor_execute", self._statement)

    def _statement(self, _connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        words = text.replace('"', "").split()
        if words[0] in ("INSERT", "UPDATE", "DELETE"):
            self.reach(" ".join(words[: 2 if words[0] == "UPDATE" else 3]))

    def reach(self, what: str) -> None:
        unit = getattr(self._unit, "name", "")
        if not unit:
            return
        name = f"{unit}: {what}"
        self.seen.add(name)
        if name == self._orders.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def split_the_tick() -> None:
    """The canary: the ledger in one transaction, the slots' states in the next."""
    # The slots' states would follow in a second transaction, before which the process is killed.
    write, pending = Store.write, set[int]()

    def write_both(store: Store, unit: Callable[[Any], Any], **how: Any) -> Any:
        found = write(store, unit, **how)
        if threading.get_ident() in pending:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    for name in ("mark_sealed", "mark_settled"):
        setattr(energy.steps.settling, name, lambda *_: pending.add(threading.get_ident()))
    Store.write = write_both  # type: ignore[method-assign, assignment]


def work(orders: Orders) -> None:
    """The daemon of a small district until so many slots are sealed; what it promises is noted."""
    told = os.open(orders.told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    points, done = Points(orders), threading.Event()
    points.install()
    if orders.is_split:
        split_the_tick()
    settings = build_settings(
        district=DISTRICT,
        database_url=orders.url,
        bots=False,
        horizon_slots=4,
        history_days=7,
        lease_s=LEASE_S,
    )
    with open_installation(settings, lambda _: START) as installation:
        crowd, left = build_crowd(installation.district, settings.seed), [orders.slots]

        def with_orders(microgrid: Any, slot: int, now_s: Callable[[], float]) -> Any:
            place_orders(microgrid.installation, crowd, slot)
            note(told, microgrid.store, "orders", slot)
            result = run_quarter_hour(microgrid, slot, now_s)
            note(told, microgrid.store, "sealed", slot)
            left[0] -= 1
            if left[0] == 1:
                points.seen.clear()  # what only the beginning does is no point of the cycle
            if left[0] == 0:
                done.set()
            return result

        energy.daemon.loop.run_quarter_hour = with_orders
        first = installation.next_slot()
        clock = DemoClock(installation.store, first, settings.gate_lead_s, 0.01)
        daemon = Daemon(installation, clock, settings.lease_s)
        daemon.start()
        done.wait()
        if orders.names is not None:
            orders.names.write_text("\n".join(sorted(points.seen)))
        daemon.stop()


def note(told: int, store: Store, kind: str, slot: int) -> None:
    os.write(told, f"{kind} {slot} {promise_of(store, kind, slot)}\n".encode())


def promise_of(store: Store, kind: str, slot: int) -> str:
    """What is promised of a slot: a hash over its orders, or the root of its tick."""
    if kind == "orders":
        query = select(market_order.c.id).where(market_order.c.slot == slot)
        ids = store.read(lambda connection: connection.execute(query).scalars().all())
        return sha256(b"".join(sorted(ids))).hexdigest()
    row = store.read(lambda connection: find_checkpoint(connection, slot))
    return row.root.hex() if row else "no checkpoint"


@dataclass
class Victim:
    """A store whose daemon is killed, and what the kills have come to."""

    url: str
    folder: Path
    again_s: list[float] = field(default_factory=list)
    kills: int = 0

    @property
    def told(self) -> Path:
        return self.folder / "promises"

    def promises(self) -> list[list[str]]:
        if not self.told.exists():
            return []
        whole = self.told.read_text().rpartition("\n")[0]
        return [line.split() for line in whole.splitlines()]

    def sealed(self) -> int:
        return sum(kind == "sealed" for kind, *_ in self.promises())

    @contextmanager
    def at_work(self, **orders: Any) -> Iterator[int]:
        """A child at work; it is gone afterwards, whatever the way."""
        number = os.fork()
        if number == 0:
            code = 1
            try:
                log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(log, 1)
                os.dup2(log, 2)
                work(Orders(self.url, self.told, **orders))
                code = 0
            finally:
                os._exit(code)
        try:
            yield number
        finally:
            if os.waitpid(number, os.WNOHANG)[0] == 0:
                os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0)
                self.kills += 1

    def run(self, **orders: Any) -> int:
        """Let a child end by itself, or by its named point: its exit code."""
        code = 0
        with self.at_work(**orders) as number:
            deadline = time.monotonic() + PATIENCE_S
            while (found := os.waitid(os.P_PID, number, LOOK)) is None:
                assert time.monotonic() < deadline, f"nothing happens any more: {self.folder}/log"
                time.sleep(0.02)
            code = found.si_status
        self.kills += code == signal.SIGKILL
        return code

    def kill_at_random(self, rng: random.Random, *, in_recovery: bool) -> None:
        """Kill a child while it starts, or after it has gone on with the work."""
        before, begun_s = self.sealed(), time.monotonic()
        with self.at_work():
            if in_recovery:
                time.sleep(rng.uniform(0.0, 1.5))
                return
            while self.sealed() == before:
                assert time.monotonic() - begun_s < PATIENCE_S, f"it does not go on: {self.folder}"
                time.sleep(0.01)
            self.again_s.append(time.monotonic() - begun_s)
            time.sleep(rng.uniform(0.0, 0.8))

    def require_kept(self) -> None:
        """Every promise that was ever given is true, and the books prove themselves."""
        with open_reader(self.url) as store:
            for kind, slot, what in self.promises():
                found = promise_of(store, kind, int(slot))
                assert found == what, f"{kind} of {slot}: promised {what}, found {found}"
            rows = store.read(lambda connection: slots_between(connection, 0, 2**40))
            starts = [row.start for row in rows]
            assert starts == list(range(START, START + len(starts) * SLOT_S, SLOT_S))
            for row in rows:
                slot = row.start
                versions = [
                    one.version
                    for one in store.read(lambda c, s=slot: load_settlements(c, s))
                    if one.version > 0
                ]
                assert versions == list(range(1, len(versions) + 1)), f"slot {slot}: {versions}"
                assert versions or row.state != "settled", f"slot {slot} is settled nowhere"
                tick = store.read(lambda c, s=slot: find_checkpoint(c, s))
                assert bool(tick) == (row.sealed_utc is not None), f"slot {slot}: half sealed"
            report = verify_export(export_lines(store))
            assert report.ok, report.first_failure
            assert store.read(add_up).ok


LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT


@pytest.fixture
def victim(store_url: str, tmp_path: Path) -> Victim:
    return Victim(store_url, tmp_path)


def named_points(victim: Victim) -> list[str]:
    """Every point of a quarter hour after the first ones, by its name."""
    names = victim.folder / "names"
    assert victim.run(slots=5, names=names) == 0, (victim.folder / "log").read_text()[-2_000:]
    found = names.read_text().splitlines()
    assert len(found) > 30 and any("_settle_new" in name for name in found), found
    return found


@pytest.mark.soak
@pytest.mark.check(1)
def test_a_daemon_killed_anywhere_goes_on_and_keeps_what_it_promised(
    victim: Victim, check: Any
) -> None:
    rng, names = check.rng, named_points(victim)
    some = rng.sample(names, check.trials(len(names), 3))
    survived = [name for name in some if victim.run(slots=2, kill_at=name) != signal.SIGKILL]
    assert survived == []
    at_random, again = check.trials(RANDOM, 2), check.trials(SECOND, 1)
    for number in range(at_random):
        victim.kill_at_random(rng, in_recovery=False)
        if number % max(at_random // again, 1) == 0:
            victim.kill_at_random(rng, in_recovery=True)
    assert victim.run(slots=2) == 0
    victim.require_kept()
    worst_s = max(victim.again_s)
    check.state(
        f"{victim.url.partition(':')[0]}: {victim.kills} kills ({len(some)} of {len(names)} named "
        f"points, {at_random} random, {again} in recovery), {len(victim.promises())} promises, 0 "
        f"broken; sealed again after {worst_s:.1f} s at the latest",
        trials=victim.kills,
    )
    assert worst_s <= AGAIN_S_MAX


@pytest.mark.soak
@pytest.mark.check(1, canary=True)
def test_with_state_and_ledger_in_two_transactions_a_kill_between_them_is_found_out(
    tmp_path: Path,
) -> None:
    victim = Victim(f"sqlite:///{tmp_path}/books.db", tmp_path)
    assert victim.run(slots=2) == 0
    assert victim.run(slots=2, is_split=True) == signal.SIGKILL
    with pytest.raises(AssertionError, match="half sealed"):
        victim.require_kept()
