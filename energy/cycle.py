"""One quarter hour of the district, read from top to bottom.

At the gate of a slot its orders are closed. What follows is computed in memory and written in two
units: everything that the slot publishes, then everything that the tick settles and signs. A crash
between any two lines leaves the store before or after a unit, and the same slot is done again with
the same outcome, because the clock, the sealed book and the plant's state are inputs.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from sqlalchemy import Connection

from energy.steps.automatic import Gate, make_automatic_orders
from energy.steps.books import renew_rules
from energy.steps.clearing import Cleared, clear_market, no_market
from energy.steps.context import Microgrid
from energy.steps.dr_baselines import work_out_baselines
from energy.steps.dr_plan import answer_for_operator
from energy.steps.grid import CheckedPlan, plan_within_grid
from energy.steps.islanding import with_islands_ahead
from energy.steps.measure import Measured, measure
from energy.steps.outlook import forecast_slot
from energy.steps.planning import build_problem
from energy.steps.publish import publish, publish_without_plan
from energy.steps.settling import Settled, settle_tick
from energy.steps.steering import steering_of
from energy.store.events import add_event
from energy.store.orders import BookRow, lock_book
from energy.store.slots import Claim, SlotOutcome, claim_slot, record_seconds, unsealed_ticks
from energy.units import SLOT_S
from optimizer import OptimizerError, Tier

log = logging.getLogger(__name__)

MISSED = SlotOutcome(
    "missed",
    Tier.HOLD,
    "the slot was over before it could be planned; devices kept to their defaults",
)


@dataclass(frozen=True)
class CycleResult:
    """What one quarter hour did; `plan` is None for a slot without one.

    `seconds` by step, `total` included.
    """

    slot: int
    measured: Measured
    plan: CheckedPlan | None
    cleared: Cleared
    settled: Settled
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
    finish_ticks(microgrid)
    claim, orders = close_book(microgrid, slot, now_s())
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
    if now_s() >= slot + SLOT_S:
        cleared = no_market(slot, orders, MISSED.reason)
        publish_without_plan(microgrid, claim, measured, cleared, MISSED, now_s)
        watch.lap("publish")
        return _settle(microgrid, CycleParts(slot, measured, None, cleared), watch)
    work_out_baselines(microgrid, slot)
    forecast = forecast_slot(microgrid, measured)
    watch.lap("forecast")
    problem = with_islands_ahead(microgrid, build_problem(microgrid, measured, forecast))
    watch.lap("prepare")
    try:
        steering = steering_of(microgrid.district, microgrid.store, problem)
        checked = plan_within_grid(microgrid, problem, watch.lap, steering)
    except OptimizerError as error:
        # A problem that cannot be read has no plan of any tier; the slot still gets its row.
        how = SlotOutcome("fallback", Tier.HOLD, f"the plan cannot be asked for: {error}")
        cleared = no_market(slot, orders, how.reason)
        publish_without_plan(microgrid, claim, measured, cleared, how, now_s)
        watch.lap("publish")
        return _settle(microgrid, CycleParts(slot, measured, None, cleared), watch)
    cleared = clear_market(microgrid, slot, orders, checked)
    watch.lap("clear")
    publish(microgrid, claim, measured, forecast, checked, cleared, now_s)
    answer_for_operator(microgrid, checked, now_s)
    watch.lap("publish")
    return _settle(microgrid, CycleParts(slot, measured, checked, cleared), watch)


@dataclass(frozen=True)
class CycleParts:
    """What a slot has come to before its tick is settled."""

    slot: int
    measured: Measured
    plan: CheckedPlan | None
    cleared: Cleared


def close_book(microgrid: Microgrid, slot: int, now_s: float) -> tuple[Claim, tuple[BookRow, ...]]:
    """Claim the slot, add what standing instructions order, and seal its book, in one transaction:
    from here on no order comes in.
    """
    gate_s = slot - microgrid.settings.gate_lead_s

    def write(connection: Connection) -> tuple[Claim, tuple[BookRow, ...]]:
        claim = claim_slot(connection, slot, microgrid.owner, int(now_s))
        renew_rules(connection, microgrid.books, slot)
        gate = Gate(slot, gate_s, now_s, microgrid.books.rules.at(slot))
        make_automatic_orders(connection, microgrid.district, microgrid.books, gate)
        return claim, tuple(lock_book(connection, slot, gate_s))

    return microgrid.store.write(write)


def finish_ticks(microgrid: Microgrid) -> None:
    """Settle and seal what a crash left published but not under a checkpoint."""
    for tick in microgrid.store.read(unsealed_ticks):
        settle_tick(microgrid, tick)


def next_slot(microgrid: Microgrid) -> int:
    """The slot that is due next: the one after the last final row, whatever the clock says."""
    return microgrid.installation.next_slot()


def _settle(microgrid: Microgrid, parts: CycleParts, watch: Stopwatch) -> CycleResult:
    """Settle the tick, keep how long all took, and say what the slot came to."""
    settled = settle_tick(microgrid, parts.slot)
    watch.lap("settle")
    microgrid.store.write(lambda connection: _tell_sealed(connection, settled, watch.seconds))
    tier = parts.plan.tier if parts.plan else Tier.HOLD
    log.info("slot %s tier %s in %.1f s", parts.slot, tier, watch.seconds["total"])
    return CycleResult(
        slot=parts.slot,
        measured=parts.measured,
        plan=parts.plan,
        cleared=parts.cleared,
        settled=settled,
        seconds=watch.seconds,
    )


def _tell_sealed(connection: Connection, settled: Settled, seconds: dict[str, float]) -> None:
    """Keep how long the slot took, and tell the listeners that its tick is sealed."""
    record_seconds(connection, settled.tick, seconds)
    add_event(connection, "ledger", settled.tick, {"size": settled.size})
