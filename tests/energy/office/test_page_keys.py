"""Single keys in a real browser: screens, rows, seen, search, slots, the list of all keys."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.store.alarms import Alarm, open_alarms, raise_alarm

pytestmark = pytest.mark.browser


def alarm(number: int) -> Alarm:
    return Alarm(f"grid/{number}", "warning", f"T{number:03} is warm", "F3", "Look at it.")


def test_an_alarm_is_found_and_seen_by_keys_alone(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    for n in range(3):
        at_s = int(office.clock.at_s) - 60 * (3 - n)
        office.store.write(lambda c, n=n, at_s=at_s: raise_alarm(c, alarm(n), at_s))
    office.enter(page, "kim")
    page.goto(office.url)
    expect(page.locator("#alarms li")).to_have_count(3)
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/alarms")
    rows = page.locator("#open li")
    expect(rows).to_have_count(3)
    page.keyboard.press("a")  # no row is chosen yet: nothing is seen by a slip
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("a")
    expect(rows.nth(1)).to_contain_text("Seen by person kim")
    expect(rows.nth(1)).to_be_focused()  # also after the list was renewed
    assert [one.seen is not None for one in office.store.read(open_alarms)] == [False, True, False]
    page.keyboard.press("Enter")
    page.wait_for_url("**/?slot=*")
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/people?slot=*")


def test_slash_searches_and_what_is_typed_is_no_key(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.begin("gil", "auditor")
    office.enter(page, "kim")
    page.goto(f"{office.url}/people")
    expect(page.locator("#people li")).to_have_count(2)
    page.keyboard.press("/")
    expect(page.locator("#people-search")).to_be_focused()
    page.keyboard.type("g?l")
    expect(page.locator("#people li")).to_have_count(0)
    page.locator("#people-search").fill("gil")
    expect(page.locator("#people li")).to_have_count(1)
    assert page.url == f"{office.url}/people"


def test_a_question_mark_lists_the_keys_and_escape_gives_the_focus_back(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str], node_modules: Any
) -> None:
    page = chromium_page
    office.enter(page, "kim")
    page.goto(f"{office.url}/alarms")
    expect(page.locator("#foot p").first).to_have_text("? shows all keys. Single keys on")
    button = page.get_by_role("button", name="Sign out")
    button.focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("next and last row")
    expect(dialog.locator("dl").nth(1).locator("dt")).to_have_count(12)
    page.keyboard.press("g")
    page.keyboard.press("o")  # in the dialog no key leads away
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    broken = page.evaluate("async () => (await axe.run(document)).violations.map((one) => one.id)")
    assert broken == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(button).to_be_focused()
    assert page.url == f"{office.url}/alarms"


def test_switched_off_no_key_does_anything(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.enter(page, "kim", keys="off")
    page.goto(f"{office.url}/alarms")
    expect(page.get_by_role("button", name="Single keys off")).to_be_visible()
    for key in ("?", "g", "o", "j"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.url == f"{office.url}/alarms"
