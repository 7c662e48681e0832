"""Every check of operation has a test, or is named as missing; the report says what was found."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def checks() -> ModuleType:
    """The plugin as it stands in its file."""
    spec = importlib.util.spec_from_file_location("checks_read", ROOT / "tests" / "checks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_check_has_a_test_or_is_named_as_missing(checks: ModuleType) -> None:
    marked = checks.marked_numbers(ROOT / "tests")
    assert sorted(checks.CHECKS) == list(range(1, 26)) and set(marked) <= set(checks.CHECKS)
    proven = {number for number, where in marked.items() if where.get(False)}
    assert set(checks.CHECKS) - proven == checks.MISSING, "a test, or named as missing"


def test_every_check_with_a_test_has_a_canary(checks: ModuleType) -> None:
    marked = checks.marked_numbers(ROOT / "tests")
    without = {number for number, where in marked.items() if not where.get(True)}
    assert without == set()


SAMPLE = """
import pytest

@pytest.mark.check(7)
@pytest.mark.soak
def test_it_holds(check):
    count = check.trials(40, 2)
    check.state(f"{check.rng.randrange(1000)} of {count}")

@pytest.mark.check(7, canary=True)
def test_its_canary():
    pass

@pytest.mark.check(9)
def test_it_breaks(check):
    assert False
"""


def run_sample(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The plugin in a project of its own."""
    (folder / "tests").mkdir(exist_ok=True)
    source = (ROOT / "tests" / "checks.py").read_text(encoding="utf-8")
    (folder / "tests" / "checks.py").write_text(source)
    (folder / "tests" / "test_sample.py").write_text(SAMPLE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.checks", "-p", "no:cacheprovider"]
    options = ["--import-mode=importlib", "-m", "soak or check", "-o", "markers=soak"]
    clean = {key: text for key, text in os.environ.items() if key not in ("SOAK", "SEED", "CHECK")}
    return subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, check=False,
        env={**clean, **environment},
    )  # fmt: skip


def test_a_soak_reports_every_number_with_seed_trials_figure_verdict_and_canary(
    tmp_path: Path,
) -> None:
    told = run_sample(tmp_path, SOAK="short")
    assert "1 failed, 2 passed" in told.stdout and "SEED=9" in told.stdout, told.stdout
    report = json.loads((tmp_path / "var" / "soak" / "report.json").read_text())
    rows = {row["number"]: row for row in report["checks"]}
    assert len(rows) == 25 and report["versions"]["sqlite"] and report["machine"]["cores"]
    assert (rows[7]["verdict"], rows[7]["canary"], rows[7]["trials"]) == ("passed", "fired", 10)
    assert rows[7]["figure"] == "331 of 10" and rows[7]["seed"] == 7
    assert (rows[9]["verdict"], rows[9]["canary"]) == ("failed", "none")
    assert rows[1]["verdict"] == "missing"
    assert "| 7 | one leader |" in (tmp_path / "var" / "soak" / "report.md").read_text()


def test_one_check_and_its_seed_are_run_alone_and_leave_the_others_lines(tmp_path: Path) -> None:
    run_sample(tmp_path, SOAK="full")
    told = run_sample(tmp_path, SOAK="full", CHECK="7", SEED="42")
    assert "2 passed, 1 deselected" in told.stdout, told.stdout
    report = json.loads((tmp_path / "var" / "soak" / "report.json").read_text())
    rows = {row["number"]: row for row in report["checks"]}
    assert rows[7]["figure"] == "654 of 40" and rows[7]["seed"] == 42
    assert rows[9]["verdict"] == "failed"
    assert run_sample(tmp_path, CHECK="7").returncode == 0
