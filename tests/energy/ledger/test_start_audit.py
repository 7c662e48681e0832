"""The audit at a start: what was changed in the file halts all signing, and a person is told."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, text

from energy.cli.store import _verified
from energy.steps import start_audit
from energy.steps.start_audit import StartAudit, findings_in_steps, first_finding
from energy.store.alarms import open_alarms
from energy.units import SLOT_S
from market.errors import MarketError

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
    here.publish(FIRST + 4 * SLOT_S)
    with pytest.raises(MarketError, match="nothing is signed any more"):
        here.settle(FIRST + 4 * SLOT_S)
    assert _verified(here.store.url) == 1
    assert "the ledger does not hold: " in capsys.readouterr().out
