"""What an account reads of itself over HTTP, and that it reads nothing of anybody else's."""

from decimal import Decimal
from typing import Any

import pytest

from energy.steps.market_day import audit_market
from energy.steps.market_so_far import MarketSoFar
from energy.store.audit import count_records, list_records
from energy.units import SLOT_S

ROUTES = (
    "/v1/me/home", "/v1/me/orders", "/v1/me/trades", "/v1/me/dr", "/v1/me/statements",
    "/v1/me/statements/2026-07", "/v1/me/statements/2026-07/proof",
)  # fmt: skip


@pytest.fixture(scope="module")
def lived(neighbourhood: Any) -> Any:
    """A few quarter hours in which the resident bought at the market."""
    here = neighbourhood
    for n in range(4):
        heard = here.order(here.resident)
        assert heard.status == 201, heard
        assert here.order(here.resident, e_wh=50, nonce=n + 1).status == 201
        here.run()
    here.run(2)
    return here


@pytest.fixture(scope="module")
def own(lived: Any) -> dict[str, str]:
    found: dict[str, str] = lived.sign_in(lived.resident)
    return found


def other_of(here: Any) -> int:
    return 0 if here.resident else 1


def test_without_a_session_nothing_of_a_home_is_told(lived: Any) -> None:
    for route in ROUTES:
        heard = lived.ask(route)
        assert heard.status == 401, route
        assert lived.ask(f"{route}?account=0x{lived.account.hex()}").status == 401, route


def test_another_account_sees_nothing_of_mine(lived: Any, own: dict[str, str]) -> None:
    cookies, mine = lived.sign_in(other_of(lived)), f"0x{lived.account.hex()}"
    for route in ROUTES:
        assert lived.ask(f"{route}?account={mine}", cookies=cookies).status == 404, route
    ids = {one["order_id"] for one in lived.ask("/v1/me/orders", cookies=own).document["items"]}
    for route in ("/v1/me/orders?limit=200", "/v1/me/trades"):
        heard = lived.ask(route, cookies=cookies).document["items"]
        assert ids and not ids & {one["order_id"] for one in heard}
    assert lived.ask(f"/v1/orders/{ids.pop()}", cookies=cookies).status == 404
    assert lived.ask("/v1/me/home", cookies=cookies).document["account"] != mine


def test_my_day_is_what_the_meters_read_and_what_the_books_moved(
    lived: Any, own: dict[str, str]
) -> None:
    found = lived.ask("/v1/me/home", cookies=own).document
    day, store = found["day"], lived.microgrid.store
    assert len(day["import_wh"]) >= 4 and day["import_kwh"] == sum(day["import_wh"][-4:]) / 1000
    audited = audit_market(store, lived.microgrid.district).customers
    row = lived.microgrid.district.meters.account.index(lived.account)
    month = found["sums"]["month"]
    assert month["bought_kwh"] == int(audited.bought_wh[row]) / 1000 > 0
    gain = Decimal(int(audited.gain_so_far_ukrw[row])) / 10**6
    assert Decimal(month["saved_krw"]) == gain
    assert sum(wh for wh in day["bought_wh"] if wh) == int(audited.bought_wh[row])
    assert found["sums"]["day"] == month
    assert found["meter"]["has_solar"] is True


def test_the_marginal_tariff_is_that_of_the_step_the_month_is_in(
    lived: Any, own: dict[str, str]
) -> None:
    found = lived.ask("/v1/me/home", cookies=own).document["marginal"]
    assert found["slot_utc"] == "2026-07-31T10:30:00Z"
    assert found["krw_per_kwh"] == found["steps"][0]["krw_per_kwh"]
    assert 0 < found["month_kwh"] < found["steps"][0]["up_to_kwh"]


def test_orders_come_page_by_page_each_once_with_what_they_got(
    lived: Any, own: dict[str, str]
) -> None:
    seen: list[dict[str, Any]] = []
    path = "/v1/me/orders?limit=3"
    while path:
        page = lived.ask(path, cookies=own).document
        assert len(page["items"]) <= 3
        seen += page["items"]
        path = page["next"] and f"/v1/me/orders?limit=3&before={page['next']}"
    assert len(seen) == len({one["order_id"] for one in seen}) == 8
    assert [one["slot_utc"] for one in seen] == sorted(one["slot_utc"] for one in seen)[::-1]
    filled = [one for one in seen if one["filled_wh"]]
    assert filled == lived.ask("/v1/me/trades", cookies=own).document["items"]
    for one in filled:
        amount = Decimal(one["clearing_price_krw_per_kwh"]) * one["filled_wh"] / 1000
        assert Decimal(one["amount_krw"]) == amount


def test_every_reading_of_my_data_stands_in_the_audit_log(lived: Any, own: dict[str, str]) -> None:
    assert lived.ask("/v1/me/trades", cookies=own).status == 200
    newest = lived.microgrid.store.read(list_records)[0].record
    name = f"account 0x{lived.account.hex()}"
    assert (newest.account, newest.whose, newest.task) == (name, name, "read trades")


def test_how_far_the_sums_are_is_asked_without_reading_anybodys_data(
    lived: Any, own: dict[str, str]
) -> None:
    counted = lived.ask("/v1/me/home", cookies=own).document["sums"]["counted"]
    before = lived.microgrid.store.read(count_records)
    heard = lived.ask("/v1/me/home/counted", cookies=own)
    assert heard.document == counted and counted["done"] == counted["all"] > 0
    assert lived.microgrid.store.read(count_records) == before
    assert lived.ask("/v1/me/home/counted").status == 401


def test_sums_are_added_up_a_little_at_a_time_and_told_only_when_whole(lived: Any) -> None:
    store, district = lived.microgrid.store, lived.microgrid.district
    fresh = MarketSoFar(store, district)
    steps = [fresh.of(lived.account, work_s=0.0)]
    while steps[-1].month is None:
        assert len(steps) < 20
        steps.append(fresh.of(lived.account, work_s=0.0))
    half = MarketSoFar(store, district)
    assert half.progress(work_s=0.0) == (1, steps[0].all)
    assert half.progress() == (steps[0].all, steps[0].all)
    assert [one.done for one in steps] == list(range(1, len(steps) + 1))
    assert steps[-1] == MarketSoFar(store, district).of(lived.account)
    assert steps[-1].all == (lived.slot - SLOT_S * 2 - steps[-1].month.first) // SLOT_S


def test_a_cursor_or_month_of_another_form_gets_one_sentence(
    lived: Any, own: dict[str, str]
) -> None:
    heard = lived.ask("/v1/me/orders?before=x", cookies=own)
    assert heard.status == 422 and "before: found 'x'" in heard.document["detail"]
    heard = lived.ask("/v1/me/statements/2026-13", cookies=own)
    assert heard.status == 422 and "2026-07" in heard.document["detail"]
    heard = lived.ask("/v1/me/statements/2026-07", cookies=own)
    assert heard.status == 404 and "statement" in heard.document["detail"]
