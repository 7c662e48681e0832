"""Every kind of refusal that the doors can give stands in docs/problems.md with its status."""

import ast
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

from energy.api.orders import STATUS_OF
from market.orders import RefusalCode

ROOT = Path(__file__).parents[3]
PAGE_WORDS = ROOT / "energy/dashboard/static/i18n"
RAISED_BY = ("ProblemError", "answering")
NOT_LITERAL = {"code", "document", "refusal.code.value"}
"""Three calls that pass on a code from elsewhere: the framework's, the client's, the market's."""


def raised_codes() -> dict[str, set[int]]:
    """The codes that the doors' files name, each with the statuses that stand beside it."""
    found: dict[str, set[int]] = defaultdict(set)
    for path in (ROOT / "energy").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            if ast.unparse(node.func).rsplit(".", 1)[-1] not in RAISED_BY:
                continue
            status, code = node.args[:2]
            if isinstance(code, ast.Constant):
                found[str(code.value)] |= (
                    {int(status.value)} if isinstance(status, ast.Constant) else set()
                )
            else:
                assert ast.unparse(code) in NOT_LITERAL, f"{path}:{node.lineno}"
    return found


def documented_codes() -> dict[str, set[int]]:
    """The names of the guide's tables as codes, each with its statuses."""
    text = (ROOT / "docs/problems.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| ([0-9x, ]+) \|", text, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a name stands twice"
    return {
        name.upper().replace("-", "_"): {int(n) for n in re.findall(r"\b[0-9]{3}\b", statuses)}
        for name, statuses in rows
    }


def test_every_kind_of_refusal_is_documented_and_every_documented_one_can_come() -> None:
    by_framework = {"NOT_FOUND", "METHOD_NOT_ALLOWED", "REFUSED"}
    can_come = {*raised_codes(), *(code.value for code in RefusalCode), *by_framework}
    assert set(documented_codes()) == can_come


def test_the_documented_statuses_are_those_that_are_sent() -> None:
    documented = documented_codes()
    for code, statuses in raised_codes().items():
        assert statuses <= documented[code], code
    for refusal in RefusalCode:
        assert STATUS_OF.get(refusal, 422) in documented[refusal.value], refusal


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_kind_of_refusal_has_words_on_the_pages_and_no_other(language: str) -> None:
    words = json.loads((PAGE_WORDS / f"problems.{language}.json").read_text())
    assert {key.removeprefix("problem.") for key in words} == set(documented_codes())
