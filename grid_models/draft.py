"""A network while it is drawn: rows are appended one by one and become tables at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grid_models.district import (
    Areas,
    Buses,
    Connections,
    Lines,
    Network,
    Transformers,
)

Row = Sequence[Any]  # one value per field of the table, in order


@dataclass(frozen=True)
class Cable:
    """One kind of cable: per phase and km, ampacity of a single cable."""

    r_ohm_per_km: float
    x_ohm_per_km: float
    c_nf_per_km: float
    i_a_max: float


@dataclass
class Draft:
    """Rows of every table, in the field order of the tables in district.py."""

    buses: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    transformers: list[Row] = field(default_factory=list)
    areas: list[Row] = field(default_factory=list)
    connections: list[Row] = field(default_factory=list)

    def add_bus(self, row: Row) -> int:
        """Append (id, vn_kv, x_m, y_m, area, kind, v_min_pu, v_max_pu); its position."""
        self.buses.append(row)
        return len(self.buses) - 1

    def add_line(
        self,
        name: str,
        ends: tuple[int, int],
        cable: Cable,
        *,
        length_m: float,
        parallel: int = 1,
        closed: bool = True,
    ) -> None:
        """Append a line of `parallel` equal cables between two buses."""
        impedance = (cable.r_ohm_per_km, cable.x_ohm_per_km, cable.c_nf_per_km)
        self.lines.append(
            (name, *ends, length_m / 1000, *impedance, cable.i_a_max, parallel, closed)
        )

    def network(
        self, name: str, zones: tuple[str, ...], slack_bus: int, slack_v_pu: float
    ) -> Network:
        """The finished tables."""
        return Network(
            name=name,
            buses=buses_table(self.buses),
            lines=lines_table(self.lines),
            transformers=transformers_table(self.transformers),
            areas=areas_table(self.areas),
            zones=zones,
            connections=connections_table(self.connections),
            slack_bus=slack_bus,
            slack_v_pu=slack_v_pu,
        )


def buses_table(rows: Sequence[Row]) -> Buses:
    """Buses from rows in field order."""
    return Buses(*_columns(rows, "tfffitff"))


def lines_table(rows: Sequence[Row]) -> Lines:
    """Lines from rows in field order."""
    return Lines(*_columns(rows, "tiifffffib"))


def transformers_table(rows: Sequence[Row]) -> Transformers:
    """Transformers from rows in field order."""
    return Transformers(*_columns(rows, "tiifffffffiiifi"))


def areas_table(rows: Sequence[Row]) -> Areas:
    """Areas from rows in field order."""
    return Areas(*_columns(rows, "tiii"))


def connections_table(rows: Sequence[Row]) -> Connections:
    """Connections from rows in field order."""
    return Connections(*_columns(rows, "itifift"))


def _columns(rows: Sequence[Row], kinds: str) -> list[Any]:
    """One column per letter: t texts, f floats, i whole numbers, b yes or no."""
    dtypes = {"f": np.float64, "i": np.int64, "b": np.bool_}
    columns: list[Any] = []
    for index, kind in enumerate(kinds):
        cells = [row[index] for row in rows]
        texts = kind == "t"
        columns.append(tuple(map(str, cells)) if texts else np.array(cells, dtype=dtypes[kind]))
    return columns
