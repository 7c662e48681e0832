"""What a planner is asked: assets, limits and prices of the coming slots, as frozen plain data.

H slots of a quarter hour, A areas, B batteries, G fleets (car charger groups), F groups of units.
Arrays over slots and something else run time first, (H, A), except the fleets' (G, H). Power in
kW as the mean of a slot, energy in kWh, prices in won per kWh; nothing is negative unless said.
`area` is a position among `area_ids`; -1 stands outside all areas, at the connection.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DT_H = 0.25

NOWHERE = 2.0
"""Price of power from nowhere or to nowhere, in last resorts: any promise is broken before."""


@dataclass(frozen=True, eq=False)
class Batteries:
    """Batteries; every array (B,).

    p_charge_kw_max and p_discharge_kw_max may also be given by slot, (H, B), for batteries that are
    out of use for a part of the horizon; `by_slot` has them so.
    e_kwh_min holds the reserve: a battery that starts below it may stay there, but not go lower.
    eta_charge: energy stored per energy drawn; eta_discharge: energy given per energy taken out.
    wear_krw_per_kwh counts per kWh discharged; end_value_krw_per_kwh per kWh left at the end.
    e_end_kwh_min: least energy at the horizon's end, None where the end value alone decides.
    """

    id: tuple[str, ...]
    area: IntArray
    e_kwh_min: FloatArray
    e_kwh_max: FloatArray
    e_start_kwh: FloatArray
    p_charge_kw_max: FloatArray
    p_discharge_kw_max: FloatArray
    eta_charge: FloatArray
    eta_discharge: FloatArray
    wear_krw_per_kwh: FloatArray
    end_value_krw_per_kwh: FloatArray
    e_end_kwh_min: FloatArray | None = None

    def by_slot(self, limit_kw: FloatArray, slots: int) -> FloatArray:
        """One of the power limits in every slot, (H, B)."""
        return np.broadcast_to(limit_kw, (slots, len(self.id)))


@dataclass(frozen=True, eq=False)
class Fleets:
    """Cars at charging points as energy envelopes, one row per charger group.

    e_min_kwh, e_max_kwh (G, H): bounds of the energy gone INTO the cars' batteries since the start
    of the first slot, cumulative at the END of each slot, discharge counted off; e_min_kwh may be
    negative. p_charge_kw_max, p_discharge_kw_max (G, H) at the meter. Into the batteries go
    `eta * charge - discharge / eta`.
    """

    id: tuple[str, ...]
    area: IntArray
    e_min_kwh: FloatArray
    e_max_kwh: FloatArray
    p_charge_kw_max: FloatArray
    p_discharge_kw_max: FloatArray
    eta: float
    wear_krw_per_kwh: float
    end_value_krw_per_kwh: float


def no_fleets(slots: int) -> Fleets:
    """A table without cars."""
    none = np.zeros((0, slots))
    return Fleets((), np.zeros(0, dtype=np.int64), none, none, none, none, 1.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class UnitGroup:
    """Identical units that make power and heat from fuel; running ones share the load equally.

    available (H,) units able to run. `fuel` and `heat`: breakpoints (kW electric, kW fuel or heat)
    of ONE unit from p_kw_min to p_kw_max, rising and convex. fuel_krw_per_kwh holds carbon too.
    on_now units ran in the slot before the first, giving p_now_kw together; recent_starts[k],
    recent_stops[k]: units started or stopped k + 1 slots before the first (for minimum times).
    fuel_kwh_start = inf: piped fuel; else a store that fuel_inflow_kw (H,) feeds and that may be
    vented. `count` units exist; 0 means as many as are ever available or on.
    """

    id: str
    area: int
    available: IntArray
    p_kw_min: float
    p_kw_max: float
    fuel: tuple[tuple[float, float], ...]
    heat: tuple[tuple[float, float], ...]
    ramp_kw_per_slot: float
    min_up_slots: int
    min_down_slots: int
    start_cost_krw: float
    wear_krw_per_h: float
    fuel_krw_per_kwh: float
    on_now: int
    p_now_kw: float
    recent_starts: tuple[int, ...]
    recent_stops: tuple[int, ...]
    fuel_kwh_start: float
    fuel_kwh_max: float
    fuel_inflow_kw: FloatArray
    count: int = 0

    @property
    def size(self) -> int:
        """Number of units in the group."""
        return self.count or max(int(self.available.max(initial=0)), self.on_now)


@dataclass(frozen=True, eq=False)
class Heat:
    """The heat network: demand, one store, boiler and heat pump; surplus heat may be dumped.

    demand_kw, cop (H,): heat out per power in. loss_frac_per_slot of what stands in the store is
    lost in a slot. boiler_kw_max is heat; fuel_krw_per_kwh counts the boiler's fuel. The heat pump
    draws at most heat_pump_kw_max of power in area heat_pump_area, none while out of use, (H,).
    """

    demand_kw: FloatArray
    e_start_kwh: float
    e_kwh_max: float
    p_store_kw_max: float
    loss_frac_per_slot: float
    boiler_kw_max: float
    boiler_eta: float
    fuel_krw_per_kwh: float
    heat_pump_kw_max: float
    heat_pump_area: int
    cop: FloatArray
    end_value_krw_per_kwh: float
    heat_pump_out: BoolArray | None = None

    @property
    def pump_kw_max(self) -> FloatArray:
        """Most that the heat pump may draw in each slot, (H,)."""
        out = np.zeros(len(self.cop), bool) if self.heat_pump_out is None else self.heat_pump_out
        return np.where(out, 0.0, self.heat_pump_kw_max)


@dataclass(frozen=True, eq=False)
class Connection:
    """The connection to the utility; arrays (H,). Both limits are 0 in an island.

    Prices may be negative. The demand charge is owed once on the highest import of the slots where
    peak_counts, as far as it is beyond p_peak_incurred_kw; an import counts as peak_margin_kw (H,)
    higher than planned, where one is given, so that a forecast's error need not become a peak. Load
    that is shed counts as drawn: shedding is for what cannot be had, not for a lower bill.
    """

    p_import_kw_max: FloatArray
    p_export_kw_max: FloatArray
    price_buy_krw_per_kwh: FloatArray
    price_sell_krw_per_kwh: FloatArray
    demand_charge_krw_per_kw: float
    p_peak_incurred_kw: float
    peak_counts: BoolArray
    peak_margin_kw: FloatArray | None = None

    @property
    def counts(self) -> BoolArray:
        """Slots that count in the peak, (H,): none in which the connection is open."""
        return np.asarray(self.peak_counts, dtype=np.bool_) & (self.p_import_kw_max > 0)

    def counted_kw(self, drawn_kw: FloatArray) -> FloatArray:
        """What counts in the peak where so much is imported and shed, (H,), the margin included;
        0 where nothing counts.
        """
        margin = 0.0 if self.peak_margin_kw is None else self.peak_margin_kw
        return np.where(self.counts, drawn_kw + margin, 0.0)


@dataclass(frozen=True, eq=False)
class Cut:
    """A limit of the wires in one slot: sum of coefficient (A,) times the areas' net draw <= limit.

    Coefficients and limit_kw may be negative. What cannot be kept is paid at the price of last
    resort and reported.
    """

    id: str
    slot_index: int
    coefficient: FloatArray
    limit_kw: float


@dataclass(frozen=True, eq=False)
class ShedRank:
    """A kind of load that may be shed: a kWh of it is missed at price_krw_per_kwh.

    share: its part of each area's load, (A,) or by slot (H, A). What is shed of a rank is shared by
    the areas in proportion to what they have of it.
    """

    id: str
    price_krw_per_kwh: float
    share: FloatArray


@dataclass(frozen=True, eq=False)
class DrEvent:
    """A commitment to draw less: net consumption is import less export at the connection.

    In the slots that are `active` (H,) it shall stay committed_kw below baseline_kw (H,). Each kWh
    delivered of the commitment earns reward_krw_per_kwh; each one missing earns nothing and costs
    penalty_krw_per_kwh, and what is drawn beyond the baseline is missing too.
    """

    id: str
    active: BoolArray
    baseline_kw: FloatArray
    committed_kw: float
    penalty_krw_per_kwh: float
    reward_krw_per_kwh: float

    @property
    def limit_kw(self) -> FloatArray:
        """Net consumption up to which the commitment is kept, (H,); inf where nothing is owed."""
        return np.where(self.active, self.baseline_kw - self.committed_kw, np.inf)


@dataclass(frozen=True, eq=False)
class Reserve:
    """Power that must be at hand in every slot, wanted_kw (H,), beyond what the plan uses.

    It may come from running units up to their full load or ramp, from batteries, from sun that is
    held back, and from the room that the connection leaves; an island has none. A battery counts
    with the power that it could keep up for sustain_h from its energy at the slot's end, above its
    own reserve. What is missing costs price_krw_per_kwh and is reported.
    """

    wanted_kw: FloatArray
    sustain_h: float
    price_krw_per_kwh: float


SCENARIOS_MAX = 10


@dataclass(frozen=True, eq=False)
class Scenarios:
    """What may come instead of what is expected: deviations of load less sun, and how probable.

    net_load_kw (S, H, A), S <= 10, is added to the areas' load where positive, to their sun where
    negative; probability (S,) sums to 1. Units' starts and stops and what every asset does in the
    first slot are decided for all scenarios at once, everything later for each by itself.
    """

    probability: FloatArray
    net_load_kw: FloatArray


@dataclass(frozen=True, eq=False)
class Nearness:
    """Set-points to stay near to, (H, N), and what a kW of distance costs in each slot, (H,).

    N runs over batteries, fleets, units and, where there is one, the heat pump; drawn is positive.
    """

    target_kw: FloatArray
    price_krw_per_kw: FloatArray


@dataclass(frozen=True, eq=False)
class PlanProblem:
    """All that a plan depends on. `first_slot` is a label: consecutive slots are 900 apart.

    load_kw (H, A) is the buildings' draw, pv_kw (H, A) the solar power there is, loss_kw (H,) what
    the wires lose. Load may be shed by `shed_ranks`, the cheapest first, and what is in no rank not
    at all; without ranks all of it at shed_krw_per_kwh. `near`, for a second stage, and `one_way`,
    which makes the direction of every store a whole number, are for the planner's own use.
    """

    first_slot: int
    area_ids: tuple[str, ...]
    load_kw: FloatArray
    pv_kw: FloatArray
    loss_kw: FloatArray
    batteries: Batteries
    fleets: Fleets
    units: tuple[UnitGroup, ...]
    heat: Heat | None
    connection: Connection
    shed_krw_per_kwh: float
    curtail_krw_per_kwh: float
    cuts: tuple[Cut, ...] = ()
    last_resort_krw_per_kwh: float = 20_000.0
    near: Nearness | None = None
    shed_ranks: tuple[ShedRank, ...] = ()
    dr_events: tuple[DrEvent, ...] = ()
    reserve: Reserve | None = None
    scenarios: Scenarios | None = None
    one_way: bool = False

    @property
    def ranks(self) -> tuple[ShedRank, ...]:
        """The ranks of load that may be shed; without any given, all load is one."""
        everything = ShedRank("load", self.shed_krw_per_kwh, np.ones(self.areas))
        return self.shed_ranks or (everything,)

    @property
    def broken_krw_per_kwh(self) -> float:
        """Price of a limit that cannot be kept: beyond a new peak's, for which none is broken."""
        return self.last_resort_krw_per_kwh + self.connection.demand_charge_krw_per_kw / DT_H

    @property
    def rank_load_kw(self) -> FloatArray:
        """Load of each rank, (H, A, R)."""
        return np.stack([self.load_kw * rank.share for rank in self.ranks], axis=2)

    @property
    def slots(self) -> int:
        """Number of slots in the horizon."""
        return len(self.load_kw)

    @property
    def areas(self) -> int:
        """Number of areas."""
        return len(self.area_ids)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: `where` names asset, field and slot, `text` found and allowed."""

    law: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"
