"""Calling an event: the signed message of a wish, with the programme's usual prices."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from energy.district import District
from energy.steps.dr_programmes import Programme, programme_named
from energy.steps.prices import smp_krw_per_kwh
from energy.timegrid import iso_of, parse_instant
from energy.units import SLOTS_PER_HOUR, mkrw_from_krw
from market.dr import HOUR_S
from market.errors import MarketError
from market.signing import Domain

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


def _usual_reward(programme: Programme, district: District, slot: int) -> int:
    """The programme's own price, or the market's in the first slot."""
    if programme.reward_mkrw_per_kwh is not None:
        return programme.reward_mkrw_per_kwh
    smp = smp_krw_per_kwh(district, np.array([slot], dtype=np.int64))
    return mkrw_from_krw(float(smp[0]))
