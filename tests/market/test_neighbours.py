"""Neighbour trade inside the utility's bills: who gains, who does not, whole kWh by the month."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.tariffs import load_tariff
from market.bill import MonthUse, build_bill
from market.errors import MarketError
from market.neighbours import (
    NeighbourBuyer,
    NeighbourContract,
    NeighbourSeller,
    sellers_income_ukrw,
    settle_neighbours,
)

HOME = load_tariff("residential-lv", date(2025, 11, 1))
A, B = b"a" * 32, b"b" * 32
SELLER = NeighbourSeller(283, 239, 239, 0, net_metering=False, feed_in_mkrw_per_kwh=100_000,
                         tariff=HOME, month=11)  # fmt: skip


def contract(buyer: bytes = A, **more: int | bool) -> NeighbourContract:
    known = {"cap_kwh": 500, "share_ppm": 1_000_000, "price_mkrw_per_kwh": 125_000, **more}
    return NeighbourContract(buyer + b"", buyer, **known)


def won(kwh: int) -> int:
    return build_bill(MonthUse(11, kwh), HOME).total_krw


def test_a_buyer_in_the_third_step_gains_and_so_does_the_seller() -> None:
    """474 kWh less 239 at 125 won; the seller would have had 100 won of feed-in for each."""
    (month,) = settle_neighbours([contract()], SELLER, {A: NeighbourBuyer(474, HOME, 11)})
    assert (month.kwh, month.applied, month.payment_ukrw) == (239, True, 29_875 * 10**6)
    assert month.buyer_gain_ukrw == (won(474) - won(235) - 29_875) * 10**6 > 0
    assert month.seller_gain_ukrw == 239 * 25 * 10**6


def test_a_buyer_in_the_first_step_would_lose_so_the_month_does_not_count() -> None:
    buyers = {A: NeighbourBuyer(150, HOME, 11)}
    (month,) = settle_neighbours([contract(price_mkrw_per_kwh=170_000)], SELLER, buyers)
    assert month.buyer_gain_ukrw < 0 and not month.applied and month.kwh == 150
    forced = contract(price_mkrw_per_kwh=170_000, even_at_a_loss=True)
    assert settle_neighbours([forced], SELLER, buyers)[0].applied


def test_under_net_metering_the_seller_gives_up_what_it_would_have_netted() -> None:
    seller = replace(
        SELLER, received_kwh=300, surplus_kwh=200, earmarked_kwh=120, net_metering=True
    )
    (month,) = settle_neighbours([contract()], seller, {A: NeighbourBuyer(474, HOME, 11)})
    # Billed 100 kWh before, 220 after: 80 kWh left to net.
    assert month.seller_gain_ukrw == (120 * 125 - won(220) + won(100)) * 10**6
    assert sellers_income_ukrw(seller, 0) == -won(100) * 10**6


def test_ranks_first_then_shares_in_whole_kwh() -> None:
    contracts = [
        contract(A, cap_kwh=40, rank=0),
        contract(B, rank=1, share_ppm=500_000),
        replace(contract(A, rank=1, share_ppm=500_000), id=b"c" * 32),
    ]
    buyers = {A: NeighbourBuyer(474, HOME, 11), B: NeighbourBuyer(600, HOME, 11)}
    found = settle_neighbours(contracts, SELLER, buyers)
    # 239 - 40 = 199 in halves: the odd kWh goes to the lower id of equal remainders.
    assert [month.kwh for month in found] == [40, 100, 99]


@given(
    st.integers(0, 700), st.integers(0, 300), st.integers(0, 700), st.integers(50_000, 310_000),
    st.booleans(),
)  # fmt: skip
@settings(settings.get_profile("market"), deadline=None)
def test_an_applied_month_leaves_neither_worse_off(
    received: int, surplus: int, use: int, price: int, net_metering: bool
) -> None:
    seller = replace(
        SELLER, received_kwh=received, surplus_kwh=surplus, earmarked_kwh=surplus,
        net_metering=net_metering,
    )  # fmt: skip
    one = contract(price_mkrw_per_kwh=price)
    (month,) = settle_neighbours([one], seller, {A: NeighbourBuyer(use, HOME, 11)})
    assert month.kwh == min(surplus, use, 500)
    if month.applied:
        assert month.buyer_gain_ukrw >= 0 and month.seller_gain_ukrw >= 0
        after = won(use - month.kwh) * 10**6 + month.payment_ukrw
        assert after <= won(use) * 10**6


def test_bad_months_get_one_sentence() -> None:
    with pytest.raises(MarketError, match="240 kWh earmarked, allowed 0 up to"):
        replace(SELLER, earmarked_kwh=240)
    with pytest.raises(MarketError, match="its buyer has no month"):
        settle_neighbours([contract()], SELLER, {})
    with pytest.raises(MarketError, match="shares of 2000000 ppm"):
        settle_neighbours([contract(A), contract(B)], SELLER, {})
