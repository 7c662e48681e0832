"""The report of a simulation: one JSON for programs, one self-contained HTML page for people."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from energy.charts import Series, build_page, line_chart, mirrored_chart
from energy.timegrid import local_label


def write_report(
    path: Path, summary: Mapping[str, Any], series: Mapping[str, Series], time_zone: str
) -> Path:
    """Write `summary` as JSON to `path` and the page beside it; returns the page's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    page = path.with_suffix(".html")
    page.write_text(build_run_page(summary, series, time_zone), encoding="utf-8")
    return page


def build_run_page(summary: Mapping[str, Any], series: Mapping[str, Series], time_zone: str) -> str:
    """The whole page as text; `series` has `slot` and one column of each quantity, kW or kWh."""
    slots = [int(slot) for slot in series["slot"] if slot is not None]
    sources = _named(
        series,
        {
            "fuel cells": "fuel_cell_kw",
            "biogas": "biogas_kw",
            "solar": "solar_kw",
            "battery": "battery_out_kw",
            "cars": "cars_out_kw",
            "KEPCO": "import_kw",
        },
    )
    uses = _named(
        series,
        {
            "homes and buildings": "load_kw",
            "cars": "cars_in_kw",
            "battery": "battery_in_kw",
            "heat pump": "heat_pump_kw",
            "losses": "losses_kw",
            "KEPCO": "export_kw",
        },
    )
    labels = [local_label(slot, time_zone)[11:] for slot in slots]
    title = f"{summary['district']}: {summary['slots']} quarter hours from {summary['start']}"
    parts = [
        f"<p>{html.escape(answer_sentence(summary))}</p>",
        _cards(summary),
        "<h2>Where power came from (up) and went (down), MW</h2>",
        mirrored_chart(sources, uses, labels),
        "<h2>Energy in stores, MWh</h2>",
        line_chart(
            {"battery": series["battery_kwh"], "heat": series["heat_store_kwh"]}, labels, 1e-3
        ),
        "<h2>Neighbours' market: price, won/kWh (a gap is a slot without trade)</h2>",
        line_chart({"price": series["price_krw_per_kwh"]}, labels, 1.0),
        "<h2>Neighbours' market: volume, kWh</h2>",
        line_chart({"volume": series["traded_kwh"]}, labels, 1.0),
        f"<p>{html.escape(market_sentence(summary['market']))}</p>",
        _table(summary),
    ]
    return build_page(title, parts)


def answer_sentence(summary: Mapping[str, Any]) -> str:
    """What the run came to, in one sentence."""
    tiers = ", ".join(f"{count} x {tier}" for tier, count in summary["tiers"].items())
    books = "the books are proven" if summary["ledger_verified"] else "THE BOOKS ARE NOT PROVEN"
    return (
        f"{summary['slots_with_row']} of {summary['slots']} quarter hours have their row "
        f"({tiers}); "
        f"{summary['violations']} grid limits exceeded, {summary['broken_departures']} of "
        f"{summary['departures']} departures short of their promise; {books}."
    )


def market_sentence(market: Mapping[str, Any]) -> str:
    """What the market came to and whom it served, with losses as readily as gains."""
    if not market["slots_with_trade"]:
        return f"Nobody traded in {market['slots']} settled quarter hours."
    gain, contracts = market["gain_krw"], market["contract_gain_krw"]
    budget = "closes to 0" if market["closed"] else "DOES NOT CLOSE"
    return (
        f"{market['bought_kwh']:,.1f} kWh were traded in {market['slots_with_trade']} of "
        f"{market['slots']} settled quarter hours at {market['price_low_krw_per_kwh']:,.1f} to "
        f"{market['price_high_krw_per_kwh']:,.1f} won/kWh; the auctions' welfare is "
        f"{market['welfare_krw']:,.0f} won. Against tariff and feed-in alone {market['traders']} "
        f"traders {_gained(gain)}, {market['worse_off']} of them are worse off; contracts "
        f"{_gained(contracts)}. Fees are {market['fees_krw']:,.0f} won, congestion rent "
        f"{market['rent_krw']:,.0f} won; the budget {budget}."
    )


def _gained(won: float) -> str:
    return f"gained {won:,.0f} won" if won >= 0 else f"lost {-won:,.0f} won"


def _cards(summary: Mapping[str, Any]) -> str:
    saved, own = summary["saved_frac"], summary["self_sufficiency_frac"]
    cards = {
        "cost, won": f"{summary['cost_krw']:,.0f}",
        "without a plan, won": f"{summary['baseline_cost_krw']:,.0f}",
        "saved": "" if saved is None else f"{100 * saved:.1f} %",
        "made here": "" if own is None else f"{100 * own:.1f} %",
        "peak, kW": f"{summary['peak_kw']:,.0f}",
        "without a plan, kW": f"{summary['baseline_peak_kw']:,.0f}",
        "traded, kWh": f"{summary['traded_kwh']:,.0f}",
        "seconds a slot": f"{summary['seconds_per_slot']['median']:.1f}",
    }
    shown = "".join(
        f"<div><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>"
        for name, value in cards.items()
    )
    return f'<div class="cards">{shown}</div>'


def _named(series: Mapping[str, Series], columns: Mapping[str, str]) -> dict[str, Series]:
    return {name: series[column] for name, column in columns.items()}


def _table(summary: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(_words(key))}</th><td class=n>{html.escape(_shown(value))}</td></tr>"
        for key, value in summary.items()
        if not isinstance(value, Mapping | list)
    )
    nested = "".join(
        f"<table><caption>{html.escape(_words(key))}</caption>"
        + "".join(
            f"<tr><th>{html.escape(_words(str(name)))}</th>"
            f"<td class=n>{html.escape(_shown(inner))}</td></tr>"
            for name, inner in value.items()
        )
        + "</table>"
        for key, value in summary.items()
        if isinstance(value, Mapping) and value
    )
    return f'<h2>All figures</h2><div class="tables"><table>{rows}</table>{nested}</div>'


def _words(key: str) -> str:
    return key.replace("_", " ")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
