"""The plant's small data tables: CSV with `#` lines first, every problem one sentence.

data/weather/climate.csv, data/profiles/load_shapes.csv and load_response.csv; their heads say what
the columns are and where the numbers come from.
"""

import csv
from collections.abc import Sequence
from functools import cache

import data
from energy.plant.interface import PlantError


@cache
def read_rows(folder: str, name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table of data/, as text by column."""
    path = data.path(folder, name)
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = tuple(csv.DictReader(line for line in lines if line and not line.startswith("#")))
    for number, row in enumerate(rows):
        if None in row or None in row.values():
            raise PlantError(f"{path}: row {number + 1}: columns missing or left over")
    return rows


def numbers(row: dict[str, str], columns: Sequence[str]) -> list[float]:
    """The named columns of a row as numbers."""
    return [float(row[column]) for column in columns]
