"""The connection opens and closes again, planned or not, and feeders are limited, at random times.

Orders come over the API to a loop at work whose clock is in the test's hands. Whatever has
set-points already is planned anew within a minute by the service's monotonic clock; nothing is
traded or metered across the open point, and what was not delivered is imbalance whose sum is 0.
"""

import contextlib
import http.client
import itertools
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import energy.steps.clearing
from energy.api import ApiContext, create_app
from energy.config import build_settings
from energy.crowd import Promises, build_crowd
from energy.daemon import Daemon, RealClock
from energy.simulate import place_orders
from energy.steps.context import Installation, build_admission, open_installation
from energy.steps.credentials import hash_secret, new_secret
from energy.steps.market_network import HUB_NODE, SPC_NODE
from energy.steps.proving import export_lines
from energy.store.books import load_entries, load_settlements, load_transfers
from energy.store.islands import Island, recent_islands
from energy.store.people import ServiceToken, add_token
from energy.store.readings import load_readings
from energy.store.setpoints import load_setpoints
from energy.store.slots import SlotRow, slots_between
from energy.timegrid import iso_of, parse_instant
from energy.units import SLOT_S
from market.transfers import Code, LedgerId, TransferKind
from market.verifier import verify_export

NOON = parse_instant("2026-05-10T12:00", "Asia/Seoul")
DUSK = NOON + 26 * SLOT_S
SAFE_WITHIN_S = 60.0
KINDS = ("planned island", "unplanned island", "F1 at 0", "F1 at half")
CARDS = itertools.count(1)


@dataclass
class Field:
    """A district whose loop runs at the test's clock, with a crowd that trades and an operator."""

    installation: Installation
    wall_s: float
    secret: str
    on_port: Any
    answered_s: list[float] = field(default_factory=list)
    count_s: float = 0.0

    def __post_init__(self) -> None:
        clock = RealClock(lambda: self.wall_s, lambda: self.count_s)
        self.daemon = Daemon(self.installation, clock)
        installation, settings = self.installation, self.installation.settings
        self.crowd, self.promises = build_crowd(installation.district, settings.seed), Promises()
        context = ApiContext(
            installation.store, installation.district, settings, clock,
            build_admission(installation),
        )  # fmt: skip
        self.served = self.on_port(create_app(context))
        self.port = self.served.__enter__()

    def say(self, method: str, path: str, order: Any = None) -> Any:
        """What the operator says over HTTP, which must be taken."""
        headers = {
            "Authorization": f"Bearer {self.secret}",
            "Idempotency-Key": f"order-{next(CARDS):07}",
            "Content-Type": "application/json",
        }
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as line:
            body = None if order is None else json.dumps(order)
            line.request(method, f"/v1/steering/{path}", body, headers)
            answer = line.getresponse()
            told = answer.read()
        assert answer.status in (200, 201), told
        return json.loads(told)

    def post(self, path: str, **order: Any) -> Any:
        return self.say("POST", path, order)

    def go_to(self, instant_s: float) -> None:
        """Time passes, the crowd orders before every gate, the alarm clock wakes the loop."""
        lead_s = self.installation.settings.gate_lead_s
        while (gate_s := self.installation.next_slot() - lead_s) <= instant_s:
            self._set(gate_s - 60)
            place_orders(self.installation, self.crowd, gate_s + lead_s, self.promises)
            self._set(gate_s)
            self.daemon.work_due_slots()
        self._set(instant_s)
        self.daemon.work_due_slots()

    def _set(self, instant_s: float) -> None:
        step_s = max(instant_s - self.wall_s, 0.0)
        self.wall_s, self.count_s = self.wall_s + step_s, self.count_s + step_s

    def read(self, unit: Callable[..., Any], *arguments: Any) -> Any:
        return self.installation.store.read(lambda connection: unit(connection, *arguments))


@pytest.fixture
def make_field(tmp_path: Path, on_port: Any) -> Iterator[Callable[[int], Field]]:
    opened: list[Any] = []

    def make(start: int) -> Field:
        settings = build_settings(
            district="sejong-5-1@0.005", database_url=f"sqlite:///{tmp_path}/events.db",
            bots=False, horizon_slots=6, history_days=7,
        )  # fmt: skip
        context = open_installation(settings, lambda _: start)
        installation = context.__enter__()
        secret = new_secret()
        token = ServiceToken(
            "centre", hash_secret(secret), "operator", ("operate", "district:read"), None, 0, 2**40
        )
        installation.store.write(lambda connection: add_token(connection, token))
        found = Field(installation, float(start - settings.gate_lead_s - SLOT_S), secret, on_port)
        opened.append((found, context))
        return found

    yield make
    for found, context in opened:
        found.served.__exit__(None, None, None)
        found.daemon.stop()
        context.__exit__(None, None, None)


def let_happen(field: Field, kind: str, rng: random.Random) -> None:
    """One event at a random time, its end at another, and quiet slots behind it."""
    field.go_to(field.installation.next_slot() + rng.uniform(0, 2 * SLOT_S))
    at_s, lasts = field.wall_s, rng.randint(3, 4)
    until = iso_of((int(at_s) // SLOT_S + lasts) * SLOT_S + SLOT_S)
    if kind == "planned island":
        made = field.post("islands", kind="planned", until_utc=until, reason=kind)
    elif kind == "unplanned island":
        made = field.post("islands", kind="unplanned", reason=kind)
    else:
        part = 0.0 if kind == "F1 at 0" else 0.5
        field.post(
            "limits", element="F1", p_frac_max=part, until_utc=until, at_once=True, reason=kind
        )
    if kind != "planned island":
        require_safe_at_once(field, at_s)
    field.go_to(at_s + lasts * SLOT_S * rng.uniform(0.1, 0.4))
    if kind.endswith("island") and (kind != "planned island" or rng.random() < 0.5):
        field.post(f"islands/{made['id']}/reconnect", reason="the utility is back")
    field.go_to((int(field.wall_s) // SLOT_S + 5) * SLOT_S)


def require_safe_at_once(field: Field, at_s: float) -> None:
    """The loop's next look tells the devices anew, in every slot that had been planned."""
    rows = field.read(slots_between, int(at_s) // SLOT_S * SLOT_S, 2**40)
    before = {row.start: field.read(load_setpoints, row.start).fence for row in rows}
    assert before, "nothing was planned when the order came"
    field.daemon.work_due_slots()
    told = field.say("GET", "replans")["items"][0]["answers"]
    assert [one["slot_utc"] for one in told] == [iso_of(slot) for slot in before]
    for slot, fence in before.items():
        found = field.read(load_setpoints, slot)
        assert found is not None and found.fence > fence, f"slot {slot} follows the old plan"
    field.answered_s += [one["after_s"] for one in told]


def require_nothing_across(field: Field) -> dict[str, int]:
    """In no slot of an island anything is traded or metered across the open point; what was sold
    before it opened is settled as imbalance. AssertionError names what does not hold.
    """
    sums = {"slots": 0, "traded_wh": 0, "imbalance_wh": 0}
    rows: list[SlotRow] = field.read(slots_between, NOON, 2**40)
    for island in field.read(recent_islands, 1000):
        for row in rows:
            if row.settled_utc is not None and island.holds_in(row.start):
                look_at(field, island, row, sums)
    return sums


def look_at(field: Field, island: Island, row: SlotRow, sums: dict[str, int]) -> None:
    slot = row.start
    metered_wh = field.read(load_readings, slot)["boundary_wh"].tolist()
    assert metered_wh == [0, 0], f"slot {slot}: {metered_wh} Wh metered at the open point"
    across_wh = across_in(field, slot)
    if row.claimed_utc > island.act.at_s:
        assert across_wh == 0, f"slot {slot}: {across_wh} Wh traded across the open point"
    sums["slots"] += 1
    sums["traded_wh"] += across_wh
    sums["imbalance_wh"] += imbalance_in(field, slot)


def across_in(field: Field, slot: int) -> int:
    """Wh that the slot's auction sent over the connection."""
    messages = [one.message for one in field.read(load_entries, slot) if one.type == "Clearing"]
    links = [link for one in messages if int(one["label"]) == 0 for link in one["links"]]
    ways = {(SPC_NODE, HUB_NODE), (HUB_NODE, SPC_NODE)}
    return sum(
        int(link["flow_wh"])
        for link in links
        if (int(link["from_node"]), int(link["to_node"])) in ways
    )


def imbalance_in(field: Field, slot: int) -> int:
    """Wh that were replaced in the slot; what BALANCING takes it gives, and POOL keeps nothing."""
    books = field.installation.books
    number = {books.book.number[one]: one for one in (books.system.balancing, books.system.pool)}
    left = dict.fromkeys(itertools.product(number, LedgerId), 0)
    replaced = 0
    for settlement in field.read(load_settlements, slot):
        if settlement.version == 0:
            continue
        for one in field.read(load_transfers, settlement.no):
            if one.kind in (TransferKind.PENDING, TransferKind.VOID):
                continue  # reservations and their end move nothing
            for account, sign in ((one.debit, -1), (one.credit, 1)):
                if account in number:
                    left[account, LedgerId(one.ledger)] += sign * one.amount
            if (one.ledger, one.code) == (LedgerId.ENERGY, Code.REPLACEMENT):
                replaced += -one.amount if one.kind == TransferKind.REVERSE else one.amount
    kept = {(books.book.number[books.system.balancing], LedgerId.KRW)}  # what deviators have paid
    still_open = {key: amount for key, amount in left.items() if amount and key not in kept}
    assert not still_open, f"slot {slot}: imbalance is left open, {still_open}"
    return replaced // 2  # each was taken from somewhere and given to somebody


def require_whole_books(field: Field) -> None:
    """The stand-alone verifier finds the books whole and every settlement right."""
    report = verify_export(export_lines(field.installation.store))
    assert report.ok, report


@pytest.mark.check(15)
def test_no_event_of_the_grid_is_answered_late_or_traded_across(
    make_field: Callable[[int], Field], check: Any
) -> None:
    field, events = make_field(NOON), check.trials(100, 4)
    field.go_to(NOON + 2 * SLOT_S)
    for number in range(events):
        let_happen(field, KINDS[number % len(KINDS)], check.rng)
    sums = require_nothing_across(field)
    require_whole_books(field)
    assert sums["slots"] >= events // 2 and field.answered_s
    latest_s = max(field.answered_s)
    if os.environ.get("SOAK"):
        assert latest_s <= SAFE_WITHIN_S
    check.state(
        f"{events} events: {len(field.answered_s)} slots told anew within {latest_s:.1f} s; "
        f"{sums['slots']} slots alone, 0 Wh across the open point, {sums['imbalance_wh']} Wh of"
        " imbalance, sum 0"
    )


@pytest.mark.check(15, canary=True)
def test_a_market_that_ignores_the_open_point_is_found_out(
    make_field: Callable[[int], Field], check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = energy.steps.clearing.plan_quote

    def blind(*arguments: Any) -> Any:
        found = asked(*arguments)
        usual = found.import_mkrw_per_kwh  # and not what is missed where the district is alone
        return replace(found, value_mkrw_per_kwh=usual, import_wh=50_000, export_wh=50_000)

    monkeypatch.setattr(energy.steps.clearing, "plan_quote", blind)
    monkeypatch.setattr(energy.steps.clearing, "network_of_slot", lambda rules, _room: rules)
    field = make_field(DUSK)
    field.go_to(DUSK + SLOT_S * check.rng.uniform(1, 2))
    until = iso_of(DUSK + 7 * SLOT_S)
    field.post("islands", kind="planned", until_utc=until, reason="works")
    field.go_to(DUSK + 9 * SLOT_S)
    with pytest.raises(AssertionError, match="Wh traded across the open point"):
        require_nothing_across(field)
