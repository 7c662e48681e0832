"""What a study says: one JSON for programs, tables as CSV, one self-contained page for people."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from energy.study.chunk import METHOD
from energy.study.figures import GOAL_SELF_SUFFICIENCY, reaches_goal
from energy.study.page import build_study_page
from energy.study.study import Done, Study

Document = dict[str, Any]
QUANTILES = {"low": 0.1, "median": 0.5, "high": 0.9}
ASSUMPTIONS = (
    "The plant is simulated: weather, people and faults are drawn by the seed of the run.",
    "One plan a day at its first gate; in each quarter hour the rule of tier T2 carries it on, "
    "with what was last seen of load and sun. The loop itself plans again every quarter hour.",
    "Chunks begin with a fresh plant and days that are not counted; the peak that a plan knows of "
    "is that of its own chunk.",
    "The year repeats itself: where a tariff looks back on earlier peaks, they are the year's own.",
    "Without a plan means the cheapest of fuel cells off, half or full, cars charging at once, "
    "stores at rest; customers' load is then as low in events as with them, without a reward.",
    "Months before the oldest hours known of a tariff (2026-06, industrial 2026-04) are reckoned "
    "with those.",
    "Neighbours trade within the connection's limits; wires limit the plan, not the auction. "
    "Contracts, labels and the market's rent are left out.",
    "Customers whose tariff has bands or a metered demand get no bill.",
    "Certificates (REC) count in what SMP with REC would have paid, not in what trades brought.",
    "Zero-energy grades count all metered use and no roof of the operator's; gas of businesses is "
    "that of a median office.",
    "Net zero counts sun and biogas as made here; fuel cells burn gas of the pipeline.",
    "Charging points are sized by Erlang's formula at the week's busiest quarter hour.",
    "Flows are those of measured sums by area, spread over its buses as in the plan.",
)


@dataclass(frozen=True)
class Made:
    """How a study was made: seconds of the clock, days that were run now, workers."""

    seconds: float
    days_run: int
    workers: str


def study_document(study: Study, done: Sequence[Done], made: Made) -> Document:
    """The whole study; money stands in decimal strings of won."""
    return {
        "format": "microgrid-study/1",
        "method": METHOD,
        "year": study.year,
        "months": list(study.months),
        "seed": study.seed,
        "draws": study.draws,
        "chunk_months": study.chunk_months,
        "warm_up_days": study.warm_up_days,
        "horizon_slots": study.horizon_slots,
        "goal_self_sufficiency_frac": GOAL_SELF_SUFFICIENCY,
        "made": asdict(made),
        "assumptions": list(ASSUMPTIONS),
        "runs": [_run(one) for one in done],
        "quantiles": quantiles_of(done) if study.draws > 1 else [],
    }


def _run(one: Done) -> Document:
    run, year = one.run, one.year
    return {
        "district": run.district,
        "scenario": run.scenario.name,
        "title": run.scenario.title,
        "seed": run.seed,
        "days": run.days,
        "reaches_goal": reaches_goal(year.figures),
        "figures": money_as_text(year.figures),
        "months": [money_as_text(row) for row in year.months],
        "tiers": year.tiers,
        "zeb_grades": year.grades,
        "no_zeb_grades_reason": year.no_grades_reason,
        "worst_element": year.worst_element,
        "chargers": [each.as_json() for each in year.chargers],
        "buildings": [each.as_json() for each in year.buildings],
    }


def money_as_text(row: Mapping[str, Any]) -> Document:
    """The row with won as decimal strings."""
    return {
        name: f"{value:.2f}" if _is_money(name) and value is not None else value
        for name, value in row.items()
    }


def _is_money(name: str) -> bool:
    return name.endswith("_krw") or "_krw_per_" in name


def quantiles_of(done: Sequence[Done]) -> list[Document]:
    """Quantiles over the draws of each figure, by district and scenario."""
    found: list[Document] = []
    for key in dict.fromkeys((one.run.district, one.run.scenario.name) for one in done):
        rows = [one.year.figures for one in done if _key(one) == key]
        figures = {
            name: money_row(name, [row[name] for row in rows])
            for name in rows[0]
            if all(row[name] is not None for row in rows)
        }
        found.append(
            {"district": key[0], "scenario": key[1], "draws": len(rows), "figures": figures}
        )
    return found


def money_row(name: str, values: Sequence[float | int | None]) -> Document:
    """The quantiles of one figure, won as text."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    row = {word: float(np.quantile(known, at)) for word, at in QUANTILES.items()}
    return {word: f"{value:.2f}" if _is_money(name) else value for word, value in row.items()}


def _key(one: Done) -> tuple[str, str]:
    return one.run.district, one.run.scenario.name


def write_study(folder: Path, study: Study, done: Sequence[Done], made: Made) -> Document:
    """Write `study.json`, `study.csv`, `days.csv` and `study.html`; the document of the first."""
    document = study_document(study, done, made)
    (folder / "study.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    _write_csv(folder / "study.csv", [{**_names(one), **one.year.figures} for one in done])
    days = [{**_names(one), **row} for one in done for row in one.year.days]
    _write_csv(folder / "days.csv", days)
    (folder / "study.html").write_text(build_study_page(document, done), encoding="utf-8")
    return document


def _names(one: Done) -> Document:
    scenario = one.run.scenario.name
    return {"district": one.run.district, "scenario": scenario, "seed": one.run.seed}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names), restval=0)
        writer.writeheader()
        writer.writerows(rows)
