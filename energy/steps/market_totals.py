"""The market of a run in a few figures, from its audited slots."""

from typing import Any

from energy.steps.market_day import MarketDay
from energy.units import MKRW_PER_KRW, UKRW_PER_KRW


def market_totals(found: MarketDay) -> dict[str, Any]:
    """The market of a run from its committed rows; money in won, prices in won per kWh.

    `gain_krw` is what traders gained over tariff and feed-in alone, `contract_gain_krw` what
    contracts did; `worse_off` counts traders whose gain is below 0.
    """
    slots, customers = found.slots, found.customers
    lows = [one.price_low_mkrw_per_kwh for one in slots if one.price_low_mkrw_per_kwh is not None]
    highs = [
        one.price_high_mkrw_per_kwh for one in slots if one.price_high_mkrw_per_kwh is not None
    ]
    traded = customers.has_traded
    gain, delivered = customers.gain_ukrw[traded], customers.delivered_ukrw[traded]

    def won(amount_ukrw: int) -> float:
        return round(amount_ukrw / UKRW_PER_KRW, 2)

    return {
        "closed": found.is_closed,
        "slots": len(slots),
        "slots_with_trade": len(lows),
        "bought_kwh": sum(one.bought_wh for one in slots) / 1000,
        "price_low_krw_per_kwh": min(lows) / MKRW_PER_KRW if lows else None,
        "price_high_krw_per_kwh": max(highs) / MKRW_PER_KRW if highs else None,
        "welfare_krw": won(sum(one.welfare_ukrw for one in slots)),
        "fees_krw": won(sum(one.fee_ukrw for one in slots)),
        "rent_krw": won(sum(one.rent_ukrw for one in slots)),
        "unexplained_krw": won(sum(one.open_ukrw for one in slots)),
        "orders_against_limit": sum(one.against_limit for one in slots),
        "traders": int(traded.sum()),
        "gain_krw": won(int(gain.sum())),
        "contract_gain_krw": won(int(customers.contract_gain_ukrw.sum())),
        "worse_off": int((gain < 0).sum()),
        "worse_off_on_delivered": int((delivered < 0).sum()),
    }
