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
class SeasonalTable:
    """Prices by season and band, and a basic charge per kW.

    `season_of_month` has twelve entries; `price` is by season, then by band; `band_of_hour` by
    season, then by hour, on weekdays. On Saturdays ON is billed as MID, on holidays all is OFF.
    `basic_on_contract`: the basic charge counts contract power instead of the billing demand.
    """

    season_names: tuple[str, ...]
    season_of_month: tuple[int, ...]
    price_mkrw_per_kwh: tuple[tuple[int, int, int], ...]
    band_of_hour: tuple[tuple[int, ...], ...]
    basic_krw_per_kw: int
    basic_on_contract: bool


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

    @property
    def adders_mkrw_per_kwh(self) -> int:
        """Climate and fuel charge together, on every kWh."""
        return self.climate_mkrw_per_kwh + self.fuel_mkrw_per_kwh
