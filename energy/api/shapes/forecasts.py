"""Forecasts as issued, beside what was measured, and how they came true."""

from typing import Annotated

from pydantic import Field

from energy.api.shapes.words import (
    Axis,
    Count,
    ForecastTier,
    Frac,
    KrwNumber,
    Kw,
    Shape,
    Share,
    StepS,
    Text,
    Utc,
)

Probabilities = list[Share]
"""Of each quantile, in the order of the rows."""
KwRows = list[list[Kw]]
"""A row for each quantile, a value for each slot."""
KrwRows = list[list[KrwNumber]]


class TierReason(Shape):
    """How a forecast came about, and why not by its model."""

    tier: ForecastTier | None
    reason: Text | None


class Issue(Shape):
    """When a forecast was issued, and for which slots."""

    first_slot_utc: Utc
    step_s: StepS
    issued_utc: Utc
    probabilities: Probabilities


class QuantilesKw(Shape):
    """Quantiles of the district's load, sun and heat."""

    load: KwRows
    pv: KwRows
    heat: KwRows


class IssuedForecast(Issue):
    """A forecast as it was issued."""

    readings_before_utc: Utc
    weather_issue_utc: Utc | None
    quantiles_kw: QuantilesKw
    price_krw_per_kwh: KrwRows | None
    tiers: dict[str, TierReason]


class PricesToCome(Issue):
    """What the coming auctions may end at."""

    price_krw_per_kwh: KrwRows
    tier: ForecastTier
    reason: Text | None


class CourseKw(Shape):
    """A power as it was forecast and as it was measured; null where it is not known."""

    quantiles_kw: list[list[Kw | None]]
    measured_kw: list[Kw | None]


class CourseKrw(Shape):
    """A price as it was forecast and as it came."""

    quantiles_krw_per_kwh: list[list[KrwNumber | None]]
    measured_krw_per_kwh: list[KrwNumber | None]


class ForecastCourses(Axis):
    """A day back as issued `lead_back_h` before, and ahead the newest, by quantity."""

    now_index: Count
    lead_back_h: Annotated[float, Field(ge=0, examples=[12.0])]
    probabilities: Probabilities
    quantities: dict[str, CourseKw | CourseKrw]


class Inside(Shape):
    """Of how many values which part lay inside the bands of 50, 80 and 90 %."""

    values: Count
    inside_50_frac: Frac
    inside_80_frac: Frac
    inside_90_frac: Frac


class VerifiedKw(Inside):
    """How forecasts of a power came true."""

    crps_kw: Annotated[float, Field(ge=0, examples=[1.16])]
    bias_kw: Kw


class VerifiedKrw(Inside):
    """How forecasts of a price came true."""

    crps_krw_per_kwh: Annotated[float, Field(ge=0, examples=[0.82])]
    bias_krw_per_kwh: KrwNumber


class Verification(Shape):
    """By quantity and hours of lead (`0-1`, `1-4` …, `all`) how the forecasts came true."""

    to_utc: Utc
    days: Count
    quantities: dict[str, dict[str, VerifiedKw | VerifiedKrw]]


class OwnTiers(Shape):
    """How the parts of a home's forecast came about; null where the home has no such part."""

    load: TierReason
    pv: TierReason | None
    ev: TierReason


class OwnForecast(Issue):
    """What a home will use and its roof give."""

    readings_before_utc: Utc
    load_kw: KwRows
    expected_load_kw: list[Kw]
    pv_kw: KwRows | None
    ev_kw: KwRows | None
    tiers: OwnTiers
