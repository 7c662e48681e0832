"""Log lines: the instant in UTC, and the slot, term and request that they are about."""

import json
import logging
import sys
from typing import Literal

import pytest

from energy.cli.settings import start_logging
from energy.config import Settings
from energy.logs import JsonLines, PlainLines, noted

AT_S = 1_784_105_000.25  # 2026-07-15T08:43:20.250Z


def record(message: str = "slot planned", **changes: object) -> logging.LogRecord:
    found = logging.LogRecord("energy.cycle", logging.INFO, "", 1, message, None, None)
    found.created = AT_S
    vars(found).update(changes)
    return found


def test_a_line_for_programs_is_one_object_with_all_that_is_known() -> None:
    with noted(slot="2026-07-15T09:00:00Z", term=3), noted(request=None):
        line = JsonLines().format(record("two\nlines"))
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "2026-07-15T08:43:20.250Z", "level": "info", "logger": "energy.cycle",
        "slot": "2026-07-15T09:00:00Z", "term": 3, "message": "two\nlines",
    }  # fmt: skip
    assert "slot" not in json.loads(JsonLines().format(record()))


def test_a_failure_keeps_its_trace_within_the_line() -> None:
    try:
        raise ValueError("no number")
    except ValueError:
        line = JsonLines().format(record(exc_info=sys.exc_info()))
    assert "ValueError: no number" in json.loads(line)["trace"] and "\n" not in line


def test_a_line_for_people_has_date_and_time_in_utc() -> None:
    with noted(term=3):
        assert PlainLines().format(record()) == (
            "2026-07-15T08:43:20Z INFO energy.cycle: slot planned (term=3)"
        )


@pytest.mark.parametrize(("form", "kind"), [("json", JsonLines), ("plain", PlainLines)])
def test_the_setting_says_which(
    monkeypatch: pytest.MonkeyPatch, form: Literal["json", "plain"], kind: type
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    start_logging(Settings(log_format=form))
    (handler,) = root.handlers
    assert type(handler.formatter) is kind
