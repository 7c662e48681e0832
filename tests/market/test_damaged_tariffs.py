"""Hundreds of damaged tariff tables and network files: one sentence each, or a table that bills.

Any value of `data/tariffs` is replaced by junk, lost or doubled; what can still be built prices
every hour of the year without an error of its own.
"""

import copy
import tomllib
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

import data
from energy.tariffs import read_tables
from market.bill import MonthUse, PartUse, build_bill
from market.errors import MarketError
from market.network import build_network
from market.rules import build_rules
from market.tariff import SeasonalTable, SlotCalendar, TariffDay, charge_ukrw, price_mkrw_per_kwh
from market.tariff_data import build_tariff

TABLES_EACH = 400
DAY = date(2026, 7, 15)
JUNK: list[Any] = [
    None, True, False, -1, 0, 1, 13, 25, 10**30, -(10**30), 0.5, float("nan"), float("inf"), "",
    "x", "off", "flat", [], [[]], {}, {"from": 5}, [0], [1, 2, 3], [24, 0], [[24, 0]], [-1, 5],
    date(1, 1, 1), date(9999, 12, 31), "2026-07-01",
]  # fmt: skip


def files() -> tuple[dict[str, Any], dict[str, Any]]:
    """All tariffs by name, and the terms they share."""
    folder, rows = data.path("tariffs"), dict[str, Any]()
    for name in ("residential.toml", "seasonal.toml"):
        rows |= tomllib.loads((folder / name).read_text(encoding="utf-8"))
    return rows, tomllib.loads((folder / "terms.toml").read_text(encoding="utf-8"))


def places(found: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values within tables and lists."""
    items = (
        list(found.items()) if isinstance(found, dict)
        else list(enumerate(found)) if isinstance(found, list) else []
    )  # fmt: skip
    return [one for key, inner in items for one in [(*path, key), *places(inner, (*path, key))]]


def damage(found: Any, rng: Random) -> Any:
    """The data with one value replaced, lost or doubled."""
    changed = copy.deepcopy(found)
    *way, key = rng.choice(places(changed))
    inner = changed
    for step in way:
        inner = inner[step]
    kind = rng.choice(["junk", "junk", "junk", "lost", "doubled", "unknown"])
    if kind == "junk":
        inner[key] = copy.deepcopy(rng.choice(JUNK))
    elif kind == "lost":
        del inner[key]
    elif isinstance(inner, list):
        inner.append(copy.deepcopy(inner[key]))
    else:
        inner["unheard_of"] = 5
    return changed


def use_it(tariff: Any) -> None:
    """Prices, charges and a bill: whole numbers, or a sentence of the market's own."""
    for month in range(1, 13):
        for hour in (0, 9, 12, 18, 23):
            for day in TariffDay:
                calendar = SlotCalendar(month, hour, day)
                assert type(price_mkrw_per_kwh(tariff, calendar, 10**6)) is int
    calendar = SlotCalendar(7, 12, TariffDay.WEEKDAY)
    assert charge_ukrw(tariff, calendar, from_wh=0, to_wh=500_000) >= 0
    seasonal = isinstance(tariff.table, SeasonalTable)
    parts = (PartUse(7, 100, 150, 100),) if seasonal else ()
    assert build_bill(MonthUse(7, 350, parts, power_kw=10), tariff).total_krw >= 0


def require_sentence(error: MarketError) -> None:
    said = str(error)
    assert "\n" not in said and len(said) > 20
    assert "allowed" in said or "found" in said, said


def test_the_fuel_adjustment_may_be_below_nought_and_no_levy_else() -> None:
    rows, terms = files()
    name, on = "residential-lv", date(2026, 7, 1)
    plain = build_bill(MonthUse(7, 301), build_tariff(name, rows, terms, on))
    terms["fuel"][-1]["mkrw_per_kwh"] = -5_000
    low = build_bill(MonthUse(7, 301), build_tariff(name, rows, terms, on))
    assert (low.fuel_krw, plain.subtotal_krw - low.subtotal_krw) == (-301 * 5, 301 * 10)
    terms["climate"][-1]["mkrw_per_kwh"] = -1
    with pytest.raises(MarketError, match="allowed a whole number 0 to"):
        build_tariff(name, rows, terms, on)


@pytest.mark.parametrize("what", ["rows", "terms"])
def test_damaged_tariffs_bill_or_get_one_sentence(what: str) -> None:
    rows, terms = files()
    refused = 0
    for number in range(TABLES_EACH):
        rng = Random(f"{what} {number}")
        if what == "rows":
            name = rng.choice(sorted(rows))
            changed = {**rows, name: damage(rows[name], rng)}
            given = (changed, terms)
        else:
            name, given = rng.choice(sorted(rows)), (rows, damage(terms, rng))
        try:
            use_it(build_tariff(name, *given, DAY, or_first=True))
        except MarketError as error:
            refused += 1
            require_sentence(error)
    assert refused > TABLES_EACH // 10


@pytest.mark.parametrize("text", [b"[a", b"\xff\xfe", b"a = " + b"[" * 9_999, b"a = 1\na = 2"])
def test_a_tariff_file_that_is_no_toml_gets_one_sentence(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "residential.toml"
    path.write_bytes(text)
    with pytest.raises(MarketError, match=r"residential\.toml: cannot be read as TOML: "):
        read_tables(path)


def test_damaged_networks_and_rules_are_built_or_get_one_sentence() -> None:
    network = {
        "version": 3,
        "zones": [{"zone": 1, "node": 1}, {"zone": 2, "sell_node": 2, "buy_node": 3}],
        "links": [{"from": 1, "to": 2, "both_ways": True, "fee_mkrw_per_kwh": 5,
                   "capacity_wh": 900}],
    }  # fmt: skip
    rules = {"version": 2, "floor_mkrw_per_kwh": 0, "cap_mkrw_per_kwh": 500, "orders_max": 20}
    refused = 0
    for number in range(TABLES_EACH):
        rng = Random(f"network {number}")
        for build, good in ((build_network, network), (build_rules, rules)):
            try:
                build(damage(good, rng))
            except MarketError as error:
                refused += 1
                require_sentence(error)
    assert refused > TABLES_EACH
