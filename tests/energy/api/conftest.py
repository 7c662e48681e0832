"""A served API over a small district, and a client that says exactly what goes over the wire."""

import contextlib
import functools
import http.client
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.district import District
from energy.steps.credentials import (
    STEP_S,
    code_at,
    hash_secret,
    new_secret,
    new_seed,
    stretch_password,
)
from energy.store.accounts import TRADE_ROLE, KeyRow, load_keys, save_keys
from energy.store.admission import Admission
from energy.store.engine import Store, open_store
from energy.store.people import Person, ServiceToken, add_person, add_token
from energy.store.sessions import NewSession, begin_session

NOW_S = 1_784_105_000
FIRST_OPEN = 1_784_106_000
WALL_S = 1_800_000_000.0
PASSWORD = "correct horse battery staple"


@dataclass
class StillClock:
    """A clock that the test moves."""

    at_s: float = NOW_S
    mode: str = "demo"
    slot_seconds_real: float = 15.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Answered:
    """What came back: status, headers with lower-case names, and the bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """An application on a port, with what stands behind it."""

    port: int
    store: Store
    clock: StillClock
    app: FastAPI
    trouble: dict[str, str] = field(default_factory=dict)
    wall: StillClock = field(default_factory=lambda: StillClock(WALL_S))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
    ) -> Answered:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            verb = method or ("GET" if body is None else "POST")
            connection.request(verb, path, body, headers or {}, encode_chunked=False)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answered(answer.status, found, answer.read())

    def post(self, body: bytes) -> Answered:
        """An order as a client posts it."""
        return self.ask("/v1/orders", body, {"Content-Type": "application/json"})


Serve = Callable[..., contextlib.AbstractContextManager[Served]]


@pytest.fixture(scope="session")
def serve(small_district: District, desk: Any, on_port: Any) -> Serve:
    """Serves the API on a new store in a folder, for the length of a block."""

    @contextlib.contextmanager
    def serving(
        folder: Path,
        admission: Admission = desk.admission,
        settings: Settings | None = None,
        url: str | None = None,
    ) -> Iterator[Served]:
        clock, trouble, wall = StillClock(), dict[str, str](), StillClock(WALL_S)
        with open_store(url or f"sqlite:///{folder / 'api.db'}") as store:
            context = ApiContext(
                store=store,
                district=small_district,
                settings=settings or Settings(),
                clock=clock,
                admission=admission,
                trouble=lambda: trouble.get("loop"),
                wall_s=wall.now_s,
            )
            app = create_app(context)
            with on_port(app) as port:
                yield Served(port, store, clock, app, trouble, wall)

    return serving


@pytest.fixture(scope="session")
def shared(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for tests that leave nothing behind but orders of their own."""
    with serve(tmp_path_factory.mktemp("api")) as served:
        yield served


@pytest.fixture
def served(serve: Serve, tmp_path: Path) -> Iterator[Served]:
    """A server of the test's own on an empty store."""
    with serve(tmp_path) as found:
        yield found


@dataclass
class Doors:
    """A server where sign-in is required, with people, tokens and wallets of its own."""

    served: Served
    desk: Any
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def now_s(self) -> int:
        return int(self.served.wall.at_s)

    def person(self, role: str = "operator", name: str | None = None) -> Person:
        """A person whose password is PASSWORD."""
        name = name or f"{role}-{next(self.numbers)}"
        who = Person(name, role, stretched(), new_seed(), 0, self.now_s)
        self.served.store.write(lambda connection: add_person(connection, who))
        return who

    def code(self, who: Person, later_s: float = 0.0) -> str:
        return code_at(who.code_seed, int((self.served.wall.at_s + later_s) // STEP_S))

    def cookie(self, **of: Any) -> dict[str, str]:
        """The headers of a page of ours with a new session of a person, a wallet or a demo."""
        secret = new_secret()
        new = NewSession(hash_secret(secret), self.now_s, "127.0.0.1", **of)
        self.served.store.write(lambda connection: begin_session(connection, new))
        return {"Cookie": f"microgrid={secret}", "Origin": self.served.url}

    def as_person(self, role: str) -> dict[str, str]:
        return self.cookie(person=self.person(role).name)

    def wallet(self, member: int) -> dict[str, Any]:
        """A member's account and address, known to the registry of keys from slot 0 on."""
        crowd = self.desk.crowd
        account, address = crowd.account[member], crowd.address[member]
        row = KeyRow(account, address, 0, None, TRADE_ROLE, bytes(32))

        def unit(connection: Any) -> None:
            if not load_keys(connection, account):
                save_keys(connection, [row])

        self.served.store.write(unit)
        return {"account": account, "address": address}

    def as_member(self, member: int) -> dict[str, str]:
        return self.cookie(**self.wallet(member))

    def token(self, role: str, *scopes: str, **changes: Any) -> dict[str, str]:
        secret = new_secret()
        given = {"account": None, "ends_s": self.now_s + 3600, "disabled_s": None, **changes}
        given.setdefault("name", f"token-{next(self.numbers)}")
        made = ServiceToken(
            hash=hash_secret(secret), role=role, scopes=scopes, created_s=self.now_s, **given
        )
        self.served.store.write(lambda connection: add_token(connection, made))
        return {"Authorization": f"Bearer {secret}"}

    def post(self, path: str, document: Any, **headers: str) -> Answered:
        """A JSON body from a page of ours."""
        given = {"Content-Type": "application/json", "Origin": self.served.url, **headers}
        return self.served.ask(path, json.dumps(document).encode(), given)

    def sign_in(self, who: Person, **changes: str) -> Answered:
        fields = {"name": who.name, "password": PASSWORD, "code": self.code(who), **changes}
        return self.post("/v1/session/password", fields)


@functools.cache
def stretched() -> str:
    return stretch_password(PASSWORD)


@pytest.fixture(scope="module")
def doors(serve: Serve, desk: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """One server with sign-in for a module's tests."""
    folder = tmp_path_factory.mktemp("doors")
    with serve(folder, settings=Settings(sign_in="required")) as served:
        yield Doors(served, desk)


@pytest.fixture
def own_doors(serve: Serve, desk: Any, store_url: str, tmp_path: Path) -> Iterator[Doors]:
    """A server with sign-in for one test, once on each kind of store."""
    with serve(tmp_path, settings=Settings(sign_in="required"), url=store_url) as served:
        yield Doors(served, desk)
