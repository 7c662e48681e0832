"""A loop that fails is begun anew from the store; people are told while it does and no longer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from energy.config import Settings, build_settings
from energy.daemon import Daemon, DemoClock, RealClock
from energy.daemon.own_alarms import SAID_AGAIN_LOOKS, SILENT_LOOKS
from energy.steps.alarm_posts import webhooks_of
from energy.steps.context import Installation, demo_beginning, open_installation
from energy.store.alarm_outbox import Moment, add_messages, count_messages
from energy.store.alarms import Alarm, RaisedAlarm, open_alarms, raise_alarm
from energy.store.slots import last_published
from energy.units import SLOT_S


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("daemon")
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{folder}/loop.db", bots=False
    )
    with open_installation(settings, demo_beginning(settings)) as opened:
        yield opened


def causes(installation: Installation) -> list[str]:
    return [one.alarm.cause for one in installation.store.read(open_alarms)]


def daemon_of(installation: Installation) -> Daemon:
    first = installation.next_slot()
    clock = DemoClock(installation.store, first, installation.settings.gate_lead_s, 3600.0)
    return Daemon(installation, clock)


def test_a_failing_cycle_is_an_alarm_until_the_same_slot_succeeds(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, slot = daemon_of(installation), installation.next_slot()
    monkeypatch.setattr("energy.cycle.publish", lambda *_: 1 / 0)
    daemon._wake()
    assert "ZeroDivisionError" in str(daemon.trouble())
    daemon.watch()
    assert "daemon/failed" in causes(installation)
    assert installation.store.read(last_published) is None
    monkeypatch.undo()
    daemon._wake()
    assert installation.store.read(last_published) == slot
    assert daemon.trouble() is None
    daemon.watch()
    assert "daemon/failed" not in causes(installation)
    daemon.stop()


def test_a_cycle_that_hangs_is_late_and_said_so(installation: Installation) -> None:
    daemon = daemon_of(replace(installation))
    daemon._running = (installation.next_slot(), -1e6)
    assert "is worked on for" in str(daemon.trouble())
    daemon.watch()
    assert "daemon/late" in causes(installation)
    daemon._running = None
    daemon.watch()
    assert "daemon/late" not in causes(installation)


def test_a_clock_that_nobody_can_believe_stops_the_loop(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, before = daemon_of(installation), installation.store.read(last_published)
    monkeypatch.setattr(DemoClock, "trouble", lambda _: "the wall clock has stepped by +2.0 h")
    daemon._wake()
    daemon.watch()
    assert installation.store.read(last_published) == before
    assert "daemon/clock" in causes(installation)
    assert before is not None and installation.next_slot() == before + SLOT_S


@pytest.fixture
def on_postgresql(new_postgresql: Callable[[], str]) -> Iterator[Installation]:
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=new_postgresql(), bots=False, horizon_slots=4
    )
    with open_installation(settings, demo_beginning(settings)) as opened:
        yield opened


def test_who_stands_by_ends_its_own_alarms_and_not_the_leaders(
    on_postgresql: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    leading, slot = daemon_of(on_postgresql), on_postgresql.next_slot()
    now_s = [slot + 60.0]
    standing_by = Daemon(on_postgresql, RealClock(lambda: now_s[0], lambda: 0.0))
    monkeypatch.setattr("energy.cycle.publish", lambda *_: 1 / 0)
    leading._wake()
    monkeypatch.undo()
    leading.watch()
    assert causes(on_postgresql) == ["daemon/failed"]
    standing_by.watch()
    assert causes(on_postgresql) == ["daemon/failed", "daemon/late"]
    leading._wake()
    leading.watch()
    # The leader's first look ends what nobody may be left to end; who still has it says so again.
    assert causes(on_postgresql) == []
    now_s[0] = slot + SLOT_S + 60.0
    standing_by.watch()
    leading._failure = "the cycle failed: by the test"
    leading.watch()
    assert sorted(causes(on_postgresql)) == ["daemon/failed", "daemon/late"]
    monkeypatch.setattr(Daemon, "_overdue", lambda _: None)
    standing_by.watch()
    assert causes(on_postgresql) == ["daemon/failed"]
    leading.stop()


def test_an_alarm_that_a_dead_stand_by_left_hides_none_of_the_leaders(
    on_postgresql: Installation,
) -> None:
    leading, slot = daemon_of(on_postgresql), on_postgresql.next_slot()
    leading._wake()
    leading.watch()
    dead = Daemon(on_postgresql, RealClock(lambda: slot + 9 * 3600.0, lambda: 0.0))
    dead.watch()
    assert "daemon/late" in causes(on_postgresql)
    left = alarm_of(on_postgresql, "daemon/late").id
    leading.watch()
    assert alarm_of(on_postgresql, "daemon/late").id == left, "the leader is not late"
    leading._running = (slot, -1e6)
    leading.watch()
    told = alarm_of(on_postgresql, "daemon/late")
    assert told.id > left and "is worked on for" in told.alarm.what
    living = Daemon(on_postgresql, RealClock(lambda: slot + 9 * 3600.0, lambda: 0.0))
    for _ in range(3):
        living.watch()
        leading.watch()
    assert alarm_of(on_postgresql, "daemon/late").id == told.id, "nobody takes it from the other"
    leading._running = None
    leading.watch()
    living.watch()
    assert "is worked on for" not in alarm_of(on_postgresql, "daemon/late").alarm.what
    leading.stop()


def test_what_nobody_says_again_has_been_left_and_is_ended(on_postgresql: Installation) -> None:
    leading, slot = daemon_of(on_postgresql), on_postgresql.next_slot()
    leading._wake()
    leading.watch()
    now_s = [slot + SLOT_S + 60.0]
    standing_by = Daemon(on_postgresql, RealClock(lambda: now_s[0], lambda: 0.0))
    for _ in range(SILENT_LOOKS + SAID_AGAIN_LOOKS):
        standing_by.watch()
        leading.watch()
    (living,) = on_postgresql.store.read(open_alarms)
    assert (living.alarm.cause, living.count) == ("daemon/late", 5)
    for _ in range(SILENT_LOOKS):
        assert causes(on_postgresql) == ["daemon/late"]
        leading.watch()
    assert causes(on_postgresql) == [], "the stand-by has died"
    leading.stop()


def alarm_of(installation: Installation, cause: str) -> RaisedAlarm:
    """The open alarm of this cause."""
    found = installation.store.read(open_alarms)
    return next(one for one in found if one.alarm.cause == cause)


def test_who_leads_ends_alarms_of_webhooks_and_witnesses_that_are_set_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = "https://kept.example/a", "https://gone.example/b"
    witness = "http://127.0.0.1:9=0x"
    settings = build_settings(
        district="sejong-5-1@0.005", database_url=f"sqlite:///{tmp_path}/loop.db", bots=False,
        horizon_slots=4, alarm_webhooks=kept, witnesses=witness + "11" * 20,
    )  # fmt: skip
    here, there = (webhooks_of(Settings(alarm_webhooks=url))[0].target for url in (kept, gone))
    own = {f"webhook/{here}", f"webhook/{here}/failed", f"ledger/witness/0x{'11' * 20}"}
    others = {f"webhook/{there}", f"webhook/{there}/failed", f"ledger/witness/0x{'77' * 20}"}

    def fill(connection: Connection) -> None:
        for cause in own | others | {"ledger/witnesses"}:
            raise_alarm(connection, Alarm(cause, "alarm", "by the test", "there", "Look."), 0)
        number = raise_alarm(connection, Alarm("slot/x", "alarm", "by the test", "x", "Look."), 0)
        for target in (here, there):
            add_messages(connection, target, [(number, "raised")], Moment(0, 0), "sejong")

    with open_installation(settings, demo_beginning(settings)) as opened:
        opened.store.write(fill)
        monkeypatch.setattr(DemoClock, "trouble", lambda _: "by the test")
        daemon_of(opened)._wake()
        monkeypatch.undo()
        assert others < set(causes(opened)), "who does not lead leaves all as it is"
        daemon = daemon_of(opened)
        daemon._wake()
        left = set(causes(opened))
        assert own | {"ledger/witnesses"} <= left and not left & others
        assert opened.store.read(count_messages) == {"waiting": 1, "delivered": 0, "given_up": 1}
        daemon.stop()
        none = settings.model_copy(update={"alarm_webhooks": "", "witnesses": ""})
        last = daemon_of(replace(opened, settings=none))
        last._wake()
        assert not set(causes(opened)) & (own | {"ledger/witnesses"})
        assert opened.store.read(count_messages)["waiting"] == 0
        last.stop()
