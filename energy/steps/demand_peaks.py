"""The highest demand of each month at the connection, what of it the basic charge still counts, and
what a kW more will come to.

KEPCO bills the highest demand of the running month and of Jul, Aug, Sep, Dec, Jan and Feb within
the last twelve; which months these are is the tariff's.
"""

import math
from collections.abc import Mapping
from typing import Any

from energy.district import District
from energy.steps.prices import connection_tariff
from energy.timegrid import month_number
from market.tariff import DemandRule, ProgressiveTable, SeasonalTable, billing_demand_kw

Month = tuple[int, int]
Peaks = Mapping[Month, float]
"""Highest counted import of local months (year, month), kW."""

MONTHS_COUNTED = 12


def month_of(slot: int, time_zone: str) -> Month:
    """The local year and month of a slot."""
    year, month0 = divmod(month_number(slot, time_zone), 12)
    return year, month0 + 1


def with_demand(peaks: Peaks, month: Month, kw: float) -> dict[Month, float]:
    """The peaks with a demand of the newest month; without those that no month counts any more."""
    kept = {key: old for key, old in peaks.items() if _months_on(key, month) < MONTHS_COUNTED}
    return kept | {month: max(kept.get(month, 0.0), kw)}


def billed_kw(district: District, slot: int, peaks: Peaks, month: Month) -> int:
    """The kW of the connection's basic charge in a month, by the tariff of a slot in it."""
    table = connection_tariff(district, slot).table
    if isinstance(table, ProgressiveTable):
        return 0
    return billing_demand_kw(
        table.demand,
        metered_kw={key: math.ceil(kw) for key, kw in peaks.items()},
        month=month,
        contract_kw=math.ceil(district.connection.p_import_kw_max),
    )


def owed_kw(district: District, slot: int, peaks: Peaks) -> float:
    """The peak that is billed in the month of a slot by earlier months alone."""
    month = month_of(slot, district.time_zone)
    before = {key: kw for key, kw in peaks.items() if key != month}
    return float(billed_kw(district, slot, before, month))


def incurred_kw(district: District, slot: int, peaks: Peaks) -> float:
    """The peak that is billed anyway in the month of a slot."""
    return float(billed_kw(district, slot, peaks, month_of(slot, district.time_zone)))


def new_peak_krw_per_kw(district: District, slot: int, peaks: Peaks) -> float:
    """What a kW beyond the peak incurred will cost in all the months in which it is billed."""
    table = connection_tariff(district, slot).table
    if not isinstance(table, SeasonalTable):
        return 0.0
    month = month_of(slot, district.time_zone)
    seen = sum(
        0 < _months_on(key, month) < MONTHS_COUNTED and key[1] in table.demand.months
        for key in peaks
    )
    return table.basic_krw_per_kw * months_billed(table.demand, month[1], seen)


def months_billed(rule: DemandRule, month: int, seen: int) -> float:
    """In how many months, this one included, a kW of a new peak is expected to be billed.

    In a month that later ones do not look back on it is this one alone. Else it is billed until a
    later month that counts has a higher peak, at most twelve times. Assumed is that all months that
    count are alike: of `seen` + 1 such months this is the highest, so after j more of them it still
    is with probability (seen + 1) / (seen + 1 + j).
    """
    billed, later = 1.0, 0
    for ahead in range(1, MONTHS_COUNTED if month in rule.months else 1):
        later += (month - 1 + ahead) % 12 + 1 in rule.months
        billed += (seen + 1) / (seen + 1 + later)
    return billed


def peaks_json(peaks: Peaks) -> dict[str, float]:
    """The peaks for a row of the store, by `2026-07`."""
    return {f"{year:04}-{month:02}": kw for (year, month), kw in peaks.items()}


def peaks_of(summary: Mapping[str, Any], slot: int, time_zone: str) -> dict[Month, float]:
    """The months' peaks in a slot's summary; an older row has one of all times: of its month."""
    if "peaks_kw" not in summary:
        return {month_of(slot, time_zone): float(summary["peak_kw"])}
    return {(int(name[:4]), int(name[5:])): kw for name, kw in summary["peaks_kw"].items()}


def _months_on(month: Month, later: Month) -> int:
    return later[0] * 12 + later[1] - month[0] * 12 - month[1]
