"""The back-test's page: one self-contained HTML file with tables and drawings, no scripts."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from energy.backtest.replay import Replay
from energy.backtest.scores import Score, score_table
from energy.forecast.inputs import MEDIAN, QUANTILES, FloatArray
from energy.timegrid import local_label

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 280, 64, 16, 30
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#16202B;max-width:1040px;margin:24px auto;
padding:0 16px}h1{font-size:24px}h2{font-size:18px;margin-top:32px}svg{width:100%;height:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
td,th{padding:4px 12px 4px 0;text-align:right;border-bottom:1px solid #E3E7EC}
td:first-child,th:first-child{text-align:left}text{font-size:12px;fill:#51606F}
"""
BLUE, INK, GREY, RED = "#3A6CCD", "#16202B", "#848A9B", "#8B1A00"
HEADS = (
    "leads, h", "values", "pinball", "CRPS", "rCRPS", "nMAE", "nRMSE", "in 50 %", "in 80 %",
    "in 90 %", "skill, persistence", "skill, climatology",
)  # fmt: skip


def write_page(path: Path, replays: Sequence[Replay]) -> None:
    """Write the page of all replays to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(section(replay) for replay in replays)
    title = "Forecasts against what was measured"
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><body><h1>{title}</h1>{body}</body></html>",
        encoding="utf-8",
    )


def section(replay: Replay) -> str:
    """Facts, table and drawings of one replay."""
    scores = score_table(replay)
    findings = "".join(f"<li>{html.escape(text)}</li>" for text in replay.findings)
    fan = _clearest(replay)
    begin = local_label(int(replay.issue[fan]), replay.time_zone)
    return "\n".join(
        [
            f"<h2>{html.escape(replay.name)}</h2><p>{html.escape(facts(replay))}</p>",
            f"<ul>{findings}</ul>{_table(scores)}",
            f"<h2>Forecast issued {begin}, {html.escape(replay.unit)}: median, 50 and 90 % bands; "
            "measured in black</h2>",
            fan_chart(replay, fan),
            "<h2>Reliability: share of measurements under each quantile</h2>",
            reliability_chart(replay),
            "<h2>Skill by lead, with the 95 % interval over days</h2>",
            skill_chart(scores),
        ]
    )


def facts(replay: Replay) -> str:
    """Days, issues, norm, tiers and seconds in one line."""
    days = (replay.issue[-1] - replay.issue[0]) / 86400 + 1
    tiers = ", ".join(f"{count} x {tier}" for tier, count in sorted(replay.tiers.items()))
    return (
        f"{len(replay.issue)} issues on {days:.0f} days ({tiers}); "
        f"norm {replay.norm_kw:,.4g} {replay.unit}; "
        f"fit {replay.fit_s.mean() if len(replay.fit_s) else 0:.2f} s, "
        f"forecast {1000 * replay.predict_s.mean():.1f} ms; clock {replay.time_zone}"
    )


def fan_chart(replay: Replay, row: int) -> str:
    """Bands, median and truth of one issue."""
    bands, truth = replay.quantiles[row], replay.truth[row]
    known = truth[np.isfinite(truth)]
    low = min(float(bands.min()), float(known.min()) if len(known) else 0.0, 0.0)
    high = max(float(bands.max()), float(known.max()) if len(known) else 0.0, low + 1e-9)
    x = _across(np.arange(len(truth), dtype=np.float64), 0, len(truth) - 1)
    areas = "".join(
        f'<path d="{_band(x, _up(bands[a], low, high), _up(bands[b], low, high))}" '
        f'fill="{BLUE}" opacity="0.22"/>'
        for a, b in ((0, 6), (2, 4))
    )
    middle = _line(x, _up(bands[MEDIAN], low, high), BLUE, 2)
    seen = _line(x, _up(truth, low, high), INK, 1.5)
    hours = [0, 12, 24, 36, 48]
    ticks = [(hour * len(truth) / 48, f"+{hour} h") for hour in hours]
    return _svg(areas + middle + seen + _axes(ticks, len(truth) - 1, low, high))


def reliability_chart(replay: Replay) -> str:
    """Observed against nominal, with the diagonal."""
    said = replay.quantiles[:, -1] > replay.quantiles[:, 0]
    known = np.isfinite(replay.truth) & said
    under = [
        float((replay.truth <= replay.quantiles[:, q])[known].mean()) if known.any() else 0.0
        for q in range(len(QUANTILES))
    ]
    x, y = _across(QUANTILES, 0, 1), _up(np.array(under), 0, 1)
    ends = _across(np.array([0.0, 1.0]), 0, 1), _up(np.array([0.0, 1.0]), 0, 1)
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{BLUE}"/>'
        f'<text x="{a + 7:.1f}" y="{b + 14:.1f}">{100 * found:.1f}</text>'
        for a, b, found in zip(x, y, under, strict=True)
    )
    ticks = [(float(q), f"{100 * q:g} %") for q in QUANTILES]
    return _svg(_line(*ends, GREY, 1) + _line(x, y, BLUE, 2) + dots + _axes(ticks, 1, 0, 1))


def skill_chart(scores: Sequence[Score]) -> str:
    """Skill against both references per lead bucket with its interval."""
    rows = [score for score in scores if score.leads_h not in ("12-36", "0-48")]
    ends = [(s.skill_persistence_low, s.skill_climatology_low) for s in rows]
    low, high = min(0.0, float(np.min(ends))), 1.0
    parts = []
    for place, score in enumerate(rows):
        for name, colour, nudge in (("persistence", RED, -0.1), ("climatology", BLUE, 0.1)):
            values = [getattr(score, f"skill_{name}{end}") for end in ("", "_low", "_high")]
            x = float(_across(np.array([place + 0.5 + nudge]), 0, len(rows))[0])
            y, y_low, y_high = _up(np.array(values), low, high)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y_low:.1f}" y2="{y_high:.1f}" '
                f'stroke="{colour}" stroke-width="2"/>'
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
            )
    ticks = [(place + 0.5, f"{score.leads_h} h") for place, score in enumerate(rows)]
    zero = _line(_across(np.array([0.0, 1.0]), 0, 1), _up(np.zeros(2), low, high), GREY, 1)
    key = (
        f'<text x="{LEFT + 8}" y="{TOP + 10}" style="fill:{RED}">against 24 h persistence</text>'
        f'<text x="{LEFT + 180}" y="{TOP + 10}" style="fill:{BLUE}">against climatology</text>'
    )
    return _svg(zero + "".join(parts) + key + _axes(ticks, len(rows), low, high))


def _clearest(replay: Replay) -> int:
    """The last issue whose truth is known best."""
    known = np.isfinite(replay.truth).sum(axis=1)
    return int(np.flatnonzero(known == known.max())[-1])


def _table(scores: Sequence[Score]) -> str:
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    rows = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells_of(score))}</tr>" for score in scores
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def cells_of(score: Score) -> tuple[str, ...]:
    """The texts of a table row, in the order of HEADS."""
    return (
        score.leads_h,
        f"{score.values:,}",
        *(f"{value:.4f}" for value in (score.pinball, score.crps, score.rcrps)),
        *(f"{100 * value:.1f} %" for value in (score.nmae, score.nrmse)),
        *(f"{100 * value:.1f}" for value in (score.cover_50, score.cover_80, score.cover_90)),
        _interval(
            score.skill_persistence, score.skill_persistence_low, score.skill_persistence_high
        ),
        _interval(
            score.skill_climatology, score.skill_climatology_low, score.skill_climatology_high
        ),
    )


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _across(values: FloatArray, low: float, high: float) -> FloatArray:
    return np.asarray(LEFT + (values - low) / (high - low) * (WIDTH - LEFT - 16))


def _up(values: FloatArray, low: float, high: float) -> FloatArray:
    return np.asarray(HEIGHT - BOTTOM - (values - low) / (high - low) * (HEIGHT - TOP - BOTTOM))


def _line(x: FloatArray, y: FloatArray, colour: str, width: float) -> str:
    text, pen_down = "", False
    for a, b in zip(x, y, strict=True):
        if not np.isfinite(b):
            pen_down = False
            continue
        text += f"{'L' if pen_down else 'M'}{a:.1f} {b:.1f}"
        pen_down = True
    return f'<path d="{text}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _band(x: FloatArray, low: FloatArray, high: FloatArray) -> str:
    there = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, high, strict=True))
    back = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x[::-1], low[::-1], strict=True))
    return f"M{there}L{back}Z"


def _axes(ticks: Sequence[tuple[float, str]], last: float, low: float, high: float) -> str:
    below = "".join(
        f'<text x="{_across(np.array([at]), 0, last)[0]:.0f}" y="{HEIGHT - 8}" '
        f'text-anchor="middle">{text}</text>'
        for at, text in ticks
    )
    beside = "".join(
        f'<text x="0" y="{_up(np.array([value]), low, high)[0] + 4:.0f}">{value:,.4g}</text>'
        for value in np.linspace(low, high, 5)
    )
    return below + beside


def _svg(drawing: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{drawing}</svg>'
