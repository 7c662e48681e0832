"""Tariffs from plain data, as it stands in `data/tariffs`: every error is one sentence.

`terms` has the levies and rules that all tariffs share, `rows` the tariffs by name:

    terms   climate, fuel, vat, fund: lists of {from, mkrw_per_kwh or ppm}; seasons: months by
            name; hours: by name, a list of {from, <season>: {mid, on}} with half-open hours;
            power_factor: list of {from, ...}; demand: {months, floor_ppm}
    row     title, and a list `table` of {from, ...} with either limits_kwh, energy_mkrw_per_kwh,
            basic_krw (progressive) or one price per season or three (off, mid, on),
            basic_krw_per_kw, basis ("contract" or "metered"), hours, and weekend: {seasons,
            hours, ppm, until} if the price is lower in some hours of Saturdays and holidays

Of every dated list the last entry that is not after the day counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

from market.errors import MarketError
from market.tariff import (
    Band,
    DemandRule,
    PowerFactorRule,
    ProgressiveTable,
    SeasonalTable,
    Tariff,
    TierSet,
    WeekendReduction,
)

# A million won: no price, limit or demand is greater, and all amounts of a month stay within int64.
NUMBER_MAX = 1_000_000_000
_PROGRESSIVE = {"from", "limits_kwh", "energy_mkrw_per_kwh", "basic_krw"}
_PROGRESSIVE_MORE = {
    "high_months", "high_limits_kwh", "super_months", "super_above_kwh", "super_mkrw_per_kwh"
}  # fmt: skip
_SEASONAL = {"from", "basic_krw_per_kw", "basis", "hours"}


class _Data:
    """A mapping with a name, whose values are asked for by kind."""

    def __init__(self, name: str, found: object) -> None:
        if not isinstance(found, Mapping):
            raise MarketError(f"{name}: found {found!r}, allowed a table of keys")
        self.name, self.found = name, found

    def fail(self, key: str, allowed: str) -> MarketError:
        """The sentence for a key whose value will not do."""
        found = repr(self.found[key]) if key in self.found else "nothing"
        return MarketError(f"{self.name}: {key}: found {found}, allowed {allowed}")

    def integer(self, key: str) -> int:
        found = self.found.get(key)
        if type(found) is not int or not 0 <= found <= NUMBER_MAX:
            raise self.fail(key, f"a whole number 0 to {NUMBER_MAX}")
        return found

    def signed(self, key: str) -> int:
        found = self.found.get(key)
        if type(found) is not int or abs(found) > NUMBER_MAX:
            raise self.fail(key, f"a whole number -{NUMBER_MAX} to {NUMBER_MAX}")
        return found

    def integers(self, key: str, counts: Sequence[int] = ()) -> tuple[int, ...]:
        found = self.found.get(key)
        numbers = found if isinstance(found, list) else [None]
        good = all(type(one) is int and 0 <= one <= NUMBER_MAX for one in numbers)
        if not good or (counts and len(numbers) not in counts):
            some = " or ".join(map(str, counts)) or "some"
            raise self.fail(key, f"a list of {some} whole numbers 0 to {NUMBER_MAX}")
        return tuple(numbers)

    def months(self, key: str) -> frozenset[int]:
        months = frozenset(self.integers(key))
        if not months <= set(range(1, 13)):
            raise self.fail(key, "months 1 to 12")
        return months

    def text(self, key: str) -> str:
        found = self.found.get(key)
        if type(found) is not str or not found:
            raise self.fail(key, "a text")
        return found

    def dated(self, key: str, on: date, *, or_first: bool) -> "_Data":
        """The entry of a dated list that holds on a day."""
        rows = self.found.get(key)
        if not isinstance(rows, list) or not rows:
            raise self.fail(key, "a list of tables, each with `from`")
        known = []
        for number, row in enumerate(rows):
            one = _Data(f"{self.name}: {key} {number + 1}", row)
            if type(one.found.get("from")) is not date:
                raise one.fail("from", "a date such as 2026-06-01")
            known.append((one.found["from"], number, one))
        known.sort(key=lambda entry: entry[:2])
        valid = [one for start, _, one in known if start <= on]
        if not valid and not or_first:
            raise MarketError(
                f"{self.name}: {key}: nothing for {on}, allowed {known[0][0]} or later"
            )
        return valid[-1] if valid else known[0][2]

    def require_keys(self, needed: set[str], more: set[str]) -> None:
        """Raise unless all needed keys and none but `more` beside them are there."""
        for key in sorted(needed - self.found.keys()):
            raise self.fail(key, "a value")
        for key in sorted(self.found.keys() - needed - more):
            raise MarketError(
                f"{self.name}: unknown key {key!r}, allowed: {', '.join(sorted(needed | more))}"
            )


def build_tariff(
    name: str,
    rows: Mapping[str, Any],
    terms: Mapping[str, Any],
    on: date,
    *,
    or_first: bool = False,
) -> Tariff:
    """The tariff of this name as it stands on a day.

    With `or_first` the oldest known table stands for the time before it as well. Raises
    MarketError where the name, the day or the data are not good.
    """
    if name not in rows:
        raise MarketError(f"tariff {name!r} is unknown, allowed: {', '.join(sorted(rows))}")
    row, shared = _Data(f"tariff {name}", rows[name]), _Data("terms", terms)
    row.require_keys({"title", "table"}, {"source"})
    table = row.dated("table", on, or_first=or_first)
    progressive = "limits_kwh" in table.found
    start: date = table.found["from"]
    levy = {key: shared.dated(key, on, or_first=or_first) for key in _LEVIES}
    return Tariff(
        name=name,
        title=row.text("title"),
        version=start.year * 10_000 + start.month * 100 + start.day,
        table=_progressive(table) if progressive else _seasonal(table, shared, on),
        climate_mkrw_per_kwh=levy["climate"].integer("mkrw_per_kwh"),
        fuel_mkrw_per_kwh=levy["fuel"].signed("mkrw_per_kwh"),
        vat_ppm=levy["vat"].integer("ppm"),
        fund_ppm=levy["fund"].integer("ppm"),
        power_factor=PowerFactorRule(
            **{
                field.name: levy["power_factor"].integer(field.name)
                for field in fields(PowerFactorRule)
            }
        ),
    )


def dated_row(name: str, found: object, key: str, on: date) -> _Data:
    """The entry of a dated list that holds on a day; before the first, the first."""
    return _Data(name, found).dated(key, on, or_first=True)


_LEVIES = ("climate", "fuel", "vat", "fund", "power_factor")


def _progressive(table: _Data) -> ProgressiveTable:
    table.require_keys(_PROGRESSIVE, _PROGRESSIVE_MORE)
    prices = table.integers("energy_mkrw_per_kwh")
    steps = len(prices)
    if not steps:
        raise table.fail("energy_mkrw_per_kwh", "one price at least")
    basic = table.integers("basic_krw", (steps,))
    usual = table.integers("limits_kwh", (steps - 1,))
    high_months = table.months("high_months") if "high_months" in table.found else frozenset()
    high = table.integers("high_limits_kwh", (steps - 1,)) if high_months else usual
    super_months = table.months("super_months") if "super_months" in table.found else frozenset()
    tiers = []
    for month in range(1, 13):
        limits, price, krw = (high if month in high_months else usual), prices, basic
        if month in super_months:
            limits = (*limits, table.integer("super_above_kwh"))
            price, krw = (*price, table.integer("super_mkrw_per_kwh")), (*krw, krw[-1])
        if list(limits) != sorted(set(limits)):
            raise table.fail("limits_kwh", "rising limits")
        tiers.append(TierSet(tuple(1000 * limit for limit in limits), price, krw))
    return ProgressiveTable(tuple(tiers))


def _seasonal(table: _Data, terms: _Data, on: date) -> SeasonalTable:
    seasons = _Data("terms: seasons", terms.found.get("seasons"))
    names = tuple(seasons.found)
    table.require_keys(_SEASONAL | set(names), {"floor_ppm", "weekend"})
    season_of_month = [
        [at for at, name in enumerate(names) if month in seasons.months(name)]
        for month in range(1, 13)
    ]
    if any(len(found) != 1 for found in season_of_month):
        raise MarketError("terms: seasons: a month is in none or two, allowed each month once")
    if table.text("basis") not in ("contract", "metered"):
        raise table.fail("basis", "contract or metered")
    clocks = _Data("terms: hours", terms.found.get("hours"))
    # An old year on the oldest known prices also takes the oldest known hours.
    hours = clocks.dated(table.text("hours"), on, or_first=True)
    demand = _Data("terms: demand", terms.found.get("demand"))
    floor = table if "floor_ppm" in table.found else demand
    return SeasonalTable(
        season_names=names,
        season_of_month=tuple(found[0] for found in season_of_month),
        price_mkrw_per_kwh=tuple(_prices(table, name) for name in names),
        band_of_hour=tuple(_bands(hours, name) for name in names),
        demand=DemandRule(
            basic_krw_per_kw=table.integer("basic_krw_per_kw"),
            on_contract=table.text("basis") == "contract",
            months=demand.months("months"),
            floor_ppm=floor.integer("floor_ppm"),
        ),
        reduction=_reduction(table, names, on) if "weekend" in table.found else None,
    )


def _reduction(table: _Data, names: tuple[str, ...], on: date) -> WeekendReduction | None:
    """The weekend reduction of a table; None after its last day."""
    row = _Data(f"{table.name}: weekend", table.found["weekend"])
    row.require_keys({"seasons", "hours", "ppm", "until"}, set())
    seasons, hours = row.found["seasons"], row.integers("hours", (2,))
    if not isinstance(seasons, list) or not seasons or any(one not in names for one in seasons):
        raise row.fail("seasons", f"some of {', '.join(names)}")
    if not 0 <= hours[0] < hours[1] <= 24:
        raise row.fail("hours", "[first, end) of 0 to 24")
    if row.integer("ppm") > 1_000_000:
        raise row.fail("ppm", "0 to 1000000")
    if type(row.found["until"]) is not date:
        raise row.fail("until", "a date such as 2030-12-31")
    if on > row.found["until"]:
        return None
    places = frozenset(names.index(name) for name in seasons)
    return WeekendReduction(places, hours[0], hours[1], row.integer("ppm"))


def _prices(table: _Data, season: str) -> tuple[int, ...]:
    prices = table.integers(season, (1, 3))
    return prices if len(prices) == 3 else prices * 3


def _bands(hours: _Data, season: str) -> tuple[Band, ...]:
    """The band of each hour; what is neither MID nor ON is OFF."""
    found = _Data(f"{hours.name}: {season}", hours.found.get(season))
    found.require_keys({"mid", "on"}, set())
    bands = [Band.OFF] * 24
    for key, band in (("mid", Band.MID), ("on", Band.ON)):
        spans = found.found[key]
        if not isinstance(spans, list):
            raise found.fail(key, "pairs of hours [first, end), 0 to 24")
        for span in spans:
            good = isinstance(span, list) and len(span) == 2 and all(type(h) is int for h in span)
            if not good or not 0 <= span[0] < span[1] <= 24:
                raise found.fail(key, "pairs of hours [first, end), 0 to 24")
            for hour in range(*span):
                if bands[hour] != Band.OFF:
                    raise found.fail(key, f"hour {hour} in one band")
                bands[hour] = band
    return tuple(bands)
