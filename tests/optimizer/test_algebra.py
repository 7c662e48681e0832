"""Pyomo is had without the parts of scipy that nothing of the planner uses."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
import optimizer.engine
print(sorted(set({parts}) & set(sys.modules)))
import scipy.integrate, scipy.spatial, scipy.stats
print(round(scipy.stats.norm.cdf(0.0), 3), scipy.spatial.distance.euclidean([0, 3], [4, 0]))
"""
PARTS = ("scipy.integrate", "scipy.spatial", "scipy.stats")


def run(code: str) -> str:
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_solving_does_without_statistics_and_who_needs_them_gets_the_real_ones() -> None:
    assert run(WITHOUT.format(parts=PARTS)).split("\n")[:2] == ["[]", "0.5 5.0"]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_there_before_stays(part: str) -> None:
    code = f"import sys, {part}\nbefore = sys.modules[{part!r}]\nimport optimizer.engine\n"
    assert run(f"{code}print(sys.modules[{part!r}] is before)").strip() == "True"
