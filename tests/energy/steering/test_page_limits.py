"""The card of limits on the grid screen, in a real browser over a district that has really run."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, Request, expect

from energy.steps.replanning import answer_replans
from energy.store.events import add_event
from energy.timegrid import iso_of
from energy.units import SLOT_S
from grid_models import find_passage

pytestmark = pytest.mark.browser
HORIZON = 16
NB = "\u00a0"


@pytest.fixture(scope="module")
def stage(begin_stage: Callable[[int], Any]) -> Any:
    return begin_stage(HORIZON)


def fill_in(page: Page, element: str, per_cent: str) -> None:
    page.locator("#limit-element").select_option(element)
    page.locator("#limit-unit").select_option("frac")
    page.locator("#limit-most").fill(per_cent)
    page.locator("#limit-reason").fill("cable work")


def over_kw(wires: Any, head: str, rated_kw: float, most_kw: float, until: int) -> list[float]:
    """By how much more than the limit the current of a feeder could carry, slot by slot."""
    strip = wires["strip"]
    covered = slice(
        1, (until - int(datetime.fromisoformat(strip["start_utc"]).timestamp())) // SLOT_S
    )
    shares = zip(
        strip["feeder_loading_frac"][head][covered], strip["v_max_pu"][covered], strict=True
    )
    return [share * v_pu * rated_kw - most_kw for share, v_pu in shares]


def test_an_operator_limits_a_feeder_sees_it_and_cancels(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, keys = chromium_page, list[str]()

    def note(request: Request) -> None:
        if request.method == "POST" and "/v1/steering/" in request.url:
            keys.append(request.headers["idempotency-key"])

    page.on("request", note)
    stage.enter(page, "operator", "kim", "/grid", "#limits")
    card = page.locator("#limits")
    expect(card.get_by_text("No limit holds")).to_be_visible()
    card.get_by_text("Limit an element").click()
    confirm = page.get_by_role("button", name="Limit F1", exact=True)
    expect(confirm).to_be_disabled()
    fill_in(page, "F1", "5")
    page.locator("#limit-from").select_option("unplanned")
    until = int(page.locator("#limit-until").input_value()) // 1000
    confirm.click()
    expect(card.locator(".receipt")).to_contain_text("this ends by itself at")
    (made,) = stage.told(page, "/v1/steering")["items"]
    passage = find_passage(stage.microgrid.district.network, "F1")
    assert (made["element"], made["reason"], made["by"]) == (
        "F1-01", "cable work", "person kim",
    )  # fmt: skip
    assert made["p_kw_max"] == pytest.approx(0.05 * passage.p_kw_rated, abs=1e-3)
    assert (made["from_utc"], made["until_utc"]) == (iso_of(stage.slot + SLOT_S), iso_of(until))
    row = card.locator(f'[data-limit="{made["id"]}"]')
    expect(row).to_contain_text(f"passes at most {made['p_kw_max']:,.1f}".removesuffix(".0"))
    expect(row).to_contain_text("person kim: cable work")
    row.get_by_text("Cancel…").click()
    row.locator("input").fill("done early")
    row.get_by_role("button", name="Cancel the limit of F1-01").click()
    expect(card.locator(".receipt")).to_contain_text("keeps it no more")
    expect(card.get_by_text("No limit holds")).to_be_visible()
    assert stage.told(page, "/v1/steering")["items"][0]["cancelled"]["reason"] == "done early"
    card.get_by_text("Limit an element").click()
    page.locator(".ranking").get_by_role("button", name="T001", exact=True).click()
    expect(page.locator("#limit-element")).to_have_value("T001")  # as chosen in table or map
    page.locator("#limit-most").fill("40")
    page.locator("#limit-from").select_option("unplanned")
    page.locator("#limit-reason").fill("oil is warm")
    page.get_by_role("button", name="Limit T001", exact=True).click()
    expect(card.locator("[data-limit]")).to_contain_text(f"passes at most 40{NB}kW")
    card.get_by_role("button", name="Undo").click()
    expect(card.get_by_text("No limit holds")).to_be_visible()
    undone = stage.told(page, "/v1/steering")["items"][0]
    assert (undone["element"], undone["state"]) == ("T001", "ended")
    assert len(set(keys)) == len(keys) == 4


def test_a_limit_holds_in_the_running_slot_unless_somebody_chooses_later(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    page, card = chromium_page, chromium_page.locator("#limits")
    stage.enter(page, "operator", "yun", "/grid", "#limits")
    card.get_by_text("Limit an element").click()
    assert page.locator("#limit-from").input_value() == "at_once"
    expect(card).to_contain_text("new set-points for the running slot within a minute")
    page.locator("#limit-from").select_option(index=3)
    later = int(page.locator("#limit-from").input_value())
    assert int(page.locator("#limit-until option").first.get_attribute("value") or 0) > later
    page.locator("#limit-from").select_option("at_once")
    fill_in(page, "F1", "0.25")
    until = int(page.locator("#limit-until").input_value()) // 1000
    covered = (until - stage.slot) // SLOT_S
    expect(page.locator("#limit-known span").first).to_contain_text(f"Of {covered} planned slots")
    page.get_by_role("button", name="Limit F1", exact=True).click()
    expect(card.locator(".receipt")).to_contain_text("this ends by itself at")
    made = stage.told(page, "/v1/steering")["items"][0]
    assert (made["state"], made["from_utc"]) == ("running", iso_of(stage.slot))
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1
    asked = stage.told(page, "/v1/steering/replans")["items"][0]
    assert asked["answers"][0]["slot_utc"] == iso_of(stage.slot)
    card.get_by_role("button", name="Undo").click()
    expect(card.get_by_text("No limit holds")).to_be_visible()
    undone = stage.told(page, "/v1/steering")["items"][0]
    assert (undone["state"], undone["until_utc"]) == ("ended", iso_of(stage.slot))
    assert answer_replans(stage.microgrid, stage.clock.now_s) == 1


@pytest.mark.parametrize("way", ["list", "undo"])
def test_a_limit_that_has_begun_since_it_was_ordered_is_ended_at_once(
    chromium_page: Page, stage: Any, complaints: list[str], monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:  # fmt: skip
    page, card = chromium_page, chromium_page.locator("#limits")
    stage.enter(page, "operator", f"seo-{way}", "/grid", "#limits")
    card.get_by_text("Limit an element").click()
    fill_in(page, "F1", "5")
    page.locator("#limit-from").select_option("unplanned")
    page.get_by_role("button", name="Limit F1", exact=True).click()
    row = card.locator("[data-limit]")
    expect(row).to_be_visible()
    made = stage.told(page, "/v1/steering")["items"][0]
    assert made["state"] == "planned"
    begun = int(datetime.fromisoformat(made["from_utc"]).timestamp())
    monkeypatch.setattr(stage.clock, "at_s", begun + 60.0)
    stage.microgrid.store.write(lambda c: add_event(c, "steering", begun, {"limit": made["id"]}))
    expect(row.locator(".what")).to_contain_text("holds")
    local = datetime.fromtimestamp(begun, ZoneInfo("Asia/Seoul")).strftime("%H:%M")
    expect(page.get_by_role("banner")).to_contain_text(f"slot {local}")
    if way == "list":
        row.get_by_text("Cancel…").click()
        row.locator("input").fill("done early")
        row.get_by_role("button", name="Cancel the limit of F1-01").click()
    else:
        card.get_by_role("button", name="Undo").click()
    expect(card.get_by_text("No limit holds")).to_be_visible()
    ended = stage.told(page, "/v1/steering")["items"][0]
    assert (ended["state"], ended["until_utc"]) == ("ended", made["from_utc"])


def test_nothing_is_ordered_from_a_page_that_is_not_live(chromium_page: Page, stage: Any) -> None:
    page, card, sent = chromium_page, chromium_page.locator("#limits"), list[str]()
    page.on("request", lambda one: sent.append(one.url) if one.method == "POST" else None)
    page.clock.install()
    page.route("**/v1/events*", lambda route: route.abort())
    stage.enter(page, "operator", "cho", "/grid", "#limits")
    card.get_by_text("Limit an element").click()
    fill_in(page, "F1", "5")
    sent.clear()
    page.clock.fast_forward(20_000)  # a reader who moves nothing: the stream is asked for by now
    page.clock.fast_forward(70_000)
    expect(page.locator("#banner")).to_contain_text("what needs fresh ones is off")
    page.get_by_role("button", name="Limit F1", exact=True).click()
    expect(card.locator("#limit-new .refused")).to_contain_text("Nothing is sent: this page is not")
    assert sent == []


def test_whoever_only_reads_sees_the_limits_and_no_form(
    chromium_page: Page, stage: Any, complaints: list[str]
) -> None:
    asked: list[str] = []
    chromium_page.on("request", lambda request: asked.append(request.url))
    stage.enter(chromium_page, "auditor", "ahn", "/grid", "#limits")
    card = chromium_page.locator("#limits")
    expect(card).to_contain_text("Operators set and cancel limits")
    assert card.locator("form, details, input").count() == 0
    assert not any("limit_form" in url for url in asked)


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_the_consequence_is_told_before_and_the_form_fits_a_narrow_screen(
    chromium_page: Page, stage: Any, complaints: list[str],
    language: str, theme: str,
) -> None:  # fmt: skip
    page = chromium_page
    page.set_viewport_size({"width": 320, "height": 844})
    stage.enter(
        page, "operator", f"kim-{language}", "/grid", "#limits", language=language, theme=theme
    )
    page.locator("#limit-new summary").click()
    passage = find_passage(stage.microgrid.district.network, "F1")
    fill_in(page, "F1", "0.25")
    page.locator("#limit-from").select_option("unplanned")
    until = int(page.locator("#limit-until").input_value()) // 1000
    most_kw = 0.0025 * passage.p_kw_rated
    found = over_kw(stage.told(page, "/v1/grid"), "F1-01", passage.p_kw_rated, most_kw, until)
    above = [kw for kw in found if kw > 0]
    assert len(found) == 5 and above
    known = page.locator("#limit-known span").first
    for figure in (
        len(found),
        len(above),
        f"{most_kw:,.1f}".removesuffix(".0"),
        f"{max(above):,.1f}".removesuffix(".0"),
    ):
        expect(known).to_contain_text(str(figure))
    page.locator("#limit-most").fill("100")
    expect(known).not_to_contain_text(f"{max(above):,.1f}")
    stage.require_fit(page)
