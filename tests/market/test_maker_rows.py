"""The SPC's rows: around the plan's value, on the safe side of every rounding, never itself."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import BookRow, book_of
from market.clearing import clear_slot
from market.errors import MarketError
from market.maker import MakerQuote, maker_rows
from market.orders import Side
from market.rules import MarketRules

RULES = MarketRules()
QUOTE = MakerQuote(
    slot=1_784_084_400,
    plan=b"\x07" * 32,
    value_mkrw_per_kwh=120_050,
    import_mkrw_per_kwh=154_200,
    import_wh=8_000,
    export_mkrw_per_kwh=99_170,
    export_wh=5_000,
)


def steps(rows: list[BookRow], side: Side) -> list[tuple[int, int]]:
    return [(row.price_mkrw_per_kwh, row.e_wh) for row in rows if row.side == side]


def test_without_flexibility_only_the_connection_stands_in_the_book() -> None:
    rows = maker_rows(QUOTE, RULES)
    assert steps(rows, Side.OFFER) == [(155_200, 8_000)]
    # 99,170 - 1,000 is rounded down to the tick.
    assert steps(rows, Side.BID) == [(98_100, 5_000)]


def test_flexibility_climbs_from_the_value_to_the_utilitys_price() -> None:
    rows = maker_rows(replace(QUOTE, flex_up_wh=1_002, flex_down_wh=3), RULES)
    # 121,050 and 155,200 in four parts of 8,537.5, each rounded up.
    assert steps(rows, Side.OFFER) == [
        (121_100, 250), (129_600, 251), (138_200, 250), (146_700, 251), (155_200, 8_000)
    ]  # fmt: skip
    # 119,050 down by 5,220 each: 113,830, 108,610, 103,390; 3 Wh leave the first part empty.
    assert [price for price, _ in steps(rows, Side.BID)] == [113_800, 108_600, 103_300, 98_100]
    assert sum(e_wh for _, e_wh in steps(rows, Side.BID)) == 3 + 5_000


def test_steps_outside_the_band_are_left_out() -> None:
    dear = replace(QUOTE, value_mkrw_per_kwh=1_500_000, import_mkrw_per_kwh=1_500_000)
    assert steps(maker_rows(dear, RULES), Side.OFFER) == []
    # The bid may stay: it is worth more than the cap, so it stands at the export price.
    assert steps(maker_rows(dear, RULES), Side.BID) == [(98_100, 5_000)]
    cheap = replace(QUOTE, value_mkrw_per_kwh=-50_000, export_mkrw_per_kwh=0)
    assert steps(maker_rows(cheap, RULES), Side.BID) == []


def test_the_rows_follow_from_the_plan_alone() -> None:
    assert maker_rows(QUOTE, RULES) == maker_rows(replace(QUOTE), RULES)
    other = maker_rows(replace(QUOTE, plan=b"\x08" * 32), RULES)
    assert {row.tag for row in other}.isdisjoint(row.tag for row in maker_rows(QUOTE, RULES))


def test_a_negative_quantity_is_named() -> None:
    with pytest.raises(MarketError, match="import_wh -1, allowed 0 or more"):
        replace(QUOTE, import_wh=-1)


prices = st.integers(-200_000, 1_200_000)
quantities = st.integers(0, 10_000_000)


@given(
    st.builds(
        MakerQuote,
        slot=st.just(900),
        plan=st.just(bytes(32)),
        value_mkrw_per_kwh=prices,
        import_mkrw_per_kwh=prices,
        import_wh=quantities,
        export_mkrw_per_kwh=prices,
        export_wh=quantities,
        flex_up_wh=quantities,
        flex_down_wh=quantities,
    ),
    st.integers(1, 1_000),
    st.integers(1, 12),
)
@settings(settings.get_profile("market"), deadline=None)
def test_the_spc_never_sells_below_or_buys_above_the_plans_value(
    quote: MakerQuote, tick: int, count: int
) -> None:
    rules = MarketRules(tick_mkrw_per_kwh=tick, maker_steps=count)
    rows = maker_rows(quote, rules)
    spread, value = rules.maker_spread_mkrw_per_kwh, quote.value_mkrw_per_kwh
    for price, e_wh in steps(rows, Side.OFFER):
        assert price >= value + spread and e_wh >= 1
    for price, e_wh in steps(rows, Side.BID):
        assert price <= value - spread and e_wh >= 1
    assert sum(e for _, e in steps(rows, Side.OFFER)) <= quote.flex_up_wh + quote.import_wh
    assert sum(e for _, e in steps(rows, Side.BID)) <= quote.flex_down_wh + quote.export_wh
    assert clear_slot(book_of(900, rows), rules).volume_wh == 0
    offers = [price for price, _ in steps(rows, Side.OFFER)]
    bids = [price for price, _ in steps(rows, Side.BID)]
    assert offers == sorted(offers) and bids == sorted(bids, reverse=True)
