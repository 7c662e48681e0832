"""The drawings of a report as SVG: stacked bars, step lines, bars side by side; no scripts.

A report is one self-contained page: `build_page` puts its parts between head and foot.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

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
OTHER = ("#3A6CCD", "#B2830C", "#8B1A00", "#00513B", "#5C1C93", "#647131", "#A13E85", "#1A2435")
"""Colours of lines that are no asset, such as scenarios, in their order."""
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


def build_page(title: str, parts: Sequence[str]) -> str:
    """A whole page of these parts."""
    body = "\n".join((f"<h1>{html.escape(title)}</h1>", *parts))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style><body>{body}</body></html>"
    )


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """The colour of each name: its own where it stands for an asset, else one by its place."""
    others = cycle(OTHER)
    return {name: COLOUR.get(name) or next(others) for name in names}


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
    bars, colours = [], colours_of((*sources, *uses))
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
                        f'height="{height:.1f}" fill="{colours[name]}"/>'
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
    paths, colours = [], colours_of(lines)
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
        paths.append(f'<path d="{text}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
    return _figure("".join(paths) + _height_marks(top) + _time_axis(labels), lines)


def bar_chart(groups: Mapping[str, Series], labels: Sequence[str]) -> str:
    """Bars side by side: one of each name at every label; a missing value is a gap."""
    known = [value for row in groups.values() for value in row if value is not None]
    top, colours = max([*known, 1e-9]), colours_of(groups)
    bottom_y, step = HEIGHT - BOTTOM, (WIDTH - LEFT) / max(len(labels), 1)
    width = 0.8 * step / max(len(groups), 1)
    bars = "".join(
        f'<rect x="{LEFT + k * step + n * width:.1f}" y="{bottom_y - height:.1f}" '
        f'width="{0.95 * width:.2f}" height="{height:.1f}" fill="{colours[name]}"/>'
        for n, (name, row) in enumerate(groups.items())
        for k, value in enumerate(row)
        if (height := (value or 0.0) / top * (bottom_y - TOP)) > 0
    )
    return _figure(bars + _height_marks(top) + _time_axis(labels), groups)


def _height_marks(top: float) -> str:
    bottom_y = HEIGHT - BOTTOM
    return "".join(
        f'<text x="0" y="{bottom_y - share * (bottom_y - TOP) + 4:.0f}">{top * share:,.1f}</text>'
        for share in (0.0, 0.5, 0.97)
    )


def _time_axis(labels: Sequence[str]) -> str:
    step = (WIDTH - LEFT) / max(len(labels), 1)
    every = max(len(labels) // 8, 1)
    return "".join(
        f'<text x="{LEFT + k * step:.0f}" y="{HEIGHT - 8}">{labels[k]}</text>'
        for k in range(0, len(labels), every)
    )


def _figure(drawing: str, key: Mapping[str, object]) -> str:
    spans = "".join(
        f'<span><i style="background:{colour}"></i>{html.escape(name)}</span>'
        for name, colour in colours_of(key).items()
    )
    return (
        f'<figure><div class="key">{spans}</div>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{drawing}</svg></figure>'
    )
