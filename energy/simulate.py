"""A district through days with a clock of its own: the same cycle as in operation, and a report.

The crowd's signed orders go through the same admission as those that come over HTTP. After the
last slot two more ticks are run without a market, so that every slot's readings are settled.
"""

from collections.abc import Callable
from time import perf_counter

from energy.crowd import Crowd, build_crowd, build_orders, parse_public, sign_orders
from energy.cycle import run_quarter_hour
from energy.outcome import Collected, Outcome, Run, build_outcome
from energy.steps.accounting import Tally
from energy.steps.context import (
    Installation,
    Microgrid,
    build_admission,
    open_installation,
    start_microgrid,
)
from energy.steps.measure import SLOTS_BEHIND, Measured, measure
from energy.steps.public import DistrictTime, prices_document
from energy.steps.publish import day_sums, keep_measured, remember
from energy.steps.settling import settle_tick
from energy.store.admission import admit_orders
from energy.timegrid import local_label, slots_from
from energy.units import SLOT_S

ORDERS_AHEAD_S = 60
"""The crowd's orders come in this long before the gate."""

Progress = Callable[[int, str], None]


def simulate(run: Run, progress: Progress) -> Outcome:
    """Run all slots; `progress` hears the number of slots done and a word on the last one."""
    with open_installation(run.settings, lambda _: run.start) as installation:
        microgrid = start_microgrid(installation)
        try:
            collected = run_slots(microgrid, run, progress)
            close_run(microgrid, run, collected)
            return build_outcome(microgrid, run, collected)
        finally:
            microgrid.close()


def run_slots(microgrid: Microgrid, run: Run, progress: Progress) -> Collected:
    """The cycle of every slot, each at its gate, with the crowd's orders before it."""
    crowd = build_crowd(microgrid.district, run.settings.seed)
    collected = Collected(Tally(first_slot=run.start))
    for done, slot in enumerate(slots_from(run.start, run.slots).tolist(), start=1):
        begun = perf_counter()
        place_orders(microgrid.installation, crowd, slot)
        order_seconds = perf_counter() - begun
        gate_s = float(slot - run.settings.gate_lead_s)
        result = run_quarter_hour(microgrid, slot, _standing_at(gate_s))
        collected.decided(result, order_seconds)
        collected.seen(microgrid, result.measured, run)
        tier = result.plan.tier if result.plan else "without a plan"
        label = local_label(slot, microgrid.district.time_zone)
        progress(done, f"{label} {tier} {result.seconds['total']:.1f} s")
    return collected


def place_orders(installation: Installation, crowd: Crowd, slot: int) -> int:
    """Let the crowd order for a slot shortly before its gate; the number of orders accepted."""
    now_s = float(slot - installation.settings.gate_lead_s - ORDERS_AHEAD_S)
    admission = build_admission(installation)
    time = DistrictTime(now_s, float(SLOT_S))
    document = installation.store.read(
        lambda connection: prices_document(connection, installation.district, admission, time)
    )
    orders = build_orders(crowd, slot, parse_public(document))
    envelopes = sign_orders(crowd, admission.domain, orders)
    answers = installation.store.write(
        lambda connection: admit_orders(connection, admission, envelopes, now_s)
    )
    return sum(answer.refusal is None for answer in answers)


def close_run(microgrid: Microgrid, run: Run, collected: Collected) -> None:
    """Measure and settle the last slots: ticks without a market, for their readings come later."""
    for tick in range(run.end, run.end + SLOTS_BEHIND * SLOT_S, SLOT_S):
        memory = microgrid.memory
        measured = measure(
            microgrid.plant,
            microgrid.store,
            tick,
            state=memory.plant_state,
            last_good=memory.last_good,
        )
        _keep(microgrid, measured)
        collected.seen(microgrid, measured, run)
        settle_tick(microgrid, tick)


def _keep(microgrid: Microgrid, measured: Measured) -> None:
    sums = day_sums(microgrid, measured)
    microgrid.store.write(lambda connection: keep_measured(connection, microgrid, measured, sums))
    remember(microgrid, measured, sums)


def _standing_at(instant_s: float) -> Callable[[], float]:
    """A clock that stands still."""
    return lambda: instant_s
