"""Orders at a constant rate while full-size quarter hours run, and many open event streams.

    python benchmarks/doors_in_cycle.py [--district sejong-5-1] [--rate 150] [--seconds 60]
                                        [--streams 500] [--postgresql]

The service itself runs (`microgrid up` without its crowd), one quarter hour after the other. Orders
signed beforehand are sent when their time has come, whether or not earlier ones are answered (an
open model: a stall cannot hide), and each answer counts from the time at which it was due. Then
the event streams are opened, and memory and CPU of the service stand beside those without.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import asyncio
import contextlib
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

import aiohttp
import numpy as np
import orjson
import psutil
from sqlalchemy import select

from benchmarks.doors import free_port, new_store, prepare
from energy.config import Settings, build_settings
from energy.store.engine import open_reader
from energy.store.schema import market_order

READY_S = 120
QUIET_S = 20


def service_of(settings: Settings, patch: str = "") -> subprocess.Popen[bytes]:
    """`microgrid up` on the prepared store; `patch` is run in it first."""
    program = ["-c", f"{patch}\nfrom energy.cli import main\nmain()"] if patch else ["-m", "energy"]
    command = [sys.executable, *program, "up", "--no-bots"]
    for name in ("district", "database_url", "port", "demo_slot_s"):
        command += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[1])


@contextlib.asynccontextmanager
async def at_work(
    settings: Settings, patch: str = ""
) -> AsyncIterator[tuple[aiohttp.ClientSession, psutil.Process]]:
    """The service, its loop at work, and connections to it; it is gone afterwards."""
    service = service_of(settings, patch)
    try:
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{settings.port}",
            # Shorter than the server keeps a quiet connection, so that none ends under an order.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=2),
            headers={"Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),
        ) as session:
            await wait_ready(session)
            yield session, psutil.Process(service.pid)
    finally:
        service.terminate()
        service.wait()


async def wait_ready(session: aiohttp.ClientSession) -> None:
    """Return once the loop has made a slot; raises TimeoutError."""
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.5)


@dataclass
class Sent:
    """Seconds from when each order was due to its answer, ids accepted, and what else was told."""

    waits_s: list[float] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)

    def wait_ms(self, share: float) -> float:
        """What this share of the orders waited at most, in milliseconds."""
        return 1000 * float(np.quantile(self.waits_s, share))


async def send_orders(
    session: aiohttp.ClientSession,
    orders: list[bytes],
    rate: float,
    until: asyncio.Event | None = None,
) -> Sent:
    """Post orders at so many a second, whether or not earlier ones are answered.

    All of them, or those that are due before `until` is set.
    """
    sent = Sent()

    async def send(body: bytes, due: float) -> None:
        try:
            async with session.post("/v1/orders", data=body) as answer:
                text = await answer.read()
        except aiohttp.ClientError as error:
            sent.refused[type(error).__name__] += 1
            return
        sent.waits_s.append(time.perf_counter() - due)
        if answer.status == 201:
            sent.accepted.add(orjson.loads(text)["order_id"])
        else:
            sent.refused[f"{answer.status} {text.decode()[:160]}"] += 1

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number, body in enumerate(orders):
            due = begun + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            if until is not None and until.is_set():
                break
            group.create_task(send(body, due))
    return sent


@contextlib.asynccontextmanager
async def dashboards(session: aiohttp.ClientSession, count: int) -> AsyncIterator[Counter[str]]:
    """So many operators' pages: each reads the overview at first and after every event.

    Gives what they were answered so far, by status.
    """
    answers: Counter[str] = Counter()

    async def look() -> None:
        async with session.get("/v1/overview") as answer:
            await answer.read()
            answers[str(answer.status)] += 1

    async def show() -> None:
        await look()
        async with session.get("/v1/events") as stream:
            async for line in stream.content:
                if line.startswith(b"event: cycle"):
                    await look()

    tasks = [asyncio.create_task(show()) for _ in range(count)]
    try:
        yield answers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def lost_orders(database_url: str, accepted: Collection[str]) -> set[str]:
    """Those accepted orders that the store of a service which has ended does not hold."""
    with open_reader(database_url) as store:
        kept = store.read(lambda connection: connection.scalars(select(market_order.c.id)).all())
    return set(accepted) - {f"0x{id_.hex()}" for id_ in kept}


def usage(process: psutil.Process) -> tuple[float, float]:
    """MiB in memory and CPU seconds so far of the service alone, its planner left out."""
    times = process.cpu_times()
    return process.memory_info().rss / 2**20, times.user + times.system


async def watch_streams(
    session: aiohttp.ClientSession, process: psutil.Process, count: int
) -> tuple[float, float, int]:
    """MiB more, share of a core, and streams that got an event, with so many open streams."""
    heard = 0

    async def read() -> None:
        nonlocal heard
        async with session.get("/v1/events") as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    heard += 1
                    break
            await asyncio.sleep(QUIET_S)

    before_mib, _ = usage(process)
    tasks = [asyncio.create_task(read()) for _ in range(count)]
    await asyncio.sleep(QUIET_S / 2)
    _, cpu = usage(process)
    await asyncio.sleep(QUIET_S)
    after_mib, later = usage(process)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return after_mib - before_mib, (later - cpu) / QUIET_S, heard


async def slots_of(session: aiohttp.ClientSession) -> list[dict[str, object]]:
    """The rows of the newest quarter hours."""
    async with session.get("/v1/slots?limit=100") as answer:
        return list((await answer.json())["items"])


async def measure(settings: Settings, asked: argparse.Namespace, orders: list[bytes]) -> None:
    """Serve, send, listen, and say what came out."""
    async with at_work(settings) as (session, process):
        known = {row["slot_utc"] for row in await slots_of(session)}
        sent = await send_orders(session, orders, asked.rate)
        rows = [row for row in await slots_of(session) if row["slot_utc"] not in known]
        tiers = Counter(str(row["tier"]) for row in rows if row["tier"])
        p50, p99, most = (sent.wait_ms(share) for share in (0.5, 0.99, 1))
        print(
            f"{asked.rate:g} orders/s for {len(orders) / asked.rate:.0f} s: {len(sent.accepted)} "
            f"accepted, else {dict(sent.refused)}, p50 {p50:.0f} ms, p99 {p99:.0f} ms, most "
            f"{most:.0f} ms; quarter hours meanwhile: {len(rows)}, tiers {dict(tiers)}"
        )
        _, cpu = usage(process)
        await asyncio.sleep(QUIET_S)
        _, later = usage(process)
        mib, share, heard = await watch_streams(session, process, asked.streams)
        print(
            f"{asked.streams} event streams: {mib:+.0f} MiB, service {share:.2f} of a core, "
            f"without {(later - cpu) / QUIET_S:.2f}; {heard} of them heard an event"
        )


def main() -> None:
    """Run what was asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--district", default="sejong-5-1")
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--postgresql", action="store_true")
    asked = parser.parse_args()
    with new_store(asked.postgresql) as (folder, url):
        settings = build_settings(
            district=asked.district, database_url=url, port=free_port(), bots=False, demo_slot_s=10
        )
        path = folder / "orders.jsonl"
        prepare(settings, int(asked.rate * asked.seconds), path, slots_ahead=40)
        asyncio.run(measure(settings, asked, path.read_bytes().splitlines()))


if __name__ == "__main__":
    main()
