"""The desk of demand response: events called, answered and cancelled by signed messages.

Judged like every message: form and signatures, key, nonce, then the rules of the programme or of
the event, all in one transaction with what it does. The authority over an event is its signature:
a key of the programme's account, or the operator's market key.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sqlalchemy import Connection

from energy.store.accounts import TRADE_ROLE, MessageRow, load_keys
from energy.store.admission import Admission, Answer
from energy.store.demand_response import (
    AnswerRow,
    BaselineTable,
    EventRow,
    events_between,
    find_answer,
    find_event,
    load_baselines,
    save_answer,
    save_cancel,
    save_event,
)
from energy.store.mailbox import PreparedMessage, holds_role, judge, refuse_nonce
from energy.store.schema import market_order
from energy.store.slots import last_claimed
from energy.timegrid import DayType, iso_of, local_calendar, local_day_start
from energy.units import SLOT_S, SLOTS_PER_DAY
from market.dr import (
    HOUR_S,
    PPM,
    DrProgramme,
    EventDay,
    bid_limit_wh,
    commitment_fault,
    event_faults,
)
from market.entries import Message
from market.orders import OrderRefusal, RefusalCode, Side
from market.transfers import system_account

DR_TYPES = ("DrEvent", "DrCommit", "Cancel")
MARKET_ROLE = 8


@dataclass(frozen=True)
class DrDesk:
    """Who may call and answer: the rules of admission, the programmes by account, the calendar."""

    admission: Admission
    programmes: Mapping[bytes, DrProgramme]
    time_zone: str

    @property
    def operator(self) -> bytes:
        """The operator's own account."""
        return system_account(self.admission.domain.market_id, "SPC")


def admit_dr(connection: Connection, desk: DrDesk, one: PreparedMessage) -> Answer:
    """The answer to a prepared DrEvent, DrCommit or Cancel of an event; it has taken effect."""
    return judge(connection, desk.admission, one, lambda: _Case(connection, desk, one))


def refusal_of(connection: Connection, desk: DrDesk, one: PreparedMessage) -> OrderRefusal | None:
    """What would speak against a prepared message now, None where nothing does; it has no effect.

    Its nonce must be a new one.
    """
    return one.refusal or _Case(connection, desk, one).refusal()


class _Case:
    """One message about an event, and what the store knows of it."""

    def __init__(self, connection: Connection, desk: DrDesk, one: PreparedMessage) -> None:
        assert one.message is not None, "only messages that could be read come here"
        self._connection, self._desk, self._one = connection, desk, one
        self._message: Message = one.message
        self.account: bytes = one.message["program" if one.type == "DrEvent" else "account"]
        self._now_s = one.received_us / 1_000_000
        claimed = last_claimed(connection)
        self._first_open = desk.admission.first_open(one.received_us, claimed)
        self._event: EventRow | None = None
        if one.type != "DrEvent":
            name = "event_id" if one.type == "DrCommit" else "order_id"
            self._event = find_event(connection, one.message[name])

    def refusal(self) -> OrderRefusal | None:
        """The first rule that the message breaks, or None."""
        rules: dict[str, tuple[Callable[[], OrderRefusal | None], ...]] = {
            "DrEvent": (self._refuse_program, self._refuse_caller, self._refuse_nonce,
                        self._refuse_time, self._refuse_rules, self._refuse_overlap),
            "DrCommit": (self._refuse_account, self._refuse_nonce, self._refuse_event,
                         self._refuse_late, self._refuse_twice, self._refuse_amount,
                         self._refuse_bids),
            "Cancel": (self._refuse_program, self._refuse_caller, self._refuse_nonce,
                       self._refuse_event, self._refuse_begun),
        }  # fmt: skip
        for rule in rules[self._one.type]:
            found = rule()
            if found is not None:
                return found
        return None

    def take_effect(self, row: MessageRow) -> None:
        """Write the event, the answer or the cancellation."""
        message, now_s = self._message, row.received_utc
        if self._one.type == "DrCommit":
            e_wh = message["e_wh_per_slot"]
            answer = AnswerRow(message["event_id"], self.account, row.digest, e_wh, now_s)
            save_answer(self._connection, answer)
        elif self._one.type == "Cancel":
            save_cancel(self._connection, message["order_id"], row.digest, now_s)
        else:
            save_event(self._connection, self._called(now_s))

    def _called(self, now_s: int) -> EventRow:
        message, programme = self._message, self._desk.programmes[self.account]
        names = ("program", "first_slot", "slots", "baseline", "reward_mkrw_per_kwh",
                 "penalty_mkrw_per_kwh", "answer_by")  # fmt: skip
        return EventRow(
            id=self._one.id,
            programme=programme.name,
            least_wh_per_hour=programme.least_wh_per_hour,
            pay_cap_ppm=programme.pay_cap_ppm,
            controllable_ppm=programme.controllable_ppm,
            called_utc=now_s,
            **{name: message[name] for name in names},
        )

    def _refuse_program(self) -> OrderRefusal | None:
        if self.account in self._desk.programmes:
            return None
        field = "program" if self._one.type == "DrEvent" else "account"
        allowed = "the account of a programme"
        return OrderRefusal(RefusalCode.UNKNOWN_KEY, field, _hex(self.account), allowed)

    def _refuse_caller(self) -> OrderRefusal | None:
        """A key of the programme, or the operator's market key."""
        signer, slot = self._one.signers[0], self._first_open
        own = load_keys(self._connection, self.account)
        if holds_role(own, signer, TRADE_ROLE, slot) or self._is_operator(signer):
            return None
        return OrderRefusal(
            RefusalCode.UNKNOWN_KEY,
            "signatures",
            _hex(signer),
            "a key of the programme or the operator's market key, valid now",
        )

    def _is_operator(self, signer: bytes) -> bool:
        keys = load_keys(self._connection, self._desk.operator)
        return holds_role(keys, signer, MARKET_ROLE, self._first_open)

    def _refuse_nonce(self) -> OrderRefusal | None:
        return refuse_nonce(self._connection, self._one, self.account)

    def _refuse_time(self) -> OrderRefusal | None:
        first, answer_by = self._message["first_slot"], self._message["answer_by"]
        if first < self._first_open or first % HOUR_S:
            return OrderRefusal(
                RefusalCode.EVENT_RULES,
                "first_slot",
                iso_of(first),
                f"a full hour, {iso_of(self._first_open)} or later",
            )
        last_s = first - self._desk.admission.gate_lead_s
        if not self._now_s < answer_by <= last_s:
            allowed = f"after {iso_of(self._now_s)}, {iso_of(last_s)} or earlier"
            return OrderRefusal(RefusalCode.EVENT_RULES, "answer_by", iso_of(answer_by), allowed)
        return None

    def _refuse_rules(self) -> OrderRefusal | None:
        message, zone = self._message, self._desk.time_zone
        first = message["first_slot"]
        wall = local_calendar(np.array([first]), zone)
        quarter = int(wall.slot_of_day[0])
        day = EventDay(
            working=wall.day_type[0] == DayType.WEEKDAY,
            hour=quarter // 4,
            minute=quarter % 4 * 15,
            events_before=self._events_of_day(first),
        )
        event = self._called(0).terms
        faults = event_faults(event, day, self._desk.programmes[self.account])
        if not faults:
            return None
        text = "; ".join(faults)
        return OrderRefusal(RefusalCode.EVENT_RULES, "first_slot", text, "as the programme says")

    def _events_of_day(self, first: int) -> int:
        start = local_day_start(first, self._desk.time_zone)
        end = start + SLOTS_PER_DAY * SLOT_S
        events = events_between(self._connection, start, end)
        return sum(one.program == self.account for one in events)

    def _refuse_overlap(self) -> OrderRefusal | None:
        first = self._message["first_slot"]
        end = first + self._message["slots"] * SLOT_S
        there = events_between(self._connection, first, end)
        if not there:
            return None
        found = f"event 0x{there[0].id.hex()} of programme {there[0].programme} in these slots"
        return OrderRefusal(RefusalCode.EVENT_OVERLAP, "first_slot", found, "one event at a time")

    def _refuse_account(self) -> OrderRefusal | None:
        signer, desk = self._one.signers[0], self._desk
        if self.account == desk.operator:
            good = self._is_operator(signer)
        else:
            keys = load_keys(self._connection, self.account)
            good = self.account in desk.admission.traders
            good = good and holds_role(keys, signer, TRADE_ROLE, self._first_open)
        if good:
            return None
        allowed = f"a key that may trade for account {_hex(self.account)} now"
        return OrderRefusal(RefusalCode.UNKNOWN_KEY, "signatures", _hex(signer), allowed)

    def _refuse_event(self) -> OrderRefusal | None:
        field = "event_id" if self._one.type == "DrCommit" else "order_id"
        found, allowed = _hex(self._message[field]), "an event that was called and is not cancelled"
        event = self._event
        if event is None or event.cancelled_utc is not None:
            return OrderRefusal(RefusalCode.UNKNOWN_EVENT, field, found, allowed)
        if self._one.type == "Cancel" and event.program != self.account:
            return OrderRefusal(RefusalCode.UNKNOWN_EVENT, field, found, "one of this programme")
        return None

    def _refuse_late(self) -> OrderRefusal | None:
        answer_by = self._known_event().answer_by
        if self._now_s < answer_by:
            return None
        found, allowed = f"an answer at {iso_of(self._now_s)}", f"before {iso_of(answer_by)}"
        return OrderRefusal(RefusalCode.ANSWERS_CLOSED, "event_id", found, allowed)

    def _refuse_twice(self) -> OrderRefusal | None:
        before = find_answer(self._connection, self._known_event().id, self.account)
        if before is None:
            return None
        found = f"an answer of {before.e_wh_per_slot} Wh, 0x{before.digest.hex()}"
        return OrderRefusal(RefusalCode.ALREADY_ANSWERED, "event_id", found, "one an account")

    def _refuse_amount(self) -> OrderRefusal | None:
        e_wh, event = self._message["e_wh_per_slot"], self._known_event()
        if e_wh == 0:
            return None
        table = self._baselines
        if table is None:
            found, allowed = "baselines that are not worked out yet", "after the next gate"
            return OrderRefusal(RefusalCode.NO_BASELINE, "event_id", found, allowed)
        baseline = table.of(self.account)
        if baseline is None or baseline.net_wh is None:
            found = "no baseline" if baseline is None else f"no baseline: {baseline.reason}"
            allowed = "0 (declined)"
            return OrderRefusal(RefusalCode.NO_BASELINE, "e_wh_per_slot", found, allowed)
        least_wh = min(baseline.net_wh)
        controllable_wh = max(least_wh, 0) * event.controllable_ppm // PPM
        if self.account == self._desk.operator:
            # What its stores and cars can give is the planner's affair, not a share of their draw.
            return None
        fault = commitment_fault(baseline, e_wh, controllable_wh)
        if not fault:
            return None
        found, allowed = fault.split(", allowed ")
        return OrderRefusal(RefusalCode.COMMITMENT, "e_wh_per_slot", found, f"0, or {allowed}")

    def _refuse_bids(self) -> OrderRefusal | None:
        """Bids that stand already may not be more than what is left to be drawn."""
        e_wh, event = self._message["e_wh_per_slot"], self._known_event()
        if e_wh == 0 or self.account == self._desk.operator:
            return None
        table = self._baselines
        baseline = table.of(self.account) if table is not None else None
        assert baseline is not None and baseline.net_wh is not None, "looked at before"
        column = market_order.c
        live = market_order.select().where(
            column.account == self.account,
            column.slot >= event.first_slot,
            column.slot < event.end_slot,
            column.status == "ACCEPTED",
            column.side == int(Side.BID),
        )
        bids: dict[int, int] = {}
        for row in self._connection.execute(live):
            bids[row.slot] = bids.get(row.slot, 0) + row.e_wh
        for slot, bid_wh in sorted(bids.items()):
            usual_wh = baseline.net_wh[(slot - event.first_slot) // SLOT_S]
            most_wh = bid_limit_wh(usual_wh, e_wh)
            if bid_wh > most_wh:
                found = f"live bids of {bid_wh} Wh at {iso_of(slot)}"
                allowed = f"at most {most_wh}, baseline less commitment; cancel bids first"
                return OrderRefusal(RefusalCode.OVER_CAPACITY, "e_wh_per_slot", found, allowed)
        return None

    def _refuse_begun(self) -> OrderRefusal | None:
        event = self._known_event()
        if self._message["slot"] != event.first_slot:
            found, allowed = iso_of(self._message["slot"]), iso_of(event.first_slot)
            return OrderRefusal(RefusalCode.UNKNOWN_EVENT, "slot", found, allowed)
        if event.first_slot >= self._first_open:
            return None
        found, allowed = iso_of(event.first_slot), "an event whose first gate is still to come"
        return OrderRefusal(RefusalCode.GATE_CLOSED, "slot", found, allowed)

    @cached_property
    def _baselines(self) -> BaselineTable | None:
        return load_baselines(self._connection, self._known_event().id)

    def _known_event(self) -> EventRow:
        assert self._event is not None, "an unknown event is refused before"
        return self._event


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
