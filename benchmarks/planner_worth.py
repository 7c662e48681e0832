"""What the planner's parts are worth: cars that give back, heat, and standing by the last plan.

    python benchmarks/planner_worth.py [--district sejong-5-1] [--at 2026-07-15T18:00]

First one real problem of the district, planned with and without a part. Then 96 plans in a row
over a district's full model, each a quarter hour on and with 3 % of new noise, once with the second
stage and once without: how often a set-point that had been told for one of the next eight slots is
moved, how far, and what staying costs.
"""

# ruff: noqa: E402
import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import numpy as np
from planner_cases import DistrictSize, district_problem

from energy.cli.plan import plan_district
from energy.config import build_settings
from optimizer import Plan, Planner, PlannerSettings, PlanProblem, check_plan
from optimizer.nearness import set_points_of

REPLANS = 96
NOISE = 0.03
NEAR_SLOTS = 8
MOVED_KW = 1.0


@dataclass
class Moves:
    """Set-points that were told before and moved: of how many, how often, by how much."""

    told: int = 0
    moved: int = 0
    moved_kwh: float = 0.0
    cost_krw: float = 0.0
    proven: int = 0
    turned: int = 0  # told to charge, then to discharge, or the other way round


def without_v2g(problem: PlanProblem) -> PlanProblem:
    """Cars only charge; no promise then needs what they gave."""
    fleets = problem.fleets
    return replace(
        problem,
        fleets=replace(
            fleets,
            e_min_kwh=np.maximum(fleets.e_min_kwh, 0.0),
            p_discharge_kw_max=np.zeros_like(fleets.p_discharge_kw_max),
        ),
    )


def heat_from_boilers(problem: PlanProblem) -> PlanProblem:
    """Heat is made by boilers alone, the store stays: no heat of units, no heat pump."""
    heat = problem.heat
    assert heat is not None
    cold = tuple(
        replace(unit, heat=tuple((p_kw, 0.0) for p_kw, _ in unit.heat)) for unit in problem.units
    )
    boiler_kw = max(heat.boiler_kw_max, float(heat.demand_kw.max()))
    return replace(
        problem, units=cold, heat=replace(heat, heat_pump_kw_max=0.0, boiler_kw_max=boiler_kw)
    )


def planned(planner: Planner, problem: PlanProblem, last: Plan | None = None) -> Plan:
    """A plan of the solver's own that passes its check, proven or nearly."""
    plan = planner.plan(problem, last)
    assert plan.tier in ("T0", "T1"), plan.certificate.reason
    assert check_plan(problem, plan) == []
    return plan


def worth(problem: PlanProblem) -> None:
    """Print the cost of one problem with and without each part."""
    ways: dict[str, Callable[[PlanProblem], PlanProblem]] = {
        "everything": lambda found: found,
        "cars only charge": without_v2g,
        "heat by boilers alone": heat_from_boilers,
    }
    with Planner(PlannerSettings(deadline_s=300.0)) as planner:
        costs = {name: planned(planner, way(problem)).cost_krw.total for name, way in ways.items()}
    for name, cost in costs.items():
        more = cost - costs["everything"]
        share = more / abs(costs["everything"])
        print(f"{name:48s} {cost / 1e6:10.3f} M won  {more / 1e3:+10.1f} k won  {share:+8.2%}")


def replans(stability_frac: float) -> Moves:
    """96 plans in a row."""
    found, last = Moves(), None
    with Planner(PlannerSettings(deadline_s=300.0, stability_frac=stability_frac)) as planner:
        for slot in range(REPLANS):
            noise = NOISE if slot else 0.0
            problem = district_problem(DistrictSize(), first_slot=slot, noise=noise)
            plan = planned(planner, problem, last)
            found.cost_krw += plan.cost_krw.total
            found.proven += plan.tier == "T0"
            if last is not None:
                count(found, plan, last)
            last = plan
    return found


def count(found: Moves, plan: Plan, last: Plan) -> None:
    """Add what a plan has moved of the next slots that the last one had told."""
    theirs = set_points_of(last).power_kw[1 : NEAR_SLOTS + 1]
    ours = set_points_of(plan).power_kw[:NEAR_SLOTS]
    moved = np.abs(ours - theirs)
    found.told += moved.size
    found.moved += int((moved > MOVED_KW).sum())
    found.moved_kwh += float(moved.sum()) / 4
    found.turned += int(((ours > MOVED_KW) & (theirs < -MOVED_KW)).sum())
    found.turned += int(((ours < -MOVED_KW) & (theirs > MOVED_KW)).sum())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--district", default="sejong-5-1")
    parser.add_argument("--at", default="2026-07-15T18:00")
    arguments = parser.parse_args()
    given = plan_district(build_settings(district=arguments.district), arguments.at)
    print(given.title)
    worth(given.problem)
    frac = PlannerSettings().stability_frac
    free, near = replans(0.0), replans(frac)
    for name, found in (("without the second stage", free), (f"with it, {frac:.2%}", near)):
        print(
            f"{REPLANS} replans {name}: {found.moved:,} of {found.told:,} told set-points moved "
            f"({found.moved / found.told:.1%}), {found.moved_kwh:,.0f} kWh, {found.turned} turned "
            f"round, mean cost {found.cost_krw / REPLANS / 1e6:.4f} M won, {found.proven} proven"
        )
    print(f"staying costs {near.cost_krw / free.cost_krw - 1:+.3%}")


if __name__ == "__main__":
    main()
