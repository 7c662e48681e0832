"""Demand response in the plan: what customers have promised, and what the operator's assets owe.

The planner's law is about the net consumption at the connection, the operator's commitment about
its own meters. Between them lies what no set-point changes: load less sun, and losses. So the law's
baseline is that part as it is forecast plus the baseline of the operator's meters.

An event that the operator has not answered stands in the plan as an offer of all that its batteries
could do; what the plan makes of it is then promised, less a margin.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from energy.district import District
from energy.steps.context import Installation, Microgrid, build_admission
from energy.steps.dr_calls import sign_as_operator
from energy.steps.dr_programmes import programmes_by_account
from energy.steps.grid import CheckedPlan
from energy.store.demand_response import (
    BaselineTable,
    EventRow,
    events_between,
    find_answer,
    load_baselines,
    pledge_arrays,
    pledges,
    takes_place,
)
from energy.store.dr_desk import DrDesk, admit_dr
from energy.units import DT_H, MKRW_PER_KRW, SLOT_S, SLOTS_PER_HOUR, kw_from_kwh, kwh_from_wh
from optimizer import DrEvent, PlanProblem

FloatArray = npt.NDArray[np.float64]

log = logging.getLogger(__name__)

OFFER_MARGIN = 0.8
"""Part of what the plan could deliver that the operator promises: forecasts err."""


@dataclass(frozen=True)
class OwnEvent:
    """An event for the operator's assets; `e_wh_per_slot` is None while it is not answered."""

    event: EventRow
    table: BaselineTable
    e_wh_per_slot: int | None

    @property
    def name(self) -> str:
        """Its name in the plan."""
        return f"DR {self.event.id.hex()[:8]}"


def build_dr_desk(installation: Installation) -> DrDesk:
    """Who may call and answer events in an installation."""
    admission = build_admission(installation)
    programmes = programmes_by_account(admission.domain)
    return DrDesk(admission, programmes, installation.district.time_zone)


def with_demand_response(microgrid: Microgrid, problem: PlanProblem) -> PlanProblem:
    """The problem with what customers have promised to draw less, and the operator's events."""
    first = problem.first_slot
    slots = list(range(first, first + problem.slots * SLOT_S, SLOT_S))

    def read(connection: Connection) -> tuple[FloatArray | None, list[OwnEvent]]:
        promised_kw = _promised_kw(connection, microgrid.district, slots)
        return promised_kw, _own_events(connection, microgrid, slots)

    promised_kw, own = microgrid.store.read(read)
    if promised_kw is not None:
        problem = replace(problem, load_kw=np.maximum(problem.load_kw - promised_kw, 0.0))
    events = tuple(_law(microgrid, problem, one) for one in own)
    return replace(problem, dr_events=events) if events else problem


def answer_for_operator(
    microgrid: Microgrid, checked: CheckedPlan, now_s: Callable[[], float]
) -> None:
    """Sign and enter the operator's answer to events that the plan has just looked at."""
    if not checked.problem.dr_events:
        return
    first = checked.problem.first_slot
    slots = list(range(first, first + checked.problem.slots * SLOT_S, SLOT_S))
    own = microgrid.store.read(lambda connection: _own_events(connection, microgrid, slots))
    row_of = {event.id: row for row, event in enumerate(checked.problem.dr_events)}
    for one in own:
        if one.e_wh_per_slot is None and one.name in row_of:
            law = checked.problem.dr_events[row_of[one.name]]
            short_kw = checked.plan.dr_short_kw[law.active, row_of[one.name]]
            given_kw = np.maximum(law.committed_kw - short_kw, 0.0)
            # Verified by the hour: what the poorest hour gives on the mean can be kept in all.
            least_kw = float(given_kw.reshape(-1, SLOTS_PER_HOUR).mean(axis=1).min())
            _answer(microgrid, one.event, int(OFFER_MARGIN * least_kw * DT_H * 1000), now_s())


def _promised_kw(connection: Connection, district: District, slots: list[int]) -> FloatArray | None:
    """What customers have committed to draw less, (H, A) by area; None without any."""
    found = pledges(connection, slots, slots[0])
    if not found:
        return None
    wh = pledge_arrays(found, slots, district.meters.account)
    kw = kw_from_kwh(kwh_from_wh(wh))
    return np.stack([np.bincount(district.meters.area, row, district.areas) for row in kw])


def _own_events(connection: Connection, microgrid: Microgrid, slots: list[int]) -> list[OwnEvent]:
    """Events of the horizon that the operator has committed to, or may still answer as a whole."""
    found, operator, first = [], microgrid.books.system.spc, slots[0]
    for event in events_between(connection, first, slots[-1] + SLOT_S):
        table = load_baselines(connection, event.id)
        if table is None or not takes_place(connection, event, first):
            continue
        baseline = table.of(operator)
        if baseline is None or baseline.net_wh is None:
            continue
        answer = find_answer(connection, event.id, operator)
        if answer is not None and answer.e_wh_per_slot:
            found.append(OwnEvent(event, table, answer.e_wh_per_slot))
        elif answer is None and first < event.answer_by and event.end_slot <= slots[-1] + SLOT_S:
            found.append(OwnEvent(event, table, None))
    return found


def _law(microgrid: Microgrid, problem: PlanProblem, one: OwnEvent) -> DrEvent:
    """The event as the planner keeps it."""
    event = one.event
    place = (event.first_slot - problem.first_slot) // SLOT_S
    slots = np.arange(problem.slots)
    active = (slots >= place) & (slots < place + event.slots)
    baseline = one.table.of(microgrid.books.system.spc)
    assert baseline is not None and baseline.net_wh is not None, "asked for before"
    own_kw = np.zeros(problem.slots)
    wh = np.array(baseline.net_wh, dtype=np.int64)
    own_kw[active] = kw_from_kwh(kwh_from_wh(wh))[slots[active] - place]
    fixed_kw = problem.load_kw.sum(axis=1) - problem.pv_kw.sum(axis=1) + problem.loss_kw
    if one.e_wh_per_slot is None:
        committed_kw = _battery_kw(microgrid.district, problem, active)
    else:
        committed_kw = one.e_wh_per_slot / 1000 / DT_H
    return DrEvent(
        id=one.name,
        active=active,
        baseline_kw=fixed_kw + own_kw,
        committed_kw=committed_kw,
        penalty_krw_per_kwh=event.penalty_mkrw_per_kwh / MKRW_PER_KRW,
        reward_krw_per_kwh=event.reward_mkrw_per_kwh / MKRW_PER_KRW,
    )


def _battery_kw(district: District, problem: PlanProblem, active: npt.NDArray[np.bool_]) -> float:
    """What full batteries that are in use can give evenly over an event's slots, kW."""
    table, asked = district.batteries, problem.batteries
    most_kw = asked.by_slot(asked.p_discharge_kw_max, problem.slots)[active].min(axis=0)
    usable_kwh = table.e_kwh_max * (1 - table.reserve_frac) * table.eta_discharge
    return float(np.minimum(most_kw, usable_kwh / (active.sum() * DT_H)).sum())


def _answer(microgrid: Microgrid, event: EventRow, e_wh_per_slot: int, now_s: float) -> None:
    """Enter the operator's commitment; 0 declines. The same event gives the same message."""
    desk = build_dr_desk(microgrid.installation)
    message = {
        "account": desk.operator,
        "event_id": event.id,
        "e_wh_per_slot": max(e_wh_per_slot, 0),
        "nonce": int.from_bytes(event.id[:8], "big"),
    }
    one = sign_as_operator(desk.admission, "DrCommit", message, int(now_s * 1_000_000))
    answer = microgrid.store.write(lambda connection: admit_dr(connection, desk, one))
    if answer.refusal is not None:
        # As a rule the plan was ready after the answers were due: then the operator has none.
        log.warning(
            "event 0x%s: the operator's answer is refused: %s: found %s, allowed %s",
            event.id.hex(),
            answer.refusal.code,
            answer.refusal.found,
            answer.refusal.allowed,
        )
