"""A district through days with a clock of its own: the same cycle as in operation, and a report.

The crowd's signed orders go through the same admission as those that come over HTTP. After the
last slot two more ticks are run without a market, so that every slot's readings are settled.
"""

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

from sqlalchemy import Connection

from energy.crowd import (
    Crowd,
    Promises,
    build_commits,
    build_crowd,
    build_orders,
    parse_offers,
    parse_public,
    sign_commits,
    sign_orders,
    within_promises,
)
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
from energy.steps.dr_calls import event_message
from energy.steps.dr_plan import build_dr_desk
from energy.steps.dr_views import DrScene, answer_document, events_document
from energy.steps.measure import SLOTS_BEHIND, Measured, measure
from energy.steps.public import DistrictTime, prices_document
from energy.steps.publish import day_sums, keep_measured, remember
from energy.steps.settling import settle_tick
from energy.steps.weather_feed import require_weather
from energy.store.admission import admit_orders
from energy.store.dr_desk import DrDesk, admit_dr
from energy.store.mailbox import PreparedMessage, prepare_message
from energy.store.views import Document
from energy.timegrid import iso_of, local_label, slots_from
from energy.units import SLOT_S
from market.errors import MarketError
from market.messages import sign_message

ORDERS_AHEAD_S = 60
"""The crowd's orders come in this long before the gate."""

CALLED_AHEAD_S = 4 * 3600
"""The events of a run are called so long before they begin, or at the run's start."""

Progress = Callable[[int, str], None]


def simulate(run: Run, progress: Progress) -> Outcome:
    """Run all slots; `progress` hears the number of slots done and a word on the last one."""
    require_weather(run.settings.weather_file)
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
    crowd, promises = build_crowd(microgrid.district, run.settings.seed), Promises()
    collected = Collected(Tally(first_slot=run.start))
    for done, slot in enumerate(slots_from(run.start, run.slots).tolist(), start=1):
        begun = perf_counter()
        call_events(microgrid.installation, run, slot)
        answer_events(microgrid.installation, crowd, promises, slot)
        place_orders(microgrid.installation, crowd, slot, promises)
        order_seconds = perf_counter() - begun
        gate_s = float(slot - run.settings.gate_lead_s)
        result = run_quarter_hour(microgrid, slot, _standing_at(gate_s))
        if result.settled is None:
            raise MarketError(f"slot {iso_of(slot)}: its tick cannot be settled; the log says why")
        collected.decided(result, order_seconds)
        collected.seen(microgrid, result.measured, run)
        tier = result.plan.tier if result.plan else "without a plan"
        label = local_label(slot, microgrid.district.time_zone)
        progress(done, f"{label} {tier} {result.seconds['total']:.1f} s")
    return collected


def call_events(installation: Installation, run: Run, slot: int) -> None:
    """Call the run's events `CALLED_AHEAD_S` before they begin; raises MarketError if refused."""
    key, desk = installation.books.keys.trading, build_dr_desk(installation)
    now_s, domain = _order_time(installation, slot), desk.admission.domain
    for nonce, call in enumerate(run.calls, start=1):
        if max(call.first_slot - CALLED_AHEAD_S, run.start) != slot:
            continue
        message = event_message(domain, installation.district, call, nonce=nonce)
        envelope = sign_message(domain, "DrEvent", message, key)
        one = prepare_message(desk.admission, envelope, int(now_s * 1_000_000), ("DrEvent",))
        answer = installation.store.write(partial(admit_dr, desk=desk, one=one))
        if answer.refusal is not None:
            no = answer.refusal
            raise MarketError(f"event: {no.field}: found {no.found}, allowed {no.allowed}")


def answer_events(installation: Installation, crowd: Crowd, promises: Promises, slot: int) -> None:
    """Let the crowd answer the events that are open, shortly before the gate of a slot."""
    desk, now_s = build_dr_desk(installation), _order_time(installation, slot)
    domain, store = desk.admission.domain, installation.store
    scene = DrScene(domain, installation.district, now_s)
    document = store.read(partial(events_document, scene=scene))
    for offer in parse_offers(document):
        if offer.id in promises.answered:
            continue
        promises.answered.add(offer.id)
        commits = build_commits(crowd, offer)
        prepared = [
            prepare_message(desk.admission, text, int(now_s * 1_000_000), ("DrCommit",))
            for text in sign_commits(crowd, domain, commits)
        ]
        for account, document in store.write(partial(_admit_all, desk=desk, prepared=prepared)):
            promises.keep(offer, account, document)


def _admit_all(
    connection: Connection, *, desk: DrDesk, prepared: Sequence[PreparedMessage]
) -> list[tuple[bytes, Document]]:
    """What every account hears whose answer is accepted."""
    found = []
    for one in prepared:
        if admit_dr(connection, desk, one).refusal is None and one.message is not None:
            found.append((one.message["account"], answer_document(connection, one=one)))
    return found


def _order_time(installation: Installation, slot: int) -> float:
    return float(slot - installation.settings.gate_lead_s - ORDERS_AHEAD_S)


def place_orders(
    installation: Installation, crowd: Crowd, slot: int, promises: Promises | None = None
) -> int:
    """Let the crowd order for a slot shortly before its gate; the number of orders accepted."""
    now_s = _order_time(installation, slot)
    admission = build_admission(installation)
    time = DistrictTime(now_s, float(SLOT_S))
    document = installation.store.read(
        lambda connection: prices_document(connection, installation.district, admission, time)
    )
    orders = build_orders(crowd, slot, parse_public(document))
    promises = promises or Promises()
    promises.forget_before(slot)
    orders = within_promises(orders, promises)
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
            still=memory.still,
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
