"""No finding of high severity by bandit in what is shipped."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("energy", "grid_models", "market", "optimizer")
# B413 takes every `Crypto` for pycrypto, which is dead; here it is pycryptodome's.
SKIPPED = "B413"


def high_findings(*places: Path) -> list[dict[str, Any]]:
    """What bandit finds of high severity."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", "-lll", "-s", SKIPPED, "-f", "json"]
    found = subprocess.run(
        [*command, *map(str, places)], capture_output=True, text=True, check=False
    )
    results: list[dict[str, Any]] = json.loads(found.stdout)["results"]
    return results


def test_nothing_of_high_severity_is_shipped() -> None:
    assert high_findings(*(ROOT / name for name in PACKAGES)) == []


def test_canary_a_shell_for_what_somebody_sent_is_found(tmp_path: Path) -> None:
    (tmp_path / "door.py").write_text(
        "import subprocess\n\n\ndef run(sent):\n    subprocess.run(sent, shell=True)\n"
    )
    assert [one["test_id"] for one in high_findings(tmp_path)] == ["B602"]
