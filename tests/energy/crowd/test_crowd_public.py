"""The public document: read as it is, and what is wrong with it is named."""

import copy
from typing import Any

import pytest

from energy.crowd import CrowdError, parse_public
from energy.crowd.public import mkrw_of_krw_text, parse_market
from energy.timegrid import iso_of, parse_instant
from market.signing import Domain

NOON = parse_instant("2026-07-15T12:00+09:00")


def document() -> dict[str, Any]:
    return {
        "district": {"id": "sejong-5-1", "name": {"en": "Sejong 5-1"}},
        "market": {"id": "sejong-5-1/sim/1", "chain_id": 1},
        "clock": {"now_utc": iso_of(NOON - 900), "slot_seconds_real": 15.0},
        "open": {"first_slot_utc": iso_of(NOON), "slots": 96, "gate_lead_s": 300},
        "rules": {
            "version": 3,
            "price_floor_krw_per_kwh": "-1000",
            "price_cap_krw_per_kwh": "1000",
            "price_tick_krw_per_kwh": "0.1",
        },
        "feed_in_krw_per_kwh": "112.7",
        "tariffs": {
            "residential-lv": [
                {"up_to_kwh": 300, "krw_per_kwh": "134"},
                {"up_to_kwh": None, "krw_per_kwh": "228.6"},
            ]
        },
        "sun_frac": None,
        "last": [
            {"slot_utc": iso_of(NOON - 1800), "price_krw_per_kwh": "142.5"},
            {"slot_utc": iso_of(NOON - 900), "price_krw_per_kwh": None},
        ],
    }


def test_prices_and_rules_are_whole_milli_won() -> None:
    prices = parse_public(document())
    assert prices.feed_in_mkrw_per_kwh == 112_700
    assert [b.price_mkrw_per_kwh for b in prices.tariffs["residential-lv"]] == [134_000, 228_600]
    assert prices.recent_mkrw_per_kwh == (142_500, None)
    assert (prices.floor_mkrw_per_kwh, prices.cap_mkrw_per_kwh) == (-1_000_000, 1_000_000)
    assert (prices.tick_mkrw_per_kwh, prices.rules_version, prices.gate_lead_s) == (100, 3, 300)
    assert prices.sun_frac is None


def test_the_markets_domain_window_and_clock_are_read() -> None:
    market = parse_market(document())
    assert market.domain == Domain("sejong-5-1/sim/1", 1)
    assert (market.district_id, market.first_open_slot) == ("sejong-5-1", NOON)
    # 600 s of the district until the gate, at 15 s for 900
    assert market.gate_in_s == pytest.approx(10.0)


DAMAGES = {
    "no rules": (("rules",), None, "rules: found nothing"),
    "rules a list": (("rules",), [], r"rules: found \[\], allowed an object"),
    "no version": (("rules", "version"), None, "version: found nothing"),
    "version text": (("rules", "version"), "3", "version: found '3', allowed a whole number"),
    "no feed-in": (("feed_in_krw_per_kwh",), None, "feed_in_krw_per_kwh: found nothing"),
    "feed-in words": (("feed_in_krw_per_kwh",), "much", "feed_in_krw_per_kwh: found 'much'"),
    "tariff empty": (("tariffs", "residential-lv"), [], "tariffs.residential-lv: found"),
    "first slot odd": (("open", "first_slot_utc"), "2026-07-15T12:01:00Z", "quarter hour"),
    "first slot words": (("open", "first_slot_utc"), "noon", "noon"),
    "no market": (("market",), None, "market: found nothing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_document_is_named(damage: str) -> None:
    path, value, message = DAMAGES[damage]
    broken = copy.deepcopy(document())
    part = broken
    for key in path[:-1]:
        part = part[key]
    if value is None:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    with pytest.raises(CrowdError, match=message):
        parse_market(broken)


@pytest.mark.parametrize(
    ("text", "mkrw"),
    [("142.5", 142_500), ("0", 0), ("-3.125", -3_125), ("1000", 1_000_000), ("0.001", 1)],
)
def test_won_become_milli_won_exactly(text: str, mkrw: int) -> None:
    assert mkrw_of_krw_text(text, "price") == mkrw


@pytest.mark.parametrize("text", ["", "0.0001", "1e3", "nan", "inf", "12,5", "1 000", "won"])
def test_what_is_no_price_in_won_is_refused(text: str) -> None:
    with pytest.raises(CrowdError, match=r"price: found .*, allowed won such as 142\.5"):
        mkrw_of_krw_text(text, "price")
