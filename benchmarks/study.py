"""How much faster two workers are than one: the same days of a study on one process and on two.

    python benchmarks/study.py [--district sejong-5-1@0.05] [--chunks 8] [--days 2]

Every process is started and has run a day before the clock starts, as in a study of a year, whose
start is nothing beside it. Parts must be the same byte for byte. The load of the machine and the
processor time of the workers are printed with the ratio: beside other work it says less.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from distributed import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from energy.study import base_scenario, open_client
from energy.study.chunk import Chunk
from energy.study.run import part_path, run_chunks
from energy.timegrid import parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY

DAY_S = SLOTS_PER_DAY * SLOT_S
AIM = 1.7


def chunks_of(district: str, count: int, days: int) -> list[Chunk]:
    """Chunks in every season, without days before them."""
    first = parse_instant("2026-01-12", "Asia/Seoul")
    apart = 350 // count * DAY_S
    begins = [first + number * apart for number in range(count)]
    return [Chunk(district, base_scenario(), 1, at, at + days * DAY_S, 0, 100) for at in begins]


def warm(client: Client, district: str, workers: int, folder: Path) -> None:
    """Let every process run a day."""
    before = parse_instant("2025-06-01", "Asia/Seoul")
    days = [before + number * DAY_S for number in range(workers)]
    run_chunks(
        [Chunk(district, base_scenario(), 1, day, day + DAY_S, 0, 100) for day in days],
        folder,
        client,
    )


def processor_s(client: Client) -> float:
    """Processor time of all workers so far."""
    return float(sum(client.run(_own_s).values()))


def _own_s() -> float:
    spent = os.times()
    return spent.user + spent.system


def measured(
    chunks: list[Chunk], folder: Path
) -> Iterator[tuple[int, float, float, dict[str, bytes]]]:
    """Workers, seconds of the clock and of processors, and the parts."""
    for workers in (1, 2):
        own = folder / str(workers)
        with open_client(workers) as client:
            warm(client, chunks[0].district, workers, folder / f"warm{workers}")
            begun, spent = perf_counter(), processor_s(client)
            run_chunks(chunks, own, client)
            seconds = perf_counter() - begun
            parts = {one.digest: part_path(own, one).read_bytes() for one in chunks}
            yield workers, seconds, processor_s(client) - spent, parts


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--district", default="sejong-5-1@0.05")
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--days", type=int, default=2)
    asked = parser.parse_args()
    chunks = chunks_of(asked.district, asked.chunks, asked.days)
    found = []
    with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
        for workers, seconds, spent_s, parts in measured(chunks, Path(folder)):
            load = os.getloadavg()[0]
            print(
                f"{workers} workers: {seconds:.1f} s, processors {spent_s:.1f} s "
                f"({spent_s / seconds:.2f} at work), load {load:.1f}",
                flush=True,
            )
            found.append((seconds, parts))
    same = found[0][1] == found[1][1]
    ratio = found[0][0] / found[1][0]
    print(f"two workers {ratio:.2f} times as fast as one (aim {AIM}), parts the same: {same}")
    if not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
