"""The operators' office over a real API with sign-in: people with sessions, a page of theirs."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.dashboard import install
from energy.district import District
from energy.steps.credentials import hash_secret, new_secret, new_seed
from energy.store.engine import Store, open_store
from energy.store.people import Person, add_person, find_person
from energy.store.sessions import NewSession, begin_session

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

    def enter(self, page: Page, name: str, role: str = "operator", **cookies: str) -> None:
        """Let a person of this name be who the browser's session is of."""

        def unit(connection: Any) -> None:
            if find_person(connection, name) is None:
                add_person(connection, Person(name, role, "-", new_seed(), 0, WALL_S))
            new = NewSession(hash_secret(secret), WALL_S, "127.0.0.1", person=name)
            begin_session(connection, new)

        secret = new_secret()
        self.store.write(unit)
        given = {"microgrid": secret, "language": "en", **cookies}
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
            chromium_page.set_viewport_size({"width": width, "height": 844})
            chromium_page.goto(f"{office.url}{path}")
            chromium_page.locator(ready).first.wait_for()
            wide = chromium_page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (language, theme, width)
            chromium_page.evaluate(axe)
            assert chromium_page.evaluate(AXE) == [], (language, theme, width)

    return check
