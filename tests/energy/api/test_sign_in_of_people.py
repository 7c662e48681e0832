"""A person signs in with a password and a code; nobody else does, however often they try."""

import base64
import http.client
import re
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.datastructures import Headers

from energy.api.problems import ProblemError
from energy.api.rates import Rates, network_of
from energy.api.session_steps import CROWD_LIMIT, NAME_LIMIT
from energy.steps.credentials import (
    code_at,
    hash_secret,
    is_password,
    otpauth_uri,
    require_password,
    step_of_code,
    stretch_password,
)
from energy.store.errors import StoreError
from energy.store.people import disable_person, disable_token
from energy.store.sessions import IDLE_S, LASTS_S

Doors = Any
READ = "/v1/overview"
GUESSES = 10_000
PASSWORD = "correct horse battery staple"


def read(doors: Doors, headers: dict[str, str]) -> int:
    status: int = doors.served.ask("/v1/people", headers=headers).status
    return status


def headers_of(doors: Doors, answer: Any) -> dict[str, str]:
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return {"Cookie": cookie, "Origin": doors.served.url}


def stretch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are compared at once, where guesses are only counted."""
    monkeypatch.setattr("energy.api.session_steps.is_password", lambda text, _: text == PASSWORD)


def test_codes_are_those_of_rfc_6238() -> None:
    # Appendix B of the RFC, SHA-1, its last six digits.
    seed = b"12345678901234567890"
    for at_s, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert code_at(seed, at_s // 30) == code
        assert step_of_code(seed, code, at_s) == at_s // 30
    assert step_of_code(seed, "287082", 59 + 30) == 1  # one step late
    assert step_of_code(seed, "287082", 59 + 61) is None


def test_a_code_program_is_told_the_seed_in_the_form_that_it_reads() -> None:
    seed = secrets.token_bytes(20)
    told = parse_qs(urlsplit(otpauth_uri("kim", seed, "Sejong Microgrid")).query)
    text = told["secret"][0]
    assert base64.b32decode(text + "=" * (-len(text) % 8)) == seed
    assert (told["digits"], told["period"], told["algorithm"]) == (["6"], ["30"], ["SHA1"])


def test_passwords_are_stretched_and_salted() -> None:
    one, other = stretch_password("a long sentence"), stretch_password("a long sentence")
    assert one != other and "sentence" not in one
    assert is_password("a long sentence", one) and is_password("a long sentence", other)
    assert not is_password("a long sentencE", one)
    with pytest.raises(StoreError, match="found 11 characters, allowed 12"):
        require_password("x" * 11)


def test_a_person_signs_in_and_out_and_the_cookie_is_a_strict_one(doors: Doors) -> None:
    who = doors.person("operator")
    answer = doors.sign_in(who)
    assert answer.status == 200 and answer.json["role"] == "operator"
    attributes = answer.headers["set-cookie"]
    assert re.fullmatch(
        r"microgrid=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", attributes
    )
    headers = headers_of(doors, answer)
    assert read(doors, headers) == 200
    told = doors.served.ask("/v1/session", headers=headers).json
    assert (told["role"], told["name"]) == ("operator", f"person {who.name}")
    assert doors.post("/v1/session/end", {}, **headers).status == 200
    assert read(doors, headers) == 401


def test_over_tls_the_cookie_is_bound_to_this_host(doors: Doors) -> None:
    # A proxy on this machine says that its side is encrypted.
    who = doors.person()
    url = doors.served.url.replace("http:", "https:")
    fields = {"name": who.name, "password": "correct horse battery staple", "code": doors.code(who)}
    answer = doors.post(
        "/v1/session/password", fields, **{"X-Forwarded-Proto": "https", "Origin": url}
    )
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["set-cookie"].startswith("__Host-microgrid=")
    assert "; Secure" in answer.headers["set-cookie"]


def test_a_new_sign_in_has_a_new_session_and_ends_the_old_one(doors: Doors) -> None:
    who = doors.person()
    first = headers_of(doors, doors.sign_in(who))
    doors.served.wall.at_s += 60
    second = doors.post(
        "/v1/session/password",
        {"name": who.name, "password": "correct horse battery staple", "code": doors.code(who)},
        **first,
    )
    assert second.status == 200
    assert headers_of(doors, second)["Cookie"] != first["Cookie"]
    assert read(doors, first) == 401
    assert read(doors, headers_of(doors, second)) == 200


def test_whatever_is_wrong_the_answer_is_the_same(doors: Doors) -> None:
    who, gone = doors.person(), doors.person()
    doors.served.store.write(lambda c: disable_person(c, gone.name, doors.now_s))
    code = doors.code(who)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    answers = [
        doors.sign_in(who, password="another long password"),
        doors.sign_in(who, code=wrong),
        doors.sign_in(who, name="nobody-here"),
        doors.sign_in(gone),
    ]
    assert {answer.status for answer in answers} == {401}
    told = [{**answer.json, "request_id": None} for answer in answers]
    assert all(one == told[0] for one in told) and told[0]["code"] == "SIGN_IN_REFUSED"
    assert "set-cookie" not in answers[0].headers


def test_a_code_is_taken_once(doors: Doors) -> None:
    who = doors.person()
    code = doors.code(who)
    assert doors.sign_in(who, code=code).status == 200
    assert doors.sign_in(who, code=code).status == 401
    earlier = doors.code(who, later_s=-30)
    assert doors.sign_in(who, code=earlier).status == 401
    assert doors.sign_in(who, code=doors.code(who, later_s=30)).status == 200


@pytest.mark.slow
@pytest.mark.check(20)
def test_guessing_is_stopped_within_twenty_tries_and_the_right_one_waits_too(
    own_doors: Doors, check: Any
) -> None:
    who, count = own_doors.person(), check.trials(GUESSES, 200)
    wrong = {"name": who.name, "password": "a wrong long password", "code": "000000"}
    statuses, waits = [], []
    for _ in range(count):
        answer = own_doors.post("/v1/session/password", wrong)
        statuses.append(answer.status)
        waits.append(int(answer.headers.get("retry-after", 0)))
    at = statuses.index(429)
    assert at < 20 and set(statuses[:at]) == {401} and set(statuses[at:]) == {429}
    assert 0 < max(waits) <= 60
    assert own_doors.sign_in(who).status == 429  # no oracle: right or wrong, one waits
    own_doors.served.wall.at_s += 120
    assert own_doors.sign_in(who).status == 200
    kind = own_doors.served.store.url.partition(":")[0].partition("+")[0]
    check.state(f"{kind}: of {count:,} guesses {at} were looked at")


@pytest.mark.slow
@pytest.mark.check(20)
def test_of_a_crowd_of_machines_a_hundred_guesses_at_a_name_are_looked_at(
    own_doors: Doors, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretch_nothing(monkeypatch)
    who, count = own_doors.person(), check.trials(GUESSES, 200)
    wrong = {"name": who.name, "password": "a wrong long password", "code": "000000"}
    looked_at = 0
    for number in range(count):
        # From ever new addresses: the name has a limit of its own for them all.
        far = {"X-Forwarded-For": f"203.0.{number // 250 % 250}.{number % 250}"}
        looked_at += own_doors.post("/v1/session/password", wrong, **far).status == 401
    # Three codes of a million are good at a time, and the password has to be right as well.
    assert looked_at == CROWD_LIMIT.most and looked_at * 3 / 10**6 < 0.001
    check.state(f"of {count:,} guesses from {count:,} addresses {looked_at} were looked at")


def test_who_guesses_at_a_name_elsewhere_does_not_keep_its_owner_out(
    own_doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretch_nothing(monkeypatch)
    who, wall = own_doors.person(), own_doors.served.wall
    wrong = {"name": who.name, "password": "a wrong long password", "code": "000000"}
    far = {"X-Forwarded-For": "203.0.113.7"}
    statuses = [own_doors.post("/v1/session/password", wrong, **far).status for _ in range(130)]
    assert statuses.count(401) == NAME_LIMIT.most
    # What was not looked at took nothing of what others have.
    assert own_doors.sign_in(who).status == 200
    wall.at_s += 60
    assert own_doors.post("/v1/session/password", wrong, **far).status == 401
    assert own_doors.post("/v1/session/password", wrong, **far).status == 429
    assert own_doors.sign_in(who).status == 200


@pytest.mark.slow
@pytest.mark.check(20)
def test_who_goes_on_guessing_gets_one_guess_a_minute(own_doors: Doors, check: Any) -> None:
    who, wall = own_doors.person(), own_doors.served.wall
    wrong = {"name": who.name, "password": "a wrong long password", "code": "000000"}
    looked_at, count, gap_s = 0, check.trials(GUESSES // 10, 40), 2.0
    for _ in range(count):
        looked_at += own_doors.post("/v1/session/password", wrong).status == 401
        wall.at_s += gap_s
    assert looked_at <= 10 + count * gap_s / 60 + 1
    check.state(f"{looked_at} of {count:,} in {count * gap_s / 60:.0f} min were looked at")


@pytest.mark.slow
def test_names_that_do_not_exist_use_up_the_guesses_of_their_address(own_doors: Doors) -> None:
    tries = [
        own_doors.post(
            "/v1/session/password",
            {"name": f"nobody-{number}", "password": "a wrong password", "code": "000000"},
        ).status
        for number in range(17)
    ]
    assert tries == [401] * 15 + [429] * 2


def test_guesses_of_one_customer_are_counted_together() -> None:
    assert network_of("203.0.113.7") == "203.0.113.7"
    assert (
        network_of("2001:db8:1:2::7")
        == network_of("2001:db8:1:2:ffff::1")
        != (network_of("2001:db8:1:3::7"))
    )
    assert network_of("unknown") == "unknown"
    assert network_of("::ffff:203.0.113.7") == "203.0.113.7" != network_of("::ffff:203.0.113.8")


def test_requests_of_one_customer_are_counted_together_from_whatever_address() -> None:
    rates = Rates(per_s=1e-6, burst=3)

    def ask(address: str) -> None:
        rates.require({"type": "http", "client": (address, 1)}, Headers())

    for number in range(3):
        ask(f"2001:db8:1:2::{number}")
    with pytest.raises(ProblemError, match="requests: allowed 3 at once"):
        ask("2001:db8:1:2:ffff::1")
    for other in ("2001:db8:1:3::7", "203.0.113.7", "::ffff:203.0.113.8"):
        ask(other)


@pytest.mark.check(20)
def test_two_hundred_forged_tokens_and_cookies_open_nothing(doors: Doors, check: Any) -> None:
    good = doors.token("operator", "audit:read")
    secret = good["Authorization"].removeprefix("Bearer ")
    assert read(doors, good) == 200
    over = doors.token("operator", "audit:read", ends_s=doors.now_s - 1)
    disabled = doors.token("operator", "audit:read", disabled_s=doors.now_s)
    session = doors.as_person("operator")["Cookie"]
    bearers = [
        over["Authorization"], disabled["Authorization"], "Bearer", "Bearer ", secret,
        f"Basic {secret}", f"Bearer {secret} ", f"Bearer {secret[:-1]}", f"Bearer {secret}A",
        f"Bearer {secret.swapcase()}", f"Bearer {hash_secret(secret).hex()}",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcGVyYXRvciJ9.",
        f"Bearer {session.removeprefix('microgrid=')}",
        *(f"Bearer {secrets.token_urlsafe(32)}" for _ in range(87)),
    ]  # fmt: skip
    cookies = [
        "microgrid=", f"microgrid={secret}", f"{session}A", session[:-1], session.swapcase(),
        f"__Host-{session}", "microgrid=../../../etc/passwd", "microgrid=' OR 1=1 --",
        *(f"microgrid={secrets.token_urlsafe(32)}" for _ in range(92)),
    ]  # fmt: skip
    forged = [{"Authorization": one.rstrip() if one == "Bearer " else one} for one in bearers]
    forged += [{"Cookie": one} for one in cookies]
    assert len(forged) == 200
    statuses = [read(doors, one) for one in forged if one != good]
    assert set(statuses) == {401} and len(statuses) >= 199
    check.state(f"{len(statuses)} forged tokens and cookies, 0 accepted", trials=len(statuses))


@pytest.mark.check(20)
def test_a_right_that_is_withdrawn_is_gone_at_the_next_request(doors: Doors) -> None:
    who = doors.person()
    headers = doors.cookie(person=who.name)
    token = doors.token("auditor", "audit:read", name="withdrawn")
    assert (read(doors, headers), read(doors, token)) == (200, 200)
    assert doors.post(
        f"/v1/people/{who.name}/disable", {}, **doors.as_person("operator")
    ).status == 200  # fmt: skip
    doors.served.store.write(lambda c: disable_token(c, "withdrawn", doors.now_s))
    assert (read(doors, headers), read(doors, token)) == (401, 401)


def test_a_session_ends_idle_and_at_the_latest_after_twelve_hours(own_doors: Doors) -> None:
    wall = own_doors.served.wall
    idle, busy = own_doors.as_person("operator"), own_doors.as_person("operator")
    begun_s = wall.at_s
    while wall.at_s < begun_s + LASTS_S - IDLE_S:
        wall.at_s += IDLE_S - 1
        assert read(own_doors, busy) == 200
    assert read(own_doors, idle) == 401
    wall.at_s = begun_s + LASTS_S - 1
    assert read(own_doors, busy) == 200
    wall.at_s += 1
    assert read(own_doors, busy) == 401


def test_what_a_page_asks_by_itself_and_what_it_is_told_is_no_use_of_a_session(
    own_doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.live.BEAT_S", 0.1)
    wall, by_itself = own_doors.served.wall, {"Microgrid-Unattended": "1"}
    headers = own_doors.as_person("operator")
    line = http.client.HTTPConnection("127.0.0.1", own_doors.served.port, timeout=20)
    line.request("GET", "/v1/events", headers={**headers, "Accept": "text/event-stream"})
    stream = line.getresponse()
    assert stream.status == 200
    wall.at_s += IDLE_S - 1
    beats = 0
    while beats < 3:  # at each it is asked whether the reader may still hear it
        beats += b"beat" in stream.readline()
    assert read(own_doors, {**headers, **by_itself}) == 200
    wall.at_s += 1
    assert read(own_doors, {**headers, **by_itself}) == read(own_doors, headers) == 401
    while stream.readline():
        pass  # the stream ends as well
    line.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_another_site_can_neither_act_nor_sign_anybody_in_or_out(doors: Doors, origin: str) -> None:
    headers = {**doors.as_person("operator"), "Origin": origin}
    if not origin:
        headers.pop("Origin")
    ask = doors.served.ask
    ways = ("end", "end-all", "password", "new-password")
    for path in ("/v1/people/nobody/disable", *(f"/v1/session/{way}" for way in ways)):
        answer = ask(path, b"{}", {"Content-Type": "application/json", **headers})
        assert (answer.status, answer.json["code"]) == (403, "OTHER_ORIGIN"), path
    assert read(doors, headers) == 200


def test_a_token_needs_no_origin(doors: Doors) -> None:
    answer = doors.served.ask(
        "/v1/people/nobody/disable", b"", doors.token("operator", "operate"), "POST"
    )
    assert answer.status == 404


@pytest.mark.parametrize("more", ["role", "account", "settled", "owner", "disabled_s"])
def test_fields_that_were_not_asked_for_are_refused_and_change_nothing(
    doors: Doors, more: str
) -> None:
    who = doors.person("auditor")
    fields = {"name": who.name, "password": "correct horse battery staple"}
    answer = doors.post(
        "/v1/session/password", {**fields, "code": doors.code(who), more: "operator"}
    )
    assert (answer.status, answer.json["code"]) == (422, "MALFORMED")
    answer = doors.sign_in(who)
    assert answer.json["role"] == "auditor"


def test_no_error_repeats_what_was_typed(doors: Doors) -> None:
    secret = "hunter2 hunter2 hunter2"
    for fields in (
        {"name": secret * 9, "password": secret, "code": "123456"},
        {"name": "kim", "password": secret},
        {"name": "kim", "password": [secret], "code": "123456"},
        [secret],
    ):
        answer = doors.post("/v1/session/password", fields)
        assert answer.status == 422 and b"hunter2" not in answer.body
    answer = doors.served.ask(
        "/v1/session/password", secret.encode(),
        {"Content-Type": "application/json", "Origin": doors.served.url},
    )  # fmt: skip
    assert answer.status == 400 and b"hunter2" not in answer.body


def test_a_stream_ends_when_its_reader_signs_out(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.live.BEAT_S", 0.5)
    headers = doors.as_person("operator")
    line = http.client.HTTPConnection("127.0.0.1", doors.served.port, timeout=20)
    line.request("GET", "/v1/events", headers=headers)
    stream = line.getresponse()
    assert stream.status == 200 and b"beat" in stream.readline() + stream.readline()
    assert doors.post("/v1/session/end", {}, **headers).status == 200
    rest = stream.read()  # returns at the end of the stream, within one beat
    assert b"cycle" not in rest
    line.close()
