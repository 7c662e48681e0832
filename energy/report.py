"""The report of a simulation: one JSON for programs, one self-contained HTML page for people."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from energy.timegrid import local_label

Series = Sequence[float | None]

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 240, 56, 12, 28
COLOUR = {
    "fuel cells": "#5C1C93",
    "biogas": "#647131",
    "solar": "#B2830C",
    "battery": "#00513B",
    "cars": "#3A6CCD",
    "KEPCO": "#1A2435",
    "homes and buildings": "#848A9B",
    "heat pump": "#8B1A00",
    "losses": "#C4C9D4",
    "price": "#A13E85",
    "volume": "#A13E85",
    "heat": "#8B1A00",
}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;
color:#16202B;max-width:1040px;margin:24px auto;padding:0 16px}
h1{font-size:24px}h2{font-size:18px;margin-top:32px}figure{margin:16px 0}svg{width:100%;height:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:4px 16px 4px 0;text-align:left;border-bottom:1px solid #E3E7EC}
td.n{text-align:right}
.key span{margin-right:16px;white-space:nowrap}
.key i{display:inline-block;width:12px;height:12px;margin-right:6px}
text{font-size:12px;fill:#51606F}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.cards div{border:1px solid #E3E7EC;border-radius:8px;padding:10px 14px}
.cards b{display:block;font-size:22px;font-variant-numeric:tabular-nums}
.cards span{color:#51606F}
.tables{columns:2;column-gap:48px}
.tables table{width:100%;break-inside:avoid;margin:0 0 16px}
.tables td{overflow-wrap:anywhere}
"""


def write_report(
    path: Path, summary: Mapping[str, Any], series: Mapping[str, Series], time_zone: str
) -> Path:
    """Write `summary` as JSON to `path` and the page beside it; returns the page's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2))
    page = path.with_suffix(".html")
    page.write_text(build_page(summary, series, time_zone), encoding="utf-8")
    return page


def build_page(summary: Mapping[str, Any], series: Mapping[str, Series], time_zone: str) -> str:
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
        f"<h1>{html.escape(title)}</h1>",
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
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><body>{body}</body></html>"
    )


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


def mirrored_chart(
    sources: Mapping[str, Series], uses: Mapping[str, Series], labels: Sequence[str]
) -> str:
    """Stacked bars per slot in MW: sources upwards, uses downwards, both labelled positively."""
    count = len(labels)
    top_mw = max(
        (sum((one[k] or 0.0) for one in group.values()) / 1000)
        for group in (sources, uses)
        for k in range(count)
    )
    half, middle = (HEIGHT - TOP - BOTTOM) / 2, TOP + (HEIGHT - TOP - BOTTOM) / 2
    scale = half / max(top_mw, 1e-9)
    step = (WIDTH - LEFT) / max(count, 1)
    bars = []
    for group, sign in ((sources, -1), (uses, 1)):
        level = [0.0] * count
        for name, values in group.items():
            for k in range(count):
                height = (values[k] or 0.0) / 1000 * scale
                y = middle + sign * level[k] + (-height if sign < 0 else 0.0)
                level[k] += height
                if height > 0.05:
                    bars.append(
                        f'<rect x="{LEFT + k * step:.1f}" y="{y:.1f}" width="{step * 0.92:.2f}" '
                        f'height="{height:.1f}" fill="{COLOUR[name]}"/>'
                    )
    marks = "".join(
        f'<text x="0" y="{middle + sign * half * share + 4:.0f}">{top_mw * share:.1f}</text>'
        for sign in (-1, 1)
        for share in (0.0, 0.5, 0.95)
    )
    return _figure("".join(bars) + marks + _time_axis(labels), {**sources, **uses})


def line_chart(lines: Mapping[str, Series], labels: Sequence[str], factor: float) -> str:
    """Step lines over the slots; a missing value is a gap."""
    known = [value * factor for line in lines.values() for value in line if value is not None]
    top = max([*known, 1e-9])
    bottom_y, step = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(len(labels), 1)
    paths = []
    for name, line in lines.items():
        text, pen_down = "", False
        for k, value in enumerate(line):
            if value is None:
                pen_down = False
                continue
            y = bottom_y - value * factor / top * (bottom_y - TOP)
            x = LEFT + k * step
            text += f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}H{x + step:.1f}"
            pen_down = True
        paths.append(f'<path d="{text}" fill="none" stroke="{COLOUR[name]}" stroke-width="2"/>')
    marks = "".join(
        f'<text x="0" y="{bottom_y - share * (bottom_y - TOP) + 4:.0f}">{top * share:,.1f}</text>'
        for share in (0.0, 0.5, 0.97)
    )
    return _figure("".join(paths) + marks + _time_axis(labels), lines)


def _time_axis(labels: Sequence[str]) -> str:
    step = (WIDTH - LEFT) / max(len(labels), 1)
    every = max(len(labels) // 8, 1)
    return "".join(
        f'<text x="{LEFT + k * step:.0f}" y="{HEIGHT - 8}">{labels[k]}</text>'
        for k in range(0, len(labels), every)
    )


def _figure(drawing: str, key: Mapping[str, object]) -> str:
    spans = "".join(
        f'<span><i style="background:{COLOUR[name]}"></i>{html.escape(name)}</span>' for name in key
    )
    return (
        f'<figure><div class="key">{spans}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{drawing}</svg></figure>'
    )
