"""A resident's page whose stream is silent signs nothing new, and takes back all the same."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_no_order_is_signed_on_a_page_that_is_not_live(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    here.run()
    page.clock.install()
    page.goto(f"{here.address}/home")
    page.locator(".wallets button").click()
    expect(page.locator("#main[data-as-of]")).to_have_count(1)
    page.locator("#order-energy").fill("0.1")
    page.locator("#order-price").fill("120")
    page.locator("#order-sign").click()
    expect(page.locator("#trade form[data-order]")).to_have_count(1)
    page.route("**/v1/events*", lambda route: route.abort())
    page.reload()
    expect(page.locator("#main[data-as-of]")).to_have_count(1)
    page.clock.fast_forward(70_000)
    expect(page.locator("#banner")).to_contain_text("what needs fresh ones is off")
    signed = len(wallet.signed)
    page.locator("#order-energy").fill("0.1")
    page.locator("#order-price").fill("120")
    page.locator("#order-sign").click()
    expect(page.locator("#trade .told")).to_contain_text("Nothing is sent: this page is not live")
    assert len(wallet.signed) == signed
    page.locator("#orders li button").first.click()
    expect(page.locator("#orders [data-status='CANCELLED']")).to_have_count(1)
    assert wallet.signed[-1]["primaryType"] == "Cancel"
