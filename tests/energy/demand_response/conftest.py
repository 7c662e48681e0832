"""A small district through a two-hour event over real HTTP, from the call to the payment."""

import asyncio
import http.client
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from energy.api import ApiContext, create_app
from energy.cli import run as run_command
from energy.config import Settings
from energy.crowd import Crowd, Promises, build_crowd, sign_message
from energy.crowd.client import open_door
from energy.crowd.program import answer_offers
from energy.cycle import run_quarter_hour
from energy.simulate import _keep, place_orders
from energy.steps.context import Microgrid, build_admission, open_installation, start_microgrid
from energy.steps.measure import measure
from energy.steps.settling import settle_tick
from energy.units import SLOT_S
from market.signing import Domain

DISTRICT = "sejong-5-1@0.01"
FIRST = 1_784_088_000  # 2026-07-15 13:00 in Sejong
EVENT = FIRST + 4 * SLOT_S  # 14:00
END = EVENT + 8 * SLOT_S
ANSWER_BY = FIRST + 2 * SLOT_S
BY_HAND_WH = 30


@dataclass
class StillClock:
    """A clock that the test moves."""

    at_s: float
    mode: str = "demo"
    slot_seconds_real: float = 0.1

    def now_s(self) -> float:
        return self.at_s


@dataclass
class Scene:
    """The district, its served doors, and what came of the event."""

    microgrid: Microgrid
    clock: StillClock
    address: str
    crowd: Crowd
    url: str
    promises: Promises = field(default_factory=Promises)
    states: list[tuple[int, str]] = field(default_factory=list)
    answers: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    unverified: Path = Path()

    @property
    def domain(self) -> Domain:
        return self.microgrid.books.domain

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request: status and document."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("GET" if body is None else "POST", path, body, headers or {})
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read())
        connection.close()
        return answer.status, found

    def commit(self, member: int, **changes: Any) -> tuple[int, dict[str, Any]]:
        """What a member hears of an answer to the event."""
        message = {
            "account": self.crowd.account[member],
            "event_id": bytes.fromhex(self.event["id"][2:]),
            "e_wh_per_slot": BY_HAND_WH,
            "nonce": 7_000 + member,
            **changes,
        }
        return self.ask("/v1/dr/commits", self.sign("DrCommit", message, member))

    def sign(self, name: str, message: dict[str, Any], member: int) -> bytes:
        key, address = self.crowd.private_key[member], self.crowd.address[member]
        return sign_message(self.domain, name, message, key, address=address)

    def look(self) -> dict[str, Any]:
        """The event as everybody sees it, its state noted with the time."""
        status, found = self.ask(f"/v1/dr/events/{self.event['id']}")
        assert status == 200, found
        self.states.append((int(self.clock.at_s), found["state"]))
        return found

    def run(self, slot: int) -> None:
        """One quarter hour at its gate, with the crowd's orders before it."""
        place_orders(self.microgrid.installation, self.crowd, slot, self.promises)
        self.clock.at_s = slot - 300
        run_quarter_hour(self.microgrid, slot, self.clock.now_s)
        self.look()

    def tick(self, slot: int) -> None:
        """A tick without a market: measured and settled only."""
        memory = self.microgrid.memory
        measured = measure(
            self.microgrid.plant,
            self.microgrid.store,
            slot,
            state=memory.plant_state,
            last_good=memory.last_good,
        )
        _keep(self.microgrid, measured)
        self.clock.at_s = slot - 300
        settle_tick(self.microgrid, slot)


def settings_of(folder: Path) -> Settings:
    return Settings(
        district=DISTRICT,
        database_url=f"sqlite:///{folder}/district.db",
        seed=3,
        horizon_slots=24,
        plan_deadline_s=5.0,
    )


@pytest.fixture(scope="session")
def evented(
    tmp_path_factory: pytest.TempPathFactory,
    on_port: Callable[..., AbstractContextManager[int]],
) -> Iterator[Scene]:
    """The scene after its event was paid."""
    folder = tmp_path_factory.mktemp("event")
    settings = settings_of(folder)
    with ExitStack() as stack:
        installation = stack.enter_context(open_installation(settings, lambda _: FIRST))
        microgrid = start_microgrid(installation)
        stack.callback(microgrid.close)
        clock = StillClock(FIRST - 400)
        context = ApiContext(
            store=installation.store,
            district=installation.district,
            settings=settings,
            clock=clock,
            admission=build_admission(installation),
        )
        address = f"http://127.0.0.1:{stack.enter_context(on_port(create_app(context)))}"
        crowd = build_crowd(installation.district, settings.seed)
        scene = Scene(microgrid, clock, address, crowd, settings.database_url)
        _call(scene)
        scene.run(FIRST)
        scene.clock.at_s = FIRST + SLOT_S - 400
        _answer(scene)
        for slot in range(FIRST + SLOT_S, END, SLOT_S):
            scene.run(slot)
        scene.tick(END)
        scene.look()
        scene.unverified = _copy(microgrid, folder)
        scene.tick(END + SLOT_S)
        scene.event = scene.look()
        yield scene


def _call(scene: Scene) -> None:
    """The operator calls from the command line."""
    words = ["dr", "call", "--start", "2026-07-15T14:00", "--hours", "2"]
    words += ["--answer-by", "2026-07-15T13:30", "--url", scene.address, "--district", DISTRICT]
    assert run_command(words) == 0
    status, found = scene.ask("/v1/dr/events")
    assert status == 200 and len(found["items"]) == 1
    scene.event = found["items"][0]
    scene.look()


def _answer(scene: Scene) -> None:
    """The crowd's program answers, then members 0 to 4 by hand who have not: 4 declines."""

    async def answer() -> None:
        async with open_door(scene.address) as door:
            await answer_offers(door, scene.crowd, await door.fetch_market(), scene.promises)

    asyncio.run(answer())
    for member in range(5):
        changes = {"e_wh_per_slot": 0} if member == 4 else {}
        scene.answers[member] = scene.commit(member, **changes)


def _copy(microgrid: Microgrid, folder: Path) -> Path:
    """The store as it stands now, in a folder of its own."""
    other = folder / "before"
    other.mkdir()

    def settle(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    microgrid.store.read(settle)
    for path in folder.glob("district.db*"):
        if path.is_file():
            shutil.copy(path, other / path.name)
    return other
