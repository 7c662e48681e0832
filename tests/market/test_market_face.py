"""The public face: its example holds, and the library stands without the application."""

import doctest
import subprocess
import sys

import market


def test_the_example_of_the_library_holds() -> None:
    result = doctest.testmod(market)
    assert result.attempted >= 5 and result.failed == 0


def test_clearing_needs_neither_application_nor_solver() -> None:
    code = "import market, sys; print([m for m in sys.argv[1:] if m in sys.modules])"
    others = ["energy", "optimizer", "grid_models", "sqlalchemy", "pyomo", "pandapower", "fastapi"]
    answer = subprocess.run([sys.executable, "-c", code, *others], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr
