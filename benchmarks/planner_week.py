"""A week of quarter hours of the district, each planned anew: seconds, tiers, gaps, promises.

    python benchmarks/planner_week.py [--district sejong-5-1] [--start 2026-01-12] [--slots 672]

The loop's own steps in a closed loop with the simulated plant: measure, forecast, plan, check on
the wires, publish; heat, cars that give back, cuts and the second stage as in operation. The market
and the books are left out, so that a week takes minutes.
"""

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from energy.config import build_settings
from energy.cycle import Stopwatch, close_book
from energy.steps.clearing import no_market
from energy.steps.context import Microgrid, open_installation, start_microgrid
from energy.steps.grid import plan_within_grid
from energy.steps.measure import Measured, measure
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.steps.publish import publish
from energy.study.foresight import Foresee
from energy.timegrid import parse_instant
from energy.units import SLOT_S

SHOWN_EVERY = 96


@dataclass(frozen=True)
class Replan:
    """One quarter hour: the plan's tier, gap and rounds, seconds by step, promises broken."""

    tier: str
    gap_frac: float
    rounds: int
    violations: int
    seconds: dict[str, float]
    departures: int
    broken: int
    measured: Measured


def replan(microgrid: Microgrid, slot: int, foresee: Foresee = forecast_slot) -> Replan:
    """Measure, forecast, plan, check and publish one slot."""
    gate_s = float(slot - microgrid.settings.gate_lead_s)
    claim, orders = close_book(microgrid, slot, gate_s)
    watch = Stopwatch()
    measured = measure(
        microgrid.plant,
        microgrid.store,
        slot,
        state=microgrid.memory.plant_state,
        last_good=microgrid.memory.last_good,
    )
    microgrid.memory.record.append(measured.telemetry, measured.known)
    watch.lap("measure")
    forecast = foresee(microgrid, measured)
    watch.lap("forecast")
    problem = build_problem(microgrid, measured, forecast)
    checked = plan_within_grid(microgrid, problem, watch.lap)
    cleared = no_market(slot, orders, "a rehearsal without a market")
    publish(microgrid, claim, measured, forecast, checked, cleared, lambda: gate_s)
    watch.lap("publish")
    kept = measured.telemetry.departures.kept
    return Replan(
        tier=str(checked.tier),
        gap_frac=checked.plan.certificate.gap_frac,
        rounds=checked.rounds,
        violations=len(checked.violations),
        seconds=watch.seconds,
        departures=len(kept),
        broken=int((~kept).sum()),
        measured=measured,
    )


def week(district: str, start: str, slots: int) -> Iterator[Replan]:
    """All quarter hours, one after the other."""
    with tempfile.TemporaryDirectory(prefix="microgrid-") as folder:
        settings = build_settings(district=district, database_url=f"sqlite:///{folder}/week.db")
        with open_installation(
            settings, lambda place: parse_instant(start, place.time_zone)
        ) as installation:
            microgrid = start_microgrid(installation)
            try:
                for number in range(slots):
                    yield replan(microgrid, installation.first_slot + number * SLOT_S)
            finally:
                microgrid.close()


def report(found: list[Replan], deadline_s: float) -> str:
    """The figures of all slots."""
    tiers = Counter(one.tier for one in found)
    plan = [one.seconds["plan"] for one in found]
    total = [one.seconds["total"] for one in found]
    return "\n".join(
        (
            f"{len(found)} replans: tiers {dict(sorted(tiers.items()))}",
            f"plan: median {statistics.median(plan):.2f} s, worst {max(plan):.2f} s, "
            f"allowed {deadline_s:g} s",
            f"measure to publish: median {statistics.median(total):.2f} s, "
            f"worst {max(total):.2f} s",
            f"worst gap {max(one.gap_frac for one in found):.2e}, rounds with cuts "
            f"{sum(one.rounds for one in found)}, limits exceeded "
            f"{sum(one.violations for one in found)}",
            f"departures {sum(one.departures for one in found)}, short of their promise "
            f"{sum(one.broken for one in found)}",
        )
    )


def main() -> None:
    """Run and print, a line a day."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--district", default="sejong-5-1")
    parser.add_argument("--start", default="2026-01-12")
    parser.add_argument("--slots", type=int, default=672)
    asked = parser.parse_args()
    found: list[Replan] = []
    deadline_s = build_settings().plan_deadline_s
    for one in week(asked.district, asked.start, asked.slots):
        found.append(one)
        if len(found) % SHOWN_EVERY == 0:
            print(report(found, deadline_s), flush=True)
    print(report(found, deadline_s))


if __name__ == "__main__":
    main()
