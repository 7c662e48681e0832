"""Every route, every role, own and foreign objects: each pair has a verdict, and it holds.

The routes come from the API's own document, so that a new one is in the matrix the day it is made.
"""

import http.client
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter

from energy.api.callers import EVERYBODY, PUBLIC, Role, may, require_verdicts
from energy.api.callers import SCOPES as SCOPES_OF_TOKENS

Doors = Any
SCOPES = (
    "market:read", "district:read", "steering:read", "household:read", "audit:read", "operate",
    "readings:write",
)  # fmt: skip


def callers(doors: Doors) -> dict[str, tuple[Role, Callable[[], dict[str, str]]]]:
    """Who asks: the role that counts, and headers that are new for each request."""

    def disabled() -> dict[str, str]:
        who = doors.person("operator")
        headers = doors.cookie(person=who.name)
        doors.post(f"/v1/people/{who.name}/disable", {}, **doors.as_person("operator"))
        return headers

    def ended() -> dict[str, str]:
        headers = doors.as_person("operator")
        doors.post("/v1/session/end", {}, **headers)
        return headers

    own = doors.desk.crowd.account[0]
    return {
        "anonymous": (Role.ANONYMOUS, dict),
        "operator": (Role.OPERATOR, lambda: doors.as_person("operator")),
        "auditor": (Role.AUDITOR, lambda: doors.as_person("auditor")),
        "network owner": (Role.NETWORK_OWNER, lambda: doors.as_person("network_owner")),
        "owner": (Role.PROSUMER, lambda: doors.as_member(0)),
        "other prosumer": (Role.PROSUMER, lambda: doors.as_member(1)),
        "own device": (Role.DEVICE, lambda: doors.token("device", *SCOPES, account=own)),
        "other device": (
            Role.DEVICE,
            lambda: doors.token("device", *SCOPES, account=doors.desk.crowd.account[1]),
        ),
        "service": (Role.OPERATOR, lambda: doors.token("operator", *SCOPES)),
        "disabled": (Role.ANONYMOUS, disabled),
        "ended": (Role.ANONYMOUS, ended),
        "token that is over": (
            Role.ANONYMOUS, lambda: doors.token("operator", *SCOPES, ends_s=doors.now_s),
        ),
    }  # fmt: skip


def status_of(doors: Doors, method: str, path: str, headers: dict[str, str]) -> int:
    """The status alone: a stream would never end."""
    line = http.client.HTTPConnection("127.0.0.1", doors.served.port, timeout=20)
    body = b"{}" if method == "POST" else None
    line.request(method, path, body, {"Content-Type": "application/json", **headers})
    found = line.getresponse()
    status = found.status
    line.close()
    return status


def routes(doors: Doors) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and the operation of the document, for all routes."""
    paths = doors.served.app.openapi()["paths"]
    return [
        (method.upper(), path, operation)
        for path, operations in paths.items()
        for method, operation in operations.items()
    ]


@pytest.fixture(scope="module")
def order_id(doors: Doors) -> str:
    """An order of member 0, accepted."""
    answer = doors.served.post(doors.desk.order(0, nonce=77))
    assert answer.status == 201
    found: str = answer.json["order_id"]
    return found


def filled(path: str, order_id: str) -> str:
    """The path with an object in it: the order of member 0, else one that there is not."""
    given = {
        "{order_id}": order_id, "{event_id}": "0x" + "00" * 32, "{contract_id}": "0x" + "00" * 32,
        "{month}": "2026-07",
        "{slot}": "2026-07-15T09:00:00Z", "{tick}": "2026-07-15T09:00:00Z", "{name}": "nobody",
        "{alarm_id}": "999", "{limit_id}": "999", "{proposal_id}": "999", "{asset_id}": "no-asset",
        "{island_id}": "999", "{hold_id}": "999", "{entry_id}": "0x" + "00" * 32,
    }  # fmt: skip
    for name, value in given.items():
        path = path.replace(name, value)
    assert "{" not in path, f"{path}: name an object for the matrix"
    return path


@pytest.mark.slow
@pytest.mark.check(18)
def test_every_pair_of_route_and_caller_ends_as_the_verdict_says(
    doors: Doors, order_id: str
) -> None:
    pairs, wrong, objects = 0, list[str](), {}
    account = f"?account=0x{doors.desk.crowd.account[0].hex()}"
    for method, path, operation in routes(doors):
        verdict = operation["x-verdict"]
        # The object of member 0: in the path, else named by its account.
        by_account = verdict["own"] and "{order_id}" not in path
        objects[method, path] = filled(path, order_id) + account * by_account
        for who, (role, headers) in callers(doors).items():
            status = status_of(doors, method, objects[method, path], headers())
            is_public = set(verdict["roles"]) == set(EVERYBODY)
            if is_public:
                # The doors of sign-in ask for more than who comes.
                allowed = status not in (401, 403) or path.startswith("/v1/session")
            elif role not in verdict["roles"]:
                allowed = status == (401 if role == Role.ANONYMOUS else 403)
            elif who == "service" and verdict["scope"] not in SCOPES_OF_TOKENS:
                allowed = status == 403
            elif verdict["own"] and who.startswith("other"):
                allowed = status == 404
            else:
                allowed = status not in (401, 403)
            pairs += 1
            if not allowed or status == 500:
                wrong.append(f"{method} {path} by {who}: {status}, verdict {verdict}")
    assert wrong == []
    assert pairs == len(routes(doors)) * len(callers(doors)) > 400


def test_an_owner_reads_the_order_that_a_neighbour_does_not_find(
    doors: Doors, order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/orders/{order_id}"
    assert doors.served.ask(path, headers=doors.as_member(0)).status == 200
    assert doors.served.ask(path, headers=doors.as_member(1)).status == 404
    # The canary: without the owner in the query the neighbour gets it.
    import energy.api.orders as room

    whole = room.find_order
    monkeypatch.setattr(room, "find_order", lambda connection, id_, _: whole(connection, id_))
    assert doors.served.ask(path, headers=doors.as_member(1)).status == 200


def test_a_token_opens_what_its_scopes_name_and_nothing_else(doors: Doors) -> None:
    headers = doors.token("operator", "district:read")
    assert doors.served.ask("/v1/overview", headers=headers).status == 200
    refused = doors.served.ask("/v1/contracts", headers=headers)
    assert (refused.status, refused.json["field"]) == (403, "scope")


@pytest.mark.check(18, canary=True)
def test_a_route_without_a_verdict_is_refused() -> None:
    router = APIRouter()

    @router.get("/v1/open")
    def nothing() -> None: ...

    with pytest.raises(TypeError, match="/v1/open has no verdict"):
        require_verdicts(router.routes)
    router = APIRouter()
    router.get("/v1/open")(may(PUBLIC)(lambda: None))
    require_verdicts(router.routes)


def test_every_route_of_the_document_has_a_verdict(doors: Doors) -> None:
    found = routes(doors)
    assert len(found) > 35
    assert [path for _, path, operation in found if "x-verdict" not in operation] == []
