"""Several `microgrid up` on one PostgreSQL: one leads, the next takes over, nothing twice."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

import energy.daemon.leadership
from energy.store.engine import Store, open_reader, open_store, process_name
from energy.store.errors import FenceError, StoreError
from energy.store.events import events_after
from energy.store.leader import (
    Anchor,
    read_anchor,
    renew_lead,
    require_term,
    resign_lead,
    somebody_leads,
    take_lead,
    write_anchor,
)
from energy.store.lives import has_ended, own_life
from energy.store.meta import settle_fact
from energy.store.slots import SlotRow, slots_between
from energy.units import SLOT_S

DISTRICT = "sejong-5-1@0.005"
WAIT_S = 240.0


def lead(store: Store, owner: str, lease_s: float = 30.0, *, alone: bool = False) -> int | None:
    return store.write(lambda connection: take_lead(connection, owner, lease_s, alone=alone))


def test_a_keeper_that_hangs_on_the_store_holds_up_nobody_and_ends_no_later_lead(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy.daemon.leadership, "KEEPER_WAIT_S", 0.1)
    hangs, goes_on = threading.Event(), threading.Event()

    def renew(_: Connection, term: int, lease_s: float) -> None:
        hangs.set()
        assert goes_on.wait(20)
        raise FenceError(f"term {term} is over")

    monkeypatch.setattr(energy.daemon.leadership, "renew_lead", renew)
    # As on PostgreSQL, where one unit of work does not wait for another.
    monkeypatch.setattr(sqlite_store, "write", sqlite_store.read)
    monkeypatch.setattr(energy.daemon.leadership, "take_lead", lambda *_, **__: 1)
    monkeypatch.setattr(energy.daemon.leadership, "resign_lead", lambda *_, **__: None)
    leadership = energy.daemon.leadership.Leadership(sqlite_store, "one", 0.03)
    leadership.take()
    keeper = leadership._keeper
    assert keeper is not None and hangs.wait(10)
    begun_s = time.monotonic()
    leadership.drop()
    assert time.monotonic() - begun_s < 5 and keeper.is_alive()
    goes_on.set()
    keeper.join(10)
    assert not keeper.is_alive() and not leadership.is_over.is_set()


def test_one_leads_until_its_lease_is_over_and_terms_only_grow(store: Store) -> None:
    assert lead(store, "a", lease_s=0.3) == 1
    assert lead(store, "b") is None
    store.write(lambda connection: renew_lead(connection, 1, 0.3))
    time.sleep(0.35)
    assert not store.read(somebody_leads)
    assert lead(store, "b") == 2
    assert store.read(somebody_leads)
    store.write(lambda connection: resign_lead(connection, 2))
    assert lead(store, "a") == 3


def test_alone_on_a_store_the_old_lease_counts_for_nothing(store: Store) -> None:
    assert lead(store, "killed") == 1
    assert lead(store, "started again", alone=True) == 2


LEADS_AND_WAITS = """
import sys
from energy.store.engine import open_store, process_name
from energy.store.leader import take_lead
with open_store(sys.argv[1]) as store:
    print(store.write(lambda connection: take_lead(connection, process_name(), 3600.0)), flush=True)
    sys.stdin.read()
"""


def test_a_lease_counts_for_nothing_once_its_holder_has_surely_ended(url: str) -> None:
    command = [sys.executable, "-c", LEADS_AND_WAITS, url]
    with open_store(url) as store:
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None and holder.stdout.readline() == "1\n"
        assert lead(store, "next") is None
        holder.send_signal(signal.SIGSTOP)  # frozen it may still wake up
        assert lead(store, "next") is None
        holder.kill()
        wait_for(lambda: lead(store, "next") == 2, "the lead of the next one, its child not reaped")
        holder.communicate()
        with pytest.raises(FenceError, match="term 1 is over"):
            store.write(lambda connection: require_term(connection, 1))


def test_a_life_is_over_only_where_that_can_be_seen() -> None:
    life = own_life()
    place, number, begun = life.rsplit("/", 2)
    boot, space = place.split("/", 1)
    assert not has_ended(life)
    assert has_ended(f"{place}/{number}/{int(begun) + 1}")  # the number was given again
    assert has_ended(f"{place}/{2**22 + 1}/{begun}")  # no system gives so high a number
    for elsewhere in (
        "", "nonsense", f"{place}/{number}", f"{place}/x/{begun}",
        f"other-{boot}/{space}/{2**22 + 1}/{begun}", f"{boot}/pid:[1]/{2**22 + 1}/{begun}",
    ):  # fmt: skip
        assert not has_ended(elsewhere)


def test_whatever_an_old_leader_writes_is_void(store: Store) -> None:
    assert lead(store, "a", lease_s=0.0) == 1
    old = store.guarded(lambda connection: require_term(connection, 1))
    old.write(lambda connection: settle_fact(connection, "told", "while it led"))
    assert lead(store, "b") == 2
    for write in (
        lambda connection: settle_fact(connection, "late", "told by the old one"),
        lambda connection: renew_lead(connection, 1),
        lambda connection: write_anchor(connection, 1, Anchor(0.0, 0.0, 1.0, 1.0)),
    ):
        with pytest.raises(FenceError, match="term 1 is over, found term 2 of b"):
            old.write(write)
    facts = store.read(lambda connection: settle_fact(connection, "told", "never"))
    assert facts == "while it led"
    assert store.write(lambda connection: settle_fact(connection, "late", "nobody")) == "nobody"


def test_the_time_that_the_leader_tells_goes_on_and_stops_at_its_cap(store: Store) -> None:
    assert lead(store, "a") == 1
    assert store.read(read_anchor) is None
    told = Anchor(at_s=100.0, district_s=9_000.0, rate=60.0, cap_s=9_899.0)
    store.write(lambda connection: write_anchor(connection, 1, told))
    found = store.read(read_anchor)
    assert found == told
    times = [told.district_time_s(at) for at in (90.0, 100.0, 110.0, 200.0)]
    assert times == [9_000.0, 9_000.0, 9_600.0, 9_899.0]


@contextmanager
def unit_at_work(store: Store, key: str) -> Iterator[Future[str]]:
    """A unit that is open within the block and writes at its end; what becomes of it."""
    begun, may_end = threading.Event(), threading.Event()

    def unit(connection: Connection) -> str:
        settle_fact(connection, "begun", key)
        begun.set()
        assert may_end.wait(30)
        return settle_fact(connection, key, "written")

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(store.write, unit)
        assert begun.wait(30)
        yield future
        may_end.set()


def test_who_leads_again_ends_no_units_of_its_own_and_who_follows_ends_the_last_ones(
    url: str,
) -> None:
    owner = process_name()
    with open_store(url) as store:
        assert lead(store, owner, lease_s=0.0) == 1
        with unit_at_work(store, "own") as own:
            assert lead(store, owner, lease_s=0.0) == 2
        assert own.result() == "written"
        with unit_at_work(store, "the last leader's") as late:
            assert lead(store, "another") == 3
        with pytest.raises(StoreError, match="terminating connection"):
            late.result()


@dataclass
class Running:
    """A service at work."""

    process: subprocess.Popen[bytes]
    port: int
    told: Path

    def get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    @property
    def leads(self) -> bool:
        """Whether it was the last of the two to take the lead, by its own log."""
        return bool(re.search(r"leads, term \d+\n", self.told.read_text()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def url(new_postgresql: Callable[[], str]) -> str:
    return new_postgresql()


@pytest.fixture
def start(tmp_path: Path, url: str) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(lease_s: int = 2) -> Running:
        port = free_port()
        environment = {
            **os.environ,
            "MICROGRID_DATABASE_URL": url,
            "MICROGRID_LEASE_S": str(lease_s),
            "MICROGRID_BOTS": "false",
        }
        command = [
            sys.executable, "-m", "energy", "up", "--district", DISTRICT, "--port", str(port),
            "--demo-slot-s", "0.5",
        ]  # fmt: skip
        told = tmp_path / f"told-{len(running)}.txt"
        with told.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=stream, stderr=subprocess.STDOUT
            )
        running.append(Running(process, port, told))
        return running[-1]

    yield begin
    for each in running:
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGCONT)
            each.process.kill()
        each.process.wait()


def rows_of(url: str) -> list[SlotRow]:
    store = open_reader(url)
    try:
        return store.read(lambda connection: slots_between(connection, 0, 2**40))
    finally:
        store.close()


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {WAIT_S:.0f} s")


FREEZES = """
import os, signal, sys, threading
from functools import partial
from energy.store import engine
from energy.store.events import add_event
from energy.store.leader import require_term, take_lead

engine.SILENCE_MS = 500 if sys.argv[2] == "silent" else 600_000
store = engine.open_store(sys.argv[1])
term = store.write(lambda connection: take_lead(connection, engine.process_name(), 0.5))

def unit(connection):
    add_event(connection, "late", None, {})
    if sys.argv[2] == "silent":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    connection.exec_driver_sql("SELECT repeat('x', 99999) FROM generate_series(1, 20000)")

try:
    store.guarded(partial(require_term, term=term)).write(unit)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("how", ["silent", "being answered"])
def test_a_leader_that_freezes_in_the_middle_of_a_write_is_followed_and_the_write_is_void(
    url: str, how: str
) -> None:
    with open_store(url) as store:
        frozen = subprocess.Popen(
            [sys.executable, "-c", FREEZES, url, how], stdout=subprocess.PIPE, text=True
        )
        try:
            _, status = os.waitpid(frozen.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            taken = partial(take_lead, owner="next", lease_s=0.5)
            wait_for(lambda: store.write(taken), "the next leader")
            frozen.send_signal(signal.SIGCONT)
            told, _ = frozen.communicate(timeout=WAIT_S)
        finally:
            frozen.kill()
            frozen.wait()
        assert told.strip() in ("StoreBusyError", "FenceError")
        assert store.read(lambda connection: events_after(connection, 0)) == []


def final(url: str) -> int:
    return sum(row.state != "running" for row in rows_of(url))


def test_a_leader_that_was_killed_and_started_again_does_not_wait_for_its_own_lease(
    start: Callable[..., Running], url: str
) -> None:
    """The lease lasts longer than anybody waits here."""
    hour_s = 3_600
    assert hour_s > 2 * WAIT_S
    with open_store(url):
        pass
    first = start(hour_s)
    wait_for(lambda: final(url) >= 2, "two slots")
    first.process.kill()
    first.process.wait()
    seen = final(url)
    second = start(hour_s)
    wait_for(lambda: final(url) >= seen + 2, "slots of the one started again")
    assert second.leads
    rows = rows_of(url)
    assert [row.start for row in rows] == list(
        range(rows[0].start, rows[0].start + len(rows) * SLOT_S, SLOT_S)
    )
    assert len({row.owner for row in rows}) == 2


def test_killed_or_frozen_a_leader_is_followed_and_can_write_nothing_late(
    start: Callable[..., Running], url: str
) -> None:
    with open_store(url):
        pass
    first, second = start(), start()
    wait_for(lambda: final(url) >= 3, "three slots")
    leader, follower = (first, second) if first.leads else (second, first)
    assert not follower.leads
    wait_for(lambda: follower.get("/readyz")["status"] == "ready", "a ready follower")
    there, here = (each.get("/v1/overview")["clock"]["now_utc"] for each in (leader, follower))
    assert abs(int(there[11:13]) - int(here[11:13])) <= 1

    leader.process.send_signal(signal.SIGSTOP)
    seen = final(url)
    wait_for(lambda: final(url) >= seen + 3, "slots of the second leader")
    assert follower.leads
    leader.process.send_signal(signal.SIGCONT)
    wait_for(lambda: "is over" in leader.told.read_text(), "the old leader's word that it is over")

    follower.process.send_signal(signal.SIGKILL)
    follower.process.wait()
    seen = final(url)
    wait_for(lambda: final(url) >= seen + 3, "slots of the first leader again")
    leader.process.send_signal(signal.SIGINT)
    assert leader.process.wait(20) == 0

    rows = rows_of(url)
    starts = [row.start for row in rows]
    assert starts == list(range(starts[0], starts[0] + len(starts) * SLOT_S, SLOT_S))
    assert len({row.owner for row in rows}) == 2
    checked = subprocess.run(
        [sys.executable, "-m", "energy", "ledger", "verify"],
        env={**os.environ, "MICROGRID_DATABASE_URL": url, "MICROGRID_DISTRICT": DISTRICT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
