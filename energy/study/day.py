"""The plan of a day, and what it tells the devices in each of its quarter hours.

A day is planned once, at the gate of its first slot, by the loop's own planner with the loop's own
check on the wires. In each slot the rule that carries a plan on when the solver gives none (tier
T2) follows it: stores go where the plan wanted them, within what cars, units and the peak allow
by then. What the sun and the homes do is expected to miss the forecast as it did when last seen.
"""

from dataclasses import dataclass, replace

import numpy as np

from energy.forecast import MEDIAN, DistrictForecast, forecast_ev
from energy.forecast.inputs import FloatArray
from energy.plant import SetPoints
from energy.steps.context import Microgrid
from energy.steps.grid import CheckedPlan, plan_within_grid
from energy.steps.measure import SLOTS_BEHIND, Measured
from energy.steps.planning import assets_problem
from energy.steps.publish import first_setpoints
from energy.study.foresight import Foresee
from energy.units import SLOT_S
from optimizer import Plan, PlanProblem, Tier, shift_plan

MISS_FRAC_MAX = 1.0
"""The expected is changed by at most so much of itself for what was missed when last seen."""
SEEN_KW_MIN = 1.0


@dataclass(frozen=True, eq=False)
class DayPlan:
    """A day's plan with what it expects."""

    forecast: DistrictForecast
    checked: CheckedPlan

    def row(self, slot: int) -> int:
        """The place of a slot in the plan."""
        return (slot - self.forecast.first_slot) // SLOT_S

    def covers(self, slot: int) -> bool:
        """Whether the plan has the slot."""
        return 0 <= self.row(slot) < len(self.forecast.slots)


@dataclass(frozen=True, eq=False)
class SlotPlan:
    """A quarter hour as it is carried out: a plan of one slot, and what the devices are told."""

    problem: PlanProblem
    plan: Plan
    told: SetPoints | None


def plan_day(
    microgrid: Microgrid, measured: Measured, foresee: Foresee, promised_kw: FloatArray | None
) -> DayPlan:
    """Forecast, plan and check the day that begins with the slot of `measured`.

    `promised_kw` (H, A) is what customers will draw less; None without a DR event.
    """
    forecast = foresee(microgrid, measured)
    microgrid.memory.bands.issued(forecast)
    if promised_kw is not None:
        less = np.maximum(forecast.load_kw - promised_kw, 0.0)
        forecast = replace(forecast, load_kw=less)
    problem = assets_problem(microgrid, measured, forecast)
    return DayPlan(forecast, plan_within_grid(microgrid, problem, lambda _: None))


def carry_out(microgrid: Microgrid, measured: Measured, day: DayPlan) -> SlotPlan:
    """What the day's plan comes to in the slot of `measured`, by what is known at its gate."""
    problem = assets_problem(microgrid, measured, _expected(microgrid, measured, day))
    plan = shift_plan(problem, day.checked.plan)
    if day.checked.tier is Tier.HOLD:
        return SlotPlan(problem, plan, None)
    row = day.row(measured.slot)
    planned_kw = day.checked.problem.pv_kw[row] - day.checked.plan.pv_used_kw[row]
    held_kw = np.maximum(planned_kw, problem.pv_kw[0] - plan.pv_used_kw[0])
    cars = measured.states.cars
    told = first_setpoints(plan, held_kw, microgrid.basis.chargers, cars)
    return SlotPlan(problem, plan, told)


def _expected(microgrid: Microgrid, measured: Measured, day: DayPlan) -> DistrictForecast:
    """What is expected of one slot: the day's forecast, the cars and units as they stand now."""
    forecast, row = day.forecast, day.row(measured.slot)
    one, chargers = slice(row, row + 1), microgrid.basis.chargers
    slots, seen = forecast.slots[one], measured.telemetry
    zone = microgrid.district.time_zone
    arrivals = microgrid.arrivals.at(measured.slot)
    load = _missed(day, seen.slot, forecast.load_kw[MEDIAN], seen.p_load_kw)
    sun = _missed(day, seen.slot, forecast.pv_kw[MEDIAN], seen.p_pv_kw)
    return replace(
        forecast,
        issue_slot=measured.slot - (SLOTS_BEHIND - 1) * SLOT_S,
        first_slot=measured.slot,
        slots=slots,
        load_kw=forecast.load_kw[:, one] * load,
        pv_kw=forecast.pv_kw[:, one] * sun,
        load_district_kw=forecast.load_district_kw[:, one] * load,
        pv_district_kw=forecast.pv_district_kw[:, one] * sun,
        heat_kw=forecast.heat_kw[:, one],
        temperature_c=forecast.temperature_c[one],
        cloud_frac=forecast.cloud_frac[one],
        units_available=seen.units_up[:, None].astype(np.float64),
        ev=forecast_ev(measured.states.cars, chargers, arrivals, slots, zone),
        price_krw_per_kwh=None,
    )


def _missed(day: DayPlan, slot: int, expected_kw: FloatArray, seen_kw: FloatArray) -> float:
    """What was seen in a slot over what was expected of it; 1 where the plan did not have it."""
    if not day.covers(slot):
        return 1.0
    expected, seen = float(expected_kw[day.row(slot)].sum()), float(seen_kw.sum())
    if expected < SEEN_KW_MIN:
        return 1.0
    return float(np.clip(seen / expected, 1 - MISS_FRAC_MAX, 1 + MISS_FRAC_MAX))
