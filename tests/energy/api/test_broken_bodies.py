"""What no text may have in it, and what is no JSON: refused in one sentence on every store."""

import json
from typing import Any

import pytest
from fastapi.routing import APIRoute

from energy.api.app import ROOMS
from energy.api.fields import JsonBody
from energy.api.problems import ProblemError, problem_response

Doors = Any
HALF = "\\ud800"
SIGNED_DOORS = (
    "/v1/orders", "/v1/orders/cancel", "/v1/keys", "/v1/instructions", "/v1/dr/commits",
    "/v1/contracts",
)  # fmt: skip
HALVES = (
    f'{{"{HALF}": 1, "{HALF}": 2}}',
    f'{{"type": "Order", "message": {{"{HALF}": "1"}}, "signatures": []}}',
    f'{{"type": "{HALF}", "message": {{}}, "signatures": []}}',
)
LIMIT = {"element": "F3", "p_kw_max": 1.0, "until_utc": "2026-07-15T12:00:00Z", "reason": "works"}
LATE = {"Idempotency-Key": "one-more-key"}


def ask(doors: Doors, path: str, text: str, **headers: str) -> Any:
    given = {"Content-Type": "application/json", "Origin": doors.served.url, **headers}
    return doors.served.ask(path, text.encode(), given)


@pytest.mark.parametrize("path", SIGNED_DOORS)
@pytest.mark.parametrize("text", HALVES)
def test_half_a_character_is_refused_at_every_door_for_signed_messages(
    doors: Doors, path: str, text: str
) -> None:
    answer = ask(doors, path, text)
    assert (answer.status, answer.json["code"]) == (400, "MALFORMED"), answer.body
    assert (answer.json["field"], answer.json["found"]) == ("json", "'\\\\ud800'")


def test_both_halves_together_are_a_character(doors: Doors) -> None:
    answer = ask(doors, "/v1/orders", '{"\\ud83d\\ude00": 1, "\\\\ud800": 2}')
    assert (answer.status, answer.json["field"]) == (422, "message")


@pytest.mark.parametrize("mark", [HALF, "\\u0000", "\\u001b"])
@pytest.mark.parametrize("name", ["element", "until_utc", "from_utc", "reason"])
def test_an_order_with_a_text_that_is_none_is_refused_by_its_field(
    doors: Doors, name: str, mark: str
) -> None:
    text = json.dumps({**LIMIT, name: "MARK"}).replace("MARK", f"2026{mark}")
    answer = ask(doors, "/v1/steering/limits", text, **doors.as_person("operator"), **LATE)
    assert (answer.status, answer.json["code"], answer.json["field"]) == (422, "MALFORMED", name)


def test_a_key_of_a_body_that_is_no_text_is_refused(doors: Doors) -> None:
    text = f'{{"message": {{"{HALF}": "1"}}, "signature": "0x{"00" * 65}"}}'
    answer = ask(doors, "/v1/me/key/hand-over", text, **doors.as_member(0))
    assert (answer.status, answer.json["field"]) == (422, "message")
    text = f'{{"{HALF}": 1}}'
    answer = ask(doors, "/v1/assets/nothing/notes", text, **doors.as_person("operator"), **LATE)
    assert answer.status == 422


def test_every_body_that_a_route_reads_by_a_model_has_texts_alone() -> None:
    routes = [one for room in ROOMS for one in room.router.routes if isinstance(one, APIRoute)]
    bodies = [one.body_field.field_info.annotation for one in routes if one.body_field]
    assert len(bodies) >= 10
    for body in bodies:
        assert issubclass(body, JsonBody), body


def test_a_text_with_several_lines_is_a_text(doors: Doors) -> None:
    answer = ask(
        doors, "/v1/assets/nothing/notes", '{"text": "two\\nlines"}',
        **doors.as_person("operator"), **LATE,
    )  # fmt: skip
    assert answer.status == 404


def test_control_characters_before_sign_in_are_refused_on_every_store(own_doors: Doors) -> None:
    fields = {"name": "kim\0", "password": "a long password", "code": "000000"}
    for name, value in (("name", "kim\0"), ("password", "\0" * 12), ("code", "00000\x1b")):
        answer = own_doors.post("/v1/session/password", {**fields, "name": "kim", name: value})
        assert (answer.status, answer.json["field"]) == (422, name)
    answer = own_doors.post("/v1/session/password", {**fields, "name": "Kim Lee"})
    assert (answer.status, answer.json["code"]) == (401, "SIGN_IN_REFUSED")
    operator = own_doors.as_person("operator")
    assert own_doors.served.ask("/v1/people/%00/disable", b"", operator).status == 404
    note = {"from_slot_utc": "2026-07-20T00:00:00Z", "note": "why\0"}
    answer = own_doors.post("/v1/rules/proposals", note, **operator, **LATE)
    assert (answer.status, answer.json["field"]) == (422, "note")


@pytest.mark.parametrize("text", ["{", "", "[" * 16_000, "{'a': 1}"])
def test_a_body_that_is_no_json_is_malformed_and_not_a_wrong_path(doors: Doors, text: str) -> None:
    answer = ask(doors, "/v1/steering/limits", text, **doors.as_person("operator"), **LATE)
    assert answer.json["code"] == "MALFORMED" and answer.json["field"] in ("body", "order")
    assert answer.status == (422 if text == "" else 400)


def test_bytes_that_are_no_utf_8_are_malformed(doors: Doors) -> None:
    headers = {"Content-Type": "application/json", **doors.as_person("operator"), **LATE}
    answer = doors.served.ask("/v1/steering/limits", b'{"reason": "\xff"}', headers)
    assert (answer.status, answer.json["code"], answer.json["field"]) == (400, "MALFORMED", "body")


def test_a_refusal_can_say_whatever_was_found() -> None:
    problem = ProblemError(422, "MALFORMED", "x: found \ud800", "\udfff", "\ud800\0")
    told = json.loads(problem_response(problem, "1").body)
    assert (told["field"], told["found"]) == ("\\udfff", "\\ud800\0")
