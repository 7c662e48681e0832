"""The settings screen in a real browser over the real API: rules changed by two people."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from energy.store.market_rules import list_proposals, load_rule_book

pytestmark = pytest.mark.browser
EARLIEST = 1_784_106_000 + 97 * 900
AUGUST = 1_785_510_000  # its first slot in Sejong


def test_one_person_proposes_and_only_another_confirms(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.enter(page, "kim")
    page.goto(f"{office.url}/settings")
    expect(page.locator("#answer")).to_contain_text("version 1 of its rules")
    page.get_by_text("Propose a change").click()
    expect(page.get_by_role("button", name="Propose")).to_be_disabled()
    page.locator("#rule-price_cap_krw_per_kwh").fill("900")
    page.locator("#rules-note").fill("less than the third step")
    expect(page.locator("#rules-sentence")).to_contain_text("Highest price 1000 → 900")
    page.get_by_role("button", name="Propose").click()
    pending = page.locator(".pending")
    expect(pending).to_contain_text("Proposed by person kim")
    confirm = page.get_by_role("button", name="Confirm rules 2")
    expect(confirm).to_be_disabled()
    page.locator("#confirm-name").fill("rules 2")
    confirm.click()
    expect(pending.locator(".refused")).to_contain_text("allowed a second person")
    assert office.store.read(load_rule_book).changes == ()
    complaints.clear()  # the browser tells of the refusal itself
    office.enter(page, "lee")
    page.reload()
    page.locator("#confirm-name").fill("rules 2")
    confirm.click()
    expect(page.locator("#answer")).to_contain_text("version 2 holds from")
    expect(page.locator(".proposals li")).to_contain_text("Confirmed by person lee")
    assert office.store.read(load_rule_book).at(EARLIEST).cap_mkrw_per_kwh == 900_000
    expect(page.locator(".rules")).to_contain_text("to come")


def test_a_value_that_is_no_number_is_refused_and_not_left_out(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.enter(page, "kim")
    page.goto(f"{office.url}/settings")
    page.get_by_text("Propose a change").click()
    page.locator("#rule-price_cap_krw_per_kwh").fill("900")
    page.locator("#rule-maker_steps").fill("4a")
    page.locator("#rules-note").fill("a slip of the hand")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator("details .refused")).to_contain_text("maker_steps")
    assert office.store.read(list_proposals) == []
    complaints.clear()  # the browser tells of the refusal itself
    page.locator("#rule-maker_steps").fill("5")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator(".pending")).to_be_visible()
    (proposal,) = office.store.read(list_proposals)
    assert (proposal.rules.cap_mkrw_per_kwh, proposal.rules.maker_steps) == (900_000, 5)


def test_fees_and_a_promise_change_with_the_first_of_a_month(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page = chromium_page
    office.enter(page, "kim")
    page.goto(f"{office.url}/settings")
    page.get_by_text("Propose a change").click()
    page.locator("#rule-network_fee_krw_per_kwh").fill("3")
    page.locator("#rule-guarantee_kept_ppm").fill("500000")
    page.locator("#rules-note").fill("new cables")
    page.get_by_role("button", name="Propose").click()
    expect(page.locator("details .refused")).to_contain_text("first slot of a local month")
    complaints.clear()  # the browser tells of the refusal itself
    page.locator("#rules-from").select_option(label="Sat 1 Aug, 00:00")
    page.get_by_role("button", name="Propose").click()
    pending = page.locator(".pending")
    expect(pending).to_contain_text("Fee of the wires between zone and busbar")
    expect(pending).to_contain_text("60.0")
    (proposal,) = office.store.read(list_proposals)
    changed = (proposal.rules.network_fee_mkrw_per_kwh, proposal.rules.guarantee_kept_ppm)
    assert changed == (3_000, 500_000) and proposal.from_slot == AUGUST


def test_pressed_again_after_a_broken_line_the_same_request_is_sent(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    page, keys = chromium_page, list[str]()
    office.enter(page, "kim")
    page.goto(f"{office.url}/settings")
    page.get_by_text("Propose a change").click()
    page.locator("#rule-price_cap_krw_per_kwh").fill("900")
    page.locator("#rules-note").fill("less than the third step")
    page.get_by_role("button", name="Propose").click()

    def lose_the_first(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/withdraw", lose_the_first)
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator(".pending .refused")).not_to_be_empty()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator(".proposals li")).to_contain_text("Withdrawn by person kim")
    assert len(keys) == 2 and keys[0] == keys[1]
    complaints.clear()  # the browser tells of the broken line itself


def test_whoever_only_reads_sees_the_rules_and_no_form(
    chromium_page: Page, office: Any, stage: Any, complaints: list[str]
) -> None:
    office.enter(chromium_page, "ahn", "auditor")
    chromium_page.goto(f"{office.url}/settings")
    expect(chromium_page.locator(".rules tbody tr")).to_have_count(15)
    expect(chromium_page.get_by_text("Propose a change")).to_be_hidden()


def test_the_screen_fits_and_breaks_no_rule_of_access(
    office: Any, stage: Any, complaints: list[str], check_screen: Callable[[str, str], None]
) -> None:
    check_screen("/settings", ".rules tbody tr")
