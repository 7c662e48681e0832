"""Demand response: who may be asked when, the baseline, what was reduced, reward and penalty.

The baseline is a mean of earlier days, each of which is an input: this knows no calendar. All
energies are whole Wh and net: import less export.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from market.errors import MarketError
from market.rules import SLOT_S
from market.transfers import Code, LedgerId, Transfer, TransferKind, sort_and_merge

PPM = 1_000_000
LOOK_BACK_DAYS = 45
SLOTS_PER_HOUR = 4
HOUR_S = SLOTS_PER_HOUR * SLOT_S


class BaselineMethod(IntEnum):
    """How days are chosen; the numbers of the signed type."""

    MAX_4_5 = 1  # of five days all but the lowest
    MID_6_10 = 2  # of ten days all but the two highest and the two lowest


class EventState(StrEnum):
    """Where an event stands."""

    OFFERED = "OFFERED"
    CALLED = "CALLED"
    RUNNING = "RUNNING"
    METERED = "METERED"
    VERIFIED = "VERIFIED"
    SETTLED = "SETTLED"
    CANCELLED = "CANCELLED"


class AnswerState(StrEnum):
    """What an account said to an event."""

    COMMITTED = "COMMITTED"
    DECLINED = "DECLINED"
    NO_ANSWER = "NO_ANSWER"


EVENT_AFTER: Mapping[EventState, frozenset[EventState]] = {
    EventState.OFFERED: frozenset({EventState.CALLED, EventState.CANCELLED}),
    EventState.CALLED: frozenset({EventState.RUNNING, EventState.CANCELLED}),
    EventState.RUNNING: frozenset({EventState.METERED}),
    EventState.METERED: frozenset({EventState.VERIFIED}),
    EventState.VERIFIED: frozenset({EventState.SETTLED}),
    # Corrected readings are verified again.
    EventState.SETTLED: frozenset({EventState.VERIFIED}),
    EventState.CANCELLED: frozenset(),
}


def next_state(now: EventState, then: EventState) -> EventState:
    """The state after a step; raises MarketError where the step is not allowed."""
    if then not in EVENT_AFTER[now]:
        allowed = ", ".join(sorted(EVENT_AFTER[now])) or "nothing"
        raise MarketError(f"event is {now}: found a step to {then}, allowed {allowed}")
    return then


@dataclass(frozen=True)
class DrProgramme:
    """The terms of a programme, as data: hours of the day, length, number and least size.

    `hours` are half-open local hours; `least_wh_per_hour` is asked of an aggregated resource;
    `pay_cap_ppm` of the commitment is rewarded at most; `controllable_ppm` of its lowest baseline
    is what an account is taken to be able to give up.
    """

    name: str
    hours: tuple[tuple[int, int], ...] = ((9, 12), (13, 20))
    least_hours: int = 1
    most_hours: int = 4
    events_per_day: int = 2
    least_wh_per_hour: int = 100_000
    pay_cap_ppm: int = PPM
    ban_months: int = 6
    controllable_ppm: int = PPM


@dataclass(frozen=True)
class DrEvent:
    """A call: `slots` quarter hours from `first_slot`; prices for each kWh."""

    program: bytes
    first_slot: int
    slots: int
    method: BaselineMethod
    reward_mkrw_per_kwh: int
    penalty_mkrw_per_kwh: int
    answer_by: int

    def __post_init__(self) -> None:
        if self.slots < 1 or self.first_slot % SLOT_S or self.answer_by > self.first_slot:
            raise MarketError(
                f"event at {self.first_slot}: {self.slots} slots, answer by {self.answer_by}, "
                "allowed 1 slot or more from a quarter hour on, answered before it begins"
            )
        if self.reward_mkrw_per_kwh < 0:
            raise MarketError(
                f"event at {self.first_slot}: reward {self.reward_mkrw_per_kwh}, allowed 0 or more"
            )


@dataclass(frozen=True)
class EventDay:
    """The local day of an event: whether it is a weekday and no holiday, and the start's hour."""

    working: bool
    hour: int
    minute: int = 0
    events_before: int = 0


def event_faults(event: DrEvent, day: EventDay, programme: DrProgramme) -> list[str]:
    """Why the programme's rules do not allow the event; empty if they do."""
    faults = []
    if not day.working:
        faults.append("the day is no working day, allowed weekdays without holidays")
    hours, rest = divmod(event.slots, SLOTS_PER_HOUR)
    if rest or not programme.least_hours <= hours <= programme.most_hours:
        faults.append(
            f"{event.slots} slots, allowed {programme.least_hours} to {programme.most_hours} "
            "whole hours"
        )
    start, end = day.hour * 60 + day.minute, day.hour * 60 + day.minute + event.slots * 15
    if not any(first * 60 <= start and end <= last * 60 for first, last in programme.hours):
        shown = ", ".join(f"{first} to {last} h" for first, last in programme.hours)
        faults.append(f"from {day.hour:02}:{day.minute:02}, allowed {shown}")
    if day.events_before >= programme.events_per_day:
        faults.append(
            f"{day.events_before} events that day before, allowed {programme.events_per_day} a day"
        )
    return faults


@dataclass(frozen=True)
class HistoryDay:
    """An earlier day of an account, over the slots of the event's window.

    `working` is a weekday that is no holiday; `event` a day with an event of the account;
    `estimated` says that a reading of the window is an estimate.
    """

    days_ago: int
    net_wh: tuple[int, ...]
    working: bool = True
    event: bool = False
    estimated: bool = False

    @property
    def total_wh(self) -> int:
        """Net import over the window."""
        return sum(self.net_wh)


@dataclass(frozen=True)
class History:
    """Earlier days of an account, in any order; industrial customers have an upper bound too."""

    days: tuple[HistoryDay, ...]
    industrial: bool = False


@dataclass(frozen=True)
class Baseline:
    """What the account would have drawn in each slot, and the days (days ago) it comes from.

    Without one `net_wh` is None and `reason` says why: then there is no commitment either.
    """

    net_wh: tuple[int, ...] | None
    kept: tuple[int, ...] = ()
    reason: str = ""


_TAKE = {BaselineMethod.MAX_4_5: 5, BaselineMethod.MID_6_10: 10}
# How many of the highest and of the lowest days are dropped.
_DROP = {BaselineMethod.MAX_4_5: (0, 1), BaselineMethod.MID_6_10: (2, 2)}


def build_baseline(history: History, event: DrEvent) -> Baseline:
    """The account's baseline for the slots of the event.

    The latest eligible days are taken; those below 75 % of their mean (industrial: or above 125 %)
    give way, once, to older ones that stand the same test against the same mean.
    """
    wrong = [day.days_ago for day in history.days if len(day.net_wh) != event.slots]
    twice = len({day.days_ago for day in history.days}) < len(history.days)
    if wrong or twice:
        raise MarketError(
            f"history: days ago {wrong or 'twice'}, allowed each day once with {event.slots} slots"
        )
    eligible = sorted(
        (
            day
            for day in history.days
            if 1 <= day.days_ago <= LOOK_BACK_DAYS
            and day.working
            and not day.event
            and not day.estimated
        ),
        key=lambda day: day.days_ago,
    )
    take = _TAKE[event.method]
    first = eligible[:take]
    total = sum(day.total_wh for day in first)
    usual = [
        day
        for day in eligible
        if total <= 0 or _is_usual(day.total_wh, total, len(first), history.industrial)
    ][:take]
    if len(usual) < take:
        return Baseline(None, reason=f"{len(usual)} days are eligible, allowed {take} or more")
    highest, lowest = _DROP[event.method]
    # Of equal days the older one is dropped, so it stands nearer to the end that is cut.
    usual.sort(key=lambda day: (day.total_wh, -day.days_ago))
    kept = usual[lowest:]
    kept.sort(key=lambda day: (-day.total_wh, -day.days_ago))
    kept = kept[highest:]
    slots = zip(*(day.net_wh for day in kept), strict=True)
    return Baseline(
        tuple(sum(slot) // len(kept) for slot in slots),
        tuple(sorted(day.days_ago for day in kept)),
    )


def _is_usual(total_wh: int, sum_wh: int, count: int, industrial: bool) -> bool:
    """Whether a day lies in 75 to 125 % of the mean `sum_wh / count`; only industry has a top."""
    share = total_wh * count * 100
    return share >= 75 * sum_wh and (not industrial or share <= 125 * sum_wh)


def adjust_baseline(
    baseline: Baseline,
    expected_wh: Sequence[int],
    metered_wh: Sequence[int],
    most_ppm: int,
) -> Baseline:
    """The baseline shifted by what the same day differed just before the event; off by default.

    `expected_wh` is the baseline of those earlier slots and `metered_wh` what they saw; the mean
    difference is added to every slot, at most `most_ppm` of that slot's baseline either way.
    """
    if baseline.net_wh is None or len(expected_wh) != len(metered_wh) or not expected_wh:
        raise MarketError(
            f"adjustment: {len(expected_wh)} slots expected and {len(metered_wh)} metered, "
            "allowed as many, one or more, and a baseline"
        )
    shift = (sum(metered_wh) - sum(expected_wh)) // len(expected_wh)
    shifted = []
    for wh in baseline.net_wh:
        most = abs(wh) * most_ppm // PPM
        shifted.append(wh + max(-most, min(shift, most)))
    return Baseline(tuple(shifted), baseline.kept)


def commitment_fault(baseline: Baseline, e_wh_per_slot: int, controllable_wh: int) -> str:
    """Why an account may not commit this much in every slot of the event; empty if it may.

    `controllable_wh` is what its devices can give up in a slot.
    """
    if baseline.net_wh is None:
        return f"no baseline: {baseline.reason}"
    least = min(baseline.net_wh)
    most = max(0, min(controllable_wh, least))
    if not 1 <= e_wh_per_slot <= most:
        return f"{e_wh_per_slot} Wh per slot, allowed 1 to {most} (lowest baseline {least} Wh)"
    return ""


def bid_limit_wh(baseline_wh: int, committed_wh: int) -> int:
    """What a committed account may bid for in a slot of the event, so that no Wh is paid twice."""
    return max(0, baseline_wh - committed_wh)


def resource_fault(committed_wh_per_hour: int, programme: DrProgramme) -> str:
    """Why the commitments of all accounts together are no resource; empty if they are."""
    if committed_wh_per_hour < programme.least_wh_per_hour:
        return (
            f"{committed_wh_per_hour} Wh committed in an hour, allowed "
            f"{programme.least_wh_per_hour} or more"
        )
    return ""


@dataclass(frozen=True)
class DrHour:
    """One clock hour of an event, verified; `start` is its first second of UTC."""

    start: int
    committed_wh: int
    reduced_wh: int
    reward_ukrw: int
    penalty_ukrw: int


def verify_event(
    event: DrEvent,
    baseline: Baseline,
    net_wh: Sequence[int],
    committed_wh_per_slot: int,
    pay_cap_ppm: int = PPM,
) -> list[DrHour]:
    """What an account reduced in each clock hour of the event, and what follows in money."""
    if baseline.net_wh is None or len(net_wh) != event.slots:
        raise MarketError(
            f"event at {event.first_slot}: {len(net_wh)} readings, allowed {event.slots} and a "
            "baseline"
        )
    hours: dict[int, list[int]] = {}
    for place in range(event.slots):
        slot = event.first_slot + place * SLOT_S
        hours.setdefault(slot - slot % HOUR_S, []).append(place)
    found = []
    for start, places in sorted(hours.items()):
        reduced = max(0, sum(baseline.net_wh[n] - net_wh[n] for n in places))
        committed = committed_wh_per_slot * len(places)
        paid = min(reduced, committed * pay_cap_ppm // PPM)
        missing = max(0, committed - reduced)
        found.append(
            DrHour(
                start=start,
                committed_wh=committed,
                reduced_wh=reduced,
                reward_ukrw=paid * event.reward_mkrw_per_kwh,
                penalty_ukrw=missing * max(event.penalty_mkrw_per_kwh, 0),
            )
        )
    return found


def dr_transfers(
    account: bytes, program: bytes, hours: Sequence[DrHour], version: int, cause: bytes
) -> list[Transfer]:
    """Reward from the programme and penalty to it, hour by hour; `cause` is the event's id."""
    plain, krw = int(TransferKind.PLAIN), int(LedgerId.KRW)
    found = []
    for hour in hours:
        for code, debit, credit, amount in (
            (Code.DR_REWARD, program, account, hour.reward_ukrw),
            (Code.DR_PENALTY, account, program, hour.penalty_ukrw),
        ):
            if amount:
                found.append(
                    Transfer(
                        krw, plain, int(code), debit, credit, amount, hour.start, version,
                        cause=cause,
                    )
                )  # fmt: skip
    return sort_and_merge(found)
