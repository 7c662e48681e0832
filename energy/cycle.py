"""One quarter hour of the district, read from top to bottom.

At the gate of a slot its orders are closed. What follows is computed in memory and written in two
units: everything that the slot publishes, then everything that the tick settles and signs. A crash
between any two lines leaves the store before or after a unit, and the same slot is done again with
the same outcome, because the clock, the sealed book and the plant's state are inputs.

A step that fails for another reason than the store takes no other with it. Without the planner the
slot has the last plan or rules, without these its devices their defaults; without an auction it has
no market; what cannot be settled waits while the slots after it are told. An alarm names each.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic, perf_counter

from sqlalchemy import Connection

from energy.forecast import DistrictForecast
from energy.logs import in_words
from energy.steps.automatic import Gate, make_automatic_orders
from energy.steps.books import renew_rules
from energy.steps.clearing import Cleared, clear_market, no_market
from energy.steps.context import Microgrid
from energy.steps.dr_baselines import work_out_baselines
from energy.steps.dr_plan import answer_for_operator
from energy.steps.faults import (
    AUTOMATIC,
    BACKLOG,
    DR_ANSWER,
    RULES,
    end_if_open,
    plan_in_need,
    spared,
    tell,
)
from energy.steps.grid import CheckedPlan, plan_within_grid
from energy.steps.halting import HaltedError, why_halted
from energy.steps.islanding import with_islands_ahead
from energy.steps.measure import Measured, measure
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.steps.publish import (
    SlotBegunError,
    SlotOverError,
    is_over,
    publish,
    publish_without_plan,
)
from energy.steps.settling import Settled, settle_tick
from energy.steps.steering import steering_of
from energy.store.errors import StoreError
from energy.store.events import add_event
from energy.store.orders import BookRow, lock_book
from energy.store.slots import Claim, SlotOutcome, claim_slot, record_seconds, unsealed_ticks
from energy.timegrid import iso_of
from energy.units import SLOT_S
from optimizer import OptimizerError, PlanProblem, Tier

log = logging.getLogger(__name__)

MISSED = SlotOutcome(
    "missed",
    Tier.HOLD,
    "the slot was over before it could be planned; devices kept to their defaults",
)
TOO_LATE = replace(
    MISSED, reason="the slot was over before it could be published; devices kept to their defaults"
)
BEGUN = "it was too late to clear it before the slot began"
PUBLISH_LEAD_S = 30.0
"""A plan is to be out so long before its slot: what follows the planning needs this time."""
TRY_S = 10.0
"""A slot with less time to plan in is late already, and is planned as long as one plan may take."""


@dataclass(frozen=True)
class CycleResult:
    """What one quarter hour did; `plan` is None for a slot without one.

    `settled` is None where its tick waits for one that cannot be settled. `seconds` by step,
    `total` included.
    """

    slot: int
    measured: Measured
    plan: CheckedPlan | None
    cleared: Cleared
    settled: Settled | None
    seconds: dict[str, float]


class Stopwatch:
    """Seconds of each step, read between them."""

    def __init__(self) -> None:
        self._begun = self._lap = perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """The step that ends now; a step in several parts adds up."""
        now = perf_counter()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._lap
        self.seconds["total"] = now - self._begun
        self._lap = now


def run_quarter_hour(microgrid: Microgrid, slot: int, now_s: Callable[[], float]) -> CycleResult:
    """Run the cycle of `slot`: measure, forecast, plan, check, clear, publish, settle.

    `now_s` gives the district's time; it stamps what is written, and a slot that is over by then
    is settled without having been planned.
    """
    watch = Stopwatch()
    microgrid = _in_time(microgrid, slot, now_s())
    claim, book = close_book(microgrid, slot, now_s())
    measured = measure(
        microgrid.plant,
        microgrid.store,
        slot,
        state=microgrid.memory.plant_state,
        last_good=microgrid.memory.last_good,
        still=microgrid.memory.still,
        weather_at=microgrid.weather_at,
    )
    microgrid.memory.record.append(measured.telemetry, measured.known)
    watch.lap("measure")
    parts = CycleParts(slot, measured, claim, book)
    if is_over(slot, now_s()):
        return _without_plan(microgrid, parts, MISSED, now_s, watch)
    planned = plan_slot(microgrid, measured, watch)
    if planned.checked is None or planned.forecast is None:
        how = SlotOutcome("fallback", Tier.HOLD, planned.reason)
        return _without_plan(microgrid, parts, how, now_s, watch)
    checked = planned.checked
    cleared = clear_or_void(microgrid, parts, checked, now_s())
    watch.lap("clear")
    try:
        cleared = _published(microgrid, parts, planned.forecast, checked, cleared, now_s)
    except SlotOverError as error:
        log.warning("%s", error)
        return _without_plan(microgrid, parts, TOO_LATE, now_s, watch)
    _answer(microgrid, checked, now_s)
    watch.lap("publish")
    return _settle(microgrid, replace(parts, plan=checked, cleared=cleared), now_s, watch)


def _in_time(microgrid: Microgrid, slot: int, now_s: float) -> Microgrid:
    """The same machinery, whose plans of this slot share the time until it must be out.

    One that is late already is planned as long as one plan may take, for every second counts.
    """
    left_s = slot - PUBLISH_LEAD_S - now_s
    if left_s < TRY_S:
        left_s = min(microgrid.settings.plan_deadline_s, left_s + SLOT_S)
    return replace(microgrid, planner=microgrid.planner.until(monotonic() + left_s))


@dataclass(frozen=True)
class ClosedBook:
    """A slot's sealed orders; `reason` why they cannot be cleared, empty where they can."""

    orders: tuple[BookRow, ...]
    reason: str = ""


@dataclass(frozen=True)
class CycleParts:
    """What a slot has come to before its tick is settled."""

    slot: int
    measured: Measured
    claim: Claim
    book: ClosedBook
    plan: CheckedPlan | None = None
    cleared: Cleared | None = None


@dataclass(frozen=True)
class Planned:
    """The plan of a slot, or None and why; `forecast` is what it rests on."""

    checked: CheckedPlan | None
    forecast: DistrictForecast | None = None
    reason: str = ""


def close_book(microgrid: Microgrid, slot: int, now_s: float) -> tuple[Claim, ClosedBook]:
    """Claim the slot, add what standing instructions order, and seal its book, in one transaction:
    from here on no order comes in.

    Rules that cannot be renewed leave the slot without a market, instructions that cannot be
    followed its book without their orders; an alarm says so until they can.
    """
    gate_s = slot - microgrid.settings.gate_lead_s
    district, books = microgrid.district, microgrid.books

    def write(connection: Connection) -> tuple[Claim, ClosedBook]:
        claim = claim_slot(connection, slot, microgrid.owner, int(now_s))
        reason = spared(connection, RULES, int(now_s), lambda: renew_rules(connection, books, slot))
        if not reason:
            gate = Gate(slot, gate_s, now_s, books.rules.at(slot))
            spared(
                connection,
                AUTOMATIC,
                int(now_s),
                lambda: make_automatic_orders(connection, district, books, gate),
            )
        return claim, ClosedBook(tuple(lock_book(connection, slot, gate_s)), reason)

    return microgrid.store.write(write)


def plan_slot(microgrid: Microgrid, measured: Measured, watch: Stopwatch) -> Planned:
    """Forecast, problem, checked plan; where planning fails one without solver, and else none."""
    try:
        work_out_baselines(microgrid, measured.slot)
        forecast = forecast_slot(microgrid, measured)
        watch.lap("forecast")
        problem = with_islands_ahead(microgrid, build_problem(microgrid, measured, forecast))
        watch.lap("prepare")
    except StoreError:
        raise
    except Exception as error:
        log.exception("slot %s has nothing to plan from", iso_of(measured.slot))
        return Planned(None, reason=f"there is nothing to plan from: {in_words(error)}")
    return replace(_checked_plan(microgrid, problem, watch), forecast=forecast)


def _checked_plan(microgrid: Microgrid, problem: PlanProblem, watch: Stopwatch) -> Planned:
    """The plan within the grid, or one without solver; None, and why there is neither."""
    steering = None
    try:
        steering = steering_of(microgrid.district, microgrid.store, problem)
        return Planned(plan_within_grid(microgrid, problem, watch.lap, steering))
    except StoreError:
        raise
    except OptimizerError as error:
        # A problem that cannot be read has no plan of any tier; the slot still gets its row.
        return Planned(None, reason=f"the plan cannot be asked for: {error}")
    except Exception as error:
        log.exception("slot %s cannot be planned", iso_of(problem.first_slot))
        reason = f"it cannot be planned: {in_words(error)}"
    try:
        return Planned(plan_in_need(microgrid, problem, reason, steering))
    except StoreError:
        raise
    except Exception as error:
        log.exception("slot %s cannot be planned without the solver either", problem.first_slot)
        return Planned(None, reason=f"{reason}; nor without the solver: {in_words(error)}")


def _published(
    microgrid: Microgrid,
    parts: CycleParts,
    forecast: DistrictForecast,
    checked: CheckedPlan,
    cleared: Cleared,
    now_s: Callable[[], float],
) -> Cleared:
    """Publish the slot, without its market where it has begun meanwhile or the books were found
    broken; what was published.
    """
    try:
        publish(microgrid, parts.claim, parts.measured, forecast, checked, cleared, now_s)
    except (SlotBegunError, HaltedError) as error:
        log.warning("%s", error)
        reason = BEGUN if isinstance(error, SlotBegunError) else str(error)
        cleared = no_market(parts.slot, parts.book.orders, reason)
        publish(microgrid, parts.claim, parts.measured, forecast, checked, cleared, now_s)
    return cleared


def clear_or_void(
    microgrid: Microgrid, parts: CycleParts, checked: CheckedPlan, now_s: float
) -> Cleared:
    """The slot's auction; where it cannot be cleared its orders are void, and it says why.

    Nobody can act on a trade that is told when its slot has begun, so it must be in time; and no
    auction is signed after books that do not hold.
    """
    slot, book, settings = parts.slot, parts.book, microgrid.settings
    halted = microgrid.store.read(lambda connection: why_halted(connection, microgrid.books))
    if reason := book.reason or halted:
        return no_market(slot, book.orders, reason)
    if now_s > slot - min(settings.market_lead_s, settings.gate_lead_s):
        return no_market(slot, book.orders, BEGUN)
    try:
        return clear_market(microgrid, slot, book.orders, checked)
    except StoreError:
        raise
    except Exception as error:
        log.exception("slot %s cannot be cleared", iso_of(slot))
        return no_market(slot, book.orders, f"it cannot be cleared: {in_words(error)}")


def _without_plan(
    microgrid: Microgrid,
    parts: CycleParts,
    how: SlotOutcome,
    now_s: Callable[[], float],
    watch: Stopwatch,
) -> CycleResult:
    """Give the slot its row without set-points and market."""
    cleared = no_market(parts.slot, parts.book.orders, how.reason)
    publish_without_plan(microgrid, parts.claim, parts.measured, cleared, how, now_s)
    watch.lap("publish")
    return _settle(microgrid, replace(parts, cleared=cleared), now_s, watch)


def _answer(microgrid: Microgrid, checked: CheckedPlan, now_s: Callable[[], float]) -> None:
    """The operator's answer to events; the slot is out, so what fails here is only told."""
    try:
        answer_for_operator(microgrid, checked, now_s)
    except StoreError:
        raise
    except Exception as error:
        log.exception("the operator's answer to an event failed")
        tell(microgrid.store, DR_ANSWER, in_words(error), now_s())
    else:
        end_if_open(microgrid.store, DR_ANSWER, now_s())


def finish_ticks(
    microgrid: Microgrid, now_s: Callable[[], float], until_s: float
) -> Settled | None:
    """Settle and seal published slots, oldest first, one at least; what the newest came to.

    None where that is still open: one that fails lets itself and all after it wait, under an alarm,
    and what is not begun at `until_s` waits for the next time.
    """
    ticks, settled = microgrid.store.read(unsealed_ticks), None
    for number, tick in enumerate(ticks):
        if number and now_s() >= until_s:
            return None
        try:
            settled = settle_tick(microgrid, tick)
        except StoreError:
            raise
        except Exception as error:
            log.exception("tick %s cannot be settled", iso_of(tick))
            tell(microgrid.store, BACKLOG, f"tick {iso_of(tick)}: {in_words(error)}", now_s())
            return None
    end_if_open(microgrid.store, BACKLOG, now_s())
    return settled


def next_slot(microgrid: Microgrid) -> int:
    """The slot that is due next: the one after the last final row, whatever the clock says."""
    return microgrid.installation.next_slot()


def _settle(
    microgrid: Microgrid, parts: CycleParts, now_s: Callable[[], float], watch: Stopwatch
) -> CycleResult:
    """Settle what is open, keep how long all took, and say what the slot came to.

    Only until the next gate: the slots to come are told in time whatever waits to be settled.
    """
    next_gate_s = parts.slot + SLOT_S - microgrid.settings.gate_lead_s
    settled = finish_ticks(microgrid, now_s, next_gate_s)
    watch.lap("settle")
    microgrid.store.write(
        lambda connection: _tell_done(connection, parts.slot, settled, watch.seconds)
    )
    tier = parts.plan.tier if parts.plan else Tier.HOLD
    log.info("slot %s tier %s in %.1f s", parts.slot, tier, watch.seconds["total"])
    assert parts.cleared is not None, "a slot is cleared or void before it is settled"
    return CycleResult(
        slot=parts.slot,
        measured=parts.measured,
        plan=parts.plan,
        cleared=parts.cleared,
        settled=settled,
        seconds=watch.seconds,
    )


def _tell_done(
    connection: Connection, slot: int, settled: Settled | None, seconds: dict[str, float]
) -> None:
    """Keep how long the slot took, and tell the listeners where its tick is sealed."""
    record_seconds(connection, slot, seconds)
    if settled is not None:
        add_event(connection, "ledger", settled.tick, {"size": settled.size})
