"""What a person must look at after a slot: meters, cars, wires, connection, limits, the plan."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from energy.steps.grid import CheckedPlan, CutOff, SlotViolation
from energy.steps.injections import open_rows
from energy.steps.measure import Measured
from energy.steps.steering import OPERATOR_LIMIT
from energy.store.alarms import Alarm, end_other_alarms, raise_alarm
from optimizer import Tier

UNKNOWN_LIMIT = "steering/unknown"
TODO_BY_KIND = {OPERATOR_LIMIT: "Raise or cancel the limit; what is behind it needs more."}
"""What to do about a broken limit, where it is not the wires' own."""
TODO_UNSERVED = (
    "Ask large customers to draw less; nothing is switched off.",
    "Reconnect or start what can run; relays cut loads off by rank until then.",
)
"""What to do about load that is left out: on paper, or cut off without the utility."""
ELEMENTS_MAX = 8
"""Elements with broken limits that have an alarm of their own; the plan document has all."""


def alarms_of(measured: Measured, checked: CheckedPlan) -> list[Alarm]:
    """What a person must look at after this slot."""
    return [
        *_of_meters(measured),
        *wires_alarms(checked.on_wires),
        *_of_supply(checked),
        *_of_plan(checked),
    ]


def renew_slot_alarms(connection: Connection, found: Sequence[Alarm], now_s: int) -> None:
    """Raise what was found after a slot, and end what was not found any more."""
    for alarm in found:
        raise_alarm(connection, alarm, now_s)
    causes = frozenset(alarm.cause for alarm in found)
    for own in ("slot/", UNKNOWN_LIMIT):
        end_other_alarms(connection, own, causes, now_s)


def no_plan_alarm(reason: str) -> Alarm:
    """The slot has no plan at all."""
    return Alarm(
        cause="slot/tier",
        severity="alarm",
        what=f"The slot has no plan: {reason}",
        where="plan",
        todo="Devices keep to their defaults; correct what is named, or read the log.",
    )


def no_market_alarm(reason: str) -> Alarm:
    """The slot is planned, and its orders could not be cleared."""
    return Alarm(
        cause="slot/market",
        severity="alarm",
        what=f"The slot is planned and has no market: {reason}",
        where="market",
        todo="Its orders are void; read the log.",
    )


def _of_meters(measured: Measured) -> Iterator[Alarm]:
    if measured.named:
        yield Alarm(
            cause="slot/meters",
            severity="warning",
            what="; ".join(measured.named),
            where="meters and devices",
            todo="Look at the concentrators of these areas and at these devices.",
        )
    broken = int((~measured.telemetry.departures.kept).sum())
    if broken:
        yield Alarm(
            cause="slot/departures",
            severity="warning",
            what=f"{broken} cars left with less than was promised",
            where="charging",
            todo="Compare the sessions with the envelope; tell the drivers.",
        )


def wires_alarms(broken: Sequence[SlotViolation]) -> Iterator[Alarm]:
    """An alarm for each element: whoever has seen that of one line has not seen another's."""
    first: dict[str, SlotViolation] = {}
    for one in sorted(broken, key=lambda one: one.row):
        first.setdefault(one.violation.element, one)
    for element, one in list(first.items())[:ELEMENTS_MAX]:
        yield Alarm(
            cause=f"slot/grid/{element}",
            severity="alarm" if one.row == 0 else "warning",
            what=str(one.violation),
            where=element,
            todo=TODO_BY_KIND.get(one.violation.kind, "Close its tie switch or limit it."),
        )


def _of_supply(checked: CheckedPlan) -> Iterator[Alarm]:
    """The connection is open in the slot, or load is left out."""
    if open_rows(checked.problem)[0]:
        blocked = "; ".join(checked.blocked)
        yield Alarm(
            cause="slot/island",
            severity="alarm" if blocked else "warning",
            what=f"The district cannot stand alone: {blocked}"
            if blocked
            else "The district stands alone: nothing passes the connection",
            where="connection",
            todo="Reconnect on the grid page as soon as the utility is back.",
        )
    if checked.unserved:
        first = checked.unserved[0]
        yield Alarm(
            cause="slot/unserved",
            severity="alarm" if first.row == 0 else "warning",
            what=f"In {len(checked.unserved)} slots {first.violation}",
            where=first.violation.element,
            todo=TODO_UNSERVED[isinstance(first.violation, CutOff)],
        )


def _of_plan(checked: CheckedPlan) -> Iterator[Alarm]:
    """Limits on elements that are there no more, and a plan that is no optimum."""
    if checked.steering.unknown:
        yield Alarm(
            cause=UNKNOWN_LIMIT,
            severity="alarm",
            what=f"Operators' limits are not kept: {'; '.join(checked.steering.unknown)}",
            where="limits",
            todo="Cancel them, and set others on elements that are there.",
        )
    if checked.tier in (Tier.RULES, Tier.HOLD):
        yield Alarm(
            cause="slot/tier",
            severity="alarm" if checked.tier == Tier.HOLD else "warning",
            what=f"The plan is of tier {checked.tier}: {checked.reason}",
            where="plan",
            todo="Read the reason; the next quarter hour plans anew.",
        )
