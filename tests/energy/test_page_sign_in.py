"""People sign in and out in the browser: by code, by a wallet whose key is here, in the demo."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.dashboard import install
from energy.district import District
from energy.steps.credentials import (
    STEP_S,
    code_at,
    hash_secret,
    is_password,
    new_secret,
    new_seed,
    stretch_password,
)
from energy.store.accounts import TRADE_ROLE, KeyRow, save_keys
from energy.store.alarms import Alarm, Seen, open_alarms, raise_alarm
from energy.store.audit import list_records
from energy.store.engine import Store, open_store
from energy.store.events import add_event
from energy.store.people import Person, add_person, find_person
from energy.store.sessions import IDLE_S, NewSession, begin_session, open_session
from market.signing import address_of, derive_key, personal_digest, sign

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple"
KEY = derive_key("a wallet in a browser")
ACCOUNT = bytes.fromhex("ab" * 32)
NOW_S = 1_784_105_000
PROVIDER = """
const provider = { request: (args) => window.walletAnswers(JSON.stringify(args)).then(JSON.parse)
  .then(({ value, error }) => { if (error) throw error; return value; }) };
addEventListener("eip6963:requestProvider", () => dispatchEvent(new CustomEvent(
  "eip6963:announceProvider", { detail: { info: { uuid: "1", name: "Test" }, provider } })));
"""


AXE = """async () => {
  const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.map((one) => [one.id, one.nodes.map((each) => each.html)]);
}"""


class StillClock:
    mode = "demo"
    slot_seconds_real = 15.0

    def now_s(self) -> float:
        return NOW_S


class Here:
    """A server with its store."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.url = store, url
        self.wall_s = 1_800_000_000.0


Open = Callable[[Settings], contextlib.AbstractContextManager[Here]]


@pytest.fixture
def open_here(
    serve_app: Callable[[FastAPI], str], small_district: District, desk: Any, tmp_path: Path
) -> Open:
    @contextlib.contextmanager
    def opened(settings: Settings) -> Iterator[Here]:
        with open_store(f"sqlite:///{tmp_path / 'pages.db'}") as store:
            here = Here(store, "")
            context = ApiContext(
                store, small_district, settings, StillClock(), desk.admission,
                wall_s=lambda: here.wall_s,
            )  # fmt: skip
            app = create_app(context)
            install(app)
            here.url = serve_app(app)
            yield here

    return opened


def add_kim(here: Here, role: str = "operator", name: str = "kim") -> Person:
    who = Person(name, role, stretch_password(PASSWORD), new_seed(), 0, int(here.wall_s))
    here.store.write(lambda connection: add_person(connection, who))
    return who


def fill_in(page: Page, who: Person, here: Here, password: str = PASSWORD) -> None:
    page.locator("#name").fill(who.name)
    page.locator("#password").fill(password)
    page.locator("#code").fill(code_at(who.code_seed, int(here.wall_s // STEP_S)))
    page.locator("#person button").click()


def begin(here: Here, who: Person) -> str:
    """The cookie of another session of a person."""
    secret = new_secret()
    new = NewSession(hash_secret(secret), int(here.wall_s), "127.0.0.1", who.name)
    here.store.write(lambda connection: begin_session(connection, new))
    return secret


def is_open(here: Here, cookie: str) -> bool:
    id_, now_s = hash_secret(cookie), int(here.wall_s)
    found = here.store.read(lambda connection: open_session(connection, id_, now_s, NOW_S))
    return found is not None


def add_wallet(page: Page, answer: Callable[[dict[str, Any]], Any]) -> None:
    """A wallet that announces itself; `answer` gives a value, or a dict with an `error`."""
    import json

    def answers(text: str) -> str:
        found = answer(json.loads(text))
        return json.dumps(found if isinstance(found, dict) else {"value": found})

    page.expose_function("walletAnswers", answers)
    page.add_init_script(PROVIDER)


def own_wallet(call: dict[str, Any]) -> Any:
    """What the wallet with KEY says."""
    if call["method"] == "eth_requestAccounts":
        return ["0x" + address_of(KEY).hex()]
    assert call["method"] == "personal_sign"
    text = bytes.fromhex(call["params"][0][2:])
    assert text.decode().startswith("http://127.0.0.1")
    return "0x" + sign(KEY, personal_digest(text)).hex()


def test_an_operator_signs_in_with_a_code_reaches_the_screen_and_signs_out(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    told: list[str] = []
    page.on("pageerror", lambda error: told.append(str(error)))
    with open_here(Settings(sign_in="required")) as here:
        who = add_kim(here)
        page.goto(f"{here.url}/grid")
        expect(page).to_have_url(f"{here.url}/sign-in?to=/grid")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        expect(page.locator("#demo")).to_have_count(0)
        fill_in(page, who, here, "a wrong long password")
        expect(page.locator("#person .told")).to_contain_text("That did not fit")
        fill_in(page, who, here)
        expect(page).to_have_url(f"{here.url}/grid")
        expect(page.locator("html")).to_have_attribute("data-access", "operate")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{here.url}/sign-in")
        page.goto(f"{here.url}/grid")
        expect(page).to_have_url(f"{here.url}/sign-in?to=/grid")
        page.goto("about:blank")
    assert told == []


def test_who_is_signed_in_signs_out_everywhere(chromium_page: Page, open_here: Open) -> None:
    page = chromium_page
    with open_here(Settings(sign_in="required")) as here:
        who = add_kim(here, "auditor")
        elsewhere = begin(here, who)
        page.goto(f"{here.url}/sign-in?to=/grid")
        fill_in(page, who, here)
        expect(page).to_have_url(f"{here.url}/grid")
        page.goto(f"{here.url}/sign-in")
        assert is_open(here, elsewhere)
        page.get_by_role("button", name="Sign out everywhere").click()
        expect(page.locator("#person")).to_be_visible()
        assert not is_open(here, elsewhere)
        page.goto(f"{here.url}/grid")
        expect(page).to_have_url(f"{here.url}/sign-in?to=/grid")


def test_who_is_signed_in_changes_the_password_and_is_told_what_does_not_fit(
    chromium_page: Page, open_here: Open
) -> None:
    page, another = chromium_page, "a field of barley in May"
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with open_here(Settings(sign_in="required")) as here:
        who = add_kim(here)
        here_cookie, elsewhere = begin(here, who), begin(here, who)
        page.context.add_cookies([{"name": "microgrid", "value": here_cookie, "url": here.url}])
        page.goto(f"{here.url}/sign-in")
        told = page.locator("#new-password .told")

        def ask(present: str, new: str, again: str) -> None:
            page.get_by_label("Present password").fill(present)
            page.get_by_label("New password").fill(new)
            page.get_by_label("The same once more").fill(again)
            page.get_by_label("Six-digit code").fill(
                code_at(who.code_seed, int(here.wall_s // STEP_S))
            )
            page.get_by_role("button", name="Change the password").click()

        ask(PASSWORD, another, another + "!")
        expect(told).to_have_text("The two passwords differ.")
        ask(PASSWORD, PASSWORD, PASSWORD)
        expect(told).to_contain_text("The new password is the present one.")
        ask("a wrong long password", another, another)
        expect(told).to_contain_text("The present password or the code does not fit.")
        assert is_open(here, here_cookie) and is_open(here, elsewhere)
        ask(PASSWORD, another, another)
        expect(page.locator("#password-changed")).to_contain_text("Your password is changed")
        expect(told).to_be_empty()
        expect(page.get_by_label("Present password")).to_have_value("")
        assert not is_open(here, here_cookie) and not is_open(here, elsewhere)
        page.reload()
        expect(page.locator("#present")).to_contain_text("person kim")
        found = here.store.read(lambda connection: find_person(connection, who.name))
        assert found is not None and is_password(another, found.password)
    assert complaints == []


def test_programs_that_keep_passwords_are_told_which_is_which(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    with open_here(Settings(sign_in="required")) as here:
        cookie = begin(here, add_kim(here))
        page.context.add_cookies([{"name": "microgrid", "value": cookie, "url": here.url}])
        page.goto(f"{here.url}/sign-in")
        expect(page.locator("#new-password input[autocomplete=username]")).to_have_value("kim")
        for label, kind in (
            ("Present password", "current-password"), ("New password", "new-password"),
            ("The same once more", "new-password"), ("Six-digit code", "one-time-code"),
        ):  # fmt: skip
            expect(page.get_by_label(label)).to_have_attribute("autocomplete", kind)


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether it is so at the latest of ten times: some requests were on their way before."""
    return any(is_so() for _ in range(10))


def test_a_tab_that_is_left_open_ends_its_session_and_a_reader_keeps_it(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    page.clock.install()
    with open_here(Settings(sign_in="required")) as here:
        who = add_kim(here)

        def refresh() -> bool:
            """Something changes; whether the page then asks as one that nobody sits at."""
            with page.expect_request(lambda one: one.url.endswith("/v1/overview")) as asked:
                here.store.write(lambda connection: add_event(connection, "cycle", None, {}))
            return "microgrid-unattended" in asked.value.all_headers()

        page.goto(f"{here.url}/grid")
        fill_in(page, who, here)
        expect(page).to_have_url(f"{here.url}/grid")
        # Time that goes by before the page's own scripts run is none that nobody sits at it.
        expect(page.locator("button.keys")).to_be_visible()
        page.clock.fast_forward("04:00")  # the stream has begun
        assert not refresh()
        page.clock.fast_forward("02:00")
        assert soon(refresh), "it asks as one that nobody sits at"
        here.wall_s += IDLE_S - 1
        page.mouse.move(9, 9)
        page.mouse.move(12, 12)
        assert soon(lambda: not refresh()), "somebody is there again"
        expect(page.locator("html")).to_have_attribute("data-access", "operate")
        page.clock.fast_forward("06:00")
        here.wall_s += IDLE_S - 1
        assert soon(refresh)
        here.wall_s += IDLE_S  # whatever was on its way when the reader left
        here.store.write(lambda connection: add_event(connection, "cycle", None, {}))
        expect(page).to_have_url(re.compile("/sign-in"))


def test_the_page_leaves_by_itself_when_the_session_has_ended(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    with open_here(Settings(sign_in="required")) as here:
        who = add_kim(here)
        page.goto(f"{here.url}/sign-in")
        fill_in(page, who, here)
        expect(page.locator("html")).to_have_attribute("data-access", "operate")
        here.wall_s += 13 * 3600
        page.reload()
        expect(page).to_have_url(f"{here.url}/sign-in?to=/")
        page.goto("about:blank")


def test_a_household_signs_in_with_the_wallet_of_its_browser(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    add_wallet(page, own_wallet)
    with open_here(Settings(sign_in="required")) as here:
        key = KeyRow(ACCOUNT, address_of(KEY), 0, None, TRADE_ROLE, bytes(32))
        here.store.write(lambda connection: save_keys(connection, [key]))
        page.goto(f"{here.url}/sign-in")
        page.get_by_role("button", name="Sign in with a wallet").click()
        expect(page).to_have_url(f"{here.url}/home")
        page.goto(f"{here.url}/sign-in")
        expect(page.locator("#present")).to_contain_text("account 0xabab")
        page.goto(f"{here.url}/plan")
        expect(page.locator("#present")).to_contain_text("not for this account")
        expect(page.locator("#end-all")).to_be_visible()
        expect(page.locator("#new-password")).to_have_count(0)
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.locator("#wallet")).to_be_visible()
        page.goto("about:blank")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ({"code": 4001, "message": "no"}, "You declined in the wallet"),
        ({"code": -32002, "message": "busy"}, "already asking"),
        ({"code": -32603, "message": "broken wire"}, "could not do it: broken wire"),
    ],
)
def test_whatever_a_wallet_says_there_is_a_sentence(
    chromium_page: Page, open_here: Open, error: dict[str, Any], sentence: str
) -> None:
    page = chromium_page
    add_wallet(page, lambda call: {"error": error})
    with open_here(Settings(sign_in="required")) as here:
        page.goto(f"{here.url}/sign-in")
        page.get_by_role("button", name="Sign in with a wallet").click()
        expect(page.locator("#wallet .told")).to_contain_text(sentence)


def test_without_a_wallet_and_with_an_unknown_one_the_page_says_so(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    with open_here(Settings(sign_in="required")) as here:
        page.goto(f"{here.url}/sign-in")
        page.get_by_role("button", name="Sign in with a wallet").click()
        expect(page.locator("#wallet .told")).to_contain_text("No wallet was found")
        add_wallet(page, own_wallet)
        page.reload()
        page.get_by_role("button", name="Sign in with a wallet").click()
        expect(page.locator("#wallet .told")).to_contain_text("That did not fit")


def test_the_demonstration_says_that_nobody_is_asked_and_lets_one_act(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    with open_here(Settings()) as here:
        page.goto(here.url)
        mark = page.get_by_role("link", name="Demo: no sign-in")
        expect(mark).to_be_visible()
        mark.click()
        page.get_by_role("button", name="Go on as the demo operator").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.goto(f"{here.url}/sign-in")
        expect(page.locator("#end")).to_be_visible()
        expect(page.locator("#end-all, #new-password")).to_have_count(0)
        page.goto("about:blank")


def test_an_operator_says_that_an_alarm_is_seen_and_an_auditor_cannot(
    chromium_page: Page, open_here: Open
) -> None:
    page = chromium_page
    with open_here(Settings(sign_in="required")) as here:
        fault = Alarm("grid/limit", "alarm", "Line F3-07 is too hot", "F3", "Limit the feeder.")
        number = here.store.write(lambda connection: raise_alarm(connection, fault, NOW_S))
        who = add_kim(here)
        page.goto(f"{here.url}/sign-in")
        fill_in(page, who, here)
        button = page.get_by_role("button", name="I have seen it")
        expect(page.locator(".alarms")).to_contain_text("Line F3-07 is too hot")
        button.click()
        expect(page.locator(".alarms")).to_contain_text("Seen")
        expect(button).to_have_count(0)
        assert here.store.read(open_alarms)[0].seen == Seen("person kim", NOW_S)
        record = here.store.read(list_records)[0].record
        assert (record.account, record.task) == ("person kim", f"acknowledge alarm {number}")
        page.get_by_role("button", name="Sign out").click()
        again = Alarm("grid/other", "warning", "T041 is warm", "T041", "Look at it.")
        here.store.write(lambda connection: raise_alarm(connection, again, NOW_S))
        auditor = add_kim(here, "auditor", "lee")
        fill_in(page, auditor, here)
        expect(page.locator(".alarms")).to_contain_text("T041 is warm")
        expect(button).to_have_count(0)
        page.goto("about:blank")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_fits_a_phone_in_both_languages_and_breaks_no_rule(
    chromium_page: Page, open_here: Open, node_modules: Path, language: str, theme: str
) -> None:
    page = chromium_page
    axe = (node_modules / "axe-core" / "axe.min.js").read_text()
    told: list[str] = []
    page.on("console", lambda line: told.append(line.text) if line.type == "error" else None)
    with open_here(Settings()) as here:
        page.context.add_cookies(
            [{"name": "language", "value": language, "url": here.url},
             {"name": "theme", "value": theme, "url": here.url}]
        )  # fmt: skip
        for card in ("#wallet", "#new-password"):
            if card == "#new-password":
                cookie = begin(here, add_kim(here))
                page.context.add_cookies([{"name": "microgrid", "value": cookie, "url": here.url}])
            for width in (320, 390, 1366):
                page.set_viewport_size({"width": width, "height": 844})
                page.goto(f"{here.url}/sign-in")
                expect(page.locator(card)).to_be_visible()
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width
                page.evaluate(axe)
                assert page.evaluate(AXE) == []
    assert told == []
