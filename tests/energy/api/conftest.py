"""A served API over a small district, and a client that says exactly what goes over the wire."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.district import District
from energy.store.admission import Admission
from energy.store.engine import Store, open_store

NOW_S = 1_784_105_000
FIRST_OPEN = 1_784_106_000


@dataclass
class StillClock:
    """A clock that the test moves."""

    at_s: float = NOW_S
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Answered:
    """What came back: status, headers with lower-case names, and the bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """An application on a port, with what stands behind it."""

    port: int
    store: Store
    clock: StillClock
    app: FastAPI
    trouble: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> Answered:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            verb = method or ("GET" if body is None else "POST")
            connection.request(verb, path, body, headers or {}, encode_chunked=False)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())

    def post(self, body: bytes) -> Answered:
        """An order as a client posts it."""
        return self.ask("/v1/orders", body, {"Content-Type": "application/json"})


@contextlib.contextmanager
def running(app: FastAPI) -> Iterator[int]:
    """Serve in a thread until the block ends; gives the port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not end"


Serve = Callable[[Path], contextlib.AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def serve(small_district: District, desk: Any) -> Serve:
    """Serves the API on a new store in a folder, for the length of a block."""

    @contextlib.contextmanager
    def serving(folder: Path, admission: Admission = desk.admission) -> Iterator[Served]:
        clock, trouble = StillClock(), dict[str, str]()
        with open_store(f"sqlite:///{folder / 'api.db'}") as store:
            context = ApiContext(
                store=store,
                district=small_district,
                settings=Settings(),
                clock=clock,
                admission=admission,
                trouble=lambda: trouble.get("loop"),
            )
            app = create_app(context)
            with running(app) as port:
                yield Served(port, store, clock, app, trouble)

    return serving


@pytest.fixture(scope="session")
def shared(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for tests that leave nothing behind but orders of their own."""
    with serve(tmp_path_factory.mktemp("api")) as served:
        yield served


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Iterator[Served]:
    """A server of the test's own on an empty store."""
    with serve(tmp_path) as found:
        yield found
