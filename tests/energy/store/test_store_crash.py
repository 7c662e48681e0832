"""A process killed at any moment: what it was told is written is there, whole, and nothing else."""

import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import Connection

from energy.store import events, slots
from energy.store.engine import open_store

FIRST = 1_784_106_000
# Each unit writes three rows that belong together; a line is printed once it is durable.
WRITER = f"""
import sys
from energy.store import events, slots
from energy.store.engine import open_store
store = open_store(sys.argv[1])
for n in range(100_000):
    start = {FIRST} + 900 * n
    def unit(connection):
        claim = slots.claim_slot(connection, start, "child", start)
        slots.publish_slot(connection, claim, slots.SlotOutcome("ok", "T0", "x" * 2000), start)
        for _ in range(20):
            events.add_event(connection, "cycle", start, {{"n": n}})
    store.write(unit)
    print(n, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 5, 23, 40])
def test_after_a_kill_every_acknowledged_unit_is_whole(store_url: str, acknowledged: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, store_url], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    with child.stdout:
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    child.wait()
    last = int(next(line for line in reversed(lines) if line.endswith("\n")))

    def look(connection: Connection) -> tuple[int, int, int]:
        rows = slots.slots_between(connection, FIRST, FIRST + 900 * 100_000)
        assert [row.start for row in rows] == [FIRST + 900 * n for n in range(len(rows))]
        assert all(row.state == "published" for row in rows)
        return len(rows), events.event_range(connection)[1], max(row.fence for row in rows)

    with open_store(store_url) as store:
        written, newest_event, fence = store.read(look)
        assert written in (last + 1, last + 2)  # the last one may be durable and not yet told
        assert (newest_event, fence) == (20 * written, written)
        taken = store.write(lambda c: slots.claim_slot(c, FIRST + 900 * written, "next", 1))
        assert taken.fence == written + 1
