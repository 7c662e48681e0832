"""What docs/grid.md tells of commands and columns is so."""

import re
from dataclasses import fields
from pathlib import Path

import typer.main

from energy.cli import build_app
from energy.cli.grid_day import DayElement, DaySlot
from energy.cli.grid_studies import result_tables
from energy.district import load_district
from energy.district.sums import load_cases
from grid_models import PowerFlow
from grid_models.folder import TABLES

GUIDE = (Path(__file__).parents[3] / "docs" / "grid.md").read_text(encoding="utf-8")
STREETS = str(Path(__file__).parents[2] / "cases" / "two_streets")


def names(*columns: str) -> str:
    return ", ".join(columns)


def test_every_command_of_the_guide_exists_and_every_command_is_in_the_guide() -> None:
    group = typer.main.get_command(build_app("grid"))
    known = set(group.commands["grid"].commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^microgrid grid (\w+)", GUIDE, re.MULTILINE)) == known


def test_the_columns_of_a_folder_are_those_of_the_guide() -> None:
    for name, columns in TABLES.items():
        assert f"| `{name}.csv` | `{names(*columns)}` |" in GUIDE


def test_the_columns_of_results_are_those_of_the_guide() -> None:
    text = " ".join(GUIDE.split())
    for record in (DaySlot, DayElement):
        assert f"`{names(*(field.name for field in fields(record)))}`" in text
    tables = load_district(STREETS)
    case = load_cases(tables)[0]
    flow = PowerFlow(tables.network).run(case.p_kw, case.q_kvar)
    for columns in result_tables(tables, case, flow).values():
        assert f"`{names(*columns)}`" in text
