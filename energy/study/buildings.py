"""Zero-energy grades of a district's buildings, by what a year of their meters shows.

The Korean scheme from 2025-01-01 (data/README.md) has two ways to a grade, of which the better one
counts: self-sufficiency, primary energy produced over consumed, and net primary energy for each
square metre of floor. All metered use counts, plug loads too, so that a grade is stricter than a
certificate's, which counts five uses alone. The operator's sun on a roof belongs to the operator
and is not counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from energy.district import District
from energy.forecast.inputs import FloatArray

GRADES = (("plus", 1.2), ("1", 1.0), ("2", 0.8), ("3", 0.6), ("4", 0.4), ("5", 0.2))
"""Least self-sufficiency of each grade, best first (A)."""
NO_GRADE = "none"
NAMES = (*(name for name, _ in GRADES), NO_GRADE)
NET_HOMES = (-10.0, 10.0, 30.0, 50.0, 70.0, 90.0)
NET_OTHERS = (-70.0, -30.0, 10.0, 50.0, 90.0, 130.0)
"""Net primary energy below which a grade is reached, kWh/m2 a year, in the grades' order (A)."""
PRIMARY_ELECTRICITY, PRIMARY_DISTRICT_HEAT, PRIMARY_FUEL = 2.75, 0.728, 1.1
"""Primary energy per unit of delivered energy (B, unchanged as of 2025-10)."""
HOMES = ("apartment", "detached")


@dataclass(frozen=True)
class Energies:
    """A year of a building, kWh: electricity, heat of the network, gas, and its own sun."""

    load: float
    heat: float
    fuel: float
    solar: float

    @property
    def used_primary(self) -> float:
        """Primary energy consumed."""
        heat, fuel = PRIMARY_DISTRICT_HEAT * self.heat, PRIMARY_FUEL * self.fuel
        return PRIMARY_ELECTRICITY * self.load + heat + fuel

    @property
    def made_primary(self) -> float:
        """Primary energy produced."""
        return PRIMARY_ELECTRICITY * self.solar

    @property
    def self_sufficiency_frac(self) -> float | None:
        """Primary energy produced over consumed; None where nothing is consumed."""
        return self.made_primary / self.used_primary if self.used_primary > 0 else None

    def net_primary_kwh_per_m2(self, floor_m2: float) -> float | None:
        """Primary energy consumed less produced, a square metre; None where no floor is known."""
        return (self.used_primary - self.made_primary) / floor_m2 if floor_m2 > 0 else None


@dataclass(frozen=True)
class Building:
    """What stands in one building under one use: meters, floor, a year's energies, its grade."""

    name: str
    use: str
    meters: int
    floor_m2: float
    load_kwh: float
    heat_kwh: float
    fuel_kwh: float
    solar_kwh: float
    self_sufficiency_frac: float | None
    net_primary_kwh_per_m2: float | None
    grade: str

    def as_json(self) -> dict[str, Any]:
        """The row for a report."""
        return asdict(self)


def grade_of(self_sufficiency_frac: float) -> str:
    """The grade of a self-sufficiency; a boundary belongs to the better grade."""
    return next((name for name, least in GRADES if self_sufficiency_frac >= least), NO_GRADE)


def grade_of_net(net_primary_kwh_per_m2: float, use: str) -> str:
    """The grade of a net primary energy; a boundary belongs to the worse grade."""
    limits = NET_HOMES if use in HOMES else NET_OTHERS
    found = zip(NAMES, limits, strict=False)
    return next((name for name, limit in found if net_primary_kwh_per_m2 < limit), NO_GRADE)


def grade_buildings(
    district: District, load_kwh: FloatArray, solar_kwh: FloatArray, heat_kwh: float
) -> list[Building]:
    """All buildings in order of their first meter; street lighting is none.

    `load_kwh`, `solar_kwh` (M,) of a year by meter; `heat_kwh` of the network, which homes without
    electric heating share equally (D).
    """
    meters = district.meters
    heated = np.isin(meters.use, HOMES) & ~meters.all_electric
    heat = np.where(heated, heat_kwh / max(int(heated.sum()), 1), 0.0)
    standing: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(meters.building, meters.use, strict=True)):
        if key[1] != "street_lighting":
            standing.setdefault(key, []).append(row)
    found = []
    for (name, use), rows in standing.items():
        columns = (load_kwh, heat, meters.annual_fuel_kwh, solar_kwh, meters.floor_m2)
        *energies, floor_m2 = (float(column[rows].sum()) for column in columns)
        found.append(_building(name, use, len(rows), Energies(*energies), floor_m2))
    return found


def _building(name: str, use: str, meters: int, year: Energies, floor_m2: float) -> Building:
    frac, net = year.self_sufficiency_frac, year.net_primary_kwh_per_m2(floor_m2)
    ways = [NO_GRADE if frac is None else grade_of(frac)]
    if net is not None and frac is not None:
        ways.append(grade_of_net(net, use))
    return Building(
        name=name,
        use=use,
        meters=meters,
        floor_m2=round(floor_m2, 1),
        load_kwh=round(year.load, 1),
        heat_kwh=round(year.heat, 1),
        fuel_kwh=round(year.fuel, 1),
        solar_kwh=round(year.solar, 1),
        self_sufficiency_frac=None if frac is None else round(frac, 4),
        net_primary_kwh_per_m2=None if net is None else round(net, 1),
        grade=min(ways, key=NAMES.index),
    )


def count_grades(buildings: Sequence[Building]) -> dict[str, int]:
    """How many buildings have each grade, best first."""
    return {name: sum(one.grade == name for one in buildings) for name in NAMES}
