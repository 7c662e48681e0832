"""Twelve real closes of a house with PV, car and trades, recomputed to the won by slow code.

The slow code knows tariff and rules of its own and is given what the meters showed, what the
auctions awarded, and the prices of the hours; the store is only asked for the statement.
"""

import importlib.util
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from energy.steps.labels import load_labels
from energy.steps.slot_settlement import terms_of
from energy.steps.statements import statement_document
from energy.store.books import load_trades
from energy.units import UKRW_PER_KRW
from market.tariff import price_mkrw_per_kwh

HOUSE = 23
REFERENCE = Path(__file__).parents[3] / "reference"
Begin = Callable[..., Any]


def slow_code(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, REFERENCE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def slow_year(months: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = slow_code("slow_statement").year(months)
    return found


def labels_krw(year: Any, one: dict[str, Any], traded: Any) -> Fraction:
    """What labels brought the house in a slot by the slow code, below 0 where it paid."""
    here, accounts = year.here, year.here.books.book.accounts
    meters = here.district.meters.account
    delivered = {account: (0, 0) for account in meters}
    columns = (traded[name].tolist() for name in ("account", "bought_wh", "sold_wh"))
    for no, bought_wh, sold_wh in zip(*columns, strict=True):
        if accounts[no] in delivered:
            n = meters.index(accounts[no])
            drawn_wh, given_wh = int(one["import"][n]), int(one["export"][n])
            delivered[accounts[no]] = (min(bought_wh, drawn_wh), min(sold_wh, given_wh))
    labels = here.store.read(lambda connection: load_labels(connection, one["slot"]))
    tiers = []
    for tier in labels.tiers:
        rows = (tier.book.node.tolist(), tier.book.side.tolist(), tier.fill_wh.tolist())
        owners = [labels.account_of_tag[tag] for tag in tier.book.tags()]
        tiers.append(
            {
                "root": tier.book.root,
                "price": tier.prices(),
                "rows": list(zip(tier.book.tags(), *rows, owners, strict=True)),
            }
        )
    earned = slow_code("slow_labels").earned_ukrw(one["slot"], tiers, delivered)
    return Fraction(earned[meters[HOUSE]], UKRW_PER_KRW)


def quarter_hour(year: Any, one: dict[str, Any]) -> dict[str, Any]:
    """What the slow code is given of a slot."""
    here, slot = year.here, one["slot"]
    account = here.district.meters.account[HOUSE]
    terms = terms_of(here.district, slot)
    smp = Fraction(terms.feed_in_mkrw_per_kwh, 1000)
    traded = here.store.read(lambda connection: load_trades(connection, slot))
    bought = sold = price = 0
    labels = Fraction(0)
    if traded is not None:
        labels = labels_krw(year, one, traded)
        mine = [
            {name: int(traded[name][n]) for name in ("bought_wh", "sold_wh", "price_mkrw_per_kwh")}
            for n, no in enumerate(traded["account"].tolist())
            if here.books.book.accounts[no] == account
        ]
        bought, sold = (sum(m[name] for m in mine) for name in ("bought_wh", "sold_wh"))
        price = mine[0]["price_mkrw_per_kwh"] if mine else 0
    connection_mkrw = price_mkrw_per_kwh(terms.connection, terms.calendar)
    return {
        "import": int(one["import"][HOUSE]), "export": int(one["export"][HOUSE]),
        "bought": bought, "sold": sold, "price": Fraction(price, 1000),
        "short": Fraction(max(price, connection_mkrw), 1000),
        "long": Fraction(min(price, terms.export_mkrw_per_kwh), 1000),
        "feed_in": smp, "smp": smp, "ppa": 0, "strike": Fraction(0),
        "labels": labels,
    }  # fmt: skip


def test_twelve_months_are_the_same_to_the_won(begin_year: Begin) -> None:
    year = begin_year()
    asked: list[dict[str, Any]] = []
    for number in range(12):
        before = len(year.slots)
        year.month(quiet=70, auctions=4)
        slots = [quarter_hour(year, one) for one in year.slots[before:]]
        month = (6 + number) % 12 + 1
        fund = Fraction(27, 1000)
        asked.append(
            {"month": month, "fund": fund, "events": 0, "net_metering": True, "slots": slots,
             "guarantee": (Fraction(6, 10), 5_000)}
        )  # fmt: skip
    account = year.here.district.meters.account[HOUSE]
    found = year.here.store.read(lambda c: statement_document(c, account, months=12))["months"]
    assert [one["month"] for one in found] == [
        f"{2026 + (6 + n) // 12}-{(6 + n) % 12 + 1:02}" for n in range(12)
    ]
    traded = sum(slot["bought"] + slot["sold"] for one in asked for slot in one["slots"])
    assert traded > 0 and any(slot["labels"] for one in asked for slot in one["slots"])
    for right, one in zip(slow_year(asked), found, strict=True):
        assert int(one["utility_krw"]) == right["bill"]
        assert int(one["market_krw"]) == right["market"]
        assert int(one["total_krw"]) == right["total"]
        assert int(one["comparison"]["kepco_alone_krw"]) == right["alone"]
        assert Fraction(one["comparison"]["smp_rec_krw"]) == right["smp_rec"]
        if one["auctions"] is not None:
            assert Fraction(one["auctions"]["without_krw"]) == right["without"]
            assert Fraction(one["auctions"]["guarantee_krw"]) == right["back"]
        rounding = next(line for line in one["lines"] if line["kind"] == "rounding")
        assert Fraction(rounding["amount_krw"]) == right["rounding"]
    assert sum(one["auctions"] is not None for one in found) > 6
    steps = [line for one in found for line in one["lines"] if line["kind"] == "energy"]
    assert any(line["price_krw"] == "214.6" for line in steps), "a month goes beyond a step"
