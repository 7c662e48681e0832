"""Calling an event: the signed message of a wish, with the programme's usual prices.

What it would come to, as far as the newest plan knows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from energy.district import District
from energy.steps.dr_programmes import METHODS, Programme, programme_named
from energy.steps.prices import smp_krw_per_kwh
from energy.store.accounts import trade_keys
from energy.store.admission import Admission
from energy.store.mailbox import PreparedMessage, prepare_message
from energy.store.views import Document
from energy.timegrid import iso_of, parse_instant
from energy.units import (
    SLOT_S,
    SLOTS_PER_HOUR,
    krw_text_from_mkrw,
    krw_text_from_ukrw,
    kwh_from_kw,
    mkrw_from_krw,
)
from market.dr import HOUR_S, PPM
from market.entries import Message
from market.errors import MarketError
from market.messages import sign_message
from market.signing import Domain
from optimizer import PlanProblem

ANSWERS_BEFORE_S = HOUR_S
"""Without a time of its own an event is to be answered an hour before it begins."""


@dataclass(frozen=True)
class DrCall:
    """An event that somebody wants to call; prices and time that are None are the usual ones."""

    programme: str
    first_slot: int
    hours: int
    reward_mkrw_per_kwh: int | None = None
    penalty_mkrw_per_kwh: int | None = None
    answer_by: int | None = None


def parse_call(text: str, time_zone: str) -> DrCall:
    """The call that a text such as `district@2026-07-15T14:00/2` names; raises MarketError."""
    name, at, rest = text.partition("@")
    start, slash, hours = rest.rpartition("/")
    if not at or not slash or not hours.isdigit():
        raise MarketError(
            f"event: found {text!r}, allowed PROGRAMME@START/HOURS, "
            "such as district@2026-07-15T14:00/2"
        )
    return DrCall(programme_named(name).terms.name, parse_instant(start, time_zone), int(hours))


def event_message(
    domain: Domain, district: District, call: DrCall, *, nonce: int
) -> dict[str, Any]:
    """The DrEvent message of a call; raises MarketError for what no message can carry."""
    programme = programme_named(call.programme)
    if call.first_slot % HOUR_S or call.hours < 1:
        raise MarketError(
            f"event: found {call.hours} h from {iso_of(call.first_slot)}, "
            "allowed 1 h or more from a full hour on"
        )
    reward = call.reward_mkrw_per_kwh
    if reward is None:
        reward = _usual_reward(programme, district, call.first_slot)
    penalty = call.penalty_mkrw_per_kwh
    if penalty is None:
        penalty = programme.penalty_mkrw_per_kwh
    answer_by = call.answer_by
    return {
        "program": programme.account(domain),
        "first_slot": call.first_slot,
        "slots": call.hours * SLOTS_PER_HOUR,
        "baseline": int(programme.method),
        "reward_mkrw_per_kwh": reward,
        "penalty_mkrw_per_kwh": reward if penalty is None else penalty,
        "answer_by": call.first_slot - ANSWERS_BEFORE_S if answer_by is None else answer_by,
        "nonce": nonce,
    }


def cancel_message(domain: Domain, event: dict[str, Any], *, nonce: int) -> dict[str, Any]:
    """The Cancel message of an event, given as its document."""
    return {
        "account": programme_named(event["programme"]).account(domain),
        "slot": parse_instant(event["first_slot_utc"]),
        "order_id": bytes.fromhex(str(event["id"]).removeprefix("0x")),
        "nonce": nonce,
    }


def sign_as_operator(
    admission: Admission, type_name: str, message: Message, received_us: int
) -> PreparedMessage:
    """A message under the operator's market key, to be judged like everybody's.

    Raises MarketError where a value cannot be.
    """
    envelope = sign_message(admission.domain, type_name, message, admission.market_key)
    return prepare_message(admission, envelope, received_us, (type_name,))


def outlook_document(
    connection: Connection,
    district: District,
    programme: Programme,
    message: Message,
    problem: PlanProblem | None,
) -> Document:
    """The terms of an event, whom it asks, and the most that it may cost.

    `demand_kwh` is what the newest plan expects all buildings to draw meanwhile, None where it does
    not reach so far; of it customers can commit the programme's part at the most.
    """
    first, end = message["first_slot"], message["first_slot"] + message["slots"] * SLOT_S
    demand_kwh = None if problem is None else _demand_kwh(problem, first, end)
    most: Document = {"committed_kwh_max": None, "reward_krw_max": None}
    if demand_kwh is not None:
        most_wh = round(demand_kwh * 1000) * programme.terms.controllable_ppm // PPM
        most_ukrw = most_wh * message["reward_mkrw_per_kwh"]
        most = {
            "committed_kwh_max": most_wh / 1000,
            "reward_krw_max": krw_text_from_ukrw(most_ukrw),
        }
    return {
        "programme": programme.terms.name,
        "first_slot_utc": iso_of(first),
        "end_utc": iso_of(end),
        "answer_by_utc": iso_of(message["answer_by"]),
        "baseline": next(name for name, one in METHODS.items() if one == programme.method),
        "reward_krw_per_kwh": krw_text_from_mkrw(message["reward_mkrw_per_kwh"]),
        "penalty_krw_per_kwh": krw_text_from_mkrw(message["penalty_mkrw_per_kwh"]),
        "least_kwh_per_hour": programme.terms.least_wh_per_hour / 1000,
        "asked": len(trade_keys(connection, district.meters.account)),
        "demand_kwh": demand_kwh,
        **most,
    }


def _demand_kwh(problem: PlanProblem, first: int, end: int) -> float | None:
    """What buildings draw in these slots by a plan's forecast; None beyond its horizon."""
    rows = range((first - problem.first_slot) // SLOT_S, (end - problem.first_slot) // SLOT_S)
    if rows.start < 0 or rows.stop > problem.slots:
        return None
    return round(kwh_from_kw(float(problem.load_kw[rows.start : rows.stop].sum())), 3)


def _usual_reward(programme: Programme, district: District, slot: int) -> int:
    """The programme's own price, or the market's in the first slot."""
    if programme.reward_mkrw_per_kwh is not None:
        return programme.reward_mkrw_per_kwh
    smp = smp_krw_per_kwh(district, np.array([slot], dtype=np.int64))
    return mkrw_from_krw(float(smp[0]))
