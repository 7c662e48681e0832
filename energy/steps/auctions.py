"""What the loop remembers of its auctions, and the forecast of their prices.

Everything follows from the store and the district: after a restart the same prices are foreseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from energy.district import District
from energy.forecast import DistrictForecast, History, cloudless_frac
from energy.forecast.calibration import Issue, Tracker
from energy.forecast.inputs import FloatArray, IntArray
from energy.forecast.prices import (
    LOOK_BACK_DAYS,
    Coming,
    PriceForecast,
    PriceFrame,
    PriceRecord,
    PriceRules,
    forecast_price,
)
from energy.steps.books import Books
from energy.steps.market_network import fees_at
from energy.steps.prices import beyond_tariff_krw_per_kwh, connection_prices
from energy.timegrid import slots_from
from energy.units import MKRW_PER_KRW, SLOT_S, SLOTS_PER_DAY
from market.rules import RuleBook

PRICE = "price"
"""The name of the auctions' price among the forecast quantities."""

RECORD_SLOTS = (LOOK_BACK_DAYS + 1) * SLOTS_PER_DAY


@dataclass
class Auctions:
    """The record of the auctions, and what the forecasts of their prices have taught.

    The rules are those that the books hold at the time.
    """

    district: District
    books: Books
    record: PriceRecord
    tracker: Tracker

    def append(self, slot: int, mkrw_per_kwh: int | None) -> None:
        """Add what an auction has come to, None without trade; slots passed over are unknown."""
        self.extend({slot: None if mkrw_per_kwh is None else mkrw_per_kwh / MKRW_PER_KRW})

    def extend(self, prices: Mapping[int, float | None]) -> None:
        """Add auctions by slot, in won per kWh; a slot that is in the record already is passed."""
        old = self.record
        begin = int(old.slot[-1]) + SLOT_S if len(old.slot) else min(prices, default=0)
        fresh = [slot for slot in prices if slot >= begin]
        if not fresh:
            return
        slots = slots_from(begin, (max(fresh) - begin) // SLOT_S + 1)
        price = np.full(len(slots), np.nan)
        for slot in fresh:
            found = prices[slot]
            price[(slot - begin) // SLOT_S] = np.nan if found is None else found
        frame = frame_of(self.district, self.books.rules, slots)

        def kept(before: FloatArray, after: FloatArray) -> FloatArray:
            return np.concatenate([before, after])[-RECORD_SLOTS:]

        self.record = PriceRecord(
            np.concatenate([old.slot, slots])[-RECORD_SLOTS:],
            kept(old.krw_per_kwh, price),
            PriceFrame(kept(old.frame.low, frame.low), kept(old.frame.high, frame.high)),
            kept(old.sun_frac, np.full(len(slots), np.nan)),
        )

    def forecast(
        self, first_slot: int, issue_slot: int, history: History, told: DistrictForecast
    ) -> PriceForecast:
        """Prices of the slots of a forecast that begins with `first_slot`, issued at `issue_slot`.

        The sun of earlier days is that of the district's record, that of the days to come the one
        of the forecast, where it had any weather.
        """
        if len(self.record.slot):
            self.tracker.learn(first_slot, self.record.slot, self.record.krw_per_kwh)
        record = replace(self.record, sun_frac=_sun_at(self.record.slot, issue_slot, history))
        has_sky = told.tier["weather"] == "F0"
        sun = cloudless_frac(told.cloud_frac) if has_sky else None
        frame = frame_of(self.district, self.books.rules, told.slots)
        coming = Coming(first_slot, frame, sun)
        rules = rules_of(self.books.rules, told.slots, self.district.time_zone)
        found = forecast_price(rules, record, coming, self.tracker.calibration)
        low, high = price_bounds(self.books.rules, told.slots)
        return replace(found, krw_per_kwh=np.clip(found.krw_per_kwh, low, high))

    def issued(self, forecast: DistrictForecast) -> None:
        """Remember a forecast that has gone out."""
        if forecast.price_krw_per_kwh is not None:
            self.tracker.issued(Issue(forecast.first_slot, forecast.price_krw_per_kwh))


def no_auctions(district: District, books: Books, tracker: Tracker) -> Auctions:
    """A market that has not held an auction yet."""
    frame = PriceFrame(np.zeros(0), np.zeros(0))
    empty = PriceRecord(np.zeros(0, dtype=np.int64), np.zeros(0), frame, np.zeros(0))
    return Auctions(district, books, empty, tracker)


def price_bounds(rules: RuleBook, slots: IntArray) -> tuple[FloatArray, FloatArray]:
    """Floor and cap of the auction of each slot, won per kWh, (T,)."""
    held = [rules.at(slot) for slot in slots.tolist()]
    floor = np.array([one.floor_mkrw_per_kwh for one in held]) / MKRW_PER_KRW
    return floor, np.array([one.cap_mkrw_per_kwh for one in held]) / MKRW_PER_KRW


def rules_of(rules: RuleBook, slots: IntArray, time_zone: str) -> PriceRules:
    """The market's rules in the forecaster's words: the widest band of the slots."""
    floor, cap = price_bounds(rules, slots)
    return PriceRules(float(floor.min()), float(cap.max()), time_zone)


def frame_of(district: District, rules: RuleBook, slots: IntArray) -> PriceFrame:
    """Where the operator's standing rows are for a buyer, as far as the connection's prices tell.

    What comes from the connection pays for the wires on its way.
    """
    prices = connection_prices(district, slots)
    held = [rules.at(slot).maker_spread_mkrw_per_kwh for slot in slots.tolist()]
    spread = np.array(held, dtype=np.float64) / MKRW_PER_KRW
    buy = prices.buy_krw_per_kwh + beyond_tariff_krw_per_kwh(district)
    fees = [fees_at(rules.at(slot), district.fees).network_mkrw_per_kwh for slot in slots.tolist()]
    offer = buy + spread + np.array(fees, dtype=np.float64) / MKRW_PER_KRW
    return PriceFrame(np.minimum(prices.sell_krw_per_kwh, buy) - spread, offer)


def _sun_at(slots: IntArray, issue_slot: int, history: History) -> FloatArray:
    """What the clouds let through at slots (T,) as observed before an issue, NaN where unknown."""
    known = history.slot < issue_slot
    there = history.slot[known]
    sun = cloudless_frac(history.cloud_frac[known])
    found = np.full(len(slots), np.nan)
    if len(there):
        row = (slots - int(there[0])) // SLOT_S
        inside = (row >= 0) & (row < len(there))
        found[inside] = sun[row[inside]]
    return found
