"""Shared by all tests: the system's Chromium, found once, and applications on a free port."""

import asyncio
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from playwright.sync_api import Browser, Page, expect, sync_playwright

from energy.api.wire import GuardedWire
from energy.dashboard import install

Events = list[tuple[str, dict[str, Any]]]

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


PLUGINS = ("checks", "answers")
"""Files beside this one that are plugins of every run."""


def pytest_configure(config: pytest.Config) -> None:
    """The checks of operation, and the look at all answers, are plugins of every run."""
    for name in PLUGINS:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(f"operation_{name}", path)
        assert spec is not None and spec.loader is not None
        plugin = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = plugin
        spec.loader.exec_module(plugin)
        config.pluginmanager.register(plugin, spec.name)


PATIENT_MS = 20_000
RESTLESS_MOUSE = "setInterval(() => dispatchEvent(new PointerEvent('pointermove')), 50)"


@pytest.fixture(scope="session")
def do_without() -> Callable[[str], NoReturn]:
    """Skips what this machine cannot show; in CI and in a soak that is a failure, for nobody would
    look.
    """

    def end(sentence: str) -> NoReturn:
        (pytest.fail if {"CI", "SOAK"} & os.environ.keys() else pytest.skip)(sentence)

    return end


@pytest.fixture(scope="session")
def needed(do_without: Callable[[str], NoReturn]) -> Callable[..., str]:
    """Gives the path of a program of the system, the first that there is of these names."""

    def find(*names: str) -> str:
        found = next((path for name in names if (path := shutil.which(name))), None)
        if found is None:
            do_without(f"found none of the programs {', '.join(names)} on this machine")
        return found

    return find


@pytest.fixture(scope="session")
def chromium_command(needed: Callable[..., str]) -> list[str]:
    """How to start the system's Chromium; nothing is downloaded."""
    return [needed(*CHROMIUM_NAMES), *CHROMIUM_ARGS]


NODE_LISTS = Path(__file__).parent / "node"
NODE_CACHE = Path(__file__).parents[1] / "build" / "node"


@pytest.fixture(scope="session")
def node_command(needed: Callable[..., str]) -> str:
    """The system's Node.js, which comes with npm."""
    needed("npm")
    return needed("node")


@pytest.fixture(scope="session")
def node_modules(node_command: str) -> Path:
    """The packages of `tests/node`, installed once for each lock into `build/node`.

    The lock has versions and hashes and no addresses; no script of a package is run.
    """
    lists = [NODE_LISTS / name for name in ("package.json", "package-lock.json")]
    name = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()[:16]
    home = NODE_CACHE / name
    if not home.exists():
        NODE_CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=NODE_CACHE) as fresh:
            for path in lists:
                shutil.copy(path, fresh)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            told = subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=False)
            assert told.returncode == 0, f"npm ci in {fresh}: {told.stdout}{told.stderr}"
            made = Path(fresh) / "made"
            made.mkdir()
            (Path(fresh) / "node_modules").rename(made / "node_modules")
            # Of several test processes the first one that is ready wins.
            if not home.exists():
                try:
                    made.rename(home)
                except OSError:
                    assert home.exists()
    return home / "node_modules"


@pytest.fixture(scope="module")
def chromium(chromium_command: list[str]) -> Iterator[Browser]:
    """A running browser; it ends with its module, for its driver keeps an event loop running that
    other tests would trip over."""
    path, *arguments = chromium_command
    with sync_playwright() as playwright:
        # Two cores may be busy with other tests: what must come may take its time.
        expect.set_options(timeout=PATIENT_MS)
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def chromium_page(chromium: Browser) -> Iterator[Page]:
    """A fresh English page of 1366 x 768 in a context of its own, its viewer in New York.

    The viewer's mouse never rests, so that the page knows that somebody reads it.
    """
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768},
        locale="en-GB",
        timezone_id="America/New_York",
        reduced_motion="reduce",
    )
    context.add_init_script(RESTLESS_MOUSE)
    context.set_default_timeout(PATIENT_MS)
    page = context.new_page()
    yield page
    context.close()


def start_server(
    app: FastAPI, wire: type[GuardedWire] = GuardedWire
) -> tuple[uvicorn.Server, threading.Thread]:
    """A server in a thread, that answers on a port of its own."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=wire,
        log_level="error",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    return server, thread


def port_of(server: uvicorn.Server) -> int:
    """The port that a server answers on."""
    return int(server.servers[0].sockets[0].getsockname()[1])


def end_servers(running: list[tuple[uvicorn.Server, threading.Thread]]) -> None:
    """Ends servers, all at the same time."""
    for server, _ in running:
        server.should_exit = True
    for _, thread in running:
        thread.join(10)
        assert not thread.is_alive(), "the server did not end"


@pytest.fixture(scope="session")
def on_port() -> Callable[..., AbstractContextManager[int]]:
    """Serves an application in a thread until the block ends; gives the port."""

    @contextmanager
    def serve(app: FastAPI, wire: type[GuardedWire] = GuardedWire) -> Iterator[int]:
        server, thread = start_server(app, wire)
        try:
            yield port_of(server)
        finally:
            end_servers([(server, thread)])

    return serve


@pytest.fixture(scope="module")
def serve_app() -> Iterator[Callable[[FastAPI], str]]:
    """Serves an application in a thread and gives its address; all end with their module, for
    each has threads and a following of the journal that would slow all later tests."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(app: FastAPI) -> str:
        running.append(start_server(app))
        return f"http://127.0.0.1:{port_of(running[-1][0])}"

    yield serve
    end_servers(running)


@pytest.fixture(scope="session")
def stage_app() -> Callable[[Callable[[str], Response], Callable[[], Events]], FastAPI]:
    """An application with the pages, whose `/v1` is answered by a test.

    The first argument answers a path with its query, the second gives all events sent so far.
    """

    def build(answer: Callable[[str], Response], events: Callable[[], Events]) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        install(app)

        @app.get("/v1/events")
        async def stream_events(request: Request) -> StreamingResponse:
            async def stream() -> AsyncIterator[str]:
                sent = 0
                yield ": open\n\n"
                while not await request.is_disconnected():
                    for number, (kind, data) in enumerate(events()[sent:], sent + 1):
                        yield f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
                    sent = max(sent, len(events()))
                    await asyncio.sleep(0.05)

            return StreamingResponse(stream(), media_type="text/event-stream")

        @app.get("/v1/{path:path}")
        def answer_path(request: Request, path: str) -> Response:
            query = f"?{request.url.query}" if request.url.query else ""
            return answer(f"/v1/{path}{query}")

        return app

    return build


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest,
    serve_app: Callable[[FastAPI], str],
    stage_app: Callable[[Any, Any], FastAPI],
) -> Any:
    """The module's own `Stage`, served: it has `answer`, `events` and an `address`."""
    stage = request.module.Stage()
    stage.address = serve_app(stage_app(stage.answer, lambda: stage.events))
    return stage


@pytest.fixture
def complaints(chromium_page: Page, stage: Any) -> Iterator[list[str]]:
    """Console errors, thrown errors and requests to other hosts than the module's `stage`.

    A test ends without any.
    """
    found: list[str] = []
    chromium_page.on(
        "console",
        lambda message: (
            found.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    chromium_page.on("pageerror", lambda error: found.append(str(error)))
    chromium_page.on(
        "request",
        lambda request: (
            None if request.url.startswith((stage.address, "blob:")) else found.append(request.url)
        ),
    )
    yield found
    assert found == []
