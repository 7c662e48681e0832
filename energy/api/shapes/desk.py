"""Contracts and demand response as they stand."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.words import (
    Count,
    Id,
    Krw,
    Kw,
    Kwh,
    Name,
    Names,
    Number,
    Ppm,
    Shape,
    Utc,
    WholeText,
)
from market.dr import EventState


class ContractSums(Shape):
    """Energy of a contract, and what the buyer pays the seller; below 0 it is paid."""

    slots: Count
    energy_wh: WholeText
    taken_wh: WholeText
    surplus_wh: WholeText
    stranded_wh: WholeText
    buyer_pays_krw: Krw


class ContractTerms(Shape):
    """What was signed, and whether it runs; without the parties."""

    id: Id
    kind: Literal["neighbour", "ppa-as-consumed", "ppa-as-produced", "cfd", "partner"]
    state: Literal["WAITING", "RUNNING", "ENDED"]
    first_slot_utc: Utc
    end_slot_utc: Utc
    cap_wh: WholeText
    cap_period: Literal["slot", "month"]
    share_ppm: Ppm
    rank: Count
    price_krw_per_kwh: Krw
    charge_krw_per_kwh: Krw
    none_below_zero: bool
    even_at_a_loss: bool


class ContractOfList(ContractTerms):
    """A contract with the sums of its last day."""

    last_day: ContractSums


class ContractSlot(Shape):
    """What a slot of a contract came to."""

    slot_utc: Utc
    version: Number
    energy_wh: WholeText
    taken_wh: WholeText
    surplus_wh: WholeText
    stranded_wh: WholeText
    index_krw_per_kwh: Krw | None
    buyer_pays_krw: Krw


class ContractDocument(ContractOfList):
    """A contract: the ends that parties have signed, and the slots of its last day."""

    ends_signed: list[Utc]
    slots: list[ContractSlot]


class Regime(Shape):
    """What contracts stand under."""

    name: Name
    bills: list[Name]
    surplus_limit_ppm: Ppm
    supply_ratio_ppm: Ppm
    surplus_limit_in_force: bool


class Contracts(Shape):
    """All contracts and the regime."""

    regime: Regime
    contracts: list[ContractOfList]


class Answers(Shape):
    """How many were asked, and what they said."""

    asked: Count
    without_baseline: Count
    committed: Count
    declined: Count


class GroupSums(Shape):
    """What a group has committed; once verified, what it reduced, gets and owes.

    Of fewer than 15 households, or where one has over 15 %, operators and auditors alone are told.
    """

    accounts: Count
    committed_kwh: Kwh | None
    reward_krw: Krw | None = None
    penalty_krw: Krw | None = None
    reduced_kwh: Kwh | None = None


class EventGroups(Shape):
    """Customers together, and the company's own meters."""

    households: GroupSums
    operator: GroupSums


class EventHour(Shape):
    """A clock hour of a verified event; null where it would tell of single households."""

    start_utc: Utc
    committed_kwh: Kwh | None
    reduced_kwh: Kwh | None
    reward_krw: Krw | None
    penalty_krw: Krw | None


class GroupCourse(Shape):
    """Mean power by slot: baseline, target and metered (null where it is not settled)."""

    baseline_kw: list[Kw | None]
    target_kw: list[Kw | None]
    metered_kw: list[Kw | None]


class EventSeries(Shape):
    """Mean power of those who have committed, by slot; null of too few households."""

    first_slot_utc: Utc
    households: GroupCourse | None
    operator: GroupCourse


class DrEventDocument(Shape):
    """A DR event: terms, state, answers, sums by group, hours and series."""

    id: Id
    programme: Name
    first_slot_utc: Utc
    end_utc: Utc
    slots: Count
    answer_by_utc: Utc
    called_utc: Utc
    cancelled_utc: Utc | None
    baseline: Name
    reward_krw_per_kwh: Krw
    penalty_krw_per_kwh: Krw
    least_kwh_per_hour: Kwh
    controllable_ppm: Ppm
    title: Names
    state: EventState
    answers_open: bool
    answers: Answers
    version: Count
    groups: EventGroups
    hours: list[EventHour]
    series: EventSeries | None


class DrProgramme(Shape):
    """A programme that may be called, in which hours of the day, for how many hours.

    A reward that is null is the market's price, a penalty that is null the reward.
    """

    name: Name
    title: Names
    account: Id
    baseline: Name
    hours: list[list[Annotated[int, Field(ge=0, le=24, examples=[9])]]]
    hours_of_event: list[Annotated[int, Field(ge=1, le=24, examples=[4])]]
    least_kwh_per_hour: Kwh
    reward_krw_per_kwh: Krw | None
    penalty_krw_per_kwh: Krw | None


class DrOutlook(Shape):
    """The terms of an event that was not called yet, whom it asks, and the most it may cost.

    The last three are null where the newest plan does not reach so far.
    """

    programme: Name
    first_slot_utc: Utc
    end_utc: Utc
    answer_by_utc: Utc
    baseline: Name
    reward_krw_per_kwh: Krw
    penalty_krw_per_kwh: Krw
    least_kwh_per_hour: Kwh
    asked: Count
    demand_kwh: Kwh | None
    committed_kwh_max: Kwh | None
    reward_krw_max: Krw | None


class DrEvents(Shape):
    """The newest events, the latest to begin first, and the programmes."""

    items: list[DrEventDocument]
    programmes: list[DrProgramme]
