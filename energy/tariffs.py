"""Tariffs from `data/tariffs`, and their prices over a run of slots.

The files are TOML: `terms.toml` has what all tariffs share, every other file tariffs by name; the
keys are described in `market.tariff_data`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import data
from energy.timegrid import country_of, day_type, local_calendar, temporary_holidays
from energy.units import MKRW_PER_KRW
from market.errors import MarketError
from market.feed_in import FeedIn, build_feed_in
from market.guarantee import NO_GUARANTEE, PPM, GuaranteeRule
from market.rules import MarketRules
from market.tariff import SlotCalendar, Tariff, TariffDay, demand_counts, price_mkrw_per_kwh
from market.tariff_data import build_tariff, dated_row

TERMS = "terms.toml"
RENT_GOES_TO = ("accounts", "network")


def tariff_names() -> tuple[str, ...]:
    """The names of all tariffs, in order."""
    return tuple(sorted(_files()["rows"]))


@cache
def load_tariff(name: str, on: date, *, or_first: bool = False) -> Tariff:
    """The tariff of this name as it stands on a local day.

    With `or_first` its oldest table also stands for the time before it: a measured year of the
    past is then priced as if it were today. Raises MarketError, one sentence.
    """
    files = _files()
    return build_tariff(name, files["rows"], files["terms"], on, or_first=or_first)


def load_feed_in(plant: str, capacity_kw: int, on: date) -> FeedIn:
    """What the grid pays for energy of a kind of plant on a local day: SMP and certificates."""
    return build_feed_in(_files()["terms"], on, plant, capacity_kw)


@dataclass(frozen=True)
class CustomerRules:
    """What a month's bill assumes of a customer: the load factor that its contract power follows
    from, and up to how many kW of PV KEPCO alone would net by the month; the shares of points
    that are issued for sales to neighbours and that a bill may be paid with, 0 where they are off;
    the market's guarantee; and whether congestion rent goes to the accounts or to the network.
    """

    load_factor_ppm: int
    net_metering_kw_max: int
    points_issue_ppm: int = 0
    points_pay_ppm: int = 0
    guarantee: GuaranteeRule = NO_GUARANTEE
    is_rent_shared: bool = True


def load_customer_rules(on: date) -> CustomerRules:
    """The rules that hold on a local day; raises MarketError, one sentence."""
    return build_customer_rules(_files()["terms"], on)


def build_customer_rules(terms: Mapping[str, Any], on: date) -> CustomerRules:
    """The rules of a terms file that hold on a local day; raises MarketError, one sentence."""
    power = dated_row("terms", terms, "contract_power", on).integer("load_factor_ppm")
    netted = dated_row("terms", terms, "net_metering", on).integer("kw_max")
    points = dated_row("terms", terms, "points", on)
    promise = dated_row("terms", terms, "market_guarantee", on)
    rent = dated_row("terms", terms, "congestion_rent", on)
    kept_ppm = promise.integer("kept_ppm")
    if kept_ppm > PPM:
        raise promise.fail("kept_ppm", f"a whole number 0 to {PPM}")
    if rent.text("to") not in RENT_GOES_TO:
        raise rent.fail("to", " or ".join(RENT_GOES_TO))
    return CustomerRules(
        load_factor_ppm=power,
        net_metering_kw_max=netted,
        points_issue_ppm=points.integer("issue_ppm"),
        points_pay_ppm=points.integer("pay_ppm"),
        guarantee=GuaranteeRule(kept_ppm, promise.integer("most_krw")),
        is_rent_shared=rent.text("to") == RENT_GOES_TO[0],
    )


def changed_by(found: CustomerRules, rules: MarketRules) -> CustomerRules:
    """The same with what the market's rules have changed, as they hold in a month's first slot."""

    def as_changed(own: int, other: int | None) -> int:
        return own if other is None else other

    own = found.guarantee
    return replace(
        found,
        guarantee=GuaranteeRule(
            as_changed(own.kept_ppm, rules.guarantee_kept_ppm),
            as_changed(own.most_krw, rules.guarantee_most_krw),
        ),
        points_issue_ppm=as_changed(found.points_issue_ppm, rules.points_issue_ppm),
        points_pay_ppm=as_changed(found.points_pay_ppm, rules.points_pay_ppm),
        is_rent_shared=bool(as_changed(int(found.is_rent_shared), rules.rent_to_accounts)),
    )


def slot_calendar(slot: int, time_zone: str) -> SlotCalendar:
    """Local month, hour and kind of day of a slot, as tariffs see it."""
    return slot_calendars(np.array([slot], dtype=np.int64), time_zone)[0]


def slot_calendars(slots: npt.NDArray[np.int64], time_zone: str) -> tuple[SlotCalendar, ...]:
    """Local month, hour and kind of day of each slot, as tariffs see them."""
    local, country = local_calendar(slots, time_zone), country_of(time_zone)
    rows = zip(local.month, local.slot_of_day // 4, local.local_date, strict=True)
    return tuple(SlotCalendar(int(m), int(h), tariff_day(day, country)) for m, h, day in rows)


@cache
def tariff_day(day: date, country: str = "KR") -> TariffDay:
    """Kind of a local day as tariffs see it: a temporary holiday is billed as any other day.

    Temporary are those that the country's calendar names so and, in Korea, those of the terms.
    """
    ordinary = temporary_holidays(day.year, country)
    if country == "KR":
        ordinary |= listed_temporary_holidays(_files()["terms"])
    return TariffDay(day_type(day, country, ordinary).value)


def listed_temporary_holidays(terms: Mapping[str, Any]) -> frozenset[date]:
    """The temporary holidays that a terms file lists; raises MarketError, one sentence."""
    rows = terms.get("temporary_holiday")
    if not isinstance(rows, list):
        raise MarketError(
            f"terms: temporary_holiday: found {rows!r}, allowed a list of tables, each with `on`"
        )
    found = set[date]()
    for number, row in enumerate(rows, start=1):
        day = row.get("on") if isinstance(row, Mapping) else None
        if type(day) is not date:
            raise MarketError(
                f"terms: temporary_holiday {number}: on: found {day!r}, "
                "allowed a date such as 2024-10-01"
            )
        found.add(day)
    return frozenset(found)


def prices_krw_per_kwh(
    tariff: Tariff, calendars: tuple[SlotCalendar, ...]
) -> npt.NDArray[np.float64]:
    """Price of energy per slot with climate and fuel charge, won per kWh, for the planner."""
    prices = [price_mkrw_per_kwh(tariff, calendar) for calendar in calendars]
    return np.array(prices, dtype=np.float64) / MKRW_PER_KRW


def peak_counts(tariff: Tariff, calendars: tuple[SlotCalendar, ...]) -> npt.NDArray[np.bool_]:
    """Per slot, whether its import can raise the demand that is billed."""
    return np.array([demand_counts(tariff, calendar) for calendar in calendars], dtype=np.bool_)


@cache
def _files() -> dict[str, dict[str, Any]]:
    """The content of all files: `terms`, and the tariffs of all others as `rows`."""
    rows: dict[str, Any] = {}
    folder = data.path("tariffs")
    for path in sorted(folder.glob("*.toml")):
        if path.name == TERMS:
            continue
        found = read_tables(path)
        for name in found.keys() & rows.keys():
            raise MarketError(f"{path.name}: tariff {name!r} stands in two files, allowed one")
        rows |= found
    return {"rows": rows, "terms": read_tables(folder / TERMS)}


def read_tables(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; raises MarketError where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise MarketError(f"{path.name}: cannot be read as TOML: {error}") from error
