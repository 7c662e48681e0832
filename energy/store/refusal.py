"""Whether a store takes what is written, as its writers find it; kept in memory alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from energy.store.errors import StoreBusyError


@dataclass(frozen=True)
class Refused:
    """Since when nothing is written (monotonic), and what the database said last."""

    since_s: float
    why: str

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return monotonic() - self.since_s


class Refusal:
    """Notes every unit of work that the database refuses, until one is written again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now: Refused | None = None

    @contextmanager
    def noted(self) -> Iterator[None]:
        """A unit of work; one that the caller's own mistake ends tells nothing of the database."""
        try:
            yield
        except StoreBusyError as error:
            with self._lock:
                begun_s = self.now.since_s if self.now else monotonic()
                self.now = Refused(begun_s, str(error))
            raise
        with self._lock:
            self.now = None
