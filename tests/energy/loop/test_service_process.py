"""`microgrid up` as a person starts it: a process of its own, real HTTP, killed without warning."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from energy.store.engine import open_reader
from energy.store.slots import slots_between
from energy.units import SLOT_S

WAIT_S = 60.0
Starter = Callable[..., subprocess.Popen[bytes]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {WAIT_S} s")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(port: int, *flags: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "energy", "up", "--district", "sejong-5-1@0.005", "--port",
            str(port), "--database-url", f"sqlite:///{tmp_path}/up.db", "--demo-slot-s", "0.5",
            *flags,
        ]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def published(port: int) -> int:
    return len(get(port, "/v1/slots?limit=200")["items"])


def verify(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "energy", "ledger", "verify"]
    environment = {**os.environ, "MICROGRID_DATABASE_URL": f"sqlite:///{tmp_path}/up.db"}
    environment["MICROGRID_DISTRICT"] = "sejong-5-1@0.005"
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


def test_killed_again_and_again_it_goes_on_without_a_gap(start: Starter, tmp_path: Path) -> None:
    port, seen = free_port(), 0
    for _ in range(3):
        process = start(port)
        wait_for(lambda: published(port) >= seen + 2, "two more slots")  # noqa: B023
        seen = published(port)
        process.send_signal(signal.SIGKILL)
        process.wait()
    process = start(port)
    wait_for(lambda: published(port) >= seen + 2, "two more slots after the last kill")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    store = open_reader(f"sqlite:///{tmp_path}/up.db")
    try:
        rows = store.read(lambda connection: slots_between(connection, 0, 2**40))
    finally:
        store.close()
    starts = [row.start for row in rows]
    assert starts == list(range(starts[0], starts[0] + len(starts) * SLOT_S, SLOT_S))
    assert all(row.state != "running" and row.tier for row in rows)
    checked = verify(tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_ctrl_c_ends_it_cleanly_and_says_where_the_page_is(start: Starter) -> None:
    port = free_port()
    process = start(port)
    wait_for(lambda: get(port, "/healthz"), "the first answer")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert time.monotonic() - begun < 15
    assert process.stdout is not None
    told = process.stdout.read().decode()
    assert f"http://127.0.0.1:{port}" in told
    assert "Traceback" not in told


def test_a_taken_port_is_one_sentence(start: Starter) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        process = start(port)
        assert process.wait(30) == 2
    assert process.stdout is not None
    told = process.stdout.read().decode()
    assert f"port {port}" in told and "Traceback" not in told


def test_a_store_of_another_seed_is_refused_in_one_sentence(start: Starter) -> None:
    port = free_port()
    process = start(port)
    wait_for(lambda: published(port) >= 1, "a slot")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    other = start(port, "--seed", "2")
    assert other.wait(30) == 2
    assert other.stdout is not None
    told = other.stdout.read().decode()
    assert "seed" in told and "Traceback" not in told
