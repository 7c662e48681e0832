"""The public face: its example holds, and the library stands without the application."""

import doctest
import subprocess
import sys

import optimizer


def test_the_example_of_the_library_holds() -> None:
    result = doctest.testmod(optimizer)
    assert result.attempted >= 5 and result.failed == 0


def test_asking_for_a_plan_loads_neither_application_nor_solver() -> None:
    # Pyomo and HiGHS are loaded by the solving process, not by whoever waits for it.
    code = "import optimizer, sys; print([m for m in sys.argv[1:] if m in sys.modules])"
    others = ["energy", "market", "grid_models", "sqlalchemy", "pyomo", "highspy", "pandapower"]
    answer = subprocess.run([sys.executable, "-c", code, *others], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr
