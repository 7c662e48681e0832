"""The page of a study: scenarios side by side, drawn by the charts that a run's page uses."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from energy.charts import Series, bar_chart, build_page, line_chart, mirrored_chart
from energy.study.figures import GOAL_SELF_SUFFICIENCY, reaches_goal
from energy.study.study import Done

SOURCES = {
    "fuel cells": "from_fuel_cell_kwh",
    "biogas": "from_biogas_kwh",
    "solar": "from_solar_kwh",
    "battery": "from_battery_kwh",
    "cars": "from_cars_kwh",
    "KEPCO": "from_kepco_kwh",
}
USES = {
    "homes and buildings": "to_homes_buildings_kwh",
    "cars": "to_cars_kwh",
    "battery": "to_battery_kwh",
    "heat pump": "to_heat_pump_kwh",
    "losses": "to_losses_kwh",
    "KEPCO": "to_kepco_kwh",
}
DURATION_POINTS = 200


def build_study_page(document: Mapping[str, Any], done: Sequence[Done]) -> str:
    """The whole page as text; figures and drawings are those of the first draw of each run."""
    shown = _first_draws(done)
    names = _names(shown)
    parts = [
        *(f"<p>{html.escape(answer_sentence(one))}</p>" for one in shown),
        "<h2>Part of the use that was made here, % by month</h2>",
        _by_month(names, shown, "self_sufficiency_frac", 100.0),
        "<h2>Highest import of each month, MW</h2>",
        _by_month(names, shown, "peak_import_kw", 1e-3),
        "<h2>Import of all quarter hours, the highest first, MW</h2>",
        duration_chart(names, shown),
    ]
    for name, one in zip(names, shown, strict=True):
        parts += [f"<h2>{html.escape(name)}: sources (up) and uses (down), MWh a month</h2>"]
        parts += [energy_chart(one)]
    parts += ["<h2>All figures</h2>", figures_table(names, shown)]
    parts += ["<h2>Charging points, so that 1 % of arrivals find none</h2>"]
    parts += [chargers_table(names, shown)]
    parts += ["<h2>Zero-energy grades, buildings</h2>", grades_table(names, shown)]
    if document["quantiles"]:
        parts += [f"<h2>Over {document['draws']} draws: 10 %, median, 90 %</h2>"]
        parts += [quantiles_table(document["quantiles"])]
    listed = "".join(f"<li>{html.escape(text)}</li>" for text in document["assumptions"])
    parts += ["<h2>How it was reckoned</h2>", f"<ul>{listed}</ul>"]
    months = "{}..{}".format(*document["months"])
    return build_page(f"A year of the district: {document['year']}, months {months}", parts)


def answer_sentence(one: Done) -> str:
    """What a run came to, in two sentences."""
    found, scenario = one.year.figures, one.run.scenario
    own = found["self_sufficiency_frac"]
    goal = "reached" if reaches_goal(found) else "missed"
    return (
        f"{one.run.district}, {scenario.name} ({scenario.title}): "
        f"{_share(own)} of the use was made here (goal of {_share(GOAL_SELF_SUFFICIENCY)} "
        f"{goal}); the operator supplied {_share(found['operator_supply_frac'])} of what "
        f"customers took and its plants have {_share(found['capacity_share_frac'])} of the peak. "
        f"{one.year.span.capitalize()} cost "
        f"{found['cost_krw']:,.0f} won, {_share(found['saved_frac'])} less than without a plan, "
        f"and {found['co2_t']:,.0f} t of CO2; limits of the wires were broken in "
        f"{found['hours_violated']:,.1f} hours, {found['broken_departures']:,} of "
        f"{found['departures']:,} cars left short of their promise."
    )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _first_draws(done: Sequence[Done]) -> list[Done]:
    found: dict[tuple[str, str], Done] = {}
    for one in done:
        found.setdefault((one.run.district, one.run.scenario.name), one)
    return list(found.values())


def _names(shown: Sequence[Done]) -> list[str]:
    """A name for each run: the scenario's, with the district's where there are several."""
    several = len({one.run.district for one in shown}) > 1
    return [
        f"{one.run.district} {one.run.scenario.name}" if several else one.run.scenario.name
        for one in shown
    ]


def _by_month(names: Sequence[str], shown: Sequence[Done], key: str, factor: float) -> str:
    labels = [row["month"][5:] for row in shown[0].year.months]
    groups: dict[str, Series] = {
        name: [None if row[key] is None else factor * row[key] for row in one.year.months]
        for name, one in zip(names, shown, strict=True)
    }
    return bar_chart(groups, labels)


def energy_chart(one: Done) -> str:
    """Monthly energies of a run."""
    months = one.year.months

    def columns(table: Mapping[str, str]) -> dict[str, Series]:
        return {name: [row.get(key, 0.0) for row in months] for name, key in table.items()}

    return mirrored_chart(columns(SOURCES), columns(USES), [row["month"][5:] for row in months])


def duration_chart(names: Sequence[str], shown: Sequence[Done]) -> str:
    """Imports in falling order, thinned to points."""
    lines: dict[str, Series] = {}
    for name, one in zip(names, shown, strict=True):
        ordered = np.sort(np.array(one.year.p_import_kw))[::-1]
        at = np.linspace(0, len(ordered) - 1, DURATION_POINTS).astype(np.int64)
        lines[name] = ordered[at].tolist()
    labels = [f"{100 * n // DURATION_POINTS} %" for n in range(DURATION_POINTS)]
    return line_chart(lines, labels, 1e-3)


def figures_table(names: Sequence[str], shown: Sequence[Done]) -> str:
    """All figures, a column for each run."""
    rows = []
    for key in shown[0].year.figures:
        cells = [_shown(one.year.figures[key]) for one in shown]
        rows.append([key.replace("_", " "), *cells])
    tiers = [", ".join(f"{n} x {tier}" for tier, n in one.year.tiers.items()) for one in shown]
    rows.append(["plans by tier", *tiers])
    rows.append(["worst element", *(one.year.worst_element for one in shown)])
    return _table(["", *names], rows)


def chargers_table(names: Sequence[str], shown: Sequence[Done]) -> str:
    """The points of each class."""
    head = ("", "class", "points", "sessions a day", "busiest, cars", "needed together",
            "needed by area", "blocked today, %")  # fmt: skip
    rows = [
        [name, each.kind, f"{each.present:,}", f"{each.sessions_per_day:,.1f}",
         f"{each.offered:,.1f}", f"{each.needed_pooled:,}", f"{each.needed_by_area:,}",
         f"{100 * each.blocked_frac:.2f}"]
        for name, one in zip(names, shown, strict=True)
        for each in one.year.chargers
    ]  # fmt: skip
    return _table(head, rows)


def grades_table(names: Sequence[str], shown: Sequence[Done]) -> str:
    """How many buildings have each grade, or why none has one; all runs have the same months."""
    if (why := shown[0].year.no_grades_reason) is not None:
        return f"<p>{html.escape(why)}</p>"
    grades = list(shown[0].year.grades)
    return _table(
        ["", *grades],
        [
            [name, *(f"{one.year.grades[grade]:,}" for grade in grades)]
            for name, one in zip(names, shown, strict=True)
        ],
    )


def quantiles_table(quantiles: Sequence[Mapping[str, Any]]) -> str:
    """The quantiles of all figures, three columns for each run."""
    head = ["", *(f"{one['scenario']} ({one['district']})" for one in quantiles)]
    rows = [
        [name.replace("_", " "), *(_three(one["figures"].get(name)) for one in quantiles)]
        for name in quantiles[0]["figures"]
    ]
    return _table(head, rows)


def _three(row: Mapping[str, Any] | None) -> str:
    return "–" if row is None else " · ".join(_shown(float(value)) for value in row.values())


def _shown(value: float | int | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.0f}"


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{html.escape(first)}</th>"
        + "".join(f"<td class=n>{html.escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"
