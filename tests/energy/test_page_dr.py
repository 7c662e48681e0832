"""The demand response screen in a real browser, against the events of a real run."""

import copy
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

CASES = Path(__file__).parents[1] / "cases"
NB = "\u00a0"
WIDTHS = [(1366, 768), (390, 844), (320, 700)]
OVERVIEW = json.loads((CASES / "overview" / "full.json").read_text())
EVENTS = json.loads((CASES / "dr" / "events.json").read_text())
PROBLEM = {"type": "about:blank", "title": "The store is busy", "status": 503, "detail": "Wait."}


@dataclass
class Stage:
    """What the served API answers, changed by the test while the page looks."""

    found: dict[str, Any] | None = None
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str) -> Response:
        found = {"/v1/overview": OVERVIEW, "/v1/dr/events": self.found}.get(path)
        if found is None:
            return Response('{"title":"There is nothing here","status":404}', 404)
        kind = "application/problem+json" if found is PROBLEM else "application/json"
        return Response(json.dumps(found), 503 if found is PROBLEM else 200, media_type=kind)


@pytest.fixture
def stage(served: Stage) -> Stage:
    served.found, served.events = copy.deepcopy(EVENTS), []
    return served


def open_screen(page: Page, stage: Stage, query: str = "", language: str = "en") -> None:
    page.context.add_cookies([{"name": "language", "value": language, "url": stage.address}])
    page.goto(f"{stage.address}/dr{query}")
    expect(page.locator("#main[data-slot]")).to_have_count(1)


def settled() -> dict[str, Any]:
    return next(one for one in EVENTS["items"] if one["state"] == "SETTLED")


def cells(row: Locator) -> list[str]:
    return [text.strip() for text in row.locator("th, td").all_inner_texts()]


def won(text: str, language: str = "en") -> str:
    amount = f"{round(float(text)):,}"
    return f"{amount}원" if language == "ko" else f"₩{amount}"


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_the_payments_are_the_apis_at_every_width_in_both_languages(
    chromium_page: Page, stage: Stage, complaints: list[str], size: tuple[int, int], language: str
) -> None:
    page, event = chromium_page, settled()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_screen(page, stage, f"?event={event['id']}", language)
    rows = [cells(row) for row in page.locator(".payments tbody tr").all()]
    groups = [event["groups"][name] for name in ("households", "operator")]
    assert rows[0][1:] == [f"{one['accounts']:,}" for one in groups]
    assert rows[3][1:] == [won(one["reward_krw"], language) for one in groups]
    assert rows[4][1:] == [won(one["penalty_krw"], language) for one in groups]
    expect(page.locator("#course-chart-title")).to_contain_text("19:00–21:00")
    assert page.locator("#course svg.chart").count() == 2
    for line in ("baseline", "target", "metered"):
        assert page.locator(f"#course .line-dr-{line}").count() == 2
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width == 0
    if language == "ko":
        text = page.locator("main").inner_text()
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= {"Enter"}


def test_the_answer_and_the_list_say_what_was_reduced(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    event = settled()
    open_screen(chromium_page, stage, f"?event={event['id']}")
    groups = event["groups"].values()
    committed = sum(one["committed_kwh"] for one in groups)
    reduced = sum(one["reduced_kwh"] for one in groups)
    share = f"{100 * reduced / committed:.1f}{NB}%"
    expect(chromium_page.locator("#answer")).to_contain_text(share)
    row = chromium_page.locator(f'.events tr[data-event="{event["id"]}"]')
    expect(row).to_have_class(re.compile("chosen"))
    assert share in cells(row)


def test_the_values_of_a_slot_are_read_with_the_keyboard(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    event = settled()
    open_screen(chromium_page, stage, f"?event={event['id']}")
    chromium_page.locator("#course-chart-cursor").press("Home")
    shown = chromium_page.locator("#course-chart-values")
    households, company = event["series"]["households"], event["series"]["operator"]
    for key in ("baseline_kw", "target_kw", "metered_kw"):
        expect(shown).to_contain_text(f"{households[key][0]:,.1f}{NB}kW")
        expect(shown).to_contain_text(f"{company[key][0] / 1000:,.1f}{NB}MW")


@pytest.mark.parametrize("state", ["OFFERED", "CALLED", "RUNNING", "METERED", "CANCELLED"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_state_has_its_sentence(
    chromium_page: Page, stage: Stage, complaints: list[str], state: str, language: str
) -> None:
    event = copy.deepcopy(settled())
    event |= {"state": state, "version": 0, "hours": []}
    for group in event["groups"].values():
        for key in ("reduced_kwh", "reward_krw", "penalty_krw"):
            group.pop(key)
    for name in ("households", "operator"):
        event["series"][name]["metered_kw"] = [None] * event["slots"]
    stage.found = {**EVENTS, "items": [event]}
    open_screen(chromium_page, stage, language=language)
    answer = chromium_page.locator("#answer").inner_text()
    assert "19:00–21:00" in answer and "{" not in answer
    assert chromium_page.locator(".payments tbody tr").nth(5).inner_text().count("–") == 2


def test_without_events_the_page_says_so_and_with_an_error_why(
    chromium_page: Page, stage: Stage
) -> None:
    stage.found = {**EVENTS, "items": []}
    open_screen(chromium_page, stage)
    expect(chromium_page.locator("#answer")).to_have_text("Nobody is asked to draw less.")
    expect(chromium_page.locator("#events .note")).to_contain_text("Operators call one below")
    stage.found = PROBLEM
    chromium_page.reload()
    expect(chromium_page.locator("#events .note")).to_contain_text("The store is busy")


def test_an_event_of_the_stream_renews_the_screen(
    chromium_page: Page, stage: Stage, complaints: list[str]
) -> None:
    stage.found = {**EVENTS, "items": []}
    open_screen(chromium_page, stage)
    expect(chromium_page.locator("#answer")).to_have_text("Nobody is asked to draw less.")
    stage.found = copy.deepcopy(EVENTS)
    stage.events.append(("dr", {"event": settled()["id"]}))
    expect(chromium_page.locator(".events tbody tr")).to_have_count(len(EVENTS["items"]))
