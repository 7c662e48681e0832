"""Work beside the server: a thread that begins with a block and is at rest after it."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Beside(ABC):
    """A thread of this name around `_work`, which looks at `_stopping`; none where not needed."""

    def __init__(self, name: str, *, is_needed: bool = True) -> None:
        self._is_needed = is_needed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Self:
        if self._is_needed:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._is_needed:
            self._wake()
            self._thread.join()

    @property
    def has_died(self) -> bool:
        """Whether it has ended by itself, which nobody asked for."""
        return self._is_needed and not self._stopping.is_set() and not self._thread.is_alive()

    @abstractmethod
    def _work(self) -> None:
        """What the thread does, until it is to stop."""

    def _wake(self) -> None:
        """End a wait that does not look at `_stopping`; most do."""
        return
