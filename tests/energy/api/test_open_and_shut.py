"""When the doors stand open: the demonstration on this machine alone; and how often one may ask."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from energy.api.problems import ProblemError
from energy.api.rates import Rates
from energy.config import Settings
from energy.dashboard import install
from energy.service import ServiceError, require_sign_in
from energy.store.audit import list_records

Serve = Callable[..., Any]
SCREENS = ("/", "/plan", "/grid", "/market", "/forecasts", "/dr")


def test_in_the_demonstration_everybody_on_this_machine_reads_and_nobody_acts(
    serve: Serve, tmp_path: Path
) -> None:
    with serve(tmp_path) as served:
        told = served.ask("/v1/session").json
        assert (told["role"], told["is_demo"], told["asks_sign_in"]) == ("operator", True, False)
        assert served.ask("/v1/overview").status == 200
        own = {"Origin": served.url}
        assert served.ask("/v1/people/kim/disable", b"", own).status == 401
        # A proxy brings readers from elsewhere: they are nobody here.
        far = {"X-Forwarded-For": "203.0.113.7"}
        assert served.ask("/v1/overview", headers=far).status == 401


def test_who_wants_to_act_in_the_demonstration_says_so_once(serve: Serve, tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        evil = {"Origin": "http://evil.example"}
        assert served.ask("/v1/session/demo", b"", evil).status == 403
        answer = served.ask("/v1/session/demo", b"", {"Origin": served.url})
        assert answer.status == 200
        cookie = answer.headers["set-cookie"].partition(";")[0]
        acting = {"Cookie": cookie, "Origin": served.url}
        assert served.ask("/v1/people/nobody/disable", b"", acting).status == 404
        record = served.store.read(list_records)[-1].record
        assert (record.account, record.task) == ("demo", "sign in")


def test_who_comes_through_a_proxy_can_never_act_in_the_demonstration(
    serve: Serve, tmp_path: Path
) -> None:
    far = {"X-Forwarded-For": "203.0.113.7"}
    with serve(tmp_path) as served:
        own = {"Origin": served.url}
        asked = served.ask("/v1/session", headers=far).json
        assert (asked["role"], asked["asks_sign_in"]) == ("anonymous", True)
        answer = served.ask("/v1/session/demo", b"", {**own, **far})
        assert (answer.status, "set-cookie" in answer.headers) == (403, False)
        # Nor does a session that was begun at this machine open anything from elsewhere.
        answer = served.ask("/v1/session/demo", b"", own)
        acting = {"Cookie": answer.headers["set-cookie"].partition(";")[0], **own}
        assert served.ask("/v1/people", headers=acting).status == 200
        for path, body in (("/v1/people", None), ("/v1/people/nobody/disable", b"")):
            assert served.ask(path, body, {**acting, **far}).status == 401


def test_where_sign_in_is_required_no_demo_session_is_made_or_taken(
    serve: Serve, tmp_path: Path
) -> None:
    with serve(tmp_path) as served:
        answer = served.ask("/v1/session/demo", b"", {"Origin": served.url})
        cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
    with serve(tmp_path, settings=Settings(sign_in="required")) as served:
        assert served.ask("/v1/session/demo", b"", {"Origin": served.url}).status == 403
        assert served.ask("/v1/overview", headers=cookie).status == 401
        assert served.ask("/v1/prices").status == 200


@pytest.mark.parametrize(
    ("given", "asks"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "localhost"}, False),
        ({"sign_in": "required"}, True),
        ({"clock": "real"}, True),
        ({"host": "0.0.0.0"}, True),
        ({"host": "192.168.1.5"}, True),
        ({"host": "::"}, True),
        ({"host": "127.0.0.1.evil.example"}, True),
    ],
)
def test_sign_in_is_asked_for_wherever_others_could_come(given: dict[str, Any], asks: bool) -> None:
    settings = Settings(**given)
    assert settings.asks_sign_in is asks
    require_sign_in(settings)
    if asks and settings.sign_in != "required":
        with pytest.raises(ServiceError, match="allowed demo with the demo clock"):
            require_sign_in(Settings(**given, sign_in="demo"))


def test_pages_lead_to_the_sign_in_and_come_back(serve: Serve, tmp_path: Path) -> None:
    with serve(tmp_path, settings=Settings(sign_in="required")) as served:
        install(served.app)
        for path in SCREENS:
            answer = served.ask(path)
            assert (answer.status, answer.headers["location"]) == (303, f"/sign-in?to={path}")
        for path in ("/sign-in", "/verify", "/statement"):
            assert served.ask(path).status == 200


def test_a_bucket_empties_and_fills_and_each_address_has_its_own() -> None:
    now = [0.0]
    rates = Rates(per_s=2.0, burst=3, count_s=lambda: now[0])

    def ask(address: str, **headers: str) -> None:
        rates.require({"client": (address, 1)}, Headers(headers))

    for _ in range(3):
        ask("10.0.0.1")
    with pytest.raises(ProblemError) as refused:
        ask("10.0.0.1")
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    ask("10.0.0.2")
    now[0] = 0.5
    ask("10.0.0.1")
    # One session asking from many addresses shares one bucket.
    for number in range(3):
        ask(f"10.1.0.{number}", cookie="microgrid=x")
    with pytest.raises(ProblemError):
        ask("10.1.0.9", cookie="microgrid=x")


def test_who_asks_too_often_is_told_when_to_come_back(serve: Serve, tmp_path: Path) -> None:
    with serve(tmp_path, settings=Settings(rate_per_s=0.5, rate_burst=5)) as served:
        statuses = [served.ask("/healthz").status for _ in range(5)]
        answer = served.ask("/healthz")
        assert statuses == [200] * 5 and answer.status == 429
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
