"""Operators limit an element until an hour and cancel it: once, with who and why in the log."""

from typing import Any

import pytest

from energy.store.audit import list_records
from energy.store.replans import unanswered_replans
from energy.store.steering import limits_between
from energy.timegrid import iso_of
from energy.units import SLOT_S

Doors = Any
NOW_SLOT = 1_784_105_100  # the first slot after the doors' district time
UNTIL = NOW_SLOT + 8 * SLOT_S


def order(**changes: Any) -> dict[str, Any]:
    return {
        "element": "F1", "p_frac_max": 0.5, "until_utc": iso_of(UNTIL), "reason": "cable work",
        **changes,
    }  # fmt: skip


def test_a_limit_is_set_once_seen_and_cancelled_with_who_and_why(own_doors: Doors) -> None:
    operator = own_doors.as_person("operator")
    key = {"Idempotency-Key": "limit-0001"}
    made = own_doors.post("/v1/steering/limits", order(), **operator, **key)
    assert made.status == 201, made.body
    again = own_doors.post("/v1/steering/limits", order(), **operator, **key)
    assert again.body == made.body
    assert (made.json["state"], made.json["from_utc"]) == ("planned", iso_of(NOW_SLOT))
    store = own_doors.served.store
    held = store.read(lambda connection: limits_between(connection, NOW_SLOT, UNTIL))
    assert [(one.id, one.limit.p_kw_max) for one in held] == [(made.json["id"], 5000.0)]
    seen = own_doors.served.ask("/v1/steering", headers=own_doors.as_person("network_owner"))
    assert [one["id"] for one in seen.json["items"]] == [made.json["id"]]
    path = f"/v1/steering/limits/{made.json['id']}/cancel"
    ended = own_doors.post(path, {"reason": "done"}, **operator, **{"Idempotency-Key": "end-00001"})
    assert ended.status == 200 and ended.json["state"] == "ended"
    assert ended.json["cancelled"]["reason"] == "done"
    assert store.read(lambda connection: limits_between(connection, NOW_SLOT, UNTIL)) == []
    twice = own_doors.post(path, {"reason": "no"}, **operator, **{"Idempotency-Key": "end-00002"})
    assert twice.status == 409 and twice.json["code"] == "ENDED"
    tasks = [one.record.task for one in store.read(list_records)]
    assert any(task.startswith("limit F1-01 to 5000.0 kW until") for task in tasks)
    assert any(task.endswith("of F1-01: done") for task in tasks)


def test_a_limit_that_is_ended_later_can_still_be_ended_at_once(own_doors: Doors) -> None:
    operator, store = own_doors.as_person("operator"), own_doors.served.store

    def send(path: str, order: Any, key: str) -> Any:
        return own_doors.post(path, order, **operator, **{"Idempotency-Key": key})

    made = send("/v1/steering/limits", order(at_once=True), "limit-0001")
    path = f"/v1/steering/limits/{made.json['id']}/cancel"
    later = send(path, {"reason": "done soon"}, "end-00001")
    assert (later.json["state"], later.json["until_utc"]) == ("running", iso_of(NOW_SLOT))
    again = send(path, {"reason": "done soon"}, "end-00002")
    assert (again.status, again.json["code"]) == (409, "ENDED")
    ended = send(path, {"reason": "done now", "at_once": True}, "end-00003")
    assert (ended.status, ended.json["state"]) == (200, "ended"), ended.body
    assert ended.json["until_utc"] == iso_of(NOW_SLOT - SLOT_S)
    assert ended.json["cancelled"]["reason"] == "done now"
    assert store.read(lambda connection: limits_between(connection, NOW_SLOT - SLOT_S, UNTIL)) == []
    assert [one.act.reason for one in store.read(unanswered_replans)][1:] == ["done now"]
    seen = own_doors.served.ask("/v1/steering", headers=operator)
    assert [one["id"] for one in seen.json["items"]] == [made.json["id"]]
    twice = send(path, {"reason": "no", "at_once": True}, "end-00004")
    assert (twice.status, twice.json["code"]) == (409, "ENDED")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"element": "F99"}, "ELEMENT"),
        ({"p_kw_max": 100.0}, "MALFORMED"),
        ({"p_frac_max": None}, "MALFORMED"),
        ({"from_utc": iso_of(NOW_SLOT - SLOT_S)}, "TOO_EARLY"),
        ({"until_utc": iso_of(NOW_SLOT)}, "END"),
        ({"until_utc": iso_of(NOW_SLOT + 8 * 86_400)}, "END"),
    ],
)
def test_an_order_that_cannot_be_kept_is_refused_in_one_sentence(
    doors: Doors, changes: dict[str, Any], code: str
) -> None:
    headers = {**doors.as_person("operator"), "Idempotency-Key": "refused-1"}
    answer = doors.post("/v1/steering/limits", order(**changes), **headers)
    assert answer.status == 422 and answer.json["code"] == code, answer.body
    assert doors.served.ask("/v1/steering", headers=doors.as_person("auditor")).json["items"] == []
