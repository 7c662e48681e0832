"""The report of a run: one JSON for programs, one page for people that stands alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from energy.report import market_sentence, write_report

SUMMARY: dict[str, Any] = {
    "district": "sejong-5-1<&>",
    "start": "2026-07-15T00:00:00Z",
    "slots": 2,
    "slots_with_row": 2,
    "tiers": {"T0": 2},
    "violations": 0,
    "broken_departures": 1,
    "departures": 3,
    "ledger_verified": True,
    "cost_krw": 90.0,
    "baseline_cost_krw": 100.0,
    "saved_frac": 0.1,
    "self_sufficiency_frac": 0.4,
    "peak_kw": 12.0,
    "baseline_peak_kw": 13.0,
    "traded_kwh": 5.0,
    "seconds_per_slot": {"median": 1.0, "worst": 2.0},
    "market": {
        "closed": True,
        "slots": 2,
        "slots_with_trade": 1,
        "bought_kwh": 5.0,
        "price_low_krw_per_kwh": 142.5,
        "price_high_krw_per_kwh": 151.0,
        "welfare_krw": 412.0,
        "fees_krw": 8.0,
        "rent_krw": 0.0,
        "traders": 12,
        "gain_krw": 250.0,
        "contract_gain_krw": -31.0,
        "worse_off": 3,
    },
}
COLUMNS = (
    "fuel_cell_kw", "biogas_kw", "solar_kw", "battery_out_kw", "cars_out_kw", "import_kw",
    "load_kw", "cars_in_kw", "battery_in_kw", "heat_pump_kw", "losses_kw", "export_kw",
    "battery_kwh", "heat_store_kwh", "traded_kwh",
)  # fmt: skip


@pytest.fixture
def page(tmp_path: Path) -> str:
    series: dict[str, list[float | None]] = {name: [1.0, 2.0] for name in COLUMNS}
    series["slot"] = [1784073600, 1784074500]
    series["price_krw_per_kwh"] = [None, 142.5]
    path = write_report(tmp_path / "day.json", SUMMARY, series, "Asia/Seoul")
    assert json.loads((tmp_path / "day.json").read_text()) == SUMMARY
    return path.read_text(encoding="utf-8")


def test_the_answer_stands_first_in_words(page: str) -> None:
    assert "2 of 2 quarter hours have their row (2 x T0)" in page
    assert "1 of 3 departures short of their promise; the books are proven." in page


def test_the_page_stands_alone_and_quotes_what_it_shows(page: str) -> None:
    assert "http" not in page and "<script" not in page
    assert "sejong-5-1&lt;&amp;&gt;" in page


def test_a_slot_without_trade_is_a_gap_in_the_price_line(page: str) -> None:
    price = page.split("won/kWh (a gap")[1].split("</figure>")[0]
    assert price.count('d="M') == 1 and "L" not in price.split('d="')[1].split('"')[0]


def test_the_market_is_told_with_who_lost_by_it(page: str) -> None:
    assert (
        "5.0 kWh were traded in 1 of 2 settled quarter hours at 142.5 to 151.0 won/kWh; the "
        "auctions&#x27; welfare is 412 won. Against tariff and feed-in alone 12 traders gained "
        "250 won, 3 of them are worse off; contracts lost 31 won. Fees are 8 won, congestion "
        "rent 0 won; the budget closes to 0." in page
    )
    silent = market_sentence({**SUMMARY["market"], "slots_with_trade": 0})
    assert silent == "Nobody traded in 2 settled quarter hours."
    open_ = market_sentence({**SUMMARY["market"], "closed": False})
    assert "the budget DOES NOT CLOSE" in open_
