"""The forecast screen in a real browser, against documents in which every share is known."""

import copy
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response
from playwright.sync_api import Page, expect

from energy.timegrid import parse_instant

pytestmark = pytest.mark.browser

OVERVIEW = json.loads((Path(__file__).parents[1] / "cases" / "overview" / "full.json").read_text())
NB = "\u00a0"
WIDTHS = [(1366, 768), (390, 844), (320, 700)]
PROBLEM = {"type": "about:blank", "title": "The store is busy", "status": 503, "detail": "Wait."}
OFFSETS = (-40.0, -30.0, -10.0, 0.0, 10.0, 30.0, 40.0)
START = "2026-07-14T06:00:00Z"


def course() -> dict[str, Any]:
    """A day back and a day ahead: a median that rises by a kilowatt a slot, measured 5 above."""
    quantity = {
        "quantiles_kw": [[200.0 + at + offset for at in range(192)] for offset in OFFSETS],
        "measured_kw": [205.0 + at if at < 94 else None for at in range(192)],
    }
    quantities = {name: copy.deepcopy(quantity) for name in ("load", "pv", "heat")}
    quantities["price"] = {
        name.replace("kw", "krw_per_kwh"): rows for name, rows in copy.deepcopy(quantity).items()
    }
    return {
        "start_utc": START, "step_s": 900, "now_index": 96, "lead_back_h": 12.0,
        "probabilities": [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95], "quantities": quantities,
    }  # fmt: skip


def verification(share_80: float) -> dict[str, Any]:
    """Figures of a period in which the 80 % band held so much."""
    one = {
        "values": 480, "crps_kw": 1.5, "bias_kw": 0.1,
        "inside_50_frac": 0.51, "inside_80_frac": share_80, "inside_90_frac": 0.7,
    }  # fmt: skip
    buckets = dict.fromkeys(("0-1", "1-4", "4-12", "12-24", "all"), one)
    names = ("load", "pv", "heat", "price")
    return {"to_utc": START, "days": 7, "quantities": {name: buckets for name in names}}


@dataclass
class Stage:
    """What the served API answers, changed by the test while the page looks."""

    found: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str) -> Response:
        found = {"/v1/overview": OVERVIEW, **self.found}.get(path)
        if found is None:
            return Response('{"title":"There is nothing here","status":404}', 404)
        kind = "application/problem+json" if found is PROBLEM else "application/json"
        return Response(json.dumps(found), 503 if found is PROBLEM else 200, media_type=kind)


@pytest.fixture
def stage(served: Stage) -> Stage:
    served.events = []
    served.found = {
        "/v1/forecasts/course": course(),
        "/v1/forecasts/verification?days=1": verification(0.9),
        "/v1/forecasts/verification?days=7": verification(0.79),
        "/v1/forecasts": {
            "tier": {"load": "F0", "pv": "F3", "heat": "F0"},
            "reason": {"load": "", "pv": "no weather forecast", "heat": ""},
        },
    }
    return served


def open_screen(page: Page, stage: Stage, language: str = "en") -> None:
    page.context.add_cookies([{"name": "language", "value": language, "url": stage.address}])
    page.goto(f"{stage.address}/forecasts")
    expect(page.locator("#main[data-slot]")).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_fans_and_shares_are_the_apis_at_every_width_in_both_languages(
    chromium_page: Page, stage: Stage, complaints: list[str], size: tuple[int, int], language: str
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_screen(page, stage, language)
    for name in ("load", "pv", "heat", "price"):
        chart = page.locator(f"#course-{name} svg.chart")
        expect(chart).to_have_count(1)
        assert chart.locator(".band").count() == 2 and chart.locator(".line").count() == 2
        cells = page.locator(f'.held tr[data-quantity="{name}"] td').all_inner_texts()
        shown = [re.search(r"[\d.]+", cell) for cell in cells]
        assert [each.group() if each else "" for each in shown] == [
            "51.0", "51.0", "90.0", "79.0", "70.0", "70.0",
        ]  # fmt: skip
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width == 0
    if language == "ko":
        text = page.locator("main").inner_text()
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= {"Enter", "weather", "forecast"}


def test_the_values_of_a_slot_are_read_with_the_keyboard(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_screen(chromium_page, stage)
    chromium_page.locator("#course-load-chart-cursor").press("Home")
    shown = chromium_page.locator("#course-load-chart-values")
    for kw in (205.0, 200.0, 160.0, 170.0, 190.0, 210.0, 230.0, 240.0):
        expect(shown).to_contain_text(f"{kw:.1f}{NB}kW")


def test_the_highest_of_what_is_to_come_is_told_with_its_band(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_screen(chromium_page, stage)
    title = chromium_page.locator("#course-load-chart-title")
    assert parse_instant(START) + 191 * 900 == parse_instant("2026-07-16T05:45:00Z")
    expect(title).to_contain_text("14:45")
    expect(title).to_contain_text(f"about 391.0{NB}kW, 8 of 10 between 361.0{NB}kW")


def test_a_sign_beside_the_number_says_what_colour_says(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_screen(chromium_page, stage)
    cells = chromium_page.locator('.held tr[data-quantity="load"] td').all_inner_texts()
    assert [cell.strip()[0] for cell in cells] == ["●", "●", "◔", "●", "▲", "▲"]


def test_the_price_to_come_is_told_in_won(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_screen(chromium_page, stage)
    title = chromium_page.locator("#course-price-chart-title")
    expect(title).to_contain_text("about ₩391/kWh, 8 of 10 between ₩361/kWh")
    chromium_page.locator("#course-price-chart-cursor").press("Home")
    expect(chromium_page.locator("#course-price-chart-values")).to_contain_text("₩160/kWh")


def test_the_tier_stands_beside_its_reason(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    open_screen(chromium_page, stage)
    expect(chromium_page.locator('#tiers [data-tier="F3"]')).to_contain_text("no weather forecast")


@pytest.mark.parametrize(("share", "sentence"), [(0.79, "held 79.0"), (0.6, "held only 60.0")])
def test_a_band_that_drifts_changes_the_sentence(
    chromium_page: Page, stage: Stage, complaints: list[str], share: float, sentence: str
) -> None:
    stage.found["/v1/forecasts/verification?days=7"] = verification(share)
    open_screen(chromium_page, stage)
    expect(chromium_page.locator("#answer")).to_contain_text(sentence)


def test_a_failing_part_says_why_and_the_others_stand(chromium_page: Page, stage: Stage) -> None:
    stage.found["/v1/forecasts/verification?days=1"] = PROBLEM
    open_screen(chromium_page, stage)
    expect(chromium_page.locator("#held .note")).to_contain_text("The store is busy")
    expect(chromium_page.locator("#course-load svg.chart")).to_have_count(1)


def test_before_the_first_forecast_the_page_says_so(chromium_page: Page, stage: Stage) -> None:
    stage.found = {}
    open_screen(chromium_page, stage)
    expect(chromium_page.locator("#next")).to_contain_text("The first forecast comes")


def test_prices_below_nought_are_drawn_below_the_line_of_nought_and_inside_the_chart(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    """A market's rules may let them: then the axis has a sign and room for them."""
    price = stage.found["/v1/forecasts/course"]["quantities"]["price"]
    price["quantiles_krw_per_kwh"] = [
        [value - 300.0 for value in row] for row in price["quantiles_krw_per_kwh"]
    ]
    open_screen(chromium_page, stage)
    chart = chromium_page.locator("#course-price svg.chart")
    expect(chart.locator(".zero")).to_have_count(1)
    ticks = chart.locator("text.tick").all_text_contents()
    assert any(text[0] in "-\u2212" for text in ticks), ticks
    inside = chart.evaluate("""(svg) => {
      const height = svg.viewBox.baseVal.height;
      return [...svg.querySelectorAll("path.line, path.band")].every((path) => {
        const { y, height: tall } = path.getBBox();
        return y >= 20 && y + tall <= height - 22;
      });
    }""")
    assert inside
    # The others lie above nought and begin at it.
    expect(chromium_page.locator("#course-load svg.chart .zero")).to_have_count(0)


CSV = """async (values) => {
  const { assets } = document.documentElement.dataset;
  const { csvLine } = await import(`${assets}/js/charts/figure.js`);
  return csvLine(values);
}"""


def test_no_text_in_a_table_that_is_taken_along_is_a_formula(
    chromium_page: Page, stage: Stage
) -> None:
    open_screen(chromium_page, stage)
    values = ["=1+1", "+82 10", "@who", "-x", "-500", "+1.5", "1e-3", -2.5, None, 'a "b"']
    found = chromium_page.evaluate(CSV, values)
    assert found == '\'=1+1,\'+82 10,\'@who,\'-x,-500,+1.5,1e-3,-2.5,,"a ""b"""'
