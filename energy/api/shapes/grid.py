"""The wires: what stands where, its state under the plan, outages, and what operators ordered."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.plan import BrokenLimit
from energy.api.shapes.words import (
    Axis,
    Frac,
    Kw,
    KwPositive,
    Name,
    Number,
    Pu,
    Shape,
    Text,
    Utc,
)

Place = Annotated[int, Field(ge=-1, examples=[0])]
"""A position in another table, from 0; -1 where there is none."""


class BusTable(Shape):
    """Buses, a column each; positions in metres."""

    id: list[Name]
    vn_kv: list[Annotated[float, Field(examples=[22.9])]]
    x_m: list[Annotated[int, Field(examples=[65])]]
    y_m: list[Annotated[int, Field(examples=[50])]]
    kind: list[Name]
    area: list[Place]
    v_min_pu: list[Pu]
    v_max_pu: list[Pu]


class LineTable(Shape):
    """Lines; their ends are positions among the buses, `closed` as switched in normal state."""

    id: list[Name]
    from_: list[Place] = Field(alias="from")
    to: list[Place]
    closed: list[bool]
    i_a_max: list[Annotated[float, Field(ge=0, examples=[570.0])]]


class TransformerTable(Shape):
    """Transformers; their sides are positions among the buses."""

    id: list[Name]
    hv: list[Place]
    lv: list[Place]
    area: list[Place]
    s_kva: list[Annotated[float, Field(ge=0, examples=[600.0])]]


class AreaTable(Shape):
    """Areas: their zone by number, their transformer by position."""

    id: list[Name]
    zone: list[Place]
    transformer: list[Place]


class NetworkTables(Shape):
    """The district's network, a column for each property."""

    name: Name
    buses: BusTable
    lines: LineTable
    transformers: TransformerTable
    areas: AreaTable
    zones: list[Name]


class WiresState(Shape):
    """The state of every element, in the order of the network's tables."""

    line_loading_frac: list[Frac | None]
    transformer_loading_frac: list[Frac | None]
    v_pu: list[Pu | None]


class WorstState(WiresState):
    """The state in the tightest slot."""

    slot_utc: Utc


class WiresStrip(Axis):
    """The tightest of each slot of the horizon; loadings of feeders by name."""

    loading_frac: list[Frac | None]
    loading_element: list[str]
    v_min_pu: list[Pu | None]
    v_max_pu: list[Pu | None]
    feeder_loading_frac: dict[str, list[Frac | None]]


class RoomUntil(Shape):
    """How far a zone may go, and the limit that ends it; null where none would."""

    kw: KwPositive | None
    kind: str | None
    element: str | None


class ZoneRoom(Shape):
    """What a zone may draw and feed in beyond the plan, and what a kW drawn there loses more."""

    zone: Name
    draw: RoomUntil
    feed: RoomUntil
    loss_factor: Frac


class Room(Shape):
    """What the connection and each zone may carry beyond the plan."""

    draw_kw: Kw
    feed_kw: Kw
    zones: list[ZoneRoom]


class Wires(Shape):
    """The wires under a plan: its first slot, its tightest one, and the tightest of each."""

    slot_utc: Utc
    converged: bool
    reason: Text
    now: WiresState
    worst: WorstState
    strip: WiresStrip
    violations: list[BrokenLimit]
    loss_kw: KwPositive | None
    room: Room | None


class Outage(Shape):
    """An outage and how it is switched around; `secure` where everybody is supplied again."""

    slot_utc: Utc
    element: Name
    secure: bool
    dark_areas: list[Name]
    closed: list[Name]
    opened: list[Name]
    unsupplied_areas: list[Name]
    p_unsupplied_kw: KwPositive
    highest_loading_frac: Frac | None
    highest_element: str | None
    v_min_pu: Pu | None
    violations: list[Text]


class CancelledLimit(Shape):
    """Who has ended a limit, why and when."""

    by: Name
    reason: Text
    at_utc: Utc


class WireLimitState(Shape):
    """A limit on an element: from when until when it holds, who ordered it and why."""

    id: Number
    element: Name
    p_kw_max: KwPositive
    state: Literal["planned", "running", "ended"]
    from_utc: Utc
    until_utc: Utc
    ordered_until_utc: Utc
    by: Name
    reason: Text
    ordered_utc: Utc
    cancelled: CancelledLimit | None


class Steering(Shape):
    """What operators have ordered, newest first, and the feeders that can be limited."""

    items: list[WireLimitState]
    feeders: list[Name]
