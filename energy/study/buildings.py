"""Zero-energy grades of a district's buildings, by what a year of their meters shows.

Self-sufficiency is primary energy produced over primary energy consumed; grades and factors are
those of the Korean scheme from 2025-01-01 (data/README.md). All metered use counts, plug loads too,
so that the grade is stricter than a certificate's, which counts five uses alone. The operator's
sun on a roof belongs to the operator and is not counted.
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
PRIMARY_ELECTRICITY, PRIMARY_DISTRICT_HEAT = 2.75, 0.728
"""Primary energy per unit of delivered energy (B, unchanged as of 2025-10)."""
HOMES = ("apartment", "detached")


@dataclass(frozen=True)
class Building:
    """What stands at one connection under one use: meters, a year's energies, and its grade."""

    name: str
    use: str
    meters: int
    load_kwh: float
    heat_kwh: float
    solar_kwh: float
    self_sufficiency_frac: float | None
    grade: str

    def as_json(self) -> dict[str, Any]:
        """The row for a report."""
        return asdict(self)


def grade_of(self_sufficiency_frac: float) -> str:
    """The grade of a self-sufficiency; a boundary belongs to the better grade."""
    return next((name for name, least in GRADES if self_sufficiency_frac >= least), NO_GRADE)


def self_sufficiency(load_kwh: float, heat_kwh: float, solar_kwh: float) -> float | None:
    """Primary energy produced over consumed; None where nothing is consumed."""
    used = PRIMARY_ELECTRICITY * load_kwh + PRIMARY_DISTRICT_HEAT * heat_kwh
    return PRIMARY_ELECTRICITY * solar_kwh / used if used > 0 else None


def grade_buildings(
    district: District, load_kwh: FloatArray, solar_kwh: FloatArray, heat_kwh: float
) -> list[Building]:
    """All buildings in order of their connection; street lighting is none.

    `load_kwh`, `solar_kwh` (M,) of a year by meter; `heat_kwh` of the network, which homes without
    electric heating share equally (D).
    """
    meters = district.meters
    uses = np.array(meters.use)
    heated = np.isin(uses, HOMES) & ~meters.all_electric
    heat = np.where(heated, heat_kwh / max(int(heated.sum()), 1), 0.0)
    found = []
    for bus in np.unique(meters.bus).tolist():
        for use in sorted(set(uses[meters.bus == bus].tolist()) - {"street_lighting"}):
            rows = np.flatnonzero((meters.bus == bus) & (uses == use))
            used, warm, own = (float(one[rows].sum()) for one in (load_kwh, heat, solar_kwh))
            name = f"{district.network.buses.id[bus]} {use}"
            found.append(_building(name, use, len(rows), (used, warm, own)))
    return found


def _building(name: str, use: str, meters: int, sums: tuple[float, float, float]) -> Building:
    frac = self_sufficiency(*sums)
    load_kwh, heat_kwh, solar_kwh = (round(one, 1) for one in sums)
    grade = NO_GRADE if frac is None else grade_of(frac)
    shown = None if frac is None else round(frac, 4)
    return Building(name, use, meters, load_kwh, heat_kwh, solar_kwh, shown, grade)


def count_grades(buildings: Sequence[Building]) -> dict[str, int]:
    """How many buildings have each grade, best first."""
    names = [name for name, _ in GRADES] + [NO_GRADE]
    return {name: sum(one.grade == name for one in buildings) for name in names}
