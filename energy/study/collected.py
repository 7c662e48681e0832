"""What the quarter hours of a chunk come to, added up by day, and the part of a year that it is.

A part is plain JSON: it is what a worker sends, what is kept on disk, and what years are made of.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from energy.district import District
from energy.forecast.inputs import FloatArray
from energy.plant import BehindMeters, Telemetry
from energy.steps.accounting import SlotPrices, Stock, Tally
from energy.steps.tally import Tally as MonthTally
from energy.steps.views import measured_sources, measured_uses
from energy.study.day import DayPlan
from energy.study.neighbours import MarketSums
from energy.study.wires import WiresSums
from energy.units import DT_H

Part = dict[str, Any]
PEAK = "peak_import_kw"


@dataclass(eq=False)
class Collected:
    """Sums of the counted slots of a chunk."""

    district: District
    tallies: dict[str, Tally] = field(default_factory=dict)
    days: dict[str, dict[str, float]] = field(default_factory=dict)
    plans: list[dict[str, Any]] = field(default_factory=list)
    p_import_kw: list[float] = field(default_factory=list)
    p_use_kw: list[float] = field(default_factory=list)
    stock: Stock | None = None

    def __post_init__(self) -> None:
        customers = len(self.district.meters.account)
        self.load_kwh, self.solar_kwh = np.zeros(customers), np.zeros(customers)

    def planned(self, day: str, plan: DayPlan) -> None:
        """A day was planned."""
        certificate = plan.checked.plan.certificate
        self.plans.append(
            {
                "day": day,
                "tier": str(plan.checked.tier),
                "gap_frac": _finite(certificate.gap_frac),
                "limits_exceeded": len(plan.checked.violations),
            }
        )

    def seen(self, day: str, seen: Telemetry, behind: BehindMeters, prices: SlotPrices) -> None:
        """A quarter hour was measured."""
        month = day[:7]
        before = self.tallies.get(month) or Tally(first_slot=seen.slot, begin=self.stock)
        self.stock = Stock.after(seen)
        self.tallies[month] = before.plus(self.district, seen, prices)
        self.load_kwh += behind.load_kwh
        self.solar_kwh += behind.solar_kwh
        sources, uses = measured_sources(self.district, seen), measured_uses(seen)
        row = self.days.setdefault(day, {PEAK: 0.0})
        add_to(row, {f"from_{k}_kwh": v * DT_H for k, v in sources.items()})
        add_to(row, {f"to_{k}_kwh": v * DT_H for k, v in uses.items()})
        add_to(row, _devices(self.district, seen))
        add_to(row, {"own_solar_kwh": float(behind.solar_kwh.sum())})
        row[PEAK] = max(row[PEAK], seen.p_import_kw)
        self.p_import_kw.append(round(seen.p_import_kw, 3))
        used_kw = sum(uses[name] for name in ("homes_buildings", "cars", "heat_pump", "losses"))
        self.p_use_kw.append(round(used_kw, 3))

    def begins(self, seen: Telemetry) -> None:
        """The slot before the first counted one: what it leaves in stock."""
        self.stock = Stock.after(seen)

    def part(self, sums: MarketSums, months: MonthTally, wires: WiresSums) -> Part:
        """The chunk as JSON; the market's and the wires' sums beside its own."""
        return {
            "tallies": {month: tally.as_json() for month, tally in self.tallies.items()},
            "days": {day: _rounded(row) for day, row in self.days.items()},
            "plans": self.plans,
            "p_import_kw": self.p_import_kw,
            "p_use_kw": self.p_use_kw,
            "load_kwh": self.load_kwh.round(3).tolist(),
            "solar_kwh": self.solar_kwh.round(3).tolist(),
            "market": asdict(sums),
            "wires": asdict(wires),
            "sums": {name: column.tolist() for name, column in months.columns().items()},
        }


def add_to(row: dict[str, float], more: Mapping[str, float]) -> None:
    """Add up sums in place; the peak among them becomes the higher one."""
    peak_kw = max(row.get(PEAK, 0.0), more.get(PEAK, 0.0))
    for name, amount in more.items():
        row[name] = row.get(name, 0.0) + amount
    row[PEAK] = peak_kw


def _devices(district: District, seen: Telemetry) -> dict[str, float]:
    """Energies, hours and counts of a slot that are no source or use of power."""
    pafc = np.array([unit.kind != "biogas" for unit in district.units], dtype=bool)
    kept = seen.departures.kept
    return {
        "curtailed_kwh": _kwh(seen.pv_curtailed_kw),
        "fuel_cell_h": float(seen.unit_on[pafc].sum()) * DT_H,
        "fuel_cell_heat_kwh": _kwh(seen.unit_heat_kw[pafc]),
        "fuel_cell_fuel_kwh": _kwh(seen.unit_fuel_kw[pafc]),
        "fuel_cell_starts": float(seen.unit_starts[pafc].sum()),
        "unit_heat_kwh": _kwh(seen.unit_heat_kw),
        "heat_kwh": seen.heat_kw * DT_H,
        "boiler_kwh": seen.boiler_kw * DT_H,
        "heat_dumped_kwh": seen.heat_dumped_kw * DT_H,
        "heat_missing_kwh": seen.heat_missing_kw * DT_H,
        "departures": float(len(kept)),
        "broken_departures": float((~kept).sum()),
        "flows_not_converged": float(not seen.flow_converged),
    }


def _kwh(p_kw: FloatArray) -> float:
    return float(p_kw.sum()) * DT_H


def _rounded(row: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in row.items()}


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
