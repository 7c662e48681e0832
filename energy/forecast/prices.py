"""The price of the auctions to come, from their own record and from what bounds it.

The operator stands in every book with what the connection can carry, so a price seldom leaves the
frame between its standing bid and its standing offer, and often it is the offer itself, to the
tick. So prices are read as their place in the frame, 0 at the bid and 1 at the offer, and foreseen
by the days that are most like the one to come: of the same type, as sunny, and with an hour like
the last one. A regression would smooth away the prices that are exactly the offer.
"""

from dataclasses import dataclass

import numpy as np

from energy.forecast.axis import Axis, build_axis, taken
from energy.forecast.calibration import Calibration, stretched
from energy.forecast.inputs import QUANTILES, FloatArray, ForecastError, IntArray
from energy.forecast.node import TIER_DAYS_MIN, TRADED_FRAC_MIN
from energy.forecast.results import Tier
from energy.units import DT_H, SLOT_S, SLOTS_PER_DAY, SLOTS_PER_HOUR

ROUNDING_KRW = 0.2
"""Standing rows are rounded outwards to the tick, and the mean of zones to a milli-won."""
LOOK_BACK_DAYS = 35
HALF_LIFE_DAYS = 14.0
OTHER_KIND = 0.1
"""Weight of a day of another type: Sundays cost what Sundays cost, but a young market has few."""
SUN_ALIKE, PLACE_ALIKE = 0.12, 0.12
"""Days whose sun, or whose last two hours' prices, differ by so much count as six tenths alike."""
LAST_SLOTS = 2 * SLOTS_PER_HOUR
FADE_H = 6.0
LEAN = 1e-3
FRAME_KRW_MIN = 1.0


@dataclass(frozen=True)
class PriceRules:
    """Lowest and highest price that the market's rules allow, won per kWh, and its calendar."""

    floor: float
    cap: float
    time_zone: str


@dataclass(frozen=True, eq=False)
class PriceFrame:
    """Standing bid and offer of the operator, won per kWh, (T,): an auction usually ends between.

    Where its connection is full, or its plan values energy otherwise, it may end outside.
    """

    low: FloatArray
    high: FloatArray

    def place_of(self, krw_per_kwh: FloatArray) -> FloatArray:
        """Prices (T,) as their place in the frame."""
        return (krw_per_kwh - self.low) / self.width

    def price_at(self, place: FloatArray) -> FloatArray:
        """The prices at places (Q, T)."""
        return np.asarray(self.low + place * self.width)

    @property
    def width(self) -> FloatArray:
        """How far apart they are, (T,), a won at least."""
        return np.maximum(self.high - self.low, FRAME_KRW_MIN)

    def until(self, end: int) -> "PriceFrame":
        """The first rows."""
        return PriceFrame(self.low[:end], self.high[:end])


@dataclass(frozen=True, eq=False)
class PriceRecord:
    """The auctions so far: contiguous slots (T,), won per kWh (T,), NaN without trade; the frame.

    sun_frac (T,) is the share of a clear sky's light that the clouds let through, NaN if unknown.
    """

    slot: IntArray
    krw_per_kwh: FloatArray
    frame: PriceFrame
    sun_frac: FloatArray

    def before(self, slot: int) -> "PriceRecord":
        """What was known when the auction of `slot` had not been held yet."""
        end = int(np.searchsorted(self.slot, slot))
        parts = (self.slot[:end], self.krw_per_kwh[:end], self.frame.until(end))
        return PriceRecord(*parts, self.sun_frac[:end])


@dataclass(frozen=True, eq=False)
class Coming:
    """The slots to be foreseen, from `first_slot` on: their frame and their sun (H,) as forecast,
    None without a forecast of the weather.
    """

    first_slot: int
    frame: PriceFrame
    sun_frac: FloatArray | None


@dataclass(frozen=True, eq=False)
class PriceForecast:
    """Quantiles of the price, won per kWh, (Q, H): of slots that trade. Rising, never NaN."""

    krw_per_kwh: FloatArray
    tier: Tier
    reason: str


def forecast_price(
    rules: PriceRules, record: PriceRecord, coming: Coming, calibration: Calibration
) -> PriceForecast:
    """Prices of the coming slots, from the auctions before the first of them.

    Never outside floor and cap; and not outside the frame as long as no auction of the record was.
    F0 from a week on, F3 without a forecast of the sun, F4 in a market's first week. Raises
    ForecastError where shapes differ.
    """
    shapes = {record.slot.shape, record.krw_per_kwh.shape, record.frame.low.shape}
    if len(shapes) > 1:
        raise ForecastError(f"prices: shapes {sorted(shapes)} found, allowed a price per slot")
    known = _believed(rules, record.before(coming.first_slot))
    tier: Tier = "F4"
    seen = np.flatnonzero(np.isfinite(known.krw_per_kwh))
    days = (len(known.slot) - seen[0]) / SLOTS_PER_DAY if len(seen) else 0.0
    if days < TIER_DAYS_MIN or len(seen) < TIER_DAYS_MIN * SLOTS_PER_DAY * TRADED_FRAC_MIN:
        reason = f"auctions that traded: {len(seen)} in {days:.1f} days, wanted: {TIER_DAYS_MIN}"
        found = _young(known, len(coming.frame.low))
    else:
        found = _alike(rules, known, coming)
        reason = "" if coming.sun_frac is not None else "no weather forecast"
        tier = "F3" if reason else "F0"
    price = stretched(calibration, coming.frame.price_at(found))
    low, high = _bounds(rules, known, coming.frame)
    return PriceForecast(np.clip(price, low, high), tier, reason)


def _believed(rules: PriceRules, known: PriceRecord) -> PriceRecord:
    """The record without prices that the rules do not allow."""
    with np.errstate(invalid="ignore"):
        good = (known.krw_per_kwh >= rules.floor) & (known.krw_per_kwh <= rules.cap)
    price = np.where(good, known.krw_per_kwh, np.nan)
    return PriceRecord(known.slot, price, known.frame, known.sun_frac)


def _young(known: PriceRecord, horizon: int) -> FloatArray:
    """Places (Q, H) in a market under a week old: all of the frame alike, and soon its own record.

    A day of trade weighs as much as the frame, whose edges are the band of 80 %: there most prices
    of such a market are.
    """
    even = np.repeat(np.clip((QUANTILES - 0.1) / 0.8, 0.0, 1.0)[:, None], horizon, axis=1)
    own = known.frame.place_of(known.krw_per_kwh)
    own = own[np.isfinite(own)]
    if not len(own):
        return even
    share = len(own) / (len(own) + SLOTS_PER_DAY)
    return np.asarray(share * np.quantile(own, QUANTILES)[:, None] + (1 - share) * even)


def _alike(rules: PriceRules, known: PriceRecord, coming: Coming) -> FloatArray:
    """Places (Q, H): weighted quantiles of the same quarter on earlier days, likest days first."""
    end, horizon = len(known.slot), len(coming.frame.low)
    count = (coming.first_slot - int(known.slot[0])) // SLOT_S + horizon
    slots = known.slot[0] + SLOT_S * np.arange(count, dtype=np.int64)
    axis = build_axis(slots, rules.time_zone)
    place = known.frame.place_of(known.krw_per_kwh)
    sun = _hours_mean(known.sun_frac)
    ahead = np.full(horizon, np.nan) if coming.sun_frac is None else _hours_mean(coming.sun_frac)
    values, weights = [], []
    for days in range(1, LOOK_BACK_DAYS + 1):
        found, weight = _day(axis, place, sun, ahead, days, end)
        values.append(found)
        weights.append(weight)
    # So that a quarter in which nobody ever traded has a place too.
    values.append(np.full(horizon, float(np.nanmedian(place))))
    weights.append(np.full(horizon, LEAN**2))
    return _weighted_quantiles(np.stack(values), np.stack(weights))


def _day(
    axis: Axis, place: FloatArray, sun: FloatArray, ahead: FloatArray, days: int, end: int
) -> tuple[FloatArray, FloatArray]:
    """Places (H,) of the coming quarters so many days before, and how much they count."""
    horizon = len(ahead)
    target = np.arange(len(axis.slot) - horizon, len(axis.slot))
    position = axis.before(days)[target]
    position = np.where(position < end, position, -1)
    found = taken(place[:, None], position)[:, 0]
    same = axis.kind[np.maximum(position, 0)] == axis.kind[target]
    weight = np.where(same, 1.0, OTHER_KIND) * 0.5 ** (days / HALF_LIFE_DAYS)
    unlike = taken(sun[:, None], position)[:, 0] - ahead
    weight *= LEAN + np.exp(-0.5 * np.nan_to_num(unlike / SUN_ALIKE) ** 2)
    last = np.arange(max(end - LAST_SLOTS, 0), end)
    apart = taken(place[:, None], axis.before(days)[last])[:, 0] - place[last]
    if np.isfinite(apart).any():
        lead_h = (target - end + 1) * DT_H
        near = np.exp(-0.5 * (float(np.nanmean(apart)) / PLACE_ALIKE) ** 2)
        weight *= (LEAN + near) ** np.exp(-lead_h / FADE_H)
    return found, np.where(np.isfinite(found), weight, 0.0)


def _hours_mean(sun_frac: FloatArray) -> FloatArray:
    """Mean of the hour about each slot, for a forecast is smoother than what comes; gaps stay."""
    known = np.isfinite(sun_frac)
    if not len(sun_frac):
        return sun_frac
    ones = np.ones(SLOTS_PER_HOUR + 1)
    total = np.convolve(np.where(known, sun_frac, 0.0), ones, mode="same")[: len(sun_frac)]
    share = np.convolve(known.astype(np.float64), ones, mode="same")[: len(sun_frac)]
    return np.where(known, total / np.maximum(share, 1.0), np.nan)


def _weighted_quantiles(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Quantiles (Q, H) of columns (D, H) by their weights; each column has one weight at least."""
    order = np.argsort(np.where(weights > 0, values, np.inf), axis=0, kind="stable")
    rising = np.take_along_axis(np.where(weights > 0, values, 0.0), order, axis=0)
    mass = np.take_along_axis(weights, order, axis=0)
    middle = (np.cumsum(mass, axis=0) - mass / 2) / mass.sum(axis=0)
    columns = range(values.shape[1])
    counts = (weights > 0).sum(axis=0)
    return np.stack(
        [
            np.interp(QUANTILES, middle[:n, c], rising[:n, c])
            for c, n in zip(columns, counts.tolist(), strict=True)
        ],
        axis=1,
    )


def _bounds(
    rules: PriceRules, known: PriceRecord, frame: PriceFrame
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest price of each coming slot, (H,)."""
    with np.errstate(invalid="ignore"):
        above = (known.krw_per_kwh > known.frame.high + ROUNDING_KRW).any()
        below = (known.krw_per_kwh < known.frame.low - ROUNDING_KRW).any()
    high = np.full(len(frame.high), rules.cap) if above else frame.high + ROUNDING_KRW
    low = np.full(len(frame.low), rules.floor) if below else frame.low - ROUNDING_KRW
    return np.clip(low, rules.floor, rules.cap), np.clip(high, rules.floor, rules.cap)
