"""The month's bill of the utility, line by line, with its own rounding.

Each component is cut to whole won, VAT is rounded half up, the fund and the total are cut to ten
won. Lines carry exact micro-won and add up to their component before it is cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from market.errors import MarketError
from market.tariff import (
    Band,
    ProgressiveTable,
    SeasonalTable,
    Tariff,
    TierSet,
    reduced_mkrw_per_kwh,
)

UKRW_PER_KRW = 1_000_000
MKRW_PER_KRW = 1_000
PPM = 1_000_000


@dataclass(frozen=True)
class PartUse:
    """kWh by band in the part of a billing month that lies in one calendar month.

    The reduced ones are those of their band in hours of the tariff's weekend reduction.
    """

    month: int
    off_kwh: int
    mid_kwh: int = 0
    on_kwh: int = 0
    reduced_off_kwh: int = 0
    reduced_mid_kwh: int = 0


@dataclass(frozen=True)
class MonthUse:
    """What a bill is made from: whole kWh from the register, and what the tariff asks beside.

    `parts` split the kWh by season and band where prices differ; `power_kw` is the demand or
    contract power that the basic charge counts; the power factors (lagging, leading) are in
    percent, None where they are not metered.
    """

    month: int
    kwh: int
    parts: tuple[PartUse, ...] = ()
    power_kw: int | None = None
    lag_pct: int | None = None
    lead_pct: int | None = None


class BillLine(NamedTuple):
    """One line: `quantity` of `unit` at a price, exact."""

    component: str
    text: str
    quantity: int
    unit: str
    price_mkrw: int
    amount_ukrw: int


@dataclass(frozen=True)
class Bill:
    """The bill of one month in won, with the lines that explain it."""

    tariff: str
    tariff_version: int
    month: int
    kwh: int
    lines: tuple[BillLine, ...]
    basic_krw: int
    power_factor_krw: int
    energy_krw: int
    climate_krw: int
    fuel_krw: int
    subtotal_krw: int
    vat_krw: int
    fund_krw: int
    total_krw: int


def build_bill(use: MonthUse, tariff: Tariff) -> Bill:
    """The bill of a month; raises MarketError if the use lacks what the tariff asks for."""
    if not 1 <= use.month <= 12 or use.kwh < 0:
        raise MarketError(
            f"bill: month {use.month} with {use.kwh} kWh, allowed month 1..12 and 0 kWh or more"
        )
    if isinstance(tariff.table, ProgressiveTable):
        lines = list(_progressive_lines(use, tariff.table.tiers[use.month - 1]))
    else:
        lines = list(_seasonal_lines(use, tariff, tariff.table))
    lines.append(_line("climate", "climate and environment", use.kwh, tariff.climate_mkrw_per_kwh))
    lines.append(_line("fuel", "fuel cost adjustment", use.kwh, tariff.fuel_mkrw_per_kwh))
    part = {name: _whole_won(lines, name) for name in _COMPONENTS}
    subtotal = sum(part.values())
    vat = (subtotal * tariff.vat_ppm * 2 + PPM) // (2 * PPM)
    fund = subtotal * tariff.fund_ppm // PPM // 10 * 10
    return Bill(
        tariff=tariff.name,
        tariff_version=tariff.version,
        month=use.month,
        kwh=use.kwh,
        lines=tuple(lines),
        **{f"{name}_krw": amount for name, amount in part.items()},
        subtotal_krw=subtotal,
        vat_krw=vat,
        fund_krw=fund,
        total_krw=(subtotal + vat + fund) // 10 * 10,
    )


_COMPONENTS = ("basic", "power_factor", "energy", "climate", "fuel")


def _whole_won(lines: list[BillLine], component: str) -> int:
    """The component cut to whole won, towards zero."""
    exact = sum(line.amount_ukrw for line in lines if line.component == component)
    won = abs(exact) // UKRW_PER_KRW
    return won if exact >= 0 else -won


def _line(component: str, text: str, kwh: int, price_mkrw_per_kwh: int) -> BillLine:
    amount_ukrw = kwh * 1000 * price_mkrw_per_kwh
    return BillLine(component, text, kwh, "kWh", price_mkrw_per_kwh, amount_ukrw)


def _progressive_lines(use: MonthUse, tiers: TierSet) -> Iterator[BillLine]:
    limits = [limit // 1000 for limit in tiers.limit_wh]
    reached = sum(use.kwh > limit for limit in limits)
    basic = tiers.basic_krw[reached]
    yield BillLine(
        "basic",
        f"step {reached + 1} reached",
        1,
        "month",
        basic * MKRW_PER_KRW,
        basic * UKRW_PER_KRW,
    )
    edges = [0, *limits]
    for step, low in enumerate(edges[: reached + 1]):
        high = min(use.kwh, edges[step + 1]) if step + 1 < len(edges) else use.kwh
        text = f"step {step + 1}, above {low} kWh"
        yield _line("energy", text, high - low, tiers.price_mkrw_per_kwh[step])


def _seasonal_lines(use: MonthUse, tariff: Tariff, table: SeasonalTable) -> Iterator[BillLine]:
    if use.power_kw is None:
        counted = "contract power" if table.demand.on_contract else "billing demand"
        raise MarketError(f"bill: tariff {tariff.name} needs the {counted} in kW, found none")
    basic = use.power_kw * table.demand.basic_krw_per_kw
    price_mkrw = table.demand.basic_krw_per_kw * MKRW_PER_KRW
    yield BillLine("basic", "basic", use.power_kw, "kW", price_mkrw, basic * UKRW_PER_KRW)
    yield from _power_factor_lines(use, tariff, basic)
    for part in _parts(use, tariff, table):
        season = table.season(part.month)
        name, prices = table.season_names[season], table.price_mkrw_per_kwh[season]
        if table.is_flat(part.month):
            kwh = part.off_kwh + part.mid_kwh + part.on_kwh
            yield _line("energy", name, kwh, prices[0])
            continue
        reduced = {Band.OFF: part.reduced_off_kwh, Band.MID: part.reduced_mid_kwh}
        for band, kwh in zip(Band, (part.off_kwh, part.mid_kwh, part.on_kwh), strict=True):
            less = reduced.get(band, 0)
            text = f"{name}, {band.name.lower()}"
            yield _line("energy", text, kwh - less, prices[band])
            if less:
                price = reduced_mkrw_per_kwh(table, prices[band])
                yield _line("energy", f"{text}, weekend reduction", less, price)


def _parts(use: MonthUse, tariff: Tariff, table: SeasonalTable) -> tuple[PartUse, ...]:
    if not use.parts and table.is_flat(use.month):
        return (PartUse(use.month, use.kwh),)
    total = sum(part.off_kwh + part.mid_kwh + part.on_kwh for part in use.parts)
    if not use.parts or total != use.kwh:
        raise MarketError(
            f"bill: tariff {tariff.name} needs the kWh by band (off, mid, on), "
            f"found {total} of {use.kwh} kWh"
        )
    for part in use.parts:
        known = table.reduction is not None and table.season(part.month) in table.reduction.seasons
        most = (part.off_kwh, part.mid_kwh) if known else (0, 0)
        if not (0 <= part.reduced_off_kwh <= most[0] and 0 <= part.reduced_mid_kwh <= most[1]):
            raise MarketError(
                f"bill: tariff {tariff.name}: {part.reduced_off_kwh} and {part.reduced_mid_kwh} "
                f"kWh at the weekend reduction, allowed up to {most[0]} and {most[1]}"
            )
    return use.parts


def _power_factor_lines(use: MonthUse, tariff: Tariff, basic_krw: int) -> Iterator[BillLine]:
    rule = tariff.power_factor
    points = 0
    if use.lag_pct is not None:
        counted = min(max(use.lag_pct, rule.lag_worst_pct), rule.lag_best_pct)
        points += rule.lag_standard_pct - counted
    if use.lead_pct is not None:
        # A leading factor is only ever a fault; nothing is given back for a good one.
        counted = max(use.lead_pct, rule.lag_worst_pct)
        points += max(rule.lead_standard_pct - counted, 0)
    if points:
        price_mkrw = basic_krw * rule.ppm_per_point * MKRW_PER_KRW // PPM
        amount_ukrw = basic_krw * points * rule.ppm_per_point
        yield BillLine("power_factor", "power factor", points, "point", price_mkrw, amount_ukrw)
