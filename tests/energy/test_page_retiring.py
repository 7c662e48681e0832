"""The cards of retired assets and notes, in a real browser over a district that has really run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, Request, expect

from energy.api import ApiContext, create_app
from energy.config import Settings, build_settings
from energy.cycle import run_quarter_hour
from energy.dashboard import install
from energy.steps.context import (
    Installation,
    build_admission,
    demo_beginning,
    open_installation,
    start_microgrid,
)
from energy.steps.credentials import hash_secret, new_secret, new_seed
from energy.store.people import Person, add_person
from energy.store.retirements import all_retirements, retired_between
from energy.store.sessions import NewSession, begin_session
from energy.units import SLOT_S

pytestmark = pytest.mark.browser
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
    """A served district with sign-in, planned for one slot."""

    opened: Installation
    slot: int
    address: str

    def enter(self, page: Page, role: str, name: str, **cookies: str) -> None:
        """Let the browser's session be a new person's of a role, and open the assets."""
        secret = new_secret()

        def unit(connection: Any) -> None:
            add_person(connection, Person(name, role, "-", new_seed(), 0, WALL_S))
            begin_session(
                connection, NewSession(hash_secret(secret), WALL_S, "127.0.0.1", person=name)
            )

        self.opened.store.write(unit)
        given = {"microgrid": secret, "language": "en", **cookies}
        page.context.add_cookies(
            [{"name": key, "value": value, "url": self.address} for key, value in given.items()]
        )
        page.goto(f"{self.address}/assets")
        expect(page.locator("#retired")).to_have_attribute("data-state", "ready")

    def out_in(self, slot: int) -> list[str]:
        found = self.opened.store.read(lambda c: retired_between(c, slot, slot + SLOT_S))
        return [one.asset for one in found]


@pytest.fixture(scope="module")
def ran(
    serve_app: Callable[[FastAPI], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("retiring")
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/loop.db", bots=False,
        demo_start="2026-07-15T17:30+09:00", horizon_slots=8, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as opened:
        microgrid = start_microgrid(opened)
        slot = opened.first_slot
        run_quarter_hour(microgrid, slot, lambda: float(slot - 300))
        microgrid.close()
        context = ApiContext(
            opened.store, opened.district, Settings(sign_in="required"), Clock(slot + 60.0),
            build_admission(opened), wall_s=lambda: float(WALL_S),
        )  # fmt: skip
        app = create_app(context)
        install(app)
        yield Stage(opened, slot, serve_app(app))


@pytest.fixture
def stage(ran: Stage) -> Stage:
    return ran


def test_an_operator_retires_a_battery_undoes_it_and_lets_another_return(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page, keys = chromium_page, list[str]()

    def note(request: Request) -> None:
        if request.method == "POST":
            keys.append(request.headers["idempotency-key"])

    page.on("request", note)
    stage.enter(page, "operator", "kim")
    card, next_slot = page.locator("#retired"), stage.slot + SLOT_S
    expect(card.get_by_text("Every asset is in use")).to_be_visible()
    card.get_by_text("Take an asset out of use").click()
    page.locator("#retire-asset").select_option("boiler")
    expect(page.locator("#retire-known")).to_contain_text("when set-points lapse")
    page.locator("#retire-reason").fill("inverter is being replaced")
    expect(page.get_by_role("button", name="Take boiler out of use")).to_be_disabled()
    page.locator("#retire-asset").select_option("battery-1")
    expect(page.locator("#retire-known")).to_contain_text("neither plan nor market counts on it")
    page.get_by_role("button", name="Take battery-1 out of use").click()
    expect(card.locator(".receipt")).to_contain_text("battery-1 is out of use")
    expect(card.locator('[data-retired="battery-1"]')).to_contain_text("person kim: inverter")
    assert stage.out_in(next_slot) == ["battery-1"]
    card.get_by_role("button", name="Undo").click()
    expect(card.locator(".receipt")).to_contain_text("its retirement never begins")
    expect(card.get_by_text("Every asset is in use")).to_be_visible()
    assert stage.out_in(next_slot) == []
    card.get_by_text("Take an asset out of use").click()
    page.locator("#retire-asset").select_option("heat-pump")
    page.locator("#retire-reason").fill("compressor is loud")
    page.get_by_role("button", name="Take heat-pump out of use").click()
    row = card.locator('[data-retired="heat-pump"]')
    row.get_by_text("Let it return…").click()
    options = page.locator("#return-from-heat-pump option")
    page.locator("#return-from-heat-pump").select_option(options.nth(2).get_attribute("value"))
    row.locator("input").fill("repaired")
    row.get_by_role("button", name="Let heat-pump return").click()
    expect(card.locator(".receipt")).to_contain_text("heat-pump is in use again")
    expect(row).to_contain_text("until")
    (pump, battery) = stage.opened.store.read(lambda c: all_retirements(c, 9))
    assert (pump.asset, battery.asset) == ("heat-pump", "battery-1")
    assert pump.end_slot is not None and pump.end_slot > pump.from_slot
    assert stage.out_in(pump.from_slot) == ["heat-pump"] and stage.out_in(pump.end_slot) == []
    assert len(set(keys)) == len(keys) == 4


def test_a_note_is_written_and_stands_with_the_history(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    stage.enter(page, "operator", "lee")
    page.locator('[data-asset="fuel-cell-1"] .pick').click()
    expect(page.locator("#asset-one")).to_have_value("fuel-cell-1")
    expect(page.locator("#asset-notes")).to_contain_text("Nobody has written anything")
    page.locator("#asset-note").fill("stack 3 runs warm\nask the maker")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.locator("#asset-notes .note-text")).to_have_text("stack 3 runs warm\nask the maker")
    expect(page.locator("#asset-notes")).to_contain_text("person lee")
    expect(page.locator("#asset-note")).to_have_value("")
    page.locator("#asset-one").select_option("battery-1")
    expect(page.locator("#asset-notes")).to_contain_text("Nobody has written anything")


def test_whoever_only_reads_sees_no_form(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    stage.enter(chromium_page, "auditor", "ahn")
    expect(chromium_page.locator("#retired")).to_contain_text("you see which are out")
    assert chromium_page.locator("#retired form, #asset form").count() == 0


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_the_forms_fit_a_narrow_screen_and_break_no_rule_of_access(
    chromium_page: Page, stage: Stage, complaints: list[str], node_modules: Path,
    language: str, theme: str,
) -> None:  # fmt: skip
    page = chromium_page
    page.set_viewport_size({"width": 320, "height": 844})
    stage.enter(page, "operator", f"kim-{language}", language=language, theme=theme)
    page.locator("#retire-new summary").click()
    expect(page.locator("#retire-known span")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    assert page.evaluate(AXE) == []
