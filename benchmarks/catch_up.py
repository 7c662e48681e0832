"""A loop that was away comes back: every slot is settled, the current one alone is dispatched.

    python benchmarks/catch_up.py [--district sejong-5-1] [--slots 96] [--postgresql]

One quarter hour runs in time, so many are missed, and the next one is in time again. Said are the
seconds and processor seconds that catching up took, the slowest slot, and whether every missed slot
was settled once and in order, no set-point of a time that is over was sent, and the books verify.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import time

import psutil
from sqlalchemy import select

from benchmarks.doors import new_store
from energy.config import Settings, build_settings
from energy.cycle import next_slot, run_quarter_hour
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.proving import verify_store
from energy.store.book_tables import settlement
from energy.store.engine import Store
from energy.store.schema import setpoint
from energy.store.slots import slots_between
from energy.timegrid import parse_instant
from energy.units import SLOT_S

START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
GATE_S = 300


def catch_up(microgrid: Microgrid, now_s: int) -> list[float]:
    """Seconds of every slot whose gate has come by then, oldest first, as the daemon takes them."""
    took_s = []
    while (slot := next_slot(microgrid)) - GATE_S <= now_s:
        begun = time.monotonic()
        run_quarter_hour(microgrid, slot, lambda: float(now_s))
        took_s.append(time.monotonic() - begun)
    return took_s


def processor_s() -> float:
    """Processor seconds of this process and of the planner beside it."""
    here = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in [here, *here.children(recursive=True)])


def verdict(store: Store, slots: int) -> str:
    """What must hold of the slots that were missed; raises AssertionError where it does not."""
    missed = [START + number * SLOT_S for number in range(1, slots + 1)]
    first = (settlement.c.scope == 1) & (settlement.c.version == 1)
    rows = store.read(lambda connection: slots_between(connection, START, 2**62))
    assert [row.start for row in rows if row.outcome == "missed"] == missed
    settled = store.read(
        lambda c: list(c.scalars(select(settlement.c.slot).where(first).order_by(settlement.c.no)))
    )
    due = [slot for slot in settled if slot >= START]
    assert due == [START, *missed][: len(due)] and len(due) >= slots, (len(due), slots)
    told = store.read(lambda c: set(c.scalars(select(setpoint.c.slot))))
    assert not told & set(missed), "a set-point of a time that is over"
    assert verify_store(store).ok, "the books do not verify"
    return f"{len(due)} settled once and in order, no stale set-point, books verify"


def measure(settings: Settings, slots: int) -> None:
    """Run it and say what it took."""
    with open_installation(settings, lambda _: START) as installation:
        microgrid = start_microgrid(installation)
        try:
            run_quarter_hour(microgrid, START, lambda: float(START - GATE_S))
            begun, used = time.monotonic(), processor_s()
            took_s = catch_up(microgrid, START + (slots + 1) * SLOT_S)
            wall_s, cpu_s = time.monotonic() - begun, processor_s() - used
        finally:
            microgrid.close()
        print(
            f"{settings.district}: {slots} missed slots caught up in {wall_s:.0f} s "
            f"({cpu_s:.0f} s of CPU), slowest {max(took_s):.1f} s"
        )
        print(verdict(installation.store, slots))


def main() -> None:
    """Run what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--district", default="sejong-5-1")
    parser.add_argument("--slots", type=int, default=96)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with new_store(on_postgresql=asked.postgresql) as (_, url):
        measure(build_settings(district=asked.district, database_url=url, bots=False), asked.slots)


if __name__ == "__main__":
    main()
