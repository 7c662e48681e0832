"""Check 25: whether the tests notice a changed line of ledger, settlement and sign-in.

Mutants are made and judged by mutmut in a copy of the working tree; which of them is drawn by the
seed. One that no test reaches counts as one that lives.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mutmut.stats import status_by_exit_code

from tests.checks import ROOT

KILLED = frozenset({"killed", "timeout", "segfault"})
SHARE_MIN = 0.85
SAMPLE = 150
NO_NAME = "none-has-this-name"


@dataclass(frozen=True)
class Area:
    """Files whose mutants are judged, and the tests that judge them."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


MARKET_TESTS = (
    "tests/market",
    # The first runs mutants of its own, the second reads the sources, which mutmut rewrites.
    "--ignore=tests/market/test_planted_faults.py",
    "--ignore=tests/market/test_no_floats.py",
)
AREAS = (
    Area(
        "ledger",
        (
            "market/ledger.py", "market/merkle.py", "market/entries.py", "market/checkpoint.py",
            "market/proofs.py", "market/signing.py",
        ),
        (*MARKET_TESTS, "tests/energy/ledger/test_ledger_proofs.py"),
    ),
    Area(
        "settlement",
        ("market/settlement.py", "market/bill.py", "market/books.py", "market/month_bill.py"),
        (*MARKET_TESTS, "tests/energy/ledger/test_books_day.py"),
    ),
    Area(
        "sign-in",
        (
            "energy/steps/credentials.py", "energy/api/siwe.py", "energy/store/sessions.py",
            "energy/api/callers.py", "energy/api/doorman.py", "energy/api/sign_in.py",
            "energy/api/session_steps.py",
        ),
        (
            "tests/energy/api/test_sign_in_of_people.py",
            "tests/energy/api/test_sign_in_of_wallets.py",
            "tests/energy/api/test_authorisation_matrix.py",
            "tests/energy/cli/test_people_command.py",
        ),
    ),
)  # fmt: skip


def lay_out(folder: Path, area: Area) -> Path:
    """A copy of the working tree in which mutmut is to change the area's files alone."""
    told = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, told.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    others = sorted(
        {name.split("/")[0] for name in told.stdout.split("\0") if name}
        - {"market", "energy", "tests", "pyproject.toml"}
    )
    settings = {
        "source_paths": ["market", "energy"],
        "only_mutate": list(area.files),
        "also_copy": others,
        "pytest_add_cli_args_test_selection": list(area.tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "use_git_change_detection": False,
    }
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[tool.mutmut]\n{lines}")
    return folder


def mutmut(folder: Path, *names: str) -> str:
    """Run the mutants of these names; what mutmut said last."""
    # Its tests are those of `make test`, whatever this run was asked for.
    left_out = ("SOAK", "CHECK", "SEED", "PYTEST")
    told = subprocess.run(
        [sys.executable, "-m", "mutmut", "run", "--max-children", "2", *names],
        cwd=folder, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith(left_out)},
    )  # fmt: skip
    return (told.stdout + told.stderr)[-2_000:]


def verdicts(folder: Path) -> dict[str, str]:
    """What became of each mutant, by its name."""
    found: dict[str, str] = {}
    for path in sorted((folder / "mutants").rglob("*.meta")):
        codes = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    return found


def judge(folder: Path, sample: list[str]) -> tuple[float, list[str]]:
    """The share of the sample that was killed, and those that live."""
    said = mutmut(folder, *sample)
    found = verdicts(folder)
    counts = Counter(found[name] for name in sample)
    assert not counts["not checked"], said
    living = [f"{name} ({found[name]})" for name in sample if found[name] not in KILLED]
    return 1 - len(living) / len(sample), living


def draw(folder: Path, check: Any, count: int) -> list[str]:
    """So many mutants by chance, the same for a seed."""
    said = mutmut(folder, NO_NAME)
    names = sorted(verdicts(folder))
    assert len(names) > count, said
    return sorted(check.rng.sample(names, count))


@pytest.mark.soak
@pytest.mark.check(25)
@pytest.mark.parametrize("area", AREAS, ids=[one.name for one in AREAS])
def test_most_changed_lines_are_noticed(tmp_path: Path, check: Any, area: Area) -> None:
    folder = lay_out(tmp_path, area)
    sample = draw(folder, check, check.trials(SAMPLE, 10))
    share, living = judge(folder, sample)
    check.state(f"{area.name} {share:.1%} of {len(sample)}")
    print("\n".join(living))  # noqa: T201 - what the tests do not see yet
    assert share >= SHARE_MIN, living


class WithoutAsserts(ast.NodeTransformer):
    """Leaves of each assertion nothing but that it is worked out."""

    def visit_Assert(self, node: ast.Assert) -> ast.Expr:
        return ast.copy_location(ast.Expr(node.test), node)


@pytest.mark.soak
@pytest.mark.check(25, canary=True)
def test_canary_tests_without_assertions_notice_less(tmp_path: Path, check: Any) -> None:
    area = AREAS[1]
    shares = []
    for emptied in (False, True):
        folder = lay_out(tmp_path / str(emptied), area)
        if emptied:
            for path in (folder / "tests" / "market").rglob("test_*.py"):
                tree = WithoutAsserts().visit(ast.parse(path.read_text(encoding="utf-8")))
                path.write_text(ast.unparse(tree), encoding="utf-8")
        shares.append(judge(folder, draw(folder, check, 20))[0])
    assert shares[1] < shares[0], shares
