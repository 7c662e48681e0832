"""A small district that has planned one quarter hour, served with its pages and sign-in.

Whoever steers it on a page signs in by the page.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from energy.api import ApiContext, create_app
from energy.config import Settings, build_settings
from energy.cycle import run_quarter_hour
from energy.dashboard import install
from energy.steps.context import (
    Microgrid,
    build_admission,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.steps.credentials import STEP_S, code_at, new_seed, stretch_password
from energy.store.people import Person, add_person

PASSWORD = "correct horse battery staple"
WALL_S = 1_800_000_000
AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.map((one) => [one.id, one.nodes.map((each) => each.html)]);
}"""


@dataclass
class Clock:
    at_s: float
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Stage:
    """A served district, the slot that it has planned, and who looks at it."""

    microgrid: Microgrid
    slot: int
    clock: Clock
    address: str
    axe: str

    @property
    def name(self) -> str:
        """The district's name in English."""
        return self.microgrid.district.name["en"]

    def enter(
        self, page: Page, role: str, name: str, screen: str, card: str, **cookies: str
    ) -> None:
        """Sign in as a new person of a role, bound for a screen, until its card is there."""
        who = Person(name, role, stretch_password(PASSWORD), new_seed(), 0, WALL_S)
        self.microgrid.store.write(lambda connection: add_person(connection, who))
        page.context.add_cookies(
            [{"name": key, "value": value, "url": self.address} for key, value in cookies.items()]
        )
        page.goto(f"{self.address}/sign-in?to={screen}")
        page.locator("#name").fill(who.name)
        page.locator("#password").fill(PASSWORD)
        page.locator("#code").fill(code_at(who.code_seed, WALL_S // STEP_S))
        page.locator("#person button").click()
        expect(page.locator(card)).to_have_attribute("data-state", "ready")

    def told(self, page: Page, path: str) -> Any:
        """What the API tells this browser's session."""
        return page.evaluate("(path) => fetch(path).then((answer) => answer.json())", path)

    def require_fit(self, page: Page) -> None:
        """Nothing stands beyond the screen's width, and axe is mute."""
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.evaluate(self.axe)
        assert page.evaluate(AXE) == []


@pytest.fixture(scope="module")
def begin_stage(
    serve_app: Callable[[FastAPI], str],
    tmp_path_factory: pytest.TempPathFactory,
    node_modules: Path,
) -> Iterator[Callable[[int], Stage]]:
    """Gives a stage whose plan covers so many slots."""
    with contextlib.ExitStack() as stack:

        def begin(horizon_slots: int) -> Stage:
            folder = tmp_path_factory.mktemp("steering")
            settings = build_settings(
                district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/loop.db",
                bots=False, demo_start="2026-07-15T17:30+09:00", horizon_slots=horizon_slots,
                history_days=7,
            )  # fmt: skip
            opened = stack.enter_context(open_installation(settings, demo_beginning(settings)))
            microgrid = start_microgrid(opened)
            stack.callback(microgrid.close)
            slot, clock = opened.first_slot, Clock(opened.first_slot + 60.0)
            run_quarter_hour(microgrid, slot, lambda: float(slot - 300))
            context = ApiContext(
                opened.store, opened.district, Settings(sign_in="required"), clock,
                build_admission(opened), wall_s=lambda: float(WALL_S),
            )  # fmt: skip
            app = create_app(context)
            install(app)
            axe = (node_modules / "axe-core" / "axe.min.js").read_text()
            return Stage(microgrid, slot, clock, serve_app(app), axe)

        yield begin
