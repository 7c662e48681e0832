"""An operator calls an event on the page, a household answers on its own; another is cancelled."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from energy.steps.credentials import STEP_S, code_at, new_seed, stretch_password
from energy.store.audit import list_records
from energy.store.people import Person, add_person

pytestmark = pytest.mark.browser
NUMBERS = itertools.count(1)
PASSWORD = "correct horse battery staple"
CALL = "/v1/steering/dr/events"
POST = """async ([path, body, key]) => {
  const named = key ? { "Idempotency-Key": key } : {};
  const headers = { "Content-Type": "application/json", ...named };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  return [answer.status, await answer.json()];
}"""


@pytest.fixture
def office(chromium: Browser, neighbourhood: Any) -> Iterator[Page]:
    """The operators' page of events, by somebody who may act; without a word on the console."""
    here, found, refused = neighbourhood, list[str](), list[str]()
    wall_s = here.wall.at_s
    name, secret = f"kim-{next(NUMBERS)}", stretch_password(PASSWORD)
    who = Person(name, "operator", secret, new_seed(), 0, int(wall_s))
    here.microgrid.store.write(lambda connection: add_person(connection, who))
    context = chromium.new_context(locale="en-GB", viewport={"width": 1366, "height": 900})
    page = context.new_page()
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda told: found.append(told.text) if told.type == "error" else None)
    page.on("response", lambda one: refused.append(one.url) if one.status >= 400 else None)
    page.goto(f"{here.address}/sign-in?to=/dr")
    page.locator("#name").fill(who.name)
    page.locator("#password").fill(PASSWORD)
    page.locator("#code").fill(code_at(who.code_seed, int(wall_s // STEP_S)))
    page.locator("#person button").click()
    expect(page.locator("#main[data-slot]")).to_have_count(1)
    yield page
    context.close()
    assert len(found) == len(refused), found  # the browser tells of each refusal, and nothing else


def fill_in(page: Page, time: str, reason: str) -> None:
    """Choose the hour in the open form and look at what it would do."""
    first = page.locator("#call-from option", has_text=time).first
    page.locator("#call-programme").select_option("district")
    page.locator("#call-from").select_option(first.get_attribute("value"))
    page.locator("#call-reason").fill(reason)
    expect(page.get_by_role("button", name="Call the event", exact=True)).to_be_disabled()
    page.get_by_role("button", name="What would it do?").click()
    expect(page.locator("#call-known")).to_contain_text("households may answer until")


def test_an_event_is_called_answered_by_a_household_and_another_one_cancelled(
    chromium_page: Page, neighbourhood: Any, wallet: Any, office: Page
) -> None:
    here, card, keys = neighbourhood, office.locator("#call"), list[str]()

    def note(request: Request) -> None:
        if request.method == "POST" and "idempotency-key" in request.headers:
            keys.append(request.headers["idempotency-key"])

    office.on("request", note)
    here.run()
    expect(card.get_by_text("No event is to come.")).to_be_visible()
    card.get_by_text("Call an event").click()
    fill_in(office, "21:00", "the transformer is warm")
    expect(office.locator("#call-known")).to_contain_text("The plan expects")
    office.locator("#call-reward").fill("900")
    expect(office.locator("#call-known")).to_be_empty()
    expect(office.get_by_role("button", name="Call the event", exact=True)).to_be_disabled()
    office.get_by_role("button", name="What would it do?").click()
    expect(office.locator("#call-known")).to_contain_text("₩900/kWh for each kWh that is given up")
    office.get_by_role("button", name="Call the event", exact=True).click()
    expect(card.locator(".receipt")).to_contain_text("21:00–22:00: the event is called")
    (event,) = here.ask("/v1/dr/events", cookies=here.sign_in(here.resident)).document["items"]
    assert (event["state"], event["reward_krw_per_kwh"]) == ("OFFERED", "900")
    here.run()

    page = chromium_page
    page.goto(f"{here.address}/home")
    page.locator(".wallets button").click()
    page.locator("#events li[data-open=true] [data-answer=accept]").click()
    expect(page.locator("#events li")).to_have_attribute("data-open", "false")
    households = office.locator(".payments tbody tr").first.locator("td").first
    expect(households).to_have_text("1")

    card.get_by_text("Call an event").click()
    fill_in(office, "22:00", "once more")
    office.get_by_role("button", name="Call the event", exact=True).click()
    expect(card.locator("[data-call]")).to_have_count(2)
    row = card.locator("[data-call]", has_text="22:00–23:00")
    row.get_by_text("Cancel…").click()
    row.locator("input").fill("it has cooled down")
    row.get_by_role("button", name="Cancel the event of").click()
    expect(card.locator(".receipt")).to_contain_text("22:00–23:00 does not take place")
    expect(card.locator("[data-call]")).to_have_count(1)
    items = here.ask("/v1/dr/events", cookies=here.sign_in(here.resident)).document["items"]
    assert {one["state"] for one in items} == {"OFFERED", "CANCELLED"}
    records = [one.record for one in here.microgrid.store.read(list_records)]
    told = [one for one in records if "DR event" in one.task]
    assert len(told) == 3 and all(one.account.startswith("person kim") for one in told)
    assert any(one.task.endswith("it has cooled down") for one in told)
    assert len(set(keys)) == len(keys) == 3


def test_a_call_sent_again_is_the_same_event_and_what_cannot_be_is_refused_in_one_sentence(
    neighbourhood: Any, office: Page
) -> None:
    def post(body: Any, key: str, path: str = CALL) -> Any:
        return office.evaluate(POST, [path, body, key])

    expect(office.locator("#call")).to_have_attribute("data-state", "ready")
    wish = {"programme": "district", "first_slot_utc": "2026-08-03T01:00:00Z", "hours": 1}
    assert post(wish, "", f"{CALL}/preview")[0] == 200
    assert post({**wish, "reason": "heat"}, "")[1]["code"] == "NO_KEY"
    for changes, code in (
        ({"hours": 5}, "EVENT_RULES"),
        ({"programme": "moon"}, "MALFORMED"),
        ({"reward_krw_per_kwh": "-1"}, "MALFORMED"),
        ({"reward_krw_per_kwh": "many"}, "MALFORMED"),
        ({"first_slot_utc": "2026-08-03T01:15:00Z"}, "MALFORMED"),
        ({"first_slot_utc": "2026-07-31T08:00:00Z"}, "EVENT_RULES"),
    ):
        for path in (CALL, f"{CALL}/preview"):
            body = {**wish, **changes, **({"reason": "heat"} if path == CALL else {})}
            status, found = post(body, "refused-01", path)
            assert (status, found["code"]) == (422, code), found
    first, again = (post({**wish, "reason": "heat"}, "the-same-key") for _ in range(2))
    assert first == again and first[0] == 201
    events = office.evaluate("() => fetch('/v1/dr/events').then((one) => one.json())")["items"]
    assert [one["id"] for one in events if one["cancelled_utc"] is None][:1] == [first[1]["id"]]
    assert post({"reason": "x"}, "cancel-001", f"{CALL}/0x{'00' * 32}/cancel")[0] == 404
    ended = post({"reason": "enough"}, "cancel-002", f"{CALL}/{first[1]['id']}/cancel")
    assert ended[0] == 200 and ended[1]["state"] == "CANCELLED"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_form_fits_a_phone_in_both_languages_and_axe_is_mute(
    office: Page, neighbourhood: Any, axe_findings: Any, language: str
) -> None:
    here = neighbourhood
    office.context.add_cookies([{"name": "language", "value": language, "url": here.address}])
    office.set_viewport_size({"width": 320, "height": 844})
    office.goto(f"{here.address}/dr")
    office.locator("#call-new summary").click()
    expect(office.locator("#call-reason")).to_be_visible()
    assert office.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert axe_findings(office) == []
