"""A fleet at work: real services that are started, watched, killed and started again."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PATIENCE_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str, language: str = "en") -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Accept-Language": language})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Running:
    """A fleet of two districts and one whose settings its service refuses."""

    def __init__(self, folder: Path) -> None:
        self.port, self.ports = free_port(), [free_port() for _ in range(3)]
        common = 'district = "sejong-5-1@0.005"\ndemo_slot_s = 5.0\nbots = false\nport ='
        file = folder / "fleet.toml"
        file.write_text(
            f"port = {self.port}\n[districts.north]\n{common} {self.ports[0]}\n"
            f"[districts.south]\n{common} {self.ports[1]}\n"
            f'[districts.wrong]\nport = {self.ports[2]}\ndistrict = "nowhere"\n'
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "energy", "fleet", str(file)], start_new_session=True
        )
        self.url = f"http://127.0.0.1:{self.port}"

    def rows(self) -> dict[str, dict[str, Any]]:
        try:
            answer = fetch(f"{self.url}/v1/districts")[1]
        except OSError:
            return {}
        return {row["name"]: row for row in json.loads(answer)["districts"]}

    def services(self) -> dict[str, psutil.Process]:
        """The process of each district, by its folder."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            # One that has just ended, of the district that cannot run, has no folder any more.
            with contextlib.suppress(psutil.Error):
                found[Path(child.cwd()).name] = child
        return found

    def wait(self, what: Callable[[dict[str, dict[str, Any]]], bool]) -> dict[str, dict[str, Any]]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            rows = self.rows()
            if rows and what(rows):
                return rows
            time.sleep(0.3)
        raise AssertionError(f"not within {PATIENCE_S:.0f} s: {self.rows()}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    fleet = Running(tmp_path_factory.mktemp("fleet"))
    try:
        yield fleet
    finally:
        fleet.process.kill()
        fleet.process.wait()


def both_ready(rows: dict[str, dict[str, Any]]) -> bool:
    return all(rows[name]["state"] == "ready" for name in ("north", "south"))


@pytest.mark.slow
def test_districts_run_beside_one_that_cannot_and_the_page_says_so(running: Running) -> None:
    rows = running.wait(lambda rows: both_ready(rows) and rows["wrong"]["state"] == "down")
    assert "nowhere" in rows["wrong"]["reason"]
    status, told = fetch(f"{running.url}/readyz")
    assert status == 503 and set(json.loads(told)["not_ready"]) == {"wrong"}
    page, korean = (fetch(f"{running.url}/", language)[1] for language in ("en", "ko"))
    assert "2 of 3 ready" in page and f"127.0.0.1:{running.ports[0]}" in page
    assert '<html lang="ko">' in korean and "3곳 중 2곳 정상" in korean
    for port in running.ports[:2]:
        assert fetch(f"http://127.0.0.1:{port}/v1/overview")[0] == 200


@pytest.mark.slow
def test_a_service_that_is_killed_starts_again_and_the_other_does_not_notice(
    running: Running,
) -> None:
    before = running.wait(both_ready)
    services = running.services()
    services["north"].send_signal(signal.SIGKILL)
    running.wait(lambda rows: rows["north"]["starts"] > before["north"]["starts"])
    after = running.wait(both_ready)
    assert after["north"]["starts"] == before["north"]["starts"] + 1
    assert after["south"]["starts"] == before["south"]["starts"]
    assert running.services()["south"].pid == services["south"].pid


@pytest.mark.slow
def test_all_services_end_with_the_fleet_whatever_the_way(running: Running) -> None:
    running.wait(both_ready)
    services = running.services()
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()
    gone, alive = psutil.wait_procs(list(services.values()), timeout=PATIENCE_S)
    assert len(gone) == len(services) and not alive
