"""The screen of people in a real browser over the real API: disable, invite, read the audit log."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.store.audit import list_records
from energy.store.people import find_person

pytestmark = pytest.mark.browser


def test_a_person_is_disabled_by_typing_the_name(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.begin("lee", "auditor")
    office.enter(page, "kim")
    page.goto(f"{office.url}/people")
    expect(page.locator("#answer")).to_have_text("2 people may sign in, 2 of them staff.")
    row = page.locator("[data-person=lee]")
    row.get_by_text("Disable lee…").click()
    button = row.get_by_role("button", name="Disable lee", exact=True)
    expect(button).to_be_disabled()
    row.get_by_label("Type lee").fill("lee")
    button.click()
    expect(row).to_contain_text("disabled")
    expect(row.get_by_text("Disable lee…")).to_have_count(0)
    found = office.store.read(lambda c: find_person(c, "lee"))
    assert found.disabled_s is not None
    assert office.store.read(list_records)[0].record.task == "disable person"


def test_a_resident_is_invited_and_the_link_is_shown_once(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str], desk: Any
) -> None:
    page = chromium_page
    office.enter(page, "kim")
    page.goto(f"{office.url}/people")
    expect(page.locator("#invitations")).to_contain_text("Nobody is invited")
    page.get_by_text("Invite a resident").click()
    expect(page.locator("#invitations")).to_contain_text("the end of all its sessions")
    page.locator("#invite-name").fill("park-3")
    button = page.get_by_role("button", name="Invite", exact=True)
    expect(button).to_be_disabled()
    page.locator("#invite-account").fill(f"0x{desk.crowd.account[3].hex()}")
    button.click()
    link = page.locator("#invite-link")
    assert link.input_value().startswith(f"{office.url}/sign-in#invitation=")
    expect(page.locator("[data-invited=park-3]")).to_contain_text("waits")
    page.reload()
    expect(page.locator("[data-invited=park-3]")).to_be_visible()
    expect(link).to_have_count(0)


def test_the_audit_log_is_read_when_asked_for_and_page_by_page(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str], ask_office: Any
) -> None:
    page = chromium_page
    for _ in range(51):
        ask_office("kim", "/v1/audit?limit=1")
    before = len(office.store.read(lambda c: list_records(c, limit=500)))
    office.enter(page, "ahn", "auditor")
    page.goto(f"{office.url}/people")
    expect(page.get_by_role("button", name="Show the newest records")).to_be_visible()
    assert len(office.store.read(lambda c: list_records(c, limit=500))) == before
    page.get_by_role("button", name="Show the newest records").click()
    rows = page.locator("#records tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text("person ahn")
    expect(rows.first.locator("[lang=en]")).to_have_text("read audit log")
    page.locator("#records").get_by_role("button", name="Show older ones").click()
    expect(rows).to_have_count(52)
    expect(page.get_by_text("Invite a resident")).to_have_count(0)


def test_a_first_page_that_does_not_meet_what_is_known_leaves_no_gap_in_the_audit_log(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str], ask_office: Any
) -> None:
    page, card = chromium_page, chromium_page.locator("#records")
    rows, older = card.locator("tbody tr"), card.get_by_role("button", name="Show older ones")

    def look(times: int) -> None:
        for _ in range(times):
            ask_office("kim", "/v1/audit?limit=1")

    def numbers() -> list[int]:
        return [int(one.get_attribute("data-record") or 0) for one in rows.all()]

    look(51)
    office.enter(page, "ahn", "auditor")
    page.goto(f"{office.url}/people")
    card.get_by_role("button", name="Show the newest records").click()
    older.click()
    expect(rows).to_have_count(52)
    look(60)  # more than a page is new
    card.locator(".acts button").first.click()
    expect(rows).to_have_count(50)
    older.click()
    expect(rows).to_have_count(100)
    found = numbers()
    assert found == list(range(found[0], found[0] - 100, -1))
    card.locator(".acts button").first.click()  # little is new: what was read stays
    expect(rows).to_have_count(102)


def test_the_screen_fits_and_breaks_no_rule_of_access(
    office: Any, stage: Any, complaints: list[str], check_screen: Callable[[str, str], None]
) -> None:
    check_screen("/people", "#people li")
