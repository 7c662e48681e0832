"""The price of the auctions to come: what bounds it, and what is never read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.forecast.calibration import uncalibrated
from energy.forecast.prices import (
    ROUNDING_KRW,
    Coming,
    PriceForecast,
    PriceFrame,
    PriceRecord,
    PriceRules,
    forecast_price,
)
from energy.units import SLOT_S, SLOTS_PER_DAY

RULES = PriceRules(0.0, 1000.0, "Asia/Seoul")
BEGIN = 1_784_084_400 // 86_400 * 86_400
HORIZON = 96


def auctions(days: int, seed: int = 1) -> PriceRecord:
    """By night the operator's offer of 160; by day lower with the sun; a fifth has no trade."""
    rng = np.random.default_rng(seed)
    slot = BEGIN + SLOT_S * np.arange(days * SLOTS_PER_DAY, dtype=np.int64)
    sun = np.repeat(rng.choice([0.3, 1.0], days), SLOTS_PER_DAY)
    price = price_of(slot, sun) + np.minimum(rng.normal(0, 2, len(slot)), 0)
    price[rng.random(len(slot)) < 0.2] = np.nan
    return PriceRecord(slot, price, frame(len(slot)), sun)


def price_of(slot: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """The day is from 6 to 18 UTC here."""
    day = (slot % 86_400 >= 6 * 3600) & (slot % 86_400 < 18 * 3600)
    return np.where(day, 160 - 70 * sun, 160.0)


def frame(slots: int) -> PriceFrame:
    return PriceFrame(np.full(slots, 80.0), np.full(slots, 160.0))


def foreseen(
    record: PriceRecord,
    first: int | None = None,
    sun: float | None = 1.0,
    rules: PriceRules = RULES,
) -> PriceForecast:
    """The forecast of the day after the record, proven sound."""
    first = int(record.slot[-1]) + SLOT_S if first is None else first
    ahead = None if sun is None else np.full(HORIZON, sun)
    found = forecast_price(rules, record, Coming(first, frame(HORIZON), ahead), uncalibrated())
    assert found.krw_per_kwh.shape == (7, HORIZON) and np.isfinite(found.krw_per_kwh).all()
    assert (np.diff(found.krw_per_kwh, axis=0) >= 0).all()
    assert rules.floor <= found.krw_per_kwh.min() and found.krw_per_kwh.max() <= rules.cap
    assert found.tier == "F0" or found.reason
    return found


def test_before_the_first_auction_the_band_of_80_per_cent_reaches_to_the_operators_rows() -> None:
    nothing = PriceRecord(np.zeros(0, dtype=np.int64), np.zeros(0), frame(0), np.zeros(0))
    found = foreseen(nothing, BEGIN)
    assert found.tier == "F4" and "auctions that traded: 0" in found.reason
    assert found.krw_per_kwh[:, 0] == pytest.approx([80, 80, 95, 120, 145, 160, 160])


def test_a_day_of_trade_weighs_as_much_as_the_operators_rows() -> None:
    day = replace(auctions(1), krw_per_kwh=np.full(SLOTS_PER_DAY, 100.0))
    found = foreseen(day)
    assert found.tier == "F4"
    assert found.krw_per_kwh[3] == pytest.approx((100 + 120) / 2)


@pytest.mark.parametrize(
    ("days", "sun", "tier"), [(3, 1.0, "F4"), (10, 1.0, "F0"), (10, None, "F3"), (40, 1.0, "F0")]
)
def test_the_tier_tells_how_much_is_known(days: int, sun: float | None, tier: str) -> None:
    assert foreseen(auctions(days), sun=sun).tier == tier


@pytest.mark.parametrize("sun", [0.3, 1.0])
def test_the_days_that_were_as_sunny_foretell_the_noon(sun: float) -> None:
    found = foreseen(auctions(30), sun=sun)
    slot = BEGIN + SLOT_S * np.arange(HORIZON)
    usual = price_of(slot, np.full(HORIZON, sun))
    late = slice(40, 70)
    assert np.abs(found.krw_per_kwh[3] - usual)[late].mean() < 4
    assert (found.krw_per_kwh[5] - found.krw_per_kwh[1])[late].mean() < 12


def test_a_price_that_is_always_the_operators_offer_is_foreseen_to_the_tick() -> None:
    record = auctions(20)
    held = replace(record, krw_per_kwh=np.full(len(record.slot), 160.0))
    np.testing.assert_allclose(foreseen(held).krw_per_kwh, 160.0)


def test_when_the_tariff_moves_the_price_moves_with_it() -> None:
    record = auctions(20)
    held = replace(record, krw_per_kwh=np.full(len(record.slot), 160.0))
    first = int(record.slot[-1]) + SLOT_S
    dear = Coming(first, PriceFrame(np.full(HORIZON, 90.0), np.full(HORIZON, 240.0)), None)
    found = forecast_price(RULES, held, dear, uncalibrated())
    np.testing.assert_allclose(found.krw_per_kwh, 240.0)


def test_no_auction_of_the_slot_or_later_is_read() -> None:
    record = auctions(40)
    first = int(record.slot[36 * SLOTS_PER_DAY])
    late = record.slot >= first
    poisoned = replace(
        record,
        krw_per_kwh=np.where(late, 777.0, record.krw_per_kwh),
        sun_frac=np.where(late, 0.0, record.sun_frac),
    )
    one, other = foreseen(record, first), foreseen(poisoned, first)
    assert one.krw_per_kwh.tobytes() == other.krw_per_kwh.tobytes()


def test_a_price_leaves_the_operators_rows_only_where_one_has_left_them_before() -> None:
    record = auctions(12)
    assert foreseen(record).krw_per_kwh.max() <= 160 + ROUNDING_KRW
    above = record.krw_per_kwh.copy()
    above[-400:] = 230.0
    assert foreseen(replace(record, krw_per_kwh=above)).krw_per_kwh.max() > 200
    cut = replace(record, krw_per_kwh=np.full(len(record.slot), 30.0))
    assert foreseen(cut).krw_per_kwh.min() == pytest.approx(30.0)


def test_prices_below_nought_are_foreseen_where_the_rules_allow_them() -> None:
    record = auctions(12)
    low = replace(record, krw_per_kwh=record.krw_per_kwh - 200.0)
    found = foreseen(low, rules=replace(RULES, floor=-1000.0))
    assert found.krw_per_kwh.max() < 0


@settings(max_examples=30, deadline=None)
@given(
    days=st.integers(1, 12),
    seed=st.integers(0, 9),
    wild=st.lists(st.sampled_from([np.nan, np.inf, -np.inf, -50.0, 0.0, 1e9]), max_size=60),
    sun=st.sampled_from([None, 0.0, 1.0]),
)
def test_whatever_stands_in_the_record_a_labelled_forecast_comes_out(
    days: int, seed: int, wild: list[float], sun: float | None
) -> None:
    record = auctions(days, seed)
    price = record.krw_per_kwh.copy()
    price[len(price) - len(wild) :] = wild
    foreseen(replace(record, krw_per_kwh=price, sun_frac=record.sun_frac * np.nan), sun=sun)
