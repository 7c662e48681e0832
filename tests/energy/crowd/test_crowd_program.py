"""The program against a market that fails as servers do: all is posted, if need be again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from energy.crowd import Crowd, CrowdError
from energy.crowd.program import SlotRound, log_round, run_crowd


class Market(Protocol):
    slot: int
    down: bool
    fail_after: int | None
    refuse: tuple[int, str] | None
    posted: list[bytes]
    address: str

    def envelopes(self) -> list[Any]: ...


@contextmanager
def at_work(stub: Market, crowd: Crowd) -> Iterator[list[SlotRound]]:
    """The program in a thread of its own; gives the rounds that it finished."""
    rounds: list[SlotRound] = []
    ready = threading.Event()
    inside: dict[str, Any] = {}

    async def work() -> None:
        inside["stop"], inside["loop"] = asyncio.Event(), asyncio.get_running_loop()
        ready.set()
        await run_crowd(stub.address, crowd, inside["stop"], rounds.append)

    thread = threading.Thread(target=asyncio.run, args=(work(),))
    thread.start()
    ready.wait()
    try:
        yield rounds
    finally:
        inside["loop"].call_soon_threadsafe(inside["stop"].set)
        thread.join(10)
        assert not thread.is_alive()


def until(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_each_member_posts_once_per_open_slot_and_goes_on_to_the_next(
    stub: Market, crowd: Crowd
) -> None:
    first = stub.slot
    with at_work(stub, crowd) as rounds:
        until(lambda: len(rounds) == 1)
        posted = len(stub.posted)
        time.sleep(0.6)
        assert len(stub.posted) == posted  # nothing twice
        stub.slot += 900
        until(lambda: len(rounds) == 2)
    orders = [(one.message["slot"], one.message["account"]) for one in stub.envelopes()]
    assert len(orders) == len(set(orders)) == sum(len(r.orders) for r in rounds)
    assert {slot for slot, _ in orders} == {first, first + 900}
    assert rounds[0].codes == {"ACCEPTED": len(rounds[0].orders)}


def test_after_the_server_was_away_the_same_bytes_come_again(stub: Market, crowd: Crowd) -> None:
    stub.fail_after = 20
    with at_work(stub, crowd) as rounds:
        until(lambda: stub.down)
        before, stub.fail_after = list(stub.posted), None
        time.sleep(0.3)
        stub.down = False
        until(lambda: rounds)
    again = stub.posted[len(before) :]
    assert set(before) <= set(again)
    assert len(set(again)) == len(again) == len(rounds[0].orders)


def test_a_server_that_is_not_there_yet_is_waited_for(stub: Market, crowd: Crowd) -> None:
    stub.down = True
    with at_work(stub, crowd) as rounds:
        time.sleep(0.4)
        assert not stub.posted
        stub.down = False
        until(lambda: rounds)
    assert len(stub.posted) == len(rounds[0].orders)


def test_a_closed_gate_ends_the_slot_and_not_the_program(stub: Market, crowd: Crowd) -> None:
    stub.refuse = (409, "GATE_CLOSED")
    with at_work(stub, crowd) as rounds:
        until(lambda: rounds)
        assert len(stub.posted) <= 64  # one batch was enough to learn it
        stub.refuse, stub.slot = None, stub.slot + 900
        until(lambda: len(rounds) == 2)
    assert rounds[1].codes["ACCEPTED"] == len(rounds[1].orders)


def test_refusals_are_said_aloud_and_known_orders_are_not(
    stub: Market, crowd: Crowd, caplog: pytest.LogCaptureFixture
) -> None:
    known = SlotRound(crowd, None, [{}] * 3)  # type: ignore[arg-type]
    known.market = type("Now", (), {"first_open_slot": stub.slot})()
    known.codes.update({"ACCEPTED": 1, "NONCE_CONFLICT": 2})
    with caplog.at_level("INFO"):
        log_round(known)
        known.codes.update({"OVER_CAPACITY": 4})
        log_round(known)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert "3 orders of 3 in the book" in caplog.text
    assert "refused: OVER_CAPACITY 4" in caplog.text


def test_the_keys_of_another_district_are_no_use(stub: Market, crowd: Crowd) -> None:
    from dataclasses import replace

    other = replace(crowd, district=replace(crowd.district, id="elsewhere"))
    with pytest.raises(CrowdError, match=r"found elsewhere, allowed sejong-5-1@0\.02"):
        asyncio.run(run_crowd(stub.address, other, asyncio.Event(), lambda _: None))


def start_program(stub: Market, **how: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "energy", "order", "bots", "--url", stub.address]
    command += ["--district", "sejong-5-1@0.02", "--seed", "1", "--until-eof"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, **how)


@pytest.mark.parametrize("way", ["eof", "sigterm"])
def test_the_program_ends_with_its_input_or_on_a_signal(stub: Market, way: str) -> None:
    program = start_program(stub)
    assert program.stdin is not None and program.stderr is not None
    until(lambda: stub.posted, 20)
    if way == "eof":
        program.stdin.close()
    else:
        os.kill(program.pid, signal.SIGTERM)
    assert program.wait(5) == 0
    assert b"Traceback" not in program.stderr.read()
    program.stderr.close()
    program.stdin.close()


def test_nothing_heavy_is_imported_to_post_orders() -> None:
    code = (
        "import sys, json, energy.cli.order; heavy = {'pandapower', 'pandas', 'pvlib', 'pyomo',"
        " 'highspy', 'sqlalchemy', 'fastapi', 'simbench', 'numba'};"
        "print(json.dumps(sorted(heavy & sys.modules.keys())))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(answer.stdout) == []
