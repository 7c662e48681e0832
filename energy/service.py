"""`microgrid up`: API, page and daemon in one process on one store, a crowd beside it in demo mode.

The address is served as soon as the district's data are read; the daemon makes the rest ready in
its own thread and the page says so meanwhile.
"""

import contextlib
import gc
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import uvicorn

from energy.api import ApiContext, create_app
from energy.api.wire import GuardedWire
from energy.config import Settings, shown_url
from energy.daemon import Daemon, DemoClock, DistrictClock, RealClock
from energy.dashboard import install
from energy.district import District
from energy.steps.alarm_posts import AlarmPoster, secret_of, webhooks_of
from energy.steps.anchoring import Anchorer, ChainNode
from energy.steps.context import (
    Installation,
    build_admission,
    demo_beginning,
    open_installation,
)
from energy.steps.kept_keys import key_keeper
from energy.steps.settings_views import keep_start
from energy.steps.start_audit import StartAudit
from energy.steps.weather_feed import require_weather
from energy.steps.witnessing import WitnessPoster, witnesses_of
from energy.store.engine import Store
from energy.store.people import list_people
from energy.units import SLOT_S

GRACE_S = 3
TURN_S = 0.0005
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class QuietServer(uvicorn.Server):
    """A server that ends on a signal and lets the rest of the process end after it.

    The usual one raises the signal once more, which would leave the daemon and the crowd behind.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals for the server while it runs."""
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class ServiceError(Exception):
    """The service cannot start; one sentence says why and what to do."""


@dataclass(frozen=True)
class Anchoring:
    """The node of a chain that heads of the log go to once a day, and the key that pays."""

    rpc_url: str = field(repr=False)
    key: bytes = field(repr=False)


def run_service(settings: Settings, anchoring: Anchoring | None = None) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything is at rest."""
    for require in REQUIRED.values():
        require(settings)
    require_free_port(settings.host, settings.port)
    with open_installation(settings, beginning(settings)) as installation:
        installation.store.write(lambda connection: keep_start(connection, settings, time.time()))
        clock = build_clock(installation)
        daemon = Daemon(installation, clock, settings.lease_s)
        alarms = AlarmPoster(installation.store, settings, installation.district.id, clock.now_s)
        posts = WitnessPoster(installation.store, settings, clock.now_s)
        audit = StartAudit(installation.store, installation.books.halt, clock.now_s)
        context = ApiContext(
            store=installation.store,
            district=installation.district,
            settings=settings,
            clock=clock,
            admission=build_admission(installation),
            trouble=lambda: first_trouble(audit, daemon, alarms, posts),
            keeper=key_keeper(settings, installation.books.keys.registrar),
        )
        app = create_app(context)
        install(app)
        server = QuietServer(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=GuardedWire,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=GRACE_S,
                server_header=False,
            )
        )
        address = f"http://{settings.host}:{settings.port}"
        anchors = anchor_daily(installation, clock, anchoring)
        work = (background_work(daemon), audit, posts, anchors, alarms)
        with contextlib.ExitStack() as stack:
            for one in (*work, crowd_program(settings, address)):
                stack.enter_context(one)
            announce(settings, address, installation.store)
            keep_what_stands()
            take_short_turns()
            server.run()


class Worker(Protocol):
    """Work beside the server that says what keeps it from its work, None where nothing does."""

    def trouble(self) -> str | None:
        """One sentence, or None."""


def first_trouble(*workers: Worker) -> str | None:
    """What keeps the first of them from its work that cannot do it."""
    return next((told for one in workers if (told := one.trouble()) is not None), None)


def keep_what_stands() -> None:
    """Take what has been made so far out of the garbage collector's walks.

    The district, its keys and the program stand until the end; one walk through them takes longer
    than an order should wait for its answer.
    """
    gc.collect()
    gc.freeze()


def take_short_turns() -> None:
    """Let threads hand the interpreter over ten times as often as Python does by itself.

    The loop computes for seconds beside the doors, and every statement of an order's unit of work
    may wait a whole turn for it.
    """
    sys.setswitchinterval(TURN_S)


def anchor_daily(
    installation: Installation, clock: DistrictClock, anchoring: Anchoring | None
) -> contextlib.AbstractContextManager[object]:
    """Work beside the server that anchors heads of the log; nothing where it is off."""
    if anchoring is None:
        return contextlib.nullcontext()
    node = ChainNode(anchoring.rpc_url)
    return Anchorer(installation.store, node, anchoring.key, clock.now_s)


def beginning(settings: Settings) -> Callable[[District], int]:
    """First slot of a new store: the settings' in a demonstration, else the next but one."""
    if settings.clock == "demo":
        return demo_beginning(settings)
    return lambda _: int(time.time()) // SLOT_S * SLOT_S + 2 * SLOT_S


def build_clock(installation: Installation) -> DistrictClock:
    """Wall time, or the demonstration's clock at the gate of the next slot."""
    settings = installation.settings
    if settings.clock == "real":
        return RealClock()
    first = installation.next_slot()
    return DemoClock(installation.store, first, settings.gate_lead_s, settings.demo_slot_s)


@contextlib.contextmanager
def background_work(daemon: Daemon) -> Iterator[None]:
    """The daemon in threads of its own while the server runs; at rest afterwards."""
    daemon.start()
    try:
        yield
    finally:
        daemon.stop()


@contextlib.contextmanager
def crowd_program(settings: Settings, address: str) -> Iterator[None]:
    """The simulated prosumers as a program of their own, in demo mode only.

    Their standard input is a pipe from here: when this process ends, whatever the way, they read
    its end and stop.
    """
    if not settings.bots or settings.clock != "demo":
        yield
        return
    command = [sys.executable, "-m", "energy", "order", "bots", "--url", address]
    command += ["--district", settings.district, "--seed", str(settings.seed), "--until-eof"]
    bots = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        bots.terminate()
        try:
            bots.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            bots.kill()
            bots.wait()
        if bots.stdin is not None:
            bots.stdin.close()


def require_sign_in(settings: Settings) -> None:
    """Raise ServiceError where what anybody may reach would be open to anybody."""
    if settings.sign_in == "demo" and not settings.may_be_open:
        raise ServiceError(
            f"setting sign_in: found demo with the {settings.clock} clock on {settings.host}, "
            f"allowed demo with the demo clock on 127.0.0.1 only; set MICROGRID_SIGN_IN=required"
        )


def require_witnesses(settings: Settings) -> None:
    """Raise StoreError where one of the witnesses could not be asked."""
    witnesses_of(settings)


def require_webhooks(settings: Settings) -> None:
    """Raise WebhookError where alarms could not be posted."""
    if webhooks_of(settings):
        secret_of(settings)


REQUIRED: dict[str, Callable[[Settings], None]] = {
    "sign-in": require_sign_in,
    "webhooks": require_webhooks,
    "witnesses": require_witnesses,
    "weather file": lambda settings: require_weather(settings.weather_file),
}
"""What a start asks of the settings, and `microgrid doctor` before it."""


def require_free_port(host: str, port: int) -> None:
    """Raise ServiceError where the address cannot be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(
                f"port {port} on {host} cannot be used ({error.strerror}); stop what listens "
                f"there or choose another: microgrid up --port {port + 1}, or "
                f"make run ARGS='--port {port + 1}'"
            ) from error


def announce(settings: Settings, address: str, store: Store) -> None:
    """Say where the page is and how to end, and where nobody could sign in, what to do."""
    sys.stdout.write(
        f"\n  {settings.district} is served at {address}  (Ctrl-C ends it; state in "
        f"{shown_url(settings.database_url)})\n\n"
    )
    if settings.asks_sign_in and not store.read(list_people):
        sys.stdout.write(
            "  Nobody can sign in yet: end it, run `microgrid people add NAME`, start again.\n\n"
        )
    sys.stdout.flush()
