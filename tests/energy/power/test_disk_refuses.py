"""The disk takes nothing: no slot is half written, reading goes on, and the loop resumes by itself.

A service runs as in operation, over HTTP. Its disk is a real small one that is filled up, or a
layer below the C library refuses the k-th write or sync of the store's files, once or for good.
"""

import errno
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from energy.steps.proving import verify_store
from energy.store.engine import open_reader
from energy.store.schema import slot
from energy.units import SLOT_S

DISTRICT = "sejong-5-1@0.005"
WAIT_S = 400.0
GUESS = {"name": "nobody", "password": "a wrong one", "code": "123456"}


@dataclass
class Service:
    """A service over HTTP, and the plan of what its disk refuses."""

    port: int
    folder: Path
    plan: Path

    def ask(self, path: str, body: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and JSON of an answer."""
        address = f"http://127.0.0.1:{self.port}"
        headers = {"Content-Type": "application/json", "Origin": address}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def newest(self) -> int:
        """How many slots have a row so far."""
        status, found = self.ask("/v1/slots?limit=500")
        assert status == 200, found
        return len([one for one in found["items"] if one["tier"]])

    def refuse(self, count: int, error: int, how: str) -> None:
        """From now on the disk refuses the write or sync of this number."""
        fresh = self.plan.with_suffix(".new")
        fresh.write_text(f"{count} {error} {how}")
        fresh.rename(self.plan)

    def relent(self) -> None:
        """The disk takes all again."""
        self.plan.unlink(missing_ok=True)


def wait_for(condition: Callable[[], object], what: str) -> float:
    """Seconds until the condition held."""
    begun = time.monotonic()
    while time.monotonic() < begun + WAIT_S:
        with suppress(OSError):
            if condition():
                return time.monotonic() - begun
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {WAIT_S} s")


@contextmanager
def service(
    folder: Path, aside: Path, refusing: Path | None = None, url: str = ""
) -> Iterator[Service]:
    """`microgrid up` with its store in a folder, or at a URL, below it a layer that refuses, if
    any; stopped at the end.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    surroundings = {**os.environ, "MICROGRID_DISK_FREE_GIB_MIN": "0.03"}
    if refusing is not None:
        surroundings |= {
            "LD_PRELOAD": str(refusing),
            "DISK_FAULT_FOLDER": str(folder),
            "DISK_FAULT_PLAN": str(aside / "plan"),
        }
    command = [
        sys.executable, "-m", "energy", "up", "--district", DISTRICT, "--port", str(port),
        "--database-url", url or f"sqlite:///{folder}/up.db", "--demo-slot-s", "0.2", "--no-bots",
    ]  # fmt: skip
    with (aside / "log").open("ab") as told:
        process = subprocess.Popen(
            command, cwd=aside, env=surroundings, stdout=told, stderr=subprocess.STDOUT
        )
        try:
            found = Service(port, folder, aside / "plan")
            wait_for(lambda: found.newest() >= 2, "two slots")
            yield found
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


def require_whole(url: str) -> None:
    """Each slot has its row, in order and once, none is half, and the books prove themselves."""
    with open_reader(url) as store:
        rows = store.read(lambda connection: connection.execute(slot.select()).all())
        starts = sorted(row.start for row in rows)
        assert starts == list(range(starts[0], starts[0] + len(starts) * SLOT_S, SLOT_S))
        # The last may be running: the service was stopped.
        done = [row for row in rows if row.start < starts[-1]]
        assert all(row.tier and row.sealed_utc == row.start for row in done)
        assert verify_store(store).ok


def require_stopped(running: Service) -> None:
    """The loop has stopped and says so; doors that read answer, one that writes never fails."""
    wait_for(lambda: running.ask("/readyz")[0] == 503, "not ready")
    wait_for(lambda: "cycle failed" in running.ask("/readyz")[1].get("detail", ""), "the reason")
    assert running.newest() >= 2
    assert running.ask("/v1/ledger")[0] == 200
    # A small row may still find a place in the file.
    assert running.ask("/v1/session/password", GUESS)[0] in (401, 429, 503)


def require_resumed(running: Service) -> None:
    """More slots come without anybody's hand."""
    before = running.newest()
    wait_for(lambda: running.newest() >= before + 2, "two more slots")
    assert running.ask("/v1/session/password", GUESS)[0] in (401, 429)


@contextmanager
def small_disk(place: Path, do_without: Callable[[str], NoReturn]) -> Iterator[Path]:
    """A real disk of 64 MB."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        do_without("found no right to mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(filler: Path) -> None:
    """Take all room that there is."""
    file = os.open(filler, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 20, 1 << 12, 1):
        with suppress(OSError):
            while True:
                os.write(file, bytes(size))
    os.close(file)


@pytest.mark.soak
@pytest.mark.check(3)
def test_a_real_disk_runs_full_and_has_room_again(
    tmp_path: Path, do_without: Callable[[str], NoReturn]
) -> None:
    with small_disk(tmp_path / "disk", do_without) as folder:
        with service(folder, tmp_path) as running:
            filler = folder / "filler"
            fill(filler)
            require_stopped(running)
            filler.unlink()
            require_resumed(running)
        require_whole(f"sqlite:///{folder}/up.db")


def require_refused(running: Service) -> None:
    """A door that writes refuses, and says that the same may succeed later."""
    wait_for(lambda: running.ask("/v1/session/password", GUESS)[0] == 503, "a refusal")
    assert running.ask("/v1/session/password", GUESS)[1]["code"] == "STORE_BUSY"


@pytest.mark.soak
@pytest.mark.check(3)
def test_the_disk_refuses_each_write_once_and_for_good(
    tmp_path: Path, layer: Callable[[str], Path], check: Any
) -> None:
    """Every third call is the refused one in its turn, until a whole slot's have been passed."""
    folder, refused = tmp_path / "store", 0
    folder.mkdir()
    with service(folder, tmp_path, layer("disk_fault")) as running:
        for number in range(check.trials(60, 2)):
            for error in (errno.ENOSPC, errno.EIO):
                how = "once" if (number + error) % 2 else "good"
                running.refuse(1 + 3 * number, error, how)
                wait_for(lambda: seen(running) > 1 + 3 * number, "the refused call")  # noqa: B023
                running.relent()
                require_resumed(running)
                refused += 1
    require_whole(f"sqlite:///{folder}/up.db")
    check.state(f"{refused} writes and syncs refused, 0 half slots, the loop resumed each time")


def seen(running: Service) -> int:
    """Calls that the layer has counted since the plan stands."""
    told = running.plan.with_name("plan.seen")
    return int(told.read_text() or 0) if told.exists() else 0


@pytest.mark.soak
@pytest.mark.check(3)
def test_while_the_disk_refuses_a_door_that_writes_says_so(
    tmp_path: Path, layer: Callable[[str], Path]
) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    with service(folder, tmp_path, layer("disk_fault")) as running:
        running.refuse(1, errno.EIO, "good")
        require_refused(running)
        running.relent()
        require_resumed(running)
    require_whole(f"sqlite:///{folder}/up.db")


@pytest.mark.soak
@pytest.mark.check(3)
def test_a_file_that_may_only_be_read_stops_the_loop_until_it_may_be_written(
    tmp_path: Path, layer: Callable[[str], Path]
) -> None:
    """As where the system mounts a disk with errors for reading only."""
    folder = tmp_path / "store"
    folder.mkdir()
    with service(folder, tmp_path, layer("disk_fault")) as running:
        running.refuse(1, errno.EROFS, "good")
        require_stopped(running)
        require_refused(running)
        running.relent()
        require_resumed(running)
    require_whole(f"sqlite:///{folder}/up.db")


@pytest.mark.soak
@pytest.mark.check(3)
def test_a_database_that_stops_in_the_middle_of_cycles_is_waited_for(
    tmp_path: Path, stoppable: Any, check: Any
) -> None:
    """A real PostgreSQL ends without a word and starts again, at moments that chance says."""
    url, stops = stoppable.new_url(), check.trials(10, 1)
    with service(tmp_path, tmp_path, url=url) as running:
        for _ in range(stops):
            time.sleep(check.rng.uniform(0, 1))
            stoppable.stop()
            wait_for(lambda: running.ask("/readyz")[0] == 503, "not ready")
            for path, body in (("/v1/slots?limit=5", None), ("/v1/session/password", GUESS)):
                status, problem = running.ask(path, body)
                assert (status, problem["code"]) == (503, "STORE_BUSY"), problem
            stoppable.start()
            require_resumed(running)
    require_whole(url)
    check.state(f"PostgreSQL ended {stops} times: 503 with the reason, resumed, 0 half slots")
