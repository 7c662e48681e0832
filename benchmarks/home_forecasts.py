"""How well each home's own day is foreseen: quantiles of its use and its roof, by home.

    python benchmarks/home_forecasts.py [--district sejong-5-1@0.05] [--days 28] [--warm-up 28]

Every local midnight the district is forecast as the loop does it, and every home from that and from
the days of all meters before, for 24 hours. Use is what the home has really drawn, the sun what its
roof has given; the forecast knows the net of its meter alone. Simulated homes, not Sejong's.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from energy.backtest.district import until
from energy.district import District, load_district
from energy.forecast import MEDIAN, Observed, no_cars, sane_forecast, warmed_bands
from energy.forecast.axis import build_axis
from energy.forecast.features import cells_of
from energy.forecast.homes import HomeDay, digest_day, forecast_home
from energy.forecast.inputs import FloatArray
from energy.forecast.roofs import Roof, forecast_roof, spread_of_roofs
from energy.forecast.scoring import WIDTHS, pinball
from energy.plant import Plant
from energy.plant.truth import SimulatedTruth
from energy.steps.basis import build_basis
from energy.steps.homes import classes_of, sun_of_roofs
from energy.timegrid import parse_instant, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY

CHOSEN = 200
HOMES = ("apartment", "detached")
Row = tuple[int, FloatArray, FloatArray]
"""A meter, its quantiles (Q, S) of a day and what came (S,)."""


def main() -> None:
    """Replay the days and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--district", default="sejong-5-1@0.05")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--warm-up", type=int, default=28)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--end", default="2026-07-15T00:00")
    asked = parser.parse_args()
    district = load_district(asked.district)
    end = parse_instant(asked.end, district.time_zone)
    Replay(district, asked.seed, end, asked.warm_up, asked.days).run()


class Replay:
    """The days of a simulated district, one after the other."""

    def __init__(self, district: District, seed: int, end: int, warm_up: int, days: int) -> None:
        self.district, self.warm_up, self.days = district, warm_up, days
        self.plant, self.truth = Plant(district, seed), SimulatedTruth(district, seed)
        self.basis, self.classes = build_basis(district), classes_of(district)
        total = warm_up + days
        self.first = end - total * SLOTS_PER_DAY * SLOT_S
        self.record = self.plant.archive(end, total + 28)
        self.told: list[HomeDay] = []
        rng = np.random.default_rng(5)
        homes = np.flatnonzero(np.isin(np.array(district.meters.use), HOMES))
        roofs = np.flatnonzero(district.meters.pv_kwp > 0)
        pick = rng.choice(homes, min(CHOSEN, len(homes)), replace=False)
        self.chosen = np.unique(np.concatenate([pick, roofs[:CHOSEN]]))

    def run(self) -> None:
        """All days, then the tables."""
        begin = 28 * SLOTS_PER_DAY
        bands = warmed_bands(
            self.basis, until(self.record, begin), self.plant.weather_forecast, SLOTS_PER_DAY
        )
        load, sun, sums = [], [], []
        total = self.warm_up + self.days
        for day in track(range(total), "days", console=Console(stderr=True)):
            at = begin + day * SLOTS_PER_DAY
            slots = slots_from(self.first + day * SLOTS_PER_DAY * SLOT_S, SLOTS_PER_DAY)
            use_kw, roof_kw = self.truth_of(slots)
            if day >= self.warm_up:
                known, issue = until(self.record, at), int(slots[0])
                bands.learn(issue, known)
                weather = self.plant.weather_forecast(issue)
                observed = Observed(
                    issue, known, weather, no_cars(), calibration=bands.calibrations
                )
                found = sane_forecast(self.basis, observed, issue, SLOTS_PER_DAY)
                bands.issued(found)
                cells = cells_of(slots, self.district.time_zone)
                for meter in self.chosen.tolist():
                    own = forecast_home(
                        self.classes, self.told, meter, cells, found.load_district_kw[MEDIAN]
                    )
                    load.append((meter, own.load_kw, use_kw[:, meter]))
                    sun.append(
                        (meter, self.roof(slots, meter, found.pv_district_kw), roof_kw[:, meter])
                    )
                sums.append(self.gap(cells, found.load_district_kw[MEDIAN]))
            self.told.append(self.digest(slots, use_kw - roof_kw, at))
        report(self.district, load, sun, sums)

    def truth_of(self, slots: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """Use and sun of every meter, (S, M)."""
        seen = [self.truth.at(slot) for slot in slots.tolist()]
        return np.stack([one.load_kw for one in seen]), np.stack([one.solar.own_kw for one in seen])

    def digest(self, slots: np.ndarray, net_kw: FloatArray, at: int) -> HomeDay:
        """What the meters have told of a day: their net, and the sun of their areas."""
        roofs = np.flatnonzero(self.district.meters.pv_kwp > 0)
        use_kw = net_kw.copy()
        area_kw = self.record.pv_kw[at : at + SLOTS_PER_DAY]
        use_kw[:, roofs] += sun_of_roofs(self.district, slots, area_kw, roofs)
        axis = build_axis(slots, self.district.time_zone)
        use_kw, kind = np.maximum(use_kw, 0.0), int(axis.kind[0])
        spread = spread_of_roofs(slots, self.basis.pv, self.basis.site, area_kw)
        return digest_day(self.classes, self.told, use_kw, axis.quarter, kind, spread)

    def roof(self, slots: np.ndarray, meter: int, district_kw: FloatArray) -> FloatArray:
        """The forecast of one roof."""
        meters = self.district.meters
        roof = Roof(float(meters.pv_kwp[meter]), int(meters.pv_class[meter]))
        basis = self.basis
        return forecast_roof(slots, basis.pv, basis.site, roof, district_kw, self.told)

    def gap(self, cells: np.ndarray, district_kw: FloatArray) -> float:
        """By how much all homes' expectations miss the district's forecast, share of it."""
        total = sum(
            forecast_home(self.classes, self.told, meter, cells, district_kw).expected_kw
            for meter in (range(len(self.classes.of)) if len(self.told) == self.warm_up else ())
        )
        return float(np.abs(total / district_kw - 1).max()) if np.ndim(total) else 0.0


def report(district: District, load: list[Row], sun: list[Row], gaps: list[float]) -> None:
    """Shares inside the bands and losses: of all, and how they differ from home to home."""
    uses = np.array(district.meters.use)
    print(f"homes add up to the district within {max(gaps):.1e} of it")
    groups = {use: uses == use for use in HOMES} | {"with a roof": district.meters.pv_kwp > 0}
    for name, chosen in groups.items():
        show(f"use, {name}", [row for row in load if chosen[row[0]]])
    show("sun of a roof", [row for row in sun if district.meters.pv_kwp[row[0]] > 0])


def show(name: str, rows: list[Row]) -> None:
    """One line of figures."""
    if not rows:
        return
    meters = np.array([row[0] for row in rows])
    own, truth = np.stack([row[1] for row in rows]), np.stack([row[2] for row in rows])
    said = own[:, -1] > own[:, 0]
    shares = {}
    for width, (low, high) in WIDTHS.items():
        inside = (truth >= own[:, low]) & (truth <= own[:, high])
        each = [
            float(inside[meters == one][said[meters == one]].mean()) for one in np.unique(meters)
        ]
        shares[width] = (float(inside[said].mean()), *np.quantile(each, [0.1, 0.9]))
    mean = float(truth.mean())
    crps = float(2 * pinball(own, truth).mean()) / mean
    nmae = float(np.abs(own[:, MEDIAN] - truth).mean()) / mean
    told = ", ".join(
        f"{width} %: {100 * all_:.1f} ({100 * low:.0f} to {100 * high:.0f} of 8 in 10 homes)"
        for width, (all_, low, high) in shares.items()
    )
    count = len(np.unique(meters))
    print(f"{name}: {count} homes, mean {mean:.3f} kW, CRPS {crps:.3f}, nMAE {nmae:.3f}")
    print(f"  inside {told}")


if __name__ == "__main__":
    main()
