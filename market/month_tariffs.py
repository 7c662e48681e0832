"""The document of a billed month: its tariffs, feed-in prices, certificates, the market's guarantee
and the rent that was given back, as bills name it.

The log has its hash as Rules of kind 3. Numbers stand as decimal strings, and the same figures
give the same text; whoever checks a bill reads the tariff from here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from market.errors import MarketError
from market.feed_in import FeedIn
from market.guarantee import NO_GUARANTEE, GuaranteeRule
from market.tariff import (
    Band,
    DemandRule,
    PowerFactorRule,
    ProgressiveTable,
    SeasonalTable,
    Tariff,
    TierSet,
)

MONTH_FORMAT = "microgrid-tariffs/2"
"""Documents of format 1 have neither guarantee nor rent: those of their months are as none."""
_WH_PER_KWH = 1000


@dataclass(frozen=True)
class BilledMonth:
    """A month by its slots: its tariffs in order of their names, certificates, guarantee."""

    first_slot: int
    end_slot: int
    year: int
    month: int
    tariffs: Mapping[str, Tariff]
    plant: FeedIn
    guarantee: GuaranteeRule = NO_GUARANTEE

    @property
    def number(self) -> int:
        """The month as yyyymm."""
        return self.year * 100 + self.month


class RentShared(NamedTuple):
    """The congestion rent of a month, micro-won, and the metered import that it was shared by."""

    rent_ukrw: int
    import_wh: int


def require_billable(tariff: Tariff) -> None:
    """Raise MarketError for a tariff that a month's sums cannot bill: it asks for bands of hours
    or for a metered demand.
    """
    table = tariff.table
    if isinstance(table, SeasonalTable):
        flat = all(table.is_flat(month) for month in range(1, 13))
        if not flat or not table.demand.on_contract:
            raise MarketError(
                f"tariff {tariff.name}: has bands of hours or a metered demand, allowed for the "
                "bills of a district: steps, or one price on contract power"
            )


def month_content(month: BilledMonth, smp_mkrw_per_kwh: Sequence[int]) -> str:
    """The document of a month that its bills name: tariffs, feed-in prices by hour, certificates.

    Numbers are decimal strings, the same figures give the same text. Raises MarketError for a
    tariff that `require_billable` refuses.
    """
    document = {
        "format": MONTH_FORMAT,
        "month": str(month.number),
        "first_slot": str(month.first_slot),
        "end_slot": str(month.end_slot),
        "tariffs": {name: _figures(tariff, month.month) for name, tariff in month.tariffs.items()},
        "smp_mkrw_per_kwh": [str(one) for one in smp_mkrw_per_kwh],
        "rec_krw_per_mwh": str(month.plant.rec_krw_per_mwh),
        "rec_weight_milli": str(month.plant.weight_milli),
        "guarantee": {name: str(value) for name, value in vars(month.guarantee).items()},
        "rent": {},
    }
    return _canonical(document)


def with_rent(content: str, shared: Mapping[int, RentShared]) -> str:
    """The document with the rent that its month's close has given back, by month (yyyymm)."""
    rent = {
        str(number): {name: str(value) for name, value in one._asdict().items()}
        for number, one in shared.items()
    }
    return _canonical(json.loads(content) | {"rent": rent})


def _canonical(document: Mapping[str, object]) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def month_of_content(content: str) -> BilledMonth:
    """The month that `month_content` wrote."""
    found = json.loads(content)
    number = int(found["month"])
    return BilledMonth(
        first_slot=int(found["first_slot"]),
        end_slot=int(found["end_slot"]),
        year=number // 100,
        month=number % 100,
        tariffs={
            name: _tariff(name, number, figures)
            for name, figures in sorted(found["tariffs"].items())
        },
        plant=FeedIn(0, int(found["rec_krw_per_mwh"]), int(found["rec_weight_milli"])),
        guarantee=GuaranteeRule(
            **{name: int(one) for name, one in found.get("guarantee", {}).items()}
        ),
    )


_LEVIES = ("climate_mkrw_per_kwh", "fuel_mkrw_per_kwh", "vat_ppm", "fund_ppm")


def _figures(tariff: Tariff, month: int) -> dict[str, object]:
    """The figures of a tariff in a month."""
    require_billable(tariff)
    shared: dict[str, object] = {name: str(getattr(tariff, name)) for name in _LEVIES}
    table = tariff.table
    if isinstance(table, ProgressiveTable):
        tiers = table.tiers[month - 1]
        return shared | {
            "basic_krw": [str(one) for one in tiers.basic_krw],
            "limits_kwh": [str(limit // _WH_PER_KWH) for limit in tiers.limit_wh],
            "price_mkrw_per_kwh": [str(one) for one in tiers.price_mkrw_per_kwh],
        }
    price = table.price_mkrw_per_kwh[table.season(month)][0]
    return shared | {
        "basic_krw_per_kw": str(table.basic_krw_per_kw),
        "price_mkrw_per_kwh": [str(price)],
    }


# Bills here have no metered power factor: the figures of the rule are not used.
_NO_POWER_FACTOR = PowerFactorRule(0, 0, 0, 0, 0)


def _tariff(name: str, version: int, figures: Mapping[str, Any]) -> Tariff:
    prices = tuple(map(int, figures["price_mkrw_per_kwh"]))
    table: ProgressiveTable | SeasonalTable
    if "basic_krw_per_kw" in figures:
        table = SeasonalTable(
            season_names=("month",),
            season_of_month=(0,) * 12,
            price_mkrw_per_kwh=(prices * len(Band),),
            band_of_hour=((Band.OFF,) * 24,),
            demand=DemandRule(int(figures["basic_krw_per_kw"]), on_contract=True),
        )
    else:
        limits = tuple(int(one) * _WH_PER_KWH for one in figures["limits_kwh"])
        basic = tuple(map(int, figures["basic_krw"]))
        table = ProgressiveTable((TierSet(limits, prices, basic),) * 12)
    levies = {one: int(figures[one]) for one in _LEVIES}
    return Tariff(
        name=name,
        title=name,
        version=version,
        table=table,
        power_factor=_NO_POWER_FACTOR,
        **levies,
    )
