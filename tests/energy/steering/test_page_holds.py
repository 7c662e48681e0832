"""The card of held assets on the plan screen, in a real browser over a district that has run."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.steps.replanning import answer_replans
from energy.store.holds import resting_between
from energy.timegrid import iso_of
from energy.units import SLOT_S

pytestmark = pytest.mark.browser
SOLVED_MS = 120_000  # two plans in a process of their own, on a machine that others use


@pytest.fixture(scope="module")
def stage(begin_stage: Callable[[int], Any]) -> Any:
    return begin_stage(8)


def resting(stage: Any, slot: int) -> list[str]:
    found = stage.microgrid.store.read(lambda c: resting_between(c, slot, slot + SLOT_S))
    return [one.asset for one in found]


def test_an_operator_looks_ahead_holds_a_battery_at_once_and_lets_it_go(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#holds")
    stage.enter(page, "operator", "kim", "/plan", "#holds")
    expect(card.get_by_text("No asset is held at rest.")).to_be_visible()
    card.get_by_text("Hold an asset at rest").click()
    page.locator("#hold-asset").select_option("battery-1")
    assert page.locator("#hold-asset option[value=boiler]").count() == 0
    assert page.locator("#hold-from").input_value() == "at_once"
    confirm = page.get_by_role("button", name="Hold battery-1", exact=True)
    page.locator("#hold-reason").fill("smell of smoke")
    expect(confirm).to_be_disabled()
    page.get_by_role("button", name="What would it do?").click()
    expect(page.locator("#hold-known")).to_contain_text("the plan costs", timeout=SOLVED_MS)
    assert stage.told(page, "/v1/steering/holds")["items"] == []
    confirm.click()
    expect(card.locator(".receipt")).to_contain_text("battery-1 rests; this ends by itself at")
    (made,) = stage.told(page, "/v1/steering/holds")["items"]
    assert (made["state"], made["from_utc"], made["by"], made["reason"]) == (
        "running", iso_of(stage.slot), "person kim", "smell of smoke",
    )  # fmt: skip
    assert resting(stage, stage.slot) == ["battery-1"]
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1
    expect(page.locator("#hold-told")).to_contain_text("Last told anew", timeout=30_000)
    row = card.locator(f'[data-hold="{made["id"]}"]')
    expect(row).to_contain_text("person kim: smell of smoke")
    row.get_by_text("Let it go…").click()
    row.locator("input").fill("looked at")
    row.get_by_role("button", name="Let battery-1 go").click()
    expect(card.locator(".receipt")).to_contain_text("battery-1 follows the plan again")
    assert resting(stage, stage.slot) == []  # at once, for it rested already
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1


def test_what_is_planned_is_planned_anew_from_the_plan_screen(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#holds")
    stage.enter(page, "operator", "lee", "/plan", "#holds")
    card.get_by_text("Plan anew now").click()
    page.locator("#alone-replan-reason").fill("a unit has tripped")
    page.get_by_role("button", name="Plan anew", exact=True).click()
    expect(card.locator(".receipt")).to_contain_text("The loop plans anew")
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1


def test_whoever_only_reads_sees_what_rests_and_no_form(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    stage.enter(chromium_page, "auditor", "ahn", "/plan", "#holds")
    card = chromium_page.locator("#holds")
    expect(card).to_contain_text("Operators hold assets and let them go")
    assert card.locator("form, details, input").count() == 0


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_the_form_fits_a_narrow_screen_and_everybody(
    chromium_page: Page, stage: Any, complaints: list[str],
    language: str, theme: str,
) -> None:  # fmt: skip
    page = chromium_page
    page.set_viewport_size({"width": 320, "height": 844})
    stage.enter(
        page, "operator", f"park-{language}", "/plan", "#holds", language=language, theme=theme
    )
    page.locator("#hold-new summary").click()
    expect(page.locator("#hold-reason")).to_be_visible()
    stage.require_fit(page)
