"""Who sends what to the market in a simulated day: orders, cancels, standing instructions.

Each letter is answered by the real desks. What was accepted is noted: it may never be lost, and
what was refused may never be traded.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from energy.crowd import build_crowd, sign_message
from energy.steps.context import Installation, build_admission
from energy.store.admission import Answer, admit_orders
from energy.store.contracts import list_contracts
from energy.store.instruction_desk import admit_instruction
from energy.store.mailbox import admit_message, prepare_message
from energy.units import SLOT_S
from market.signing import address_of

INSTRUCTION_SLOTS = 24


@dataclass(frozen=True)
class Letter:
    """A signed message, the desk that it goes to, and what it says."""

    desk: str
    text: bytes
    message: dict[str, Any]


@dataclass
class Residents:
    """The members of a district without a contract, and what they have been promised."""

    installation: Installation
    seed: int
    accepted: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[bytes] = field(default_factory=set)
    answers: dict[str, int] = field(default_factory=dict)
    _running: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    _nonce: int = 1_000_000

    def __post_init__(self) -> None:
        self._crowd = build_crowd(self.installation.district, self.installation.settings.seed)
        self._admission = build_admission(self.installation)
        contracts = self.installation.store.read(list_contracts)
        bound = {one.seller for one in contracts} | {one.buyer for one in contracts}
        self._free = [n for n, one in enumerate(self._crowd.account) if one not in bound]

    def letters(self, slot: int) -> Iterator[Letter]:
        """What is written before the gate of a slot, by seed and slot and by what was answered."""
        rng = random.Random(f"{self.seed} letters {slot}")
        for _ in range(rng.randint(1, 5)):
            letter = self._order(rng, slot + rng.choice((0, 0, 0, 1, 2)) * SLOT_S)
            yield letter
            if rng.random() < 0.2:
                yield letter  # the same once more, as after a lost answer
        live = [
            (id_, one)
            for id_, one in self.accepted.items()
            if one["slot"] >= slot and id_ not in self.cancelled
        ]
        if live and rng.random() < 0.4:
            id_, one = rng.choice(live)
            yield self._cancel(one["account"], id_, one["slot"], "messages")
        if rng.random() < 0.15:
            yield from self._instruct(rng, slot)

    def post(self, installation: Installation, letter: Letter, now_s: float) -> Answer:
        """The answer to a letter that comes at this time."""
        admission = build_admission(installation)
        at_us = int(now_s * 1_000_000)
        unit: Callable[[Connection], Answer]
        if letter.desk == "orders":
            unit = lambda c: admit_orders(c, admission, [letter.text], now_s)[0]  # noqa: E731
        elif letter.desk == "messages":
            one = prepare_message(admission, letter.text, at_us)
            unit = lambda c: admit_message(c, admission, one)  # noqa: E731
        else:
            allowed = ("StandingInstruction", "Cancel")
            one = prepare_message(admission, letter.text, at_us, allowed)
            unit = lambda c: admit_instruction(c, admission, one)  # noqa: E731
        return installation.store.write(unit)

    def hear(self, letter: Letter, answer: Answer) -> None:
        """Note what was promised."""
        what = letter.desk if answer.refusal is None else answer.refusal.code.name
        self.answers[what] = self.answers.get(what, 0) + 1
        if answer.refusal is not None:
            return
        assert answer.id is not None and answer.receipt is not None
        if letter.desk == "orders":
            self.accepted[answer.id] = letter.message
        elif letter.desk == "messages":
            self.cancelled.add(letter.message["order_id"])
        elif "end_slot" in letter.message:
            member = self._crowd.account.index(letter.message["account"])
            self._running[member] = (answer.id, letter.message["end_slot"])

    def _order(self, rng: random.Random, slot: int) -> Letter:
        member = rng.choice(self._free)
        meters = self.installation.district.meters
        has_roof = meters.pv_kwp[self._crowd.meter[member]] > 0
        message = {
            "zone": int(self._crowd.zone[member]), "slot": slot,
            "side": rng.choice((1, 2)) if has_roof else 1, "e_wh": rng.randint(10, 400),
            "price_mkrw_per_kwh": rng.randint(90, 200) * 1_000, "label": 0,
            "premium_mkrw_per_kwh": 0, "expires": slot - 300, "replaces": bytes(32),
            "rules_version": 1,
        }  # fmt: skip
        return self._signed("orders", "Order", member, message)

    def _cancel(self, account: bytes, id_: bytes, slot: int, desk: str) -> Letter:
        member = self._crowd.account.index(account)
        return self._signed(desk, "Cancel", member, {"order_id": id_, "slot": slot})

    def _instruct(self, rng: random.Random, slot: int) -> Iterator[Letter]:
        member = rng.choice(self._free)
        id_, end = self._running.get(member, (b"", 0))
        if end > slot:
            account = self._crowd.account[member]
            yield self._cancel(account, id_, slot + SLOT_S, "instructions")
            del self._running[member]
            return
        message = {
            "sides": 3, "sell_from_mkrw_per_kwh": 10_000, "buy_up_to_mkrw_per_kwh": 400_000,
            "day_cap_wh": 20_000, "day_cap_ukrw": 3_000_000_000, "first_slot": slot + SLOT_S,
            "end_slot": slot + rng.randint(2, INSTRUCTION_SLOTS) * SLOT_S, "rules_version": 1,
            "replaces": bytes(32),
        }  # fmt: skip
        yield self._signed("instructions", "StandingInstruction", member, message)

    def _signed(self, desk: str, type_: str, member: int, message: dict[str, Any]) -> Letter:
        self._nonce += 1
        whole = {"account": self._crowd.account[member], "nonce": self._nonce, **message}
        key = self._crowd.private_key[member]
        text = sign_message(
            self.installation.books.domain, type_, whole, key, address=address_of(key)
        )
        return Letter(desk, text, whole)
