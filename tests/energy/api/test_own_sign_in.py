"""Who is signed in signs out everywhere and chooses another password; nobody else does for them."""

import http.client
from collections.abc import Callable
from typing import Any

import pytest

from energy.api import own_sign_in
from energy.steps.credentials import is_password, new_seed, stretch_password
from energy.store.audit import list_records
from energy.store.people import (
    Person,
    add_person,
    change_password,
    disable_person,
    renew_person,
)
from energy.store.sessions import end_sessions

Doors = Any
Headers = dict[str, str]
PASSWORD = "correct horse battery staple"
ANOTHER = "a field of barley in May"
ALL, NEW = "/v1/session/end-all", "/v1/session/new-password"


def resident(doors: Doors) -> Person:
    """Somebody of the household of member 2, who signs in with a password."""
    like = doors.person()
    account = doors.desk.crowd.account[2]
    who = Person(
        f"kim-{like.name}", "prosumer", like.password, new_seed(), 0, doors.now_s, account=account
    )
    doors.served.store.write(lambda connection: add_person(connection, who))
    return who


def someone(doors: Doors, role: str) -> Person:
    found: Person = resident(doors) if role == "prosumer" else doors.person(role)
    return found


def name_in(doors: Doors, headers: Headers) -> str:
    """Who the session is, by the server."""
    name: str = doors.served.ask("/v1/session", headers=headers).json["name"]
    return name


def is_in(doors: Doors, headers: Headers) -> bool:
    return name_in(doors, headers) != "anonymous"


def change(doors: Doors, who: Person, headers: Headers, **changes: str) -> Any:
    """The answer to a change of the password, with a code that was not used yet."""
    doors.served.wall.at_s += 30
    fields = {"password": PASSWORD, "code": doors.code(who), "new_password": ANOTHER, **changes}
    return doors.post(NEW, fields, **headers)


def sign_in(doors: Doors, who: Person, password: str) -> int:
    doors.served.wall.at_s += 30
    status: int = doors.sign_in(who, password=password).status
    return status


def cookie_of(doors: Doors, answer: Any) -> Headers:
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return {"Cookie": cookie, "Origin": doors.served.url}


def last_record(doors: Doors) -> Any:
    return doors.served.store.read(list_records)[0].record


@pytest.mark.parametrize("role", ["operator", "auditor", "prosumer"])
def test_signing_out_everywhere_ends_every_session_of_the_person_and_no_other(
    doors: Doors, role: str
) -> None:
    who, other = someone(doors, role), doors.as_person("operator")
    here, *elsewhere = (doors.cookie(person=who.name) for _ in range(3))
    answer = doors.post(ALL, {}, **here)
    assert (answer.status, answer.json) == (200, {})
    assert (
        "microgrid=" in answer.headers["set-cookie"]
        and "Max-Age=0" in (answer.headers["set-cookie"])
    )
    record = last_record(doors)
    assert [is_in(doors, one) for one in (here, *elsewhere)] == [False] * 3
    assert is_in(doors, other)
    named = f"person {who.name}" if who.account is None else f"account 0x{who.account.hex()}"
    assert (record.account, record.whose) == (named, named)
    assert record.task == f"sign out everywhere as {who.name}, sessions: 3"
    assert doors.post(ALL, {}, **here).json["code"] == "SIGN_IN"


def test_a_stream_elsewhere_ends_when_its_reader_signs_out_everywhere(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.live.BEAT_S", 0.5)
    who = doors.person()
    here, elsewhere = doors.cookie(person=who.name), doors.cookie(person=who.name)
    line = http.client.HTTPConnection("127.0.0.1", doors.served.port, timeout=60)
    line.request("GET", "/v1/events", headers=elsewhere)
    stream = line.getresponse()
    assert stream.status == 200 and b"beat" in stream.readline() + stream.readline()
    assert doors.post(ALL, {}, **here).status == 200
    stream.read()  # returns at the end of the stream, within one beat
    line.close()


def test_a_wallet_signs_out_its_account_everywhere_and_no_person_of_the_household(
    doors: Doors,
) -> None:
    who = resident(doors)
    person = doors.cookie(person=who.name)
    here, elsewhere, neighbour = doors.as_member(2), doors.as_member(2), doors.as_member(1)
    assert doors.post(ALL, {}, **here).status == 200
    assert last_record(doors).task == "sign out everywhere, sessions: 2"
    assert [is_in(doors, one) for one in (here, elsewhere)] == [False, False]
    assert is_in(doors, neighbour) and is_in(doors, person)


def demo_session(served: Any) -> Headers:
    own = {"Origin": served.url, "Content-Type": "application/json"}
    answer = served.ask("/v1/session/demo", b"{}", own)
    assert answer.status == 200
    return {**own, "Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_of_the_demonstration_one_session_ends_and_it_has_no_password(served: Any) -> None:
    here, elsewhere = demo_session(served), demo_session(served)
    body = b'{"password":"x","code":"123456","new_password":"a long sentence"}'
    answer = served.ask(NEW, body, here)
    assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN")
    assert answer.json["found"] == "the demonstration's"
    assert served.ask(ALL, b"{}", here).status == 200
    assert served.ask("/v1/session", headers=here).json["is_demo"], "a reader without a session"
    assert not served.ask("/v1/session", headers=elsewhere).json["is_demo"]
    # Without a session there is nothing to end, also where everybody reads.
    assert served.ask(ALL, b"{}", here).json["code"] == "SIGN_IN"


@pytest.mark.parametrize("path", [ALL, NEW])
def test_neither_is_open_to_tokens_devices_and_who_has_not_signed_in(
    doors: Doors, path: str
) -> None:
    account = doors.desk.crowd.account[0]
    for headers, status, code in (
        ({}, 401, "SIGN_IN"),
        (doors.token("operator", "operate", "market:read"), 403, "NO_PERSON"),
        (doors.token("device", "readings:write", account=account), 403, "FORBIDDEN"),
    ):
        answer = doors.post(path, {}, **headers)
        assert (answer.status, answer.json["code"]) == (status, code)


def test_a_wallet_has_no_password_to_change(doors: Doors) -> None:
    fields = {"password": PASSWORD, "code": "123456", "new_password": ANOTHER}
    answer = doors.post(NEW, fields, **doors.as_member(0))
    assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN")
    assert answer.json["field"] == "session" and answer.json["found"] == "a wallet's"


@pytest.mark.parametrize("role", ["operator", "prosumer"])
def test_a_new_password_holds_from_now_on_and_every_other_session_ends(
    own_doors: Doors, role: str
) -> None:
    doors = own_doors
    who, other = someone(doors, role), doors.as_person("auditor")
    here, elsewhere = doors.cookie(person=who.name), doors.cookie(person=who.name)
    answer = change(doors, who, here)
    assert (answer.status, answer.json["role"]) == (200, role)
    now = cookie_of(doors, answer)
    assert now["Cookie"] != here["Cookie"] and "HttpOnly" in answer.headers["set-cookie"]
    assert [is_in(doors, one) for one in (here, elsewhere)] == [False, False]
    assert is_in(doors, now) and is_in(doors, other)
    assert sign_in(doors, who, PASSWORD) == 401
    assert sign_in(doors, who, ANOTHER) == 200
    assert change(doors, who, now, password=ANOTHER, new_password=PASSWORD).status == 200
    assert sign_in(doors, who, PASSWORD) == 200


def test_the_audit_log_says_who_has_changed_a_password_and_no_secret(doors: Doors) -> None:
    who = resident(doors)
    assert who.account is not None
    here = doors.cookie(person=who.name)
    assert change(doors, who, here, password="a wrong long password").status == 401
    refused, code = last_record(doors), doors.code(who, later_s=30)
    assert change(doors, who, here).status == 200
    changed = last_record(doors)
    named = f"account 0x{who.account.hex()}"
    assert {(one.account, one.whose) for one in (refused, changed)} == {(named, named)}
    assert refused.task == f"new password of {who.name} refused"
    assert changed.task == f"change password of {who.name}; its other sessions ended"
    told = repr((refused, changed))
    assert not any(one in told for one in (PASSWORD, ANOTHER, "a wrong long", f"'{code}'"))


def test_a_wrong_password_and_a_wrong_or_used_code_change_nothing(own_doors: Doors) -> None:
    doors = own_doors
    who = doors.person()
    here, elsewhere = (cookie_of(doors, doors.sign_in(who)), doors.cookie(person=who.name))
    used = doors.code(who)
    doors.served.wall.at_s -= 30  # `change` goes on by as much: the code is still the last one
    answers = [
        change(doors, who, here, code=used),
        change(doors, who, here, password="a wrong long password"),
        change(doors, who, here, code=f"{(int(doors.code(who)) + 1) % 10**6:06}"),
    ]
    assert {(one.status, one.json["code"]) for one in answers} == {(401, "SIGN_IN_REFUSED")}
    assert len({one.json["detail"] for one in answers}) == 1
    assert is_in(doors, here) and is_in(doors, elsewhere)
    assert sign_in(doors, who, ANOTHER) == 401
    assert sign_in(doors, who, PASSWORD) == 200


def test_guesses_in_a_session_are_those_of_sign_in_and_the_right_one_waits_too(
    own_doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.session_steps.is_password", lambda text, _: text == PASSWORD)
    doors = own_doors
    who = doors.person()
    here = doors.cookie(person=who.name)
    wrong = {"password": "a wrong long password", "code": "000000", "new_password": ANOTHER}
    tries = [doors.post(NEW, wrong, **here) for _ in range(12)]
    assert [one.status for one in tries] == [401] * 10 + [429] * 2
    assert tries[-1].json["code"] == "TOO_MANY_GUESSES" and int(tries[-1].headers["retry-after"])
    right = {"password": PASSWORD, "code": doors.code(who), "new_password": ANOTHER}
    assert doors.post(NEW, right, **here).status == doors.sign_in(who).status == 429
    doors.served.wall.at_s += 120
    assert doors.post(NEW, {**right, "code": doors.code(who)}, **here).status == 200


@pytest.mark.parametrize(
    "wanted", ["elevenchars", PASSWORD, PASSWORD.replace("c", "\N{FULLWIDTH LATIN SMALL LETTER C}")]
)
def test_a_new_password_is_long_enough_and_another(doors: Doors, wanted: str) -> None:
    who = doors.person()
    here = doors.cookie(person=who.name)
    answer = change(doors, who, here, new_password=wanted)
    assert (answer.status, answer.json["code"]) == (422, "PASSWORD")
    assert answer.json["field"] == "new_password" and wanted.encode() not in answer.body
    assert is_in(doors, here) and sign_in(doors, who, PASSWORD) == 200


def test_fields_that_are_missing_or_were_not_asked_for_are_refused(doors: Doors) -> None:
    who = doors.person()
    here = doors.cookie(person=who.name)
    fields = {"password": PASSWORD, "code": doors.code(who), "new_password": ANOTHER}
    for body in ({**fields, "name": "lee"}, {"password": PASSWORD, "new_password": ANOTHER}, []):
        answer = doors.post(NEW, body, **here)
        assert (answer.status, answer.json["code"]) == (422, "MALFORMED")
        assert PASSWORD.encode() not in answer.body
    assert sign_in(doors, who, PASSWORD) == 200


def invited_again(connection: Any, who: Person) -> None:
    password = stretch_password("what the owner has chosen")
    renew_person(connection, Person(**{**vars(who), "password": password}))


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda connection, who: end_sessions(connection, who.name),
        lambda connection, who: disable_person(connection, who.name, 1),
        invited_again,
    ],
    ids=["signed out everywhere", "disabled", "invited again"],
)
def test_what_happens_while_a_password_is_stretched_comes_first(
    own_doors: Doors, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Any, Person], Any]
) -> None:
    doors, store = own_doors, own_doors.served.store
    who = doors.person()
    here = doors.cookie(person=who.name)

    def stretch(password: str) -> str:
        store.write(lambda connection: meanwhile(connection, who))
        return stretch_password(password)

    monkeypatch.setattr(own_sign_in, "stretch_password", stretch)
    assert change(doors, who, here).status == 401
    assert not is_in(doors, here)
    assert sign_in(doors, who, ANOTHER) == 401


def test_a_sign_in_with_the_old_password_that_is_on_its_way_comes_too_late(
    own_doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors, store = own_doors, own_doors.served.store
    who, another = doors.person(), stretch_password(ANOTHER)

    def prove(text: str, stretched: str) -> bool:
        store.write(lambda connection: change_password(connection, who.name, another))
        return is_password(text, stretched)

    monkeypatch.setattr("energy.api.session_steps.is_password", prove)
    assert doors.sign_in(who).status == 401
    monkeypatch.undo()
    assert sign_in(doors, who, ANOTHER) == 200


def test_who_has_begun_a_session_with_a_password_is_told_to_its_page(doors: Doors) -> None:
    who = resident(doors)
    ask = doors.served.ask
    for headers, person in (
        (doors.cookie(person=who.name), who.name), (doors.as_member(0), None), ({}, None),
        (doors.token("operator", "operate"), None),
    ):  # fmt: skip
        assert ask("/v1/session", headers=headers).json["person"] == person
