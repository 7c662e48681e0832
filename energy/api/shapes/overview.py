"""The overview, alarms, and the head of the books."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.market import MarketDay
from energy.api.shapes.plan import (
    Balance,
    ForecastCourse,
    GridSolved,
    GridUnsolved,
    HeatCourse,
    ImportCourse,
    Kpi,
    SlotCycle,
    StoresCourse,
)
from energy.api.shapes.words import (
    Address,
    Count,
    Date,
    Digest,
    Krw,
    Name,
    Names,
    Seconds,
    Shape,
    Text,
    TimeZone,
    Utc,
    WholeText,
)


class SeenBy(Shape):
    """Who has seen an alarm first, when, and what they said of it; texts may be empty."""

    by: Annotated[str, Field(examples=["person kim"])]
    at_utc: Utc
    note: Annotated[str, Field(examples=["the crew is on its way"])]


class Alarm(Shape):
    """Something that needs a person."""

    id: WholeText
    severity: Literal["alarm", "warning"]
    what: Text
    where: str
    since_utc: Utc
    until_utc: Utc | None
    todo: Text
    count: Count
    acknowledged: bool
    seen: SeenBy | None


class Alarms(Shape):
    """Open alarms, the gravest first."""

    items: list[Alarm]


class EndedAlarm(Alarm):
    """An alarm whose condition is over."""

    ended_utc: Utc


class EndedAlarms(Shape):
    """Alarms that are over, the newest first; `next` is null on the last page."""

    items: list[EndedAlarm]
    next: str | None = Field(examples=["/v1/alarms/ended?before=17&limit=50"])


class AlarmDay(Shape):
    """How many alarms and warnings began on a local day."""

    date: Date
    first_slot_utc: Utc
    alarm: Count
    warning: Count


class AlarmDays(Shape):
    """The last days, the oldest first; today is not over."""

    days: list[AlarmDay]


class LedgerHead(Shape):
    """The head of the books, and whether everything is explained."""

    size: Count
    root: Digest
    tick_utc: Utc
    transfers: Count
    signer: Address
    unexplained_wh: WholeText
    unexplained_krw: Krw
    debits_equal_credits: bool


class SlotLedger(LedgerHead):
    """The head of the books after a quarter hour."""

    slot_utc: Utc


class DistrictBlock(Shape):
    """What is run."""

    id: Name
    name: Names
    time_zone: TimeZone
    households: Count
    areas: Count


class ClockBlock(Shape):
    """The district's time: the running quarter hour and the next gate."""

    mode: Literal["demo", "real"]
    now_utc: Utc
    slot_utc: Utc
    gate_utc: Utc
    slot_seconds_real: Seconds


class Overview(Shape):
    """How the district is; a block that is not known yet is null."""

    district: DistrictBlock
    clock: ClockBlock
    as_of_utc: Utc | None
    balance: Balance | None
    import_: ImportCourse | None = Field(alias="import")
    forecast: ForecastCourse | None
    stores: StoresCourse | None
    heat: HeatCourse | None
    market: MarketDay | None
    grid: GridSolved | GridUnsolved | None
    ledger: LedgerHead | None
    kpi: Kpi | None
    cycle: SlotCycle | None
    alarms: list[Alarm]
