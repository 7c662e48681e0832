"""The house: imports go one way, functions stay small, every setting is documented."""

import ast
import re
from pathlib import Path

import pytest

from energy.config import Settings

ROOT = Path(__file__).parents[1]
LIBRARIES = ("grid_models", "market", "optimizer")
# fmt: off
CORRIDOR = (
    "__init__", "units", "timegrid", "logs", "config", "client", "tariffs", "district", "forecast",
    "crowd", "plant", "store", "steps", "cycle", "charts", "report", "outcome", "simulate",
    "backtest", "study", "api", "dashboard", "daemon", "service", "bench", "fleet", "cli",
    "__main__",
)
# fmt: on
ROOM_OF = {
    "pyomo": "optimizer",
    "highspy": "optimizer",
    "eth_account": "market/signing.py",
    "coincurve": "market",
    "pandapower": "grid_models",
    "simbench": "grid_models",
    "power_grid_model": "grid_models",
    "sqlalchemy": "energy",
    "fastapi": "energy",
    "apscheduler": "energy",
    "distributed": "energy/study",
}
SOURCES = sorted(
    path.relative_to(ROOT) for top in ("energy", *LIBRARIES) for path in (ROOT / top).rglob("*.py")
)
FUNCTION_LINES_MAX = 60


def imported_names(path: Path) -> list[str]:
    """Dotted names of all that a file imports, also inside functions."""
    names = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_imports_go_downstairs_and_leftwards_only(path: Path) -> None:
    home = path.parts[0]
    for name in imported_names(path):
        top, room = [*name.split("."), "__init__"][:2]
        assert path.is_relative_to(ROOM_OF.get(top, ".")), f"{path}: {top} is at {ROOM_OF[top]}"
        if top in LIBRARIES:
            assert home in (top, "energy"), f"{path}: libraries do not know each other"
        if top == "energy":
            assert home == "energy", f"{path}: a library does not know the application"
            here = path.with_suffix("").parts[1]
            assert CORRIDOR.index(room) <= CORRIDOR.index(here), f"{path}: {here} left of {room}"


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, text: list[str]) -> int:
    """Lines from `def` to the end, without docstring, blank and comment-only lines."""
    first, documented = function.body[0], ast.get_docstring(function) is not None
    docstring = range(first.lineno, (first.end_lineno or 0) + 1) if documented else range(0)
    span = range(function.lineno, (function.end_lineno or 0) + 1)
    return sum(n not in docstring and text[n - 1].strip()[:1] not in ("", "#") for n in span)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    source = (ROOT / path).read_text()
    text = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = code_lines(node, text)
            assert size <= FUNCTION_LINES_MAX, f"{path}:{node.lineno} {node.name}: {size} lines"


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    documented = set(re.findall(r"`(MICROGRID_[A-Z0-9_]+)`", (ROOT / "README.md").read_text()))
    assert documented == {f"MICROGRID_{name.upper()}" for name in Settings.model_fields}
