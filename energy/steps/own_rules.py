"""All of the market's rules of a slot: what persons have changed, else what the data say.

This is the one place that puts both together for those who read and change rules. The loop asks
each part where it needs it: fees by `fees_at`, promises of a month by `changed_by`.
"""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from energy.district import District
from energy.steps.market_network import fees_at
from energy.tariffs import changed_by, load_customer_rules
from energy.timegrid import local_month_start
from market.rules import MONTHLY, MarketRules


def whole_rules(rules: MarketRules, district: District, slot: int) -> MarketRules:
    """The rules with nothing left open, as they are in a slot."""
    first = local_month_start(slot, district.time_zone)
    on = datetime.fromtimestamp(first, ZoneInfo(district.time_zone)).date()
    fees, month = fees_at(rules, district.fees), changed_by(load_customer_rules(on), rules)
    return replace(
        rules,
        network_fee_mkrw_per_kwh=fees.network_mkrw_per_kwh,
        local_fee_mkrw_per_kwh=fees.local_mkrw_per_kwh,
        premium_max_mkrw_per_kwh=rules.premium_bound_mkrw_per_kwh,
        guarantee_kept_ppm=month.guarantee.kept_ppm,
        guarantee_most_krw=month.guarantee.most_krw,
        points_issue_ppm=month.points_issue_ppm,
        points_pay_ppm=month.points_pay_ppm,
        rent_to_accounts=int(month.is_rent_shared),
    )


def month_wanted(changed: set[str], slot: int, time_zone: str) -> int | None:
    """The first slot of the next month where a change of these rules needs one, else None."""
    if not changed & set(MONTHLY) or local_month_start(slot, time_zone) == slot:
        return None
    return local_month_start(slot, time_zone, months_on=1)
