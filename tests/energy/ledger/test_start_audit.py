"""The audit at a start: what was changed in the file halts all signing, and a person is told."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from energy.cli.store import _verified
from energy.steps import start_audit
from energy.steps.books import Halt
from energy.steps.halting import HaltedError
from energy.steps.start_audit import StartAudit, findings_in_steps, first_finding
from energy.store.alarms import open_alarms
from energy.store.errors import StoreBusyError
from energy.units import SLOT_S

FIRST = 1_784_084_400
Begin = Callable[..., Any]


@pytest.fixture
def here(begin_books: Begin) -> Any:
    found = begin_books()
    found.run(4)
    return found


def tamper(here: Any, statement: str) -> None:
    """Change a row as somebody with the file can."""

    def unit(connection: Connection) -> None:
        for name in ("transfer", "entry", "checkpoint"):
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER {name}_no_{verb}"))
        assert connection.execute(text(statement)).rowcount

    here.store.write(unit)


def audit_of(here: Any) -> StartAudit:
    return StartAudit(here.store, here.books.halt, lambda: float(FIRST))


def test_good_books_are_added_up_in_short_units_and_go_on(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_audit, "SETTLEMENTS_AT_ONCE", 2)
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        if not pauses:
            here.run(1, begin=4)  # the loop goes on meanwhile
        pauses.append(seconds)
        return False

    assert list(findings_in_steps(here.store, pause)) == []
    assert len(pauses) >= 3
    audit = audit_of(here)
    audit.look()
    assert audit.trouble() is None and here.store.read(open_alarms) == []
    assert first_finding(here.store) is None


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (
            "UPDATE transfer SET amount = amount + 1 WHERE settlement = 3 AND position = 5",
            "balance kept as",
        ),
        (
            "UPDATE entry SET salt = zeroblob(32) WHERE type = 'KeyRegister' AND position = 7",
            "root",
        ),
        (
            "UPDATE checkpoint SET previous = root WHERE tick = 1784087100",
            ": follows ",
        ),
    ],
)
def test_what_was_changed_halts_all_signing_and_is_an_alarm(
    here: Any, statement: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(here, statement)
    audit = audit_of(here)
    with audit:
        audit._thread.join()
    assert told in (audit.trouble() or "")
    assert {one.alarm.cause for one in here.store.read(open_alarms)} == {"books/audit"}
    require_nothing_signed(here, FIRST + 4 * SLOT_S)
    assert _verified(here.store.url) == 1
    assert "the ledger does not hold: " in capsys.readouterr().out


def require_nothing_signed(here: Any, slot: int) -> None:
    """The slot cannot be published with a market; without one it can, and is not settled."""
    with pytest.raises(HaltedError, match="nothing is signed any more"):
        here.publish(slot)
    here.with_market = False
    here.publish(slot)
    with pytest.raises(HaltedError, match="nothing is signed any more"):
        here.settle(slot)
    here.with_market = True


def test_what_another_process_has_found_stops_this_one_until_an_audit_holds(here: Any) -> None:
    change = "UPDATE transfer SET amount = amount {} 1 WHERE settlement = 3 AND position = 5"
    tamper(here, change.format("+"))
    elsewhere = StartAudit(here.store, Halt(), lambda: float(FIRST))
    elsewhere.look()
    assert here.books.halt.because is None
    require_nothing_signed(here, FIRST + 4 * SLOT_S)
    here.store.write(lambda connection: connection.execute(text(change.format("-"))))
    require_nothing_signed(here, FIRST + 5 * SLOT_S)
    audit_of(here).look()
    assert here.store.read(open_alarms) == []
    here.settle(FIRST + 4 * SLOT_S)
    here.settle(FIRST + 5 * SLOT_S)
    here.run(1, begin=6)


def test_books_that_cannot_be_audited_do_not_hold(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a transfer names an account that does not exist."""
    unknown = {(1, 9_999): 1}
    monkeypatch.setattr(start_audit, "moved_sums", lambda *_, **__: unknown)
    audit = audit_of(here)
    audit.look()
    assert "cannot be audited: IndexError" in (audit.trouble() or "")
    assert {one.alarm.cause for one in here.store.read(open_alarms)} == {"books/audit"}


def test_a_database_that_does_not_answer_says_nothing_against_the_books(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> Any:
        raise StoreBusyError("planted")

    monkeypatch.setattr(start_audit, "findings_in_steps", busy)
    audit = audit_of(here)
    with pytest.raises(StoreBusyError):
        audit.look()
    assert audit.trouble() is None
