"""The plan of a quarter hour, how it came about, and what was measured."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.market import MarketResult
from energy.api.shapes.words import (
    Axis,
    Count,
    ForecastTier,
    Frac,
    Krw,
    KrwNumber,
    KrwSum,
    Kw,
    Kwh,
    KwPositive,
    Name,
    Pu,
    Seconds,
    Shape,
    Share,
    StepS,
    Text,
    Tier,
    Tonnes,
    Utc,
)

KwSeries = list[Kw | None]
"""A power by quarter hour, kW; null where it is not known."""
StepSeconds = dict[str, Seconds]


class SourcesKw(Shape):
    """Where the district's power comes from, by quarter hour."""

    fuel_cell: KwSeries
    biogas: KwSeries
    solar: KwSeries
    battery: KwSeries
    cars: KwSeries
    kepco: KwSeries


class UsesKw(Shape):
    """Where the district's power goes, by quarter hour."""

    homes_buildings: KwSeries
    cars: KwSeries
    battery: KwSeries
    heat_pump: KwSeries
    losses: KwSeries
    kepco: KwSeries


class SlotSourcesKw(Shape):
    """Where the power of one quarter hour came from."""

    fuel_cell: Kw
    biogas: Kw
    solar: Kw
    battery: Kw
    cars: Kw
    kepco: Kw


class SlotUsesKw(Shape):
    """Where the power of one quarter hour went."""

    homes_buildings: Kw
    cars: Kw
    battery: Kw
    heat_pump: Kw
    losses: Kw
    kepco: Kw


class Balance(Axis):
    """Sources and uses: measured before `now_index`, planned from there on."""

    now_index: Count
    sources: SourcesKw
    uses: UsesKw
    quality: list[Literal["measured", "estimated", "missing", "plan"]]


class ImportPlan(Shape):
    """Planned import with its band, the month's peak so far and the connection's limit.

    `peak_counts` marks the slots whose import can raise the peak that is billed; a plan of an
    older version has no such marks.
    """

    plan_kw: KwSeries
    q10_kw: KwSeries
    q50_kw: KwSeries
    q90_kw: KwSeries
    peak_so_far_kw: KwPositive
    limit_kw: KwPositive
    peak_counts: list[bool] | None = None


class ImportCourse(ImportPlan, Axis):
    """Import as measured and as planned."""

    measured_kw: KwSeries


class BandKw(Shape):
    """Three quantiles of a power."""

    q10: KwSeries
    q50: KwSeries
    q90: KwSeries


class BandKrw(Shape):
    """Three quantiles of a price, won per kWh."""

    q10: list[KrwNumber | None]
    q50: list[KrwNumber | None]
    q90: list[KrwNumber | None]


class ForecastBands(Shape):
    """What a plan was made from; tiers and reasons by quantity."""

    load_kw: BandKw
    solar_kw: BandKw
    heat_kw: BandKw
    price_krw_per_kwh: BandKrw | None
    sun_frac: list[Share]
    tier: dict[str, ForecastTier]
    reason: dict[str, Text]


class ForecastCourse(ForecastBands, Axis):
    """The plan's forecast from its first quarter hour on."""


class SlotForecast(ForecastBands):
    """The forecast of the plan of a quarter hour."""

    slot_utc: Utc


class StoreCourse(Shape):
    """What a store holds now and by plan."""

    kwh_max: Kwh
    now_kwh: Kwh
    plan_kwh: list[Kwh | None]


class CarsNow(Shape):
    """Cars at the chargers."""

    connected: Count
    v2g: Count
    charging_kw: Kw


class StoresPlan(Shape):
    """Batteries, heat store and cars."""

    battery: StoreCourse
    heat: StoreCourse
    cars: CarsNow


class StoresCourse(StoresPlan, Axis):
    """Batteries, heat store and cars from the plan's first quarter hour on."""


class HeatPlan(Shape):
    """Heat that is wanted and what makes it."""

    demand_kw: KwSeries
    fuel_cell_kw: KwSeries
    heat_pump_kw: KwSeries
    boiler_kw: KwSeries


class HeatCourse(HeatPlan, Axis):
    """Heat from the plan's first quarter hour on."""


class Loading(Shape):
    """How much of its rating an element carries."""

    id: Name
    loading_frac: Frac


class BusVoltage(Shape):
    """The voltage of a bus."""

    id: Name
    v_pu: Pu


class BrokenLimit(Shape):
    """A limit that the plan exceeds, what was found and what is allowed, in its own unit."""

    slot_utc: Utc
    what: Text
    kind: Annotated[str, Field(examples=["line_loading"])]
    element: str
    found: Frac | None
    allowed: Frac | None
    unit: Literal["frac", "pu", "kW"]


class GridSolved(Shape):
    """The wires under the plan's first quarter hour."""

    converged: Literal[True]
    worst_line: Loading | None
    worst_transformer: Loading | None
    v_min: BusVoltage
    v_max: BusVoltage
    violations: list[BrokenLimit]
    loss_kw: KwPositive


class GridUnsolved(Shape):
    """No power flow was found under the plan."""

    converged: Literal[False]
    reason: Text
    violations: list[BrokenLimit]


class PlanCycle(Shape):
    """How a plan came about."""

    slot_utc: Utc
    state: Literal["published"]
    outcome: Literal["ok", "fallback"]
    tier: Tier
    reason: Text
    gap_frac: Frac | None
    rounds: Count


class SlotCycle(Shape):
    """How a quarter hour came about; `seconds` by step of the cycle."""

    slot_utc: Utc
    state: Literal["running", "published", "settled"]
    outcome: Literal["ok", "fallback", "missed"] | None
    tier: Tier | None
    reason: Text | None
    gap_frac: Frac | None
    rounds: Count | None
    seconds: StepSeconds


class SlotRecord(SlotCycle):
    """The row of a quarter hour."""

    fence: Count
    claimed_utc: Utc | None
    published_utc: Utc | None
    sealed_utc: Utc | None
    settled_utc: Utc | None


class SlotPage(Shape):
    """Quarter hours, newest first; `next` is null on the last page."""

    items: list[SlotRecord]
    next: str | None = Field(examples=["/v1/slots?before=2026-07-15T09:00:00Z&limit=96"])


class BindingLimit(Shape):
    """A limit that the plan leans on, and what another kW of it would be worth."""

    limit: Name
    slot_utc: Utc
    shadow_krw_per_kwh: KrwNumber


class Certificate(Shape):
    """What is proven of a plan; a bound, cost or gap that is not known is null."""

    tier: Tier
    status: Annotated[str, Field(examples=["optimal"])]
    way: Text
    bound_krw: KrwSum | None
    cost_krw: KrwSum | None
    gap_frac: Frac | None
    seconds: Seconds
    seconds_allowed: Seconds
    rounds: Count
    distance_from_last_kw: Kw | None
    slack_kw: dict[str, Kw]
    broken: list[str]
    binding: list[BindingLimit]
    structure: Annotated[str, Field(examples=["4c786758ba2ae718"])]
    inputs: Annotated[str, Field(examples=["b7602ec8b0840315"])]


class Reason(Shape):
    """Why an asset does what it does."""

    asset: Name
    slot_utc: Utc
    action: Annotated[str, Field(examples=["idle"])]
    now_krw_per_kwh: KrwNumber | None
    against_krw_per_kwh: KrwNumber | None
    text: Text


class PlanDocument(Shape):
    """The published plan of a quarter hour over its horizon."""

    slot_utc: Utc
    cycle: PlanCycle
    start_utc: Utc
    step_s: StepS
    sources: SourcesKw
    uses: UsesKw
    marginal_krw_per_kwh: list[KrwNumber | None]
    import_: ImportPlan = Field(alias="import")
    forecast: ForecastBands
    stores: StoresPlan
    heat: HeatPlan | None
    grid: GridSolved | GridUnsolved
    market: MarketResult
    certificate: Certificate
    reasons: list[Reason]


class Kpi(Shape):
    """Figures of the day so far against the cheapest way of running it without a plan."""

    from_utc: Utc
    to_utc: Utc
    self_sufficiency_frac: Share | None
    self_consumption_frac: Share | None
    cost_krw: Krw
    baseline_cost_krw: Krw
    saved_krw: Krw
    co2_t: Tonnes
    baseline_co2_t: Tonnes
    peak_kw: KwPositive
    retired: list[Name]


class Measured(Shape):
    """What the meters say of a quarter hour."""

    slot_utc: Utc
    sources: SlotSourcesKw
    uses: SlotUsesKw
    import_kw: Kw
    quality: Literal["measured", "estimated"]
    heat_kw: Kw
    boiler_kw: Kw
    battery_kwh: Kwh
    heat_store_kwh: Kwh
    cars: CarsNow
    departures: Count
    departures_broken: Count
    peak_so_far_kw: KwPositive
    kpi: Kpi


class Asset(Shape):
    """An asset in a quarter hour: what it did, was told and could; powers are never negative."""

    id: Name
    kind: Annotated[str, Field(examples=["battery_community"])]
    area: Name | None
    state: Literal["trip", "silent", "deviates", "ok", "off", "retired"]
    count: Count
    available: Count
    supplies_kw: Kw
    draws_kw: Kw
    set_supplies_kw: Kw | None
    set_draws_kw: Kw | None
    limit_supplies_kw: Kw
    limit_draws_kw: Kw
    held_kw: Kw
    energy_kwh: Kwh | None
    energy_kwh_max: Kwh | None


class Assets(Shape):
    """Every asset of the district, the worst state first; `told`: set-points held then."""

    slot_utc: Utc
    assets: list[Asset]
    told: bool
