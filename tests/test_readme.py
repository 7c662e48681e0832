"""What the README tells is so: its example runs, its commands and routes exist."""

import re
from pathlib import Path

import pytest
import typer.main

from energy.cli import COMMANDS, GROUPS, build_app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
WORDS = r"`microgrid ([a-z]+(?: [a-z][a-z-]*)*)"
TOLD = sorted({tuple(found.split()) for found in re.findall(WORDS, README)})


def test_the_python_example_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.parametrize("words", TOLD, ids=" ".join)
def test_every_command_that_is_told_exists(words: tuple[str, ...]) -> None:
    assert words[0] in (*COMMANDS, *GROUPS)
    if words[0] in GROUPS:
        group = typer.main.get_command(build_app(words[0]))
        assert words[1] in group.commands[words[0]].commands  # type: ignore[attr-defined]


def test_every_route_that_is_told_is_in_the_source() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[1] / "energy" / "api").glob("*.py")
    )
    for path in re.findall(r"/v1/[a-z]+(?:/(?:\{[a-z]+\}|[a-z]+))*", README):
        assert f'"{path}"' in sources, path
