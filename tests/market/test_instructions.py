"""What follows from a standing instruction: hand-solvable orders, and never more than the caps."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.instructions import (
    DAYS_MAX,
    Derived,
    Spent,
    Terms,
    Why,
    check_instruction,
    derive_order,
    paid_ukrw,
)
from market.orders import RefusalCode, Side
from market.rules import MarketRules
from market.transfers import ZERO32

SLOT = 1_790_000_100 // 900 * 900
BOTH, BUY, SELL = 3, 1, 2
# "Sell surplus above 95 won, buy below 140 won, at most 20 kWh, 3,000 won a day."
TERMS = Terms(BOTH, 95_000, 140_000, 20_000, 3_000_000_000)
DERIVED = """
# need most spent spent_krw sides   -> why side e_wh price
  300  5000     0       0   3          ORDERED 1 300 140000
 -450  5000     0       0   3          ORDERED 2 450  95000
    0  5000     0       0   3          BALANCED 0 0 0
  300  5000     0       0   2          NOT_WANTED 0 0 0
 -450  5000     0       0   1          NOT_WANTED 0 0 0
  900   800     0       0   3          ORDERED 1 800 140000
  900     0     0       0   3          NO_ROOM 0 0 0
  300  5000 19800       0   3          ORDERED 1 200 140000
 -300  5000 20000       0   3          DAY_CAP_WH 0 0 0
  300  5000  1000    2986   3          ORDERED 1 100 140000
  300  5000  1000    3000   3          DAY_CAP_UKRW 0 0 0
 -300  5000  1000    3000   3          ORDERED 2 300  95000
"""


@pytest.mark.parametrize("row", [one for one in DERIVED.splitlines() if one and one[0] != "#"])
def test_an_order_is_what_is_missing_or_left_within_what_the_day_leaves(row: str) -> None:
    need, most, spent_wh, spent_krw, sides, why, *order = row.split()
    terms, spent = replace(TERMS, sides=int(sides)), Spent(int(spent_wh), int(spent_krw) * 10**6)
    found = derive_order(terms, int(need), int(most), spent)
    assert found == Derived(Why(why), *map(int, order))


def test_a_sale_below_nought_counts_as_paid() -> None:
    assert paid_ukrw(Side.OFFER, 100, -2_000) == 200_000
    assert paid_ukrw(Side.OFFER, 100, 2_000) == paid_ukrw(Side.BID, 100, -2_000) == 0
    terms = Terms(SELL, -2_000, 0, 20_000, 200_000)
    assert derive_order(terms, -500, 5_000, Spent()).e_wh == 100


limits = st.integers(-1_000_000, 1_000_000)
days = st.lists(
    st.tuples(st.integers(-6_000, 6_000), st.integers(0, 6_000), st.fractions(0, 1)), max_size=96
)


@given(sides=st.integers(1, 3), sell=limits, buy=limits, day=days,
       cap_wh=st.integers(1, 30_000), cap_ukrw=st.integers(0, 10**10))  # fmt: skip
def test_no_day_goes_beyond_its_caps_whatever_is_needed_and_cleared(
    sides: int, sell: int, buy: int, cap_wh: int, cap_ukrw: int, day: list[Any]
) -> None:
    terms, spent = Terms(sides, sell, buy, cap_wh, cap_ukrw), Spent()
    for need_wh, most_wh, filled in day:
        found = derive_order(terms, need_wh, most_wh, spent)
        worst = paid_ukrw(found.side, found.e_wh, found.price_mkrw_per_kwh) if found.e_wh else 0
        assert 0 <= found.e_wh <= min(abs(need_wh), most_wh)
        assert spent.e_wh + found.e_wh <= cap_wh
        assert not found.e_wh or found.side & sides
        assert spent.amount_ukrw + worst <= cap_ukrw or not worst
        e_wh = int(found.e_wh * filled)
        paid = paid_ukrw(found.side, e_wh, found.price_mkrw_per_kwh) if e_wh else 0
        spent = Spent(spent.e_wh + e_wh, spent.amount_ukrw + paid)
    assert spent.e_wh <= cap_wh and spent.amount_ukrw <= cap_ukrw


MESSAGE: dict[str, Any] = {
    "account": b"\x51" * 32, "sides": BOTH, "sell_from_mkrw_per_kwh": 95_000,
    "buy_up_to_mkrw_per_kwh": 140_000, "day_cap_wh": 20_000, "day_cap_ukrw": 3_000_000_000,
    "first_slot": SLOT, "end_slot": SLOT + 86_400, "rules_version": 1, "replaces": ZERO32,
    "nonce": 7,
}  # fmt: skip
REFUSED = [
    ({"first_slot": SLOT - 900}, RefusalCode.BACK_DATED, "first_slot"),
    ({"rules_version": 2}, RefusalCode.STALE_RULES, "rules_version"),
    ({"end_slot": SLOT}, RefusalCode.INSTRUCTION_RULES, "end_slot"),
    (
        {"end_slot": SLOT + DAYS_MAX * 86_400 + 900},
        RefusalCode.INSTRUCTION_RULES,
        "end_slot",
    ),
    ({"sides": SELL}, RefusalCode.INSTRUCTION_RULES, "buy_up_to_mkrw_per_kwh"),
    ({"sides": BUY}, RefusalCode.INSTRUCTION_RULES, "sell_from_mkrw_per_kwh"),
    ({"day_cap_ukrw": 0}, RefusalCode.INSTRUCTION_RULES, "day_cap_ukrw"),
    ({"buy_up_to_mkrw_per_kwh": -100}, RefusalCode.PRICE_BAND, "buy_up_to_mkrw_per_kwh"),
    ({"sell_from_mkrw_per_kwh": 95_050}, RefusalCode.PRICE_TICK, "sell_from_mkrw_per_kwh"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[1]} {case[2]}")
def test_an_instruction_that_cannot_be_is_refused_by_its_field(case: Any) -> None:
    assert check_instruction(MESSAGE, MarketRules(), SLOT) is None
    change, code, field = case
    found = check_instruction(MESSAGE | change, MarketRules(), SLOT)
    assert found is not None and (found.code, found.field) == (code, field)
