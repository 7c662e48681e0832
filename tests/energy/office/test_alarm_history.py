"""Alarms that are over, who has seen them and what they said, and how many began a day."""

from typing import Any

import pytest

from energy.store.alarms import Alarm, Seen, end_alarm, ended_alarms, raise_alarm
from energy.store.audit import list_records
from energy.store.engine import Store

NOON_S = 1_784_084_400  # 2026-07-15 12:00 in Sejong
HOT = Alarm("grid/limit", "alarm", "Line F3-07 is too hot", "F3", "Limit the feeder.")
WARM = Alarm("grid/other", "warning", "T041 is warm", "T041", "Look at it.")


def test_ended_alarms_come_newest_first_and_open_ones_do_not(store: Store) -> None:
    for n in range(3):
        store.write(lambda c, n=n: raise_alarm(c, HOT, NOON_S + n))
        store.write(lambda c, n=n: end_alarm(c, HOT.cause, NOON_S + n + 1))
    store.write(lambda c: raise_alarm(c, WARM, NOON_S))
    page = store.read(lambda c: ended_alarms(c, before=None, limit=2))
    assert [one.since_utc for one in page] == [NOON_S + 2, NOON_S + 1]
    rest = store.read(lambda c: ended_alarms(c, before=page[-1].id, limit=2))
    assert [one.ended_utc for one in rest] == [NOON_S + 1]


def test_a_note_is_kept_with_its_name_and_the_first_one_stays(office: Any, ask_office: Any) -> None:
    number = office.store.write(lambda c: raise_alarm(c, HOT, NOON_S))
    path = f"/v1/alarms/{number}/acknowledge"
    first = ask_office("kim", path, {"note": " the crew is on its way "})
    again = ask_office("lee", path, {"note": "me too"})
    plain = ask_office("lee", path, None)
    assert [one.status for one in (first, again, plain)] == [200, 200, 200]
    for one in (first, again, plain):
        seen = one.json["seen"]
        assert (seen["by"], seen["note"]) == ("person kim", "the crew is on its way")
    record = office.store.read(list_records)[0].record
    assert record.task == f"acknowledge alarm {number}: the crew is on its way"
    assert ask_office("kim", path, {"note": "x" * 301}).status == 422
    office.store.write(lambda c: end_alarm(c, HOT.cause, NOON_S + 60))
    (over,) = ask_office("kim", "/v1/alarms/ended").json["items"]
    assert (over["seen"]["by"], over["ended_utc"]) == ("person kim", "2026-07-15T03:01:00Z")


def test_a_day_counts_what_began_on_it_by_severity_in_local_time(
    office: Any, ask_office: Any
) -> None:
    office.clock.at_s = NOON_S
    yesterday_s = NOON_S - 12 * 3600 - 1  # the last second before midnight
    for one, at_s in ((HOT, yesterday_s), (HOT, NOON_S - 1), (WARM, NOON_S)):
        office.store.write(lambda c, one=one, at_s=at_s: raise_alarm(c, one, at_s))
        office.store.write(lambda c, one=one: end_alarm(c, one.cause, NOON_S))
    days = ask_office("kim", "/v1/alarms/days").json["days"]
    assert len(days) == 14
    counts = [(one["date"], one["alarm"], one["warning"]) for one in days[-2:]]
    assert counts == [("2026-07-14", 1, 0), ("2026-07-15", 1, 1)]


@pytest.mark.parametrize("path", ["/v1/alarms/ended", "/v1/alarms/days"])
def test_nothing_has_happened_yet_is_an_answer_as_well(ask_office: Any, path: str) -> None:
    assert ask_office("kim", path).status == 200


def test_an_invitation_shows_in_the_list_and_nothing_secret_with_it(
    office: Any, ask_office: Any, desk: Any
) -> None:
    account = f"0x{desk.crowd.account[3].hex()}"
    made = ask_office("kim", "/v1/people/invitations", {"name": "park-3", "account": account})
    assert made.status == 201
    found = ask_office("kim", "/v1/people/invitations")
    (row,) = found.json["items"]
    assert (row["name"], row["account"], row["made_by"]) == ("park-3", account, "person kim")
    assert row["taken_utc"] is None and row["ends_utc"] > found.json["now_utc"]
    assert made.json["invitation"] not in found.body.decode()


def test_who_has_seen_it_before_names_were_kept_has_none(store: Store) -> None:
    number = store.write(lambda c: raise_alarm(c, HOT, NOON_S))

    def old_program(connection: Any) -> None:
        text = f"UPDATE alarm SET acknowledged_utc = {NOON_S}, ended_utc = {NOON_S}"
        connection.exec_driver_sql(f"{text} WHERE id = {number}")

    store.write(old_program)
    (found,) = store.read(lambda c: ended_alarms(c, before=None, limit=9))
    assert found.seen == Seen("", NOON_S, "")
