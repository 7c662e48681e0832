"""The ledger screen in a real browser over a run with books: look up, audit, heads, ages, keys."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from energy.store.book_tables import entry

pytestmark = pytest.mark.browser


@pytest.fixture
def stage(run_stage: Any) -> Any:
    """The address that the browser may ask here: that of the run."""
    return run_stage


@pytest.fixture
def ledger_page(chromium_page: Page, run_address: str) -> Page:
    cookies = {"language": "en", "theme": "light"}
    chromium_page.context.add_cookies(
        [{"name": name, "value": value, "url": run_address} for name, value in cookies.items()]
    )
    chromium_page.goto(f"{run_address}/ledger")
    return chromium_page


def test_the_screen_says_that_the_books_hold_and_how_far_they_are(
    ledger_page: Page, ask_run: Callable[..., Any], complaints: list[str]
) -> None:
    page = ledger_page
    _, head, _ = ask_run("/v1/ledger")
    expect(page.locator("#answer")).to_contain_text("The books hold")
    expect(page.locator("#answer")).to_contain_text(f"{head['size']} entries")
    _, heads, _ = ask_run("/v1/checkpoints")
    expect(page.locator("#heads tbody tr")).to_have_count(len(heads["items"]))
    expect(page.locator("#heads tbody tr").first).to_contain_text("none set")
    expect(page.locator("#keys .signers li")).to_have_count(5)
    expect(page.locator("#ages .finding")).to_contain_text("Half of the slots are settled within")


def test_an_entry_is_found_by_its_id_and_its_proof_is_checked_in_the_page(
    ledger_page: Page, ran: Any, complaints: list[str]
) -> None:
    page, (opened, _) = ledger_page, ran
    settlement = select(entry.c.digest).where(entry.c.type == "Settlement").limit(1)
    id_ = opened.store.read(lambda c: c.scalar(settlement))
    page.locator("#look-up-id").fill(f"0x{id_.hex()}")
    page.get_by_role("button", name="Look up", exact=True).click()
    result = page.locator("#look-up-result")
    expect(result.locator(".badge.ok")).to_contain_text("the proof holds")
    expect(result).to_contain_text("Settlement")
    expect(result.get_by_role("button", name="Save the proof")).to_be_visible()


def test_a_seal_is_found_by_its_time_and_nothing_by_a_wrong_one(
    ledger_page: Page, ask_run: Callable[..., Any], complaints: list[str]
) -> None:
    page = ledger_page
    _, heads, _ = ask_run("/v1/checkpoints?limit=1")
    page.locator("#look-up-id").fill(heads["items"][0]["tick_utc"])
    page.keyboard.press("Enter")
    result = page.locator("#look-up-result")
    expect(result).to_contain_text(heads["items"][0]["root"])
    page.locator("#look-up-id").fill("yesterday")
    page.keyboard.press("Enter")
    expect(result).to_contain_text("Something has another form than it must have.")
    page.locator("#look-up-id").fill(f"0x{'00' * 32}")
    page.keyboard.press("Enter")
    expect(result).to_contain_text("There is no such thing, or not for you.")
    complaints.clear()  # the browser tells of the refusals itself


def test_an_audit_is_done_when_asked_for_and_says_what_was_read(
    ledger_page: Page, complaints: list[str]
) -> None:
    page = ledger_page
    page.get_by_role("button", name="Audit now").click()
    expect(page.locator("#audit-result .badge.ok")).to_contain_text("Everything adds up")
    expect(page.locator("#audit-result")).to_contain_text("Signed heads")


def test_a_broken_book_is_told_in_a_sentence_each(ledger_page: Page, complaints: list[str]) -> None:
    page, wrong = ledger_page, "transfers: found 12 rows, allowed 13"
    found = {
        "tick_utc": "2026-07-15T03:00:00Z", "size": 9, "root": "9f" * 32, "checkpoints": 3,
        "transfers": 12, "audit_records": 4, "moved_krw": "12.5", "moved_wh": "1200",
        "moved_points": "0", "holds": False, "findings": [wrong],
    }  # fmt: skip
    page.route("**/v1/ledger/audit", lambda route: route.fulfill(json=found))
    page.get_by_role("button", name="Audit now").click()
    expect(page.locator("#audit-result .badge.alarm")).to_contain_text("1 thing is wrong")
    expect(page.locator("#audit-result .violations")).to_have_text(wrong)


def test_arrows_go_from_slot_to_slot_n_comes_back_and_t_opens_the_table(
    ledger_page: Page, complaints: list[str]
) -> None:
    page = ledger_page
    expect(page.locator("#ages .values .slot")).to_be_visible()
    page.locator("#ages").scroll_into_view_if_needed()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("slot=2026-07-15T15%3A15Z$"))
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("slot=2026-07-15T15%3A30Z$"))
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/ledger$"))
    page.keyboard.press("t")
    expect(page.locator("#ages table")).to_be_visible()


def test_before_the_first_seal_every_card_says_so(
    chromium_page: Page, office: Any, complaints: list[str]
) -> None:
    office.enter(chromium_page, "kim")
    chromium_page.goto(f"{office.url}/ledger")
    expect(chromium_page.locator("#heads")).to_have_attribute("data-state", "empty")
    chromium_page.get_by_role("button", name="Audit now").click()
    expect(chromium_page.locator("#audit-result .refused")).to_be_visible()
    complaints.clear()  # the browser tells of what is not there yet


def test_the_screen_fits_and_breaks_no_rule_of_access(
    complaints: list[str], check_run: Callable[[str, str], None]
) -> None:
    check_run("/ledger", "#heads tbody tr")
