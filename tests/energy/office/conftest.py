"""The operators' office over a real API with sign-in: people with sessions, a page of theirs."""

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page

from energy.api import ApiContext, create_app
from energy.config import Settings, build_settings
from energy.cycle import run_quarter_hour
from energy.dashboard import install
from energy.district import District
from energy.steps.context import (
    Installation,
    build_admission,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.steps.credentials import hash_secret, new_secret, new_seed
from energy.store.engine import Store, open_store
from energy.store.people import Person, add_person, find_person
from energy.store.retention import thin_out
from energy.store.sessions import NewSession, begin_session
from energy.store.sqlite import sqlite3
from energy.units import SLOT_S

NOW_S = 1_784_105_000
WALL_S = 1_800_000_000
AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.map((one) => [one.id, one.nodes.map((each) => each.html)]);
}"""


@dataclass
class OfficeClock:
    """A clock that the test moves."""

    at_s: float = NOW_S
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Office:
    """A served application with the pages, its store, and who looks at it."""

    store: Store
    clock: OfficeClock = field(default_factory=OfficeClock)
    url: str = ""

    def begin(self, name: str, role: str = "operator") -> str:
        """The secret of a new session of a person of this name."""

        def unit(connection: Any) -> None:
            if find_person(connection, name) is None:
                add_person(connection, Person(name, role, "-", new_seed(), 0, WALL_S))
            new = NewSession(hash_secret(secret), WALL_S, "127.0.0.1", person=name)
            begin_session(connection, new)

        secret = new_secret()
        self.store.write(unit)
        return secret

    def enter(self, page: Page, name: str, role: str = "operator", **cookies: str) -> None:
        """Let a person of this name be who the browser's session is of."""
        given = {"microgrid": self.begin(name, role), "language": "en", **cookies}
        page.context.add_cookies(
            [{"name": key, "value": value, "url": self.url} for key, value in given.items()]
        )


@pytest.fixture
def office(
    serve_app: Callable[[FastAPI], str], small_district: District, desk: Any, tmp_path: Path
) -> Iterator[Office]:
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(open_store(f"sqlite:///{tmp_path / 'office.db'}"))
        here = Office(store)
        settings = Settings(sign_in="required")
        context = ApiContext(
            store, small_district, settings, here.clock, desk.admission, wall_s=lambda: WALL_S
        )
        app = create_app(context)
        install(app)
        here.url = serve_app(app)
        yield here


@dataclass
class OfficeAnswer:
    """Status and body of an answer."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def ask_office(office: Office) -> Callable[..., OfficeAnswer]:
    """Asks the office's API as an operator of this name; with a document it posts it."""

    def ask(name: str, path: str, *document: Any) -> OfficeAnswer:
        headers = {"Cookie": f"microgrid={office.begin(name)}", "Origin": office.url}
        body = None
        if document:
            body = b"" if document[0] is None else json.dumps(document[0]).encode()
            headers["Content-Type"] = "application/json"
        line = http.client.HTTPConnection(urlsplit(office.url).netloc, timeout=20)
        with contextlib.closing(line):
            line.request("POST" if document else "GET", path, body, headers)
            found = line.getresponse()
            return OfficeAnswer(found.status, found.read())

    return ask


@pytest.fixture
def stage(office: Office) -> Any:
    """The address that the browser may ask, for `complaints`."""

    @dataclass
    class Stage:
        address: str

    return Stage(office.url)


@pytest.fixture
def check_screen(
    office: Office, node_modules: Path, chromium_page: Page
) -> Callable[[str, str], None]:
    """Looks at a screen at three widths, light and dark, in both languages: it fits, axe is mute.

    `ready` is a selector of what shows that the screen is there.
    """
    axe = (node_modules / "axe-core" / "axe.min.js").read_text()

    def check(path: str, ready: str) -> None:
        for language, theme, width in (
            ("en", "light", 1366), ("ko", "dark", 320), ("ko", "light", 390), ("en", "dark", 320),
        ):  # fmt: skip
            cookies = {"language": language, "theme": theme}
            office.enter(chromium_page, "looker", **cookies)
            look(chromium_page, axe, f"{office.url}{path}", ready, width)

    return check


RUN_SLOTS = 6


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, int]]:
    """A small district from 23:15 to 00:45 local time, the slot of 23:30 missed."""
    folder = tmp_path_factory.mktemp("reports")
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/loop.db", bots=False,
        demo_start="2026-07-15T23:15+09:00", horizon_slots=8, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as opened:
        microgrid = start_microgrid(opened)
        first = opened.first_slot
        for slot in range(first, first + RUN_SLOTS * SLOT_S, SLOT_S):
            late = SLOT_S if slot == first + SLOT_S else -300
            run_quarter_hour(microgrid, slot, lambda at=slot + late: at)
        microgrid.close()
        yield opened, first


@pytest.fixture(scope="session")
def run_address(
    on_port: Callable[..., AbstractContextManager[int]], ran: tuple[Installation, int]
) -> Iterator[str]:
    opened, first = ran
    clock = OfficeClock(first + RUN_SLOTS * SLOT_S)
    app = create_app(
        ApiContext(opened.store, opened.district, opened.settings, clock, build_admission(opened))
    )
    install(app)
    with on_port(app) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def ask_run(run_address: str) -> Callable[..., tuple[int, Any, str | None]]:
    """Asks the API of the run: status, document, ETag."""
    return asker(run_address)


def asker(address: str) -> Callable[..., tuple[int, Any, str | None]]:
    """Asks the API at an address: status, document, ETag."""

    def ask(path: str, **headers: str) -> tuple[int, Any, str | None]:
        line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
        line.request(
            "GET", path, headers={name.replace("_", "-"): v for name, v in headers.items()}
        )
        found = line.getresponse()
        body = found.read()
        line.close()
        return found.status, json.loads(body) if body else None, found.headers["etag"]

    return ask


@pytest.fixture(scope="session")
def ask_at() -> Callable[[str], Callable[..., tuple[int, Any, str | None]]]:
    """Gives what asks the API at an address, as `ask_run` does."""
    return asker


@pytest.fixture
def thinned_run(
    ran: tuple[Installation, int], serve_app: Callable[[FastAPI], str], tmp_path: Path
) -> Iterator[Callable[[dict[str, int]], str]]:
    """Serves a copy of the run whose rows of each kind before a slot are thinned out."""
    opened, first = ran
    with contextlib.ExitStack() as stack:

        def serve(before: dict[str, int]) -> str:
            copy = tmp_path / "copy.db"
            with sqlite3.connect(opened.settings.database_url.removeprefix("sqlite:///")) as old:
                old.execute("VACUUM INTO ?", (str(copy),))
            store = stack.enter_context(open_store(f"sqlite:///{copy}"))
            assert store.write(lambda c: thin_out(c, before)) > 0
            clock = OfficeClock(first + RUN_SLOTS * SLOT_S)
            admission = build_admission(opened)
            app = create_app(ApiContext(store, opened.district, opened.settings, clock, admission))
            install(app)
            return serve_app(app)

        yield serve


@dataclass
class RunStage:
    """The address that the browser may ask, for `complaints`."""

    address: str


@pytest.fixture
def run_stage(run_address: str) -> RunStage:
    return RunStage(run_address)


@pytest.fixture
def check_run(
    run_address: str, node_modules: Path, chromium_page: Page
) -> Callable[[str, str], None]:
    """Looks at a screen of the run, which asks nobody to sign in, as `check_screen` does."""
    axe = (node_modules / "axe-core" / "axe.min.js").read_text()

    def check(path: str, ready: str) -> None:
        for cookies, width in (
            ({"language": "en", "theme": "light"}, 1366),
            ({"language": "ko", "theme": "dark"}, 320),
            ({"language": "en", "theme": "dark"}, 390),
        ):
            chromium_page.context.add_cookies(
                [{"name": k, "value": v, "url": run_address} for k, v in cookies.items()]
            )
            look(chromium_page, axe, f"{run_address}{path}", ready, width)

    return check


def look(page: Page, axe: str, url: str, ready: str, width: int) -> None:
    """A screen at a width: no sideways scrolling, and axe finds nothing."""
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(url)
    page.locator(ready).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (url, width)
    page.evaluate(axe)
    assert page.evaluate(AXE) == [], (url, width)
