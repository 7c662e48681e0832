"""Operators take assets out of use and let them return, once, and write notes that stay."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from energy.district import District
from energy.store.asset_tables import asset_note, asset_retirement, asset_return
from energy.store.audit import list_records
from energy.store.retirements import retired_between
from energy.timegrid import iso_of
from energy.units import SLOT_S

Doors = Any
NOW_SLOT = 1_784_105_100  # the first slot after the doors' district time


def retired_in(doors: Doors, slot: int) -> list[str]:
    found = doors.served.store.read(lambda c: retired_between(c, slot, slot + SLOT_S))
    return [one.asset for one in found]


def act(doors: Doors, path: str, body: dict[str, Any], key: str, role: str = "operator") -> Any:
    return doors.post(path, body, **doors.as_person(role), **{"Idempotency-Key": key})


def read(doors: Doors, path: str, role: str = "auditor") -> Any:
    return doors.served.ask(path, headers=doors.as_person(role)).json


def test_an_asset_goes_out_once_and_returns_with_who_and_why(
    own_doors: Doors, small_district: District
) -> None:
    asset = small_district.batteries.id[0]
    path = f"/v1/assets/{asset}"
    order = {"reason": "inverter is being replaced", "from_utc": iso_of(NOW_SLOT + 4 * SLOT_S)}
    operator = own_doors.as_person("operator")
    key = {"Idempotency-Key": "retire-0001"}
    made = own_doors.post(f"{path}/retire", order, **operator, **key)
    assert made.status == 201, made.body
    again = own_doors.post(f"{path}/retire", order, **operator, **key)
    assert again.body == made.body
    assert (made.json["state"], made.json["until_utc"]) == ("planned", None)
    assert retired_in(own_doors, NOW_SLOT + 3 * SLOT_S) == []
    assert retired_in(own_doors, NOW_SLOT + 4 * SLOT_S) == [asset]
    twice = act(own_doors, f"{path}/retire", {"reason": "again"}, "retire-0002")
    assert (twice.status, twice.json["code"]) == (409, "RETIRED")
    end = {"reason": "done", "from_utc": iso_of(NOW_SLOT + 9 * SLOT_S)}
    back = act(own_doors, f"{path}/return", end, "return-0001")
    assert back.status == 200 and back.json["until_utc"] == end["from_utc"], back.body
    assert retired_in(own_doors, NOW_SLOT + 8 * SLOT_S) == [asset]
    assert retired_in(own_doors, NOW_SLOT + 9 * SLOT_S) == []
    early = act(own_doors, f"{path}/retire", {"reason": "once more"}, "retire-0003")
    assert (early.status, early.json["code"]) == (409, "RETIRED")
    assert iso_of(NOW_SLOT + 9 * SLOT_S) in early.json["allowed"]
    nothing = act(own_doors, f"{path}/return", {"reason": "no"}, "return-0002")
    assert (nothing.status, nothing.json["code"]) == (409, "IN_USE")
    seen = read(own_doors, "/v1/assets/retirements")
    assert [(one["id"], one["state"]) for one in seen["items"]] == [(made.json["id"], "planned")]
    assert seen["items"][0]["returned"]["reason"] == "done"
    assert seen["first_slot_utc"] == iso_of(NOW_SLOT)
    tasks = [one.record.task for one in own_doors.served.store.read(list_records)]
    assert any(one.startswith(f"retire {asset} from") for one in tasks)
    assert any(one.startswith(f"return {asset} from") for one in tasks)


def test_one_that_returns_before_it_begins_was_never_out(
    own_doors: Doors, small_district: District
) -> None:
    asset = small_district.chargers.id[0]
    begins = NOW_SLOT + 4 * SLOT_S
    order = {"reason": "wrong one", "from_utc": iso_of(begins)}
    act(own_doors, f"/v1/assets/{asset}/retire", order, "retire-0001")
    undone = act(own_doors, f"/v1/assets/{asset}/return", {"reason": "undone"}, "return-0001")
    assert (undone.json["state"], undone.json["until_utc"]) == ("ended", iso_of(begins))
    assert retired_in(own_doors, begins) == retired_in(own_doors, NOW_SLOT) == []
    again = act(own_doors, f"/v1/assets/{asset}/retire", order, "retire-0002")
    assert again.status == 201, again.body


def test_notes_are_added_and_stay(own_doors: Doors, small_district: District) -> None:
    path = f"/v1/assets/{small_district.units[0].id}"
    for number, text in enumerate(("fan is loud", "fan was changed"), start=1):
        made = act(own_doors, f"{path}/notes", {"text": text}, f"note-000{number}")
        assert made.status == 201, made.body
    found = read(own_doors, path)
    assert [one["text"] for one in found["notes"]] == ["fan was changed", "fan is loud"]
    assert found["notes"][0] == made.json and made.json["by"].startswith("person operator")
    assert (found["may_retire"], found["why_not"]) == (True, None)
    store = own_doors.served.store
    act(own_doors, f"{path}/retire", {"reason": "service"}, "retire-0001")
    act(own_doors, f"{path}/return", {"reason": "done"}, "return-0001")
    for table in (asset_note, asset_retirement, asset_return):
        column = "text" if table is asset_note else "reason"
        for statement in (update(table).values({column: "other"}), delete(table)):
            with pytest.raises(DBAPIError, match="append-only"):
                store.write(lambda c, one=statement: c.execute(one))


def test_the_last_source_of_heat_stays_in_use_while_the_other_one_is_held(
    own_doors: Doors, small_district: District
) -> None:
    heat, state = small_district.heat, own_doors.served.app.state
    assert heat is not None
    cell = max(small_district.units, key=lambda unit: unit.count * unit.heat[-1][1])
    others_kw = sum(unit.count * unit.heat[-1][1] for unit in small_district.units)
    # Pump or fuel cell may rest, and the rest just gives the peak; not both at once.
    least_kw = min(heat.heat_pump_kw_max * min(heat.cop), cell.count * cell.heat[-1][1])
    pump_kw = heat.heat_pump_kw_max * min(heat.cop)
    boiler_kw = heat.peak_kw - (others_kw + pump_kw - 1.5 * least_kw)
    tight = replace(small_district, heat=replace(heat, boiler_kw_max=boiler_kw))
    state.context = replace(state.context, district=tight)
    until = {"until_utc": iso_of(NOW_SLOT + 8 * SLOT_S), "reason": "noise"}
    held = act(own_doors, "/v1/steering/holds", {"asset": "heat-pump", **until}, "hold-00001")
    assert held.status == 201, held.body
    assert not read(own_doors, f"/v1/assets/{cell.id}")["may_retire"]
    retire = (f"/v1/assets/{cell.id}/retire", {"reason": "stack is worn"})
    refused = act(own_doors, *retire, "retire-0001")
    assert (refused.status, refused.json["code"]) == (409, "NEEDED"), refused.body
    release = f"/v1/steering/holds/{held.json['id']}/release"
    assert act(own_doors, release, {"reason": "quiet"}, "free-00001").status == 200
    assert act(own_doors, *retire, "retire-0002").status == 201


@pytest.mark.parametrize(
    ("asset", "words"), [("boiler", "set-points lapse"), ("kepco", "nothing else does")]
)
def test_what_is_needed_stays_and_the_answer_says_why(doors: Doors, asset: str, words: str) -> None:
    refused = act(doors, f"/v1/assets/{asset}/retire", {"reason": "try"}, f"retire-{asset}")
    assert (refused.status, refused.json["code"]) == (409, "NEEDED")
    assert words in refused.json["detail"] and "allowed" in refused.json["detail"]
    told = read(doors, f"/v1/assets/{asset}")
    assert not told["may_retire"] and told["why_not"] == refused.json["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"reason": "x", "from_utc": iso_of(NOW_SLOT - SLOT_S)}, 422, "TOO_EARLY"),
        ({"reason": "x", "from_utc": iso_of(NOW_SLOT + 400 * 86_400)}, 422, "TOO_FAR"),
        ({"reason": ""}, 422, "MALFORMED"),
        ({"reason": "x", "until_utc": iso_of(NOW_SLOT)}, 422, "MALFORMED"),
    ],
)
def test_an_order_that_cannot_be_kept_is_refused(
    doors: Doors, small_district: District, body: dict[str, Any], status: int, code: str
) -> None:
    asset = small_district.batteries.id[0]
    answer = act(doors, f"/v1/assets/{asset}/retire", body, "refused-1")
    assert (answer.status, answer.json["code"]) == (status, code), answer.body


def test_nobody_but_an_operator_acts_and_an_unknown_asset_is_not_found(
    doors: Doors, small_district: District
) -> None:
    asset = small_district.batteries.id[0]
    for verb, body in (
        ("retire", {"reason": "x"}), ("return", {"reason": "x"}), ("notes", {"text": "x"}),
    ):  # fmt: skip
        for role in ("auditor", "network_owner"):
            answer = act(doors, f"/v1/assets/{asset}/{verb}", body, f"{verb}-0001", role)
            assert answer.status == 403, (verb, role, answer.body)
        gone = act(doors, f"/v1/assets/battery-99/{verb}", body, f"{verb}-0002")
        assert (gone.status, gone.json["code"]) == (404, "NOT_FOUND")
    assert retired_in(doors, NOW_SLOT) == []
