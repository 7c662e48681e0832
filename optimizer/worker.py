"""The solving process: problems come in over a pipe, what was found goes back, as it is found.

Started by `optimizer.child` with the pipe's file number. It ends when the pipe closes or its parent
is gone, in the midst of a solve too, because a thread of its own waits for that.
"""

import logging
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue

import numpy as np

from optimizer.engine import Engine
from optimizer.found import Found, Outcome
from optimizer.messages import Effort, Message, Request

PARENT_LOOK_S = 1.0

log = logging.getLogger(__name__)


def main(file_number: int) -> None:
    """Answer requests until the pipe closes."""
    pipe: Connection[Message, Request] = Connection(file_number)
    requests: SimpleQueue[Request] = SimpleQueue()
    threading.Thread(target=_receive, args=(pipe, requests), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    engines: dict[Effort, Engine] = {}
    while True:
        request = requests.get()
        engine = engines.setdefault(request.effort, Engine(request.effort))
        pipe.send(_answer(engine, request, pipe))


def _answer(engine: Engine, request: Request, pipe: "Connection[Message, Request]") -> Message:
    """The last message of a request; better plans go out before it."""

    def tell(found: Found) -> None:
        pipe.send(Message(request.number, found, last=False))
        if request.drill == "hang with a plan":
            _hang()

    try:
        _drill_before(request.drill)
        found = engine.plan(request.problem, request.until_s, tell, request.last)
        return Message(request.number, _drilled(found, request.drill), last=True)
    except Exception as error:
        log.exception("plan of slot %s failed", request.problem.first_slot)
        return Message(request.number, None, last=True, error=f"{type(error).__name__}: {error}")


def _receive(pipe: "Connection[Message, Request]", requests: "SimpleQueue[Request]") -> None:
    """Pass requests on; when the parent's end closes, this process has no purpose left."""
    while True:
        try:
            requests.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)


def _watch_parent(parent: int) -> None:
    """End with the parent even where another process holds its end of the pipe open."""
    while os.getppid() == parent:
        time.sleep(PARENT_LOOK_S)
    os._exit(0)


def _hang() -> None:
    """Stand still for ever, as a solver that ignores its limit does."""
    while True:
        time.sleep(PARENT_LOOK_S)


def _drill_before(drill: str) -> None:
    """Planted faults of exercises: standing still, dying, failing."""
    if drill == "hang":
        _hang()
    if drill == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if drill == "fail":
        raise RuntimeError("planted by a drill")


def _drilled(found: Found, drill: str) -> Found:
    """Planted answers of exercises: no plan, or one with a NaN or a false number in it."""
    if drill in (Outcome.INFEASIBLE, Outcome.UNBOUNDED):
        return replace(found, outcome=Outcome(drill), plan=None, shadow=None)
    if drill in ("nan", "huge") and found.plan is not None:
        wrong = found.plan.p_import_kw.copy()
        wrong[0] = np.nan if drill == "nan" else 1e30
        return replace(found, plan=replace(found.plan, p_import_kw=wrong))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
