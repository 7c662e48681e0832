"""A lived-in district behind doors where everybody signs in: slots, auctions, a bill, an event,
contracts, alarms, people; and who may ask, by the headers that they bring."""

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI

from energy.api import ApiContext, create_app
from energy.config import Settings
from energy.crowd import Crowd, Promises, build_crowd, sign_message
from energy.cycle import run_quarter_hour
from energy.simulate import answer_events, place_orders
from energy.steps.context import Microgrid, build_admission, open_installation, start_microgrid
from energy.steps.credentials import (
    STEP_S,
    code_at,
    hash_secret,
    new_secret,
    new_seed,
    stretch_password,
)
from energy.steps.dr_calls import DrCall, event_message
from energy.steps.dr_plan import build_dr_desk
from energy.store import alarms
from energy.store.alarms import Alarm
from energy.store.dr_desk import admit_dr
from energy.store.engine import Store
from energy.store.mailbox import prepare_message
from energy.store.people import Person, ServiceToken, add_person, add_token
from energy.store.sessions import NewSession, begin_session
from energy.units import SLOT_S
from market.signing import Domain, address_of

DISTRICT = "sejong-5-1@0.005"
FIRST = 1_785_502_800  # 2026-07-31 22:00 in Sejong
EVENT = FIRST + 4 * SLOT_S  # 23:00
SLOTS = 13  # past midnight, so that July is billed
SCOPES = (
    "market:read", "district:read", "steering:read", "household:read", "audit:read", "operate",
    "readings:write",
)  # fmt: skip
PASSWORD = "correct horse battery staple"


@dataclass
class StillClock:
    """A clock that the test moves."""

    at_s: float
    mode: str = "demo"
    slot_seconds_real: float = 60.0

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Town:
    """The district after an evening, its served doors, and the keys of all who live there."""

    microgrid: Microgrid
    clock: StillClock
    crowd: Crowd
    app: FastAPI
    port: int = 0
    person: Person = field(default_factory=lambda: new_person("kim"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Store:
        return self.microgrid.store

    @property
    def domain(self) -> Domain:
        return self.microgrid.books.domain

    @property
    def first_open(self) -> int:
        return FIRST + SLOTS * SLOT_S

    def token(self, role: str, **of: Any) -> str:
        """A token of a role with all scopes; a device's is member 0's."""
        secret = new_secret()
        account = self.crowd.account[0] if role == "device" else None
        made = ServiceToken(
            name=f"{role}-{hash_secret(secret).hex()[:8]}", hash=hash_secret(secret), role=role,
            scopes=list(SCOPES), account=of.get("account", account), created_s=0, ends_s=2**40,
        )  # fmt: skip
        self.store.write(lambda connection: add_token(connection, made))
        return secret

    def as_member(self, member: int) -> dict[str, str]:
        """The headers of a page of ours with a new session of a member's wallet."""
        secret, now_s = new_secret(), int(time.time())
        account, address = self.crowd.account[member], self.crowd.address[member]
        new = NewSession(hash_secret(secret), now_s, "127.0.0.1", None, account, address)
        self.store.write(lambda connection: begin_session(connection, new))
        return {"Cookie": f"microgrid={secret}", "Origin": self.url}

    def code(self, later: int = 0) -> str:
        """The one-time code of the person `kim` now, or so many steps later: each is good once."""
        return code_at(self.person.code_seed, int(time.time() // STEP_S) + later)

    def message(self, member: int = 0, **changes: int | bytes) -> dict[str, Any]:
        """An order that is accepted now, but for what is changed."""
        return {
            "account": self.crowd.account[member], "zone": int(self.crowd.zone[member]),
            "slot": self.first_open, "side": 1, "e_wh": 100, "price_mkrw_per_kwh": 100_000,
            "label": 0, "premium_mkrw_per_kwh": 0, "expires": self.first_open - 300,
            "replaces": bytes(32), "rules_version": 1, "nonce": 1, **changes,
        }  # fmt: skip

    def order(self, member: int = 0, **changes: int | bytes) -> bytes:
        """A signed order of a member."""
        key, address = self.crowd.private_key[member], self.crowd.address[member]
        message = self.message(member, **changes)
        return sign_message(self.domain, "Order", message, key, address=address)


@functools.cache
def stretched() -> str:
    return stretch_password(PASSWORD)


def new_person(name: str, role: str = "operator") -> Person:
    """A person whose password is PASSWORD."""
    return Person(name, role, stretched(), new_seed(), 0, 0)


def live(microgrid: Microgrid, crowd: Crowd, clock: StillClock) -> None:
    """An evening: the operator calls an event, the crowd orders and answers, slots are run."""
    installation, promises = microgrid.installation, Promises()
    for n in range(SLOTS):
        slot = FIRST + n * SLOT_S
        if n == 0:
            call_event(microgrid, slot)
            answer_events(installation, crowd, promises, slot)
        place_orders(installation, crowd, slot, promises)
        clock.at_s = slot - 300
        run_quarter_hour(microgrid, slot, clock.now_s)
    clock.at_s = FIRST + SLOTS * SLOT_S - 600
    found = Alarm("test", "warning", "a meter is silent", "A001", "look at it", None)
    installation.store.write(lambda c: alarms.raise_alarm(c, found, int(clock.at_s)))


def call_event(microgrid: Microgrid, slot: int) -> None:
    installation = microgrid.installation
    key, desk = installation.books.keys.trading, build_dr_desk(installation)
    call = DrCall("district", EVENT, 1)
    message = event_message(desk.admission.domain, installation.district, call, nonce=1)
    text = sign_message(desk.admission.domain, "DrEvent", message, key, address=address_of(key))
    one = prepare_message(desk.admission, text, (slot - 900) * 1_000_000, ("DrEvent",))
    answer = installation.store.write(lambda c: admit_dr(c, desk, one))
    assert answer.refusal is None, answer.refusal


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory, on_port: Any) -> Iterator[Town]:
    """The town after its evening, served."""
    folder = tmp_path_factory.mktemp("town")
    settings = Settings(
        district=DISTRICT, database_url=f"sqlite:///{folder}/town.db", seed=3, horizon_slots=16,
        plan_deadline_s=5.0, sign_in="required",
    )  # fmt: skip
    with open_installation(settings, lambda _: FIRST) as installation:
        microgrid, clock = start_microgrid(installation), StillClock(FIRST - 400)
        crowd = build_crowd(installation.district, settings.seed)
        try:
            live(microgrid, crowd, clock)
            context = ApiContext(
                store=installation.store, district=installation.district, settings=settings,
                clock=clock, admission=build_admission(installation),
            )  # fmt: skip
            found = Town(microgrid, clock, crowd, create_app(context))
            found.store.write(lambda c: add_person(c, found.person))
            with on_port(found.app) as found.port:
                yield found
        finally:
            microgrid.close()
