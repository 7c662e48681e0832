"""Operators plan an island, report one, reconnect, and let the loop plan anew: once, and why."""

from typing import Any

import pytest

from energy.store.audit import list_records
from energy.store.islands import islands_between
from energy.store.replans import unanswered_replans
from energy.timegrid import iso_of
from energy.units import SLOT_S

Doors = Any
RUNNING = 1_784_104_200  # the slot that the doors' district time stands in
NEXT = RUNNING + SLOT_S
UNTIL = NEXT + 8 * SLOT_S


def planned(**changes: Any) -> dict[str, Any]:
    return {"kind": "planned", "until_utc": iso_of(UNTIL), "reason": "works", **changes}


def send(doors: Doors, path: str, order: Any, key: str = "key-000001") -> Any:
    headers = {**doors.as_person("operator"), "Idempotency-Key": key}
    return doors.post(f"/v1/steering/{path}", order, **headers)


def test_a_planned_island_is_ordered_once_seen_and_called_off(own_doors: Doors) -> None:
    operator = own_doors.as_person("operator")
    key = {"Idempotency-Key": "island-0001"}
    made = own_doors.post("/v1/steering/islands", planned(), **operator, **key)
    assert made.status == 201, made.body
    again = own_doors.post("/v1/steering/islands", planned(), **operator, **key)
    assert again.body == made.body
    assert (made.json["state"], made.json["from_utc"]) == ("planned", iso_of(NEXT))
    store = own_doors.served.store
    assert len(store.read(lambda c: islands_between(c, NEXT, UNTIL))) == 1
    assert store.read(unanswered_replans) == []
    owner = own_doors.as_person("network_owner")
    seen = own_doors.served.ask("/v1/steering/islands", headers=owner)
    assert [one["id"] for one in seen.json["items"]] == [made.json["id"]]
    taken = send(own_doors, "islands", planned(), "island-0002")
    assert taken.status == 409 and taken.json["code"] == "ISLAND"
    end = f"islands/{made.json['id']}/reconnect"
    ended = send(own_doors, end, {"reason": "not needed"}, "end-000001")
    assert ended.status == 200 and ended.json["state"] == "ended"
    assert store.read(lambda c: islands_between(c, NEXT, UNTIL)) == []
    twice = send(own_doors, end, {"reason": "no"}, "end-000002")
    assert twice.status == 409 and twice.json["code"] == "ENDED"
    assert send(own_doors, "islands/99/reconnect", {"reason": "no"}, "end-000003").status == 404
    tasks = [one.record.task for one in store.read(list_records)]
    assert any(task.startswith("planned island from") and "works" in task for task in tasks)
    assert any(task.endswith("not needed") for task in tasks)


def test_an_open_connection_counts_from_the_running_slot_and_asks_for_new_set_points(
    own_doors: Doors,
) -> None:
    made = send(own_doors, "islands", {"kind": "unplanned", "reason": "the breaker is open"})
    assert made.status == 201, made.body
    assert (made.json["from_utc"], made.json["until_utc"]) == (iso_of(RUNNING), None)
    assert made.json["state"] == "running"
    store = own_doors.served.store
    (asked,) = store.read(unanswered_replans)
    assert (asked.slot, asked.act.reason) == (RUNNING, "the breaker is open")
    assert len(store.read(lambda c: islands_between(c, UNTIL, UNTIL + SLOT_S))) == 1
    ended = send(
        own_doors, f"islands/{made.json['id']}/reconnect", {"reason": "back"}, "end-000009"
    )
    assert (ended.json["state"], ended.json["until_utc"]) == ("running", iso_of(NEXT))
    listed = own_doors.served.ask("/v1/steering/replans", headers=own_doors.as_person("auditor"))
    assert [one["answers"] for one in listed.json["items"]] == [[]]


def test_an_order_to_plan_anew_and_a_limit_at_once_ask_for_the_running_slot(
    own_doors: Doors,
) -> None:
    made = send(own_doors, "replans", {"reason": "a unit has tripped"})
    assert made.status == 201 and made.json["slot_utc"] == iso_of(RUNNING), made.body
    limit = {"element": "F1", "p_frac_max": 0, "until_utc": iso_of(UNTIL), "reason": "fire"}
    held = send(own_doors, "limits", {**limit, "at_once": True}, "limit-00001")
    assert held.status == 201 and held.json["from_utc"] == iso_of(RUNNING), held.body
    asked = own_doors.served.store.read(unanswered_replans)
    assert [(one.slot, one.act.reason) for one in asked] == [
        (RUNNING, "a unit has tripped"), (RUNNING, "fire"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"kind": "planned", "reason": "no end"}, "MALFORMED"),
        ({"kind": "unplanned", "until_utc": iso_of(UNTIL), "reason": "an end"}, "MALFORMED"),
        (planned(from_utc=iso_of(RUNNING)), "TOO_EARLY"),
        (planned(until_utc=iso_of(NEXT)), "END"),
        (planned(kind="later"), "MALFORMED"),
    ],
)
def test_an_island_that_cannot_be_is_refused_in_one_sentence(
    doors: Doors, order: dict[str, Any], code: str
) -> None:
    answer = send(doors, "islands", order, "refused-2")
    assert answer.status == 422 and answer.json["code"] == code, answer.body
    seen = doors.served.ask("/v1/steering/islands", headers=doors.as_person("auditor"))
    assert seen.json["items"] == []


def test_without_a_plan_there_is_nothing_to_compare_with(doors: Doors) -> None:
    wish = {name: value for name, value in planned().items() if name != "reason"}
    answer = doors.post("/v1/steering/islands/preview", wish, **doors.as_person("operator"))
    assert answer.status == 409 and answer.json["code"] == "NO_PLAN", answer.body
