"""What the grid pays for energy fed in: SMP by the hour, and certificates with their weights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from market.errors import MarketError
from market.tariff_data import dated_row

MILLI = 1000


@dataclass(frozen=True)
class FeedIn:
    """Mean SMP, the price of a certificate for one MWh, and its weight in thousandths."""

    smp_mkrw_per_kwh: int
    rec_krw_per_mwh: int
    weight_milli: int


def build_feed_in(terms: Mapping[str, Any], on: date, plant: str, capacity_kw: int) -> FeedIn:
    """What holds on a day for a kind of plant of this size; raises MarketError in one sentence.

    `terms` has the dated lists `smp` {mkrw_per_kwh}, `rec` {krw} and `rec_weight`, whose other keys
    are kinds of plant, each a list of [kW up to which it holds (0: any), weight in thousandths].
    """
    smp = dated_row("terms", terms, "smp", on).integer("mkrw_per_kwh")
    rec = dated_row("terms", terms, "rec", on).integer("krw")
    weights = dated_row("terms", terms, "rec_weight", on)
    classes = weights.found.get(plant)
    if plant == "from" or classes is None:
        known = ", ".join(sorted(weights.found.keys() - {"from"}))
        raise MarketError(f"plant {plant!r} is unknown, allowed: {known}")
    for most_kw, weight in classes:
        if most_kw == 0 or capacity_kw <= most_kw:
            return FeedIn(smp, rec, weight)
    raise MarketError(f"plant {plant!r} of {capacity_kw} kW has no weight")


def smp_income_ukrw(hours: Iterable[tuple[int, int]]) -> int:
    """Income from (Wh fed in, SMP of the hour in milli-won per kWh), micro-won."""
    return sum(e_wh * price for e_wh, price in hours)


def rec_income_ukrw(e_wh: int, feed_in: FeedIn) -> int:
    """Income from the certificates of this many Wh, micro-won, rounded down."""
    return e_wh * feed_in.rec_krw_per_mwh * feed_in.weight_milli // MILLI
