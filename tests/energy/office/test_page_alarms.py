"""The alarms screen in a real browser over the real API: seen, ended, counted by day."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from energy.store.alarms import Alarm, end_alarm, open_alarms, raise_alarm

pytestmark = pytest.mark.browser
HOT = Alarm("grid/limit", "alarm", "Line F3-07 is too hot", "F3", "Limit the feeder.")
WARM = Alarm("grid/other", "warning", "T041 is warm", "T041", "Look at it.")


def raise_both(office: Any) -> None:
    for one in (WARM, HOT):
        office.store.write(lambda c, one=one: raise_alarm(c, one, int(office.clock.at_s)))


def test_an_alarm_is_seen_with_a_note_and_then_leaves_for_the_ended(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    raise_both(office)
    office.enter(page, "kim")
    page.goto(f"{office.url}/alarms")
    expect(page.locator("#answer")).to_have_text(
        "Open: 1 alarm · 1 warning. Nobody has seen 2 of them."
    )
    row = page.locator("#open li.alarm")
    expect(row).to_contain_text("Line F3-07 is too hot")
    expect(row.get_by_role("link")).to_have_attribute("href", "/?slot=2026-07-15T08:30Z")
    row.get_by_label("Note").fill("the crew is on its way")
    row.get_by_role("button", name="I have seen it").click()
    expect(row).to_contain_text("Seen by person kim")
    expect(row).to_contain_text("the crew is on its way")
    expect(page.locator("#answer")).to_contain_text("Nobody has seen 1 of them")
    expect(page.locator("#rates tbody tr").first).to_contain_text("1")
    expect(page.locator("#ended")).to_contain_text("Nothing has ended yet")
    office.store.write(lambda c: end_alarm(c, HOT.cause, int(office.clock.at_s)))
    page.reload()
    expect(page.locator("#ended li")).to_contain_text("the crew is on its way")
    expect(page.locator("#open li")).to_have_count(1)


def test_what_is_written_stays_when_another_alarm_comes(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.store.write(lambda c: raise_alarm(c, WARM, int(office.clock.at_s)))
    office.enter(page, "kim")
    page.goto(f"{office.url}/alarms")
    note = page.locator("#open li.warning").get_by_label("Note")
    note.fill("half a sent")
    office.store.write(lambda c: raise_alarm(c, HOT, int(office.clock.at_s)))
    with page.expect_response("**/acknowledge"):
        page.locator("#open li.warning").get_by_role("button").click()
    expect(page.locator("#open li.alarm")).to_be_visible()
    assert [one.seen.note for one in office.store.read(open_alarms) if one.seen] == ["half a sent"]


def test_an_auditor_reads_who_has_seen_what_and_has_no_button(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    raise_both(office)
    office.enter(chromium_page, "ahn", "auditor")
    chromium_page.goto(f"{office.url}/alarms")
    expect(chromium_page.locator("#open li")).to_have_count(2)
    expect(chromium_page.get_by_role("button", name="I have seen it")).to_have_count(0)


def test_older_ones_come_page_by_page(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    for n in range(23):
        at_s = int(office.clock.at_s) - 60 * (23 - n)
        office.store.write(lambda c, at_s=at_s: raise_alarm(c, HOT, at_s))
        office.store.write(lambda c, at_s=at_s: end_alarm(c, HOT.cause, at_s + 30))
    office.enter(chromium_page, "kim")
    chromium_page.goto(f"{office.url}/alarms")
    rows, older = chromium_page.locator("#ended li"), chromium_page.locator("#ended")
    expect(rows).to_have_count(20)
    older.get_by_role("button", name="Show older ones").click()
    expect(rows).to_have_count(23)
    expect(older.get_by_role("button", name="Show older ones")).to_be_hidden()


def test_a_korean_reader_is_refused_in_korean_and_english_is_marked(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    raise_both(office)
    office.enter(page, "kim", language="ko")
    page.goto(f"{office.url}/alarms")
    button = page.locator("#open li.alarm button")
    expect(button).to_be_visible()
    detail = "alarm: found 1, allowed the number of an open alarm"
    refuse(page, "**/acknowledge", 404, code="NOT_FOUND", title="Not found", detail=detail)
    button.click()
    told = page.locator("#open .refused:not(:empty)")
    expect(told).to_have_text(f"없거나 열람할 수 없는 항목입니다. {detail}")
    expect(told.locator("[lang=en]")).to_have_text(detail)
    complaints.clear()  # the browser tells of the refusal itself


def refuse(page: Page, path: str, status: int, **problem: str) -> None:
    """Let the service refuse what is asked for under a path."""

    def answer(route: Route) -> None:
        given = {"status": status, **problem}
        route.fulfill(status=status, json=given, content_type="application/problem+json")

    page.route(path, answer)


def test_one_card_that_fails_says_so_in_the_readers_words_and_the_others_stay(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    refuse(page, "**/v1/alarms/days", 503, code="BUSY", title="Busy", detail="the queue is full")
    office.enter(page, "kim", language="ko")
    page.goto(f"{office.url}/alarms")
    note = page.locator("#rates > .note")
    expect(note).to_contain_text("서비스가 붐빕니다")
    expect(note.locator("[lang=en]")).to_have_text("the queue is full")
    assert "Busy" not in page.locator("#rates").inner_text()
    expect(page.locator("#ended")).to_have_attribute("data-state", "ready")
    complaints.clear()  # the browser tells of the refusal itself


def test_the_screen_fits_and_breaks_no_rule_of_access(
    office: Any, stage: Any, complaints: list[str], check_screen: Callable[[str, str], None]
) -> None:
    raise_both(office)
    check_screen("/alarms", "#open li")
