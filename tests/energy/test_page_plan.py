"""The plan screen in a real browser, against invented answers of the API."""

import copy
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

NB = "\u00a0"
WIDTHS = [(1366, 768), (390, 844), (320, 700)]
OVERVIEW: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "cases" / "overview" / "full.json").read_text()
)
BEGIN = datetime(2026, 11, 22, 5, 15, tzinfo=UTC)  # 14:15 in the district
SLOTS, REASON_SLOTS = 96, 8
PROBLEM = {"title": "The store is busy", "status": 503, "detail": "A migration is running."}


def utc(slot: int) -> str:
    return (BEGIN + timedelta(minutes=15 * slot)).strftime("%Y-%m-%dT%H:%M:%SZ")


def reason(asset: str, slot: int, action: str, now: float, against: float) -> dict[str, Any]:
    return {
        "asset": asset,
        "slot_utc": utc(slot),
        "action": action,
        "now_krw_per_kwh": now,
        "against_krw_per_kwh": against,
        "text": f"{action} of {asset} in slot {slot}",
    }


def binding(limit: str, slot: int, price: float) -> dict[str, Any]:
    return {"limit": limit, "slot_utc": utc(slot), "shadow_krw_per_kwh": price}


def plan() -> dict[str, Any]:
    """Three batteries charge at noon and give in the evening; a fuel cell runs."""
    series = [0.0] * SLOTS
    charge, give = [400.0] * 8 + [0.0] * 88, [0.0] * 20 + [1500.0] * 4 + [0.0] * 72
    reasons = []
    for slot in range(REASON_SLOTS):
        reasons.append(reason("connection", slot, "import", 95.0, 90.0))
        for asset in ("battery-1", "battery-2", "battery-3"):
            reasons.append(
                reason(asset, slot, "charge", 95.0, 151.5)
                | {"text": f"charging {slot}: 95 won now against 152 stored, after losses"}
            )
        reasons.append(reason("fuel-cell-1", slot, "run" if slot else "start", 160.0, 140.25))
    return {
        "cycle": OVERVIEW["cycle"],
        "start_utc": utc(0),
        "step_s": 900,
        "sources": {
            "fuel_cell": [440.0] * SLOTS,
            "biogas": series,
            "solar": [900.0] * SLOTS,
            "battery": give,
            "cars": series,
            "kepco": [250.0] * SLOTS,
        },
        "uses": {
            "homes_buildings": [1000.0] * SLOTS,
            "cars": [60.0] * SLOTS,
            "battery": charge,
            "heat_pump": series,
            "losses": [5.0] * SLOTS,
            "kepco": series,
        },
        "marginal_krw_per_kwh": [95.0] * 20 + [236.5] * 4 + [120.0] * 72,
        "certificate": {
            "tier": "T0",
            "status": "optimal",
            "way": "1+1 stores: rounding",
            "bound_krw": 1_344_410.06,
            "cost_krw": 1_344_781.61,
            "gap_frac": 0.000247,
            "seconds": 1.25,
            "seconds_allowed": 60.0,
            "rounds": 1,
            "distance_from_last_kw": 2.5,
            "slack_kw": {},
            "broken": [],
            "binding": [
                binding("export limit", 40, 15.9),
                binding("peak", 21, 2100.0),
                binding("peak", 22, 2943.04),
                binding("peak", 23, 2000.0),
                binding("line_loading:F1-03:+@30/1", 30, 41.5),
            ],
            "structure": "s",
            "inputs": "790ba7085aa3a046",
        },
        "reasons": reasons,
    }


@dataclass
class Stage:
    """What the served API answers, changed by the test while the page looks."""

    plan: dict[str, Any] | None = field(default_factory=plan)
    overview: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(OVERVIEW))
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str) -> Response:
        ordered: dict[str, Any] = {"items": []}
        found = {
            "/v1/overview": self.overview, "/v1/plan": self.plan,
            "/v1/steering/holds": ordered, "/v1/steering/replans": ordered,
        }[path]  # fmt: skip
        if found is None:
            return Response('{"title":"There is nothing here","status":404}', 404)
        kind = "application/problem+json" if found is PROBLEM else "application/json"
        return Response(json.dumps(found), 503 if found is PROBLEM else 200, media_type=kind)


@pytest.fixture
def stage(served: Stage) -> Stage:
    served.plan, served.overview, served.events = plan(), copy.deepcopy(OVERVIEW), []
    return served


def open_plan(page: Page, stage: Stage, language: str = "en") -> None:
    page.context.add_cookies([{"name": "language", "value": language, "url": stage.address}])
    page.goto(f"{stage.address}/plan")
    expect(page.locator("#main[data-slot]")).to_have_count(1)


def cells(page: Page, row: int) -> list[str]:
    return page.locator(f".reasons tbody tr:nth-child({row + 1}) td").all_inner_texts()


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_the_figures_are_the_apis_at_every_width_in_both_languages(
    chromium_page: Page, stage: Stage, complaints: list[str], size: tuple[int, int], language: str
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_plan(page, stage, language)
    expect(page.locator("#answer")).to_contain_text(f"0.02{NB}%")
    expect(page.locator("#next")).to_contain_text("2,943")
    values = page.locator("#setpoints-chart-values")
    expect(values).to_contain_text(f"0.4{NB}MW")
    expect(values).to_contain_text("95")
    expect(page.locator("#setpoints-chart-title")).to_contain_text("19:15")
    certificate = page.locator("#certificate")
    expect(certificate).to_contain_text("1,344,782")
    expect(certificate).to_contain_text("1,344,410")
    expect(certificate).to_contain_text(f"1.25{NB}s")
    expect(page.locator(".limits tbody tr")).to_have_count(3)
    expect(page.locator(".reasons tbody tr")).to_have_count(3)
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width == 0
    if language == "ko":
        text = page.locator("main").inner_text()
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= {"battery", "fuel", "cell"}  # their names


def test_assets_that_do_the_same_for_the_same_reason_share_a_row(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_plan(chromium_page, stage)
    heads = chromium_page.locator(".reasons tbody th").all_inner_texts()
    assert heads == ["Connection to KEPCO", "battery-1, battery-2 and 1 more", "fuel-cell-1"]
    assert cells(chromium_page, 1) == ["charge"] * 8
    assert cells(chromium_page, 2) == ["start", *["run"] * 7]
    times = chromium_page.locator(".reasons thead th").all_inner_texts()
    assert times[1:] == ["14:15", "14:30", "14:45", "15:00", "15:15", "15:30", "15:45", "16:00"]


def test_pointer_focus_and_arrow_keys_tell_why(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_plan(page, stage)
    output = page.locator("#why-values")
    expect(output).to_contain_text("14:15–14:30 Connection to KEPCO From KEPCO at ₩90/kWh")
    page.locator('[data-row="1"][data-column="2"]').hover()
    expect(output).to_contain_text(
        "14:45–15:00 battery-1, battery-2 and 1 more Charging: a kWh costs ₩95/kWh now and is "
        "worth ₩151.5/kWh stored, after losses."
    )
    expect(page.locator('.reasons [tabindex="0"]')).to_have_count(1)
    page.locator('.reasons [tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    expect(output).to_contain_text("fuel-cell-1 Running: a kWh made is worth ₩160/kWh")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")  # the third stays at the edge
    expect(output).to_contain_text("14:15–14:30 fuel-cell-1 Starting:")
    expect(page.locator(".reasons :focus")).to_have_text("start")


def test_a_chosen_cell_is_the_slot_of_the_chart_and_of_the_address(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_plan(page, stage)
    page.locator('[data-row="0"][data-column="4"]').click()
    expect(page.locator("#setpoints-chart-values")).to_contain_text("15:15–15:30")
    expect(page.locator(".reasons .chosen")).to_have_count(3)
    assert "slot=2026-11-22T06%3A15Z" in page.url


def test_a_reason_without_a_word_or_a_price_is_told_as_the_service_says_it(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    assert stage.plan is not None
    stage.plan["reasons"] = [
        reason("store", 0, "melt", 1.0, 2.0),
        reason("store", 1, "charge", 1.0, 2.0) | {"against_krw_per_kwh": None},
    ]
    page = chromium_page
    open_plan(page, stage, "ko")
    told = page.locator("#why-values span[lang=en]")
    expect(told).to_have_text("melt of store in slot 0")
    page.locator('[data-column="1"]').hover()
    expect(told).to_have_text("charge of store in slot 1")


def test_limits_stand_dearest_first_with_their_worst_slot_and_lead_to_the_wires(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_plan(page, stage)
    rows = [
        [text.strip() for text in row.locator("th, td").all_inner_texts()]
        for row in page.locator(".limits tbody tr").all()
    ]
    assert rows == [
        ["Peak for the demand charge", "₩2,943/kWh", "19:45–20:00", "3"],
        ["Line F1-03", "₩41.5/kWh", "21:45–22:00", "1"],
        ["Export limit", "₩15.9/kWh", "00:15–00:30", "1"],
    ]
    link = page.get_by_role("link", name="Line F1-03")
    expect(link).to_have_attribute("href", "/grid?element=F1-03")


def test_broken_limits_are_an_alarm_in_the_services_words(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    assert stage.plan is not None
    missing = "battery energy at the end, slot 1: 3.000 beyond its limit"
    stage.plan["certificate"] |= {
        "tier": "T1",
        "status": "infeasible",
        "broken": [missing],
        "binding": [],
    }
    page = chromium_page
    open_plan(page, stage)
    expect(page.locator("#answer")).to_have_text(
        "The limits contradict each other: one cannot be kept."
    )
    expect(page.locator("#certificate .violations")).to_have_text(missing)
    expect(page.locator("#binding")).to_have_attribute("data-state", "empty")


@pytest.mark.parametrize(
    ("tier", "answer"),
    [
        ("T1", f"The best plan found in time: another would cost at most 0.02{NB}% less."),
        ("T2", "The district runs on the last plan, shifted by a slot."),
        ("T3", "The district runs by rules; no optimised plan was ready."),
        ("T4", "No plan could be made; every asset holds its last safe state."),
    ],
)
def test_every_tier_has_its_sentence_and_needs_no_reasons(
    chromium_page: Page, stage: Stage, complaints: list[str], tier: str, answer: str
) -> None:
    assert stage.plan is not None
    stage.plan["certificate"]["tier"] = tier
    stage.plan["reasons"] = []
    stage.plan["marginal_krw_per_kwh"] = [None] * SLOTS
    open_plan(chromium_page, stage)
    expect(chromium_page.locator("#answer")).to_have_text(answer)
    expect(chromium_page.locator("#why .note")).to_contain_text("No reasons")
    expect(chromium_page.locator("#setpoints")).to_have_attribute("data-state", "ready")


def test_before_the_first_plan_every_card_says_why_it_is_empty(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    cases = Path(__file__).parents[1] / "cases" / "overview"
    stage.overview = json.loads((cases / "empty.json").read_text())
    open_plan(chromium_page, stage)
    expect(chromium_page.locator('.block[data-state="empty"]')).to_have_count(4)


def test_a_failing_plan_is_named_and_comes_back(chromium_page: Page, stage: Stage) -> None:
    page = chromium_page
    stage.plan = PROBLEM
    open_plan(page, stage)
    expect(page.locator("#answer")).to_contain_text("The plan cannot be had")
    expect(page.locator("#certificate .note")).to_contain_text("The store is busy")
    stage.plan = plan()
    stage.events.append(("cycle", {}))
    expect(page.locator("#answer")).to_contain_text("The plan is proven")


def test_figures_are_renewed_and_the_read_cell_keeps_the_focus(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_plan(page, stage)
    page.locator('[data-row="2"][data-column="1"]').focus()
    assert stage.plan is not None
    for one in stage.plan["reasons"]:
        one["now_krw_per_kwh"] = 175.0
    stage.events.append(("cycle", {}))
    expect(page.locator("#why-values")).to_contain_text("worth ₩175/kWh")
    expect(page.locator(".reasons :focus")).to_have_attribute("data-column", "1")


def test_many_unlike_assets_stay_few_elements_and_say_what_is_left_out(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    assert stage.plan is not None
    stage.plan["reasons"] = [
        reason(f"fleet-{row}", slot, "idle", 100.0, float(row))
        for row in range(250)
        for slot in range(REASON_SLOTS)
    ]
    open_plan(page, stage)
    expect(page.locator(".reasons tbody tr")).to_have_count(40)
    expect(page.locator("#why .small")).to_have_text("210 more rows are in the service's document.")
    assert page.evaluate("document.querySelectorAll('*').length") <= 1500


def test_everything_has_a_name_and_headings_go_down_by_one(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    open_plan(page, stage)
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button,input,a,summary,svg[role],[role=region]')]"
        ".filter(one => !(one.getAttribute('aria-label') || one.textContent.trim()"
        " || one.labels?.length)).map(one => one.outerHTML)"
    )
    assert unnamed == []
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].filter(one => one.checkVisibility())"
        ".map(one => Number(one.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_g_then_p_opens_the_plan_with_the_chosen_slot(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    page = chromium_page
    page.goto(f"{stage.address}/?slot=2026-11-22T05%3A30Z")
    expect(page.locator("#main[data-slot]")).to_have_count(1)
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/plan?slot=2026-11-22T05%3A30Z")
    expect(page.locator("#setpoints-chart-values")).to_contain_text("14:30–14:45")
