"""The card of the district alone on the grid screen, in a browser over a district that has run."""

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
from energy.steps.replanning import answer_replans
from energy.store.people import Person, add_person
from energy.timegrid import iso_of
from energy.units import SLOT_S

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple"
WALL_S = 1_800_000_000
SOLVED_MS = 120_000  # two plans in a process of their own, on a machine that others use
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
    """A served district with sign-in, planned for one slot and the hours after it."""

    microgrid: Microgrid
    slot: int
    clock: Clock
    address: str

    def enter(self, page: Page, role: str, name: str) -> None:
        """Sign in as a new person of a role, bound for the grid."""
        who = Person(name, role, stretch_password(PASSWORD), new_seed(), 0, WALL_S)
        self.microgrid.store.write(lambda connection: add_person(connection, who))
        page.goto(f"{self.address}/sign-in?to=/grid")
        page.locator("#name").fill(who.name)
        page.locator("#password").fill(PASSWORD)
        page.locator("#code").fill(code_at(who.code_seed, WALL_S // STEP_S))
        page.locator("#person button").click()
        expect(page.locator("#alone")).to_have_attribute("data-state", "ready")


@pytest.fixture(scope="module")
def stage(
    serve_app: Callable[[FastAPI], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("islands")
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/loop.db", bots=False,
        demo_start="2026-07-15T17:30+09:00", horizon_slots=16, history_days=7,
    )  # fmt: skip
    with open_installation(settings, demo_beginning(settings)) as opened:
        microgrid = start_microgrid(opened)
        slot, clock = opened.first_slot, Clock(opened.first_slot + 60.0)
        run_quarter_hour(microgrid, slot, lambda: float(slot - 300))
        context = ApiContext(
            opened.store, opened.district, Settings(sign_in="required"), clock,
            build_admission(opened), wall_s=lambda: float(WALL_S),
        )  # fmt: skip
        app = create_app(context)
        install(app)
        yield Stage(microgrid, slot, clock, serve_app(app))
        microgrid.close()


def told(page: Page, path: str) -> Any:
    """What the API tells this browser's session."""
    return page.evaluate("(path) => fetch(path).then((answer) => answer.json())", path)


def end(page: Page, made: Any, button: str) -> None:
    """Reconnect or call off, with a reason, on the row of an island."""
    row = page.locator(f'[data-island="{made["id"]}"]')
    row.get_by_text("…").click()
    row.locator("input").fill("the utility is back")
    row.get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#alone .receipt")).to_contain_text("count on the utility again")


def test_an_operator_looks_ahead_plans_an_island_and_undoes_it(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#alone")
    stage.enter(page, "operator", "kim")
    expect(card.get_by_text("The connection to the utility is closed.")).to_be_visible()
    card.get_by_text("Let the district stand alone").click()
    confirm = page.get_by_role("button", name="Plan the island", exact=True)
    expect(confirm).to_be_disabled()
    page.get_by_role("button", name="What would it do?").click()
    known = page.locator("#alone-planned-known")
    expect(known).to_contain_text("Self-supply is", timeout=SOLVED_MS)
    assert told(page, "/v1/steering/islands")["items"] == []
    until = int(page.locator("#alone-planned-until").input_value()) // 1000
    expect(known).to_contain_text(f"{(until - stage.slot) // SLOT_S - 1} of its slots")
    page.locator("#alone-planned-reason").fill("works at the substation")
    confirm.click()
    expect(card.locator(".receipt")).to_contain_text("this ends by itself")
    (made,) = told(page, "/v1/steering/islands")["items"]
    assert (made["kind"], made["reason"], made["by"]) == (
        "planned", "works at the substation", "person kim",
    )  # fmt: skip
    assert (made["from_utc"], made["until_utc"]) == (iso_of(stage.slot + SLOT_S), iso_of(until))
    row = card.locator(f'[data-island="{made["id"]}"]')
    expect(row).to_contain_text("person kim: works at the substation")
    card.get_by_role("button", name="Undo").click()
    expect(card.get_by_text("The connection to the utility is closed.")).to_be_visible()
    undone = told(page, "/v1/steering/islands")["items"][0]
    assert (undone["state"], undone["ended"]["reason"]) == (
        "ended",
        "undone right after it was set",
    )


def test_an_open_connection_is_reported_told_to_the_devices_and_closed(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#alone")
    stage.enter(page, "operator", "lee")
    card.get_by_text("The connection has opened by itself").click()
    page.locator("#alone-unplanned-reason").fill("the breaker is open")
    page.get_by_role("button", name="Report that it is open", exact=True).click()
    expect(card.locator(".receipt")).to_contain_text("counts as open until somebody reconnects")
    expect(card.locator("#alone-told")).to_contain_text("A new plan is being made")
    made = told(page, "/v1/steering/islands")["items"][0]
    assert (made["state"], made["from_utc"]) == ("running", iso_of(stage.slot))
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1
    (answer,) = told(page, "/v1/steering/replans")["items"][0]["answers"]
    assert answer["slot_utc"] == iso_of(stage.slot) and answer["tier"] in ("T0", "T1")
    expect(card.locator("#alone-told")).to_contain_text(f"({answer['tier']})", timeout=30_000)
    end(page, made, "Reconnect")
    ended = told(page, "/v1/steering/islands")["items"][0]
    assert ended["until_utc"] == iso_of(stage.slot + SLOT_S)
    card.get_by_text("Plan anew now").click()
    page.locator("#alone-replan-reason").fill("a unit has tripped")
    page.get_by_role("button", name="Plan anew", exact=True).click()
    expect(card.locator(".receipt")).to_contain_text("The loop plans anew")
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1


def test_whoever_only_reads_sees_what_holds_and_no_form(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    asked: list[str] = []
    chromium_page.on("request", lambda request: asked.append(request.url))
    stage.enter(chromium_page, "auditor", "ahn")
    card = chromium_page.locator("#alone")
    expect(card).to_contain_text("Operators plan islands")
    assert card.locator("form, details, input").count() == 0
    assert not any("alone_form" in url for url in asked)


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_the_forms_fit_a_narrow_screen_and_everybody(
    chromium_page: Page, stage: Stage, complaints: list[str], node_modules: Path,
    language: str, theme: str,
) -> None:  # fmt: skip
    page = chromium_page
    page.set_viewport_size({"width": 320, "height": 844})
    cookies = {"language": language, "theme": theme}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": stage.address} for name, value in cookies.items()]
    )
    stage.enter(page, "operator", f"park-{language}")
    for kind in ("planned", "unplanned", "replan"):
        page.locator(f"#alone-{kind} summary").click()
        expect(page.locator(f"#alone-{kind}-reason")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    assert page.evaluate(AXE) == []
