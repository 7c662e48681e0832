"""The 25 checks of operation: which test proves which, with what seed and size, and what it found.

A test says `@pytest.mark.check(7)`, one of the runs without its guard that must fail says
`@pytest.mark.check(7, canary=True)`. Through the fixture `check` it draws its seed, asks how many
trials it is to make, and states its figure. `make soak` sets SOAK, CHECK and SEED; the report goes
to `var/soak/`, and a later run of one check leaves the others' lines as they were.
"""

import ast
import json
import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from energy.store.sqlite import sqlite3

ROOT = Path(__file__).parents[1]
SCALES = {"full": 1.0, "short": 0.25}
LIBRARIES = ("sqlalchemy", "psycopg", "apscheduler", "highspy", "pandapower", "coincurve")


@dataclass(frozen=True)
class Check:
    """A check's name and target."""

    name: str
    target: str


# fmt: off
CHECKS: dict[int, Check] = {
    1: Check("kill -9 of the daemon", "0 lost, 0 doubled, books verify, runs again <= 30 s"),
    2: Check("power loss at every sync", "0 acknowledged entries lost"),
    3: Check("disk full and EIO", "0 half-settled slots, resumes <= 1 cycle"),
    4: Check("tampering and rollback", "10,000 found and located; 0 false alarms in 1,000"),
    5: Check("model-based accounting", "2,000 runs x 50 steps, 0 violations"),
    6: Check("races", "1,000 contested slots and orders, 0 duplicates"),
    7: Check("one leader", "every slot once, take-over <= 60 s, 50 of 50 late writes refused"),
    8: Check("catch-up after 1, 4, 96, 672 slots", "all once, in order; 0 stale set-points"),
    9: Check("overrun and misfire", "1,000 slots, 0 without a final row, alarm <= 60 s"),
    10: Check("clock steps and DST", "35,040 slots, 92/100 quarters, 0 duplicates, > 1 h holds"),
    11: Check("solver faults", "50 of each in the named tier and in time"),
    12: Check("missing, stale, frozen, absurd, future inputs", "500 cases, 0 outside limits"),
    13: Check("AC check of what is published", "0 unlabelled beyond a limit; no T0 beyond one now"),
    14: Check("set-point expiry", "100 of 100 at default within 3 send periods, 0 replays"),
    15: Check("grid events", "safe plan <= 60 s, 0 trades across the open point"),
    16: Check("whole system simulated", "1,000 days, 0 broken invariants, replays byte for byte"),
    17: Check("replayed signatures", "10,000 orders, 0 accepted as new"),
    18: Check("authorisation matrix", "every route and role has a verdict, 0 unexpected 2xx"),
    19: Check("schema fuzzing", ">= 20,000 requests per role, 0 5xx"),
    20: Check("tokens and sign-in", "200 forged: 0 accepted; 1 of 50 wins"),
    21: Check("lost answers", "5,000 POSTs, exactly 5,000 effects"),
    22: Check("exhaustion", "413/422/429, memory <= +200 MB, cycle on time"),
    23: Check("load", "150 orders/s, p99 <= 300 ms, 0 errors"),
    24: Check("privacy and audit", "10,000 questions, 0 groups under 15"),
    25: Check("test strength", "mutation score >= 85 %, all canaries fire"),
}
# fmt: on

MISSING = frozenset[int]()
"""Checks without a test; the report calls them missing."""


@dataclass
class Running:
    """What a test of a check says about itself; `stated` goes into the report."""

    number: int
    seed: int
    stated: dict[str, Any] = field(default_factory=dict)

    @property
    def rng(self) -> random.Random:
        """Chance that follows from the seed alone."""
        return random.Random(self.seed)

    def trials(self, full: int, on_change: int) -> int:
        """How many trials to make: all in `make soak`, a quarter with SOAK=short, else a few."""
        scale = SCALES.get(os.environ.get("SOAK", ""))
        count = on_change if scale is None else max(int(full * scale), min(full, on_change))
        self.stated["trials"] = count
        return count

    def state(self, figure: str, **more: Any) -> None:
        """What was found, in one line with its units."""
        self.stated.update(figure=figure, **more)


@pytest.fixture
def check(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The check that the test is marked with; its seed is printed, and SEED=n sets it."""
    marker = request.node.get_closest_marker("check")
    number = int(marker.args[0])
    running = Running(number, int(os.environ.get("SEED") or number))
    print(f"check {number}: SEED={running.seed}")  # noqa: T201 - a failure shows how to replay it
    yield running
    request.node.user_properties.append(("stated", {"seed": running.seed, **running.stated}))


def pytest_configure(config: pytest.Config) -> None:
    """The marker, and the report where one is asked for."""
    config.addinivalue_line(
        "markers", "check(number, canary=False): proves, or shows the worth of, one of the checks"
    )
    if os.environ.get("SOAK") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(ROOT / "var" / "soak"), "soak-report")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note each item's check for the report; with CHECK=n leave the others out."""
    wanted = os.environ.get("CHECK")
    left, out = [], []
    for item in items:
        marker = item.get_closest_marker("check")
        if marker is not None:
            told = {"number": marker.args[0], "canary": marker.kwargs.get("canary", False)}
            item.user_properties.append(("check", told))
        is_wanted = not wanted or (marker is not None and str(marker.args[0]) == wanted)
        (left if is_wanted else out).append(item)
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = left


@dataclass
class Line:
    """A check in the report."""

    number: int
    name: str
    target: str
    verdict: str = "not run"
    canary: str = "none"
    seed: int | None = None
    trials: int = 0
    figure: str = ""
    seconds: float = 0.0
    tests: int = 0
    commit: str = ""
    at_utc: str = ""


class Reporter:
    """Gathers the tests' outcomes and writes `report.json` and `report.md`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[int, Line] = {}
        self._commit = commit_of(ROOT)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase of a test to its check's line."""
        said = dict(report.user_properties)
        if "check" not in said:
            return
        number = int(said["check"]["number"])
        line = self._lines.setdefault(number, new_line(number))
        line.seconds = round(line.seconds + report.duration, 1)
        if report.when == "teardown":
            add_figures(line, said.get("stated", {}))
        if report.when != "call" and report.passed:
            return
        if said["check"]["canary"]:
            line.canary = worse(line.canary, "fired" if report.passed else "DID NOT FIRE")
            return
        line.tests += 1
        line.verdict = worse(line.verdict, "passed" if report.passed else report.outcome)

    def pytest_sessionfinish(self) -> None:
        """Write the report, with the lines of earlier runs where this one has none."""
        if not self._lines:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "report.json"
        known = json.loads(path.read_text()) if path.exists() else {"checks": []}
        lines = {row["number"]: Line(**row) for row in known["checks"]}
        for number, line in self._lines.items():
            line.commit, line.at_utc = self._commit, datetime.now(UTC).isoformat(timespec="seconds")
            lines[number] = line
        for number in CHECKS:
            lines.setdefault(number, new_line(number))
        for number in set(CHECKS) - set(marked_numbers(ROOT / "tests")):
            lines[number].verdict = "missing"
        rows = [lines[number] for number in sorted(CHECKS)]
        report = {
            "commit": self._commit,
            "scale": os.environ["SOAK"],
            "machine": machine(),
            "versions": versions(),
            "checks": [asdict(row) for row in rows],
        }
        path.write_text(json.dumps(report, indent=1) + "\n")
        (self._folder / "report.md").write_text(as_table(report, rows))


def new_line(number: int) -> Line:
    """A check that has not been run."""
    return Line(number, CHECKS[number].name, CHECKS[number].target)


RANK = ("none", "not run", "passed", "fired", "skipped", "failed", "DID NOT FIRE")


def worse(one: str, other: str) -> str:
    """The verdict that counts for both."""
    return max(one, other, key=RANK.index)


def add_figures(line: Line, stated: dict[str, Any]) -> None:
    """Add what a test has stated."""
    line.seed = stated.get("seed", line.seed)
    line.trials += stated.get("trials", 0)
    line.figure = "; ".join(filter(None, (line.figure, stated.get("figure", ""))))


def commit_of(root: Path) -> str:
    """The commit that is checked out, with a plus where files differ from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return told.stdout.strip() or "unknown"


def machine() -> dict[str, Any]:
    """What the checks ran on."""
    return {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}


def versions() -> dict[str, str]:
    """Versions of what the promises rest on."""
    found = {"python": sys.version.split()[0], "sqlite": sqlite3.sqlite_version}
    return found | {name: version(name) for name in LIBRARIES}


def as_table(report: dict[str, Any], rows: list[Line]) -> str:
    """The report as a Markdown page."""
    head = [
        f"# Soak of {report['commit']}",
        "",
        f"{report['scale']} size; {report['machine']['system']}, "
        f"{report['machine']['cores']} cores; "
        + ", ".join(f"{name} {found}" for name, found in report["versions"].items()),
        "",
        "| no. | check | target | verdict | canary | seed | trials | found | s | commit |",
        "|--:|---|---|---|---|--:|--:|---|--:|---|",
    ]
    body = [
        f"| {row.number} | {row.name} | {row.target} | {row.verdict} | {row.canary} | "
        f"{'' if row.seed is None else row.seed} | {row.trials or ''} | {row.figure} | "
        f"{row.seconds:.0f} | {row.commit} |"
        for row in rows
    ]
    return "\n".join([*head, *body, ""])


def marked_numbers(folder: Path) -> dict[int, dict[bool, list[str]]]:
    """The checks that tests of a folder are marked with: by number and canary, where."""
    found: dict[int, dict[bool, list[str]]] = {}
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.check(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.check":
                number = ast.literal_eval(node.args[0])
                canary = any(ast.literal_eval(word.value) for word in node.keywords)
                where = f"{path.relative_to(folder)}:{node.lineno}"
                found.setdefault(number, {}).setdefault(canary, []).append(where)
    return found
