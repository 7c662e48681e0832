"""The page of a participant's statement, in a real browser: read from a file, sent nowhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from energy.dashboard import install

pytestmark = pytest.mark.browser

MONTH = {
    "month": "2026-07", "tariff": "residential-lv", "register_start_kwh": "0",
    "register_end_kwh": "252.4", "billed_kwh": "252", "received_kwh": "372", "given_kwh": "3",
    "utility_krw": "45390", "market_krw": "17820", "adjustments_krw": "-30", "total_krw": "63180",
    "lines": [
        {"part": "utility", "kind": "basic", "text": "b", "quantity": "1", "unit": "month or kW",
         "price_krw": "1600", "amount_krw": "1600"},
        {"part": "market", "kind": "trade_bought", "text": "t", "quantity": "120", "unit": "kWh",
         "amount_krw": "17820.25"},
        {"part": "market", "kind": "adjustment", "text": "a", "month": "2026-06",
         "amount_krw": "-30"},
        {"part": "market", "kind": "of_tomorrow", "text": "<b>new</b>", "amount_krw": "1"},
    ],
    "points": {"issued": "52", "paid": "7"},
    "auctions": {
        "without_krw": "63180", "gain_krw": "-12.5", "guarantee_krw": "12.5", "gain_after_krw": "0",
        "kept_pct": "97.25", "least_kept_pct": "80", "most_krw": "5000", "outside": None,
    },
    "comparison": {
        "kepco_alone_krw": "76310", "net_metering": True, "carried_kwh": "0", "saved_krw": "13100",
        "smp_rec_krw": "300", "sold_krw": "200", "sold_better_krw": "-100",
    },
    "proof": {"bill": "0xab", "checkpoint_size": "7", "checkpoint_root": "0xcd",
              "tick_utc": "2026-07-31T15:15:00Z", "lines_root": "0x00"},
}  # fmt: skip
DEARER = {**MONTH, "month": "2026-08", "comparison": {**MONTH["comparison"], "saved_krw": "-500"}}  # type: ignore[dict-item]
SUMS = {"total_krw": "126360", "kepco_alone_krw": "138960", "saved_krw": "12600"}


def statement(*months: dict[str, Any]) -> dict[str, Any]:
    return {"statement": "microgrid-statement/1", "market": "sejong-5-1",
            "account": "0x" + "ab" * 32, "months": list(months), "sums": SUMS}  # fmt: skip


@pytest.fixture(scope="module")
def address(serve_app: Callable[[FastAPI], str]) -> str:
    app = FastAPI(docs_url=None, redoc_url=None)
    install(app)
    return serve_app(app)


def show(page: Page, address: str, folder: Path, found: object) -> list[str]:
    """The page with a file chosen; what it asked the network for since."""
    page.goto(f"{address}/statement")
    expect(page.locator(".chooser")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda told: asked.append(told.text))
    path = folder / "statement.json"
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    page.locator("input[type=file]").set_input_files(path)
    return asked


def test_a_statement_is_shown_line_by_line_and_nothing_is_sent(
    chromium_page: Page, address: str, tmp_path: Path
) -> None:
    asked = show(chromium_page, address, tmp_path, statement(MONTH, DEARER))
    bill = chromium_page.locator("table.bill").first
    expect(bill.locator("tr.total td").last).to_have_text("₩63,180")
    expect(bill).to_contain_text("Bought from neighbours")
    expect(bill).to_contain_text("₩17,820.25")
    expect(bill).to_contain_text("<b>new</b>")
    expect(chromium_page.locator(".month .cheaper").first).to_contain_text("₩13,100 less")
    expect(chromium_page.locator(".month .sentence.dearer")).to_contain_text("₩500 more")
    expect(chromium_page.locator(".month").first).to_contain_text("₩100 more")
    expect(chromium_page.locator(".month").first).to_contain_text("7 have paid")
    assert asked == []


@pytest.mark.parametrize(
    ("auctions", "sentences"),
    [
        ({}, ["₩13 worse", "guarantee has given back ₩13"]),
        ({"gain_krw": "7", "guarantee_krw": "0", "gain_after_krw": "7"}, ["₩7 better"]),
        (
            {"guarantee_krw": "0", "gain_after_krw": "-12.5", "kept_pct": "79.9999",
             "outside": "not_kept"},
            ["₩13 worse", "₩13 stays with you", "79.9999 %", "asks for 80 %"],
        ),
        (
            {"gain_krw": "-5007", "guarantee_krw": "5000", "gain_after_krw": "-7",
             "outside": "above_most"},
            ["₩5,007 worse", "given back ₩5,000", "₩7 stays with you", "₩5,000 a month"],
        ),
    ],
)  # fmt: skip
def test_it_says_what_auctions_brought_and_what_the_guarantee_gave_back(
    chromium_page: Page,
    address: str,
    tmp_path: Path,
    auctions: dict[str, Any],
    sentences: list[str],
) -> None:
    line = {"part": "market", "kind": "guarantee", "text": "g", "quantity": "97.25",
            "unit": "% kept", "amount_krw": "-12.5"}  # fmt: skip
    told: dict[str, Any] = {**MONTH["auctions"], **auctions}  # type: ignore[dict-item]
    month = {**MONTH, "auctions": told, "lines": [*MONTH["lines"], line]}  # type: ignore[misc]
    show(chromium_page, address, tmp_path, statement(month))
    for one in sentences:
        expect(chromium_page.locator(".month")).to_contain_text(one)
    expect(chromium_page.locator("table.bill")).to_contain_text("97.25 % kept")
    before = {name: value for name, value in MONTH.items() if name != "auctions"}
    show(chromium_page, address, tmp_path, statement(before))
    expect(chromium_page.locator(".month")).not_to_contain_text("Auctions:")


def test_on_paper_there_are_no_buttons_and_all_lines(
    chromium_page: Page, address: str, tmp_path: Path
) -> None:
    show(chromium_page, address, tmp_path, statement(MONTH))
    expect(chromium_page.locator("table.bill")).to_be_visible()
    chromium_page.emulate_media(media="print")
    expect(chromium_page.locator(".chooser")).to_be_hidden()
    expect(chromium_page.locator("tr.total")).to_be_visible()


@pytest.mark.parametrize(
    ("found", "named"),
    [
        ("{", "JSON"),
        ({"statement": "other"}, "statement"),
        (statement(), "months"),
        (statement({**MONTH, "total_krw": 5}), "total_krw"),
        (statement({**MONTH, "lines": [{"kind": "basic"}]}), "lines"),
        (statement({**MONTH, "proof": {}}), "bill"),
        (statement({**MONTH, "auctions": {"gain_krw": 1}}), "auctions"),
    ],
)
def test_any_other_file_gets_one_sentence(
    chromium_page: Page, address: str, tmp_path: Path, found: object, named: str
) -> None:
    show(chromium_page, address, tmp_path, found)
    expect(chromium_page.locator("#told")).to_contain_text(f"{named} is missing")
    expect(chromium_page.locator("table.bill")).to_have_count(0)
