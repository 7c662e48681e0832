"""What the crowd bids: surplus above feed-in, need below the own tariff, the same each time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.crowd import Crowd, CrowdError, PublicPrices, build_crowd, build_orders
from energy.crowd.bidding import (
    GREEN_FRAC,
    LOCAL_FRAC,
    MISSED_SD,
    MONTH_SURE_FRAC,
    PREMIUM_ASKED_MKRW_MAX,
    PREMIUM_MKRW_MAX,
    PRUDENCE_SD,
    ask_mkrw_min,
    asked_mkrw,
    bid_mkrw_max,
    marginal_tariff_mkrw,
    nonce_of,
    offered_mkrw,
    promised_kw,
    usual_price_mkrw,
)
from energy.crowd.household import (
    clear_kw_per_kwp,
    clear_pv_kw,
    guess_slot,
    usual_month_kwh,
    usual_use_kw,
)
from energy.district import District
from energy.forecast import clear_sky_kw_per_kwp
from energy.store.admission import traders_of
from energy.timegrid import parse_instant, slots_from
from market.orders import AdmissionContext, check_order, order_of
from market.rules import MarketRules

BID, OFFER = 1, 2
NOON = parse_instant("2026-07-15T12:00+09:00")
NIGHT = parse_instant("2026-07-15T23:00+09:00")


def row_of(crowd: Crowd, order: dict[str, Any]) -> int:
    return crowd.account.index(order["account"])


def test_at_night_all_buy_and_at_noon_most_roofs_sell(crowd: Crowd, prices: PublicPrices) -> None:
    night, noon = build_orders(crowd, NIGHT, prices), build_orders(crowd, NOON, prices)
    assert {order["side"] for order in night} == {BID}
    assert len(night) > 0.95 * len(crowd)
    roofs = int((crowd.district.meters.pv_kwp[crowd.meter] > 0).sum())
    sellers = [order for order in noon if order["side"] == OFFER]
    assert len(sellers) > 0.5 * roofs
    assert all(crowd.district.meters.pv_kwp[crowd.meter[row_of(crowd, o)]] > 0 for o in sellers)


def test_sellers_ask_no_less_than_feed_in_and_buyers_less_than_their_tariff(
    crowd: Crowd, prices: PublicPrices
) -> None:
    worth = marginal_tariff_mkrw(crowd, NOON, prices)
    limits = {BID: set(), OFFER: set()}
    for order in build_orders(crowd, NOON, prices):
        limit = order["price_mkrw_per_kwh"]
        limits[order["side"]].add(limit)
        if order["side"] == OFFER:
            assert limit >= prices.feed_in_mkrw_per_kwh
        else:
            assert limit < worth[row_of(crowd, order)]
    assert len(limits[OFFER]) > 5 and len(limits[BID]) > 5  # people differ


def test_the_same_is_bid_again_and_something_else_by_another_seed(
    crowd: Crowd, prices: PublicPrices
) -> None:
    orders = build_orders(crowd, NOON, prices)
    assert build_orders(build_crowd(crowd.district, 1), NOON, prices) == orders
    assert build_orders(build_crowd(crowd.district, 2), NOON, prices) != orders


def test_a_cloudy_forecast_brings_fewer_offers(crowd: Crowd, prices: PublicPrices) -> None:
    def offered_wh(sun_frac: float) -> int:
        orders = build_orders(crowd, NOON, replace(prices, sun_frac=sun_frac))
        return sum(order["e_wh"] for order in orders if order["side"] == OFFER)

    assert offered_wh(0.0) == 0
    assert 0 < offered_wh(0.3) < offered_wh(0.6) < offered_wh(1.0)


def test_high_prices_of_late_let_the_thrifty_hold_out(crowd: Crowd, prices: PublicPrices) -> None:
    nothing = np.zeros(len(crowd))
    dear = replace(prices, recent_mkrw_per_kwh=(160_000,))
    asked = asked_mkrw(crowd, dear, nothing)
    assert (asked >= 112_700 + crowd.thrift * (160_000 - 112_700)).all()
    order = np.argsort(crowd.thrift)
    assert (np.diff(asked[order]) >= 0).all()
    cheap = replace(prices, recent_mkrw_per_kwh=(100_000,))
    bids, tariff = (
        offered_mkrw(crowd, NOON, cheap, nothing),
        marginal_tariff_mkrw(crowd, NOON, cheap),
    )
    assert (bids >= 100_000 - 100).all() and (bids < tariff).all()


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_limits_pay_for_what_will_be_missing(
    crowd: Crowd, prices: PublicPrices, share: float
) -> None:
    """At the limit, gains on what is delivered are what missing Wh cost in the mean."""
    worth, missed = marginal_tariff_mkrw(crowd, NOON, prices), np.full(len(crowd), share)
    bid = bid_mkrw_max(crowd, NOON, prices, missed)
    ask = ask_mkrw_min(crowd, NOON, prices, missed)
    feed_in, tick = prices.feed_in_mkrw_per_kwh, prices.tick_mkrw_per_kwh
    bought = (worth - bid) * (1 - share) - np.maximum(bid - feed_in, 0) * share
    sold = (ask - feed_in) * (1 - share) - np.maximum(worth - ask, 0) * share
    assert (bought >= -1e-6).all() and (bought <= tick).all()
    assert (sold >= -1e-6).all() and (sold <= tick).all()
    assert (bid <= worth).all() and (ask >= feed_in).all()


def test_a_promise_lies_below_what_is_expected_where_missing_costs(
    crowd: Crowd, prices: PublicPrices
) -> None:
    guess = guess_slot(crowd, NIGHT, 0.0)
    cheap = replace(prices, recent_mkrw_per_kwh=(prices.feed_in_mkrw_per_kwh,))
    need_kw = -guess.net_kw
    assert promised_kw(guess.net_kw, guess.spread_kw, cheap) == pytest.approx(need_kw)
    # By night there is use alone, which scatters by 0.6 of itself.
    assert promised_kw(guess.net_kw, guess.spread_kw, prices) == pytest.approx(
        (1 - 0.5 * 0.6) * need_kw
    )
    noon = guess_slot(crowd, NOON, 0.9)
    sells = noon.net_kw > 0
    assert sells.any()
    assert (promised_kw(noon.net_kw, noon.spread_kw, cheap)[sells] < noon.net_kw[sells]).all()


def test_less_than_a_quarter_of_the_spread_is_missing_of_a_prudent_promise() -> None:
    """Use of mean one that scatters as a lognormal does, and a normal surplus of the same."""
    rng = np.random.default_rng(1)
    for drawn in (rng.lognormal(-0.5 * 0.6**2, 0.6, 400_000), rng.normal(1, 0.6, 400_000)):
        missed = np.maximum(1 - PRUDENCE_SD * 0.6 - drawn, 0).mean()
        assert 0.02 < missed / 0.6 < MISSED_SD


def test_the_usual_price_is_the_median_of_what_was_traded_lately(prices: PublicPrices) -> None:
    assert usual_price_mkrw(prices) == 130_000
    assert usual_price_mkrw(replace(prices, recent_mkrw_per_kwh=(None, None))) is None
    assert usual_price_mkrw(replace(prices, recent_mkrw_per_kwh=(1,) + (None,) * 8)) is None


def test_a_members_tariff_is_that_of_the_block_where_its_month_ends(
    crowd: Crowd, prices: PublicPrices
) -> None:
    month_kwh = MONTH_SURE_FRAC * usual_month_kwh(crowd, NOON)
    found = marginal_tariff_mkrw(crowd, NOON, prices)
    for row, meter in enumerate(crowd.meter):
        low, high = prices.tariffs[crowd.district.meters.tariff[int(meter)]]
        expected = low if month_kwh[row] < 300 else high
        assert found[row] == expected.price_mkrw_per_kwh
    assert len(set(found.tolist())) == 2


def test_a_tariff_without_public_prices_is_named(crowd: Crowd, prices: PublicPrices) -> None:
    bare = replace(prices, tariffs={"residential-hv": prices.tariffs["residential-hv"]})
    with pytest.raises(CrowdError, match=r"tariff residential-lv: found no .*residential-hv"):
        build_orders(crowd, NOON, bare)


def test_some_want_green_some_local_and_only_roofs_offer_either(
    crowd: Crowd, prices: PublicPrices
) -> None:
    night, noon = build_orders(crowd, NIGHT, prices), build_orders(crowd, NOON, prices)
    wants = [sum(one["label"] == label for one in night) / len(night) for label in (1, 2)]
    assert wants == pytest.approx([GREEN_FRAC, LOCAL_FRAC], abs=0.1)
    assert all(one["premium_mkrw_per_kwh"] <= PREMIUM_MKRW_MAX for one in night)
    assert not any(one["premium_mkrw_per_kwh"] for one in night if not one["label"])
    offers = [one for one in noon if one["side"] == OFFER]
    assert {one["label"] for one in offers} == {1, 2}
    assert all(one["premium_mkrw_per_kwh"] <= PREMIUM_ASKED_MKRW_MAX for one in offers)
    later = {o["account"]: o["label"] for o in build_orders(crowd, NIGHT + 900, prices)}
    assert all(later[o["account"]] == o["label"] for o in night if o["account"] in later)


def test_nonces_rise_with_the_slots_and_never_meet() -> None:
    nonces = [nonce_of(NOON + 900 * step, number) for step in range(3) for number in range(16)]
    assert nonces == sorted(set(nonces))
    assert nonces[0] > 0


@pytest.fixture(scope="module")
def admits(crowd: Crowd) -> Callable[[int, PublicPrices], None]:
    """Asserts that the market's own rules take all orders, one at most from each account."""
    traders = traders_of(crowd.district)

    def check(slot: int, public: PublicPrices) -> None:
        accounts = []
        for message in build_orders(crowd, slot, public):
            trader = traders[message["account"]]
            context = AdmissionContext(
                now_us=(slot - 1200) * 1_000_000,
                first_slot=slot,
                end_slot=slot + 900,
                gate_lead_s=300,
                zone=trader.zone,
                rules=MarketRules(),
                import_wh_max=trader.import_wh_max,
                export_wh_max=trader.export_wh_max,
                live=(),
            )
            assert check_order(order_of(message), context) is None
            accounts.append(message["account"])
        assert len(accounts) == len(set(accounts))

    return check


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    quarter=st.integers(0, 365 * 96),
    feed_in=st.integers(0, 300_000),
    recent=st.lists(st.none() | st.integers(0, 1_000_000), max_size=10),
    sun_frac=st.none() | st.floats(0, 1),
)
def test_the_market_admits_every_order_whatever_the_prices(
    admits: Callable[[int, PublicPrices], None],
    prices: PublicPrices,
    quarter: int,
    feed_in: int,
    recent: list[int | None],
    sun_frac: float | None,
) -> None:
    slot = parse_instant("2026-01-01T00:00+09:00") + 900 * quarter
    public = replace(
        prices,
        feed_in_mkrw_per_kwh=feed_in,
        recent_mkrw_per_kwh=tuple(recent),
        sun_frac=sun_frac,
    )
    admits(slot, public)


def test_the_sun_of_a_rule_of_thumb_is_within_a_tenth_of_the_clear_sky(district: District) -> None:
    members = build_crowd(district, 1)
    meters, pv, rows = district.meters, district.pv, members.meter
    for day, temperature_c in (("2026-01-15", 0.0), ("2026-04-20", 14.0), ("2026-07-15", 29.0)):
        slots = slots_from(parse_instant(f"{day}T00:00+09:00"), 96)
        per_kwp = clear_sky_kw_per_kwp(
            slots,
            pv.tilt_deg,
            pv.azimuth_deg,
            district.latitude_deg,
            district.longitude_deg,
            district.altitude_m,
            np.full(96, temperature_c),
            pv.inverter_frac,
        )
        true_kw = per_kwp[:, meters.pv_class[rows]] @ np.diag(meters.pv_kwp[rows])
        guessed_kw = np.stack([clear_pv_kw(members, int(slot)) for slot in slots])
        # Both figures are people's: a household does not own a weather model.
        assert guessed_kw.sum() == pytest.approx(true_kw.sum(), rel=0.10)
        assert np.abs(guessed_kw - true_kw).sum(axis=1).max() < 0.15 * true_kw.sum(axis=1).max()


def test_a_flat_panel_under_an_overhead_sun_sees_the_direct_beam_and_the_sky() -> None:
    flat = np.array([[0.0], [180.0]])
    noon = parse_instant("2026-03-22T12:07+00:00")  # near the equinox, sun over 0 N 0 E
    found = clear_kw_per_kwp(noon, latitude_deg=0.0, longitude_deg=0.0, surfaces=flat)
    assert found[0] == pytest.approx(1.353 * 0.7 * 1.14, rel=0.002)
    midnight = noon + 12 * 3600
    assert clear_kw_per_kwp(midnight, latitude_deg=0.0, longitude_deg=0.0, surfaces=flat)[0] == 0


def test_a_day_of_usual_use_is_about_a_days_share_of_the_year(crowd: Crowd) -> None:
    slots = slots_from(parse_instant("2026-04-15T00:00+09:00"), 96)
    day_kwh = sum(usual_use_kw(crowd, int(slot)) for slot in slots) / 4
    meters = crowd.district.meters
    year_kwh = meters.annual_kwh[crowd.meter] * meters.level[crowd.meter]
    assert day_kwh == pytest.approx(year_kwh / 365 * 0.88, rel=0.01)  # April uses 0.88 of a month
