"""What an account ends with in a settled slot, written from the two-settlement formula.

Cleared energy at the price; what was not delivered is bought at `short`, what was not drawn is
sold back at `long`; the rest of the reading goes at tariff or feed-in. One account at a time.
"""

from market.settlement import SettlementInput
from market.tariff import charge_ukrw, price_mkrw_per_kwh


def balances_ukrw(inputs: SettlementInput) -> dict[bytes, int]:
    """Micro-won that each metered account and the SPC's trades have gained, by account."""
    readings, terms = inputs.readings, inputs.terms
    buy = price_mkrw_per_kwh(terms.connection, terms.calendar)
    found: dict[bytes, int] = {}
    trades = {trade.account: trade for trade in inputs.trades}
    for row, account in enumerate(readings.account):
        import_wh, export_wh = int(readings.import_wh[row]), int(readings.export_wh[row])
        amount = 0
        if account in trades:
            _, bought, sold, price = trades[account]
            missing, unused = max(sold - export_wh, 0), max(bought - import_wh, 0)
            amount += sold * price - missing * max(price, buy)
            amount += unused * min(price, terms.export_mkrw_per_kwh) - bought * price
            import_wh, export_wh = max(import_wh - bought, 0), max(export_wh - sold, 0)
        number = int(readings.tariff[row])
        if number >= 0:
            month = int(readings.month_import_wh[row])
            amount += export_wh * terms.feed_in_mkrw_per_kwh
            amount -= charge_ukrw(
                terms.tariffs[number], terms.calendar, from_wh=month, to_wh=month + import_wh
            )
        found[account] = amount
    return found
