"""What a resident says of the car reaches the next plan and the devices, and nobody else's does."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from energy.cycle import CycleResult, run_quarter_hour
from energy.district import home_points, load_district
from energy.simulate import place_orders
from energy.steps.own_car import own_car, point_of_home
from energy.store.audit import list_records
from energy.store.cars import wishes_of
from energy.store.events import add_event
from energy.timegrid import iso_of
from energy.units import SLOT_S

KEYS = itertools.count()


@dataclass
class Parked:
    """A member whose car stands at the home's point, and the cookies of that member."""

    here: Any
    member: int
    cookies: dict[str, str]

    @property
    def account(self) -> bytes:
        found: bytes = self.here.everybody.account[self.member]
        return found

    def car(self) -> Any:
        heard = self.here.ask("/v1/me/car", cookies=self.cookies)
        assert heard.status == 200, heard
        return heard.document

    def wish(self, path: str = "/v1/me/car", key: str | None = None, **changes: Any) -> Any:
        """What is heard of a wish for the car that is there; by default all stays as it is."""
        car = self.car()["car"]
        fields = {"stay": car["stay"], "departure_utc": car["departure_utc"],
                  "target_pct": car["target_pct"], "floor_pct": car["floor_pct"],
                  "charge_now": False, **changes}  # fmt: skip
        headers = {"Idempotency-Key": key or f"car-key-{next(KEYS)}"}
        return self.here.ask(path, json.dumps(fields).encode(), self.cookies, headers)

    def told_kw(self) -> float | None:
        """What the newest set-points tell the car."""
        store, district = self.here.microgrid.store, self.here.microgrid.district
        found = store.read(lambda connection: own_car(connection, district, self.account))
        return None if found is None else found.told_kw


def run_slot(here: Any) -> CycleResult:
    """One quarter hour, with what it did."""
    place_orders(here.microgrid.installation, here.crowd, here.slot, here.promises)
    here.clock.at_s = here.slot - 300
    found = run_quarter_hour(here.microgrid, here.slot, here.clock.now_s)
    here.slot += SLOT_S
    here.clock.at_s = here.slot - 600
    return found


@pytest.fixture(scope="module")
def parked(neighbourhood: Any) -> Parked:
    """The first member whose car still misses much, some quarter hours on."""
    here, district = neighbourhood, neighbourhood.microgrid.district
    for _ in range(12):
        run_slot(here)
        for member, account in enumerate(here.everybody.account):
            car = here.microgrid.store.read(lambda c: own_car(c, district, account))  # noqa: B023
            missing_kwh = 0.0 if car is None else car.e_due_kwh - car.e_now_kwh
            if car is not None and missing_kwh > 5 and car.departure_slot > here.slot + 20 * SLOT_S:
                return Parked(here, member, here.sign_in(member))
    raise AssertionError("no car came that still misses 5 kWh")


def other_of(parked: Parked) -> dict[str, str]:
    found: dict[str, str] = parked.here.sign_in(0 if parked.member else 1)
    return found


def test_each_point_belongs_to_one_home_of_its_area() -> None:
    district = load_district("sejong-5-1@0.02")
    points, chargers = home_points(district), district.chargers
    mine = points[points >= 0]
    standard = np.array(chargers.kind) == "standard"
    assert len(mine) == len(set(mine.tolist())) == chargers.count[standard].sum()
    group = np.searchsorted(np.cumsum(chargers.count), mine, side="right")
    assert (chargers.area[group] == district.meters.area[points >= 0]).all()
    assert district.meters.trades[points >= 0].all(), "homes that trade come first"


def test_my_car_is_told_and_anothers_is_not_found(parked: Parked) -> None:
    found, here = parked.car(), parked.here
    assert found["point"] and found["car"]["kept"] is True and found["wish"] is None
    assert 0 < found["car"]["content_pct"] < found["car"]["target_pct"] <= 100
    mine, others = f"?account=0x{parked.account.hex()}", other_of(parked)
    assert here.ask(f"/v1/me/car{mine}", cookies=others).status == 404
    for path in ("/v1/me/car", "/v1/me/car/outcome"):
        body = json.dumps({"stay": found["car"]["stay"]}).encode()
        assert here.ask(path + mine, body, others).status == 404
        assert here.ask(path, body).status == 401
    stranger = Parked(here, 0 if parked.member else 1, others)
    refused = Parked.wish(parked)  # its own is taken, so that the next line can only be refused
    assert refused.status == 200
    fields = {"stay": found["car"]["stay"], "departure_utc": found["car"]["departure_utc"],
              "target_pct": 20, "floor_pct": None, "charge_now": False}  # fmt: skip
    heard = here.ask(
        "/v1/me/car", json.dumps(fields).encode(), stranger.cookies, {"Idempotency-Key": "mine-not"}
    )
    assert heard.status == 409 and heard.document["code"] == "NO_CAR"


def test_what_cannot_be_kept_is_said_at_once_with_what_can(parked: Parked) -> None:
    first = parked.here.slot
    soon = iso_of(first + 2 * SLOT_S)
    asked = parked.wish("/v1/me/car/outcome", departure_utc=soon, target_pct=100).document
    assert asked["kept"] is False and asked["reach_pct"] < 100
    refused = parked.wish(departure_utc=soon, target_pct=100)
    assert refused.status == 409 and refused.document["code"] == "CANNOT_BE_KEPT"
    assert f"{asked['reach_pct']} % by then" in refused.document["allowed"]
    assert asked["earliest_departure_utc"] in refused.document["allowed"]
    early = {"departure_utc": asked["earliest_departure_utc"], "target_pct": 100}
    assert parked.wish("/v1/me/car/outcome", **early).document["kept"] is True
    best = {"departure_utc": soon, "target_pct": asked["reach_pct"]}
    if asked["reach_pct"] >= (parked.car()["car"]["floor_pct"] or 0):
        assert parked.wish("/v1/me/car/outcome", **best).document["kept"] is True


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target_pct": 101}, "less than or equal to 100"),
        ({"target_pct": 5, "floor_pct": None}, "allowed 10 to 100"),
        ({"departure_utc": "2026-07-31T22:07:00Z"}, "a quarter hour after"),
        ({"departure_utc": "tomorrow"}, "a time such as"),
        ({"departure_utc": "2026-09-01T00:00:00Z"}, "at most"),
        ({"floor_pct": 99, "target_pct": 90}, "allowed"),
        ({"colour": "red"}, "colour"),
        ({"charge_now": "yes"}, "boolean"),
    ],
)
def test_a_wish_of_another_form_gets_one_sentence(
    parked: Parked, change: dict[str, Any], words: str
) -> None:
    heard = parked.wish(**change)
    assert heard.status == 422 and words in heard.document["detail"], heard


def test_charging_now_is_what_the_devices_are_told_and_its_cost_is_said_before(
    parked: Parked,
) -> None:
    here, before = parked.here, parked.car()["car"]
    waits = parked.wish("/v1/me/car/outcome").document
    now = parked.wish("/v1/me/car/outcome", charge_now=True).document
    assert waits["extra_krw"] == "0" and float(now["extra_krw"]) > 0, "it is dear at this hour"
    assert now["drawn_kwh"] == waits["drawn_kwh"] > 0
    told = parked.told_kw()
    assert told is not None and told < before["power_kw_max"] / 2, "the plan waits"
    kept = here.microgrid.store.read(lambda c: len(wishes_of(c, parked.account)))
    heard = parked.wish(charge_now=True, key="charge-now-once")
    assert heard.status == 200 and heard.document["wish"]["charge_now"] is True
    assert parked.wish(charge_now=True, key="charge-now-once").document == heard.document
    assert here.microgrid.store.read(lambda c: len(wishes_of(c, parked.account))) == kept + 1
    newest = here.microgrid.store.read(list_records)
    assert any("set car" in one.record.task for one in newest)
    run_slot(here)
    told = parked.told_kw()
    assert told is not None and 4 < told == pytest.approx(before["power_kw_max"], rel=0.35)
    content = parked.car()["car"]["content_kwh"]
    run_slot(here)
    assert parked.car()["car"]["content_kwh"] > content + 1, "and it is done"


@pytest.mark.browser
def test_on_the_page_a_wish_is_weighed_confirmed_and_followed(
    parked: Parked, chromium_page: Page, node_modules: Path
) -> None:
    page, here = chromium_page, parked.here
    for name, value in {"language": "en", **parked.cookies}.items():
        page.context.add_cookies([{"name": name, "value": value, "url": here.address}])
    page.goto(f"{here.address}/home")
    card = page.locator("#car")
    car = parked.car()["car"]
    expect(card).to_contain_text(f"At {car['content_pct']} % now")
    for width in (1366, 390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        wide = "() => document.documentElement.scrollWidth > innerWidth"
        assert not page.evaluate(wide), f"sideways scroll at {width}"
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    assert (
        page.evaluate("async () => (await axe.run('#car')).violations.map((one) => one.id)") == []
    )
    page.locator("#car-target").fill("5")
    page.locator("#car-check").click()
    expect(page.locator("#car-outcome")).to_have_text(
        "Level at departure: a whole number from 10 to 100."
    )
    expect(page.locator("#car-target")).to_have_attribute("aria-invalid", "true")
    page.locator("#car-target").fill("100")
    expect(page.locator("#car [aria-invalid]")).to_have_count(0)
    page.locator("#car-leaves").select_option(index=0)
    page.locator("#car-check").click()
    expect(page.locator("#car-outcome")).to_contain_text("cannot be kept")
    expect(page.locator("#car-confirm")).to_be_hidden()
    page.locator("#car-leaves").select_option(index=40)
    page.locator("#car-now").check()
    page.locator("#car-check").click()
    expect(page.locator("#car-outcome")).to_contain_text("more than the cheapest times")
    expect(page.locator("#car-confirm")).to_have_text("Charge now to 100\u00a0%")
    page.locator("#car-confirm").click()
    expect(page.locator("#car-told")).to_contain_text("Done. The plan follows it")
    found = parked.car()
    assert found["wish"]["target_pct"] == 100
    assert found["wish"]["charge_now"] is True
    assert found["wish"]["from_utc"] == found["first_slot_utc"]


@pytest.mark.browser
def test_a_departure_that_passes_takes_its_confirmation_along(
    parked: Parked, chromium_page: Page
) -> None:
    page, here = chromium_page, parked.here
    for name, value in {"language": "en", **parked.cookies}.items():
        page.context.add_cookies([{"name": name, "value": value, "url": here.address}])
    page.goto(f"{here.address}/home")
    page.locator("#car-leaves").select_option(index=0)
    page.locator("#car-target").fill("10")
    page.locator("#car-gives").set_checked(False)
    page.locator("#car-check").click()
    expect(page.locator("#car-confirm")).to_be_visible()

    def later(route: Route) -> None:
        document = route.fetch().json()
        document["first_slot_utc"] = iso_of(here.slot + 4 * SLOT_S)
        route.fulfill(json=document)

    page.route("**/v1/me/car", later)
    here.microgrid.store.write(lambda c: add_event(c, "dr", None, {}))
    expect(page.locator("#car-confirm")).to_be_hidden()
    expect(page.locator("#car-outcome")).to_be_empty()


def test_a_departure_and_a_target_are_kept_and_counted_like_every_promise(parked: Parked) -> None:
    here, car = parked.here, parked.car()["car"]
    leaves = here.slot + 6 * SLOT_S
    ask = {"departure_utc": iso_of(leaves), "target_pct": car["content_pct"] + 5, "floor_pct": None}
    heard = parked.wish(**ask)
    assert heard.status == 200, heard
    assert heard.document["outcome"]["kept"] is True
    capacity, stay = car["capacity_kwh"], int(car["stay"])
    done = list[CycleResult]()
    while here.slot < leaves + 3 * SLOT_S:
        done.append(run_slot(here))
        if here.slot < leaves:
            document = parked.car()
            assert document["wish"]["departure_utc"] == document["car"]["departure_utc"]
    gone = [one.measured.telemetry for one in done if stay in one.measured.telemetry.departures.car]
    assert [seen.slot + SLOT_S for seen in gone] == [leaves]
    row = gone[0].departures.car.tolist().index(stay)
    due = gone[0].departures.due_kwh[row]
    assert due == pytest.approx(capacity * ask["target_pct"] / 100)
    assert gone[0].departures.kept[row] and gone[0].departures.delivered_kwh[row] >= due - 0.01
    assert parked.car()["car"] is None or parked.car()["car"]["stay"] != str(stay)
    assert point_of_home(here.microgrid.district, parked.account) is not None
