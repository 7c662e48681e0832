"""A service that starts far ahead of its store, or behind it, holds until that is cleared up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from energy.cli import run
from energy.config import build_settings
from energy.daemon import Daemon, RealClock
from energy.daemon.clocks import far_ahead, far_behind
from energy.steps.context import Installation, open_installation
from energy.store.alarms import open_alarms
from energy.store.audit import list_records
from energy.store.clock_checks import ClockCheck, last_checked, save_check
from energy.store.engine import Store, open_reader, open_store
from energy.store.errors import StoreError
from energy.store.slots import SlotOutcome, claim_slot, publish_slot, slots_between
from energy.timegrid import iso_of, parse_instant
from energy.units import SLOT_S

START = parse_instant("2026-05-10T12:00", "Asia/Seoul")
HOURS_MAX = 1.0


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    settings = build_settings(
        district="sejong-5-1@0.005",
        database_url=f"sqlite:///{tmp_path_factory.mktemp('ahead')}/loop.db",
        bots=False,
        horizon_slots=4,
        clock_ahead_h_max=HOURS_MAX,
    )
    with open_installation(settings, lambda _: START) as opened:
        yield opened


def started_at(installation: Installation, wall_s: float) -> Daemon:
    return Daemon(installation, RealClock(lambda: wall_s, lambda: 0.0))


def starts(installation: Installation) -> list[int]:
    rows = installation.store.read(lambda connection: slots_between(connection, 0, 2**40))
    return [row.start for row in rows]


def causes(installation: Installation) -> list[str]:
    return [one.alarm.cause for one in installation.store.read(open_alarms)]


def test_what_may_be_caught_up_is_as_long_as_the_setting_says_and_no_slot_longer() -> None:
    known, week_h = START, 168.0
    assert (
        far_ahead(known + 673 * SLOT_S - 1, known, week_h) is None
    )  # 672 slots and the one of now
    told = far_ahead(known + 673 * SLOT_S, known, week_h)
    assert (
        told is not None
        and "168.2 h after what is known to have been (2026-05-10T03:00:00Z)" in told
    )
    assert "the wall clock says 2036-" in str(far_ahead(known + 10 * 8_766 * 3_600, known, week_h))
    assert far_ahead(known - 86_400, known, week_h) is None


def test_a_start_far_ahead_holds_until_the_clock_is_confirmed_and_then_catches_up(
    installation: Installation,
) -> None:
    first = started_at(installation, START - 300.0)
    first.work_due_slots()
    assert starts(installation) == [START]
    first.stop()
    now_s = START + SLOT_S + HOURS_MAX * 3_600 + SLOT_S
    ahead = started_at(installation, now_s)
    for _ in range(2):
        ahead.work_due_slots()
        ahead.watch()
    assert starts(installation) == [START]
    assert "allowed is 1 h until somebody confirms it" in str(ahead.trouble())
    assert "daemon/clock" in causes(installation)
    check = ClockCheck(int(now_s), "person kim", "the machine was moved")
    installation.store.write(lambda connection: save_check(connection, check))
    ahead.work_due_slots()
    ahead.watch()
    assert starts(installation) == [START + number * SLOT_S for number in range(7)]
    assert ahead.trouble() is None and "daemon/clock" not in causes(installation)
    ahead.stop()


def test_a_start_behind_the_store_holds_and_says_so_until_the_clock_is_set_right(
    installation: Installation,
) -> None:
    newest = installation.next_slot() - SLOT_S
    assert far_behind(newest - 3_600.0, newest) is None and far_behind(START, None) is None
    wall_s = [newest - 3_601.0]
    behind = Daemon(installation, RealClock(lambda: wall_s[0], lambda: 0.0))
    seen = starts(installation)
    behind.work_due_slots()
    behind.watch()
    assert starts(installation) == seen and "daemon/clock" in causes(installation)
    assert f"the store has slots until {iso_of(newest)}, 1.0 h later" in str(behind.trouble())
    right = started_at(installation, newest + SLOT_S - 301.0)
    right.work_due_slots()
    right.watch()
    assert right.trouble() is None and "daemon/clock" not in causes(installation)
    right.stop()


def test_an_outage_within_the_setting_is_caught_up_without_anybody(
    installation: Installation,
) -> None:
    known = installation.next_slot()
    back = started_at(installation, known + HOURS_MAX * 3_600 + SLOT_S - 1)
    back.work_due_slots()
    assert starts(installation)[-1] == known + HOURS_MAX * 3_600 + SLOT_S
    back.stop()


def test_a_later_time_is_confirmed_after_an_earlier_one_and_never_undone(store: Store) -> None:
    check = ClockCheck(START, "person kim", "moved")
    assert store.read(last_checked) is None
    store.write(lambda connection: save_check(connection, check))
    with pytest.raises(StoreError, match="allowed later than the last"):
        store.write(lambda connection: save_check(connection, check))
    assert store.read(last_checked) == START


def test_the_command_refuses_a_clock_that_is_behind_the_store_and_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, now_s = f"sqlite:///{tmp_path}/store.db", int(datetime.now(UTC).timestamp())
    ahead = now_s // SLOT_S * SLOT_S + 8 * SLOT_S

    def publish(connection: Connection) -> None:
        claim = claim_slot(connection, ahead, "a clock ahead", now_s)
        publish_slot(connection, claim, SlotOutcome("ok", "T0", ""), now_s)

    with open_store(url) as store:
        store.write(publish)
    words = ["store", "confirm-clock", "--database-url", url, "--reason", "moved"]
    assert run([*words, iso_of(now_s)]) == 2
    told = capsys.readouterr().err
    assert f"the store has slots until {iso_of(ahead)}" in told and "store restore" in told
    with open_reader(url) as store:
        assert store.read(last_checked) is None


def test_the_command_wants_the_time_by_another_clock_and_keeps_who_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with open_store(url):
        pass
    now = datetime.now(UTC)
    words = ["store", "confirm-clock", "--database-url", url, "--reason"]
    assert run([*words, "moved", (now + timedelta(hours=2)).isoformat()]) == 2
    assert "allowed a difference of 1 h" in capsys.readouterr().err
    assert run([*words, " ", now.isoformat()]) == 2
    assert run([*words, "moved", now.isoformat()]) == 0
    assert "start the service, and it catches up" in capsys.readouterr().out
    with open_reader(url) as store:
        assert (store.read(last_checked) or 0) >= int(now.timestamp())
        (record, *_) = store.read(lambda connection: list_records(connection))
    assert "confirm the clock: moved" in str(record)
