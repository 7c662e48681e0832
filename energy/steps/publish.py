"""The publish step: everything that the slot says to devices, people and books, in one transaction.

Set-points expire with their slot. What was measured on the way stands in the same transaction, so
that a slot that is done again after a crash starts from the same state of the plant.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.forecast import CarSessions, ChargerGroups, DistrictForecast, split
from energy.forecast.inputs import FloatArray
from energy.plant import SetPoints
from energy.steps.accounting import Tally, Terms
from energy.steps.asset_views import assets_view
from energy.steps.clearing import Cleared
from energy.steps.context import Microgrid
from energy.steps.demand_peaks import Peaks, month_of, owed_kw, peaks_json, with_demand
from energy.steps.feed_ages import watch_feeds
from energy.steps.grid import CheckedPlan
from energy.steps.homes import keep_home_day
from energy.steps.issuing import keep_issue
from energy.steps.market_views import round_views
from energy.steps.measure import LastGood, Measured
from energy.steps.previews import keep_problem
from energy.steps.prices import connection_prices, run_terms
from energy.steps.record import stored_row, unit_changes
from energy.steps.retiring import Retired, in_use, leaving, neutral, retired_ids, retired_of
from energy.steps.settling import post_clearing
from energy.steps.slot_alarms import (
    alarms_of,
    no_market_alarm,
    no_plan_alarm,
    renew_slot_alarms,
)
from energy.steps.untold import untold_rest
from energy.steps.verification import watch_drift
from energy.steps.views import measured_view, outcome_of, plan_view, wires_view
from energy.store.alarms import raise_alarm
from energy.store.cars import save_cars_seen
from energy.store.events import add_event
from energy.store.measured import save_measured, save_plant_state
from energy.store.meter_feeds import take_out
from energy.store.orders import save_clearing, save_fills, void_book
from energy.store.readings import LateRow, save_late_readings, save_readings
from energy.store.setpoints import load_setpoints, prune_setpoints, save_setpoints
from energy.store.slots import Claim, SlotOutcome, publish_slot
from energy.store.views import prune_views, put_view
from energy.timegrid import iso_of, local_day_end, local_day_start, slots_from
from energy.units import SLOT_S, SLOTS_PER_DAY
from optimizer import Plan, Tier
from optimizer.document import problem_document

KEEP_S = 2 * SLOTS_PER_DAY * SLOT_S
"""How long plan documents and set-points are kept; the measured ones stay."""

KEEP_GRID_S = 8 * SLOT_S
"""How long the state of every single element is kept: the plan documents have the worst ones."""


class SlotBegunError(Exception):
    """The slot began before its trades were published: nobody could act on them any more."""


class SlotOverError(Exception):
    """The slot ended before it could be published: nothing of its plan is of use any more."""


def is_over(slot: int, now_s: float) -> bool:
    """Whether a slot has ended: then it is neither planned nor told, and trades nothing."""
    return now_s >= slot + SLOT_S


@dataclass(frozen=True)
class DaySums:
    """Sums of the local day with the measured slot, and all months' peaks with it."""

    tally: Tally
    peaks_kw: Peaks


def publish(
    microgrid: Microgrid,
    claim: Claim,
    measured: Measured,
    forecast: DistrictForecast,
    checked: CheckedPlan,
    cleared: Cleared,
    now_s: Callable[[], float],
) -> None:
    """Write and show what the slot decided; afterwards the loop remembers it.

    Raises SlotBegunError where it has trades and has begun by then, SlotOverError where the slot is
    over, and writes nothing: set-points would have expired and trades be made of energy that has
    flowed.
    """
    sums = day_sums(microgrid, measured)
    told = build_setpoints(microgrid, claim, measured, checked)
    shown = in_use(microgrid.district, forecast, _retired(microgrid, checked.plan))

    problem = problem_document(checked.problem)

    def write(connection: Connection) -> None:
        keep_measured(connection, microgrid, measured, sums)
        keep_issue(connection, forecast, microgrid.memory.calibrations, measured, int(now_s()))
        if told is not None:
            sent = replace(told, told_s=int(now_s()))
            save_setpoints(connection, claim, told.expires_s, sent.to_bytes())
        document = plan_view(microgrid.district, measured, shown, checked, cleared)
        put_view(connection, "plan", claim.slot, document)
        keep_problem(connection, claim.slot, problem)
        put_view(connection, "market", claim.slot, document["market"])
        put_view(connection, "grid", claim.slot, wires_view(microgrid.district.network, checked))
        _keep_clearing(connection, microgrid, cleared)
        post_clearing(connection, microgrid.books, cleared)
        found = alarms_of(measured, checked)
        if cleared.clearing is None and checked.tier != Tier.HOLD:
            found.append(no_market_alarm(cleared.reason))
        if told is None:
            found += untold_rest(connection, claim.slot)
        renew_slot_alarms(connection, found, int(now_s()))
        watch_feeds(connection, measured, int(now_s()))
        if local_day_start(claim.slot, microgrid.district.time_zone) == claim.slot:
            begun = microgrid.installation.first_slot
            watch_drift(connection, claim.slot, begun, int(now_s()))
        how = _how_it_came(checked)
        publish_slot(connection, claim, how, int(now_s()))
        add_event(connection, "cycle", claim.slot, {"tier": how.tier, "outcome": how.outcome})
        _prune(connection, claim.slot)
        # Last, so that whatever the unit has waited for is counted.
        if is_over(claim.slot, now_s()):
            raise SlotOverError(f"slot {iso_of(claim.slot)}: over before it was published")
        if cleared.clearing is not None and now_s() > claim.slot:
            raise SlotBegunError(f"slot {iso_of(claim.slot)}: begun before its trades were out")

    microgrid.store.write(write)
    remember(microgrid, measured, sums)
    microgrid.memory.previous = checked.plan
    microgrid.memory.bands.issued(forecast)
    microgrid.memory.auctions.append(cleared.slot, cleared.price_mkrw_per_kwh)
    microgrid.memory.auctions.issued(forecast)


def _how_it_came(checked: CheckedPlan) -> SlotOutcome:
    """What the slot's row says of its plan."""
    gap = checked.plan.certificate.gap_frac
    return SlotOutcome(
        outcome=outcome_of(checked),
        tier=str(checked.tier),
        reason=checked.reason,
        gap_frac=gap if np.isfinite(gap) else None,
        rounds=checked.rounds,
    )


def _prune(connection: Connection, slot: int) -> None:
    """Forget what is kept for a while only."""
    prune_views(connection, "plan", slot - KEEP_S)
    prune_views(connection, "grid", slot - KEEP_GRID_S)
    prune_setpoints(connection, slot - KEEP_S)


def publish_without_plan(
    microgrid: Microgrid,
    claim: Claim,
    measured: Measured,
    cleared: Cleared,
    how: SlotOutcome,
    now_s: Callable[[], float],
) -> None:
    """The final row of a slot that has no plan: no set-points, no market, and why."""
    sums = day_sums(microgrid, measured)
    is_over = how.outcome == "missed"

    def write(connection: Connection) -> None:
        keep_measured(connection, microgrid, measured, sums)
        _keep_clearing(connection, microgrid, cleared)
        if not is_over:
            for alarm in (no_plan_alarm(how.reason), *untold_rest(connection, claim.slot)):
                raise_alarm(connection, alarm, int(now_s()))
        watch_feeds(connection, measured, int(now_s()))
        publish_slot(connection, claim, how, int(now_s()))
        add_event(connection, "cycle", claim.slot, {"tier": how.tier, "outcome": how.outcome})

    microgrid.store.write(write)
    remember(microgrid, measured, sums)
    microgrid.memory.previous = None
    microgrid.memory.auctions.append(cleared.slot, cleared.price_mkrw_per_kwh)


def day_sums(microgrid: Microgrid, measured: Measured) -> DaySums:
    """The local day's sums with the slot that was measured; a new day begins from nought."""
    district, slot = microgrid.district, measured.telemetry.slot
    day_start = local_day_start(slot, district.time_zone)
    before = microgrid.memory.day
    if before is None:
        before = Tally(first_slot=slot)
    elif local_day_start(before.first_slot, district.time_zone) != day_start:
        before = Tally(slot, begin=before.end if before.end_slot == slot else None)
    here = connection_prices(district, np.array([slot], dtype=np.int64)).at(0)
    tally = before.plus(district, measured.telemetry, here)
    month = month_of(slot, district.time_zone)
    return DaySums(tally, with_demand(microgrid.memory.peaks_kw, month, tally.run.peak_kw))


def day_terms(district: District, sums: DaySums) -> Terms:
    """How the day is charged beside its slots, at no less than the peak that earlier months owe."""
    first, zone = sums.tally.first_slot, district.time_zone
    day_start = local_day_start(first, zone)
    whole_day = slots_from(day_start, (local_day_end(first, zone) - day_start) // SLOT_S)
    terms = run_terms(district, whole_day, counted=sums.tally.slots)
    return replace(terms, peak_incurred_kw=owed_kw(district, day_start, sums.peaks_kw))


def keep_measured(
    connection: Connection, microgrid: Microgrid, measured: Measured, sums: DaySums
) -> None:
    """Write the measured slot: columns, view, readings, and the plant's state after it."""
    slot = measured.telemetry.slot
    summary = {
        "peaks_kw": peaks_json(sums.peaks_kw),
        "day": sums.tally.as_json(),
        "named": measured.named,
    }
    row = stored_row(measured.telemetry, measured.known) | measured.still.columns()
    save_measured(connection, slot, row, summary)
    terms = day_terms(microgrid.district, sums)
    document = measured_view(microgrid.district, measured, sums.tally, terms)
    retired = retired_ids(connection, slot)
    document["kpi"]["retired"] = sorted(retired)
    put_view(connection, "measured", slot, document)
    told = load_setpoints(connection, slot)
    set_points = None if told is None else SetPoints.from_bytes(told.body)
    assets = assets_view(microgrid.district, measured, set_points, retired)
    put_view(connection, "assets", slot, assets)
    prune_views(connection, "assets", slot - KEEP_S)
    found = measured.readings
    save_readings(
        connection,
        slot,
        {
            "import_wh": found.import_wh,
            "export_wh": found.export_wh,
            "quality": found.quality,
            "import_register_wh": found.import_register_wh,
            "export_register_wh": found.export_register_wh,
            "asset_import_wh": found.asset_import_wh,
            "asset_export_wh": found.asset_export_wh,
            "asset_import_register_wh": found.asset_import_register_wh,
            "asset_export_register_wh": found.asset_export_register_wh,
            "boundary_wh": np.array([found.boundary_import_wh, found.boundary_export_wh]),
        },
    )
    keep_home_day(connection, microgrid.district, slot)
    save_late_readings(connection, _late_rows(measured))
    take_out(connection, measured.taken)
    save_plant_state(connection, slot + SLOT_S, measured.state_after.to_bytes())
    save_cars_seen(connection, measured.slot, vars(measured.states.cars))


def remember(microgrid: Microgrid, measured: Measured, sums: DaySums) -> None:
    """Carry the measured slot on in memory, now that it is written."""
    memory, seen = microgrid.memory, measured.telemetry
    memory.plant_state = measured.state_after
    memory.record.append(seen, measured.known)
    memory.unit_log.appendleft(unit_changes(seen))
    memory.last_good = LastGood(
        seen.p_load_kw, seen.p_pv_kw, seen.heat_kw, seen.temperature_c, measured.states
    )
    memory.still = measured.still
    memory.day, memory.peaks_kw = sums.tally, sums.peaks_kw


def build_setpoints(
    microgrid: Microgrid, claim: Claim, measured: Measured, checked: CheckedPlan
) -> SetPoints | None:
    """What the devices are told for the slot, None where nothing may be commanded (T4).

    The fleets' powers are dealt out to the cars that are known to be connected; what is out of
    use is told to rest.
    """
    if checked.tier == Tier.HOLD:
        return None
    held_kw = checked.problem.pv_kw[0] - checked.plan.pv_used_kw[0]
    retired = _retired(microgrid, checked.plan)
    chargers, cars = microgrid.basis.chargers, leaving(measured.states.cars_to_plan, retired)
    told = neutral(
        microgrid.district, first_setpoints(checked.plan, held_kw, chargers, cars), retired, cars
    )
    return replace(told, fence=claim.fence)


def _retired(microgrid: Microgrid, plan: Plan) -> Retired:
    return retired_of(microgrid.district, microgrid.store, plan.first_slot, plan.slots)


def first_setpoints(
    plan: Plan, held_kw: FloatArray, chargers: ChargerGroups, cars: CarSessions
) -> SetPoints:
    """What a plan's first slot tells the devices, under fence 0.

    `held_kw` (A,) is held back from the sun; `cars` are connected at the slot's start.
    """
    slot = plan.first_slot
    dealt = split(cars, chargers, slot, plan.fleet_charge_kw[0], plan.fleet_discharge_kw[0])
    boiler_kw = float(plan.boiler_kw[0])
    return SetPoints(
        slot=slot,
        expires_s=slot + SLOT_S,
        fence=0,
        battery_charge_kw=plan.battery_charge_kw[0],
        battery_discharge_kw=plan.battery_discharge_kw[0],
        unit_on=plan.unit_on[0].astype(np.int64),
        unit_p_kw=plan.unit_p_kw[0],
        heat_pump_kw=float(plan.heat_pump_kw[0]),
        # None lets the boiler follow what is missing: the plan's demand is a forecast.
        boiler_kw=boiler_kw if boiler_kw > 0 else None,
        pv_curtail_kw=np.maximum(held_kw, 0.0),
        car=dealt.car,
        car_charge_kw=dealt.charge_kw,
        car_discharge_kw=dealt.discharge_kw,
    )


def _keep_clearing(connection: Connection, microgrid: Microgrid, cleared: Cleared) -> None:
    """The clearing as a document, one for each round, and how every order of the slot ended."""
    for number, document in enumerate(round_views(microgrid.district, cleared), start=1):
        save_clearing(connection, cleared.slot, number, document)
    if cleared.clearing is None:
        void_book(connection, cleared.slot)
        return
    save_fills(connection, cleared.slot, cleared.fills())


def _late_rows(measured: Measured) -> list[LateRow]:
    """Readings of earlier slots that came with this one."""
    late = measured.readings.late
    return [
        LateRow(
            slot=int(late.slot[row]),
            meter=int(late.meter[row]),
            revision=int(late.revision[row]),
            tick=measured.slot,
            import_wh=int(late.import_wh[row]),
            export_wh=int(late.export_wh[row]),
            import_register_wh=int(late.import_register_wh[row]),
            export_register_wh=int(late.export_register_wh[row]),
            quality=1 if late.revision[row] == 0 else 3,
        )
        for row in range(len(late))
    ]
