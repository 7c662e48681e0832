"""A resident without a wallet in a real browser: invited, signed in, trading, and at last a wallet.

What the page does is done by the real server with a key that it keeps; the browser has none until
the end.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from energy.steps.credentials import code_at, hash_secret, new_secret, new_seed
from energy.store.accounts import load_keys
from energy.store.kept_keys import kept_keys_of
from energy.store.people import Person, add_person
from energy.store.sessions import NewSession, begin_session
from market.signing import derive_key

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
NOTE = "The company signs for you with the key that it keeps for your home."


@pytest.fixture(autouse=True)
def complaints(chromium_page: Page, neighbourhood: Any) -> Iterator[list[str]]:
    """Errors of the page and requests to other hosts: there are none at the end of a test."""
    found: list[str] = []
    page = chromium_page
    page.on("console", lambda told: found.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    own = (neighbourhood.address, "blob:")
    page.on("request", lambda one: None if one.url.startswith(own) else found.append(one.url))
    yield found
    assert found == []


def invitation(here: Any, account: bytes) -> str:
    """The way into the district that an operator hands to a resident."""
    secret, name = new_secret(), "operator-lee"

    def unit(connection: Any) -> None:
        add_person(connection, Person(name, "operator", "", new_seed(), 0, 0))
        new = NewSession(hash_secret(secret), int(here.wall.at_s), "127.0.0.1", name)
        begin_session(connection, new)

    here.microgrid.store.write(unit)
    body = json.dumps({"name": "kim", "account": f"0x{account.hex()}"}).encode()
    heard = here.ask("/v1/people/invitations", body, {"microgrid": secret})
    assert heard.status == 201, heard
    path: str = heard.document["path"]
    return path


def free_meter(here: Any) -> int:
    """A home of which nobody has a wallet, nor a key for contracts alone."""
    accounts, read = here.microgrid.district.meters.account, here.microgrid.store.read
    return next(n for n, of in enumerate(accounts) if not read(lambda c, of=of: load_keys(c, of)))


class Codes:
    """The code program on the resident's telephone."""

    def __init__(self, here: Any, secret: str) -> None:
        text = secret.replace(" ", "")
        self.here, self.seed = here, base64.b32decode(text + "=" * (-len(text) % 8))

    def next(self) -> str:
        """The next code that was not shown yet."""
        self.here.wall.at_s += 30
        return code_at(self.seed, int(self.here.wall.at_s) // 30)


def sign_in(page: Page, here: Any, codes: Codes, language: str = "en") -> None:
    page.context.add_cookies([{"name": "language", "value": language, "url": here.address}])
    page.goto(f"{here.address}/home")
    page.locator("#start-password").click()
    for name, value in (("name", "kim"), ("password", PASSWORD), ("code", codes.next())):
        page.locator(f"#{name}").fill(value)
    page.locator("#person button").click()
    expect(page.locator("#main[data-as-of]")).to_have_count(1)


@pytest.fixture(scope="module")
def kept(neighbourhood: Any) -> dict[str, Any]:
    """What one test leaves to the next: the resident's account and code program."""
    meter = free_meter(neighbourhood)
    return {"account": neighbourhood.microgrid.district.meters.account[meter]}


def test_an_invitation_is_taken_up_and_the_resident_signs_in(
    chromium_page: Page, neighbourhood: Any, kept: dict[str, Any]
) -> None:
    page, here = chromium_page, neighbourhood
    page.goto(here.address + invitation(here, kept["account"]))
    page.locator("#chosen").fill(PASSWORD)
    page.locator("#chosen_again").fill(PASSWORD + "!")
    page.locator("#invited button").click()
    expect(page.locator("#invited .told")).to_have_text("The two passwords differ.")
    page.locator("#chosen_again").fill(PASSWORD)
    page.locator("#invited button").click()
    expect(page.locator("#taken-up")).to_contain_text("Your name is kim.")
    assert "invitation" not in page.url, "what was in the address opens nothing any more"
    codes = kept["codes"] = Codes(here, page.locator("#code-secret").inner_text())
    expect(page.locator("#name")).to_have_value("kim")
    page.locator("#password").fill(PASSWORD)
    page.locator("#code").fill(codes.next())
    page.locator("#person button").click()
    expect(page).to_have_url(f"{here.address}/home")
    expect(page.locator("#key")).to_contain_text("the company has kept a key for your home since")


def test_an_offer_to_use_less_is_answered_by_the_company_on_the_residents_word(
    chromium_page: Page, neighbourhood: Any, kept: dict[str, Any]
) -> None:
    page, here = chromium_page, neighbourhood
    here.call_event()
    here.run()
    sign_in(page, here, kept["codes"])
    event = page.locator("#events li")
    expect(event.locator(".kept")).to_have_text(NOTE)
    event.locator("[data-answer=accept]").click()
    expect(event).to_contain_text("You have promised")
    expect(event.locator(".kept")).to_contain_text("Signed for you by the company")


def test_an_order_is_signed_by_the_company_cleared_and_its_receipt_says_so(
    chromium_page: Page, neighbourhood: Any, kept: dict[str, Any]
) -> None:
    page, here = chromium_page, neighbourhood
    sign_in(page, here, kept["codes"])
    for form in ("#trade", "#automatic form"):
        expect(page.locator(f"{form} .kept")).to_have_text(NOTE)
    expect(page.locator("#order-sign")).to_have_text("Let the company sign")
    page.locator("#order-energy").fill("0.2")
    page.locator("#order-price").fill("400")
    page.locator("#order-sign").click()
    expect(page.locator("#order-told")).to_contain_text("Accepted.")
    row = page.locator("#orders li").first
    expect(row).to_have_attribute("data-status", "ACCEPTED")
    expect(row.locator(".kept")).to_contain_text("Signed for you by the company")
    id_ = str(row.get_attribute("data-order"))
    here.run(4)
    ended = page.locator(f"#orders li[data-order='{id_}']")
    expect(ended).to_have_attribute("data-status", re.compile("FILLED|PARTIAL"))
    expect(page.locator("#answer")).to_contain_text("KEPCO alone")
    page.goto(f"{here.address}/verify?order={id_}")
    expect(page.locator("#result .badge")).to_contain_text("Proven")
    expect(page.locator("#kept")).to_have_text(
        "the company, with the key that it keeps for this account"
    )


def test_a_neighbours_receipt_says_nothing_of_a_kept_key(
    chromium_page: Page, neighbourhood: Any
) -> None:
    page, here = chromium_page, neighbourhood
    heard = here.order(here.resident)
    assert heard.status == 201, heard
    here.run(2)
    cookies = here.sign_in(here.resident)
    page.context.add_cookies(
        [{"name": k, "value": v, "url": here.address} for k, v in cookies.items()]
    )
    page.goto(f"{here.address}/verify?order={heard.document['order_id']}")
    expect(page.locator("#result .badge")).to_contain_text("Proven")
    expect(page.locator("#kept")).to_have_count(0)


def test_an_order_is_cancelled_and_automatic_trading_wants_a_fresh_code(
    chromium_page: Page, neighbourhood: Any, kept: dict[str, Any], complaints: list[str]
) -> None:
    page, here, codes = chromium_page, neighbourhood, kept["codes"]
    sign_in(page, here, codes)
    page.locator("#order-energy").fill("0.1")
    page.locator("#order-price").fill("90")
    page.locator("#order-sign").click()
    page.locator("#orders li[data-status=ACCEPTED] button").click()
    expect(page.locator("#orders .told")).to_have_text("Cancelled.")
    here.wall.at_s += 400
    page.locator("#auto-sells").uncheck()
    for field, value in (("buy", "150"), ("energy", "5"), ("won", "1000")):
        page.locator(f"#auto-{field}").fill(value)
    page.locator("#auto-sign").click()
    dialog = page.locator("#ask-code")
    expect(dialog).to_be_visible()
    dialog.locator("button[type=button]").click()
    expect(page.locator("#auto-told")).to_contain_text("Nothing was signed")
    page.locator("#auto-sign").click()
    page.locator("#fresh-code").fill("000000")
    dialog.locator("button.main").click()
    expect(dialog.locator(".told")).to_contain_text("does not fit or was used already")
    page.locator("#fresh-code").fill(codes.next())
    dialog.locator("button.main").click()
    expect(page.locator("#auto-state")).to_have_attribute("data-state", re.compile("RUNS|WAITS"))
    expect(page.locator("#auto-state .kept")).to_contain_text("Signed for you by the company")
    expect(dialog).to_have_count(0)
    page.locator("#auto-stop").click()
    expect(page.locator("#auto-state")).to_have_attribute("data-state", "OFF")
    assert [text for text in complaints if "403" in text or "401" in text]
    complaints.clear()


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("width", [1366, 390])
def test_the_page_is_accessible_in_both_languages(
    chromium_page: Page,
    neighbourhood: Any,
    kept: dict[str, Any],
    axe_findings: Callable[[Page], Any],
    language: str,
    width: int,
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, neighbourhood, kept["codes"], language)
    expect(page.locator("#key .body")).to_be_visible()
    if language == "ko":
        expect(page.locator("#trade .kept")).to_contain_text("회사가 우리 집을 위해")
    assert axe_findings(page) == []
    wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, "nothing runs out of the window"


def test_a_wallet_takes_over_and_signs_from_then_on(
    chromium_page: Page,
    neighbourhood: Any,
    kept: dict[str, Any],
    announce_wallet: Any,
    complaints: list[str],
) -> None:
    page, here = chromium_page, neighbourhood
    wallet = announce_wallet(page, derive_key("the resident's own wallet"))
    here.run()  # what the kept key has signed is sealed before it ends
    sign_in(page, here, kept["codes"])
    page.locator("#key-wallet").click()
    expect(page.locator("#key-told")).to_contain_text("signs for your home")
    (asked,) = wallet.signed
    assert asked["primaryType"] == "KeyRegister" and asked["message"]["roles"] == "3"
    gone = here.microgrid.store.read(lambda c: kept_keys_of(c, kept["account"]))
    assert [one.body for one in gone] == [None]
    expect(page.locator("#order-sign")).to_have_text("Sign in the wallet", timeout=15_000)
    expect(page.locator("#key")).to_have_count(0)
    page.locator("#order-energy").fill("0.1")
    page.locator("#order-price").fill("95")
    page.locator("#order-sign").click()
    expect(page.locator("#order-told")).to_contain_text("Accepted.")
    mine = page.locator("#orders li").filter(has_text="0.1 kWh")
    expect(mine.first.locator(".kept")).to_have_count(0)
    assert len(wallet.signed) == 2
    # From its slot on the wallet signs its owner in as well.
    here.run()
    assert complaints == []
    page.locator("#sign-out").click()
    page.locator(".wallets button").click()
    expect(page.locator("#main[data-as-of]")).to_have_count(1)
    expect(page.locator("#orders li").first).to_contain_text("0.1")
    # What the page had asked for when its reader signed out finds the session over.
    complaints[:] = [text for text in complaints if "401" not in text]
