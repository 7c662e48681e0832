"""Tariffs: what a kWh costs at an hour or at a height of the month's use, and the month's bill.

A tariff is frozen data; calendars come in as plain local values. Prices are milli-won per kWh.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


class TariffDay(StrEnum):
    """Kind of a local day; the words of `energy.timegrid.DayType`."""

    WEEKDAY = "weekday"
    SATURDAY = "saturday"
    HOLIDAY = "holiday"  # Sundays and public holidays


class Band(IntEnum):
    """Time-of-use band."""

    OFF = 0
    MID = 1
    ON = 2


@dataclass(frozen=True)
class SlotCalendar:
    """Local month 1..12, hour 0..23 and kind of day of a slot."""

    month: int
    hour: int
    day: TariffDay


@dataclass(frozen=True)
class TierSet:
    """The steps of one month: `price` i up to `limit` i, the last without limit.

    The highest step that a month's use reaches sets the basic charge.
    """

    limit_wh: tuple[int, ...]
    price_mkrw_per_kwh: tuple[int, ...]
    basic_krw: tuple[int, ...]


@dataclass(frozen=True)
class ProgressiveTable:
    """Steps by the month's use; twelve entries, January first."""

    tiers: tuple[TierSet, ...]


@dataclass(frozen=True)
class DemandRule:
    """What the basic charge counts, in kW.

    With `on_contract` the contract power; else the highest 15-minute demand of the MID and ON
    bands in the running month and in those of `months` among the last twelve, and at least
    `floor_ppm` of the contract power.
    """

    basic_krw_per_kw: int
    on_contract: bool
    months: frozenset[int] = frozenset()
    floor_ppm: int = 0


@dataclass(frozen=True)
class WeekendReduction:
    """Hours of Saturdays and holidays in which the energy price is lowered by `ppm` of it."""

    seasons: frozenset[int]
    first_hour: int
    end_hour: int
    ppm: int


@dataclass(frozen=True)
class SeasonalTable:
    """Prices by season and band, and a basic charge per kW.

    `season_of_month` has twelve entries; prices are by season, then by band; `band_of_hour` by
    season, then by hour, on weekdays. On Saturdays ON is billed as MID, on holidays all is OFF.
    """

    season_names: tuple[str, ...]
    season_of_month: tuple[int, ...]
    price_mkrw_per_kwh: tuple[tuple[int, ...], ...]
    band_of_hour: tuple[tuple[Band, ...], ...]
    demand: DemandRule
    reduction: WeekendReduction | None = None

    @property
    def basic_krw_per_kw(self) -> int:
        """Basic charge per kW and month, won."""
        return self.demand.basic_krw_per_kw

    def season(self, month: int) -> int:
        """Position of the month's season."""
        return self.season_of_month[month - 1]

    def is_flat(self, month: int) -> bool:
        """Whether all hours of the month cost the same."""
        return len(set(self.price_mkrw_per_kwh[self.season(month)])) == 1


@dataclass(frozen=True)
class PowerFactorRule:
    """Percent at which the basic charge is neither raised nor lowered, and how far it counts."""

    lag_standard_pct: int
    lag_best_pct: int
    lag_worst_pct: int
    lead_standard_pct: int
    ppm_per_point: int


@dataclass(frozen=True)
class Tariff:
    """One tariff as it stands on a day; `version` is the date of its table as yyyymmdd."""

    name: str
    title: str
    version: int
    table: ProgressiveTable | SeasonalTable
    climate_mkrw_per_kwh: int
    fuel_mkrw_per_kwh: int
    vat_ppm: int
    fund_ppm: int
    power_factor: PowerFactorRule

    @property
    def adders_mkrw_per_kwh(self) -> int:
        """Climate and fuel charge together, on every kWh."""
        return self.climate_mkrw_per_kwh + self.fuel_mkrw_per_kwh


def band_of(table: SeasonalTable, calendar: SlotCalendar) -> Band:
    """The band in which energy of the slot is billed."""
    if calendar.day == TariffDay.HOLIDAY:
        return Band.OFF
    band = table.band_of_hour[table.season(calendar.month)][calendar.hour]
    return Band.MID if band == Band.ON and calendar.day == TariffDay.SATURDAY else band


def is_reduced(table: SeasonalTable, calendar: SlotCalendar) -> bool:
    """Whether the energy price of the slot is lowered by the table's weekend reduction."""
    rule = table.reduction
    return (
        rule is not None
        and calendar.day != TariffDay.WEEKDAY
        and table.season(calendar.month) in rule.seasons
        and rule.first_hour <= calendar.hour < rule.end_hour
    )


def reduced_mkrw_per_kwh(table: SeasonalTable, price: int) -> int:
    """The price in hours of the weekend reduction, rounded down."""
    return price - price * (table.reduction.ppm if table.reduction else 0) // 1_000_000


def price_mkrw_per_kwh(tariff: Tariff, calendar: SlotCalendar, month_wh: int = 0) -> int:
    """What the next Wh costs, climate and fuel included, taxes not.

    `month_wh` is what the month has used so far; only progressive tariffs look at it.
    """
    table = tariff.table
    if isinstance(table, SeasonalTable):
        band = band_of(table, calendar)
        price = table.price_mkrw_per_kwh[table.season(calendar.month)][band]
        if is_reduced(table, calendar):
            price = reduced_mkrw_per_kwh(table, price)
    else:
        tiers = table.tiers[calendar.month - 1]
        price = tiers.price_mkrw_per_kwh[sum(month_wh >= limit for limit in tiers.limit_wh)]
    return price + tariff.adders_mkrw_per_kwh


def charge_ukrw(tariff: Tariff, calendar: SlotCalendar, *, from_wh: int, to_wh: int) -> int:
    """What a slot's energy costs that takes the month's use from one height to the other.

    Exact, climate and fuel included; basic charge, taxes and rounding belong to the bill. Less
    than 0 where `to_wh` is the lower one.
    """
    heights = np.array([from_wh, to_wh], dtype=np.int64)
    return int(charges_ukrw(tariff, calendar, from_wh=heights[:1], to_wh=heights[1:])[0])


def charges_ukrw(
    tariff: Tariff, calendar: SlotCalendar, *, from_wh: IntArray, to_wh: IntArray
) -> IntArray:
    """`charge_ukrw` of many meters at once."""
    table = tariff.table
    if isinstance(table, SeasonalTable):
        return (to_wh - from_wh) * price_mkrw_per_kwh(tariff, calendar)
    tiers = table.tiers[calendar.month - 1]
    energy = _up_to(tiers, to_wh) - _up_to(tiers, from_wh)
    return energy + (to_wh - from_wh) * tariff.adders_mkrw_per_kwh


def _up_to(tiers: TierSet, wh: IntArray) -> IntArray:
    """Energy charge of a month that has used `wh`, in micro-won."""
    total = wh * tiers.price_mkrw_per_kwh[0]
    rises = zip(tiers.price_mkrw_per_kwh, tiers.price_mkrw_per_kwh[1:], strict=False)
    for limit, (below, above) in zip(tiers.limit_wh, rises, strict=True):
        total = total + np.maximum(wh - limit, 0) * (above - below)
    return total


def demand_counts(tariff: Tariff, calendar: SlotCalendar) -> bool:
    """Whether the import of a slot can raise the demand that the basic charge counts."""
    table = tariff.table
    if isinstance(table, ProgressiveTable) or table.demand.on_contract:
        return False
    return band_of(table, calendar) != Band.OFF


def billing_demand_kw(
    rule: DemandRule,
    *,
    metered_kw: dict[tuple[int, int], int],
    month: tuple[int, int],
    contract_kw: int,
) -> int:
    """The kW of the basic charge in a month (year, month).

    `metered_kw` has the highest demand of the counting hours by month; later months and those
    more than eleven months back are not looked at.
    """
    if rule.on_contract:
        return contract_kw
    now = month[0] * 12 + month[1]
    counted = [
        kw
        for (year, other), kw in metered_kw.items()
        if 0 <= now - (year * 12 + other) < 12 and ((year, other) == month or other in rule.months)
    ]
    floor_kw = -(-contract_kw * rule.floor_ppm // 1_000_000)
    return max([floor_kw, *counted])
