"""My data: who has looked, everything in one file, and erasing what may go; nobody else's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from energy.steps.own_data import forget_account
from energy.steps.personal import TABLES
from energy.store.accounts import load_keys
from energy.store.audit import Record, append_record, list_records
from energy.store.cars import CarWish, add_wish, wishes_of
from energy.store.homes import load_home_days, save_home_day
from energy.store.identities import Identity, find_identity, set_identity
from energy.store.instructions import instructions_of
from energy.store.request_keys import KeptAnswer, find_answer, keep_answer
from energy.units import SLOT_S

KIM = Identity("Kim Haneul", "12 Hannuri-daero, Sejong", "+82 44 000 1234", "METER-7730012")
SECTIONS = {one.told for one in TABLES.values() if one.told} | {"what_is_kept"}


@pytest.fixture(scope="module")
def lived(neighbourhood: Any) -> Any:
    """Some quarter hours with an order each, an identity, a wish and the means of a day."""
    here = neighbourhood
    for number in range(3):
        assert here.order(here.resident, nonce=number + 1).status == 201
        here.run()
    here.run(2)
    meters = len(here.microgrid.district.meters.account)
    day = {"mean_kw": [1.0] * meters, "off_p80": [2.0] * meters}
    wish = CarWish(here.account, 1, here.slot, here.slot + SLOT_S, 80, None, False, 1, "test")

    def unit(connection: Any) -> None:
        set_identity(connection, here.account, KIM)
        add_wish(connection, wish)
        arrays = {name: np.array(values) for name, values in day.items()}
        save_home_day(connection, here.slot, here.slot, arrays)

    here.microgrid.store.write(unit)
    return here


@pytest.fixture
def own(lived: Any) -> dict[str, str]:
    found: dict[str, str] = lived.sign_in(lived.resident)
    return found


def stranger(here: Any) -> dict[str, str]:
    found: dict[str, str] = here.sign_in(0 if here.resident else 1)
    return found


def test_the_file_has_everything_of_mine_and_nothing_of_anybody_elses(
    lived: Any, own: dict[str, str]
) -> None:
    found = lived.ask("/v1/me/export", cookies=own).document
    assert set(found) == SECTIONS | {"account", "at_utc"}
    assert found["account"] == f"0x{lived.account.hex()}"
    assert found["identity"] == [KIM._asdict()] and found["car_wishes"][0]["target_pct"] == 80
    keys = lived.microgrid.store.read(lambda c: load_keys(c, lived.account))
    assert [one["address"] for one in found["keys"]] == [f"0x{one.address.hex()}" for one in keys]
    orders = lived.ask("/v1/me/orders", cookies=own).document["items"]
    assert found["orders"] == orders and len(orders) == 3
    day = lived.ask("/v1/me/home", cookies=own).document["day"]
    told = {one["slot"]: one for one in found["readings"]}
    assert len(told) >= 4 and day["import_wh"][-1] in [one["import_wh"] for one in told.values()]
    assert any(one["task"] == "export all data" for one in found["audit_log"])
    others = [each.hex() for each in lived.everybody.account if each != lived.account]
    naming = {
        name for name, rows in found.items() if any(one in json.dumps(rows) for one in others)
    }
    # A contract names its other party, who has signed it as well; nothing else names anybody.
    assert others and naming <= {"contracts", "messages"}, naming


def test_my_data_are_not_found_by_others_and_not_given_to_nobody(lived: Any) -> None:
    mine, cookies = f"?account=0x{lived.account.hex()}", stranger(lived)
    for route in ("/v1/me/export", "/v1/me/reads"):
        assert lived.ask(route + mine, cookies=cookies).status == 404
        assert lived.ask(route).status == 401
    body = json.dumps({"confirm": f"0x{lived.account.hex()}"[:10]}).encode()
    key = {"Idempotency-Key": "erase-by-another"}
    assert lived.ask("/v1/me/erase" + mine, body, cookies, key).status == 404
    assert lived.ask("/v1/me/erase", body, cookies, key).status == 422
    assert lived.ask("/v1/me/erase", body, None, key).status == 401
    assert lived.microgrid.store.read(lambda c: find_identity(c, lived.account)) == KIM


def test_who_has_looked_is_told_without_my_own_looks(lived: Any, own: dict[str, str]) -> None:
    looked = lived.ask("/v1/me/reads", cookies=own).document
    assert looked["items"] == [], "nobody but the resident has looked"
    records = lived.microgrid.store.read(list_records)
    mine = f"account 0x{lived.account.hex()}"
    assert [one for one in records if one.record.whose == mine], "whose own looks are in the log"
    assert [one["code"] for one in looked["remains"]] == ["books", "log", "meter", "backups"]
    assert looked["remains"][0]["until_year"] == 2036 and looked["remains"][0]["laws"]


def test_erasing_wants_my_account_typed_ends_my_sessions_and_leaves_what_the_law_keeps(
    lived: Any, own: dict[str, str]
) -> None:
    store, second = lived.microgrid.store, lived.sign_in(lived.resident)
    key = {"Idempotency-Key": "erase-me-once"}
    refused = lived.ask("/v1/me/erase", b'{"confirm": "0x00000000"}', own, key)
    assert (refused.status, refused.document["code"]) == (422, "NOT_CONFIRMED")
    assert lived.ask("/v1/me/home", cookies=own).status == 200
    lived.instruct(lived.resident)
    asked = (f"account 0x{lived.account.hex()}", "POST /v1/me/car", "leave-at-seven")
    store.write(lambda c: keep_answer(c, KeptAnswer(*asked, b"", b"my car", 2**40)))
    body = json.dumps({"confirm": f"0x{lived.account.hex()}"[:10]}).encode()
    heard = lived.ask("/v1/me/erase", body, own, key)
    assert heard.status == 200, heard
    assert store.read(lambda c: find_answer(c, *asked)) is None
    erased = heard.document["erased"]
    assert erased["identity"] is True and erased["wishes"] == 1 and erased["sessions"] >= 2
    assert erased["instructions"] == 1
    assert store.read(lambda c: find_identity(c, lived.account)) is None
    assert store.read(lambda c: wishes_of(c, lived.account)) == []
    (day,) = store.read(lambda c: load_home_days(c, lived.slot + SLOT_S))
    place = lived.microgrid.district.meters.account.index(lived.account)
    assert [n for n, kw in enumerate(day["mean_kw"].tolist()) if kw != kw] == [place]
    for cookies in (own, second):
        assert lived.ask("/v1/me/home", cookies=cookies).status == 401
    again = lived.sign_in(lived.resident)
    assert len(lived.ask("/v1/me/orders", cookies=again).document["items"]) == 3
    lived.run()
    assert lived.microgrid.store.read(list_records)
    heard = lived.ask("/v1/me/instructions", cookies=again).document
    assert [one["state"] for one in heard["items"]] == ["HALTED"] and heard["today"] is None
    orders = lived.ask("/v1/me/orders", cookies=again).document["items"]
    assert len(orders) == 3, "no automatic order was made"


@pytest.mark.browser
def test_on_the_page_erasing_waits_for_my_account_and_signs_me_out(
    lived: Any, own: dict[str, str], chromium_page: Page, node_modules: Path
) -> None:
    page = chromium_page
    for name, value in {"language": "en", **own}.items():
        page.context.add_cookies([{"name": name, "value": value, "url": lived.address}])
    page.goto(f"{lived.address}/home")
    card = page.locator("#data")
    expect(card).to_contain_text("Nobody but you has looked")
    with page.expect_download() as download:
        page.locator("#export").click()
    exported = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert exported["account"] == f"0x{lived.account.hex()}"
    page.locator("#erase summary").click()
    for width in (1366, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    found = "async () => (await axe.run('#data')).violations.map((one) => one.id)"
    assert page.evaluate(found) == []
    expect(card).to_contain_text("until the end of 2036")
    page.locator("#erase-confirm").fill("0x00000000")
    expect(page.locator("#erase-now")).to_be_disabled()
    page.locator("#erase-confirm").fill(f"0x{lived.account.hex()}"[:10])
    page.locator("#erase-now").click()
    expect(page.locator("#erase-told")).to_contain_text("Erased. You are signed out.")
    expect(page.locator("#sign")).to_be_visible(timeout=15_000)
    assert lived.ask("/v1/me/home", cookies=own).status == 401


@pytest.mark.browser
def test_an_erasure_whose_answer_was_lost_ends_at_the_beginning_and_not_in_an_error(
    lived: Any, own: dict[str, str], chromium_page: Page
) -> None:
    page = chromium_page

    def lose(route: Route) -> None:
        route.fetch()  # It arrives, and the line breaks before the answer does.
        route.abort()

    for name, value in {"language": "en", **own}.items():
        page.context.add_cookies([{"name": name, "value": value, "url": lived.address}])
    page.goto(f"{lived.address}/home")
    page.route("**/v1/me/erase", lose, times=1)
    page.locator("#erase summary").click()
    page.locator("#erase-confirm").fill(f"0x{lived.account.hex()}"[:10])
    page.locator("#erase-now").click()
    expect(page.locator("#erase-told")).not_to_be_empty()
    page.locator("#erase-now").click()
    expect(page.locator("#sign")).to_be_visible()


@pytest.mark.browser
def test_on_the_page_a_halted_instruction_says_so_and_can_be_stopped_or_replaced(
    lived: Any, own: dict[str, str], chromium_page: Page, node_modules: Path
) -> None:
    store, district = lived.microgrid.store, lived.microgrid.district
    if not store.read(lambda c: instructions_of(c, lived.account)):
        lived.instruct(lived.resident)
    store.write(lambda c: forget_account(c, district, lived.account, 0))
    for language, sentence in (("en", "Halted by your erasure"), ("ko", "개인정보 삭제로 중단")):
        for name, value in {"language": language, **lived.sign_in(lived.resident)}.items():
            cookie = {"name": name, "value": value, "url": lived.address}
            chromium_page.context.add_cookies([cookie])
        chromium_page.goto(f"{lived.address}/home")
        state = chromium_page.locator("#auto-state")
        expect(state).to_have_attribute("data-state", "HALTED")
        expect(state.locator(".what")).to_be_visible()
        expect(state.locator(".what")).to_contain_text(sentence)
        expect(state.locator("#auto-left")).to_have_count(0)
        expect(chromium_page.locator("#auto-stop")).to_be_visible()
        chromium_page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
        found = "async () => (await axe.run('#automatic')).violations.map((one) => one.id)"
        assert chromium_page.evaluate(found) == []


@pytest.mark.browser
def test_what_others_did_is_told_in_the_readers_language(
    lived: Any, own: dict[str, str], chromium_page: Page
) -> None:
    whose = f"account 0x{lived.account.hex()}"
    for number, task in enumerate(("read orders", "mend the meter")):
        record = Record(10**15 + number, "person lee", "test", whose, task)
        lived.microgrid.store.write(lambda c, record=record: append_record(c, record))
    for name, value in {"language": "ko", **own}.items():
        chromium_page.context.add_cookies([{"name": name, "value": value, "url": lived.address}])
    chromium_page.goto(f"{lived.address}/home")
    looks = chromium_page.locator("#data .looks")
    expect(looks).to_contain_text("person lee: 주문 조회")
    expect(looks.locator("[lang=en]")).to_have_text("mend the meter")
