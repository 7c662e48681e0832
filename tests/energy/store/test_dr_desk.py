"""The desk of demand response: who may call, answer and cancel what."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from energy.crowd import sign_message
from energy.steps.dr_programmes import dr_programmes, programmes_by_account
from energy.store.accounts import KeyRow, save_keys
from energy.store.admission import Answer, admit_orders
from energy.store.demand_response import (
    BaselineTable,
    find_event,
    load_answers,
    pledges,
    save_baselines,
    state_of,
)
from energy.store.dr_desk import DrDesk, admit_dr
from energy.store.engine import Store
from energy.store.mailbox import prepare_message
from energy.timegrid import parse_instant
from market.signing import address_of, derive_key, digest

NOW_S = 1_784_105_000  # Wednesday 2026-07-15, 17:43:20 in Sejong
ZONE = "Asia/Seoul"
FIRST = parse_instant("2026-07-16T14:00", ZONE)
OPERATOR, STRANGER, OWN = derive_key("operator"), derive_key("stranger"), derive_key("programme")


@dataclass
class Office:
    """A store, the desk over it, and how messages come to it."""

    store: Store
    desk: DrDesk
    members: Any
    now_s: float = NOW_S

    @property
    def program(self) -> bytes:
        return dr_programmes()["district"].account(self.desk.admission.domain)

    def event(self, **changes: Any) -> dict[str, Any]:
        return {
            "program": self.program,
            "first_slot": FIRST,
            "slots": 8,
            "baseline": 1,
            "reward_mkrw_per_kwh": 1_300_000,
            "penalty_mkrw_per_kwh": 130_000,
            "answer_by": FIRST - 3600,
            "nonce": 1,
            **changes,
        }

    def post(self, name: str, message: dict[str, Any], key: bytes = OPERATOR) -> Answer:
        domain = self.desk.admission.domain
        text = sign_message(domain, name, message, key, address=address_of(key))
        one = prepare_message(self.desk.admission, text, int(self.now_s * 1e6), (name,))
        return self.store.write(partial(admit_dr, desk=self.desk, one=one))

    def call(self, **changes: Any) -> bytes:
        """An event with baselines of 500 Wh a slot for all members but the last."""
        message = self.event(**changes)
        answer = self.post("DrEvent", message)
        assert answer.refusal is None, answer.refusal
        event = digest(self.desk.admission.domain, "DrEvent", message)
        count = len(self.members.account)
        days = np.ones(count, dtype=np.int64)
        days[-1] = 0
        table = BaselineTable(self.members.account, np.full((count, message["slots"]), 500), days)
        self.store.write(partial(save_baselines, event=event, table=table, now_s=int(self.now_s)))
        return event

    def commit(self, event: bytes, member: int = 0, **changes: Any) -> Answer:
        message = {
            "account": self.members.account[member], "event_id": event,
            "e_wh_per_slot": 200, "nonce": 50 + member, **changes,
        }  # fmt: skip
        return self.post("DrCommit", message, self.members.private_key[member])

    def cancel(self, event: bytes, key: bytes = OPERATOR, **changes: Any) -> Answer:
        message = {"account": self.program, "slot": FIRST, "order_id": event, "nonce": 2}
        return self.post("Cancel", message | changes, key)

    def state(self, event: bytes) -> str:
        row = self.store.read(partial(find_event, id_=event))
        assert row is not None
        return str(self.store.read(lambda c: state_of(c, row, self.now_s, None)))


@pytest.fixture
def office(sqlite_store: Store, desk: Any) -> Office:
    domain = desk.admission.domain
    dr_desk = DrDesk(desk.admission, programmes_by_account(domain), ZONE)
    crowd = desk.crowd
    rows = [
        KeyRow(dr_desk.operator, address_of(OPERATOR), 0, None, 8, bytes(32)),
        KeyRow(dr_programmes()["district"].account(domain), address_of(OWN), 0, None, 1, bytes(32)),
    ]
    rows += [
        KeyRow(account, address, 0, None, 1, bytes(32))
        for account, address in zip(crowd.account, crowd.address, strict=True)
    ]
    sqlite_store.write(lambda connection: save_keys(connection, rows))
    return Office(sqlite_store, dr_desk, crowd)


# What is called                                   refusal         field, word of what is allowed
# The 18th is a Saturday, the 17th a holiday.
CALLS = """
first_slot  2026-07-16T14:15                     | EVENT_RULES   | first_slot | full hour
first_slot  2026-07-15T17:00                     | EVENT_RULES   | first_slot | later
first_slot  2026-07-18T14:00                     | EVENT_RULES   | first_slot | programme
first_slot  2026-07-17T14:00                     | EVENT_RULES   | first_slot | programme
slots       6                                    | EVENT_RULES   | first_slot | programme
slots       20                                   | EVENT_RULES   | first_slot | programme
answer_by   2026-07-16T13:56                     | EVENT_RULES   | answer_by  | earlier
answer_by   2026-07-15T17:40                     | EVENT_RULES   | answer_by  | after
program     another                              | UNKNOWN_KEY   | program    | programme
"""


@pytest.mark.parametrize("line", [one for one in CALLS.splitlines() if one])
def test_an_event_against_the_rules_is_refused_by_name(office: Office, line: str) -> None:
    what, code, field, word = (part.strip() for part in line.partition("#")[0].split("|"))
    name, text = what.split()
    value: Any = int(text) if text.isdigit() else bytes(32)
    if "T" in text:
        value = parse_instant(text, ZONE)
    changes = {name: value}
    if name == "first_slot":
        changes["answer_by"] = value - 3600
    refusal = office.post("DrEvent", office.event(**changes)).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == (code, field)
    assert word in refusal.allowed


def test_only_the_programme_or_the_operator_calls(office: Office) -> None:
    refusal = office.post("DrEvent", office.event(), STRANGER).refusal
    assert refusal is not None and refusal.code == "UNKNOWN_KEY"
    member = office.members.private_key[0]
    refusal = office.post("DrEvent", office.event(), member).refusal
    assert refusal is not None and refusal.code == "UNKNOWN_KEY"
    assert office.post("DrEvent", office.event(), OWN).refusal is None
    # The same message again gets its first answer again; another under its nonce is a conflict.
    assert office.post("DrEvent", office.event(), OWN).refusal is None
    refusal = office.post("DrEvent", office.event(slots=4)).refusal
    assert refusal is not None and refusal.code == "NONCE_CONFLICT"


def test_one_event_at_a_time_and_two_a_day(office: Office) -> None:
    office.call()
    refusal = office.post("DrEvent", office.event(nonce=5, first_slot=FIRST + 3600)).refusal
    assert refusal is not None and refusal.code == "EVENT_OVERLAP"
    second = FIRST + 2 * 3600
    office.call(nonce=6, first_slot=second, answer_by=second - 3600)
    third = office.event(nonce=7, first_slot=FIRST + 4 * 3600)
    refusal = office.post("DrEvent", third).refusal
    assert refusal is not None and "2 events that day" in refusal.found


def test_an_answer_within_the_baseline_is_taken_once(office: Office) -> None:
    event = office.call()
    assert office.state(event) == "OFFERED"
    refusal = office.commit(event, e_wh_per_slot=301).refusal
    assert refusal is not None and refusal.code == "COMMITMENT"
    assert "1 to 300" in refusal.allowed  # 60 % of 500 Wh
    assert office.commit(event).refusal is None
    assert office.commit(event).refusal is None
    refusal = office.commit(event, nonce=99, e_wh_per_slot=100).refusal
    assert refusal is not None and refusal.code == "ALREADY_ANSWERED"
    assert office.commit(event, 1, e_wh_per_slot=0).refusal is None
    rows = office.store.read(partial(load_answers, event=event))
    assert sorted(one.e_wh_per_slot for one in rows) == [0, 200]


def test_answers_that_come_too_early_too_late_or_from_nowhere_are_refused(office: Office) -> None:
    event = office.call()
    last = len(office.members.account) - 1
    found = {
        "no baseline": office.commit(event, last),
        "another event": office.commit(bytes(32), 2),
        "another key": office.commit(event, 3, account=office.members.account[4]),
    }
    office.now_s = FIRST - 3600
    found["late"] = office.commit(event, 5)
    codes = {name: one.refusal.code.value for name, one in found.items() if one.refusal}
    assert codes == {
        "no baseline": "NO_BASELINE",
        "another event": "UNKNOWN_EVENT",
        "another key": "UNKNOWN_KEY",
        "late": "ANSWERS_CLOSED",
    }
    message = office.event(nonce=8, first_slot=FIRST + 5 * 86400, answer_by=FIRST + 80000)
    assert office.post("DrEvent", message).refusal is None
    unready = office.commit(digest(office.desk.admission.domain, "DrEvent", message), 6).refusal
    assert unready is not None and unready.code == "NO_BASELINE"


def test_whoever_has_committed_bids_for_the_rest_only(office: Office, desk: Any) -> None:
    event = office.call()
    assert office.commit(event).refusal is None

    def bid(e_wh: int, nonce: int, slot: int = FIRST) -> Any:
        order = desk.order(slot=slot, e_wh=e_wh, nonce=nonce, expires=slot - 300)
        answers = office.store.write(
            lambda c: admit_orders(c, desk.admission, [order], FIRST - 3700.0)
        )
        return answers[0].refusal

    office.now_s = FIRST - 3700
    refusal = bid(301, 21)
    assert refusal is not None and refusal.code == "OVER_CAPACITY"
    assert bid(300, 22) is None
    assert bid(301, 23, FIRST - 900) is None  # before the event as always


def test_live_bids_beyond_the_rest_stand_in_the_way_of_a_commitment(
    office: Office, desk: Any
) -> None:
    event = office.call()
    order = desk.order(slot=FIRST, e_wh=301, nonce=31, expires=FIRST - 300)
    now_s = FIRST - 4000.0
    office.store.write(lambda c: admit_orders(c, desk.admission, [order], now_s))
    office.now_s = now_s
    refusal = office.commit(event).refusal
    assert refusal is not None and refusal.code == "OVER_CAPACITY"
    assert office.commit(event, e_wh_per_slot=199).refusal is None


def test_a_cancelled_event_binds_nobody(office: Office) -> None:
    event = office.call()
    assert office.commit(event).refusal is None
    slots = [FIRST]
    assert office.store.read(partial(pledges, slots=slots, now_s=office.now_s))
    for refused in (
        office.cancel(event, STRANGER),
        office.cancel(event, slot=FIRST + 900, nonce=3),
    ):
        assert refused.refusal is not None
    assert office.cancel(event).refusal is None
    assert office.state(event) == "CANCELLED"
    assert not office.store.read(partial(pledges, slots=slots, now_s=office.now_s))
    refusal = office.commit(event, 1).refusal
    assert refusal is not None and refusal.code == "UNKNOWN_EVENT"
    # Its slots are free again.
    assert office.post("DrEvent", office.event(nonce=9)).refusal is None


def test_an_event_that_has_begun_is_not_cancelled(office: Office) -> None:
    event = office.call()
    office.now_s = FIRST - 200
    refusal = office.cancel(event).refusal
    assert refusal is not None and refusal.code == "GATE_CLOSED"


def test_an_event_that_too_little_is_committed_to_does_not_take_place(office: Office) -> None:
    program = dr_programmes()["economic"].account(office.desk.admission.domain)
    event = office.call(program=program)
    assert office.commit(event).refusal is None  # 0.8 kWh an hour of 100
    office.now_s = FIRST - 3600
    assert office.state(event) == "CANCELLED"
    assert not office.store.read(partial(pledges, slots=[FIRST], now_s=office.now_s))
