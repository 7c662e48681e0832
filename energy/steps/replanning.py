"""The replan step: slots that have set-points already are planned once more, because of an order.

Measured and forecast are those of the slot's own gate, orders are those of now. What was cleared
stays: trades that cannot be delivered are settled as what the meters show. A plan in a shorter time
and fewer rounds on the wires keep the whole within the minute that a safe plan may take.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from energy.plant import SetPoints
from energy.steps.context import Microgrid
from energy.steps.grid import plan_within_grid
from energy.steps.islanding import with_islands_ahead
from energy.steps.measure import SLOTS_BEHIND, measure
from energy.steps.measure import load_state as plant_state_at
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.steps.publish import build_setpoints
from energy.steps.steering import steering_of
from energy.steps.untold import still_told, untold_rest
from energy.store.alarms import Alarm, raise_alarm
from energy.store.errors import StoreError
from energy.store.events import add_event
from energy.store.replans import Answer, Replan, add_answer, taken_now, unanswered_replans
from energy.store.setpoints import replace_setpoints
from energy.store.slots import Claim, last_published, next_fence
from energy.timegrid import iso_of
from energy.units import SLOT_S
from optimizer import OptimizerError, Plan, Tier

log = logging.getLogger(__name__)

DEADLINE_S = 10.0
"""Longest time for one plan of a slot that is running."""
ROUNDS_MAX = 1
"""Re-plans after a failed grid check; what is broken then is named, as always."""
NO_FENCE = 0


@dataclass(frozen=True)
class Replanned:
    """What the devices of a slot are to be told anew, and how it was planned.

    `told` is None where nothing may be commanded: then devices keep to their own defaults.
    """

    slot: int
    told: SetPoints | None
    tier: Tier
    reason: str
    plan: Plan | None = None


def answer_replans(microgrid: Microgrid, now_s: Callable[[], float]) -> int:
    """Plan anew what open orders ask for and tell the devices; how many slots were told.

    All slots from the running one on that have a row, once for all orders. An order for a slot that
    has none yet waits for it; that slot's own cycle knows what was ordered. The orders count as
    answered once the last slot is told: one that is cut off before is done again from its start, so
    that no slot is left under an older fence than the devices have seen.
    """
    orders = microgrid.store.read(unanswered_replans)
    last = microgrid.store.read(last_published)
    if not orders or last is None:
        return 0
    running = int(now_s()) // SLOT_S * SLOT_S
    first = max(running, min(order.slot for order in orders))
    slots = range(first, last + SLOT_S, SLOT_S)
    answers: list[Answer] = []
    for slot in slots:
        asked = [order for order in orders if order.slot <= slot]
        found = _replan_or_hold(microgrid, slot)
        answers += tell_anew(
            microgrid, found, asked, int(now_s()), before=answers, is_last=slot == last
        )
    return len(slots)


def _replan_or_hold(microgrid: Microgrid, slot: int) -> Replanned:
    """The plan of a slot; where it fails, and not for the store, nothing is commanded in it.

    An order that is asked again before every cycle and fails each time would hold up the loop.
    """
    try:
        return replan_slot(microgrid, slot)
    except StoreError:
        raise
    except Exception as error:
        log.exception("slot %s cannot be planned anew", iso_of(slot))
        return Replanned(slot, None, Tier.HOLD, f"it cannot be planned anew: {error}")


def replan_slot(microgrid: Microgrid, slot: int) -> Replanned:
    """The plan of a slot from what was known at its gate and what is ordered now."""
    past, store, plant = slot - SLOTS_BEHIND * SLOT_S, microgrid.store, microgrid.plant
    measured = measure(
        plant,
        store,
        slot,
        state=plant_state_at(store, plant, past, microgrid.installation.first_slot),
        last_good=microgrid.memory.last_good,
        still=microgrid.memory.still,
        weather_at=microgrid.weather_at,
    )
    forecast = forecast_slot(microgrid, measured)
    problem = with_islands_ahead(microgrid, build_problem(microgrid, measured, forecast))
    steering = steering_of(microgrid.district, store, problem)
    try:
        checked = plan_within_grid(_quick(microgrid), problem, _nobody_counts, steering)
    except OptimizerError as error:
        return Replanned(slot, None, Tier.HOLD, f"the plan cannot be asked for: {error}")
    told = build_setpoints(microgrid, Claim(slot, NO_FENCE), measured, checked)
    return Replanned(slot, told, checked.tier, checked.reason, checked.plan)


def tell_anew(
    microgrid: Microgrid,
    found: Replanned,
    orders: Sequence[Replan],
    at_s: int,
    *,
    before: Sequence[Answer] = (),
    is_last: bool = True,
) -> list[Answer]:
    """Replace the slot's set-points unless it is over at `at_s`; the answers to the orders.

    With the last slot they are kept in the same transaction, those of the slots `before` too.
    """
    is_over = at_s >= found.slot + SLOT_S
    reason = f"the slot was over before; {found.reason}" if is_over else found.reason

    def write(connection: Connection) -> list[Answer]:
        claim, told = Claim(found.slot, next_fence(connection)), found.told
        if told is None:
            told = still_told(connection, microgrid.district, found.slot)
        if not is_over:
            sent = None if told is None else replace(told, fence=claim.fence, told_s=at_s)
            body = None if sent is None else sent.to_bytes()
            replace_setpoints(connection, claim, found.slot + SLOT_S, body)
        now = taken_now()
        answers = []
        for order in orders:
            how = (str(found.tier), reason, at_s, order.taken.seconds_since(now))
            answers.append(Answer(order.id, found.slot, claim.fence, *how))
        if is_last:
            for answer in (*before, *answers):
                add_answer(connection, answer)
        if found.told is None:
            raise_alarm(connection, _nothing_told(found, kept=told is not None), at_s)
        if told is None:
            for alarm in untold_rest(connection, found.slot):
                raise_alarm(connection, alarm, at_s)
        add_event(connection, "steering", found.slot, {"told": [order.id for order in orders]})
        return answers

    answers = microgrid.store.write(write)
    memory = microgrid.memory
    if memory.previous is None or found.slot >= memory.previous.first_slot:
        memory.previous = found.plan
    return answers


def _nothing_told(found: Replanned, *, kept: bool) -> Alarm:
    """The slot has no set-points any more, or kept those it had but for what is to rest.

    The next cycle ends it, as what else is of a slot.
    """
    left = "Devices but those at rest go on as told before" if kept else "Nothing is commanded"
    return Alarm(
        cause="slot/tier",
        severity="alarm",
        what=f"{left} in {iso_of(found.slot)}: {found.reason}",
        where="plan",
        todo="Read the log, then order to plan anew; untold devices keep to their defaults.",
    )


def _quick(microgrid: Microgrid) -> Microgrid:
    """The same machinery in a hurry."""
    settings = microgrid.settings.model_copy(update={"grid_rounds_max": ROUNDS_MAX})
    return replace(
        microgrid,
        planner=microgrid.planner.within(DEADLINE_S),
        installation=replace(microgrid.installation, settings=settings),
    )


def _nobody_counts(_: str) -> None:
    """The seconds of its steps are not kept: the answer says how long the whole took."""
