"""The solving process as its parent sees it: started ahead, asked, killed at a deadline."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from time import monotonic

from optimizer.found import Found
from optimizer.messages import Effort, Message, Request
from optimizer.nearness import SetPoints
from optimizer.problem import PlanProblem

ROOT = Path(__file__).parents[1]
EXIT_WAIT_S = 60.0
"""A killed process is gone at once, but where the machine is short of everything."""


class End(StrEnum):
    """How a request to the solving process ended."""

    ANSWERED = "answered"
    FAILED = "failed"
    DIED = "died"
    LATE = "late"


@dataclass(frozen=True, eq=False)
class Reply:
    """The best that came back, how it ended, and what the process said of a failure."""

    found: Found | None
    end: End
    error: str = ""


@dataclass(frozen=True)
class Terms:
    """When the process should be done, when it is killed (monotonic clock), and how it solves."""

    until_s: float
    kill_s: float
    effort: Effort
    last: SetPoints | None = None
    drill: str = ""


class Child:
    """One solving process at a time; a new one is started where the last was killed or died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Request, Message] | None = None
        self._number = 0
        self._is_wanted = False
        self._lock = threading.RLock()

    @property
    def process_id(self) -> int | None:
        """Number of the living process."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start a process unless one lives; it loads its libraries while the caller goes on."""
        with self._lock:
            self._is_wanted = True
            if self.process_id is None:
                self._stop()
                self._start()

    def _start(self) -> None:
        ours, theirs = Pipe()
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "optimizer.worker", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Ctrl-C in a terminal is for the parent, which then closes the pipe.
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": path},
        )
        theirs.close()
        self._pipe = ours

    def stop(self) -> None:
        """Kill the process, if there is one, and wait for its end."""
        with self._lock:
            self._is_wanted = False
            self._stop()

    def _stop(self) -> None:
        _bury(*self._give_up())

    def _give_up(
        self,
    ) -> "tuple[subprocess.Popen[bytes] | None, Connection[Request, Message] | None]":
        """The process and its pipe, which nobody is to use any more."""
        given = self._process, self._pipe
        self._process = self._pipe = None
        return given

    def ask(self, problem: PlanProblem, terms: Terms) -> Reply:
        """The process's answer by `terms.kill_s`; then it is killed and a new one is started."""
        self.start()
        self._number += 1
        request = Request(
            self._number, problem, terms.until_s, terms.effort, terms.last, terms.drill
        )
        reply = self._await(request, terms.kill_s)
        if reply.end in (End.DIED, End.LATE):
            # The caller's time is up: the next process starts beside it. Whoever asks meanwhile
            # must not find the old one, whose pipe is about to be closed.
            with self._lock:
                given = self._give_up()
            threading.Thread(target=self._replace, args=given, daemon=True).start()
        return reply

    def _replace(
        self,
        process: "subprocess.Popen[bytes] | None",
        pipe: "Connection[Request, Message] | None",
    ) -> None:
        _bury(process, pipe)
        with self._lock:
            # Nobody would end a process that is started after `stop`.
            if self._is_wanted:
                self.start()

    def _await(self, request: Request, kill_s: float) -> Reply:
        pipe = self._pipe
        assert pipe is not None, "started before it is asked"
        best: Found | None = None
        # A process that does not read would hold up the sender beyond any deadline.
        packed = ForkingPickler.dumps(request)
        threading.Thread(target=_send, args=(pipe, packed), daemon=True).start()
        try:
            while pipe.poll(max(kill_s - monotonic(), 0.0)):
                message = pipe.recv()
                if message.number != request.number:
                    continue
                best = message.found or best
                if message.last:
                    end = End.FAILED if message.error else End.ANSWERED
                    return Reply(best, end, message.error)
        except (EOFError, OSError):
            return Reply(best, End.DIED, "the solving process ended by itself")
        return Reply(best, End.LATE)


def _bury(
    process: "subprocess.Popen[bytes] | None", pipe: "Connection[Request, Message] | None"
) -> None:
    """Kill a process, if there is one, wait for its end, and close its pipe."""
    if process is not None:
        process.kill()
        process.wait(EXIT_WAIT_S)
    # Last, for a sender may still hold the pipe until its reader is gone.
    if pipe is not None:
        pipe.close()


def _send(pipe: "Connection[Request, Message]", packed: memoryview) -> None:
    """Send a packed request; where the pipe breaks meanwhile, the receiving side tells why."""
    # A write that begins while the pipe is being closed finds no handle: a TypeError.
    with suppress(OSError, TypeError):
        pipe.send_bytes(packed)
