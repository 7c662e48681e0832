"""Alarms to real webhooks: signed, at least once, with patience and an end, beside the loop."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

import energy.steps.alarm_posts as room
from energy.config import Settings
from energy.service import run_service
from energy.steps.alarm_posts import AlarmPoster, Webhook, WebhookError, secret_of, webhooks_of
from energy.store.alarm_outbox import (
    END_S,
    GONE_AT_ONCE,
    KEPT_S,
    RECENT_S,
    Moment,
    add_messages,
    count_messages,
    mark_delivered,
    missing_messages,
    take_due,
)
from energy.store.alarms import (
    Alarm,
    Seen,
    acknowledge_alarm,
    end_alarm,
    open_alarms,
    raise_alarm,
)
from energy.store.engine import Store
from energy.store.errors import StoreBusyError

NOW_S, WALL_S = 1_784_105_000, 1_800_000_000
SECRET = "sixteen characters and more"
GRAVE = Alarm("slot/grid", "alarm", "line 3 at 104 %", "F3-07", "Limit the feeder.")
LIGHT = Alarm("slot/meters", "warning", "2 area meters silent", "area meters", "Look at them.")


@dataclass
class Receiver:
    """A webhook that does what it is told, in turn; `got` are (path, headers, body)."""

    turns: list[str] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, path: str = "/top-secret") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        return [headers["microgrid-message"] for _, headers, _ in self.got]


def is_end(one: tuple[str, dict[str, str], bytes]) -> bool:
    """Whether it tells that an alarm has ended."""
    return bool(json.loads(one[2])["kind"] == "ended")


class Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        here = self.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        here.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        turn = here.turns.pop(0) if here.turns else "ok"
        if turn == "hang":
            here.released.wait(20)
        elif turn == "drip":
            self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        elif turn == "flood":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self._drip(b"", b"x" * 65_536)
        else:
            status = {"ok": 204, "moved": 307}.get(turn) or int(turn)
            self.send_response(status)
            if turn == "moved":
                self.send_header("Location", here.url("/elsewhere"))
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _drip(self, head: bytes, more: bytes = b"x") -> None:
        try:
            self.wfile.write(head)
            while not self.receiver.released.wait(0.05):
                self.wfile.write(more)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Starts receivers; all end with the test."""
    running: list[tuple[ThreadingHTTPServer, Receiver, threading.Thread]] = []

    def start(*turns: str) -> Receiver:
        here = Receiver(list(turns))
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"receiver": here}))
        server.daemon_threads = True
        here.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, here, thread))
        return here

    yield start
    for server, here, thread in running:
        here.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass
class Clocks:
    """District and wall time, moved by the test."""

    district: float = NOW_S
    wall: float = WALL_S


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(room, "ANSWER_S", 0.6)
    return Clocks()


def poster(store: Store, clocks: Clocks, *receivers: Receiver) -> AlarmPoster:
    settings = Settings(
        alarm_webhooks=",".join(one.url() for one in receivers), alarm_webhook_secret=SECRET
    )
    return AlarmPoster(store, settings, "sejong", lambda: clocks.district, lambda: clocks.wall)


def say(store: Store, alarm: Alarm, now_s: float = NOW_S) -> int:
    return store.write(lambda connection: raise_alarm(connection, alarm, int(now_s)))


def id_of(number: int, kind: str) -> str:
    """The id of what is told of an alarm that was raised when the test began."""
    return f"sejong-alarm-{number}-{NOW_S}-{kind}"


def until(good: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not good():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def rows(store: Store, columns: str) -> list[tuple[Any, ...]]:
    query = text(f"SELECT {columns} FROM alarm_message ORDER BY no")
    return [tuple(row) for row in store.read(lambda connection: connection.execute(query).all())]


def until_told(store: Store, tries: int, trouble: str) -> None:
    """Wait until the first message was tried so often and the store knows what came of it."""
    until(lambda: rows(store, "tries, trouble")[:1] == [(tries, trouble)], f"{tries}: {trouble}")


def test_a_grave_alarm_is_posted_at_once_and_signed(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    here, number = receive(), say(store, GRAVE)
    with poster(store, clocks, here):
        until(lambda: here.ids == [id_of(number, "raised")], "it is posted")
    _, headers, body = here.got[0]
    at_s, _, made = headers["microgrid-signature"].removeprefix("t=").partition(",v1=")
    signed = f"{at_s}.".encode() + body
    assert (int(at_s), made) == (
        WALL_S, hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest(),
    )  # fmt: skip
    told = json.loads(body)
    assert (told["kind"], told["district"], told["alarm"]["what"]) == (
        "raised", "sejong", GRAVE.what,
    )  # fmt: skip


def let_write(store: Store, *, may: bool) -> None:
    """Let the one connection that writes do so, or refuse it as of a file for reading only."""
    connection = store._writer.raw_connection()
    connection.cursor().execute(f"PRAGMA query_only = {'OFF' if may else 'ON'}").close()
    connection.close()


def test_a_store_that_takes_nothing_is_told_past_it_again_and_again_until_it_does(
    sqlite_store: Store,
    clocks: Clocks,
    receive: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "REFUSED_S", 0.2)
    monkeypatch.setattr(room, "REFUSED_AGAIN_S", 0.1)
    monkeypatch.setattr(room, "REFUSED_RETRY_S", 0.1)
    here = receive("500")
    let_write(sqlite_store, may=False)
    with poster(sqlite_store, clocks, here):
        with pytest.raises(StoreBusyError):
            say(sqlite_store, GRAVE)
        assert not here.ids  # a moment is nothing
        until(lambda: len(here.ids) > 3, "it is said again and again")
        assert len(set(here.ids)) == 1 and rows(sqlite_store, "no") == []
        let_write(sqlite_store, may=True)
        number = say(sqlite_store, GRAVE)
        until(lambda: id_of(number, "raised") in here.ids, "what is kept is posted as ever")
        until(lambda: any(map(is_end, here.got)), "the refusal's end is told, before it or after")
    raised, ended = here.got[0], next(filter(is_end, here.got))
    alarm = json.loads(raised[2])["alarm"]
    assert alarm["cause"] == "store/refused" and "readonly" in alarm["what"]
    assert json.loads(ended[2])["alarm"]["ended_utc"] is not None
    assert ended[1]["microgrid-message"] == here.ids[0].replace("raised", "ended")


def test_what_nobody_has_seen_in_ten_minutes_is_posted_and_so_is_its_end(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    here, seen, unseen = receive(), say(store, GRAVE), say(store, LIGHT)
    store.write(lambda connection: acknowledge_alarm(connection, seen, Seen("person kim", NOW_S)))
    with poster(store, clocks, here):
        until(lambda: len(here.got) == 1, "the grave one")
        clocks.district += 599
        time.sleep(0.2)
        assert here.ids == [id_of(seen, "raised")]
        clocks.district += 1
        until(lambda: len(here.got) == 2, "the one that nobody has seen")
        for cause in (GRAVE.cause, LIGHT.cause):
            store.write(lambda connection, c=cause: end_alarm(connection, c, NOW_S + 700))
        until(lambda: len(here.got) == 4, "both have ended")
        time.sleep(0.1)
    assert here.ids[1:] == [id_of(unseen, "escalated"), id_of(seen, "ended"),
                            id_of(unseen, "ended")]  # fmt: skip


def test_the_second_ones_are_told_only_of_what_nobody_has_seen_for_long(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    first, second = receive(), receive()
    settings = Settings(
        alarm_webhooks=first.url(), alarm_second_webhooks=second.url("/boss"),
        alarm_second_min=30, alarm_webhook_secret=SECRET,
    )  # fmt: skip
    seen, unseen = say(store, GRAVE), say(store, replace(GRAVE, cause="slot/heat"))
    store.write(lambda connection: acknowledge_alarm(connection, seen, Seen("person kim", NOW_S)))
    with AlarmPoster(store, settings, "sejong", lambda: clocks.district, lambda: clocks.wall):
        until(lambda: len(first.got) == 2, "the first is told at once")
        clocks.district += 30 * 60 - 1
        until(lambda: len(first.got) == 3, "and again")
        time.sleep(0.1)
        assert second.ids == []
        clocks.district += 1
        until(lambda: second.ids == [id_of(unseen, "escalated")], "the second level")


def test_a_refusal_is_tried_again_later_with_the_same_id_and_bytes(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    here = receive("500", "moved", "404")
    say(store, GRAVE)
    with poster(store, clocks, here):
        for tries, (status, wait_s) in enumerate(((500, 15), (307, 30), (404, 60)), start=1):
            until_told(store, tries, f"HTTP {status}")
            clocks.wall += wait_s - 1
            time.sleep(0.15)
            assert len(here.got) == tries  # not before its time
            clocks.wall += 1
        until(lambda: rows(store, "delivered_s")[0][0] is not None, "taken")
    assert len(set(here.ids)) == 1 and len({body for _, _, body in here.got}) == 1
    assert {path for path, _, _ in here.got} == {"/top-secret"}  # no redirect was followed
    assert rows(store, "tries, trouble, given_up_s") == [(4, "", None)]


def test_while_a_webhook_takes_nothing_the_page_says_so_and_never_its_address(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver], caplog: pytest.LogCaptureFixture
) -> None:
    here = receive("500", "501", "502")
    say(store, GRAVE)

    def own() -> list[str]:
        found = store.read(open_alarms)
        return [one.alarm.what for one in found if one.alarm.cause.startswith("webhook/")]

    with poster(store, clocks, here):
        for tries, status in enumerate((500, 501, 502), start=1):
            until_told(store, tries, f"HTTP {status}")
            if tries < 3:
                clocks.wall += 60
        until(lambda: own() != [], "an alarm of the webhook")
        assert own() == ["webhook 1 (127.0.0.1) takes no alarms: HTTP 502"]
        clocks.wall += 60
        until(lambda: own() == [], "it has ended")
    kept = rows(store, "target, body, trouble")
    assert "top-secret" not in f"{kept} {caplog.text}" and SECRET not in f"{kept} {caplog.text}"
    assert len(set(here.ids)) == 1  # what is told of a webhook is not posted to it


@pytest.mark.parametrize("turn", ["hang", "drip"])
def test_one_that_hangs_holds_up_neither_another_nor_the_store_nor_the_end(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver], turn: str
) -> None:
    slow, other = receive(turn, turn), receive()
    say(store, GRAVE)
    with poster(store, clocks, slow, other):
        until(lambda: len(slow.got) == 1 and len(other.got) == 1, "both were asked")
        # While it hangs nothing is locked: the loop writes as ever.
        began = time.monotonic()
        say(store, LIGHT)
        assert time.monotonic() - began < 0.5
        until(lambda: any("no answer within" in one for (one,) in rows(store, "trouble")), "over")
    with poster(store, clocks, slow, other):
        clocks.wall += 15
        until(lambda: len(slow.got) == 2, "asked again")
        ending = time.monotonic()
    assert time.monotonic() - ending < 0.5


def test_an_answer_without_end_is_not_read(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    here = receive("flood")
    say(store, GRAVE)
    with poster(store, clocks, here):
        until(lambda: rows(store, "delivered_s")[-1:] == [(WALL_S,)], "taken")


def test_what_was_under_way_at_a_crash_is_posted_once_more(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    here = receive()
    say(store, GRAVE)
    (webhook,) = webhooks_of(Settings(alarm_webhooks=here.url()))
    moment = Moment(NOW_S, WALL_S)

    def take(connection: Any) -> Any:
        due = missing_messages(connection, webhook.target, moment, 600)
        add_messages(connection, webhook.target, due, moment, "sejong")
        return take_due(connection, webhook.target, WALL_S), take_due(
            connection, webhook.target, WALL_S
        )

    taken, twice = store.write(take)
    assert taken is not None and twice is None  # nobody else takes it meanwhile
    clocks.wall += 15
    with poster(store, clocks, here):
        until(lambda: here.ids == [taken.id], "posted after the crash")


def test_no_two_messages_have_one_id_though_numbers_are_given_again(store: Store) -> None:
    """Numbers begin at 1 in every store, and a restored one gives its newest again."""

    def told(district: str, since_s: int, wall_s: int) -> list[str]:
        number = say(store, replace(GRAVE, cause=f"slot/{wall_s}"), since_s)

        def unit(connection: Connection) -> list[str]:
            moment = Moment(since_s, wall_s)
            add_messages(connection, "here", [(number, "raised")], moment, district)
            found = take_due(connection, "here", wall_s)
            again = take_due(connection, "here", wall_s + 15)
            assert found is not None and again is not None and found.body == again.body
            assert json.loads(found.body)["id"] == found.id == again.id and found.id.isascii()
            # As of an older copy: the alarm is gone, and its number is given once more.
            connection.execute(text("DELETE FROM alarm_message"))
            connection.execute(text("DELETE FROM alarm"))
            if store.is_sqlite:
                connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'alarm'"))
            else:
                connection.execute(text("ALTER SEQUENCE alarm_id_seq RESTART"))
            return [f"{number}", found.id]

        return store.write(unit)

    places = (("sejong", NOW_S), ("sejong", NOW_S + 900), ("세종", NOW_S), ("busan", NOW_S))
    found = [told(*place, WALL_S + number) for number, place in enumerate(places)]
    assert {number for number, _ in found} == {"1"}
    assert len({id_ for _, id_ in found}) == len(places)


def test_what_is_told_of_one_alarm_comes_in_its_order(store: Store) -> None:
    first, other = say(store, GRAVE), say(store, replace(GRAVE, cause="slot/heat"))

    def look(wall_s: int) -> str | None:
        def unit(connection: Connection) -> str | None:
            moment = Moment(NOW_S + 60, wall_s)
            due = missing_messages(connection, "here", moment, 600)
            add_messages(connection, "here", due, moment, "sejong")
            found = take_due(connection, "here", wall_s)
            return None if found is None else found.id

        return store.write(unit)

    assert look(WALL_S) == id_of(first, "raised")  # it is refused, and waits for 15 s
    store.write(lambda connection: end_alarm(connection, GRAVE.cause, NOW_S + 30))
    assert look(WALL_S + 1) == id_of(other, "raised")
    assert look(WALL_S + 2) is None, "the end of the first waits for its beginning"
    assert look(WALL_S + 15) == id_of(first, "raised")
    store.write(lambda connection: mark_delivered(connection, 1, WALL_S + 16))
    assert [look(WALL_S + 17), look(WALL_S + 17)] == [
        id_of(other, "raised"), id_of(first, "ended"),
    ]  # fmt: skip


@pytest.mark.parametrize("change", [{"severity": "alarm"}, {"where": "F9-01"}])
def test_what_becomes_graver_or_moves_is_another_alarm_that_nobody_has_seen(
    store: Store, change: dict[str, str]
) -> None:
    light = replace(LIGHT, where="F3-07")
    first = say(store, light)
    store.write(lambda connection: acknowledge_alarm(connection, first, Seen("person kim", NOW_S)))
    assert say(store, replace(light, what="3 area meters silent")) == first
    second = say(store, replace(light, **change), NOW_S + 900)
    (found,) = store.read(open_alarms)
    assert (found.id, found.seen, found.since_utc) == (second, None, NOW_S + 900)
    assert say(store, replace(light, **{**change, "severity": "warning"})) == second
    moment = Moment(NOW_S + 900 + 600, WALL_S)
    due = store.read(lambda connection: missing_messages(connection, "here", moment, 600))
    assert (second, "escalated") in due and first not in {number for number, _ in due}


def test_what_a_message_has_overtaken_is_told_no_more(store: Store) -> None:
    say(store, GRAVE)
    begun, over = Moment(NOW_S, WALL_S), Moment(NOW_S + 60, WALL_S + 60)

    def unit(connection: Connection) -> object:
        for moment in (begun, over):
            due = missing_messages(connection, "here", moment, 600)
            add_messages(connection, "here", due, moment, "sejong")
            end_alarm(connection, GRAVE.cause, NOW_S + 30)
        mark_delivered(connection, 2, WALL_S + 60)
        return take_due(connection, "here", WALL_S + 60)

    assert store.write(unit) is None
    assert store.read(count_messages) == {"waiting": 0, "delivered": 1, "given_up": 1}


def test_after_a_day_without_success_a_message_is_given_up(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    here = receive("500")
    say(store, GRAVE)
    with poster(store, clocks, here):
        until_told(store, 1, "HTTP 500")
        clocks.wall += END_S
        until(lambda: rows(store, "given_up_s") == [(WALL_S + END_S,)], "given up")
        time.sleep(0.1)
        assert len(here.got) == 1
        assert webhook_alarms(store) == [
            (
                "alarm",
                "webhook 1 (127.0.0.1) has taken nothing for 24 h; given up: " + id_of(1, "raised"),
            )
        ]
        assert store.read(count_messages) == {"waiting": 0, "delivered": 0, "given_up": 1}
        say(store, replace(GRAVE, cause="slot/heat"))
        until(lambda: webhook_alarms(store) == [], "it takes something again")


def webhook_alarms(store: Store) -> list[tuple[str, str]]:
    found = [one.alarm for one in store.read(open_alarms)]
    return [(one.severity, one.what) for one in found if one.cause.startswith("webhook/")]


@pytest.mark.parametrize("became", ["delivered_s", "given_up_s", "next_s"])
def test_old_messages_go_whatever_became_of_them_once_their_alarm_is_over(
    store: Store, became: str
) -> None:
    """Also those for an address that the settings no longer have."""
    count = GONE_AT_ONCE + 10

    def fill(connection: Connection) -> None:
        begun = Moment(NOW_S, WALL_S)
        for number in range(count + 1):
            alarm = replace(GRAVE, cause=f"slot/{number}")
            add_messages(
                connection, "old", [(raise_alarm(connection, alarm, NOW_S), "raised")], begun, "s"
            )
            if number < count:
                end_alarm(connection, alarm.cause, NOW_S)
        connection.execute(text(f"UPDATE alarm_message SET {became} = {WALL_S}"))

    store.write(fill)
    at_end, later = (Moment(NOW_S + RECENT_S + 1, WALL_S + KEPT_S + plus) for plus in (0, 1))
    left = []
    for moment in (at_end, later, later, later):
        store.write(lambda c, m=moment: add_messages(c, "new", [], m, "s"))
        left.append(len(rows(store, "no")))
    assert left == [count + 1, count + 1 - GONE_AT_ONCE, 1, 1]  # the open alarm's one stays


def test_a_failure_of_the_program_is_an_alarm_and_the_next_message_is_posted(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, post = receive(), AlarmPoster._post
    monkeypatch.setattr(room, "FAILED_WAIT_S", 0.02)
    failing = threading.Event()
    failing.set()

    async def fail(self: AlarmPoster, *arguments: Any) -> str:
        if failing.is_set():
            raise TypeError("top-secret")
        return await post(self, *arguments)

    monkeypatch.setattr(AlarmPoster, "_post", fail)
    say(store, GRAVE)
    told = ("alarm", "webhook 1 (127.0.0.1) is told no alarms: TypeError")
    with poster(store, clocks, here) as at_work:
        until(lambda: webhook_alarms(store) == [told], "an alarm of the webhook")
        assert at_work.trouble() is None
        failing.clear()
        clocks.wall += 15
        until(lambda: here.ids == [id_of(1, "raised")], "posted")
        until(lambda: webhook_alarms(store) == [], "it has ended")


def test_an_address_that_the_client_cannot_take_is_a_trouble_like_any(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver]
) -> None:
    say(store, GRAVE)
    bad = poster(store, clocks, receive())
    bad._webhooks = (Webhook(1, "http://127.0.0.1/\x7f"),)
    with bad:
        until_told(store, 1, "InvalidURL")


def test_work_that_has_ended_is_told(
    store: Store, clocks: Clocks, receive: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlarmPoster, "_work", lambda _: None)
    with poster(store, clocks, receive()) as dead:
        until(lambda: dead.trouble() is not None, "the thread's end")
        assert "alarms are not posted" in str(dead.trouble())
    with poster(store, clocks) as idle:
        assert idle.trouble() is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/top-secret",
        "ftp://127.0.0.1/top-secret",
        "https://kim:pass-phrase@example.org/top-secret",
        "https://example.org/top-secret#part",
        "https:///top-secret",
        "https://[::1/top-secret",
        "https://example.org:x/top-secret",
        "https://example.org/top-secret\x7f",
        "top-secret",
    ],
)
def test_an_address_that_none_may_have_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(WebhookError, match="alarm_webhooks") as told:
        run_service(Settings(alarm_webhooks=url, alarm_webhook_secret=SECRET, port=18_642))
    assert "top-secret" not in str(told.value) and "pass-phrase" not in str(told.value)


def test_the_secret_comes_from_a_setting_or_a_file_and_is_long_enough(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    assert secret_of(Settings(alarm_webhook_secret=f"file:{path}")) == SECRET.encode()
    for bad in ("", "short", f"file:{tmp_path}/none"):
        with pytest.raises(WebhookError, match="alarm_webhook_secret"):
            secret_of(Settings(alarm_webhook_secret=bad))
