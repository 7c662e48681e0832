"""A month's report over a loop that has really run, across a midnight: API, page, file."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.steps.context import Installation
from energy.store.measured import load_summaries
from energy.store.orders import clearings_between
from energy.store.views import views_between
from energy.timegrid import iso_of
from energy.units import SLOT_S

SLOTS = 6


@pytest.fixture
def stage(run_stage: Any) -> Any:
    return run_stage


def test_the_sums_are_those_of_the_rows_that_the_loop_has_written(
    ask_run: Any, ran: tuple[Installation, int]
) -> None:
    (opened, first), (status, report, _) = ran, ask_run("/v1/reports/2026-07")
    assert status == 200 and report["month"] == "2026-07" and len(report["days"]) == 31
    # Readings come two slots late, so the first two that are measured lie before the run.
    begin, end = first - 2 * SLOT_S, first + (SLOTS - 2) * SLOT_S
    measured = opened.store.read(lambda c: views_between(c, "measured", begin, end))
    assert report["totals"]["measured_slots"] == len(measured) == SLOTS
    drawn = sum(one["sources"]["kepco"] for one in measured.values()) / 4
    assert report["totals"]["import_kwh"] == pytest.approx(drawn, abs=0.01)
    used = sum(one["uses"]["homes_buildings"] for one in measured.values()) / 4
    assert report["totals"]["load_kwh"] == pytest.approx(used, abs=0.01)
    cleared = opened.store.read(lambda c: clearings_between(c, begin, end + 2 * SLOT_S))
    volume = sum(one["volume_kwh"] or 0 for one in cleared.values())
    assert report["totals"]["volume_kwh"] == pytest.approx(volume)
    assert report["totals"]["missed"] == 1
    assert sum(report["totals"]["tiers"].values()) == SLOTS - 1
    assert report["totals"]["is_complete"] is False and report["bills"] is None


def test_each_local_day_has_its_own_figures_and_they_add_up(
    ask_run: Any, ran: tuple[Installation, int]
) -> None:
    opened, first = ran
    report = ask_run("/v1/reports/2026-07")[1]
    days = {one["date"]: one for one in report["days"]}
    before, after = days["2026-07-15"], days["2026-07-16"]
    assert (before["measured_slots"], after["measured_slots"]) == (5, 1)
    assert before["missed"] == 1 and after["missed"] == 0
    assert days["2026-07-14"]["import_kwh"] is None and days["2026-07-14"]["tiers"] == {}
    assert after["first_slot_utc"] == "2026-07-15T15:00:00Z" == iso_of(first + 3 * SLOT_S)
    for name in ("import_kwh", "generation_kwh", "load_kwh"):
        assert report["totals"][name] == pytest.approx(before[name] + after[name], abs=0.002)
    totals, charges = report["totals"], {"cost_krw": "", "baseline_cost_krw": "baseline_"}
    for name, way in charges.items():
        charge = Decimal(totals[f"{way}demand_charge_krw"])
        assert Decimal(totals[name]) == Decimal(before[name]) + Decimal(after[name]) + charge
        assert charge > 0
    saved = Decimal(totals["baseline_cost_krw"]) - Decimal(totals["cost_krw"])
    assert Decimal(totals["saved_krw"]) == saved
    last = first + 2 * SLOT_S  # 23:45, whose figures stand for the day
    day = opened.store.read(lambda c: load_summaries(c, last, last + SLOT_S))[last]["day"]
    assert before["import_kwh"] == round(day["import_kwh"], 3)


def test_a_report_is_given_once_and_a_month_that_never_ran_is_not_found(ask_run: Any) -> None:
    _, report, etag = ask_run("/v1/reports/latest")
    assert report["month"] == report["newest"] == "2026-07"
    assert ask_run("/v1/reports/2026-07", If_None_Match=str(etag))[0] == 304
    for month in ("2026-06", "2026-08"):
        assert ask_run(f"/v1/reports/{month}")[0] == 404
    status, problem, _ = ask_run("/v1/reports/2026-13")
    assert (status, problem["field"]) == (422, "month")


MARKET = {
    "auctions", "traded_slots", "volume_kwh", "price_krw_per_kwh", "welfare_krw",
    "market_saved_krw", "settled_slots",
}  # fmt: skip
COSTED = {"cost_krw", "baseline_cost_krw", "saved_krw", "co2_t", "baseline_co2_t"}
DEMAND = {"demand_charge_krw", "baseline_demand_charge_krw"}
ENERGY = {
    "measured_slots", "import_kwh", "export_kwh", "generation_kwh", "load_kwh", "cars_kwh",
    "self_sufficiency_frac", "self_consumption_frac", "peak_kw",
}  # fmt: skip


def test_a_day_whose_rows_were_thinned_out_has_no_figures_and_the_report_says_since_when(
    ask_run: Any, ask_at: Any, ran: tuple[Installation, int], thinned_run: Any
) -> None:
    midnight, whole = ran[1] + 3 * SLOT_S, ask_run("/v1/reports/2026-07")[1]
    assert whole["not_kept"] == [] and all(one["not_kept"] == {} for one in whole["days"])
    ask = ask_at(thinned_run({"columns": midnight, "documents": midnight}))
    report = ask("/v1/reports/latest")[1]
    days = {one["date"]: one for one in report["days"]}
    gone, before = days["2026-07-15"], {one["date"]: one for one in whole["days"]}
    assert set(gone["not_kept"]["columns"]) == ENERGY | COSTED
    assert set(gone["not_kept"]["documents"]) == MARKET
    assert {name for name in ENERGY | COSTED | MARKET if gone[name] is not None} == set()
    # What stands in rows that are kept for ever is told, and so is the day that is kept.
    assert gone["missed"] == 1 and gone["tiers"] == before["2026-07-15"]["tiers"]
    assert days["2026-07-14"] == before["2026-07-14"]
    for name in ENERGY | MARKET | {"missed", "tiers"}:
        assert days["2026-07-16"][name] == before["2026-07-16"][name]
    totals = report["totals"]
    assert {name for name in ENERGY | COSTED | DEMAND | MARKET if totals[name] is not None} == set()
    assert totals["is_complete"] is None and totals["missed"] == 1
    assert [one["kind"] for one in report["not_kept"]] == ["columns", "documents"]
    for one in report["not_kept"]:
        assert one["kept_days"] == 366 and one["kept_from_utc"] == iso_of(midnight)


def test_a_day_that_is_half_thinned_out_keeps_what_its_last_slot_says(
    ask_run: Any, ask_at: Any, ran: tuple[Installation, int], thinned_run: Any
) -> None:
    half, whole = ran[1] + SLOT_S, ask_run("/v1/reports/2026-07")[1]
    report = ask_at(thinned_run({"columns": half, "documents": half}))("/v1/reports/latest")[1]
    names = ("2026-07-15", "2026-07-16")
    (day, after), (of_day, of_after) = (
        [one for one in each["days"] if one["date"] in names] for each in (report, whole)
    )
    assert set(day["not_kept"]) == {"documents"} and set(day["not_kept"]["documents"]) == MARKET
    assert {name: day[name] for name in ENERGY | COSTED} == {
        name: of_day[name] for name in ENERGY | COSTED
    }
    assert after == of_after and report["totals"]["auctions"] is None
    assert report["totals"]["import_kwh"] == whole["totals"]["import_kwh"]


@pytest.mark.browser
def test_the_page_says_what_is_not_kept_and_never_shows_it_as_nothing(
    chromium_page: Page, ran: tuple[Installation, int], thinned_run: Any
) -> None:
    page, midnight = chromium_page, ran[1] + 3 * SLOT_S
    page.goto(f"{thinned_run({'columns': midnight, 'documents': midnight})}/reports")
    sums, day = page.locator("#month"), page.locator("tr[data-day='2026-07-15']")
    for name in ("Cost", "From KEPCO", "Traded", "Quarter hours measured"):
        pair = sums.locator("dl.facts > div").filter(has=page.get_by_text(name, exact=True))
        expect(pair.locator("dd")).to_have_text("not kept")
    expect(page.locator("#not-kept p")).to_have_count(2)
    expect(page.locator("#not-kept p").first).to_be_visible()
    expect(page.locator("#not-kept")).to_contain_text("now since Thu 16 Jul, 00:00")
    expect(page.locator("#answer")).to_contain_text("no longer all kept")
    expect(day.locator("td").first).to_have_text("not kept")
    expect(day).not_to_contain_text("₩0")
    expect(page.locator(".day-bar")).to_have_count(1)


@pytest.mark.browser
def test_the_page_has_sums_bars_and_a_file_with_the_same_figures(
    chromium_page: Page, ask_run: Any, stage: Any, complaints: list[str]
) -> None:
    report, page = ask_run("/v1/reports/2026-07")[1], chromium_page
    page.goto(f"{stage.address}/reports")
    expect(page.locator("#answer")).to_contain_text("2026-07:")
    expect(page.locator("#next")).to_contain_text(f"{SLOTS} quarter hours")
    expect(page.locator("#month")).to_contain_text("month not closed")
    expect(page.locator(".day-bar")).to_have_count(2)
    page.locator("#report-quantity").select_option("missed")
    expect(page.locator("#days-finding")).to_contain_text("most on Wed 15 Jul, 1")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = Path(download.value.path()).read_text().strip().splitlines()
    head, rows = lines[0].split(","), [line.split(",") for line in lines[1:]]
    assert len(rows) == 31
    row = dict(zip(head, rows[14], strict=True))
    day = report["days"][14]
    for name in ("date", "measured_slots", "import_kwh", "cost_krw", "missed"):
        assert row[name] == str(day[name]), name


@pytest.mark.browser
def test_the_screen_fits_in_both_languages_and_breaks_no_rule_of_access(
    stage: Any, complaints: list[str], check_run: Any
) -> None:
    check_run("/reports?month=2026-07", ".day-bar")
