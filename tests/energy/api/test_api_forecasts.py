"""Forecasts over HTTP: as issued, and how they came true, on days made by hand."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from energy.forecast import BANDS
from energy.steps.auctions import PRICE
from energy.steps.verification import DRIFT_DAYS, verify_issues, watch_drift
from energy.store.alarms import open_alarms
from energy.store.forecasts import StoredIssue, save_issue
from energy.store.measured import save_measured
from energy.store.orders import save_clearing
from energy.timegrid import iso_of
from energy.units import SLOT_S

FIRST = 1_784_084_400 // 86_400 * 86_400
OFFSETS = np.array([-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0])


def issue(slot: int, wide: float = 1.0) -> StoredIssue:
    """A band of 100 kW about 500, seven quantiles ten apart."""
    rows = np.repeat((500 + wide * OFFSETS)[:, None], 96, axis=1)
    return StoredIssue(
        first_slot=slot,
        issue_slot=slot - SLOT_S,
        weather_issue=slot - 3600,
        issued_utc=slot - 300,
        quantiles=dict.fromkeys((*BANDS, PRICE), rows),
        log_stretch=dict.fromkeys((*BANDS, PRICE), np.zeros((5, 7))),
        tiers={"load": ["F0", ""], "pv": ["F3", "no weather forecast"], PRICE: ["F4", "young"]},
    )


def clear(connection: Connection, slot: int, krw: float | None) -> None:
    """An auction that ended at so many won, None without trade."""
    price = None if krw is None else str(krw)
    save_clearing(connection, slot, 1, {"price_krw_per_kwh": price})


def test_the_prices_to_come_are_everybodys(served: Any) -> None:
    assert served.ask("/v1/forecasts/prices").status == 404
    served.store.write(lambda connection: save_issue(connection, issue(FIRST)))
    answer = served.ask("/v1/forecasts/prices")
    found = answer.json
    assert [row[0] for row in found["price_krw_per_kwh"]] == (500 + OFFSETS).tolist()
    assert (found["tier"], found["reason"], found["step_s"]) == ("F4", "young", 900)
    headers = {"If-None-Match": answer.headers["etag"]}
    assert served.ask("/v1/forecasts/prices", headers=headers).status == 304


def test_a_bidder_is_told_what_the_open_auction_may_end_at(served: Any) -> None:
    first = 1_784_106_000  # the slot that is open by the clock of this server
    served.store.write(lambda connection: save_issue(connection, issue(first - 3 * SLOT_S)))
    found = served.ask("/v1/prices").json
    expected = found["expected"]
    assert expected["slot_utc"] == found["open"]["first_slot_utc"] == iso_of(first)
    prices = [expected[f"{name}_krw_per_kwh"] for name in ("low", "price", "high")]
    assert (prices, expected["tier"]) == (["480", "500", "520"], "F4")


def test_prices_are_compared_with_what_their_auctions_ended_at(served: Any) -> None:
    def held(connection: Connection) -> None:
        save_issue(connection, issue(FIRST))
        for number, krw in enumerate((490.0, None, 525.0)):
            clear(connection, FIRST + number * SLOT_S, krw)

    served.store.write(held)
    end = FIRST + 4 * SLOT_S
    found = served.store.read(lambda connection: verify_issues(connection, end, 1))
    price = found[PRICE]["all"]
    assert (price.values, price.inside[50], price.inside[90]) == (2, 0.5, 1.0)
    assert price.as_json()["bias_krw_per_kwh"] == pytest.approx((10 - 25) / 2)
    course = served.ask("/v1/forecasts/course").json["quantities"][PRICE]
    assert len(course["quantiles_krw_per_kwh"]) == 7 and "measured_krw_per_kwh" in course


def measure(connection: Connection, slot: int, load_kw: float) -> None:
    """A slot in which two areas draw so much together, the sun gives 500 and heat is 475."""
    arrays = {
        "load_kw": np.array([load_kw - 100, 100.0]),
        "pv_kw": np.array([400.0, 100.0]),
        "weather": np.array([475.0, 20.0, 0.5]),
    }
    save_measured(connection, slot, arrays, {})


def fill(connection: Connection, slots: int, load_kw: float = 500.0) -> None:
    """So many slots with an issue each; every fourth has 15 kW more load."""
    for number in range(slots):
        slot = FIRST + number * SLOT_S
        save_issue(connection, issue(slot))
        measure(connection, slot, load_kw + (15.0 if number % 4 == 3 else 0.0))


def test_a_forecast_is_told_as_it_was_issued(served: Any) -> None:
    served.store.write(lambda connection: save_issue(connection, issue(FIRST)))
    found = served.ask("/v1/forecasts/issued").json
    assert found["readings_before_utc"] < found["first_slot_utc"]
    assert found["weather_issue_utc"] is not None
    assert [row[0] for row in found["quantiles_kw"]["load"]] == (500 + OFFSETS).tolist()
    assert found["tiers"]["pv"] == {"tier": "F3", "reason": "no weather forecast"}
    named = served.ask(f"/v1/forecasts/issued?slot={FIRST}")
    assert named.json == found
    again = served.ask(
        f"/v1/forecasts/issued?slot={FIRST}", headers={"If-None-Match": named.headers["etag"]}
    )
    assert again.status == 304


def test_shares_inside_the_bands_are_those_of_the_hand_made_day(served: Any) -> None:
    served.store.write(lambda connection: fill(connection, 96))
    found = served.ask("/v1/forecasts/verification?days=1").json["quantities"]
    # 500 lies in every band; 515 only in the wider two: a quarter of the slots misses the first.
    assert found["load"]["all"]["inside_50_frac"] == pytest.approx(0.75, abs=0.01)
    assert found["load"]["all"]["inside_80_frac"] == found["load"]["all"]["inside_90_frac"] == 1.0
    assert found["load"]["all"]["bias_kw"] == pytest.approx(-15 / 4, abs=0.1)
    # Heat of 475 lies below the lower edge of the 80 % band, and inside that of 90 %.
    assert (found["heat"]["all"]["inside_80_frac"], found["heat"]["all"]["inside_90_frac"]) == (
        0,
        1,
    )
    assert found["pv"]["all"]["bias_kw"] == 0.0
    assert set(found["load"]) == {"0-1", "1-4", "4-12", "12-24", "all"}
    # One issue an hour, four slots of its first hour each.
    assert found["load"]["0-1"]["values"] == 96


def test_a_band_that_drifts_is_told_after_a_week_and_ends_when_it_holds(served: Any) -> None:
    slots = DRIFT_DAYS * 96
    served.store.write(lambda connection: fill(connection, slots, load_kw=560.0))
    end = FIRST + slots * SLOT_S

    def alarms() -> list[str]:
        return sorted(one.alarm.cause for one in served.store.read(open_alarms))

    served.store.write(lambda c: watch_drift(c, end, FIRST + SLOT_S, end))
    assert alarms() == [], "the first week is not judged"
    served.store.write(lambda c: watch_drift(c, end, FIRST, end))
    assert alarms() == ["forecast/heat", "forecast/load"]

    def mend(connection: Connection) -> None:
        for number in range(slots):
            measure(connection, FIRST + number * SLOT_S, 500.0)

    served.store.write(mend)
    served.store.write(lambda c: watch_drift(c, end, FIRST, end))
    assert alarms() == ["forecast/heat"]


def test_slots_that_were_not_measured_are_not_counted(served: Any) -> None:
    def some(connection: Connection) -> None:
        save_issue(connection, issue(FIRST))
        for number in (0, 2):
            measure(connection, FIRST + number * SLOT_S, 500.0)

    served.store.write(some)
    found = served.store.read(lambda c: verify_issues(c, FIRST + 4 * SLOT_S, 1))
    assert found["load"]["all"].values == 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/forecasts/issued", 404),
        ("/v1/forecasts/issued?slot=tomorrow", 422),
        (f"/v1/forecasts/issued?slot={FIRST + 1}", 422),
        ("/v1/forecasts/verification", 404),
        ("/v1/forecasts/verification?days=0", 422),
        ("/v1/forecasts/verification?days=29", 422),
    ],
)
def test_what_is_not_there_or_not_readable_is_a_problem(
    served: Any, path: str, status: int
) -> None:
    answer = served.ask(path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["detail"]
