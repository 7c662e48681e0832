"""A service for each district, kept at work: started, asked how it is, started again when it ends.

Every service is a process of its own in its district's folder, so that one that dies, hangs or is
misconfigured is no other's trouble. It ends when this process does, whatever the way: its standard
input is a pipe from here.
"""

import asyncio
import http.client
import json
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from energy.fleet.plan import Fleet, Member

log = logging.getLogger(__name__)
COMMAND = (sys.executable, "-m", "energy", "up", "--until-eof")
LOOK_EVERY_S, ANSWER_S = 5.0, 4.0
PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before each new start after an end; the last for all further ones."""
STEADY_S = 300.0
"""A service that ran for so long begins with the first pause again."""
SILENT_S = 300.0
"""A service that runs and gives no answer for so long is ended and started again."""
GRACE_S = 20.0
LOG_BYTES_MAX = 16 * 1024 * 1024
TOLD_MAX = 300


class State(StrEnum):
    """How a district's service is."""

    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not_ready"
    SILENT = "silent"
    DOWN = "down"


@dataclass
class Watched:
    """A district and what is known of its service; times of the wall clock, seconds."""

    member: Member
    state: State = State.DOWN
    reason: str = ""
    since_s: float = field(default_factory=time.time)
    starts: int = 0
    exit_code: int | None = None
    answered_s: float = 0.0
    """Monotonic time of the last answer, or of the start."""

    def turn(self, state: State, reason: str = "") -> None:
        """Note how it is now; the time is kept while the state stays."""
        if state is not self.state:
            self.since_s = time.time()
            log.info("%s: %s%s", self.member.name, state, f" ({reason})" if reason else "")
        self.state, self.reason = state, reason


class Keeper:
    """Keeps the services of a fleet; `command` is what starts one in its folder."""

    def __init__(self, fleet: Fleet, command: Sequence[str] = COMMAND) -> None:
        self.watched = [Watched(member) for member in fleet.members]
        self._command = command
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Keep all services until `stop`; returns when every one has ended."""
        await asyncio.gather(*(self._keep(one) for one in self.watched))

    def stop(self) -> None:
        """End all services and start none again."""
        self._stop.set()

    async def _keep(self, one: Watched) -> None:
        pause = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                await self._live(one)
            except Exception as error:
                # Whatever is wrong here (a folder, a full disk) is this district's trouble alone.
                log.exception("%s cannot be kept", one.member.name)
                one.turn(State.DOWN, f"cannot be kept: {error}"[:TOLD_MAX])
            if time.monotonic() - begun >= STEADY_S:
                pause = 0
            await self._wait(PAUSES_S[min(pause, len(PAUSES_S) - 1)])
            pause += 1

    async def _live(self, one: Watched) -> None:
        """One life of a service, from its start to its end."""
        one.member.folder.mkdir(parents=True, exist_ok=True)
        path = one.member.folder / "service.log"
        _shorten(path)
        with path.open("ab") as stream:
            process = await asyncio.create_subprocess_exec(
                *self._command, cwd=one.member.folder, env=_environment(one.member),
                stdin=asyncio.subprocess.PIPE, stdout=stream, stderr=stream,
                start_new_session=True,
            )  # fmt: skip
        one.starts += 1
        one.answered_s = time.monotonic()
        one.turn(State.STARTING)
        ended = asyncio.create_task(process.wait())
        try:
            await self._watch(one, ended)
        finally:
            await _end(process, ended)
        one.exit_code = await ended
        one.turn(State.DOWN, f"ended with {one.exit_code}: {_last_line(path)}")

    async def _watch(self, one: Watched, ended: asyncio.Task[int]) -> None:
        """Ask how it is until it ends, or until it must."""
        while not ended.done():
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait(
                {ended, stopping}, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED
            )
            stopping.cancel()
            if not ended.done() and (self._stop.is_set() or await self._is_dead(one)):
                return

    async def _is_dead(self, one: Watched) -> bool:
        """Ask how it is; whether it has not answered for too long."""
        found = await asyncio.to_thread(ask, one.member.url)
        if found is not None:
            one.answered_s = time.monotonic()
            one.turn(*found)
            return False
        silent_s = time.monotonic() - one.answered_s
        if one.state is not State.STARTING:
            one.turn(State.SILENT, f"no answer for {silent_s:.0f} s")
        return silent_s > SILENT_S

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return


def ask(url: str) -> tuple[State, str] | None:
    """How a service says that it is; None where it says nothing."""
    try:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=ANSWER_S) as answer:
                answer.read()
            return State.READY, ""
        except urllib.error.HTTPError as error:
            return State.NOT_READY, _detail(error.read())
    except (OSError, http.client.HTTPException):
        return None


def _detail(body: bytes) -> str:
    """What a refusal says."""
    try:
        return str(json.loads(body)["detail"])[:TOLD_MAX]
    except (ValueError, KeyError, TypeError):
        return "an answer that is no problem document"


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    """Ask it to end, and make it where it does not; nothing where it has ended."""
    if ended.done():
        return
    process.terminate()
    done, _ = await asyncio.wait({ended}, timeout=GRACE_S)
    if not done:
        process.kill()
        await asyncio.wait({ended})


def _environment(member: Member) -> dict[str, str]:
    """The environment of a service: this one's, without settings that are not its own."""
    own = {f"MICROGRID_{key.upper()}": value for key, value in member.given.items()}
    rest = {key: value for key, value in os.environ.items() if not key.startswith("MICROGRID_")}
    return rest | own


def _shorten(path: Path) -> None:
    """Keep one earlier log where it has grown large."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))


def _last_line(path: Path) -> str:
    """What the service said last; nothing where its log has been taken away."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(path.stat().st_size - 4096, 0))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return "nothing"
    return next((line.strip()[:TOLD_MAX] for line in reversed(lines) if line.strip()), "nothing")
