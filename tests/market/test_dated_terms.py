"""Rules beyond the auction: they stand in the text only where somebody has changed them."""

import hashlib
from typing import Any

import pytest

from market.errors import MarketError
from market.orders import AdmissionContext, Order, RefusalCode, check_order
from market.rules import MONTHLY, MarketRules, build_rules


def test_what_nobody_has_changed_is_not_in_the_text() -> None:
    plain = MarketRules()
    assert "fee" not in plain.text and "guarantee" not in plain.text
    changed = MarketRules(version=2, network_fee_mkrw_per_kwh=0)
    assert '"network_fee_mkrw_per_kwh":0' in changed.text
    assert changed.content == hashlib.sha256(changed.text.encode()).digest()
    assert MarketRules(version=2).content != changed.content


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_fee_mkrw_per_kwh", -1),
        ("local_fee_mkrw_per_kwh", 1_000_001),
        ("premium_max_mkrw_per_kwh", 1.5),
        ("guarantee_kept_ppm", 1_000_001),
        ("guarantee_most_krw", -1),
        ("points_pay_ppm", True),
        ("rent_to_accounts", 2),
    ],
)
def test_a_value_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(MarketError, match=f"{name} is {value!r}, allowed a whole number"):
        MarketRules(**{name: value})


def test_a_file_of_an_auction_has_no_rules_of_months() -> None:
    for name in (*MONTHLY, "network_fee_mkrw_per_kwh"):
        with pytest.raises(MarketError, match=f"unknown key '{name}'"):
            build_rules({name: 1})


def refusal(premium: int, label: int, rules: MarketRules) -> Any:
    order = Order(
        account=bytes(32), zone=0, slot=9_000, side=1, e_wh=100, price_mkrw_per_kwh=100_000,
        label=label, premium_mkrw_per_kwh=premium, expires=8_000, replaces=bytes(32),
        rules_version=rules.version, nonce=1,
    )  # fmt: skip
    context = AdmissionContext(
        now_us=0, first_slot=0, end_slot=90_000, gate_lead_s=300, zone=0, rules=rules,
        import_wh_max=1_000, export_wh_max=1_000,
    )  # fmt: skip
    return check_order(order, context)


def test_a_premium_above_its_highest_is_refused_and_without_a_label_means_nothing() -> None:
    rules = MarketRules(version=2, premium_max_mkrw_per_kwh=5_000)
    assert refusal(5_000, 1, rules) is None
    found = refusal(5_001, 1, rules)
    assert (found.code, found.field) == (RefusalCode.PRICE_BAND, "premium_mkrw_per_kwh")
    assert (found.found, found.allowed) == ("5001", "0 to 5000")
    assert refusal(5_001, 0, rules) is None
    assert refusal(1_000_000, 2, MarketRules()) is None
    assert refusal(1_000_001, 2, MarketRules()).code == RefusalCode.PRICE_BAND
