"""The rules file: defaults, its one content hash, and a sentence for each bad key."""

import hashlib

import pytest

from market.errors import MarketError
from market.rules import MarketRules, build_rules


def test_no_keys_give_the_rules_of_the_guide() -> None:
    rules = build_rules({})
    assert rules == MarketRules()
    assert (rules.floor_mkrw_per_kwh, rules.cap_mkrw_per_kwh) == (0, 1_000_000)
    assert (rules.tick_mkrw_per_kwh, rules.orders_max) == (100, 20)
    assert rules.maker_spread_mkrw_per_kwh == 1_000


def test_negative_prices_are_one_switch() -> None:
    assert build_rules({"allow_negative": True}).floor_mkrw_per_kwh == -1_000_000
    assert build_rules({"allow_negative": False}).floor_mkrw_per_kwh == 0


def test_the_content_is_the_hash_of_the_canonical_json() -> None:
    text = (
        '{"cap_mkrw_per_kwh":1000000,"floor_mkrw_per_kwh":0,"maker_spread_mkrw_per_kwh":1000,'
        '"maker_steps":4,"orders_max":20,"tick_mkrw_per_kwh":100,"version":1}'
    )
    assert MarketRules().content == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"flor_mkrw_per_kwh": 0}, "unknown key 'flor_mkrw_per_kwh', allowed: version"),
        ({"tick_mkrw_per_kwh": 0}, "tick_mkrw_per_kwh is 0, allowed a whole number 1..1000000"),
        ({"cap_mkrw_per_kwh": 1.5}, "cap_mkrw_per_kwh is 1.5, allowed a whole number"),
        ({"cap_mkrw_per_kwh": True}, "cap_mkrw_per_kwh is True, allowed a whole number"),
        ({"cap_mkrw_per_kwh": "9"}, "cap_mkrw_per_kwh is '9', allowed a whole number"),
        ({"floor_mkrw_per_kwh": 9, "cap_mkrw_per_kwh": 8}, "9 is above cap_mkrw_per_kwh 8"),
        ({"allow_negative": 1}, "allow_negative is 1, allowed true or false"),
        ({"allow_negative": True, "floor_mkrw_per_kwh": 0}, "both given, allowed one"),
        ({"maker_spread_mkrw_per_kwh": 0}, "maker_spread_mkrw_per_kwh is 0"),
    ],
)
def test_a_bad_key_gets_one_sentence(keys: dict, sentence: str) -> None:
    with pytest.raises(MarketError) as error:
        build_rules(keys)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
