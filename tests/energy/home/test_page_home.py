"""A resident's page in a real browser, against the real district: sign in, trade, answer, read.

The browser's wallet is a provider of EIP-1193 whose key is in the test; it signs what the page
hands it as typed data, by another program than the one that checks it.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from energy.store.audit import Record, append_record
from energy.store.events import add_event
from energy.units import SLOT_S

pytestmark = pytest.mark.browser

FIRST_OF_AUGUST = 1_785_510_000  # 00:00 in Sejong
JSON = {"content-type": "application/problem+json"}
WIDTHS = [(1366, 768), (390, 844), (320, 700)]


@pytest.fixture(autouse=True)
def complaints(chromium_page: Page, neighbourhood: Any) -> Iterator[list[str]]:
    """Errors of the page and requests to other hosts: there are none at the end of a test."""
    found: list[str] = []
    chromium_page.on(
        "console",
        lambda told: found.append(told.text) if told.type in ("error", "warning") else None,
    )
    chromium_page.on("pageerror", lambda error: found.append(str(error)))
    own = (neighbourhood.address, "blob:")
    chromium_page.on(
        "request", lambda one: None if one.url.startswith(own) else found.append(one.url)
    )
    yield found
    assert found == []


def open_home(page: Page, here: Any, language: str = "en") -> None:
    """The page of whoever's wallet is in the browser, signed in by its button."""
    page.context.add_cookies([{"name": "language", "value": language, "url": here.address}])
    page.goto(f"{here.address}/home")
    page.locator(".wallets button").click()
    expect(page.locator("#main[data-as-of]")).to_have_count(1)


def place_order(page: Page, energy: str, price: str, side: str = "1") -> None:
    page.locator(f"#trade input[value='{side}']").check()
    page.locator("#order-energy").fill(energy)
    page.locator("#order-price").fill(price)
    page.locator("#order-sign").click()


def own_api(page: Page, path: str) -> Any:
    """What the API tells this browser's session."""
    return page.evaluate("(path) => fetch(path).then((answer) => answer.json())", path)


def won(text: str) -> str:
    return f"₩{round(float(text.removeprefix('-'))):,}"


def test_while_sums_are_added_up_my_home_is_read_once_and_no_more(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here, asked = chromium_page, neighbourhood, list[str]()

    def home(route: Route) -> None:
        asked.append("home")
        document = route.fetch().json()
        done = 3 * asked.count("counted")
        if done < 9:
            counted = {"done": done, "all": 9}
            document["sums"] = {"day": None, "month": None, "counted": counted}
        route.fulfill(json=document)

    def counted(route: Route) -> None:
        asked.append("counted")
        route.fulfill(json={"done": 3 * asked.count("counted"), "all": 9})

    page.route("**/v1/me/home", home)
    page.route("**/v1/me/home/counted", counted)
    open_home(page, here)
    expect(page.locator("#answer")).to_contain_text("of 9", timeout=15_000)
    expect(page.locator("#answer")).not_to_contain_text("added up", timeout=15_000)
    assert asked.count("counted") == 3, "each further look at how far it is is no reading"
    # One at the start, one at the end, one more where the loop told of something in between.
    assert asked.count("home") <= 3


def test_only_what_changes_something_shown_is_read_and_who_has_looked_but_once(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    asked = list[str]()
    page.on("request", lambda one: asked.append(one.url.removeprefix(here.address)))
    open_home(page, here)
    page.evaluate(
        """() => { const heard = window.heardKinds = [];
        new BroadcastChannel("microgrid-live").onmessage = ({ data }) => heard.push(data.kind); }"""
    )
    expect_heard(page, "beat")
    before = len(asked)
    store = here.microgrid.store
    for kind in ("alarm", "steering"):
        store.write(lambda c, kind=kind: add_event(c, kind, None, {}))
        expect_heard(page, kind)
    assert [path for path in asked[before:] if path.startswith("/v1/me")] == []
    store.write(lambda c: add_event(c, "dr", None, {}))
    expect_heard(page, "dr")
    page.wait_for_timeout(300)
    again = [path for path in asked[before:] if path.startswith("/v1/me")]
    assert "/v1/me/home" in again and "/v1/me/reads" not in again
    assert asked.count("/v1/me/reads") == 1


def expect_heard(page: Page, kind: str) -> None:
    """Waits until the page's live stream has told of this kind."""
    for _ in range(200):
        if kind in page.evaluate("() => window.heardKinds"):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{kind} was not heard")


def test_before_sign_in_the_page_says_what_it_is_for(
    chromium_page: Page, neighbourhood: Any
) -> None:
    chromium_page.goto(f"{neighbourhood.address}/home")
    expect(chromium_page.locator("#answer")).to_contain_text("See what your home uses")
    expect(chromium_page.locator(".wallets")).to_contain_text("sign in with password and code")
    assert chromium_page.locator(".wallets button").count() == 0


def test_a_wallet_that_declines_or_is_a_strangers_gets_one_sentence(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page = chromium_page
    wallet.refuses.add("personal_sign")
    page.goto(f"{neighbourhood.address}/home")
    page.locator(".wallets button").click()
    expect(page.locator("#told")).to_contain_text("nothing was signed")
    wallet.refuses.clear()
    wallet.key = bytes([7]) * 32
    page.locator(".wallets button").click()
    expect(page.locator("#told")).to_contain_text("trade for no home here")
    assert [text for text in complaints if "401" in text]
    complaints.clear()


def test_an_order_is_signed_accepted_cleared_settled_and_its_receipt_holds(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    open_home(page, here)
    expect(page.locator("#answer")).to_contain_text("Nothing is settled yet")
    expect(page.locator("#orders .note")).to_contain_text("No orders yet")
    place_order(page, "0.2", "400")
    expect(page.locator("#order-told")).to_contain_text("Accepted.")
    message = wallet.signed[0]["message"]
    assert (message["e_wh"], message["price_mkrw_per_kwh"]) == ("200", "400000")
    assert int(message["slot"]) == here.slot
    row = page.locator("#orders li").first
    expect(row).to_have_attribute("data-status", "ACCEPTED")
    expect(row).to_contain_text("Buy up to 0.2 kWh, 18:00–18:15, at most ₩400/kWh: ₩80 at most.")
    id_ = str(row.get_attribute("data-order"))
    here.run()
    ended = page.locator(f"#orders li[data-order='{id_}']")
    expect(ended).to_have_attribute("data-status", re.compile("FILLED|PARTIAL"))
    fill = own_api(page, "/v1/me/trades")["items"][0]
    expect(ended).to_contain_text(f"Bought {fill['filled_wh'] / 1000:g} of 0.2\u00a0kWh")
    here.run(3)
    expect(page.locator("#answer")).to_contain_text("KEPCO alone")
    assert_figures_are_the_apis(page)
    page.goto(f"{here.address}/verify?order={id_}")
    expect(page.locator("#result .badge")).to_contain_text("Proven")


def assert_figures_are_the_apis(page: Page) -> None:
    """Tiles, finding and answer show what `/v1/me/home` says."""
    home = own_api(page, "/v1/me/home")
    tile = lambda name: page.locator(f"[data-figure={name}] .big")  # noqa: E731
    expect(tile("saved")).to_have_text(won(home["sums"]["day"]["saved_krw"]))
    expect(tile("month")).to_have_text(won(home["sums"]["month"]["saved_krw"]))
    expect(tile("drawn")).to_have_text(f"{home['day']['import_kwh']:.2f}\u00a0kWh")
    expect(tile("marginal")).to_contain_text(home["marginal"]["krw_per_kwh"].split(".")[0])
    expect(page.locator("#day-chart-title")).to_contain_text(
        f"{home['day']['import_kwh']:.2f}\u00a0kWh"
    )


def test_what_is_expected_is_the_forecast_of_this_home(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    found = own_api(page, "/v1/me/forecast")
    use_kwh = sum(found["expected_load_kw"]) / 4
    expect(page.locator("#ahead-chart-title")).to_contain_text(f"{use_kwh:.2f}\u00a0kWh of use")
    # A home that is known since an hour is foreseen by homes like it, and the page says so.
    expect(page.locator("#ahead .about")).to_contain_text("homes like yours")
    page.locator("#ahead-chart-cursor").press("Home")
    median = found["load_kw"][found["probabilities"].index(0.5)][0]
    expect(page.locator("#ahead-chart-values")).to_contain_text(f"{median:.1f}\u00a0kW")


def test_a_limit_above_the_tariff_is_questioned_before_it_is_signed(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    price = own_api(page, "/v1/me/home")["marginal"]["krw_per_kwh"]
    page.locator("#order-energy").fill("0,5")
    page.locator("#order-price").fill(str(int(float(price)) + 50))
    expect(page.locator("#order-caution")).to_contain_text("KEPCO would cost you")
    expect(page.locator("#order-sign")).to_contain_text("anyway")
    page.locator("#order-price").fill("1")
    expect(page.locator("#order-caution")).to_be_hidden()
    expect(page.locator("#order-sign")).to_have_text("Sign in the wallet")
    assert wallet.signed == []


def test_before_the_first_slot_is_settled_an_order_can_be_written_below_nought_as_well(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    """No price at tariff is known yet, and the rules let prices fall below 0."""
    page = chromium_page

    def without_price(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "marginal": None})

    def with_floor(route: Route) -> None:
        document = route.fetch().json()
        document["rules"]["price_floor_krw_per_kwh"] = "-10"
        route.fulfill(json=document)

    page.route("**/v1/me/home", without_price)
    page.route("**/v1/prices", with_floor)
    open_home(page, neighbourhood)
    expect(page.locator("#trade")).to_have_attribute("data-state", "ready")
    page.locator("#order-energy").fill("0.5")
    page.locator("#order-price").fill("-5")
    expect(page.locator("#order-sentence")).to_contain_text("5")
    assert page.locator("#trade [aria-invalid]").count() == 0
    page.locator("#order-price").fill("-11")
    expect(page.locator("#order-sentence")).to_contain_text("-10")
    assert page.locator("#trade [aria-invalid]").count() == 1
    assert wallet.signed == [] and complaints == []


@pytest.mark.parametrize(
    ("energy", "price", "sentence"),
    [
        ("many", "100", "a number such as 0.5"),
        ("0.0001", "100", "a number such as 0.5"),
        ("0", "100", "contracts allow up to"),
        ("999", "100", "contracts allow up to"),
        ("0.5", "1e3", "a number such as 142.5"),
        ("0.5", "1000.1", "in steps of 0.1"),
        ("0.5", "100.05", "in steps of 0.1"),
    ],
)
def test_a_field_that_cannot_be_is_named_and_nothing_is_signed(
    chromium_page: Page, neighbourhood: Any, wallet: Any, energy: str, price: str, sentence: str
) -> None:
    open_home(chromium_page, neighbourhood)
    place_order(chromium_page, energy, price)
    expect(chromium_page.locator("#order-sentence")).to_contain_text(sentence)
    assert chromium_page.locator("#trade [aria-invalid]").count() == 1
    assert wallet.signed == []


def test_an_order_whose_answer_was_lost_is_sent_once_more_and_not_a_second_time(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    before = len(own_api(page, "/v1/me/orders")["items"])

    def lose(route: Any) -> None:
        route.fetch()  # It arrives, and the line breaks before the answer does.
        route.abort()

    page.route("**/v1/orders", lose, times=1)
    place_order(page, "0.1", "80")
    expect(page.locator("#order-told")).to_contain_text("the same order is sent once more")
    page.locator("#order-sign").click()
    expect(page.locator("#order-told")).to_contain_text("Accepted.")
    assert len(wallet.signed) == 1
    assert len(own_api(page, "/v1/me/orders")["items"]) == before + 1
    complaints.clear()


def test_an_order_whose_answer_is_a_failure_of_the_service_is_sent_again_as_the_same(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    page.route(
        "**/v1/orders", lambda route: (route.fetch(), route.fulfill(status=504, body="")), times=1
    )
    place_order(page, "0.1", "87")
    expect(page.locator("#order-told")).to_contain_text("the same order is sent once more")
    page.locator("#order-sign").click()
    expect(page.locator("#order-told")).to_contain_text("Accepted.")
    assert len(wallet.signed) == 1
    complaints.clear()


def test_what_the_wallet_declines_is_not_sent(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    before = own_api(page, "/v1/me/orders")["items"]
    wallet.refuses.add("eth_signTypedData_v4")
    place_order(page, "0.1", "81")
    expect(page.locator("#order-told")).to_contain_text("nothing was signed")
    assert own_api(page, "/v1/me/orders")["items"] == before


def test_another_key_in_the_wallet_is_refused_in_one_sentence(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    wallet.key = bytes([9]) * 32
    place_order(page, "0.1", "82")
    expect(page.locator("#order-told")).to_have_text(
        "This wallet's key may not trade for your home."
    )
    complaints.clear()


def test_a_card_that_cannot_be_read_says_so_and_the_others_are_right(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page = chromium_page
    problem = {"title": "The store is busy", "detail": "Wait.", "status": 503}
    body = json.dumps(problem)
    page.route("**/v1/me/dr", lambda route: route.fulfill(status=503, body=body, headers=JSON))
    open_home(page, neighbourhood)
    expect(page.locator("#events .note")).to_contain_text("The store is busy Wait.")
    expect(page.locator("#trade")).to_have_attribute("data-state", "ready")
    complaints.clear()


def test_a_live_order_is_cancelled_by_signature(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    place_order(page, "0.1", "90")
    row = page.locator("#orders li", has_text="at most ₩90/kWh")
    expect(row).to_have_attribute("data-status", "ACCEPTED")
    id_ = row.get_attribute("data-order")
    row.locator("button").click()
    expect(page.locator(f"li[data-order='{id_}']")).to_have_attribute("data-status", "CANCELLED")
    assert wallet.signed[-1]["primaryType"] == "Cancel"


def test_automatic_trading_is_signed_once_orders_by_itself_and_is_stopped(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    open_home(page, here)
    block = page.locator("#automatic")
    expect(block.locator("#auto-state")).to_have_attribute("data-state", "OFF")
    expect(block.locator("#auto-state")).to_contain_text("Nothing is ordered for you")
    for name, text in (("sell", "1"), ("buy", "400"), ("energy", "20"), ("won", "3000.055")):
        page.locator(f"#auto-{name}").fill(text)
    expect(block.locator("#auto-sentence")).to_contain_text(
        "Sell what is left for at least ₩1/kWh, buy what is missing for at most ₩400/kWh,"
        " at most 20\u00a0kWh and ₩3,000.1 a day, until"
    )
    page.locator("#auto-buy").fill("400.05")
    expect(block.locator("#auto-sentence")).to_contain_text("in steps of 0.1")
    page.locator("#auto-buy").fill("400")
    page.locator("#auto-sign").click()
    expect(block.locator("#auto-told")).to_contain_text("Accepted.")
    message = wallet.signed[-1]["message"]
    assert wallet.signed[-1]["primaryType"] == "StandingInstruction"
    assert (message["sides"], message["day_cap_ukrw"]) == ("3", "3000055000")
    assert (int(message["end_slot"]) + 9 * 3600) % 86_400 == 0
    expect(block.locator("#auto-state")).to_have_attribute("data-state", "RUNS")
    found = own_api(page, "/v1/me/instructions")
    assert int(found["items"][0]["day_cap_wh"]) == found["today"]["left_wh"] == 20_000
    # A contract of this home runs, so that nothing is ordered, and the page says why; orders by
    # hand that stand from elsewhere in this file come first.
    for _ in range(4):
        here.run()
        if own_api(page, "/v1/me/instructions")["last"]["why"] != "OWN_ORDER":
            break
    expect(block.locator("#auto-last")).to_contain_text("Nothing ordered: a contract of yours runs")
    block.locator("#auto-stop").click()
    expect(block.locator("#auto-state")).to_have_attribute("data-state", "OFF")
    assert wallet.signed[-1]["primaryType"] == "Cancel"
    signed = own_api(page, "/v1/me/instructions")["items"][0]
    assert signed["state"] == "STOPPED"
    page.goto(f"{here.address}/verify?order={signed['id']}")
    expect(page.locator("#result .badge")).to_contain_text("Proven")


def test_what_contracts_have_sold_cannot_be_offered_and_the_rest_can(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    most = own_api(page, "/v1/me/home")["meter"]["offer_wh_max"]
    plate = neighbourhood.microgrid.district.meters
    row = plate.account.index(neighbourhood.account)
    assert 0 <= most < int(plate.pv_kwp[row] * 250)
    place_order(page, f"{(most + 1) / 1000:.3f}", "150", side="2")
    expect(page.locator("#order-sentence")).to_contain_text(
        "contracts allow up to" if most else "nothing to sell"
    )
    assert wallet.signed == []


def test_an_order_with_a_label_says_what_it_pays_on_top(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    heard = neighbourhood.order(neighbourhood.resident, label=1, premium_mkrw_per_kwh=10_500)
    assert heard.status == 201, heard
    open_home(chromium_page, neighbourhood)
    row = chromium_page.locator(f"li[data-order='{heard.document['order_id']}']")
    expect(row).to_contain_text("Green energy wanted, at most ₩10.5/kWh on top.")


def test_an_offer_to_use_less_is_answered_by_signature(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    here.call_event()
    here.run()
    open_home(page, here)
    event = page.locator("#events li")
    expect(event).to_contain_text("21:00–22:00")
    expect(event.locator("output")).to_contain_text("earn about")
    event.locator("[data-answer=accept]").click()
    expect(event).to_contain_text("You have promised")
    told = own_api(page, "/v1/me/dr")["items"][0]
    assert str(told["answer_wh_per_slot"]) == wallet.signed[-1]["message"]["e_wh_per_slot"] != "0"


def lose_answer(page: Page) -> None:
    """The next order arrives, and the line breaks before its answer does."""
    page.route("**/v1/orders", lambda route: (route.fetch(), route.abort()), times=1)


def test_an_order_that_waits_for_its_answer_stays_the_same_when_the_next_slot_opens(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page, here = chromium_page, neighbourhood
    open_home(page, here)
    before = len(own_api(page, "/v1/me/orders")["items"])
    page.locator("#order-slot").select_option(index=6)
    lose_answer(page)
    place_order(page, "0.1", "83")
    expect(page.locator("#order-told")).to_contain_text("the same order is sent once more")
    here.run()
    expect(page.locator("#order-slot option").first).to_have_attribute("value", str(here.slot))
    page.locator("#order-sign").click()
    expect(page.locator("#order-told")).to_contain_text("Accepted.")
    assert len(wallet.signed) == 1
    assert len(own_api(page, "/v1/me/orders")["items"]) == before + 1
    complaints.clear()


@pytest.mark.parametrize("other", ["its slot closes", "a field is changed"])
def test_what_may_stand_beside_the_next_order_is_said(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str], other: str
) -> None:
    page, here = chromium_page, neighbourhood
    open_home(page, here)
    lose_answer(page)
    place_order(page, "0.1", "84" if other == "its slot closes" else "85")
    expect(page.locator("#order-told")).to_contain_text("the same order is sent once more")
    if other == "its slot closes":
        here.run()
    else:
        page.locator("#order-price").fill("86")
    expect(page.locator("#order-told")).to_contain_text("What you sign now is another one")
    complaints.clear()


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("size", WIDTHS, ids=lambda size: str(size[0]))
def test_nothing_is_cut_off_at_any_width_in_both_languages(
    chromium_page: Page, neighbourhood: Any, wallet: Any, size: tuple[int, int], language: str
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_home(page, neighbourhood, language)
    width: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert width == 0
    assert not re.search(r"\{\w+\}|undefined|NaN", page.locator("body").inner_text())
    if language == "ko":
        text = page.locator("main").inner_text()
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= set()


def test_every_control_has_a_name_and_is_reached_by_keyboard(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page = chromium_page
    open_home(page, neighbourhood)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select")].filter((one) =>
          !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label"))
        ).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    levels = page.evaluate("[...document.querySelectorAll('h1, h2')].map((one) => one.tagName)")
    assert levels[0] == "H1" and levels.count("H1") == 1
    page.locator("#order-energy").focus()
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "order-sign"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 390])
def test_axe_finds_nothing_against_wcag_signed_out_and_signed_in(
    chromium_page: Page,
    neighbourhood: Any,
    wallet: Any,
    axe_findings: Callable[[Page], Any],
    theme: str,
    width: int,
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": width, "height": 844})
    page.context.add_cookies([{"name": "theme", "value": theme, "url": neighbourhood.address}])
    page.goto(f"{neighbourhood.address}/home")
    expect(page.locator(".wallets button")).to_be_visible()
    for enter in (lambda: None, lambda: open_home(page, neighbourhood)):
        enter()
        assert axe_findings(page) == []


def test_cards_say_how_old_their_values_are_when_the_loop_stands_still(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    before = here.clock.at_s
    open_home(page, here)
    for name in ("figures", "day", "ahead"):
        expect(page.locator(f"#{name}")).to_have_attribute("data-age", "fresh")
        expect(page.locator(f"#{name} > .age")).to_be_hidden()
    try:
        here.clock.at_s += 4 * 3600
        open_again(page, here)
        for name in ("figures", "day", "ahead"):
            card = page.locator(f"#{name}")
            expect(card).to_have_attribute("data-state", "stale")
            expect(card.locator("> .age")).to_contain_text("Missing since")
        # What is asked for at this moment is as fresh as ever.
        expect(page.locator("#trade")).to_have_attribute("data-state", "ready")
    finally:
        here.clock.at_s = before


def open_again(page: Page, here: Any) -> None:
    page.goto(f"{here.address}/home")
    expect(page.locator("#main[data-as-of]")).to_have_count(1)


def test_older_orders_and_what_was_traded_are_there_and_all_trades_as_a_table(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    for nonce in range(45):
        later = here.slot + (1 + nonce % 15) * SLOT_S
        heard = here.order(
            here.resident, slot=later, expires=later - 300, e_wh=10, nonce=10**9 + nonce
        )
        assert heard.status == 201, heard
    open_home(page, here)
    rows, older = page.locator("#orders li"), page.locator("#orders-older")
    expect(rows).to_have_count(40)
    every = own_api(page, "/v1/me/orders?limit=200")["items"]
    for _ in range(len(every) // 40):
        older.click()
    expect(rows).to_have_count(len(every))
    expect(older).to_be_hidden()
    page.locator("#orders input[value=traded]").check()
    traded = own_api(page, "/v1/me/trades?limit=200")["items"]
    assert traded
    expect(rows).to_have_count(min(len(traded), 40))
    shown = rows.evaluate_all("all => all.map((one) => one.dataset.order)")
    assert shown == [one["order_id"] for one in traded[:40]]
    with page.expect_download() as loading:
        page.locator("#trades-table").click()
    table = loading.value.path().read_text().splitlines()
    assert table[0].startswith("slot_utc,side,ordered_wh,filled_wh")
    assert len(table) == 1 + len(own_api(page, "/v1/me/trades?limit=200")["items"])
    assert sum(row.endswith(traded[0]["order_id"]) for row in table) == 1


def test_whoever_has_looked_is_listed_to_the_first(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    for number in range(25):
        note = Record(
            number, "person lee", "10.0.0.9", f"account 0x{here.account.hex()}", "read home"
        )
        here.microgrid.store.write(lambda c, note=note: append_record(c, note))
    open_home(page, here)
    looks = page.locator("#data .looks li")
    expect(looks).to_have_count(20)
    page.locator("#looks-older").click()
    expect(looks).to_have_count(25)
    expect(page.locator("#looks-older")).to_be_hidden()


def test_the_bill_of_the_month_is_read_and_its_receipt_holds(
    chromium_page: Page, neighbourhood: Any, wallet: Any
) -> None:
    page, here = chromium_page, neighbourhood
    open_home(page, here)
    expect(page.locator("#bill .note")).to_contain_text("No month of yours is billed yet")
    while not own_api(page, "/v1/me/statements")["items"]:
        assert here.slot < FIRST_OF_AUGUST + 4 * SLOT_S
        here.run()
    bill = page.locator("#bill table.bill")
    expect(bill).to_be_visible()
    month = own_api(page, "/v1/me/statements/2026-07")["months"][0]
    expect(bill.locator("tr.total td").last).to_have_text(won(month["total_krw"]))
    expect(page.locator("#answer")).to_contain_text(re.compile("Today|Yesterday"))
    page.locator("#bill a").click()
    expect(page.locator("#result .badge")).to_contain_text("Proven")


def test_signing_out_ends_it_and_another_wallet_sees_its_own_home(
    chromium_page: Page, neighbourhood: Any, wallet: Any, complaints: list[str]
) -> None:
    page, here = chromium_page, neighbourhood
    open_home(page, here)
    mine = own_api(page, "/v1/me/home")["account"]
    page.locator("#sign-out").click()
    expect(page.locator(".wallets button")).to_be_visible()
    assert page.evaluate("fetch('/v1/session').then((one) => one.json())")["role"] == "anonymous"
    wallet.key = here.crowd.private_key[0]
    page.locator(".wallets button").click()
    expect(page.locator("#main[data-as-of]")).to_have_count(1)
    assert own_api(page, "/v1/me/home")["account"] != mine
    ids = {one["order_id"] for one in own_api(page, "/v1/me/orders")["items"]}
    shown = page.locator("#orders li").evaluate_all("all => all.map((one) => one.dataset.order)")
    assert set(shown) <= ids
    # What the page was asking when the session ended is refused, which the browser notes down.
    complaints[:] = [one for one in complaints if "401 (Unauthorized)" not in one]
