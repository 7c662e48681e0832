"""The desk: one thread takes what the doors hand in and commits many orders in one transaction.

A sender waits for the commit of its own order; meanwhile others queue up and share the next one,
so that the cost of making a transaction durable is shared the more, the more there is to do.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from energy.api.problems import ProblemError
from energy.store.admission import (
    BATCH_MAX,
    Admission,
    Answer,
    PreparedOrder,
    admit_prepared,
    prepare_order,
)
from energy.store.engine import Store

log = logging.getLogger(__name__)

# What waits longer than a sender would: beyond it, more is refused at once.
WAITING_MAX = 4_000
GATHER_S = 0.003


@dataclass(frozen=True)
class _Ticket:
    order: PreparedOrder
    answer: asyncio.Future[Answer]
    loop: asyncio.AbstractEventLoop


class OrderDesk:
    """Takes orders from the event loop and answers each when it is durable or refused."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        self._waiting: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="order desk", daemon=True)
        self._is_open = False
        self.batches = 0

    def start(self) -> None:
        """Begin to work."""
        self._is_open = True
        self._thread.start()

    def stop(self) -> None:
        """Answer what has been handed in, then rest; returns when the last is answered."""
        if self._is_open:
            self._is_open = False
            self._waiting.put(None)
            self._thread.join()

    @property
    def waiting(self) -> int:
        """Orders that are not answered yet and not in a transaction."""
        return self._waiting.qsize()

    async def submit(self, text: bytes, received_us: int) -> Answer:
        """The answer to a message; raises ProblemError where too many wait already."""
        # What needs no database is done here: the thread below would only fight for the
        # interpreter with this one, and what cannot be read at all needs no transaction.
        order = prepare_order(self._admission, text, received_us)
        if order.order is None:
            return Answer(refusal=order.refusal)
        if not self._is_open or self.waiting >= WAITING_MAX:
            raise ProblemError(
                503, "BUSY", f"orders waiting: found {self.waiting}, allowed {WAITING_MAX}"
            )
        loop = asyncio.get_running_loop()
        ticket = _Ticket(order, loop.create_future(), loop)
        self._waiting.put(ticket)
        return await ticket.answer

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            # Those who post at the same moment share one transaction.
            time.sleep(GATHER_S)
            batch, is_last = [first], False
            while len(batch) < BATCH_MAX and not is_last and not self._waiting.empty():
                ticket = self._waiting.get()
                if ticket is None:
                    is_last = True
                else:
                    batch.append(ticket)
            self._serve(batch)
            if is_last:
                return

    def _serve(self, batch: Sequence[_Ticket]) -> None:
        """Answer a batch; where the store fails, nothing of it is accepted and all are told."""
        self.batches += 1
        orders = [ticket.order for ticket in batch]
        try:
            # In line, for the desks of two processes would undo each other's batches.
            answers = self._store.write(
                lambda connection: admit_prepared(connection, self._admission, orders), in_line=True
            )
        except Exception as error:
            log.warning("%s orders were not admitted: %s", len(batch), error)
            _hand_back(batch, [error] * len(batch))
            return
        _hand_back(batch, answers)


def _hand_back(batch: Sequence[_Ticket], answers: Sequence[Answer | Exception]) -> None:
    """Give all answers to the event loop in one call."""
    try:
        batch[0].loop.call_soon_threadsafe(_resolve, batch, answers)
    except RuntimeError:
        # The server has stopped meanwhile and nobody waits; what was accepted stays accepted.
        log.info("%s answers came after the server had stopped", len(batch))


def _resolve(batch: Sequence[_Ticket], answers: Sequence[Answer | Exception]) -> None:
    for ticket, answer in zip(batch, answers, strict=True):
        if ticket.answer.done():
            continue
        if isinstance(answer, Exception):
            ticket.answer.set_exception(answer)
        else:
            ticket.answer.set_result(answer)
