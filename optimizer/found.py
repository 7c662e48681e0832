"""What a search for a plan has found: it travels from the solving process to the asking one."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from optimizer.plan import Plan
from optimizer.problem import FloatArray


class Outcome(StrEnum):
    """How a run of the solver ended."""

    OPTIMAL = "optimal"
    TIME = "time"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Shadow:
    """Won per kWh: of power and heat (H,), of energy stored (H, B) and (H, G), of limits.

    reserve_krw_per_kwh (H, B): what a battery's power is worth as reserve instead of being given.
    limits_krw_per_kwh (H,) by name, and cuts_krw_per_kwh by id: what a kWh more would save.
    """

    power_krw_per_kwh: FloatArray
    heat_krw_per_kwh: FloatArray
    battery_krw_per_kwh: FloatArray
    fleet_krw_per_kwh: FloatArray
    reserve_krw_per_kwh: FloatArray
    limits_krw_per_kwh: dict[str, FloatArray]
    cuts_krw_per_kwh: dict[str, float]


@dataclass(frozen=True, eq=False)
class Found:
    """A plan and the prices behind it, a bound, the way there and how it ended.

    `elastic` says that limits contradict and promises were let fall short. expected_krw: mean cost
    over scenarios, NaN without any; the bound is then one of the mean.
    """

    outcome: Outcome
    plan: Plan | None
    shadow: Shadow | None
    bound_krw: float
    way: str
    structure: str
    elastic: bool
    expected_krw: float = np.nan

    @property
    def judged_krw(self) -> float:
        """What is compared with the bound: the mean cost over scenarios, else the plan's own."""
        if np.isfinite(self.expected_krw):
            return self.expected_krw
        return self.plan.cost_krw.total if self.plan else np.inf

    @property
    def gap_frac(self) -> float:
        """Share of the money at stake by which the plan is above the bound; inf without a plan."""
        if self.plan is None:
            return np.inf
        cost = self.plan.cost_krw
        return gap_frac(self.judged_krw, self.bound_krw, cost.total - cost.end_values)


def gap_frac(cost_krw: float, bound_krw: float, stake_krw: float) -> float:
    """Share by which a cost is above its bound, never negative.

    The stake is the money that flows: the cost without what stores are worth at the end, which
    would make any share large where they hold about as much as the day costs.
    """
    if not np.isfinite(bound_krw):
        return np.inf
    return max(cost_krw - bound_krw, 0.0) / max(abs(stake_krw), 1.0)
