"""What forecasts are worth: a month planned with perfect, with ours and with yesterday's figures.

    python benchmarks/forecast_worth.py [--district sejong-5-1@0.005] [--start 2026-07-01]
                                        [--days 31] [--only perfect|ours|yesterday] [--branch-s 20]

The loop's own steps in a closed loop with the simulated plant, without market and books. Perfect
and yesterday's figures replace the medians of load, sun and heat, of the areas and of the
district; the bands about them, and with them the margin on the peak, stay as wide as ours, for
cars, units and losses stay ours and err in every way alike.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from planner_week import replan

from energy.config import build_settings
from energy.forecast import DistrictForecast, History
from energy.outcome import Collected, Run, money_of
from energy.steps.accounting import Tally
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.measure import SLOTS_BEHIND, Measured
from energy.steps.outlook import forecast_slot
from energy.study.foresight import Foresee, perfect_foresight, told, true_history
from energy.timegrid import parse_instant
from energy.units import SLOT_S, SLOTS_PER_DAY


def foresights(truth: History) -> dict[str, Foresee]:
    """The ways to foresee, by name."""

    def yesterday(microgrid: Microgrid, measured: Measured) -> DistrictForecast:
        forecast = forecast_slot(microgrid, measured)
        before = forecast.slots - SLOTS_PER_DAY * SLOT_S
        # The newest day that is known at the issue.
        before = np.where(before < forecast.issue_slot, before, before - SLOTS_PER_DAY * SLOT_S)
        return told(forecast, truth, before)

    return {"perfect": perfect_foresight(truth), "ours": forecast_slot, "yesterday": yesterday}


def month(
    district: str, start: str, days: int, only: str, branch_s: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way's name and figures."""
    for name in ("perfect", "ours", "yesterday"):
        if only in ("", name):
            with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
                url = f"sqlite:///{folder}/month.db"
                settings = build_settings(district=district, database_url=url)
                with open_installation(
                    settings, lambda place: parse_instant(start, place.time_zone)
                ) as installation:
                    microgrid = start_microgrid(installation)
                    try:
                        yield name, run_month(microgrid, days, name, branch_s)
                    finally:
                        microgrid.close()


def run_month(microgrid: Microgrid, days: int, name: str, branch_s: float) -> dict[str, Any]:
    """The month in one way; a plan branches for so long at most, so that a month ends today."""
    planner = microgrid.planner
    planner.settings = replace(planner.settings, branch_s_max=branch_s)
    first = microgrid.installation.first_slot
    run = Run(microgrid.settings, first, days * SLOTS_PER_DAY)
    ahead = 2 * SLOTS_PER_DAY * SLOT_S
    truth = true_history(microgrid.plant, run.end + ahead, days + 5)
    foresee = foresights(truth)[name]
    collected, begun, tiers, broken = Collected(Tally(first_slot=first)), perf_counter(), [], 0
    for number in range(run.slots + SLOTS_BEHIND):
        found = replan(microgrid, first + number * SLOT_S, foresee)
        collected.seen(microgrid, found.measured, run)
        tiers.append(found.tier)
        broken += found.broken
        if number % (7 * SLOTS_PER_DAY) == 0:
            print(f"{name}: slot {number}, {perf_counter() - begun:.0f} s", file=sys.stderr)
    return {
        **money_of(microgrid, run, collected),
        "tiers": {tier: tiers.count(tier) for tier in sorted(set(tiers))},
        "broken_departures": broken,
        "seconds": perf_counter() - begun,
    }


def main() -> None:
    """Run the months and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--district", default="sejong-5-1@0.005")
    parser.add_argument("--start", default="2026-07-01")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--only", default="", choices=["", "perfect", "ours", "yesterday"])
    parser.add_argument("--branch-s", type=float, default=20.0)
    asked = parser.parse_args()
    for name, found in month(asked.district, asked.start, asked.days, asked.only, asked.branch_s):
        print(
            f"{name}: {found['cost_krw'] / 1e6:.4f} M won, of it demand charge "
            f"{found['demand_charge_krw'] / 1e6:.4f}, peak {found['peak_kw']:.1f} kW, "
            f"without a plan {found['baseline_cost_krw'] / 1e6:.4f} M won, "
            f"tiers {found['tiers']}, promises broken {found['broken_departures']}, "
            f"{found['seconds']:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
