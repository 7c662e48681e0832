"""Islands, plans made anew, and what an order would do."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.words import Krw, Kwh, Name, Number, Shape, Share, Text, Tier, Utc

PlusKwh = Annotated[float, Field(ge=0, examples=[26.009])]


class Ended(Shape):
    """Who has ended an order, why and when."""

    by: Name
    reason: Text
    at_utc: Utc


class IslandState(Shape):
    """Slots in which nothing passes the connection; no end while nobody has reconnected."""

    id: Number
    kind: Literal["planned", "unplanned"]
    state: Literal["planned", "running", "ended"]
    from_utc: Utc
    until_utc: Utc | None
    ordered_until_utc: Utc | None
    by: Name
    reason: Text
    ordered_utc: Utc
    ended: Ended | None


class Islands(Shape):
    """Islands, newest first."""

    items: list[IslandState]


class ToldAnew(Shape):
    """What the devices of a slot were told anew; `after_s` by the service's monotonic clock."""

    slot_utc: Utc
    tier: Tier
    reason: str
    answered_utc: Utc
    after_s: Annotated[float, Field(ge=0, examples=[3.4])] | None


class ReplanState(Shape):
    """An order to plan anew what has set-points already, and what came of it."""

    id: Number
    slot_utc: Utc
    by: Name
    reason: Text
    ordered_utc: Utc
    answers: list[ToldAnew]


class Replans(Shape):
    """Orders to plan anew, newest first."""

    items: list[ReplanState]


class HoldState(Shape):
    """An asset at rest: from when until when, who ordered it and why."""

    id: Number
    asset: Name
    state: Literal["planned", "running", "ended"]
    from_utc: Utc
    until_utc: Utc
    ordered_until_utc: Utc
    by: Name
    reason: Text
    ordered_utc: Utc
    released: Ended | None


class Holds(Shape):
    """Assets that are held at rest, newest first."""

    items: list[HoldState]


class PlanFigures(Shape):
    """What a plan comes to over its horizon."""

    tier: Tier
    cost_krw: Krw
    import_kwh: PlusKwh
    export_kwh: PlusKwh
    made_kwh: PlusKwh
    curtailed_kwh: Kwh
    shed_kwh: PlusKwh
    self_supply_frac: Share


class ShedRank(Shape):
    """Load of a rank that would not be served, and at what price that counts."""

    rank: Name
    e_kwh: PlusKwh
    krw_per_kwh: Annotated[float, Field(ge=0, examples=[5000.0])]


class Preview(Shape):
    """A plan with an order and one without it; the order costs `more_krw` over the horizon.

    `blocked` says why the district could not stand alone; empty where it can or need not.
    """

    slot_utc: Utc
    until_utc: Utc
    without: PlanFigures
    ordered: PlanFigures
    more_krw: Krw
    more_self_supply_frac: Annotated[float, Field(ge=-1, le=1, examples=[0.12])]
    open_slots: Annotated[int, Field(ge=0, examples=[8])]
    shed: list[ShedRank]
    blocked: list[Text]
