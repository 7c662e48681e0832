"""The cards of retired assets and notes, in a real browser over a district that has really run."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from energy.store.retirements import all_retirements, retired_between
from energy.units import SLOT_S

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stage(begin_stage: Callable[[int], Any]) -> Any:
    return begin_stage(8)


def out_in(stage: Any, slot: int) -> list[str]:
    found = stage.microgrid.store.read(lambda c: retired_between(c, slot, slot + SLOT_S))
    return [one.asset for one in found]


def test_an_operator_retires_a_battery_undoes_it_and_lets_another_return(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, keys = chromium_page, list[str]()

    def note(request: Request) -> None:
        if request.method == "POST" and "/v1/assets/" in request.url:
            keys.append(request.headers["idempotency-key"])

    page.on("request", note)
    stage.enter(page, "operator", "kim", "/assets", "#retired")
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
    assert out_in(stage, next_slot) == ["battery-1"]
    card.get_by_role("button", name="Undo").click()
    expect(card.locator(".receipt")).to_contain_text("its retirement never begins")
    expect(card.get_by_text("Every asset is in use")).to_be_visible()
    assert out_in(stage, next_slot) == []
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
    (pump, battery) = stage.microgrid.store.read(lambda c: all_retirements(c, 9))
    assert (pump.asset, battery.asset) == ("heat-pump", "battery-1")
    assert pump.end_slot is not None and pump.end_slot > pump.from_slot
    assert out_in(stage, pump.from_slot) == ["heat-pump"] and out_in(stage, pump.end_slot) == []
    assert len(set(keys)) == len(keys) == 4


def test_a_note_is_written_and_stands_with_the_history(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    stage.enter(page, "operator", "lee", "/assets", "#retired")
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
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    stage.enter(chromium_page, "auditor", "ahn", "/assets", "#retired")
    expect(chromium_page.locator("#retired")).to_contain_text("you see which are out")
    assert chromium_page.locator("#retired form, #asset form").count() == 0


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_the_forms_fit_a_narrow_screen_and_break_no_rule_of_access(
    chromium_page: Page, stage: Any, complaints: list[str],
    language: str, theme: str,
) -> None:  # fmt: skip
    page = chromium_page
    page.set_viewport_size({"width": 320, "height": 844})
    stage.enter(
        page, "operator", f"kim-{language}", "/assets", "#retired", language=language, theme=theme
    )
    page.locator("#retire-new summary").click()
    expect(page.locator("#retire-known span")).to_be_visible()
    stage.require_fit(page)
