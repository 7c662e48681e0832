"""The rule of the market's guarantee at its edges, and as data that is used whole or refused."""

import tomllib
from datetime import date
from typing import Any

import pytest

import data
from energy.tariffs import build_customer_rules, load_customer_rules
from market.errors import MarketError
from market.guarantee import GuaranteeRule, Kept, Outside, guarantee_month

RULE = GuaranteeRule(kept_ppm=600_000, most_krw=5)
WON = 1_000_000


@pytest.mark.parametrize(
    ("kept", "ppm"),
    [
        (Kept(), 1_000_000),
        (Kept(100, 0, 60, 0), 600_000),
        (Kept(90, 10, 59, 0), 590_000),
        (Kept(90, 10, 90, 0), 900_000),
        (Kept(1_000_000, 0, 599_999, 0), 599_999),
        (Kept(3, 0, 2, 0), 666_666),
        (Kept(0, 5, 0, 7), 1_000_000),
        (Kept(5, 0, -1, 0), 0),
    ],
)
def test_the_share_kept_counts_both_sides_by_their_worth_rounded_down(kept: Kept, ppm: int) -> None:
    assert kept.ppm == ppm


@pytest.mark.parametrize(
    ("lost_ukrw", "kept_ukrw", "given_ukrw", "outside"),
    [
        (-1, 0, 0, None),
        (0, 0, 0, None),
        (1, 600_000, 1, None),
        (1, 599_999, 0, Outside.NOT_KEPT),
        (5 * WON, 1_000_000, 5 * WON, None),
        (5 * WON + 1, 1_000_000, 5 * WON, Outside.ABOVE_MOST),
        (5 * WON + 1, 599_999, 0, Outside.NOT_KEPT),
    ],
)
def test_a_loss_is_given_back_to_the_micro_won_up_to_the_most(
    lost_ukrw: int, kept_ukrw: int, given_ukrw: int, outside: Outside | None
) -> None:
    kept = Kept(pay_ukrw=1_000_000, paid_ukrw=kept_ukrw)
    found = guarantee_month(RULE, kept, with_ukrw=77 + lost_ukrw, without_ukrw=77)
    assert (found.given_ukrw, found.outside) == (given_ukrw, outside)
    assert found.gain_ukrw == -lost_ukrw and found.after_ukrw == given_ukrw - lost_ukrw
    assert (found.after_ukrw < 0) == (outside is not None)


def terms() -> dict[str, Any]:
    return tomllib.loads(data.path("tariffs", "terms.toml").read_text(encoding="utf-8"))


def test_the_rules_are_data_with_a_first_day() -> None:
    found = terms()
    later = {"from": date(2027, 1, 1), "kept_ppm": 0, "most_krw": 0}
    found["market_guarantee"].append(later)
    found["congestion_rent"].append({"from": date(2027, 1, 1), "to": "network"})
    before, after = (
        build_customer_rules(found, date(*on)) for on in ((2026, 12, 31), (2027, 1, 1))
    )
    assert before == load_customer_rules(date(2026, 12, 31))
    assert before.guarantee.kept_ppm > 0 and before.is_rent_shared
    assert after.guarantee == GuaranteeRule() and not after.is_rent_shared


@pytest.mark.parametrize(
    ("table", "key", "value", "sentence"),
    [
        ("market_guarantee", "kept_ppm", 1_000_001, "kept_ppm: found 1000001, allowed a whole"),
        ("market_guarantee", "kept_ppm", 0.8, "kept_ppm: found 0.8, allowed a whole"),
        ("market_guarantee", "most_krw", -1, "most_krw: found -1, allowed a whole"),
        ("congestion_rent", "to", "spc", "to: found 'spc', allowed accounts or network"),
        ("congestion_rent", "to", None, "to: found None, allowed a text"),
    ],
)
def test_a_rule_that_is_none_is_refused_in_one_sentence(
    table: str, key: str, value: object, sentence: str
) -> None:
    found = terms()
    found[table][-1][key] = value
    with pytest.raises(MarketError, match=sentence):
        build_customer_rules(found, date(2026, 7, 1))
    del found[table]
    with pytest.raises(MarketError, match=f"{table}: found nothing, allowed a list of tables"):
        build_customer_rules(found, date(2026, 7, 1))
