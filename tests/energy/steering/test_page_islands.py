"""The card of the district alone on the grid screen, in a browser over a district that has run."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.steps.replanning import answer_replans
from energy.timegrid import iso_of
from energy.units import SLOT_S

pytestmark = pytest.mark.browser
SOLVED_MS = 120_000  # two plans in a process of their own, on a machine that others use


@pytest.fixture(scope="module")
def stage(begin_stage: Callable[[int], Any]) -> Any:
    return begin_stage(16)


def end(page: Page, made: Any, button: str) -> None:
    """Reconnect or call off, with a reason, on the row of an island."""
    row = page.locator(f'[data-island="{made["id"]}"]')
    row.get_by_text("…").click()
    row.locator("input").fill("the utility is back")
    row.get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#alone .receipt")).to_contain_text("count on the utility again")


def test_an_operator_looks_ahead_plans_an_island_and_undoes_it(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#alone")
    stage.enter(page, "operator", "kim", "/grid", "#alone")
    expect(card.get_by_text("The connection to the utility is closed.")).to_be_visible()
    card.get_by_text("Let the district stand alone").click()
    confirm = page.get_by_role("button", name="Plan the island", exact=True)
    expect(confirm).to_be_disabled()
    page.get_by_role("button", name="What would it do?").click()
    known = page.locator("#alone-planned-known")
    expect(known).to_contain_text("Self-supply is", timeout=SOLVED_MS)
    assert stage.told(page, "/v1/steering/islands")["items"] == []
    until = int(page.locator("#alone-planned-until").input_value()) // 1000
    expect(known).to_contain_text(f"{(until - stage.slot) // SLOT_S - 1} of its slots")
    page.locator("#alone-planned-reason").fill("no")
    page.locator("#alone-planned-name").fill(stage.name)
    expect(confirm).to_be_disabled()
    page.locator("#alone-planned-reason").fill("works at the substation")
    expect(confirm).to_be_enabled()
    page.locator("#alone-planned-name").fill(stage.name[:-1])
    expect(confirm).to_be_disabled()
    page.locator("#alone-planned-name").fill(stage.name)
    page.locator("#alone-planned-until").select_option(index=1)
    expect(confirm).to_be_disabled()  # what was looked at ended another hour
    expect(known).to_be_empty()
    until = int(page.locator("#alone-planned-until").input_value()) // 1000
    page.get_by_role("button", name="What would it do?").click()
    expect(known).to_contain_text("Self-supply is", timeout=SOLVED_MS)
    confirm.click()
    expect(card.locator(".receipt")).to_contain_text("this ends by itself")
    (made,) = stage.told(page, "/v1/steering/islands")["items"]
    assert (made["kind"], made["reason"], made["by"]) == (
        "planned", "works at the substation", "person kim",
    )  # fmt: skip
    assert (made["from_utc"], made["until_utc"]) == (iso_of(stage.slot + SLOT_S), iso_of(until))
    row = card.locator(f'[data-island="{made["id"]}"]')
    expect(row).to_contain_text("person kim: works at the substation")
    card.get_by_role("button", name="Undo").click()
    expect(card.get_by_text("The connection to the utility is closed.")).to_be_visible()
    undone = stage.told(page, "/v1/steering/islands")["items"][0]
    assert (undone["state"], undone["ended"]["reason"]) == (
        "ended",
        "undone right after it was set",
    )


def test_an_open_connection_is_reported_told_to_the_devices_and_closed(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#alone")
    stage.enter(page, "operator", "lee", "/grid", "#alone")
    card.get_by_text("The connection has opened by itself").click()
    page.locator("#alone-unplanned-reason").fill("the breaker is open")
    report = page.get_by_role("button", name="Report that it is open", exact=True)
    expect(report).to_be_disabled()
    page.locator("#alone-unplanned-name").fill(stage.name)
    report.click()
    expect(card.locator(".receipt")).to_contain_text("counts as open until somebody reconnects")
    expect(card.locator("#alone-told")).to_contain_text("A new plan is being made")
    made = stage.told(page, "/v1/steering/islands")["items"][0]
    assert (made["state"], made["from_utc"]) == ("running", iso_of(stage.slot))
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1
    (answer,) = stage.told(page, "/v1/steering/replans")["items"][0]["answers"]
    assert answer["slot_utc"] == iso_of(stage.slot) and answer["tier"] in ("T0", "T1")
    expect(card.locator("#alone-told")).to_contain_text(f"({answer['tier']})", timeout=30_000)
    end(page, made, "Reconnect")
    ended = stage.told(page, "/v1/steering/islands")["items"][0]
    assert ended["until_utc"] == iso_of(stage.slot + SLOT_S)
    card.get_by_text("Plan anew now").click()
    page.locator("#alone-replan-reason").fill("a unit has tripped")
    page.get_by_role("button", name="Plan anew", exact=True).click()
    expect(card.locator(".receipt")).to_contain_text("The loop plans anew")
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1


def test_whoever_only_reads_sees_what_holds_and_no_form(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    asked: list[str] = []
    chromium_page.on("request", lambda request: asked.append(request.url))
    stage.enter(chromium_page, "auditor", "ahn", "/grid", "#alone")
    card = chromium_page.locator("#alone")
    expect(card).to_contain_text("Operators plan islands")
    assert card.locator("form, details, input").count() == 0
    assert not any("alone_form" in url for url in asked)


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_the_forms_fit_a_narrow_screen_and_everybody(
    chromium_page: Page, stage: Any, complaints: list[str],
    language: str, theme: str,
) -> None:  # fmt: skip
    page = chromium_page
    page.set_viewport_size({"width": 320, "height": 844})
    stage.enter(
        page, "operator", f"park-{language}", "/grid", "#alone", language=language, theme=theme
    )
    for kind in ("planned", "unplanned", "replan"):
        page.locator(f"#alone-{kind} summary").click()
        expect(page.locator(f"#alone-{kind}-reason")).to_be_visible()
    stage.require_fit(page)
