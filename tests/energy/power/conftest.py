"""Layers in C between a process and its disk, built by the machine's compiler."""

import subprocess
from collections.abc import Callable
from pathlib import Path

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
