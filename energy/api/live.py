"""The event stream: what changed, numbered by the store, and a beat with the district's time.

One task per process reads new events from the store while anybody listens. A reader resumes by
`Last-Event-ID` or `?after=`; where what it missed is no longer kept, `reload` tells it to fetch
everything anew.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import orjson
from fastapi import APIRouter, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from energy.api.callers import MEMBERS, Doorman, caller_of, may
from energy.api.context import ApiContext, context_of
from energy.api.problems import ProblemError, answers
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.events import Event, event_range, events_after
from energy.timegrid import iso_of

log = logging.getLogger(__name__)

POLL_S = 0.2
BEAT_S = 15.0
KEPT_IN_MEMORY = 500
# A stream that ends by itself within this time has ended properly for its reader.
CLOSING_S = 1.0

router = APIRouter(tags=["live"])


class EventHub:
    """New events of the store, handed to every listener of this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: deque[Event] = deque(maxlen=KEPT_IN_MEMORY)
        self._news = asyncio.Condition()
        self._listeners: set[anyio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self.newest = 0
        self.oldest = 0

    @property
    def listeners(self) -> int:
        """Streams that are open now."""
        return len(self._listeners)

    async def start(self) -> None:
        """Take up the store's newest number and begin to look for more."""
        self.oldest, self.newest = await run_in_threadpool(self._store.read, event_range)
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Look no more; a look that is under way is finished, for it holds a connection."""
        self._ending.set()
        if self._task is not None:
            await self._task

    @contextlib.contextmanager
    def listening(self, closing: anyio.Event) -> Iterator[None]:
        """Count a listener while it listens; `closing` is set when the server is to end."""
        self._listeners.add(closing)
        try:
            yield
        finally:
            self._listeners.discard(closing)

    async def after(self, number: int, wait_s: float, closing: anyio.Event) -> list[Event]:
        """Events above a number, oldest first.

        Waits for the first, but no longer than `wait_s` and not while the server ends.
        """
        if number >= self.newest:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s), self._news:
                    await self._news.wait_for(lambda: self.newest > number or closing.is_set())
        if number >= self.newest:
            return []
        if self._recent and self._recent[0].id <= number + 1:
            return [event for event in self._recent if event.id > number]
        return await run_in_threadpool(
            self._store.read, lambda connection: events_after(connection, number)
        )

    async def _look(self) -> None:
        while not await self._is_ending():
            if any(closing.is_set() for closing in self._listeners):
                async with self._news:
                    self._news.notify_all()
            try:
                await self._take()
            except StoreError as error:
                log.warning("events wait: %s", error)

    async def _is_ending(self) -> bool:
        """Whether the end comes before it is time to look again."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), POLL_S)
        return self._ending.is_set()

    async def _take(self) -> None:
        newest = self.newest
        found = await run_in_threadpool(
            self._store.read, lambda connection: events_after(connection, newest)
        )
        if found:
            async with self._news:
                self._recent.extend(found)
                self.newest = found[-1].id
                self._news.notify_all()


@router.get(
    "/v1/events",
    summary="What changes, as server-sent events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "events `cycle`, `alarm`, `beat` (every 15 s, the district's time) and "
            "`reload` (fetch everything anew)",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "id: 17\nevent: cycle\ndata: "
                    '{"slot_utc":"2026-07-15T09:00:00Z","as_of_utc":"2026-07-15T09:00:00Z"}\n',
                }
            },
        },
        **answers(422),
    },
)
@may(MEMBERS)
async def events(request: Request, after: str | None = None) -> EventSourceResponse:
    """The stream from now on, or from the event after the one that the reader names."""
    named = after if after is not None else request.headers.get("last-event-id")
    start = None if named is None or named == "" else _number(named)
    hub: EventHub = request.app.state.hub
    doorman: Doorman = request.app.state.doorman
    caller = caller_of(request)
    closing = anyio.Event()
    return EventSourceResponse(
        _stream(
            hub,
            context_of(request),
            start,
            closing,
            functools.partial(doorman.is_still, request, caller),
        ),
        ping=60,
        headers={"Cache-Control": "no-store"},
        shutdown_event=closing,
        shutdown_grace_period=CLOSING_S,
    )


async def _stream(
    hub: EventHub,
    context: ApiContext,
    start: int | None,
    closing: anyio.Event,
    may_listen: Callable[[], bool],
) -> AsyncIterator[ServerSentEvent]:
    with hub.listening(closing):
        at = hub.newest if start is None else start
        oldest, newest = await run_in_threadpool(context.store.read, event_range)
        if at > newest or at + 1 < oldest:
            at = newest
            yield _sent("reload", {"newest": newest}, at)
        yield _sent("beat", beat(context), at)
        beaten = time.monotonic()
        while not closing.is_set():
            wait_s = max(beaten + BEAT_S - time.monotonic(), 0.0)
            found = await hub.after(at, wait_s, closing)
            # A right that is withdrawn ends the stream before it says anything more.
            if not await run_in_threadpool(may_listen):
                return
            for event in found:
                at = event.id
                yield _sent(event.kind, event_body(event), at)
            if time.monotonic() >= beaten + BEAT_S:
                beaten = time.monotonic()
                yield _sent("beat", beat(context), at)


def beat(context: ApiContext) -> dict[str, Any]:
    """The district's time, from which readers count ages."""
    return {"now_utc": iso_of(int(context.clock.now_s()))}


def event_body(event: Event) -> dict[str, Any]:
    """What changed, with the slot that it is about."""
    named = {} if event.slot is None else {"slot_utc": iso_of(event.slot)}
    return {**named, **event.body}


def _sent(kind: str, body: dict[str, Any], number: int) -> ServerSentEvent:
    return ServerSentEvent(orjson.dumps(body).decode(), event=kind, id=str(number))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ProblemError(
            422,
            "MALFORMED",
            f"after: found {text[:40]!r}, allowed the number of an event",
            "after",
            text[:40],
            "the number of an event",
        )
    return int(text)
