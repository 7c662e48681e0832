"""A day of the demo clock on two whole processes of one installation, and one PostgreSQL.

    python benchmarks/two_processes.py [--district sejong-5-1] [--slots 96] [--hit 48]

Two `microgrid up` share a database, each with API, page and daemon; one leads, the crowd orders at
the one that stands by. After `--hit` slots the leader is killed without warning. Said are: slots
with exactly one final row, tiers, how long cycles took, orders, when the other had taken over, and
processor time and memory of each.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import psutil
from sqlalchemy import func, select

from benchmarks.doors import free_port, new_store
from energy.store.engine import Store, open_reader
from energy.store.schema import market_order
from energy.store.slots import SlotRow, slots_between
from energy.timegrid import parse_instant
from energy.units import SLOT_S

START = "2026-07-15T00:00:00Z"
READY_S = 240
LOOK_S = 0.5


class Process:
    """One `microgrid up`, without a crowd of its own."""

    def __init__(self, district: str, url: str, slot_s: float) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "energy", "up", "--no-bots", "--district", district]
        command += ["--database-url", url, "--port", str(self.port), "--demo-start", START]
        command += ["--demo-slot-s", str(slot_s)]
        self.running = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1]
        )
        self.seen = psutil.Process(self.running.pid)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether its API is there."""
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=10):
                return True
        except OSError:
            return False

    def usage(self) -> str:
        """Its processor time and memory, its planner's beside it."""
        parts = [self.seen, *self.seen.children(recursive=True)]
        cpu_s = sum(sum(one.cpu_times()[:2]) for one in parts)
        mib = sum(one.memory_info().rss for one in parts) / 2**20
        return f"{cpu_s:.0f} s of CPU, {mib:,.0f} MiB"


def crowd_at(process: Process, district: str) -> subprocess.Popen[bytes]:
    """The simulated prosumers, ordering at this process."""
    command = [sys.executable, "-m", "energy", "order", "bots", "--url", process.address]
    command += ["--district", district]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])


def published(store: Store) -> list[SlotRow]:
    """The day's final rows so far."""
    first = parse_instant(START)
    rows = store.read(lambda connection: slots_between(connection, first, first + 960 * SLOT_S))
    return [row for row in rows if row.tier]


def wait_until(holds: Callable[[], bool]) -> float:
    """Seconds until it holds."""
    begun = time.monotonic()
    while not holds():
        time.sleep(LOOK_S)
    return time.monotonic() - begun


def claimed_by(store: Store) -> set[str]:
    """Who has claimed slots so far."""
    first = parse_instant(START)
    rows = store.read(lambda connection: slots_between(connection, first, first + 960 * SLOT_S))
    return {row.owner for row in rows}


def main() -> None:
    """Run what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--district", default="sejong-5-1")
    parser.add_argument("--slots", type=int, default=96)
    parser.add_argument("--hit", type=int, default=48)
    parser.add_argument("--demo-slot-s", type=float, default=5.0)
    asked = parser.parse_args()
    with new_store(on_postgresql=True) as (_, url):
        processes: list[Process] = []
        crowd = None
        try:
            for _ in range(2):
                processes.append(Process(asked.district, url, asked.demo_slot_s))
                wait_ready(processes[-1])
            leader, other = processes
            crowd = crowd_at(other, asked.district)
            with open_reader(url) as store:
                begun = time.monotonic()
                wait_until(lambda: len(published(store)) >= asked.hit)
                say(f"leader until the kill: {leader.usage()}; other: {other.usage()}")
                leader.running.send_signal(signal.SIGKILL)
                leader.running.wait()
                alone_s = wait_until(lambda: len(claimed_by(store)) == len(processes))
                wait_until(lambda: len(published(store)) >= asked.slots)
                say(f"the other at the end: {other.usage()}")
                report(store, time.monotonic() - begun, alone_s)
        finally:
            for one in [crowd, *(process.running for process in processes)]:
                if one is not None:
                    one.terminate()
                    one.wait()


def wait_ready(process: Process) -> None:
    """Until it answers; raises TimeoutError."""
    until = time.monotonic() + READY_S
    while not process.answers():
        if time.monotonic() > until:
            raise TimeoutError(f"{process.address} does not answer")
        time.sleep(LOOK_S)


def report(store: Store, wall_s: float, alone_s: float) -> None:
    """Say what came out."""
    rows = published(store)
    starts = [row.start for row in rows]
    gaps = {later - earlier for earlier, later in pairwise(starts)}
    orders = store.read(
        lambda connection: connection.scalar(select(func.count()).select_from(market_order))
    )
    took_s = [row.seconds["total"] for row in rows if row.seconds]
    say(
        f"{len(rows)} slots in {wall_s:.0f} s, each once: {len(set(starts)) == len(rows)}, without "
        f"a gap: {gaps == {SLOT_S}}; tiers {dict(Counter(str(row.tier) for row in rows))}; a cycle "
        f"took p50 {np.median(took_s):.1f} s, most {max(took_s):.1f} s; orders "
        f"{orders:,}; the other claimed a slot {alone_s:.1f} s after the kill"
    )


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
