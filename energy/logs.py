"""Log lines for people and for programs: when in UTC, how grave, from where, and what it was about.

Whoever begins a slot, leads or answers a request notes it here; every line written meanwhile by the
same thread or task carries it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

Fact = str | int
_FACTS: ContextVar[dict[str, Fact]] = ContextVar("facts", default={})  # noqa: B039 - never changed


@contextmanager
def noted(**facts: Fact | None) -> Iterator[None]:
    """Let the lines that are written meanwhile carry these facts: slot, term, request."""
    known = {name: fact for name, fact in facts.items() if fact is not None}
    token = _FACTS.set({**_FACTS.get(), **known})
    try:
        yield
    finally:
        _FACTS.reset(token)


class PlainLines(logging.Formatter):
    """A line for people: the instant in UTC, level, logger, message, and what it was about."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, its facts at the end."""
        facts = " ".join(f"{name}={fact}" for name, fact in _FACTS.get().items())
        return super().formatMessage(record) + (f" ({facts})" if facts else "")


class JsonLines(logging.Formatter):
    """One JSON object a line: `at`, `level`, `logger`, `message`, the facts, and a `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        found = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            **_FACTS.get(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            found["trace"] = self.formatException(record.exc_info)
        return orjson.dumps(found, default=str).decode()


def in_words(error: Exception) -> str:
    """What kind of failure it was, and its own words."""
    return f"{type(error).__name__}: {error}"
