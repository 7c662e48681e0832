"""Operators hold an asset at rest until an hour and let it go: once, with who and why."""

from typing import Any

import pytest

from energy.store.audit import list_records
from energy.store.holds import holds_between, resting_between
from energy.store.replans import unanswered_replans
from energy.timegrid import iso_of
from energy.units import SLOT_S

Doors = Any
RUNNING = 1_784_104_200  # the slot that the doors' district time stands in
NEXT = RUNNING + SLOT_S
UNTIL = NEXT + 8 * SLOT_S


def send(doors: Doors, path: str, order: Any, key: str = "key-000001") -> Any:
    headers = {**doors.as_person("operator"), "Idempotency-Key": key}
    return doors.post(f"/v1/steering/{path}", order, **headers)


def order(doors: Doors, **changes: Any) -> dict[str, Any]:
    battery = doors.served.app.state.context.district.batteries.id[0]
    return {"asset": battery, "until_utc": iso_of(UNTIL), "reason": "smell of smoke", **changes}


def test_an_asset_is_held_seen_and_let_go_with_who_and_why(own_doors: Doors) -> None:
    wish = order(own_doors)
    made = send(own_doors, "holds", wish)
    assert made.status == 201, made.body
    assert (made.json["state"], made.json["from_utc"]) == ("planned", iso_of(NEXT))
    store = own_doors.served.store
    resting = store.read(lambda c: resting_between(c, NEXT, UNTIL))
    assert [(one.asset, one.end_slot) for one in resting] == [(wish["asset"], UNTIL)]
    assert store.read(unanswered_replans) == []
    seen = own_doors.served.ask("/v1/steering/holds", headers=own_doors.as_person("auditor"))
    assert [one["id"] for one in seen.json["items"]] == [made.json["id"]]
    path = f"holds/{made.json['id']}/release"
    ended = send(own_doors, path, {"reason": "looked at"}, "end-000001")
    assert ended.status == 200 and ended.json["state"] == "ended", ended.body
    assert store.read(lambda c: holds_between(c, NEXT, UNTIL)) == []
    twice = send(own_doors, path, {"reason": "no"}, "end-000002")
    assert twice.status == 409 and twice.json["code"] == "ENDED"
    tasks = [one.record.task for one in store.read(list_records)]
    assert any(task.endswith("smell of smoke") for task in tasks)
    assert any(task.endswith("looked at") for task in tasks)


def test_a_hold_at_once_asks_for_new_set_points_of_the_running_slot(own_doors: Doors) -> None:
    made = send(own_doors, "holds", order(own_doors, at_once=True))
    assert made.status == 201 and made.json["from_utc"] == iso_of(RUNNING), made.body
    store = own_doors.served.store
    (asked,) = store.read(unanswered_replans)
    assert (asked.slot, asked.act.reason) == (RUNNING, "smell of smoke")
    path = f"holds/{made.json['id']}/release"
    ended = send(own_doors, path, {"reason": "by mistake", "at_once": True}, "end-000001")
    assert (ended.status, ended.json["state"]) == (200, "ended"), ended.body
    assert store.read(lambda c: resting_between(c, RUNNING, UNTIL)) == []
    assert [one.act.reason for one in store.read(unanswered_replans)][1:] == ["by mistake"]


def test_a_hold_that_is_released_later_can_still_be_released_at_once(own_doors: Doors) -> None:
    made = send(own_doors, "holds", order(own_doors, at_once=True))
    path, store = f"holds/{made.json['id']}/release", own_doors.served.store
    later = send(own_doors, path, {"reason": "looked at"}, "end-000001")
    assert (later.json["state"], later.json["until_utc"]) == ("running", iso_of(NEXT))
    ended = send(own_doors, path, {"reason": "it is safe", "at_once": True}, "end-000002")
    assert (ended.status, ended.json["state"]) == (200, "ended"), ended.body
    assert ended.json["released"]["reason"] == "it is safe"
    assert store.read(lambda c: resting_between(c, RUNNING, UNTIL)) == []
    twice = send(own_doors, path, {"reason": "no", "at_once": True}, "end-000003")
    assert (twice.status, twice.json["code"]) == (409, "ENDED")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"asset": "no such asset"}, 404, "NOT_FOUND"),
        ({"until_utc": iso_of(NEXT)}, 422, "END"),
        ({"from_utc": iso_of(RUNNING)}, 422, "TOO_EARLY"),
        ({"from_utc": iso_of(NEXT), "at_once": True}, 422, "MALFORMED"),
    ],
)
def test_a_hold_that_cannot_be_is_refused_in_one_sentence(
    doors: Doors, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = send(doors, "holds", order(doors, **changes), "refused-3")
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
