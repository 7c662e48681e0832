"""The event stream: every event once, in order, across breaks and restarts."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energy.store import events
from energy.store.engine import Store

SLOT = 1_784_106_000
Event = tuple[str, int, dict[str, Any]]


class Listener:
    """An open stream; `take` reads so many events of it."""

    def __init__(self, port: int, query: str = "", last_id: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        headers = {} if last_id is None else {"Last-Event-ID": last_id}
        self._connection.request("GET", f"/v1/events{query}", headers=headers)
        self.answer = self._connection.getresponse()

    def take(self, count: int) -> list[Event]:
        """The next events as (kind, id, data); comments are passed over."""
        found: list[Event] = []
        fields: dict[str, str] = {}
        while len(found) < count:
            line = self.answer.readline().decode().rstrip("\r\n")
            if not line and "data" in fields:
                found.append((fields["event"], int(fields["id"]), json.loads(fields["data"])))
            if not line:
                fields = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
        return found

    def close(self) -> None:
        """Go away without a word."""
        self._connection.close()


@contextlib.contextmanager
def listening(port: int, query: str = "", last_id: str | None = None) -> Iterator[Listener]:
    listener = Listener(port, query, last_id)
    try:
        yield listener
    finally:
        listener.close()


def tell(store: Store, n: int) -> int:
    return store.write(lambda c: events.add_event(c, "cycle", SLOT, {"n": n}))


def test_a_listener_hears_the_time_at_once_and_then_what_happens(served: Any) -> None:
    with listening(served.port) as stream:
        assert stream.answer.getheader("content-type").startswith("text/event-stream")
        kind, _, body = stream.take(1)[0]
        assert (kind, body) == ("beat", {"now_utc": "2026-07-15T08:43:20Z"})
        number = tell(served.store, 1)
        assert stream.take(1) == [("cycle", number, {"slot_utc": "2026-07-15T09:00:00Z", "n": 1})]


def test_breaks_lose_nothing_and_double_nothing(served: Any) -> None:
    heard: list[int] = []
    last: str | None = None
    for part in range(4):
        with listening(served.port, last_id=last) as stream:
            stream.take(1)
            if last is not None:
                heard += [event[2]["n"] for event in stream.take(3)]
            for n in range(3):
                tell(served.store, 10 * part + n)
            taken = stream.take(3)
            heard += [event[2]["n"] for event in taken]
            last = str(taken[-1][1])
        for n in range(3, 6):
            tell(served.store, 10 * part + n)
    assert heard == [10 * part + n for part in range(4) for n in range(6)][:-3]


def test_numbers_hold_across_a_restart_of_the_server(serve: Any, tmp_path: Path) -> None:
    with serve(tmp_path) as served:
        last = tell(served.store, 1)
        missed = tell(served.store, 2)
    with serve(tmp_path) as served, listening(served.port, f"?after={last}") as stream:
        assert [event[:2] for event in stream.take(2)] == [("beat", last), ("cycle", missed)]


def test_one_who_was_away_too_long_is_told_to_fetch_anew(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "KEPT", 3)
    numbers = [tell(served.store, n) for n in range(6)]
    with listening(served.port, f"?after={numbers[0]}") as stream:
        assert stream.take(1) == [("reload", numbers[-1], {"newest": numbers[-1]})]
    with listening(served.port, f"?after={numbers[-1] + 1000}") as stream:
        assert stream.take(1)[0][0] == "reload"
    with listening(served.port, f"?after={numbers[2]}") as stream:
        found = [event[1] for event in stream.take(4)]
        assert found == [numbers[2], *numbers[3:]]


def test_the_beat_goes_on_with_the_districts_time(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energy.api.live.BEAT_S", 0.1)
    with listening(served.port) as stream:
        stream.take(1)
        served.clock.at_s += 900
        kinds = {(kind, body["now_utc"]) for kind, _, body in stream.take(2)}
        assert ("beat", "2026-07-15T08:58:20Z") in kinds


def test_many_listeners_hear_the_same_and_are_counted(served: Any) -> None:
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(listening(served.port)) for _ in range(20)]
        for stream in streams:
            stream.take(1)
        numbers = [tell(served.store, n) for n in range(5)]
        for stream in streams:
            assert [event[1] for event in stream.take(5)] == numbers
        assert b"microgrid_event_streams 20" in served.ask("/metrics").body


def test_the_server_ends_in_time_though_streams_are_open(serve: Any, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with serve(tmp_path) as served:
            for _ in range(5):
                stack.enter_context(listening(served.port)).take(1)
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
