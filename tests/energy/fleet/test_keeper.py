"""What goes wrong with one service is no other's trouble."""

import asyncio
import sys
from pathlib import Path

from energy.fleet import Fleet, Keeper
from energy.fleet.keeper import State, ask
from energy.fleet.plan import GivenSettings, Member

SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")


def member(name: str, folder: Path) -> Member:
    return Member(name, folder, {}, GivenSettings.model_validate({"port": 9}))


def test_a_folder_that_cannot_be_and_a_log_that_is_gone_end_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    fleet = Fleet((member("bad", tmp_path / "file"), member("good", tmp_path / "good")))

    async def work() -> tuple[list[State], str]:
        keeper = Keeper(fleet, SLEEPS)
        running = asyncio.create_task(keeper.run())
        while not (tmp_path / "good" / "service.log").exists():
            await asyncio.sleep(0.05)
        while keeper.watched[0].reason == "":
            await asyncio.sleep(0.05)
        (tmp_path / "good" / "service.log").unlink()
        seen = [one.state for one in keeper.watched], keeper.watched[0].reason
        keeper.stop()
        await asyncio.wait_for(running, 60)
        return seen

    states, reason = asyncio.run(work())
    assert states == [State.DOWN, State.STARTING]
    assert reason.startswith("cannot be kept: ") and "file" in reason


def test_an_answer_that_is_no_http_is_none() -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    async def garbled() -> object:
        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await asyncio.to_thread(ask, f"http://127.0.0.1:{port}")

    assert asyncio.run(garbled()) is None
