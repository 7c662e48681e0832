"""The crowd at work: for each open slot, every member's order, spread over the time to the gate.

The program knows the server's public prices and nothing else of it. Where the server goes away it
waits; when it is back, everything of the open slot is posted again, byte for byte the same, for an
order that had arrived gets its first answer again.
"""

import asyncio
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from energy.crowd.bidding import build_orders
from energy.crowd.client import (
    CONNECTIONS_MAX,
    MarketDoor,
    PostAnswer,
    RefusedError,
    UnreachableError,
    open_door,
)
from energy.crowd.demand_response import Promises, build_commits, within_promises
from energy.crowd.members import Crowd, sign_commits, sign_orders
from energy.crowd.public import MarketNow, require_district
from energy.timegrid import iso_of

log = logging.getLogger(__name__)

BATCH = CONNECTIONS_MAX
# Part of the time to the gate over which a slot's orders are spread.
SPREAD_FRAC = 0.6
WAIT_S_MIN, WAIT_S_MAX = 0.25, 5.0
POLL_S_MIN, POLL_S_MAX = 0.25, 30.0
# The order reached the server before, from an earlier run of this program.
KNOWN_CODES = frozenset({"ACCEPTED", "NONCE_CONFLICT"})
# Nothing more of this slot can be accepted.
OVER_CODES = frozenset({"GATE_CLOSED", "SLOT_NOT_OPEN"})


@dataclass
class SlotRound:
    """The orders of one open slot: what is to be posted, and what was answered by code."""

    crowd: Crowd
    market: MarketNow
    orders: list[dict[str, Any]]
    envelopes: list[bytes] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    posted: int = 0

    @property
    def slot(self) -> int:
        """The slot that the orders are for."""
        return self.market.first_open_slot

    def is_over(self) -> bool:
        """Whether nothing is left to post, or nothing more would be taken."""
        return self.posted >= len(self.orders) or not OVER_CODES.isdisjoint(self.codes)

    def next_batch(self) -> list[bytes]:
        """The next envelopes; each order is signed once."""
        end = min(self.posted + BATCH, len(self.orders))
        unsigned = self.orders[len(self.envelopes) : end]
        self.envelopes += sign_orders(self.crowd, self.market.domain, unsigned)
        return self.envelopes[self.posted : end]

    def begin_again(self) -> None:
        """Post everything once more: what the server had not committed may be lost."""
        self.posted = 0
        self.codes.clear()


async def run_crowd(
    url: str,
    crowd: Crowd,
    stop: asyncio.Event,
    report: Callable[[SlotRound], None],
    token: str = "",
) -> None:
    """Post the crowd's orders of every open slot until `stop`; each finished slot is reported.

    Raises CrowdError where the server is another district's or its prices cannot be understood.
    """
    wait_s = WAIT_S_MIN
    current: SlotRound | None = None
    promises = Promises()
    async with open_door(url, token) as door:
        while not stop.is_set():
            try:
                market = await door.fetch_market()
                await answer_offers(door, crowd, market, promises)
                current = _round_of(crowd, market, current, promises)
                if current.is_over():
                    await _pause(stop, _until_next(market))
                else:
                    await _post_round(door, current, market, stop)
                    if current.is_over():
                        report(current)
                wait_s = WAIT_S_MIN
            except UnreachableError as error:
                log.debug("%s; next try in %.1f s", error, wait_s)
                if current is not None:
                    current.begin_again()
                await _pause(stop, wait_s)
                wait_s = min(2 * wait_s, WAIT_S_MAX)


async def answer_offers(
    door: MarketDoor, crowd: Crowd, market: MarketNow, promises: Promises
) -> None:
    """Answer every DR event that is open and that this program has not answered yet."""
    try:
        offers = await door.fetch_offers()
    except RefusedError as error:
        if not promises.is_refused:
            log.warning("%s; no event is answered, set MICROGRID_TOKEN", error)
        promises.is_refused = True
        return
    for offer in offers:
        if offer.id in promises.answered:
            continue
        commits = build_commits(crowd, offer)
        codes = Counter[str]()
        for first in range(0, len(commits), BATCH):
            part = commits[first : first + BATCH]
            envelopes = sign_commits(crowd, market.domain, part)
            answers = await _post_batch([door.post_commit(one) for one in envelopes])
            for commit, answer in zip(part, answers, strict=True):
                codes[answer.code] += 1
                if answer.is_accepted:
                    promises.keep(offer, commit["account"], answer.document)
        promises.answered.add(offer.id)
        text = ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
        log.info("event of %s: %s", iso_of(offer.first_slot), text or "nobody takes part")


def _round_of(
    crowd: Crowd, market: MarketNow, current: SlotRound | None, promises: Promises
) -> SlotRound:
    """The round of the first open slot: the current one, or a new one with orders to sign."""
    require_district(market, crowd.district)
    if current is not None and current.slot == market.first_open_slot:
        return current
    promises.forget_before(market.first_open_slot)
    orders = build_orders(crowd, market.first_open_slot, market.prices)
    return SlotRound(crowd, market, within_promises(orders, promises))


async def _post_round(
    door: MarketDoor, current: SlotRound, market: MarketNow, stop: asyncio.Event
) -> None:
    """Post what is left of a round, a batch at a time, the batches spread over the time left."""
    batches = max(-(-(len(current.orders) - current.posted) // BATCH), 1)
    pause_s = SPREAD_FRAC * min(market.gate_in_s, market.slot_seconds_real) / batches
    clock = asyncio.get_running_loop().time
    due_s = clock()
    while not current.is_over() and not stop.is_set():
        batch = current.next_batch()
        answers = await _post_batch([door.post_order(envelope) for envelope in batch])
        current.codes.update(answer.code for answer in answers)
        current.posted += len(batch)
        due_s += pause_s
        await _pause(stop, due_s - clock())


async def _post_batch(batch: list[Coroutine[Any, Any, PostAnswer]]) -> list[PostAnswer]:
    """The answers to a batch posted at once; raises UnreachableError if any got none."""
    posts = [asyncio.ensure_future(post) for post in batch]
    await asyncio.wait(posts)
    # Every result is looked at before the first error goes up, or the others would be unheard.
    errors = [error for post in posts if (error := post.exception()) is not None]
    if errors:
        raise errors[0]
    return [post.result() for post in posts]


def _until_next(market: MarketNow) -> float:
    """Real seconds until it is worth while to look for another open slot."""
    return min(max(market.gate_in_s, POLL_S_MIN), POLL_S_MAX)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond `stop`."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def log_round(current: SlotRound) -> None:
    """Say what became of a slot's orders; refusals aloud."""
    refused = {code: n for code, n in current.codes.items() if code not in KNOWN_CODES}
    text = ", ".join(f"{code} {n}" for code, n in sorted(refused.items()))
    level = logging.WARNING if refused.keys() - OVER_CODES else logging.INFO
    log.log(
        level,
        "slot %s: %d orders of %d in the book%s",
        iso_of(current.slot),
        sum(current.codes.values()) - sum(refused.values()),
        len(current.orders),
        f"; refused: {text}" if text else "",
    )


async def run_program(url: str, crowd: Crowd, *, until_eof: bool, token: str = "") -> None:
    """`run_crowd` until SIGINT or SIGTERM or, if wanted, the end of standard input."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    if until_eof:
        threading.Thread(target=_await_eof, args=(loop, stop), daemon=True).start()
    await run_crowd(url, crowd, stop, log_round, token)


def _await_eof(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Read standard input to its end; whoever started the crowd holds the other end."""
    # Not through sys.stdin: its lock, held here, would stop the interpreter from ending.
    while os.read(0, 4096):
        continue
    loop.call_soon_threadsafe(stop.set)
