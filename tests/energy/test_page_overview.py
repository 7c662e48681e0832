"""The overview in a real browser, against invented answers of the API."""

import copy
import csv
import json
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

CASES = Path(__file__).parents[1] / "cases" / "overview"
NB = "\u00a0"
WIDTHS = [(1366, 768), (390, 844), (320, 700)]
PROBLEM = {
    "type": "about:blank",
    "title": "The store is busy",
    "status": 503,
    "detail": "A migration is running.",
    "request_id": "req-7f3a",
}


# How often a page has been answered; asked of the browser, for the page's policy allows no eval.
ASKED = (
    "performance.getEntriesByType('resource')"
    ".filter(({name}) => name.endsWith('/v1/overview')).length"
)


def load(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    return case


@dataclass
class Stage:
    """What the served API answers, changed by the test while the page looks."""

    overview: dict[str, Any] = field(default_factory=lambda: load("full"))
    problem: dict[str, Any] | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answered: int = 0
    address: str = ""

    def reset(self, name: str) -> None:
        self.overview, self.problem, self.events = load(name), None, []

    def answer(self, path: str) -> Response:
        """What the page gets from `/v1`."""
        assert path == "/v1/overview"
        self.answered += 1
        if self.problem:
            return Response(json.dumps(self.problem), 503, media_type="application/problem+json")
        return Response(json.dumps(self.overview), media_type="application/json")


@pytest.fixture
def stage(served: Stage) -> Stage:
    served.reset("full")
    return served


def open_page(page: Page, stage: Stage, name: str = "full", language: str = "en") -> None:
    stage.reset(name)
    page.context.add_cookies([{"name": "language", "value": language, "url": stage.address}])
    page.goto(stage.address)
    expect(page.locator("#ledger[data-state]")).to_have_count(1)


def big(page: Page, figure: str) -> str:
    return page.locator(f'[data-figure="{figure}"] .big').inner_text()


def sideways(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return width


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_the_figures_are_the_apis_at_every_width_in_both_languages(
    chromium_page: Page, stage: Stage, complaints: list[str], size: tuple[int, int], language: str
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_page(page, stage, "full", language)
    data = stage.overview
    kpi, market = data["kpi"], data["market"]
    korean = language == "ko"
    assert big(page, "sufficiency") == f"{kpi['self_sufficiency_frac'] * 100:.1f}{NB}%"
    assert big(page, "consumption") == f"{kpi['self_consumption_frac'] * 100:.1f}{NB}%"
    saved = f"{int(kpi['saved_krw']):,}"
    assert big(page, "saved") == (f"{saved}원" if korean else f"₩{saved}")
    assert big(page, "co2") == f"{kpi['co2_t']:.1f}{NB}t"
    assert big(page, "peak") == f"{kpi['peak_kw'] / 1000:.1f}{NB}MW"
    price = market["price_krw_per_kwh"]
    assert big(page, "market") == (f"{price}원/kWh" if korean else f"₩{price}/kWh")
    assert sideways(page) == 0
    assert page.locator("html").get_attribute("lang") == language
    expect(page.locator("#ledger")).to_contain_text(f"{data['ledger']['size']:,}")
    expect(page.locator("#grid-state")).to_contain_text(f"83.2{NB}%")
    expect(page.locator("#cycle")).to_contain_text(f"{data['cycle']['seconds']['total']:.2f}{NB}s")


def test_the_two_bars_show_the_slots_powers_and_are_equally_long(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    balance = stage.overview["balance"]
    now = balance["now_index"]
    for side, columns in (("source", balance["sources"]), ("use", balance["uses"])):
        flow = page.locator(f'[data-side="{side}"]')
        total = sum(values[now] for values in columns.values())
        expect(flow.locator(".flow-total b")).to_have_text(f"{total / 1000:.1f}{NB}MW")
        for key, values in columns.items():
            row = flow.locator(f'[data-part="{key}"] b')
            if values[now] == 0:
                expect(row).to_have_count(0)
            else:
                expect(row).to_have_text(f"{values[now] / 1000:.1f}{NB}MW")
        widths = flow.locator("rect").evaluate_all(
            "all => all.map(one => Number(one.getAttribute('width')) + 1)"
        )
        assert sum(widths) == pytest.approx(1000, abs=1)


def test_what_one_side_lacks_is_shown_as_not_measured(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    now = stage.overview["balance"]["now_index"]
    changed = load("full")
    changed["balance"]["uses"]["homes_buildings"][now] -= 2000
    served, stage.overview = stage.overview, changed
    chromium_page.goto(stage.address)
    expect(chromium_page.locator('[data-side="use"] [data-part="unmeasured"] b')).to_have_text(
        f"2.0{NB}MW"
    )
    stage.overview = served


def test_keys_move_the_cursor_of_all_charts_and_the_address(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    balance, imported = page.locator("#balance-chart-values"), page.locator("#import-chart-values")
    slider = page.locator("#balance-chart-cursor")
    expect(balance).to_contain_text("14:15–14:30")
    slider.focus()
    slider.press("ArrowRight")
    expect(balance).to_contain_text("14:30–14:45")
    expect(imported).to_contain_text("14:30–14:45")
    expect(page.locator("#flows-title")).to_contain_text("14:30–14:45")
    slider.press("PageDown")
    expect(balance).to_contain_text("15:30–15:45")
    assert "slot=2026-11-22T06%3A30Z" in page.url
    solar = stage.overview["balance"]["sources"]["solar"][21]
    expect(balance).to_contain_text(f"Solar {solar / 1000:.1f}{NB}MW")
    assert f"Solar {solar / 1000:.1f}{NB}MW" in (slider.get_attribute("aria-valuetext") or "")
    slider.press("Home")
    expect(balance).to_contain_text("10:15–10:30 measured")
    page.reload()
    expect(page.locator("#balance-chart-values")).to_contain_text("10:15–10:30")
    page.locator("#balance-chart-cursor").press("n")
    expect(page.locator("#balance-chart-values")).to_contain_text("14:15–14:30")
    assert "slot=" not in page.url


def test_a_press_on_the_picture_chooses_the_slot(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_page(chromium_page, stage)
    picture = chromium_page.locator("#balance .picture")
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": 43, "y": 100})
    expect(chromium_page.locator("#balance-chart-values")).to_contain_text("10:15–10:30")


def test_table_and_csv_hold_the_series(
    chromium_page: Page, stage: Stage, complaints: list[str], tmp_path: Path
) -> None:
    page = chromium_page
    open_page(page, stage)
    page.locator("#import summary").click()
    rows = page.locator("#import tbody tr")
    expect(rows).to_have_count(112)
    expect(rows.nth(0)).to_contain_text("2026-11-22 01:15Z")
    with page.expect_download() as waiting:
        page.locator("#import .csv").click()
    target = tmp_path / "import.csv"
    waiting.value.save_as(target)
    with target.open(newline="") as file:
        table = list(csv.DictReader(file))
    series = stage.overview["import"]
    assert table[0]["start_utc"] == "2026-11-22T01:15:00Z"
    for name in ("measured_kw", "plan_kw", "q10_kw", "q50_kw", "q90_kw"):
        read = [float(row[name]) if row[name] else None for row in table]
        assert read == series[name]


def test_times_are_the_districts_and_its_zone_is_named_to_a_viewer_elsewhere(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_page(chromium_page, stage)
    expect(chromium_page.locator("#when")).to_have_text(
        "Sun 22 Nov, 14:15 slot 14:15–14:30 (Asia/Seoul)"
    )


def test_before_the_first_quarter_hour_every_card_says_why_it_is_empty(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage, "empty")
    expect(page.locator("#answer")).to_have_text(
        "The district is starting; its first plan is being made."
    )
    empty = page.locator('.block[data-state="empty"]')
    expect(empty).to_have_count(11)
    for text in empty.locator("> .note").all_inner_texts():
        assert text.endswith(".")
    expect(page.locator("#market")).to_contain_text("The next market closes at 14:25.")
    assert sideways(page) == 0


def test_old_figures_are_struck_out_and_a_gap_stays_a_gap(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage, "stale")
    expect(page.locator('.block[data-age="missing"]')).to_have_count(12)
    expect(page.locator("#grid-state .age")).to_have_text("◷ Missing since 14:10")
    expect(page.locator("#badges .badge.warning")).to_contain_text("T2 last plan, shifted")
    path = page.locator("#import .line.measured").get_attribute("d") or ""
    assert path.count("M") == 2  # one run before the missing slots, one after
    page.locator("#balance-chart-cursor").focus()
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#balance-chart-values")).to_contain_text("missing")
    expect(page.locator("#balance-chart-values")).to_contain_text("No value for this slot")


@pytest.mark.parametrize(
    ("late_min", "level"), [(15, "fresh"), (16, "late"), (31, "old"), (46, "missing")]
)
def test_age_counts_from_when_the_next_value_was_due(
    chromium_page: Page, stage: Stage, complaints: list[str], late_min: int, level: str
) -> None:
    open_page(chromium_page, stage)
    now = f"2026-11-22T{5 + (10 + late_min) // 60:02d}:{(10 + late_min) % 60:02d}:00Z"
    stage.events.append(("beat", {"now_utc": now}))
    expect(chromium_page.locator("#balance")).to_have_attribute("data-age", level)


def test_forecasts_of_one_tier_share_a_row_and_a_worse_one_says_why(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    rows = page.locator("#forecast .tiers li")
    expect(rows).to_have_count(1)
    expect(rows).to_have_text("● F0 fitted use, solar, heat, cars, fuel cells, weather")
    open_page(page, stage, "stale")
    expect(rows).to_have_text(
        [
            "● F0 fitted heat, cars, fuel cells",
            "○ F3 usual of 28 days use, solar: no weather forecast",
            "▲ F4 class default, wide weather: no weather forecast",
        ]
    )


def test_now_is_where_the_clock_stands_and_not_where_the_newest_plan_begins(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    expect(page.locator("#flows-title")).to_have_text("Now, 14:15–14:30, plan")
    before = page.locator("#balance .now").get_attribute("d")
    stage.events.append(("beat", {"now_utc": "2026-11-22T05:37:30Z"}))
    expect(page.locator("#flows-title")).to_have_text("Now, 14:30–14:45, plan")
    assert page.locator("#balance .now").get_attribute("d") != before
    expect(page.locator("#balance-chart-values")).to_contain_text("14:30–14:45")


def test_a_slot_whose_books_are_still_open_shows_no_seconds_of_zero(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    stage.overview["cycle"]["seconds"] = {}
    chromium_page.goto(stage.address)
    expect(chromium_page.locator("#cycle")).to_contain_text("still settling")
    assert "0.00" not in chromium_page.locator("#cycle").inner_text()


def test_a_new_districts_market_begins_with_its_first_auction(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    history = stage.overview["market"]["history"]
    for name in ("price_krw_per_kwh", "volume_kwh"):
        history[name][:60] = [None] * 60
    chromium_page.goto(stage.address)
    chromium_page.locator("#market .table summary").first.click()
    rows = chromium_page.locator("#market .figure tbody tr")
    expect(rows).to_have_count(len(history["volume_kwh"]) - 60)


def test_zones_with_one_price_are_said_to_have_one(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    zones = stage.overview["market"]["zones"]
    for zone in zones:
        zone["price_krw_per_kwh"] = "142.5"
    chromium_page.goto(stage.address)
    expect(chromium_page.locator("#market")).to_contain_text(
        f"₩142.5/kWh in all {len(zones)} zones"
    )


def test_no_trade_is_words_and_a_gap_and_never_a_price_of_zero(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage, "no_trade")
    assert big(page, "market") == "No trade"
    expect(page.locator("#market-chart-title")).to_have_text("No trade in the last slot")
    expect(page.locator("#market path.line-market")).to_have_attribute("d", "")
    expect(page.locator("#market-chart-values")).to_contain_text("No trade")
    assert "₩0/kWh" not in page.locator("#market").inner_text()


def test_money_beyond_2_to_the_53_is_exact_and_a_loss_is_shown_as_large(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage, "no_trade")
    tile = page.locator('[data-figure="saved"]')
    expect(tile.locator(".label")).to_have_text("More than without optimisation")
    expect(tile.locator(".big")).to_have_text("₩2,300")
    expect(tile).to_contain_text("₩9,007,199,254,742,293 instead of ₩9,007,199,254,739,993")


def test_alarms_stand_first_and_in_the_title_and_the_worst_thing_is_the_answer(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage, "alarms")
    expect(page.locator("#answer")).to_have_text(
        "No plan could be made; every asset holds its last safe state."
    )
    rows = page.locator(".alarms li")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("Feeder 3 reaches 104 % of its limit")
    expect(rows.nth(0)).to_contain_text("since 14:02 · until 18:45")
    expect(rows.nth(0).get_by_role("img", name="Alarm")).to_be_visible()
    assert page.title().startswith("(2) ")
    expect(page.locator("#grid-state")).to_contain_text(
        f"14:15–14:30 Line overloaded, F3-07: 104.2{NB}%, allowed 100.0{NB}%"
    )
    expect(page.locator("#grid-state")).to_contain_text(
        "18:45–19:00 bus B1207: voltage is 0.9310 pu, allowed is 0.9400"
    )
    expect(page.locator("#badges")).to_contain_text("■ Plan T4 hold")
    assert "Demo" not in page.locator("#badges").inner_text()


def test_a_limit_that_only_the_plan_exceeds_is_said_to_be_still_ahead(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    stage.overview["grid"]["violations"] = load("alarms")["grid"]["violations"][1:]
    chromium_page.goto(stage.address)
    expect(chromium_page.locator("#answer")).to_have_text(
        "The plan exceeds a grid limit at 18:45; it has not come yet."
    )


def test_books_that_do_not_hold_are_the_answer(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    stage.overview["ledger"]["unexplained_wh"] = "1"
    chromium_page.goto(stage.address)
    expect(chromium_page.locator("#answer")).to_contain_text("The books do not hold")
    expect(chromium_page.locator("#ledger .badge.alarm")).to_be_visible()


def test_an_error_at_the_start_is_named_and_try_again_mends_it(
    chromium_page: Page, stage: Stage
) -> None:
    page = chromium_page
    stage.problem = PROBLEM
    page.goto(stage.address)
    banner = page.locator("#banner")
    expect(banner).to_contain_text("The store is busy")
    expect(banner).to_contain_text("A migration is running.")
    expect(banner).to_contain_text("req-7f3a")
    button = banner.get_by_role("button", name="Try again")
    # The page asks at its start, at the first sign of a reader and at the stream's first word;
    # after these it asks by itself only seconds later, so that what mends it is the button.
    while page.evaluate(ASKED) < 3:
        page.wait_for_timeout(20)
    expect(button).to_be_visible()
    stage.problem = None
    button.dispatch_event("click")
    expect(banner).to_be_empty()
    expect(page.locator("#answer")).to_have_text("The district runs as planned.")


def test_an_error_later_keeps_the_figures_and_says_of_when_they_are(
    chromium_page: Page, stage: Stage
) -> None:
    page = chromium_page
    open_page(page, stage)
    stage.problem = PROBLEM
    stage.events.append(("cycle", {"slot_utc": "2026-11-22T05:30:00Z"}))
    expect(page.locator("#banner")).to_contain_text("The figures below are from 14:10")
    assert big(page, "sufficiency") == f"71.3{NB}%"


def test_a_cards_broken_data_leave_the_other_cards_right(chromium_page: Page, stage: Stage) -> None:
    page = chromium_page
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    stage.overview["market"]["history"]["start_utc"] = "yesterday"
    page.goto(stage.address)
    expect(page.locator("#market")).to_have_attribute("data-state", "error")
    expect(page.locator('.block[data-state="ready"]')).to_have_count(11)
    assert len(thrown) >= 1


def test_a_cycle_event_renews_the_figures_and_keeps_what_is_unfolded(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    page.locator("#heat summary").click()
    renewed = copy.deepcopy(stage.overview)
    renewed["kpi"]["self_sufficiency_frac"] = 0.5
    stage.overview = renewed
    stage.events.append(("cycle", {"slot_utc": "2026-11-22T05:30:00Z"}))
    expect(page.locator('[data-figure="sufficiency"] .big')).to_have_text(f"50.0{NB}%")
    expect(page.locator("#heat tbody tr")).to_have_count(96)


def test_a_browser_that_waits_for_silence_gets_its_picture(
    chromium_command: list[str], stage: Stage, tmp_path: Path
) -> None:
    picture = tmp_path / "page.png"
    alone = ["--headless", f"--user-data-dir={tmp_path / 'browser'}"]
    waiting = ["--virtual-time-budget=8000", f"--screenshot={picture}", stage.address]
    subprocess.run(
        [*chromium_command, *alone, *waiting], check=True, timeout=60, capture_output=True
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert stage.answered >= 1


def test_two_tabs_share_one_stream_and_the_second_leads_when_the_first_closes(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    first = chromium_page
    open_page(first, stage)
    second = first.context.new_page()
    second.goto(stage.address)
    answer = second.locator('[data-figure="sufficiency"] .big')
    for share, leader in ((0.4, first), (0.3, None)):
        expect(answer).to_be_visible()
        stage.overview["kpi"]["self_sufficiency_frac"] = share
        stage.events.append(("cycle", {"slot_utc": "2026-11-22T05:30:00Z"}))
        expect(answer).to_have_text(f"{share * 100:.1f}{NB}%")
        if leader:
            leader.close()


def test_language_and_theme_are_chosen_on_the_page_and_remembered(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    dark = page.locator("#controls .theme")
    dark.click()
    dark.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="한국어").click()
    expect(page.locator("#answer")).to_have_text("계획대로 운전 중입니다.")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"
    text = page.locator("main").inner_text()
    english = set(re.findall(r"[A-Za-z]{4,}", text)) - {"KEPCO"}
    assert english == set()


def test_a_planted_inline_style_is_stopped_by_the_policy(chromium_page: Page, stage: Stage) -> None:
    reports: list[str] = []
    chromium_page.on("console", lambda message: reports.append(message.text))
    open_page(chromium_page, stage)
    assert reports == []
    chromium_page.evaluate("document.body.setAttribute('style', 'color: red')")
    expect(chromium_page.locator("body")).not_to_have_css("color", "rgb(255, 0, 0)")
    assert any("Content Security Policy" in report for report in reports)


def test_the_page_is_light_and_can_be_walked_by_keyboard(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_page(page, stage)
    assert page.evaluate("document.querySelectorAll('*').length") <= 3000
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the overview")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button,input,a,summary,svg[role=img],[role=region]')]"
        ".filter(one => !(one.getAttribute('aria-label') || one.textContent.trim())).length"
    )
    assert unnamed == 0
    doubled = page.evaluate(
        "(ids => ids.length - new Set(ids).size)"
        "([...document.querySelectorAll('[id]')].map(one => one.id))"
    )
    assert doubled == 0


@pytest.mark.parametrize(
    ("peak_kw", "counts", "sentence"),
    [
        (9_200.0, None, "with 6.3 MW, below the peak so far of 9.2 MW"),
        (5_000.0, None, "At 20:30 import reaches 6.3 MW, above the peak so far of 5.0 MW"),
        (5_000.0, [], "with 6.3 MW, in hours that do not count for the peak, 5.0 MW so far"),
        (5_000.0, [45], "At 21:30 import reaches 5.2 MW, above the peak so far of 5.0 MW"),
        (5_500.0, [45], "with 6.3 MW, in hours that do not count for the peak, 5.5 MW so far"),
    ],
)
def test_only_hours_that_count_are_told_as_a_new_peak(
    chromium_page: Page, stage: Stage, peak_kw: float, counts: list[int] | None, sentence: str
) -> None:
    """The plan is highest at 20:30 with 6.3 MW; an hour later it is 5.2 MW."""
    case, plan = load("full"), {"peak_so_far_kw": peak_kw}
    marks = {} if counts is None else {"peak_counts": [n in counts for n in range(112)]}
    open_page(chromium_page, stage)
    stage.overview = {**case, "import": {**case["import"], **plan, **marks}}
    chromium_page.reload()
    expect(chromium_page.locator("#next")).to_contain_text(sentence.replace(" MW", f"{NB}MW"))
