"""What a planner answers: every asset's series, what they cost, and a certificate of how good.

Shapes as in `optimizer.problem`; power in kW as the mean of a slot, energy in kWh at its end.
"""

from dataclasses import dataclass
from enum import StrEnum

from optimizer.problem import FloatArray, IntArray

SLOT_S = 900


class Tier(StrEnum):
    """How a plan came about, best first."""

    OPTIMUM = "T0"
    """Proven to be within the gap of the best there is."""
    FOUND = "T1"
    """The best found by the deadline, or the best of a problem whose limits contradict."""
    SHIFTED = "T2"
    """The plan before, shifted by the slots that passed and trimmed to today's limits."""
    RULES = "T3"
    """Rules: cars' promises, own use, limits."""
    HOLD = "T4"
    """Nothing fits: everything holds still. Given by whoever runs the plan, never by a planner."""


class Status(StrEnum):
    """What the solver said, in our words."""

    OPTIMAL = "optimal"
    GAP_OPEN = "gap open"
    """A plan was found, and the proof ended at a gap wider than asked."""
    DEADLINE = "deadline"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    KILLED = "killed"
    FAILED = "failed"


@dataclass(frozen=True)
class CostBreakdown:
    """Cost of a plan in won by kind; revenue and stored values count negative."""

    energy_import: float = 0.0
    energy_export: float = 0.0
    demand_charge: float = 0.0
    unit_fuel: float = 0.0
    unit_starts: float = 0.0
    unit_wear: float = 0.0
    battery_wear: float = 0.0
    fleet_wear: float = 0.0
    boiler_fuel: float = 0.0
    curtailment: float = 0.0
    shedding: float = 0.0
    last_resort: float = 0.0
    end_values: float = 0.0
    demand_response: float = 0.0
    """Penalties less rewards."""
    reserve_shortfall: float = 0.0

    @property
    def total(self) -> float:
        """All kinds together: what the planner minimises."""
        return sum(float(getattr(self, name)) for name in self.__dataclass_fields__)


@dataclass(frozen=True)
class BindingLimit:
    """A limit that the plan rests on; `shadow_krw_per_kwh` is what a kWh more of it would save."""

    limit: str
    slot_index: int
    shadow_krw_per_kwh: float


@dataclass(frozen=True)
class Reason:
    """Why an asset does what it does in one slot: what decided it, in won per kWh."""

    asset: str
    slot_index: int
    action: str
    now_krw_per_kwh: float
    against_krw_per_kwh: float
    text: str


@dataclass(frozen=True)
class Certificate:
    """How good a plan is and how it was found.

    `bound_krw` no plan can cost less; NaN without a proof. `way` names the steps taken, for example
    "relaxation+rounding". `slack_kw`: by how much a cut, an event's commitment (by id) or the
    "reserve" is missed at most, only where it is. `distance_from_last_kw` is the mean change of a
    set-point against the previous plan over the slots that both have, NaN without one. `broken`
    says in words which limits could not be kept. `expected_krw`: where the plan is made for
    scenarios, their mean cost, to which bound and gap then refer; else NaN.
    """

    tier: Tier
    status: Status
    reason: str
    way: str
    bound_krw: float
    cost_krw: float
    gap_frac: float
    seconds: float
    seconds_allowed: float
    binding: tuple[BindingLimit, ...]
    slack_kw: dict[str, float]
    distance_from_last_kw: float
    structure: str
    inputs: str
    broken: tuple[str, ...] = ()
    expected_krw: float = float("nan")


@dataclass(frozen=True, eq=False)
class Plan:
    """Every asset's series over the horizon; never negative unless said.

    e_fleet_kwh, the cumulative energy into the cars, and area_net_kw, what an area draws, may be
    negative. area_net_kw holds load, shedding, solar and all that stands in the area.
    p_peak_kw is what the demand charge is reckoned on: the highest counted import with its margin,
    or what was incurred before. marginal_krw_per_kwh (H,) is what one more kWh of demand would cost
    the district. shed_kw (H,) is the sum of shed_by_rank_kw (H, R), in the order of
    `PlanProblem.ranks`; dr_short_kw (H, E) misses the events' commitments, reserve_short_kw (H,)
    the reserve.
    """

    first_slot: int
    area_ids: tuple[str, ...]
    p_import_kw: FloatArray
    p_export_kw: FloatArray
    pv_used_kw: FloatArray
    shed_kw: FloatArray
    shed_by_rank_kw: FloatArray
    dr_short_kw: FloatArray
    reserve_short_kw: FloatArray
    battery_charge_kw: FloatArray
    battery_discharge_kw: FloatArray
    e_battery_kwh: FloatArray
    fleet_charge_kw: FloatArray
    fleet_discharge_kw: FloatArray
    e_fleet_kwh: FloatArray
    unit_on: IntArray
    unit_p_kw: FloatArray
    unit_fuel_kw: FloatArray
    unit_heat_kw: FloatArray
    heat_pump_kw: FloatArray
    boiler_kw: FloatArray
    e_heat_kwh: FloatArray
    heat_dump_kw: FloatArray
    area_net_kw: FloatArray
    p_peak_kw: float
    marginal_krw_per_kwh: FloatArray
    cost_krw: CostBreakdown
    certificate: Certificate
    reasons: tuple[Reason, ...] = ()

    @property
    def tier(self) -> Tier:
        """How the plan came about."""
        return self.certificate.tier

    @property
    def slots(self) -> int:
        """Number of slots that the plan covers."""
        return len(self.p_import_kw)
